/** What a story is told of the machine and the stack; the one reader of the environment. */

const given = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run this with \`make test\`, as CONTRIBUTING.md says`);
  return value;
};

const withoutSlash = (url) => url.replace(/\/+$/, "");

export const settings = {
  /** The origin that the browser opens: where the pages say that they are. */
  origin: withoutSlash(given("STORY_ORIGIN")),
  /** Where the stack's HTTP API really is. */
  url: withoutSlash(given("STORY_URL")),
  /** Where its WebSockets are opened. */
  websocketUrl: withoutSlash(given("STORY_WEBSOCKET_URL")),
  /** The gateway's console, which keeps the mails. */
  consoleUrl: withoutSlash(given("STORY_CONSOLE_URL")),
  /** A Chromium, or Chrome. */
  chromium: given("STORY_CHROMIUM"),
  /** Where screenshots of what went wrong are put. */
  folder: given("STORY_FOLDER"),
  /** Whether whoever runs the story takes notes. */
  notes: process.env.STORY_NOTES === "yes",
  /** Whether somebody watches. */
  visible: process.env.STORY_VISIBLE === "yes",
};
