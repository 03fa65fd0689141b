/** All there is to a conversation beside its messages: who is in it, what it is called, how one keeps it. */
import { address, go } from "./router.js";
import { ago, title } from "./format.js";
import { avatar, confirm, dialog, field, form, menu, spinner, toast, uniqueId, wording } from "./ui.js";
import { chat } from "./chat.js";
import { fill, h, icon, keyed, set } from "./dom.js";
import { pickPeople } from "./people.js";
import { session } from "./api.js";

/** From how many people on a field helps to find one. */
const MANY = 12;
/** Who was removed learns in this time, in ms, that there is nothing to ask for any more. */
const SETTLED = 300;

/**
 * A panel beside the messages. What somebody may not do is not in it.
 *
 * @param {{id: string, onClose: () => void, onGone: (reason: string) => void}} about
 * @returns {{element: HTMLElement, focus: () => void, destroy: () => void}}
 */
export function detailsPanel({ id, onClose, onGone }) {
  const me = session.user?.id;
  const heading = h("h2", { id: uniqueId("details"), tabindex: "-1", text: "Details" });
  const closing = h("button", { class: "button icon", type: "button", "aria-label": "Close details" }, icon("close"));
  const top = h("div", { class: "details-top" });
  const problem = h("p", { class: "form-error", role: "alert", hidden: true });
  const peopleHeading = h("h3", { class: "grow" });
  const add = h("button", { class: "button quiet", type: "button" }, icon("plus"), "Add people");
  const filter = field({ label: "Find among them", name: "filter", type: "search", autocomplete: "off" });
  const list = h("ul", { class: "list people" });
  const waiting = h("div", null, spinner("Loading the people …"));
  const keeping = h("div", { class: "stack" });
  const ending = h("div", { class: "stack details-end" });
  const element = h(
    "aside",
    { class: "panel", "aria-labelledby": heading.id },
    h("header", { class: "panel-header" }, heading, closing),
    h(
      "div",
      { class: "panel-body details" },
      top,
      problem,
      h("section", { class: "stack" }, h("div", { class: "details-heading" }, peopleHeading, add), filter.element, waiting, list),
      keeping,
      ending,
    ),
  );
  let people = null;
  let version = "";
  let timer;

  const conversation = () => chat.conversation(id);
  const failing = (run) => async (...values) => {
    problem.hidden = true;
    try {
      return await run(...values);
    } catch (error) {
      problem.textContent = wording(error);
      problem.hidden = false;
      problem.scrollIntoView({ block: "nearest" });
      return undefined;
    }
  };

  const load = async () => {
    try {
      people = await chat.participants(id);
      waiting.hidden = true;
    } catch (error) {
      const again = h("button", { class: "button", type: "button", text: "Try again", on: { click: load } });
      fill(waiting, h("p", { class: "form-error", role: "alert", text: wording(error) }), again);
    }
    drawPeople();
  };

  const drawPeople = () => {
    const about = conversation();
    if (!about) return;
    const wanted = filter.input.value.trim().toLowerCase();
    const all = people ?? [];
    filter.element.hidden = all.length < MANY;
    peopleHeading.textContent = about.kind === "direct" ? "People" : `People · ${people?.length ?? about.participant_count}`;
    const shown = all.filter(({ user_name: name, user_email: email }) => `${name} ${email ?? ""}`.toLowerCase().includes(wanted));
    keyed(list, sorted(shown, me), ({ user_id: userId }) => userId, (person) => personRow(person, me), (row, person) => updatePerson(row, person, me));
    for (const row of list.children) wirePerson(row);
  };

  const wirePerson = (row) => {
    const button = row.querySelector("button");
    const person = people.find(({ user_id: userId }) => userId === row.dataset.user);
    const items = deedsFor(person);
    button.hidden = items.length === 0;
    button.onclick = () => menu(button, deedsFor(people.find(({ user_id: userId }) => userId === row.dataset.user)));
  };

  const deedsFor = (person) => {
    const { user_id: userId, user_name: name, role } = person;
    if (userId === me) return [];
    const may = rightsIn(conversation());
    const to = role === "admin" ? "member" : "admin";
    const isDirect = conversation()?.kind === "direct";
    return [
      !isDirect && { label: "Write to them", icon: "send", run: failing(async () => go(address.conversation((await chat.direct(userId)).id))) },
      may.administer && {
        label: role === "admin" ? "Make a member" : "Make an admin",
        icon: "shield",
        run: failing(async () => {
          await chat.setRole(id, userId, to);
          await load();
        }),
      },
      may.invite && { label: "Remove", icon: "delete", danger: true, run: failing(() => remove(userId, name)) },
    ].filter(Boolean);
  };

  const remove = async (userId, name) => {
    const text = `${name} will no longer see this conversation. They can be added again.`;
    if (!(await confirm({ title: `Remove ${name}?`, text, action: "Remove", danger: true }))) return;
    await chat.removeParticipant(id, userId);
    await load();
  };

  const addPeople = failing(async () => {
    const exclude = (people ?? conversation().participants).map(({ user_id: userId }) => userId);
    const chosen = await pickPeople({ title: "Add people", submit: "Add", exclude });
    for (const { id: userId } of chosen ?? []) await chat.addParticipant(id, { user_id: userId });
    if (chosen?.length) {
      toast(chosen.length === 1 ? `${chosen[0].name} was added.` : `${chosen.length} people were added.`);
      await load();
    }
  });

  const draw = () => {
    const about = conversation();
    if (!about) return;
    const now = JSON.stringify([about.name, about.role, about.muted, about.archived, about.participant_count, about.kind]);
    if (now === version) return;
    const changed = version && JSON.parse(version)[4] !== about.participant_count;
    version = now;
    const may = rightsIn(about);
    add.hidden = !may.invite;
    fill(top, nameOf(about, me, may.administer && (() => rename(about))));
    fill(keeping, h("h3", { text: "For you" }), settingsOf(about, failing));
    fill(ending, ends(about, may, { id, onGone, failing }));
    drawPeople();
    clearTimeout(timer);
    if (changed) timer = setTimeout(() => conversation() && load(), SETTLED);
  };

  closing.addEventListener("click", onClose);
  add.addEventListener("click", addPeople);
  filter.input.addEventListener("input", drawPeople);
  const offs = [
    chat.on("conversations", draw),
    chat.on("presence", () => drawPeople()),
  ];
  draw();
  load();
  return {
    element,
    focus: () => heading.focus(),
    destroy: () => {
      clearTimeout(timer);
      for (const off of offs) off();
    },
  };
}

