// One conversation in a list: who or what it is, what was said last, when, and how much of it is unread.
import { session } from "./api.js";
import { chat } from "./chat.js";
import { fill, h, icon, set } from "./dom.js";
import { avatar } from "./ui.js";
import { count, title, when } from "./format.js";
import { address } from "./router.js";
import { shortened } from "./text.js";

/** More of a message is neither seen nor worth being read out, in characters. */
const SNIPPET = 120;

const shown = new WeakMap();

/** @param {object} conversation @returns {HTMLAnchorElement} */
export function conversationRow(conversation) {
  const row = h("a", { class: "row conversation", href: address.conversation(conversation.id) });
  updateRow(row, conversation);
  return h("li", null, row);
}

/** Draws a row again where something that it shows has changed. */
export function updateRow(row, conversation) {
  const view = viewOf(conversation);
  const signature = JSON.stringify(view);
  if (shown.get(row) === signature) return;
  shown.set(row, signature);
  row.classList.toggle("unread", view.unread > 0 && !view.muted);
  fill(
    row,
    pictureOf(conversation, view),
    h(
      "span",
      { class: "grow" },
      h(
        "span",
        { class: "line" },
        h("bdi", { class: "grow truncate name", text: view.name }),
        view.online && h("span", { class: "visually-hidden", text: ", online, " }),
        h("span", { class: "when", text: view.when }),
      ),
      h(
        "span",
        { class: "line" },
        h(
          "span",
          { class: view.isQuiet ? "grow truncate snippet quiet" : "grow truncate snippet", dir: "auto" },
          view.author,
          view.snippet,
        ),
        view.muted && h("span", { class: "mark", text: "Muted" }),
        view.unread > 0 && unreadBadge(view),
      ),
    ),
  );
}

/** Marks the row of the conversation that is open. */
export const markCurrent = (row, isCurrent) => set(row, "aria-current", isCurrent ? "page" : null);

function viewOf(conversation) {
  const { last_message: last, kind, unread_count: unread, muted } = conversation;
  const me = session.user?.id;
  const other = kind === "direct" ? conversation.participants.find(({ user_id: id }) => id !== me) : null;
  return {
    name: title(conversation, me),
    online: Boolean(other && chat.presence(other.user_id)?.online),
    when: when(last?.created_at ?? conversation.created_at),
    author: authorOf(last, kind, me),
    snippet: !last ? "No messages yet" : last.deleted_at ? "Message deleted" : shortened(last.content ?? "", SNIPPET),
    isQuiet: !last || Boolean(last.deleted_at),
    unread,
    muted,
  };
}

function authorOf(message, kind, me) {
  if (!message || message.deleted_at) return "";
  if (message.user_id && message.user_id === me) return "You: ";
  return kind === "direct" ? "" : `${message.user_name.split(" ")[0]}: `;
}

function pictureOf(conversation, { name, online }) {
  const { kind, id, participants } = conversation;
  if (kind === "direct") {
    const other = participants.find(({ user_id: user }) => user !== session.user?.id);
    return avatar(name, other?.user_id ?? id, { online });
  }
  const picture = fill(avatar(name, id), icon(kind === "channel" ? "hash" : "people"));
  picture.classList.add("several");
  return picture;
}

function unreadBadge({ unread, muted }) {
  const badge = h("span", { class: muted ? "badge" : "badge accent", text: count(unread) });
  badge.append(h("span", { class: "visually-hidden", text: " unread" }));
  return badge;
}
