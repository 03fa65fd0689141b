// What the views before signing in stand in: what this is, in one line, and one card.
import { h } from "./dom.js";

/** The address whose verification is waited for, from one of these views to the next. */
export const waiting = { email: "" };

/**
 * @param {string} title
 * @param {...any} content of the card, below its title
 * @returns {{element: HTMLElement, title: string}}
 */
export function accountFrame(title, ...content) {
  const element = h(
    "main",
    { class: "account" },
    h("div", { class: "brand" }, logo(), h("p", { class: "brand-name", text: "Chat" })),
    h("p", { class: "tagline", text: "Talk with your team, in groups or pairs." }),
    h("section", { class: "card stack" }, h("h1", { tabindex: "-1", text: title }), content),
  );
  return { element, title };
}

/** The page's own icon, whose address only the page knows. */
function logo() {
  const source = document.querySelector('link[rel="icon"]')?.href;
  return h("img", { class: "logo", src: source, alt: "", width: "40", height: "40" });
}

/**
 * A line that leads on to another of these views.
 * @param {string} text
 * @param {string} label
 * @param {string} to
 */
export const leadingOn = (text, label, to) => h("p", { class: "leading-on" }, text, " ", h("a", { href: to, text: label }));