/** What somebody may do: who takes part in a channel is also for the admins of all to decide. */
function rightsIn(about) {
  const isDirect = !about || about.kind === "direct";
  const administer = !isDirect && about.role === "admin";
  return { administer, invite: administer || (about?.kind === "channel" && session.user?.role === "admin"), leave: !isDirect };
}

function nameOf(about, me, onRename) {
  const other = about.kind === "direct" && about.participants.find(({ user_id: id }) => id !== me);
  const kind = { direct: "Direct conversation", group: "Group", channel: "Channel" }[about.kind];
  const button = onRename && h("button", { class: "button icon", type: "button", "aria-label": "Rename", title: "Rename", on: { click: onRename } }, icon("edit"));
  const name = title(about, me);
  const picture = avatar(name, other ? other.user_id : about.id, { size: "large" });
  if (!other) fill(picture, icon(about.kind === "channel" ? "hash" : "people"));
  return [
    picture,
    h("div", { class: "details-name" }, h("h3", null, h("bdi", { text: name })), button),
    h("p", { class: "muted", text: `${kind}, since ${new Date(about.created_at).toLocaleDateString(undefined, { dateStyle: "long" })}` }),
  ];
}

function rename(about) {
  const isChannel = about.kind === "channel";
  const name = field({
    label: "Name",
    name: "name",
    value: about.name ?? "",
    required: true,
    minlength: isChannel ? 2 : 1,
    maxlength: isChannel ? 50 : 100,
    autocomplete: "off",
    hint: isChannel ? "2 to 50 of a–z, 0–9 and -. No other channel may have it." : null,
  });
  const run = async ({ name: chosen }) => {
    await chat.rename(about.id, chosen.trim());
    opened.close();
  };
  const opened = dialog({ title: "Rename", body: form({ fields: [name], submit: "Rename", run }) });
  name.input.select();
}

