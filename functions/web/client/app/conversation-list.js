// The list of conversations as a pure value: what the API answers and what the logs tell are put together. A conversation's
// object counts all up to its `last_seq`; an entry at or below that is in it already, an answer that knows less is older.
import { seqOf, withReaction } from "./room-state.js";

/** The API counts no further. */
const MOST_UNREAD = 100;
/** How many participants a conversation's object holds. */
const PARTICIPANTS_SHOWN = 10;

export class ConversationList {
  #me;
  #byId = new Map();
  #sorted = null;

  /** @param {string} me the id of who is signed in */
  constructor(me) {
    this.#me = me;
  }

  /** All of them, latest activity first. */
  get all() {
    this.#sorted ??= [...this.#byId.values()].sort(byActivity);
    return this.#sorted;
  }

  get(id) {
    return this.#byId.get(id) ?? null;
  }

  /**
   * Takes what the API answered.
   * @param {object} conversation
   * @param {number} readThrough up to where I am known to have read, whether that has reached the server or not
   * @returns {boolean} whether that changed anything
   */
  put(conversation, readThrough = 0) {
    const known = this.get(conversation.id);
    const { muted, archived } = conversation;
    const isOlder = known && conversation.last_seq < known.last_seq;
    const next = isOlder ? { ...known, muted, archived } : { ...conversation };
    if ((next.last_message?.seq ?? 0) <= readThrough) next.unread_count = 0;
    if (known && JSON.stringify(known) === JSON.stringify(next)) return false;
    this.#set(next);
    return true;
  }

  remove(id) {
    this.#sorted = null;
    return this.#byId.delete(id);
  }

  /** The log goes on from here, although more was known: the server was restored from a backup. */
  rewind(id, lastSeq) {
    const known = this.get(id);
    if (known) this.#set({ ...known, last_seq: Math.min(known.last_seq, lastSeq) });
  }

  /** @returns {boolean} whether the number was another one */
  setUnread(id, unread) {
    const known = this.get(id);
    if (!known || known.unread_count === unread) return false;
    this.#set({ ...known, unread_count: Math.min(unread, MOST_UNREAD) });
    return true;
  }

  /**
   * Takes an entry of a conversation's log.
   * @param {object} entry
   * @param {boolean} wasUnread of a deletion: the message was one of those not read yet
   */
  apply(entry, wasUnread = false) {
    const known = this.get(entry.conversation_id);
    if (!known || entry.seq <= known.last_seq) return;
    this.#set({
      ...known,
      ...this.#changes(known, entry, wasUnread),
      last_seq: entry.seq,
      updated_at: entry.created_at,
    });
  }

  #changes(known, entry, wasUnread) {
    const { message, participant } = entry;
    const isLast = (seq) => seq === known.last_message?.seq;
    const others = (userId) => known.participants.filter((one) => one.user_id !== userId);
    switch (entry.type) {
      case "message": {
        const counts = message.user_id !== this.#me && !message.deleted_at;
        return { last_message: message, unread_count: Math.min(known.unread_count + (counts ? 1 : 0), MOST_UNREAD) };
      }
      case "message.updated":
        return isLast(message.seq) ? { last_message: message } : {};
      case "message.deleted":
        return {
          last_message: isLast(message.seq) ? message : known.last_message,
          unread_count: Math.max(known.unread_count - (wasUnread ? 1 : 0), 0),
        };
      case "reaction":
        return isLast(seqOf(entry.message_id))
          ? { last_message: withReaction(known.last_message, entry.user_id, entry.emoji, entry.on) }
          : {};
      case "participant.added":
        return {
          participants: [...others(participant.user_id), participant].slice(0, PARTICIPANTS_SHOWN),
          participant_count: known.participant_count + 1,
        };
      case "participant.updated":
        return {
          participants: known.participants.map((one) => (one.user_id === participant.user_id ? participant : one)),
          role: participant.user_id === this.#me ? participant.role : known.role,
        };
      case "participant.removed":
        return { participants: others(entry.user_id), participant_count: known.participant_count - 1 };
      case "conversation.updated":
        return { name: entry.conversation.name };
      default:
        return {};
    }
  }

  #set(conversation) {
    this.#byId.set(conversation.id, conversation);
    this.#sorted = null;
  }
}

// Times of one server are written alike, to the microsecond at most and with trailing zeros cut.
const byActivity = (one, other) =>
  Date.parse(other.updated_at) - Date.parse(one.updated_at) || (one.id < other.id ? 1 : -1);
