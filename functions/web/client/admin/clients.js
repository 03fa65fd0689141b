/** OAuth clients: the programs that may ask for tokens. A secret is shown once, when it is made. */
import { h, icon } from "../app/dom.js";
import { dialog, empty, field, form, toast, uniqueId } from "../app/ui.js";
import { calls } from "./calls.js";
import { forget } from "./names.js";
import { section } from "./section.js";
import { ask, copy, date, id } from "./show.js";
import { pagedTable } from "./table.js";
import { apart, grants, grantHints, lineProblems } from "./words.js";

/** Fills the section. */
export function showClients(main) {
  const list = pagedTable({
    label: "OAuth clients",
    noun: ["client", "clients"],
    columns: [
      { label: "Name", show: named },
      { label: "Kind", show: ({ confidential }) => (confidential ? "Confidential" : "Public") },
      { label: "Gets tokens by", show: ({ grant_types: types }) => types.map((type) => grants[type] ?? type).join(", ") },
      { label: "Redirect URIs", show: redirects },
      { label: "Created", show: (client) => date(client.created_at), class: "nowrap" },
    ],
    load: (cursor) => calls.get("/admin/oauth-clients", { cursor }),
    key: (client) => client.client_id,
    name: (client) => client.name,
    actions: (client) => [
      { label: "Edit", icon: "edit", run: () => edit(client, list) },
      ...(client.confidential ? [{ label: "New secret", icon: "key", run: () => replaceSecret(client) }] : []),
      { label: "Copy client id", icon: "copy", run: () => copy(client.client_id, "Client id") },
      { label: "Delete", icon: "delete", danger: true, run: () => remove(client, list) },
    ],
    empty: () =>
      empty({
        title: "No OAuth clients yet",
        text: "Register a program here to let it act for people who allow it, or for itself.",
        action: { label: "Register client", run: () => register(list) },
      }),
  });
  const add = h("button", { class: "button primary", type: "button", on: { click: () => register(list) } }, icon("plus"), "Register client");
  section(main, {
    title: "OAuth clients",
    about: "Programs that act for people who allow it, or for themselves.",
    refresh: list.reload,
    actions: [add],
    body: list.element,
  });
  list.reload();
}

function named(client) {
  return h("span", { class: "names" }, h("span", { text: client.name }), id(client.client_id));
}

function redirects({ redirect_uris: uris }) {
  if (uris.length === 0) return h("span", { class: "muted", text: "None" });
  const rest = uris.length - 2;
  return h(
    "span",
    { class: "names" },
    uris.slice(0, 2).map((uri) => h("code", { class: "uri", text: uri })),
    rest > 0 ? h("span", { class: "muted", title: uris.slice(2).join("\n"), text: `and ${rest} more` }) : null,
  );
}

/** The fields that a new client and a changed one have in common. */
function clientFields(client) {
  const name = field({
    label: "Name",
    name: "name",
    hint: "People see it when they are asked to allow it.",
    value: client?.name,
    required: true,
    maxlength: 50,
    autocomplete: "off",
    autofocus: true,
  });
  const uris = field({
    label: "Redirect URIs",
    name: "redirect_uris",
    hint: "One per line, where the sign-in page may lead back to.",
    value: client?.redirect_uris.join("\n"),
    multiline: true,
    rows: 3,
    spellcheck: "false",
    autocapitalize: "none",
  });
  return { name, uris, types: grantField(client?.grant_types ?? ["authorization_code", "refresh_token"]) };
}

/** Checkboxes that a form takes for one field. */
function grantField(chosen) {
  const problem = h("div", { class: "error", id: uniqueId("grants"), hidden: true });
  const boxes = Object.keys(grants).map((type) => {
    const box = h("input", { type: "checkbox", name: "grant_types", value: type, checked: chosen.includes(type), id: uniqueId(type) });
    box.setAttribute("aria-describedby", `${box.id}-hint`);
    return box;
  });
  const lines = boxes.map((box) =>
    h(
      "div",
      { class: "choice" },
      box,
      h("label", { for: box.id, text: grants[box.value] }),
      h("div", { class: "hint", id: `${box.id}-hint`, text: grantHints[box.value] }),
    ),
  );
  const element = h("fieldset", { class: "field", "aria-describedby": problem.id }, h("legend", { text: "Gets tokens by" }), lines, problem);
  const input = {
    checkValidity: () => true,
    focus: () => boxes[0].focus(),
    get value() {
      return boxes.filter((box) => box.checked).map((box) => box.value);
    },
  };
  const error = (text) => {
    problem.textContent = text ?? "";
    problem.hidden = !text;
  };
  return { element, input, name: "grant_types", error };
}

