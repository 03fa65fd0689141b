// The HTTP API, of the OpenAPI document.
import { curl, exampleOf } from "./example.js";
import { exampleBlock, fieldsOf, limitsOf, nameOf, resolve, rows, schemaId, structure, typeOf } from "./schema.js";
import { block, code, e, edition, entry, group, joined, line, part, prose } from "./tree.js";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];

export const operationId = (operation) => `op-${operation.operationId}`;
const sharedId = (name) => `answer-${name}`;
const securityId = (name) => `security-${name}`;

/** Every operation: `{method, path, operation}`, with the parameters of its path. */
export function operationsOf(document) {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({
      method,
      path,
      operation: { ...item[method], parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])] },
    })),
  );
}

/** What the document says of itself. */
export function aboutHttp(document) {
  const { info, servers } = document;
  const begin = joined(servers.map(({ url }) => code(url)), ", ");
  return e(
    "div",
    { class: "stack about" },
    prose(info.description),
    e("p", { class: "muted" }, edition(info, "OpenAPI", document.openapi), " Paths begin at ", begin, " of this page's host."),
  );
}

/** A group of entries for each tag. */
export function httpGroups(document, origin) {
  const operations = operationsOf(document);
  return document.tags.map(({ name, description }) => {
    const entries = operations.filter(({ operation }) => operation.tags.includes(name));
    return group(name, description && `${description}.`, entries.map((what) => operationEntry(document, origin, what)));
  });
}

function operationEntry(document, origin, what) {
  const { method, path, operation } = what;
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  const parameters = operation.parameters.map(({ in: where, ...parameter }) => ({ where, ...parameter }));
  const words = [
    method,
    path,
    operation.operationId,
    operation.summary,
    operation.description ?? "",
    ...operation.tags,
    ...parameters.map(({ name }) => name),
    ...bodies.flatMap(([, { schema }]) => Object.keys(resolve(document, schema).schema.properties ?? {})),
    ...answered(document, operation),
    ...Object.keys(operation.responses),
  ];
  return entry(
    operationId(operation),
    { kind: method.toUpperCase(), name: path, summary: operation.summary, level: 4, words },
    prose(operation.description),
    e("p", null, "Who may call: ", callers(operation.security)),
    part(5, "Parameters", rows(document, parameters)),
    bodies.map(([type, { schema }]) => body(document, type, schema, operation.requestBody)),
    part(5, "Request", block(curl(document, origin, what), "the request")),
    part(5, "Answers", e("ul", { class: "fields" }, Object.entries(operation.responses).map((one) => answer(document, one)))),
    e("p", { class: "muted" }, "Operation ", code(operation.operationId), ", tagged ", joined(operation.tags.map(code), ", ")),
  );
}

/** The fields of what is answered, for the filter. */
function answered(document, { responses }) {
  return Object.values(responses).flatMap((response) =>
    Object.values(response.content ?? {}).flatMap(({ schema }) => {
      const { name, schema: target } = resolve(document, schema);
      return [name ?? "", ...Object.keys(target.properties ?? {})];
    }),
  );
}

/** Who may call, of a list of alternatives each of which is enough. */
function callers(security) {
  if (security === undefined || security.length === 0) return ["anyone."];
  const known = security.map((one) => {
    const schemes = Object.entries(one);
    if (schemes.length === 0) return ["anyone"];
    return joined(
      schemes.map(([name, roles]) => [
        "whoever has ",
        e("a", { href: `#${securityId(name)}` }, code(name)),
        roles.length > 0 ? [" with the role ", joined(roles.map((role) => code(role)), ", ")] : [],
      ]),
      " and ",
    );
  });
  return [joined(known, ", or as "), "."];
}

function body(document, type, schema, { required }) {
  const target = resolve(document, schema);
  return part(
    5,
    "Body",
    e(
      "p",
      null,
      target.name ? e("a", { href: `#${schemaId(target.name)}` }, target.name) : typeOf(document, schema),
      ", ",
      code(type),
      required ? ", required" : ", may be left out",
    ),
    prose(target.schema.description),
    rows(document, fieldsOf(target.schema)) ?? structure(document, target.schema),
  );
}

function answer(document, [status, response]) {
  const badge = e("div", { class: "field-name" }, e("code", { class: `status status-${status[0]}` }, status));
  if (response.$ref) {
    const { schema: shared, name } = resolve(document, response);
    const link = e("a", { href: `#${sharedId(name)}` }, name);
    return e("li", null, badge, e("div", { class: "field-what" }, e("p", null, link, ": ", line(shared.description))));
  }
  return e("li", null, badge, e("div", { class: "field-what" }, prose(response.description), contents(document, response)));
}

function contents(document, { headers = {}, content = {} }) {
  const types = Object.entries(content);
  const named = Object.entries(headers).map(([name, header]) => ({ name, ...header }));
  return [
    types.map(([type, { schema }]) => [
      e("p", { class: "type" }, typeOf(document, schema), " as ", code(type)),
      limitsOf(document, schema).map((limit) => e("p", { class: "muted" }, limit)),
      schema.$ref === undefined && structure(document, schema),
      type === "application/json" && exampleBlock(exampleOf(document, schema)),
    ]),
    named.length > 0 && e("p", { class: "muted" }, "Headers"),
    rows(document, named),
  ];
}

/** The answers that many operations share, each in one place. */
export function sharedAnswers(document) {
  const statuses = (name) => {
    const found = operationsOf(document).flatMap(({ operation }) =>
      Object.entries(operation.responses).filter(([, one]) => one.$ref && nameOf(one.$ref) === name),
    );
    return [...new Set(found.map(([status]) => status))].join(", ");
  };
  const entries = Object.entries(document.components.responses ?? {}).map(([name, response]) => {
    const kind = statuses(name);
    const words = [name, response.description, kind];
    const head = { kind: kind || null, name, summary: response.description, level: 4, words };
    return entry(sharedId(name), head, contents(document, response));
  });
  return group("shared answers", "What many operations answer alike.", entries);
}

/** The ways to say who one is, of both documents. */
export function securityGroup(documents) {
  const entries = documents.flatMap(({ components, asyncapi }) =>
    Object.entries(components.securitySchemes).map(([name, { description, ...rest }]) => {
      const summary = asyncapi === undefined ? "Over HTTP" : "Over WebSocket";
      const id = asyncapi === undefined ? securityId(name) : `${securityId(name)}-websocket`;
      const facts = Object.entries(rest).map(([key, value]) =>
        e("li", null, e("div", { class: "field-name" }, key), e("div", { class: "field-what" }, code(value))),
      );
      const words = [name, description, "security", summary];
      return entry(id, { name, summary, level: 4, words }, prose(description), e("ul", { class: "fields" }, facts));
    }),
  );
  return group("credentials", "The ways to say who one is.", entries);
}
