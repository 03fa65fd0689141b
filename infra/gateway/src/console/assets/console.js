// The pages of the console. All data becomes text nodes; nothing that the gateway tells is ever read as markup.
"use strict";

const main = document.getElementById("main");
const live = document.getElementById("live");
const page = document.body.dataset.page;

/** An element with properties, `data-label` among them, and children that are elements or text. */
function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name !== "label") element[name] = value;
    else if (value) element.dataset.label = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

async function ask(path) {
  const response = await fetch(path, { headers: { accept: "application/json" } });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

/** Asks again and again, one second after each answer, but not for a page that nobody sees. */
async function repeat(update) {
  for (;;) {
    if (!document.hidden) {
      try {
        await update();
        live.className = "on";
        live.textContent = "live";
      } catch {
        live.className = "lost";
        live.textContent = "no answer";
      }
    }
    await new Promise((resume) => setTimeout(resume, 1000));
  }
}

/** Brings a container's elements in line with items; one that did not change stays, with its focus. */
function reconcile(container, items, key, build) {
  const known = new Map([...container.children].map((child) => [child.dataset.key, child]));
  let next = container.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    const text = JSON.stringify(item);
    let element = known.get(name);
    known.delete(name);
    if (!element || element.state !== text) {
      const fresh = build(item);
      fresh.dataset.key = name;
      fresh.state = text;
      if (element) {
        const focused = element.contains(document.activeElement);
        if (next === element) next = fresh;
        element.replaceWith(fresh);
        if (focused) fresh.querySelector("a, button")?.focus();
      }
      element = fresh;
    }
    if (next === element) next = next.nextElementSibling;
    else container.insertBefore(element, next);
  }
  for (const gone of known.values()) gone.remove();
}

const count = (number) => number.toLocaleString("en");
const clock = (at) => {
  const time = new Date(at);
  const two = (number) => String(number).padStart(2, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
};
const fine = (at) => `${clock(at)}.${String(new Date(at).getMilliseconds()).padStart(3, "0")}`;
function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "";
  if (milliseconds < 10) return `${milliseconds.toFixed(2)} ms`;
  if (milliseconds < 1000) return `${milliseconds.toFixed(1)} ms`;
  return `${(milliseconds / 1000).toFixed(2)} s`;
}
function size(bytes) {
  return bytes < 1024 ? `${bytes} B` : bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1048576).toFixed(1)} MiB`;
}
const byteLength = (text) => new TextEncoder().encode(text).length;
function dollars(amount) {
  if (amount === 0) return "$0";
  if (amount < 1e-7) return "< $0.0000001";
  const digits = amount < 0.01 ? 7 : 2;
  return `$${amount.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}
