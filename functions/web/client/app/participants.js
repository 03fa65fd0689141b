/** Who is in a conversation, and what one may do about it. */
import { address, go } from "./router.js";
import { ago } from "./format.js";
import { avatar, confirm, field, menu, spinner, toast, wording } from "./ui.js";
import { chat } from "./chat.js";
import { fill, h, icon, keyed, set } from "./dom.js";
import { pickPeople } from "./people.js";
import { session } from "./api.js";

/** From how many people on a field helps to find one. */
const MANY = 12;
/** Who was removed learns in this time, in ms, that there is nothing to ask for any more. */
const SETTLED = 300;

/** What somebody may do: who takes part in a channel is also for the admins of all to decide. */
export function rightsIn(conversation) {
  const isDirect = !conversation || conversation.kind === "direct";
  const administer = !isDirect && conversation.role === "admin";
  const invite = administer || (conversation?.kind === "channel" && session.user?.role === "admin");
  return { administer, invite, leave: !isDirect };
}

export class Participants {
  #id;
  #failing;
  #people = null;
  #count = null;
  #timer;
  #heading = h("h3", { class: "grow" });
  #add = h("button", { class: "button quiet", type: "button" }, icon("plus"), "Add people");
  #filter = field({ label: "Find among them", name: "filter", type: "search", autocomplete: "off" });
  #waiting = h("div", null, spinner("Loading the people …"));
  #list = h("ul", { class: "list people" });

  element = h(
    "section",
    { class: "stack" },
    h("div", { class: "details-heading" }, this.#heading, this.#add),
    this.#filter.element,
    this.#waiting,
    this.#list,
  );

  /**
   * @param {string} id of the conversation
   * @param {(run: () => Promise<any>) => () => Promise<any>} failing says what failed when it does
   */
  constructor(id, failing) {
    this.#id = id;
    this.#failing = failing;
    this.#add.addEventListener(
      "click",
      failing(() => this.#addPeople()),
    );
    this.#filter.input.addEventListener("input", () => this.update());
    this.#load();
  }

  destroy() {
    clearTimeout(this.#timer);
  }

  /** Shows who is there now; they are read again when their number has changed. */
  update() {
    const conversation = chat.conversation(this.#id);
    if (!conversation) return;
    const { kind, participant_count: count } = conversation;
    const isOther = this.#count !== null && this.#count !== count;
    this.#count = count;
    if (isOther) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#load(), SETTLED);
    }
    this.#add.hidden = !rightsIn(conversation).invite;
    this.#heading.textContent = kind === "direct" ? "People" : `People · ${count}`;
    this.#filter.element.hidden = (this.#people?.length ?? 0) < MANY;
    keyed(
      this.#list,
      this.#shown(),
      (person) => person.user_id,
      (person) => this.#row(person),
      (row, person) => draw(row, person, this.#deedsFor(person).length > 0),
    );
  }

  #shown() {
    const wanted = this.#filter.input.value.trim().toLowerCase();
    const found = (this.#people ?? []).filter(({ user_name: name, user_email: email }) =>
      `${name} ${email ?? ""}`.toLowerCase().includes(wanted),
    );
    const rank = ({ user_id: id, role }) => (id === session.user?.id ? 0 : role === "admin" ? 1 : 2);
    return found.sort((one, other) => rank(one) - rank(other) || one.user_name.localeCompare(other.user_name));
  }

  async #load() {
    if (!chat.conversation(this.#id)) return;
    try {
      this.#people = await chat.participants(this.#id);
      this.#waiting.hidden = true;
    } catch (error) {
      const again = h("button", { class: "button", type: "button", text: "Try again", on: { click: () => this.#load() } });
      fill(this.#waiting, h("p", { class: "form-error", role: "alert", text: wording(error) }), again);
      this.#waiting.hidden = false;
    }
    this.update();
  }

  #row({ user_id: id }) {
    const more = h("button", { class: "button icon", type: "button" }, icon("more"));
    const row = h("li", { class: "row person" }, h("span"), h("span", { class: "grow" }), more);
    const person = () => this.#people.find((one) => one.user_id === id);
    more.addEventListener("click", () => menu(more, this.#deedsFor(person())));
    draw(row, person(), this.#deedsFor(person()).length > 0);
    return row;
  }

  /** What may be done about somebody, for a menu. */
  #deedsFor({ user_id: id, user_name: name, role }) {
    const conversation = chat.conversation(this.#id);
    if (id === session.user?.id || !conversation || conversation.kind === "direct") return [];
    const may = rightsIn(conversation);
    const isAdmin = role === "admin";
    return [
      { label: "Write to them", icon: "send", run: this.#failing(() => writeTo(id)) },
      may.administer && {
        label: isAdmin ? "Make a member" : "Make an admin",
        icon: "shield",
        run: this.#failing(() => this.#setRole(id, isAdmin ? "member" : "admin")),
      },
      may.invite && { label: "Remove", icon: "delete", danger: true, run: this.#failing(() => this.#remove(id, name)) },
    ].filter(Boolean);
  }

  async #setRole(userId, role) {
    await chat.setRole(this.#id, userId, role);
    await this.#load();
  }

  async #remove(userId, name) {
    const text = `${name} will no longer see this conversation. They can be added again.`;
    if (!(await confirm({ title: `Remove ${name}?`, text, action: "Remove", danger: true }))) return;
    await chat.removeParticipant(this.#id, userId);
    await this.#load();
  }

  async #addPeople() {
    const exclude = (this.#people ?? chat.conversation(this.#id).participants).map(({ user_id: userId }) => userId);
    const chosen = (await pickPeople({ title: "Add people", submit: "Add", exclude })) ?? [];
    if (chosen.length === 0) return;
    try {
      for (const { id } of chosen) await chat.addParticipant(this.#id, { user_id: id });
      toast(chosen.length === 1 ? `${chosen[0].name} was added.` : `${chosen.length} people were added.`);
    } finally {
      await this.#load();
    }
  }
}

async function writeTo(userId) {
  const { id } = await chat.direct(userId);
  go(address.conversation(id));
}

/** Draws a row again where something that it shows has changed. */
function draw(row, { user_id: id, user_name: name, role }, hasDeeds) {
  const isMe = id === session.user?.id;
  const presence = isMe ? null : chat.presence(id);
  const seen = presence?.online ? "online" : presence?.last_seen ? `last seen ${ago(presence.last_seen)}` : "";
  const [face, words, more] = row.children;
  more.hidden = !hasDeeds;
  const now = JSON.stringify([name, role, seen]);
  if (row.dataset.shown === now) return;
  row.dataset.shown = now;
  set(more, "aria-label", `Actions for ${name}`);
  fill(face, avatar(name, id, { size: "small", online: presence?.online }));
  fill(
    words,
    h(
      "span",
      { class: "person-name" },
      h("bdi", { class: "truncate", text: name }),
      isMe && h("span", { class: "muted", text: "you" }),
      role === "admin" && h("span", { class: "badge", text: "Admin" }),
    ),
    seen && h("span", { class: "muted person-presence", text: seen }),
  );
}
