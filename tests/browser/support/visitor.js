/** Somebody at a browser of their own, with what can be done and seen on any page. */
import assert from "node:assert/strict";
import { noteText } from "./notes.js";
import { PATIENCE, described, findIn, portable, until } from "./find.js";

export class Visitor {
  /** What their pages complained of, which fails the story unless it was expected. */
  complaints = [];
  #expected = [];

  /**
   * @param {object} about
   * @param {string} about.name their first name
   * @param {import("./account.js").Account} about.account
   */
  constructor({ name, account, context, network, settings }) {
    Object.assign(this, { name, account, context, network, settings });
  }

  // --- Their browser ---

  async start(viewport) {
    this.page = await this.context.newPage();
    await this.page.setViewport(viewport);
    await this.#watch(this.page);
    return this;
  }

  /** Lets the pages complain of what the story is about, such as a request that is refused. */
  expects(...patterns) {
    this.#expected.push(...patterns);
  }

  async #watch(page) {
    const complain = (text) => {
      if (!this.#expected.some((pattern) => pattern.test(text))) this.complaints.push(text);
    };
    page.on("pageerror", (error) => complain(`exception: ${error.stack ?? error}`));
    page.on("dialog", (dialog) => {
      complain(`dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      complain(`console: ${message.text()} ${message.location()?.url ?? ""}`);
    });
    const devtools = await page.createCDPSession();
    await devtools.send("Network.enable");
    devtools.on("Network.requestWillBeSent", ({ request }) => {
      noteText(request.postData);
      noteText(new URL(request.url).search.slice(1));
    });
    devtools.on("Network.webSocketCreated", ({ url }) => noteText(new URL(url).search.slice(1)));
    devtools.on("Network.webSocketFrameSent", ({ response }) => noteText(response.payloadData));
    const telling = new Set();
    devtools.on("Network.responseReceived", ({ requestId, response }) => {
      if (response.url.includes("/api/v1/auth/")) telling.add(requestId);
    });
    devtools.on("Network.loadingFinished", ({ requestId }) => {
      if (!telling.delete(requestId)) return;
      // A page that goes on takes its answers with it.
      devtools.send("Network.getResponseBody", { requestId }).then(({ body }) => noteText(body), () => {});
    });
  }

  /** What is wrong with what their browser did. */
  wrongs() {
    const strangers = this.network.strangers.map((what) => `another host was asked: ${what}`);
    return [...this.complaints, ...strangers].map((what) => `${this.name}: ${what}`);
  }

  async opens(path) {
    await this.page.goto(`${this.settings.origin}${path}`, { waitUntil: "domcontentloaded" });
    return this;
  }

  /** Follows a link out of a mail, whose host is that of the settings. */
  async follows(link) {
    const { pathname, search } = new URL(link);
    return this.opens(pathname + search);
  }

  async reloads() {
    await this.page.reload({ waitUntil: "domcontentloaded" });
  }

  /** Waits until nothing has been asked for a moment, not even by a service worker. */
  async isQuiet() {
    let before;
    await until(`${this.name}'s browser asks nothing`, async () => {
      before = this.network.asked.length;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return this.network.asked.length === before;
    });
  }

  /** Loses the network: what is open ends, and nothing gets through. */
  async goesOffline() {
    this.expects(/net::ERR_/, /WebSocket connection to .* failed/);
    this.network.cut();
    await this.page.setOfflineMode(true);
  }

  async comesBack() {
    this.network.mend();
    await this.page.setOfflineMode(false);
  }

  // --- What they see ---

  /** The elements with a role and a name, now. */
  async all(role, name, within = null) {
    const list = await this.page.evaluateHandle(findIn, within, role, portable(name));
    const found = [...(await list.getProperties()).values()].map((one) => one.asElement()).filter(Boolean);
    await list.dispose();
    return found;
  }

  /** The first one, as soon as it is there. */
  sees(role, name, { within = null, patience = PATIENCE } = {}) {
    const what = `${this.name} sees ${described(role, name)}`;
    return until(what, async () => (await this.all(role, name, within))[0], patience);
  }

  /** Waits until there is no such element, or none any more. */
  async seesNo(role, name, { within = null } = {}) {
    const what = `${this.name} sees no ${described(role, name)}`;
    await until(what, async () => (await this.all(role, name, within)).length === 0);
  }

  /** All the text that is to be seen. */
  text() {
    return this.page.evaluate(() => document.body.innerText);
  }

  /** Waits for a text anywhere on the page. */
  async reads(pattern) {
    const matches = (text) => (pattern instanceof RegExp ? pattern.test(text) : text.includes(pattern));
    const what = `${this.name} reads ${pattern}`;
    try {
      await until(what, async () => matches(await this.text()));
    } catch (error) {
      error.message += `; the page says:\n${await this.text().catch(() => "nothing")}`;
      throw error;
    }
  }

  async readsNo(pattern) {
    const matches = (text) => (pattern instanceof RegExp ? pattern.test(text) : text.includes(pattern));
    await until(`${this.name} reads no ${pattern}`, async () => !matches(await this.text()));
  }

  // --- What they do ---

  /** Clicks on something where it is: whatever lies above it gets the click. */
  async presses(role, name, { within = null } = {}) {
    await until(`${this.name} presses ${described(role, name)}`, async () => {
      const [element] = await this.all(role, name, within);
      if (!element || (await element.evaluate((one) => one.disabled || one.ariaDisabled === "true"))) return false;
      await element.click();
      return true;
    });
  }

  /** Puts a text into a field by its label, as pasting does. */
  async fills(label, text, { role = "textbox", within = null } = {}) {
    const field = await this.sees(role, label, { within });
    await field.evaluate((one) => {
      one.focus();
      one.select?.();
    });
    await this.page.keyboard.sendCharacter(text);
    assert.equal(await field.evaluate((one) => one.value ?? one.textContent), text, `${this.name} fills in ${label}`);
  }

  /** Types letter by letter into a field. */
  async types(text, label, { role = "textbox" } = {}) {
    const field = await this.sees(role, label);
    await field.click();
    await this.page.keyboard.type(text);
  }

  async hits(...keys) {
    for (const key of keys) await this.page.keyboard.press(key);
  }
}
