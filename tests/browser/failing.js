/** What is not sent says why: what came too fast is sent by itself in time, what is refused waits for its writer, and what
 * was on its way when the network went is sent once. */
import assert from "node:assert/strict";
import { story } from "./support/stage.js";
import { until } from "./support/find.js";

await story(async (stage) => {
  const [ada, grace] = await Promise.all([stage.person("Ada"), stage.account("Grace")]);
  const conversation = await grace.group("Short of breath", ada.account);
  await ada.signsIn();
  await ada.opensConversation("Short of breath");
  // The stack lets two through in some seconds.
  for (const text of ["one", "two", "three"]) await ada.writes(text);
  const waiting = await ada.seesMessage("three", { state: "pending" });
  await ada.reads(/Too many messages in a short time. This one is sent in \d+ s/);
  assert.match(await waiting.evaluate((one) => one.innerText), /Too many messages/);
  await ada.seesMessage("three");
  await ada.readsNo("Too many messages");

  const broken = "torn\u0000apart";
  await ada.writes(broken);
  const refused = await ada.seesMessage(broken, { state: "failed" });
  assert.match(await refused.evaluate((one) => one.innerText), /Not sent: /);
  await ada.reloads();
  await ada.seesMessage(broken, { state: "failed" });
  await ada.presses("button", "Retry");
  await ada.seesMessage(broken, { state: "failed" });
  assert.equal((await ada.messages()).filter(({ text }) => text === broken).length, 1, "it is there once");
  await ada.presses("button", "Discard");
  await ada.seesNoMessage(broken);

  // Nobody knows whether it arrived, so it is sent until it is known.
  ada.expects(/net::ERR_/, /WebSocket connection to .* failed/);
  await ada.fills(/^Message /, "four");
  ada.network.cutsNextAnswer();
  await ada.hits("Enter");
  await until("the answer is lost", () => ada.network.isCut);
  await ada.seesMessage("four", { state: "pending" });
  ada.network.mend();
  await ada.seesMessage("four");
  const history = await grace.history(conversation);
  assert.deepEqual(history.map(({ content }) => content), ["one", "two", "three", "four"]);
  await ada.seesExactly(history);
});
