/**
 * Notes for whoever runs the story, each a line of JSON: secrets that went over the wire, which then must not stand in
 * any log. Which fields are secret is known there.
 */

import { settings } from "./settings.js";

const seen = new Set();

/** Notes what may be secret in a value that was sent or received. */
export function note(value) {
  if (!settings.notes) return;
  const line = JSON.stringify({ note: value });
  if (!seen.has(line)) process.stdout.write(`${line}\n`);
  seen.add(line);
}

/** Notes what may be secret in a text that was sent or received: JSON, or a form. */
export function noteText(text) {
  if (!text) return;
  try {
    note(JSON.parse(text));
  } catch {
    note(Object.fromEntries(new URLSearchParams(text)));
  }
}
