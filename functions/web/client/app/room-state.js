// What is known of one conversation's log, as a pure value: entries, pages and acknowledgements go in, in any order, and the
// items to show come out. No network, no clock, no DOM.
//
// Everything from `floor` to `last` is known, nothing below `floor`. Entries move `last`, pages of history lower `floor`. Each
// way in may bring what another has brought: a message is one item by its seq, and one's own send is one item by its
// client_id, from the moment it is typed.

/** How many items are kept in the cache, and in memory of a room that nobody looks at, once it has twice as many. */
const KEPT = 200;

/** The seq of a message by its id, `"<seq>-0"`. */
export const seqOf = (messageId) => Number.parseInt(messageId, 10);

/**
 * A message with a reaction more, or less. As often as one likes: a page may show what an entry tells again.
 * @returns {object} the same one when that changes nothing
 */
export function withReaction(message, userId, emoji, on) {
  const known = message.reactions.find((reaction) => reaction.emoji === emoji);
  if (message.deleted_at || on === Boolean(known?.user_ids.includes(userId))) return message;
  const others = known?.user_ids.filter((id) => id !== userId) ?? [];
  const changed = { emoji, user_ids: on ? [...others, userId] : others };
  const reactions = known
    ? message.reactions.map((reaction) => (reaction === known ? changed : reaction))
    : [...message.reactions, changed];
  return { ...message, reactions: reactions.filter(({ user_ids }) => user_ids.length > 0) };
}

export class RoomState {
  last;
  floor;
  /** Messages and notices by seq. */
  #entries = new Map();
  /** Sends of this tab that are not acknowledged, by client_id, oldest first. */
  #sends = new Map();
  /** The client_ids of all sends of this tab: their items keep their keys. */
  #own = new Set();
  /** How far each of the others has read, by user id. */
  #reads = new Map();
  /** Changes that came while pages were being loaded, or null: a page may have been read before them. */
  #changes = null;
  #loads = 0;
  /** What is derived of the entries, until they change: in order, and with the sends. */
  #log = null;
  #items = null;

  /**
   * @param {string} id of the conversation
   * @param {{id: string, name: string, email: string}} me
   * @param {number} last up to where the log is left out: only what comes after is to be told
   */
  constructor(id, me, last) {
    this.id = id;
    this.me = me;
    this.reset(last);
  }

  /** Forgets the log, but not the sends. */
  reset(last) {
    this.last = last;
    this.floor = last + 1;
    this.#entries.clear();
    this.#log = this.#items = null;
  }

  get hasEarlier() {
    return this.floor > 1;
  }

  get messageCount() {
    return this.#messages().length;
  }

  /** All to be shown, in order of seq, then what is not sent yet. */
  get items() {
    this.#items ??= [...this.#sorted(), ...[...this.#sends.values()].map((send) => this.#pending(send))];
    return this.#items;
  }

  /** @returns {object|undefined} the message of this seq, when it is loaded */
  message(seq) {
    return this.#entries.get(seq)?.message;
  }

