/**
 * One message as it is seen: who said what and when, what it answers, how it fared, who reacted, and what one may do
 * about it.
 */
import { announce, avatar, uniqueId, wording } from "./ui.js";
import { fill, h, icon, keyed, set } from "./dom.js";
import { linked, listed, shortened } from "./text.js";
import { exact, time } from "./format.js";

/**
 * What messages need of the room around them.
 *
 * @typedef {{
 *   me: string,
 *   nameOf: (userId: string | null, message?: object) => string,
 *   known: () => number,
 *   find: (messageId: string) => object | null,
 *   readers: (seq: number) => string[],
 *   mayAct: () => boolean,
 *   jump: (messageId: string) => void,
 *   reply: (message: object) => void,
 *   react: (message: object, emoji: string, on: boolean) => void,
 *   pickReaction: (message: object, button: HTMLElement) => void,
 *   openMenu: (message: object, button: HTMLElement) => void,
 *   retry: (key: string) => void,
 *   discard: (key: string) => void,
 * }} Surroundings `known` is how many names are known, so that names are brought up to date
 *
 * @typedef {{key: string, item: object, starts: boolean, newest: boolean}} Row
 *   `starts`: the first of several by one person; `newest`: the last one of one's own that was sent
 */

const parts = new WeakMap();

/**
 * @param {Row} row
 * @param {Surroundings} room
 * @returns {HTMLElement}
 */
export function createMessage(row, room) {
  const { item } = row;
  const own = item.message.user_id === room.me;
  const part = {
    row,
    own,
    avatar: own ? null : h("div", { class: "face" }),
    author: h("p", { class: "author", id: uniqueId("author") }, h("bdi")),
    quote: h("div", { class: "quoted", hidden: true }),
    said: h("div", { class: "said", id: uniqueId("said") }),
    facts: h("p", { class: "message-facts", id: uniqueId("facts") }),
    tools: h("div", { class: "tools" }),
    reactions: h("div", { class: "reactions", hidden: true }),
    problem: h("div", { class: "problem", hidden: true }),
    readers: h("p", { class: "readers", hidden: true }),
    waiting: 0,
  };
  const bubble = h("div", { class: "bubble" }, part.quote, h("div", { class: "bubble-line", dir: "auto" }, part.said, part.facts));
  const body = h("div", { class: "body" }, part.author, h("div", { class: "message-line" }, bubble, part.tools));
  body.append(part.reactions, part.problem, part.readers);
  const element = h("article", { class: "message", tabindex: "-1" }, part.avatar, body);
  set(element, "aria-labelledby", `${part.author.id} ${part.said.id} ${part.facts.id}`);
  element.classList.toggle("own", own);
  for (const type of ["pointerenter", "focusin"]) {
    element.addEventListener(type, () => addShortcuts(part, room));
  }
  parts.set(element, part);
  updateMessage(element, row, room);
  return element;
}

/** Brings an element up to date; only what differs is touched. */
export function updateMessage(element, row, room) {
  const part = parts.get(element);
  const { item } = row;
  const { message } = item;
  part.row = row;
  const before = part.seen ?? {};
  const now = {
    head: `${row.starts} ${part.own || room.nameOf(message.user_id, message)}`,
    text: message.deleted_at ? null : message.content,
    quote: quoteState(message, room),
    facts: `${item.state} ${message.created_at} ${message.edited_at} ${message.deleted_at} ${part.own && readersOf(item, room).join()}`,
    tools: mayBeActedOn(item) && room.mayAct(),
    reactions: message.reactions?.length > 0 ? `${room.known()} ${JSON.stringify(message.reactions)}` : "",
    problem: item.error ?? null,
    newest: row.newest && room.known(),
  };
  part.seen = now;
  element.dataset.seq = message.seq ?? "";
  element.dataset.state = item.state;
  if (now.head !== before.head) fillHead(element, part, room);
  if (now.text !== before.text) fillText(part, message);
  if (now.quote !== before.quote) fillQuote(part, message, room);
  if (now.facts !== before.facts) fillFacts(part, item, room);
  if (now.tools !== before.tools) fillTools(part, now.tools, room);
  if (now.reactions !== before.reactions) fillReactions(part, message, room);
  if (now.problem !== before.problem) {
    fillProblem(part, item, room);
    if (item.state === "failed" && part.told) announce(part.problem.firstChild.textContent);
  }
  part.told = true;
  if (now.facts !== before.facts || now.newest !== before.newest) fillReaders(part, row, room);
}

