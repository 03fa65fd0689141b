/** axe-core finds nothing on any page, in any state that a person comes by, in both themes, on a phone and on a desk. */
import assert from "node:assert/strict";
import { story } from "./support/stage.js";
import { Axe } from "./support/axe.js";

await story(async (stage) => {
  const axe = new Axe();
  const ada = await stage.visitor("Ada");
  const grace = await stage.account("Grace");
  try {
    await accounts(ada, axe);
    await chat(stage, ada, grace, axe);
    await admin(stage, ada, axe);
    await mailed(stage, ada, axe);
  } finally {
    console.log(`${axe.states.length} states were looked at: ${axe.states.join(", ")}`);
    for (const problem of axe.found) console.log(problem);
  }
  assert.equal(axe.found.size, 0, "axe-core finds nothing");
});

async function accounts(ada, axe) {
  await ada.opens("/");
  await ada.isSignedOut();
  await axe.examines(ada, "sign-in");
  ada.expects(/status of 401 .*\/auth\/login/);
  await ada.fillsInSignIn("Not-the-password-1");
  await ada.sees("alert");
  await axe.examines(ada, "sign-in, refused");
  await ada.presses("link", "Forgot your password?");
  await axe.examines(ada, "forgotten password");
  await ada.opens("/#/verify");
  await axe.examines(ada, "address to be verified");
  await ada.opens("/#/sign-up");
  await ada.presses("button", "Create account");
  await axe.examines(ada, "sign-up, with errors");
  await ada.signsUp();
  await ada.reads("No conversations yet");
  await axe.examines(ada, "no conversations");
}

async function chat(stage, ada, grace, axe) {
  await ada.presses("button", "New conversation");
  await ada.fills("Find people", grace.username, { role: "combobox" });
  await ada.sees("option", new RegExp(grace.username));
  await axe.examines(ada, "finding people");
  await ada.hits("Escape");

  const room = await grace.group("Garden party", ada.account);
  const asked = await grace.send(room, "Saturday at four? https://example.com/garden");
  await grace.send(room, "Or Sunday", { reply_to: asked.id });
  await grace.react(room, asked, "🎉");
  await grace.direct(ada.account).then((direct) => grace.send(direct, "Hello"));
  await ada.reloads();
  await ada.opensConversation("Garden party");
  await ada.seesMessage("Or Sunday");
  await ada.writes("Saturday is fine");
  await ada.edits("Saturday is fine", "Saturday is best");
  await ada.writes("Wrong room");
  await ada.deletes("Wrong room");
  await ada.reads("Message deleted");
  await axe.examines(ada, "list and room");
  await ada.does("Reply", "Or Sunday");
  await axe.examines(ada, "replying");
  await ada.hits("Escape");
  await ada.opensMenu("Saturday is best");
  await axe.examines(ada, "actions of a message");
  await ada.presses("menuitem", "Delete");
  await ada.sees("dialog", /Delete/);
  await axe.examines(ada, "a question");
  await ada.hits("Escape");
  await ada.does("React", "Or Sunday");
  await ada.sees("dialog", "React");
  await axe.examines(ada, "choosing a reaction");
  await ada.hits("Escape");
  await ada.presses("button", "Details");
  await ada.sees("button", "Actions for Grace Tester");
  await axe.examines(ada, "details");
  await ada.presses("button", "Search in this conversation");
  await ada.fills("Search for", "saturday", { role: "searchbox" });
  await ada.presses("button", "Search");
  await ada.sees("list", "What was found");
  await axe.examines(ada, "search in a room");
  await ada.goesOffline();
  await ada.reads("You are offline");
  await ada.writes("Written offline");
  await ada.seesMessage("Written offline", { state: "pending" });
  await axe.examines(ada, "offline");
  await ada.comesBack();
  await ada.seesMessage("Written offline");
  await ada.opens("/#/search?q=saturday");
  await ada.reads("Garden party");
  await axe.examines(ada, "search");
  await ada.opens("/#/settings");
  await ada.reads("This device");
  await axe.examines(ada, "settings");
  await ada.presses("button", "Erase my account");
  await ada.sees("dialog", "Erase your account?");
  await axe.examines(ada, "erasing the account");
  await ada.hits("Escape");
}

async function admin(stage, ada, axe) {
  await ada.opens("/admin");
  await ada.sees("heading", "For admins");
  await axe.examines(ada, "admin pages, for others");
  await stage.promote(ada.account);
  await ada.opens("/admin");
  await ada.sees("heading", "Users");
  await ada.sees("button", /^Actions for/);
  await axe.examines(ada, "admin: users");
  for (const name of ["Conversations", "Audit", "OAuth clients", "Live figures"]) {
    await ada.presses("link", name);
    await ada.sees("heading", name);
    await ada.isQuiet();
    await axe.examines(ada, `admin: ${name}`);
  }
  await ada.presses("link", "OAuth clients");
  await ada.presses("button", "Register client");
  await ada.sees("dialog", "Register client");
  await axe.examines(ada, "admin: a form");
  await ada.opens("/docs");
  await ada.reads("WebSocket");
  await ada.isQuiet();
  await axe.examines(ada, "reference");
}

/** The pages that the auth function makes. */
async function mailed(stage, ada, axe) {
  await ada.follows(await stage.mailedLink(ada.account.email, "/verify-email/"));
  await ada.sees("button", "Verify my address");
  await axe.examines(ada, "verifying");
  await ada.presses("button", "Verify my address");
  await ada.reads(/verified/i);
  await axe.examines(ada, "verified");
  await ada.account.call("POST", "/auth/password-reset", { email: ada.account.email });
  await ada.follows(await stage.mailedLink(ada.account.email, "/password-reset/"));
  await ada.sees("button", "Set the password");
  await axe.examines(ada, "resetting");
  const client = await (await ada.account.signIn()).call("POST", "/admin/oauth-clients", {
    name: "Calendar", redirect_uris: ["https://calendar.example/back"], confidential: false,
  });
  const asked = new URLSearchParams({
    response_type: "code", client_id: client.client_id, redirect_uri: "https://calendar.example/back", state: "1",
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256",
  });
  await ada.opens(`/oauth/authorize?${asked}`);
  await ada.sees("button", "Deny");
  await axe.examines(ada, "allowing a program");
}
