/** Hostile text is shown as text, and stays where it belongs. */
import assert from "node:assert/strict";
import { story, PHONE } from "./support/stage.js";

const OVERRIDE = "\u202e";
const ISOLATE = "\u2067";

const TEXTS = [
  "<script>alert('said')</script>",
  `<img src=x onerror="alert('seen')"> <b>bold</b> &amp; &lt;`,
  "javascript:alert('followed') [click](javascript:alert(1)) data:text/html,<script>alert(2)</script>",
  "<a href=\"javascript:alert('link')\">a link</a>",
  "https://example.com/?q=<script>alert(3)</script>",
  "W".repeat(500),
  `https://example.com/${"path".repeat(100)}`,
  `${OVERRIDE}this is turned around`,
  `${ISOLATE}this is isolated and never ended`,
  "שלום לכולם, hello, مرحبا بالجميع 123",
  "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 e\u0301 z\u0351\u036b\u0343\u032a\u0302\u036b\u033d\u034f",
  "first line\nsecond line\n\n  fourth line, indented",
  "long ".repeat(400).trim().padEnd(2000, "."),
  "{{constructor.constructor('alert(4)')()}} ${alert(5)} %3Cscript%3E \\u003cscript\\u003e",
];

await story(async (stage) => {
  const mallory = stage.unmet("<img src=x onerror=alert(6)>", `${OVERRIDE}yrollaM`);
  await mallory.signUp();
  const ada = await stage.person("Ada");
  const name = `"><script>alert(7)</script>${OVERRIDE}moor`;
  const conversation = await mallory.group(name, ada.account);
  for (const text of TEXTS) await mallory.send(conversation, text);
  await mallory.send(conversation, "An answer", { reply_to: `${(await mallory.history(conversation))[0].id}` });
  const history = await mallory.history(conversation);

  await ada.signsIn();
  await ada.opensConversation(`"><script>`);
  await ada.seesExactly(history);
  const own = `${OVERRIDE}<script>alert(8)</script> ${"𝕎".repeat(300)}`;
  await ada.writes(own);
  await ada.seesMessage(own);
  await looksRight(ada);

  await ada.page.setViewport(PHONE);
  await ada.seesExactly(await mallory.history(conversation));
  await looksRight(ada);

  // Only addresses of the web are links, and they lead where they say.
  const links = await ada.page.evaluate(() =>
    [...document.querySelectorAll("[role=log] a")].map((link) => ({ href: link.href, text: link.textContent })),
  );
  assert.ok(links.length > 0);
  for (const { href, text } of links) {
    assert.match(href, /^https:\/\/example\.com\//);
    assert.equal(href, new URL(text).href);
  }
});

async function looksRight(person) {
  const wide = await person.page.evaluate(() =>
    [document.documentElement, ...document.querySelectorAll("[role=log]")].filter((one) => one.scrollWidth > one.clientWidth + 1).length,
  );
  assert.equal(wide, 0, "nothing scrolls sideways");
  // What stands beside a text keeps its own direction.
  const turned = await person.page.evaluate(() => {
    const isTurned = (text) => {
      const range = document.createRange();
      let before = -Infinity;
      for (let at = 0; at < text.length; at += 1) {
        range.setStart(text, at);
        range.setEnd(text, at + 1);
        const { left, width } = range.getBoundingClientRect();
        if (width > 0 && left < before) return true;
        if (width > 0) before = left;
      }
      return false;
    };
    return [...document.querySelectorAll("time")].filter((time) => isTurned(time.firstChild)).length;
  });
  assert.equal(turned, 0, "no time is turned around");
  const alive = await person.page.evaluate(() => document.querySelectorAll("main script, main img, [role=log] b, [onerror]").length);
  assert.equal(alive, 0, "no text became an element");
}
