// Who is signed in, and requests in their name. The refresh token and the profile live in localStorage, so that a reload and
// other tabs find them; access tokens live in memory only. A refresh token is good once, so one tab refreshes at a time, with
// the token that is stored at that moment. What happens to the stored entry in one tab is followed by the others.
import { fromResponse, offline, signedOut } from "./errors.js";

/** The entry of localStorage: `{"refresh_token": "…", "user": {…}}`. */
const STORED = "chat.refresh";
/** How long an answer may take, in ms. */
const PATIENCE = 30_000;
const EXPORT_PATIENCE = 300_000;
/**
 * The same of each attempt to refresh. A refresh token works for 10 s more: one whose answer was lost must be sent again at
 * once, or the session ends. The last attempt is for slow links.
 */
const REFRESH_PATIENCES = [4000, 4000, PATIENCE];
/** An access token is not used in its last seconds, in ms. */
const MARGIN = 20_000;

/**
 * `reason` of a change: "signed-in" and "signed-out", here or in another tab; "ended" when the server refused to go on (signed
 * out elsewhere, disabled, expired), which should be said to the person; "profile" when the profile changed.
 * @typedef {"signed-in"|"signed-out"|"ended"|"profile"} Reason
 */
export class Session {
  /** The profile of who is signed in, or null. */
  user = null;
  #fetch;
  #storage;
  #locks;
  #access = null;
  #refreshing = null;
  #listeners = new Set();

  /**
   * @param {object} [platform] what the browser offers, to be replaced in tests
   * @param {typeof fetch} [platform.fetch]
   * @param {Storage} [platform.storage]
   * @param {LockManager} [platform.locks]
   * @param {EventTarget} [platform.window] where "storage" events arrive
   */
  constructor({ fetch, storage, locks, window } = {}) {
    this.#fetch = fetch ?? ((...request) => globalThis.fetch(...request));
    this.#storage = storage ?? storageOfBrowser();
    this.#locks = locks ?? globalThis.navigator?.locks;
    const page = window ?? globalThis;
    page.addEventListener?.("storage", (event) => {
      if (event.key === STORED || event.key === null) this.#follow();
    });
    // A page that the browser kept, to go back to it, was told nothing in the meantime.
    page.addEventListener?.("pageshow", (event) => event.persisted && this.#follow());
  }

  get signedIn() {
    return this.user !== null;
  }

  /**
   * @param {(user: object|null, reason: Reason) => void} listener
   * @returns {() => void} stops listening
   */
  onChange(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Signs in who was signed in before, at once and also offline, with the profile as it was last seen; whether the session
   * still lives is asked in the background, and "ended" follows when not.
   * @returns {Promise<object|null>}
   */
  async restore() {
    this.user = this.#read()?.user ?? null;
    if (this.user) this.reload().catch(() => {});
    return this.user;
  }

  /** @param {{username: string, password: string}} credentials `username` may be the e-mail address */
  async signIn(credentials) {
    return this.#begin(await this.#send("POST", "/auth/login", { body: credentials }));
  }

  /**
   * Where addresses must be verified first, `verify` is true and nobody is signed in yet.
   * @returns {Promise<{user: object, verify: boolean}>}
   */
  async signUp(account) {
    const answer = await this.#send("POST", "/auth/signup", { body: account });
    if (answer.access_token) this.#begin(answer);
    return { user: answer.user, verify: !answer.access_token };
  }

  /**
   * Signs out here at once, and on the server when it can be reached.
   * @returns {Promise<boolean>} whether the session has ended on the server, too
   */
  async signOut() {
    const stored = this.#read();
    this.#forget("signed-out");
    const body = { refresh_token: stored?.refresh_token };
    if (!stored) return true;
    return this.#send("POST", "/auth/logout", { body }).then(() => true, ({ status }) => status === 401);
  }

  /** Reads the profile again. @returns {Promise<object>} */
  async reload() {
    return this.#changeUser(await this.request("GET", "/auth/profile"));
  }

  /** @param {{first_name?: string, last_name?: string}} names */
  async changeNames(names) {
    return this.#changeUser(await this.request("PATCH", "/auth/profile", { body: names }));
  }

  /** @param {{current_password: string, password: string, password_confirm: string}} passwords */
  changePassword(passwords) {
    return this.#byPassword("POST", "/auth/password", passwords);
  }

  /** Erases the account. Very many messages take several requests. */
  async erase(password) {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#byPassword("DELETE", "/auth/profile", { password });
        return this.#forget("signed-out");
      } catch (error) {
        if (error.code !== "unavailable" || tries === 5) throw error;
        await pause(error);
      }
    }
  }

