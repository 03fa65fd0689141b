/** All there is to a conversation beside its messages: what it is called, who is in it, how one keeps and ends it. */
import { Participants, rightsIn } from "./participants.js";
import { avatar, confirm, dialog, field, form, uniqueId, wording } from "./ui.js";
import { chat } from "./chat.js";
import { fill, h, icon } from "./dom.js";
import { session } from "./api.js";
import { language, title } from "./format.js";

const KINDS = { direct: "Direct conversation", group: "Group", channel: "Channel" };

/**
 * A panel beside the messages. What somebody may not do is not in it.
 *
 * @param {{id: string, onClose: () => void, end: (reason: "left" | "deleted", run: () => Promise<void>) => Promise<void>}} about
 *   `end` ends it by what `run` does
 * @returns {{element: HTMLElement, focus: () => void, destroy: () => void}}
 */
export function detailsPanel({ id, onClose, end }) {
  const heading = h("h2", { id: uniqueId("details"), tabindex: "-1", text: "Details" });
  const closing = h("button", { class: "button icon", type: "button", "aria-label": "Close details" }, icon("close"));
  const problem = h("p", { class: "form-error", role: "alert", hidden: true });

  /** What is done, with what failed in it said at the top. */
  const failing = (run) => async () => {
    problem.hidden = true;
    try {
      return await run();
    } catch (error) {
      problem.textContent = wording(error);
      problem.hidden = false;
      problem.scrollIntoView({ block: "nearest" });
      return false;
    }
  };

  const name = nameSection(id);
  const participants = new Participants(id, failing);
  const settings = settingsSection(id, failing);
  const ends = endsSection(id, failing, end);
  const sections = [name, participants, settings, ends];
  const draw = () => {
    if (!chat.conversation(id)) return;
    for (const section of sections) section.update(chat.conversation(id));
  };
  const offs = [chat.on("conversations", draw), chat.on("presence", () => participants.update())];
  closing.addEventListener("click", onClose);
  draw();
  return {
    element: h(
      "aside",
      { class: "panel", "aria-labelledby": heading.id },
      h("header", { class: "panel-header" }, heading, closing),
      h("div", { class: "panel-body details" }, name.element, problem, participants.element, settings.element, ends.element),
    ),
    focus: () => heading.focus(),
    destroy: () => {
      participants.destroy();
      for (const off of offs) off();
    },
  };
}

function nameSection(id) {
  const picture = h("div");
  const called = h("bdi");
  const renaming = h("button", { class: "button icon", type: "button", "aria-label": "Rename", title: "Rename" }, icon("edit"));
  const kind = h("p", { class: "muted" });
  renaming.addEventListener("click", () => rename(chat.conversation(id)));
  const update = (conversation) => {
    const me = session.user?.id;
    const name = title(conversation, me);
    const other = conversation.kind === "direct" && conversation.participants.find(({ user_id: userId }) => userId !== me);
    const face = avatar(name, other ? other.user_id : id, { size: "large" });
    fill(picture, other ? face : fill(face, icon(conversation.kind === "channel" ? "hash" : "people")));
    called.textContent = name;
    renaming.hidden = !rightsIn(conversation).administer;
    const since = new Date(conversation.created_at).toLocaleDateString(language, { dateStyle: "long" });
    kind.textContent = `${KINDS[conversation.kind]}, since ${since}`;
  };
  const heading = h("div", { class: "details-name" }, h("h3", null, called), renaming);
  return { element: h("div", { class: "details-top" }, picture, heading, kind), update };
}

function rename({ id, kind, name: before }) {
  const isChannel = kind === "channel";
  const name = field({
    label: "Name",
    name: "name",
    value: before ?? "",
    required: true,
    minlength: isChannel ? 2 : 1,
    maxlength: isChannel ? 50 : 100,
    autocomplete: "off",
    hint: isChannel ? "2 to 50 of a–z, 0–9 and -. No other channel may have it." : null,
  });
  const run = async ({ name: chosen }) => {
    await chat.rename(id, chosen.trim());
    opened.close();
  };
  const opened = dialog({ title: "Rename", body: form({ fields: [name], submit: "Rename", run }) });
  name.input.focus();
  name.input.select();
}

/** How one keeps a conversation, which nobody else sees. */
function settingsSection(id, failing) {
  const flags = [
    flag(id, failing, "muted", "Mute", "New messages are counted, but do not stand out."),
    flag(id, failing, "archived", "Archive", "It is kept apart from your other conversations."),
  ];
  const heading = h("h3", { text: "For you" });
  return {
    element: h(
      "section",
      { class: "stack" },
      heading,
      flags.map(({ element }) => element),
    ),
    update: (conversation) => flags.forEach((one) => one.update(conversation)),
  };
}

function flag(id, failing, name, label, hint) {
  const explained = h("span", { class: "hint muted", id: uniqueId(`${name}-hint`), text: hint });
  const input = h("input", { type: "checkbox", id: uniqueId(name), "aria-describedby": explained.id });
  input.addEventListener("change", async () => {
    const wanted = input.checked;
    const done = await failing(() => chat.setSettings(id, { [name]: wanted }))();
    if (!done) input.checked = !wanted;
  });
  const update = (conversation) => {
    input.checked = conversation[name];
  };
  return { element: h("div", { class: "flag" }, input, h("label", { for: input.id, text: label }), explained), update };
}

function endsSection(id, failing, end) {
  const leave = h("button", { class: "button quiet danger", type: "button" }, icon("sign-out"), "Leave");
  const remove = h("button", { class: "button quiet danger", type: "button" }, icon("delete"), "Delete for everybody");
  const ask = async (asked, reason, run) => {
    if (await confirm({ ...asked, danger: true })) await end(reason, run);
  };
  const leaving = failing(() => {
    const isLast = chat.conversation(id).participant_count === 1;
    const text = isLast
      ? "You are the only one in it: nobody will be able to come back."
      : "You will see it again only when somebody adds you.";
    return ask({ title: "Leave this conversation?", text, action: "Leave" }, "left", () => chat.leave(id));
  });
  const removing = failing(() => {
    const text = "All of its messages are deleted for everybody. This cannot be undone.";
    const asked = { title: "Delete this conversation?", text, action: "Delete" };
    return ask(asked, "deleted", () => chat.deleteConversation(id));
  });
  leave.addEventListener("click", leaving);
  remove.addEventListener("click", removing);
  const element = h("div", { class: "stack details-end" }, leave, remove);
  const update = (conversation) => {
    const may = rightsIn(conversation);
    leave.hidden = !may.leave;
    remove.hidden = !may.administer;
    element.hidden = leave.hidden && remove.hidden;
  };
  return { element, update };
}
