// The reference shows all that the two documents say, and the table of other backends' conventions names only what exists.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ChatClient } from "../client/client.js";
import { bodyOf, curl, exampleOf, tuned } from "../client/docs/example.js";
import { operationId, operationsOf } from "../client/docs/http.js";
import { matches, reference } from "../client/docs/reference.js";
import { fieldsOf, limitsOf, resolve, rows, schemaId, structure, typeOf } from "../client/docs/schema.js";
import { e, prose, textOf, walk } from "../client/docs/tree.js";

const DOCUMENTS = new URL("../documents/", import.meta.url);

const read = (url) => readFileSync(url, "utf8");
const openapi = JSON.parse(read(new URL("openapi.json", DOCUMENTS)));
const asyncapi = JSON.parse(read(new URL("asyncapi.json", DOCUMENTS)));
const page = read(new URL("../client/docs.html", import.meta.url));

const model = reference(openapi, asyncapi, "https://chat.example.com");
const whole = e("div", null, Object.values(model).flatMap(({ about, groups }) => [about, groups.map(({ tree }) => tree)]));
const nodes = [...walk(whole)].filter((node) => typeof node !== "string");
const byId = new Map(nodes.filter(({ props }) => props.id).map((node) => [node.props.id, node]));

const plain = (text) => text.replaceAll("`", "").replace(/\s+/g, " ").trim();
const textById = (id) => {
  assert.ok(byId.has(id), `nothing has the id ${id}`);
  return plain(textOf(byId.get(id)));
};
const says = (id, text) => assert.ok(textById(id).includes(plain(String(text))), `${id} does not say: ${text}`);
const fieldNames = (id) => {
  const names = [...walk(byId.get(id))].filter((node) => node.props?.class === "field-name");
  return names.map((node) => plain(textOf(node.children[0])));
};

test("every operation is shown with all that it takes and answers", () => {
  const operations = operationsOf(openapi);
  assert.equal(operations.length, Object.values(openapi.paths).flatMap(Object.keys).length);
  for (const { method, path, operation } of operations) {
    const id = operationId(operation);
    says(id, `${method.toUpperCase()} ${path}`);
    says(id, operation.summary);
    says(id, operation.description ?? "");
    says(id, operation.operationId);
    for (const parameter of operation.parameters) {
      assert.ok(fieldNames(id).includes(parameter.name), `${id} lacks ${parameter.name}`);
      says(id, parameter.description ?? "");
    }
    for (const [type, { schema }] of Object.entries(operation.requestBody?.content ?? {})) {
      says(id, type);
      for (const { name } of fieldsOf(resolve(openapi, schema).schema)) {
        assert.ok(fieldNames(id).includes(name), `${id} lacks ${name}`);
      }
    }
    for (const [status, response] of Object.entries(operation.responses)) {
      assert.ok(fieldNames(id).includes(status), `${id} lacks ${status}`);
      const { schema } = resolve(openapi, response);
      says(id, schema.description);
      if (response.$ref) continue;
      for (const name of Object.keys(schema.headers ?? {})) assert.ok(fieldNames(id).includes(name), `${id} lacks ${name}`);
      for (const type of Object.keys(schema.content ?? {})) says(id, type);
    }
    for (const scheme of (operation.security ?? []).flatMap((one) => Object.entries(one)).flat(2)) says(id, scheme);
  }
});

test("every schema of both documents is defined once, with all its fields", () => {
  for (const { components } of [openapi, asyncapi]) {
    for (const [name, schema] of Object.entries(components.schemas)) {
      says(schemaId(name), name);
      says(schemaId(name), schema.description ?? "");
      for (const field of fieldsOf(schema)) {
        assert.ok(fieldNames(schemaId(name)).includes(field.name), `${name} lacks ${field.name}`);
      }
    }
  }
  assert.equal(byId.size, nodes.filter(({ props }) => props.id).length, "two things have the same id");
});

test("every frame is shown with its direction, fields, answers and examples", () => {
  for (const [key, message] of Object.entries(asyncapi.components.messages)) {
    says(key, key.split(".")[0]);
    says(key, message.name);
    says(key, message.summary);
    for (const { name } of fieldsOf(message.payload)) assert.ok(fieldNames(key).includes(name), `${key} lacks ${name}`);
    for (const { payload } of message.examples ?? []) says(key, JSON.stringify(payload, null, 2));
  }
  for (const [name, { messages, reply, summary }] of Object.entries(asyncapi.operations)) {
    for (const { $ref } of messages) {
      const key = $ref.split("/").at(-1);
      says(key, name);
      says(key, summary);
      const links = [...walk(byId.get(key))].map((node) => node.props?.href);
      for (const answer of reply?.messages ?? []) assert.ok(links.includes(`#${answer.$ref.split("/").at(-1)}`));
    }
  }
});

