// What forms of accounts have in common: a password that can be looked at and says what it still lacks, and the wait after too
// many tries.
import { h, fill, icon } from "./dom.js";
import { announce, field, toast, waiting, wording } from "./ui.js";
import { duration } from "./format.js";

const special = /[^\p{Alphabetic}\p{N}\s]/u;

/** What a new password must have; the API has the last word, it knows the common ones, too. */
const RULES = [
  ["At least 10 characters", (text) => [...text].length >= 10],
  ["Upper and lower case", (text) => /\p{Lu}/u.test(text) && /\p{Ll}/u.test(text)],
  ["A digit", (text) => /\p{N}/u.test(text)],
  ["A special character", (text) => special.test(text)],
];

/**
 * A field for a password, with a button that shows it.
 * @param {{label?: string, name?: string, autocomplete: "current-password" | "new-password"}} about a new one comes with its
 *   rules, which are marked as they are met
 */
export function passwordField({ label = "Password", name = "password", autocomplete }) {
  const isNew = autocomplete === "new-password";
  const rules = RULES.map(([text, met]) => ({ text, met, element: h("li", null, h("span", { class: "mark" }), text) }));
  const hint = isNew
    ? h(
        "ul",
        { class: "rules" },
        rules.map((rule) => rule.element),
      )
    : undefined;
  const one = field({ label, name, type: "password", autocomplete, required: true, maxlength: 128, hint });
  const { input } = one;
  const box = h("div", { class: "password" });
  input.replaceWith(box);
  box.append(input, revealing(input, label.toLowerCase()));
  if (isNew) input.addEventListener("input", () => check(input, rules));
  return one;
}

function revealing(input, label) {
  const button = h("button", { class: "reveal", type: "button" });
  const draw = () => {
    const hidden = input.type === "password";
    button.textContent = hidden ? "Show" : "Hide";
    button.setAttribute("aria-label", `${hidden ? "Show" : "Hide"} ${label}`);
  };
  button.addEventListener("click", () => {
    input.type = input.type === "password" ? "text" : "password";
    draw();
  });
  draw();
  return button;
}

function check(input, rules) {
  const before = rules.every((rule) => rule.element.classList.contains("met"));
  for (const { element, met } of rules) {
    const isMet = met(input.value);
    if (element.classList.toggle("met", isMet) === (element.querySelector("svg") !== null)) continue;
    fill(element.firstChild, isMet ? [icon("check"), h("span", { class: "visually-hidden", text: "met: " })] : null);
  }
  const lacking = rules.filter(({ met }) => !met(input.value));
  input.setCustomValidity(lacking.length > 0 ? `Still needed: ${inWords(lacking)}.` : "");
  if (!before && lacking.length === 0) announce("The password has all that it needs.");
}

const inWords = (rules) => rules.map(({ text }) => text.charAt(0).toLowerCase() + text.slice(1)).join(", ");

/**
 * Makes a form's `run` wait out a throttle: it says how long, counts down, and is done (so that the form can be sent again)
 * when the time is over.
 * @param {(values: Record<string, string>) => Promise<void>} run
 * @returns {{note: Element, run: (values: Record<string, string>) => Promise<void>}} both for `form`
 */
export function patiently(run) {
  const note = h("p", { class: "form-error", hidden: true });
  const wait = async (seconds) => {
    const until = Date.now() + seconds * 1000;
    announce(`Too many tries. Try again in ${duration(seconds)}.`);
    note.hidden = false;
    for (let left = seconds; left > 0; left = Math.ceil((until - Date.now()) / 1000)) {
      note.textContent = `Too many tries in a short time. You can try again in ${duration(left)}.`;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      if (!note.isConnected) return;
    }
    note.hidden = true;
    announce("You can try again.");
  };
  return {
    note,
    run: async (values) => {
      try {
        await run(values);
      } catch (error) {
        if (error.code !== "throttled" || !error.retryAfter) throw error;
        await wait(Math.ceil(error.retryAfter));
      }
    },
  };
}

/**
 * A button that waits while it works, and says what went wrong.
 * @param {string} label
 * @param {() => any} run
 * @param {string} [kind] "quiet", "danger" or "primary"
 */
export function doing(label, run, kind = "") {
  const button = h("button", { class: `button ${kind}`, type: "button", text: label });
  button.addEventListener("click", () =>
    waiting([button], async () => {
      try {
        await run();
      } catch (error) {
        toast(wording(error), { kind: "error" });
      }
    }),
  );
  return button;
}
