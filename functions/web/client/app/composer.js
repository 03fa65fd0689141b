/** Where messages are written: new ones, answers, and changes of what was sent. What is not sent yet is kept as a draft. */
import { fill, h, icon, set } from "./dom.js";
import { shortened } from "./text.js";
import { toast, uniqueId, wording } from "./ui.js";

const MOST = 2000;
const COUNTED_FROM = 1800;

export class Composer {
  #room;
  #nameOf;
  #lastOwn;
  #onSent;
  #draftKey;
  #about = null;
  #input = h("textarea", {
    class: "input",
    rows: 1,
    "aria-label": "Message",
    placeholder: "Message",
    dir: "auto",
    enterkeyhint: "send",
  });
  #send = h("button", { class: "button primary icon send", type: "submit", "aria-label": "Send", title: "Send" }, icon("send"));
  #count = h("p", { class: "count", id: uniqueId("count"), hidden: true });
  #problem = h("p", { class: "form-error", role: "alert", hidden: true });
  #bar = h("div", { class: "composer-bar", hidden: true });
  #form = h(
    "form",
    { class: "composer", novalidate: true, "aria-label": "Write a message" },
    this.#bar,
    this.#problem,
    h("div", { class: "composer-line" }, this.#input, this.#send),
    this.#count,
  );
  #closed = h("p", { class: "composer-closed", role: "status", hidden: true });

  element = h("div", { class: "composer-frame" }, this.#form, this.#closed);

  /**
   * @param {{room: object, me: string, nameOf: (userId: string, message?: object) => string, lastOwn: () => object | null,
   *   onSent: () => void}} about `lastOwn` is the message that ArrowUp changes
   */
  constructor({ room, me, nameOf, lastOwn, onSent }) {
    this.#room = room;
    this.#nameOf = nameOf;
    this.#lastOwn = lastOwn;
    this.#onSent = onSent;
    this.#draftKey = `chat.draft.${me}.${room.id}`;
    this.#input.value = kept(this.#draftKey) ?? "";
    // A touch keyboard's Enter breaks the line: there is no Shift to go with it.
    if (matchMedia("(pointer: coarse)").matches) set(this.#input, "enterkeyhint", "enter");
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#pressed(event));
    this.#input.addEventListener("blur", () => this.#room.setTyping(false));
    this.#draw();
  }

  destroy() {
    this.#room.setTyping(false);
  }

  focus() {
    this.#input.focus();
  }

  /** Says to whom one writes. */
  name(title) {
    set(this.#input, "aria-label", `Message ${title}`);
  }

  /** Fits the height to the text, once it is on the page, in browsers that do not do so themselves. */
  fit() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#input.style.setProperty("height", "auto");
    this.#input.style.setProperty("height", `${this.#input.scrollHeight + 2}px`);
  }

  /** Nothing can be written any more; `reason` says why. */
  close(reason) {
    this.#form.hidden = true;
    this.#closed.hidden = false;
    this.#closed.textContent = reason;
  }

  /** What is written next answers a message. */
  reply(message) {
    this.#begin({ kind: "reply", message });
  }

  /** Changes a message of one's own. */
  edit(message) {
    this.#begin({ kind: "edit", message });
    this.#input.value = message.content;
    this.#draw();
    this.#input.setSelectionRange(message.content.length, message.content.length);
  }

  /** Lets go of the message that is answered or changed, when it was deleted meanwhile. */
  forget(message) {
    if (this.#about?.message.id === message.id) this.#cancel();
  }

  /** Lets go of it also when somebody else deleted it. */
  update() {
    const id = this.#about?.message.id;
    if (!id || !this.#room.items.find(({ message }) => message?.id === id)?.message.deleted_at) return;
    this.#drop();
    toast("That message was deleted meanwhile.");
  }

  #begin(about) {
    if (this.#about?.kind === "edit") this.#cancel();
    this.#about = about;
    const { kind, message } = about;
    const name = this.#nameOf(message.user_id, message);
    const cancel = h(
      "button",
      { class: "button icon", type: "button", "aria-label": kind === "edit" ? "Stop editing" : "Do not reply" },
      icon("close"),
    );
    cancel.addEventListener("click", () => this.#cancel());
    fill(
      this.#bar,
      icon(kind),
      h(
        "p",
        { class: "grow" },
        h(
          "span",
          { class: "composer-bar-title" },
          kind === "edit" ? "Editing your message" : ["Reply to ", h("bdi", { text: name === "You" ? "yourself" : name })],
        ),
        h("span", { class: "truncate muted", dir: "auto", text: shortened(message.content ?? "", 160) }),
      ),
      cancel,
    );
    this.#bar.hidden = false;
    this.#problem.hidden = true;
    this.#draw();
    this.#input.focus();
  }

  #cancel() {
    this.#drop();
    this.#input.focus();
  }

  #drop() {
    const wasEdit = this.#about?.kind === "edit";
    this.#about = null;
    this.#bar.hidden = true;
    this.#problem.hidden = true;
    if (wasEdit) this.#input.value = kept(this.#draftKey) ?? "";
    this.#draw();
  }

  async #submit() {
    const content = this.#input.value.trim();
    if (this.#send.disabled) return;
    const about = this.#about;
    this.#room.setTyping(false);
    if (about?.kind === "edit") return this.#change(about, content);
    this.#about = null;
    this.#bar.hidden = true;
    this.#input.value = "";
    keep(this.#draftKey, "");
    this.#draw();
    // What became of it stands at the message itself.
    this.#room.send(content, { replyTo: about?.message.id ?? null }).catch(() => {});
    this.#onSent();
    return this.#input.focus();
  }

  async #change(about, content) {
    if (content === about.message.content) return this.#cancel();
    this.#problem.hidden = true;
    this.#send.disabled = true;
    try {
      await this.#room.edit(about.message, content);
    } catch (error) {
      if (this.#about !== about) return toast(wording(error), { kind: "error" });
      this.#problem.textContent = wording(error);
      this.#problem.hidden = false;
      this.#draw();
      return this.#input.focus();
    }
    // What was begun meanwhile goes on.
    return this.#about === about ? this.#cancel() : undefined;
  }

  #typed() {
    if (this.#about?.kind !== "edit") keep(this.#draftKey, this.#input.value);
    this.#draw();
    if (this.#about?.kind !== "edit") this.#room.setTyping(this.#input.value.trim() !== "");
  }

  #pressed(event) {
    // Safari ends the composition before it tells of the key that ended it, which is 229 then.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey && !matchMedia("(pointer: coarse)").matches) {
      event.preventDefault();
      this.#submit();
    }
    if (event.key === "Escape" && this.#about) {
      event.preventDefault();
      this.#cancel();
    }
    if (event.key === "ArrowUp" && this.#input.value === "" && !this.#about) {
      const message = this.#lastOwn();
      if (!message) return;
      event.preventDefault();
      this.edit(message);
    }
  }

  #draw() {
    // Characters are counted as the server counts them: by code point, without the blanks around.
    const length = [...this.#input.value.trim()].length;
    this.#send.disabled = length === 0 || length > MOST;
    this.#count.hidden = length < COUNTED_FROM;
    this.#count.textContent = length > MOST ? `${length - MOST} characters too many` : `${length} of ${MOST} characters`;
    this.#count.classList.toggle("too-many", length > MOST);
    set(this.#input, "aria-invalid", length > MOST ? "true" : null);
    set(this.#input, "aria-describedby", this.#count.hidden ? null : this.#count.id);
    this.fit();
  }
}

/** Drafts last as long as the tab; a browser that keeps nothing has none. */
function kept(key) {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(key, text) {
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  } catch {
    return;
  }
}
