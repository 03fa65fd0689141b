/** What axe-core has against a page, in both themes, on a phone and on a desk. */
import { createRequire } from "node:module";

const { source } = createRequire(import.meta.url)("axe-core");
const WIDTHS = { desk: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

export class Axe {
  /** What it found, each once, in words. */
  found = new Set();
  /** What it looked at. */
  states = [];

  /** Looks at what somebody sees now; `state` is what that is called. */
  async examines(person, state) {
    const { page } = person;
    this.states.push(state);
    const before = page.viewport();
    for (const [width, viewport] of Object.entries(WIDTHS)) {
      await page.setViewport(viewport);
      for (const scheme of ["light", "dark"]) {
        await page.emulateMediaFeatures([
          { name: "prefers-color-scheme", value: scheme },
          { name: "prefers-reduced-motion", value: "reduce" },
        ]);
        await page.evaluate(drawn);
        for (const problem of await this.#run(page)) {
          this.found.add(`${state}, ${scheme}, ${width}: ${problem}`);
        }
      }
    }
    await page.setViewport(before);
  }

  async #run(page) {
    // As the developer's tools do, which the page's policy does not hold back.
    if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(source);
    return page.evaluate(async () => {
      const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
      return violations.flatMap(({ id, help, nodes }) =>
        nodes.map(({ target, any }) => `${id} (${help}) at ${target.join(" ")} ${any[0]?.message ?? ""}`),
      );
    });
  }
}

/** Runs in the page: until it has been drawn as it is to be looked at, and its scripts have heard of that. */
function drawn() {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}
