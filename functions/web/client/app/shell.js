// What who is signed in sees: the list of conversations beside the view of the address, one at a time on a phone.
import { session } from "./api.js";
import { chat } from "./chat.js";
import { h, icon } from "./dom.js";
import { toast } from "./ui.js";
import { count, title } from "./format.js";
import { connectionBanner } from "./connection.js";
import { roomView } from "./room.js";
import { address, go } from "./router.js";
import { searchView } from "./search.js";
import { settingsView } from "./settings.js";
import { Sidebar } from "./sidebar.js";

/** Why a conversation that was open is left, by the room's reasons. */
const GONE = { removed: "You are not in this conversation.", deleted: "This conversation was deleted." };

/** Where one pane is shown at a time; the width is that of styles/shell.css. */
const phone = matchMedia("(max-width: 45rem)");

export class Shell {
  #sidebar = new Sidebar();
  #banner = connectionBanner();
  #pane = h("main", { class: "pane", tabindex: "-1" });
  #route = null;
  #view = null;
  #off;

  constructor() {
    this.element = h("div", { class: "app" }, this.#banner.element, this.#sidebar.element, this.#pane);
    this.#off = chat.on("conversations", () => this.#name());
    // The address does not change then, but one wants to be there.
    this.#sidebar.element.addEventListener("click", (event) => event.target.closest("a[aria-current]") && this.#enter());
    phone.addEventListener("change", this.#landmark);
  }

  /**
   * @param {import("./router.js").Route} route
   * @param {boolean} [isNext] whether another view was there before, so that this one takes the focus
   */
  show(route, isNext = this.#route !== null) {
    const before = this.#route;
    this.#route = route;
    if (before?.name === route.name && before.id === route.id && this.#view.update) {
      this.#view.update(route);
      return this.#name();
    }
    this.#view?.destroy?.();
    this.#view = this.#make(route);
    this.#pane.replaceChildren(this.#view.element);
    this.element.dataset.pane = route.name === "list" ? "list" : "view";
    this.#landmark();
    this.#sidebar.setCurrent(route.name === "conversation" ? route.id : null);
    this.#name();
    if (isNext) this.#focus();
  }

  destroy() {
    this.#off();
    phone.removeEventListener("change", this.#landmark);
    this.#view?.destroy?.();
    this.#sidebar.destroy();
    this.#banner.destroy();
  }

  #make(route) {
    if (route.name === "settings") return settingsView();
    if (route.name === "search") return searchView(route);
    if (route.name === "conversation") return this.#room(route);
    return placeholder();
  }

  #room({ id, messageId }) {
    const view = roomView({
      id,
      messageId,
      onBack: () => go(address.list),
      // It may be gone before it is shown.
      onGone: (reason) => queueMicrotask(() => this.#leave(id, reason)),
    });
    const update = (to) => to.messageId && view.jump(to.messageId);
    const name = () => {
      const conversation = chat.conversation(id);
      return conversation ? title(conversation, session.user?.id) : "Conversation";
    };
    return { element: view.element, title: name, update, destroy: () => view.destroy() };
  }

  #leave(id, reason) {
    if (reason !== "left") toast(GONE[reason] ?? GONE.removed);
    if (this.#route.id === id) go(address.list, { replace: true });
  }

  /** The list is what a phone's page is about when nothing else is shown. */
  #landmark = () => {
    const isMain = phone.matches && this.#route?.name === "list";
    this.#sidebar.element.setAttribute("role", isMain ? "main" : "region");
  };

  #name() {
    const unread = chat.conversations.reduce((sum, one) => sum + (one.muted || one.archived ? 0 : one.unread_count), 0);
    document.title = `${unread > 0 ? `(${count(unread)}) ` : ""}${this.#view.title()} – Chat`;
  }

  #enter() {
    (this.#pane.querySelector("textarea") ?? this.#pane.querySelector("h1")).focus();
  }

  /** Where the view begins, so that it is read out and the next Tab goes on from there. */
  #focus() {
    const heading = this.#route.name === "list" ? this.#sidebar.heading : this.#pane.querySelector("h1, h2");
    const target = heading ?? this.#pane;
    if (!target.hasAttribute("tabindex")) target.setAttribute("tabindex", "-1");
    target.focus({ preventScroll: true });
  }
}

function placeholder() {
  const element = h(
    "div",
    { class: "empty placeholder" },
    icon("people"),
    h("p", { text: "Choose a conversation, or start one." }),
  );
  return { element, title: () => "Conversations" };
}
