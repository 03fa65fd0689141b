/** Choosing an emoji to react with: a few at hand, any other by typing it. */
import { h } from "./dom.js";
import { popUp, uniqueId } from "./ui.js";

const AT_HAND = [
  ["👍", "Thumbs up"],
  ["❤️", "Heart"],
  ["😂", "Laughing"],
  ["🎉", "Celebration"],
  ["😮", "Surprised"],
  ["😢", "Sad"],
  ["🙏", "Thanks"],
  ["👀", "Looking"],
  ["✅", "Done"],
  ["🔥", "Fire"],
  ["💯", "Exactly"],
  ["🤔", "Thinking"],
];
const MOST_BYTES = 32;
const letters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * Whether a text is one emoji, as reactions are.
 *
 * @param {string} text
 * @returns {boolean}
 */
export function isEmoji(text) {
  const isOne = [...letters.segment(text)].length === 1 && new TextEncoder().encode(text).length <= MOST_BYTES;
  return isOne && /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u.test(text);
}

/**
 * Opens the choice at a button. Escape and a click elsewhere close it.
 *
 * @param {HTMLElement} button
 * @param {(emoji: string) => void} choose
 */
export function pickReaction(button, choose) {
  const problem = h("p", { class: "error", role: "alert", id: uniqueId("emoji-error"), hidden: true });
  const input = h("input", {
    class: "input",
    type: "text",
    "aria-label": "Another emoji",
    placeholder: "Another emoji",
    autocomplete: "off",
    maxlength: 32,
  });
  const submit = h("button", { class: "button", type: "submit", text: "React" });
  const close = () => element.hidePopover();
  const take = (emoji) => {
    close();
    choose(emoji);
  };
  const choices = AT_HAND.map(([emoji, name]) =>
    h("button", {
      class: "emoji-choice",
      type: "button",
      "aria-label": `${emoji} ${name}`,
      title: name,
      text: emoji,
      on: { click: () => take(emoji) },
    }),
  );
  const other = h("form", { class: "other-emoji", novalidate: true }, input, submit, problem);
  other.addEventListener("submit", (event) => {
    event.preventDefault();
    const emoji = input.value.trim();
    if (isEmoji(emoji)) return take(emoji);
    problem.textContent = "Type one emoji.";
    problem.hidden = false;
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", problem.id);
    return input.focus();
  });
  const element = h(
    "div",
    { class: "menu reaction-picker", popover: "auto", role: "dialog", "aria-label": "React" },
    h("div", { class: "emoji-choices" }, choices),
    other,
  );
  element.addEventListener("keydown", (event) => moveIn(choices, event));
  popUp(element, button, { isAbove: true });
  choices[0].focus();
}

function moveIn(choices, event) {
  const at = choices.indexOf(document.activeElement);
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -6, ArrowDown: 6 }[event.key];
  if (!step || at < 0) return;
  event.preventDefault();
  choices[at + step]?.focus();
}
