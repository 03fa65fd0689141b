/** Finding what was said in a conversation. */
import { ago, when } from "./format.js";
import { avatar, empty, field, spinner, uniqueId, wording } from "./ui.js";
import { chat } from "./chat.js";
import { fill, h, icon } from "./dom.js";
import { marked } from "./text.js";

/**
 * A panel beside the messages.
 *
 * @param {{id: string, onJump: (messageId: string) => void, onClose: () => void}} about
 * @returns {{element: HTMLElement, focus: () => void, destroy: () => void}}
 */
export function searchPanel({ id, onJump, onClose }) {
  const heading = h("h2", { id: uniqueId("search"), text: "Search" });
  const closing = h("button", { class: "button icon", type: "button", "aria-label": "Close search" }, icon("close"));
  const words = field({ label: "Words in this conversation", name: "words", type: "search", autocomplete: "off", maxlength: 200 });
  const submit = h("button", { class: "button", type: "submit", text: "Search" });
  const form = h("form", { class: "search-form", role: "search", novalidate: true }, words.element, submit);
  const state = h("p", { class: "visually-hidden", role: "status" });
  const results = h("div", { class: "panel-body" });
  const element = h(
    "aside",
    { class: "panel", "aria-labelledby": heading.id },
    h("header", { class: "panel-header" }, heading, closing),
    form,
    state,
    results,
  );
  let asked = 0;
  closing.addEventListener("click", onClose);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const query = words.input.value.trim();
    words.error(query.length < 2 ? "Type at least 2 characters." : null);
    if (query.length < 2) return;
    asked += 1;
    const turn = asked;
    fill(results, spinner("Searching …"));
    const shown = await found(id, query, onJump);
    if (turn !== asked) return;
    fill(results, shown.nodes);
    state.textContent = shown.said;
  });
  return { element, focus: () => words.input.focus(), destroy: () => {} };
}

async function found(id, query, onJump) {
  try {
    const { items, next } = await chat.search(query, id);
    if (items.length === 0) {
      const nothing = empty({ title: "Nothing found", text: "Messages are found by all of the words, as they are written." });
      return { nodes: [nothing], said: "Nothing found" };
    }
    const more = next ? h("p", { class: "muted panel-note", text: "These are the newest ones. More words find older ones." }) : null;
    const list = h("ul", { class: "list", "aria-label": "What was found" }, items.map((message) => result(message, query, onJump)));
    return { nodes: [list, more], said: items.length === 1 ? "One message found" : `${items.length} messages found` };
  } catch (error) {
    return { nodes: [h("p", { class: "form-error panel-note", role: "alert", text: wording(error) })], said: "" };
  }
}

function result(message, query, onJump) {
  const { id, user_id: userId, user_name: name, created_at: at, content } = message;
  const button = h(
    "button",
    { type: "button", class: "row result", on: { click: () => onJump(id) } },
    avatar(name, userId, { size: "small" }),
    h(
      "span",
      { class: "grow" },
      h("span", { class: "result-head" }, h("bdi", { class: "truncate", text: name }), h("time", { datetime: at, title: ago(at), text: when(at) })),
      h("span", { class: "result-text", dir: "auto" }, marked(content, query)),
    ),
  );
  return h("li", null, button);
}
