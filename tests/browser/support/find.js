/**
 * Finding things as people do who use assistive technology: by role and name, both as the browser computes them
 * (`computedRole` and `computedName`, for which `stage.js` starts it with a flag).
 */

/** How long something may take to appear, in ms. */
export const PATIENCE = 15_000;
const AGAIN = 40;

/** Waits until `look` gives something that is neither null, undefined nor false; `what` says what was missed. */
export async function until(what, look, patience = PATIENCE) {
  const deadline = Date.now() + patience;
  let problem;
  for (;;) {
    try {
      const seen = await look();
      if (seen !== null && seen !== undefined && seen !== false) return seen;
      problem = undefined;
    } catch (error) {
      // The page went elsewhere, or drew itself anew, in the middle of it.
      if (!/context|detached|Cannot find|not clickable|Node is|Protocol error|Target closed/i.test(error.message)) throw error;
      problem = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${patience / 1000} s${problem ? ` (${problem.message})` : ""}`);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}

/** How a role and a name read in a message. */
export const described = (role, name) => `the ${role} ${name === undefined ? "" : name instanceof RegExp ? name : `"${name}"`}`;

/** A name as it crosses over into the page. */
export const portable = (name) =>
  name === undefined ? null : name instanceof RegExp ? { source: name.source, flags: name.flags } : { text: name };

/**
 * Runs in the page: the elements that have this role and name, and are to be seen.
 *
 * @param {Element | null} within
 * @param {string} role
 * @param {{text: string} | {source: string, flags: string} | null} name
 */
export function findIn(within, role, name) {
  const likely = {
    alert: "[role=alert]",
    article: "article, [role=article]",
    button: "button, summary, input[type=submit], [role=button]",
    checkbox: "input[type=checkbox], [role=checkbox]",
    combobox: "select, [role=combobox], input",
    dialog: "dialog, [role=dialog], [role=alertdialog]",
    heading: "h1, h2, h3, h4, h5, h6, [role=heading]",
    link: "a[href], [role=link]",
    list: "ul, ol, menu, [role=list]",
    listitem: "li, [role=listitem]",
    log: "[role=log]",
    menuitem: "[role=menuitem]",
    option: "option, [role=option]",
    row: "tr, [role=row]",
    searchbox: "input, [role=searchbox]",
    status: "output, [role=status]",
    switch: "[role=switch], input",
    tab: "[role=tab]",
    textbox: "input, textarea, [role=textbox], [contenteditable]",
  };
  const matches = (text) =>
    !name || ("text" in name ? text === name.text : new RegExp(name.source, name.flags).test(text));
  // Marks of direction belong to how a name is shown, not to what it is.
  const plain = (text) => text.replace(/[\u2066-\u2069\u200e\u200f\u202a-\u202e]/gu, "").replace(/\s+/g, " ").trim();
  // A row is called by what is in it, which the browser does not compute.
  const nameOf = (element) => element.computedName || (role === "row" ? element.innerText : "");
  const open = [...document.querySelectorAll("dialog[open]")].filter((dialog) => dialog.matches(":modal")).at(-1);
  return [...(within ?? document).querySelectorAll(likely[role] ?? "*")].filter(
    (element) =>
      (!open || open.contains(element) || element.closest("[popover]")) &&
      element.checkVisibility({ visibilityProperty: true }) &&
      element.computedRole === role &&
      (matches(nameOf(element)) || matches(plain(nameOf(element)))),
  );
}
