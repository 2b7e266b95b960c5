// The line on top: where one is, how it goes, and the few switches.

import { memory } from "../memory.js";
import { h, icon, number } from "./dom.js";
import { line } from "./words.js";

const THEMES = [
  { theme: "", sign: "auto", label: "Theme: as the system" },
  { theme: "light", sign: "sun", label: "Theme: light" },
  { theme: "dark", sign: "moon", label: "Theme: dark" },
];

export class Header {
  // `act` holds what the buttons do: { projects, person, help }.
  constructor(act) {
    this.project = h("button", { class: "header-project", type: "button", onclick: act.projects, hidden: true });
    this.waiting = h("span", { class: "stat" });
    this.done = h("span", { class: "stat" });
    this.rate = h("span", { class: "stat stat-rate" });
    this.person = h("button", { class: "button-quiet header-person", type: "button", onclick: act.person, hidden: true });
    this.theme = h("button", { class: "button-quiet", type: "button", onclick: () => this.#turnTheme() });
    this.help = h("button", { class: "button-quiet header-help", type: "button", "aria-label": "Keys", title: "Keys (?)", onclick: act.help }, icon("keys"));
    document.getElementById("header").append(
      h("h1", { class: "header-home" }, h("img", { src: "/assets/icon.svg", alt: "Streamlabel", width: 24, height: 24 })),
      this.project,
      h("div", { class: "header-stats" }, this.waiting, this.done, this.rate),
      this.person,
      this.help,
      this.theme,
    );
    this.#drawTheme();
  }

  showProject(project) {
    this.project.hidden = project === null;
    if (project) {
      this.project.replaceChildren(h("span", { class: "header-project-name" }, project.name), icon("chevron"));
      this.project.setAttribute("aria-label", `Project ${project.name}: choose another`);
    }
    document.title = project ? `${project.name} · Streamlabel` : "Streamlabel";
  }

  showPerson(annotator) {
    this.person.hidden = !annotator;
    this.person.replaceChildren(icon("person"), h("span", { class: "header-person-name" }, h("bdi", {}, line(annotator, 24))));
    this.person.setAttribute("aria-label", `You are ${line(annotator, 60)}: change the name`);
  }

  // `stats` null: not known (yet).
  showProgress({ stats, today, perMinute }) {
    fillStat(this.waiting, stats && number(stats.open), "waiting");
    fillStat(this.done, today === null ? null : number(today), "today");
    fillStat(this.rate, perMinute === null ? null : number(Math.round(perMinute)), "a minute");
    this.waiting.title = stats?.oldestAt ? `The oldest has waited ${age(stats.oldestAt)}` : "";
  }

  #turnTheme() {
    const place = THEMES.findIndex(({ theme }) => theme === memory.theme);
    memory.theme = THEMES[(place + 1) % THEMES.length].theme;
    this.#drawTheme();
  }

  #drawTheme() {
    const { theme, sign, label } = THEMES.find((entry) => entry.theme === memory.theme) ?? THEMES[0];
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    this.theme.replaceChildren(icon(sign));
    this.theme.setAttribute("aria-label", label);
    this.theme.title = label;
  }
}

function fillStat(element, value, label) {
  element.hidden = value === null || value === undefined;
  if (!element.hidden) element.replaceChildren(h("b", {}, value), ` ${label}`);
}

export function age(sinceMs) {
  const seconds = Math.max(0, Math.round((Date.now() - sinceMs) / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
