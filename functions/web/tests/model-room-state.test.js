import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomState, withReaction } from "../client/app/room-state.js";
import { ME, deleted, edited, entry, message, said } from "./support/model.js";

const room = (last = 0) => new RoomState("c", ME, last);
const contents = (state) => state.items.map((item) => item.message?.content ?? item.event?.type ?? null);
const send = (client_id, content, error = null) =>
  ({ client_id, conversation_id: "c", content, reply_to: null, created_at: "2026-01-01T00:00:00Z", error });

/** A generator of numbers below 1, the same with each run. */
function numbers(seed) {
  return () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
}

/** A log of all kinds of entries, and what a room that holds all of it shows. */
function history(random) {
  const state = new Map();
  const entries = [];
  const pick = (list) => list[Math.floor(random() * list.length)];
  for (let seq = 1; seq <= 60; seq += 1) {
    const living = [...state.values()].filter((one) => !one.deleted_at);
    const kind = living.length < 3 ? 0 : random();
    if (kind < 0.5) {
      entries.push(said(seq));
      state.set(seq, message(seq));
      continue;
    }
    const target = pick(living);
    if (kind < 0.65) {
      const next = { ...target, content: `e${seq}`, edited_at: entry(seq).created_at };
      state.set(target.seq, next);
      entries.push(entry(seq, "message.updated", { message: next }));
    } else if (kind < 0.75) {
      const next = { ...target, content: null, reactions: [], deleted_at: entry(seq).created_at };
      state.set(target.seq, next);
      entries.push(entry(seq, "message.deleted", { message: next }));
    } else {
      const [user_id, emoji] = [pick(["a", "b"]), pick(["👍", "🎉"])];
      const on = !target.reactions.some((one) => one.emoji === emoji && one.user_ids.includes(user_id));
      state.set(target.seq, withReaction(target, user_id, emoji, on));
      entries.push(entry(seq, "reaction", { message_id: target.id, user_id, emoji, on }));
    }
  }
  return { entries, latest: (seq) => state.get(seq) };
}

const byEmoji = ({ reactions, ...rest }) => ({
  ...rest,
  reactions: reactions.map(({ emoji, user_ids }) => `${emoji} ${[...user_ids].sort()}`).sort(),
});

test("entries, resumed messages in their latest state, and pages of history give the same room in any order", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = numbers(seed);
    const { entries, latest } = history(random);
    const whole = entries.filter(({ type }) => type === "message").map(({ seq }) => latest(seq));
    const joinedAt = Math.floor(random() * 60);
    const state = room(joinedAt);
    let pageAsked = null;
    for (const one of entries.slice(joinedAt)) {
      // Resumed, a message is told in its latest state; its changes follow all the same.
      const isResumed = random() < 0.5;
      state.apply(one.type === "message" && isResumed ? { ...one, message: latest(one.seq) } : one);
      if (!pageAsked && random() < 0.1) {
        state.beginLoad();
        pageAsked = { floor: state.floor, seenThrough: one.seq };
      } else if (pageAsked && random() < 0.3) {
        arrive(pageAsked);
        pageAsked = null;
      }
    }
    if (pageAsked) arrive(pageAsked);
    while (state.hasEarlier) {
      state.beginLoad();
      arrive({ floor: state.floor, seenThrough: 60 });
    }

    assert.deepEqual(state.items.map((item) => byEmoji(item.message)), whole.map(byEmoji), `seed ${seed}`);

    /** A page of at most 5 as the server had it when it was asked. */
    function arrive({ floor, seenThrough }) {
      const replayed = room();
      entries.filter(({ seq }) => seq <= seenThrough).forEach((one) => replayed.apply(one));
      const before = replayed.items.map((item) => item.message).filter(({ seq }) => seq < floor);
      state.merge(before.slice(-5), before.length <= 5);
      state.endLoad();
    }
  }
});

test("an entry that is applied twice shows once", () => {
  const state = room();
  for (const one of [said(1), said(1), edited(2, 1, "new"), edited(2, 1, "new")]) state.apply(one);

  assert.deepEqual(contents(state), ["new"]);
  assert.equal(state.last, 2);
});

test("a tombstone stays in its place and takes no reactions", () => {
  const state = room();
  [said(1), said(2), deleted(3, 1), entry(4, "reaction", { message_id: "1-0", user_id: "a", emoji: "👍", on: true })].forEach((one) =>
    state.apply(one));

  assert.deepEqual(contents(state), [null, "m2"]);
  assert.deepEqual(state.items[0].message.reactions, []);
});

test("one's own send is one item with one key, whether its entry or its ack comes first", () => {
  const mine = message(1, { user_id: ME.id, client_id: "k", content: "hello" });
  const byEntry = room();
  byEntry.addSend(send("k", "hello"));
  const pending = byEntry.items;
  byEntry.apply(said(1, mine));
  byEntry.put(mine);
  byEntry.dropSend("k");
  const byAck = room();
  byAck.addSend(send("k", "hello"));
  byAck.put(mine);
  byAck.dropSend("k");
  byAck.apply(said(1, mine));

  assert.deepEqual(pending.map(({ key, state }) => [key, state]), [["k", "pending"]]);
  for (const state of [byEntry, byAck]) {
    assert.deepEqual(state.items.map(({ key, state: is, message: { seq } }) => [key, is, seq]), [["k", "sent", 1]]);
  }
});

test("another's message with the client_id of one's own send is another message", () => {
  const state = room();
  state.addSend(send("k", "mine"));
  state.apply(said(1, { client_id: "k" }));

  assert.deepEqual(contents(state), ["m1", "mine"]);
});

test("pending and failed sends come last, in the order they were written", () => {
  const state = room();
  state.addSend(send("a", "first"));
  state.addSend(send("b", "second"));
  state.failSend("a", { code: "invalid", detail: "No." });
  state.apply(said(1));
  state.apply(said(2));

  assert.deepEqual(contents(state), ["m1", "m2", "first", "second"]);
  assert.deepEqual(state.items.slice(2).map((item) => item.state), ["failed", "pending"]);
});

test("a reset page replaces what was known, but not what is not sent", () => {
  const state = room();
  [said(1), said(2), said(3)].forEach((one) => state.apply(one));
  state.addSend(send("a", "mine"));
  state.replace({ messages: [message(1), entry(2, "participant.added", { participant: {} })], through: 2 });

  assert.deepEqual(contents(state), ["m1", "participant.added", "mine"]);
  assert.equal(state.last, 2);
});

test("an item that nothing changed is the same object", () => {
  const state = room();
  [said(1), said(2)].forEach((one) => state.apply(one));
  const [before] = state.items;
  state.apply(edited(3, 2, "new"));

  assert.equal(state.items[0], before);
});

test("the log outlives the cache: the newest 200 items, and that there are earlier ones", () => {
  const state = room();
  for (let seq = 1; seq <= 250; seq += 1) state.apply(seq % 10 ? said(seq) : entry(seq, "conversation.updated", { conversation: { name: "x" } }));
  state.read("other", 249);
  const restored = room();
  restored.restore(structuredClone(state.toLog()));

  assert.deepEqual(restored.items, state.items.slice(-200));
  assert.equal(restored.last, 250);
  assert.equal(restored.hasEarlier, true);
  assert.deepEqual(restored.readBy(249), ["other"]);
});

test("read pointers move forward only, and my own is nobody's receipt", () => {
  const state = room();
  state.read("other", 5);
  state.read("other", 3);
  state.read(ME.id, 9);

  assert.deepEqual(state.readBy(5), ["other"]);
  assert.deepEqual(state.readBy(6), []);
});
