/**
 * The admin pages: a shell without data, whose sections are told by the hash. Who is let in is decided by the server with
 * each request; what the session says of the role only spares others the requests.
 */
import { session } from "../app/api.js";
import { Cache } from "../app/cache.js";
import { fill, h, icon } from "../app/dom.js";
import { signOut } from "../app/sign-out.js";
import { avatar } from "../app/ui.js";
import { showAudit } from "./audit.js";
import { onForbidden } from "./calls.js";
import { showClients } from "./clients.js";
import { showConversations } from "./conversations.js";
import { showFigures } from "./figures.js";
import { notAdmin, signIn } from "./gate.js";
import { showUsers } from "./users.js";

const sections = [
  { name: "users", label: "Users", symbol: "people", show: showUsers },
  { name: "conversations", label: "Conversations", symbol: "hash", show: showConversations },
  { name: "audit", label: "Audit", symbol: "clock", show: showAudit },
  { name: "clients", label: "OAuth clients", symbol: "key", show: showClients },
  { name: "figures", label: "Live figures", symbol: "chart", show: showFigures },
];

const page = document.getElementById("app");
let shown = null;
let main = null;
let leaving = new AbortController();
/** Whom the server has refused, whatever their session says. */
let refused = null;
let notice = null;

/** Shows what belongs to who is signed in; what is open stays open when that has not changed. */
function show() {
  const { user } = session;
  const state = !user ? "signed-out" : user.role !== "admin" || refused === user.id ? `refused ${user.id}` : `admin ${user.id}`;
  if (state === shown) return;
  const first = shown === null;
  shown = state;
  leave();
  if (state.startsWith("admin")) {
    frame(user);
    open();
    return;
  }
  main = null;
  const view = user ? notAdmin() : signIn(notice);
  notice = null;
  fill(page, view);
  document.title = `${user ? "For admins" : "Sign in"} · Administration · Chat`;
  if (user) view.querySelector("h1").focus();
  else if (!first) view.querySelector("input").focus();
}

/** What a section began ends with it, and so do questions that stand open. */
function leave() {
  leaving.abort();
  leaving = new AbortController();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

function frame(user) {
  const links = sections.map(({ name, label, symbol }) => h("a", { href: `#${name}`, dataset: { section: name } }, icon(symbol), label));
  main = h("main", { class: "section", id: "section", tabindex: "-1" });
  const logo = h("img", { src: document.querySelector('link[rel="icon"]').href, alt: "", width: "28", height: "28" });
  const skip = h("button", { class: "button skip", type: "button", text: "Skip to content", on: { click: () => main.focus() } });
  const leaveFor = h("a", { class: "button quiet", href: "/" }, icon("back"), h("span", { class: "label", text: "To the chat" }));
  const out = h("button", { class: "button quiet", type: "button" }, icon("sign-out"), h("span", { class: "label", text: "Sign out" }));
  out.addEventListener("click", signOut);
  fill(
    page,
    h(
      "div",
      { class: "admin" },
      h(
        "header",
        { class: "admin-head" },
        skip,
        h("span", { class: "admin-brand" }, logo, "Administration"),
        h("span", { class: "who account" }, avatar(user.name, user.id, { size: "small" }), h("span", { class: "label truncate", text: user.name })),
        leaveFor,
        out,
      ),
      h("nav", { class: "admin-nav", "aria-label": "Sections" }, links),
      main,
    ),
  );
}

/** Shows the section that the address names, the first one if it names none. */
function open() {
  const wanted = location.hash.slice(1);
  const current = sections.find(({ name }) => name === wanted) ?? sections[0];
  leave();
  for (const link of page.querySelectorAll(".admin-nav a")) {
    if (link.dataset.section === current.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  page.querySelector('.admin-nav [aria-current="page"]').scrollIntoView({ block: "nearest", inline: "nearest" });
  document.title = `${current.label} · Administration · Chat`;
  current.show(main, { signal: leaving.signal });
}

addEventListener("hashchange", () => {
  if (!main) return;
  open();
  scrollTo(0, 0);
  main.querySelector("h1").focus();
});
onForbidden(() => {
  refused = session.user?.id ?? null;
  show();
});
session.onChange((user, reason) => {
  // What the chat keeps is nobody's from here on, whether it is open in another tab or not.
  if (!user) new Cache().clear();
  if (reason === "ended") notice = "Your session has ended. Sign in again to go on.";
  // Somebody may have been made an admin since.
  if (reason !== "signed-out" && user?.role === "admin") refused = null;
  show();
});
await session.restore();
show();
