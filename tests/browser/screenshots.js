/** Takes the pictures of the README: a room that people could be in, with a clock that stands still. */
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { DESKTOP, PHONE, story } from "./support/stage.js";
import { settings } from "./support/settings.js";
import { until } from "./support/find.js";

/** What the clock says when the pictures are taken. */
const NOW = Date.UTC(2026, 8, 16, 10, 24);
const MINUTE = 60_000;

const PEOPLE = {
  ada: ["Ada", "Lind"],
  grace: ["Grace", "Okafor"],
  noor: ["Noor", "Haddad"],
  tomas: ["Tomás", "Rey"],
  mei: ["Mei", "Tanaka"],
  ivo: ["Ivo", "Brandt"],
};

/** Who says what, and how many minutes ago. */
const ROOMS = {
  "Launch week": {
    people: ["ada", "grace", "noor", "mei", "tomas"],
    said: [
      [1490, "mei", "The last strings are translated. I am off for today."],
      [1484, "grace", "Thank you, Mei. That was the last open item on my list."],
      [74, "grace", "Good morning. Are we still on for Thursday?"],
      [71, "noor", "Yes. The rehearsal ran through twice without a hitch, the second time in 14 minutes."],
      [70, "noor", "What is left: the status page, and somebody who watches the queue from nine to ten."],
      [52, "ada", "I take the queue. My morning is free.", { reactions: { "👍": ["grace", "noor"] } }],
      [38, "tomas", "Status page is up: https://status.example.com\nIt checks every 30 seconds and says since when."],
      [36, "grace", "Looks good. Can it say who is on call, too?", { reply: 6 }],
      [31, "tomas", "It does now.", { reactions: { "🎉": ["ada", "grace", "mei"] } }],
      [12, "ada", "Then I write the announcement. A draft is with you by noon.", { edited: "Then I write the announcement. A draft is with you by eleven." }],
      [3, "grace", "Perfect. I read it right after lunch."],
    ],
  },
  "Design review": {
    people: ["ada", "mei", "ivo"],
    said: [
      [126, "ivo", "The new icons are in the folder."],
      [118, "mei", "Much clearer at small sizes. The dark ones could be a little lighter."],
    ],
  },
  "Reading group": {
    people: ["ada", "grace", "ivo"],
    said: [[2960, "ivo", "Chapter four by Friday?"]],
  },
};
const DIRECT = {
  grace: [[94, "grace", "Do you have ten minutes before the stand-up?"], [93, "ada", "Sure, now is good."]],
  noor: [[205, "ada", "Thank you for the rehearsal yesterday."], [200, "noor", "Any time. It was fun, actually."]],
  tomas: [[18, "tomas", "The dashboard is back. A disk was full."], [17, "tomas", "I wrote down what to look at next time."]],
};
const UNREAD = ["tomas"];

await story(async (stage) => {
  await mkdir(settings.folder, { recursive: true });
  const { accounts, times, launch } = await furnish(stage);
  const ada = await stage.again({ name: "Ada", account: accounts.ada });
  const grace = await stage.again({ name: "Grace", account: accounts.grace });
  for (const person of [ada, grace]) await person.page.evaluateOnNewDocument(stopClock, times, NOW, Date.now());
  await ada.signsIn();
  await ada.opensConversation("Launch week");
  await ada.sees("article", /right after lunch/);
  // Who has read what is told to whoever is there.
  await accounts.noor.read(launch.conversation, launch.messages.at(-1));
  await grace.signsIn();
  await grace.opensConversation("Launch week");
  await ada.reads(/Read by/);

  await typing(grace, ada);
  await takes(ada, "room-desktop-light", DESKTOP, "light");
  await typing(grace, ada);
  await takes(ada, "room-desktop-dark", DESKTOP, "dark");
  await typing(grace, ada);
  await takes(ada, "room-phone-light", PHONE, "light");
  await takes(ada, "room-phone-dark", PHONE, "dark");
  await stage.promote(ada.account);
  await ada.opens("/admin");
  await ada.sees("heading", "Users");
  await ada.reads("Noor Haddad");
  await takes(ada, "admin", DESKTOP, "light");
  await ada.opens("/docs");
  await ada.reads("WebSocket");
  await takes(ada, "docs", DESKTOP, "light");
});

