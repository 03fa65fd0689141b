/**
 * The realtime client: one connection that outlives its sockets.
 *
 * It owns the promise that whoever listens sees each entry of a conversation's log once and in order, and that what is
 * sent arrives once, however often the network or the server fails in between. It knows nothing of a page or of HTTP:
 * it is given how to get a ticket, and runs in browsers and in Node alike, without imports.
 *
 *     const client = new ChatClient({ ticket: async () => ({ url, ticket }) });
 *     client.on("page", ({ conversation_id, messages }) => …);   // the newest entries: replace what was known
 *     client.on("entry", (entry) => …);                          // what follows, each once, in order of `seq`
 *     client.start();
 *     client.subscribe(conversationId, null);                    // or from the last seq that is known
 *     const { message } = await client.send(conversationId, "Hello");
 *
 * Events, given to `on(type, listener)`:
 * - `state` ("stopped", "connecting", "open" or "waiting"): `waiting` is the pause before another attempt.
 * - `page` ({conversation_id, messages, through, role}): the newest entries after subscribing from null, and after a
 *   server was restored from a backup. It replaces what was known. A message is its object, any other entry its event.
 * - `entry` ({conversation_id, seq, type, created_at, …}): the next entry of the log. A message has the type "message"
 *   and is in `message`, whether it was pushed, resumed or is one's own.
 * - `signal`: what is no entry: `typing`, `read`, `presence`.
 * - `ended` ({conversation_id, why}): no more comes of this conversation. `why` is "deleted", "removed" (oneself, just
 *   now), "gone" (either of them, while away) or "refused" (it is no conversation's id).
 * - `unauthenticated`: the session is over. The client has stopped; what waits to be sent is kept for another `start`.
 *
 * Everything is driven by one function, `#pass`, that does whatever is due and sets one timer for what is due next.
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** How long an answer may take, and opening a connection, ticket included. */
const ANSWER_WITHIN = 10 * SECOND;
const OPEN_WITHIN = 20 * SECOND;
/** How long a jump in the numbers waits for those that were overtaken, and then from one question to the next. */
const STRAGGLERS_WITHIN = 500;
const FIRST_PAUSE = SECOND;
const LONGEST_PAUSE = 8 * SECOND;
/** What failed is tried again after up to 1, 2, 4 … s. After a connection that lasted, the pauses are short again. */
const LONGEST_DELAY = 30 * SECOND;
const STABLE_AFTER = 30 * SECOND;
/** The platform ends a connection after 2 hours, and after 10 minutes of silence. */
const LIFE = 120 * MINUTE;
const PING_HIDDEN = 8 * MINUTE;
/** The server takes 20 commands a second of a connection; some arrive closer to each other than they were sent. */
const COMMANDS_A_SECOND = 15;
const MAX_SUBSCRIPTIONS = 200;
const MAX_FRAME = 32 * 1024;
/** How many handshakes are refused, after the server ended a connection, until the session is taken for over. */
const REFUSALS = 2;
/** These leave open what became of a command: it is sent again with the same client id. */
const OPEN_OUTCOMES = new Set(["UNAVAILABLE", "INTERNAL_ERROR"]);
const CLOCK = {
  now: () => Date.now(),
  setTimeout: (run, delay) => setTimeout(run, delay),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** A command that was refused, or that cannot be sent. */
export class ChatError extends Error {
  /**
   * @param {string} code of an error frame ("THROTTLED", "NOT_FOUND", …), or "STOPPED", "TOO_LARGE",
   *   "TOO_MANY_SUBSCRIPTIONS"
   * @param {string} detail a sentence to show
   * @param {{fields?: Object<string, string>, retryAfter?: number|null}} [more] what is wrong with which field; in how
   *   many seconds the same command would pass
   */
  constructor(code, detail, { fields = {}, retryAfter = null } = {}) {
    super(detail);
    this.name = "ChatError";
    this.code = code;
    this.detail = detail;
    this.fields = fields;
    this.retryAfter = retryAfter;
  }

  static fromFrame({ code, message, errors = [], retry_after = null }) {
    const fields = Object.fromEntries(errors.map(({ field, message }) => [field, message]));
    return new ChatError(code, message, { fields, retryAfter: retry_after });
  }
}

/** One WebSocket and what the server knows by it. */
class Link {
  socket = null;
  openedAt = null;
  closed = false;
  pingAt = Infinity;
  pingedAt = null;
  handOverAt = Infinity;
  knowsExpiry = false;
  /** Conversations to subscribe to or to unsubscribe from, those that are subscribed, and the command under way. */
  wanted = new Set();
  unwanted = new Set();
  subscribed = new Set();
  asking = null;
  askAfter = 0;
  askFailures = 0;
  #sentAt = [];

  constructor(giveUpAt) {
    this.giveUpAt = giveUpAt;
  }

  /** When the next command may go. */
  freeAt(now) {
    while (this.#sentAt[0] <= now - SECOND) this.#sentAt.shift();
    return this.#sentAt.length < COMMANDS_A_SECOND ? now : this.#sentAt[0] + SECOND;
  }

  transmit(frame, now) {
    this.#sentAt.push(now);
    this.socket.send(JSON.stringify(frame));
  }

  close() {
    this.closed = true;
    if (!this.socket) return;
    // The closing handshake of a dead network takes long: nothing that still comes is listened to.
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
  }
}

/** What is known of one conversation: the client rule. */
class View {
  ended = false;
  leaving = false;
  alone = false;
  /** Entries that came before one that they follow. */
  held = new Map();
  /** What is known to be missing: {target, askAt, pause}. A server that knows less than `target` asks its log. */
  gap = null;

  constructor(id, last) {
    this.id = id;
    /** The seq of the last entry that was given to listeners; null before the first page. */
    this.last = last;
    /** The first page while it is gathered. */
    this.page = last === null ? [] : null;
  }

  misses(target, askAt) {
    if (this.gap) this.gap.target = Math.max(this.gap.target, target);
    else this.gap = { target, askAt, pause: FIRST_PAUSE };
  }

  asked(now) {
    if (!this.gap) return;
    this.gap.askAt = now + this.gap.pause;
    this.gap.pause = Math.min(this.gap.pause * 2, LONGEST_PAUSE);
  }
}

/** The realtime client. */
export class ChatClient {
  #ticket;
  #WebSocket;
  #visible;
  #random;
  #clock;
  #me;
  #listeners = new Map();
  #views = new Map();
  /** Commands that await their answer, by their `ref`, in the order they were given. */
  #requests = new Map();
  #numbered = 0;
  #state = "stopped";
  /** The connection that commands go over; `#next` is to take its place. */
  #link = null;
  #next = null;
  #failures = 0;
  #connectAt = 0;
  /** How many more refused handshakes mean that the session is over; there is a suspicion when it is finite. */
  #patience = Infinity;
  #timer = null;
  #wakeAt = Infinity;
  #passing = false;
  #passedAt = 0;
  #again = false;
  #watching = null;

  /**
   * @param {object} options
   * @param {() => Promise<{url: string, ticket: string}>} options.ticket asks for a ticket (`POST
   *   /api/v1/auth/ws-ticket`) for each connection. A rejection with `status` 401 means that the session is over, any
   *   other one is tried again, after its `retryAfter` (in s) when it has one
   * @param {typeof WebSocket} [options.WebSocket]
   * @param {() => boolean} [options.visible] whether somebody looks at the page: it is pinged less when not
   * @param {() => string|null} [options.me] the user's own id, which spares a question when others are removed
   * @param {() => number} [options.random] as Math.random
   * @param {{now: () => number, setTimeout: Function, clearTimeout: Function}} [options.clock]
   */
  constructor({ ticket, WebSocket = globalThis.WebSocket, visible, me, random = Math.random, clock = CLOCK }) {
    this.#ticket = ticket;
    this.#WebSocket = WebSocket;
    this.#visible = visible ?? (() => globalThis.document?.visibilityState !== "hidden");
    this.#me = me ?? (() => null);
    this.#random = random;
    this.#clock = clock;
  }

  /** @returns {"stopped"|"connecting"|"open"|"waiting"} */
  get state() {
    return this.#state;
  }

  /**
   * Calls a listener with each event of a type.
   * @returns {() => void} takes it off again
   */
  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
    return () => this.#listeners.get(type).delete(listener);
  }

  /** Connects, and stays connected until `stop`. */
  start() {
    if (this.#state !== "stopped") return;
    this.#failures = 0;
    this.#patience = Infinity;
    this.#connectAt = this.#clock.now();
    this.#watch();
    this.#changeState("connecting");
    this.#pass();
  }

  /** Disconnects. What was not answered is rejected with "STOPPED"; subscriptions are kept for another `start`. */
  stop() {
    this.#halt();
    const unanswered = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of unanswered) request.reject(new ChatError("STOPPED", "The connection was ended first."));
  }

  /** Ends a pause before another attempt, and finds out at once whether an open connection still works. */
  retryNow() {
    // What failed while there was no network says nothing of what is there now.
    this.#failures = 0;
    this.#connectAt = Math.min(this.#connectAt, this.#clock.now());
    for (const link of this.#links()) this.#pingNow(link);
    this.#pass();
  }

  /**
   * Receives a conversation's entries from now on, after those that follow `last`. Of one that is subscribed already
   * nothing changes.
   * @param {string} id
   * @param {number|null} last the seq of the last entry that is known; null for the newest page, 0 for all
   * @throws {ChatError} "TOO_MANY_SUBSCRIPTIONS" beyond 200
   */
  subscribe(id, last = null) {
    if (this.#views.has(id)) return;
    if (this.#views.size >= MAX_SUBSCRIPTIONS) {
      throw new ChatError("TOO_MANY_SUBSCRIPTIONS", `A connection has at most ${MAX_SUBSCRIPTIONS} subscriptions.`);
    }
    this.#views.set(id, new View(id, last));
    for (const link of this.#links()) link.wanted.add(id);
    this.#pass();
  }

  /** Receives no more of a conversation. */
  unsubscribe(id) {
    const view = this.#views.get(id);
    if (!view) return;
    this.#forget(view);
    for (const link of this.#links()) link.unwanted.add(id);
    this.#pass();
  }

  /** @returns {number|null} the seq of the last entry that was given to listeners */
  last(id) {
    return this.#views.get(id)?.last ?? null;
  }

  /**
   * Sends a message, over as many connections as it takes, once. Messages to one conversation keep their order: each
   * waits for the answer to the one before it. It comes as an `entry` too, in its place.
   * @param {string} id
   * @param {string} content
   * @param {{metadata?: object, clientId?: string, replyTo?: string}} [options]
   * @returns {Promise<{message: object, duplicate: boolean}>} rejected with a ChatError when the server refuses it
   */
  send(id, content, { metadata, clientId = drawId(), replyTo } = {}) {
    const command = { type: "message.send", content, metadata, client_id: clientId, reply_to: replyTo };
    return this.#request(id, command, id);
  }

  /** Changes what a message of one's own says. This and the next two resolve, and keep their order, as `send` does. */
  edit(id, messageId, content) {
    return this.#request(id, { type: "message.edit", message_id: messageId, content, client_id: drawId() }, id);
  }

  /** Takes a message back. */
  delete(id, messageId) {
    return this.#request(id, { type: "message.delete", message_id: messageId, client_id: drawId() }, id);
  }

  /** Reacts to a message, or no more. */
  react(id, messageId, emoji, on) {
    return this.#request(id, { type: "message.react", message_id: messageId, emoji, on, client_id: drawId() }, id);
  }

  /** Moves the read pointer up to a message. */
  async read(id, messageId) {
    await this.#request(id, { type: "read", message_id: messageId });
  }

  /** Tells the others that one types, or no more; when there is no connection nobody is told. */
  typing(id, active) {
    const now = this.#clock.now();
    if (this.#state !== "open" || this.#link.freeAt(now) > now) return;
    this.#link.transmit({ type: "typing", conversation_id: id, active }, now);
  }

  /**
   * A page of messages, the newest ones when neither `before` nor `after` names a message.
   * @returns {Promise<{messages: object[], complete: boolean}>} `complete`: nothing is beyond the page
   */
  history(id, { before, after, limit } = {}) {
    return this.#request(id, { type: "history", before, after, limit });
  }

  // What is due.

  #links() {
    return [this.#link, this.#next].filter((link) => link && !link.closed);
  }

  /** Whether this time has come. If not, the timer will be set for it. */
  #due(at) {
    if (at <= this.#clock.now()) return true;
    this.#wakeAt = Math.min(this.#wakeAt, at);
    return false;
  }

  #pass() {
    this.#again = true;
    if (this.#passing) return;
    this.#passing = true;
    this.#noticeClock();
    while (this.#again) {
      this.#again = false;
      this.#wakeAt = Infinity;
      if (this.#state === "stopped") break;
      if (!this.#link && this.#due(this.#connectAt)) this.#connect("link");
      for (const link of this.#links()) this.#serve(link);
    }
    this.#passing = false;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#wakeAt === Infinity) return;
    this.#timer = this.#clock.setTimeout(() => this.#pass(), Math.max(0, this.#wakeAt - this.#clock.now()));
  }

  /** A system's clock may be set back. What was planned would come much too late, so a new connection begins anew. */
  #noticeClock() {
    const now = this.#clock.now();
    if (now < this.#passedAt - MINUTE) {
      this.#connectAt = now;
      this.#links().forEach((link) => this.#lose(link));
    }
    this.#passedAt = now;
  }

  #serve(link) {
    if (link.openedAt === null) {
      if (this.#due(link.giveUpAt)) this.#lose(link);
      return;
    }
    if (link.pingedAt === null && this.#due(link.pingAt)) {
      link.pingedAt = this.#clock.now();
      link.transmit({ type: "ping", ref: "ping" }, link.pingedAt);
    }
    if (link.pingedAt !== null && this.#due(link.pingedAt + ANSWER_WITHIN)) {
      this.#lose(link);
      return;
    }
    if (link === this.#link) this.#fillGaps(link);
    this.#ask(link);
    if (link === this.#link) {
      this.#deliver(link);
      if (!this.#next && this.#due(link.handOverAt)) this.#connect("next");
    } else if (!link.asking && !link.wanted.size) {
      this.#handOver();
    }
  }

  #fillGaps(link) {
    for (const view of this.#views.values()) {
      if (view.gap && !link.asking?.asked.has(view.id) && this.#due(view.gap.askAt)) link.wanted.add(view.id);
    }
  }

  /** Sends the next `subscribe` or `unsubscribe`. One at a time: of several at once the order would be open. */
  #ask(link) {
    if (link.asking && this.#due(link.asking.until)) {
      this.#pingNow(link);
      this.#askAgain(link);
    }
    if (link.asking || !(link.wanted.size || link.unwanted.size)) return;
    const now = this.#clock.now();
    if (!this.#due(Math.max(link.askAfter, link.freeAt(now)))) return;
    const ref = `ask-${++this.#numbered}`;
    const asking = { ref, until: now + ANSWER_WITHIN, asked: new Map(), left: new Set() };
    link.asking = asking;
    if (link.unwanted.size) {
      asking.left = new Set(link.unwanted);
      link.unwanted.clear();
      link.transmit({ type: "unsubscribe", ref, conversations: [...asking.left] }, now);
    } else {
      this.#subscribe(link, asking, now);
    }
    this.#due(asking.until);
  }

  #subscribe(link, asking, now) {
    const conversations = {};
    const seen = {};
    let size = 200;
    for (const id of link.wanted) {
      const view = this.#views.get(id);
      size += 2 * (id.length + 24);
      if (asking.asked.size && (view.alone || size > MAX_FRAME)) break;
      const ask = { view, from: view.last, seen: view.gap?.target ?? 0 };
      asking.asked.set(id, ask);
      conversations[id] = ask.from;
      if (ask.seen) seen[id] = ask.seen;
      link.wanted.delete(id);
      view.asked(now);
      if (view.alone) break;
    }
    link.transmit({ type: "subscribe", ref: asking.ref, conversations, seen }, now);
  }

  /** The command under way came to nothing: what it was about is asked again after a while. */
  #askAgain(link, delay = this.#delay(++link.askFailures)) {
    const { asked, left } = link.asking;
    link.asking = null;
    link.askAfter = this.#clock.now() + delay;
    for (const [id, { view }] of asked) if (!view.ended) link.wanted.add(id);
    for (const id of left) if (!this.#views.has(id)) link.unwanted.add(id);
  }

  /** Sends what waits: of those that keep an order the first of each conversation. */
  #deliver(link) {
    const busy = new Set();
    for (const request of [...this.#requests.values()]) {
      if (request.order && busy.has(request.order)) continue;
      busy.add(request.order);
      if (!this.#due(request.dueAt)) continue;
      const now = this.#clock.now();
      if (!this.#due(link.freeAt(now))) return;
      // Unanswered: either the command is lost or the connection is.
      if (request.waiting) this.#pingNow(link);
      request.dueAt = now + ANSWER_WITHIN + this.#delay(request.attempts);
      request.attempts += 1;
      request.waiting = true;
      link.transmit(request.frame, now);
      this.#due(request.dueAt);
    }
  }

  /** A command that goes until it is answered. Those of the same `order` go one after the other. */
  #request(id, command, order = null) {
    const ref = `${command.type === "message.send" ? "send" : "command"}-${++this.#numbered}`;
    const frame = { ref, conversation_id: id, ...command };
    if (new TextEncoder().encode(JSON.stringify(frame)).length > MAX_FRAME) {
      return Promise.reject(new ChatError("TOO_LARGE", "This is more than one command may hold (32 KiB)."));
    }
    return new Promise((resolve, reject) => {
      this.#requests.set(ref, { frame, order, resolve, reject, dueAt: 0, attempts: 0, waiting: false });
      this.#pass();
    });
  }

  /** Full jitter: up to 1, 2, 4 … 30 s after so many failures. */
  #delay(failures) {
    return failures === 0 ? 0 : this.#random() * Math.min(LONGEST_DELAY, SECOND * 2 ** (failures - 1));
  }

  // Connections.

  async #connect(place) {
    const link = new Link(this.#clock.now() + OPEN_WITHIN);
    if (place === "next") {
      this.#next = link;
    } else {
      this.#link = link;
      this.#changeState("connecting");
    }
    try {
      const { url, ticket } = await this.#ticket();
      if (link.closed) return;
      const address = new URL(url);
      address.searchParams.set("ticket", ticket);
      link.socket = new this.#WebSocket(address.href);
      link.socket.onopen = () => this.#opened(link);
      link.socket.onmessage = ({ data }) => this.#heard(link, data);
      link.socket.onclose = ({ code }) => this.#lose(link, code);
      // It is closed too, which is what counts; but some implementations want errors to be heard.
      link.socket.onerror = () => {};
    } catch (error) {
      if (link.closed) return;
      if (error?.status === 401) this.#refuse();
      else this.#lose(link, null, (error?.retryAfter ?? 0) * SECOND);
    }
  }

  #opened(link) {
    const now = this.#clock.now();
    link.openedAt = now;
    link.handOverAt = now + LIFE - this.#headStart();
    link.wanted = new Set(this.#views.keys());
    link.unwanted.clear();
    this.#planPing(link);
    this.#patience = Infinity;
    if (link === this.#link) this.#carry();
    this.#pass();
  }

  /** A connection is there for commands: what is unanswered goes over it. */
  #carry() {
    for (const request of this.#requests.values()) {
      request.dueAt = 0;
      request.attempts = 0;
      request.waiting = false;
    }
    this.#changeState("open");
  }

  /** The connection that was opened beside the old one has caught up. */
  #handOver() {
    const old = this.#link;
    this.#link = this.#next;
    this.#next = null;
    old.close();
    this.#carry();
    this.#pass();
  }

  /** A connection has ended, or is given up. @param {number} rest how long no other one would be admitted, in ms */
  #lose(link, code = null, rest = 0) {
    if (link.closed) return;
    link.close();
    const now = this.#clock.now();
    const lasted = link.openedAt === null ? 0 : now - link.openedAt;
    if (code === 1000) this.#suspect();
    // A browser does not tell why a handshake was refused.
    if (link.openedAt === null && code !== null && --this.#patience === 0) {
      this.#refuse();
      return;
    }
    if (lasted >= STABLE_AFTER) this.#failures = 0;
    // The platform ends what has lived its time.
    const delay = code === 1001 && lasted >= STABLE_AFTER ? 0 : rest + this.#delay(++this.#failures);
    if (link === this.#next) {
      this.#next = null;
      this.#link.handOverAt = now + delay;
    } else {
      this.#link = this.#next;
      this.#next = null;
      this.#connectAt = now + delay;
      if (this.#link?.openedAt) this.#carry();
      else this.#changeState(this.#link ? "connecting" : "waiting");
    }
    this.#pass();
  }

  /** The server has ended a connection: perhaps it forgot it, perhaps the session is over. */
  #suspect() {
    this.#patience = Math.min(this.#patience, REFUSALS);
  }

  #refuse() {
    this.#halt();
    this.#emit("unauthenticated");
  }

  #halt() {
    for (const link of this.#links()) link.close();
    this.#link = this.#next = null;
    this.#watching?.abort();
    this.#watching = null;
    this.#changeState("stopped");
    this.#pass();
  }

  /** How long before its end a connection is replaced: not all clients' at once. */
  #headStart() {
    return (5 + 5 * this.#random()) * MINUTE;
  }

  /** The first answer tells when the connection ends. A clock that is wrong by hours is not believed. */
  #learnExpiry(link, expiresAt) {
    if (link.knowsExpiry) return;
    link.knowsExpiry = true;
    const left = Date.parse(expiresAt) - this.#clock.now();
    if (left > 15 * MINUTE && left <= LIFE) link.handOverAt = this.#clock.now() + left - this.#headStart();
  }

  #pingNow(link) {
    link.pingAt = Math.min(link.pingAt, this.#clock.now());
    this.#again = true;
  }

  #planPing(link) {
    const pause = this.#visible() ? (30 + 30 * this.#random()) * SECOND : PING_HIDDEN;
    link.pingAt = this.#clock.now() + pause;
  }

  /** Browsers tell when the page is looked at again, and when the network comes and goes. */
  #watch() {
    this.#watching = new AbortController();
    const { signal } = this.#watching;
    globalThis.document?.addEventListener?.("visibilitychange", () => this.#seenOrHidden(), { signal });
    globalThis.addEventListener?.("online", () => this.retryNow(), { signal });
    globalThis.addEventListener?.("offline", () => this.#links().forEach((link) => this.#lose(link)), { signal });
  }

  #seenOrHidden() {
    if (!this.#visible()) this.#links().forEach((link) => this.#planPing(link));
    else this.retryNow();
    this.#pass();
  }

  // What comes.

  #heard(link, text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    this.#take(link, frame);
    this.#pass();
  }

  #take(link, frame) {
    if (link.closed) return;
    switch (frame?.type) {
      case undefined:
        if (frame?.requestId) this.#platformFailed(link);
        break;
      case "batch":
        for (const one of frame.frames) this.#take(link, one);
        break;
      case "subscribed":
      case "unsubscribed":
        this.#asked(link, frame);
        break;
      case "pong":
        this.#ponged(link, frame);
        break;
      case "ack":
      case "history":
        this.#answered(frame);
        break;
      case "error":
        this.#refused(link, frame);
        break;
      case "lag":
        this.#lagged(frame);
        break;
      default:
        this.#told(link, frame);
    }
  }

  /** Nobody knows which command the platform could not pass on: all that are under way go again. */
  #platformFailed(link) {
    const now = this.#clock.now();
    if (link.asking) this.#askAgain(link);
    if (link.pingedAt !== null) {
      link.pingedAt = null;
      link.pingAt = now + SECOND;
    }
    for (const request of this.#requests.values()) {
      if (!request.waiting) continue;
      request.waiting = false;
      request.dueAt = now + this.#delay(request.attempts);
    }
  }

  #asked(link, { ref, conversations, expires_at }) {
    // An answer that was given up has been asked for again.
    if (link.asking?.ref !== ref) return;
    const { asked } = link.asking;
    link.asking = null;
    if (expires_at) this.#learnExpiry(link, expires_at);
    for (const [id, ask] of asked) {
      if (this.#isOver(ask.view)) continue;
      const answer = conversations[id];
      link.subscribed.add(id);
      if (!answer?.complete) link.wanted.add(id);
      // Asked again without a pause only when that brings more.
      if (!answer || (!answer.complete && answer.through === ask.from)) {
        link.askAfter = this.#clock.now() + this.#delay(++link.askFailures);
      } else {
        link.askFailures = 0;
      }
      if (answer) this.#resume(link, ask, answer);
    }
  }

  #resume(link, { view, from, seen }, { messages, through, complete, role }) {
    view.leaving = false;
    // A server that was restored from a backup knows less than it told once, and answers with its newest page.
    const isPage = messages.length ? messages[0].seq !== from + 1 : !complete && through > from;
    if (from !== null && (through < from || (through < seen && isPage))) {
      Object.assign(view, { last: null, page: [], gap: null });
      view.held.clear();
      link.wanted.add(view.id);
    }
    for (const item of messages) {
      const entry = asEntry(view.id, item);
      if (entry.seq > (view.last ?? 0) && entry.seq <= through) this.#apply(view, entry);
      if (this.#isOver(view)) return;
    }
    // Numbers up to `through` that were not in the answer hold nothing.
    view.last = Math.max(view.last ?? 0, through);
    if (complete && view.page) {
      const page = { conversation_id: view.id, messages: view.page, through: view.last, role };
      view.page = null;
      this.#emit("page", page);
    }
    this.#release(view);
  }

  #ponged(link, { heads, resync, expires_at }) {
    link.pingedAt = null;
    this.#planPing(link);
    this.#learnExpiry(link, expires_at);
    for (const view of this.#views.values()) {
      if (!link.subscribed.has(view.id)) continue;
      const head = heads[view.id];
      if (resync || head === undefined || head < view.last) link.wanted.add(view.id);
      // What is on its way may still come by itself.
      else if (head > view.last) view.misses(head, this.#clock.now() + STRAGGLERS_WITHIN);
    }
  }

  #answered(frame) {
    // A message of one's own is pushed to all others: here its ack is the entry, also when it comes twice.
    if (frame.type === "ack" && frame.ref?.startsWith("send-")) {
      const view = this.#views.get(frame.message.conversation_id);
      if (view) this.#receive(view, asEntry(view.id, frame.message));
    }
    const request = this.#requests.get(frame.ref);
    if (!request) return;
    this.#requests.delete(frame.ref);
    const { type, ref, ...answer } = frame;
    request.resolve(answer);
  }

  #refused(link, frame) {
    const { code, ref, retry_after } = frame;
    if (code === "UNAUTHENTICATED") {
      // It closes next. What that means, the next ticket or handshake tells.
      this.#suspect();
      this.#lose(link);
    } else if (ref === "ping") {
      link.pingedAt = null;
      link.pingAt = this.#clock.now() + (retry_after ?? 1) * SECOND;
    } else if (ref !== undefined && ref === link.asking?.ref) {
      this.#askRefused(link, frame);
    } else if (this.#requests.has(ref)) {
      const request = this.#requests.get(ref);
      if (OPEN_OUTCOMES.has(code)) {
        request.waiting = false;
        request.dueAt = this.#clock.now() + this.#delay(request.attempts);
      } else {
        this.#requests.delete(ref);
        request.reject(ChatError.fromFrame(frame));
      }
    }
  }

  #askRefused(link, { code, errors, retry_after }) {
    if (OPEN_OUTCOMES.has(code) || code === "THROTTLED") {
      this.#askAgain(link, retry_after ? retry_after * SECOND : undefined);
      return;
    }
    const { asked, left } = link.asking;
    const named = new Set((errors ?? []).map(({ field }) => field.replace(/^conversations\./, "")));
    const refused = [...asked].filter(([id]) => named.has(id) || asked.size === 1);
    // One of them is refused, but it is not said which.
    if (!refused.length) for (const { view } of asked.values()) view.alone = true;
    left.clear();
    this.#askAgain(link, 0);
    for (const [, { view }] of refused) {
      const gone = view.leaving ? "removed" : "gone";
      if (!view.ended) this.#end(view, code === "NOT_FOUND" ? gone : "refused");
    }
  }

  #lagged({ conversation_id, latest }) {
    const view = this.#views.get(conversation_id);
    if (view && latest > (view.last ?? Infinity)) view.misses(latest, this.#clock.now());
  }

  #told(link, frame) {
    const view = this.#views.get(frame.conversation_id);
    if (!view) return;
    if (typeof frame.seq !== "number") {
      this.#emit("signal", frame);
      return;
    }
    const known = frame.seq <= (view.last ?? 0);
    this.#receive(view, frame);
    if (known || view.ended) return;
    if (frame.type === "conversation.deleted") {
      this.#end(view, "deleted");
    } else if (frame.type === "participant.removed" && [null, frame.user_id].includes(this.#me())) {
      // Perhaps oneself, and perhaps added again since: the answer tells.
      view.leaving = true;
      link.wanted.add(view.id);
    }
  }

  // The client rule.

  #receive(view, entry) {
    view.held.set(entry.seq, entry);
    this.#release(view);
    if (entry.seq > (view.last ?? 0)) view.misses(entry.seq, this.#clock.now() + STRAGGLERS_WITHIN);
  }

  /** Applies what follows without a gap. */
  #release(view) {
    if (view.last === null) return;
    while (view.held.has(view.last + 1) && !this.#isOver(view)) this.#apply(view, view.held.get(view.last + 1));
    for (const seq of view.held.keys()) if (seq <= view.last) view.held.delete(seq);
    if (view.gap && view.gap.target <= view.last) view.gap = null;
  }

  /** A listener may end everything while entries are given to it. */
  #isOver(view) {
    return view.ended || this.#state === "stopped";
  }

  #apply(view, entry) {
    view.last = entry.seq;
    view.held.delete(entry.seq);
    if (view.page) view.page.push(entry.type === "message" ? entry.message : entry);
    else this.#emit("entry", entry);
  }

  #end(view, why) {
    this.#forget(view);
    this.#emit("ended", { conversation_id: view.id, why });
  }

  #forget(view) {
    view.ended = true;
    view.held.clear();
    this.#views.delete(view.id);
    for (const link of this.#links()) {
      link.wanted.delete(view.id);
      link.subscribed.delete(view.id);
    }
  }

  #changeState(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#emit("state", state);
  }

  /** A listener that fails is reported as any uncaught error, and keeps nothing from the others. */
  #emit(type, event) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** An item of a page as an entry: a message comes without a `type`. */
function asEntry(conversation, item) {
  if (item.type !== undefined) return item;
  const { seq, created_at } = item;
  return { type: "message", conversation_id: conversation, seq, created_at, message: item };
}

/** An idempotency key, to be kept with what is sent. `crypto.randomUUID` is missing on pages that came without TLS. */
export function drawId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
