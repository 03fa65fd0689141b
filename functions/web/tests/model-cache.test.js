import assert from "node:assert/strict";
import { test } from "node:test";
import { Cache } from "../client/app/cache.js";

/** As the browser has it: keys are properties, methods are not. */
class Storage {
  removeItem(key) {
    delete this[key];
  }
}

test("drafts go with the rest, also where there is no IndexedDB", async (t) => {
  globalThis.sessionStorage = Object.assign(new Storage(), { "chat.draft.me.c": "half a", other: "stays" });
  t.after(() => delete globalThis.sessionStorage);

  await new Cache().clear();

  assert.deepEqual(Object.keys(sessionStorage), ["other"]);
});
