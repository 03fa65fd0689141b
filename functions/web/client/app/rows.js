/** What stands below what in a conversation: its messages and notices, its days, and where the unread ones begin. */
import { day } from "./format.js";
import { isSaid } from "./notice.js";

/** Messages of one person within this time belong together, in ms. */
const TOGETHER = 5 * 60_000;

/** The seq of an item, or null while it is not sent. */
export const seqOfItem = (item) => item.seq ?? item.message?.seq ?? null;

/**
 * @param {object[]} items of a room
 * @param {string} me
 * @param {object | null} unread the item above which it says that what follows is new
 * @returns {({key: string, mark: "day" | "unread", text: string} | import("./message.js").Row)[]}
 */
export function rowsOf(items, me, unread) {
  const rows = [];
  const newest = items.findLast(({ state, message }) => state === "sent" && message.user_id === me && !message.deleted_at);
  let before = null;
  let date = null;
  for (const item of items) {
    if (item.kind === "notice" && !isSaid(item.event)) continue;
    const at = new Date(item.created_at ?? item.message.created_at);
    const here = at.toDateString();
    if (here !== date) {
      rows.push({ key: `day ${here}`, mark: "day", text: day(at) });
      before = null;
    }
    date = here;
    if (item === unread) {
      // Where it moves to it is another one: to move one element would move all between.
      rows.push({ key: `unread ${item.key}`, mark: "unread", text: "New messages" });
      before = null;
    }
    const starts = !before || before.user !== item.message?.user_id || at - before.at > TOGETHER;
    rows.push({ key: item.key, item, starts, newest: item === newest });
    before = item.kind === "message" ? { user: item.message.user_id, at } : null;
  }
  return unique(rows);
}

/** A clock that was wrong may bring a day back; keys may not come twice. */
function unique(rows) {
  const seen = new Set();
  return rows.filter(({ key }) => !seen.has(key) && seen.add(key));
}

/** The first message of others beyond a seq, or null. */
export function firstBeyond(items, seq, me) {
  return items.find(({ message }) => message?.seq > seq && message.user_id !== me && !message.deleted_at) ?? null;
}

/**
 * Where the unread messages begin, as far as they are loaded.
 *
 * @param {object[]} items
 * @param {{count: number, through: number}} unread how many of the others' there were, up to this seq
 * @param {string} me
 * @returns {{item: object | null, missing: number}} the first one, and how many more there are before what is loaded
 */
export function firstUnread(items, { count, through }, me) {
  let left = count;
  let first = null;
  for (const item of items.toReversed()) {
    if (left === 0) break;
    const { message } = item;
    if (!message || message.user_id === me || message.deleted_at || !(message.seq <= through)) continue;
    first = item;
    left -= 1;
  }
  return { item: first, missing: left };
}
