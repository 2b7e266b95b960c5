// The panel of the course: which span, the chart, what the pointer is at, and all of it as a table.

import { boundOf, tableRows } from "../course.js";
import { STATES, moment, number, percent, score } from "../words.js";
import { Chart } from "./chart.js";
import { h, tell } from "./dom.js";

const ROWS = 60;

export const SPANS = [
  { name: "1 h", label: "last hour", ms: 3_600_000 },
  { name: "24 h", label: "last 24 hours", ms: 86_400_000 },
  { name: "7 d", label: "last 7 days", ms: 604_800_000 },
  { name: "All", label: "all of it", ms: Infinity },
];

export class CourseView {
  #facts = null;
  #drawn = null;
  #pointed = null;

  // `choose(span)` is called when another one is wanted.
  constructor(span, choose) {
    this.chart = new Chart((point) => this.#tell(point));
    this.readout = h("p", { class: "readout" });
    this.caption = h("caption", {});
    this.body = h("tbody", {});
    this.details = h("details", { class: "more", ontoggle: () => this.#fillTable() },
      h("summary", {}, "As a table"),
      h("div", { class: "table-frame", tabIndex: 0, role: "region", "aria-label": "Course of the gate as a table" }, h("table", { class: "points" },
        this.caption,
        h("thead", {}, h("tr", {}, ...HEADS.map(([name, wide]) => h("th", { scope: "col", class: wide ? "wide" : null }, name)))),
        this.body)));
    this.node = h("section", { class: "panel", "aria-labelledby": "course-title" },
      h("div", { class: "chart-head" }, h("h3", { id: "course-title" }, "Course"), spans(span, choose)),
      this.chart.node, this.readout, this.details);
  }

  show(facts) {
    this.#facts = facts;
    this.chart.show(facts);
    this.#tell(this.#pointed);
    this.#fillTable();
  }

  #tell(point) {
    this.#pointed = point;
    if (this.#facts === null) return;
    const shown = point ?? this.#facts.points.at(-1);
    if (!shown) return tell(this.readout, "Nothing in this span.");
    const bound = boundOf(shown);
    tell(this.readout, [
      moment(shown.at_ms, this.#facts.toMs),
      STATES[shown.state].word,
      `model labels ${percent(shown.coverage)}`,
      bound === null ? "no bound" : `bound ${percent(bound)}`,
      `calibration lane ${percent(shown.lane_rate)}`,
    ].join(" · "));
  }

  // While it is open only: who does not look at it needs no rows.
  #fillTable() {
    if (!this.details.open || this.#facts === null || this.#drawn === this.#facts.points) return;
    const { points, toMs } = this.#facts;
    this.#drawn = points;
    this.caption.textContent = `${number(points.length)} points, of which these are shown; latest first.`;
    this.body.replaceChildren(...tableRows(points, ROWS).map((point) => row(point, toMs)));
  }
}

const HEADS = [["Time"], ["State"], ["By the model"], ["Bound"], ["Lane", true], ["Threshold", true], ["Evidence", true]];

function row(point, nowMs) {
  const bound = boundOf(point);
  return h("tr", {},
    h("th", { scope: "row" }, moment(point.at_ms, nowMs)),
    h("td", {}, STATES[point.state].word),
    h("td", {}, percent(point.coverage)),
    h("td", {}, bound === null ? "none" : percent(bound)),
    h("td", { class: "wide" }, percent(point.lane_rate)),
    h("td", { class: "wide" }, score(point.threshold)),
    h("td", { class: "wide" }, number(point.evidence)));
}

function spans(span, choose) {
  return h("fieldset", { class: "spans" },
    h("legend", { class: "unseen" }, "Time shown"),
    ...SPANS.map((each) => h("label", { title: each.label },
      h("input", { type: "radio", name: "span", checked: each === span, onchange: () => choose(each), "aria-label": each.label }),
      h("span", { "aria-hidden": "true" }, each.name))));
}
