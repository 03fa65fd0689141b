// What the model stands on, made by hand: a connection that says what a test lets it say, an API that answers what a test has
// put there, a cache and a storage in memory.
import { Chat } from "../../client/app/chat.js";
import { ApiError } from "../../client/app/errors.js";

export const ME = { id: "me", name: "Me", email: "me@example.com" };
export const OTHER = { user_id: "other", user_name: "Other", user_email: "other@example.com", role: "member" };

export const at = (seq) => new Date(Date.UTC(2026, 0, 1) + seq * 1000).toISOString();

/** A message as the API has it. */
export const message = (seq, changes = {}) => ({
  id: `${seq}-0`, seq, conversation_id: "c", user_id: "other", user_name: "Other", user_email: null, content: `m${seq}`,
  metadata: null, client_id: null, reply_to: null, reactions: [], created_at: at(seq), edited_at: null, deleted_at: null,
  ...changes,
});

/** Entries of the log, as client.js tells them. */
export const said = (seq, changes) => entry(seq, "message", { message: message(seq, changes) });
export const entry = (seq, type, body = {}) => ({ type, conversation_id: "c", seq, created_at: at(seq), ...body });
export const edited = (seq, of, content) =>
  entry(seq, "message.updated", { message: message(of, { content, edited_at: at(seq) }) });
export const deleted = (seq, of) =>
  entry(seq, "message.deleted", { message: message(of, { content: null, deleted_at: at(seq) }) });

export const conversation = (changes = {}) => ({
  id: "c", kind: "group", name: "Plans", role: "member", participants: [OTHER], participant_count: 2, last_seq: 0,
  last_message: null, unread_count: 0, muted: false, archived: false, created_at: at(0), updated_at: at(0), ...changes,
});

/** Lets everything happen that waits for nothing but its turn. */
export const settled = async () => {
  for (let turns = 0; turns < 30; turns += 1) await Promise.resolve();
};

/** The realtime client, as a script. Commands wait in `commands` until the test answers them. */
export class FakeClient {
  state = "stopped";
  commands = [];
  subscribed = new Map();
  #listeners = new Map();

  on(type, listener) {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
    return () => {};
  }

  tell(type, event) {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }

  start() {
    this.become("connecting");
  }

  stop() {
    this.state = "stopped";
    for (const { reject } of this.commands.splice(0)) reject({ code: "STOPPED" });
  }

  become(state) {
    this.state = state;
    this.tell("state", state);
  }

  subscribe(id, last) {
    if (this.subscribed.has(id)) throw new Error(`${id} is subscribed already`);
    this.subscribed.set(id, last);
  }

  unsubscribe(id) {
    this.subscribed.delete(id);
  }

  last() {
    return null;
  }

  typing() {}

  send = (id, content, { clientId, replyTo } = {}) => this.#command({ type: "send", id, content, clientId, replyTo });
  edit = (id, messageId, content) => this.#command({ type: "edit", id, messageId, content });
  react = (id, messageId, emoji, on) => this.#command({ type: "react", id, messageId, emoji, on });
  read = (id, messageId) => this.#command({ type: "read", id, messageId });
  history = (id, page) => this.#command({ type: "history", id, ...page });

  /** The oldest command of a type that was not answered. */
  take(type) {
    const index = this.commands.findIndex((command) => command.type === type);
    if (index < 0) throw new Error(`no ${type} among ${JSON.stringify(this.commands)}`);
    return this.commands.splice(index, 1)[0];
  }

  #command(command) {
    return new Promise((resolve, reject) => this.commands.push({ ...command, resolve, reject }));
  }
}

/** What IndexedDB would hold; several caches over one are several starts, or tabs. */
export class Memory {
  conversations = new Map();
  logs = new Map();
  outbox = new Map();

  cache() {
    return {
      open: async () => structuredClone({
        conversations: [...this.conversations.values()],
        outbox: [...this.outbox.values()],
      }),
      close() {},
      log: async (id) => structuredClone(this.logs.get(id)),
      save: async (records) => {
        for (const { conversation, last, log } of structuredClone(records)) {
          this.conversations.set(conversation.id, { conversation, last });
          if (log) this.logs.set(conversation.id, log);
        }
      },
      dropLog: async (id) => this.logs.delete(id),
      drop: async (id, clientIds) => {
        this.conversations.delete(id);
        this.logs.delete(id);
        clientIds.forEach((clientId) => this.outbox.delete(clientId));
      },
      keepSend: async (send) => this.outbox.set(send.client_id, structuredClone(send)),
      dropSend: async (clientId) => this.outbox.delete(clientId),
      clear: async () => [this.conversations, this.logs, this.outbox].forEach((store) => store.clear()),
    };
  }
}

/** Answers by method and path; what is not there is 404. An answer may be a function of the body or query. */
export function fakeApi(answers) {
  const asked = [];
  const ask = (method) => async (path, body) => {
    asked.push(`${method} ${path}`);
    const answer = answers[`${method} ${path}`];
    if (answer === undefined) throw new ApiError({ status: 404, code: "not_found", detail: "There is no such thing." });
    if (answer instanceof Error) throw answer;
    return structuredClone(typeof answer === "function" ? answer(body) : answer);
  };
  const api = Object.fromEntries(["get", "post", "put", "patch", "delete"].map((name) => [name, ask(name.toUpperCase())]));
  return Object.assign(api, { asked, answers });
}

export function fakeSession(user = ME) {
  const listeners = [];
  return {
    user,
    onChange: (listener) => listeners.push(listener),
    ticket: async () => ({ url: "ws://example.com/ws", ticket: "t" }),
    refresh: async () => {},
    become(next) {
      this.user = next;
      listeners.forEach((listener) => listener(next));
    },
  };
}

/** A chat that is online, with what its parts are made of. */
export async function startChat(t, { conversations = [conversation()], memory = new Memory(), answers = {}, isOnline = true } = {}) {
  const client = new FakeClient();
  const session = fakeSession();
  const api = fakeApi({
    "GET /conversations": { items: conversations, next: null },
    ...answers,
  });
  const createClient = ({ ticket }) => Object.assign(client, { ticket });
  const chat = new Chat({ session, api, createClient, createCache: () => memory.cache() });
  t.after(() => chat.stop());
  const started = chat.start();
  if (isOnline) client.become("open");
  await started;
  await settled();
  return { chat, client, session, api, memory };
}

/** What a room shows, in short. */
export const shown = (room) =>
  room.items.map(({ kind, state, message: said, event }) => (kind === "notice" ? event.type : `${state}:${said.content}`));
