/**
 * The people of a channel. Admins may add and remove anybody, but see who is in it only where they take part themselves, so
 * both is offered by a search of people, and removing beside the list where there is one.
 */
import { session } from "../app/api.js";
import { fill, h, icon } from "../app/dom.js";
import { announce, avatar, dialog, field, wording } from "../app/ui.js";
import { calls } from "./calls.js";
import { remember } from "./names.js";
import { failure } from "./show.js";
import { apart } from "./words.js";

/** How long nothing is typed before it is searched for, in ms. */
const PAUSE = 300;

/**
 * Opens a dialog.
 *
 * @param {{id: string, name: string}} channel
 * @param {{changed: () => void}} about told when it is closed after people were added or removed
 */
export async function showPeople(channel, { changed }) {
  const people = new People(channel);
  await dialog({ title: `People in #${channel.name}`, body: people.element, actions: [{ label: "Close" }] }).closed;
  if (people.changed) changed();
}

class People {
  changed = false;
  #path;
  /** Who is in it, in order; null where the server does not tell. */
  #inside = null;
  #next = null;
  #found = [];
  #search = field({
    label: "Add or remove somebody",
    name: "search",
    type: "search",
    hint: "Start of a username, or a whole email address",
    autocomplete: "off",
    spellcheck: "false",
    autofocus: true,
  });
  #results = h("ul", { class: "list people", "aria-label": "People found" });
  #problem = h("p", { class: "form-error", role: "alert", hidden: true });
  #list = h("div", { class: "stack" });

  constructor(channel) {
    this.#path = `/conversations/${channel.id}/participants`;
    this.element = h("div", { class: "stack" }, this.#search.element, this.#results, this.#problem, this.#list);
    this.#results.hidden = true;
    let timer = null;
    this.#search.input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.#find(), PAUSE);
    });
    this.#load();
  }

  async #load() {
    fill(this.#list, h("div", { class: "skeleton" }), h("div", { class: "skeleton" }));
    this.#inside = [];
    this.#next = null;
    await this.#more();
  }

  async #more() {
    try {
      const page = await calls.get(this.#path, { limit: 100, cursor: this.#next });
      this.#inside.push(...page.items);
      this.#next = page.next;
      this.#show();
    } catch (error) {
      if (error.status !== 404) return fill(this.#list, failure(error, { title: "The people could not be loaded.", retry: () => this.#load() }));
      this.#inside = null;
      this.#show();
    }
    return undefined;
  }

  async #find() {
    const search = this.#search.input.value.trim();
    try {
      const found = search ? (await calls.get("/users", { search, limit: 20 })).items : [];
      // Somebody typed on while this was on its way.
      if (search !== this.#search.input.value.trim()) return;
      this.#found = found;
      remember(found);
      this.#search.error(search && found.length === 0 ? "Nobody found." : null);
      if (search) announce(found.length === 1 ? "1 person found." : `${found.length} people found.`);
      this.#show();
    } catch (error) {
      this.#search.error(wording(error));
    }
  }

  #show() {
    const inside = this.#inside && new Set(this.#inside.map((one) => one.user_id));
    this.#results.hidden = this.#found.length === 0;
    fill(this.#results, this.#found.map((user) => {
      const who = { user_id: user.id, user_name: user.name, below: `@${user.username}` };
      const add = this.#button("Add", who);
      const remove = this.#button("Remove", who);
      if (!inside) return row(who, [add, remove]);
      return row(who, [inside.has(user.id) ? remove : this.#next ? [add, remove] : add]);
    }));
    if (!this.#inside) return fill(this.#list, this.#outside());
    const heading = h("h3", { text: `In it now: ${this.#inside.length}${this.#next ? " or more" : ""}` });
    const rows = this.#inside.map((one) =>
      row({ ...one, below: one.role === "admin" ? "Admin of the channel" : one.user_email }, [this.#button("Remove", one)]),
    );
    const more = this.#next
      ? h("button", { class: "button", type: "button", text: "Load more", on: { click: () => this.#more() } })
      : null;
    return fill(this.#list, heading, h("ul", { class: "list people", "aria-label": "People in the channel" }, rows), more);
  }

  #outside() {
    const me = { user_id: session.user.id, user_name: "yourself" };
    return h(
      "div",
      { class: "note" },
      h("p", { text: "You are not in this channel, so who is in it is not shown to you. You can still add and remove people, or add yourself to see them." }),
      this.#button("Add", me, "Add me"),
    );
  }

  #button(label, who, text = label) {
    const run = async (event) => {
      const button = event.currentTarget;
      this.#problem.hidden = true;
      button.disabled = true;
      try {
        if (label === "Add") await calls.post(this.#path, { user_id: who.user_id });
        else await calls.delete(`${this.#path}/${who.user_id}`);
        this.changed = true;
        announce(`${apart(who.user_name)} ${label === "Add" ? "added" : "removed"}.`);
        // The button goes with its row.
        this.#search.input.focus();
        await this.#load();
      } catch (error) {
        button.disabled = false;
        const outside = label === "Remove" && error.status === 404;
        this.#problem.textContent = outside ? `${apart(who.user_name)} is not in this channel.` : wording(error);
        this.#problem.hidden = false;
      }
    };
    const style = label === "Add" ? "button" : "button quiet danger";
    const name = text === label ? `${label} ${who.user_name}` : null;
    const attributes = { class: style, type: "button", "aria-label": name, on: { click: run } };
    return h("button", attributes, label === "Add" ? icon("plus") : null, text);
  }
}

function row(who, buttons) {
  return h(
    "li",
    { class: "row" },
    avatar(who.user_name, who.user_id, { size: "small" }),
    h("span", { class: "names grow" }, h("span", { text: who.user_name }), h("span", { class: "muted", text: who.below })),
    buttons,
  );
}