/** The button for all there is to do about a message, for whoever moves by keyboard. */
export const actionsButton = (element) => element.querySelector(".tools > [aria-haspopup]");

const mayBeActedOn = ({ state, message }) => state === "sent" && !message.deleted_at;

const readersOf = ({ state, message }, room) => (state === "sent" && !message.deleted_at ? room.readers(message.seq) : []);

function fillHead(element, part, room) {
  const { starts, item } = part.row;
  const name = part.own ? "You" : room.nameOf(item.message.user_id, item.message);
  element.classList.toggle("starts", starts);
  part.author.firstChild.textContent = name;
  part.author.classList.toggle("visually-hidden", part.own || !starts);
  if (part.avatar) fill(part.avatar, starts && avatar(name, item.message.user_id));
}

function fillText(part, message) {
  const gone = message.deleted_at !== null && message.deleted_at !== undefined;
  part.said.classList.toggle("gone", gone);
  set(part.said, "data-content", !gone);
  fill(part.said, gone ? "Message deleted" : linked(message.content));
}

/** What a quote depends on: the message that is answered may be loaded, edited or deleted later. */
function quoteState(message, room) {
  if (!message.reply_to || message.deleted_at) return "";
  const original = room.find(message.reply_to);
  return original ? `${original.content} ${original.deleted_at} ${room.nameOf(original.user_id, original)}` : message.reply_to;
}

function fillQuote(part, message, room) {
  part.quote.hidden = !message.reply_to || Boolean(message.deleted_at);
  if (part.quote.hidden) return;
  const original = room.find(message.reply_to);
  const words = !original ? "Show the message" : original.deleted_at ? "Message deleted" : shortened(original.content, 120);
  const name = original && room.nameOf(original.user_id, original);
  fill(
    part.quote,
    h(
      "button",
      { type: "button", class: "quote", on: { click: () => room.jump(message.reply_to) } },
      h("span", { class: "visually-hidden", text: "In reply to " }),
      name && h("bdi", { class: "quote-name truncate", text: name }),
      h("span", { class: "quote-text truncate", dir: "auto", text: words }),
    ),
  );
}

function fillFacts(part, item, room) {
  const { message, state } = item;
  fill(
    part.facts,
    h("time", { datetime: message.created_at, dir: "ltr", title: exact(message.created_at), text: time(message.created_at) }),
    message.edited_at &&
      !message.deleted_at &&
      h("span", { class: "edited", title: exact(message.edited_at), text: "edited" }),
    part.own && !message.deleted_at && fate(state, readersOf(item, room).length > 0),
  );
}

/** How one's own message fared, as a sign and in words. */
function fate(state, read) {
  const [sign, words] = {
    pending: ["clock", "Sending"],
    failed: ["warning", "Not sent"],
    sent: read ? ["double-check", "Read"] : ["check", "Sent"],
  }[state];
  return h(
    "span",
    { class: "fate", title: words, dataset: { fate: sign } },
    icon(sign),
    h("span", { class: "visually-hidden", text: words }),
  );
}

function fillTools(part, shown, room) {
  fill(part.tools);
  part.shortcuts = false;
  if (!shown) return;
  const button = h(
    "button",
    {
      type: "button",
      class: "button icon",
      tabindex: "-1",
      "aria-label": "Message actions",
      "aria-haspopup": "menu",
      title: "More",
    },
    icon("more"),
  );
  button.addEventListener("click", () => room.openMenu(part.row.item.message, button));
  part.tools.append(button);
}

