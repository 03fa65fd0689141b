/**
 * However much goes wrong between them, in the end the client has given exactly the server's log, each entry once and
 * in order, and everything it sent is in the log once. `SEED` runs one seed, `SEEDS` so many.
 */
import assert from "node:assert/strict";
import { test } from "node:test";

import { ChatClient } from "../client/client.js";
import { Clock } from "./support/clock.js";
import { Server, chance } from "./support/server.js";

const CONVERSATIONS = ["a", "b", "c"];
const SECOND = 1000;
const seeds = process.env.SEED
  ? [Number(process.env.SEED)]
  : Array.from({ length: Number(process.env.SEEDS ?? 40) }, (_, number) => number + 1);

/** Half an hour of people writing and of things going wrong, and then five minutes in which all must come right. */
async function run(seed) {
  const clock = new Clock();
  const random = chance(seed);
  const server = new Server(clock, random, CONVERSATIONS);
  // What was there before: only its newest page is asked for.
  for (let entry = 0; entry < 30; entry += 1) server.write("a");
  const client = new ChatClient({ ticket: server.ticket, WebSocket: server.WebSocket, random, clock, me: () => "me" });
  const given = Object.fromEntries(CONVERSATIONS.map((id) => [id, []]));
  const sent = [];
  const faults = [];
  client.on("entry", (entry) => given[entry.conversation_id].push(entry));
  client.on("page", ({ conversation_id, messages, through }) => {
    if (given[conversation_id].length) faults.push(`a page of ${conversation_id} that replaces what was known`);
    const types = (item) => (item.type ? item : { type: "message", ...item, message: item });
    given[conversation_id] = messages.map((item) => ({ ...types(item), seq: item.seq }));
    if (messages.at(-1).seq !== through) faults.push(`a page of ${conversation_id} that is not whole`);
  });
  client.on("ended", ({ conversation_id }) => faults.push(`${conversation_id} has ended`));
  client.on("unauthenticated", () => faults.push("the session is over"));
  client.subscribe("a", null);
  client.subscribe("b", 0);
  client.start();

  for (let second = 0; second < 1800; second += 1) {
    await clock.advance(SECOND);
    if (second === 60) client.subscribe("c", 0);
    if (random() < 0.2) server.write(CONVERSATIONS[Math.floor(random() * 3)], random() < 0.7 ? "message" : "reaction");
    if (random() < 0.1) {
      const id = CONVERSATIONS[Math.floor(random() * 3)];
      const content = `mine ${sent.length}`;
      const one = { id, content, answer: null };
      sent.push(one);
      void client.send(id, content).then((answer) => (one.answer = answer));
    }
    if (random() < 0.01) server.cut();
    if (random() < 0.01) server.forget();
    if (random() < 0.01) client.retryNow();
  }
  server.calmDown();
  await clock.advance(5 * 60 * SECOND);
  client.stop();
  return { server, given, sent, faults };
}

test(`${seeds.length} seeds: the log, each entry once and in order, and every send once`, async () => {
  const happened = {};
  for (const seed of seeds) {
    const { server, given, sent, faults } = await run(seed);
    const at = `with SEED=${seed}`;
    assert.deepEqual(faults, [], at);
    for (const [id, log] of server.logs) {
      const shown = (entry) => `${entry.seq} ${entry.type} ${entry.message?.content ?? ""}`;
      assert.deepEqual(given[id].map(shown), log.slice(given[id][0].seq - 1).map(shown), `${id} ${at}`);
      const mine = (messages) => messages.filter((content) => content?.startsWith("mine"));
      const contents = mine(log.map(({ message }) => message?.content));
      assert.deepEqual(contents, sent.filter((one) => one.id === id).map((one) => one.content), `sent to ${id} ${at}`);
    }
    for (const { id, content, answer } of sent) {
      assert.ok(answer, `${content} was not answered ${at}`);
      assert.equal(server.logs.get(id)[answer.message.seq - 1].message.content, content, at);
    }
    for (const [fault, times] of Object.entries(server.faults)) happened[fault] = (happened[fault] ?? 0) + times;
  }
  const kinds = ["batched", "cut", "doubled", "forgotten", "lagged", "lost", "never opened", "no ticket", "platform",
    "refused", "slow", "unavailable", "unheard"];
  if (seeds.length > 1) assert.deepEqual(Object.keys(happened).sort(), kinds);
});
