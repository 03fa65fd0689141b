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
  const words = field({ label: "Search for", name: "words", type: "search", autocomplete: "off", maxlength: 200 });
  const submit = h("button", { class: "button primary", type: "submit", text: "Search" });
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
  const list = h("ul", { class: "list", "aria-label": "What was found" });
  const more = h("button", { class: "button quiet", type: "button", text: "Show older ones" });
  const problem = h("p", { class: "form-error panel-note", role: "alert" });
  let search = null;

  /** Adds a page of what is found, unless something else was searched for meanwhile. */
  const add = async (mine) => {
    const isAsked = document.activeElement === more;
    more.disabled = true;
    problem.remove();
    try {
      const { items, next } = await chat.search(mine.query, id, mine.next);
      if (mine !== search) return;
      mine.next = next;
      list.append(...items.map((message) => result(message, mine.query, onJump)));
      const found = list.childElementCount;
      state.textContent = found === 0 ? "Nothing found" : found === 1 ? "One message found" : `${found} messages found`;
      const shown = list.childElementCount - items.length;
      fill(results, found > 0 ? list : nothingFound(), next && more);
      if (isAsked) list.children[shown]?.firstChild.focus();
    } catch (error) {
      if (mine !== search) return;
      problem.textContent = wording(error);
      fill(results, list, problem, mine.next && more);
    }
    more.disabled = false;
  };

  closing.addEventListener("click", onClose);
  more.addEventListener("click", () => add(search));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const query = words.input.value.trim();
    words.error(query.length < 2 ? "Type at least 2 characters." : null);
    if (query.length < 2) return;
    search = { query, next: null };
    list.replaceChildren();
    fill(results, spinner("Searching …"));
    add(search);
  });
  return { element, focus: () => words.input.focus(), destroy: () => {} };
}

const nothingFound = () =>
  empty({ title: "Nothing found", text: "Messages are found by all of the words, as they are written." });

function result(message, query, onJump) {
  const { id, user_id: userId, user_name: name, created_at: at, content } = message;
  const button = h(
    "button",
    { type: "button", class: "row found-message", on: { click: () => onJump(id) } },
    avatar(name, userId, { size: "small" }),
    h(
      "span",
      { class: "grow" },
      h(
        "span",
        { class: "result-head" },
        h("bdi", { class: "truncate", text: name }),
        h("time", { datetime: at, title: ago(at), text: when(at) }),
      ),
      h("span", { class: "result-text", dir: "auto" }, marked(content, query)),
    ),
  );
  return h("li", null, button);
}
