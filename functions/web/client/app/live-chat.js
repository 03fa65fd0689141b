// Follows the server for one person, from signing in to signing out: the list, the connection, the rooms and their cache.
//
// What is cached shows at once. The list is then read over HTTP, and the 200 conversations with the latest activity are
// subscribed, each from the seq up to which its log is known here; of one that is not cached this is its present end, and its
// messages are read when it is opened. From there on the log tells everything but one thing: nothing is pushed to somebody who
// is added to a conversation. So the list is read again with each new connection, when the page becomes visible, and every
// 20 s while it is.
import { ConversationList } from "./conversation-list.js";
import { Room } from "./live-room.js";
import { Presences } from "./presences.js";
import { seqOf } from "./room-state.js";

const MOST_SUBSCRIPTIONS = 200;
/** Of a cached log that is further behind nothing is brought up to date: it is read anew when it is opened. */
const FURTHEST_BEHIND = 200;
/** Pages of 100 of the list. */
const MOST_PAGES = 10;
/** Direct conversations of the list whose presence is asked for with each connection, if somebody looks. */
const PRESENCES = 5;
/**
 * In ms: how often the list is read, at most, at least, and at least by a page that is visible but not the one in use; and when
 * again after it failed. So long does it take at most to see that one was added to a conversation; it is 180 of the 1,000
 * requests that a person has in an hour, and 60 for each other visible page.
 */
const LIST_REST = 10_000;
const LIST_EVERY = 20_000;
const LIST_SELDOM = 60_000;
const FAILED_AGAIN = 5000;
/** When a connection that was refused is tried again, though the session is not over. */
const REFUSED_AGAIN = 30_000;
/** How long the cache waits for more to keep, in ms. */
const CACHE_AFTER = 1000;

export class LiveChat {
  connection = "connecting";
  loaded = false;
  error = null;
  me;
  #parts;
  #client;
  #cache;
  #list;
  #presences;
  #end = new AbortController();
  /** What the cache has, while it is being read. */
  #opening = null;
  #rooms = new Map();
  /** The room that was opened last. */
  #current = null;
  /** The seq from which each conversation is, or will be, subscribed; and those that are. */
  #lasts = new Map();
  #subscribed = new Set();
  /** What was not sent before a reload, by conversation. */
  #outbox = new Map();
  /** Conversations whose read pointers were asked for over this connection. */
  #readsAsked = new Set();
  #attempts = 0;
  #isThrottled = false;
  #listing = null;
  #mostPages = 0;
  #listedAt = -Infinity;
  #isListed = false;
  #isListTold = true;
  #dirty = new Set();
  #cacheTimer = null;