  /** All there is of the account, its pages joined. @returns {Promise<Blob>} JSON */
  async export() {
    const { next, ...whole } = await this.#exportPage(null);
    for (let cursor = next; cursor; ) {
      const page = await this.#exportPage(cursor);
      whole.messages.push(...page.messages);
      cursor = page.next;
    }
    return new Blob([JSON.stringify(whole, null, 2)], { type: "application/json" });
  }

  /** @returns {Promise<object[]>} the live sessions, newest first */
  async sessions() {
    const sessions = [];
    for (let cursor = null; ; ) {
      const page = await this.request("GET", "/auth/sessions", { query: { limit: 100, cursor } });
      sessions.push(...page.items);
      if (!page.next) return sessions;
      cursor = page.next;
    }
  }

  /** Ends another session; for this one there is `signOut`. */
  endSession(id) {
    return this.request("DELETE", `/auth/sessions/${id}`);
  }

  /** @param {string} [email] needed while signed out */
  resendVerification(email) {
    return this.request("POST", "/auth/resend-verification", { body: { email } });
  }

  requestPasswordReset(email) {
    return this.#send("POST", "/auth/password-reset", { body: { email } });
  }

  /** Where to connect the WebSocket, and with what. @returns {Promise<{url: string, ticket: string}>} */
  ticket() {
    return this.request("POST", "/auth/ws-ticket");
  }

  /**
   * A request in the name of who is signed in. The access token is renewed when it is about to expire, or refused.
   * @param {string} method
   * @param {string} path below /api/v1
   * @param {{query?: object, body?: object, again?: boolean, patience?: number}} [options] `again: false` where a refusal is
   *   about a password that was sent along, which must not be tried twice
   * @returns {Promise<any>} the parsed answer, null when it is empty
   */
  async request(method, path, { again = true, ...options } = {}) {
    const token = this.signedIn ? await this.#token() : null;
    try {
      return await this.#send(method, path, { ...options, token });
    } catch (error) {
      if (error.status !== 401 || !token || !again) throw error;
      if (this.#access?.token === token) await this.refresh();
      return this.#send(method, path, { ...options, token: await this.#token() });
    }
  }

  /** Renews the access token; everybody who asks meanwhile shares the answer. Ends the session when that is refused. */
  refresh() {
    this.#refreshing ??= this.#exclusively(() => this.#renew()).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /** A request that is refused with 401 when the password is wrong, or when the session is over: the profile tells which. */
  async #byPassword(method, path, body) {
    try {
      return await this.request(method, path, { body, again: false });
    } catch (error) {
      if (error.status === 401) await this.reload();
      throw error;
    }
  }

  async #token() {
    if (!this.#access || this.#access.until < Date.now()) await this.refresh();
    if (!this.#access) throw signedOut();
    return this.#access.token;
  }

  #exclusively(work) {
    return this.#locks ? this.#locks.request(STORED, work) : work();
  }

  async #renew() {
    const before = this.#read();
    if (!before) {
      this.#forget("signed-out");
      throw signedOut();
    }
    // Somebody else signed in, and this page was not told: their tokens are not for what it does.
    if (before.user.id !== this.user?.id) {
      this.#follow();
      throw signedOut();
    }
    const isUnchanged = () => this.#read()?.refresh_token === before.refresh_token;
    try {
      const pair = await this.#exchange(before.refresh_token);
      // Signed out, or in as somebody else, in the meantime: these tokens are nobody's.
      if (this.#read()?.user.id !== before.user.id) throw signedOut();
      this.#keepAccess(pair);
      // Without locks another tab may have been faster; what it stored is as good.
      if (isUnchanged()) this.#write({ ...this.#read(), refresh_token: pair.refresh_token });
    } catch (error) {
      if (error.status === 401 && this.#read() && !isUnchanged()) return this.#renew();
      if (error.status === 401) this.#forget("ended");
      throw error;
    }
  }

  async #exchange(refresh_token, [patience, ...others] = REFRESH_PATIENCES) {
    try {
      return await this.#send("POST", "/auth/refresh", { body: { refresh_token }, patience });
    } catch (error) {
      if (error.code !== "offline" || others.length === 0) throw error;
      return this.#exchange(refresh_token, others);
    }
  }

  #begin({ user, refresh_token, ...pair }) {
    this.user = user;
    this.#keepAccess(pair);
    this.#write({ refresh_token, user });
    this.#tell("signed-in");
    return user;
  }

