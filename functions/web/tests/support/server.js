/**
 * A server for the client's randomised test: it keeps the contract of the WebSocket, and everything that the contract
 * allows to go wrong goes wrong now and then. Frames are lost, doubled and late, also past each other; commands fail
 * before and after they were carried out; connections end, with and without telling; subscriptions are forgotten.
 */

const MINUTE = 60_000;
const PAGE = 20;

/** Mulberry32: the same numbers for the same seed. */
export function chance(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Server {
  /** By conversation all entries in their order. */
  logs = new Map();
  /** How often each kind of fault happened. */
  faults = {};
  #connections = new Set();
  #committed = new Map();
  #clock;
  #random;
  #calm = false;

  constructor(clock, random, conversations) {
    this.#clock = clock;
    this.#random = random;
    for (const id of conversations) this.logs.set(id, []);
  }

  /** From now on nothing goes wrong. */
  calmDown() {
    this.#calm = true;
  }

  ticket = async () => {
    if (this.#happens(0.15, "no ticket")) throw new Error("no ticket");
    return { url: "ws://chat.example/ws", ticket: "t" };
  };

  /** The constructor for the client's sockets. */
  get WebSocket() {
    const server = this;
    return class {
      constructor() {
        server.#accept(this);
      }
      send(text) {
        server.#hear(this, JSON.parse(text));
      }
      close() {
        server.#connections.delete(this);
      }
    };
  }

  /** Somebody else says or changes something. */
  write(id, type = "message") {
    this.#append(id, { type }, null);
  }

  /** Ends a connection; half of the time nobody says goodbye. */
  cut() {
    for (const socket of this.#connections) {
      if (!this.#happens(0.3, "cut")) continue;
      this.#connections.delete(socket);
      const code = this.#random() < 0.3 ? 1001 : 1006;
      if (this.#random() < 0.5) this.#later(() => socket.onclose?.({ code }));
    }
  }

  /** Forgets some subscriptions; half of the time without knowing it. */
  forget() {
    for (const socket of this.#connections) {
      for (const id of [...socket.subscribed]) {
        if (!this.#happens(0.3, "forgotten")) continue;
        socket.subscribed.delete(id);
        if (this.#random() < 0.5) socket.forgotten = true;
        else socket.unknown.add(id);
      }
    }
  }

  #happens(share, fault) {
    if (this.#calm || this.#random() >= share) return false;
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
    return true;
  }

  #later(run) {
    const slow = this.#happens(0.05, "slow") ? 12_000 : 300;
    this.#clock.setTimeout(run, Math.floor(this.#random() * slow));
  }

  #accept(socket) {
    Object.assign(socket, { subscribed: new Set(), unknown: new Set(), lagging: new Set(), forgotten: false });
    if (this.#happens(0.1, "never opened")) return;
    if (this.#happens(0.1, "refused")) {
      this.#later(() => socket.onclose?.({ code: 1006 }));
      return;
    }
    this.#later(() => {
      this.#connections.add(socket);
      socket.onopen?.();
    });
  }

  /** Sends a frame, if it is not lost. */
  #tell(socket, frame, times = this.#happens(0.1, "doubled") ? 2 : 1) {
    for (let time = 0; time < times; time += 1) {
      if (this.#happens(0.05, "lost")) continue;
      const data = JSON.stringify(frame);
      this.#later(() => this.#connections.has(socket) && socket.onmessage?.({ data }));
    }
  }

  #hear(socket, command) {
    if (!this.#connections.has(socket) || this.#happens(0.05, "unheard")) return;
    this.#later(() => {
      if (this.#connections.has(socket)) this.#answer(socket, command);
    });
  }

  #answer(socket, command) {
    const { type, ref } = command;
    if (this.#happens(0.05, "platform")) {
      this.#tell(socket, { message: "Internal server error", connectionId: "x", requestId: "y" });
      return;
    }
    if (this.#happens(0.05, "unavailable")) {
      // Half of the time it was carried out all the same.
      if (type === "message.send" && this.#random() < 0.5) this.#commit(socket, command);
      this.#tell(socket, { type: "error", ref, code: "UNAVAILABLE", message: "…" });
      return;
    }
    if (type === "message.send") {
      const { entry, duplicate } = this.#commit(socket, command);
      this.#tell(socket, { type: "ack", ref, message: entry.message, duplicate });
    } else if (type === "subscribe") {
      this.#subscribe(socket, command);
    } else if (type === "ping") {
      const known = [...socket.subscribed].map((id) => [id, this.logs.get(id).length]);
      this.#tell(socket, { type: "pong", ref, heads: Object.fromEntries(known), ...this.#expiry(), resync: socket.forgotten });
    }
  }

  #expiry() {
    return { expires_at: new Date(this.#clock.now() + 16 * MINUTE).toISOString() };
  }

  #commit(socket, { conversation_id, client_id, content }) {
    const key = `${conversation_id} ${client_id}`;
    const before = this.#committed.get(key);
    if (before) return { entry: before, duplicate: true };
    const entry = this.#append(conversation_id, { type: "message", content, client_id }, socket);
    this.#committed.set(key, entry);
    return { entry, duplicate: false };
  }

  #append(id, { type, content, client_id }, sender) {
    const log = this.logs.get(id);
    const seq = log.length + 1;
    const entry = { type, conversation_id: id, seq, created_at: "2026-01-01T00:00:00Z" };
    if (type === "message") {
      entry.message = { id: `${seq}-0`, seq, conversation_id: id, content: content ?? `other ${seq}`, client_id, created_at: entry.created_at };
    }
    log.push(entry);
    for (const socket of this.#connections) {
      if (socket !== sender && socket.subscribed.has(id)) this.#push(socket, entry);
    }
    return entry;
  }

  #push(socket, entry) {
    const { conversation_id } = entry;
    if (socket.lagging.has(conversation_id)) {
      socket.lagging.delete(conversation_id);
      this.#tell(socket, { type: "lag", conversation_id, latest: entry.seq }, 1);
    } else if (this.#happens(0.05, "lagged")) {
      socket.lagging.add(conversation_id);
    } else if (this.#happens(0.2, "batched")) {
      const typing = { type: "typing", conversation_id, user_id: "u", active: true };
      this.#tell(socket, { type: "batch", frames: [typing, entry] });
    } else {
      this.#tell(socket, entry);
    }
  }

  #subscribe(socket, { ref, conversations }) {
    const answers = {};
    for (const [id, last] of Object.entries(conversations)) {
      const log = this.logs.get(id);
      const from = last ?? Math.max(0, log.length - PAGE);
      const entries = log.slice(from, from + (last === null ? PAGE : 1 + Math.floor(this.#random() * PAGE)));
      const through = entries.at(-1)?.seq ?? from;
      const messages = entries.map((entry) => (entry.type === "message" ? entry.message : entry));
      answers[id] = { messages, through, complete: through === log.length, role: "member" };
      socket.subscribed.add(id);
      socket.unknown.delete(id);
      socket.lagging.delete(id);
    }
    if (!socket.unknown.size) socket.forgotten = false;
    this.#tell(socket, { type: "subscribed", ref, conversations: answers, ...this.#expiry() });
  }
}
