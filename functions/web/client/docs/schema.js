// Schemas for people: what a value is, in words, and a row for each of its fields. What has a name is shown once and linked
// from everywhere else, which is also how those end that contain themselves.
import { block, code, e, entry, joined, line, part, prose } from "./tree.js";
import { exampleOf } from "./example.js";

/** What is said of a schema in a place of its own; any other key is shown as it stands. */
const SAID = new Set(
  [
    "$ref type format enum properties required items additionalProperties propertyNames oneOf anyOf allOf not",
    "title description default examples minimum maximum minLength maxLength minItems maxItems pattern",
  ]
    .join(" ")
    .split(" "),
);

/** @typedef {{components: {schemas: Record<string, object>}}} Document */

export const schemaId = (name) => `schema-${name}`;

const nameOf = (reference) => reference.split("/").at(-1);

/** The schema that is meant, and the name under which it is known, if it is. */
export function resolve(document, schema) {
  if (schema.$ref === undefined) return { schema, name: null };
  const path = schema.$ref.split("/").slice(1);
  return { schema: path.reduce((at, key) => at[key], document), name: path.at(-1) };
}

const isNull = (schema) => schema.type === "null";

/** `oneOf` with null is the way to say "or null" of something that has a name. */
function unwrapped(schema) {
  const others = schema.oneOf?.filter((one) => !isNull(one)) ?? [];
  if (others.length !== 1 || others.length === schema.oneOf.length) return { inner: schema, nullable: false };
  return { inner: { ...others[0], description: schema.description ?? others[0].description }, nullable: true };
}

const typesOf = (schema) => [schema.type ?? []].flat();

function isScalar(schema) {
  return typesOf(schema).some((type) => ["string", "integer", "number", "boolean"].includes(type));
}

/** What a value is, within a line: `string · uuid`, `list of Message`, `Message or null`. */
export function typeOf(document, schema) {
  const { inner, nullable } = unwrapped(schema);
  if (nullable) return [typeOf(document, inner), " or null"];
  if (inner.$ref !== undefined) {
    const target = resolve(document, inner);
    const link = e("a", { href: `#${schemaId(target.name)}` }, target.name);
    return isScalar(target.schema) ? [link, " · ", typeOf(document, target.schema)] : [link];
  }
  if (inner.enum) return joined(inner.enum.map((value) => code(value)), " or ");
  for (const [key, word] of [["oneOf", "one of several"], ["anyOf", "any of several"], ["allOf", "several together"]]) {
    if (inner[key]) return [word];
  }
  const words = typesOf(inner).map((type) => {
    if (type === "array") return ["list of ", typeOf(document, inner.items ?? {})];
    if (type === "object" && inner.additionalProperties) return ["object", keysOf(document, inner)];
    return [type];
  });
  const format = inner.format ? ` · ${inner.format}` : "";
  return words.length > 0 ? [joined(words, " or "), format] : ["anything"];
}

function keysOf(document, { additionalProperties, propertyNames }) {
  const keys = propertyNames ? typeOf(document, propertyNames) : ["string"];
  return [" of ", typeOf(document, additionalProperties), " by ", keys];
}

/** What else a value must be, as short sentences. */
export function limitsOf(document, schema) {
  const { inner } = unwrapped(schema);
  const limits = [];
  const range = (least, most, of) => {
    if (least !== undefined && most !== undefined) limits.push([`${least} to ${most}${of}`]);
    else if (least !== undefined) limits.push([`at least ${least}${of}`]);
    else if (most !== undefined) limits.push([`at most ${most}${of}`]);
  };
  range(inner.minimum, inner.maximum, "");
  range(inner.minLength, inner.maxLength, " characters");
  range(inner.minItems, inner.maxItems, " items");
  if (inner.pattern !== undefined) limits.push(["matches ", code(inner.pattern)]);
  if (inner.default !== undefined) limits.push([code(JSON.stringify(inner.default)), " when left out"]);
  if (inner.not) limits.push(prohibited(inner.not));
  for (const [key, value] of Object.entries(inner)) {
    if (!SAID.has(key)) limits.push([`${key}: `, code(JSON.stringify(value))]);
  }
  if (inner.$ref !== undefined) {
    const target = resolve(document, inner).schema;
    if (isScalar(target)) limits.push(...limitsOf(document, target));
  }
  for (const part of [inner.additionalProperties, inner.items, inner.propertyNames]) {
    if (part && part.$ref === undefined) limits.push(...limitsOf(document, part).map((limit) => ["each: ", limit]));
  }
  if (inner.propertyNames?.description) limits.push(["keys: ", line(inner.propertyNames.description)]);
  return limits;
}

