// Where one is signed in, and ending that.
import { session } from "./api.js";
import { device } from "./device.js";
import { fill, h } from "./dom.js";
import { toast, wording } from "./ui.js";
import { ago, when } from "./format.js";
import { doing } from "./forms.js";

/** How many are shown before all are asked for. */
const SHOWN = 5;

/** @returns {HTMLElement} the list, filled when it has been read */
export function sessionList() {
  const list = h("ul", { class: "list sessions", tabindex: "-1", "aria-label": "Devices" });
  const state = h("p", { class: "muted", role: "status", text: "Reading …" });
  const others = doing("Sign out all others", () => endAll());
  others.hidden = true;
  let sessions = [];
  let most = SHOWN;
  const all = doing("", () => {
    most = Infinity;
    draw();
    list.focus();
  });
  all.hidden = true;

  const draw = () => {
    const elsewhere = sessions.filter(({ current }) => !current);
    others.hidden = elsewhere.length < 2;
    state.textContent = elsewhere.length === 0 ? "You are signed in nowhere else." : "";
    state.hidden = elsewhere.length > 0;
    fill(list, [...sessions.filter(({ current }) => current), ...elsewhere].slice(0, most).map(row));
    all.hidden = sessions.length <= most;
    all.textContent = `Show all ${sessions.length}`;
  };

  const row = (one) =>
    h(
      "li",
      { class: "row" },
      h(
        "div",
        { class: "grow" },
        h(
          "div",
          { class: "cluster" },
          h("span", { class: "name", text: nameOf(one) }),
          one.current && h("span", { class: "badge accent", text: "This device" }),
        ),
        h("div", { class: "muted fine", text: aboutOf(one) }),
      ),
      one.current ? null : ending(one),
    );

  const ending = (one) => {
    const button = doing("Sign out", async () => {
      await end(one);
      draw();
      // Its button, which had the focus, is gone.
      list.focus();
      toast(`${nameOf(one)} is signed out.`);
    });
    button.setAttribute("aria-label", `Sign out ${nameOf(one)}, ${aboutOf(one)}`);
    return button;
  };

  const end = async (one) => {
    try {
      await session.endSession(one.id);
    } catch (error) {
      // It ended by itself meanwhile.
      if (error.code !== "not_found") throw error;
    }
    sessions = sessions.filter(({ id }) => id !== one.id);
  };

  const endAll = async () => {
    try {
      for (const one of sessions.filter(({ current }) => !current)) await end(one);
      toast("All other devices are signed out.");
    } finally {
      draw();
    }
  };

  const read = async () => {
    try {
      sessions = await session.sessions();
      draw();
    } catch (error) {
      fill(state, wording(error), " ", doing("Try again", read));
    }
  };
  read();
  return h("div", { class: "stack" }, list, state, h("div", { class: "cluster" }, all, others));
}

const nameOf = (one) => (one.client_name ? `${one.client_name} (app)` : device(one.user_agent));

const aboutOf = (one) =>
  [one.ip, one.current ? "active now" : `last used ${ago(one.last_used_at)}`, `since ${when(one.created_at)}`]
    .filter(Boolean)
    .join(" · ");
