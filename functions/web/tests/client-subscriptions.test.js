/** Which conversations are followed, and how they end. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { SECOND, event, item, play, say } from "./support/script.js";

const removed = (seq, user_id) => event(seq, "participant.removed", { user_id, by: "admin" });

test("several conversations are subscribed to by one command", async () => {
  const chat = play();
  chat.client.subscribe("a", null);
  chat.client.subscribe("b", 7);
  const socket = await chat.connect();
  assert.deepEqual(socket.subscribed().conversations, { a: null, b: 7 });
  assert.deepEqual(socket.unread, []);
});

test("a command stays below what a frame may hold", async () => {
  const chat = play();
  const name = (number) => `${number}`.padStart(400, "x");
  for (let number = 0; number < 100; number += 1) chat.client.subscribe(name(number), 1);
  const socket = await chat.connect();

  const asked = [];
  while (socket.unread.length) {
    assert.ok(JSON.stringify(socket.unread[0]).length <= 32 * 1024);
    asked.push(...Object.keys(socket.subscribed().conversations));
  }
  assert.deepEqual(asked, Array.from({ length: 100 }, (_, number) => name(number)));
});

test("a conversation that is subscribed already stays as it is", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  chat.client.subscribe("c", null);
  assert.deepEqual(socket.unread, []);
  assert.equal(chat.client.last("c"), 1);
});

test("the 201st subscription is refused", () => {
  const chat = play();
  for (let number = 0; number < 200; number += 1) chat.client.subscribe(`c${number}`, null);
  assert.throws(() => chat.client.subscribe("one more", null), { code: "TOO_MANY_SUBSCRIPTIONS" });
  chat.client.unsubscribe("c0");
  chat.client.subscribe("one more", null);
});

test("nothing more comes of a conversation that was unsubscribed", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  chat.client.unsubscribe("c");
  const command = socket.take("unsubscribe");
  socket.receive(say(2));
  socket.receive({ type: "unsubscribed", ref: command.ref, conversations: ["c"] });
  assert.deepEqual(command.conversations, ["c"]);
  assert.deepEqual(chat.seqs(), []);
  assert.deepEqual(chat.of("ended"), []);
});

test("what is unsubscribed before there is a connection is never mentioned", async () => {
  const chat = play();
  chat.client.subscribe("c", 1);
  chat.client.start();
  chat.client.unsubscribe("c");
  const socket = await chat.connect();
  assert.deepEqual(socket.unread, []);
});

test("a refusal to unsubscribe is left at that", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  chat.client.unsubscribe("c");
  socket.refuse(socket.take("unsubscribe"), "INVALID");
  await chat.clock.advance(SECOND);
  assert.deepEqual(socket.unread, []);
});

test("a throttled `unsubscribe` is sent again", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  chat.client.unsubscribe("c");
  socket.refuse(socket.take("unsubscribe"), "THROTTLED", { retry_after: 1 });
  await chat.clock.advance(SECOND);
  assert.deepEqual(socket.take("unsubscribe").conversations, ["c"]);
});

test("subscribing again waits for the answer to unsubscribing", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  chat.client.unsubscribe("c");
  chat.client.subscribe("c", null);
  const command = socket.take("unsubscribe");
  assert.deepEqual(socket.unread, []);
  socket.receive({ type: "unsubscribed", ref: command.ref, conversations: ["c"] });
  socket.subscribed({ c: { messages: [item(2)], through: 2 } });
  socket.receive(say(3));
  assert.equal(chat.of("page").length, 1);
  assert.deepEqual(chat.seqs(), [3]);
});

test("an answer to somebody who has unsubscribed meanwhile is not shown", async () => {
  const chat = play();
  chat.client.subscribe("c", null);
  const socket = await chat.connect();
  chat.client.unsubscribe("c");
  socket.subscribed({ c: { messages: [item(1)], through: 1 } });
  assert.deepEqual(chat.of("page"), []);
  assert.deepEqual(socket.take("unsubscribe").conversations, ["c"]);
});

test("a listener may unsubscribe while entries are given to it", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  chat.client.on("entry", () => chat.client.unsubscribe("c"));
  socket.receive({ type: "batch", frames: [say(3), say(2), say(4)] });
  assert.deepEqual(chat.seqs(), [2]);
});

test("a listener may unsubscribe while it is given what was missed", async () => {
  const chat = play();
  chat.client.on("entry", () => chat.client.unsubscribe("c"));
  chat.client.subscribe("c", 1);
  const socket = await chat.connect();
  socket.subscribed({ c: { messages: [item(2), item(3)], through: 3 } });
  assert.deepEqual(chat.seqs(), [2]);
});

test("a listener that fails is reported, and keeps nothing from the others", async (context) => {
  const reported = [];
  context.mock.method(globalThis, "queueMicrotask", (report) => reported.push(report));
  const chat = play();
  const heard = [];
  chat.client.on("entry", () => assert.fail("of the page"));
  chat.client.on("entry", ({ seq }) => heard.push(seq));
  const socket = await chat.follow(1);
  socket.receive(say(2));
  socket.receive(say(3));
  assert.deepEqual(heard, [2, 3]);
  assert.equal(reported.length, 2);
  assert.throws(reported[0], /of the page/);
});

test("a listener may stop the client at any time", async () => {
  for (const type of ["state", "entry", "page"]) {
    const chat = play();
    chat.client.on(type, (event) => event === "connecting" || chat.client.stop());
    chat.client.subscribe("c", type === "page" ? null : 1);
    chat.client.subscribe("d", 1);
    const socket = await chat.connect();
    if (type !== "state") socket.subscribed({ c: { messages: [item(2), item(3)], through: 3 } });
    assert.equal(chat.client.state, "stopped", type);
    assert.equal(chat.clock.waiting, 0, type);
    assert.equal(socket.closed, true, type);
    await chat.clock.advance(SECOND);
    assert.equal(chat.sockets.length, 1, type);
  }
});

test("what comes after a listener stopped the client comes when it is started again", async () => {
  for (const frames of [[say(3), say(2)], null]) {
    const chat = play();
    const off = chat.client.on("entry", () => chat.client.stop());
    chat.client.subscribe("c", 1);
    chat.client.subscribe("d", 1);
    const socket = await chat.connect();
    const missed = { messages: [item(2), item(3)], through: 3 };
    socket.subscribed(frames ? {} : { c: missed, d: missed });
    for (const frame of frames ?? []) socket.receive(frame);
    assert.deepEqual(chat.seqs(), [2]);
    off();
    const next = await chat.connect();
    next.subscribed({ c: { messages: [item(3)], through: 3 } });
    assert.deepEqual(chat.seqs(), [2, 3]);
  }
});

test("a listener that is taken off hears nothing more", async () => {
  const chat = play();
  const heard = [];
  const off = chat.client.on("entry", ({ seq }) => heard.push(seq));
  const socket = await chat.follow(1);
  socket.receive(say(2));
  off();
  socket.receive(say(3));
  assert.deepEqual(heard, [2]);
});

test("a deleted conversation has ended", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  socket.receive(event(2, "conversation.deleted"));
  socket.receive(say(3));
  assert.deepEqual(chat.seqs(), [2]);
  assert.deepEqual(chat.of("ended"), [{ conversation_id: "c", why: "deleted" }]);
});

test("somebody who was removed is told so when the server confirms it", async () => {
  const chat = play({ me: () => "me" });
  const socket = await chat.follow(1);
  socket.receive(removed(2, "me"));
  assert.deepEqual(chat.of("ended"), []);
  const command = socket.take("subscribe");
  socket.refuse(command, "NOT_FOUND", { errors: [{ field: "conversations.c", message: "no such conversation" }] });
  assert.deepEqual(chat.seqs(), [2]);
  assert.deepEqual(chat.of("ended"), [{ conversation_id: "c", why: "removed" }]);
});

test("somebody who was removed and added again goes on", async () => {
  const chat = play({ me: () => "me" });
  const socket = await chat.follow(1);
  socket.receive(removed(2, "me"));
  socket.subscribed({ c: { messages: [event(3, "participant.added", { participant: { user_id: "me" } })], through: 3 } });
  socket.receive(say(4));
  assert.deepEqual(chat.seqs(), [2, 3, 4]);
  assert.deepEqual(chat.of("ended"), []);
});

test("that others are removed needs no question", async () => {
  const chat = play({ me: () => "me" });
  const socket = await chat.follow(1);
  socket.receive(removed(2, "somebody"));
  assert.deepEqual([chat.seqs(), socket.unread], [[2], []]);
});

test("who does not say who they are asks whoever is removed", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  socket.receive(removed(2, "somebody"));
  socket.subscribed();
  assert.deepEqual(chat.of("ended"), []);
});

test("one conversation that is gone ends, and the others are subscribed to", async () => {
  const chat = play();
  for (const id of ["a", "b", "c"]) chat.client.subscribe(id, 1);
  const socket = await chat.connect();
  const command = socket.take("subscribe");
  socket.refuse(command, "NOT_FOUND", { errors: [{ field: "conversations.b", message: "no such conversation" }] });
  assert.deepEqual(socket.subscribed().conversations, { a: 1, c: 1 });
  assert.deepEqual(chat.of("ended"), [{ conversation_id: "b", why: "gone" }]);
});

test("where a refusal names none, each is asked for by itself", async () => {
  const chat = play();
  for (const id of ["a", "no id", "c"]) chat.client.subscribe(id, 1);
  const socket = await chat.connect();
  socket.refuse(socket.take("subscribe"), "INVALID", { errors: [{ field: "conversations", message: "is wrong" }] });
  assert.deepEqual(socket.subscribed().conversations, { a: 1 });
  const wrong = socket.take("subscribe");
  assert.deepEqual(wrong.conversations, { "no id": 1 });
  socket.refuse(wrong, "INVALID", { errors: [{ field: "conversations", message: "is wrong" }] });
  assert.deepEqual(socket.subscribed().conversations, { c: 1 });
  assert.deepEqual(chat.of("ended"), [{ conversation_id: "no id", why: "refused" }]);
});

test("a throttled `subscribe` is sent again when it would pass", async () => {
  const chat = play();
  chat.client.subscribe("c", 1);
  const socket = await chat.connect();
  socket.refuse(socket.take("subscribe"), "THROTTLED", { retry_after: 3 });
  await chat.clock.advance(3 * SECOND - 1);
  assert.deepEqual(socket.unread, []);
  await chat.clock.advance(1);
  assert.deepEqual(socket.subscribed().conversations, { c: 1 });
});

for (const [what, answer] of [
  ["refused with an open outcome", (socket, command) => socket.refuse(command, "UNAVAILABLE")],
  ["not answered", async (socket, command, chat) => {
    await chat.clock.advance(10 * SECOND);
    socket.pong();
  }],
]) {
  test(`a \`subscribe\` that is ${what} is sent again, later each time`, async () => {
    const chat = play();
    chat.client.subscribe("c", 1);
    const socket = await chat.connect();
    for (const pause of [1, 2, 4]) {
      await answer(socket, socket.take("subscribe"), chat);
      await chat.clock.advance(pause * SECOND - 1);
      assert.deepEqual(socket.unread, [], `before ${pause} s`);
      await chat.clock.advance(1);
    }
    socket.subscribed({ c: { messages: [item(2)], through: 2 } });
    assert.deepEqual(chat.seqs(), [2]);
  });
}

test("an answer that comes after it was given up changes nothing", async () => {
  const chat = play();
  chat.client.subscribe("c", 1);
  const socket = await chat.connect();
  const { ref } = socket.take("subscribe");
  await chat.clock.advance(10 * SECOND);
  const late = { messages: [item(2)], through: 2, complete: true, role: "member" };
  socket.receive({ type: "subscribed", ref, conversations: { c: late } });
  socket.pong();
  await chat.clock.advance(SECOND);
  socket.subscribed({ c: { messages: [item(2)], through: 2 } });
  assert.deepEqual(chat.seqs(), [2]);
});
