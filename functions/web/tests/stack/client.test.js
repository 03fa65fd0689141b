/** The realtime client and a running stack, whose address is in `CHAT_URL`; its throttles must be off. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { call, clientOf, person, until } from "./people.js";

/** Two people who have a conversation, both with a client that follows it from its beginning. */
async function twoPeople(context) {
  const [ada, bob] = [await person("Ada"), await person("Bob")];
  const { id } = await ada.call("POST", "/api/v1/conversations", { name: "room", participant_ids: [bob.id] });
  const both = [clientOf(ada), clientOf(bob)];
  context.after(() => both.forEach(({ close }) => close()));
  for (const { client } of both) {
    client.subscribe(id, 0);
    client.start();
  }
  return { id, ada: { ...ada, ...both[0] }, bob: { ...bob, ...both[1] } };
}

const seqs = ({ told }) => told.entry.map(({ seq }) => seq);
const upTo = (last) => Array.from({ length: last }, (_, number) => number + 1);

test("somebody who was away while messages and an edit came has exactly the room when back", async (context) => {
  const { id, ada, bob } = await twoPeople(context);
  const first = await ada.client.send(id, "before");
  await until("Bob has it", () => seqs(bob).includes(first.message.seq));

  bob.network.down = true;
  bob.network.cut();
  await until("Bob is away", () => bob.client.state !== "open");
  for (const content of ["one", "two", "three"]) await ada.client.send(id, content);
  await ada.client.edit(id, first.message.id, "before, edited");
  await ada.client.react(id, first.message.id, "👍", true);
  const last = first.message.seq + 5;
  await until("Ada has all", () => seqs(ada).at(-1) === last);
  assert.equal(seqs(bob).at(-1), first.message.seq);
  bob.network.down = false;
  bob.client.retryNow();
  await until("Bob has all", () => seqs(bob).at(-1) === last);

  for (const one of [ada, bob]) {
    assert.deepEqual(seqs(one), upTo(last));
    const types = one.told.entry.map(({ type }) => type).slice(-5);
    assert.deepEqual(types, ["message", "message", "message", "message.updated", "reaction"]);
  }
  const { items } = await bob.call("GET", `/api/v1/conversations/${id}/messages`);
  assert.equal(items[0].content, "before, edited");
  const contents = bob.told.entry.filter(({ type }) => type === "message").map(({ message }) => message.content);
  assert.deepEqual(contents, ["before", "one", "two", "three"]);
});

test("what both send while their connections are cut again and again is there once, in the order it was sent", async (context) => {
  const { id, ada, bob } = await twoPeople(context);
  const texts = (who) => Array.from({ length: 25 }, (_, number) => `${who} ${number}`);
  const cutting = setInterval(() => {
    for (const { network, client } of [ada, bob]) {
      if (Math.random() < 0.5) network.cut();
      client.retryNow();
    }
  }, 50);
  context.after(() => clearInterval(cutting));

  const sends = (one, who) =>
    texts(who).map(async (content, number) => {
      await new Promise((resolve) => setTimeout(resolve, number * 40));
      return one.client.send(id, content);
    });
  const answers = await Promise.all([...sends(ada, "Ada"), ...sends(bob, "Bob")]);
  clearInterval(cutting);
  const last = Math.max(...answers.map(({ message }) => message.seq));
  for (const one of [ada, bob]) await until("all is there", () => seqs(one).at(-1) === last);

  const { items } = await ada.call("GET", `/api/v1/conversations/${id}/messages?limit=100`);
  const shown = ({ seq, content }) => `${seq} ${content}`;
  assert.equal(items.length, 50);
  for (const who of ["Ada", "Bob"]) {
    const own = items.map(({ content }) => content).filter((content) => content.startsWith(who));
    assert.deepEqual(own, texts(who));
  }
  for (const one of [ada, bob]) {
    assert.deepEqual(seqs(one), upTo(last));
    const messages = one.told.entry.filter(({ type }) => type === "message");
    assert.deepEqual(messages.map(({ message }) => shown(message)), items.map(shown));
  }
  const drops = [ada, bob].map(({ told }) => told.state.filter((state) => state === "open").length);
  assert.ok(drops.every((times) => times > 2), `opened ${drops} times`);
});

