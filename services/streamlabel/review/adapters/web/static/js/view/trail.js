// The last answers, small, so that a slip is seen at once.

import { h } from "./dom.js";
import { words } from "./words.js";

const LONGEST = 6;

export class Trail {
  #steps = new Map();

  constructor() {
    this.node = h("ol", { class: "trail", "aria-label": "Your last answers" });
  }

  show(history) {
    const past = history.slice(-LONGEST);
    const wanted = new Set(past);
    for (const [entry, element] of this.#steps) {
      if (wanted.has(entry)) continue;
      element.remove();
      this.#steps.delete(entry);
    }
    for (const entry of past) {
      if (this.#steps.has(entry)) continue;
      const element = h("li", { class: "step" }, entry.item.media.thumb(), h("bdi", { class: "step-name" }, words(entry.className)));
      this.#steps.set(entry, element);
      this.node.append(element);
    }
  }

  fail(entry) {
    this.#steps.get(entry)?.classList.add("step-failed");
  }
}
