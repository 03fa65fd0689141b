/** A send that is refused says why and waits for a retry, which sends it once; one whose answer is lost is sent once, too. */
import assert from "node:assert/strict";
import { story } from "./support/stage.js";

await story(async (stage) => {
  const [ada, grace] = await Promise.all([stage.person("Ada"), stage.account("Grace")]);
  const conversation = await grace.group("Short of breath", ada.account);
  await ada.signsIn();
  await ada.opensConversation("Short of breath");
  for (const text of ["one", "two", "three"]) await ada.writes(text);
  await ada.seesMessage("two");
  const refused = await ada.seesMessage("three", { state: "failed" });
  assert.match(await refused.evaluate((one) => one.innerText), /Not sent: too many messages/);
  // The stack lets two through in four seconds.
  await ada.reads("Not sent: you can try again now.");
  await ada.presses("button", "Retry", { within: refused });
  await ada.seesMessage("three");
  await ada.seesExactly(await grace.history(conversation));

  await new Promise((resolve) => setTimeout(resolve, 4_000));
  // The network goes while a message is on its way: whether it arrived nobody knows, and it is sent until it is known.
  ada.expects(/net::ERR_/, /WebSocket connection to .* failed/);
  await ada.fills(/^Message /, "four");
  ada.network.cutsNextAnswer();
  await ada.hits("Enter");
  await ada.seesMessage("four", { state: "pending" });
  ada.network.mend();
  await ada.seesMessage("four");
  const history = await grace.history(conversation);
  assert.deepEqual(history.map(({ content }) => content), ["one", "two", "three", "four"]);
  await ada.seesExactly(history);
});