test("the first page comes first, and what follows it after that", async (context) => {
  const { id, ada } = await twoPeople(context);
  for (let number = 0; number < 60; number += 1) {
    await ada.call("POST", `/api/v1/conversations/${id}/messages`, { content: `number ${number}` });
  }
  const late = clientOf(ada);
  context.after(late.close);
  late.client.subscribe(id, null);
  late.client.start();
  await until("the page is there", () => late.told.page.length);
  const { messages, through, role } = late.told.page[0];
  assert.equal(messages.length, 50);
  assert.equal(messages.at(-1).seq, through);
  assert.equal(role, "admin");
  const { message } = await late.client.send(id, "one more");
  await until("it is an entry", () => late.told.entry.length);
  assert.equal(message.seq, through + 1);
  assert.deepEqual(late.told.entry[0].message, message);
});

test("more than one answer holds comes whole", async (context) => {
  const { id, ada, bob } = await twoPeople(context);
  const metadata = { padding: "x".repeat(3000) };
  for (let number = 0; number < 120; number += 1) {
    await ada.call("POST", `/api/v1/conversations/${id}/messages`, { content: `number ${number}`, metadata });
  }
  const late = clientOf(bob);
  context.after(late.close);
  late.client.subscribe(id, 0);
  late.client.start();
  await until("all is there", () => late.told.entry.length >= ada.told.entry.length && late.told.entry.length > 119);
  assert.deepEqual(seqs(late), upTo(late.told.entry.at(-1).seq));
});

test("somebody who is removed, a conversation that is deleted, and one that never was, have ended", async (context) => {
  const { id, ada, bob } = await twoPeople(context);
  const nowhere = "01900000-0000-7000-8000-000000000000";
  await until("both follow it", () => ada.client.last(id) !== null && bob.client.last(id) !== null);
  bob.client.subscribe(nowhere, null);
  bob.client.subscribe("no id", null);
  await until("two are refused", () => bob.told.ended.length === 2);
  await ada.call("DELETE", `/api/v1/conversations/${id}/participants/${bob.id}`);
  await until("Bob knows", () => bob.told.ended.length === 3);
  await ada.call("DELETE", `/api/v1/conversations/${id}`);
  await until("Ada knows", () => ada.told.ended.length === 1);

  const ended = new Map(bob.told.ended.map(({ conversation_id, why }) => [conversation_id, why]));
  // Where the push of it is lost, the next question tells.
  assert.ok(["removed", "gone"].includes(ended.get(id)), ended.get(id));
  ended.delete(id);
  assert.deepEqual(ended, new Map([[nowhere, "gone"], ["no id", "refused"]]));
  assert.equal(ada.told.ended.length, 1);
  assert.equal(ada.told.ended[0].conversation_id, id);
  assert.ok(["deleted", "gone"].includes(ada.told.ended[0].why), ada.told.ended[0].why);
  assert.equal(bob.client.state, "open");
});

test("what is refused says why", async (context) => {
  const { id, ada } = await twoPeople(context);
  await assert.rejects(ada.client.send(id, " "), { code: "INVALID_CONTENT" });
  await assert.rejects(ada.client.send(id, "x".repeat(2001)), { code: "CONTENT_TOO_LONG" });
  await assert.rejects(ada.client.edit(id, "999-0", "x"), { code: "NOT_FOUND" });
});

test("signing out ends it", async (context) => {
  const { bob } = await twoPeople(context);
  await until("Bob is there", () => bob.client.state === "open");
  await call("POST", "/api/v1/auth/logout", bob.token, {});
  await until("it is over", () => bob.told.unauthenticated.length === 1);
  assert.equal(bob.client.state, "stopped");
});
