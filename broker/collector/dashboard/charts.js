// Lines over time, drawn by uPlot: a legend that tells what is under the cursor, and gaps where nothing is known.

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

// A value between two that are not known is no line.
function lonely(plot, series) {
  const values = plot.data[series];
  const there = (i) => known(values[i]);
  return values.flatMap((_, i) => (there(i) && !there(i - 1) && !there(i + 1) ? [i] : []));
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
        label, stroke: colors[color], width: 1.8, dash: dashes[dash], points: { show: true, size: 4, width: 0, fill: colors[color], filter: lonely }, gaps: (_, __, ___, ____, gaps) => gaps.filter(([from, to]) => this.isGap(from, to)), fill: area ? soft(colors[color]) : undefined }))],
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
