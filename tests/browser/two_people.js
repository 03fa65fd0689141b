/** Two people chat in two browsers. */
import { story } from "./support/stage.js";

await story(async (stage) => {
  const [ada, grace] = await Promise.all([stage.visitor("Ada"), stage.visitor("Grace")]);
  await Promise.all([ada.signsUp(), grace.signsUp()]);

  await ada.startsConversationWith(grace.account);
  // Nothing is pushed to whoever a conversation is started with: the list shows it when it is read again.
  await grace.reloads();
  await grace.opensConversation("Ada Tester");
  await ada.writes("Good morning");
  await ada.seesMessage("Good morning");
  await grace.seesMessage("Good morning");
  await ada.seesOf("Good morning", /Read by Grace Tester/);

  await grace.types("On my way", /^Message /);
  await ada.reads(/Grace Tester is typing/);
  await grace.hits("Enter");
  await ada.seesMessage("On my way");
  await ada.readsNo("is typing");

  await ada.reacts("On my way", "👍");
  await grace.sees("button", /^👍 1, Ada Tester/u);
  await ada.repliesTo("On my way", "Take the side door");
  await grace.seesOf("Take the side door", /In reply to[^]*On my way/);
  await ada.edits("Take the side door", "Take the main door");
  await grace.seesMessage("Take the main door");
  await grace.seesOf("Take the main door", /edited/);
  await grace.seesNoMessage("Take the side door");
  await grace.deletes("On my way");
  await ada.seesNoMessage("On my way");
  await ada.reads("Message deleted");

  const conversation = await ada.account.direct(grace.account);
  const history = await ada.account.history(conversation);
  await Promise.all([ada.seesExactly(history), grace.seesExactly(history)]);
});
