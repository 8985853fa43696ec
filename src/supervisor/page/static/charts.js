// Small charts of the last ten minutes, drawn as SVG whenever there is something new.

import { byId, h, svg } from "./dom.js";
import { clock, duration, rate, seconds } from "./format.js";

const COLORS = ["blue", "green"];
const SPAN_MS = 600_000;
const LEAST_SPAN_MS = 60_000; // soon after the start there is less to see, which is seen larger
const HEIGHT = 132;
const EDGE = { left: 44, right: 6, top: 10, bottom: 18 };
const LEAST = { requests: 1, latency: 0.02, tokens: 10 };

const CHARTS = [
  {
    id: "requests",
    title: "Requests per second",
    unit: (value) => rate(value),
    now: (samples) => `${rate(total(samples, (color) => color.requests_per_s))}`,
    series: [{ of: (color) => color.requests_per_s, area: true }],
    failed: (sample) => sample.failed,
  },
  {
    id: "latency",
    title: "Latency, p50 and p95 (dotted)",
    unit: (value) => seconds(value),
    now: (samples) => latencyNow(samples),
    series: [{ of: (color) => color.p50_s }, { of: (color) => color.p95_s, upper: true }],
  },
  {
    id: "tokens",
    title: "Tokens per second",
    unit: (value) => rate(value),
    now: (samples) => `${rate(total(samples, (color) => color.tokens_per_s))}`,
    series: [{ of: (color) => color.tokens_per_s, area: true }],
  },
];

const last = (samples) => samples[samples.length - 1];
const total = (samples, of) => COLORS.reduce((sum, color) => sum + (of(last(samples)?.colors[color] ?? {}) ?? 0), 0);

function latencyNow(samples) {
  const told = COLORS.map((color) => last(samples)?.colors[color]).filter((color) => color?.p50_s !== null && color?.p50_s !== undefined);
  return told.length ? `${seconds(told[0].p50_s)} / ${seconds(told[0].p95_s)}` : "–";
}

export class Charts {
  constructor() {
    this.samples = [];
    this.run = null;
    this.drawn = CHARTS.map((chart) => this.place(chart));
    new ResizeObserver(() => this.draw()).observe(byId("charts"));
  }

  /** Where to go on: the number of the last sample, and of which run of the supervisor it is. */
  get after() {
    return this.samples.length ? last(this.samples).number : 0;
  }

  /** `pulse`: GET /api/pulse. A new supervisor begins anew. */
  add(pulse) {
    if (pulse.run !== this.run) this.samples = [];
    this.run = pulse.run;
    const newest = this.after;
    this.samples.push(...pulse.samples.filter((sample) => sample.number > newest));
    const since = (last(this.samples)?.at_ms ?? 0) - SPAN_MS;
    this.samples = this.samples.filter((sample) => sample.at_ms >= since);
    this.draw();
  }

  draw() {
    for (const { chart, now, canvas } of this.drawn) {
      now.textContent = this.samples.length ? chart.now(this.samples) : "–";
      paint(canvas, chart, this.samples);
    }
  }

  place(chart) {
    const now = h("b");
    const canvas = svg("svg", { role: "img", "aria-label": chart.title });
    const figure = h("figure", { class: "chart", id: `chart-${chart.id}` }, h("figcaption", {}, h("span", {}, chart.title), now), canvas);
    byId("charts").append(figure);
    canvas.addEventListener("pointermove", (event) => this.point(chart, canvas, now, event));
    canvas.addEventListener("pointerleave", () => this.draw());
    return { chart, now, canvas };
  }

  /** The values under the pointer, in the place of those of now. */
  point(chart, canvas, now, event) {
    if (!this.samples.length) return;
    const scale = scales(canvas, chart, this.samples);
    const at = scale.moment(event.clientX - canvas.getBoundingClientRect().left);
    const near = this.samples.reduce((best, each) => (Math.abs(each.at_ms - at) < Math.abs(best.at_ms - at) ? each : best));
    now.textContent = `${chart.now([near])} at ${clock(new Date(near.at_ms))}`;
    canvas.querySelector(".hand")?.remove();
    const x = scale.x(near.at_ms);
    canvas.append(svg("line", { class: "hand", x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }));
  }
}

