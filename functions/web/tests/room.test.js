// What the room makes of texts and of items, with a document that holds no more than that asks for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { firstBeyond, firstUnread, rowsOf } from "../client/app/rows.js";
import { isEmoji } from "../client/app/reactions.js";
import { linked, listed, marked, shortened } from "../client/app/text.js";
import { message } from "./support/model.js";

globalThis.document = {
  createElement: (tag) => ({
    tag,
    setAttribute(name, value) {
      this[name] = value;
    },
  }),
};

const ME = "me";
const text = (nodes) => nodes.map((node) => node.textContent ?? node).join("");
const links = (words) => linked(words).filter((node) => node.tag === "a").map(({ href }) => href);
const marks = (words, query) => marked(words, query).filter((node) => node.tag === "mark").map(({ textContent }) => textContent);

const start = new Date(2026, 0, 5, 12).getTime();
/** A sent message of somebody, so many minutes after the first. */
const said = (seq, user_id, minutes = 0, more = {}) => ({
  key: `m${seq}`,
  kind: "message",
  state: "sent",
  message: { ...message(seq), user_id, created_at: new Date(start + minutes * 60_000).toISOString(), ...more },
});
const notice = (seq, type, more) => ({
  key: `n${seq}`, kind: "notice", seq, created_at: new Date(start).toISOString(), event: { type, seq, ...more },
});
const keys = (rows) => rows.map(({ key, mark }) => mark ?? key);

test("only http and https become links, without what belongs to the sentence, and the text stays as it is", () => {
  const cases = {
    "See https://example.com/a_(b)/c?d=e, and more.": ["https://example.com/a_(b)/c?d=e"],
    "(http://localhost:8080/docs)": ["http://localhost:8080/docs"],
    "HTTPS://EXAMPLE.COM!": ["HTTPS://EXAMPLE.COM"],
    "javascript:alert(1) data:text/html,x ftp://example.com xhttp://example.com": [],
    "https://": [],
    "<a href=\"https://example.com\">x</a>": ["https://example.com"],
    "https://example.com/\u202egpj.exe": ["https://example.com/"],
    "line\nhttps://example.com\nline": ["https://example.com"],
  };
  for (const [words, expected] of Object.entries(cases)) {
    assert.deepEqual(links(words), expected, words);
    assert.equal(text(linked(words)), words);
  }
  for (const link of linked("https://example.com").filter((node) => node.tag)) {
    assert.deepEqual([link.rel, link.target], ["noopener noreferrer", "_blank"]);
  }
});

test("words that were searched for are marked where the search finds them: whole, the last one also as a beginning", () => {
  assert.deepEqual(marks("The Clock that never ticked, a clockwork", "clock"), ["Clock", "clockwork"]);
  assert.deepEqual(marks("The clock, a clockwork", "clock work"), ["clock"]);
  assert.deepEqual(marks("Zähler zählen", "zähl"), ["Zähler", "zählen"]);
  assert.deepEqual(marks("a.b*c (x)", ".*"), []);
  assert.deepEqual(marks("nothing of that", "clock"), []);
});

test("of a long text what is around the first found word is shown", () => {
  const long = `${"before ".repeat(50)}clock${" after".repeat(50)}`;
  const shown = text(marked(long, "clock"));
  assert.ok(shown.startsWith("… before") && shown.endsWith("…") && shown.includes("clock"));
  assert.ok(shown.length < 220, shown);
  assert.ok(text(marked(`${"x".repeat(500)}-clock`, "clock")).includes("clock"));
});

test("texts are cut between whole characters", () => {
  assert.equal(shortened("🎉🎉🎉", 2), "🎉🎉 …");
  assert.equal(shortened("short", 5), "short");
});

test("names are listed as they are said", () => {
  assert.equal(listed([]), "");
  assert.equal(listed(["Ada"]), "Ada");
  assert.equal(listed(["Ada", "Grace"]), "Ada and Grace");
  assert.equal(listed(["Ada", "Grace", "Alan", "Mary"]), "Ada, Grace, Alan and Mary");
  assert.equal(listed(["Ada", "Grace", "Alan", "Mary", "Noor"]), "Ada, Grace, Alan and 2 more");
});

test("one emoji is one, however many code points it has; nothing else is", () => {
  for (const emoji of ["👍", "❤️", "👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "1️⃣"]) assert.equal(isEmoji(emoji), true, emoji);
  for (const other of ["", "a", "1", "👍👍", "ok 👍", "é"]) assert.equal(isEmoji(other), false, other);
});

test("messages of one person within five minutes belong together, unless something stands between them", () => {
  const items = [
    said(1, "ada"), said(2, "ada", 1), said(3, "ada", 7), said(4, "grace", 8),
    notice(5, "conversation.updated", { conversation: { name: "x" } }), said(6, "grace", 9),
  ];
  const starts = rowsOf(items, ME, null).filter(({ item }) => item?.kind === "message").map((row) => [row.key, row.starts]);
  assert.deepEqual(starts, [["m1", true], ["m2", false], ["m3", true], ["m4", true], ["m6", true]]);
});

test("each day is named once, also when a clock goes back", () => {
  const items = [said(1, "ada"), said(2, "ada", 24 * 60), said(3, "ada", 1), said(4, "ada", 2)];
  assert.deepEqual(keys(rowsOf(items, ME, null)), ["day", "m1", "day", "m2", "m3", "m4"]);
});

test("the newest of one's own that was sent is told from the others", () => {
  const pending = { ...said(null, ME, 3), key: "p", state: "pending" };
  const items = [said(1, ME), said(2, ME, 1), said(3, ME, 2, { deleted_at: "2026-01-05T12:00:00Z" }), pending];
  assert.deepEqual(rowsOf(items, ME, null).filter(({ newest }) => newest).map(({ key }) => key), ["m2"]);
});

test("events of kinds that are not known are left out", () => {
  assert.deepEqual(keys(rowsOf([said(1, "ada"), notice(2, "conversation.painted")], ME, null)), ["day", "m1"]);
});

test("what was missed begins with the first message of others that is there and came after one left", () => {
  const items = [said(1, "a"), said(2, ME), notice(3, "participant.added"), said(4, "a", 0, { deleted_at: "x" }), said(5, "a"), said(6, "b")];
  assert.equal(firstBeyond(items, 1, ME).key, "m5");
  assert.equal(firstBeyond(items, 5, ME).key, "m6");
  assert.equal(firstBeyond(items, 6, ME), null);
});

test("the unread messages begin where as many of the others' were counted, and what came later is not counted", () => {
  const items = [
    said(1, "ada"), said(2, ME), said(3, "ada", 1), said(4, "ada", 2, { deleted_at: "2026-01-05T12:00:00Z" }), said(5, "ada", 3),
    said(6, "ada", 4),
  ];
  const at = (count, through) => {
    const { item, missing } = firstUnread(items, { count, through }, ME);
    return [item?.key ?? null, missing];
  };
  assert.deepEqual(at(0, 5), [null, 0]);
  assert.deepEqual(at(1, 5), ["m5", 0]);
  assert.deepEqual(at(2, 5), ["m3", 0]);
  assert.deepEqual(at(5, 5), ["m1", 2]);
  const { item } = firstUnread(items, { count: 2, through: 5 }, ME);
  assert.deepEqual(keys(rowsOf(items, ME, item)), ["day", "m1", "m2", "unread", "m3", "m4", "m5", "m6"]);
});
