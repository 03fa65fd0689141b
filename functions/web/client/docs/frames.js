// The WebSocket API, of the AsyncAPI document. It speaks for the server, which receives commands; here it is said for clients.
import { exampleOf } from "./example.js";
import { exampleBlock, fieldsOf, limitsOf, nameOf, resolve, rows, structure } from "./schema.js";
import { code, e, edition, entry, group, joined, line, part, prose } from "./tree.js";

/** The last part of a reference to a message, which is also the id of its entry. */
const messageOf = (reference) => nameOf(reference.$ref);

/** What the document says of itself. */
export function aboutFrames(document) {
  const { info } = document;
  const type = code(document.defaultContentType);
  return e(
    "div",
    { class: "stack about" },
    prose(info.description),
    e("p", { class: "muted" }, edition(info, "AsyncAPI", document.asyncapi), " Frames are ", type, "."),
  );
}

function connection(document, name, channel) {
  const { method, query, headers, ...rest } = channel.bindings.ws;
  const values = (schema, where) => fieldsOf(schema).map((field) => ({ ...field, where }));
  const words = [name, channel.address, ...Object.keys(query.properties), ...Object.keys(headers.properties)];
  return entry(
    `connection-${name}`,
    { kind: method, name: channel.address, summary: channel.description, level: 4, words },
    part(5, "Addresses", Object.entries(document.servers).map(([where, server]) => address(document, where, server, channel))),
    part(5, "Query and headers", rows(document, [...values(query, "query"), ...values(headers, "header")])),
    e("p", { class: "muted" }, Object.entries(rest).map(([key, value]) => [`${key} `, code(value), " "])),
  );
}

function address(document, name, server, channel) {
  const variables = Object.entries(server.variables ?? {}).map(([variable, { description, ...rest }]) => ({
    name: variable,
    schema: { type: "string", ...rest },
    description,
  }));
  const credentials = (server.security ?? []).map(({ $ref }) =>
    e("a", { href: `#security-${nameOf($ref)}-websocket` }, code(nameOf($ref))),
  );
  return [
    e("p", null, `${name}: `, code(`${server.protocol}://${server.host}${channel.address}`), ". ", line(server.description)),
    rows(document, variables),
    e("p", { class: "muted" }, "Credentials: ", joined(credentials, ", ")),
  ];
}

/** The connection, commands, answers and events, each a group. */
export function frameGroups(document) {
  const operations = Object.entries(document.operations).flatMap(([name, operation]) =>
    operation.messages.map((message) => ({ name, key: messageOf(message), operation })),
  );
  const inOperations = new Set(operations.map(({ key }) => key));
  const answers = Object.keys(document.components.messages)
    .filter((key) => !inOperations.has(key))
    .map((key) => ({
      key,
      asked: operations.filter(({ operation }) => operation.reply?.messages.some((one) => messageOf(one) === key)),
    }));
  const of = (action) => operations.filter(({ operation }) => operation.action === action);
  const entries = (kind, all) => all.map((one) => frame(document, kind, one));
  const connections = Object.entries(document.channels).map(([name, channel]) => connection(document, name, channel));
  return [
    group("connection", "One for all conversations.", connections),
    group("commands", "Client to server.", entries("command", of("receive"))),
    group("answers", "Server to client, to a command.", entries("answer", answers)),
    group("events", "Server to client, unasked.", entries("event", of("send"))),
  ];
}

const link = (key) => e("a", { href: `#${key}` }, code(key.replace(/^(command|answer|event)\./, "")));

function frame(document, kind, { key, name, operation, asked = [] }) {
  const message = document.components.messages[key];
  const { payload, correlationId } = message;
  const correlation = correlationId?.location;
  const said = [message.summary, operation?.summary].filter(Boolean);
  const texts = [...new Set([...said, payload.description].filter(Boolean))];
  const answers = operation?.reply?.messages ?? [];
  const titles = [...new Set([message.name, message.title, payload.title])].filter(Boolean);
  const words = [key, ...titles, ...texts, ...Object.keys(payload.properties ?? {})];
  return entry(
    key,
    { kind, name: titles[0], summary: texts[0], level: 4, words },
    texts.slice(1).map((text) => prose(text)),
    titles.length > 1 && e("p", { class: "muted" }, "Also ", joined(titles.slice(1).map((title) => code(title)), ", ")),
    part(5, "Fields", rows(document, fieldsOf(payload)) ?? structure(document, payload)),
    limitsOf(document, payload).map((limit) => e("p", { class: "muted" }, limit)),
    answers.length > 0 && e("p", null, "Answered by ", joined(answers.map((one) => link(messageOf(one))), ", ")),
    asked.length > 0 && e("p", null, "Answers ", joined(asked.map((command) => link(command.key)), ", ")),
    correlation && e("p", { class: "muted" }, "A command and its answer have the same ", code(correlation), "."),
    part(5, "Example", (message.examples ?? [{ payload: exampleOf(document, payload) }]).map((one) => exampleBlock(one.payload))),
    name && e("p", { class: "muted" }, "Operation ", code(name)),
  );
}
