// The page at /outrigger/. It asks once a second for api/now, and for what is new of api/history, and draws it with uPlot.
// What comes from outside becomes text, never HTML. First of all it says in one line whether all is well: see judge().

const RANGES = { "5m": { span: 300, step: 1, every: 1 }, "1h": { span: 3600, step: 10, every: 5 }, "24h": { span: 86400, step: 300, every: 30 } };
const TURN_MS = 1000;
const PATIENCE_MS = 10000;
const SHOWN_FEATURES = 12;
const NEAR_FULL = 0.75;      // of a queue
const MANY_ERRORS = 0.01;    // of the requests
const SHOWN_PROBLEMS = 8;
const GAP_STEPS = 6;         // lines go on over so many steps of which nothing is known
const BESIDE_MODELS = 2;     // models whose versions are drawn side by side, and versions of each
const BESIDE_VERSIONS = 3;
const ENOUGH = 20;           // requests in a window from which on a share of them says something
const BURN = { fast: 14.4, slow: 6 }; // of 5 min and 1 h together, and of 1 h and 6 h: a budget of 30 days is gone in 2, or 5
const DRIFT = { some: 0.1, much: 0.25 }; // of PSI, by usual reckoning

const $ = (id) => document.getElementById(id);
const page = { range: "5m", model: "", key: sessionStorage.getItem("outrigger-key") ?? "", histories: new Map(), now: null, before: null,
               lastData: 0, charts: [], beside: new Map(), turn: 0, colors: {} };

/* ---- elements ---- */

function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Replaces the children only when they say something else, so that a selection and the focus stay.
function fill(element, ...children) {
  const made = h("div", null, ...children);
  if (element.innerText !== undefined && element.dataset.said === made.outerHTML) return;
  element.dataset.said = made.outerHTML;
  element.replaceChildren(...made.childNodes);
}

function bar(share, kind) {
  const inside = h("i");
  inside.style.width = `${Math.max(0, Math.min(1, share ?? 0)) * 100}%`;
  return h("span", { class: `bar ${kind ?? ""}`, "aria-hidden": "true" }, inside);
}

const chip = (text, kind) => h("span", { class: `chip ${kind ?? ""}` }, text);

function table(caption, heads, rows) {
  return h("table", { "aria-label": caption },
    h("thead", null, h("tr", null, heads.map(([name, kind]) => h("th", { class: kind, scope: "col" }, name)))),
    h("tbody", null, rows.map((row) => h("tr", null, row.map((cell, i) => {
      const { text, kind } = cell?.text !== undefined ? cell : { text: cell };
      return h("td", { class: [heads[i][1], kind].filter(Boolean).join(" ") }, text ?? "–");
    })))));
}

/* ---- numbers ---- */

