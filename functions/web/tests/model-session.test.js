import assert from "node:assert/strict";
import { test } from "node:test";
import { Session } from "../client/app/session.js";

const USER = { id: "u", username: "ada", name: "Ada" };
const OTHER = { id: "v", username: "bob", name: "Bob" };

/** A server of accounts with one account, whose refresh tokens are good once; and tabs of one browser. */
function browser({ withLocks = true } = {}) {
  const entries = new Map();
  const tabs = [];
  const server = { valid: "r0", access: "a0", asked: [], refreshes: 0, isOver: false, isDown: false, hold: null, throttled: 0, lost: 0 };

  const answer = (status, body, headers = {}) => new Response(body && JSON.stringify(body), { status, headers });
  const refused = () => answer(401, { code: "unauthenticated", detail: "The access token is not valid.", status: 401 });
  const pair = () => ({ access_token: server.access, refresh_token: server.valid, token_type: "Bearer", expires_in: 900 });

  async function fetch(path, { method, headers, body }) {
    const asked = `${method} ${path.replace("/api/v1", "")}`;
    server.asked.push(asked);
    await (server.hold ?? new Promise((resolve) => setTimeout(resolve)));
    if (server.isDown) throw new TypeError("Failed to fetch");
    const sent = body && JSON.parse(body);
    if (asked === "POST /auth/login") return answer(200, { user: sent.username === "ada" ? USER : OTHER, ...pair() });
    if (asked === "POST /auth/signup") return answer(201, server.mustVerify ? { user: USER } : { user: USER, ...pair() });
    if (asked === "POST /auth/logout") return answer(204);
    if (asked === "POST /auth/refresh") {
      server.refreshes += 1;
      if (server.isOver || ![server.valid, server.before].includes(sent.refresh_token)) return refused();
      // The one before works for a while.
      server.before = server.lost > 0 ? server.valid : null;
      server.valid = `r${server.refreshes}`;
      server.access = `a${server.refreshes}`;
      if (server.lost-- > 0) throw new TypeError("Failed to fetch");
      return answer(200, pair());
    }
    if (headers.authorization !== `Bearer ${server.access}`) return refused();
    if (asked === "POST /auth/password") return refused();
    if (asked.startsWith("GET /auth/profile/export")) {
      if (server.throttled > 0) {
        server.throttled -= 1;
        return answer(429, { code: "throttled", detail: "Slow down.", retry_after: 0.001 });
      }
      const isFirst = !asked.endsWith("cursor=2");
      return answer(200, { ...(isFirst && { user: USER }), messages: [isFirst ? 1 : 2], next: isFirst ? "2" : null });
    }
    if (asked === "GET /throttled") {
      return answer(429, { code: "throttled", detail: "Slow down.", retry_after: 7 }, { "x-request-id": "q" });
    }
    if (asked === "GET /platform") return answer(429, { message: "Too Many Requests" }, { "retry-after": "3" });
    if (asked === "POST /invalid") {
      return answer(422, { code: "invalid", detail: "The input is invalid.", errors: [{ field: "name", message: "is taken" }] });
    }
    return answer(200, asked === "GET /auth/profile" ? USER : { asked });
  }

  const queue = { end: Promise.resolve() };
  const locks = {
    request: (name, work) => {
      const turn = queue.end.then(work);
      queue.end = turn.catch(() => {});
      return turn;
    },
  };

  function tab() {
    const window = new EventTarget();
    const announce = () => {
      for (const other of tabs) if (other !== window && !other.isFrozen) other.dispatchEvent(Object.assign(new Event("storage"), { key: "chat.refresh" }));
    };
    const storage = {
      getItem: (key) => entries.get(key) ?? null,
      setItem: (key, value) => {
        entries.set(key, value);
        announce();
      },
      removeItem: (key) => {
        if (entries.delete(key)) announce();
      },
    };
    tabs.push(window);
    const session = new Session({ fetch, storage, window, locks: withLocks ? locks : { request: (name, work) => work() } });
    const told = [];
    session.onChange((user, reason) => told.push(reason));
    return { session, told, window };
  }

  return { server, entries, tab };
}

