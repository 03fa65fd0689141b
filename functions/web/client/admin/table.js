/**
 * A table that is read page by page: its first page with a skeleton before it, further ones by a button, each row with a
 * menu of what can be done. On a phone rows are cards, so the roles of a table are said, which the layout would take away.
 */
import { fill, h, icon, keyed, set } from "../app/dom.js";
import { announce, menu } from "../app/ui.js";
import { failure } from "./show.js";

/**
 * @template T
 * @param {{
 *   label: string,
 *   noun: [string, string],
 *   columns: {label: string, show: (item: T) => any, class?: string}[],
 *   load: (cursor: string | null) => Promise<{items: T[], next: string | null}>,
 *   key: (item: T) => string,
 *   name?: (item: T) => string,
 *   actions?: (item: T) => Parameters<typeof menu>[1],
 *   empty: () => Element,
 * }} about `noun` is what the rows are, one and many; the first column heads its row; `name` is what a row's menu is for
 */
export function pagedTable({ label, noun, columns, load, key, name, actions, empty }) {
  const items = new Map();
  let next = null;
  let turn = 0;

  const body = h("tbody", { role: "rowgroup" });
  const region = h("div", { class: "table-region" }, table(label, columns, actions, body));
  const below = h("div", { class: "table-below" });
  const element = h("div", { class: "paged" }, region, below);
  // What scrolls must be a stop for the keyboard, and what is one needs a name.
  new ResizeObserver(() => {
    const scrolls = region.scrollWidth > region.clientWidth;
    set(region, "tabindex", scrolls ? "0" : null);
    set(region, "role", scrolls ? "region" : null);
    set(region, "aria-label", scrolls ? label : null);
  }).observe(region);

  const rowOf = (item) => {
    const cells = columns.map((column, at) => cell(column, at));
    const row = h("tr", { role: "row" }, cells);
    if (actions) row.append(h("td", { role: "cell", class: "actions" }, actionsButton(key(item))));
    update(row, item);
    return row;
  };
  const update = (row, item) => {
    columns.forEach((column, at) => fill(row.children[at], column.show(item)));
    // The button itself stays, so that the focus does, too.
    row.querySelector(":scope > .actions > button")?.setAttribute("aria-label", `Actions for ${name(item)}`);
  };
  const actionsButton = (id) => {
    const attributes = { class: "button icon", type: "button", "aria-haspopup": "menu", "aria-expanded": "false" };
    const button = h("button", attributes, icon("more"));
    button.addEventListener("click", () => menu(button, actions(items.get(id))));
    return button;
  };
  const render = () => keyed(body, [...items.values()], key, rowOf, update);

  const showRest = () => {
    region.hidden = items.size === 0;
    if (items.size === 0) return fill(below, empty());
    if (!next) return fill(below);
    const button = h("button", { class: "button", type: "button", text: "Load more", on: { click: more } });
    return fill(below, button);
  };

  const take = (page) => {
    for (const item of page.items) items.set(key(item), item);
    next = page.next;
    render();
    showRest();
  };

  async function more(event) {
    const mine = turn;
    const before = items.size;
    event.currentTarget.disabled = true;
    try {
      const page = await load(next);
      if (mine !== turn) return;
      take(page);
      announce(`${items.size - before} more ${noun[1]}.`);
      // The button has gone or moved down; one goes on reading at the first new row.
      focusRow(before);
    } catch (error) {
      if (mine !== turn) return;
      fill(below, failure(error, { title: `No more ${noun[1]} could be loaded.`, retry: more }));
    }
  }

  async function reload() {
    turn += 1;
    const mine = turn;
    region.setAttribute("aria-busy", "true");
    if (items.size === 0) {
      region.hidden = true;
      fill(below, skeleton(label));
    }
    try {
      const page = await load(null);
      if (mine !== turn) return;
      items.clear();
      take(page);
      announce(`${items.size}${next ? " or more" : ""} ${items.size === 1 ? noun[0] : noun[1]}.`);
    } catch (error) {
      if (mine !== turn) return;
      items.clear();
      render();
      region.hidden = true;
      fill(below, failure(error, { title: `The ${noun[1]} could not be loaded.`, retry: reload }));
    } finally {
      if (mine === turn) region.removeAttribute("aria-busy");
    }
  }

  function focusRow(at) {
    const row = body.children[Math.min(at, body.children.length - 1)];
    if (!row) return;
    const target = row.querySelector("button, a") ?? row;
    if (target === row) row.tabIndex = -1;
    target.focus();
  }

  return {
    element,
    reload,
    /** Shows an item as it is now, or as a new first one. */
    put(item) {
      if (items.has(key(item))) items.set(key(item), item);
      else {
        const others = [...items];
        items.clear();
        items.set(key(item), item);
        for (const [id, other] of others) items.set(id, other);
      }
      render();
      showRest();
    },
    /** Takes an item out; the focus goes to the row that takes its place. */
    remove(item) {
      const at = [...items.keys()].indexOf(key(item));
      items.delete(key(item));
      render();
      showRest();
      if (document.activeElement === document.body) focusRow(at);
    },
  };
}

function table(label, columns, actions, body) {
  const headings = columns.map((column) =>
    h("th", { scope: "col", role: "columnheader", class: column.class, text: column.label }),
  );
  if (actions) {
    const hidden = h("span", { class: "visually-hidden", text: "Actions" });
    headings.push(h("th", { scope: "col", role: "columnheader", class: "actions" }, hidden));
  }
  const head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, headings));
  return h("table", { class: "table", role: "table", "aria-label": label }, head, body);
}

function cell({ label, class: name }, at) {
  if (at === 0) return h("th", { scope: "row", role: "rowheader", class: `main ${name ?? ""}` });
  return h("td", { role: "cell", class: name, dataset: { label } });
}

function skeleton(label) {
  const bars = Array.from({ length: 6 }, () => h("div", { class: "skeleton" }));
  return h("div", { class: "skeletons" }, h("span", { class: "visually-hidden", text: `Loading: ${label}` }), bars);
}
