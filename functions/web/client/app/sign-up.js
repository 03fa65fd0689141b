// Signing up.
import { session } from "./api.js";
import { h } from "./dom.js";
import { accountFrame, leadingOn, waiting } from "./account-frame.js";
import { field, form } from "./ui.js";
import { passwordField, patiently } from "./forms.js";
import { address, go } from "./router.js";

/** @returns {{element: HTMLElement, title: string}} */
export function signUpView() {
  const first = field({ label: "First name", name: "first_name", autocomplete: "given-name", required: true, maxlength: 50 });
  const last = field({ label: "Last name", name: "last_name", autocomplete: "family-name", required: true, maxlength: 50 });
  const email = field({
    label: "Email",
    name: "email",
    type: "email",
    autocomplete: "email",
    required: true,
    maxlength: 254,
  });
  const username = field({
    label: "Username",
    name: "username",
    autocomplete: "username",
    maxlength: 30,
    autocapitalize: "none",
    spellcheck: "false",
    hint: "Optional. Others find you by it: 3 to 30 letters, digits, dots, dashes or underscores.",
  });
  const password = passwordField({ autocomplete: "new-password" });
  const patient = patiently(async (values) => {
    const account = { ...values, email: values.email.trim(), username: values.username.trim() || undefined };
    const { verify } = await session.signUp(account);
    if (!verify) return;
    waiting.email = account.email;
    go(address.verify);
  });
  const element = form({
    fields: [first, last, email, username, password],
    submit: "Create account",
    run: patient.run,
    note: patient.note,
  });
  element.classList.add("signing-up");
  return accountFrame("Create an account", element, leadingOn("Have one already?", "Sign in", address.signIn));
}
