// A quiet note until one's address is verified, where that is not asked for before signing in.
import { session } from "./api.js";
import { fill, h } from "./dom.js";
import { toast } from "./ui.js";
import { doing } from "./forms.js";

/** @returns {{element: HTMLElement, destroy: () => void}} */
export function verifyNote() {
  const element = h("div", { class: "verify-note", hidden: true });
  let drawn;
  const draw = () => {
    const { user } = session;
    const email = user && !user.email_verified ? user.email : null;
    if (email === drawn) return;
    drawn = email;
    element.hidden = !email;
    fill(
      element,
      email && [
        h("p", null, "Please verify your email. We sent a mail to ", h("strong", { text: email }), "."),
        h("div", { class: "cluster" }, doing("Send again", resend, "quiet"), doing("I have verified it", recheck, "quiet")),
      ],
    );
  };
  // Whoever comes back to this page may have opened the link meanwhile.
  const look = () => !element.hidden && !document.hidden && session.reload().catch(() => {});
  document.addEventListener("visibilitychange", look);
  const off = session.onChange(draw);
  draw();
  return {
    element,
    destroy: () => {
      off();
      document.removeEventListener("visibilitychange", look);
    },
  };
}

async function resend() {
  await session.resendVerification();
  toast("Another mail is on its way.");
}

async function recheck() {
  const user = await session.reload();
  toast(
    user.email_verified ? "Your email is verified." : "It is not verified yet. Open the link in the mail and confirm there.",
  );
}
