import assert from "node:assert/strict";
import { test } from "node:test";
import { offline } from "../client/app/errors.js";
import {
  ME, Memory, OTHER, at, conversation, deleted, edited, entry, message, said, settled, shown, startChat,
} from "./support/model.js";

const refusal = (code, retryAfter = null) => ({ code, detail: "No.", fields: {}, retryAfter });
const mine = (seq, { clientId, content }) => message(seq, { user_id: ME.id, client_id: clientId, content });

/** Answers a send as the server does: the entry of its place, and the ack. */
function acknowledge(client, command, seq) {
  const message = mine(seq, command);
  client.tell("entry", entry(seq, "message", { message }));
  command.resolve({ message, duplicate: false });
}

/** A cache with the one message that was heard before the page was closed. */
async function heardBefore(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const memory = new Memory();
  const { chat, client } = await startChat(t, { memory });
  client.tell("entry", said(1));
  await settled();
  t.mock.timers.tick(1000);
  chat.stop();
  return memory;
}

test("the list follows the log: last message, unread, order, names and people", async (t) => {
  const early = conversation({ id: "d", updated_at: at(50) });
  const { chat, client } = await startChat(t, { conversations: [early, conversation()] });

  client.tell("entry", said(100));
  client.tell("entry", said(101));
  client.tell("entry", entry(102, "participant.added", { participant: { ...OTHER, user_id: "third" } }));
  client.tell("entry", entry(103, "conversation.updated", { conversation: { id: "c", name: "New name" } }));
  client.tell("entry", entry(104, "participant.updated", { participant: { user_id: ME.id, role: "admin" } }));
  await settled();

  const [first] = chat.conversations;
  assert.deepEqual(chat.conversations.map(({ id }) => id), ["c", "d"]);
  assert.deepEqual(
    [first.last_message.content, first.unread_count, first.name, first.participant_count, first.role, first.last_seq],
    ["m101", 2, "New name", 3, "admin", 104],
  );
});

test("unread counts others' messages once, whether the list or the log brings them first", async (t) => {
  const { chat, client, api } = await startChat(t);

  client.tell("entry", said(1));
  client.tell("entry", said(2, { user_id: ME.id }));
  api.answers["GET /conversations"] = { items: [conversation({ last_seq: 4, last_message: message(4), unread_count: 3 })], next: null };
  await chat.reload();
  client.tell("entry", said(3));
  client.tell("entry", said(4));
  client.tell("entry", said(5));
  assert.equal(chat.conversation("c").unread_count, 4);
  client.tell("entry", deleted(6, 5));
  client.tell("entry", deleted(7, 2));

  assert.equal(chat.conversation("c").unread_count, 3);
});

test("an answer that is older than the log takes nothing back", async (t) => {
  const { chat, client } = await startChat(t);

  client.tell("entry", said(1));
  await chat.reload();

  assert.equal(chat.conversation("c").last_message.content, "m1");
  assert.equal(chat.conversation("c").unread_count, 1);
});

test("reading zeroes what is unread at once, and is told to the server once a second, the newest only", async (t) => {
  const { chat, client } = await startChat(t);
  const room = chat.room("c");
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const reads = () => client.commands.filter(({ type }) => type === "read").map(({ messageId }) => messageId);

  for (const seq of [1, 2, 3]) {
    client.tell("entry", said(seq));
    await settled();
    room.markRead();
  }
  assert.equal(chat.conversation("c").unread_count, 0);
  assert.deepEqual(reads(), ["1-0"]);
  client.take("read").resolve();
  await settled();
  assert.deepEqual(reads(), []);
  t.mock.timers.tick(1000);
  await settled();
  assert.deepEqual(reads(), ["3-0"]);
  room.markRead();
  assert.deepEqual(reads(), ["3-0"]);
});

