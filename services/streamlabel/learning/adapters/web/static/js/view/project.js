// One project's gate: how it stands, what that rests on, its course and what it did.

import { STATES, age, count, moment, needed, number, percent, score } from "../words.js";
import { CourseView } from "./course.js";
import { h, tell } from "./dom.js";
import { statePill } from "./state.js";
import { TransitionList } from "./transitions.js";

export class ProjectView {
  #state = null;

  constructor(name, span, chooseSpan) {
    this.name = name;
    this.pill = h("span", { class: "stands-state" });
    this.model = h("p", { class: "stands-model" });
    this.meaning = h("p", { class: "meaning" });
    this.reason = h("p", { class: "reason" });
    this.promise = h("p", { class: "promise" });
    this.figures = new Figures("figure", [
      ["coverage", "Labelled by the model"], ["bound", "Certified error rate"], ["evidence", "Evidence"],
      ["needed", "Until certified"], ["lane", "Calibration lane"], ["unanswered", "Unanswered"],
    ]);
    this.facts = new Figures("fact", [
      ["threshold", "Threshold"], ["alarm", "Evidence for alarm"], ["guard", "Guard"], ["confirmed", "Confirmed until"],
      ["looked", "Last look"], ["ledger", "Looks and certificates"], ["delta", "Wrong by bad luck"], ["epoch", "Epoch"],
    ]);
    this.course = new CourseView(span, chooseSpan);
    this.transitions = new TransitionList();
    this.standing = h("section", { class: "panel", "aria-labelledby": "gate-title" },
      h("div", { class: "stands" }, h("h2", { id: "gate-title" }, h("bdi", {}, name)), this.pill, this.model),
      this.meaning, this.reason, this.promise, this.figures.list);
    this.node = h("article", { "aria-labelledby": "gate-title" },
      this.standing,
      h("div", { class: "two" },
        h("div", { class: "column" }, this.course.node, h("section", { class: "panel", "aria-labelledby": "facts-title" },
          h("h3", { id: "facts-title" }, "What it rests on"), this.facts.list)),
        this.transitions.node));
    this.rest = this.node.lastChild;
  }

  show({ project, nowMs, points, fromMs, transitions }) {
    const { point, fault, alpha, delta, double_blind_share: twice } = project;
    tell(this.model, `model ${project.model_name} ${project.model_version}, taxonomy ${project.taxonomy_version}`);
    tell(this.promise, `Promised: at most ${percent(alpha)} of the labels that the model sets alone are wrong (alpha). Each look at the evidence `
      + `may say so falsely with a probability of ${percent(delta)} at most (delta). What is wrong, `
      + (twice > 0 ? `two people say of ${percent(twice)} of the calibration records, one person of the others.` : "one person says of each calibration record."));
    this.pill.hidden = this.figures.list.hidden = this.rest.hidden = point === null;
    if (point === null) return this.#showNone(fault);
    this.#showStanding(point);
    this.figures.show(figuresOf(point, alpha, nowMs));
    this.facts.show(factsOf(project, nowMs));
    this.course.show({ project: this.name, alpha, points, fromMs, toMs: nowMs });
    this.transitions.show(transitions, nowMs);
  }

  #showNone(fault) {
    this.reason.hidden = !fault;
    tell(this.meaning, fault
      ? "No gate is kept of it: people label everything. Once that is mended, apply the project anew; evidence begins anew then."
      : "Learning has begun with it just now: how the gate stands appears here within seconds.");
    tell(this.reason, `Reason: ${fault ?? ""}`);
  }

  #showStanding(point) {
    if (this.#state !== point.state) this.pill.replaceChildren(statePill(point.state));
    this.#state = point.state;
    const guarded = point.state === "certified" && point.threshold === null;
    tell(this.meaning, guarded ? "It is certified, but the guard lets nothing pass for now: people label everything." : STATES[point.state].means);
    this.reason.hidden = point.reason === point.state;
    tell(this.reason, `Reason: ${point.reason}`);
  }
}

