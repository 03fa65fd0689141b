// Searching the messages of all one's conversations. What is searched for is in the address, so that going back finds it again,
// and what was found is kept for a while, so that this asks the API nothing and one is where one was.
import { session } from "./api.js";
import { chat } from "./chat.js";
import { fill, h, icon } from "./dom.js";
import { empty, spinner, wording } from "./ui.js";
import { title, when } from "./format.js";
import { doing } from "./forms.js";
import { marked } from "./text.js";
import { address, go } from "./router.js";

const LEAST = 2;
/** How long what was found is shown again, in ms. */
const KEPT_FOR = 300_000;

/** What was found last: `{text, items, next, top, at}`. */
let kept = null;
session.onChange((user, reason) => {
  if (reason !== "profile") kept = null;
});

/**
 * @param {import("./router.js").Route} route
 * @returns {{element: HTMLElement, title: () => string, update: (route: object) => void, destroy: () => void}}
 */
export function searchView(route) {
  const input = h("input", {
    class: "input",
    type: "search",
    name: "q",
    "aria-label": "Search all messages",
    placeholder: "Words as they are written",
    autocomplete: "off",
    maxlength: "200",
  });
  const results = h("ul", { class: "list results" });
  const state = h("div", { role: "status" });
  const more = h("div", { class: "cluster centred" });
  let text = "";
  let asked = 0;

  const show = ({ items, next }) => {
    results.append(...items.map((message) => h("li", null, result(message, text))));
    fill(
      state,
      results.childElementCount === 0
        ? empty({
            title: "Nothing found",
            text: "Messages are found that have all the words; the last one may be a beginning.",
          })
        : h("p", { class: "muted hint-line", text: foundWords(results.childElementCount, next) }),
    );
    fill(more, next && doing("Show more", () => read(next)));
  };

  const read = async (cursor) => {
    asked += 1;
    const mine = asked;
    fill(more);
    if (!cursor) fill(state, spinner("Searching …"));
    try {
      const page = await chat.search(text, null, cursor);
      if (mine !== asked) return;
      const before = cursor ? kept.items : [];
      kept = { text, items: [...before, ...page.items], next: page.next, top: 0, at: Date.now() };
      show(page);
    } catch (error) {
      if (mine !== asked) return;
      fill(
        state,
        empty({
          title: "The search did not work",
          text: wording(error),
          action: { label: "Try again", run: () => read(cursor) },
        }),
      );
    }
  };

  const update = ({ query }) => {
    if (query === text) return;
    text = query;
    if (input.value.trim() !== query) input.value = query;
    asked += 1;
    fill(results);
    fill(more);
    fill(state);
    if (kept?.text === text && Date.now() - kept.at < KEPT_FOR) {
      show(kept);
      // There is nothing to scroll before it is in the page.
      requestAnimationFrame(() => (element.scrollTop = kept?.top ?? 0));
    } else if (text.length >= LEAST) read(null);
    else if (text) fill(state, h("p", { class: "muted hint-line", text: "Type two characters or more." }));
  };

  const submit = (event) => {
    event.preventDefault();
    // Who asks again wants to know what there is now.
    kept = null;
    text = "";
    go(address.search(input.value.trim()), { replace: true });
  };
  const element = h(
    "div",
    { class: "page" },
    h(
      "header",
      { class: "page-header" },
      h("a", { class: "button icon only-phone", href: address.list, "aria-label": "Back to the conversations" }, icon("back")),
      h("h1", { tabindex: "-1", text: "Search" }),
    ),
    h(
      "div",
      { class: "page-body stack" },
      h(
        "form",
        { role: "search", class: "searching", "aria-label": "Messages", on: { submit } },
        h("span", { class: "search-box" }, icon("search"), input),
        h("button", { class: "button primary", type: "submit", text: "Search" }),
      ),
      state,
      results,
      more,
    ),
  );
  update(route);
  const destroy = () => {
    asked += 1;
    if (kept?.text === text) kept.top = element.scrollTop;
  };
  return { element, title: () => (text ? `Search: ${text}` : "Search"), update, destroy };
}

function result(message, text) {
  const conversation = chat.conversation(message.conversation_id);
  const place = conversation ? title(conversation, session.user?.id) : "Conversation";
  return h(
    "a",
    { class: "row message-found", href: address.conversation(message.conversation_id, message.id) },
    h(
      "span",
      { class: "grow" },
      h(
        "span",
        { class: "line" },
        h(
          "span",
          { class: "grow truncate" },
          h("bdi", { class: "name", text: message.user_name }),
          h("span", { class: "muted" }, " in ", h("bdi", { text: place })),
        ),
        h("span", { class: "when", text: when(message.created_at) }),
      ),
      h("span", { class: "found-text", dir: "auto" }, marked(message.content ?? "", text)),
    ),
  );
}

const foundWords = (number, next) => (next ? `The newest ${number}` : number === 1 ? "One message" : `${number} messages`);
