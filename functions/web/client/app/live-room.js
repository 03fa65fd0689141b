// One conversation as a view shows it: its log (room-state.js), kept in the cache, brought up to date by the connection, with
// what is typed here on its way to the server.
//
// Messages are sent one after the other, so that they stay in the order in which they were written. One that is throttled
// waits for its turn, pending with `error` set, and is sent by itself; one that is refused is "failed" until it is retried or
// discarded. Both outlive a reload.
import { drawId } from "../client.js";
import { ApiError, fromCommand } from "./errors.js";
import { RoomState, seqOf } from "./room-state.js";

/** What a room holds when it is opened, and how much is loaded at a time. */
const ENOUGH = 30;
const PAGE = 50;
/** How far `around` goes back: pages of 100. */
const MOST_PAGES = 50;
/** In ms: typing that is not renewed ends; it is told no more often than this; so are read pointers. */
const TYPING_ENDS = 5000;
const TYPING_AGAIN = 3000;
const READING_AGAIN = 1000;

export class Room {
  /** Whether there is nothing to show yet because it is being read. */
  loading = true;
  /** Why what was there before cannot be shown, or null. */
  error = null;
  /** Whether one is no longer in the conversation. */
  removed = false;
  /** Who types: [{user_id, user_name}]. */
  typing = [];
  #host;
  #state;
  #beginning;
  /** Resolves when the log can be shown, and to false when it cannot. */
  #ready;
  /** What happens before that; null from then on. */
  #early = [];
  #opened = false;
  #listeners = new Set();
  #isTold = true;
  #earlier = null;
  #sending = Promise.resolve();
  #typers = new Map();
  #typedAt = -Infinity;
  #isReading = false;
  #readTo = 0;

  /**
   * @param {object} host what live-chat.js lends its rooms: me, client, cache, api, isVisible, conversation, changed, isRead
   * @param {string} id
   * @param {() => Promise<{last: number, log: object|null, sends: object[]}>} beginning the seq from which on the connection
   *   tells what happens, the log up to there as it was cached, and what was not sent
   */
  constructor(host, id, beginning) {
    this.id = id;
    this.#host = host;
    this.#state = new RoomState(id, host.me, 0);
    this.#beginning = beginning;
    this.#ready = this.#begin();
  }

  get conversation() {
    return this.#host.conversation(this.id);
  }

  /** Messages and notices in order of seq, then what is pending and what failed. An item that changes is another object. */
  get items() {
    return this.#state.items;
  }

  get hasEarlier() {
    return this.#state.hasEarlier;
  }

