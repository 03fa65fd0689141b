// What every failed call rejects with, whether HTTP, the WebSocket or the network refused it, so that views tell errors apart
// by one set of codes.

/**
 * A call that failed.
 * `status` is the HTTP status, 0 when nothing answered. `code` is one of the API's codes, or "offline" when nothing answered.
 * `detail` is a sentence for people. `fields` maps the names of wrong fields to what is wrong with them, worded as the rest of
 * a sentence about the field. `retryAfter` is in seconds, or null.
 */
export class ApiError extends Error {
  constructor({ status = 0, code, detail, fields = {}, retryAfter = null, requestId = null }) {
    super(detail);
    this.name = "ApiError";
    Object.assign(this, { status, code, detail, fields, retryAfter, requestId });
  }
}

const STATUSES = {
  malformed: 400, unauthenticated: 401, forbidden: 403, email_not_verified: 403, not_found: 404, conflict: 409, too_large: 413,
  invalid: 422, throttled: 429, internal: 500, unavailable: 503,
};

const FRAME_CODES = {
  INVALID_JSON: "malformed", INVALID_TYPE: "invalid", INVALID_CONTENT: "invalid", CONTENT_TOO_LONG: "invalid",
  NOT_SUBSCRIBED: "not_found", INTERNAL_ERROR: "internal",
};

const fieldsOf = (errors) => Object.fromEntries((errors ?? []).map(({ field, message }) => [field, message]).reverse());

/** Nothing answered. @returns {ApiError} */
export const offline = () =>
  new ApiError({ code: "offline", detail: "The server cannot be reached. Check your connection and try again." });

/** Nobody is signed in. @returns {ApiError} */
export const signedOut = () => new ApiError({ status: 401, code: "unauthenticated", detail: "You are signed out." });

/**
 * The error of an HTTP answer that is not 2xx: a problem document, or the platform's own `{message}`.
 * @param {Response} response
 * @param {string} text its body
 * @returns {ApiError}
 */
export function fromResponse(response, text) {
  let problem = {};
  try {
    problem = JSON.parse(text) ?? {};
  } catch {
    // A proxy on the way may answer with a page; the status says enough.
  }
  const { status, headers } = response;
  const code = problem.code ?? Object.keys(STATUSES).find((name) => STATUSES[name] === status) ?? "internal";
  const retryAfter = Number(problem.retry_after ?? headers.get("retry-after") ?? NaN);
  return new ApiError({
    status,
    code,
    detail: problem.detail ?? plain(code),
    fields: fieldsOf(problem.errors),
    retryAfter: Number.isFinite(retryAfter) ? retryAfter : null,
    requestId: headers.get("x-request-id") ?? headers.get("apigw-requestid"),
  });
}

/**
 * The error of a command over the WebSocket, under the name that HTTP has for it.
 * @param {import("../client.js").ChatError|ApiError} error
 * @returns {ApiError}
 */
export function fromCommand(error) {
  if (error instanceof ApiError) return error;
  if (error.code === "STOPPED") return offline();
  const named = FRAME_CODES[error.code] ?? error.code?.toLowerCase();
  const code = named in STATUSES ? named : "internal";
  const { detail = plain(code), fields, retryAfter } = error;
  return new ApiError({ status: STATUSES[code], code, detail, fields, retryAfter });
}

const plain = (code) =>
  code === "throttled" ? "Too many requests. Wait a moment and try again."
    : code === "too_large" ? "That is too large to be sent."
      : "Something went wrong. Try again in a moment.";
