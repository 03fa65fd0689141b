// Light, dark, or what the system says: the choice is kept in this browser and followed in all of its tabs. The colours of
// both are in styles/tokens.css.

const STORED = "chat.theme";
const CHOICES = ["light", "dark"];

/** @returns {"system" | "light" | "dark"} */
export function theme() {
  try {
    const stored = localStorage.getItem(STORED);
    return CHOICES.includes(stored) ? stored : "system";
  } catch {
    return "system";
  }
}

/** @param {"system" | "light" | "dark"} choice */
export function setTheme(choice) {
  try {
    if (CHOICES.includes(choice)) localStorage.setItem(STORED, choice);
    else localStorage.removeItem(STORED);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  apply(choice);
}

/** Applies what was chosen before, now and whenever another tab changes it. */
export function startTheme() {
  apply(theme());
  addEventListener("storage", (event) => {
    if (event.key === STORED || event.key === null) apply(theme());
  });
}

function apply(choice) {
  const root = document.documentElement;
  if (CHOICES.includes(choice)) root.dataset.theme = choice;
  else delete root.dataset.theme;
  // The browser's own bars take the colour of the page; without a choice the two tags apply as they are written.
  for (const tag of document.querySelectorAll('meta[name="theme-color"]')) {
    tag.dataset.system ??= tag.content;
    tag.content = choice === "system" ? tag.dataset.system : getComputedStyle(document.body).backgroundColor;
  }
}
