/** Somebody's keyboard: all that a story does with it, a person can do who has nothing else. */
import assert from "node:assert/strict";
import { described, portable, until } from "./find.js";

/** More stops than that on the way to something are too many. */
const FAR = 40;

export class Keyboard {
  #person;

  constructor(person) {
    this.#person = person;
  }

  async hits(...keys) {
    for (const key of keys) await this.#person.page.keyboard.press(key);
  }

  types(text) {
    return this.#person.page.keyboard.type(text);
  }

  /** Tabs until something has the focus. Gives what was passed and reached, by role and name. */
  tabsTo(role, name) {
    return this.#tabs(role, name, () => this.hits("Tab"));
  }

  tabsBackTo(role, name) {
    return this.#tabs(role, name, async () => {
      await this.#person.page.keyboard.down("Shift");
      await this.hits("Tab");
      await this.#person.page.keyboard.up("Shift");
    });
  }

  async #tabs(role, name, step) {
    const passed = [];
    for (let steps = 0; steps < FAR; steps += 1) {
      const at = await this.#at(role, name);
      if (at.is) return passed;
      await step();
      const next = await this.#at(role, name);
      passed.push(next.described);
      // Behind the last stop of the page is the browser's own, and then the first one.
      assert.ok(next.isOutside || next.isVisible, `the focus on ${next.described} is to be seen`);
    }
    throw new Error(`${described(role, name)} is not reached by Tab: ${passed.join(", ")}`);
  }

  /** Waits until something has the focus, which is given to it. */
  async isAt(role, name) {
    let at;
    await until(`the focus is on ${described(role, name)}`, async () => {
      at = await this.#at(role, name);
      return at.is;
    }).catch((error) => {
      error.message += `; it is on ${at?.described}`;
      throw error;
    });
    assert.ok(at.isVisible, `the focus on ${at.described} is to be seen`);
  }

  /** Waits until the focus was handed on, from what is gone to what came in its place. */
  async isHandedOn() {
    const isSomewhere = () => document.activeElement !== document.body;
    await until("the focus is somewhere", () => this.#person.page.evaluate(isSomewhere));
  }

  #at(role, name) {
    return this.#person.page.evaluate(
      (role, name) => {
        const element = document.activeElement;
        const plain = element.computedName.replace(/[\u2066-\u2069\u200e\u200f]/gu, "").trim();
        const is =
          element.computedRole === role &&
          (!name || ("text" in name ? plain === name.text : new RegExp(name.source, name.flags).test(plain)));
        // It shows by an outline or a shadow of its own, or of what is drawn around it.
        const shows = (one) => {
          const style = getComputedStyle(one);
          const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
          return outlined || style.boxShadow !== "none";
        };
        const around = element.parentElement?.matches(":focus-within") ? element.parentElement : element;
        const isVisible = element.checkVisibility() && (shows(element) || shows(around));
        return { is, isVisible, isOutside: element === document.body, described: `${element.computedRole} ${plain}` };
      },
      role,
      portable(name),
    );
  }
}
