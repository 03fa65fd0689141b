/** The frame of a section: its heading, what it is about, what can be made in it. */
import { fill, h, icon } from "../app/dom.js";

/**
 * @param {Element} main is filled
 * @param {{title: string, about: any, body: any, refresh?: () => any, actions?: Element[]}} about
 */
export function section(main, { title, about, body, refresh, actions = [] }) {
  const again = refresh
    ? h("button", { class: "button icon", type: "button", "aria-label": "Refresh", title: "Refresh", on: { click: refresh } }, icon("retry"))
    : null;
  const words = h("div", { class: "grow" }, h("h1", { tabindex: "-1", text: title }), h("p", { class: "muted" }, about));
  fill(main, h("header", { class: "section-head" }, words, h("div", { class: "cluster" }, again, actions)), body);
}
