// The course of a gate as a picture: what passes above, the certified error rate below, the states behind both.

import { bands, boundOf, boundTop, coverageOf, nearest, runs, timeTicks } from "../course.js";
import { STATES, moment, percent, tick } from "../words.js";
import { s } from "./dom.js";

const LEFT = 46;
const RIGHT = 12;
const TOP = 38;
const UPPER = 150;
const BETWEEN = 42;
const LOWER = 110;
const FOOT = 26;
const HEIGHT = TOP + UPPER + BETWEEN + LOWER + FOOT;
const LOWER_TOP = TOP + UPPER + BETWEEN;
const LETTER_PX = 7.2;

export class Chart {
  #facts = null;
  #cursor = null;

  // `onPoint(point or null)` hears which point the pointer is at.
  constructor(onPoint) {
    this.title = s("title", { id: "chart-title" });
    this.desc = s("desc", { id: "chart-desc" });
    this.layer = s("g");
    this.cursor = s("g");
    this.node = s("svg", { class: "chart", role: "img", "aria-labelledby": "chart-title", "aria-describedby": "chart-desc" },
      this.title, this.desc, patterns(), this.layer, this.cursor);
    this.node.addEventListener("pointermove", (event) => this.#point(event, onPoint));
    this.node.addEventListener("pointerleave", () => this.#leave(onPoint));
    new ResizeObserver(() => this.#draw()).observe(this.node);
  }

  show({ project, alpha, points, fromMs, toMs }) {
    this.#facts = { project, alpha, points, fromMs, toMs };
    this.#draw();
  }

  #draw() {
    const widthPx = Math.round(this.node.getBoundingClientRect().width);
    if (this.#facts === null || widthPx === 0) return;
    const { project, alpha, points, fromMs, toMs } = this.#facts;
    this.node.setAttribute("viewBox", `0 0 ${widthPx} ${HEIGHT}`);
    this.node.setAttribute("height", HEIGHT);
    const plan = new Plan(widthPx, fromMs, toMs, boundTop(points, alpha));
    this.plan = plan;
    this.title.textContent = `Course of the gate of ${project}`;
    this.desc.textContent = told(this.#facts);
    this.layer.replaceChildren(
      ...background(plan, points),
      ...grid(plan),
      ...times(plan),
      ...titles(),
      ...lines(plan, points, alpha),
    );
    this.#drawCursor();
  }

  #point(event, onPoint) {
    if (this.#facts === null || !this.plan) return;
    const box = this.node.getBoundingClientRect();
    this.#cursor = nearest(this.#facts.points, this.plan.momentAt(event.clientX - box.left));
    this.#drawCursor();
    onPoint(this.#cursor);
  }

  #leave(onPoint) {
    this.#cursor = null;
    this.#drawCursor();
    onPoint(null);
  }

  #drawCursor() {
    const point = this.#cursor;
    if (point === null) return this.cursor.replaceChildren();
    const x = this.plan.x(point.at_ms);
    const bound = boundOf(point);
    const dots = [["coverage", this.plan.upper(coverageOf(point))], ...(bound === null ? [] : [["bound", this.plan.lower(bound)]])];
    this.cursor.replaceChildren(
      s("line", { class: "cursor", x1: x, x2: x, y1: TOP, y2: LOWER_TOP + LOWER }),
      ...dots.map(([name, y]) => s("circle", { class: `cursor-dot cursor-dot-${name}`, cx: x, cy: y, r: 5 })));
  }
}

// Where things are drawn.
class Plan {
  constructor(widthPx, fromMs, toMs, topShare) {
    this.widthPx = widthPx;
    this.fromMs = fromMs;
    this.toMs = Math.max(toMs, fromMs + 1);
    this.topShare = topShare;
  }

  get right() {
    return this.widthPx - RIGHT;
  }

  x(ms) {
    return LEFT + ((ms - this.fromMs) / (this.toMs - this.fromMs)) * (this.right - LEFT);
  }

  momentAt(x) {
    return this.fromMs + ((x - LEFT) / (this.right - LEFT)) * (this.toMs - this.fromMs);
  }

  upper(share) {
    return TOP + (1 - share) * UPPER;
  }

  lower(share) {
    return LOWER_TOP + (1 - Math.min(1, share / this.topShare)) * LOWER;
  }
}

// Colours alone do not tell the states apart: closed ones are hatched, and what has room bears its word.
function patterns() {
  const hatched = [["suspended", "M0 8 8 0"], ["revoked", "M0 0 8 8M0 8 8 0"]];
  return s("defs", {}, ...hatched.map(([state, d]) =>
    s("pattern", { id: `hatch-${state}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" },
      s("path", { d, class: `hatch hatch-${state}` }))));
}

function background(plan, points) {
  const drawn = [];
  for (const { state, fromMs, toMs } of bands(points)) {
    const x = plan.x(fromMs);
    const width = Math.max(1, plan.x(toMs) - x);
    for (const [y, height] of [[TOP, UPPER], [LOWER_TOP, LOWER]]) {
      drawn.push(s("rect", { class: `band-${state}`, x, y, width, height }));
      if (state === "suspended" || state === "revoked") drawn.push(s("rect", { fill: `url(#hatch-${state})`, x, y, width, height }));
    }
    const { word } = STATES[state];
    if (width > word.length * LETTER_PX) {
      drawn.push(s("text", { class: `band-word word-${state}`, x: x + width / 2, y: TOP - 6, "text-anchor": "middle" }, word));
    }
  }
  return drawn;
}

function grid(plan) {
  const rows = [
    ...[0, 0.5, 1].map((share) => [plan.upper(share), percent(share)]),
    ...[0, 0.5, 1].map((part) => [plan.lower(part * plan.topShare), percent(Number((part * plan.topShare).toPrecision(2)))]),
  ];
  return rows.flatMap(([y, label]) => [
    s("line", { class: "grid-line", x1: LEFT, x2: plan.right, y1: y, y2: y }),
    s("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, label),
  ]);
}

function times(plan) {
  const spanMs = plan.toMs - plan.fromMs;
  const most = Math.max(2, Math.floor((plan.right - LEFT) / (spanMs < 180_000 ? 76 : 58)));
  const bottom = LOWER_TOP + LOWER;
  return timeTicks(plan.fromMs, plan.toMs, most)
    .filter((at) => plan.x(at) < plan.right - 16 && plan.x(at) > LEFT + 12)
    .flatMap((at) => [
      s("line", { class: "tick-line", x1: plan.x(at), x2: plan.x(at), y1: bottom, y2: bottom + 5 }),
      s("text", { x: plan.x(at), y: bottom + 19, "text-anchor": "middle" }, tick(at, spanMs)),
    ]);
}

function titles() {
  return [
    s("text", { class: "panel-title", x: 0, y: 12 }, "Labelled by the model"),
    s("text", { class: "panel-title", x: 0, y: LOWER_TOP - 12 }, "Certified bound of the error rate"),
  ];
}

function lines(plan, points, alpha) {
  const y = plan.lower(alpha);
  const paths = [
    ...runs(points, coverageOf).map((run) => ["coverage", run, (share) => plan.upper(share)]),
    ...runs(points, boundOf).map((run) => ["bound", run, (share) => plan.lower(share)]),
  ];
  return [
    s("line", { class: "line line-alpha", x1: LEFT, x2: plan.right, y1: y, y2: y }),
    s("text", { class: "alpha-word", x: plan.right - 4, y: y - 6, "text-anchor": "end" }, `alpha, ${percent(alpha)}`),
    ...paths.map(([name, run, height]) => s("path", { class: `line line-${name}`, d: path(run, plan, height) })),
  ];
}

function path(run, plan, height) {
  const places = run.map(({ x, y }) => `${plan.x(x).toFixed(1)} ${height(y).toFixed(1)}`);
  // A lone point is a dot: a line of no length with round ends.
  return `M${places.join("L")}${places.length === 1 ? "h0.01" : ""}`;
}

// What one sees there, in words.
function told({ points, alpha, fromMs, toMs }) {
  if (points.length === 0) return "There is nothing to show yet.";
  const last = points.at(-1);
  const bound = boundOf(last);
  const stretches = bands(points).slice(-6).map(({ state, fromMs: begin }) => `${STATES[state].word.toLowerCase()} from ${moment(begin, toMs)}`);
  return `From ${moment(fromMs, toMs)} to ${moment(toMs, toMs)}. Now the model labels ${percent(last.coverage)} of the records alone; `
    + `${bound === null ? "no error rate is certified" : `the certified bound of their error rate is ${percent(bound)}`}, `
    + `alpha is ${percent(alpha)}. States: ${stretches.join(", ")}. The same stands in the table below.`;
}
