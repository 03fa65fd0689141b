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
    if (target()?.closest("#reference")) openTarget();
  } catch (error) {
    const retry = h("button", { class: "button", type: "button", on: { click: load } }, "Try again");
    const raw = ["/openapi.json", "/asyncapi.json"].map((path) => [" ", h("a", { href: path }, path)]);
    fill(
      state,
      h("h2", null, "The reference cannot be shown"),
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
  filter("");
}

/** Leaves only the entries that have all the words. */
function filter(text) {
  const search = text.trim();
  const root = byId("reference");
  for (const entry of root.querySelectorAll(".entry")) entry.hidden = !matches(entry.dataset.words, search);
  for (const about of root.querySelectorAll(".about")) about.hidden = search !== "";
  for (const part of root.querySelectorAll(".group, section")) part.hidden = !part.querySelector(".entry:not([hidden])");
  const left = root.querySelectorAll(".entry:not([hidden])").length;
  byId("filter-count").textContent = `${left} ${left === 1 ? "entry" : "entries"}`;
  byId("filter-none").hidden = left > 0 || search === "";
  if (search !== "" && root.getBoundingClientRect().top < 0) root.scrollIntoView({ block: "start" });
}

/** What the address names. */
function target() {
  try {
    return byId(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return null;
  }
}

/** Shows what the address names, and opens it. */
function openTarget() {
  const shown = target();
  if (!shown) return;
  if (shown.closest("[hidden]")) {
    byId("filter").value = "";
    filter("");
  }
  if (shown instanceof HTMLDetailsElement) shown.open = true;
  shown.scrollIntoView({ block: "start" });
  shown.querySelector(":scope > summary")?.focus({ preventScroll: true });
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
  const input = byId("filter");
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => filter(input.value), FILTER_AFTER);
  });
  input.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    input.value = "";
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
