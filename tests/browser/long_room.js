/** A long room is read back to its beginning in order, without a jump, and searched. */
import assert from "node:assert/strict";
import { story } from "./support/stage.js";
import { until } from "./support/find.js";

const MANY = 250;

await story(async (stage) => {
  const [ada, grace] = await Promise.all([stage.person("Ada"), stage.account("Grace")]);
  const conversation = await grace.group("Log book", ada.account);
  for (let at = 1; at <= MANY; at += 1) {
    await grace.send(conversation, at === 40 ? "Entry 40: the heron was seen" : `Entry ${at}${at % 7 ? "" : "\nwith a second line"}`);
  }
  await ada.signsIn();
  await ada.opensConversation("Log book");
  await ada.seesMessage(`Entry ${MANY}`);

  const log = await ada.sees("log", "Messages");
  await log.hover();
  await until("the beginning is reached", async () => {
    await ada.page.evaluate(watchJumps);
    await ada.page.mouse.wheel({ deltaY: -1200 });
    const texts = (await ada.messages()).map(({ text }) => Number(/^Entry (\d+)/.exec(text)[1]));
    const first = texts[0];
    assert.deepEqual(texts, Array.from(texts, (_, at) => first + at), "in order, once each, at every moment");
    return first === 1 && (await log.evaluate((one) => one.scrollTop === 0));
  }, 40_000);
  await ada.seesExactly(await ada.account.history(conversation));
  const jumps = await ada.page.evaluate(() => globalThis.jumps);
  assert.deepEqual(jumps, [], "what is in sight stays where it is while earlier messages come");

  // Anew, so that what is found is not loaded yet.
  await ada.reloads();
  await ada.seesMessage(`Entry ${MANY}`);
  await ada.presses("button", "Search in this conversation");
  await ada.fills("Search for", "heron seen", { role: "searchbox" });
  await ada.presses("button", "Search");
  await ada.presses("button", /the heron was seen/);
  await until("what was found is in sight", async () => {
    const message = await ada.seesMessage("Entry 40: the heron was seen");
    return message.isIntersectingViewport({ threshold: 0.9 });
  });
  const texts = (await ada.messages()).map(({ text }) => Number(/^Entry (\d+)/.exec(text)[1]));
  assert.deepEqual(texts, Array.from(texts, (_, at) => texts[0] + at), "what lies between is there, too");
});

/** Runs in the page: notes when messages are put in above, and what is in sight moves with it. */
function watchJumps() {
  if (globalThis.jumps) return;
  globalThis.jumps = [];
  const log = document.querySelector("[role=log]");
  let before = null;
  const look = () => {
    const { top } = log.getBoundingClientRect();
    const articles = [...log.querySelectorAll("article")];
    const first = articles.find((article) => article.getBoundingClientRect().bottom > top + 80);
    const kept = before && articles.find((article) => article.dataset.seq === before.seq);
    const came = before && articles.length > before.count;
    if (came && kept) {
      const moved = kept.getBoundingClientRect().top - before.top;
      // One turn of the wheel is 1,200 px; a page of messages is far more.
      if (Math.abs(moved) > 1300) globalThis.jumps.push(moved);
    }
    before = first ? { seq: first.dataset.seq, top: first.getBoundingClientRect().top, count: articles.length } : null;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
