/** The audit trail: what admins did, in words, with names in place of ids as they come to be known. */
import { h } from "../app/dom.js";
import { empty } from "../app/ui.js";
import { calls } from "./calls.js";
import { client, conversation, forget, user } from "./names.js";
import { section } from "./section.js";
import { id, moment } from "./show.js";
import { pagedTable } from "./table.js";
import { deed } from "./words.js";

/** Fills the section. */
export function showAudit(main) {
  forget();
  const list = pagedTable({
    label: "Audit trail",
    noun: ["entry", "entries"],
    columns: [
      { label: "When", show: (entry) => moment(entry.created_at), class: "plain nowrap" },
      { label: "Who", show: actor, class: "nowrap" },
      { label: "What", show: (entry) => h("span", { title: entry.action, text: deed(entry).what }), class: "nowrap" },
      { label: "Target", show: target },
      { label: "Details", show: details },
    ],
    load: (cursor) => calls.get("/admin/audit", { cursor }),
    key: (entry) => entry.id,
    empty: () => empty({ title: "Nothing yet", text: "What admins change is noted here: who did it, when, and to whom." }),
  });
  section(main, {
    title: "Audit",
    about: "What admins did, newest first.",
    refresh: () => {
      forget();
      list.reload();
    },
    body: list.element,
  });
  list.reload();
}

function actor({ actor_id: actorId }) {
  if (actorId) return person(actorId);
  return h("span", { class: "muted", title: "Done by the operator, or by somebody who was erased since.", text: "Operator, or erased" });
}

function target(entry) {
  const kind = deed(entry).on;
  if (kind === "user") return person(entry.target);
  if (kind === "conversation") return resolved(entry.target, conversation(entry.target));
  if (kind === "client") return resolved(entry.target, client(entry.target));
  return id(entry.target);
}

function details(entry) {
  const pieces = deed(entry).details;
  return pieces.map((piece, at) =>
    h("span", { class: "piece" }, piece.text, piece.user ? person(piece.user) : null, at < pieces.length - 1 ? ", " : null),
  );
}

const person = (userId) => resolved(userId, user(userId).then((found) => found?.name ?? null));

/** The id, until its name is known. */
function resolved(value, name) {
  const element = h("span", null, id(value));
  name.then((text) => {
    if (text) element.replaceChildren(h("span", { title: value, text }));
  });
  return element;
}
