// Says whether what one sees is live: a line across the page when it is not, nothing while all is well.
import { chat } from "./chat.js";
import { fill, h, icon } from "./dom.js";

/** A short interruption is not worth a word, in ms. */
const UNNOTICED = 2_000;

/** @returns {{element: HTMLElement, destroy: () => void}} */
export function connectionBanner() {
  const element = h("div", { class: "connection", role: "status" });
  let timer;
  const say = (name, text) => fill(element, text && h("div", { class: "banner" }, icon(name), h("span", { text })));
  const draw = () => {
    clearTimeout(timer);
    if (chat.connection === "offline") say("offline", offlineWords());
    else if (chat.connection === "throttled") say("clock", "Too many requests in a short time. Wait a little: it goes on by itself.");
    else if (chat.connection === "connecting") timer = setTimeout(() => say("retry", "Connecting …"), UNNOTICED);
    else say();
  };
  const off = chat.on("connection", draw);
  draw();
  return {
    element,
    destroy: () => {
      clearTimeout(timer);
      off();
    },
  };
}

const offlineWords = () =>
  navigator.onLine
    ? "The server cannot be reached. What you write is sent when it can."
    : "You are offline. What you write is sent when you are back.";

const WORDS = { online: "Online", connecting: "Connecting …", offline: "Offline", throttled: "Waiting …" };

/** @returns {string} the same in a word */
export const connectionWord = () => WORDS[chat.connection];