function prohibited(not) {
  const { required = [], ...rest } = not;
  const names = required.length > 0 ? ["without ", joined(required.map((name) => code(name)), ", ")] : [];
  return [names, Object.keys(rest).length > 0 && ["not: ", code(JSON.stringify(rest))]];
}

/** A row for each of a list of values with names: fields, parameters, headers. */
export function rows(document, fields) {
  if (fields.length === 0) return null;
  return e("ul", { class: "fields" }, fields.map((field) => row(document, field)));
}

function row(document, { name, schema, required = false, where = null, description = null }) {
  const { inner } = unwrapped(schema);
  const limits = limitsOf(document, schema);
  const examples = (inner.examples ?? []).map((value) => code(typeof value === "string" ? value : JSON.stringify(value)));
  const text = description ?? inner.description;
  const more = description !== null && inner.description !== undefined && inner.description !== description;
  return e(
    "li",
    null,
    e(
      "div",
      { class: "field-name" },
      code(name),
      " ",
      required && e("span", { class: "badge" }, "required"),
      where && e("span", { class: "badge" }, where),
    ),
    e(
      "div",
      { class: "field-what" },
      e("p", { class: "type" }, typeOf(document, schema)),
      prose(text),
      more && prose(inner.description),
      limits.length > 0 && e("p", { class: "muted" }, joined(limits, "; ")),
      examples.length > 0 && e("p", { class: "muted" }, "For example ", joined(examples, ", ")),
      inner.$ref === undefined && structure(document, inner),
    ),
  );
}

/** The fields of an object, those that must be there before the others. */
export function fieldsOf({ properties = {}, required = [] }) {
  const fields = Object.entries(properties).map(([name, schema]) => ({ name, schema, required: required.includes(name) }));
  return [...fields.filter((field) => field.required), ...fields.filter((field) => !field.required)];
}

/** What is inside of a value: its fields, and the alternatives or parts it has. */
export function structure(document, schema) {
  const { inner, nullable } = unwrapped(schema);
  const parts = [rows(document, fieldsOf(inner))];
  const unlisted = (inner.required ?? []).filter((name) => inner.properties?.[name] === undefined);
  if (unlisted.length > 0) parts.push(e("p", null, "Has ", joined(unlisted.map((name) => code(name)), ", "), "."));
  if (!nullable) {
    for (const [key, title] of [["oneOf", "One of these:"], ["anyOf", "Any of these:"], ["allOf", "All of these together:"]]) {
      const choices = inner[key]?.map((one) => choice(document, one));
      if (choices) parts.push(e("p", null, title), e("ul", { class: "choices" }, choices));
    }
  }
  for (const inside of [inner.items, inner.additionalProperties]) {
    if (inside && inside.$ref === undefined) parts.push(structure(document, inside));
  }
  return parts;
}

function choice(document, schema) {
  const { schema: target, name } = resolve(document, schema);
  const link = name && e("a", { href: `#${schemaId(name)}` }, name);
  const label = link ?? (schema.title ? code(schema.title) : !target.properties && typeOf(document, target));
  return e("li", null, label && e("p", null, label), prose(schema.description), name === null && structure(document, schema));
}

/** Every schema of the documents by its name, each with the document it is of. The same in both is one. */
export function schemasOf(documents) {
  const all = new Map();
  for (const document of documents) {
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      const known = all.get(name);
      if (known && JSON.stringify(known.schema) !== JSON.stringify(schema)) throw new Error(`two schemas are called ${name}`);
      if (!known) all.set(name, { name, schema, document });
    }
  }
  return [...all.values()].sort((one, other) => one.name.localeCompare(other.name, "en"));
}

/** One schema, where it is defined. */
export function schemaEntry({ name, schema, document }) {
  const { description, ...rest } = schema;
  const isStructure = rest.properties || rest.oneOf || rest.anyOf || rest.allOf;
  const limits = limitsOf(document, rest);
  const summary = description?.match(/^.*?\.(?=\s|$)/s)?.[0] ?? description;
  const words = [name, ...Object.keys(rest.properties ?? {}), ...(rest.enum ?? [])];
  return entry(
    schemaId(name),
    { name, summary, level: 4, words },
    description !== summary && prose(description),
    !isStructure && e("p", { class: "type" }, typeOf(document, rest)),
    limits.length > 0 && e("p", { class: "muted" }, joined(limits, "; ")),
    structure(document, rest),
    part(5, "Example", (schema.examples ?? (isStructure ? [exampleOf(document, schema)] : [])).map(exampleBlock)),
  );
}

export const exampleBlock = (value) => block(JSON.stringify(value, null, 2), "the example");

export { nameOf };
