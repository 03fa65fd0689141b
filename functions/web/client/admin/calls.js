/**
 * Requests of the admin pages. The server decides on each of them; when it says that the caller is no admin, the whole
 * page is told, once, so that no section has to.
 */
import { api } from "../app/api.js";

const listeners = new Set();

/** Calls `listener` whenever a request was refused with 403. */
export function onForbidden(listener) {
  listeners.add(listener);
}

/** As `api`, with 403 told to whoever listens. */
export const calls = {
  get: (path, query) => watched(api.get(path, query)),
  post: (path, body) => watched(api.post(path, body)),
  patch: (path, body) => watched(api.patch(path, body)),
  delete: (path) => watched(api.delete(path)),
};

async function watched(request) {
  try {
    return await request;
  } catch (error) {
    if (error.status === 403) for (const listener of listeners) listener();
    throw error;
  }
}

/**
 * The state of the stores, which is told to anybody and also comes with 503.
 *
 * @returns {Promise<{status: string, checks: Record<string, boolean>} | null>} null when nothing that can be read answers
 */
export async function health() {
  try {
    const answer = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(5_000) });
    const { status, checks } = await answer.json();
    return typeof status === "string" ? { status, checks: checks ?? {} } : null;
  } catch {
    return null;
  }
}
