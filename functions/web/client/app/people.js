// Finding and choosing people: a field that searches, what it finds as a list that arrows move in, and who is chosen as chips.
import { session } from "./api.js";
import { chat } from "./chat.js";
import { fill, h, icon, set } from "./dom.js";
import { announce, avatar, dialog, field, uniqueId, wording } from "./ui.js";

/** How long typing must pause before the API is asked, in ms. */
const PAUSE = 250;
/** How much must be typed before the API is asked. */
const ENOUGH = 2;
const SUGGESTED = 6;

/**
 * @param {{exclude?: string[], onChange?: () => void, onSubmit?: () => void}} [about] ids of who cannot be chosen; `onSubmit`
 *   is called on Enter when the field is empty and somebody is chosen
 * @returns {{element: HTMLElement, chosen: () => object[]}} users: `{id, name, username?}`
 */
export function peoplePicker({ exclude = [], onChange, onSubmit } = {}) {
  const excluded = new Set([...exclude, session.user?.id]);
  const chosen = new Map();
  let found = [];
  let active = -1;
  let asked = 0;
  let timer;

  const search = field({
    label: "Find people",
    name: "people",
    type: "text",
    autocomplete: "off",
    maxlength: 254,
    autocapitalize: "none",
    spellcheck: "false",
    hint: "The beginning of a username, or a full email address.",
  });
  const { input } = search;
  const chips = h("ul", { class: "chips", "aria-label": "Chosen", hidden: true });
  const list = h("div", {
    class: "list options",
    role: "listbox",
    id: uniqueId("people"),
    "aria-label": "People",
    "aria-multiselectable": "true",
    hidden: true,
  });
  const state = h("p", { class: "muted hint-line", role: "status" });
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id })) {
    set(input, name, value);
  }
  set(input, "autofocus", true);

  const toggle = (user) => {
    if (chosen.delete(user.id)) announce(`${user.name} removed`);
    else {
      chosen.set(user.id, user);
      announce(`${user.name} added`);
      input.value = "";
      look();
    }
    draw();
    onChange?.();
  };

  const draw = () => {
    chips.hidden = chosen.size === 0;
    fill(
      chips,
      [...chosen.values()].map((user) =>
        chip(user, () => {
          toggle(user);
          input.focus();
        }),
      ),
    );
    list.hidden = found.length === 0;
    fill(
      list,
      found.map((user, index) =>
        option(user, {
          id: `${list.id}-${index}`,
          isChosen: chosen.has(user.id),
          isActive: index === active,
          choose: () => toggle(user),
        }),
      ),
    );
    set(input, "aria-expanded", String(found.length > 0));
    set(input, "aria-activedescendant", active >= 0 ? `${list.id}-${active}` : null);
    list.children[active]?.scrollIntoView({ block: "nearest" });
  };

  const show = (people, isSearched) => {
    found = people;
    active = isSearched && people.length > 0 ? 0 : -1;
    draw();
  };

  const look = () => {
    clearTimeout(timer);
    asked += 1;
    const text = input.value.trim();
    const known = knownPeople(text, excluded);
    state.textContent = "";
    show(known.slice(0, text ? undefined : SUGGESTED), text !== "");
    if (text.length < ENOUGH) return;
    const mine = asked;
    timer = setTimeout(async () => {
      try {
        const users = (await chat.searchPeople(text)).filter((user) => !excluded.has(user.id));
        if (mine !== asked) return;
        show(merged(known, users), true);
        state.textContent = found.length > 0 ? foundWords(found.length) : "Nobody found. An email address must be complete.";
      } catch (error) {
        if (mine === asked) state.textContent = wording(error);
      }
    }, PAUSE);
  };

  input.addEventListener("input", look);
  input.addEventListener("keydown", (event) => {
    // Enter ends the composing of a word; Safari says so by the code alone.
    if (event.isComposing || event.keyCode === 229) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length > 0) {
      active = active < 0 && step < 0 ? found.length - 1 : (active + step + found.length) % found.length;
      draw();
    } else if (event.key === "Enter" && found[active]) toggle(found[active]);
    else if (event.key === "Enter" && !input.value.trim() && chosen.size > 0) onSubmit?.();
    else if (event.key === "Backspace" && !input.value && chosen.size > 0) toggle([...chosen.values()].at(-1));
    else if (event.key !== "Enter") return;
    event.preventDefault();
  });
  look();

  search.element.append(state, list);
  return { element: h("div", { class: "stack picker" }, chips, search.element), chosen: () => [...chosen.values()] };
}

/**
 * Lets people be chosen in a dialog.
 * @param {{title: string, submit: string, exclude?: string[]}} about
 * @returns {Promise<object[] | null>} users, or null when it was closed
 */
export async function pickPeople({ title, submit, exclude }) {
  let picked = null;
  const picker = peoplePicker({ exclude, onSubmit: () => submitOf(opened).click() });
  const run = () => {
    picked = needing(picker.chosen());
  };
  const opened = dialog({
    title,
    body: picker.element,
    actions: [{ label: "Cancel" }, { label: submit, kind: "primary", run }],
  });
  await opened.closed;
  return picked;
}

/** Whom one chose, or an error that the dialog explains. */
export function needing(people) {
  if (people.length > 0) return people;
  throw Object.assign(new Error("nobody was chosen"), { detail: "Choose somebody first." });
}

/** @param {{element: HTMLElement}} opened a dialog @returns {HTMLButtonElement} its main button */
export const submitOf = (opened) => opened.element.querySelector(".actions .primary");

/** Somebody's name, and below it what tells them from others of that name. */
export function who(user) {
  const about = user.username ? `@${user.username}` : user.email;
  return h(
    "span",
    { class: "grow who" },
    h("bdi", { class: "truncate", text: user.name }),
    about && h("span", { class: "muted truncate", text: about }),
  );
}

function option(user, { id, isChosen, isActive, choose }) {
  const element = h(
    "div",
    { class: isActive ? "row option active" : "row option", role: "option", id, "aria-selected": String(isChosen) },
    avatar(user.name, user.id, { size: "small" }),
    who(user),
    isChosen && icon("check"),
  );
  // The field keeps the focus.
  element.addEventListener("mousedown", (event) => event.preventDefault());
  element.addEventListener("click", choose);
  return element;
}

function chip(user, remove) {
  const attributes = { type: "button", "aria-label": `Remove ${user.name}`, on: { click: remove } };
  return h("li", { class: "chip" }, h("bdi", { class: "truncate", text: user.name }), h("button", attributes, icon("close")));
}

/** Those one shares a conversation with, most recent first, whose name or address has a word that begins so. */
function knownPeople(text, excluded) {
  const wanted = text.toLowerCase();
  const people = new Map();
  for (const conversation of chat.conversations) {
    for (const { user_id: id, user_name: name, user_email: email } of conversation.participants) {
      if (!id || excluded.has(id) || people.has(id)) continue;
      const words = [...name.toLowerCase().split(/\s+/u), name.toLowerCase(), email?.toLowerCase() ?? ""];
      if (words.some((word) => word.startsWith(wanted))) people.set(id, { id, name, email });
    }
  }
  return [...people.values()];
}

/** What is known stays where it is, so that nothing moves under a finger; the rest follows. */
function merged(known, users) {
  const byId = new Map(known.map((user) => [user.id, user]));
  for (const user of users) byId.set(user.id, user);
  return [...byId.values()];
}

const foundWords = (number) => (number === 1 ? "One person found." : `${number} people found.`);
