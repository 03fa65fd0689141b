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
  fill(element, words.map((word) => (word.name === undefined ? word : h("bdi", { text: word.name }))));
}

function wordsOf(event, room) {
  const mine = (id) => id === room.me;
  const person = (id, name) => ({ name: mine(id) ? "You" : (name ?? room.nameOf(id)) });
  const were = (id) => (mine(id) ? "were" : "was");
  const are = (id) => (mine(id) ? "are" : "is");
  if (event.type === "participant.added") {
    const { user_id: id, user_name: name } = event.participant;
    return [person(id, name), ` ${were(id)} added`];
  }
  if (event.type === "participant.updated") {
    const { user_id: id, user_name: name, role } = event.participant;
    return [person(id, name), ` ${are(id)} ${role === "admin" ? "an admin now" : "no admin any more"}`];
  }
  if (event.type === "participant.removed") {
    if (event.by === event.user_id) return [person(event.user_id), " left"];
    return [person(event.user_id), ` ${were(event.user_id)} removed by `, { name: mine(event.by) ? "you" : room.nameOf(event.by) }];
  }
  return ["The conversation is now called ", { name: event.conversation.name }];
}
