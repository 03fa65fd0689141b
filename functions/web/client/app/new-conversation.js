// Starting conversations: with one person directly, with several as a group; admins of all start channels.
import { session } from "./api.js";
import { chat } from "./chat.js";
import { dialog, field, menu } from "./ui.js";
import { h } from "./dom.js";
import { needing, peoplePicker, submitOf } from "./people.js";
import { address, go } from "./router.js";

/** @param {HTMLElement} [button] where admins are asked which kind */
export function newConversation(button) {
  if (!button || session.user?.role !== "admin") return startConversation();
  menu(button, [
    { label: "New conversation", icon: "people", run: startConversation },
    { label: "New channel", icon: "hash", run: startChannel },
  ]);
}

function startConversation() {
  const name = field({
    label: "Group name",
    name: "name",
    maxlength: 100,
    autocomplete: "off",
    hint: "Optional. Without one it is called by who is in it.",
  });
  name.element.hidden = true;
  const picker = peoplePicker({
    onChange: () => {
      name.element.hidden = picker.chosen().length < 2;
    },
    onSubmit: () => submitOf(opened).click(),
  });
  const start = () => {
    const people = needing(picker.chosen());
    if (people.length === 1) return chat.direct(people[0].id);
    return chat.create({ name: name.input.value.trim() || undefined, participant_ids: people.map(({ id }) => id) });
  };
  const opened = starting("New conversation", [picker.element, name.element], name, start);
}

function startChannel() {
  const name = field({
    label: "Channel name",
    name: "name",
    minlength: 2,
    maxlength: 50,
    required: true,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    autofocus: true,
    hint: "2 to 50 of a–z, 0–9 and -. No other channel may have it.",
  });
  name.input.addEventListener("input", () => {
    const allowed = name.input.value.toLowerCase().replace(/[\s_]+/g, "-");
    if (allowed !== name.input.value) name.input.value = allowed;
  });
  const picker = peoplePicker({ onSubmit: () => submitOf(opened).click() });
  const start = () =>
    chat.create({
      kind: "channel",
      name: name.input.value,
      participant_ids: picker.chosen().map(({ id }) => id),
    });
  const opened = starting("New channel", [name.element, picker.element], name, start);
}

/** The dialog, which is left for the conversation that was started. What is wrong with the name is said beside it. */
function starting(title, body, name, start) {
  let started = null;
  const run = async () => {
    name.error(null);
    try {
      started = await start();
    } catch (error) {
      const problem = error.fields?.name;
      if (!problem) throw error;
      name.error(`The name ${problem}.`);
      name.input.focus();
      return false;
    }
  };
  const opened = dialog({
    title,
    body: h("div", { class: "stack" }, body),
    actions: [{ label: "Cancel" }, { label: "Start", kind: "primary", run }],
  });
  // The dialog gives the focus back as it closes; the conversation takes it after that.
  opened.closed.then(() => started && go(address.conversation(started.id)));
  return opened;
}