test("where nothing is unread, nothing is told to be read", async (t) => {
  const { chat, client } = await startChat(t, { conversations: [conversation({ last_seq: 1, last_message: message(1) })] });
  const room = chat.room("c");
  await settled();
  client.take("history").resolve({ messages: [message(1)], complete: true });
  await settled();

  room.markRead();

  assert.deepEqual(client.commands, []);
});

test("what I have read is not unread because the list was asked before", async (t) => {
  const { chat, client, api } = await startChat(t);
  const room = chat.room("c");

  client.tell("entry", said(1));
  await settled();
  room.markRead();
  const asItWas = conversation({ last_seq: 1, last_message: message(1), unread_count: 1 });
  api.answers["GET /conversations"] = { items: [asItWas], next: null };
  await chat.reload();

  assert.equal(chat.conversation("c").unread_count, 0);
});

test("what was read as the page was closed is told again, since the list still counts it", async (t) => {
  const memory = new Memory();
  const unread = conversation({ last_seq: 1, last_message: message(1), unread_count: 1 });
  memory.conversations.set("c", { conversation: { ...unread, unread_count: 0 }, last: 1 });
  memory.logs.set("c", { last: 1, floor: 1, entries: [message(1)], reads: [["me", 1]] });
  const { chat, client, api } = await startChat(t, { memory, conversations: [unread], answers: { "GET /conversations": offline() } });
  chat.room("c");
  await settled();
  api.answers["GET /conversations"] = { items: [unread], next: null };
  await chat.reload();

  assert.equal(chat.conversation("c").unread_count, 0);
  assert.equal(client.take("read").messageId, "1-0");
});

test("what was missed is unread until it is there, though the list knows of it before", async (t) => {
  const memory = new Memory();
  memory.conversations.set("c", { conversation: conversation({ last_seq: 1, last_message: message(1) }), last: 1 });
  memory.logs.set("c", { last: 1, floor: 1, entries: [message(1)], reads: [["me", 1]] });
  const missed = conversation({ last_seq: 3, last_message: message(3), unread_count: 2 });
  const { chat, client } = await startChat(t, { memory, conversations: [missed] });
  const room = chat.room("c");
  await settled();

  room.markRead();
  client.tell("signal", { type: "read", conversation_id: "c", user_id: ME.id, message_id: "2-0" });
  client.tell("entry", said(2));
  assert.deepEqual([chat.conversation("c").unread_count, room.caughtUp, client.commands], [2, false, []]);
  client.tell("entry", said(3));
  room.markRead();

  assert.deepEqual([chat.conversation("c").unread_count, room.caughtUp, client.take("read").messageId], [0, true, "3-0"]);
});

test("reading on another device counts here", async (t) => {
  const { chat, client } = await startChat(t);
  for (const seq of [1, 2, 3]) client.tell("entry", said(seq));
  await settled();

  client.tell("signal", { type: "read", conversation_id: "c", user_id: ME.id, message_id: "2-0" });
  assert.equal(chat.conversation("c").unread_count, 1);
  client.tell("signal", { type: "read", conversation_id: "c", user_id: ME.id, message_id: "3-0" });
  assert.equal(chat.conversation("c").unread_count, 0);
});

test("receipts come from signals and, where the API has them, from the participants", async (t) => {
  const answers = { "GET /conversations/c/participants": { items: [{ ...OTHER, read_seq: 2 }, { user_id: "b" }], next: null } };
  const { chat, client } = await startChat(t, { answers });
  const room = chat.room("c");
  await settled();

  assert.deepEqual(room.readBy(2), ["other"]);
  client.tell("signal", { type: "read", conversation_id: "c", user_id: "b", message_id: "3-0" });
  assert.deepEqual([room.readBy(2), room.readBy(3)], [["other", "b"], ["b"]]);
});

