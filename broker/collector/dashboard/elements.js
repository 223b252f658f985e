// What the page is made of: elements, tables, and numbers as people read them.

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
