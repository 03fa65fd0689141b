// Where the page begins: who is signed in decides whether the chat or the views of accounts are shown, the address which one.
// What fails without anybody to catch it is said here.
import { session } from "./api.js";
import { Cache } from "./cache.js";
import { chat } from "./chat.js";
import { toast, wording } from "./ui.js";
import { address, current, go, isOfAccounts, onRoute } from "./router.js";
import { Shell } from "./shell.js";
import { accountView } from "./sign-in.js";

const root = document.getElementById("app");
let shell = null;
/** Whose the shell is. */
let owner = null;
/** The view of accounts that is shown, and why. */
let shown = null;
let notice = null;
/** Where one was going before signing in. */
let wanted = null;

function render() {
  // What was asked about the view before is not asked about this one.
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  if (session.signedIn) renderChat();
  else renderAccounts();
}

function renderChat() {
  const route = current();
  if (isOfAccounts(route)) {
    const to = wanted ?? address.list;
    wanted = null;
    go(to, { replace: true });
    return;
  }
  if (owner !== session.user.id) {
    close();
    owner = session.user.id;
    chat.start();
    shell = new Shell();
    root.replaceChildren(shell.element);
    shell.show(route, shown !== null);
  } else shell.show(route);
  wanted = null;
  notice = null;
  shown = null;
}

function renderAccounts() {
  close();
  const route = current();
  if (!isOfAccounts(route)) wanted = location.hash || null;
  const isFirst = root.childElementCount === 0;
  const name = isOfAccounts(route) ? route.name : "sign-in";
  if (shown === name) return;
  shown = name;
  const view = accountView(route, notice);
  root.replaceChildren(view.element);
  document.title = `${view.title} – Chat`;
  if (!isFirst) view.element.querySelector("h1").focus();
}

function close() {
  if (!shell) return;
  shell.destroy();
  shell = null;
  owner = null;
  chat.stop();
  root.replaceChildren();
}

function onSession(user, reason) {
  if (reason === "profile") return;
  if (reason === "ended") notice = "You were signed out: your session has ended, or was ended elsewhere. Sign in to go on.";
  if (reason === "signed-out") {
    notice = null;
    shown = null;
    history.replaceState(null, "", address.signIn);
  }
  render();
}

/** An error that nobody caught. */
function complain(error) {
  if (!(error instanceof Error)) return;
  // The session is over, or is another one now: the view that is shown then says it.
  if (error.status === 401) return;
  toast(error.requestId ? `${wording(error)} (Request ${error.requestId})` : wording(error), { kind: "error" });
}

function registerServiceWorker() {
  if (!("serviceWorker" in navigator)) return;
  const path = "/service-worker.js";
  const policy = window.trustedTypes?.createPolicy("service-worker", { createScriptURL: () => path });
  // Without it the page works, only not offline.
  navigator.serviceWorker.register(policy ? policy.createScriptURL(path) : path).catch(() => {});
}

addEventListener("unhandledrejection", (event) => complain(event.reason));
addEventListener("error", (event) => complain(event.error));
session.onChange(onSession);
onRoute(render);
await session.restore();
// One may have signed out on a page that knows nothing of conversations.
if (!session.signedIn) new Cache().clear();
render();
registerServiceWorker();