test("a message is pending, then sent, and is one item all the while", async (t) => {
  const { chat, client, memory } = await startChat(t);
  const room = chat.room("c");
  await settled();

  const sending = room.send(" hello ");
  const [pending] = room.items;
  await settled();
  assert.deepEqual(shown(room), ["pending:hello"]);
  assert.equal(memory.outbox.size, 1);
  acknowledge(client, client.take("send"), 1);

  assert.equal((await sending).id, "1-0");
  await settled();
  assert.deepEqual(shown(room), ["sent:hello"]);
  assert.equal(room.items[0].key, pending.key);
  assert.equal(memory.outbox.size, 0);
  assert.equal(chat.conversation("c").unread_count, 0);
  assert.equal(chat.conversation("c").last_message.content, "hello");
});

test("messages leave in the order they were written, one after the other", async (t) => {
  const { chat, client } = await startChat(t);
  const room = chat.room("c");
  const all = [room.send("a"), room.send("b"), room.send("c")];
  await settled();

  assert.deepEqual(client.commands.filter(({ type }) => type === "send").map(({ content }) => content), ["a"]);
  for (const seq of [1, 2, 3]) {
    acknowledge(client, client.take("send"), seq);
    await settled();
  }
  await Promise.all(all);
  assert.deepEqual(shown(room), ["sent:a", "sent:b", "sent:c"]);
});

test("a refused message has failed until it is retried, as the same one, or discarded", async (t) => {
  const { chat, client, memory } = await startChat(t);
  const room = chat.room("c");

  const refused = assert.rejects(room.send("no"), { code: "invalid", status: 422, detail: "No." });
  await settled();
  const first = client.take("send");
  first.reject(refusal("INVALID_CONTENT"));
  await refused;
  assert.deepEqual(shown(room), ["failed:no"]);
  assert.equal(room.items[0].error.detail, "No.");

  const again = room.retry(room.items[0].key);
  await settled();
  assert.deepEqual(shown(room), ["pending:no"]);
  const second = client.take("send");
  assert.equal(second.clientId, first.clientId);
  second.reject(refusal("FORBIDDEN"));
  await assert.rejects(again, { code: "forbidden", status: 403 });
  await room.discard(room.items[0].key);

  assert.deepEqual([shown(room), memory.outbox.size], [[], 0]);
});

test("a throttled message waits for its turn, and those behind it too", async (t) => {
  const { chat, client } = await startChat(t);
  const room = chat.room("c");
  room.send("a");
  room.send("b");
  await settled();
  t.mock.timers.enable({ apis: ["setTimeout"] });

  client.take("send").reject(refusal("THROTTLED", 20));
  await settled();
  assert.deepEqual(shown(room), ["pending:a", "pending:b"]);
  assert.equal(room.items[0].error.retryAfter, 20);
  t.mock.timers.tick(19_999);
  await settled();
  assert.equal(client.commands.filter(({ type }) => type === "send").length, 0);
  t.mock.timers.tick(1);
  await settled();

  assert.equal(client.take("send").content, "a");
});

test("what was not sent before a reload is sent once after it, and in order", async (t) => {
  const memory = new Memory();
  const before = await startChat(t, { memory, isOnline: false });
  const room = before.chat.room("c");
  for (const text of ["a", "b"]) room.send(text).catch(() => {});
  await settled();
  const { clientId } = before.client.take("send");
  before.chat.stop();

  const { chat, client } = await startChat(t, { memory });
  const command = client.take("send");
  assert.deepEqual([command.content, command.clientId], ["a", clientId]);
  acknowledge(client, command, 1);
  await settled();
  acknowledge(client, client.take("send"), 2);
  await settled();

  assert.deepEqual(shown(chat.room("c")), ["sent:a", "sent:b"]);
  assert.equal(memory.outbox.size, 0);
});