// A list of terms with a value and a note each; a value is a text, or {value, note, words, bad, progress}.
class Figures {
  #entries = new Map();

  constructor(kind, names) {
    this.list = h("dl", { class: `${kind}s` }, ...names.map(([key, name]) => {
      const value = h("span", { class: `${kind}-value` });
      const note = h("span", { class: `${kind}-note` });
      const progress = kind === "figure" ? h("progress", { hidden: true, "aria-label": name }) : null;
      const frame = kind === "figure"
        ? h("div", { class: "figure" }, h("dt", {}, name), h("dd", { class: "figure-dd" }, h("div", {}, value), progress, note))
        : h("div", {}, h("dt", {}, name), h("dd", {}, value), h("dd", { class: "fact-note" }, note));
      this.#entries.set(key, { value, note, progress, frame });
      return frame;
    }));
  }

  show(values) {
    for (const [key, told] of Object.entries(values)) {
      const { value, note, progress, frame } = this.#entries.get(key);
      tell(value, told.value);
      tell(note, told.note ?? "");
      value.classList.toggle("figure-words", Boolean(told.words));
      frame.classList.toggle("figure-bad", Boolean(told.bad));
      if (progress === null) continue;
      progress.hidden = told.progress === undefined;
      if (!progress.hidden) Object.assign(progress, { max: told.progress.of, value: told.progress.done });
    }
  }
}

function figuresOf(point, alpha) {
  const certified = point.state === "certified";
  const wanted = needed(point);
  if (!certified && point.answers_needed) wanted.progress = { done: point.evidence, of: point.evidence + point.answers_needed };
  return {
    coverage: { value: percent(point.coverage), note: "of the latest thousand records passed the gate" },
    bound: certified && point.bound < 1
      ? { value: `≤ ${percent(point.bound)}`, note: `of these labels are wrong; promised are ${percent(alpha)}`, bad: point.bound > alpha }
      : { value: "None", note: `promised are ${percent(alpha)}`, words: true },
    evidence: certified
      ? { value: number(point.count), note: `calibration answers above the threshold, ${count(point.errors, "of them wrong", "of them wrong")}; ${number(point.evidence)} in all` }
      : { value: number(point.evidence), note: "calibration answers in the window" },
    needed: wanted,
    lane: { value: percent(point.lane_rate), note: "of the stream goes to people without the model’s answer" },
    unanswered: { value: number(point.unanswered), note: `calibration ${point.unanswered === 1 ? "record has" : "records have"} no label yet, in people’s hands or waiting` },
  };
}

function factsOf({ point, delta, alarm_limit: alarmLimit }, nowMs) {
  return {
    threshold: { value: score(point.threshold), note: "The score from which on the model labels alone." },
    alarm: { value: `${number(Number(point.alarm.toPrecision(3)))} to 1`, note: `That errors rose above alpha, by calibration answers since the gate opened. At ${number(alarmLimit)} to 1 it is revoked.` },
    guard: { value: point.guard_cap >= 1 ? "Not binding" : percent(Math.max(0, point.guard_cap)), note: "The model labels this share of the stream at most: each error that the lane finds lowers it. At 0 the gate is revoked." },
    confirmed: { value: point.confirmed_until_ms ? moment(point.confirmed_until_ms, nowMs) : "Nothing yet", note: "Every calibration record decided before that is answered and counted, or its time was over." },
    looked: { value: point.looked_at_ms ? `${age(nowMs - point.looked_at_ms)} ago` : "None yet", note: "Evidence is tested at planned looks, as the stream goes on." },
    ledger: { value: `${number(point.looks)} and ${number(point.certificates)}`, note: "How often the evidence was tested, and how many certificates came of it." },
    delta: {
      value: `≤ ${count(Number(point.wrong_certificates_at_most.toPrecision(2)), "certificate")}`,
      note: `Each look may certify falsely with a probability of ${percent(delta)} (delta); over all looks so far that makes so many on average, and no more.`,
    },
    epoch: { value: number(point.epoch), note: "How often evidence began anew after a change." },
  };
}
