/** What the pages are put together from beside plain elements: fields, forms, dialogs, menus, notes, people. */
import { duration } from "./format.js";
import { h, icon, set } from "./dom.js";

let drawn = 0;

/** An id of an element, unique on the page. */
export function uniqueId(prefix) {
  drawn += 1;
  return `${prefix}-${drawn}`;
}

/**
 * A labelled field.
 *
 * @param {{label: string, name: string, type?: string, value?: string, hint?: any, autocomplete?: string,
 *   required?: boolean, minlength?: number, maxlength?: number, multiline?: boolean, placeholder?: string,
 *   options?: {value: string, label: string}[]}} about
 * @returns {{element: HTMLElement, input: HTMLInputElement, name: string, error: (text: string | null) => void}}
 */
export function field({ label, name, hint, value, multiline, options, ...attributes }) {
  const id = uniqueId(name);
  const tag = options ? "select" : multiline ? "textarea" : "input";
  const input = h(
    tag,
    { class: "input", id, name, ...attributes },
    options?.map((option) => h("option", { value: option.value, text: option.label })),
  );
  if (value !== undefined) input.value = value;
  const help = hint ? h("div", { class: "hint", id: `${id}-hint` }, hint) : null;
  const problem = h("div", { class: "error", id: `${id}-error`, hidden: true });
  const element = h("div", { class: "field" }, h("label", { for: id, text: label }), input, help, problem);
  const error = (text) => {
    problem.textContent = text ?? "";
    problem.hidden = !text;
    set(input, "aria-invalid", text ? "true" : null);
    const described = [text && problem.id, help?.id].filter(Boolean).join(" ");
    set(input, "aria-describedby", described || null);
  };
  error(null);
  return { element, input, name, error };
}

/**
 * A form. While it runs its button waits; what is wrong with a field stands beside that field, the rest above the
 * button.
 *
 * @param {{fields: (ReturnType<typeof field> | {element: Element})[], submit: string, danger?: boolean, note?: any,
 *   run: (values: Record<string, string>) => any}} about
 * @returns {HTMLFormElement}
 */
export function form({ fields, submit, danger = false, run, note }) {
  const inputs = fields.filter((one) => one.input);
  const problem = h("p", { class: "form-error", role: "alert", hidden: true });
  const button = h("button", { class: danger ? "button danger" : "button primary", type: "submit", text: submit });
  const element = h("form", { class: "stack", novalidate: true }, fields.map((one) => one.element), problem, note, button);
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    problem.hidden = true;
    for (const one of inputs) one.error(null);
    if (complains(inputs)) return;
    const values = Object.fromEntries(inputs.map((one) => [one.name, one.input.value]));
    element.setAttribute("aria-busy", "true");
    await waiting([button], async () => {
      try {
        await run(values);
      } catch (error) {
        explain(error, inputs, problem);
      }
    });
    element.removeAttribute("aria-busy");
  });
  return element;
}

/**
 * Lets buttons wait while something runs. The one that had the focus loses it by that, and gets it back.
 *
 * @template T
 * @param {HTMLButtonElement[]} buttons
 * @param {() => Promise<T>} run
 * @returns {Promise<T>}
 */
export async function waiting(buttons, run) {
  const focused = buttons.find((button) => button === document.activeElement);
  for (const button of buttons) button.disabled = true;
  try {
    return await run();
  } finally {
    for (const button of buttons) button.disabled = false;
    if (document.activeElement === document.body) focused?.focus();
  }
}

/** Says what the browser finds wrong, before anybody is asked. */
function complains(inputs) {
  const wrong = inputs.filter((one) => !one.input.checkValidity());
  for (const one of wrong) one.error(one.input.value ? one.input.validationMessage : "Please fill this in.");
  wrong[0]?.input.focus();
  return wrong.length > 0;
}

function explain(error, inputs, problem) {
  let rest = Object.entries(error.fields ?? {});
  for (const one of inputs) {
    const message = error.fields?.[one.name];
    if (!message) continue;
    one.error(sentence(message));
    rest = rest.filter(([name]) => name !== one.name);
  }
  inputs.find((one) => error.fields?.[one.name])?.input.focus();
  if (error.fields && Object.keys(error.fields).length > 0 && rest.length === 0) return;
  const named = rest.map(([name, message]) => `${name}: ${message}`).join("; ");
  problem.textContent = named || wording(error);
  problem.hidden = false;
}

/**
 * What went wrong, for people: the server's words, and how long to wait.
 *
 * @param {any} error an ApiError, or whatever was thrown
 * @returns {string}
 */
