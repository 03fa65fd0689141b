/** The connection: opened, kept alive, replaced before its time is over, and given up when the session is. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { MINUTE, SECOND, item, play, say } from "./support/script.js";
import { settle } from "./support/clock.js";

/** A rejection as of an HTTP client. */
const failure = (status) => Object.assign(new Error(`status ${status}`), { status });

/** A ticket for each of `outcomes`: an error or null; after them there are tickets. */
function tickets(...outcomes) {
  let given = 0;
  return async () => {
    const outcome = outcomes[given++];
    if (outcome) throw outcome;
    return { url: "ws://chat.example/ws?stage=1", ticket: `ticket/${given}` };
  };
}

test("each connection has a ticket of its own", async () => {
  const chat = play({ ticket: tickets() });
  (await chat.connect()).end();
  await chat.reconnect();
  const [first, second] = chat.sockets.map(({ url }) => url);
  assert.equal(first.href, "ws://chat.example/ws?stage=1&ticket=ticket%2F1");
  assert.equal(second.searchParams.get("ticket"), "ticket/2");
});

test("the state tells how it stands", async () => {
  const chat = play();
  assert.equal(chat.client.state, "stopped");
  (await chat.connect()).end();
  await chat.reconnect();
  chat.client.stop();
  assert.deepEqual(chat.of("state"), ["connecting", "open", "waiting", "connecting", "open", "stopped"]);
});

test("starting twice is starting once, and stopping leaves nothing behind", async () => {
  const chat = play();
  chat.client.start();
  const socket = await chat.connect();
  assert.equal(chat.sockets.length, 1);
  chat.client.stop();
  chat.client.stop();
  assert.equal(socket.closed, true);
  assert.equal(chat.clock.waiting, 0);
  await chat.clock.advance(10 * MINUTE);
  assert.equal(chat.sockets.length, 1);
});

test("a ticket that comes after stopping opens nothing", async () => {
  const chat = play();
  chat.client.start();
  chat.client.stop();
  await chat.clock.advance(MINUTE);
  assert.equal(chat.sockets.length, 0);
});

test("started again it goes on from where it was", async () => {
  const chat = play();
  (await chat.follow(1)).receive(say(2));
  chat.client.stop();
  const socket = await chat.connect();
  assert.deepEqual(socket.subscribed().conversations, { c: 2 });
});

test("where there is a document, it tells whether somebody looks", async (context) => {
  globalThis.document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  context.after(() => delete globalThis.document);
  const chat = play();
  const socket = await chat.connect();
  await chat.clock.advance(8 * MINUTE - 1);
  assert.deepEqual(socket.unread, []);
  chat.client.stop();
});

for (const [random, first, last] of [[0, 30, 30], [0.5, 45, 45], [1, 60, 60]]) {
  test(`it pings every ${first} s when chance says ${random}`, async () => {
    const chat = play({ random: () => random });
    const socket = await chat.connect();
    for (const pause of [first, last]) {
      await chat.clock.advance(pause * SECOND - 1);
      assert.deepEqual(socket.unread, []);
      await chat.clock.advance(1);
      socket.pong();
    }
  });
}

test("it pings every 8 minutes while nobody looks, and at once when somebody does", async (context) => {
  const page = new EventTarget();
  globalThis.document = page;
  context.after(() => delete globalThis.document);
  page.visibilityState = "visible";
  let looked = 0;
  const chat = play({ visible: () => (looked += 1) && page.visibilityState === "visible" });
  const socket = await chat.connect();

  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  await chat.clock.advance(8 * MINUTE - 1);
  assert.deepEqual(socket.unread, []);
  await chat.clock.advance(1);
  socket.pong();
  await chat.clock.advance(7 * MINUTE);
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  socket.pong();
  await chat.clock.advance(MINUTE);
  socket.pong();

  chat.client.stop();
  looked = 0;
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(looked, 0);
});

