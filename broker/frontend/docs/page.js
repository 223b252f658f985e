// The page at /docs. It reads /openapi.json (schemas) and /api/v1/models (states), makes a form of the chosen model's
// columns, and sends what is in it. Nothing that comes from outside is ever read as HTML: all of it becomes text.

const SHOWN_ROWS = 500;      // of a batch's answer
const SHOWN_CLASSES = 8;     // bars
const DENSE_FROM = 25;       // fields without a word about them, from so many on, stand close together
const PATIENCE_MS = 70000;   // beyond every deadline inside

const $ = (id) => document.getElementById(id);
const page = { api: null, models: new Map(), states: new Map(), key: "", model: null, fields: [], details: null };

/* ---- elements ---- */

function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const show = (element, visible) => { element.hidden = !visible; };

function bar(share) {
  const fill = h("i");
  fill.style.width = `${Math.max(0, Math.min(1, share ?? 0)) * 100}%`;
  return h("div", { class: "bar" }, fill);
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not on a secure origin
    const area = h("textarea", { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const before = button.textContent;
  button.textContent = "copied";
  setTimeout(() => { button.textContent = before; }, 1200);
}

function block(title, text, id) {
  const pre = h("pre", { id, tabIndex: 0 }, text);
  const button = h("button", { type: "button", class: "ghost", onclick: () => copy(pre.textContent, button) }, "copy");
  return h("section", { class: "card block", "aria-live": "off" }, h("div", null, h("h3", null, title), button), pre);
}

/* ---- numbers ---- */

function figure(value) {
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  return String(Number(value.toPrecision(6)));
}
const percent = (value) => (typeof value !== "number" ? "–" : value > 0 && value < 0.0005 ? "< 0.1 %" : `${(value * 100).toFixed(1)} %`);
const milliseconds = (value) => (value < 0.0005 ? "0 ms" : `${value.toFixed(value >= 100 ? 0 : value >= 1 ? 1 : 3)} ms`);

/* ---- asking ---- */

// The header that carries the key: a token has three parts between points, a key of ours has none.
const keyHeader = () => (/^[\w-]+\.[\w-]+\.[\w-]*$/.test(page.key) ? ["Authorization", "Bearer "] : ["X-API-Key", ""]);

async function ask(path, { body, type } = {}) {
  const headers = { Prefer: "server-timing" };
  if (type) headers["Content-Type"] = type;
  if (page.key) {
    const [name, before] = keyHeader();
    headers[name] = before + page.key;
  }
  const begin = performance.now();
  const response = await fetch(path, {
    method: body === undefined ? "GET" : "POST", headers, body, credentials: "same-origin", redirect: "error",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const text = await response.text();
  const answer = { status: response.status, text, took: performance.now() - begin, timing: response.headers.get("Server-Timing") };
  try { answer.json = JSON.parse(text); } catch { answer.json = null; }
  return answer;
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(path, body, type) {
  const [name, before] = keyHeader();
  return [
    `curl -s ${quote(location.origin + path)}`,
    `  -H 'Content-Type: ${type}'`,
    ...(page.key ? [`  -H "${name}: ${before}$KEY"`] : []),
    `  --data-binary ${quote(body)}`,
  ].join(" \\\n");
}

/* ---- what there is ---- */

function notice(title, text, ...more) {
  show($("notice"), true);
  show($("model"), false);
  $("notice").replaceChildren(h("h2", null, title), h("p", null, text), ...more);
}

function refused(answer) {
  const detail = answer.json?.detail ?? answer.json?.error ?? `The service answered ${answer.status}.`;
  if (answer.status === 401 || answer.status === 403) {
    notice(answer.status === 401 ? "This service wants to know who asks" : "This key may not do that",
      `${detail} Type an API key or a token into the field above and press Enter.`);
    $("key").focus();
    return;
  }
  if (answer.status === 503) setTimeout(load, 2000);
  notice("The models are not there", detail,
    h("button", { type: "button", onclick: load }, "Try again"));
}

const resolve = (schema) => {
  let found = schema ?? {};
  for (let depth = 0; found.$ref && depth < 8; depth++) {
    const { $ref, ...rest } = found;
    let target = page.api;
    for (const part of $ref.slice(2).split("/")) target = target?.[decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")];
    found = { datatype: $ref.split("/").at(-1), ...target, ...rest, properties: { ...target?.properties, ...rest.properties } };
  }
  return found;
};

// {model: {path: its own, versions: {name: path}}} of the paths that the document has.
function readModels() {
  page.models.clear();
  for (const path of Object.keys(page.api.paths)) {
    const found = /^\/api\/v1\/models\/([^/{]+)\/(?:versions\/([^/]+)\/)?predict$/.exec(path);
    if (!found) continue;
    const entry = page.models.get(found[1]) ?? { versions: [] };
    if (found[2]) entry.versions.push(found[2]);
    page.models.set(found[1], entry);
  }
}

async function load() {
  let api, list;
  try {
    [api, list] = await Promise.all([ask("/openapi.json"), ask("/api/v1/models")]);
  } catch (error) {
    notice("The service cannot be reached", String(error.message ?? error), h("button", { type: "button", onclick: load }, "Try again"));
    return;
  }
  if (api.status !== 200 || !api.json) return refused(api);
  page.api = api.json;
  page.states = new Map((list.json?.models ?? []).map((model) => [model.id, model]));
  readModels();
  showService();
  showList();
  if (page.models.size === 0) return notice("There is no model yet", "Put one into the model repository; it is served as soon as it is there.",
    h("button", { type: "button", onclick: load }, "Look again"));
  choose();
}

function showService() {
  const ready = [...page.states.values()].filter((model) => model.ready).length;
  const all = page.states.size;
  $("service").className = `state ${ready === all ? "good" : "bad"}`;
  $("service").textContent = ready === all ? `${all} ${all === 1 ? "model" : "models"} ready` : `${ready} of ${all} models ready`;
}

function showList() {
  $("models").replaceChildren(...[...page.models.keys()].map((name) => {
    const state = page.states.get(name);
    return h("li", null, h("a", { href: `#${name}` },
      h("span", { class: `dot ${state?.ready ? "good" : "bad"}`, title: state?.state ?? "unknown" }),
      h("span", null, name), h("small", null, state?.task ?? state?.state ?? "")));
  }));
  show($("search"), page.models.size > 8);
}

/* ---- the chosen model ---- */

// #NAME or #NAME/VERSION; else the first one.
function choose() {
  const [name, version] = decodeURIComponent(location.hash.slice(1)).split("/");
  const chosen = page.models.has(name) ? name : page.models.keys().next().value;
  page.model = { name: chosen, version: page.models.get(chosen).versions.includes(version) ? version : "" };
  for (const link of $("models").querySelectorAll("a")) {
    const here = link.getAttribute("href") === `#${chosen}`;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (here) link.parentElement.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  showModel();
}

const pathOf = (call) => `/api/v1/models/${page.model.name}${page.model.version ? `/versions/${page.model.version}` : ""}/${call}`;
const operation = (call) => page.api.paths[pathOf(call)]?.post;
const bodyOf = (call, type) => operation(call)?.requestBody.content[type];

// The columns of a row, in order: {name, type, datatype, minimum, maximum, enum, default, description, optional}; none
// when a row has no fixed number of columns, or too many to be told one by one.
function readColumns() {
  const request = resolve(bodyOf("predict", "application/json")?.schema);
  const row = resolve(request.properties?.features);
  const [list, object] = row.anyOf ?? [];
  const column = (name, schema, optional, index) => {
    const whole = resolve(schema);
    const bool = whole.datatype === "BOOL";
    return { ...whole, name, index, optional, type: bool ? "boolean" : whole.type ?? "number",
      enum: bool ? schema.enum ?? [false, true] : whole.enum };
  };
  page.named = Boolean(row["x-columns"]);
  page.example = request.examples?.[0]?.features;
  if (page.named) return row["x-columns"].map((name, index) =>
    column(name, object.properties[name], !object.required.includes(name), index));
  if (list?.prefixItems) return list.prefixItems.map((schema, index) => column(schema.title ?? `[${index}]`, schema, false, index));
  if (list?.items && list.minItems === list.maxItems && list.maxItems <= 1024)
    return Array.from({ length: list.maxItems }, (_, index) => column(`[${index}]`, list.items, false, index));
  return [];
}

function showModel() {
  const { name, version } = page.model;
  const state = page.states.get(name);
  show($("notice"), false);
  show($("model"), true);
  document.title = `${name} · Outrigger`;
  $("name").textContent = name;
  $("description").textContent = state?.description ?? "";
  $("facts").replaceChildren(
    h("span", { class: "chip" }, state?.task ?? "model"),
    h("span", { class: "chip plain" }, state?.state ?? "unknown"));
  const versions = page.models.get(name).versions;
  $("version").replaceChildren(h("option", { value: "" }, state?.version ? `as routed (${state.version})` : "as routed"),
    ...versions.map((each) => h("option", { value: each }, each)));
  $("version").value = version;
  page.columns = readColumns();
  showForm();
  $("batch-text").value = "";
  $("batch-text").placeholder = bodyOf("batch-predict", "text/csv")?.example ?? "1.0,2.0,3.0\n4.0,5.0,6.0";
  countRows();
  $("result-try").replaceChildren(h("div", { class: "card empty" }, "The answer appears here."));
  $("result-batch").replaceChildren();
  showCurl();
  loadDetails();
}

async function loadDetails() {
  const wanted = page.model;
  page.details = null;
  showSchema();
  const answer = await ask(`/api/v1/models/${wanted.name}`).catch(() => null);
  if (page.model !== wanted || answer?.status !== 200) return;
  page.details = answer.json;
  showSchema();
}

/* ---- the form ---- */

const exampleOf = (column) => (page.example === undefined ? "" : page.named ? page.example[column.name] : page.example[column.index]);

function rangeOf({ minimum, maximum, datatype, type }) {
  const base = page.api.components.schemas[datatype] ?? {};
  const low = minimum !== base.minimum ? minimum : undefined;
  const high = maximum !== base.maximum ? maximum : undefined;
  const range = low !== undefined && high !== undefined ? `${figure(low)} to ${figure(high)}`
    : low !== undefined ? `at least ${figure(low)}` : high !== undefined ? `at most ${figure(high)}` : "";
  const whole = type === "integer" && !String(datatype).includes("INT") ? "whole number" : "";
  return [whole, range].filter(Boolean).join(", ");
}

function inputFor(column, id, example) {
  const about = { id, name: column.name, "aria-describedby": `${id}-about ${id}-fault` };
  if (column.enum) {
    return h("select", about, column.optional && h("option", { value: "" }, `default (${column.default})`),
      ...column.enum.map((value) => h("option", { value: String(value), selected: !column.optional && String(value) === String(example) }, String(value))));
  }
  return h("input", {
    ...about, type: "text", inputMode: column.type === "string" ? "text" : "decimal", autocomplete: "off", spellcheck: false,
    value: column.optional ? "" : String(example ?? ""), placeholder: column.optional ? String(column.default) : "",
  });
}

function fieldFor(column) {
  const id = `field-${column.index}`;
  const input = inputFor(column, id, exampleOf(column));
  const range = rangeOf(column);
  const field = h("div", { class: "field" },
    h("label", { htmlFor: id, title: column.name }, column.name, column.optional && h("span", { class: "optional" }, "optional")),
    input,
    h("div", { id: `${id}-about` },
      column.description && h("div", { class: "about" }, column.description),
      range && h("div", { class: "range" }, range)),
    h("div", { id: `${id}-fault`, class: "fault" }));
  input.addEventListener("input", () => { calm(field, input); judge(field, input, column); showCurl(); });
  return { column, input, field };
}

// Says early what the service will say; it is asked all the same.
function judge(field, input, { minimum, maximum, type }) {
  const value = Number(input.value);
  const odd = input.value.trim() !== "" && (type === "number" || type === "integer") &&
    (Number.isNaN(value) || value < minimum || value > maximum || (type === "integer" && !Number.isInteger(value)));
  field.classList.toggle("odd", odd);
}

function calm(field, input) {
  input.removeAttribute("aria-invalid");
  field.querySelector(".fault").textContent = "";
}

function showForm() {
  const plain = page.columns.every((column) => !column.description && !column.enum && !rangeOf(column));
  const fields = $("fields");
  fields.className = "fields" + (page.columns.length === 0 ? " wide" : plain && page.columns.length >= DENSE_FROM ? " dense" : "");
  page.fields = page.columns.map(fieldFor);
  if (page.columns.length > 0) {
    fields.replaceChildren(...page.fields.map(({ field }) => field));
  } else {
    const area = h("textarea", { id: "row", rows: 6, spellcheck: false, value: "[0.0]", "aria-describedby": "row-fault", oninput: showCurl });
    const field = h("div", { class: "field" }, h("label", { htmlFor: "row" }, "A row, as JSON"), area, h("div", { class: "fault", id: "row-fault" }));
    fields.replaceChildren(field);
  }
  show($("filter"), page.columns.length > 12);
  $("filter").value = "";
  show($("paste-open"), page.columns.length > 1);
  openPaste(false);
}

function openPaste(open) {
  show($("paste"), open);
  $("paste-open").setAttribute("aria-expanded", String(open));
  if (open) $("paste-text").focus();
}

function fillFrom(text) {
  let values;
  try {
    values = JSON.parse(text);
    values = values.features ?? values.instances?.[0] ?? values;
  } catch {
    values = text.trim().split(/[\s,;]+/);
  }
  for (const { column, input, field } of page.fields) {
    const value = Array.isArray(values) ? values[column.index] : values[column.name];
    if (value !== undefined) input.value = String(value);
    calm(field, input);
    judge(field, input, column);
  }
  showCurl();
}

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

// A value as JSON. What looks like no number is sent as it is, a string: the service says what is wrong with it.
function literal(column, text) {
  if (column.type === "string") return JSON.stringify(text);
  const trimmed = text.trim();
  if (NUMBER.test(trimmed) || trimmed === "true" || trimmed === "false") return trimmed;
  if (page.details?.allow_nan && /^(NaN|-?Infinity)$/.test(trimmed)) return trimmed;
  const number = Number(trimmed);
  return trimmed !== "" && Number.isFinite(number) ? String(number) : JSON.stringify(text);
}

function rowText() {
  if (page.columns.length === 0) return $("row").value;
  if (!page.named) return `[${page.fields.map(({ column, input }) => literal(column, input.value)).join(", ")}]`;
  const members = page.fields.filter(({ column, input }) => !(column.optional && input.value === ""))
    .map(({ column, input }) => `${JSON.stringify(column.name)}: ${literal(column, input.value)}`);
  return `{${members.join(", ")}}`;
}

const singleBody = () => `{"features": ${rowText()}}`;

function showCurl() {
  const text = curl(pathOf("predict"), singleBody(), "application/json");
  const pre = $("curl");
  if (pre) pre.textContent = text;
  else $("result-try").append(block("In a shell", text, "curl"));
}

/* ---- answers ---- */

function figures(answer, more) {
  const parts = new Map();
  for (const part of (answer.timing ?? "").split(",")) {
    const [name, ...rest] = part.trim().split(";");
    const value = rest.join(";");
    const duration = /dur=([\d.]+)/.exec(value);
    if (duration) parts.set(name, milliseconds(Number(duration[1])));
    else if (value) parts.set(name, value.replace(/^desc="|"$/g, ""));
  }
  const one = (label, value) => value !== undefined && h("span", null, `${label} `, h("b", null, value));
  return h("div", { class: "figures" },
    one("round trip", milliseconds(answer.took)), one("inside", parts.get("total")), one("queue", parts.get("queue")),
    one("compute", parts.get("compute")), one("batch", parts.get("batch")), ...more);
}

// [[name, share]] of an answer, the largest first.
function shares(data) {
  const labels = page.details?.labels ?? [];
  if (Array.isArray(data.probabilities)) return data.probabilities.map((share, index) => [labels[index] ?? `class ${index}`, share])
    .sort((a, b) => (b[1] ?? 0) - (a[1] ?? 0));
  if (typeof data.probability === "number") return [[labels[1] ?? "positive", data.probability], [labels[0] ?? "negative", 1 - data.probability]]
    .sort((a, b) => b[1] - a[1]);
  return [];
}

/* One label, or those of several that hold. */
const wording = (label) => (Array.isArray(label) ? label.join(", ") || "none" : label);

function showAnswer(answer) {
  const data = answer.json;
  const list = shares(data);
  const verdict = wording(data.label ?? data.labels) ?? (data.prediction === undefined ? "answered" : typeof data.prediction === "object"
    ? JSON.stringify(data.prediction) : figure(data.prediction));
  const card = h("section", { class: "card", id: "answer" },
    h("h3", null, "Prediction"),
    h("div", { class: "verdict" }, h("strong", { id: "verdict" }, verdict),
      data.label !== undefined && data.label !== String(data.prediction) && h("span", { class: "quiet" }, `class ${figure(data.prediction)}`)),
    list.length > 0 && h("ul", { class: "bars", "aria-label": "Probabilities" }, list.slice(0, SHOWN_CLASSES).map(([name, share], index) =>
      h("li", { class: index === 0 ? "first" : "" }, h("span", { class: "who", title: name }, name), bar(share), h("span", { class: "much" }, percent(share))))),
    list.length > SHOWN_CLASSES && h("p", { class: "quiet hint" }, `and ${list.length - SHOWN_CLASSES} less likely ones`),
    figures(answer, [h("span", null, "version ", h("b", null, data.model_version)), h("span", null, "id ", h("b", { class: "mono" }, data.request_id))]));
  showResult(card, answer);
}

function showResult(card, answer) {
  const result = $("result-try");
  result.replaceChildren(card);
  showCurl();
  result.append(block("Answer", pretty(answer), "raw"));
  result.scrollTop = 0;
}

// Short lists stay on their line.
function pretty(answer) {
  if (!answer.json) return answer.text;
  return JSON.stringify(answer.json, null, 2).replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, inside) => `[${inside.replace(/,\s+/g, ", ")}]`);
}

// The field that a path of errors[] means; null when none does.
function fieldOf(path) {
  const at = /^features(?:\[(\d+)\]|\.([^]*))/.exec(path);
  if (!at) return null;
  if (at[1] !== undefined) return page.fields[Number(at[1])] ?? null;
  return page.fields.find(({ column }) => column.name === at[2]) ??
    page.fields.find(({ column }) => at[2].length >= 8 && column.name.startsWith(at[2])) ?? null;
}

function markFaults(errors) {
  let first = null;
  for (const { field: path, message } of errors) {
    const found = fieldOf(path);
    if (!found) continue;
    found.input.setAttribute("aria-invalid", "true");
    const fault = found.field.querySelector(".fault");
    fault.textContent = [fault.textContent, message].filter(Boolean).join("; ");
    show(found.field, true);
    first ??= found.input;
  }
  first?.focus();
}

function problemCard(answer) {
  const problem = answer.json ?? {};
  const errors = Array.isArray(problem.errors) ? problem.errors : [];
  return h("section", { class: "card problem", id: "problem" },
    h("h2", null, `${answer.status} ${problem.title ?? ""}`),
    h("p", null, problem.detail ?? problem.error ?? (answer.text.slice(0, 300) || "There was no answer.")),
    errors.length > 1 && h("ul", null, errors.map(({ field, message }) => h("li", null, h("b", null, field), `: ${message}`))),
    figures(answer, [problem.request_id && h("span", null, "id ", h("b", { class: "mono" }, problem.request_id))]));
}

const unreachable = (error) => ({ status: 0, took: 0, text: "", json: {
  title: "No answer", detail: error.name === "TimeoutError" ? "The service took too long." : `The service cannot be reached: ${error.message}` } });

// Asks while the button waits; whoever chose another model meanwhile sees nothing of it.
async function send(button, path, body, type, then) {
  const wanted = page.model;
  button.disabled = true;
  const answer = await ask(path, { body, type }).catch(unreachable);
  button.disabled = false;
  if (page.model === wanted) then(answer);
}

function predict() {
  for (const { field, input } of page.fields) calm(field, input);
  return send($("send"), pathOf("predict"), singleBody(), "application/json", (answer) => {
    if (answer.status === 200 && answer.json) {
      showAnswer(answer);
      if (matchMedia("(max-width: 68rem)").matches) $("result-try").scrollIntoView();
      return;
    }
    showResult(problemCard(answer), answer);
    markFaults(answer.json?.errors ?? []);
  });
}

/* ---- batches ---- */

const looksLikeJson = (text) => /^\s*[[{]/.test(text);

function countRows() {
  const text = $("batch-text").value;
  $("batch-kind").textContent = looksLikeJson(text) ? "JSON" : "CSV";
  const lines = text.split("\n").filter((line) => line.trim() !== "").length;
  $("batch-count").textContent = text.trim() === "" || looksLikeJson(text) ? "" : `${lines} ${lines === 1 ? "line" : "lines"}`;
}

function batchBody() {
  const text = $("batch-text").value.trim() === "" ? $("batch-text").placeholder : $("batch-text").value;
  if (!looksLikeJson(text)) return [text.endsWith("\n") ? text : `${text}\n`, "text/csv"];
  return [/^\s*\[/.test(text) ? `{"instances": ${text.trim()}}` : text.trim(), "application/json"];
}

function predictBatch() {
  const [body, type] = batchBody();
  return send($("batch-send"), pathOf("batch-predict"), body, type, (answer) => {
    const result = answer.status === 200 && answer.json ? batchCard(answer) : problemCard(answer);
    $("result-batch").replaceChildren(result, block("In a shell", curl(pathOf("batch-predict"), body, type), "batch-curl"),
      block("Answer", pretty(answer).slice(0, 20000), "batch-raw"));
  });
}

const rowsOf = (data) => (data.predictions ?? []).map((prediction, index) => {
  const shares = data.probabilities?.[index];
  const best = Array.isArray(shares) ? Math.max(...shares) : shares;
  return { prediction, label: wording(data.labels?.[index]), share: best };
});

function csvOf(rows) {
  const cell = (value) => (value === undefined || value === null ? "" : /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  return ["row,prediction,label,probability", ...rows.map(({ prediction, label, share }, index) =>
    [index, typeof prediction === "object" ? JSON.stringify(prediction) : prediction, label, share].map(cell).join(","))].join("\n");
}

function batchCard(answer) {
  const rows = rowsOf(answer.json);
  const labelled = rows.some(({ label }) => label !== undefined);
  const shared = rows.some(({ share }) => share !== undefined);
  const save = () => {
    const link = h("a", { href: URL.createObjectURL(new Blob([`${csvOf(rows)}\n`], { type: "text/csv" })), download: `${page.model.name}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  return h("section", { class: "card", id: "batch-answer" },
    h("div", { class: "tools" }, h("h2", null, `${rows.length} ${rows.length === 1 ? "prediction" : "predictions"}`),
      h("button", { type: "button", class: "ghost", onclick: save }, "Save as CSV")),
    h("div", { class: "scroll", tabIndex: 0 }, h("table", null,
      h("thead", null, h("tr", null, h("th", null, "row"), labelled && h("th", null, "label"), h("th", null, "prediction"), shared && h("th", null, "probability"))),
      h("tbody", null, rows.slice(0, SHOWN_ROWS).map(({ prediction, label, share }, index) => h("tr", null,
        h("td", { class: "number quiet" }, String(index)), labelled && h("td", null, label ?? "–"),
        h("td", { class: "number" }, typeof prediction === "object" ? JSON.stringify(prediction) : figure(prediction)),
        shared && h("td", { class: "number" }, bar(share), percent(share))))))),
    rows.length > SHOWN_ROWS && h("p", { class: "quiet hint" }, `The first ${SHOWN_ROWS} are shown.`),
    figures(answer, [h("span", null, "version ", h("b", null, answer.json.model_version))]));
}

/* ---- the schema ---- */

// Columns in which nothing stands are left out.
function table(all, lines) {
  const used = all.map((_, index) => lines.some((cells) => cells[index] !== ""));
  const [heads, ...rows] = [all, ...lines].map((cells) => cells.filter((_, index) => used[index]));
  return h("div", { class: "scroll", tabIndex: 0 }, h("table", null,
    h("thead", null, h("tr", null, heads.map((head) => h("th", null, head)))),
    h("tbody", null, rows.map((cells) => h("tr", null, cells.map((cell) => h("td", null, cell)))))));
}

const shapeOf = (shape) => `[${shape.map((each) => (each < 0 ? "any" : each)).join(", ")}]`;

function showSchema() {
  const details = page.details;
  const said = (column) => [rangeOf(column), column.enum && column.type !== "boolean" && column.enum.join(", "),
    column.optional && `optional, else ${column.default}`].filter(Boolean).join("; ");
  const tensors = (title, list) => list?.length > 0 && h("section", { class: "card" }, h("h2", null, title),
    table(["name", "datatype", "shape"], list.map(({ name, datatype, shape }) => [h("b", null, name), h("code", null, datatype), h("code", null, shapeOf(shape))])));
  const calls = ["predict", "batch-predict"].map((call) => h("p", null, h("span", { class: "method" }, "POST"), h("code", null, pathOf(call))));
  $("pane-schema").replaceChildren(...[
    h("section", { class: "card" }, h("h2", null, "Calls"), calls,
      h("p", null, h("span", { class: "method" }, "GET"), h("code", null, `/api/v1/models/${page.model.name}`))),
    h("section", { class: "card" }, h("h2", null, page.columns.length > 0 ? `${page.columns.length} columns` : "Columns"),
      page.columns.length > 0
        ? table(["#", "name", "type", "values", "about"], page.columns.map((column) => [String(column.index), h("b", null, column.name),
          h("code", null, column.datatype ?? column.type), said(column), column.description ?? ""]))
        : h("p", { class: "quiet" }, "A row may have any number of values, or more than are told one by one.")),
    details?.labels?.length > 0 && h("section", { class: "card" }, h("h2", null, `${details.labels.length} classes`),
      h("div", { class: "names" }, details.labels.slice(0, 200).map((label) => h("span", { class: "chip plain" }, label)))),
    tensors("Inputs of the model file", details?.inputs), tensors("Outputs", details?.outputs),
    details?.versions?.length > 0 && h("section", { class: "card" }, h("h2", null, "Versions"),
      table(["version", "state", "workers", ""], details.versions.map(({ version, state, workers, stable }) =>
        [h("b", null, version), state, String(workers), stable ? "takes requests that name none" : ""]))),
  ].filter(Boolean));
}

/* ---- what people do ---- */

const tabs = ["try", "batch", "schema"];
function openTab(name, focus) {
  for (const each of tabs) {
    const tab = $(`tab-${each}`);
    tab.setAttribute("aria-selected", String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
    show($(`pane-${each}`), each === name);
  }
  if (focus) $(`tab-${name}`).focus();
}

function bind() {
  for (const [index, name] of tabs.entries()) {
    $(`tab-${name}`).addEventListener("click", () => openTab(name));
    $(`tab-${name}`).addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (step) openTab(tabs[(index + step + tabs.length) % tabs.length], true);
    });
  }
  $("form").addEventListener("submit", (event) => { event.preventDefault(); predict(); });
  $("batch").addEventListener("submit", (event) => { event.preventDefault(); predictBatch(); });
  $("key-form").addEventListener("submit", (event) => { event.preventDefault(); load(); });
  $("key").addEventListener("input", () => { page.key = $("key").value.trim(); if (page.model) showCurl(); });
  $("key-show").addEventListener("click", () => {
    const hidden = $("key").type === "password";
    $("key").type = hidden ? "text" : "password";
    $("key-show").textContent = hidden ? "hide" : "show";
    $("key-show").setAttribute("aria-pressed", String(hidden));
  });
  $("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    document.documentElement.dataset.theme = dark === "dark" ? "light" : "dark";
  });
  $("skip").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); });
  $("reset").addEventListener("click", () => { showForm(); showCurl(); });
  $("version").addEventListener("change", () => { location.hash = `#${page.model.name}${$("version").value ? `/${$("version").value}` : ""}`; });
  $("search").addEventListener("input", () => {
    for (const item of $("models").children) show(item, item.textContent.toLowerCase().includes($("search").value.toLowerCase()));
  });
  $("filter").addEventListener("input", () => {
    for (const { column, field } of page.fields) show(field, column.name.toLowerCase().includes($("filter").value.toLowerCase()));
  });
  $("paste-open").addEventListener("click", () => openPaste($("paste").hidden));
  $("paste-do").addEventListener("click", () => { fillFrom($("paste-text").value); openPaste(false); });
  $("batch-text").addEventListener("input", countRows);
  $("batch-example").addEventListener("click", () => { $("batch-text").value = $("batch-text").placeholder; countRows(); });
  $("batch-file").addEventListener("change", async () => {
    const [file] = $("batch-file").files;
    if (file) $("batch-text").value = await file.text();
    $("batch-file").value = "";
    countRows();
  });
  addEventListener("hashchange", () => { if (page.models.size > 0) choose(); });
}

bind();
load();