export function wording(error) {
  if (error.code === "offline") return "The server cannot be reached. Check your connection and try again.";
  const detail = error.detail || "Something went wrong. Try again.";
  if (error.code !== "throttled" || !error.retryAfter) return detail;
  return `Too many of these in a short time. Try again in ${duration(error.retryAfter)}.`;
}

/** A field's message as a sentence of its own: the server's go on after the field's name. */
function sentence(message) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.?]$/.test(text) ? text : `${text}.`;
}

/**
 * A dialog. It keeps the focus, gives it back, and is closed by Escape, by its button, and by its actions unless they
 * return false; by a click beside it only when it has no fields, so that nothing that was typed is lost. An action that
 * fails is explained in it.
 *
 * @param {{title: string, body?: any, wide?: boolean,
 *   actions?: {label: string, kind?: "primary" | "danger", run?: () => any}[]}} about
 * @returns {{close: () => void, element: HTMLDialogElement, closed: Promise<void>}}
 */
export function dialog({ title, body, actions = [], wide = false }) {
  const fields = ".body :is(input, select, textarea)";
  const heading = h("h2", { id: uniqueId("dialog"), text: title });
  const closing = h("button", { class: "button icon", type: "button", "aria-label": "Close" }, icon("close"));
  const problem = h("p", { class: "form-error", role: "alert", hidden: true });
  const element = h(
    "dialog",
    { class: wide ? "dialog wide" : "dialog", "aria-labelledby": heading.id },
    h("div", { class: "head" }, heading, closing),
    h("div", { class: "body" }, body, problem),
  );
  const buttons = actions.map(({ label, kind, run }) => {
    const button = h("button", { class: `button ${kind ?? ""}`, type: "button", text: label });
    const act = async () => {
      try {
        if ((await run?.()) !== false) element.close();
      } catch (error) {
        problem.textContent = wording(error);
        problem.hidden = false;
      }
    };
    button.addEventListener("click", () => {
      problem.hidden = true;
      waiting(buttons, act);
    });
    return button;
  });
  if (buttons.length > 0) element.append(h("div", { class: "actions" }, buttons));
  closing.addEventListener("click", () => element.close());
  // A click also ends here when it began inside, with text that was selected.
  let isBeside = false;
  element.addEventListener("pointerdown", ({ target }) => (isBeside = target === element));
  element.addEventListener("click", () => isBeside && !element.querySelector(fields) && element.close());
  const before = document.activeElement;
  const closed = new Promise((resolve) => {
    element.addEventListener("close", () => {
      if (element.contains(toasts)) showToasts();
      element.remove();
      if (before?.isConnected) before.focus();
      resolve();
    });
  });
  document.body.append(element);
  element.showModal();
  (element.querySelector("[autofocus]") ?? element.querySelector(fields) ?? buttons[0] ?? closing).focus();
  return { close: () => element.close(), element, closed };
}

/**
 * Asks before something is done.
 *
 * @param {{title: string, text: string, action: string, danger?: boolean}} about
 * @returns {Promise<boolean>}
 */
export async function confirm({ title, text, action, danger = false }) {
  let agreed = false;
  const asked = dialog({
    title,
    body: h("p", { text }),
    actions: [
      { label: "Cancel" },
      {
        label: action,
        kind: danger ? "danger" : "primary",
        run: () => {
          agreed = true;
        },
      },
    ],
  });
  await asked.closed;
  return agreed;
}

/**
 * Opens a menu at a button. Arrows move in it, Escape and a click elsewhere close it.
 *
 * @param {HTMLElement} button
 * @param {{label: string, icon?: string, danger?: boolean, run: () => any}[]} items
 */
export function menu(button, items) {
  const element = h("div", { class: "menu", role: "menu", popover: "auto", "aria-label": button.getAttribute("aria-label") });
  for (const item of items) {
    const choose = () => {
      element.hidePopover();
      item.run();
    };
    const attributes = { type: "button", role: "menuitem", tabindex: "-1", class: item.danger ? "danger" : "" };
    element.append(h("button", { ...attributes, on: { click: choose } }, item.icon ? icon(item.icon) : null, item.label));
  }
  element.addEventListener("keydown", (event) => move(element, event));
  button.setAttribute("aria-haspopup", "menu");
  popUp(element, button);
  element.firstElementChild?.focus();
}