test("a ping that is not answered within 10 s means another connection", async () => {
  const chat = play();
  const socket = await chat.connect();
  await chat.clock.advance(MINUTE);
  socket.take("ping");
  await chat.clock.advance(10 * SECOND - 1);
  assert.equal(chat.client.state, "open");
  await chat.clock.advance(1);
  assert.equal(chat.client.state, "waiting");
  assert.equal(socket.closed, true);
  await chat.reconnect();
  assert.equal(chat.client.state, "open");
});

test("a throttled ping is an answer", async () => {
  const chat = play();
  const socket = await chat.connect();
  await chat.clock.advance(MINUTE);
  socket.refuse(socket.take("ping"), "THROTTLED", { retry_after: 2 });
  await chat.clock.advance(2 * SECOND);
  socket.pong();
  assert.equal(chat.client.state, "open");
});

test("the pauses between attempts grow from up to 1 s to up to 30 s", async () => {
  const chat = play({ ticket: tickets(...Array(7).fill(failure(503))) });
  chat.client.start();
  for (const pause of [1, 2, 4, 8, 16, 30, 30]) {
    await chat.clock.advance(pause * SECOND - 1);
    assert.equal(chat.client.state, "waiting", `before ${pause} s`);
    await chat.clock.advance(1);
  }
  assert.equal(chat.client.state, "connecting");
  assert.equal(chat.sockets.length, 1);
});

test("chance spreads the attempts over the whole pause", async () => {
  const chat = play({ random: () => 0.1, ticket: tickets(failure(503)) });
  chat.client.start();
  await chat.clock.advance(99);
  assert.equal(chat.sockets.length, 0);
  await chat.clock.advance(1);
  assert.equal(chat.sockets.length, 1);
});

test("pauses are short again after a connection that lasted, not after one that did not", async () => {
  const chat = play({ ticket: tickets(...Array(4).fill(failure(503))) });
  chat.client.start();
  await chat.clock.advance(15 * SECOND);
  chat.socket.open();
  await chat.clock.advance(SECOND);
  chat.socket.end();
  await chat.clock.advance(15 * SECOND);
  assert.equal(chat.sockets.length, 1, "up to 16 s");
  await chat.clock.advance(SECOND);

  chat.socket.open();
  await chat.clock.advance(30 * SECOND);
  chat.socket.end();
  await chat.clock.advance(SECOND);
  assert.equal(chat.sockets.length, 3, "up to 1 s");
});

test("a connection that the platform ends is opened again at once", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  await chat.clock.advance(40 * SECOND);
  socket.end(1001);
  await settle();
  assert.equal(chat.sockets.length, 2);
});

test("but not one after the other without a pause", async () => {
  const chat = play();
  (await chat.connect()).end(1001);
  await chat.clock.advance(SECOND - 1);
  assert.equal(chat.sockets.length, 1);
});

test("`retryNow` ends the pause", async () => {
  const chat = play({ ticket: tickets(...Array(6).fill(failure(503))) });
  chat.client.start();
  await chat.clock.advance(32 * SECOND);
  assert.equal(chat.client.state, "waiting");
  chat.client.retryNow();
  await settle();
  assert.equal(chat.sockets.length, 1);
});

test("after `retryNow` the pauses are short again", async () => {
  const chat = play({ ticket: tickets(...Array(7).fill(failure(503))) });
  chat.client.start();
  await chat.clock.advance(32 * SECOND);
  chat.client.retryNow();
  await settle();
  assert.equal(chat.client.state, "waiting");
  await chat.clock.advance(SECOND);
  assert.equal(chat.sockets.length, 1);
});

test("a clock that is set back holds nothing up", async () => {
  const chat = play();
  await chat.follow(1);
  const sent = chat.client.send("c", "before");
  chat.clock.setBack(60 * MINUTE);
  await chat.clock.advance(MINUTE);
  chat.socket.open();
  chat.socket.subscribed();
  chat.socket.ack(chat.socket.take("message.send"), 2);
  await sent;

  chat.socket.end();
  chat.clock.setBack(60 * MINUTE);
  await chat.reconnect();
});

test("`retryNow` finds out whether an open connection works", async () => {
  const chat = play();
  const socket = await chat.connect();
  chat.client.retryNow();
  socket.pong();
});