test("what was sent before a reload, but not acknowledged, is no second message", async (t) => {
  const memory = new Memory();
  const before = await startChat(t, { memory });
  before.chat.room("c").send("a").catch(() => {});
  await settled();
  const command = before.client.take("send");
  before.chat.stop();

  const { chat, client } = await startChat(t, { memory });
  const room = chat.room("c");
  client.tell("entry", entry(1, "message", { message: mine(1, command) }));
  await settled();
  assert.deepEqual(shown(room), ["sent:a"]);
  client.take("send").resolve({ message: mine(1, command), duplicate: true });
  await settled();

  assert.deepEqual(shown(room), ["sent:a"]);
  assert.equal(memory.outbox.size, 0);
});

test("what was acknowledged as the page was closed is not sent again", async (t) => {
  const memory = new Memory();
  const sent = message(1, { user_id: ME.id, client_id: "k" });
  memory.conversations.set("c", { conversation: conversation({ last_seq: 1, last_message: sent }), last: 1 });
  memory.logs.set("c", { last: 1, floor: 1, entries: [sent], reads: [] });
  memory.outbox.set("k", { client_id: "k", conversation_id: "c", content: "m1", reply_to: null, created_at: at(1), error: null });

  const { chat, client } = await startChat(t, { memory });

  assert.deepEqual([shown(chat.room("c")), client.commands, memory.outbox.size], [["sent:m1"], [], 0]);
});

test("a cached log that ends before what is told next is not shown, nor is one that is being read overwritten", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const memory = new Memory();
  const kept = (last, logLast) => {
    memory.conversations.set("c", { conversation: conversation({ last_seq: last }), last });
    memory.logs.set("c", { last: logLast, floor: 1, entries: [message(1)], reads: [] });
  };
  kept(5, 3);
  const torn = await startChat(t, { memory, conversations: [conversation({ last_seq: 5 })] });
  const room = torn.chat.room("c");
  await settled();
  assert.deepEqual([shown(room), room.hasEarlier], [[], true]);
  torn.chat.stop();

  kept(1, 1);
  const { client } = await startChat(t, { memory, conversations: [conversation({ last_seq: 1 })] });
  client.tell("entry", said(2));
  t.mock.timers.tick(1000);
  assert.deepEqual(memory.logs.get("c").entries, [message(1)]);
  await settled();
  t.mock.timers.tick(1000);
  assert.deepEqual(memory.logs.get("c").entries, [message(1), message(2)]);
});

test("the list is cached also where nothing happens", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { memory } = await startChat(t, { conversations: [conversation({ last_seq: 7 })] });
  t.mock.timers.tick(1000);

  assert.deepEqual(memory.conversations.get("c"), { conversation: conversation({ last_seq: 7 }), last: 7 });
});

test("after a reload the room shows at once what it held, and goes on from there", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const memory = new Memory();
  const before = await startChat(t, { memory });
  before.chat.room("c");
  for (const one of [said(1), said(2), entry(3, "conversation.updated", { conversation: { name: "x" } })]) before.client.tell("entry", one);
  await settled();
  t.mock.timers.tick(1000);
  before.chat.stop();

  const after = conversation({ last_seq: 5, last_message: message(4), unread_count: 3 });
  const { chat, client } = await startChat(t, { memory, conversations: [after] });
  const room = chat.room("c");
  await settled();
  assert.deepEqual(shown(room), ["sent:m1", "sent:m2", "conversation.updated"]);
  assert.equal(client.subscribed.get("c"), 3);
  client.tell("entry", said(4));
  client.tell("entry", edited(5, 1, "mended"));
  await settled();

  assert.deepEqual(shown(room), ["sent:mended", "sent:m2", "conversation.updated", "sent:m4"]);
  assert.equal(chat.conversation("c").unread_count, 3);
});

test("offline, the cached list and rooms are there", async (t) => {
  const memory = await heardBefore(t);

  const { chat } = await startChat(t, { memory, isOnline: false, answers: { "GET /conversations": offline() } });
  const room = chat.room("c");
  await settled();

  assert.equal(chat.error.code, "offline");
  assert.deepEqual([chat.loaded, chat.conversations.length, shown(room)], [true, 1, ["sent:m1"]]);
});