  /**
   * @param {object} parts
   * @param {import("./session.js").Session} parts.session somebody is signed in
   * @param {typeof import("./api.js").api} parts.api
   * @param {import("./cache.js").Cache} parts.cache
   * @param {(options: object) => import("../client.js").ChatClient} parts.createClient
   * @param {(type: string, event?: string) => void} parts.emit
   */
  constructor(parts) {
    this.#parts = parts;
    this.#cache = parts.cache;
    this.me = parts.session.user;
    this.#list = new ConversationList(this.me.id);
    this.#presences = new Presences(parts.api, (userId) => !this.#isOver && parts.emit("presence", userId));
    this.#client = parts.createClient({
      ticket: () => this.#ticket(),
      me: () => this.me.id,
      visible: isVisible,
    });
  }

  get conversations() {
    return this.#list.all;
  }

  conversation(id) {
    return this.#list.get(id);
  }

  presence(userId) {
    return ["online", "connecting"].includes(this.connection) ? this.#presences.of(userId) : null;
  }

  async start() {
    this.#listen();
    this.#client.start();
    this.#opening = this.#cache.open(this.me.id);
    const { conversations, outbox } = await this.#opening;
    if (this.#isOver) return;
    for (const send of outbox.sort((one, other) => (one.created_at < other.created_at ? -1 : 1))) {
      this.#outbox.set(send.conversation_id, [...(this.#outbox.get(send.conversation_id) ?? []), send]);
    }
    for (const { conversation, last } of conversations) this.#admit(conversation, last, true);
    this.loaded = conversations.length > 0;
    this.#tellList();
    await this.reload();
  }

  stop() {
    this.#end.abort();
    this.#client.stop();
    this.#cache.close();
    clearTimeout(this.#cacheTimer);
    for (const room of this.#rooms.values()) room.close();
  }

  reload() {
    return this.#readListOnce(MOST_PAGES);
  }

  room(id) {
    this.#current = id;
    const room = this.#rooms.get(id) ?? this.#makeRoom(id);
    if (this.#isListed && this.conversation(id)) this.#follow(id);
    room.open();
    this.#askAbout(id);
    return room;
  }

  /** How many messages are not sent yet, or were refused. */
  get unsent() {
    return [...this.#rooms.values()].flatMap(({ sends }) => sends).length + [...this.#outbox.values()].flat().length;
  }

  get #isOver() {
    return this.#end.signal.aborted;
  }

  async #ticket() {
    try {
      const ticket = await this.#parts.session.ticket();
      this.#isThrottled = false;
      return ticket;
    } catch (error) {
      this.#isThrottled = error.code === "throttled";
      throw error;
    }
  }

  // The list.

  /** Who asks while the list is read shares that, and may make it read on. */
  #readListOnce(mostPages) {
    this.#mostPages = Math.max(this.#mostPages, mostPages);
    this.#listing ??= this.#readList().finally(() => {
      this.#listing = null;
      this.#mostPages = 0;
    });
    return this.#listing;
  }

  async #readList() {
    this.#listedAt = Date.now();
    const missing = new Set(this.#lasts.keys());
    try {
      let cursor = null;
      for (let pages = 0; pages < this.#mostPages; pages += 1) {
        const page = await this.#parts.api.get("/conversations", { limit: 100, cursor });
        if (this.#isOver) return;
        for (const conversation of page.items) {
          missing.delete(conversation.id);
          this.#admit(conversation);
        }
        cursor = page.next;
        this.loaded = true;
        this.#tellList();
        if (!cursor) break;
      }
      if (!cursor) await this.#confirm(missing);
      if (this.#isOver) return;
      this.#isListed = true;
      this.error = null;
    } catch (error) {
      if (this.#isOver) return;
      this.error = error;
      const pause = error.retryAfter ? error.retryAfter * 1000 : FAILED_AGAIN;
      setTimeout(() => !this.#isOver && this.#client.state === "open" && this.reload(), pause);
    }
    this.#tellList();
    // How far the cached logs are behind is known only with the list.
    if (!this.#isListed) return;
    const latest = this.conversations.map(({ id }) => id);
    const first = this.conversation(this.#current) ? [this.#current] : [];
    for (const id of [...new Set([...first, ...latest])].slice(0, MOST_SUBSCRIPTIONS)) this.#follow(id);
    this.#refresh();
  }

  /** Drops those of which the API says that there is none; one that moved up while the list was read was on no page of it. */
  async #confirm(ids) {
    for (const id of ids) {
      try {
        const conversation = await this.#parts.api.get(`/conversations/${id}`);
        if (this.#isOver) return;
        this.#admit(conversation);
      } catch (error) {
        // Without an answer it stays; the next reading of the list asks again.
        if (this.#isOver || error.code !== "not_found") return;
        this.drop(id);
      }
    }
  }

  /** Takes up a conversation's object, of the API or of the cache. @param {number} last where its log is known to end */
  #admit(conversation, last = conversation.last_seq, isKept = false) {
    const { id } = conversation;
    if (!this.#lasts.has(id)) this.#lasts.set(id, last);
    const room = this.#rooms.get(id);
    const isNews = this.#list.put(conversation, room?.readThrough);
    if (!isKept && conversation.unread_count > 0 && room?.readThrough >= conversation.last_message?.seq) room.tellRead();
    if (isNews && !isKept) this.#keep(id);
    // What was typed before a reload is sent also when nobody opens the room.
    if (this.#outbox.has(id) && !this.#rooms.has(id)) this.#makeRoom(id);
  }

  /** Takes up a conversation that was just started or changed. @returns {object} it, as it is known */
  take(conversation) {
    this.#admit(conversation);
    this.#follow(conversation.id);
    this.#tellList();
    return this.conversation(conversation.id);
  }

  /** Lets the connection tell what happens from where the log ends here. */
  #follow(id) {
    if (this.#subscribed.has(id)) return;
    if (this.#subscribed.size >= MOST_SUBSCRIPTIONS && !this.#unfollowOne()) return;
    const room = this.#rooms.get(id);
    const { last_seq: head } = this.conversation(id);
    if (head - this.#lasts.get(id) > FURTHEST_BEHIND) {
      this.#lasts.set(id, head);
      this.#cache.dropLog(id);
      room?.reset(head);
    }
    this.#subscribed.add(id);
    this.#client.subscribe(id, this.#lasts.get(id));
  }

  #unfollowOne() {
    const { id } = this.conversations.findLast((one) => this.#subscribed.has(one.id) && one.id !== this.#current) ?? {};
    if (!id) return false;
    this.#lasts.set(id, this.#client.last(id) ?? this.#lasts.get(id));
    this.#client.unsubscribe(id);
    return this.#subscribed.delete(id);
  }

  /** One is no longer in a conversation, or it is no more. */
  drop(id) {
    if (!this.#lasts.delete(id)) return;
    const room = this.#rooms.get(id);
    const unsent = [...(room?.sends ?? []), ...(this.#outbox.get(id) ?? [])].map(({ client_id }) => client_id);
    this.#cache.drop(id, unsent);
    for (const known of [this.#rooms, this.#subscribed, this.#outbox, this.#dirty]) known.delete(id);
    this.#client.unsubscribe(id);
    this.#list.remove(id);
    room?.close({ removed: true });
    this.#tellList();
    this.#parts.emit("removed", id);
  }

  // Rooms.

  #makeRoom(id) {
    const host = {
      me: this.me,
      client: this.#client,
      cache: this.#cache,
      api: this.#parts.api,
      isVisible,
      conversation: (roomId) => this.conversation(roomId),
      changed: (roomId) => this.#keep(roomId),
      isRead: (roomId) => this.#setUnread(roomId, 0),
    };
    const room = new Room(host, id, () => this.#beginning(id));
    this.#rooms.set(id, room);
    return room;
  }

  /** Where a room's log goes on from, what of it is cached, and what is not sent yet. */
  async #beginning(id) {
    await this.#opening;
    // Opened by its address, and not in the list, or not yet.
    if (!this.#lasts.has(id)) await this.#listing;
    if (!this.#lasts.has(id)) this.take(await this.#parts.api.get(`/conversations/${id}`));
    const last = this.#lasts.get(id);
    const sends = this.#outbox.get(id) ?? [];
    this.#outbox.delete(id);
    const log = await this.#cache.log(id);
    return { last, sends, log: log?.last >= last ? log : null };
  }

  #setUnread(id, unread) {
    if (this.#list.setUnread(id, unread)) this.#tellList();
    this.#keep(id);
  }

  /** I have read that far, here or on another device. */
  #iRead(id, seq) {
    const room = this.#rooms.get(id);
    const conversation = this.conversation(id);
    room?.read(this.me.id, seq);
    if (!conversation) return;
    const unread = seq >= (conversation.last_message?.seq ?? 0) ? 0 : room?.countUnread(seq);
    // Where that is not known, the list tells the next time.
    if (typeof unread === "number" && unread < conversation.unread_count) this.#setUnread(id, unread);
  }

  // What the connection tells.

  #listen() {
    const { signal } = this.#end;
    const on = (type, hear) => this.#client.on(type, (event) => !this.#isOver && hear(event));
    on("state", (state) => this.#hearState(state));
    on("entry", (entry) => this.#hearEntry(entry));
    on("page", (page) => this.#hearPage(page));
    on("signal", (frame) => this.#hearSignal(frame));
    on("ended", ({ conversation_id }) => this.drop(conversation_id));
    on("unauthenticated", () => this.#refused());
    globalThis.document?.addEventListener("visibilitychange", () => this.#seenOrHidden(), { signal });
    globalThis.window?.addEventListener("pagehide", () => this.#writeCache(), { signal });
    const timer = setInterval(() => {
      const isInUse = globalThis.document?.hasFocus() ?? true;
      if (isVisible() && (isInUse || Date.now() - this.#listedAt >= LIST_SELDOM)) this.#readListOnce(1);
    }, LIST_EVERY);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  #hearState(state) {
    if (state === "waiting") this.#attempts += 1;
    if (state === "open") this.#attempts = 0;
    const isAway = globalThis.navigator?.onLine === false || this.#attempts > 1;
    const connection = state === "open" ? "online" : this.#isThrottled ? "throttled" : isAway ? "offline" : "connecting";
    if (state === "open") {
      this.#presences.forget();
      this.#readsAsked.clear();
      if (this.error || Date.now() - this.#listedAt > LIST_REST) this.reload();
      this.#refresh();
    }
    if (connection === this.connection) return;
    this.connection = connection;
    this.#parts.emit("connection");
  }

  /** Asks for what could not be had before, or may have changed unseen. */
  #refresh() {
    const room = this.#rooms.get(this.#current);
    if (room?.error) room.open();
    if (room) this.#askAbout(room.id);
    if (this.#client.state !== "open" || !isVisible()) return;
    const direct = this.conversations.filter(({ kind }) => kind === "direct").slice(0, PRESENCES);
    this.#presences.askInTurn(direct.map(({ id }) => id));
  }

  /** Who is there, and how far they have read, of the conversation that is open. Signals tell the rest. */
  async #askAbout(id) {
    if (this.#client.state !== "open" || !isVisible() || !this.conversation(id)) return;
    this.#presences.ask(id);
    if (this.#readsAsked.has(id)) return;
    this.#readsAsked.add(id);
    const page = await this.#parts.api.get(`/conversations/${id}/participants`, { limit: 100 }).catch(() => ({ items: [] }));
    if (!this.#isOver) this.learnReads(id, page.items);
  }

  /** @param {object[]} participants with `read_seq`, where the API has it */
  learnReads(id, participants) {
    for (const { user_id, read_seq } of participants) {
      if (typeof read_seq === "number") this.#hasRead(id, user_id, read_seq);
    }
  }

  #hearEntry(entry) {
    const id = entry.conversation_id;
    const room = this.#rooms.get(id) ?? this.#makeRoom(id);
    const wasUnread = entry.type === "message.deleted" && room.isUnread(entry.message.seq, this.conversation(id)?.unread_count);
    this.#list.apply(entry, wasUnread);
    room.apply(entry);
    this.#tellList();
  }

  #hearPage(page) {
    const id = page.conversation_id;
    this.#list.rewind(id, page.through);
    (this.#rooms.get(id) ?? this.#makeRoom(id)).replace(page);
    this.reload();
  }

  #hearSignal(frame) {
    const { type, conversation_id: id, user_id } = frame;
    if (type === "presence") this.#presences.learn(frame);
    if (type === "typing") this.#rooms.get(id)?.hearTyping(frame);
    if (type === "read") this.#hasRead(id, user_id, seqOf(frame.message_id));
  }

  #hasRead(id, userId, seq) {
    if (userId === this.me.id) this.#iRead(id, seq);
    else this.#rooms.get(id)?.read(userId, seq);
  }

  /** The connection is refused. If the session is over, asking for tokens says so; if not, it is tried again. */
  async #refused() {
    await this.#parts.session.refresh().catch(() => {});
    setTimeout(() => !this.#isOver && this.#client.start(), REFUSED_AGAIN);
  }

  #seenOrHidden() {
    if (!isVisible()) {
      this.#writeCache();
      return;
    }
    if (Date.now() - this.#listedAt > LIST_REST) this.reload();
    else this.#refresh();
  }

  // The cache, and who listens.

  #keep(id) {
    if (!this.#lasts.has(id)) return;
    this.#dirty.add(id);
    this.#cacheTimer ??= setTimeout(() => this.#writeCache(), CACHE_AFTER);
  }

  #writeCache() {
    clearTimeout(this.#cacheTimer);
    this.#cacheTimer = null;
    const records = [];
    for (const id of this.#dirty) {
      const conversation = this.conversation(id);
      const room = this.#rooms.get(id);
      const log = room?.toLog() ?? null;
      if (!conversation) continue;
      records.push({ conversation, last: log?.last ?? this.#lasts.get(id), log });
      this.#dirty.delete(id);
    }
    if (records.length > 0) this.#cache.save(records);
  }

  /** Once for all that happens in one turn. */
  #tellList() {
    if (!this.#isListTold) return;
    this.#isListTold = false;
    queueMicrotask(() => {
      this.#isListTold = true;
      if (this.#isOver) return;
      this.#parts.emit("conversations");
    });
  }
}

const isVisible = () => globalThis.document?.visibilityState !== "hidden";
