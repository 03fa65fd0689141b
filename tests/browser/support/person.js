/** Somebody who chats in a browser. */
import { Visitor } from "./visitor.js";
import { until } from "./find.js";

/** A name in the beginning of a longer one: what follows is who said what, or how many are unread. */
export const beginning = (text) => new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`, "u");

export class Person extends Visitor {
  // --- Their account ---

  async signsUp() {
    await this.opens("/");
    await this.presses("link", "Create an account");
    const { firstName, lastName, email, username, password } = this.account;
    await this.fills("First name", firstName);
    await this.fills("Last name", lastName);
    await this.fills("Email", email);
    await this.fills("Username", username);
    await this.fills("Password", password);
    await this.presses("button", "Create account");
    await this.isSignedIn();
    await this.account.signIn();
  }

  async signsIn(password = this.account.password) {
    await this.opens("/");
    await this.fillsInSignIn(password);
    await this.isSignedIn();
  }

  async fillsInSignIn(password) {
    await this.fills("Email or username", this.account.username);
    await this.fills("Password", password);
    await this.presses("button", "Sign in");
  }

  isSignedIn() {
    return this.sees("button", "New conversation");
  }

  isSignedOut() {
    return this.sees("button", "Sign in");
  }

  // --- Conversations ---

  /** Starts one with people whom they find by their usernames; with one alone, it is direct. */
  async startsConversationWith(...accounts) {
    await this.presses("button", "New conversation");
    await this.choosesPeople(...accounts);
    await this.presses("button", "Start");
    await this.isInRoom();
  }

  async choosesPeople(...accounts) {
    for (const account of accounts) {
      await this.fills("Find people", account.username, { role: "combobox" });
      await this.presses("option", new RegExp(account.username));
      await this.sees("button", `Remove ${account.fullName}`);
    }
  }

  /** Opens one from the list. */
  async opensConversation(title) {
    await this.presses("link", beginning(title));
    await this.isInRoom();
  }

  isInRoom() {
    return this.sees("log", "Messages");
  }

  // --- Messages ---

  /** Writes and sends; Enter sends. */
  async writes(text) {
    await this.fills(/^Message /, text);
    await this.hits("Enter");
  }

  /** What the room shows, in its order: `{seq, state, text, label}` of each message; a tombstone has no text. */
  messages() {
    return this.page.evaluate(() =>
      [...document.querySelectorAll("[role=log] article")].map((article) => ({
        seq: article.dataset.seq === "" ? null : Number(article.dataset.seq),
        state: article.dataset.state,
        text: article.querySelector("[data-content]")?.textContent ?? null,
        label: article.computedName,
      })),
    );
  }

  /** Waits for a message with this text, sent unless another state is asked for. */
  async seesMessage(text, { state = "sent" } = {}) {
    const find = (text, state) =>
      [...document.querySelectorAll(`[role=log] article[data-state=${state}]`)].find(
        (article) => article.querySelector("[data-content]")?.textContent === text,
      );
    return until(`${this.name} sees the message "${text.slice(0, 60)}", ${state}`, async () => {
      const handle = await this.page.evaluateHandle(find, text, state);
      return handle.asElement();
    });
  }

  /** Waits until the browser has written these texts down, from where a reload reads them. */
  keeps(...texts) {
    const missing = async (texts) => {
      const opened = indexedDB.open("chat");
      const database = await new Promise((resolve, reject) => {
        opened.onsuccess = () => resolve(opened.result);
        opened.onerror = () => reject(opened.error);
      });
      const names = [...database.objectStoreNames];
      const reading = database.transaction(names);
      const stores = names.map((name) => {
        const read = reading.objectStore(name).getAll();
        return new Promise((resolve) => (read.onsuccess = () => resolve(read.result)));
      });
      const kept = JSON.stringify(await Promise.all(stores));
      database.close();
      return texts.filter((text) => !kept.includes(JSON.stringify(text)));
    };
    return until(`${this.name} keeps ${texts.join(" and ")}`, async () => {
      return (await this.page.evaluate(missing, texts)).length === 0;
    });
  }

  async seesNoMessage(text) {
    const what = `${this.name} sees no message "${text}"`;
    await until(what, async () => (await this.messages()).every((message) => message.text !== text));
  }

  /** Waits until a message says something beside its text: that it was edited, or read. */
  async seesOf(text, pattern) {
    await until(`${this.name} sees ${pattern} at "${text}"`, async () => {
      const message = await this.seesMessage(text);
      return pattern.test(await message.evaluate((article) => article.innerText));
    });
  }

  /** Does something about a message, by its menu. */
  async does(action, text) {
    await this.opensMenu(text);
    await this.presses("menuitem", action);
  }

  async opensMenu(text) {
    const message = await this.seesMessage(text);
    await message.evaluate((article) => article.scrollIntoView({ block: "center" }));
    await message.hover();
    await this.presses("button", "Message actions", { within: message });
  }

  async reacts(text, emoji) {
    await this.does("React", text);
    const choice = await this.sees("dialog", "React");
    await this.presses("button", new RegExp(emoji, "u"), { within: choice });
  }

  async repliesTo(text, answer) {
    await this.does("Reply", text);
    await this.writes(answer);
  }

  async edits(text, changed) {
    await this.does("Edit", text);
    await this.writes(changed);
    await this.seesMessage(changed);
    // Others may hear of it before it is answered; what is written until then still belongs to it.
    await this.seesNo("button", "Stop editing");
  }

  async deletes(text) {
    await this.does("Delete", text);
    await this.presses("button", "Delete");
    await this.seesNoMessage(text);
  }

  /** What somebody has of the conversation, down to the API's last word: the same messages, once each, in their order. */
  async seesExactly(history, patience) {
    const expected = history.map(({ seq, content, deleted_at: gone }) => `${seq} ${gone ? null : content}`);
    let seen = [];
    await until(
      `${this.name} sees exactly what the API says`,
      async () => {
        seen = (await this.messages()).map(({ seq, text }) => `${seq} ${text}`);
        return JSON.stringify(seen) === JSON.stringify(expected);
      },
      patience,
    ).catch((error) => {
      error.message += `\nseen:     ${JSON.stringify(seen)}\nexpected: ${JSON.stringify(expected)}`;
      throw error;
    });
  }
}

