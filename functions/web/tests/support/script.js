/** A client whose server is played by the test, frame by frame. */
import { ChatClient } from "../../client/client.js";
import { Clock, settle } from "./clock.js";

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;

/** The server's side of one WebSocket. */
class Socket {
  /** Commands that the test has not looked at. */
  unread = [];
  closed = false;

  constructor(url) {
    this.url = new URL(url);
  }

  send(text) {
    if (this.closed) throw new Error(`sent after closing: ${text}`);
    this.unread.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  /** Takes the next command, which must be of this type. */
  take(type) {
    const command = this.unread.shift();
    if (command?.type !== type) throw new Error(`not ${type}, but ${JSON.stringify(command)}`);
    return command;
  }

  open() {
    this.onopen?.();
  }

  receive(frame) {
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  /** The server, or the network, ends it. */
  end(code = 1006) {
    this.onclose?.({ code });
  }

  /** Takes a `subscribe` and answers it: by conversation what `answers` has, or that nothing is new. */
  subscribed(answers = {}, more = {}) {
    const command = this.take("subscribe");
    const conversations = {};
    for (const [id, last] of Object.entries(command.conversations)) {
      conversations[id] = { messages: [], through: last ?? 0, complete: true, role: "member", ...answers[id] };
    }
    this.receive({ type: "subscribed", ref: command.ref, conversations, ...more });
    return command;
  }

  ack(command, seq, duplicate = false) {
    const { ref, conversation_id, content, client_id } = command;
    const message = { ...say(seq, content).message, conversation_id, client_id };
    this.receive({ type: "ack", ref, message, duplicate });
  }

  refuse(command, code, more = {}) {
    this.receive({ type: "error", ref: command.ref, code, message: `It is ${code}.`, ...more });
  }

  pong(more = {}) {
    const command = this.take("ping");
    this.receive({ type: "pong", ref: command.ref, heads: {}, resync: false, ...more });
  }
}

/** A message as it is pushed to the conversation "c". */
export function say(seq, content = `number ${seq}`) {
  const created_at = "2026-01-01T00:00:00Z";
  const message = { id: `${seq}-0`, seq, conversation_id: "c", content, created_at };
  return { type: "message", conversation_id: "c", seq, created_at, message };
}

/** The same as an item of an answer. */
export const item = (seq, content) => say(seq, content).message;

/** Another entry of the conversation "c". */
export function event(seq, type, more = {}) {
  return { type, conversation_id: "c", seq, created_at: "2026-01-01T00:00:00Z", ...more };
}

/**
 * A client, the sockets it opens, and what it tells.
 * @param {object} [options] those of the client
 */
export function play(options = {}) {
  const clock = new Clock();
  const sockets = [];
  const told = [];
  let tickets = 0;
  class Opened extends Socket {
    constructor(url) {
      super(url);
      sockets.push(this);
    }
  }
  const client = new ChatClient({
    ticket: async () => ({ url: "ws://chat.example/ws", ticket: `ticket-${++tickets}` }),
    WebSocket: Opened,
    random: () => 1,
    clock,
    ...options,
  });
  for (const type of ["state", "page", "entry", "signal", "ended", "unauthenticated"]) {
    client.on(type, (event) => told.push({ type, event }));
  }
  return {
    client,
    clock,
    sockets,
    told,
    /** What was told of a type. */
    of: (type) => told.filter((one) => one.type === type).map((one) => one.event),
    /** The seqs of the entries that were given. */
    seqs: () => told.filter((one) => one.type === "entry").map((one) => one.event.seq),
    /** The newest socket. */
    get socket() {
      return sockets.at(-1);
    },
    /** Starts, and opens the connection. */
    async connect() {
      client.start();
      await settle();
      sockets.at(-1).open();
      return sockets.at(-1);
    },
    /** The same, subscribed to the conversation "c" up to `last`. */
    async follow(last = 1) {
      client.subscribe("c", last);
      const socket = await this.connect();
      socket.subscribed();
      return socket;
    },
    /** Opens the next connection, after the pause that precedes it. */
    async reconnect() {
      const before = sockets.length;
      for (let second = 0; sockets.length === before; second += 1) {
        if (second === 30) throw new Error("there is no other connection");
        await clock.advance(SECOND);
      }
      sockets.at(-1).open();
      return sockets.at(-1);
    },
  };
}
