/** What is sent: once, in order, over any number of connections, until the server takes or refuses it. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { MINUTE, SECOND, play } from "./support/script.js";
import { settle } from "./support/clock.js";

/** Whether a promise is still open. */
async function isOpen(promise) {
  const waiting = Symbol("waiting");
  await settle();
  return (await Promise.race([promise, Promise.resolve(waiting)])) === waiting;
}

const refusal = (promise) => promise.then(() => assert.fail("it was not refused"), (error) => error);

test("a message is sent with what it has, and resolves with its ack", async () => {
  const chat = play();
  const socket = await chat.connect();

  const sent = chat.client.send("c", "hello", { metadata: { mood: "good" }, clientId: "mine", replyTo: "1-0" });
  const { ref, ...command } = socket.take("message.send");
  socket.ack({ ref, ...command }, 2);

  const { conversation_id, content, metadata, client_id, reply_to } = command;
  assert.deepEqual(
    { conversation_id, content, metadata, client_id, reply_to },
    { conversation_id: "c", content: "hello", metadata: { mood: "good" }, client_id: "mine", reply_to: "1-0" },
  );
  assert.deepEqual(Object.keys(await sent), ["message", "duplicate"]);
  assert.equal((await sent).duplicate, false);
});

test("a client id is drawn where none is given, another one each time", async () => {
  const chat = play();
  const socket = await chat.connect();
  void chat.client.send("a", "one");
  void chat.client.send("b", "two");
  const drawn = [socket.take("message.send").client_id, socket.take("message.send").client_id];
  for (const one of drawn) assert.match(one, /^[0-9a-f]{32}$/);
  assert.notEqual(drawn[0], drawn[1]);
});

test("messages to one conversation wait for each other, those to others do not wait", async () => {
  const chat = play();
  const socket = await chat.connect();
  const texts = () => socket.unread.map(({ content }) => content);

  void chat.client.send("c", "first");
  void chat.client.send("c", "second");
  void chat.client.edit("c", "1-0", "third");
  void chat.client.send("d", "elsewhere");
  assert.deepEqual(texts(), ["first", "elsewhere"]);
  socket.ack(socket.unread[0], 2);
  assert.deepEqual(texts(), ["first", "elsewhere", "second"]);
  socket.ack(socket.unread[2], 3);
  assert.deepEqual(texts(), ["first", "elsewhere", "second", "third"]);
});

test("what is not answered is sent again with the same client id over the next connection, in its order", async () => {
  const chat = play();
  const first = await chat.connect();
  const one = chat.client.send("c", "one");
  const two = chat.client.send("c", "two");
  const { client_id } = first.take("message.send");

  first.end();
  const second = await chat.reconnect();
  assert.equal(second.take("message.send").client_id, client_id);
  second.end();
  const third = await chat.reconnect();
  const again = third.take("message.send");
  assert.equal(again.client_id, client_id);
  assert.deepEqual(third.unread, []);
  third.ack(again, 2, true);
  third.ack(third.take("message.send"), 3);

  assert.equal((await one).duplicate, true);
  assert.equal((await two).message.seq, 3);
});

test("what is not answered within 10 s is sent again, and the connection is tried", async () => {
  const chat = play();
  const socket = await chat.connect();
  const sent = chat.client.send("c", "hello");
  const { client_id } = socket.take("message.send");

  await chat.clock.advance(10 * SECOND - 1);
  assert.deepEqual(socket.unread, []);
  await chat.clock.advance(1);
  const again = socket.take("message.send");
  socket.pong();
  socket.ack(again, 2);

  assert.equal(again.client_id, client_id);
  assert.equal((await sent).message.seq, 2);
});

for (const code of ["UNAVAILABLE", "INTERNAL_ERROR"]) {
  test(`${code} leaves the outcome open: again after 1, 2, 4 … s`, async () => {
    const chat = play();
    const socket = await chat.connect();
    const sent = chat.client.send("c", "hello");
    let command = socket.take("message.send");
    const { client_id } = command;

    for (const pause of [1, 2, 4]) {
      socket.refuse(command, code);
      await chat.clock.advance(pause * SECOND - 1);
      assert.deepEqual(socket.unread, [], `before ${pause} s`);
      await chat.clock.advance(1);
      command = socket.take("message.send");
      assert.equal(command.client_id, client_id);
    }
    socket.ack(command, 2);
    assert.equal((await sent).message.seq, 2);
  });
}

test("when the platform fails, all that is under way goes again", async () => {
  const chat = play();
  chat.client.subscribe("c", 1);
  const socket = await chat.connect();
  socket.take("subscribe");
  const sent = chat.client.send("c", "hello");
  const { client_id } = socket.take("message.send");

  socket.receive({ message: "Internal server error", connectionId: "x", requestId: "y" });
  await chat.clock.advance(SECOND);

  socket.subscribed();
  const command = socket.take("message.send");
  assert.equal(command.client_id, client_id);
  socket.ack(command, 2);
  await sent;
});