test("a log that is too far behind is read anew", async (t) => {
  const memory = await heardBefore(t);

  const { chat, client } = await startChat(t, { memory, conversations: [conversation({ last_seq: 1000 })] });
  const room = chat.room("c");
  await settled();
  assert.equal(client.subscribed.get("c"), 1000);
  assert.deepEqual([shown(room), room.loading], [[], true]);
  client.take("history").resolve({ messages: [message(999), message(1000)], complete: false });
  await settled();

  assert.deepEqual([shown(room), room.loading, room.hasEarlier], [["sent:m999", "sent:m1000"], false, true]);
});

test("a page, the entries and an ack bring no message twice", async (t) => {
  const { chat, client } = await startChat(t, { conversations: [conversation({ last_seq: 3, last_message: message(3) })] });
  const room = chat.room("c");
  await settled();
  const page = client.take("history");
  client.tell("entry", said(4));
  room.send("mine");
  await settled();
  const command = client.take("send");
  acknowledge(client, command, 5);
  client.tell("entry", edited(6, 2, "mended"));
  page.resolve({ messages: [1, 2, 3, 4].map((seq) => message(seq)).concat(mine(5, command)), complete: true });
  await settled();

  assert.deepEqual(shown(room), ["sent:m1", "sent:mended", "sent:m3", "sent:m4", "sent:mine"]);
  assert.equal(room.hasEarlier, false);
});

test("a page that was asked for before the log was replaced is not put into it", async (t) => {
  const { chat, client } = await startChat(t, { conversations: [conversation({ last_seq: 90 })] });
  const room = chat.room("c");
  await settled();
  const old = client.take("history");
  client.tell("page", { conversation_id: "c", messages: [message(40), message(41)], through: 41, role: "member" });
  await settled();
  old.resolve({ messages: [message(89), message(90)], complete: false });
  await settled();

  assert.deepEqual(shown(room), ["sent:m40", "sent:m41"]);
});

test("around loads back without a hole until the message is there", async (t) => {
  const { chat, client } = await startChat(t, { conversations: [conversation({ last_seq: 300 })] });
  const room = chat.room("c");
  await settled();
  const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => message(from + index));
  client.take("history").resolve({ messages: range(251, 300), complete: false });
  await settled();

  const arrived = room.around("120-0");
  await settled();
  const first = client.take("history");
  assert.deepEqual([first.before, first.limit], ["251-0", 100]);
  first.resolve({ messages: range(151, 250), complete: false });
  await settled();
  client.take("history").resolve({ messages: range(51, 150), complete: false });
  await arrived;

  assert.equal(room.items.length, 250);
  await assert.rejects(room.around("301-0"), { code: "not_found" });
});

test("a room that cannot be read says why, and is read when there is a connection again", async (t) => {
  const { chat, client } = await startChat(t, {
    conversations: [conversation({ last_seq: 1 })],
    isOnline: false,
    answers: { "GET /conversations/c/messages": offline() },
  });
  const room = chat.room("c");
  await settled();
  assert.deepEqual([room.loading, room.error?.code], [false, "offline"]);

  client.become("open");
  await settled();
  client.take("history").resolve({ messages: [message(1)], complete: true });
  await settled();

  assert.deepEqual([shown(room), room.error], [["sent:m1"], null]);
});

test("a reaction shows at once, and is taken back when it is refused", async (t) => {
  const { chat, client } = await startChat(t);
  const room = chat.room("c");
  client.tell("entry", said(1));
  await settled();

  const reacting = room.react(room.items[0].message, "👍", true);
  assert.deepEqual(room.items[0].message.reactions, [{ emoji: "👍", user_ids: [ME.id] }]);
  client.take("react").reject(refusal("CONFLICT"));
  await assert.rejects(reacting, { code: "conflict", status: 409 });

  assert.deepEqual(room.items[0].message.reactions, []);
});