const signIn = ({ session }) => session.signIn({ username: "ada", password: "x" });

test("many requests that need a token share one refresh", async () => {
  const { server, tab } = browser();
  const one = tab();
  await signIn(one);
  server.access = "expired for all";

  await Promise.all([1, 2, 3, 4].map((number) => one.session.request("GET", `/thing/${number}`)));

  assert.equal(server.refreshes, 1);
  assert.ok(one.session.signedIn);
});

test("a refusal that comes late finds the token that was renewed meanwhile", async () => {
  const { server, tab } = browser();
  const one = tab();
  await signIn(one);
  server.access = "expired for all";
  let letGo;
  server.hold = new Promise((resolve) => (letGo = resolve));
  const late = one.session.request("GET", "/late");
  while (!server.asked.includes("GET /late")) await null;
  server.hold = null;
  await one.session.request("GET", "/early");

  letGo();
  await late;

  assert.equal(server.refreshes, 1);
});

test("tabs refresh one after the other, each with the token that is good then", async () => {
  const { server, tab } = browser();
  const tabs = [tab(), tab(), tab()];
  await signIn(tabs[0]);
  server.access = "expired for all";

  await Promise.all(tabs.map(({ session }) => session.refresh()));
  await Promise.all(tabs.map(({ session }) => session.refresh()));

  assert.equal(server.refreshes, 6);
  assert.ok(tabs.every(({ session, told }) => session.signedIn && !told.includes("ended")));
});

test("without locks a tab that was overtaken goes on with the newer token", async () => {
  const { server, tab } = browser({ withLocks: false });
  const [one, two] = [tab(), tab()];
  await signIn(one);

  await Promise.all([one.session.refresh(), two.session.refresh()]);

  assert.ok(one.session.signedIn && two.session.signedIn);
  assert.equal((await two.session.request("GET", "/thing")).asked, "GET /thing");
});

test("a refresh that is refused ends the session here and in the other tabs", async () => {
  const { server, entries, tab } = browser();
  const [one, two] = [tab(), tab()];
  await signIn(one);
  Object.assign(server, { isOver: true, access: "expired" });

  await assert.rejects(one.session.request("GET", "/thing"), { status: 401, code: "unauthenticated" });

  assert.deepEqual([one.session.user, two.session.user, entries.size], [null, null, 0]);
  assert.deepEqual([one.told, two.told], [["signed-in", "ended"], ["signed-in", "signed-out"]]);
});

test("without an answer nobody is signed out", async () => {
  const { server, tab } = browser();
  const one = tab();
  await signIn(one);
  server.isDown = true;

  await assert.rejects(one.session.refresh(), { status: 0, code: "offline" });

  assert.ok(one.session.signedIn);
});

test("a refresh whose answer is lost is sent again while the token still works", async () => {
  const { server, tab } = browser();
  const one = tab();
  await signIn(one);
  Object.assign(server, { lost: 1, access: "expired for all" });

  await one.session.request("GET", "/thing");

  assert.deepEqual([server.refreshes, one.told], [2, ["signed-in"]]);
});

test("where nothing can be stored one is signed in until the page is left", async (t) => {
  const { tab, entries } = browser();
  const one = tab();
  t.mock.method(entries, "set", () => {
    throw new DOMException("full", "QuotaExceededError");
  });

  await signIn(one);
  await one.session.refresh();

  assert.deepEqual([one.session.user, (await one.session.request("GET", "/thing")).asked], [USER, "GET /thing"]);
});

test("a password that is refused because the session is over is not called wrong", async () => {
  const { server, tab } = browser();
  const one = tab();
  await signIn(one);
  Object.assign(server, { isOver: true, access: "expired for all" });

  await assert.rejects(one.session.changePassword({ current_password: "right" }), { status: 401 });

  assert.deepEqual([one.session.user, one.told], [null, ["signed-in", "ended"]]);
});

test("a reload finds who was signed in at once, also offline", async () => {
  const { server, tab } = browser();
  await signIn(tab());
  server.isDown = true;
  const reloaded = tab();

  assert.deepEqual(await reloaded.session.restore(), USER);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(reloaded.session.signedIn);
});

