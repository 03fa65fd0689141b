/**
 * What the API says in names and codes, in words. Nothing of the page is in here, so that it is tested by itself.
 */

/** The end of an id. */
export const shortId = (id) => (id.length > 12 ? `…${id.slice(-8)}` : id);

/** `5 people`, `1 person`. */
export const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

const directing = /[\u202a-\u202e\u2066-\u2069]/g;
const rightToLeft = /\p{Script=Arabic}|\p{Script=Hebrew}|\p{Script=Syriac}|\p{Script=Thaana}|\p{Script=Nko}|\p{Script=Adlam}/u;

/** A name for use in a sentence, which it cannot turn around, whichever way it is written itself. */
export function apart(name) {
  const plain = name.replace(directing, "");
  return rightToLeft.test(plain) ? `\u2068${plain}\u2069` : plain;
}

/** Roles of accounts. */
export const roles = { admin: "Admin", user: "Member" };

/** Kinds of conversations. */
export const kinds = { direct: "Direct", group: "Group", channel: "Channel" };

/** Ways of OAuth clients to get tokens. */
export const grants = {
  authorization_code: "Sign-in page",
  refresh_token: "Refreshing",
  client_credentials: "Acting for itself",
  password: "Password",
};

/** What a client does by each of them. */
export const grantHints = {
  authorization_code: "People sign in and allow it. Needs a redirect URI.",
  refresh_token: "It stays signed in without asking again.",
  client_credentials: "It has a user of its own. For confidential clients.",
  password: "People tell it their password. For your own programs only.",
};

/**
 * Problems of fields, with those of an entry of a list said of the list: `{"redirect_uris[1]": "must be …"}` becomes
 * `{redirect_uris: "entry 2 must be …"}`. Of several entries the first is named.
 *
 * @param {Record<string, string>} fields
 * @returns {Record<string, string>}
 */
export function lineProblems(fields) {
  const problems = {};
  for (const [name, message] of Object.entries(fields)) {
    const entry = /^(\w+)\[(\d+)\]$/.exec(name);
    if (entry) problems[entry[1]] ??= `entry ${Number(entry[2]) + 1} ${message}`;
    else problems[name] = message;
  }
  return problems;
}

/** What is in the audit trail, by its action: what was done, to what kind of thing, and which details say more. */
const deeds = {
  "user.role": { what: ({ to }) => (to === "admin" ? "Made an admin" : "Made a member"), on: "user", more: wasBefore },
  "user.disabled": { what: () => "Disabled the account", on: "user" },
  "user.enabled": { what: () => "Enabled the account", on: "user" },
  "user.signed_out": { what: () => "Ended all sessions", on: "user", more: howMany },
  "conversation.deleted": { what: () => "Deleted the conversation", on: "conversation" },
  "channel.started": { what: () => "Created the channel", on: "conversation" },
  "channel.participant.added": { what: () => "Added somebody to the channel", on: "conversation", more: whom },
  "channel.participant.removed": { what: () => "Removed somebody from the channel", on: "conversation", more: whom },
  "oauth_client.created": { what: () => "Registered the OAuth client", on: "client" },
  "oauth_client.changed": { what: () => "Changed the OAuth client", on: "client" },
  "oauth_client.secret": { what: () => "Gave the OAuth client a new secret", on: "client" },
  "oauth_client.deleted": { what: () => "Deleted the OAuth client", on: "client" },
};

/**
 * An entry of the audit trail in words.
 *
 * @param {{action: string, details: Record<string, any>}} entry
 * @returns {{what: string, on: "user" | "conversation" | "client" | null, details: {text: string, user?: string}[]}}
 *   what was done; what kind of thing its target is, null for an action that is not known here; and the rest, piece by
 *   piece, where `user` is the id of somebody whose name belongs after the text
 */
export function deed({ action, details }) {
  const known = deeds[action];
  if (!known) return { what: action, on: null, details: asTheyAre(details) };
  const said = known.more?.(details) ?? { said: [], keys: [] };
  const rest = Object.fromEntries(Object.entries(details).filter(([key]) => !said.keys.includes(key)));
  return { what: known.what(details), on: known.on, details: [...said.said, ...asTheyAre(rest)] };
}

function wasBefore({ from }) {
  const said = roles[from] ? [{ text: `Was ${from === "admin" ? "an admin" : "a member"}` }] : [];
  return { said, keys: ["from", "to"] };
}

function howMany({ sessions }) {
  const said = sessions === undefined ? [] : [{ text: counted(sessions, "session", "sessions") }];
  return { said, keys: ["sessions"] };
}

function whom({ user_id: user }) {
  return { said: user ? [{ text: "", user }] : [], keys: ["user_id"] };
}

const asTheyAre = (details) =>
  Object.entries(details).map(([key, value]) => ({
    text: `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`,
  }));