test("who types is shown until they stop, send, or 5 seconds are over", async (t) => {
  const { chat, client } = await startChat(t);
  const room = chat.room("c");
  await settled();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const type = (user_id, active = true) =>
    client.tell("signal", { type: "typing", conversation_id: "c", user_id, user_name: user_id.toUpperCase(), active });

  ["other", "a", "b", ME.id].forEach((userId) => type(userId));
  assert.deepEqual(room.typing.map(({ user_name }) => user_name), ["OTHER", "A", "B"]);
  client.tell("entry", said(1));
  type("a", false);
  assert.deepEqual(room.typing.map(({ user_name }) => user_name), ["B"]);
  t.mock.timers.tick(5000);
  assert.deepEqual(room.typing, []);
});

test("presence is asked for once a connection and told by signals", async (t) => {
  const answers = { "GET /conversations/c/presence": { items: [{ user_id: "other", online: true, last_seen: null }], next: null } };
  const { chat, client, api } = await startChat(t, { answers, conversations: [conversation({ kind: "direct" })] });
  const asked = () => api.asked.filter((path) => path.endsWith("/presence")).length;
  const told = [];
  chat.on("presence", (userId) => told.push(userId));
  assert.deepEqual(chat.presence("other"), { online: true, last_seen: null });

  client.tell("signal", { type: "presence", conversation_id: "c", user_id: "other", online: false, last_seen: at(1) });
  client.tell("signal", { type: "presence", conversation_id: "d", user_id: "other", online: false, last_seen: at(1) });

  assert.deepEqual(chat.presence("other"), { online: false, last_seen: at(1) });
  assert.deepEqual(told, ["other"]);
  chat.room("c");
  await chat.reload();
  assert.equal(asked(), 1);

  client.become("waiting");
  client.become("open");
  assert.equal(chat.presence("other"), null);
  await settled();
  assert.deepEqual([chat.presence("other"), asked()], [{ online: true, last_seen: null }, 2]);
});

test("being removed takes the conversation away, with all that is kept of it", async (t) => {
  const { chat, client, memory } = await startChat(t);
  const room = chat.room("c");
  const removed = [];
  chat.on("removed", (id) => removed.push(id));
  room.send("never").catch(() => {});
  await settled();

  client.tell("ended", { conversation_id: "c", why: "removed" });
  await settled();

  assert.deepEqual([removed, room.removed, chat.conversations, memory.outbox.size], [["c"], true, [], 0]);
});

test("the list is read again when it could not be", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { chat, client, api } = await startChat(t, { answers: { "GET /conversations": offline() }, isOnline: false });
  assert.deepEqual([chat.error.code, chat.loaded, [...client.subscribed]], ["offline", false, []]);

  api.answers["GET /conversations"] = { items: [conversation()], next: null };
  client.become("open");
  await settled();

  assert.deepEqual([chat.error, chat.loaded, [...client.subscribed]], [null, true, [["c", 0]]]);
});

test("conversations that the list no longer has are gone, new ones are subscribed", async (t) => {
  const { chat, client, api } = await startChat(t);
  assert.deepEqual([...client.subscribed], [["c", 0]]);

  api.answers["GET /conversations"] = { items: [conversation({ id: "d", last_seq: 7 })], next: null };
  await chat.reload();

  assert.deepEqual(chat.conversations.map(({ id }) => id), ["d"]);
  assert.deepEqual([...client.subscribed], [["d", 7]]);
});

