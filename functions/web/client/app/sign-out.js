// Signing out, and saying so when the server could not be told: there the session goes on.
import { session } from "./api.js";
import { toast } from "./ui.js";

const NOT_TOLD =
  "You are signed out here, but the server could not be told. Sign in again and end that session under “Devices” to be sure.";

/** Signs out here at once, whether there is a connection or not. */
export async function signOut() {
  const isTold = await session.signOut();
  if (!isTold) toast(NOT_TOLD, { kind: "error" });
}
