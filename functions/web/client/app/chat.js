// The model of the pages: all conversations of who is signed in, kept current, and the rooms that are opened.
//
// What is cached shows at once. The list is then read over HTTP, and the 200 conversations with the latest activity are
// subscribed, each from the seq up to which its log is known here; of one that is not cached this is its present end, and its
// messages are read when it is opened. From there on the log tells everything but one thing: nothing is pushed to somebody who
// is added to a conversation. So the list is read again with each new connection, when the page becomes visible, and each
// minute while it is.
//
// Beyond the agreed names: `loaded` (the list is known, if only from the cache), `error` (why it could not be read), `me`.
import { ChatClient } from "../client.js";
import { api, session } from "./api.js";
import { Cache } from "./cache.js";
import { ConversationList } from "./conversation-list.js";
import { Room } from "./live-room.js";
import { seqOf } from "./room-state.js";

const MOST_SUBSCRIPTIONS = 200;
/** Of a cached log that is further behind nothing is brought up to date: it is read anew when it is opened. */
const FURTHEST_BEHIND = 200;
/** Pages of 100 of the list. */
const MOST_PAGES = 10;
/** Direct conversations of the list whose presence is asked for with each connection. */
const PRESENCES = 10;
/** In ms: how often the list is read, at most and at least, and when again after it failed. */
const LIST_REST = 10_000;
const LIST_EVERY = 60_000;
const FAILED_AGAIN = 5000;
/** When a connection that was refused is tried again, though the session is not over. */
const REFUSED_AGAIN = 30_000;
/** How long the cache waits for more to keep, in ms. */
const CACHE_AFTER = 1000;

export class Chat {
  connection = "connecting";
  loaded = false;
  error = null;
  me = null;
  #session;
  #api;
  #platform;
  #listeners = new Map();
  #run = null;
  #client = null;
  #cache = null;
  #opening = null;
  #list = new ConversationList(null);
  #rooms = new Map();
  /** The seq from which each conversation is, or will be, subscribed; and those that are. */
  #lasts = new Map();
  #subscribed = new Set();
  #outbox = new Map();
  #presences = new Map();
  /** Conversations whose presence, and whose read pointers, were asked for over this connection. */
  #asked = new Set();
  #current = null;
  #attempts = 0;
  #listedAt = -Infinity;
  #isListed = false;
  #listing = null;
  #dirty = new Set();
  #cacheTimer = null;
  #isListTold = true;