test("a network that goes ends the connection, and one that comes back is tried at once", async (context) => {
  const page = new EventTarget();
  for (const name of ["addEventListener", "removeEventListener"]) globalThis[name] = page[name].bind(page);
  context.after(() => ["addEventListener", "removeEventListener"].forEach((name) => delete globalThis[name]));
  let online = true;
  const chat = play({
    ticket: async () => {
      if (!online) throw failure(0);
      return { url: "ws://chat.example/ws", ticket: "t" };
    },
  });
  await chat.connect();

  online = false;
  page.dispatchEvent(new Event("offline"));
  assert.equal(chat.client.state, "waiting");
  await chat.clock.advance(10 * MINUTE);
  assert.equal(chat.sockets.length, 1);
  online = true;
  page.dispatchEvent(new Event("online"));
  await settle();

  assert.equal(chat.sockets.length, 2);
  chat.client.stop();
});

test("a ticket or a handshake that does not come is given up after 20 s", async () => {
  let asked = 0;
  const hanging = () => (++asked === 1 ? new Promise(() => {}) : tickets()());
  const chat = play({ ticket: hanging });
  chat.client.start();
  await chat.clock.advance(20 * SECOND);
  assert.equal(chat.client.state, "waiting");
  await chat.clock.advance(SECOND);
  assert.equal(chat.sockets.length, 1);
  await chat.clock.advance(20 * SECOND);
  assert.equal(chat.socket.closed, true);
  await chat.reconnect();
  assert.equal(chat.client.state, "open");
});

test("a ticket that was throttled is asked for again when its time has come", async () => {
  let asked = 0;
  const throttled = Object.assign(new Error("429"), { status: 429, retryAfter: 40 });
  const chat = play({ ticket: () => (++asked === 1 ? Promise.reject(throttled) : tickets()()) });
  chat.client.start();
  await chat.clock.advance(40 * SECOND);
  assert.deepEqual([asked, chat.client.state], [1, "waiting"]);
  await chat.clock.advance(SECOND);
  assert.equal(asked, 2);
});

test("a ticket that is refused with 401 ends it", async () => {
  const chat = play({ ticket: tickets(failure(401)) });
  chat.client.subscribe("c", 1);
  const sent = chat.client.send("c", "kept");
  chat.client.start();
  await settle();

  assert.deepEqual(chat.of("unauthenticated"), [undefined]);
  assert.equal(chat.client.state, "stopped");
  await chat.clock.advance(10 * MINUTE);
  assert.equal(chat.sockets.length, 0);

  const socket = await chat.connect();
  socket.subscribed();
  socket.ack(socket.take("message.send"), 2);
  await sent;
});

test("an implementation that wants errors to be heard has somebody to tell them", async () => {
  const chat = play();
  const socket = await chat.connect();
  socket.onerror(new Event("error"));
  assert.equal(chat.client.state, "open");
  socket.end();
  socket.onerror(new Event("error"));
});

test("a server that has forgotten the connection is connected to again", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  socket.receive({ type: "error", code: "UNAUTHENTICATED", message: "connect again" });
  assert.equal(socket.closed, true);
  const next = await chat.reconnect();
  assert.deepEqual(next.subscribed().conversations, { c: 1 });

  next.end(1006);
  for (let attempt = 0; attempt < 5; attempt += 1) {
    await chat.clock.advance(30 * SECOND);
    chat.socket.end(1006);
  }
  assert.deepEqual(chat.of("unauthenticated"), [], "what fails later is the network again");
});

for (const [how, end] of [
  ["closing", (socket) => socket.end(1000)],
  ["an error", (socket) => socket.receive({ type: "error", code: "UNAUTHENTICATED", message: "connect again" })],
]) {
  test(`a session that the server ended by ${how} is over when no other connection is admitted`, async () => {
    const chat = play();
    end(await chat.follow(1));
    for (const pause of [1, 2]) {
      assert.deepEqual(chat.of("unauthenticated"), []);
      await chat.clock.advance(pause * SECOND);
      chat.socket.end(1006);
    }
    assert.deepEqual(chat.of("unauthenticated"), [undefined]);
    assert.equal(chat.client.state, "stopped");
  });
}