/** Every text and number of a document that is not a reference or a word of the specification. */
function* said(value, path = []) {
  if (value === null || typeof value === "boolean") return;
  if (typeof value !== "object") yield { path, value: String(value) };
  else for (const [key, inner] of Object.entries(value)) if (key !== "$ref") yield* said(inner, [...path, key]);
}

/** The id of the entry in which something of a document must be; null if anywhere. */
function placeOf([first, second, third]) {
  if (first === "paths") return operationId(openapi.paths[second][third]);
  if (first !== "components") return null;
  if (second === "schemas") return schemaId(third);
  if (second === "messages") return third;
  return second === "responses" ? `answer-${third}` : null;
}

/** Types have other words in the reference; `action` is the group in which an operation is. */
const isSaidOtherwise = (path) => path.at(-1) === "type" || path.at(-2) === "type" || path.at(-1) === "action";

test("nothing that the documents say is left out, and it is where it belongs", () => {
  const text = new Map();
  for (const [id, node] of [...byId, [null, whole]]) {
    const shown = plain(textOf(node));
    text.set(id, [shown, shown.replaceAll('\\"', '"').replaceAll("\\\\", "\\")]);
  }
  for (const document of [openapi, asyncapi]) {
    for (const { path, value } of said(document)) {
      if (isSaidOtherwise(path)) continue;
      const there = text.get(placeOf(path)).some((one) => one.includes(plain(value)));
      assert.ok(there, `${path.join("/")} is not shown: ${value}`);
    }
  }
});

test("every link within the page leads somewhere", () => {
  const inPage = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(inPage).size, inPage.length);
  const ids = new Set([...inPage, ...byId.keys()]);
  assert.equal(ids.size, inPage.length + byId.size, "an id of the page is one of the reference, too");
  const links = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
  for (const { props } of nodes) if (props.href?.startsWith("#")) links.push(props.href.slice(1));
  for (const id of links) assert.ok(ids.has(id), `#${id} leads nowhere`);
});

const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function rowsOfTable() {
  const tables = [...page.matchAll(/<table class="table stacked coming"[^>]*>.*?<\/table>/gs)].map(([table]) => table);
  return tables.flatMap((table) =>
    [...table.matchAll(/<tr><td>(.*?)<\/td><td>(.*?)<\/td><td>(.*?)<\/td><\/tr>/g)].map((row) => row.slice(1)),
  );
}

test("the table of other conventions names only routes and frames that exist", () => {
  const routes = new Map(operationsOf(openapi).map((one) => [`${one.method.toUpperCase()} ${one.path}`, operationId(one.operation)]));
  const frames = asyncapi.components.messages;
  const pages = ["/admin", "/docs", "/client.js"];
  const cells = rowsOfTable();
  assert.ok(cells.length > 100);
  for (const [there, ...here] of cells) {
    assert.ok(there.includes("<code>") || there.length > 5);
    for (const cell of here) {
      for (const [, href, name] of cell.matchAll(/<a href="([^"]+)"><code>([^<]+)<\/code><\/a>/g)) {
        const target = href.slice(1);
        if (frames[target]) assert.equal(frames[target].name, name);
        else if (name === "/ws") assert.equal(href, "#connection-connection");
        else if (href.startsWith("#")) assert.equal(`#${routes.get(name)}`, href, `${name} is no route`);
        else assert.ok(pages.includes(href) && href === name);
      }
      const unlinked = cell.replace(/<a .*?<\/a>/g, "");
      for (const [, name] of unlinked.matchAll(/<code>(.*?)<\/code>/g)) {
        assert.doesNotMatch(unescape(name), /^((GET|POST|PUT|PATCH|DELETE)\b|\/api|\/oauth)/, "a route is not linked");
        const isFrame = Object.values(frames).some((frame) => frame.name === name && name.includes("."));
        assert.ok(!isFrame, `the frame ${name} is not linked`);
      }
    }
  }
});

test("the error codes of the page are those of the documents", () => {
  const table = page.match(/<section id="errors".*?<\/table>/s)[0];
  const codes = [...table.matchAll(/<code>([A-Z_]+|[a-z_]+)<\/code>/g)].map(([, code]) => code);
  const known = [...openapi.components.schemas.Problem.properties.code.enum, ...asyncapi.components.schemas.ErrorCode.enum];
  for (const code of known) assert.ok(codes.includes(code), `${code} is not in the table`);
});

