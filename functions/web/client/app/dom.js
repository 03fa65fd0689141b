/**
 * Making and keeping elements. Text only ever goes in as text nodes, so nothing that people write is markup.
 */
import { shapes } from "./icons.js";

/**
 * An element. `class` and `text` are what they say, `dataset` and `on` are objects; whatever else is an attribute:
 * true is an empty one, null, undefined and false are none. Children are nodes, texts, or arrays of them.
 *
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...any} children
 * @returns {HTMLElement}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name === "class") element.className = value ?? "";
    else if (name === "text") element.textContent = value ?? "";
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else set(element, name, value);
  }
  append(element, children);
  return element;
}

/** Sets an attribute, or takes it away: see `h`. */
export function set(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/**
 * Replaces the children of an element.
 *
 * @template {Element} T
 * @param {T} element
 * @param {...any} children
 * @returns {T}
 */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

const kept = new WeakMap();

/**
 * Keeps one child of `parent` for each item, in order: made once, updated when it is there already, removed with its
 * item. Children that stay are not moved unless they must be, so focus and scrolling stay, too.
 *
 * @template T
 * @param {Element} parent holds nothing else
 * @param {T[]} items
 * @param {(item: T) => string} key unique among the items
 * @param {(item: T) => Element} create
 * @param {(element: Element, item: T) => void} [update]
 */
export function keyed(parent, items, key, create, update) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const name = key(item);
    let element = before.get(name);
    if (element) update?.(element, item);
    else element = create(item);
    after.set(name, element);
  }
  for (const [name, element] of before) {
    if (!after.has(name)) element.remove();
  }
  let next = parent.firstChild;
  for (const element of after.values()) {
    if (element === next) next = next.nextSibling;
    else parent.insertBefore(element, next);
  }
  kept.set(parent, after);
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * An icon. It says nothing to screen readers: what it stands in needs a name.
 *
 * @param {keyof typeof shapes} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon-image");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", shapes[name]);
  svg.append(path);
  return svg;
}