  #keepAccess({ access_token, expires_in }) {
    this.#access = { token: access_token, until: Date.now() + expires_in * 1000 - MARGIN };
  }

  #forget(reason) {
    this.#access = null;
    this.#storage.removeItem(STORED);
    if (!this.user) return;
    this.user = null;
    this.#tell(reason);
  }

  #changeUser(user) {
    const stored = this.#read();
    if (stored?.user.id === user.id && this.user && !same(this.user, user)) {
      this.user = user;
      this.#write({ ...stored, user });
      this.#tell("profile");
    }
    return user;
  }

  #follow() {
    const user = this.#read()?.user ?? null;
    const before = this.user;
    if (same(before, user)) return;
    this.user = user;
    if (before?.id !== user?.id) this.#access = null;
    this.#tell(!user ? "signed-out" : before?.id === user.id ? "profile" : "signed-in");
  }

  #tell(reason) {
    for (const listener of [...this.#listeners]) listener(this.user, reason);
  }

  #read() {
    try {
      const stored = JSON.parse(this.#storage.getItem(STORED));
      return stored?.refresh_token && stored.user?.id ? stored : null;
    } catch {
      return null;
    }
  }

  #write(stored) {
    const text = JSON.stringify(stored);
    try {
      this.#storage.setItem(STORED, text);
    } catch {
      // It is full: a reload will find nobody signed in.
      this.#storage = inMemory();
      this.#storage.setItem(STORED, text);
    }
  }

  /** Very many pages are more than the requests of a minute: the next one then waits for its turn. */
  async #exportPage(cursor) {
    for (;;) {
      try {
        return await this.request("GET", "/auth/profile/export", { query: { cursor }, patience: EXPORT_PATIENCE });
      } catch (error) {
        if (error.code !== "throttled") throw error;
        await pause(error);
      }
    }
  }

  async #send(method, path, { query = {}, body, token, patience = PATIENCE } = {}) {
    const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null && value !== undefined));
    const headers = { accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (token) headers.authorization = `Bearer ${token}`;
    let response;
    let text;
    try {
      response = await this.#fetch(`/api/v1${path}${asked.size ? `?${asked}` : ""}`, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "omit",
        signal: AbortSignal.timeout(patience),
      });
      text = await response.text();
    } catch {
      throw offline();
    }
    if (!response.ok) throw fromResponse(response, text);
    try {
      return text ? JSON.parse(text) : null;
    } catch {
      // The sign-in page of a network answers in place of the server.
      throw offline();
    }
  }
}

/** As long as an error says that the same request would fail. */
const pause = ({ retryAfter }) => new Promise((resolve) => setTimeout(resolve, 1000 * (retryAfter ?? 1)));

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** localStorage, or memory where the browser refuses it. */
function storageOfBrowser() {
  try {
    globalThis.localStorage.setItem("chat.probe", "");
    globalThis.localStorage.removeItem("chat.probe");
    return globalThis.localStorage;
  } catch {
    return inMemory();
  }
}

function inMemory() {
  const entries = new Map();
  return {
    getItem: (key) => entries.get(key) ?? null,
    setItem: (key, value) => entries.set(key, value),
    removeItem: (key) => entries.delete(key),
  };
}
