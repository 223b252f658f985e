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
const ENOUGH = 20;           // requests in a window from which on a share, or a percentile, of them says something
const KEPT_HISTORIES = 24;   // of models, versions and ranges that were looked at
const ROLLED_BACK_S = 86400; // so long it is said that a roll-out was rolled back
const BURN = { fast: 14.4, slow: 6 }; // of 5 min and 1 h together, and of 1 h and 6 h: a budget of 30 days is gone in 2, or 5
const DRIFT = { some: 0.1, much: 0.25 }; // of PSI, by usual reckoning

const $ = (id) => document.getElementById(id);
const page = { range: "5m", model: "", key: sessionStorage.getItem("outrigger-key") ?? "", histories: new Map(), now: null, before: null,
               lastData: 0, charts: [], beside: new Map(), turn: 0, colors: {} };

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

const COLUMNS = ["ok", "client", "limited", "unavailable", "late", "failed", "rows", "p50", "p90", "p99", "batch", "queue", "restarts"];

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
  page.histories.delete(name); // and to the end, as the one that was asked for last
  page.histories.set(name, merged);
  if (page.histories.size > KEPT_HISTORIES) page.histories.delete(page.histories.keys().next().value);
  return merged;
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
  const enough = askedOf(last) >= ENOUGH;
  const tile = (name, value, more, kind) => h("div", { class: kind }, h("dt", null, name), h("dd", null, value, more ? h("small", null, ` ${more}`) : null));
  fill($("tiles"),
    tile("Requests", short(rateOf(last)), "/s"),
    tile("Errors (5xx)", percent(share), null, !enough ? null : share > MANY_ERRORS ? "bad" : share > now.slo.error_ppm / 1e6 ? "warn" : null),
    tile("p50", duration(last.p50)),
    tile("p99", duration(last.p99), null, enough && last.p99 > now.slo.latency_ms ? "bad" : null),
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

// When the last roll-out was rolled back, if that is news.
const rolledBack = (model) => (page.now.time / 1000 - model.rolled_back < ROLLED_BACK_S ? model.rolled_back : null);

// The versions that do something, the stable one first.
function alive(model) {
  const back = rolledBack(model) !== null;
  return model.versions.filter((version) => version.version !== "" && (workersOf(version) > 0 || version.share > 0 || askedOf(version.last) > 0 || back))
    .sort((a, b) => (b.share ?? 0) - (a.share ?? 0) || askedOf(b.last) - askedOf(a.last) || a.version.localeCompare(b.version, undefined, { numeric: true }));
}

const FIGURES = [["accuracy", "accuracy", percent], ["auc", "AUC", (v) => v.toFixed(4)], ["brier_score", "Brier", (v) => v.toFixed(4)], ["mean_absolute_error", "MAE", short],
                 ["root_mean_squared_error", "RMSE", short], ["confidence_score", "confidence", percent], ["score_psi", "score PSI", short], ["score_ks", "score KS", short]];
const driftKind = (psi) => (psi > DRIFT.much ? "bad" : psi > DRIFT.some ? "warn" : null);

function versionRow(model, version, stable, named) {
  const share = errorShare(version.last);
  const enough = askedOf(version.last) >= ENOUGH;
  const worse = version !== stable && enough && share > (errorShare(stable.last) ?? 0) + 0.01;
  const slower = version !== stable && enough && version.last.p99 > 2 * stable.last.p99;
  const rollout = known(version.rollout_share) && version.rollout_share > 0 && version.rollout_share < 100;
  const role = version === stable ? (alive(model).length > 1 ? chip("stable") : null) : rollout ? chip("rolling out", "warn") : null;
  return [...(named ? [{ text: model.model, kind: "nowrap" }] : []), { text: h("span", null, version.version, " ", role), kind: "nowrap" },
          { text: h("span", null, bar((version.share ?? 0) / 100), percent((version.share ?? 0) / 100)), kind: "nowrap" },
          short(rateOf(version.last)), { text: percent(share), kind: worse || (enough && share > MANY_ERRORS) ? "bad" : null }, duration(version.last.p50),
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

const hasDrift = (version) => version.features?.length > 0 || Boolean(version.baseline_problem);

// What moved most stands first; what is missing altogether has no PSI.
const moved = (feature) => Math.max(feature.drift_psi ?? 0, feature.missing_rate ?? 0, feature.out_of_range_rate ?? 0);

const baselineHeading = (version, ...more) => h("h3", null, `Inputs of version ${version.version} against its baseline`, ...more);

function featureTables(model, versions) {
  return versions.filter(hasDrift).map((version) => {
    if (!version.features?.length) return h("div", { class: "measures" }, baselineHeading(version), h("p", null, `Not known; the baseline: ${version.baseline_problem}.`));
    const few = !version.features.some((feature) => known(feature.drift_psi));
    const features = version.features.filter((feature) => !few || moved(feature) > 0).sort((a, b) => moved(b) - moved(a));
    const heading = baselineHeading(version, known(version.figures?.drift_rows) ? h("span", { class: "quiet" }, ` (the last ${many(version.figures.drift_rows, "row", "rows")})`) : null);
    const rows = features.slice(0, SHOWN_FEATURES).map((feature) => {
      const kind = driftKind(feature.drift_psi);
      return [feature.feature, { text: known(feature.drift_psi) ? h("span", null, bar(feature.drift_psi / 0.5, kind), feature.drift_psi.toFixed(3)) : "–", kind: ["nowrap", kind].filter(Boolean).join(" ") },
              known(feature.drift_ks) ? feature.drift_ks.toFixed(3) : "–", percent(feature.missing_rate), percent(feature.out_of_range_rate)];
    });
    return h("div", { class: "measures" }, heading,
      few ? h("p", { class: "quiet" }, "Too few of them have values to tell whether they have drifted.") : null,
      features.length === 0 ? null : h("div", { class: "scroll" }, table(`Drift of ${model.model} ${version.version}`, [["input", ""], ["PSI", ""], ["KS", "number"], ["missing", "number"], ["out of range", "number"]], rows)),
      features.length > SHOWN_FEATURES ? h("p", { class: "quiet" }, `and ${features.length - SHOWN_FEATURES} more that have moved less`) : null);
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

async function showBeside(card, model, versions, due, over) {
  const names = versions.slice(0, BESIDE_VERSIONS).map((version) => version.version);
  if (card.of !== names.join("\n")) {
    card.drawn.forEach((chart) => chart.remove());
    card.drawn = names.length > 1 ? besideCharts(card.charts, names) : [];
    card.of = names.join("\n");
    due = true;
  }
  if (!card.drawn.length || !due) return;
  const together = aligned(await Promise.all(names.map((name) => follow(model.model, name))));
  if (over()) return;
  for (const chart of card.drawn) chart.show(together, page.now.slo.latency_ms);
}

// A model has a card of its own when there is more to say than a line of the table: versions beside each other, or drift.
const hasCard = (model) => alive(model).length > 1 || model.model === page.model || alive(model).some(hasDrift);

function arrange(cards) {
  for (const [name, card] of page.beside) if (!cards.includes(card)) {
    card.drawn.forEach((chart) => chart.remove());
    card.element.remove();
    page.beside.delete(name);
  }
  cards.forEach((card, i) => { if ($("models").children[i] !== card.element) $("models").insertBefore(card.element, $("models").children[i] ?? null); });
}

async function showModels(now, due, over) {
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
      rolledBack(model) !== null ? chip(`rolled back at ${clock(rolledBack(model) * 1000)}`, "bad") : null);
    fill(card.versions, alive(model).length ? versionTable(`Versions of ${model.model}`, [model], false) : h("p", { class: "quiet" }, "No version answers."));
    fill(card.features, featureTables(model, alive(model)));
    if (i < BESIDE_MODELS) await showBeside(card, model, alive(model), due, over);
    if (over()) return;
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

// `over`: somebody has begun a newer look meanwhile, and what came for this one is not shown any more.
async function look(over) {
  const now = await ask("api/now");
  if (over()) return;
  const due = page.turn % RANGES[page.range].every === 0;
  const history = due ? await follow(page.model, "") : null;
  if (due && page.model && !over()) await follow("", "");
  if (over()) return;
  page.turn++;
  page.now = now;
  page.lastData = Date.now();
  showAuth(null);
  showAway(null);
  showChoice(now);
  showVerdict(now);
  showTiles(now);
  if (history) for (const chart of page.charts) chart.show(history, now.slo.latency_ms);
  await showModels(now, due, over);
  if (over()) return;
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
  const over = () => mine !== turning;
  try {
    if (!document.hidden || !page.now) await look(over);
  } catch (error) {
    if (over()) return;
    if (error instanceof Refused) showAuth(error);
    else showAway(error);
  }
  // Who lacks a key asks again when there is one.
  if (!over() && $("auth").hidden) setTimeout(() => { if (!over()) turn(); }, TURN_MS);
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
