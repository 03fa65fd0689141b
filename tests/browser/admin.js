/** An admin looks after people, conversations and programs; who is none sees that it is for admins. */
import assert from "node:assert/strict";
import { until } from "./support/find.js";
import { story } from "./support/stage.js";
import { note } from "./support/notes.js";

const CALLS = ["/admin/users", "/admin/conversations", "/admin/audit", "/admin/oauth-clients", "/admin/stats"];

await story(async (stage) => {
  const [ada, grace] = await Promise.all([stage.person("Ada"), stage.person("Grace")]);
  await stage.promote(ada.account);
  await grace.account.group("Book club", ada.account);
  await grace.signsIn();
  await grace.opens("/admin");
  await grace.sees("heading", "For admins");
  for (const path of CALLS) {
    const { status } = await grace.account.ask("GET", path);
    assert.equal(status, 403, path);
  }
  await grace.opens("/");
  await grace.opensConversation("Book club");

  await ada.opens("/admin");
  await ada.fills("Username or email", ada.account.username);
  await ada.fills("Password", ada.account.password);
  await ada.presses("button", "Sign in");
  await ada.sees("heading", "Users");
  await ada.fills("Search users by username or email", grace.account.username, { role: "searchbox" });
  await ada.sees("row", new RegExp(grace.account.email));
  await ada.seesNo("row", new RegExp(ada.account.email));
  await ada.presses("button", "Actions for Grace Tester");
  await ada.presses("menuitem", "Disable");
  await ada.presses("button", "Disable");
  grace.expects(/status of 401/, /WebSocket connection to .* failed/);
  await grace.isSignedOut();
  await ada.sees("row", /Disabled/);

  await ada.presses("link", "Audit");
  await ada.sees("heading", "Audit");
  await ada.sees("row", /Grace Tester/);
  await ada.presses("link", "Conversations");
  await ada.sees("row", /Book club/);

  await ada.presses("link", "OAuth clients");
  await ada.presses("button", "Register client");
  const name = `Calendar ${ada.account.username}`;
  await ada.fills("Name", name);
  await ada.fills("Redirect URIs", "https://calendar.example/back");
  await ada.presses("button", "Register client");
  const field = await ada.sees("textbox", "Client secret");
  const secret = await field.evaluate((one) => one.value);
  note({ client_secret: secret });
  assert.ok(secret.length > 20);
  assert.ok(await shown(ada, secret));
  await ada.presses("button", "Done");
  await ada.seesNo("textbox", "Client secret");
  await ada.sees("row", new RegExp(name));
  await until("it is shown once", async () => !(await shown(ada, secret)));
  await ada.presses("button", `Actions for ${name}`);
  await ada.presses("menuitem", "Edit");
  await ada.sees("dialog", `Edit ${name}`);
  await until("it is shown once", async () => !(await shown(ada, secret)));
  await ada.hits("Escape");

  // Others sign up meanwhile: what is shown lies between what there was before and after.
  const account = await ada.account.signIn();
  const before = await account.call("GET", "/admin/stats");
  await ada.presses("link", "Live figures");
  await ada.sees("heading", "Live figures");
  await ada.reads("Postgres answers");
  const users = await (await ada.sees("region", "Users")).evaluate((region) => region.innerText);
  const after = await account.call("GET", "/admin/stats");
  const count = Number(users.match(/\d[\d,]*/)[0].replaceAll(",", ""));
  assert.ok(before.users <= count && count <= after.users, `${before.users} <= ${count} <= ${after.users}`);
});

/** Whether a text stands anywhere on the page, in its fields, too. */
function shown(visitor, text) {
  return visitor.page.evaluate(
    (text) =>
      document.documentElement.outerHTML.includes(text) ||
      [...document.querySelectorAll("input, textarea")].some(({ value }) => value.includes(text)),
    text,
  );
}