const known = (value) => typeof value === "number" && Number.isFinite(value);
function short(value) {
  if (!known(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(size >= 100 || Number.isInteger(value) ? Math.round(value) : Number(value.toPrecision(size < 1 ? 2 : 3)));
}
function duration(ms) {
  if (!known(ms)) return "–";
  if (ms < 1) return `${Number((ms * 1000).toPrecision(3))} µs`;
  return ms < 1000 ? `${Number(ms.toPrecision(3))} ms` : `${Number((ms / 1000).toPrecision(3))} s`;
}
function percent(share) {
  if (!known(share)) return "–";
  const value = share * 100;
  if (value > 0 && value < 0.01) return "< 0.01 %";
  return `${value >= 99.5 && value < 100 ? Number(value.toFixed(3)) : Number(value.toPrecision(value < 1 ? 2 : 3))} %`;
}
const bytes = (value) => (!known(value) ? "–" : value >= 1 << 30 ? `${(value / (1 << 30)).toFixed(1)} GB` : `${Math.round(value / (1 << 20))} MB`);
const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const many = (count, one, more) => `${short(count)} ${count === 1 ? one : more}`;
const windowName = (seconds) => (seconds < 3600 ? `${seconds / 60} min` : `${seconds / 3600} h`);

const errorsOf = (f) => (f.unavailable ?? 0) + (f.late ?? 0) + (f.failed ?? 0);
const rateOf = (f) => (f.ok ?? 0) + (f.client ?? 0) + (f.limited ?? 0) + errorsOf(f);
const errorShare = (f) => (rateOf(f) > 0 ? errorsOf(f) / rateOf(f) : null);
const askedOf = (f) => rateOf(f) * (f.seconds ?? 0);

/* ---- asking ---- */

class Refused extends Error {}

async function ask(path) {
  const headers = {};
  // A token has three parts between points, a key of ours has none.
  if (page.key && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(page.key)) headers.Authorization = `Bearer ${page.key}`;
  else if (page.key) headers["X-API-Key"] = page.key;
  const response = await fetch(path, { headers, credentials: "same-origin", redirect: "error", cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  if (response.status === 401 || response.status === 403) throw new Refused(String(response.status));
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}

/* ---- the history ---- */

const COLUMNS = ["ok", "client", "limited", "unavailable", "late", "failed", "rows", "p50", "p90", "p99", "batch", "queue", "share", "restarts"];

// Puts what came behind what is there; a point that was under way is replaced.
function merge(kept, came, span) {
  const times = Array.from({ length: came.count }, (_, i) => came.from + i * came.step);
  const keep = kept.t.findIndex((t) => t >= came.from);
  const end = keep === -1 ? kept.t.length : keep;
  const oldest = came.newest - span;
  const begin = kept.t.findIndex((t) => t > oldest);
  const cut = (old, added) => [...(begin === -1 || begin > end ? [] : old.slice(begin, end)), ...added];
  const merged = { t: cut(kept.t, times) };
  for (const name of COLUMNS) if (came[name]) merged[name] = cut(kept[name] ?? [], came[name]);
  return merged;
}

async function follow(model, version) {
  const { span, step } = RANGES[page.range];
  const name = JSON.stringify([page.range, model, version]);
  const kept = page.histories.get(name) ?? { t: [] };
  const query = new URLSearchParams({ step, span });
  if (kept.t.length) query.set("since", kept.t.at(-1));
  if (model) query.set("model", model);
  if (version) query.set("version", version);
  const merged = merge(kept, await ask(`api/history?${query}`), span);
  page.histories.set(name, merged);
  return merged;
}

/* ---- charts ---- */

function readColors() {
  const probe = h("i");
  document.body.append(probe);
  for (const name of ["c1", "c2", "c3", "c4", "c5", "c6", "text", "quiet", "grid", "bad"]) {
    probe.style.color = `var(--${name})`;
    page.colors[name] = getComputedStyle(probe).color;
  }
  probe.remove();
}

const dashes = { solid: [], dash: [7, 4], dot: [2, 3], long: [12, 4, 2, 4] };

// What a chart is: its title, what its numbers are, and its lines: [column, label, color, dash].
const CHARTS = [
  { title: "Requests answered, per second", lines: [["ok", "answered", "c1", "solid", true]] },
  { title: "Errors, per second", lines: [["unavailable", "503", "c3", "solid"], ["late", "504", "c2", "dash"], ["failed", "other 5xx", "c5", "long"],
                                         ["limited", "429", "c4", "dot"], ["client", "4xx", "c6", "dash"]] },
  { title: "Latency", unit: duration, log: true, lines: [["p50", "p50", "c4", "dot"], ["p90", "p90", "c1", "dash"], ["p99", "p99", "c2", "solid"], ["slo", "SLO", "c3", "long"]] },
  { title: "Rows waiting for a worker", whole: true, lines: [["queue", "rows", "c5", "solid", true]] },
  { title: "Rows of a batch, mean", lines: [["batch", "rows", "c4", "solid"]] },
  { title: "Rows predicted, per second", lines: [["rows", "rows", "c1", "solid", true]] },
];

function powers(low, high) {
  const found = [];
  for (let power = Math.ceil(Math.log10(low) - 1e-9); power <= Math.log10(high) + 1e-9; power++) found.push(10 ** power);
  return found;
}

function swatch(color, dash) {
  const line = svg("line", { x1: 0, x2: 18, y1: 4, y2: 4, "stroke-width": 2.5, "stroke-dasharray": dashes[dash].join(" ") });
  line.style.stroke = `var(--${color})`;
  return svg("svg", { viewBox: "0 0 18 8", "aria-hidden": "true" }, line);
}

function soft(color) {
  return color.replace(/^rgb\(/, "rgba(").replace(/\)$/, ", 0.13)");
}

class Chart {
  constructor(parent, description) {
    this.description = description;
    this.unit = description.unit ?? short;
    this.plotted = h("div", { class: "plot" });
    this.values = [];
    const legend = h("ul", { class: "legend" }, description.lines.map(([, label, color, dash]) => {
      const value = h("b");
      this.values.push(value);
      return h("li", null, swatch(color, dash), label, description.lines[this.values.length - 1][0] === "slo" ? null : " ", value);
    }));
    this.empty = h("p", { class: "empty", hidden: true }, "nothing in this time");
    this.element = h("div", { class: "card chart", role: "img" }, h("h3", null, description.title), legend, this.plotted, this.empty);
    parent.append(this.element);
    this.data = [[], ...description.lines.map(() => [])];
    this.span = [Date.now() / 1000 - RANGES[page.range].span, Date.now() / 1000];
    this.observer = new ResizeObserver(() => this.plot?.setSize(this.size()));
    this.observer.observe(this.plotted);
    this.build();
  }

  size() {
    return { width: Math.max(120, Math.floor(this.plotted.clientWidth)), height: this.plotted.clientHeight || 170 };
  }

  options() {
    const { colors } = page;
    const axis = { stroke: colors.quiet, grid: { stroke: colors.grid, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const y = this.description.log
      ? { distr: 3, range: (_, low, high) => uPlot.rangeLog(Math.max(0.01, Math.min(low ?? 1, this.slo ?? 1)), Math.max(high ?? 1, (this.slo ?? 1) * 1.5), 10, true) }
      : { range: (_, low, high) => [0, this.ceiling(high)] };
    return {
      ...this.size(), legend: { show: false }, padding: [8, 18, 0, 0],
      cursor: { sync: { key: "time" }, drag: { x: false, y: false }, points: { size: 6 } },
      scales: { x: { time: true, range: () => this.span }, y },
      axes: [{ ...axis, space: 50, size: 24, values: (_, splits, __, space, step) => splits.map((t) => this.timeLabel(t, step)) },
             { ...axis, size: 52, gap: 4, space: 26, values: (_, splits) => splits.map((v) => (v === null ? "" : this.unit(v))),
               ...(this.description.log ? { splits: (_, __, low, high) => powers(low, high), filter: (_, splits) => splits } : {}),
               ...(this.description.whole ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6] } : {}) }],
      series: [{}, ...this.description.lines.map(([, label, color, dash, area]) => ({
        label, stroke: colors[color], width: 1.8, dash: dashes[dash], points: { show: false }, gaps: (_, __, ___, ____, gaps) => gaps.filter(([from, to]) => this.isGap(from, to)), fill: area ? soft(colors[color]) : undefined }))],
      hooks: { setCursor: [() => this.say()] },
    };
  }

  // A few steps without anything, and what is between samples that are taken less often than each second, is none.
  isGap(from, to) {
    const interval = (page.now?.interval_ms ?? 1000) / 1000;
    const seconds = this.plot.posToVal(to, "x", true) - this.plot.posToVal(from, "x", true);
    return seconds > Math.max(GAP_STEPS * RANGES[page.range].step, 2.5 * interval);
  }

  ceiling(high) {
    return this.description.share ? Math.min(1, Math.max(0.02, (high ?? 0) * 1.15)) : Math.max(1, (high ?? 0) * 1.1);
  }

  timeLabel(t, step) {
    const date = new Date(t * 1000);
    const two = (n) => String(n).padStart(2, "0");
    return `${two(date.getHours())}:${two(date.getMinutes())}${step < 60 ? `:${two(date.getSeconds())}` : ""}`;
  }

  build() {
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), this.data, this.plotted);
  }

  show(history, slo) {
    const { span } = RANGES[page.range];
    const end = history.t.at(-1) ?? Math.floor(Date.now() / 1000);
    this.span = [end - span, end];
    this.slo = slo;
    this.data = [history.t, ...this.description.lines.map(([name]) => (
      typeof name === "function" ? name(history) : name === "slo" ? history.t.map(() => slo) : history[name] ?? history.t.map(() => null)))];
    this.plot.setData(this.data);
    this.empty.hidden = this.data.slice(1).some((column, i) => this.description.lines[i][0] !== "slo" && column.some((v) => v !== null));
    this.say();
  }

  // The legend tells what is under the cursor, else what is newest.
  say() {
    const at = this.plot?.cursor.idx;
    const words = this.values.map((element, i) => {
      const column = this.data[i + 1];
      const value = at === null || at === undefined ? column.findLast((v) => v !== null && v !== undefined) : column[at];
      if (this.description.lines[i][0] !== "slo") element.textContent = known(value) ? this.unit(value) : "–";
      return `${this.description.lines[i][1]} ${element.textContent}`;
    });
    if (at === null || at === undefined) this.element.setAttribute("aria-label", `${this.description.title}: ${words.join(", ")}`);
  }

  remove() {
    this.observer.disconnect();
    this.plot.destroy();
    this.element.remove();
  }
}

/* ---- is all well? ---- */

// What is wrong, the worst first, and then what is worth a word: {kind: "bad", "warn" or "note", text}.
function judge(now) {
  const found = [];
  const bad = (text) => found.push({ kind: "bad", text });
  const warn = (text) => found.push({ kind: "warn", text });
  judgeRequests(now, bad, warn);
  judgeBurn(now, bad, warn);
  for (const model of now.models) judgeModel(model, bad, warn, (text) => found.push({ kind: "note", text }));
  judgeProcesses(now, bad, warn);
  const order = ["bad", "warn", "note"];
  return found.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

function judgeRequests(now, bad, warn) {
  const last = now.last;
  const share = errorShare(last);
  const kinds = [["unavailable", "503"], ["late", "504"], ["failed", "other 5xx"]].filter(([name]) => last[name] > 0).map(([name, label]) => `${label}: ${short(last[name])}/s`);
  if (askedOf(last) >= ENOUGH && share > now.slo.error_ppm / 1e6)
    (share > MANY_ERRORS ? bad : warn)(`${percent(share)} of the requests of the last minute failed (${kinds.join(", ")})`);
  if (known(last.p99) && last.p99 > now.slo.latency_ms) bad(`p99 is ${duration(last.p99)}, above the objective of ${duration(now.slo.latency_ms)}`);
  if (rateOf(last) > 0 && last.limited / rateOf(last) > 0.05) warn(`${percent(last.limited / rateOf(last))} of the requests were refused by rate limits (429)`);
}

function judgeBurn(now, bad, warn) {
  const [five, hour, six] = now.burn;
  const names = { unavailable: "availability", errors: "errors", slow: "latency" };
  for (const [key, name] of Object.entries(names)) {
    if (five.requests >= ENOUGH && five[key] > BURN.fast && hour[key] > BURN.fast) bad(`The budget for ${name} is used up ${short(Math.min(five[key], hour[key]))} times too fast (5 min and 1 h)`);
    else if (hour.requests >= ENOUGH && hour[key] > BURN.slow && six[key] > BURN.slow) warn(`The budget for ${name} is used up ${short(Math.min(hour[key], six[key]))} times too fast (1 h and 6 h)`);
  }
}

const workersOf = (version) => Object.values(version.workers ?? {}).reduce((sum, n) => sum + n, 0);

function judgeModel(model, bad, warn, note) {
  if (model.versions.length && !model.versions.some(workersOf) && model.versions.some((version) => version.share > 0)) bad(`${model.model}: no worker is there`);
  if (model.queue_max_rows > 0 && model.queue_rows / model.queue_max_rows > NEAR_FULL)
    bad(`${model.model}: the queue is ${percent(model.queue_rows / model.queue_max_rows)} full (${short(model.queue_rows)} of ${short(model.queue_max_rows)} rows)`);
  const arms = alive(model);
  for (const version of arms.slice(1)) {
    const theirs = errorShare(arms[0].last) ?? 0;
    const its = errorShare(version.last);
    if (askedOf(version.last) >= ENOUGH && its > theirs + 0.01) bad(`${model.model}: version ${version.version} fails ${percent(its)} of its requests, version ${arms[0].version} fails ${percent(theirs)}`);
  }
  const rollout = model.versions.find((version) => version.rollout_share > 0 && version.rollout_share < 100);
  if (rollout) note(`${model.model}: version ${rollout.version} is being rolled out and has ${percent(rollout.rollout_share / 100)} of the requests`);
  for (const version of arms) judgeDrift(model, version, warn);
}

function judgeDrift(model, version, warn) {
  const drifted = (version.features ?? []).filter((feature) => feature.drift_psi > DRIFT.much).sort((a, b) => b.drift_psi - a.drift_psi);
  if (drifted.length)
    warn(`${model.model} ${version.version}: ${drifted.length === 1 ? "an input has" : `${drifted.length} inputs have`} drifted: ${drifted.slice(0, 3).map((f) => `${f.feature} (PSI ${short(f.drift_psi)})`).join(", ")}${drifted.length > 3 ? ", …" : ""}`);
  if (version.figures?.score_psi > DRIFT.much) warn(`${model.model} ${version.version}: its scores have drifted (PSI ${short(version.figures.score_psi)})`);
}

function judgeProcesses(now, bad, warn) {
  const failed = now.processes.filter((process) => process.state === "failed");
  const waiting = now.processes.filter((process) => process.state === "waiting");
  if (failed.length) bad(`${failed.map((process) => process.process).join(", ")} ${failed.length === 1 ? "has" : "have"} failed`);
  if (waiting.length) warn(`${waiting.map((process) => process.process).join(", ")} ${waiting.length === 1 ? "waits" : "wait"} to be started again`);
  const restarts = (page.histories.get(JSON.stringify([page.range, "", ""]))?.restarts ?? []).reduce((sum, n) => sum + (n ?? 0), 0);
  if (restarts > 0) warn(`${many(restarts, "process was", "processes were")} started again in the last ${windowName(RANGES[page.range].span)}`);
}

const MARKS = { good: "M4 12.5l5.5 5.5L20 6.5", warn: "M12 3L22 20H2zM12 9.5v5M12 17.2v.2", bad: "M8 2.5h8l5.5 5.5v8L16 21.5H8L2.500 16V8zM12 7v6M12 16.600v.2", quiet: "M5 12h14" };

function showVerdict(now) {
  const found = judge(now);
  const problems = found.filter(({ kind }) => kind !== "note");
  const notes = found.filter(({ kind }) => kind === "note");
  const quiet = askedOf(now.last) === 0;
  const state = problems[0]?.kind ?? (quiet ? "quiet" : "good");
  const workers = now.models.flatMap((model) => model.versions).reduce((sum, version) => sum + workersOf(version), 0);
  const facts = `${short(rateOf(now.last))} requests a second, p99 ${duration(now.last.p99)}, ${many(workers, "worker", "workers")}`;
  const headline = problems.length === 0 ? (quiet ? `Nothing has been asked for a minute; ${many(workers, "worker is", "workers are")} ready` : `All is well: ${facts}`)
    : problems[0].text;
  $("verdict").dataset.state = state;
  $("verdict").querySelector("path").setAttribute("d", MARKS[state]);
  if ($("headline").textContent !== headline) $("headline").textContent = headline;
  const rest = [...problems.slice(1), ...notes];
  fill($("problems"), rest.slice(0, SHOWN_PROBLEMS).map(({ kind, text }) => h("li", { class: kind }, text)),
       rest.length > SHOWN_PROBLEMS ? h("li", null, `and ${rest.length - SHOWN_PROBLEMS} more`) : null);
  document.title = `${{ good: "✓", warn: "▲", bad: "■", quiet: "–" }[state]} Outrigger dashboard`;
}

/* ---- tiles and tables ---- */

function scope(now) {
  return page.model ? now.models.find((model) => model.model === page.model) ?? { last: {}, versions: [] } : null;
}

function showTiles(now) {
  const model = scope(now);
  const last = model ? model.last : now.last;
  const models = model ? [model] : now.models;
  const sum = (name) => models.reduce((all, one) => all + (one[name] ?? 0), 0);
  const full = sum("queue_max_rows") > 0 ? sum("queue_rows") / sum("queue_max_rows") : null;
  const workers = models.flatMap((one) => one.versions).map((version) => version.workers ?? {});
  const count = workers.reduce((all, states) => all + Object.values(states).reduce((a, b) => a + b, 0), 0);
  const busy = workers.reduce((all, states) => all + (states.busy ?? 0), 0);
  const share = errorShare(last);
  const tile = (name, value, more, kind) => h("div", { class: kind }, h("dt", null, name), h("dd", null, value, more ? h("small", null, ` ${more}`) : null));
  fill($("tiles"),
    tile("Requests", short(rateOf(last)), "/s"),
    tile("Errors (5xx)", percent(share), null, share > MANY_ERRORS ? "bad" : share > now.slo.error_ppm / 1e6 ? "warn" : null),
    tile("p50", duration(last.p50)),
    tile("p99", duration(last.p99), null, last.p99 > now.slo.latency_ms ? "bad" : null),
    tile("Queue", short(sum("queue_rows")), full === null ? "rows" : `rows, ${percent(full)}`, full > NEAR_FULL ? "bad" : full > 0.5 ? "warn" : null),
    tile("Workers", short(count), `${busy} busy`, count === 0 ? "bad" : null));
}

function showObjectives(now) {
  const slo = now.slo;
  const rows = [["slow", `99 % of answers within ${duration(slo.latency_ms)}`], ["unavailable", `availability ${percent(slo.availability_ppm / 1e6)}`], ["errors", `errors below ${percent(slo.error_ppm / 1e6)}`]];
  const cell = (value) => ({ text: known(value) ? `${short(value)}×` : null, kind: value > BURN.fast ? "bad" : value > 1 ? "warn" : null });
  fill($("slo-table"), table("How fast the budgets are used up", [["used up, times too fast", ""], ...now.burn.map((burn) => [windowName(burn.seconds), "number"])],
    rows.map(([key, name]) => [name, ...now.burn.map((burn) => cell(burn[key]))])),
    h("p", { class: "quiet" }, "1× uses up the budget exactly at the end of its period; below that all is well."));
}

const STATE_KIND = { running: "good", failed: "bad", waiting: "warn", starting: "plain", draining: "plain", stopping: "plain", stopped: "plain" };

// The share of a processor since the look before.
function cpuShares(now) {
  const before = page.before;
  if (!before || now.time <= before.time) return new Map();
  const old = new Map(before.processes.map((process) => [process.process, process.cpu_seconds]));
  return new Map(now.processes.map((process) => [process.process, (process.cpu_seconds - old.get(process.process)) / ((now.time - before.time) / 1000)]));
}

function showProcesses(now) {
  const shares = cpuShares(now);
  const rows = now.processes.filter((process) => process.state).sort((a, b) => a.process.localeCompare(b.process, undefined, { numeric: true })).map((process) => {
    const causes = Object.entries(process.causes ?? {}).map(([cause, n]) => `${n}× ${cause}`).join(", ");
    const cpu = shares.get(process.process);
    return [{ text: process.process, kind: "nowrap" }, chip(process.state, STATE_KIND[process.state]),
            { text: `${process.restarts ?? 0}${causes ? ` (${causes})` : ""}`, kind: process.restarts > 0 ? "warn" : null },
            bytes(process.resident_bytes), known(cpu) && cpu >= 0 ? percent(cpu) : "–"];
  });
  fill($("process-table"), table("Processes", [["process", ""], ["state", ""], ["restarts", ""], ["memory", "number"], ["CPU", "number"]], rows));
}

/* ---- jobs ---- */

// Rows and messages, with those of jobs that have ended; so many a second since the look before.
function showJobs(now) {
  const before = new Map((page.before?.jobs ?? []).map((job) => [job.job, job.rows?.scored]));
  const seconds = page.before ? (now.time - page.before.time) / 1000 : 0;
  const rows = now.jobs.map((job) => {
    const rate = seconds > 0 ? (job.rows?.scored - before.get(job.job)) / seconds : NaN;
    const rejected = job.rows?.rejected ?? 0;
    return [{ text: job.job, kind: "nowrap" }, short(job.rows?.scored ?? 0), known(rate) && rate >= 0 ? short(rate) : "–",
            { text: short(rejected), kind: rejected > 0 ? "warn" : null }, short(job.in_flight ?? 0), short(job.retries ?? 0), short(job.lag)];
  });
  $("jobs").hidden = rows.length === 0;
  fill($("job-table"), table("Jobs", [["job", ""], ["scored", "number"], ["a second", "number"], ["rejected", "number"], ["in flight", "number"],
    ["asked again", "number"], ["lag", "number"]], rows));
}

/* ---- models ---- */

// The versions that do something, the stable one first.
function alive(model) {
  const back = model.decisions?.["roll back"] > 0;
  return model.versions.filter((version) => version.version !== "" && (workersOf(version) > 0 || version.share > 0 || askedOf(version.last) > 0 || back))
    .sort((a, b) => (b.share ?? 0) - (a.share ?? 0) || askedOf(b.last) - askedOf(a.last) || a.version.localeCompare(b.version, undefined, { numeric: true }));
}

const FIGURES = [["accuracy", "accuracy", percent], ["auc", "AUC", (v) => v.toFixed(4)], ["brier_score", "Brier", (v) => v.toFixed(4)], ["mean_absolute_error", "MAE", short],
                 ["root_mean_squared_error", "RMSE", short], ["confidence_score", "confidence", percent], ["score_psi", "score PSI", short], ["score_ks", "score KS", short]];
const driftKind = (psi) => (psi > DRIFT.much ? "bad" : psi > DRIFT.some ? "warn" : null);

function versionRow(model, version, stable, named) {
  const share = errorShare(version.last);
  const worse = version !== stable && share > (errorShare(stable.last) ?? 0) + 0.01;
  const slower = version !== stable && version.last.p99 > 2 * stable.last.p99;
  const rollout = known(version.rollout_share) && version.rollout_share > 0 && version.rollout_share < 100;
  const role = version === stable ? (alive(model).length > 1 ? chip("stable") : null) : rollout ? chip("rolling out", "warn") : null;
  return [...(named ? [{ text: model.model, kind: "nowrap" }] : []), { text: h("span", null, version.version, " ", role), kind: "nowrap" },
          { text: h("span", null, bar((version.share ?? 0) / 100), percent((version.share ?? 0) / 100)), kind: "nowrap" },
          short(rateOf(version.last)), { text: percent(share), kind: worse || share > MANY_ERRORS ? "bad" : null }, duration(version.last.p50),
          { text: duration(version.last.p99), kind: slower ? "warn" : null }, short(workersOf(version))];
}

// Versions of one model, or of all, with the figures that any of them has.
function versionTable(caption, models, named) {
  const versions = models.flatMap((model) => alive(model).map((version) => [model, version]));
  const measured = FIGURES.filter(([key]) => versions.some(([, version]) => known(version.figures?.[key])));
  const rows = versions.map(([model, version]) => [...versionRow(model, version, alive(model)[0], named), ...measured.map(([key, , write]) => {
    const value = version.figures?.[key];
    return { text: known(value) ? write(value) : "–", kind: key === "score_psi" ? driftKind(value) : null };
  })]);
  return table(caption, [...(named ? [["model", ""]] : []), ["version", ""], ["share", ""], ["requests/s", "number"], ["errors", "number"], ["p50", "number"], ["p99", "number"], ["workers", "number"],
    ...measured.map(([, name]) => [name, "number"])], rows);
}

function featureTables(model, versions) {
  return versions.filter((version) => version.features?.length).map((version) => {
    const features = [...version.features].sort((a, b) => (b.drift_psi ?? 0) - (a.drift_psi ?? 0));
    const rows = features.slice(0, SHOWN_FEATURES).map((feature) => {
      const kind = driftKind(feature.drift_psi);
      return [feature.feature, { text: h("span", null, bar((feature.drift_psi ?? 0) / 0.5, kind), known(feature.drift_psi) ? feature.drift_psi.toFixed(3) : "–"), kind: ["nowrap", kind].filter(Boolean).join(" ") },
              known(feature.drift_ks) ? feature.drift_ks.toFixed(3) : "–", percent(feature.missing_rate), percent(feature.out_of_range_rate)];
    });
    return h("div", { class: "measures" }, h("h3", null, `Inputs of version ${version.version} against its baseline`, known(version.figures?.drift_rows) ? h("span", { class: "quiet" }, ` (the last ${short(version.figures.drift_rows)} rows)`) : null),
      h("div", { class: "scroll" }, table(`Drift of ${model.model} ${version.version}`, [["input", ""], ["PSI", ""], ["KS", "number"], ["missing", "number"], ["out of range", "number"]], rows)),
      features.length > SHOWN_FEATURES ? h("p", { class: "quiet" }, `and ${features.length - SHOWN_FEATURES} more that have drifted less`) : null);
  });
}

const sumOf = (history, names) => history.t.map((_, i) => (known(history.ok?.[i]) ? names.reduce((sum, name) => sum + (history[name][i] ?? 0), 0) : null));
function shareOfErrors(history) {
  const errors = sumOf(history, ["unavailable", "late", "failed"]);
  const all = sumOf(history, ["ok", "client", "limited", "unavailable", "late", "failed"]);
  return all.map((n, i) => (n > 0 ? errors[i] / n : null));
}
const LINES = [["c1", "solid"], ["c2", "dash"], ["c4", "dot"]];

// Charts that have a line for each version; made once for one set of versions.
function besideCharts(parent, versions) {
  const lines = (of) => versions.map((version, i) => [(history) => of(history.versions[i]), `version ${version}`, ...LINES[i]]);
  const inTime = (values) => (history) => (history ? values(history) : []);
  return [
    new Chart(parent, { title: "Requests, per second", lines: lines(inTime((one) => sumOf(one, ["ok", "client", "limited", "unavailable", "late", "failed"]))) }),
    new Chart(parent, { title: "Errors (5xx)", unit: percent, share: true, lines: lines(inTime(shareOfErrors)) }),
    new Chart(parent, { title: "p99", unit: duration, log: true, lines: lines(inTime((one) => one.p99)) }),
  ];
}

function modelCard(model) {
  let card = page.beside.get(model.model);
  if (!card) {
    card = { heading: h("div", { class: "heading" }), versions: h("div", { class: "scroll" }), charts: h("div", { class: "beside" }), features: h("div"), drawn: [], of: "" };
    card.element = h("section", { class: "card", "aria-label": model.model }, card.heading, card.versions, card.charts, card.features);
    page.beside.set(model.model, card);
  }
  return card;
}

// The same times for all: a version that was not there has nulls.
function aligned(histories) {
  const t = histories[0].t;
  return { t, versions: histories.map((history) => {
    const at = new Map(history.t.map((time, i) => [time, i]));
    const column = (name) => t.map((time) => (at.has(time) ? history[name]?.[at.get(time)] ?? null : null));
    return { t, ...Object.fromEntries(COLUMNS.map((name) => [name, column(name)])) };
  }) };
}

async function showBeside(card, model, versions, due) {
  const names = versions.slice(0, BESIDE_VERSIONS).map((version) => version.version);
  if (card.of !== names.join("\n")) {
    card.drawn.forEach((chart) => chart.remove());
    card.drawn = names.length > 1 ? besideCharts(card.charts, names) : [];
    card.of = names.join("\n");
    due = true;
  }
  if (!card.drawn.length || !due) return;
  const together = aligned(await Promise.all(names.map((name) => follow(model.model, name))));
  for (const chart of card.drawn) chart.show(together, page.now.slo.latency_ms);
}

// A model has a card of its own when there is more to say than a line of the table: versions beside each other, or drift.
const hasCard = (model) => alive(model).length > 1 || model.model === page.model || alive(model).some((version) => version.features?.length);

function arrange(cards) {
  for (const [name, card] of page.beside) if (!cards.includes(card)) {
    card.drawn.forEach((chart) => chart.remove());
    card.element.remove();
    page.beside.delete(name);
  }
  cards.forEach((card, i) => { if ($("models").children[i] !== card.element) $("models").insertBefore(card.element, $("models").children[i] ?? null); });
}

async function showModels(now, due) {
  const shown = now.models.filter((model) => !page.model || model.model === page.model)
    .sort((a, b) => alive(b).length - alive(a).length || a.model.localeCompare(b.model));
  const simple = shown.filter((model) => !hasCard(model) && alive(model).length);
  const detailed = shown.filter(hasCard);
  arrange(detailed.map(modelCard));
  $("versions").hidden = simple.length === 0;
  fill($("version-table"), simple.length ? versionTable("Models and versions", simple, true) : null);
  for (const [i, model] of detailed.entries()) {
    const card = modelCard(model);
    const full = model.queue_max_rows > 0 ? model.queue_rows / model.queue_max_rows : null;
    fill(card.heading, h("h2", null, model.model), chip(`${short(rateOf(model.last))} requests/s`, "plain"), chip(`p99 ${duration(model.last.p99)}`, "plain"),
      chip(full === null ? `queue ${short(model.queue_rows ?? 0)}` : `queue ${percent(full)}`, full > NEAR_FULL ? "bad" : "plain"),
      model.decisions?.["roll back"] > 0 ? chip("a roll-out was rolled back", "bad") : null);
    fill(card.versions, alive(model).length ? versionTable(`Versions of ${model.model}`, [model], false) : h("p", { class: "quiet" }, "No version answers."));
    fill(card.features, featureTables(model, alive(model)));
    if (i < BESIDE_MODELS) await showBeside(card, model, alive(model), due);
  }
}

/* ---- turns ---- */

function showChoice(now) {
  const names = now.models.map((model) => model.model).sort();
  const options = ["", ...names];
  if (JSON.stringify([...$("model").options].map((option) => option.value)) === JSON.stringify(options)) return;
  $("model").replaceChildren(...options.map((name) => h("option", { value: name }, name || "All models")));
  $("model").value = names.includes(page.model) ? page.model : "";
}

async function look() {
  const now = await ask("api/now");
  const due = page.turn++ % RANGES[page.range].every === 0;
  page.now = now;
  const history = due ? await follow(page.model, "") : null;
  if (due && page.model) await follow("", "");
  page.lastData = Date.now();
  showAuth(null);
  showAway(null);
  showChoice(now);
  showVerdict(now);
  showTiles(now);
  if (history) for (const chart of page.charts) chart.show(history, now.slo.latency_ms);
  await showModels(now, due);
  showObjectives(now);
  showProcesses(now);
  showJobs(now);
  page.before = now;
  $("live").textContent = `live, ${clock(now.time)}`;
  $("live").className = "live good";
  $("about").textContent = `Outrigger ${now.version}`;
  document.body.dataset.ready = "yes";
}

function showAway(error) {
  const stalled = !error && page.now && page.now.time / 1000 - page.now.newest > 10 && page.now.newest > 0;
  $("away").hidden = !error && !stalled;
  if (stalled) $("away").textContent = "The history stands still: the collector does not take samples.";
  if (!error) return;
  $("live").textContent = "not live";
  $("live").className = "live bad";
  const text = page.lastData ? `The collector does not answer. What is shown is of ${clock(page.lastData)}; it is asked again each second.` : "The collector does not answer yet; it is asked again each second.";
  if ($("away").textContent !== text) $("away").textContent = text;
}

function showAuth(refused) {
  const before = $("auth").hidden;
  $("auth").hidden = !refused;
  for (const id of ["verdict", "tiles", "charts", "models", "versions"]) $(id).hidden = Boolean(refused);
  document.querySelector(".pair").hidden = Boolean(refused);
  if (!refused) return;
  $("live").textContent = "a key is wanted";
  $("live").className = "live bad";
  $("away").hidden = true;
  $("auth-wrong").textContent = page.key ? (refused.message === "403" ? "This key may not see figures: it lacks the right metrics." : "This key is not known.") : "";
  if (before) $("key").focus();
}

let turning = 0;
async function turn() {
  const mine = ++turning;
  try {
    if (!document.hidden || !page.now) await look();
  } catch (error) {
    if (mine !== turning) return;
    if (error instanceof Refused) showAuth(error);
    else showAway(error);
  }
  // Who lacks a key asks again when there is one.
  if (mine === turning && $("auth").hidden) setTimeout(() => { if (mine === turning) turn(); }, TURN_MS);
}

function again() {
  page.turn = 0;
  turn();
}

function rebuild() {
  readColors();
  for (const chart of [...page.charts, ...[...page.beside.values()].flatMap((card) => card.drawn)]) chart.build();
}

function begin() {
  readColors();
  page.charts = CHARTS.map((description) => new Chart($("charts"), description));
  $("model").addEventListener("change", () => { page.model = $("model").value; again(); });
  $("range").addEventListener("change", (event) => { page.range = event.target.value; again(); });
  $("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    document.documentElement.dataset.theme = dark === "dark" ? "light" : "dark";
    rebuild();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", rebuild);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); });
  $("auth").addEventListener("submit", (event) => {
    event.preventDefault();
    page.key = $("key").value.trim();
    if (page.key) sessionStorage.setItem("outrigger-key", page.key);
    else sessionStorage.removeItem("outrigger-key");
    turn();
  });
  turn();
}

begin();