  /** @param {"change"} type @returns {() => void} stops listening */
  on(type, listener) {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      this.#trim();
    };
  }

  /** Whether the log reaches the newest message that the list knows of; after a pause the list is there first. */
  get caughtUp() {
    return this.#state.last >= (this.conversation?.last_message?.seq ?? 0);
  }

  /** @returns {string[]} which of the others have read a message */
  readBy(seq) {
    return this.#state.readBy(seq);
  }

  /**
   * Sends a message, now or as soon as there is a connection.
   * @param {string} content
   * @param {{replyTo?: string|null}} [options] `replyTo` is a message's id
   * @returns {Promise<object>} the message; rejected when it is refused, which its item shows too
   */
  send(content, { replyTo } = {}) {
    const send = {
      client_id: drawId(),
      conversation_id: this.id,
      content: content.trim(),
      reply_to: replyTo ?? null,
      created_at: new Date().toISOString(),
      error: null,
    };
    this.#typedAt = -Infinity;
    this.#state.addSend(send);
    this.#host.cache.keepSend(send);
    this.#tell();
    return this.#deliver(send.client_id);
  }

  /** Sends a failed message again: it is still the same one for the server. */
  retry(key) {
    const send = this.#state.failSend(key, null);
    if (!send) return Promise.resolve();
    this.#host.cache.keepSend(send);
    this.#tell();
    return this.#deliver(key);
  }

  /** Gives up a message that failed, or that waits because it was throttled. */
  async discard(key) {
    if (!this.#state.send(key)?.error) return;
    this.#state.dropSend(key);
    this.#tell();
    await this.#host.cache.dropSend(key);
  }

  /** Changes what a message of one's own says. @returns {Promise<object>} the message */
  async edit({ id }, content) {
    const { message } = await this.#change(
      (client) => client.edit(this.id, id, content),
      async (api, path) => ({ message: await api.patch(path(id), { content }) }),
    );
    this.#put(message);
    return message;
  }

  /** Takes a message back: a tombstone stays in its place. */
  async remove({ id }) {
    const answer = await this.#change(
      (client) => client.delete(this.id, id),
      (api, path) => api.delete(path(id)),
    );
    if (answer) this.#put(answer.message);
  }

  /** Reacts, or no more. Shown at once, and taken back when it is refused. */
  async react({ id, seq }, emoji, on) {
    const show = (isOn) => this.#state.react(seq, this.#host.me.id, emoji, isOn) && this.#tell();
    show(on);
    try {
      await this.#change(
        (client) => client.react(this.id, id, emoji, on),
        (api, path) => api[on ? "put" : "delete"](`${path(id)}/reactions/${encodeURIComponent(emoji)}`),
      );
    } catch (error) {
      show(!on);
      throw error;
    }
  }

  /**
   * Marks all that is loaded as read, if the page is visible; to be called when the newest message is in view, and again when
   * the page becomes visible. Costs nothing when nothing is unread. Does nothing while newer messages are on their way: to be
   * called again when they are there.
   */
  markRead() {
    const newest = this.#state.newestOfOthers();
    if (!newest || this.removed || !this.#host.isVisible() || !this.conversation?.unread_count || !this.caughtUp) return;
    this.#state.read(this.#host.me.id, newest.seq);
    this.#readTo = Math.max(this.#readTo, newest.seq);
    this.#host.isRead(this.id);
    this.#sendRead();
  }

  /** Tells the others that one types, or has stopped. To be called with each key pressed. */
  setTyping(active) {
    const now = Date.now();
    if (active ? now - this.#typedAt < TYPING_AGAIN : this.#typedAt === -Infinity) return;
    this.#typedAt = active ? now : -Infinity;
    this.#host.client.typing(this.id, active);
  }

  /** Loads the page before the first item. Several calls share one. */
  loadEarlier(limit = PAGE) {
    this.#earlier ??= this.#loadEarlier(limit).finally(() => {
      this.#earlier = null;
    });
    return this.#earlier;
  }

  /** Loads back to a message, 5,000 messages at most, without leaving any out. */
  async around(messageId) {
    const seq = seqOf(messageId);
    await this.#ready;
    for (let pages = 0; seq < this.#state.floor && pages < MOST_PAGES; pages += 1) await this.loadEarlier(100);
    if (this.#state.message(seq)) return;
    const detail = seq < this.#state.floor ? "That message is too far back to be shown here." : "There is no such message.";
    throw new ApiError({ status: 404, code: "not_found", detail });
  }

  // What follows is for live-chat.js.

  /** Up to where I have read, as far as that is known here. */
  get readThrough() {
    return this.#state.readThrough(this.#host.me.id);
  }

  /** Tells the server once more how far I have read: what was told last may not have reached it. */
  tellRead() {
    this.#readTo = Math.max(this.#readTo, this.readThrough);
    this.#sendRead();
  }

  get sends() {
    return this.#state.sends;
  }

  /** The log for the cache, or null while the cached one is still being read. */
  toLog() {
    return this.#early ? null : this.#state.toLog();
  }

  isUnread(seq, unread) {
    const message = this.#state.message(seq);
    return Boolean(message && !message.deleted_at) && this.#state.isUnread(seq, unread);
  }

  /** @returns {number|null} how many of the others' messages come after a pointer; null when that is not known */
  countUnread(after) {
    return this.caughtUp ? this.#state.countUnread(after) : null;
  }

  /** Makes sure that there is something to show. */
  async open() {
    this.#opened = true;
    if (!(await this.#ready) && this.error) {
      this.error = null;
      this.removed = false;
      this.#ready = this.#begin();
    }
    if (!(await this.#ready) || !this.hasEarlier || this.#state.messageCount >= ENOUGH) return;
    this.loading = this.#state.messageCount === 0;
    this.#tell();
    try {
      await this.loadEarlier();
      this.error = null;
    } catch (error) {
      this.error = error;
    }
    this.loading = false;
    this.#tell();
  }

  /** Takes an entry of the log. */
  apply(entry) {
    this.#take(() => {
      if (entry.type === "message") this.#typed(entry.message);
      this.#state.apply(entry);
    });
  }

  /** Takes the newest page in place of what is known. */
  replace(page) {
    this.#take(() => this.#state.replace(page));
    if (this.#opened) this.open();
  }

  /** Forgets the log: the connection goes on from further up. */
  reset(last) {
    this.#take(() => this.#state.reset(last));
    if (this.#opened) this.open();
  }

  /** @returns {boolean} whether that is news */
  read(userId, seq) {
    const isNews = this.#state.read(userId, seq);
    if (isNews) this.#tell();
    return isNews;
  }

  hearTyping({ user_id, user_name, active }) {
    this.#typed({ user_id });
    if (active && user_id !== this.#host.me.id) {
      const timer = setTimeout(() => this.#typed({ user_id }), TYPING_ENDS);
      this.#typers.set(user_id, { user_id, user_name, timer });
    }
    this.#showTyping();
  }

  /** Ends the room; `removed` when one is no longer in the conversation. */
  close({ removed = false } = {}) {
    this.removed = removed;
    for (const { user_id } of this.typing) this.#typed({ user_id });
    this.#tell();
  }

  async #begin() {
    try {
      const { last, log, sends } = await this.#beginning();
      this.#state.reset(last);
      if (log) this.#state.restore(log);
      this.#begun(sends);
      return true;
    } catch (error) {
      this.error = error;
      this.removed = error.code === "not_found";
      this.loading = false;
      this.#tell();
      return false;
    }
  }

  #begun(sends) {
    const early = this.#early;
    this.#early = null;
    for (const change of early) change();
    const sent = new Set(this.items.map(({ state, message }) => state === "sent" && message.client_id));
    for (const send of sends) {
      if (sent.has(send.client_id)) {
        this.#host.cache.dropSend(send.client_id);
        continue;
      }
      this.#state.addSend(send);
      if (!send.error) this.#deliver(send.client_id).catch(() => {});
    }
    this.loading = this.#opened && this.hasEarlier && this.#state.messageCount === 0;
    this.#tell();
  }

  /** Changes to the log wait until the cached one is there. */
  #take(change) {
    if (this.#early) {
      this.#early.push(change);
    } else {
      change();
      this.#trim();
      this.#tell();
    }
  }

  /** What nobody looks at is not all kept in memory. */
  #trim() {
    if (this.#listeners.size === 0) this.#state.trim();
  }

  #deliver(clientId) {
    const delivery = this.#sending.then(() => this.#attempt(clientId));
    this.#sending = delivery.catch(() => {});
    return delivery;
  }

  async #attempt(clientId) {
    const { client, cache } = this.#host;
    await this.#ready;
    for (;;) {
      const send = this.#state.send(clientId);
      // Discarded, or sent by another tab.
      if (!send) return cache.dropSend(clientId);
      try {
        const options = { clientId, replyTo: send.reply_to ?? undefined };
        const { message } = await client.send(this.id, send.content, options);
        this.#state.put(message);
        this.#state.dropSend(clientId);
        this.#tell();
        cache.dropSend(clientId);
        return message;
      } catch (refusal) {
        const error = fromCommand(refusal);
        // The connection was ended, not the message refused: it stays in the outbox.
        if (error.code === "offline") throw error;
        this.#fail(clientId, error);
        if (error.code !== "throttled") throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfter ?? 1)));
      }
    }
  }

  #fail(clientId, { status, code, detail, fields, retryAfter }) {
    const failed = this.#state.failSend(clientId, { status, code, detail, fields, retryAfter });
    if (failed && code !== "throttled") this.#host.cache.keepSend(failed);
    this.#tell();
  }

  /** Over the connection, or over HTTP while there is none: that says at once when the network is gone. */
  async #change(overSocket, overHttp) {
    const { client, api } = this.#host;
    const path = (messageId) => `/conversations/${this.id}/messages/${messageId}`;
    try {
      return await (client.state === "open" ? overSocket(client) : overHttp(api, path));
    } catch (error) {
      throw fromCommand(error);
    }
  }

  async #loadEarlier(limit) {
    await this.#ready;
    const { floor, last } = this.#state;
    if (floor <= 1) return;
    const before = floor <= last ? `${floor}-0` : undefined;
    this.#state.beginLoad();
    try {
      const { messages, complete } = await this.#change(
        (client) => client.history(this.id, { before, limit }),
        async (api) => {
          const page = await api.get(`/conversations/${this.id}/messages`, { before, limit });
          return { messages: page.items, complete: !page.next };
        },
      );
      // The log was replaced in the meantime: this page does not end where it begins.
      if (this.#state.floor === floor) this.#state.merge(messages, complete);
    } finally {
      this.#state.endLoad();
    }
    this.#tell();
  }

  async #sendRead() {
    if (this.#isReading) return;
    this.#isReading = true;
    for (let sent = 0; sent < this.#readTo; ) {
      const seq = this.#readTo;
      // What is refused is told by the list, which still counts it as unread.
      await this.#host.client.read(this.id, `${seq}-0`).catch(() => {});
      sent = seq;
      await new Promise((resolve) => setTimeout(resolve, READING_AGAIN));
    }
    this.#isReading = false;
  }

  #put(message) {
    this.#state.put(message);
    this.#tell();
  }

  /** Somebody has stopped typing. */
  #typed({ user_id }) {
    const typer = this.#typers.get(user_id);
    if (!typer) return;
    clearTimeout(typer.timer);
    this.#typers.delete(user_id);
    this.#showTyping();
  }

  #showTyping() {
    this.typing = [...this.#typers.values()].map(({ user_id, user_name }) => ({ user_id, user_name }));
    this.#tell({ isKept: false });
  }

  /** Tells listeners, once for all that happens in one turn. */
  #tell({ isKept = true } = {}) {
    if (isKept) this.#host.changed(this.id);
    if (!this.#isTold) return;
    this.#isTold = false;
    queueMicrotask(() => {
      this.#isTold = true;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