function scales(canvas, chart, samples) {
  const width = Math.max(120, canvas.getBoundingClientRect().width);
  const end = last(samples)?.at_ms ?? Date.now();
  const values = samples.flatMap((sample) => COLORS.flatMap((color) => chart.series.map((one) => one.of(sample.colors[color] ?? {}) ?? 0)));
  const top = nice(Math.max(LEAST[chart.id], ...values));
  const span = Math.min(SPAN_MS, Math.max(LEAST_SPAN_MS, end - (samples[0]?.at_ms ?? end)));
  const inner = width - EDGE.left - EDGE.right;
  return {
    width,
    top,
    span,
    x: (moment) => EDGE.left + (1 - (end - moment) / span) * inner,
    y: (value) => HEIGHT - EDGE.bottom - (value / top) * (HEIGHT - EDGE.top - EDGE.bottom),
    moment: (x) => end - (1 - (x - EDGE.left) / inner) * span,
  };
}

/** The next of 1, 2, 5 times a power of ten, so that the scale rests. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10);
}

function paint(canvas, chart, samples) {
  const scale = scales(canvas, chart, samples);
  canvas.setAttribute("viewBox", `0 0 ${scale.width} ${HEIGHT}`);
  canvas.replaceChildren(...grid(scale, chart), ...switches(scale, samples), ...lines(scale, chart, samples), ...failures(scale, chart, samples));
}

function grid(scale, chart) {
  const rows = [0, 0.5, 1].flatMap((share) => {
    const y = scale.y(scale.top * share);
    return [
      svg("line", { class: "grid", x1: EDGE.left, x2: scale.width - EDGE.right, y1: y, y2: y }),
      svg("text", { x: EDGE.left - 7, y: y + 4, "text-anchor": "end" }, share ? chart.unit(scale.top * share) : "0"),
    ];
  });
  return [
    ...rows,
    svg("text", { x: EDGE.left, y: HEIGHT - 3 }, `−${duration(scale.span / 1000).replace(" 0 s", "")}`),
    svg("text", { x: scale.width - EDGE.right, y: HEIGHT - 3, "text-anchor": "end" }, "now"),
  ];
}

/** A line where another colour became active. */
function switches(scale, samples) {
  return samples.slice(1).flatMap((sample, index) => {
    if (!sample.active || !samples[index].active || sample.active === samples[index].active) return [];
    const x = scale.x(sample.at_ms);
    return [svg("line", { class: "switch", x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom })];
  });
}

function lines(scale, chart, samples) {
  return COLORS.flatMap((color) => chart.series.flatMap((one) => runs(samples, color, one).flatMap((run) => stroke(scale, color, one, run))));
}

/** Stretches without a hole: what was not measured is not drawn. */
function runs(samples, color, one) {
  const found = [];
  let open = null;
  for (const sample of samples) {
    const value = one.of(sample.colors[color] ?? {});
    if (value === null || value === undefined) open = null;
    else if (open) open.push([sample.at_ms, value]);
    else found.push((open = [[sample.at_ms, value]]));
  }
  return found.map(trimmed).filter((run) => run.length);
}

/** Without the zeros before and after, but for one on each side: a colour that does nothing draws nothing. */
function trimmed(run) {
  const busy = run.map(([, value]) => value > 0);
  return busy.includes(true) ? run.slice(Math.max(0, busy.indexOf(true) - 1), busy.lastIndexOf(true) + 2) : [];
}

function stroke(scale, color, one, run) {
  const points = run.map(([at, value]) => `${scale.x(at).toFixed(1)} ${scale.y(value).toFixed(1)}`);
  const path = `M${points.join("L")}${points.length === 1 ? "h0.1" : ""}`;
  const line = svg("path", { class: `line ${color}${one.upper ? " upper" : ""}`, d: path });
  if (!one.area) return [line];
  const floor = scale.y(0).toFixed(1);
  const area = `${path}L${scale.x(run[run.length - 1][0]).toFixed(1)} ${floor}L${scale.x(run[0][0]).toFixed(1)} ${floor}Z`;
  return [svg("path", { class: `area ${color}`, d: area }), line];
}

/** A red dot where requests failed, whoever answered them. */
function failures(scale, chart, samples) {
  if (!chart.failed) return [];
  const bad = samples.filter((sample) => chart.failed(sample));
  return bad.map((sample) =>
    svg("circle", { class: "bad", r: 3, cx: scale.x(sample.at_ms), cy: scale.y(0) }, svg("title", {}, `${chart.failed(sample)} failed`)),
  );
}
