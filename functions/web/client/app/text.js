/**
 * What people write, as nodes: addresses become links and words that were searched for are marked. The text itself
 * stays as it is, letter for letter.
 */
import { h } from "./dom.js";

// Marks that turn the direction of text end an address: nobody is to be shown one and sent to another.
const ADDRESS = /\bhttps?:\/\/[^\s<>"`\u200e\u200f\u202a-\u202e\u2066-\u2069]+/giu;

/**
 * A text with its http and https addresses as links.
 *
 * @param {string} text
 * @returns {(string | HTMLAnchorElement)[]}
 */
export function linked(text) {
  const nodes = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = withoutEnd(found);
    if (!URL.canParse(address)) continue;
    nodes.push(text.slice(from, index), h("a", { href: address, target: "_blank", rel: "noopener noreferrer", text: address }));
    from = index + address.length;
  }
  nodes.push(text.slice(from));
  return nodes;
}

/** An address without what belongs to the sentence around it. */
function withoutEnd(address) {
  let end = address;
  for (;;) {
    const last = end.at(-1);
    const opening = { ")": "(", "]": "[", "}": "{" }[last];
    const unopened = opening && end.split(last).length > end.split(opening).length;
    if (!unopened && !/[.,;:!?'*_]/u.test(last)) return end;
    end = end.slice(0, -1);
  }
}

/**
 * What is worth showing of a text in which words were found: from a little before the first one, the words marked.
 *
 * @param {string} text
 * @param {string} query words as they are written; the last one may be a beginning
 * @returns {(string | HTMLElement)[]}
 */
export function marked(text, query) {
  const words = query.match(/[\p{L}\p{N}_]+/gu) ?? [];
  if (words.length === 0) return [shortened(text, 200)];
  const whole = words.map((word, at) => (at === words.length - 1 ? `${word}[\\p{L}\\p{N}_]*` : `${word}(?![\\p{L}\\p{N}_])`));
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}_])(?:${whole.join("|")})`, "giu");
  const first = text.search(pattern);
  const space = first > 60 ? text.indexOf(" ", first - 40) : -1;
  const from = space < 0 || space >= first ? Math.max(0, first > 60 ? first : 0) : space + 1;
  const excerpt = shortened(text.slice(from), 200);
  const nodes = [from > 0 ? "… " : ""];
  let at = 0;
  for (const { 0: found, index } of excerpt.matchAll(pattern)) {
    nodes.push(excerpt.slice(at, index), h("mark", { text: found }));
    at = index + found.length;
  }
  nodes.push(excerpt.slice(at));
  return nodes;
}

/**
 * The beginning of a text, whole letters only.
 *
 * @param {string} text
 * @param {number} length in characters
 * @returns {string}
 */
export function shortened(text, length) {
  const letters = [...text];
  return letters.length > length ? `${letters.slice(0, length).join("").trimEnd()} …` : text;
}

/**
 * Names as one says them: "Ada", "Ada and Grace", "Ada, Grace and 3 more".
 *
 * @param {string[]} names
 * @param {number} [most] how many are named
 * @returns {string}
 */
export function listed(names, most = 3) {
  const shown = names.length > most + 1 ? [...names.slice(0, most), `${names.length - most} more`] : names;
  return shown.length < 2 ? (shown[0] ?? "") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}
