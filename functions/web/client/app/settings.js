// One's own settings: profile, appearance, password, devices, data, and the end of the account.
import { session } from "./api.js";
import { chat } from "./chat.js";
import { fill, h, icon } from "./dom.js";
import { confirm, dialog, field, form, toast } from "./ui.js";
import { doing, passwordField, patiently } from "./forms.js";
import { sessionList } from "./sessions.js";
import { signOut } from "./sign-out.js";
import { setTheme, theme } from "./theme.js";
import { address } from "./router.js";

/** @returns {{element: HTMLElement, title: () => string, destroy: () => void}} */
export function settingsView() {
  const facts = h("div");
  const drawFacts = () => session.user && fill(facts, factsOf(session.user));
  const off = session.onChange(drawFacts);
  drawFacts();
  const element = h(
    "div",
    { class: "page" },
    h(
      "header",
      { class: "page-header" },
      h("a", { class: "button icon only-phone", href: address.list, "aria-label": "Back to the conversations" }, icon("back")),
      h("h1", { tabindex: "-1", text: "Settings" }),
      h("button", { class: "button", type: "button", on: { click: leave } }, icon("sign-out"), "Sign out"),
    ),
    h(
      "div",
      { class: "page-body stack" },
      section("Profile", facts, profileForm()),
      section("Appearance", themeChoice()),
      section("Password", passwordForm()),
      section(
        "Devices",
        h("p", { class: "muted", text: "Where you are signed in. Sign out what you do not know, then change your password." }),
        sessionList(),
      ),
      section(
        "Your data",
        h("p", {
          class: "muted",
          text: "All there is of you here as one file: profile, devices, conversations and messages. Very many take some minutes.",
        }),
        exportButton(),
      ),
      section(
        "Erase the account",
        h("p", {
          class: "muted",
          text: "You leave every conversation and cannot come back. What you wrote stays, under “deleted user”.",
        }),
        h("div", null, h("button", { class: "button danger", type: "button", text: "Erase my account", on: { click: erase } })),
      ),
      h(
        "p",
        { class: "muted fine cluster" },
        h("a", { href: "/docs", text: "API reference" }),
        session.user?.role === "admin" && h("a", { href: "/admin", text: "Administration" }),
      ),
    ),
  );
  return { element, title: () => "Settings", destroy: off };
}

const section = (name, ...content) => h("section", { class: "card stack" }, h("h2", { text: name }), content);

function profileForm() {
  const { first_name: first, last_name: last } = session.user;
  const names = (label, name, value, autocomplete) =>
    field({ label, name, value, autocomplete, required: true, maxlength: 50 });
  const fields = [names("First name", "first_name", first, "given-name"), names("Last name", "last_name", last, "family-name")];
  const element = form({
    fields,
    submit: "Save",
    run: async (values) => {
      await session.changeNames(values);
      toast("Your name is saved.");
    },
  });
  element.classList.add("short");
  return element;
}

function factsOf(user) {
  return h(
    "dl",
    { class: "facts" },
    h("dt", { text: "Username" }),
    h("dd", { text: user.username }),
    h("dt", { text: "Email" }),
    h(
      "dd",
      { class: "cluster" },
      h("span", { text: user.email }),
      user.email_verified
        ? h("span", { class: "badge", text: "Verified" })
        : h("span", { class: "badge danger", text: "Not verified" }),
    ),
  );
}

function themeChoice() {
  const chosen = theme();
  const choice = ([value, label]) =>
    h(
      "label",
      { class: "choice" },
      h("input", { type: "radio", name: "theme", value, checked: value === chosen, on: { change: () => setTheme(value) } }),
      label,
    );
  const choices = [
    ["system", "System"],
    ["light", "Light"],
    ["dark", "Dark"],
  ];
  return h("fieldset", { class: "choices" }, h("legend", { class: "visually-hidden", text: "Theme" }), choices.map(choice));
}

function passwordForm() {
  const before = passwordField({ label: "Current password", name: "current_password", autocomplete: "current-password" });
  const after = passwordField({ label: "New password", autocomplete: "new-password" });
  const patient = patiently(async (values) => {
    try {
      await session.changePassword({ ...values, password_confirm: values.password });
    } catch (error) {
      if (error.code === "unauthenticated" && session.signedIn) return before.error("That is not your current password.");
      throw error;
    }
    element.reset();
    after.input.dispatchEvent(new Event("input"));
    toast("Your password is changed. Your other devices are signed out.");
  });
  const element = form({
    fields: [whose(), before, after],
    submit: "Change the password",
    run: patient.run,
    note: patient.note,
  });
  element.classList.add("short");
  return element;
}

/** Password managers want to know whose password it is. */
const whose = () => ({
  element: h("input", { type: "text", autocomplete: "username", value: session.user.username, hidden: true }),
});

/** Signs out, after a question when that loses something. */
async function leave() {
  const { unsent } = chat;
  const lost = unsent === 1 ? "One message was not sent yet. It is lost" : `${unsent} messages were not sent yet. They are lost`;
  const about = { title: "Sign out?", text: `${lost} when you sign out.`, action: "Sign out", danger: true };
  if (unsent === 0 || (await confirm(about))) await signOut();
}

function exportButton() {
  const run = async () => {
    const link = h("a", { href: URL.createObjectURL(await session.export()), download: "chat-export.json" });
    link.click();
    // The download has begun by then; the browser keeps what it needs.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    toast("Your data is downloaded.");
  };
  return h("div", null, doing("Download my data", run));
}

function erase() {
  const password = passwordField({ autocomplete: "current-password" });
  password.input.autofocus = true;
  const patient = patiently(async (values) => {
    try {
      await session.erase(values.password);
    } catch (error) {
      if (error.code === "unauthenticated" && session.signedIn) return password.error("That is not your password.");
      throw error;
    }
    opened.close();
    toast("Your account is erased.");
  });
  const body = [
    h("p", {
      text: "This cannot be undone. Your profile, your devices and your memberships go at once, and your address and username are free again.",
    }),
    h("p", {
      text: "Your messages stay where they are, under “deleted user”. Download your data first if you want to keep it.",
    }),
    form({ fields: [whose(), password], submit: "Erase my account", danger: true, run: patient.run, note: patient.note }),
  ];
  const opened = dialog({ title: "Erase your account?", body });
}
