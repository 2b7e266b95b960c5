// All projects with a gate, where there is more than one: links, each with its state.

import { shortly } from "../words.js";
import { h } from "./dom.js";
import { statePill } from "./state.js";

export class Overview {
  #links = new Map();

  constructor() {
    this.list = h("ul", { class: "projects" });
    this.node = h("nav", { "aria-label": "Projects", hidden: true }, this.list);
  }

  show(projects, shownName) {
    this.node.hidden = projects.length < 2;
    const links = projects.map((project) => this.#link(project, project.project === shownName));
    this.#links = new Map(projects.map((project, place) => [project.project, links[place]]));
    if (links.some((link, place) => link.item !== this.list.children[place]) || this.list.children.length !== links.length) {
      this.list.replaceChildren(...links.map(({ item }) => item));
    }
  }

  // The same element as before, so that focus stays where it is.
  #link(project, isShown) {
    const { project: name, point, fault } = project;
    const link = this.#links.get(name) ?? newLink(name);
    const drawn = JSON.stringify([point?.state, shortly(point, fault), isShown]);
    if (drawn === link.drawn) return link;
    link.drawn = drawn;
    link.anchor.setAttribute("aria-current", String(isShown));
    link.pill.replaceChildren(...(point ? [statePill(point.state)] : []));
    link.facts.textContent = shortly(point, fault);
    return link;
  }
}

function newLink(name) {
  const pill = h("span", {});
  const facts = h("span", { class: "project-link-facts" });
  const anchor = h("a", { class: "project-link", href: `#${encodeURIComponent(name)}` },
    h("span", { class: "project-link-head" }, h("bdi", { class: "project-link-name" }, name), pill), facts);
  return { item: h("li", {}, anchor), anchor, pill, facts, drawn: null };
}
