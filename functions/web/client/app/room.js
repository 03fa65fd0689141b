/** A conversation: its head, its messages, where one writes, and beside them its details or a search. */
import { Composer } from "./composer.js";
import { Names } from "./names.js";
import { Timeline } from "./timeline.js";
import { ago, title } from "./format.js";
import { chat } from "./chat.js";
import { confirm, menu, toast, uniqueId, wording } from "./ui.js";
import { detailsPanel } from "./details.js";
import { fill, h, icon } from "./dom.js";
import { listed } from "./text.js";
import { pickReaction } from "./reactions.js";
import { searchPanel } from "./room-search.js";
import { session } from "./api.js";

/** "Last seen …" grows older by itself. */
const MINUTE = 60_000;
/** A person's typing ends by itself in the model; that it goes on is not read out more often than this, in ms. */
const SPOKEN_EVERY = 30_000;

/**
 * @param {{id: string, messageId?: string, onBack: () => void, onGone: (reason: "removed" | "deleted" | "left") => void}} about
 *   `messageId` is shown first; `onBack` is the phone's way back to the list; `onGone` is called once, when it is no
 *   longer one's own
 * @returns {{element: HTMLElement, jump: (messageId: string) => void, destroy: () => void}}
 */
export function roomView({ id, messageId, onBack, onGone }) {
  const me = session.user.id;
  const room = chat.room(id);
  const names = new Names(room, me, () => update());

  const heading = h("h1", { class: "room-title", id: uniqueId("room"), tabindex: "-1" });
  const below = h("p", { class: "room-subtitle muted truncate" });
  const back = iconButton("back", "Back to the conversations", onBack);
  back.classList.add("room-back");
  const searching = iconButton("search", "Search in this conversation", () => toggle("search"));
  const detailing = iconButton("people", "Details", () => toggle("details"));
  for (const button of [searching, detailing]) button.setAttribute("aria-expanded", "false");
  const head = h("header", { class: "room-head" }, back, h("div", { class: "grow" }, heading, below), searching, detailing);
  const typing = h("p", { class: "room-typing muted", "aria-hidden": "true" });
  const spoken = h("p", { class: "visually-hidden", role: "status" });

  const around = {
    me,
    nameOf: (userId, message) => names.of(userId, message),
    known: () => names.known,
    find: (wanted) => room.items.find(({ message }) => message?.id === wanted)?.message ?? null,
    readers: (seq) => room.readBy(seq),
    mayAct: () => !room.removed,
    jump: (wanted) => timeline.jump(wanted),
    reply: (message) => composer.reply(message),
    react: (message, emoji, on) => room.react(message, emoji, on).catch(explain),
    pickReaction: (message, button) => pickReaction(button, (emoji) => around.react(message, emoji, true)),
    openMenu: (message, button) => menu(button, deeds(message, button)),
    retry: (key) => room.retry(key)?.catch?.(() => {}),
    discard: (key) => room.discard(key),
  };
  const timeline = new Timeline({ room, around, hello: () => hello(room.conversation, me), onSeen: seen });
  const composer = new Composer({ room, me, nameOf: around.nameOf, lastOwn, onSent: () => timeline.toEnd() });

  const main = h("div", { class: "room-main" }, head, timeline.element, typing, spoken, composer.element);
  const element = h("section", { class: "room", "aria-labelledby": heading.id }, main);
  const narrow = matchMedia("(max-width: 45rem)");
  narrow.addEventListener("change", cover);
  let panel = null;
  let gone = false;
  let ending = null;
  let spokenAt = 0;

  function lastOwn() {
    return (
      room.items.findLast(({ state, message }) => state === "sent" && message.user_id === me && !message.deleted_at)?.message ??
      null
    );
  }

  function seen() {
    if (document.visibilityState === "visible") room.markRead();
  }

  function deeds(message, button) {
    const own = message.user_id === me;
    return [
      { label: "Reply", icon: "reply", run: () => composer.reply(message) },
      { label: "React", icon: "react", run: () => around.pickReaction(message, button) },
      own && { label: "Edit", icon: "edit", run: () => composer.edit(message) },
      { label: "Copy text", icon: "copy", run: () => copy(message.content) },
      (own || room.conversation?.role === "admin") && {
        label: "Delete",
        icon: "delete",
        danger: true,
        run: () => remove(message),
      },
    ].filter(Boolean);
  }

  async function remove(message) {
    const text = "It is deleted for everybody. This cannot be undone.";
    if (!(await confirm({ title: "Delete this message?", text, action: "Delete", danger: true }))) return;
    composer.forget(message);
    await room.remove(message).catch(explain);
  }

  function toggle(kind) {
    const was = panel?.kind;
    closePanel();
    if (was === kind) return;
    const made =
      kind === "details"
        ? detailsPanel({ id, onClose: closePanel, end })
        : searchPanel({ id, onClose: closePanel, onJump: jumpFromSearch });
    panel = { kind, button: kind === "details" ? detailing : searching, ...made };
    panel.button.setAttribute("aria-expanded", "true");
    element.append(panel.element);
    cover();
    panel.focus();
  }

  function closePanel() {
    if (!panel) return;
    const { button } = panel;
    panel.destroy();
    panel.element.remove();
    panel = null;
    cover();
    button.setAttribute("aria-expanded", "false");
    button.focus();
  }

  /** Where the panel takes all of the window, what is below it is out of reach. */
  function cover() {
    main.inert = panel !== null && narrow.matches;
  }

  function jumpFromSearch(wanted) {
    if (getComputedStyle(panel.element).position === "absolute") closePanel();
    timeline.jump(wanted);
  }

  /** Ends it by one's own will: what is heard of that before the answer is no news. */
  async function end(reason, run) {
    ending = reason;
    try {
      await run();
    } catch (error) {
      ending = null;
      throw error;
    }
    leave(reason);
  }

  function leave(reason) {
    if (gone) return;
    gone = true;
    onGone(reason);
  }

  function drawHead() {
    const { conversation } = room;
    names.learn();
    for (const button of [searching, detailing]) button.hidden = !conversation;
    if (!conversation) {
      heading.textContent ||= "Conversation";
      return;
    }
    const { kind, participants, participant_count: count } = conversation;
    fill(heading, kind === "channel" && icon("hash"), h("bdi", { class: "truncate", text: title(conversation, me) }));
    const other = kind === "direct" ? participants.find(({ user_id: userId }) => userId !== me) : null;
    below.textContent = kind === "direct" ? presenceOf(other) : count === 1 ? "Only you" : `${count} people`;
    composer.name(title(conversation, me));
    below.classList.toggle("online", Boolean(other && chat.presence(other.user_id)?.online));
  }

  function drawTyping() {
    const who = room.typing
      .filter(({ user_id: userId }) => userId !== me)
      .map(({ user_id: userId, user_name: name }) => name ?? names.of(userId));
    const text = who.length === 0 ? "" : `${listed(who, 2)} ${who.length === 1 ? "is" : "are"} typing …`;
    if (typing.textContent === text) return;
    typing.textContent = text;
    if (text && Date.now() - spokenAt > SPOKEN_EVERY) {
      spokenAt = Date.now();
      spoken.textContent = text;
    } else if (!text) spoken.textContent = "";
  }

  function look() {
    timeline.away(document.visibilityState !== "visible" || chat.connection !== "online");
    update();
  }

  function update() {
    drawHead();
    drawTyping();
    timeline.update();
    composer.update();
    composer.element.hidden = !room.conversation && !room.removed && Boolean(room.error);
    if (!room.removed) return;
    composer.close("You are not in this conversation any more. What is here is what you have seen of it.");
    const isDeleted = room.items.at(-1)?.event?.type === "conversation.deleted";
    leave(ending ?? (isDeleted ? "deleted" : "removed"));
  }

  const offs = [
    room.on("change", update),
    chat.on("conversations", drawHead),
    chat.on("presence", drawHead),
    chat.on("connection", look),
    chat.on("removed", (removed) => removed === id && update()),
  ];
  const clock = setInterval(drawHead, MINUTE);
  document.addEventListener("visibilitychange", look);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !panel?.element.contains(event.target)) return;
    event.preventDefault();
    closePanel();
  });
  look();
  // Once it is on the page: sizes are not known before.
  requestAnimationFrame(() => {
    if (!element.isConnected) return;
    composer.fit();
    update();
    if (messageId) timeline.jump(messageId);
    else if (!matchMedia("(pointer: coarse)").matches) composer.focus();
  });

  return {
    element,
    jump: (wanted) => timeline.jump(wanted),
    destroy() {
      narrow.removeEventListener("change", cover);
      for (const off of offs) off();
      clearInterval(clock);
      document.removeEventListener("visibilitychange", look);
      panel?.destroy();
      timeline.destroy();
      composer.destroy();
    },
  };
}

function iconButton(sign, label, run) {
  return h(
    "button",
    { class: "button icon", type: "button", "aria-label": label, title: label, on: { click: run } },
    icon(sign),
  );
}

function presenceOf(other) {
  if (!other) return "This account was deleted";
  const presence = chat.presence(other.user_id);
  if (presence?.online) return "online";
  return presence?.last_seen ? `last seen ${ago(presence.last_seen)}` : "";
}

function hello(conversation, me) {
  if (!conversation) return { title: "Nothing to see here", text: "There is no such conversation, or you are not in it." };
  const others = conversation.participants.filter(({ user_id: id }) => id !== me).map(({ user_name: name }) => name);
  if (others.length === 0)
    return { title: "Nothing here yet", text: "You are the only one in this conversation. Add people in its details." };
  const seen =
    conversation.kind === "direct"
      ? "Only the two of you see what is written here."
      : "What is written here is seen by everybody in this conversation, and by who is added later.";
  return { title: `Say hello to ${listed(others)}`, text: seen };
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser did not let it be copied.", { kind: "error" });
  }
}

const explain = (error) => toast(wording(error), { kind: "error" });
