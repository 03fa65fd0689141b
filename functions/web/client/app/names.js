/** What people are called, by all that is known of a conversation. */
import { chat } from "./chat.js";

export class Names {
  #room;
  #me;
  #onMore;
  #people = new Map();
  #asked = false;

  /**
   * @param {object} room
   * @param {string} me
   * @param {() => void} onMore called when names have become known that were asked for in vain
   */
  constructor(room, me, onMore) {
    this.#room = room;
    this.#me = me;
    this.#onMore = onMore;
  }

  /** How many are known. */
  get known() {
    return this.#people.size;
  }

  /**
   * @param {string | null} userId
   * @param {{user_name?: string}} [message] one of theirs, or whatever else names them
   * @returns {string}
   */
  of(userId, message) {
    if (userId === this.#me) return "You";
    if (message?.user_name) this.#people.set(userId, message.user_name);
    else if (!this.#people.has(userId)) this.learn();
    const name = this.#people.get(userId);
    if (name) return name;
    if (userId) this.#ask();
    return "Somebody";
  }

  /** Remembers who is there now: that somebody is removed is told when they are there no more. */
  learn() {
    for (const { user_id: id, user_name: name } of this.#room.conversation?.participants ?? []) this.#people.set(id, name);
  }

  /** A conversation's object names ten people; the others are asked for once, when one of them is to be named. */
  async #ask() {
    if (this.#asked) return;
    this.#asked = true;
    try {
      for (const { user_id: id, user_name: name } of await chat.participants(this.#room.id)) this.#people.set(id, name);
      this.#onMore();
    } catch {
      // They stay nameless until the room is opened again.
    }
  }
}
