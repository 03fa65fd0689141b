// What the admin pages say of the API's names and codes, and what they make of figures.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Samples } from "../client/admin/samples.js";
import { points } from "../client/admin/sparkline.js";
import { device } from "../client/app/device.js";
import { apart, deed, grants, lineProblems, shortId } from "../client/admin/words.js";

const reference = readFileSync(new URL("../../../API.md", import.meta.url), "utf8");

/** The actions that the reference lists, in its row of the audit trail; ".changed" goes on from the one before. */
function actions() {
  const row = reference.split("\n").find((line) => line.includes("`GET /api/v1/admin/audit`"));
  const listed = [...row.split("actions are")[1].matchAll(/`([a-z_.]+)`/g)].map(([, name]) => name);
  let before = "";
  return listed.map((name) => {
    if (!name.startsWith(".")) before = name.slice(0, name.lastIndexOf("."));
    return name.startsWith(".") ? `${before}${name}` : name;
  });
}

test("every action of the reference is said in words", () => {
  const listed = actions();
  assert.ok(listed.includes("user.role") && listed.includes("oauth_client.deleted"), listed.join());

  for (const action of listed) {
    const { what, on } = deed({ action, details: {} });

    assert.notEqual(what, action);
    assert.match(what, /^[A-Z][A-Za-z ]+$/);
    const kinds = { user: "user", conversation: "conversation", channel: "conversation", oauth_client: "client" };
    assert.equal(on, kinds[action.split(".")[0]], action);
  }
});

test("details are said in words, and those that nobody expects as they are", () => {
  const of = (action, details) => deed({ action, details });

  assert.equal(of("user.role", { from: "user", to: "admin" }).what, "Made an admin");
  assert.deepEqual(of("user.role", { from: "user", to: "admin" }).details, [{ text: "Was a member" }]);
  assert.equal(of("user.role", { from: "admin", to: "user" }).what, "Made a member");
  assert.deepEqual(of("user.signed_out", { sessions: 1 }).details, [{ text: "1 session" }]);
  assert.deepEqual(of("user.signed_out", { sessions: 0 }).details, [{ text: "0 sessions" }]);
  assert.deepEqual(of("channel.participant.added", { user_id: "u1" }).details, [{ text: "", user: "u1" }]);
  assert.deepEqual(of("user.disabled", { why: "spam", times: 2 }).details, [{ text: "why: spam" }, { text: "times: 2" }]);
});

test("an action that is not known is shown by its name", () => {
  assert.deepEqual(deed({ action: "user.renamed", details: { to: "x" } }), {
    what: "user.renamed",
    on: null,
    details: [{ text: "to: x" }],
  });
});

test("every way to get tokens that the reference lists has a name", () => {
  const row = reference.split("\n").find((line) => line.includes("`GET, POST /api/v1/admin/oauth-clients`"));
  const listed = [...row.split("(of ")[1].split(";")[0].matchAll(/`([a-z_]+)`/g)].map(([, name]) => name);

  assert.deepEqual(Object.keys(grants).sort(), listed.sort());
});

test("what is wrong with an entry of a list is said of the list", () => {
  assert.deepEqual(
    lineProblems({ "redirect_uris[1]": "must be https", "redirect_uris[2]": "must be shorter", name: "is required" }),
    { redirect_uris: "entry 2 must be https", name: "is required" },
  );
});

test("devices are told by browser and system", () => {
  const windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
  const webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";

  for (const [agent, words] of [
    [`${windows} ${webkit} Chrome/131.0.0.0 Safari/537.36`, "Chrome on Windows"],
    [`${windows} ${webkit} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0`, "Edge on Windows"],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1", "Safari on iPhone"],
    ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", "Safari on macOS"],
    [`Mozilla/5.0 (Linux; Android 14; Pixel 8) ${webkit} Chrome/131.0.0.0 Mobile Safari/537.36`, "Chrome on Android"],
    ["curl/8.9.1", "curl"],
    ["Importer (+https://importer.example)", "Importer"],
    ["", "Unknown device"],
    [null, "Unknown device"],
  ]) {
    assert.equal(device(agent), words);
  }
});

test("ids are told apart by their ends", () => {
  assert.equal(shortId("01890a5d-ac96-774b-bcce-b302099a8057"), "…099a8057");
  assert.equal(shortId("12"), "12");
});

test("a line goes from the lowest to the highest value, and is level where there is no difference", () => {
  assert.deepEqual(points([1, 3, 2], 100, 10), [[0, 10], [50, 0], [100, 5]]);
  assert.deepEqual(points([4, 4], 100, 10), [[0, 5], [100, 5]]);
  assert.deepEqual(points([4], 100, 10), [[0, 5], [100, 5]]);
});

test("samples tell what has changed since the first, and how fast it goes lately", () => {
  const samples = new Samples();
  const entries = (stats) => stats.log_entries;
  assert.equal(samples.last, null);
  assert.equal(samples.since, null);

  samples.add({ log_entries: 10 }, 0);
  assert.equal(samples.change(entries), 0);
  assert.equal(samples.perMinute(entries, 5), null);

  samples.add({ log_entries: 40 }, 600_000);
  samples.add({ log_entries: 50 }, 660_000);
  assert.equal(samples.change(entries), 40);
  assert.equal(samples.perMinute(entries, 5), 10);
  assert.deepEqual(samples.values(entries), [10, 40, 50]);
});

test("of very many samples the first stays", () => {
  const samples = new Samples();
  for (let at = 0; at < 1_000; at += 1) samples.add({ users: at }, at);

  assert.equal(samples.values((stats) => stats.users).length, 720);
  assert.equal(samples.since, 0);
  assert.equal(samples.change((stats) => stats.users), 999);
});

test("a name does not turn the sentence around that it stands in", () => {
  assert.equal(apart("Ada Lovelace"), "Ada Lovelace");
  assert.equal(apart("\u202Eevil\u2069"), "evil");
  assert.equal(apart("\u05e9\u05dc\u05d5\u05dd"), "\u2068\u05e9\u05dc\u05d5\u05dd\u2069");
});
