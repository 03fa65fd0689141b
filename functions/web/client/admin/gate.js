/** What stands before the pages: a form for whoever is signed out, and an explanation for whoever is no admin. */
import { session } from "../app/api.js";
import { h } from "../app/dom.js";
import { signOut } from "../app/sign-out.js";
import { field, form } from "../app/ui.js";

/**
 * @param {string | null} notice why one is here, when it was not asked for
 * @returns {Element}
 */
export function signIn(notice) {
  const username = field({
    label: "Username or email",
    name: "username",
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
    maxlength: 254,
  });
  const password = field({ label: "Password", name: "password", type: "password", autocomplete: "current-password", required: true, maxlength: 128 });
  return frame(
    "Sign in to administration",
    notice ? h("p", { class: "note", role: "status", text: notice }) : null,
    form({
      fields: [username, password],
      submit: "Sign in",
      run: (values) => session.signIn({ username: values.username.trim(), password: values.password }),
    }),
    h("p", { class: "links small" }, h("a", { href: "/", text: "To the chat" }), h("a", { href: "/#/forgot", text: "Forgot your password?" })),
  );
}

/** @returns {Element} */
export function notAdmin() {
  return frame(
    "For admins",
    h("p", null, "You are signed in as ", h("strong", { text: session.user.name }), ", which is not an admin’s account. Another admin can make you one."),
    h(
      "div",
      { class: "cluster" },
      h("a", { class: "button primary", href: "/", text: "To the chat" }),
      h("button", { class: "button", type: "button", text: "Sign in as somebody else", on: { click: signOut } }),
    ),
  );
}

function frame(title, ...content) {
  // The address of the icon is known to the page alone.
  const logo = h("img", { src: document.querySelector('link[rel="icon"]').href, alt: "", width: "40", height: "40" });
  return h("main", { class: "gate" }, logo, h("section", { class: "card stack" }, h("h1", { tabindex: "-1", text: title }), content));
}