test("the calls of the client module that the page names exist", () => {
  const calls = page.match(/<section id="client".*?<\/table>/s)[0].matchAll(/<code>(\w+)\(/g);
  const names = [...calls].map(([, name]) => name);
  assert.ok(names.length > 10);
  for (const name of names) assert.equal(typeof ChatClient.prototype[name], "function", `there is no ${name}`);
});

test("a value is said in words", () => {
  const document = { components: { schemas: { Id: { type: "string", format: "uuid" }, Kind: { type: "string", enum: ["a", "b"] } } } };
  const type = (schema) => textOf(e("span", null, typeOf(document, schema)));
  const id = { $ref: "#/components/schemas/Id" };
  assert.equal(type({ type: "string" }), "string");
  assert.equal(type({ type: ["string", "null"], format: "date-time" }), "string or null · date-time");
  assert.equal(type(id), "Id · string · uuid");
  assert.equal(type({ oneOf: [{ ...id, description: "Whose." }, { type: "null" }] }), "Id · string · uuid or null");
  assert.equal(type({ type: "array", items: { $ref: "#/components/schemas/Kind" } }), "list of Kind · a or b");
  assert.equal(type({ type: "object", additionalProperties: { type: "integer" }, propertyNames: { type: "string" } }), "object of integer by string");
});

test("limits are said in words, and keywords that are not known are not dropped", () => {
  const limits = (schema) => limitsOf({ components: { schemas: {} } }, schema).map((limit) => textOf(e("span", null, limit)));
  assert.deepEqual(limits({ type: "string", minLength: 1, maxLength: 64 }), ["1 to 64 characters"]);
  assert.deepEqual(limits({ type: "integer", minimum: 0, default: 50 }), ["at least 0", "50 when left out"]);
  assert.deepEqual(limits({ type: "array", maxItems: 10, items: {} }), ["at most 10 items"]);
  assert.deepEqual(limits({ type: "integer", multipleOf: 5 }), ["multipleOf: 5"]);
  assert.deepEqual(limits({ not: { required: ["type"] } }), ["without type"]);
});

test("fields that are required come first, and what is inside of them is shown", () => {
  const document = { components: { schemas: {} } };
  const inner = { type: "object", required: ["b"], properties: { a: { type: "string" }, b: { type: "object", properties: { c: { type: "string" } } } } };
  assert.deepEqual(fieldsOf(inner).map(({ name }) => name), ["b", "a"]);
  assert.match(textOf(rows(document, fieldsOf(inner))), /b .*required.* c .*string.* a /s);
  assert.match(textOf(e("div", null, structure(document, { type: "array", items: inner }))), / c /);
});

test("a schema that contains itself ends in a link, and its example ends", () => {
  const tree = { type: "object", properties: { inner: { $ref: "#/components/schemas/Tree" } } };
  const document = { components: { schemas: { Tree: tree } } };
  assert.equal(textOf(e("span", null, typeOf(document, tree.properties.inner))), "Tree");
  assert.deepEqual(exampleOf(document, { $ref: "#/components/schemas/Tree" }), { inner: null });
});

test("a request can be pasted: its path is filled in, its body has what is required, quotes are quoted", () => {
  const ids = operationsOf(openapi).map(({ operation }) => operation.operationId);
  for (const id of tuned) assert.ok(ids.includes(id), `${id} is no operation`);
  for (const what of operationsOf(openapi)) {
    const text = curl(openapi, "https://chat.example.com", what);
    assert.match(text, /^curl (-X [A-Z]+ )?"https:\/\/chat\.example\.com\/[^{}"]*"/);
    for (const { schema } of Object.values(what.operation.requestBody?.content ?? {})) {
      const body = bodyOf(openapi, what.operation.operationId, schema);
      for (const name of resolve(openapi, schema).schema.required ?? []) assert.ok(name in body, `${text} lacks ${name}`);
    }
  }
  const operation = { operationId: "x", requestBody: { content: { "application/json": { schema: { type: "object", required: ["a"], properties: { a: { type: "string", examples: ["it's"] } } } } } } };
  assert.match(curl(openapi, "", { method: "post", path: "/x", operation }), /-d '\{"a":"it'\\''s"\}'$/);
});

test("texts of the documents are paragraphs and code, never markup", () => {
  assert.deepEqual(prose("One `two`.\n\n<b>three</b>"), [
    e("p", null, "One ", e("code", null, "two"), "."),
    e("p", null, "<b>three</b>"),
  ]);
});

test("a search finds what has all of its words", () => {
  const words = byId.get("op-send_message").props.dataset.words;
  assert.ok(matches(words, "POST messages"));
  assert.ok(matches(words, "reply_to"));
  assert.ok(matches(words, ""));
  assert.ok(!matches(words, "reply_to nowhere"));
});