function since(seconds) {
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
const plural = (number, what) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;

function table(columns) {
  const head = columns.map(([name, kind]) => make("th", { scope: "col", className: kind ?? "" }, name));
  const body = make("tbody");
  const whole = make("table", null, make("thead", null, make("tr", null, ...head)), body);
  return [make("div", { className: "sheet-of" }, whole), body];
}
const cell = (label, className, ...children) => make("td", { label, className }, ...children);
const tag = (text, className) => make("span", { className: `tag ${className}` }, text);
function tiles(items) {
  const tile = ([name, value, ...notes]) =>
    make("div", null, make("dt", null, name), make("dd", null, value), ...notes.map((note) => make("dd", null, note)));
  return make("dl", { className: "tiles" }, ...items.map(tile));
}
function facts(items) {
  const shown = items.filter(([, value]) => value !== null && value !== undefined && value !== "");
  const pair = ([name, value]) => [make("dt", null, name), make("dd", null, value)];
  return make("dl", { className: "facts" }, ...shown.flatMap(pair));
}
const mono = (text) => make("span", { className: "mono" }, text);
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
/** What an error object says, or the text itself. */
function reason(error) {
  try {
    const { errorType, errorMessage } = JSON.parse(error);
    return errorMessage ? `${errorType ?? "Error"}: ${errorMessage}` : error;
  } catch {
    return error;
  }
}

// A sheet at the side shows one thing; the address names it, so it can be linked to and the back key closes it.
const sheet = make("dialog");
let shown = "";
sheet.addEventListener("close", () => {
  shown = "";
  if (location.hash) history.replaceState(null, "", location.pathname);
});
sheet.addEventListener("click", (event) => {
  if (event.target === sheet && event.offsetX < 0) sheet.close();
});
function sheetHead(title, ...buttons) {
  const close = make("button", { type: "button", onclick: () => sheet.close() }, "Close");
  return make("header", null, make("h2", null, title), ...buttons, close);
}
function follow(show) {
  document.body.append(sheet);
  const open = async () => {
    shown = decodeURIComponent(location.hash.slice(1));
    if (!shown) return sheet.close();
    sheet.replaceChildren(sheetHead("…"));
    if (!sheet.open) sheet.showModal();
    await show(shown);
  };
  const opened = () => open().catch(() => sheet.replaceChildren(sheetHead("no answer")));
  addEventListener("hashchange", opened);
  if (location.hash) opened();
}
/** A row that opens the sheet: its first cell is the link, for keys; the whole row, for pointers. */
function opens(row, id) {
  row.className = "opens";
  row.addEventListener("click", () => {
    if (String(getSelection()) === "") location.hash = encodeURIComponent(id);
  });
  return row;
}
const link = (id, text) => make("a", { href: `#${encodeURIComponent(id)}` }, text);

function overview() {
  const place = make("div");
  const [functions, rows] = table([
    ["Function"], ["Processes"], ["Waiting", "n"], ["Invocations", "n"], ["Errors", "n"], ["Cold starts", "n"],
    ["p50", "n"], ["p99", "n"], ["Memory", "n"],
  ]);
  const legend = make("p", { className: "note" },
    "A process is starting (dotted), idle (hollow), busy (filled) or frozen (grey). p50 and p99 are of each function’s newest 1,000 invocations. Memory is the most that any process of it had, sampled, of the size in the template; the gateway does not enforce that size.");
  main.append(place, make("h2", null, "Functions"), functions, legend);
  repeat(async () => {
    const told = await ask("/");
    const calls = told.functions.reduce((sum, each) => sum + each.invocations, 0);
    const errors = told.functions.reduce((sum, each) => sum + each.errors, 0);
    const waiting = told.functions.reduce((sum, each) => sum + each.waiting, 0);
    const notes = [];
    if (told.faults.length) notes.push(make("p", { className: "banner" }, make("strong", null, "Faults are on. "), mono(told.faults.join("; "))));
    if (told.cargoLambda) notes.push(make("p", { className: "banner" }, "cargo lambda watch runs the functions: their processes, memory, cold starts and logs are not known here."));
    place.replaceChildren(
      ...notes,
      facts([
        ["HTTP API", mono(told.url)],
        ["WebSocket API", told.websocketUrl && mono(told.websocketUrl)],
        ["Running for", `${since(told.uptimeSeconds)}, with up to ${count(told.concurrency)} ${told.concurrency === 1 ? "process" : "processes"} for each function`],
      ]),
      tiles([
        ["Invocations", count(calls), make("span", { className: errors ? "bad" : "" }, errors ? `${count(errors)} failed` : "none failed")],
        ["Open connections", count(told.connections), `${plural(told.mails, "mail")} sent`],
        ["Waiting", count(waiting), `${count(told.asynchronousEvents)} asynchronous not done`],
        ["Cost at AWS", dollars(told.cost.total), told.cost.perMonth === null ? "a month’s after one minute" : `${dollars(told.cost.perMonth)} a month at this rate`],
      ]),
    );
    reconcile(rows, told.functions, (each) => each.name, (each) => {
      const states = each.processes.map((process) => (process.frozen ? "frozen" : process.state));
      const told_by = (process) => `${process.pid ?? "no process yet"}: ${plural(process.invocations, "invocation")}`;
      const dots = each.processes.map((process, index) => make("span", { className: `dot ${states[index]}`, title: `${states[index]}, ${told_by(process)}` }));
      const kinds = [...new Set(states)].map((state) => `${states.filter((other) => other === state).length} ${state}`);
      return make("tr", null,
        cell("", "wide", make("a", { href: `/invocations?function=${encodeURIComponent(each.name)}` }, each.name),
          make("small", null, [each.binary, each.architecture, each.timeout !== null && `${each.timeout} s`].filter(Boolean).join(" · "))),
        cell("", "wide", ...(dots.length ? [make("span", { className: "dots" }, ...dots), make("small", null, kinds.join(", "))] : [make("span", { className: "soft" }, told.cargoLambda ? "not known" : "none yet")])),
        cell("Waiting", "n", count(each.waiting)),
        cell("Invocations", "n", count(each.invocations)),
        cell("Errors", each.errors ? "n bad" : "n", count(each.errors)),
        cell("Cold", "n", count(each.coldStarts)),
        cell("p50", "n", duration(each.p50)),
        cell("p99", "n", duration(each.p99)),
        cell("Memory", "n", `${each.memoryUsed ?? "–"} / ${each.memorySize} MB`));
    });
  });
}

const problem = (row) => row.discarded?.condition ?? (row.error && reason(row.error));
function outcome(row) {
  if (row.state === "running") return tag("running", "slow");
  if (row.discarded) return tag("discarded", "bad");
  if (row.state === "given up") return tag("not taken", "bad");
  if (row.status) return tag(String(row.status), row.error || row.status >= 500 ? "bad" : row.status >= 400 ? "slow" : "good");
  return row.error || row.state === "failed" ? tag("failed", "bad") : tag("done", "good");
}

function invocations() {
  const chosen = new URLSearchParams(location.search);
  const functions = make("select", { ariaLabel: "Function" }, make("option", { value: "" }, "All functions"));
  const errors = make("input", { type: "checkbox", checked: chosen.get("errors") === "true" });
  const pause = make("button", { type: "button", ariaPressed: "false" }, "Pause");
  pause.addEventListener("click", () => {
    const paused = pause.ariaPressed !== "true";
    pause.ariaPressed = String(paused);
    pause.textContent = paused ? "Go on" : "Pause";
  });
  const bar = make("div", { className: "bar" }, functions, make("label", null, errors, "Errors only"), pause);
  const [list, rows] = table([
    ["Time"], ["Function"], ["Route"], ["Outcome"], ["Start"], ["Duration", "n"], ["Billed", "n"], ["Memory", "n"],
  ]);
  const empty = make("p", { className: "empty" }, "Nothing ran yet that fits.");
  const note = make("p", { className: "note" },
    "The newest 1,000 are kept, fewer when they are large. Without a function are requests that reached none, such as 404, with the reason. Memory is the process’s greatest so far, read at most every 100 ms. Billed is duration and cold start, rounded up to a millisecond.");
  main.append(bar, list, empty, note);

  const kept = new Map();
  let cursor = null;
  let asked = "";
  let run = null;
  async function choices(wanted) {
    const told = await ask("/functions");
    functions.replaceChildren(functions.options[0], ...told.functions.map((each) => make("option", { value: each.name }, each.name)));
    functions.value = wanted;
    if (functions.selectedIndex < 0) functions.value = "";
  }
  choices(chosen.get("function") ?? "").catch(() => {}).finally(() => repeat(update));

  function forget() {
    cursor = null;
    kept.clear();
  }
  async function update() {
    if (pause.ariaPressed === "true") return;
    const filter = `function=${encodeURIComponent(functions.value)}&errors=${errors.checked}`;
    if (filter !== asked) {
      asked = filter;
      forget();
    }
    for (let more = true; more;) {
      const told = await ask(`/invocations.json?${filter}&limit=200${cursor === null ? "" : `&after=${cursor}`}`);
      // The choice may have changed meanwhile.
      if (filter !== asked) return;
      if (run !== null && run !== told.startedAt) {
        // The gateway was started anew: numbers and cursors of the run before mean nothing any more.
        run = told.startedAt;
        forget();
        formerRun();
        await choices(functions.value);
        return update();
      }
      ({ cursor, more, startedAt: run } = told);
      for (const row of told.invocations) kept.set(row.number, row);
    }
    const newest = [...kept.values()].sort((one, other) => other.number - one.number).slice(0, 200);
    for (const number of kept.keys()) if (number < newest.at(-1).number) kept.delete(number);
    empty.hidden = newest.length > 0;
    list.hidden = newest.length === 0;
    reconcile(rows, newest, (row) => row.number, (row) => opens(make("tr", null,
      cell("", "open mono", link(row.number, fine(row.at))),
      cell("", "", row.function),
      cell("", "cut", make("span", null, row.request ?? row.route ?? ""), ...(problem(row) ? [make("small", { className: "bad" }, problem(row))] : [])),
      cell("", "", outcome(row)),
      cell("", "", row.duration === null ? "" : row.coldStart ? make("span", { className: "slow" }, "cold") : make("span", { className: "soft" }, "warm")),
      cell("Took", "n", duration(row.duration)),
      cell("Billed", "n", row.billedDuration === null ? "" : `${count(row.billedDuration)} ms`),
      cell("Memory", "n", row.memoryUsed === null ? "" : `${row.memoryUsed} / ${row.memorySize} MB`)), row.number));
  }
  for (const choice of [functions, errors]) choice.addEventListener("change", () => update().catch(() => {}));

  /** What the sheet shows stays to be read, but its number is another invocation's now. */
  function formerRun() {
    if (!sheet.open) return;
    sheet.querySelector(".again")?.remove();
    sheet.querySelector("h2").append(" (of the run before)");
  }
  follow(async (number) => {
    const told = await ask(`/invocations/${encodeURIComponent(number)}.json`);
    if (shown !== number) return;
    if (!told) return sheet.replaceChildren(sheetHead("Not kept any more"));
    const again = make("button", { type: "button", className: "again", onclick: () => dispatchEvent(new Event("hashchange")) }, "Refresh");
    const others = told.attempts.filter((other) => other !== told.number);
    const cut = (whole, text) => (whole > byteLength(text) ? `, the first ${size(byteLength(text))} of ${size(whole)}` : "");
    sheet.replaceChildren(
      sheetHead(told.function, again),
      facts([
        ["Outcome", outcome(told)],
        ["Error", told.error && make("span", { className: "bad" }, reason(told.error))],
        ["Given up for good", told.discarded && `${told.discarded.condition}, after ${plural(told.discarded.attempts, "attempt")}${told.discarded.destination ? `; on failure: ${told.discarded.destination}, not delivered` : ""}`],
        ["Submitted", fine(told.at)],
        ["Route", told.route && mono(told.route)],
        ["Request", told.request && mono(told.request)],
        ["Duration", told.duration !== null && `${duration(told.duration)}, billed ${count(told.billedDuration)} ms`],
        ["Cold start", told.initDuration !== null && duration(told.initDuration)],
        ["Waited", told.queued !== null && told.queued >= 1 && duration(told.queued)],
        ["Memory", told.memoryUsed !== null && `${told.memoryUsed} MB of ${told.memorySize} MB`],
        ["Process", told.process && mono(String(told.process))],
        ["Connection", told.connectionId && make("a", { href: `/connections#${encodeURIComponent(told.connectionId)}`, className: "mono" }, told.connectionId)],
        ["Lambda request id", mono(told.requestId)],
        ["API request id", told.apiRequestId && mono(told.apiRequestId)],
        ["Trace", told.traceId && mono(told.traceId)],
        ["Same request id", others.length > 0 && make("span", null, ...others.flatMap((other) => [link(other, `#${other}`), " "]))],
      ].map(([name, value]) => [name, value === false ? null : value])),
      make("h2", null, `Log${told.logsCut ? ", the first 64 KiB" : ""}`),
      told.logs.length ? make("pre", null, told.logs.join("\n")) : make("p", { className: "note" }, "Nothing printed so far; a line may come a moment later."),
      make("h2", null, `Event${cut(told.eventSize, told.event)}`), make("pre", null, pretty(told.event)),
      ...(told.response === null ? [] : [make("h2", null, `${told.state === "failed" ? "Error" : "Response"}${cut(told.responseSize, told.response)}`), make("pre", null, pretty(told.response))]),
    );
  });
}

function connections() {
  const [list, rows] = table([
    ["Connection"], ["Client"], ["Principal"], ["Since"], ["Last message"], ["In", "n"], ["Out", "n"], ["Waiting", "n"], ["State"],
  ]);
  const empty = make("p", { className: "empty" }, "No client has connected yet.");
  const note = make("p", { className: "note" }, "At most 500: open ones first, then the newest 200 that ended. Of each the newest 200 frames are kept, 8 KiB of each; when all together are too large, those of ended connections go first.");
  main.append(list, empty, note);
  const state = (row) => (row.state === "open" ? tag("open", "good") : tag(`closed ${row.closed.code}`, row.closed.code === 1000 || row.closed.code === 1001 || row.closed.code === 1005 ? "soft" : "slow"));

  async function update() {
    // More than a person reads would only make the page slow.
    const { connections: newest } = await ask("/connections.json?limit=500");
    empty.hidden = newest.length > 0;
    list.hidden = newest.length === 0;
    reconcile(rows, newest, (row) => row.id, (row) => opens(make("tr", null,
      cell("", "open mono wide", link(row.id, row.id)),
      cell("", "cut", make("span", null, row.sourceIp), make("small", null, row.userAgent ?? "")),
      cell("Principal", "", row.principalId ?? ""),
      cell("Since", "", clock(row.connectedAt)),
      cell("Last message", "", clock(row.lastActiveAt)),
      cell("In", "n", count(row.received)),
      cell("Out", "n", count(row.sent)),
      cell("Waiting", row.queuedFrames ? "n slow" : "n", count(row.queuedFrames)),
      cell("", "", state(row))), row.id));
    if (shown) await show(shown);
  }

  let built = "";
  async function show(id) {
    const told = await ask(`/connections/${encodeURIComponent(id)}.json`);
    if (shown !== id) return;
    if (!told) return sheet.replaceChildren(sheetHead("Not kept any more"));
    const close = make("button", { type: "button", className: "danger" }, "Close connection");
    close.addEventListener("click", async () => {
      close.disabled = true;
      await fetch(`/connections/${encodeURIComponent(id)}`, { method: "DELETE" });
      await show(id);
    });
    const told_of = facts([
      ["State", state(told)],
      ["Ended", told.closed && `${clock(told.closed.at)}${told.closed.reason && `, “${told.closed.reason}”`}`],
      ["Since", clock(told.connectedAt)],
      ["Client", told.sourceIp],
      ["User agent", told.userAgent],
      ["Authorizer", told.authorizer && mono(JSON.stringify(told.authorizer))],
      ["Waiting", told.queuedFrames > 0 ? `${plural(told.queuedFrames, "frame")}, ${size(told.queuedBytes)}` : null],
    ]);
    // Built anew only for another connection or state, so that the keyboard's focus stays.
    const wanted = `${id} ${told.state}`;
    if (built !== wanted || !sheet.querySelector(".frames")) {
      built = wanted;
      sheet.replaceChildren(sheetHead(id, ...(told.state === "open" ? [close] : [])), make("div", { className: "about" }),
        make("h2", null, "Frames, the newest first"), make("ul", { className: "frames" }));
    }
    sheet.querySelector(".about").replaceChildren(told_of);
    const titles = { in: "from the client", out: "to the client" };
    reconcile(sheet.querySelector(".frames"), told.frames, (frame) => frame.number, (frame) => make("li", { className: `${frame.direction} ${frame.kind}` },
      make("p", null, [frame.direction === "in" ? "→" : "←", fine(frame.at), frame.kind === "refused" ? `post refused with ${frame.code}` : titles[frame.direction], frame.kind === "close" ? `close ${frame.code}` : frame.kind === "binary" ? "binary, not supported" : size(frame.size)].join(" · ").replace(" · ", " ")),
      ...(frame.text ? [make("pre", null, pretty(frame.text))] : []),
      ...(frame.text && frame.size > byteLength(frame.text) ? [make("p", null, `the first ${size(byteLength(frame.text))}`)] : []),
      ...(!frame.text && frame.size > 0 ? [make("p", null, "text not kept")] : [])));
  }
  follow(show);
  repeat(update);
}

function inbox() {
  // There before it says something, or it would not be read out.
  const fresh = make("p", { className: "fresh", role: "status" });
  main.querySelector("h1").after(fresh);
  let seen = null;
  repeat(async () => {
    const { mails, startedAt } = await ask("/");
    seen ??= { mails, startedAt };
    // The gateway was started anew, and its inbox is another.
    if (startedAt !== seen.startedAt) location.reload();
    else if (mails > seen.mails && !fresh.firstChild) {
      fresh.append(make("button", { type: "button", onclick: () => location.reload() }, "New mail: show"));
    }
  });
}

function cost() {
  const place = make("div");
  const [list, rows] = table([["Service"], ["What"], ["Used", "n"], ["Price", "n"], ["Cost so far", "n"], ["Share"]]);
  const note = make("p", { className: "note" });
  main.append(place, make("h2", null, "What it is made of"), list, note);
  const exact = (number) => Number(number.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 });
  repeat(async () => {
    const told = await ask("/cost.json");
    place.replaceChildren(tiles([
      ["So far", dollars(told.total), `in ${since(told.uptimeSeconds)}`],
      ["A month at this rate", told.perMonth === null ? "–" : dollars(told.perMonth), told.perMonth === null ? "told after one minute" : "730 hours, without the free tier"],
      ["Prices", told.pricesAsOf, `${told.region}, first tier, ${told.currency}`],
    ]));
    const dearest = told.items.sort((one, other) => other.cost - one.cost);
    reconcile(rows, dearest, (item) => `${item.what} ${item.function ?? ""}`, (item) => make("tr", null,
      cell("", "wide", item.service, make("small", null, item.function ?? "")),
      cell("", "", item.what),
      cell("Used", "n", exact(item.quantity), make("small", null, item.unit)),
      cell("Price", "n", dollars(item.price * 1e6), make("small", null, "per million")),
      cell("Cost", "n", dollars(item.cost)),
      cell("", "", make("meter", { className: "share", max: 1, value: told.total ? item.cost / told.total : 0, ariaLabel: "Share of the cost" }))));
    note.textContent = `An estimate to compare by, no bill. Left out: ${told.leftOut.join(", ")}. A function costs what it would with the memory size of its template and the time it took here. Each delivery counts, so --deliver-twice doubles what Lambda costs, and --strict=duplicate what it costs for asynchronous events.`;
  });
}

({ Overview: overview, Invocations: invocations, Connections: connections, Inbox: inbox, Cost: cost })[page]();
