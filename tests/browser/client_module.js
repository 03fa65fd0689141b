/** The realtime client by itself, in Node.js: its own tests of a running stack. */
process.env.CHAT_URL = process.env.STORY_URL;
await import("../../functions/web/tests/stack/client.test.js");