test("when the platform fails a ping, it is asked again", async () => {
  const chat = play();
  const socket = await chat.connect();
  await chat.clock.advance(MINUTE);
  socket.take("ping");
  socket.receive({ message: "Internal server error", connectionId: "x", requestId: "y" });
  await chat.clock.advance(SECOND);
  socket.pong();
  await chat.clock.advance(10 * SECOND);
  assert.equal(chat.client.state, "open");
});

test("what is refused is rejected with the reason, and the next one goes", async () => {
  const chat = play();
  const socket = await chat.connect();
  const refused = refusal(chat.client.send("c", ""));
  const next = chat.client.send("c", "better");

  socket.refuse(socket.take("message.send"), "INVALID", { errors: [{ field: "content", message: "is empty" }] });
  socket.ack(socket.take("message.send"), 2);

  const { name, code, detail, message, fields, retryAfter } = await refused;
  assert.deepEqual(
    { name, code, detail, message, fields, retryAfter },
    {
      name: "ChatError",
      code: "INVALID",
      detail: "It is INVALID.",
      message: "It is INVALID.",
      fields: { content: "is empty" },
      retryAfter: null,
    },
  );
  assert.equal((await next).message.seq, 2);
});

test("a throttled message is rejected, with when it would pass", async () => {
  const chat = play();
  const socket = await chat.connect();
  const refused = refusal(chat.client.send("c", "again"));
  socket.refuse(socket.take("message.send"), "THROTTLED", { retry_after: 17 });
  const error = await refused;
  assert.deepEqual([error.code, error.retryAfter], ["THROTTLED", 17]);
});

test("what is sent before there is a connection waits for it", async () => {
  const chat = play();
  const sent = chat.client.send("c", "early");
  assert.equal(await isOpen(sent), true);
  const socket = await chat.connect();
  socket.ack(socket.take("message.send"), 1);
  await sent;
});

test("stopping rejects what waits", async () => {
  const chat = play();
  await chat.connect();
  const refused = refusal(chat.client.send("c", "too late"));
  chat.client.stop();
  assert.equal((await refused).code, "STOPPED");
});

test("more than a frame may hold is refused without being sent", async () => {
  const chat = play();
  const socket = await chat.connect();
  const error = await refusal(chat.client.send("c", "ü".repeat(20_000)));
  assert.equal(error.code, "TOO_LARGE");
  assert.deepEqual(socket.unread, []);
});

test("commands keep below the server's 20 a second", async () => {
  const chat = play();
  const socket = await chat.connect();
  for (let number = 0; number < 100; number += 1) void chat.client.read(`c${number}`, "1-0");

  const counts = [];
  while (socket.unread.length) {
    counts.push(socket.unread.length);
    for (const { ref } of socket.unread.splice(0)) socket.receive({ type: "ack", ref, message_id: "1-0" });
    await chat.clock.advance(SECOND);
  }
  assert.deepEqual(counts, [15, 15, 15, 15, 15, 15, 10]);
});

test("each command is what the API calls it, and resolves with its answer", async () => {
  const chat = play();
  const socket = await chat.connect();
  const answers = [
    chat.client.history("c", { before: "9-0", limit: 2 }),
    chat.client.read("c", "1-0"),
    chat.client.delete("c", "1-0"),
  ];
  const history = socket.take("history");
  const read = socket.take("read");
  const removal = socket.take("message.delete");
  socket.receive({ type: "history", ref: history.ref, conversation_id: "c", messages: [], complete: true });
  socket.receive({ type: "ack", ref: read.ref, message_id: "1-0" });
  socket.ack(removal, 1);
  const reaction = chat.client.react("c", "1-0", "👍", false);
  const reacting = socket.take("message.react");
  socket.ack(reacting, 1);

  assert.deepEqual([history.conversation_id, history.before, history.limit], ["c", "9-0", 2]);
  assert.deepEqual([read.conversation_id, read.message_id], ["c", "1-0"]);
  assert.deepEqual([removal.conversation_id, removal.message_id], ["c", "1-0"]);
  assert.deepEqual([reacting.message_id, reacting.emoji, reacting.on], ["1-0", "👍", false]);
  assert.deepEqual(await answers[0], { conversation_id: "c", messages: [], complete: true });
  assert.equal(await answers[1], undefined);
  assert.equal((await answers[2]).message.seq, 1);
  assert.equal((await reaction).message.seq, 1);
});

test("that one types is told now or not at all", async () => {
  const chat = play();
  chat.client.typing("c", true);
  const socket = await chat.connect();
  assert.deepEqual(socket.unread, []);
  chat.client.typing("c", false);
  assert.deepEqual(socket.take("typing"), { type: "typing", conversation_id: "c", active: false });
});
