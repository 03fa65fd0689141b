/** A group: made with people, added to, with roles; who is removed sees it at once, and one leaves. */
import { story } from "./support/stage.js";
import { beginning } from "./support/person.js";

await story(async (stage) => {
  const [ada, grace, noor, mei] = await Promise.all([
    stage.person("Ada"), stage.person("Grace"), stage.account("Noor"), stage.account("Mei"),
  ]);
  await Promise.all([ada.signsIn(), grace.signsIn()]);
  await ada.presses("button", "New conversation");
  await ada.choosesPeople(grace.account, noor);
  await ada.fills("Group name", "Garden party");
  await ada.presses("button", "Start");
  await ada.isInRoom();
  await ada.writes("Saturday at four?");
  await ada.seesMessage("Saturday at four?");
  await grace.reloads();
  await grace.opensConversation("Garden party");
  await grace.seesMessage("Saturday at four?");

  await ada.presses("button", "Details");
  await ada.presses("button", "Add people");
  await ada.choosesPeople(mei);
  await ada.presses("button", "Add");
  await ada.sees("button", "Actions for Mei Tester");
  await grace.reads("Mei Tester was added");

  // Who is an admin can do what an admin does, without loading the page again.
  await grace.presses("button", "Details");
  await grace.sees("button", "Leave");
  await grace.seesNo("button", "Rename");
  await ada.presses("button", "Actions for Grace Tester");
  await ada.presses("menuitem", "Make an admin");
  await ada.reads("Grace Tester is an admin now");
  await grace.presses("button", "Rename");
  await grace.fills("Name", "Garden party, indoors");
  await grace.presses("button", "Rename");
  await ada.sees("link", beginning("Garden party, indoors"));
  await ada.presses("button", "Actions for Grace Tester");
  await ada.presses("menuitem", "Make a member");
  await grace.seesNo("button", "Rename");

  // What is asked in the moment that one goes may be refused.
  for (const person of [ada, grace]) person.expects(/status of 404 .*\/participants/);
  await ada.presses("button", "Actions for Grace Tester");
  await ada.presses("menuitem", "Remove");
  await ada.presses("button", "Remove");
  await grace.seesNo("link", beginning("Garden party, indoors"));
  await grace.seesNo("textbox", /^Message /);
  await ada.seesNo("button", "Actions for Grace Tester");

  await ada.presses("button", "Leave");
  await ada.presses("button", "Leave");
  await ada.seesNo("link", beginning("Garden party, indoors"));
  await ada.seesNo("log", "Messages");
});
