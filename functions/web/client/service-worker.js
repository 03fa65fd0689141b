// Makes the web client start without a network: keeps the page at "/" and the assets that it names, and nothing else. The
// admin pages, the reference and all requests to the API pass by untouched; what people wrote is in the page's own cache.
//
// Assets carry a hash of their content in their names, so a kept one is never stale. The page is asked for first and the kept
// one is for when there is no answer in time. Each answer is kept together with its assets, as a whole or not at all; the
// assets of the one before stay too, for pages that were started with it.
const CACHE = "shell-1";
const PAGE = "/";
/** How long a kept page waits for a fresh one, in ms. */
const PATIENCE = 3000;

self.addEventListener("install", (event) => {
  event.waitUntil(fetch(PAGE, { cache: "reload" }).then(keep).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(dropOtherCaches().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || origin !== self.location.origin) return;
  if (mode === "navigate" && pathname === PAGE) event.respondWith(page(event));
  else if (pathname.startsWith("/assets/")) event.respondWith(asset(event.request));
});

async function asset(request) {
  return (await caches.match(request, { ignoreVary: true })) ?? fetch(request);
}

async function page(event) {
  const kept = await caches.match(PAGE);
  const fresh = fetch(event.request);
  event.waitUntil(fresh.then((answer) => keep(answer.clone())).catch(() => {}));
  if (!kept) return fresh;
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, kept));
  return Promise.race([fresh.then((answer) => (answer.status < 500 ? answer : kept)).catch(() => kept), late]);
}

/** Keeps a page and its assets. One that names none is served from source, where nothing is worth keeping. */
async function keep(answer) {
  if (!answer.ok || answer.redirected) return;
  const named = assetsOf(await answer.clone().text());
  if (named.length === 0) return;
  const cache = await caches.open(CACHE);
  const before = await cache.match(PAGE);
  const still = new Set([PAGE, ...named, ...(before ? assetsOf(await before.text()) : [])]);
  const there = new Set((await cache.keys()).map(({ url }) => new URL(url).pathname));
  await cache.addAll(named.filter((name) => !there.has(name)));
  await cache.put(PAGE, answer);
  await Promise.all([...there].filter((name) => !still.has(name)).map((name) => cache.delete(name)));
}

/** The addresses of assets that a page refers to. */
const assetsOf = (html) => [...new Set(html.match(/\/assets\/[^"'\s>]+/g) ?? [])];

async function dropOtherCaches() {
  const others = (await caches.keys()).filter((name) => name !== CACHE);
  await Promise.all(others.map((name) => caches.delete(name)));
}
