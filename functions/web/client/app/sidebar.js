// The list of conversations with what belongs to it: who one is, the search through people, conversations and messages, and
// the way to a new conversation. It draws at most once a frame, and only the rows that changed.
import { session } from "./api.js";
import { chat } from "./chat.js";
import { fill, h, icon, keyed } from "./dom.js";
import { announce, avatar, empty, waiting, wording } from "./ui.js";
import { title } from "./format.js";
import { address, go } from "./router.js";
import { connectionWord } from "./connection.js";
import { conversationRow, markCurrent, updateRow } from "./conversation-row.js";
import { newConversation } from "./new-conversation.js";
import { who } from "./people.js";
import { verifyNote } from "./verify-note.js";

/** How long typing must pause before people are searched, in ms, and how much must be typed. */
const PAUSE = 250;
const ENOUGH = 2;

export class Sidebar {
  #current = null;
  #isDrawing = false;
  #people = { text: "", users: [], note: "" };
  #timer;
  #off;

  #self = h("div", { class: "self" });
  #search = h("input", {
    class: "input",
    type: "search",
    placeholder: "Search",
    "aria-label": "Search people, conversations and messages",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: "200",
  });
  #list = h("ul", { class: "list" });
  #archived = h("ul", { class: "list" });
  #archivedCount = h("span");
  #archive = h("details", { hidden: true }, h("summary", null, this.#archivedCount), this.#archived);
  #state = h("div");
  #found = h("div", { class: "found", hidden: true });
  #heading = h("h1", { class: "visually-hidden", tabindex: "-1", text: "Conversations" });
  #note = verifyNote();

  constructor() {
    const add = h(
      "button",
      { class: "button icon add", type: "button", "aria-label": "New conversation", title: "New conversation" },
      icon("plus"),
    );
    add.addEventListener("click", () => newConversation(add));
    const searching = h(
      "form",
      { role: "search", class: "searching", "aria-label": "People and conversations" },
      h("span", { class: "search-box" }, icon("search"), this.#search),
      add,
    );
    const scroller = h(
      "nav",
      { class: "scroller", "aria-label": "Conversations" },
      this.#state,
      this.#list,
      this.#archive,
      this.#found,
    );
    this.element = h(
      "div",
      { class: "sidebar", role: "region", "aria-label": "Your conversations" },
      this.#heading,
      this.#self,
      searching,
      scroller,
      this.#note.element,
    );

    searching.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#search.value.trim();
      if (text.length >= ENOUGH) go(address.search(text));
    });
    this.#search.addEventListener("input", () => this.#searchPeople());
    this.element.addEventListener("keydown", (event) => this.#move(event));
    // A conversation is left for by its link; what was searched for has done its work then.
    this.#found.addEventListener("click", (event) => event.target.closest("a") && this.#clear());
    this.#list.addEventListener("click", (event) => event.target.closest("a") && this.#clear());
    this.#off = [
      chat.on("conversations", () => this.draw()),
      chat.on("presence", () => this.draw()),
      chat.on("connection", () => this.#drawSelf()),
      session.onChange(() => this.#drawSelf()),
    ];
    this.#drawSelf();
    this.#draw();
  }

  get heading() {
    return this.#heading;
  }

  /** @param {string | null} id of the conversation that is open */
  setCurrent(id) {
    this.#current = id;
    this.draw();
  }

  draw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => {
      this.#isDrawing = false;
      this.#draw();
    });
  }

  destroy() {
    clearTimeout(this.#timer);
    for (const off of this.#off) off();
    this.#note.destroy();
  }

  #draw() {
    const text = this.#search.value.trim();
    const isSearching = text !== "";
    const matching = isSearching ? found(text) : chat.conversations;
    this.#keep(this.#list, isSearching ? matching : matching.filter((one) => !one.archived));
    const archived = isSearching ? [] : matching.filter((one) => one.archived);
    this.#keep(this.#archived, archived);
    this.#archivedCount.textContent = `Archived (${archived.length})`;
    this.#archive.hidden = archived.length === 0;
    if (archived.some(({ id }) => id === this.#current)) this.#archive.open = true;
    this.#drawState(isSearching);
    this.#drawFound(text);
  }

  #keep(list, conversations) {
    const update = (item, conversation) => {
      updateRow(item.firstChild, conversation);
      markCurrent(item.firstChild, conversation.id === this.#current);
    };
    keyed(
      list,
      conversations,
      ({ id }) => id,
      (conversation) => {
        const item = conversationRow(conversation);
        update(item, conversation);
        return item;
      },
      update,
    );
  }

  /** What stands in place of the list while there is none. */
  #drawState(isSearching) {
    const isEmpty = chat.conversations.length === 0 && !isSearching;
    const kind = !isEmpty ? "" : chat.loaded ? "none" : chat.error ? "error" : "loading";
    if (this.#state.dataset.kind === kind) return;
    this.#state.dataset.kind = kind;
    const start = { label: "New conversation", run: () => newConversation() };
    const again = { label: "Try again", run: () => chat.reload() };
    fill(
      this.#state,
      kind === "none" &&
        empty({ title: "No conversations yet", text: "Find somebody by username or email and write to them.", action: start }),
      kind === "error" && empty({ title: "Your conversations could not be read", text: wording(chat.error), action: again }),
      kind === "loading" && skeleton(),
    );
  }

  #drawFound(text) {
    this.#found.hidden = text === "";
    if (text === "") return;
    const isAnswered = this.#people.text === text || text.length < ENOUGH;
    const { users, note } = this.#people.text === text ? this.#people : { users: [], note: "" };
    const isNothing = isAnswered && users.length === 0 && this.#list.childElementCount === 0;
    fill(
      this.#found,
      users.length > 0 && h("h2", { class: "group-title", text: "People" }),
      users.length > 0 &&
        h(
          "ul",
          { class: "list" },
          users.map((user) => h("li", null, this.#person(user))),
        ),
      isNothing && h("p", { class: "muted hint-line", text: note || "No conversation or person of that name." }),
      text.length >= ENOUGH &&
        h(
          "a",
          { class: "row", href: address.search(text) },
          icon("search"),
          h("span", { class: "grow" }, "Search messages for “", h("bdi", { text }), "”"),
        ),
    );
  }

  #person(user) {
    const row = h("button", { class: "row person", type: "button" }, avatar(user.name, user.id, { size: "small" }), who(user));
    row.addEventListener("click", () =>
      waiting([row], async () => {
        const conversation = await chat.direct(user.id);
        this.#clear();
        go(address.conversation(conversation.id));
      }),
    );
    return row;
  }

  #searchPeople() {
    clearTimeout(this.#timer);
    this.draw();
    const text = this.#search.value.trim();
    if (text.length < ENOUGH) return;
    this.#timer = setTimeout(async () => {
      let people;
      try {
        const users = await chat.searchPeople(text);
        people = { text, users: users.filter(({ id }) => id !== session.user?.id), note: "" };
      } catch (error) {
        people = { text, users: [], note: wording(error) };
      }
      if (this.#search.value.trim() !== text) return;
      this.#people = people;
      this.#draw();
      const { childElementCount: conversations } = this.#list;
      announce(
        `Found: ${counted(conversations, "conversation", "conversations")}, ${counted(people.users.length, "person", "people")}.`,
      );
    }, PAUSE);
  }

  #clear() {
    if (!this.#search.value) return;
    this.#search.value = "";
    this.#searchPeople();
  }

  /** Arrows go through what the sidebar offers, Escape ends a search. */
  #move(event) {
    if (event.key === "Escape" && this.#search.value) {
      this.#clear();
      this.#search.focus();
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    const stops = [this.#search, ...this.element.querySelectorAll("nav a.row, nav button.row, nav summary")].filter((one) =>
      one.checkVisibility(),
    );
    const at = stops.indexOf(document.activeElement);
    if (at < 0 || !stops[at + step]) return;
    event.preventDefault();
    stops[at + step].focus();
  }

  #drawSelf() {
    const user = session.user;
    if (!user) return;
    const settings = h(
      "a",
      { class: "button icon", href: address.settings, "aria-label": "Settings", title: "Settings" },
      icon("settings"),
    );
    const word = h("span", { class: "state", dataset: { state: chat.connection }, text: connectionWord() });
    fill(
      this.#self,
      avatar(user.name, user.id),
      h("span", { class: "grow" }, h("bdi", { class: "truncate name", text: user.name }), word),
      settings,
    );
  }
}

/** What is called so stands before what somebody of that name is in. */
function found(text) {
  const wanted = text.toLowerCase();
  const has = (name) => name.toLowerCase().includes(wanted);
  const isCalledSo = (one) => has(title(one, session.user?.id));
  const called = chat.conversations.filter(isCalledSo);
  const others = chat.conversations.filter(
    (one) => !isCalledSo(one) && one.participants.some(({ user_name: name }) => has(name)),
  );
  return [...called, ...others];
}

const counted = (number, one, more) => `${number} ${number === 1 ? one : more}`;

function skeleton() {
  const row = () =>
    h(
      "div",
      { class: "row" },
      h("span", { class: "skeleton picture" }),
      h("span", { class: "grow stack" }, h("span", { class: "skeleton" }), h("span", { class: "skeleton" })),
    );
  return h("div", { class: "loading", role: "status", "aria-label": "Loading conversations" }, Array.from({ length: 6 }, row));
}
