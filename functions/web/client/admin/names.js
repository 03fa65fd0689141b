/**
 * Who and what ids stand for, asked for when they are first shown and kept while the page is open. It is a help to the
 * reader, not worth many requests: what was listed anyway is remembered, the rest is asked for a few at a time and up to a
 * number, and an id that cannot be resolved stays an id.
 */
import { calls } from "./calls.js";

/** How many people are asked for one by one in a minute, which leaves most of what one may ask, and how many at a time. */
const MOST = 40;
const MINUTE = 60_000;
const AT_ONCE = 4;

const users = new Map();
let asked = [];
let running = 0;
const waiting = [];

/** Remembers people who were listed anyway. */
export function remember(people) {
  for (const user of people) users.set(user.id, Promise.resolve(user));
}

/**
 * Somebody, disabled or not.
 *
 * @param {string} id
 * @returns {Promise<{name: string, username: string} | null>} null when nobody is found, or too many were asked for
 */
export function user(id) {
  if (!users.has(id)) {
    asked = asked.filter((at) => at > Date.now() - MINUTE);
    if (asked.length >= MOST) return Promise.resolve(null);
    asked.push(Date.now());
    users.set(id, queued(() => calls.get(`/users/${encodeURIComponent(id)}`)).catch((error) => unnamed(id, error)));
  }
  return users.get(id);
}

/** Whoever could not be asked for is asked for again when they are shown again. */
function unnamed(id, { status }) {
  if (status !== 404) users.delete(id);
  return null;
}

let conversations = null;
let clients = null;

/** The name of a conversation, if it is among the newest hundred and has one. @returns {Promise<string | null>} */
export function conversation(id) {
  conversations ??= first("/admin/conversations", "id");
  return conversations.then((names) => names.get(id) ?? null);
}

/** The name of an OAuth client, if it is among the newest hundred. @returns {Promise<string | null>} */
export function client(id) {
  clients ??= first("/admin/oauth-clients", "client_id");
  return clients.then((names) => names.get(id) ?? null);
}

/** Forgets the names of conversations and clients, which may have changed. */
export function forget() {
  conversations = null;
  clients = null;
}

async function first(path, key) {
  try {
    const { items } = await calls.get(path, { limit: 100 });
    return new Map(items.map((item) => [item[key], item.name]));
  } catch {
    return new Map();
  }
}

async function queued(work) {
  if (running >= AT_ONCE) await new Promise((resolve) => waiting.push(resolve));
  running += 1;
  try {
    return await work();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}