function settingsOf(about, failing) {
  const flag = (name, label, hint) => {
    const input = h("input", { type: "checkbox", id: uniqueId(name), "aria-describedby": uniqueId(`${name}-hint`) });
    input.checked = about[name];
    const save = failing(async (wanted) => {
      await chat.setSettings(about.id, { [name]: wanted });
      return true;
    });
    input.addEventListener("change", async () => {
      const wanted = input.checked;
      if (!(await save(wanted))) input.checked = !wanted;
    });
    const text = h("span", { class: "hint muted", id: input.getAttribute("aria-describedby"), text: hint });
    return h("div", { class: "flag" }, input, h("label", { for: input.id, text: label }), text);
  };
  return [
    flag("muted", "Mute", "New messages are counted, but do not stand out."),
    flag("archived", "Archive", "It is kept apart from your other conversations."),
  ];
}

function ends(about, may, { id, onGone, failing }) {
  const end = (label, sign, ask, run, reason) => {
    const button = h("button", { class: "button quiet danger", type: "button" }, icon(sign), label);
    button.addEventListener(
      "click",
      failing(async () => {
        if (!(await confirm({ ...ask, danger: true }))) return;
        await run();
        onGone(reason);
      }),
    );
    return button;
  };
  const alone = about.participant_count === 1;
  const leaving = alone ? "You are the only one in it: nobody will be able to come back." : "You will see it again only when somebody adds you.";
  return [
    may.leave && end("Leave", "sign-out", { title: "Leave this conversation?", text: leaving, action: "Leave" }, () => chat.leave(id), "left"),
    may.administer && end(
      "Delete for everybody",
      "delete",
      { title: "Delete this conversation?", text: "All of its messages are deleted for everybody. This cannot be undone.", action: "Delete" },
      () => chat.deleteConversation(id),
      "deleted",
    ),
  ];
}

function sorted(people, me) {
  const rank = ({ user_id: id, role }) => (id === me ? 0 : role === "admin" ? 1 : 2);
  return people.toSorted((one, other) => rank(one) - rank(other) || one.user_name.localeCompare(other.user_name));
}

function personRow(person, me) {
  const more = h("button", { class: "button icon", type: "button", hidden: true }, icon("more"));
  const row = h("li", { class: "row person", dataset: { user: person.user_id } }, h("span", { class: "person-face" }), h("span", { class: "grow" }), more);
  updatePerson(row, person, me);
  return row;
}

function updatePerson(row, { user_id: id, user_name: name, role }, me) {
  const presence = id === me ? null : chat.presence(id);
  const known = presence?.online ? "online" : presence?.last_seen ? `last seen ${ago(presence.last_seen)}` : "";
  const now = JSON.stringify([name, role, known]);
  if (row.dataset.shown === now) return;
  row.dataset.shown = now;
  const [face, words, more] = row.children;
  fill(face, avatar(name, id, { size: "small", online: presence?.online }));
  fill(
    words,
    h("span", { class: "person-name" }, h("bdi", { class: "truncate", text: name }), id === me && h("span", { class: "muted", text: "you" }), role === "admin" && h("span", { class: "badge", text: "Admin" })),
    known && h("span", { class: "muted person-presence", text: known }),
  );
  set(more, "aria-label", `Actions for ${name}`);
}