const linesOf = (text) => text.split(/\s+/).filter(Boolean);

/** Sends what a form says; what is wrong with one line is said of the field that has it. */
async function sent(request) {
  try {
    return await request;
  } catch (error) {
    throw Object.assign(error, { fields: lineProblems(error.fields ?? {}) });
  }
}

async function register(list) {
  const { name, uris, types } = clientFields(null);
  const kind = field({
    label: "Kind",
    name: "confidential",
    hint: "Confidential ones run on a server and keep a secret, public ones are apps and pages. It cannot be changed later.",
    options: [
      { value: "yes", label: "Confidential, keeps a secret" },
      { value: "no", label: "Public, keeps none" },
    ],
  });
  let made = null;
  const asked = dialog({
    title: "Register client",
    body: form({
      fields: [name, kind, types, uris],
      submit: "Register client",
      run: async (values) => {
        made = await sent(
          calls.post("/admin/oauth-clients", {
            name: values.name,
            confidential: values.confidential === "yes",
            grant_types: values.grant_types,
            redirect_uris: linesOf(values.redirect_uris),
          }),
        );
        asked.close();
      },
    }),
  });
  await asked.closed;
  if (!made) return;
  const { client_secret: secret, ...client } = made;
  list.put(client);
  forget();
  await showCredentials(client, secret, `${apart(client.name)} is registered`);
}

async function edit(client, list) {
  const { name, uris, types } = clientFields(client);
  let changed = null;
  const asked = dialog({
    title: `Edit ${apart(client.name)}`,
    body: form({
      fields: [name, types, uris],
      submit: "Save",
      note: h("p", { class: "muted small", text: "Tokens that it has stay good." }),
      run: async (values) => {
        changed = await sent(
          calls.patch(`/admin/oauth-clients/${encodeURIComponent(client.client_id)}`, {
            name: values.name,
            grant_types: values.grant_types,
            redirect_uris: linesOf(values.redirect_uris),
          }),
        );
        asked.close();
      },
    }),
  });
  await asked.closed;
  if (!changed) return;
  list.put(changed);
  forget();
  toast(`${apart(changed.name)} is saved.`);
}

async function replaceSecret(client) {
  let made = null;
  const replaced = await ask({
    title: `Make a new secret for ${apart(client.name)}?`,
    text: "The one it has now stops working at once. Tokens that it has stay good.",
    action: "Make a new secret",
    kind: "danger",
    run: async () => {
      made = await calls.post(`/admin/oauth-clients/${encodeURIComponent(client.client_id)}/secret`);
    },
  });
  if (replaced) await showCredentials(client, made.client_secret, `New secret of ${apart(client.name)}`);
}

async function remove(client, list) {
  const removed = await ask({
    title: `Delete ${apart(client.name)}?`,
    text: "All its sessions end at once, and the user that it acts as is shut out. It cannot be brought back.",
    action: "Delete client",
    kind: "danger",
    run: () => calls.delete(`/admin/oauth-clients/${encodeURIComponent(client.client_id)}`),
  });
  if (!removed) return;
  list.remove(client);
  toast(`${apart(client.name)} is deleted.`);
}

function showCredentials(client, secret, title) {
  const warning = secret
    ? h("p", { class: "note", text: "The secret is shown this once. Copy it to where the program reads it before you close this." })
    : h("p", { class: "note", text: "A public client has no secret: it names its client id." });
  return dialog({
    title,
    body: [warning, credential("Client id", client.client_id), secret ? credential("Client secret", secret) : null],
    actions: [{ label: "Done", kind: "primary" }],
  }).closed;
}

function credential(label, value) {
  const { element, input } = field({ label, name: "credential", value, readonly: true, autocomplete: "off", spellcheck: "false" });
  input.classList.add("code");
  input.addEventListener("focus", () => input.select());
  const take = () => copy(value, label);
  const button = h("button", { class: "button", type: "button", "aria-label": `Copy ${label.toLowerCase()}`, on: { click: take } }, icon("copy"), "Copy");
  return h("div", { class: "credential" }, element, button);
}
