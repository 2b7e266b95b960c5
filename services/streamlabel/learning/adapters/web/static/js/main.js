// Asks how the gates stand, again and again, and shows the last that is known. The project looked at stands in the address.

import { ask } from "./api.js";
import { extended } from "./course.js";
import { h } from "./view/dom.js";
import { Header } from "./view/header.js";
import { Overview } from "./view/overview.js";
import { ProjectView } from "./view/project.js";
import { SPANS } from "./view/course.js";
import * as screens from "./view/screens.js";
import { STATES, age, moment } from "./words.js";

const PERIOD_MS = 3_000;
const LONGEST_MS = 30_000;
// So often the whole course is asked for; in between, its latest point is put behind.
const COURSE_PERIOD_MS = 60_000;
// Points come every few seconds while learning works.
const SILENT_MS = 60_000;

class App {
  #main = document.getElementById("main");
  #announcer = document.getElementById("announcer");
  #header = new Header();
  #overview = new Overview();
  #notice = h("div", { class: "notice", role: "status", hidden: true });
  #place = h("div", {}, screens.loading());
  #projects = null;
  #nowMs = 0;
  #view = null;
  #span = SPANS[1];
  // Of the project looked at.
  #course = { name: null, span: null, points: [], askedMs: -Infinity };
  #transitions = { name: null, latest: undefined, rows: [] };
  #failures = 0;
  #timer = 0;
  #isAsking = false;
  #states = new Map();

  start() {
    this.#main.append(this.#notice, this.#overview.node, this.#place);
    addEventListener("hashchange", () => this.#hurry());
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
    this.#ask();
  }

  #hurry() {
    clearTimeout(this.#timer);
    if (!this.#isAsking) this.#ask();
    else this.#timer = 0;
  }

  async #ask() {
    this.#isAsking = true;
    const wanted = this.#wanted();
    try {
      await this.#learn();
      this.#failures = 0;
      this.#show(null);
    } catch (error) {
      if (error.name !== "AskError") throw error;
      this.#failures += 1;
      this.#show(error);
    } finally {
      this.#isAsking = false;
      const changed = wanted !== this.#wanted();
      const delayMs = changed ? 0 : Math.min(LONGEST_MS, PERIOD_MS * 2 ** Math.min(4, Math.max(0, this.#failures - 1)));
      // Nobody looks at a page in the background.
      this.#timer = setTimeout(() => (document.hidden ? this.#sleep() : this.#ask()), delayMs);
    }
  }

  #sleep() {
    this.#timer = setTimeout(() => (document.hidden ? this.#sleep() : this.#ask()), PERIOD_MS);
  }

  #wanted() {
    return `${location.hash} ${this.#span.name}`;
  }

  // What the page shows, all of it, or an AskError and nothing is changed.
  async #learn() {
    const { body, nowMs } = await ask("projects");
    const name = this.#nameIn(body.projects);
    if (name !== null) {
      const project = body.projects.find((each) => each.project === name);
      await this.#learnCourse(project, nowMs);
      await this.#learnTransitions(project);
    }
    this.#projects = body.projects;
    this.#nowMs = nowMs;
  }

  #nameIn(projects) {
    const named = decoded(location.hash.slice(1));
    const names = projects.map(({ project }) => project);
    return names.includes(named) ? named : (names[0] ?? null);
  }

  async #learnCourse({ project: name, point }, nowMs) {
    const known = this.#course;
    const sinceMs = Math.max(0, this.#span.ms === Infinity ? 0 : nowMs - this.#span.ms);
    const latest = point === null ? [] : [point];
    if (known.name === name && known.span === this.#span && nowMs - known.askedMs < COURSE_PERIOD_MS) {
      this.#course = { ...known, points: extended(known.points, latest, sinceMs) };
      return;
    }
    const { body } = await ask("course", { project: name, since_ms: Math.round(sinceMs) });
    this.#course = { name, span: this.#span, points: extended(body.points, latest, sinceMs), askedMs: nowMs };
  }

  async #learnTransitions({ project: name, point }) {
    const known = this.#transitions;
    const latest = point && `${point.state} ${point.reason} ${point.certificates} ${point.epoch}`;
    // Each look may certify anew: then the count of certificates is another one.
    if (known.name === name && known.latest === latest) return;
    const { body } = await ask("transitions", { project: name });
    this.#transitions = { name, latest, rows: body.transitions };
  }

  #show(error) {
    if (this.#projects === null) {
      this.#place.replaceChildren(screens.unreachable(error));
      return;
    }
    this.#showNotice(error);
    this.#header.showTime(this.#nowMs);
    const name = this.#nameIn(this.#projects);
    this.#overview.show(this.#projects, name);
    document.title = name === null ? "Gates · Streamlabel" : `${name} · Gates · Streamlabel`;
    if (name === null) this.#showNothing();
    else this.#showProject(this.#projects.find((each) => each.project === name));
    this.#announce();
  }

  #showNothing() {
    if (this.#place.dataset.shows === "nothing") return;
    this.#view = null;
    this.#place.dataset.shows = "nothing";
    this.#place.replaceChildren(screens.noProject());
  }

  #showProject(project) {
    const { project: name } = project;
    if (this.#view?.name !== name) {
      // Away from learning, of another project nothing is known but how it stands.
      this.#view = new ProjectView(name, this.#span, (span) => this.#choose(span));
      this.#place.dataset.shows = "project";
      this.#place.replaceChildren(this.#view.node);
    }
    const points = this.#course.name === name ? this.#course.points : [];
    const transitions = this.#transitions.name === name ? this.#transitions.rows : [];
    const firstMs = points[0]?.at_ms ?? this.#nowMs - PERIOD_MS;
    this.#view.show({ project, nowMs: this.#nowMs, points, fromMs: firstMs, transitions });
  }

  #choose(span) {
    this.#span = span;
    this.#hurry();
  }

  #showNotice(error) {
    const told = this.#trouble(error);
    this.#notice.hidden = told === null;
    const drawn = told?.join("\n") ?? "";
    if (this.#notice.dataset.drawn === drawn) return;
    this.#notice.dataset.drawn = drawn;
    this.#notice.replaceChildren(...(told ? [h("strong", {}, told[0]), told[1]] : []));
  }

  // What is the matter, and what that means; null where nothing is.
  #trouble(error) {
    if (error) {
      const asOf = `What stands here is as of ${moment(this.#nowMs, Date.now())}.`;
      const meaning = error.refused ? "" : " Gates that learning does not renew expire within minutes; then people label everything.";
      return [error.offline || error.refused ? error.message : `Learning does not answer: ${error.message}`, `${asOf}${meaning} It is asked again by itself.`];
    }
    const latest = Math.max(...this.#projects.map(({ point }) => point?.at_ms ?? 0));
    if (!(latest > 0) || this.#nowMs - latest < SILENT_MS) return null;
    return [
      `Nobody has looked at the gates for ${age(this.#nowMs - latest)}.`,
      "No learning process is at work, or it waits for something: see /readyz here. Gates expire meanwhile; then people label everything.",
    ];
  }

  // A change of state is said aloud; the figures in between are not.
  #announce() {
    for (const { project, point } of this.#projects) {
      if (point === null) continue;
      const before = this.#states.get(project);
      if (before && before !== point.state) this.#announcer.textContent = `The gate of ${project} is ${STATES[point.state].word.toLowerCase()}.`;
      this.#states.set(project, point.state);
    }
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

new App().start();
