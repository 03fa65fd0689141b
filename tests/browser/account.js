/** An address is verified and a password reset by the links of mails; sessions are ended, and all one has is taken along. */
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { story } from "./support/stage.js";
import { until } from "./support/find.js";
import { note } from "./support/notes.js";

await story(async (stage) => {
  const ada = await stage.visitor("Ada");
  const { account } = ada;
  await ada.signsUp();
  await ada.presses("link", "Settings");
  await ada.reads("Not verified");
  await ada.follows(await stage.mailedLink(account.email, "/verify-email/"));
  await ada.presses("button", "Verify my address");
  await ada.seesNo("button", "Verify my address");
  await ada.opens("/#/settings");
  await ada.reads("Verified");
  await ada.readsNo("Not verified");
  await ada.presses("button", "Sign out");
  await ada.isSignedOut();

  // A wrong password is said to be one, and lets nobody in.
  ada.expects(/status of 401 .*\/auth\/login/);
  await ada.fillsInSignIn("Not-the-password-1");
  const refusal = await ada.sees("alert");
  assert.match(await refusal.evaluate((one) => one.textContent), /password/i);
  await ada.isSignedOut();

  await ada.presses("link", "Forgot your password?");
  await ada.fills("Email", account.email);
  await ada.presses("button", "Send the link");
  await ada.reads("a mail is on its way");
  await ada.follows(await stage.mailedLink(account.email, "/password-reset/"));
  const before = account.password;
  account.password = `Another-${before}`;
  note({ password: account.password });
  await ada.fills("New password", account.password);
  await ada.fills("The same again", account.password);
  await ada.presses("button", "Set the password");
  await ada.reads("Your new password is set");
  await ada.signsIn();

  const elsewhere = await stage.again(ada);
  await elsewhere.signsIn();
  await ada.opens("/#/settings");
  await ada.sees("heading", "Settings");
  await ada.presses("button", /^Sign out Chrome/);
  elsewhere.expects(/status of 401/, /WebSocket connection to .* failed/);
  await elsewhere.isSignedOut();
  await elsewhere.reads("You were signed out");
  await ada.presses("button", "Download my data");
  const file = await until("the export is downloaded", async () =>
    (await readdir(stage.downloads).catch(() => [])).find((name) => /^chat-export.*\.json$/.test(name)),
  );
  const exported = await until("the export is whole", async () => {
    const text = await readFile(path.join(stage.downloads, file), "utf8");
    return text && JSON.parse(text);
  });
  assert.equal(exported.user.email, account.email);
});
