/**
 * The messages of a conversation, oldest first. Earlier ones come when one scrolls up to them, without a jump; it
 * stays at the end while one is there, and says how many are new when one is not.
 */
import { actionsButton, createMessage, updateMessage } from "./message.js";
import { createNotice, updateNotice } from "./notice.js";
import { empty, toast, wording } from "./ui.js";
import { fill, h, icon, keyed } from "./dom.js";
import { firstBeyond, firstUnread, rowsOf, seqOfItem } from "./rows.js";

/** How near to the end counts as there, in px. */
const NEAR = 48;
/** For how long after a touch, a key or the wheel scrolling is by that, in ms. */
const MEANT = 500;
/** Within this time after the connection is back, what was missed has come, in ms. */
const CAUGHT_UP = 5000;

export class Timeline {
  #room;
  #around;
  #hello;
  #onSeen;
  #opened = false;
  #atEnd = true;
  /** Where it was when it was scrolled last, in px, and when somebody did something that scrolls, in ms. */
  #lastTop = 0;
  #touchedAt = -MEANT;
  #loading = false;
  /** How many pages are loaded at most to get to where the unread ones begin: no more than 100 of them are counted. */
  #pages = 3;
  #unread = null;
  /** The newest seq that was seen when nobody looked any more, and the one beyond which messages were missed so. */
  #isAway = false;
  #left = null;
  #missed = null;
  #back;
  /** Up to which seq messages were in sight, and were told to screen readers: null before the first look. */
  #through = 0;
  #told = null;
  /** The elements of the messages by the keys of their items, and the one that Tab leads to. */
  #elements = new Map();
  #current = null;
  #problem = h("p", { class: "form-error", role: "alert", hidden: true });
  #earlier = h("button", { class: "button quiet", type: "button", text: "Show earlier messages" });
  #beginning = h("p", { class: "beginning", text: "Beginning of the conversation" });
  #top = h("div", { class: "timeline-top" }, this.#problem, this.#earlier, this.#beginning);
  #placeholder = h("div", { class: "timeline-placeholder" });
  #list = h("div", { class: "messages" });
  #scroller = h(
    "div",
    { class: "timeline", role: "log", "aria-label": "Messages", "aria-live": "off", tabindex: "0" },
    this.#top,
    this.#placeholder,
    this.#list,
  );
  #note = h("p", { class: "timeline-note", role: "status", hidden: true });
  #news = h("span");
  #toEnd = h("button", { class: "button to-end", type: "button", hidden: true }, this.#news, icon("down"));
  // What is drawn is not read out by itself: earlier messages come into it as well, and buttons.
  #spoken = h("div", { class: "visually-hidden", "aria-live": "polite", "aria-relevant": "additions" });
  #edge = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.#opened && this.#loadEarlier(), {
    root: this.#scroller,
    rootMargin: "400px 0px 0px",
  });
  #sizes = new ResizeObserver(() => this.#opened && this.#atEnd && this.#scrollToEnd());

  element = h("div", { class: "timeline-frame" }, this.#scroller, this.#note, this.#toEnd, this.#spoken);

  /**
   * @param {{room: object, around: import("./message.js").Surroundings, hello: () => {title: string, text: string},
   *   onSeen: () => void}} about `hello` is what is said where nothing was said yet; `onSeen` is called when the newest
   *   message is in sight
   */
  constructor({ room, around, hello, onSeen }) {
    this.#room = room;
    this.#around = around;
    this.#hello = hello;
    this.#onSeen = onSeen;
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    for (const type of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      this.#scroller.addEventListener(type, () => (this.#touchedAt = performance.now()), { passive: true });
    }
    this.#scroller.addEventListener("keydown", (event) => this.#pressed(event));
    this.#scroller.addEventListener("focusin", ({ target }) => this.#makeCurrent(target.closest(".message")));
    this.#earlier.addEventListener("click", () => this.#loadEarlier());
    this.#toEnd.addEventListener("click", () => this.toEnd());
    this.#edge.observe(this.#earlier);
    this.#sizes.observe(this.#scroller);
    this.#sizes.observe(this.#list);
  }

  destroy() {
    clearTimeout(this.#back);
    this.#edge.disconnect();
    this.#sizes.disconnect();
  }

  /**
   * While nobody looks, or there is no connection, what comes is marked as new and is gone to on returning.
   *
   * @param {boolean} isAway
   */
  away(isAway) {
    if (isAway === this.#isAway) return;
    this.#isAway = isAway;
    if (isAway) clearTimeout(this.#back);
    else this.#catchUp();
    if (isAway && this.#opened && this.#atEnd) this.#left ??= newest(this.#room.items);
  }

  #catchUp() {
    clearTimeout(this.#back);
    this.#back = setTimeout(() => (this.#left = null), CAUGHT_UP);
  }

  /** Shows what the room holds now. */
  update() {
    const { items, loading, error, hasEarlier, conversation } = this.#room;
    const nothing = items.length === 0;
    const unread = this.#findUnread();
    const waiting = !this.#opened && (loading || this.#reach(unread.missing));
    this.#placeholder.hidden = !nothing && !waiting;
    this.#top.hidden = nothing || waiting;
    this.#list.hidden = waiting;
    if (nothing || waiting) this.#fillPlaceholder(loading || waiting, error);
    const putBack = this.#hold();
    this.#draw(items, unread.item);
    this.#earlier.hidden = !hasEarlier;
    this.#beginning.hidden = hasEarlier;
    // Before it is on the page nothing has a place.
    if (!this.#opened) return nothing || waiting || !this.element.isConnected ? undefined : this.#open();
    this.#tell(items);
    if (this.#atEnd && this.#left !== null && this.#left === this.#missed) this.#showNew();
    else if (this.#atEnd) this.#scrollToEnd();
    else putBack();
    return this.#look();
  }

  /** Goes to the newest message, and stays there. */
  toEnd() {
    this.#atEnd = true;
    this.#scrollToEnd();
    this.#look();
  }

  /** Shows a message, wherever it is. */
  async jump(messageId) {
    this.#opened = true;
    this.#atEnd = false;
    try {
      if (!this.#elementOf(messageId)) await this.#fetch(messageId);
    } catch (error) {
      toast(wording(error), { kind: "error" });
    }
    this.#told ??= newest(this.#room.items);
    this.update();
    const element = this.#elementOf(messageId);
    if (!element) return this.#scrolled();
    element.scrollIntoView({ block: "center" });
    // What comes into sight takes the room that it really needs only then.
    requestAnimationFrame(() => element.scrollIntoView({ block: "center" }));
    element.focus({ preventScroll: true });
    element.classList.remove("flashed");
    void element.offsetWidth;
    return element.classList.add("flashed");
  }

  /** Loads back to a message, which takes a while when it is long ago. */
  async #fetch(messageId) {
    this.#note.textContent = "Going back to the message …";
    this.#note.hidden = false;
    try {
      await this.#room.around(messageId);
    } finally {
      this.#note.hidden = true;
    }
  }

  #elementOf(messageId) {
    return this.#elements.get(this.#room.items.find(({ message }) => message?.id === messageId)?.key);
  }

  #draw(items, unread) {
    const rows = rowsOf(items, this.#around.me, unread);
    keyed(
      this.#list,
      rows,
      ({ key }) => key,
      (row) => this.#create(row),
      (element, row) => this.#refresh(element, row),
    );
    const keys = new Set(rows.map(({ key }) => key));
    for (const key of this.#elements.keys()) if (!keys.has(key)) this.#elements.delete(key);
    const stays = this.#current?.isConnected && this.#list.contains(document.activeElement);
    this.#makeCurrent(stays ? this.#current : this.#list.querySelector(":scope > .message:last-of-type"));
  }

  #create(row) {
    if (row.mark) return h("p", { class: row.mark }, h("span", { text: row.text }));
    if (row.item.kind === "notice") return createNotice(row.item, this.#around);
    const element = createMessage(row, this.#around);
    this.#elements.set(row.key, element);
    return element;
  }

  #refresh(element, row) {
    if (row.mark) element.firstChild.textContent = row.text;
    else if (row.item.kind === "notice") updateNotice(element, row.item, this.#around);
    else updateMessage(element, row, this.#around);
  }

  #fillPlaceholder(loading, error) {
    const state = loading ? "loading" : error ? wording(error) : JSON.stringify(this.#hello());
    if (this.#placeholder.dataset.state === state) return;
    this.#placeholder.dataset.state = state;
    const nothing = error ? { title: "The messages could not be loaded", text: wording(error) } : this.#hello();
    fill(this.#placeholder, loading ? skeleton() : empty(nothing));
  }

  /** Where it is to say that what follows is new. */
  #findUnread() {
    const { items, loading, conversation } = this.#room;
    const { me } = this.#around;
    if (this.#left !== null && firstBeyond(items, this.#left, me)) this.#missed = this.#left;
    if (this.#missed !== null) return { item: firstBeyond(items, this.#missed, me), missing: 0 };
    // The list may know of messages that have not come yet.
    const isCurrent = !loading && conversation && newest(items) >= (conversation.last_message?.seq ?? 0);
    if (isCurrent) this.#unread ??= { count: conversation.unread_count, through: conversation.last_seq };
    return this.#unread ? firstUnread(items, this.#unread, me) : { item: null, missing: 0 };
  }

  /** Loads back to where the unread ones begin. @returns {boolean} whether that is not done yet */
  #reach(missing) {
    if (missing === 0 || !this.#room.hasEarlier || this.#pages === 0) return this.#loading;
    if (this.#loading) return true;
    this.#loading = true;
    this.#pages -= 1;
    const done = () => {
      this.#loading = false;
      this.update();
    };
    this.#room.loadEarlier().then(done, () => {
      this.#pages = 0;
      done();
    });
    return true;
  }

  /** The first look: where the unread ones begin, else at the end. */
  #open() {
    this.#opened = true;
    this.#told = newest(this.#room.items);
    this.#showNew();
    // What is there may be of the last time, and the list may be newer than that.
    if (this.#atEnd && (this.#isAway || !this.#unread)) this.#left = this.#told;
    if (!this.#isAway) this.#catchUp();
    this.#look();
  }

  /** Goes to the end, but no further than to where the new ones begin. */
  #showNew() {
    this.#scrollToEnd();
    const divider = this.#list.querySelector(":scope > .unread");
    const above = divider ? divider.getBoundingClientRect().top - this.#scroller.getBoundingClientRect().top : 0;
    if (above < 0) {
      this.#atEnd = false;
      this.#scroller.scrollTop += above - NEAR;
    }
  }

  /** Remembers where things are, to put them back there when others have come above them. */
  #hold() {
    if (!this.#opened || this.#atEnd) return () => {};
    const { top } = this.#scroller.getBoundingClientRect();
    // Marks of days and of what is new go up when more comes in below them.
    const held = [...this.#list.querySelectorAll(":scope > [data-seq]")].find(
      (element) => element.getBoundingClientRect().bottom > top,
    );
    const before = held?.getBoundingClientRect().top;
    return () => {
      if (held?.isConnected) this.#scroller.scrollTop += Math.round(held.getBoundingClientRect().top - before);
    };
  }

  #scrollToEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #scrolled() {
    if (!this.#opened) return;
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const isEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    // The end may also have gone away by itself, when what is above it took more room.
    const isMeant = scrollTop < this.#lastTop || performance.now() - this.#touchedAt < MEANT;
    this.#lastTop = scrollTop;
    if (this.#atEnd && !isEnd && !isMeant) {
      this.#scrollToEnd();
      return;
    }
    this.#atEnd = isEnd;
    this.#look();
  }

  /** Takes note of what is in sight, and says what is not. */
  #look() {
    const { items } = this.#room;
    if (this.#atEnd) {
      this.#through = newest(items);
      this.#onSeen();
    } else if (this.#through === 0) this.#through = this.#told ?? newest(items);
    const news = items.filter((item) => item.message?.seq > this.#through && item.message.user_id !== this.#around.me).length;
    const text = news === 0 ? "" : news === 1 ? "1 new message" : `${news} new messages`;
    this.#toEnd.hidden = this.#atEnd;
    this.#news.textContent = text;
    this.#toEnd.setAttribute("aria-label", text || "To the newest message");
    this.#toEnd.classList.toggle("primary", news > 0);
  }

  /** Reads out what others have said since; of many only how many there are. */
  #tell(items) {
    if (this.#told === null) return;
    const news = items.filter(({ message }) => message?.seq > this.#told);
    this.#told = Math.max(this.#told, newest(items));
    const { me, nameOf } = this.#around;
    const said = news.map(({ message }) => message).filter(({ user_id: id, deleted_at: deleted }) => id !== me && !deleted);
    const lines =
      said.length > 3
        ? [`${said.length} new messages`]
        : said.map((message) => `${nameOf(message.user_id, message)}: ${message.content}`);
    for (const text of lines) {
      const line = h("p", { text });
      this.#spoken.append(line);
      setTimeout(() => line.remove(), 10_000);
    }
  }

  async #loadEarlier() {
    if (this.#loading || !this.#room.hasEarlier) return;
    this.#loading = true;
    this.#problem.hidden = true;
    this.#scroller.setAttribute("aria-busy", "true");
    this.#earlier.textContent = "Loading earlier messages …";
    let failed = null;
    try {
      await this.#room.loadEarlier();
    } catch (error) {
      failed = error;
    }
    this.#loading = false;
    this.#scroller.removeAttribute("aria-busy");
    this.#earlier.textContent = "Show earlier messages";
    this.#problem.textContent = failed ? wording(failed) : "";
    this.#problem.hidden = !failed;
    this.#edge.unobserve(this.#earlier);
    // Observed anew it asks for more at once where one page does not fill the window. After a failure the button does.
    if (!failed) this.#edge.observe(this.#earlier);
  }

  /** Up and down go from message to message, Enter opens what there is to do. */
  #pressed(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Enter" && event.target.matches(".message")) {
      event.preventDefault();
      actionsButton(event.target)?.click();
    }
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const messages = [...this.#list.querySelectorAll(":scope > .message")];
    const at = messages.indexOf(event.target.closest(".message"));
    const next = at < 0 ? this.#current : messages[at + step];
    next?.focus({ preventScroll: true });
    next?.scrollIntoView({ block: "nearest" });
  }

  #makeCurrent(element) {
    if (!element) return;
    if (this.#current !== element) reachable(this.#current, false);
    reachable(element, true);
    this.#current = element;
  }
}

/** Whether Tab stops at a message and at its tools: it does at one, or there would be no end of it. */
function reachable(element, on) {
  for (const one of [element, ...(element?.querySelectorAll(".tools > button") ?? [])]) {
    if (one) one.tabIndex = on ? 0 : -1;
  }
}

const newest = (items) => items.reduce((most, item) => Math.max(most, seqOfItem(item) ?? 0), 0);

/** What is there before the messages are: where they will be. */
function skeleton() {
  const lines = ["short", "long", "own", "long", "own short", "long"];
  const shapes = lines.map((line) => h("div", { class: `skeleton ${line}` }));
  return h("div", { class: "timeline-skeleton", role: "status", "aria-label": "Loading the messages" }, shapes);
}
