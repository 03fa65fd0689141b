import assert from "node:assert/strict";
import { test } from "node:test";
import { address, parse } from "../client/app/router.js";

test("the address of a conversation, and of a message in it, leads to it", () => {
  assert.deepEqual(parse(address.conversation("a-1")), { name: "conversation", id: "a-1", messageId: undefined, query: "" });
  assert.deepEqual(parse(address.conversation("a-1", "7-0")), { name: "conversation", id: "a-1", messageId: "7-0", query: "" });
});

test("what is searched for may hold anything", () => {
  assert.deepEqual(parse(address.search("50 % & #1/2?")), { name: "search", query: "50 % & #1/2?" });
});

test("an address of nothing is the list", () => {
  for (const hash of ["", "#", "#/", "#/c", "#/c/", "#/else"]) assert.equal(parse(hash).name, "list", hash);
  for (const hash of ["#/c/a", "#/c/a/m", "#/c/a/m/", "#/c/a/else/b"]) assert.equal(parse(hash).messageId, undefined, hash);
});

test("an address leads to no other path of the API", () => {
  for (const id of ["..%2Fusers%2Fx", "..", ".", "a%3Fb", "a%23b", "a%5Cb", "%2e%2e", "%zz"]) {
    assert.equal(parse(`#/c/${id}`).name, "list", id);
    assert.equal(parse(`#/c/a/m/${id}`).messageId, undefined, id);
  }
});
