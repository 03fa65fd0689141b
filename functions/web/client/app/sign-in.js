// The views of who is not signed in: signing in, a forgotten password, an address that must be verified first. Signing up is
// in sign-up.js. They change nothing but the session; what follows is main.js's to show.
import { session } from "./api.js";
import { h } from "./dom.js";
import { accountFrame, leadingOn, waiting } from "./account-frame.js";
import { field, form } from "./ui.js";
import { passwordField, patiently } from "./forms.js";
import { address, go } from "./router.js";
import { signUpView } from "./sign-up.js";

/**
 * @param {import("./router.js").Route} route
 * @param {string | null} notice why one is here, when it was not asked for
 * @returns {{element: HTMLElement, title: string}}
 */
export function accountView(route, notice) {
  const views = { "sign-up": signUpView, forgot: forgotView, verify: verifyView };
  return (views[route.name] ?? signInView)(notice);
}

function signInView(notice) {
  const name = field({
    label: "Email or username",
    name: "username",
    autocomplete: "username",
    required: true,
    maxlength: 254,
    autocapitalize: "none",
    spellcheck: "false",
  });
  const password = passwordField({ autocomplete: "current-password" });
  const patient = patiently(async ({ username, password }) => {
    try {
      await session.signIn({ username: username.trim(), password });
    } catch (error) {
      if (error.code !== "email_not_verified") throw error;
      waiting.email = username.includes("@") ? username.trim() : "";
      go(address.verify);
    }
  });
  return accountFrame(
    "Sign in",
    notice && h("p", { class: "notice", role: "status", text: notice }),
    form({ fields: [name, password], submit: "Sign in", run: patient.run, note: patient.note }),
    h("p", { class: "leading-on" }, h("a", { href: address.forgot, text: "Forgot your password?" })),
    leadingOn("New here?", "Create an account", address.signUp),
  );
}

function forgotView() {
  const email = emailField();
  const done = h("p", { class: "notice", tabindex: "-1", hidden: true });
  const patient = patiently(async ({ email: to }) => {
    await session.requestPasswordReset(to.trim());
    asked.hidden = true;
    done.hidden = false;
    done.textContent = "If somebody has that address, a mail is on its way. Its link sets a new password and is good for one hour.";
    done.focus();
  });
  const asked = h(
    "div",
    { class: "stack" },
    h("p", { class: "muted", text: "Tell us your address, and we mail you a link to set a new password." }),
    form({ fields: [email], submit: "Send the link", run: patient.run, note: patient.note }),
  );
  return accountFrame("Forgot your password?", asked, done, leadingOn("Remembered it?", "Sign in", address.signIn));
}

function verifyView() {
  const email = emailField(waiting.email);
  const sent = h("p", { class: "notice", role: "status", hidden: true });
  const patient = patiently(async ({ email: to }) => {
    await session.resendVerification(to.trim());
    sent.textContent = "If that address waits to be verified, another mail is on its way.";
    sent.hidden = false;
  });
  const again = form({ fields: [email], submit: "Send again", run: patient.run, note: patient.note });
  // The way on is to sign in.
  again.querySelector("[type=submit]").classList.remove("primary");
  const where = waiting.email ? h("strong", { text: waiting.email }) : "you";
  return accountFrame(
    "Verify your email",
    h("p", null, "We sent a mail to ", where, ". Open its link, confirm there, then sign in."),
    h("a", { class: "button primary", href: address.signIn, text: "I have verified it, sign in" }),
    h("hr"),
    h("p", { class: "muted", text: "Nothing arrived? Look among the unwanted mail, or have it sent again." }),
    sent,
    again,
  );
}

const emailField = (value) =>
  field({ label: "Email", name: "email", type: "email", autocomplete: "email", required: true, maxlength: 254, value });