test("signing in and out is followed by the other tabs", async () => {
  const { entries, tab } = browser();
  const [one, two] = [tab(), tab()];

  await signIn(one);
  assert.equal(two.session.user.id, "u");
  await two.session.signOut();

  assert.equal(one.session.user, null);
  assert.equal(entries.size, 0);
  assert.deepEqual(one.told, ["signed-in", "signed-out"]);
});

test("a page that was not told that somebody else signed in asks for nothing in their name", async () => {
  const { server, tab } = browser();
  const [one, two] = [tab(), tab()];
  await signIn(one);
  one.window.isFrozen = true;
  await two.session.signOut();
  await two.session.signIn({ username: "bob", password: "x" });
  server.access = "expired for all";
  server.asked.length = 0;

  await assert.rejects(one.session.ticket(), { code: "unauthenticated" });

  assert.deepEqual(server.asked, ["POST /auth/ws-ticket"]);
  assert.deepEqual([one.session.user, one.told], [OTHER, ["signed-in", "signed-in"]]);
});

test("a page that the browser kept finds out who is signed in when it is shown again", async () => {
  const { tab } = browser();
  const [one, two] = [tab(), tab()];
  await signIn(one);
  one.window.isFrozen = true;
  await two.session.signOut();

  one.window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));

  assert.deepEqual([one.session.user, one.told], [null, ["signed-in", "signed-out"]]);
});

test("an export of more pages than there are requests a minute waits for its turn", async () => {
  const { server, tab } = browser();
  const one = tab();
  await signIn(one);
  server.throttled = 2;

  const exported = JSON.parse(await (await one.session.export()).text());

  assert.deepEqual(exported, { user: USER, messages: [1, 2] });
});

test("signing out tells whether the server knows of it", async () => {
  const { server, tab } = browser();
  const one = tab();
  await signIn(one);
  assert.equal(await one.session.signOut(), true);
  await signIn(one);
  server.isDown = true;
  assert.equal(await one.session.signOut(), false);
});

test("tokens that arrive after signing out are not kept", async () => {
  const { server, entries, tab } = browser();
  const one = tab();
  await signIn(one);
  let letGo;
  server.hold = new Promise((resolve) => (letGo = resolve));

  const refreshing = assert.rejects(one.session.refresh(), { code: "unauthenticated" });
  while (!server.asked.includes("POST /auth/refresh")) await null;
  const signingOut = one.session.signOut();
  letGo();
  await Promise.all([refreshing, signingOut]);

  assert.equal(entries.size, 0);
  assert.deepEqual(one.told, ["signed-in", "signed-out"]);
});

test("a wrong current password is tried once, and signs nobody out", async () => {
  const { server, tab } = browser();
  const one = tab();
  await signIn(one);

  await assert.rejects(one.session.changePassword({ current_password: "wrong" }), { status: 401 });

  assert.equal(server.asked.filter((asked) => asked === "POST /auth/password").length, 1);
  assert.ok(one.session.signedIn);
});

test("where addresses must be verified, signing up signs nobody in", async () => {
  const { server, tab } = browser();
  const one = tab();
  server.mustVerify = true;

  assert.deepEqual(await one.session.signUp({}), { user: USER, verify: true });
  assert.equal(one.session.signedIn, false);
});

test("errors say what failed, in which field, and when to try again", async () => {
  const { tab } = browser();
  const { session } = tab();
  await signIn({ session });
  const failure = (method, path) => session.request(method, path).then(() => null, (error) => error);

  const throttled = await failure("GET", "/throttled");
  assert.deepEqual([throttled.code, throttled.detail, throttled.retryAfter, throttled.requestId], ["throttled", "Slow down.", 7, "q"]);
  const byPlatform = await failure("GET", "/platform");
  assert.deepEqual([byPlatform.code, byPlatform.retryAfter], ["throttled", 3]);
  assert.deepEqual((await failure("POST", "/invalid")).fields, { name: "is taken" });
});