test("handshakes that fail because of the network do not end it", async () => {
  const chat = play();
  chat.client.start();
  await settle();
  chat.socket.end(1006);
  for (let attempt = 0; attempt < 5; attempt += 1) {
    await chat.clock.advance(30 * SECOND);
    chat.socket.end(1006);
  }
  assert.equal(chat.client.state, "waiting");
});

/** Answers pings until so much time is over. */
async function live(chat, minutes) {
  for (let passed = 0; passed < minutes * MINUTE; passed += 5 * SECOND) {
    await chat.clock.advance(5 * SECOND);
    for (const socket of chat.sockets) {
      while (!socket.closed && socket.unread[0]?.type === "ping") socket.pong({ heads: { c: chat.client.last("c") } });
    }
  }
}

test("before its 2 hours are over a second connection takes the place of the first, without a gap", async () => {
  const chat = play();
  const old = await chat.follow(1);
  await live(chat, 109);
  assert.equal(chat.sockets.length, 1);
  await live(chat, 1);
  assert.equal(chat.sockets.length, 2, "10 minutes before");

  const sent = chat.client.send("c", "on the old one");
  const command = old.take("message.send");
  const next = chat.socket;
  next.open();
  const asked = next.take("subscribe");
  old.receive(say(2));
  assert.equal(old.closed, false);
  const missed = { messages: [item(2), item(3)], through: 3, complete: true, role: "member" };
  next.receive({ type: "subscribed", ref: asked.ref, conversations: { c: missed } });

  assert.deepEqual(asked.conversations, { c: 1 });
  assert.equal(old.closed, true);
  const again = next.take("message.send");
  assert.equal(again.client_id, command.client_id);
  next.ack(again, 4, true);
  next.receive(say(5));
  assert.equal((await sent).message.seq, 4);
  assert.deepEqual(chat.seqs(), [2, 3, 4, 5]);
  assert.deepEqual(chat.of("state"), ["connecting", "open"]);
});

test("the server's word counts for when the 2 hours are over", async () => {
  const chat = play({ random: () => 0 });
  chat.client.subscribe("c", 1);
  const socket = await chat.connect();
  socket.subscribed({}, { expires_at: new Date(chat.clock.now() + 60 * MINUTE).toISOString() });
  await live(chat, 54);
  assert.equal(chat.sockets.length, 1);
  await live(chat, 1);
  assert.equal(chat.sockets.length, 2, "5 minutes before");
});

for (const wrong of [-60, 0, 600]) {
  test(`a clock that puts the end ${wrong} minutes away is not believed`, async () => {
    const chat = play();
    const socket = await chat.connect();
    await chat.clock.advance(MINUTE);
    socket.pong({ expires_at: new Date(chat.clock.now() + wrong * MINUTE).toISOString() });
    await live(chat, 108);
    assert.equal(chat.sockets.length, 1);
    await live(chat, 1);
    assert.equal(chat.sockets.length, 2);
  });
}

test("a second connection that fails is tried again while the first one works", async () => {
  const chat = play();
  const old = await chat.follow(1);
  await live(chat, 110);
  chat.socket.end(1006);
  old.receive(say(2));
  await chat.clock.advance(SECOND - 1);
  assert.equal(chat.sockets.length, 2);
  await chat.clock.advance(1);
  chat.socket.open();
  chat.socket.subscribed();
  chat.socket.receive(say(3));
  assert.equal(chat.sockets.length, 3);
  assert.deepEqual(chat.seqs(), [2, 3]);
  assert.deepEqual(chat.of("state"), ["connecting", "open"]);
});

test("a first connection that ends while the second is opened leaves it in charge", async () => {
  const chat = play();
  const old = await chat.follow(1);
  await live(chat, 110);
  old.end(1001);
  assert.equal(chat.client.state, "connecting");
  chat.socket.open();
  assert.equal(chat.client.state, "open");
  chat.socket.subscribed({ c: { messages: [item(2)], through: 2 } });
  assert.deepEqual(chat.seqs(), [2]);
  assert.equal(chat.sockets.length, 2);
});
