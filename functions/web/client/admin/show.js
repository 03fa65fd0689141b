/** What several sections show alike: figures, times, ids, failures, and questions before something is done. */
import { exact, language } from "../app/format.js";
import { h, icon } from "../app/dom.js";
import { dialog, toast, wording } from "../app/ui.js";
import { shortId } from "./words.js";

const figures = new Intl.NumberFormat(language);
const dates = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" });
const moments = new Intl.DateTimeFormat(language, {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});

/** A figure in full, with its thousands apart. */
export const number = (value) => figures.format(value);

/** A day; to the second when one points at it. */
export const date = (value) => timeElement(value, dates);

/** A day and the time of the day. */
export const moment = (value) => timeElement(value, moments);

function timeElement(value, format) {
  const at = new Date(value);
  return h("time", { datetime: value, title: exact(at), text: format.format(at) });
}

/** The end of an id, which tells ids of one minute apart; all of it when one points at it. */
export const id = (value) => h("code", { class: "id", title: value, text: shortId(value) });

/** Copies a text, and says so; `what` begins the sentence. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied.`);
  } catch {
    toast(`The browser does not allow copying. ${what}: ${text}`, { kind: "error" });
  }
}

/**
 * What could not be done, why, and a way to try again, which waits for as long as the server asks for.
 *
 * @param {any} error
 * @param {{title: string, retry: () => void}} about
 * @returns {HTMLElement}
 */
export function failure(error, { title, retry }) {
  const button = h("button", { class: "button", type: "button", on: { click: retry } }, icon("retry"), "Try again");
  const reference = error.status >= 500 && error.requestId ? ` Reference: ${error.requestId}` : "";
  if (error.retryAfter) {
    button.disabled = true;
    setTimeout(() => {
      button.disabled = false;
    }, error.retryAfter * 1_000);
  }
  return h(
    "div",
    { class: "failure", role: "alert" },
    icon("warning"),
    h("div", { class: "grow" }, h("strong", { text: title }), h("p", { text: wording(error) + reference })),
    button,
  );
}

/**
 * Asks, does it when it is agreed to, and shows in the question why it could not be done.
 *
 * @param {{title: string, text: any, action: string, kind?: "primary" | "danger", run: () => Promise<any>}} about
 * @returns {Promise<boolean>} whether it was done
 */
export async function ask({ title, text, action, kind = "primary", run }) {
  let done = false;
  const agree = async () => {
    await run().catch((error) => {
      throw inFull(error);
    });
    done = true;
  };
  const paragraphs = [text].flat().map((one) => h("p", { text: one }));
  await dialog({ title, body: paragraphs, actions: [{ label: "Cancel" }, { label: action, kind, run: agree }] }).closed;
  return done;
}

/** An error whose sentence is what the server says of the fields, for where there are no fields to say it beside. */
function inFull(error) {
  const messages = Object.values(error.fields ?? {});
  if (messages.length === 0) return error;
  const sentences = messages.map((text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`);
  return Object.assign(error, { detail: sentences.join(" ") });
}
