// The API as the pages use it: one session, and requests in its name.
//
// `session` (session.js): user, signedIn, onChange((user, reason) => …), restore, signIn, signUp → {user, verify}, signOut,
// reload, changeNames, changePassword, erase, export → Blob, sessions, endSession, resendVerification, requestPasswordReset,
// ticket. Paths of `api` are below /api/v1; everything rejects with an ApiError (errors.js).
import { Session } from "./session.js";

export { ApiError } from "./errors.js";

export const session = new Session();

/** Requests in the name of who is signed in; each resolves to the parsed JSON, or null when the answer is empty. */
export const api = {
  /** @param {string} path @param {object} [query] entries that are null or undefined are left out */
  get: (path, query) => session.request("GET", path, { query }),
  post: (path, body) => session.request("POST", path, { body }),
  put: (path, body) => session.request("PUT", path, { body }),
  patch: (path, body) => session.request("PATCH", path, { body }),
  delete: (path, body) => session.request("DELETE", path, { body }),
};
