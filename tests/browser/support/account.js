/** Somebody's account as a program uses it: for what a story needs to be there before it begins, and to compare with. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { note } from "./notes.js";

export class Account {
  /** @param {string} url where the stack is */
  constructor(url, name) {
    const own = randomBytes(5).toString("hex");
    this.url = url;
    this.firstName = name;
    this.lastName = "Tester";
    this.username = `${name.toLowerCase().replace(/[^a-z]/g, "") || "someone"}-${own}`;
    this.email = `${this.username}@example.com`;
    this.password = `Quite-Secret-${randomBytes(8).toString("hex")}`;
    note({ email: this.email, password: this.password });
  }

  get fullName() {
    return `${this.firstName} ${this.lastName}`;
  }

  async signUp() {
    const { email, username, password, firstName: first_name, lastName: last_name } = this;
    const answer = await this.call("POST", "/auth/signup", { email, username, password, first_name, last_name });
    this.id = answer.user.id;
    this.token = answer.access_token;
    return this;
  }

  /** Signs in with what was signed up with elsewhere. */
  async signIn() {
    const answer = await this.call("POST", "/auth/login", { username: this.username, password: this.password });
    this.id = answer.user.id;
    this.token = answer.access_token;
    return this;
  }

  /** A request that must succeed. */
  async call(method, path, body) {
    const { status, json } = await this.ask(method, path, body);
    assert.ok(status < 300, `${method} ${path}: ${status} ${JSON.stringify(json)}`);
    return json;
  }

  async ask(method, path, body) {
    if (body) note(body);
    const headers = { "content-type": "application/json" };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    const request = { method, headers, body: body && JSON.stringify(body) };
    const response = await fetch(`${this.url}/api/v1${path}`, request);
    const text = await response.text();
    const json = text ? JSON.parse(text) : null;
    if (json) note(json);
    return { status: response.status, json };
  }

  group(name, ...others) {
    return this.call("POST", "/conversations", { name, participant_ids: others.map((other) => other.id) });
  }

  direct(other) {
    return this.call("POST", "/conversations/direct", { user_id: other.id });
  }

  send(conversation, content, more = {}) {
    return this.call("POST", `/conversations/${conversation.id}/messages`, { content, ...more });
  }

  edit(conversation, message, content) {
    return this.call("PATCH", `/conversations/${conversation.id}/messages/${message.id}`, { content });
  }

  react(conversation, message, emoji) {
    const path = `/conversations/${conversation.id}/messages/${message.id}/reactions/${encodeURIComponent(emoji)}`;
    return this.call("PUT", path);
  }

  read(conversation, message) {
    return this.call("POST", `/conversations/${conversation.id}/read`, { message_id: message.id });
  }

  /** All messages of a conversation, oldest first. */
  async history(conversation) {
    const messages = [];
    for (let before = ""; ; ) {
      const page = await this.call("GET", `/conversations/${conversation.id}/messages?limit=100${before}`);
      messages.unshift(...page.items);
      if (!page.next) return messages;
      before = `&before=${encodeURIComponent(page.next)}`;
    }
  }
}