  /**
   * @param {object} [platform] to be replaced in tests
   * @param {import("./session.js").Session} [platform.session]
   * @param {typeof api} [platform.api]
   * @param {(options: object) => ChatClient} [platform.createClient]
   * @param {() => Cache} [platform.createCache]
   */
  constructor({ session: own = session, api: requests = api, ...platform } = {}) {
    this.#session = own;
    this.#api = requests;
    this.#platform = {
      createClient: (options) => new ChatClient(options),
      createCache: () => new Cache(),
      ...platform,
    };
    own.onChange((user) => {
      if (user?.id === this.me?.id) this.me = user;
      else this.stop();
      if (!user) this.#platform.createCache().clear();
    });
  }

  /** Begins for who is signed in. Resolves when the list is there, or cannot be read. */
  async start() {
    if (this.#run || !this.#session.user) return;
    const run = new AbortController();
    this.#run = run;
    this.me = this.#session.user;
    this.#list = new ConversationList(this.me.id);
    this.#cache = this.#platform.createCache();
    this.#client = this.#platform.createClient({
      ticket: () => this.#session.ticket(),
      me: () => this.me?.id ?? null,
      visible: isVisible,
    });
    this.#listen(run.signal);
    this.#client.start();
    this.#opening = this.#cache.open(this.me.id);
    const { conversations, outbox } = await this.#opening;
    if (run.signal.aborted) return;
    for (const send of outbox.sort((one, other) => (one.created_at < other.created_at ? -1 : 1))) {
      this.#outbox.set(send.conversation_id, [...(this.#outbox.get(send.conversation_id) ?? []), send]);
    }
    for (const { conversation, last } of conversations) this.#admit(conversation, last, true);
    this.loaded = conversations.length > 0;
    this.#tellList();
    await this.reload();
  }

  /** Ends everything, and empties all that is shown; the cache stays until one signs out. */
  stop() {
    if (!this.#run) return;
    this.#run.abort();
    this.#client.stop();
    this.#cache.close();
    clearTimeout(this.#cacheTimer);
    for (const room of this.#rooms.values()) room.close();
    const perConversation = [this.#rooms, this.#lasts, this.#subscribed, this.#outbox, this.#asked, this.#dirty];
    for (const known of [...perConversation, this.#presences]) known.clear();
    this.#list = new ConversationList(null);
    Object.assign(this, { connection: "connecting", loaded: false, error: null, me: null });
    this.#run = this.#cacheTimer = this.#current = this.#listing = null;
    this.#listedAt = -Infinity;
    this.#isListed = false;
    this.#attempts = 0;
    this.#tellList();
  }

  /**
   * "conversations" (), "connection" (), "presence" (userId), "removed" (conversationId).
   * @returns {() => void} stops listening
   */
  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
    return () => this.#listeners.get(type).delete(listener);
  }

  /** All conversations, latest activity first. One that changes is another object. */
  get conversations() {
    return this.#list.all;
  }

  conversation(id) {
    return this.#list.get(id);
  }

  /** Reads the list again. Never rejects: `error` says what failed. */
  reload() {
    this.#listing ??= this.#readList(this.#run, MOST_PAGES).finally(() => {
      this.#listing = null;
    });
    return this.#listing;
  }

  /** @returns {{online: boolean, last_seen: string|null}|null} null when it is not known */
  presence(userId) {
    return this.connection === "offline" ? null : this.#presences.get(userId) ?? null;
  }

  /** Opens a conversation. It is filled later; one that there is not gets `error` or `removed`. */
  room(id) {
    this.#current = id;
    const room = this.#rooms.get(id) ?? this.#makeRoom(id);
    if (this.#isListed && this.conversation(id)) this.#follow(id);
    room.open();
    this.#askAbout(id);
    return room;
  }

  /** @param {{name?: string, participant_ids?: string[], participant_emails?: string[], kind?: "group"|"channel"}} wanted */
  async create(wanted) {
    return this.#took(await this.#api.post("/conversations", wanted));
  }

  /** The conversation with one other person, which may be there already. */
  async direct(userId) {
    return this.#took(await this.#api.post("/conversations/direct", { user_id: userId }));
  }

  async rename(id, name) {
    return this.#took(await this.#api.patch(`/conversations/${id}`, { name }));
  }

  /** @param {{muted?: boolean, archived?: boolean}} settings */
  async setSettings(id, settings) {
    return this.#took(await this.#api.patch(`/conversations/${id}/settings`, settings));
  }

  async deleteConversation(id) {
    await this.#api.delete(`/conversations/${id}`);
    this.#drop(id);
  }

  /** @param {{user_id?: string, email?: string, role?: "admin"|"member"}} person */
  addParticipant(id, person) {
    return this.#api.post(`/conversations/${id}/participants`, person);
  }

  setRole(id, userId, role) {
    return this.#api.patch(`/conversations/${id}/participants/${userId}`, { role });
  }

  removeParticipant(id, userId) {
    return this.#api.delete(`/conversations/${id}/participants/${userId}`);
  }

  async leave(id) {
    await this.removeParticipant(id, this.me.id);
    this.#drop(id);
  }

  /** All participants, longest-standing first. */
  async participants(id) {
    const participants = [];
    for (let cursor = null; ; ) {
      const page = await this.#api.get(`/conversations/${id}/participants`, { limit: 100, cursor });
      participants.push(...page.items);
      this.#learnReads(id, page.items);
      if (!page.next) return participants;
      cursor = page.next;
    }
  }

  /** People by the beginning of their username, or by their whole e-mail address. */
  async searchPeople(text) {
    return (await this.#api.get("/users", { search: text, limit: 20 })).items;
  }

  /** @returns {Promise<{items: object[], next: string|null}>} messages, newest first; `next` goes into `cursor` */
  search(text, conversationId = null, cursor = null) {
    const path = conversationId ? `/conversations/${conversationId}/messages/search` : "/search";
    return this.#api.get(path, { q: text, cursor });
  }

  // The list.

  async #readList(run, mostPages) {
    if (!run) return;
    this.#listedAt = Date.now();
    const missing = new Set(this.#lasts.keys());
    const isOver = () => run.signal.aborted;
    try {
      let cursor = null;
      for (let pages = 0; pages < mostPages; pages += 1) {
        const page = await this.#api.get("/conversations", { limit: 100, cursor });
        if (isOver()) return;
        for (const conversation of page.items) {
          missing.delete(conversation.id);
          this.#admit(conversation);
        }
        cursor = page.next;
        this.loaded = true;
        this.#tellList();
        if (!cursor) break;
      }
      if (!cursor) for (const id of missing) this.#drop(id);
      this.#isListed = true;
      this.error = null;
    } catch (error) {
      if (isOver()) return;
      this.error = error;
      setTimeout(() => !isOver() && this.#client.state === "open" && this.reload(), 1000 * (error.retryAfter ?? 0) || FAILED_AGAIN);
    }
    this.#tellList();
    // How far the cached logs are behind is known only with the list.
    if (!this.#isListed) return;
    this.conversations.slice(0, MOST_SUBSCRIPTIONS).forEach(({ id }) => this.#follow(id));
    this.#refreshCurrent();
    this.#askPresences(isOver);
  }

  /** Takes up a conversation's object, of the API or of the cache. @param {number} last where its log is known to end */
  #admit(conversation, last = conversation.last_seq, isKept = false) {
    const { id } = conversation;
    if (!this.#lasts.has(id)) this.#lasts.set(id, last);
    const isNews = this.#list.put(conversation, this.#rooms.get(id)?.readThrough);
    if (isNews && !isKept) this.#keep(id);
    // What was typed before a reload is sent also when nobody opens the room.
    if (this.#outbox.has(id) && !this.#rooms.has(id)) this.#makeRoom(id);
  }

  #took(conversation) {
    if (!this.#run) return conversation;
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
  #drop(id) {
    if (!this.#lasts.delete(id)) return;
    const room = this.#rooms.get(id);
    const unsent = [...(room?.sends ?? []), ...(this.#outbox.get(id) ?? [])].map(({ client_id }) => client_id);
    this.#cache.drop(id, unsent);
    for (const known of [this.#rooms, this.#subscribed, this.#outbox, this.#asked, this.#dirty]) known.delete(id);
    this.#client.unsubscribe(id);
    this.#list.remove(id);
    room?.close({ removed: true });
    this.#tellList();
    this.#emit("removed", id);
  }

  // Rooms.

  #makeRoom(id) {
    const host = {
      me: this.me,
      client: this.#client,
      cache: this.#cache,
      api: this.#api,
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
    if (!this.#lasts.has(id)) this.#took(await this.#api.get(`/conversations/${id}`));
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

  #listen(signal) {
    const client = this.#client;
    const on = (type, hear) => client.on(type, (event) => !signal.aborted && hear(event));
    on("state", (state) => this.#hearState(state));
    on("entry", (entry) => this.#hearEntry(entry));
    on("page", (page) => this.#hearPage(page));
    on("signal", (frame) => this.#hearSignal(frame));
    on("ended", ({ conversation_id }) => this.#drop(conversation_id));
    on("unauthenticated", () => this.#refused(signal));
    globalThis.document?.addEventListener("visibilitychange", () => this.#seenOrHidden(), { signal });
    globalThis.window?.addEventListener("pagehide", () => this.#writeCache(), { signal });
    const timer = setInterval(() => {
      if (isVisible() && client.state === "open") this.#listing ??= this.#readList(this.#run, 1).finally(() => (this.#listing = null));
    }, LIST_EVERY);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  #hearState(state) {
    if (state === "waiting") this.#attempts += 1;
    if (state === "open") this.#attempts = 0;
    const isAway = globalThis.navigator?.onLine === false || this.#attempts > 1;
    const connection = state === "open" ? "online" : isAway ? "offline" : "connecting";
    if (state === "open") {
      this.#asked.clear();
      if (this.error || Date.now() - this.#listedAt > LIST_REST) this.reload();
      this.#refreshCurrent();
    }
    if (connection === this.connection) return;
    this.connection = connection;
    this.#emit("connection");
  }

  /** Gives the room that is open what it could not have before. */
  #refreshCurrent() {
    const room = this.#rooms.get(this.#current);
    if (room?.error) room.open();
    if (room) this.#askAbout(room.id);
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
    if (type === "presence") this.#learnPresence(frame);
    if (type === "typing") this.#rooms.get(id)?.hearTyping(frame);
    if (type !== "read") return;
    if (user_id === this.me.id) this.#iRead(id, seqOf(frame.message_id));
    else this.#rooms.get(id)?.read(user_id, seqOf(frame.message_id));
  }

  /** The connection is refused. If the session is over, asking for tokens says so; if not, it is tried again. */
  async #refused(signal) {
    await this.#session.refresh().catch(() => {});
    setTimeout(() => !signal.aborted && this.#client.start(), REFUSED_AGAIN);
  }

  #seenOrHidden() {
    if (!isVisible()) this.#writeCache();
    else if (Date.now() - this.#listedAt > LIST_REST) this.reload();
  }

  // Presence and read pointers.

  async #askPresences(isOver) {
    const direct = this.conversations.filter(({ kind }) => kind === "direct").slice(0, PRESENCES);
    for (const { id } of direct) {
      if (isOver()) return;
      await this.#askPresence(id);
    }
  }

  async #askPresence(id) {
    if (this.#asked.has(`presence ${id}`)) return;
    this.#asked.add(`presence ${id}`);
    const page = await this.#api.get(`/conversations/${id}/presence`, { limit: 100 }).catch(() => ({ items: [] }));
    if (this.#lasts.has(id)) page.items.forEach((presence) => this.#learnPresence(presence));
  }

  /** Who is there, and how far they have read, of the conversation that is open. Signals tell the rest. */
  #askAbout(id) {
    if (this.#client.state !== "open" || !this.conversation(id)) return;
    this.#askPresence(id);
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    this.#api.get(`/conversations/${id}/participants`, { limit: 100 }).then((page) => this.#learnReads(id, page.items), () => {});
  }

  #learnPresence({ user_id, online, last_seen }) {
    const known = this.#presences.get(user_id);
    if (known?.online === online && known.last_seen === last_seen) return;
    this.#presences.set(user_id, { online, last_seen });
    this.#emit("presence", user_id);
  }

  #learnReads(id, participants) {
    for (const { user_id, read_seq } of participants) {
      if (!this.#lasts.has(id) || typeof read_seq !== "number") continue;
      if (user_id === this.me.id) this.#iRead(id, read_seq);
      else this.#rooms.get(id)?.read(user_id, read_seq);
    }
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
      // Of a room that still reads its log nothing is known to be whole.
      if (!conversation || (room && !log)) continue;
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
      this.#emit("conversations");
    });
  }

  #emit(type, event) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) listener(event);
  }
}

const isVisible = () => globalThis.document?.visibilityState !== "hidden";

export const chat = new Chat();