/**
 * Opens a popover at a button: below it and as far right if there is room, else above; or in its middle, above it if there
 * is room, else below; never outside of the window. When it closes it is gone, and the focus that was in it is the button's again.
 *
 * @param {HTMLElement} element
 * @param {HTMLElement} button
 * @param {{isAbove?: boolean}} [about] where it is better
 */
export function popUp(element, button, { isAbove = false } = {}) {
  element.addEventListener("toggle", (event) => {
    const open = event.newState === "open";
    button.setAttribute("aria-expanded", String(open));
    if (open) return;
    const inside = element.contains(document.activeElement) || document.activeElement === document.body;
    element.remove();
    if (inside && button.isConnected && !document.querySelector("dialog[open]")) button.focus();
  });
  // In a dialog it must be the dialog's, or it is out of reach; else it belongs to the part of the page that opened it.
  (button.closest("dialog, main, aside, nav") ?? document.body).append(element);
  element.showPopover();
  place(element, button, isAbove);
}

function move(element, event) {
  const buttons = [...element.children];
  const at = buttons.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (event.key === "Tab") element.hidePopover();
  if (to === undefined) return;
  event.preventDefault();
  buttons[(to + buttons.length) % buttons.length].focus();
}

function place(element, button, isAbove) {
  const anchor = button.getBoundingClientRect();
  const { width, height } = element.getBoundingClientRect();
  const [above, below, lowest] = [anchor.top - height - 4, anchor.bottom + 4, window.innerHeight - height - 8];
  const fits = isAbove ? above >= 8 : below <= lowest;
  const top = Math.max(8, Math.min(isAbove === fits ? above : below, lowest));
  const beside = isAbove ? anchor.left + (anchor.width - width) / 2 : anchor.right - width;
  const left = Math.max(8, Math.min(beside, window.innerWidth - width - 8));
  element.style.setProperty("top", `${top}px`);
  element.style.setProperty("left", `${left}px`);
}

let toasts = null;

/**
 * A note that goes by itself, after 6 s, or 12 s when there is something to do about it.
 *
 * @param {string} text
 * @param {{action?: {label: string, run: () => any}, kind?: "error"}} [about]
 */
export function toast(text, { action, kind } = {}) {
  toasts ??= h("div", { class: "toasts", popover: "manual" });
  const element = h("div", { class: "toast", role: kind === "error" ? "alert" : "status" }, h("span", { class: "grow", text }));
  const gone = () => {
    element.remove();
    if (toasts.childElementCount === 0 && toasts.matches(":popover-open")) toasts.hidePopover();
  };
  const run = () => {
    gone();
    action?.run();
  };
  element.append(h("button", { class: "button", type: "button", text: action?.label ?? "Dismiss", on: { click: run } }));
  toasts.append(element);
  showToasts();
  setTimeout(gone, action ? 12_000 : 6_000);
}

/** Shows them anew, above a dialog that was opened since, or where they stay when it closes. */
function showToasts() {
  const holder = document.querySelector("dialog[open]") ?? document.body;
  if (toasts.parentNode !== holder) holder.append(toasts);
  if (toasts.matches(":popover-open")) toasts.hidePopover();
  if (toasts.childElementCount > 0) toasts.showPopover();
}

/**
 * Says something to screen readers alone, when they are done with what they say.
 *
 * @param {string} text
 */
export function announce(text) {
  const region = document.getElementById("announcements");
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}

/**
 * Somebody's initials, on a colour of their own.
 *
 * @param {string} name
 * @param {string | null} id decides the colour
 * @param {{size?: "small" | "large", online?: boolean}} [about]
 * @returns {HTMLElement}
 */
export function avatar(name, id, { size, online } = {}) {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  const initials = ends.map((word) => [...word][0]).join("").toUpperCase();
  const element = h("span", { class: `avatar ${size ?? ""}`, "aria-hidden": "true", text: initials || "?" });
  let hue = 0;
  for (const letter of id ?? name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  element.style.setProperty("--hue", hue);
  if (online !== undefined) element.dataset.online = String(online);
  return element;
}

/** What is shown while something is awaited; `label` says what. */
export function spinner(label) {
  return h("div", { class: "empty", role: "status" }, h("span", { class: "spinner" }), h("span", { text: label }));
}

/**
 * What is shown where there is nothing, and what to do about it.
 *
 * @param {{title: string, text?: string, action?: {label: string, run: () => any}}} about
 * @returns {HTMLElement}
 */
export function empty({ title, text, action }) {
  const button = action && h("button", { class: "button", type: "button", text: action.label, on: { click: action.run } });
  return h("div", { class: "empty" }, h("h2", { text: title }), text && h("p", { text }), button);
}
