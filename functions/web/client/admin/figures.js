/** Live figures: how much there is, how it changes while one looks, and whether the stores answer. */
import { fill, h, icon } from "../app/dom.js";
import { language, time } from "../app/format.js";
import { announce } from "../app/ui.js";
import { calls, health } from "./calls.js";
import { Samples } from "./samples.js";
import { section } from "./section.js";
import { failure, number } from "./show.js";
import { sparkline } from "./sparkline.js";

/** How often they are read while somebody looks, in ms. */
const EVERY = 30_000;
/** Over how many minutes the pace of the logs is told. */
const PACE = 5;

const samples = new Samples();
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });

const allConversations = ({ conversations }) => conversations.direct + conversations.group + conversations.channel;
const cards = [
  {
    label: "Users",
    figure: (stats) => stats.users,
    parts: [
      ["Admins", (stats) => stats.admins],
      ["Disabled", (stats) => stats.disabled_users],
    ],
  },
  {
    label: "Conversations",
    figure: allConversations,
    parts: [
      ["Direct", (stats) => stats.conversations.direct],
      ["Groups", (stats) => stats.conversations.group],
      ["Channels", (stats) => stats.conversations.channel],
    ],
  },
  { label: "Live sessions", figure: (stats) => stats.sessions, parts: [] },
  { label: "Log entries", figure: (stats) => stats.log_entries, parts: [], pace: true },
];

const stores = { postgres: "Postgres", redis: "Redis" };

/**
 * Fills the section, and reads until it is left.
 *
 * @param {Element} main
 * @param {{signal: AbortSignal}} about aborted when the section is left
 */
export function showFigures(main, { signal }) {
  const updated = h("span", { class: "muted small" });
  const pause = h("button", { class: "button", type: "button", text: "Pause" });
  const state = h("div", { class: "health" });
  const trouble = h("div");
  const grid = h("div", { class: "figures" });
  section(main, {
    title: "Live figures",
    about: "Read every 30 seconds while you look at them.",
    actions: [pause],
    body: [state, trouble, grid, updated],
  });
  const live = new Reading({ state, trouble, grid, updated });
  pause.addEventListener("click", () => {
    live.paused = !live.paused;
    pause.textContent = live.paused ? "Resume" : "Pause";
    live.go();
  });
  document.addEventListener("visibilitychange", () => live.go(), { signal });
  signal.addEventListener("abort", () => live.stop());
  if (samples.last) live.showFigures();
  else fill(grid, cards.map(() => h("div", { class: "card skeleton tall" })));
  live.go();
}

class Reading {
  paused = false;
  #parts;
  #timer = null;
  #stopped = false;
  #reading = false;
  #health;

  constructor(parts) {
    this.#parts = parts;
  }

  /** Reads now and from now on, unless it is paused or nobody looks. */
  async go() {
    clearTimeout(this.#timer);
    if (this.#stopped || this.#reading || this.paused || document.hidden) return;
    this.#reading = true;
    const wait = await this.#read();
    this.#reading = false;
    if (!this.#stopped && !this.paused) this.#timer = setTimeout(() => this.go(), wait);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** @returns {Promise<number>} how long to wait, in ms */
  async #read() {
    const checked = health().then((answer) => this.#showHealth(answer));
    let wait = EVERY;
    try {
      samples.add(await calls.get("/admin/stats"), Date.now());
      if (!this.#stopped) this.showFigures();
      fill(this.#parts.trouble);
    } catch (error) {
      wait = Math.max(EVERY, (error.retryAfter ?? 0) * 1_000);
      fill(this.#parts.trouble, failure(error, { title: "The figures could not be read.", retry: () => this.go() }));
      if (!samples.last) fill(this.#parts.grid);
    }
    await checked;
    return wait;
  }

  showFigures() {
    const { at, stats } = samples.last;
    fill(this.#parts.grid, cards.map((card) => cardOf(card, stats)));
    this.#parts.updated.textContent = `Updated at ${clock.format(at)}. Changes are since ${time(new Date(samples.since))}, when you first looked.`;
  }

  #showHealth(answer) {
    const checks = Object.entries(answer?.checks ?? {});
    const good = answer?.status === "healthy";
    const words = good ? "Healthy" : answer ? "Unhealthy" : "The health check does not answer";
    if (this.#health !== undefined && this.#health !== words) announce(words);
    this.#health = words;
    fill(
      this.#parts.state,
      h("strong", { class: good ? "state good" : "state bad" }, icon(good ? "check" : "warning"), words),
      checks.map(([name, up]) =>
        h("span", { class: up ? "state good" : "state bad" }, icon(up ? "check" : "warning"), `${stores[name] ?? name} ${up ? "answers" : "does not answer"}`),
      ),
    );
  }
}

function cardOf({ label, figure, parts, pace }, stats) {
  const perMinute = pace ? samples.perMinute(figure, PACE) : null;
  const list = parts.map(([name, part]) => line(name, number(part(stats)), change(samples.change(part))));
  if (pace) list.push(line("A minute, lately", perMinute === null ? "–" : number(Math.round(perMinute * 10) / 10)));
  return h(
    "section",
    { class: "card figure-card", "aria-label": label },
    h("h2", { text: label }),
    h("p", { class: "big" }, number(figure(stats)), change(samples.change(figure))),
    list.length > 0 ? h("dl", null, list) : null,
    sparkline(samples.values(figure)),
  );
}

const line = (name, ...values) => h("div", null, h("dt", { text: name }), h("dd", null, values));

/** A change since the page was opened; nothing where there is none. */
function change(by) {
  if (by === 0) return null;
  const words = by > 0 ? `up by ${number(by)}` : `down by ${number(-by)}`;
  const sign = h("span", { "aria-hidden": "true", text: `${by > 0 ? "+" : "−"}${number(Math.abs(by))}` });
  return h("span", { class: "change" }, sign, h("span", { class: "visually-hidden", text: words }));
}
