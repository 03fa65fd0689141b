// The model of the pages: all conversations of who is signed in, kept current, and the rooms that are opened. What follows the
// server is in live-chat.js, one for each signing in; here is what views call, and who listens.
import { ChatClient } from "../client.js";
import { api, session } from "./api.js";
import { Cache } from "./cache.js";
import { LiveChat } from "./live-chat.js";

export class Chat {
  #session;
  #api;
  #createClient;
  #createCache;
  #listeners = new Map();
  #live = null;

  /**
   * @param {object} [platform] to be replaced in tests
   * @param {import("./session.js").Session} [platform.session]
   * @param {typeof api} [platform.api]
   * @param {(options: object) => ChatClient} [platform.createClient]
   * @param {() => Cache} [platform.createCache]
   */
  constructor(platform = {}) {
    this.#session = platform.session ?? session;
    this.#api = platform.api ?? api;
    this.#createClient = platform.createClient ?? ((options) => new ChatClient(options));
    this.#createCache = platform.createCache ?? (() => new Cache());
    this.#session.onChange((user) => {
      if (user && user.id === this.me?.id) this.#live.me = user;
      else this.stop();
      if (!user) this.#createCache().clear();
    });
  }

  /** Begins for who is signed in. Resolves when the list is there, or cannot be read. */
  async start() {
    if (this.#live || !this.#session.user) return;
    const [session, api] = [this.#session, this.#api];
    const cache = this.#createCache();
    const emit = (type, event) => this.#emit(type, event);
    this.#live = new LiveChat({ session, api, cache, createClient: this.#createClient, emit });
    await this.#live.start();
  }

  /** Ends everything, and empties all that is shown; the cache stays until one signs out. */
  stop() {
    if (!this.#live) return;
    this.#live.stop();
    this.#live = null;
    this.#emit("conversations");
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

  /** @returns {"online"|"connecting"|"offline"|"throttled"} the last one after too many requests: it goes on by itself */
  get connection() {
    return this.#live?.connection ?? "connecting";
  }

  get me() {
    return this.#live?.me ?? null;
  }

  /** Whether the list is known, if only from the cache. */
  get loaded() {
    return this.#live?.loaded ?? false;
  }

  /** Why the list could not be read, or null. */
  get error() {
    return this.#live?.error ?? null;
  }

  /** All conversations, latest activity first. One that changes is another object. */
  get conversations() {
    return this.#live?.conversations ?? [];
  }

  conversation(id) {
    return this.#live?.conversation(id) ?? null;
  }

  /** @returns {{online: boolean, last_seen: string|null}|null} null when it is not known */
  presence(userId) {
    return this.#live?.presence(userId) ?? null;
  }

  /** How many messages of all rooms are not sent yet, or were refused: signing out loses them. */
  get unsent() {
    return this.#live?.unsent ?? 0;
  }

  /** Reads the list again. Never rejects: `error` says what failed. */
  async reload() {
    await this.#live?.reload();
  }

  /** Opens a conversation. It is filled later; one that there is not gets `error` or `removed`. */
  room(id) {
    return this.#live.room(id);
  }

  /** @param {{name?: string, participant_ids?: string[], participant_emails?: string[], kind?: "group"|"channel"}} wanted */
  async create(wanted) {
    return this.#take(await this.#api.post("/conversations", wanted));
  }

  /** The conversation with one other person. One that is known already is not asked for, which would count as starting one. */
  async direct(userId) {
    const isWith = ({ kind, participants }) => kind === "direct" && participants.some((one) => one.user_id === userId);
    const known = userId === this.me?.id ? null : this.conversations.find(isWith);
    if (known) return known;
    return this.#take(await this.#api.post("/conversations/direct", { user_id: userId }));
  }

  async rename(id, name) {
    return this.#take(await this.#api.patch(`/conversations/${id}`, { name }));
  }

  /** @param {{muted?: boolean, archived?: boolean}} settings */
  async setSettings(id, settings) {
    return this.#take(await this.#api.patch(`/conversations/${id}/settings`, settings));
  }

  async deleteConversation(id) {
    await this.#api.delete(`/conversations/${id}`);
    this.#live?.drop(id);
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
    this.#live?.drop(id);
  }

  /** All participants, longest-standing first. */
  async participants(id) {
    const participants = [];
    for (let cursor = null; ; ) {
      const page = await this.#api.get(`/conversations/${id}/participants`, { limit: 100, cursor });
      participants.push(...page.items);
      this.#live?.learnReads(id, page.items);
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

  #take(conversation) {
    return this.#live?.take(conversation) ?? conversation;
  }

  #emit(type, event) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) listener(event);
  }
}

export const chat = new Chat();