test("a conversation that moved while the list was read, and so is on no page of it, stays", async (t) => {
  const { chat, client, api, memory } = await startChat(t, { conversations: [conversation(), conversation({ id: "d" })] });
  chat.room("c").send("soon").catch(() => {});
  await settled();

  api.answers["GET /conversations"] = ({ cursor }) => ({ items: [conversation({ id: cursor ? "d" : "e" })], next: cursor ? null : "x" });
  api.answers["GET /conversations/c"] = conversation();
  await chat.reload();

  assert.deepEqual(chat.conversations.map(({ id }) => id).sort(), ["c", "d", "e"]);
  assert.deepEqual([client.subscribed.has("c"), memory.outbox.size], [true, 1]);
  api.answers["GET /conversations/c"] = offline();
  await chat.reload();
  assert.deepEqual([chat.conversation("c")?.id, chat.error], ["c", null]);
});

test("the whole list is read also when a part of it is being read", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const { chat, api } = await startChat(t);
  api.answers["GET /conversations"] = ({ cursor }) => ({ items: [conversation({ id: cursor ? "d" : "c" })], next: cursor ? null : "x" });
  t.mock.timers.tick(20_000);
  await chat.reload();

  assert.deepEqual(chat.conversations.map(({ id }) => id).sort(), ["c", "d"]);
});

test("at most 200 conversations are subscribed; one that is opened takes the place of the quietest", async (t) => {
  const many = Array.from({ length: 205 }, (_, index) => conversation({ id: `c${index}`, updated_at: at(1000 - index) }));
  const { chat, client } = await startChat(t, { conversations: many });
  assert.equal(client.subscribed.size, 200);
  assert.equal(client.subscribed.has("c204"), false);

  chat.room("c204");

  assert.equal(client.subscribed.size, 200);
  assert.deepEqual([client.subscribed.has("c204"), client.subscribed.has("c199")], [true, false]);
});

test("the room that the page is opened at is followed, however quiet it is, and again with each reading of the list", async (t) => {
  const many = Array.from({ length: 205 }, (_, index) => conversation({ id: `c${index}`, updated_at: at(1000 - index) }));
  const { chat, client, api } = await startChat(t, { answers: { "GET /conversations": offline() } });
  chat.room("c204");
  api.answers["GET /conversations"] = { items: many, next: null };
  await chat.reload();
  assert.deepEqual([client.subscribed.size, client.subscribed.has("c204"), client.subscribed.has("c198")], [200, true, true]);

  const before = [...client.subscribed.keys()];
  await chat.reload();
  assert.deepEqual([...client.subscribed.keys()], before);
});

test("writing to somebody again is not asked for as a new conversation", async (t) => {
  const direct = conversation({ kind: "direct", participants: [{ user_id: ME.id }, OTHER] });
  const answers = { "POST /conversations/direct": ({ user_id }) => conversation({ id: `with-${user_id}`, kind: "direct" }) };
  const { chat, api } = await startChat(t, { answers, conversations: [direct, conversation({ id: "group" })] });

  assert.equal((await chat.direct("other")).id, "c");
  assert.equal(api.asked.includes("POST /conversations/direct"), false);
  assert.equal((await chat.direct("third")).id, "with-third");
  assert.equal((await chat.direct(ME.id)).id, "with-me");
});

test("one that is no conversation of mine is shown as removed", async (t) => {
  const { chat } = await startChat(t);
  const room = chat.room("unknown");
  await settled();

  assert.deepEqual([room.removed, room.loading, room.error.code], [true, false, "not_found"]);
});

test("signing out empties the list, the rooms and the cache", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { chat, client, memory, session } = await startChat(t);
  chat.room("c").send("never").catch(() => {});
  client.tell("entry", said(1));
  await settled();

  session.become(null);
  await settled();
  t.mock.timers.tick(1000);

  assert.deepEqual([chat.conversations, chat.me, client.state], [[], null, "stopped"]);
  assert.deepEqual([memory.conversations.size, memory.logs.size, memory.outbox.size], [0, 0, 0]);
});

