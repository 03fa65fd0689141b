/** What happened in a conversation beside messages, in a quiet line. */
import { fill, h } from "./dom.js";

/**
 * @param {{event: object}} item a notice
 * @param {import("./message.js").Surroundings} room
 * @returns {HTMLElement}
 */
export function createNotice(item, room) {
  const element = h("p", { class: "happened", dataset: { seq: item.seq } });
  updateNotice(element, item, room);
  return element;
}

/** Says it again: names become known later. */
export function updateNotice(element, item, room) {
  const words = wordsOf(item.event, room);
  const text = words.map((word) => word.name ?? word).join("");
  if (element.textContent === text) return;
  fill(
    element,
    words.map((word) => (word.name === undefined ? word : h("bdi", { text: word.name }))),
  );
}

/** What is said of each kind of event: words, and names as `{name}`. */
const SAID = {
  "participant.added": ({ participant }, { person, was }) => [person(participant), ` ${was(participant)} added`],
  "participant.updated": ({ participant }, { person, is }) => [
    person(participant),
    ` ${is(participant)} ${participant.role === "admin" ? "an admin now" : "no admin any more"}`,
  ],
  "participant.removed": ({ user_id, by }, { person, was, object }) =>
    by === user_id ? [person({ user_id }), " left"] : [person({ user_id }), ` ${was({ user_id })} removed by `, object(by)],
  "conversation.updated": ({ conversation }) => ["The conversation is now called ", { name: conversation.name }],
  "conversation.deleted": () => ["The conversation was deleted"],
};

/** Whether there is anything to say: kinds of events that are not known here may come. */
export const isSaid = (event) => event.type in SAID;

function wordsOf(event, { me, nameOf }) {
  const mine = ({ user_id: id }) => id === me;
  return SAID[event.type](event, {
    person: (one) => ({ name: mine(one) ? "You" : nameOf(one.user_id, one) }),
    object: (id) => ({ name: id === me ? "you" : nameOf(id) }),
    was: (one) => (mine(one) ? "were" : "was"),
    is: (one) => (mine(one) ? "are" : "is"),
  });
}
