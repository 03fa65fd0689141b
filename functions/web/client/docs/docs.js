// The page of the reference: it gets the two documents, shows what is in them, and finds things there.
import { fill, h, icon } from "../app/dom.js";
import { matches, reference } from "./reference.js";

const COPIED_FOR = 2000;
const FILTER_AFTER = 120;
const PATIENCE = 20_000;

const byId = (id) => document.getElementById(id);

function mount(node) {
  return typeof node === "string" ? node : h(node.tag, node.props, node.children.map(mount));
}

function say(text) {
  byId("status").textContent = text;
}

/** Puts a button beside each block of code that copies it. Where there is no clipboard (plain http) there is none. */
function offerCopies(root) {
  if (!navigator.clipboard) return;
  for (const block of root.querySelectorAll(".code[data-label]")) {
    const label = `Copy ${block.dataset.label}`;
    const button = h("button", { class: "button icon", type: "button", "aria-label": label, title: label }, icon("copy"));
    button.addEventListener("click", () => copy(block, button));
    block.append(button);
  }
}

async function copy(block, button) {
  try {
    await navigator.clipboard.writeText(block.querySelector("code").textContent);
    say("Copied.");
    fill(button, icon("check"));
    setTimeout(() => fill(button, icon("copy")), COPIED_FOR);
  } catch {
    say("The browser does not allow copying. Select the text instead.");
    getSelection().selectAllChildren(block.querySelector("code"));
  }
}

async function fetchDocument(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(`${path} was answered with ${answer.status}.`);
  return answer.json();
}

/** Shows the reference, or why there is none. */
async function load() {
  const state = byId("reference-state");
  state.hidden = false;
  fill(state, h("p", { class: "muted" }, "Loading the reference."));
  try {
    const [openapi, asyncapi] = await Promise.all(["/openapi.json", "/asyncapi.json"].map(fetchDocument));
    show(reference(openapi, asyncapi, location.origin));
    state.hidden = true;
    byId("filter-bar").hidden = false;
    openTarget();
  } catch (error) {
    const retry = h("button", { class: "button", type: "button", on: { click: load } }, "Try again");
    const raw = ["/openapi.json", "/asyncapi.json"].map((path) => [" ", h("a", { href: path }, path)]);
    fill(
      state,
      h("h3", null, "The reference cannot be shown"),
      h("p", null, reason(error)),
      h("p", null, "It is made of two documents, which may be there to read as they are:", raw),
      h("p", null, retry),
    );
    say("The reference cannot be shown.");
  }
}

function reason(error) {
  if (error.name === "TimeoutError") return "The server took too long to answer.";
  return error instanceof TypeError ? "The server cannot be reached, or its answer is not understood." : error.message;
}

function show(model) {
  for (const [name, { about, groups }] of Object.entries(model)) {
    const section = byId(`reference-${name}`);
    fill(section, about && mount(about), groups.map(({ tree }) => mount(tree)));
    offerCopies(section);
    const links = groups.map(({ id, title }) => h("li", null, h("a", { href: `#${id}` }, title)));
    fill(byId(`contents-${name}`), links);
  }
  const count = document.querySelectorAll(".entry").length;
  byId("filter-count").textContent = `${count} entries`;
}

/** Leaves only the entries that have all the words. */
function filter(text) {
  let left = 0;
  for (const group of document.querySelectorAll("#reference .group")) {
    let some = false;
    for (const entry of group.querySelectorAll(".entry")) {
      entry.hidden = !matches(entry.dataset.words, text.trim());
      if (!entry.hidden) left += 1;
      some ||= !entry.hidden;
    }
    group.hidden = !some;
  }
  for (const about of document.querySelectorAll("#reference .about")) about.hidden = text.trim() !== "";
  const none = `Nothing has all of “${text.trim()}”. Look for a part of a path, a frame, or a field.`;
  byId("filter-count").textContent = left === 0 ? none : `${left} ${left === 1 ? "entry" : "entries"}`;
}

/** Opens what the address names, and what that is in. */
function openTarget() {
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.closest("[hidden]")) {
    byId("filter").value = "";
    filter("");
  }
  for (let at = target; at; at = at.parentElement?.closest("details")) {
    if (at instanceof HTMLDetailsElement) at.open = true;
  }
  target.scrollIntoView({ block: "start" });
  const summary = target.querySelector(":scope > summary");
  summary?.focus({ preventScroll: true });
}

/** The contents are open where they stand beside the text, closed where they stand above it. */
function followWidth() {
  const wide = matchMedia("(min-width: 64rem)");
  const contents = byId("contents");
  const set = () => {
    contents.open = wide.matches;
  };
  wide.addEventListener("change", set);
  set();
  contents.addEventListener("click", (event) => {
    if (event.target.closest("a") && !wide.matches) contents.open = false;
  });
}

function printAll() {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("#reference details:not([open])")];
    for (const entry of opened) entry.open = true;
  });
  addEventListener("afterprint", () => {
    for (const entry of opened) entry.open = false;
  });
}

function start() {
  for (const place of document.querySelectorAll("[data-origin]")) place.textContent = location.origin;
  offerCopies(document);
  followWidth();
  printAll();
  let timer;
  byId("filter").addEventListener("input", ({ target }) => {
    clearTimeout(timer);
    timer = setTimeout(() => filter(target.value), FILTER_AFTER);
  });
  byId("filter").addEventListener("keydown", ({ key, target }) => {
    if (key !== "Escape") return;
    target.value = "";
    filter("");
  });
  addEventListener("hashchange", openTarget);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) openTarget();
  });
  load();
}

start();
