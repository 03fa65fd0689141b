/** Conversations: what there is, without what is said in it; channels are created and filled here. */
import { ApiError } from "../app/api.js";
import { h, icon } from "../app/dom.js";
import { ago } from "../app/format.js";
import { dialog, empty, field, form, toast } from "../app/ui.js";
import { calls } from "./calls.js";
import { showPeople } from "./channel.js";
import { forget } from "./names.js";
import { section } from "./section.js";
import { copy, date, id, number } from "./show.js";
import { pagedTable } from "./table.js";
import { apart, counted, kinds } from "./words.js";

const symbols = { direct: "user", group: "people", channel: "hash" };

/** Fills the section. */
export function showConversations(main) {
  const list = pagedTable({
    label: "Conversations",
    noun: ["conversation", "conversations"],
    columns: [
      { label: "Name", show: named },
      { label: "Kind", show: ({ kind }) => kinds[kind] ?? kind },
      { label: "People", show: (one) => number(one.participant_count), class: "figure" },
      { label: "Entries", show: (one) => number(one.last_seq), class: "figure" },
      { label: "Created", show: (one) => date(one.created_at), class: "nowrap" },
      { label: "Last activity", show: ({ updated_at: at }) => h("time", { datetime: at, title: at, text: ago(at) }), class: "nowrap" },
    ],
    load: (cursor) => calls.get("/admin/conversations", { cursor }),
    key: (one) => one.id,
    name: title,
    actions: (one) => [
      ...(one.kind === "channel" ? [{ label: "People", icon: "people", run: () => openPeople(one) }] : []),
      { label: "Copy id", icon: "copy", run: () => copy(one.id, "Id") },
      { label: "Delete", icon: "delete", danger: true, run: () => remove(one, list) },
    ],
    empty: () =>
      empty({
        title: "No conversations yet",
        text: "People start them in the chat. Channels are created here.",
        action: { label: "New channel", run: create },
      }),
  });
  const openPeople = (channel) => showPeople(channel, { changed: list.reload });
  const create = async () => {
    const made = await newChannel();
    if (!made) return;
    list.put(made);
    forget();
    toast(`#${made.name} is there.`, { action: { label: "Add people", run: () => openPeople(made) } });
  };
  section(main, {
    title: "Conversations",
    about: "All of them, newest first. What is said in them is not shown to admins.",
    refresh: list.reload,
    actions: [h("button", { class: "button primary", type: "button", on: { click: create } }, icon("plus"), "New channel")],
    body: list.element,
  });
  list.reload();
}

/** What a conversation is called here, where it is not known who is in it. */
const title = (one) => (one.name && apart(one.name)) ?? `${kinds[one.kind] ?? one.kind} ${one.id.slice(-8)}`;

function named(one) {
  const name = one.name ? h("span", { text: one.name }) : h("span", { class: "unnamed" }, "No name ", id(one.id));
  return h("span", { class: "who" }, h("span", { class: "symbol" }, icon(symbols[one.kind] ?? "people")), name);
}

/** Asks for a name and creates the channel. @returns {Promise<object | null>} the conversation */
async function newChannel() {
  let made = null;
  const name = field({
    label: "Name",
    name: "name",
    hint: "2 to 50 of a–z, 0–9 and hyphens. No other channel may have it.",
    required: true,
    minlength: 2,
    maxlength: 50,
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "none",
    autofocus: true,
  });
  const asked = dialog({
    title: "New channel",
    body: form({
      fields: [name],
      submit: "Create channel",
      note: h("p", { class: "muted small", text: "You will be its first person and its admin." }),
      run: async (values) => {
        made = await calls.post("/conversations", { kind: "channel", name: values.name.trim() }).catch((error) => {
          // The field says already what it is the name of.
          const message = error.fields?.name?.replace(/^of a channel /, "");
          throw message ? Object.assign(error, { fields: { ...error.fields, name: message } }) : error;
        });
        asked.close();
      },
    }),
  });
  await asked.closed;
  return made;
}

/** What one types to delete a conversation: its name, or "delete" where that has none or cannot be typed easily. */
const wordFor = ({ name }) => (/^[ -~]{1,40}$/.test(name ?? "") ? name : "delete");

/** Deletes after it was confirmed in writing. */
async function remove(one, list) {
  let removed = false;
  const word = wordFor(one);
  const typed = field({
    label: `Type “${word}” to confirm`,
    name: "confirm",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "none",
    autofocus: true,
  });
  const what = `${counted(one.last_seq, "entry", "entries")} of ${counted(one.participant_count, "person", "people")}`;
  const asked = dialog({
    title: `Delete ${title(one)}?`,
    body: [
      h("p", { text: `All that is in it, ${what}, is deleted for everybody at once and cannot be brought back.` }),
      form({
        fields: [typed],
        submit: "Delete conversation",
        danger: true,
        run: async (values) => {
          if (values.confirm.trim() !== word) {
            throw new ApiError({ code: "invalid", detail: "", fields: { confirm: `type “${word}” exactly as it stands` } });
          }
          await calls.delete(`/admin/conversations/${one.id}`);
          removed = true;
          asked.close();
        },
      }),
    ],
  });
  await asked.closed;
  if (!removed) return;
  list.remove(one);
  toast(`${title(one)} is deleted.`);
}
