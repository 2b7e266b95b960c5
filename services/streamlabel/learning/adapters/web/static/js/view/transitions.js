// What the gate did, when and why, and which labels that casts doubt on.

import { suspectsUntil, withoutRenewals } from "../course.js";
import { count, moment, number, score } from "../words.js";
import { h } from "./dom.js";
import { statePill } from "./state.js";

const SHOWN = 8;

export class TransitionList {
  #drawn = null;

  constructor() {
    this.list = h("ol", { class: "steps" });
    this.rest = h("ol", { class: "steps" });
    this.summary = h("summary", {});
    this.more = h("details", { class: "more steps-more", hidden: true }, this.summary, this.rest);
    this.none = h("p", { class: "panel-note" }, "None yet.");
    this.node = h("section", { class: "panel", "aria-labelledby": "steps-title" },
      h("h3", { id: "steps-title" }, "Transitions"),
      h("p", { class: "panel-note" }, "Latest first. All are kept for ever, in a chain that shows whether one was changed or taken out: ",
        h("code", {}, "streamlabel gate history"), ", ", h("code", {}, "gate verify"), "."),
      this.none, this.list, this.more);
  }

  show(transitions, nowMs) {
    const drawn = transitions.map(({ number: place }) => place).join();
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const rows = withoutRenewals(transitions).map((stretch) => step(transitions, stretch, nowMs));
    this.none.hidden = rows.length > 0;
    this.list.hidden = rows.length === 0;
    this.list.replaceChildren(...rows.slice(0, SHOWN));
    this.rest.replaceChildren(...rows.slice(SHOWN));
    this.more.hidden = rows.length <= SHOWN;
    this.summary.textContent = `${number(Math.max(0, rows.length - SHOWN))} earlier`;
  }
}

function step(transitions, { first, latest, renewals }, nowMs) {
  const { facts } = latest;
  const evidence = facts.state === "certified"
    ? `threshold ${score(facts.threshold)} · ${count(facts.errors, "error")} in ${count(facts.count, "answer")}`
    : null;
  const told = [`model ${latest.model_name} ${latest.model_version}`, evidence, `after ${count(first.facts.place, "record")}`];
  return h("li", {},
    h("div", { class: "step-head" }, statePill(facts.state), time(first.facts.at_ms, nowMs, "step-time")),
    first.facts.reason === facts.state ? null : h("p", { class: "step-reason" }, first.facts.reason),
    h("p", { class: "step-facts" }, told.filter(Boolean).join(" · ")),
    renewals === 0 ? null : h("p", { class: "step-facts" }, `renewed ${count(renewals, "time")}, last at `, time(facts.at_ms, nowMs)),
    facts.suspect_from_ms === null ? null : suspects(transitions, latest, nowMs));
}

function suspects(transitions, transition, nowMs) {
  const { suspect_from_ms: fromMs, at_ms: closedMs } = transition.facts;
  const untilMs = suspectsUntil(transitions, transition);
  const until = untilMs === null ? ["the gate closed, at ", time(closedMs, nowMs)] : [time(untilMs, nowMs)];
  return h("p", { class: "suspects" }, "Suspect: labels that the model set from ", time(fromMs, nowMs), " until ", ...until, ".");
}

function time(ms, nowMs, className = null) {
  return h("time", { class: className, dateTime: new Date(ms).toISOString() }, moment(ms, nowMs));
}