/** What is done most is one click away, once the pointer or the focus is there. */
function addShortcuts(part, room) {
  if (part.shortcuts || part.tools.childElementCount === 0) return;
  part.shortcuts = true;
  const shortcut = (label, sign, run) => {
    const button = h(
      "button",
      { type: "button", class: "button icon shortcut", tabindex: "-1", "aria-label": label, title: label },
      icon(sign),
    );
    button.addEventListener("click", () => run(part.row.item.message, button));
    return button;
  };
  part.tools.prepend(
    shortcut("React", "react", (message, button) => room.pickReaction(message, button)),
    shortcut("Reply", "reply", (message) => room.reply(message)),
  );
}

function fillReactions(part, message, room) {
  const reactions = message.reactions ?? [];
  part.reactions.hidden = reactions.length === 0;
  keyed(
    part.reactions,
    reactions,
    ({ emoji }) => emoji,
    ({ emoji }) => {
      const button = h(
        "button",
        { type: "button", class: "reaction" },
        h("span", { text: emoji }),
        h("span", { class: "reaction-count" }),
      );
      button.addEventListener("click", () => {
        room.react(part.row.item.message, emoji, button.getAttribute("aria-pressed") !== "true");
      });
      nameReaction(button, message, emoji, room);
      return button;
    },
    (button, { emoji }) => nameReaction(button, message, emoji, room),
  );
}

function nameReaction(button, message, emoji, room) {
  const people = message.reactions.find((one) => one.emoji === emoji).user_ids;
  const mine = people.includes(room.me);
  const names = people.filter((id) => id !== room.me).map((id) => room.nameOf(id));
  const said = listed(mine ? ["you", ...names] : names, 8);
  button.lastChild.textContent = people.length;
  set(button, "aria-pressed", String(mine));
  set(button, "aria-label", `${emoji} ${people.length}, ${said}`);
  set(button, "title", said);
}

/** Why it was refused, or until when it waits: one that is throttled is sent by itself. */
function fillProblem(part, item, room) {
  clearInterval(part.waiting);
  const { error } = item;
  part.problem.hidden = !error;
  if (!error) return fill(part.problem);
  const reason = h("span", { class: "reason" });
  const button = (label, sign, run) =>
    h("button", { type: "button", class: "button quiet", on: { click: () => run(part.row.item.key) } }, icon(sign), label);
  const retry = item.state === "failed" && button("Retry", "retry", room.retry);
  fill(part.problem, reason, h("span", { class: "problem-actions" }, retry, button("Discard", "delete", room.discard)));
  if (item.state === "failed") {
    reason.textContent = `Not sent: ${reasonOf(error)}`;
    return undefined;
  }
  const until = Date.now() + (error.retryAfter ?? 0) * 1000;
  const count = () => {
    const seconds = Math.max(1, Math.ceil((until - Date.now()) / 1000));
    reason.textContent = `Too many messages in a short time. This one is sent in ${seconds} s.`;
  };
  part.waiting = setInterval(() => (reason.isConnected ? count() : clearInterval(part.waiting)), 1000);
  return count();
}

function reasonOf(error) {
  const field = Object.values(error.fields ?? {})[0];
  const text = field ?? wording(error);
  return text.charAt(0).toLowerCase() + text.slice(1) + (/[.?]$/.test(text) ? "" : ".");
}

/** In words only below the newest of one's own; the sign is on each. */
function fillReaders(part, { item, newest }, room) {
  const names = part.own && newest ? readersOf(item, room).map((id) => room.nameOf(id)) : [];
  part.readers.hidden = names.length === 0;
  part.readers.textContent = names.length > 0 ? `Read by ${listed(names)}` : "";
}
