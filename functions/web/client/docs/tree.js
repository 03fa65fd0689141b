// What is shown, as plain data: the reference is made of the documents by functions without a page, so that a test can ask
// whether all that the documents say is in it.

/**
 * @typedef {{tag: string, props: Record<string, any>, children: Node[]}} Element an element; `props` as `h` takes them
 * @typedef {Element | string} Node
 */

/**
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...any} children nodes, or lists of them; null, undefined, false and "" are left out
 * @returns {Element}
 */
export function e(tag, props, ...children) {
  const isThere = (child) => child !== null && child !== undefined && child !== false && child !== "";
  return { tag, props: props ?? {}, children: children.flat(Infinity).filter(isThere) };
}

/** The text of a node, with a space between blocks. */
export function textOf(node) {
  if (typeof node === "string") return node;
  const text = node.children.map(textOf).join("");
  return ["a", "code", "span"].includes(node.tag) ? text : ` ${text} `;
}

/** The node and all that is in it. */
export function* walk(node) {
  yield node;
  for (const child of node.children ?? []) yield* walk(child);
}

/** A text of the documents: paragraphs are apart by an empty line, what stands between backticks is code. */
export function prose(text, props = null) {
  return (text ?? "")
    .split(/\n{2,}/)
    .filter((paragraph) => paragraph.trim() !== "")
    .map((paragraph) => e("p", props, line(paragraph)));
}

/** A text within a line, likewise. */
export function line(text) {
  return text.split("`").map((part, place) => (place % 2 === 1 ? code(part) : part.replaceAll("\n", " ")));
}

export const code = (text) => e("code", null, String(text));

/** A block of code that offers itself to be copied. `label` says what it is. */
export function block(text, label) {
  return e("div", { class: "code", dataset: { label } }, e("pre", null, e("code", null, text)));
}

/** Nodes with something between each two. */
export function joined(nodes, between) {
  return nodes.flatMap((node, place) => (place === 0 ? [node] : [between, node]));
}

/** Something of a document that has a name of its own: closed until it is asked for. */
export function entry(id, { kind, name, summary, level, words }, ...children) {
  const title = e(`h${level}`, null, kind && e("span", { class: "badge kind", dataset: { kind } }, kind), " ", code(name));
  const permalink = e("p", { class: "permalink" }, e("a", { href: `#${id}` }, "Link to ", code(name)));
  return e(
    "details",
    { id, class: "entry", dataset: { words: words.join(" ").toLowerCase() } },
    e("summary", null, title, summary && e("span", { class: "muted" }, line(summary))),
    e("div", { class: "entry-body" }, children, permalink),
  );
}

/** Which edition of which document. */
export function edition({ title, version, license }, specification, itsVersion) {
  const names = [...new Set([license.name, license.identifier])].filter(Boolean);
  return `${title} ${version}, ${specification} ${itsVersion}, licence ${names.join(" ")}.`;
}

/** A heading and what it is of, unless there is nothing. */
export function part(level, title, ...children) {
  const content = children.flat(Infinity).filter(Boolean);
  return content.length > 0 ? [e(`h${level}`, null, title), content] : null;
}

const TITLES = { oauth: "OAuth", graphql: "GraphQL", auth: "Accounts" };

/**
 * Entries under a heading.
 * @returns {{id: string, title: string, tree: Element}}
 */
export function group(name, text, entries) {
  const id = `group-${name.replaceAll(" ", "-")}`;
  const title = TITLES[name] ?? name[0].toUpperCase() + name.slice(1);
  const heading = e("h3", { id }, title);
  const about = prose(text, { class: "muted" });
  return { id, title, tree: e("section", { class: "group", "aria-labelledby": id }, heading, about, entries) };
}
