/**
 * The figures that were read since the page was opened, oldest first: what has changed since then, and how fast. They are
 * kept over the sections, so that one finds them again.
 */

/** How many are kept: two hours of one each 10 s. What is older than that but the first is let go. */
const MOST = 720;

export class Samples {
  /** @type {{at: number, stats: object}[]} */
  #all = [];

  /** @param {object} stats as `GET /admin/stats` answers @param {number} at when, in ms since 1970 */
  add(stats, at) {
    this.#all.push({ at, stats });
    if (this.#all.length > MOST) this.#all.splice(1, 1);
  }

  get last() {
    return this.#all.at(-1) ?? null;
  }

  /** When the first was read, in ms since 1970. */
  get since() {
    return this.#all[0]?.at ?? null;
  }

  /** @param {(stats: object) => number} figure @returns {number[]} */
  values(figure) {
    return this.#all.map(({ stats }) => figure(stats));
  }

  /** How much a figure has changed since the first. @param {(stats: object) => number} figure @returns {number} */
  change(figure) {
    return this.#all.length < 2 ? 0 : figure(this.last.stats) - figure(this.#all[0].stats);
  }

  /**
   * How much a figure grew per minute, over the last `minutes` or what there is of them.
   *
   * @param {(stats: object) => number} figure
   * @param {number} minutes
   * @returns {number | null} null while there is nothing to compare with
   */
  perMinute(figure, minutes) {
    const { last } = this;
    const from = last && this.#all.find(({ at }) => at >= last.at - minutes * 60_000);
    if (!from || from.at === last.at) return null;
    return ((figure(last.stats) - figure(from.stats)) / (last.at - from.at)) * 60_000;
  }
}