test("a send that signing out cuts off is not marked as failed for whoever signs in next", async (t) => {
  const { chat, client, memory } = await startChat(t);
  const cut = assert.rejects(chat.room("c").send("a"), { code: "offline" });
  await settled();
  chat.stop();
  await cut;

  assert.deepEqual([client.commands.length, [...memory.outbox.values()][0].error], [0, null]);
});

test("the connection is offline only after a second attempt failed", async (t) => {
  const { chat, client } = await startChat(t);
  const told = [];
  chat.on("connection", () => told.push(chat.connection));

  for (const state of ["waiting", "connecting", "waiting", "connecting", "waiting", "open"]) client.become(state);

  assert.deepEqual(told, ["connecting", "offline", "online"]);
});

test("when it is the API that asks to wait, nobody is said to be offline", async (t) => {
  const { chat, client, session } = await startChat(t);
  const told = [];
  chat.on("connection", () => told.push(chat.connection));
  session.ticket = async () => {
    throw refusal("throttled", 7);
  };
  await assert.rejects(client.ticket(), { code: "throttled" });
  for (const state of ["waiting", "connecting", "waiting"]) client.become(state);
  session.ticket = async () => ({ url: "ws://example.com/ws", ticket: "t" });
  await client.ticket();
  client.become("open");

  assert.deepEqual(told, ["throttled", "online"]);
});

test("a page that nobody looks at asks for no presence until somebody does", async (t) => {
  globalThis.document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  t.after(() => delete globalThis.document);
  const many = Array.from({ length: 8 }, (_, index) => conversation({ id: `c${index}`, kind: "direct", updated_at: at(9 - index) }));
  const { chat, api } = await startChat(t, { conversations: many });
  chat.room("c0");
  await settled();
  const asked = () => api.asked.filter((path) => !path.endsWith("/conversations"));
  assert.deepEqual(asked(), []);

  document.visibilityState = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  await settled();
  const presences = [0, 1, 2, 3, 4].map((index) => `GET /conversations/c${index}/presence`);
  assert.deepEqual(asked().sort(), ["GET /conversations/c0/participants", ...presences]);
});

test("what is not sent is counted, also of rooms that were not opened again", async (t) => {
  const memory = new Memory();
  const before = await startChat(t, { memory, conversations: [conversation(), conversation({ id: "d" })] });
  for (const id of ["c", "d", "d"]) before.chat.room(id).send("soon").catch(() => {});
  await settled();
  assert.equal(before.chat.unsent, 3);
  before.chat.stop();

  const { chat } = await startChat(t, { memory, isOnline: false, answers: { "GET /conversations": offline() } });
  assert.equal(chat.unsent, 3);
});

test("a room that nobody looks at keeps what is new", async (t) => {
  const { chat, client } = await startChat(t);
  const room = chat.room("c");
  const off = room.on("change", () => {});
  await settled();
  const say = (from, to) => {
    for (let seq = from; seq <= to; seq += 1) client.tell("entry", said(seq));
  };
  say(1, 500);
  assert.equal(room.items.length, 500);

  off();
  assert.deepEqual([room.items.length, room.items[0].message.seq, room.hasEarlier], [200, 301, true]);
  say(501, 701);
  assert.deepEqual([room.items.length, room.items[0].message.seq, room.items.at(-1).message.seq], [200, 502, 701]);
});

test("a server that was restored from a backup replaces what is shown", async (t) => {
  const { chat, client, api } = await startChat(t);
  const room = chat.room("c");
  for (const seq of [1, 2, 3]) client.tell("entry", said(seq));
  await settled();

  api.answers["GET /conversations"] = { items: [conversation({ last_seq: 2, last_message: message(2), unread_count: 2 })], next: null };
  client.tell("page", { conversation_id: "c", messages: [message(1), message(2)], through: 2, role: "member" });
  client.tell("entry", said(3, { content: "another" }));
  await settled();

  assert.deepEqual(shown(room), ["sent:m1", "sent:m2", "sent:another"]);
  assert.equal(chat.conversation("c").last_message.content, "another");
});