  /** The log as the cache keeps it: the newest items. */
  toLog() {
    const kept = this.#sorted().slice(-KEPT);
    const isWhole = kept.length === this.#entries.size;
    return {
      last: this.last,
      floor: isWhole ? this.floor : kept[0].seq ?? kept[0].message.seq,
      entries: kept.map((item) => item.message ?? item.event),
      reads: [...this.#reads],
    };
  }

  /** Takes up what `toLog` gave. */
  restore({ last, floor, entries, reads }) {
    this.reset(last);
    this.floor = floor;
    for (const shown of entries) this.#show(shown);
    for (const [userId, seq] of reads) this.read(userId, seq);
  }

  /** Forgets what is far back. */
  trim() {
    if (this.#entries.size > 2 * KEPT) this.restore(this.toLog());
  }

  /** Takes the newest page in place of all that was known: messages, and other entries as their events. */
  replace({ messages, through }) {
    this.reset(through);
    const first = messages[0];
    if (first) this.floor = first.seq;
    for (const shown of messages) if (!shown.type) this.#put(shown);
    for (const shown of messages) if (shown.type) this.#change(shown);
  }

  /** Takes the next entry of the log. */
  apply(entry) {
    this.last = Math.max(this.last, entry.seq);
    this.#changes?.push(entry);
    this.#change(entry);
  }

  /** A page of history is being asked for. Each call is followed by one of `endLoad`. */
  beginLoad() {
    this.#loads += 1;
    this.#changes ??= [];
  }

  /**
   * Takes a page of history that ends just before `floor`, or is the newest one.
   * @param {object[]} messages in order
   * @param {boolean} complete there are none before them
   */
  merge(messages, complete) {
    // What is known already is as new as its last entry, which a page need not be.
    for (const message of messages) if (!this.#entries.has(message.seq)) this.#put(message);
    for (const entry of this.#changes ?? []) if (entry.type !== "message") this.#change(entry);
    this.floor = complete ? 1 : Math.min(this.floor, messages[0]?.seq ?? this.floor);
  }

  endLoad() {
    this.#loads -= 1;
    if (this.#loads === 0) this.#changes = null;
  }

  /** Takes a message in its latest state, as an acknowledgement brings it. */
  put(message) {
    if (message.seq >= this.floor) this.#put(message);
  }

  /** @returns {boolean} whether that changed anything */
  react(seq, userId, emoji, on) {
    const message = this.message(seq);
    const changed = message && withReaction(message, userId, emoji, on);
    if (changed === message) return false;
    this.#put(changed);
    return true;
  }

  /** @param {{client_id: string, content: string, reply_to: string|null, created_at: string, error: object|null}} send */
  addSend(send) {
    this.#own.add(send.client_id);
    this.#sends.set(send.client_id, send);
    this.#items = null;
  }

  /** Marks a send as failed, as waiting when it was throttled, or, with null, as pending. @returns {object|undefined} the send */
  failSend(clientId, error) {
    const send = this.send(clientId);
    if (send) this.addSend({ ...send, error });
    return this.send(clientId);
  }

  send(clientId) {
    return this.#sends.get(clientId);
  }

  dropSend(clientId) {
    this.#items = null;
    return this.#sends.delete(clientId);
  }

  get sends() {
    return [...this.#sends.values()];
  }

  /** @returns {boolean} whether the pointer moved: it never moves back */
  read(userId, seq) {
    if (seq <= (this.#reads.get(userId) ?? 0)) return false;
    this.#reads.set(userId, seq);
    return true;
  }

  /** How far somebody has read, 0 when that is not known. */
  readThrough(userId) {
    return this.#reads.get(userId) ?? 0;
  }

  readBy(seq) {
    return [...this.#reads].filter(([userId, through]) => userId !== this.me.id && through >= seq).map(([userId]) => userId);
  }

  /** @returns {object|undefined} the newest message of somebody else */
  newestOfOthers() {
    return this.#unreadable().at(-1);
  }

  /** How many of the others' messages come after a pointer; null when not all of them are loaded. */
  countUnread(after) {
    if (this.floor > after + 1) return null;
    return this.#unreadable().filter(({ seq }) => seq > after).length;
  }

  /** @returns {boolean} whether a message is one of the `unread` newest of the others */
  isUnread(seq, unread) {
    return unread > 0 && this.#unreadable().slice(-unread).some((message) => message.seq === seq);
  }

  #unreadable() {
    return this.#messages().filter((message) => message.user_id !== this.me.id && !message.deleted_at);
  }

  #messages() {
    return this.#sorted().flatMap((item) => item.message ?? []);
  }

  #sorted() {
    this.#log ??= [...this.#entries].sort(([one], [other]) => one - other).map(([, item]) => item);
    return this.#log;
  }

  #show(shown) {
    if (shown.type) this.#notice(shown);
    else this.#put(shown);
  }

  #change(entry) {
    switch (entry.type) {
      case "message":
        return this.#put(entry.message);
      case "message.updated":
      case "message.deleted":
        if (this.#entries.has(entry.message.seq)) this.#put(entry.message);
        return undefined;
      case "reaction":
        return this.react(seqOf(entry.message_id), entry.user_id, entry.emoji, entry.on);
      default:
        return this.#notice(entry);
    }
  }

  #put(message) {
    const isOwn = message.user_id === this.me.id && this.#own.has(message.client_id);
    if (isOwn) this.#sends.delete(message.client_id);
    const key = isOwn ? message.client_id : `m${message.seq}`;
    this.#entries.set(message.seq, { key, kind: "message", state: "sent", message });
    this.#log = this.#items = null;
  }

  #notice(event) {
    const { seq, created_at } = event;
    this.#entries.set(seq, { key: `n${seq}`, kind: "notice", seq, created_at, event });
    this.#log = this.#items = null;
  }

  #pending({ client_id, content, reply_to, created_at, error }) {
    const { id: user_id, name: user_name, email: user_email } = this.me;
    return {
      key: client_id,
      kind: "message",
      state: error && error.code !== "throttled" ? "failed" : "pending",
      error: error ?? undefined,
      message: {
        id: null, seq: null, conversation_id: this.id, user_id, user_name, user_email, content, metadata: null, client_id,
        reply_to, reactions: [], created_at, edited_at: null, deleted_at: null,
      },
    };
  }
}
