/** Where a story takes place: a browser, the people in it, and the stack behind it. */
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { Account } from "./account.js";
import { Network } from "./network.js";
import { Person } from "./person.js";
import { settings } from "./settings.js";
import { until } from "./find.js";
import { note } from "./notes.js";

// By `require`, which looks where NODE_PATH says; `import` does not.
const { default: puppeteer } = createRequire(import.meta.url)("puppeteer-core");

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844, isMobile: true, hasTouch: true };
/** A story that hangs says where. */
const LONGEST = 100_000;

export class Stage {
  people = [];
  /** Where what is downloaded goes. */
  downloads = path.join(settings.folder, `downloads-${process.pid}`);
  #browser;

  static async open() {
    const stage = new Stage();
    stage.#browser = await puppeteer.launch({
      executablePath: settings.chromium,
      headless: !settings.visible,
      slowMo: settings.visible ? 60 : 0,
      // When this process ends, however it does, so does the browser.
      pipe: true,
      args: [
        // The pages are our own, and where tests run there often is no sandbox to be had.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--enable-blink-features=ComputedAccessibilityInfo",
        // What browsers ask their makers.
        "--disable-features=AutofillServerCommunication",
        "--font-render-hinting=none",
      ],
      env: { ...process.env, TZ: "UTC", LANGUAGE: "en_GB" },
    });
    return stage;
  }

  /** Somebody with an account, at a browser that is not signed in yet. */
  async person(name, { viewport } = {}) {
    return this.#enter(name, await new Account(settings.url, name).signUp(), viewport);
  }

  /** Somebody who has no account yet. */
  visitor(name, { viewport } = {}) {
    return this.#enter(name, new Account(settings.url, name), viewport);
  }

  /** The same person at another browser. */
  again(person, { viewport } = {}) {
    return this.#enter(`${person.name}, elsewhere,`, person.account, viewport);
  }

  /** An account that only a program uses. */
  account(name) {
    return new Account(settings.url, name).signUp();
  }

  /** An account that is still to be made, for a name that is none. */
  unmet(firstName, lastName) {
    return Object.assign(new Account(settings.url, firstName), { lastName });
  }

  /** Makes somebody a global admin, as `make admin` does. */
  async promote(account) {
    const order = { admin: { email: account.email, unverified: true } };
    const url = `${settings.consoleUrl}/2015-03-31/functions/migrate/invocations`;
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(order) });
    const { admin } = await answer.json();
    if (admin !== "promoted") throw new Error(`${account.email} became no admin: ${admin}`);
  }

  /** The link in the newest mail to an address that leads to this page. */
  mailedLink(email, page) {
    return until(`a mail to ${email} with ${page}`, async () => {
      const inbox = await fetch(`${settings.consoleUrl}/inbox.json?to=${encodeURIComponent(email)}`);
      const links = (await inbox.json()).flatMap(({ text }) => text.match(/https?:\/\/\S+/g) ?? []);
      const link = links.find((one) => one.includes(page));
      if (link) note({ token: link.split("/").at(-1) });
      return link;
    });
  }

  async #enter(name, account, viewport = DESKTOP) {
    const port = (url) => Number(new URL(url).port || 80);
    const stack = (url) => ({ host: new URL(url).hostname, port: port(url) });
    const named = (url) => `${new URL(url).hostname}:${port(url)}`;
    const network = new Network(
      new Map([
        [named(settings.origin), stack(settings.url)],
        [named(settings.websocketUrl), stack(settings.websocketUrl)],
      ]),
    );
    const context = await this.#browser.createBrowserContext({
      proxyServer: await network.open(),
      // Otherwise what is on this machine is asked directly.
      proxyBypassList: ["<-loopback>"],
      downloadBehavior: { policy: "allow", downloadPath: this.downloads },
    });
    const person = new Person({ name, account, context, network, settings });
    this.people.push(person);
    return person.start(viewport);
  }

  /** What went wrong beside what the story looked at. */
  wrongs() {
    return this.people.flatMap((person) => person.wrongs());
  }

  /** Pictures of all pages, for whoever wants to know why a story failed. */
  async pictures(story) {
    await mkdir(settings.folder, { recursive: true });
    for (const [at, person] of this.people.entries()) {
      const file = path.join(settings.folder, `${story}-${at}-${person.account.firstName.replace(/\W/g, "")}.png`);
      await person.page.screenshot({ path: file }).then(
        () => console.log(`${person.name} saw ${file}`),
        (error) => console.log(`there is no picture of what ${person.name} saw: ${error.message}`),
      );
    }
  }

  async close() {
    await this.#browser.close();
    for (const { network } of this.people) await network.close();
  }
}

/**
 * Tells a story: whatever it throws, and whatever a page complains of, fails it.
 *
 * @param {(stage: Stage) => Promise<void>} tell
 */
export async function story(tell) {
  const name = path.basename(process.argv[1], ".js");
  const stage = await Stage.open();
  let problem = null;
  try {
    const late = new Promise((_, reject) => {
      setTimeout(reject, LONGEST, new Error(`the story took longer than ${LONGEST / 1000} s`)).unref();
    });
    await Promise.race([tell(stage), late]);
  } catch (error) {
    problem = error;
  }
  const wrongs = stage.wrongs();
  if (problem || wrongs.length > 0) {
    process.exitCode = 1;
    if (problem) console.log(problem.stack);
    for (const wrong of wrongs) console.log(wrong);
    await stage.pictures(name);
  }
  await stage.close();
}
