/** One goes offline, misses three messages and an edit, returns, and sees exactly the right room. */
import assert from "node:assert/strict";
import { story } from "./support/stage.js";

await story(async (stage) => {
  const [ada, grace] = await Promise.all([stage.person("Ada"), stage.account("Grace")]);
  const conversation = await grace.group("Release", ada.account);
  const first = await grace.send(conversation, "The build is green");
  await ada.signsIn();
  await ada.opensConversation("Release");
  await ada.seesMessage("The build is green");
  await ada.writes("Then I tag it");
  await ada.seesMessage("Then I tag it");

  await ada.goesOffline();
  await ada.reads("You are offline");
  await grace.send(conversation, "Wait for the notes");
  await grace.send(conversation, "They are in review");
  await grace.edit(conversation, first, "The build is red again");
  await grace.send(conversation, "Tomorrow, then");

  // What was loaded can be read, and what is written waits.
  await ada.writes("Who reviews them?");
  await ada.seesMessage("Who reviews them?", { state: "pending" });
  await ada.keeps("The build is green", "Who reviews them?");
  await ada.reloads();
  await ada.seesMessage("The build is green");
  await ada.seesMessage("Who reviews them?", { state: "pending" });

  await ada.comesBack();
  await ada.seesMessage("Who reviews them?");
  const history = await grace.history(conversation);
  assert.deepEqual(
    history.map(({ content }) => content),
    ["The build is red again", "Then I tag it", "Wait for the notes", "They are in review", "Tomorrow, then", "Who reviews them?"],
  );
  await ada.seesExactly(history);
  await ada.readsNo("You are offline");

  // The connection alone is lost, unknown to the page, and comes back: nothing is missed or shown twice either.
  ada.network.cut();
  await grace.send(conversation, "Good night");
  ada.network.mend();
  await ada.seesMessage("Good night");
  await ada.seesExactly(await grace.history(conversation));
});
