// Which view an address shows. Addresses are in the hash, so that one page serves them all and the browser's own history,
// bookmarks and "open in a new tab" work.

/**
 * @typedef {{name: "list" | "conversation" | "settings" | "search" | "sign-in" | "sign-up" | "forgot" | "verify",
 *   id?: string, messageId?: string, query: string}} Route `query` is what is searched for, else empty
 */

/** The addresses of the views. */
export const address = {
  list: "#/",
  settings: "#/settings",
  signIn: "#/sign-in",
  signUp: "#/sign-up",
  forgot: "#/forgot",
  verify: "#/verify",
  /** @param {string} id @param {string} [messageId] a message to begin at */
  conversation: (id, messageId) => `#/c/${encodeURIComponent(id)}${messageId ? `/m/${encodeURIComponent(messageId)}` : ""}`,
  /** @param {string} [text] */
  search: (text) => (text ? `#/search?q=${encodeURIComponent(text)}` : "#/search"),
};

/** The views that need nobody signed in. */
export const isOfAccounts = (route) => ["sign-in", "sign-up", "forgot", "verify"].includes(route.name);

/** What ids look like; anything else in an address could name another path of the API. */
const ID = /^[\w-]+$/;

/**
 * What is no address is the list.
 * @param {string} hash
 * @returns {Route}
 */
export function parse(hash) {
  const [path, asked = ""] = hash.replace(/^#/, "").split("?");
  const [first = "", id = "", between, messageId = ""] = path.split("/").slice(1).map(decode);
  const query = new URLSearchParams(asked).get("q") ?? "";
  if (first === "c" && ID.test(id)) {
    return { name: "conversation", id, messageId: between === "m" && ID.test(messageId) ? messageId : undefined, query };
  }
  const isView = ["settings", "search", "sign-in", "sign-up", "forgot", "verify"].includes(first);
  return { name: isView ? first : "list", query };
}

/** @returns {Route} the one of now */
export const current = () => parse(location.hash);

/**
 * Goes to an address. `replace` leaves no way back to the one before.
 * @param {string} hash
 * @param {{replace?: boolean}} [how]
 */
export function go(hash, { replace = false } = {}) {
  if (!replace) {
    location.hash = hash;
    return;
  }
  history.replaceState(null, "", hash);
  // Replacing is not told to anybody by the browser.
  dispatchEvent(new Event("hashchange"));
}

/** @param {(route: Route) => void} listener called on each change, not with the route of now */
export function onRoute(listener) {
  addEventListener("hashchange", () => listener(current()));
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
