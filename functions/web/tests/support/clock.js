/** A clock that only the test moves. */

/** Lets everything run that waits for a promise alone. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

export class Clock {
  #now = Date.parse("2026-01-01T00:00:00Z");
  #numbered = 0;
  #timers = new Map();

  now = () => this.#now;

  setTimeout = (run, delay) => {
    this.#timers.set(++this.#numbered, { run, at: this.#now + delay });
    return this.#numbered;
  };

  clearTimeout = (timer) => {
    this.#timers.delete(timer);
  };

  /** Sets the clock back; timers take as long as before. */
  setBack(milliseconds) {
    this.#now -= milliseconds;
    for (const timer of this.#timers.values()) timer.at -= milliseconds;
  }

  /** How many timers are set. */
  get waiting() {
    return this.#timers.size;
  }

  /** Moves on by some milliseconds and runs what is due meanwhile, in its order. */
  async advance(milliseconds) {
    const until = this.#now + milliseconds;
    await settle();
    for (let next = this.#soonest(); next && next[1].at <= until; next = this.#soonest()) {
      const [timer, { run, at }] = next;
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, at);
      run();
      await settle();
    }
    this.#now = until;
  }

  #soonest() {
    let soonest = null;
    for (const timer of this.#timers) if (!soonest || timer[1].at < soonest[1].at) soonest = timer;
    return soonest;
  }
}
