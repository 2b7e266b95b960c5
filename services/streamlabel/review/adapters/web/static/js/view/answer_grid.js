// One button a class, for taxonomies small enough to see at once.

import { h, key, percent } from "./dom.js";
import { line, name } from "./words.js";

const GAP_PX = 8;
const LEAST_WIDTH_PX = { narrow: 58, medium: 170, wide: 250 };
// Where room is short there are no keys to show beside the names.
const SHORT_PX = 460;
const LEAST_SHORT_PX = { narrow: 50, medium: 132, wide: 250 };

export class AnswerGrid {
  #buttons = new Map();

  // `choose(className)` is called for each press.
  constructor(classes, choose) {
    const longest = Math.max(...classes.map((definition) => Array.from(definition.name).length));
    const width = longest <= 4 ? "narrow" : longest <= 16 ? "medium" : "wide";
    for (const definition of classes) this.#buttons.set(definition.name, buttonOf(definition, choose));
    this.node = h("div", { class: `answers answers-${width}`, role: "group", "aria-label": "Classes" }, ...this.#buttons.values());
    new ResizeObserver(([{ contentRect }]) => this.#arrange(contentRect.width, width)).observe(this.node);
  }

  // As many columns as fit, then no more than it takes for so many rows; what is over in the last row shares its width.
  #arrange(widthPx, width) {
    const leastPx = (widthPx < SHORT_PX ? LEAST_SHORT_PX : LEAST_WIDTH_PX)[width];
    const most = Math.max(1, Math.floor((widthPx + GAP_PX) / (leastPx + GAP_PX)));
    const rows = Math.ceil(this.#buttons.size / most);
    this.node.style.setProperty("--columns", Math.ceil(this.#buttons.size / rows));
  }

  // Marks the class that the model suggests; null for none.
  suggest(suggestion) {
    for (const [className, button] of this.#buttons) {
      const isSuggested = className === suggestion?.className;
      button.classList.toggle("answer-suggested", isSuggested);
      button.querySelector(".answer-share").textContent = isSuggested ? percent(suggestion.probability ?? 0) : "";
      if (isSuggested) button.setAttribute("aria-description", `Suggested by the model, ${percent(suggestion.probability ?? 0)}`);
      else button.removeAttribute("aria-description");
    }
  }

  set disabled(isDisabled) {
    for (const button of this.#buttons.values()) button.disabled = isDisabled;
  }

  // Shows where the key went.
  flash(className) {
    const button = this.#buttons.get(className);
    if (!button) return;
    button.classList.remove("answer-flash");
    requestAnimationFrame(() => button.classList.add("answer-flash"));
  }
}

function buttonOf(definition, choose) {
  const isOwnKey = definition.key === definition.name;
  return h("button", {
    class: "answer",
    type: "button",
    title: definition.description ? line(definition.description) : null,
    "aria-keyshortcuts": definition.key || null,
    onclick: (event) => choose(definition.name, event),
  },
  definition.key && !isOwnKey ? key(definition.key) : null,
  name(definition.name, { class: "answer-name" }),
  h("span", { class: "answer-share", "aria-hidden": "true" }));
}
