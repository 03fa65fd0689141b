/** Users: who there is, what they may do, whether they are shut out, and where they are signed in. */
import { session } from "../app/api.js";
import { device } from "../app/device.js";
import { h, icon } from "../app/dom.js";
import { ago } from "../app/format.js";
import { avatar, dialog, empty, toast, uniqueId } from "../app/ui.js";
import { calls } from "./calls.js";
import { remember } from "./names.js";
import { section } from "./section.js";
import { ask, copy, date, moment } from "./show.js";
import { pagedTable } from "./table.js";
import { apart, roles } from "./words.js";

/** How long nothing is typed before it is searched for, in ms. */
const PAUSE = 300;

/** Fills the section. */
export function showUsers(main) {
  let search = "";
  const list = pagedTable({
    label: "Users",
    noun: ["user", "users"],
    columns: [
      { label: "Name", show: person },
      { label: "Email", show: address },
      { label: "Role", show: ({ role }) => (role === "admin" ? h("span", { class: "badge accent", text: roles.admin }) : roles.user) },
      { label: "State", show: ({ disabled }) => (disabled ? h("span", { class: "badge danger", text: "Disabled" }) : "Active") },
      { label: "Created", show: (user) => date(user.created_at), class: "nowrap" },
    ],
    load: async (cursor) => {
      const page = await calls.get("/admin/users", { search: search || null, cursor });
      remember(page.items);
      return page;
    },
    key: (user) => user.id,
    name: (user) => user.name,
    actions: (user) => [
      { label: "Sessions", icon: "lock", run: () => showSessions(user) },
      user.role === "admin"
        ? { label: "Make member", icon: "user", run: () => changeRole(user, "user", list) }
        : { label: "Make admin", icon: "shield", run: () => changeRole(user, "admin", list) },
      { label: "Copy id", icon: "copy", run: () => copy(user.id, "Id") },
      user.disabled
        ? { label: "Enable", icon: "check", run: () => setDisabled(user, false, list) }
        : { label: "Disable", icon: "warning", danger: true, run: () => setDisabled(user, true, list) },
    ],
    empty: () =>
      search
        ? empty({ title: "Nobody found", text: `No username begins with “${search}”, and it is nobody’s whole email address.` })
        : empty({ title: "No users yet", text: "Whoever signs up is listed here." }),
  });
  const find = searchField((text) => {
    search = text;
    list.reload();
  });
  section(main, {
    title: "Users",
    about: "Everybody with an account, newest first.",
    refresh: list.reload,
    body: [find, list.element],
  });
  list.reload();
}

function searchField(run) {
  const id = uniqueId("search");
  const input = h("input", {
    class: "input",
    id,
    type: "search",
    name: "search",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 254,
    placeholder: "Start of a username, or a whole email address",
  });
  let timer = null;
  let asked = "";
  const go = () => {
    clearTimeout(timer);
    const text = input.value.trim();
    if (text === asked) return;
    asked = text;
    run(text);
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(go, PAUSE);
  });
  const submit = (event) => {
    event.preventDefault();
    go();
  };
  const label = h("label", { for: id, class: "visually-hidden", text: "Search users by username or email" });
  return h("form", { class: "find", role: "search", on: { submit } }, label, icon("search"), input);
}

function person(user) {
  const you = user.id === session.user?.id ? h("span", { class: "badge", text: "You" }) : null;
  const names = h("span", { class: "names" }, h("span", null, user.name), h("span", { class: "muted", text: `@${user.username}` }));
  return h("span", { class: "who" }, avatar(user.name, user.id, { size: "small" }), names, you);
}

function address(user) {
  return h(
    "span",
    { class: "address" },
    h("span", { text: user.email }),
    h("span", { class: "muted" }, user.email_verified ? [icon("check"), "verified"] : "not verified"),
  );
}

const isMe = (user) => user.id === session.user?.id;

async function changeRole(user, role, list) {
  const promote = role === "admin";
  const name = apart(user.name);
  const text = promote
    ? "Admins see all users, conversations and figures, change roles, disable accounts, delete conversations and register OAuth clients."
    : isMe(user)
      ? "This is you: you keep your account and your conversations, but are shown out of these pages at once, and only another admin can let you in again."
      : "They keep their account and their conversations, and can no longer open these pages.";
  const changed = await ask({
    title: promote ? `Make ${name} an admin?` : `Make ${name} a member?`,
    text,
    action: promote ? "Make admin" : "Make member",
    run: async () => list.put(await calls.patch(`/admin/users/${user.id}`, { role })),
  });
  if (!changed) return;
  toast(promote ? `${name} is an admin.` : `${name} is a member.`);
  if (isMe(user)) session.reload().catch(() => {});
}

async function setDisabled(user, disabled, list) {
  const name = apart(user.name);
  const text = !disabled
    ? "They can sign in again, with the same password, and find their conversations as they are."
    : isMe(user)
      ? "This is you: you are signed out everywhere at once, and only another admin can enable your account again."
      : "They are signed out everywhere at once, until the account is enabled again. They stay in their conversations, with their messages.";
  const changed = await ask({
    title: disabled ? `Disable ${name}?` : `Enable ${name}?`,
    text,
    action: disabled ? "Disable" : "Enable",
    kind: disabled ? "danger" : "primary",
    run: async () => list.put(await calls.patch(`/admin/users/${user.id}`, { disabled })),
  });
  if (changed) toast(disabled ? `${name} is disabled.` : `${name} is enabled.`);
}

function showSessions(user) {
  const path = `/admin/users/${user.id}/sessions`;
  const name = apart(user.name);
  const list = pagedTable({
    label: `Sessions of ${name}`,
    noun: ["session", "sessions"],
    columns: [
      { label: "Device", show: deviceOf },
      { label: "Address", show: ({ ip }) => h("code", { text: ip ?? "unknown" }) },
      { label: "Last used", show: ({ last_used_at: at }) => h("time", { datetime: at, title: at, text: ago(at) }), class: "nowrap" },
      { label: "Signed in", show: ({ created_at: at }) => moment(at), class: "nowrap" },
    ],
    load: (cursor) => calls.get(path, { cursor }),
    key: (one) => one.id,
    empty: () => empty({ title: "Not signed in", text: `${name} has no live session.` }),
  });
  const endAll = async () => {
    const ended = await ask({
      title: `End all sessions of ${name}?`,
      text: isMe(user)
        ? "This is you: you will be signed out here, too. You can sign in again."
        : "They are signed out everywhere and their connections are closed. They can sign in again.",
      action: "End all sessions",
      kind: "danger",
      run: () => calls.delete(path),
    });
    if (ended) {
      toast(`All sessions of ${name} have ended.`);
      list.reload();
    }
    return false;
  };
  dialog({
    title: `Sessions of ${name}`,
    wide: true,
    body: list.element,
    actions: [{ label: "End all sessions", kind: "quiet danger", run: endAll }, { label: "Close" }],
  });
  list.reload();
}

function deviceOf(one) {
  const client = one.client_id ? h("span", { class: "muted", text: `through ${one.client_name ?? one.client_id}` }) : null;
  const here = one.current ? h("span", { class: "badge", text: "This one" }) : null;
  return h("span", { class: "names" }, h("span", { class: "cluster", title: one.user_agent }, device(one.user_agent), here), client);
}
