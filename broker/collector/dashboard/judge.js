// Whether all is well, in one line, and what is not, the worst first.

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
  if (askedOf(last) < ENOUGH) return;
  if (share > now.slo.error_ppm / 1e6)
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
  if (version.baseline_problem) warn(`${model.model} ${version.version}: its drift is not known; its baseline: ${version.baseline_problem}`);
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