async function furnish(stage) {
  const times = {};
  const accounts = {};
  for (const [name, [firstName, lastName]] of Object.entries(PEOPLE)) {
    const account = Object.assign(stage.unmet(firstName, lastName), { username: name, email: `${name}@example.com` });
    accounts[name] = await account.signUp();
    const link = await stage.mailedLink(account.email, "/verify-email/");
    await account.call("POST", "/auth/verify-email", { token: link.split("/").at(-1) });
  }
  const tell = async (conversation, said) => {
    const messages = [];
    for (const [ago, name, text, { reply, reactions = {}, edited } = {}] of said) {
      const more = reply === undefined ? {} : { reply_to: messages[reply].id };
      const message = await accounts[name].send(conversation, text, more);
      messages.push(message);
      times[message.created_at] = new Date(NOW - ago * MINUTE).toISOString();
      if (edited) {
        const changed = await accounts[name].edit(conversation, message, edited);
        times[changed.edited_at] = new Date(NOW - (ago - 1) * MINUTE).toISOString();
      }
      for (const [emoji, names] of Object.entries(reactions)) {
        for (const who of names) await accounts[who].react(conversation, message, emoji);
      }
    }
    return messages;
  };
  let launch;
  const rooms = Object.entries(ROOMS).map(([name, about]) => ({ ...about, name }));
  rooms.push(...Object.entries(DIRECT).map(([name, said]) => ({ said, with: name })));
  // The one that was spoken in last stands first.
  for (const room of rooms.toSorted((one, other) => other.said.at(-1)[0] - one.said.at(-1)[0])) {
    const [first, ...others] = (room.people ?? ["ada", room.with]).map((name) => accounts[name]);
    const conversation = room.name ? await first.group(room.name, ...others) : await first.direct(others[0]);
    const messages = await tell(conversation, room.said);
    if (!UNREAD.includes(room.with)) await accounts.ada.read(conversation, messages.at(-1));
    if (room.name === "Launch week") launch = { conversation, messages };
  }
  return { accounts, times, launch };
}

/** Runs in the page: it is always NOW, and what was said was said when the script says. */
function stopClock(times, now, then) {
  const shift = now - then;
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
  const parse = JSON.parse;
  JSON.parse = (text) =>
    parse(text, (key, value) => {
      if (typeof value !== "string" || !isTime.test(value)) return value;
      return times[value] ?? new Date(Date.parse(value) + shift).toISOString();
    });
  const Real = Date;
  globalThis.Date = class extends Real {
    constructor(...given) {
      super(...(given.length === 0 ? [now] : given));
    }

    static now() {
      return now;
    }
  };
}

async function typing(who, seenBy) {
  await who.types("I", /^Message /);
  await seenBy.reads(/typing/);
}

async function takes(person, name, viewport, scheme) {
  await person.page.setViewport({ ...viewport, deviceScaleFactor: viewport.isMobile ? 2 : 1 });
  await person.page.emulateMediaFeatures([
    { name: "prefers-color-scheme", value: scheme },
    { name: "prefers-reduced-motion", value: "reduce" },
  ]);
  // A caret blinks.
  await person.page.evaluate(() => document.activeElement?.blur());
  await person.page.evaluate(() => document.fonts.ready);
  const file = path.join(settings.folder, `${name}.png`);
  let before = 0;
  // Until two in a row are alike: nothing moves any more.
  await until(`${name} stands still`, async () => {
    await person.page.screenshot({ path: file, captureBeyondViewport: false });
    const { size } = await stat(file);
    const still = size === before;
    before = size;
    return still;
  });
  console.log(`${path.relative(process.cwd(), file)} ${Math.round(before / 1024)} KB`);
}
