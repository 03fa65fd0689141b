// The parts of the room that hold something: names, and where one writes; with elements that do no more than they are asked here.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { duration } from "../client/app/format.js";
import { conversation, message } from "./support/model.js";

class Element extends EventTarget {
  attributes = new Map();
  children = [];
  dataset = {};
  value = "";
  hidden = false;
  style = { setProperty: () => {} };
  classList = { toggle: () => {} };

  append(...children) {
    this.children.push(...children);
  }

  replaceChildren(...children) {
    this.children = children;
  }

  setAttribute(name, value) {
    this.attributes.set(name, value);
    if (name === "hidden") this.hidden = true;
  }

  removeAttribute(name) {
    this.attributes.delete(name);
  }

  setSelectionRange() {}

  showPopover() {}

  matches() {
    return false;
  }

  remove() {}

  focus() {
    page.activeElement = this;
  }

  set disabled(isDisabled) {
    this.isDisabled = isDisabled;
    if (isDisabled && page.activeElement === this) page.activeElement = page.body;
  }

  get disabled() {
    return Boolean(this.isDisabled);
  }
}

const page = { body: new Element(), createElement: () => new Element(), createElementNS: () => new Element(), querySelector: () => null };
const kept = new Map();

beforeEach(() => {
  page.activeElement = page.body;
  kept.clear();
  Object.assign(globalThis, {
    document: page,
    matchMedia: () => ({ matches: false }),
    CSS: { supports: () => true },
  });
  const sessionStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  Object.defineProperty(globalThis, "sessionStorage", { value: sessionStorage, configurable: true });
});
afterEach(() => {
  delete globalThis.document;
  delete globalThis.sessionStorage;
});

const { Composer } = await import("../client/app/composer.js");
const { Names } = await import("../client/app/names.js");
const { createNotice } = await import("../client/app/notice.js");
const { waiting, wording } = await import("../client/app/ui.js");

const [mine, theirs] = [message(1, { user_id: "me", content: "before" }), message(2)];

/** A composer, what its room was told, and how an edit is answered. */
function composing() {
  const room = { id: "c", items: [], sent: [], setTyping: () => {} };
  room.send = async (content, { replyTo }) => room.sent.push({ content, replyTo });
  room.edit = (_, content) => new Promise((resolve, reject) => Object.assign(room, { content, resolve, reject }));
  const composer = new Composer({ room, me: "me", nameOf: () => "Other", lastOwn: () => null, onSent: () => {} });
  const [form] = composer.element.children;
  const [bar, , line] = form.children;
  const [input] = line.children;
  const press = (key, more = {}) => input.dispatchEvent(Object.assign(new Event("keydown", { cancelable: true }), { key, ...more }));
  const submit = () => form.dispatchEvent(new Event("submit", { cancelable: true }));
  const type = (text) => {
    input.value = text;
    input.dispatchEvent(new Event("input"));
  };
  return { composer, room, bar, press, submit, type };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("an edit that comes through late leaves alone what was begun meanwhile", async () => {
  const { composer, room, bar, press, submit, type } = composing();
  composer.edit(mine);
  type("after");
  submit();
  assert.equal(room.content, "after");
  press("Escape");
  composer.reply(theirs);
  type("an answer");
  room.resolve(mine);
  await settled();
  assert.equal(bar.hidden, false);
  submit();
  assert.deepEqual(room.sent, [{ content: "an answer", replyTo: theirs.id }]);
});

test("what one answers or changes is let go of when it is deleted meanwhile", () => {
  const { composer, room, bar, type, submit } = composing();
  composer.reply(theirs);
  room.items = [{ message: theirs }];
  composer.update();
  assert.equal(bar.hidden, false);
  room.items = [{ message: { ...theirs, content: null, deleted_at: theirs.created_at } }];
  composer.update();
  assert.equal(bar.hidden, true);
  type("to everybody");
  submit();
  assert.deepEqual(room.sent, [{ content: "to everybody", replyTo: null }]);
});

test("an edit that comes through ends", async () => {
  const { composer, room, bar, submit, type } = composing();
  composer.edit(mine);
  type("after");
  submit();
  room.resolve(mine);
  await settled();
  assert.equal(bar.hidden, true);
});

test("the Enter that ends a composition sends nothing, in Safari either", () => {
  const { press, room, submit, type } = composing();
  type("にほん");
  press("Enter", { keyCode: 229, isComposing: false });
  press("Enter", { keyCode: 13, isComposing: true });
  assert.deepEqual(room.sent, []);
  press("Enter", { keyCode: 13, isComposing: false });
  assert.equal(room.sent.length, 1);
  submit();
  assert.equal(room.sent.length, 1);
});

test("whoever is removed is still named, as is who was only ever mentioned", () => {
  const room = { conversation: conversation({ participants: [{ user_id: "grace", user_name: "Grace" }] }) };
  const names = new Names(room, "me", () => {});
  names.learn();
  room.conversation = conversation({ participants: [] });
  const around = { me: "me", nameOf: (id, one) => names.of(id, one) };
  const said = (event) => createNotice({ seq: 3, event }, around).children.map((part) => part.textContent ?? part).join("");
  assert.equal(said({ type: "participant.removed", user_id: "grace", by: "me" }), "Grace was removed by you");
  said({ type: "participant.added", participant: { user_id: "ada", user_name: "Ada" } });
  assert.equal(said({ type: "participant.removed", user_id: "ada", by: "ada" }), "Ada left");
});

test("a button that waits gets back the focus that waiting takes, unless it went elsewhere", async () => {
  const [button, other] = [new Element(), new Element()];
  button.focus();
  await assert.rejects(waiting([button, other], () => Promise.reject(new Error("no"))));
  assert.equal(page.activeElement, button);
  assert.equal(button.disabled || other.disabled, false);
  await waiting([button], async () => other.focus());
  assert.equal(page.activeElement, other);
  await waiting([button], async () => {});
  assert.equal(page.activeElement, other);
});

test("only what was throttled is called too much, and long waits are told in minutes", () => {
  assert.equal(wording({ code: "throttled", retryAfter: 1800 }), "Too many of these in a short time. Try again in 30 minutes.");
  assert.equal(wording({ code: "unavailable", retryAfter: 5, detail: "Not now." }), "Not now.");
  assert.deepEqual([0.4, 2, 119, 120, 121].map(duration), ["1 second", "2 seconds", "119 seconds", "2 minutes", "3 minutes"]);
});

test("dates are in English, in the reader's kind of it", async (context) => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  context.after(() => Object.defineProperty(globalThis, "navigator", before));
  const read = async (...languages) => {
    Object.defineProperty(globalThis, "navigator", { value: { languages }, configurable: true });
    return (await import(`../client/app/format.js?${languages}`)).day("2020-11-03T12:00:00Z");
  };
  assert.equal(await read("de-DE"), "3 November 2020");
  assert.equal(await read("de-DE", "en-US"), "November 3, 2020");
});
