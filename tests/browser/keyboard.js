/** From sign-up to the first message with the keyboard alone. */
import assert from "node:assert/strict";
import { story } from "./support/stage.js";
import { Keyboard } from "./support/keyboard.js";

await story(async (stage) => {
  const grace = await stage.account("Grace");
  const ada = await stage.visitor("Ada");
  const keyboard = new Keyboard(ada);
  const { firstName, lastName, email, username, password } = ada.account;

  await ada.opens("/");
  await ada.isSignedOut();
  await keyboard.tabsTo("link", "Create an account");
  await keyboard.hits("Enter");
  await ada.sees("button", "Create account");
  const passed = [];
  for (const [label, text] of Object.entries({
    "First name": firstName, "Last name": lastName, Email: email, Username: username, Password: password,
  })) {
    passed.push(...(await keyboard.tabsTo("textbox", label)));
    await keyboard.types(text);
  }
  // One field after the other, as they stand.
  assert.deepEqual(passed.filter((name) => name.startsWith("textbox")), [
    "textbox First name", "textbox Last name", "textbox Email", "textbox Username", "textbox Password",
  ]);
  await keyboard.tabsTo("button", "Create account");
  await keyboard.hits("Enter");
  await ada.isSignedIn();
  await keyboard.isHandedOn();

  await keyboard.tabsTo("button", "New conversation");
  await keyboard.hits("Enter");
  await ada.sees("dialog", /conversation/i);
  await keyboard.isAt("combobox", "Find people");
  await keyboard.types(grace.username);
  await ada.sees("option", new RegExp(grace.username));
  await keyboard.hits("Enter");
  await ada.sees("button", `Remove ${grace.fullName}`);
  await keyboard.tabsTo("button", "Start");
  await keyboard.hits("Enter");
  await ada.isInRoom();
  await keyboard.isAt("textbox", /^Message /);
  await keyboard.types("Written without a mouse");
  await keyboard.hits("Enter");
  await ada.seesMessage("Written without a mouse");

  // The message is there for the arrows, with its actions; Escape leads out of the menu to where one was.
  await ada.account.signIn();
  const conversation = await ada.account.direct(grace);
  await grace.send(conversation, "Well done");
  await ada.seesMessage("Well done");
  await keyboard.tabsBackTo("article", /Well done/);
  await keyboard.hits("ArrowUp");
  await keyboard.isAt("article", /Written without a mouse/);
  await keyboard.hits("ArrowDown", "Enter");
  await ada.sees("menuitem", "Reply");
  await keyboard.hits("Escape");
  await keyboard.tabsTo("textbox", /^Message /);
});
