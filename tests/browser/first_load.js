/** The first load is small, all of it from the stack, compressed and kept; the second asks for what is not kept. */
import assert from "node:assert/strict";
import { story } from "./support/stage.js";

const MOST = 100_000;
/** Compressing less than that gains nothing. */
const TINY = 300;

await story(async (stage) => {
  const ada = await stage.visitor("Ada");
  await ada.opens("/");
  await ada.isSignedOut();
  await ada.isQuiet();
  const first = ada.network.asked.splice(0);
  const bytes = first.reduce((sum, { bytes }) => sum + bytes, 0);
  const listed = first.map(({ status, path, bytes }) => `${bytes} ${status} ${path}`).join("\n");
  console.log(`The first load took ${bytes} bytes in ${first.length} answers:\n${listed}`);
  assert.ok(first.some(({ path }) => path === "/") && first.some(({ path }) => path.startsWith("/assets/")), listed);
  assert.ok(bytes <= MOST, `${bytes} bytes are more than ${MOST}:\n${listed}`);
  for (const { path, status, headers, bytes } of first) {
    assert.equal(status, 200, path);
    if (bytes > TINY + JSON.stringify(headers).length) assert.match(headers["content-encoding"] ?? "", /^(br|gzip)$/, path);
    if (!path.startsWith("/assets/")) continue;
    assert.match(path, /[-.][0-9a-f]{8,}\.\w+$/, "an asset is named by its content");
    assert.match(headers["cache-control"], /max-age=31536000/, path);
    assert.match(headers["cache-control"], /immutable/, path);
  }

  await ada.page.goto("about:blank");
  ada.network.asked.splice(0);
  await ada.opens("/");
  await ada.isSignedOut();
  await ada.isQuiet();
  const again = ada.network.asked.map(({ path }) => path);
  assert.deepEqual(again.filter((path) => path.startsWith("/assets/")), [], "what is kept is not asked for again");
});
