/** What listeners are given: each entry once, in its order, and nothing before it is known what precedes it. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { MINUTE, SECOND, event, item, play, say } from "./support/script.js";

test("entries are given in their order and once, however they come", async () => {
  const chat = play();
  const socket = await chat.follow(1);

  for (const seq of [3, 2, 2, 1, 4, 3]) socket.receive(say(seq));

  assert.deepEqual(chat.seqs(), [2, 3, 4]);
  assert.equal(chat.client.last("c"), 4);
});

test("a jump waits half a second for those that were overtaken", async () => {
  const chat = play();
  const socket = await chat.follow(1);

  socket.receive(say(3));
  await chat.clock.advance(499);
  socket.receive(say(2));
  await chat.clock.advance(10 * SECOND);

  assert.deepEqual(chat.seqs(), [2, 3]);
  assert.deepEqual(socket.unread, []);
});

test("a jump that stays is asked for from the last entry, with what was seen", async () => {
  const chat = play();
  const socket = await chat.follow(1);

  socket.receive(say(4));
  socket.receive(say(5));
  await chat.clock.advance(500);
  assert.deepEqual(chat.seqs(), []);
  const command = socket.subscribed({ c: { messages: [item(2), item(3)], through: 3 } });

  assert.deepEqual(command.conversations, { c: 1 });
  assert.deepEqual(command.seen, { c: 5 });
  assert.deepEqual(chat.seqs(), [2, 3, 4, 5]);
});

test("a gap that an answer leaves open is asked for again after 1, 2 and 4 seconds", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  socket.receive(say(3));
  await chat.clock.advance(500);
  socket.subscribed();

  for (const pause of [1, 2, 4]) {
    await chat.clock.advance(pause * SECOND - 1);
    assert.deepEqual(socket.unread, [], `before ${pause} s`);
    await chat.clock.advance(1);
    socket.subscribed();
  }
  socket.receive(say(2));

  assert.deepEqual(chat.seqs(), [2, 3]);
});

test("a gap is not asked for again while the answer may still come", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  socket.receive(say(3));
  await chat.clock.advance(5 * SECOND);
  socket.receive(say(4));
  await chat.clock.advance(4 * SECOND);
  socket.subscribed({ c: { messages: [item(2), item(3)], through: 3 } });
  await chat.clock.advance(9 * SECOND);
  assert.deepEqual(chat.seqs(), [2, 3, 4]);
  assert.deepEqual(socket.unread, []);
});

test("very much may wait for one that is missing", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  const frames = Array.from({ length: 2000 }, (_, number) => say(3 + number));
  socket.receive({ type: "batch", frames: frames.reverse() });
  await chat.clock.advance(500);
  assert.deepEqual(socket.subscribed().seen, { c: 2002 });
  socket.receive(say(2));
  assert.equal(chat.client.last("c"), 2002);
});

test("`through` closes a gap that held nothing", async () => {
  const chat = play();
  const socket = await chat.follow(1);

  socket.receive(say(5));
  await chat.clock.advance(500);
  socket.subscribed({ c: { messages: [item(2)], through: 4 } });

  assert.deepEqual(chat.seqs(), [2, 5]);
});

test("nothing above `through` is given before it is known to be whole", async () => {
  const chat = play();
  chat.client.subscribe("c", 1);
  const socket = await chat.connect();

  socket.subscribed({ c: { messages: [item(2), item(3), item(7)], through: 3, complete: false } });
  assert.deepEqual(chat.seqs(), [2, 3]);
  const command = socket.subscribed({ c: { messages: [item(4), item(5), item(6), item(7)], through: 7 } });

  assert.deepEqual(command.conversations, { c: 3 });
  assert.deepEqual(chat.seqs(), [2, 3, 4, 5, 6, 7]);
});

test("an answer that is not complete is asked on at once, but not when that brings nothing", async () => {
  const chat = play();
  chat.client.subscribe("c", 1);
  const socket = await chat.connect();

  socket.subscribed({ c: { messages: [item(2)], through: 2, complete: false } });
  socket.subscribed({ c: { through: 2, complete: false } });
  assert.deepEqual(socket.unread, []);
  await chat.clock.advance(SECOND);
  socket.subscribed({ c: { messages: [item(3)], through: 3 } });

  assert.deepEqual(chat.seqs(), [2, 3]);
});

test("the first page comes whole, and what is pushed meanwhile follows it", async () => {
  const chat = play();
  chat.client.subscribe("c", null);
  const socket = await chat.connect();

  socket.receive(say(13));
  const renamed = event(11, "conversation.updated", { conversation: { id: "c", name: "new" } });
  const first = socket.subscribed({ c: { messages: [item(10), renamed], through: 11, complete: false } });
  assert.deepEqual(chat.of("page"), []);
  socket.subscribed({ c: { messages: [item(12)], through: 12, role: "admin" } });
  socket.receive(say(12));
  socket.receive(say(14));

  assert.deepEqual(first.conversations, { c: null });
  assert.deepEqual(chat.of("page"), [
    { conversation_id: "c", messages: [item(10), renamed, item(12)], through: 12, role: "admin" },
  ]);
  assert.deepEqual(chat.seqs(), [13, 14]);
  assert.equal(chat.told.at(-1).event.seq, 14);
});

test("an empty conversation has an empty page", async () => {
  const chat = play();
  await chat.follow(null);
  assert.deepEqual(chat.of("page"), [{ conversation_id: "c", messages: [], through: 0, role: "member" }]);
});

test("a resumed message is the same entry as a pushed one", async () => {
  const chat = play();
  chat.client.subscribe("c", 0);
  const socket = await chat.connect();
  socket.subscribed({ c: { messages: [item(1)], through: 1 } });
  socket.receive(say(2));
  assert.deepEqual(chat.of("entry"), [say(1), say(2)]);
});

test("an ack that is ahead resolves its send at once, but its entry waits for those before it", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  const sent = chat.client.send("c", "mine");

  socket.ack(socket.take("message.send"), 3);
  assert.equal((await sent).message.seq, 3);
  assert.deepEqual(chat.seqs(), []);
  assert.equal(chat.client.last("c"), 1);
  socket.receive(say(2));

  assert.deepEqual(chat.seqs(), [2, 3]);
});

test("an ack is the entry of one's own message, once, also when it comes twice or is pushed too", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  const sent = chat.client.send("c", "mine");
  const command = socket.take("message.send");

  socket.ack(command, 2);
  socket.ack(command, 2);
  socket.receive(say(2, "mine"));

  assert.equal((await sent).message.content, "mine");
  assert.deepEqual(chat.seqs(), [2]);
  assert.equal(chat.of("entry")[0].type, "message");
});

test("an edit's ack is no entry: its event is", async () => {
  const chat = play();
  const socket = await chat.follow(5);
  const edited = chat.client.edit("c", "6-0", "better");

  const command = socket.take("message.edit");
  socket.ack(command, 6);
  socket.ack(command, 6);
  await edited;
  assert.deepEqual(chat.seqs(), []);
  socket.receive(say(6));
  socket.receive(event(7, "message.updated", { message: item(6, "better") }));

  assert.deepEqual(chat.of("entry").map(({ type }) => type), ["message", "message.updated"]);
});

test("a batch is given one by one, in its order", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  const typing = { type: "typing", conversation_id: "c", user_id: "u", active: true };

  socket.receive({ type: "batch", frames: [say(2), typing, say(3)] });

  assert.deepEqual(chat.seqs(), [2, 3]);
  assert.deepEqual(chat.of("signal"), [typing]);
});

test("entries of kinds that are still unknown count, and answers that are still unknown harm nothing", async () => {
  const chat = play();
  const socket = await chat.follow(1);

  socket.receive({ type: "novelty", of: "tomorrow" });
  socket.receive("no JSON");
  socket.receive("null");
  socket.receive(event(2, "poll.started"));
  socket.receive(say(3));

  assert.deepEqual(chat.seqs(), [2, 3]);
  assert.deepEqual(chat.of("signal"), []);
});

test("`lag` is asked for at once, from the last entry", async () => {
  const chat = play();
  const socket = await chat.follow(1);

  socket.receive({ type: "lag", conversation_id: "c", latest: 9 });
  const command = socket.subscribed({ c: { messages: [item(2)], through: 9 } });

  assert.deepEqual([command.conversations, command.seen], [{ c: 1 }, { c: 9 }]);
  assert.deepEqual(chat.seqs(), [2]);
});

test("a late `lag` asks for nothing", async () => {
  const chat = play();
  const socket = await chat.follow(9);
  socket.receive({ type: "lag", conversation_id: "c", latest: 9 });
  socket.receive({ type: "lag", conversation_id: "another", latest: 9 });
  await chat.clock.advance(SECOND);
  assert.deepEqual(socket.unread, []);
});

test("a head above the last entry is asked for, unless what is missing comes by itself", async () => {
  const chat = play();
  const socket = await chat.follow(1);

  await chat.clock.advance(MINUTE);
  socket.pong({ heads: { c: 2 } });
  socket.receive(say(2));
  await chat.clock.advance(SECOND);
  assert.deepEqual(socket.unread, []);

  await chat.clock.advance(MINUTE);
  socket.pong({ heads: { c: 3 } });
  await chat.clock.advance(500);
  socket.subscribed({ c: { messages: [item(3)], through: 3 } });
  assert.deepEqual(chat.seqs(), [2, 3]);
});

for (const [what, pong] of [
  ["a head below the last entry", { heads: { c: 0 } }],
  ["a missing head", { heads: {} }],
  ["a server that asks for it", { heads: { c: 1 }, resync: true }],
]) {
  test(`${what} means to subscribe again`, async () => {
    const chat = play();
    const socket = await chat.follow(1);
    await chat.clock.advance(MINUTE);
    socket.pong(pong);
    assert.deepEqual(socket.subscribed().conversations, { c: 1 });
  });
}

test("heads that agree ask for nothing", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  await chat.clock.advance(MINUTE);
  socket.pong({ heads: { c: 1, other: 7 } });
  await chat.clock.advance(SECOND);
  assert.deepEqual(socket.unread, []);
});

test("a server that was restored to before the last entry is begun with anew", async () => {
  const chat = play();
  const socket = await chat.follow(100);

  await chat.clock.advance(MINUTE);
  socket.pong({ heads: { c: 3 } });
  socket.subscribed({ c: { messages: [item(2), item(3)], through: 3 } });
  socket.subscribed();
  socket.receive(say(4));

  assert.deepEqual(chat.of("page"), [
    { conversation_id: "c", messages: [item(2), item(3)], through: 3, role: "member" },
  ]);
  assert.deepEqual(chat.seqs(), [4]);
});

test("a server that was restored to before what was seen is begun with anew", async () => {
  const chat = play();
  const socket = await chat.follow(5);

  socket.receive(say(9));
  await chat.clock.advance(500);
  socket.subscribed({ c: { messages: [item(4), item(5), item(6)], through: 6 } });
  socket.subscribed();
  for (const seq of [7, 8, 9]) socket.receive(say(seq, "of the new log"));

  assert.deepEqual(chat.of("page")[0].messages.map(({ seq }) => seq), [4, 5, 6]);
  const contents = chat.of("entry").map(({ message }) => message.content);
  assert.deepEqual(contents, Array(3).fill("of the new log"));
});

test("a new connection resumes each conversation from its last entry", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  socket.receive(say(2));
  socket.receive(say(5));

  socket.end();
  const next = await chat.reconnect();
  const command = next.subscribed({ c: { messages: [item(3), item(4), item(5), item(6)], through: 6 } });

  assert.deepEqual([command.conversations, command.seen], [{ c: 2 }, { c: 5 }]);
  assert.deepEqual(chat.seqs(), [2, 3, 4, 5, 6]);
});

test("what an ended connection still brings is not listened to", async () => {
  const chat = play();
  const socket = await chat.follow(1);
  const { onmessage } = socket;
  socket.end();
  assert.equal(socket.onmessage, null);
  onmessage({ data: JSON.stringify(say(2)) });
  assert.deepEqual(chat.seqs(), []);
});
