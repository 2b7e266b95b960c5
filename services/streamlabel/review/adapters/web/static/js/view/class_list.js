// Many classes: a field to type into and a list under it, worked by keyboard alone (the combobox pattern of ARIA).

import { announceLater } from "./announcer.js";
import { ClassSearch } from "./class_search.js";
import { h, icon, key, number, percent } from "./dom.js";
import { line, name } from "./words.js";

const MOST_SHOWN = 300;
const MOST_RECENT = 20;

export class ClassList {
  #search;
  #choose;
  #recent = [];
  #suggestion = null;
  // What can be chosen now, as drawn: { className, element }.
  #options = [];
  #active = -1;
  // The list was worked since the task came: an Enter now is meant for this task, however soon.
  #isWorked = false;
  #byName = new Map();
  #count;

  // `choose(className, event, isMeant)` is called for each choice.
  constructor(classes, choose) {
    this.#search = new ClassSearch(classes);
    this.#choose = choose;
    this.#count = classes.length;
    classes.forEach((definition, place) => this.#byName.set(definition.name, this.#optionOf(definition, place)));
    this.input = h("input", {
      class: "filter-input",
      type: "text",
      role: "combobox",
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: false,
      placeholder: `Filter ${number(classes.length)} classes`,
      enterKeyHint: "done",
      "aria-label": `Filter ${number(classes.length)} classes`,
      "aria-controls": "class-list",
      "aria-expanded": "true",
      "aria-autocomplete": "list",
      oninput: () => this.#onInput(),
      onkeydown: (event) => this.#onKey(event),
    });
    this.suggested = h("li", { class: "option option-suggested", role: "option", id: "option-suggested" });
    this.suggested.addEventListener("click", (event) => this.#suggestion && this.#pick(this.#suggestion.className, event));
    this.list = h("ul", { class: "options", id: "class-list", role: "listbox", "aria-label": "Classes" });
    this.more = h("p", { class: "options-more", hidden: true });
    this.node = h("div", { class: "class-list" },
      h("div", { class: "filter" }, icon("search"), this.input, key("/")),
      this.list,
      this.more);
    this.#draw();
  }

  get isEmpty() {
    return this.input.value === "";
  }

  suggest(suggestion) {
    this.#suggestion = suggestion;
    this.#isWorked = false;
    this.input.value = "";
    this.#draw();
    this.list.scrollTop = 0;
  }

  set disabled(isDisabled) {
    this.node.inert = isDisabled;
  }

  focus() {
    this.input.focus({ preventScroll: true });
  }

  flash(className) {
    this.#recent = [className, ...this.#recent.filter((other) => other !== className)].slice(0, MOST_RECENT);
  }

  #optionOf(definition, place) {
    const element = h("li", {
      class: "option",
      role: "option",
      id: `option-${place}`,
      title: definition.description ? line(definition.description) : null,
      onclick: (event) => this.#pick(definition.name, event),
    }, name(definition.name, { class: "option-name" }), definition.key ? key(definition.key) : null);
    return element;
  }

  #onInput() {
    this.#isWorked = true;
    const count = this.#draw();
    if (this.isEmpty) announceLater(`All ${number(this.#count)} classes.`);
    else announceLater(count === 0 ? `None of the ${number(this.#count)} classes fits.` : `${number(count)} of ${number(this.#count)} classes.`);
  }

  // Returns how many classes fit.
  #draw() {
    const found = this.#search.find(this.input.value, this.#recent);
    const shown = found.slice(0, MOST_SHOWN);
    this.#options = shown.map(({ name: className }) => ({ className, element: this.#byName.get(className) }));
    if (this.#suggestion && this.isEmpty) {
      const { className, probability = 0 } = this.#suggestion;
      this.suggested.replaceChildren(
        h("span", { class: "option-tag" }, `Suggested · ${percent(probability)}`),
        name(className, { class: "option-name" }),
        key("↵"));
      this.#options.unshift({ className, element: this.suggested });
    }
    arrange(this.list, this.#options.map(({ element }) => element));
    this.#tellRest(found.length);
    this.#activate(this.#options.length > 0 && (!this.isEmpty || this.#suggestion) ? 0 : -1);
    return found.length;
  }

  #tellRest(count) {
    const rest = count - Math.min(count, MOST_SHOWN);
    this.more.hidden = count > 0 && rest === 0;
    // What is left to say stands right under the field then.
    this.list.hidden = count === 0;
    this.input.setAttribute("aria-expanded", String(count > 0));
    this.more.classList.toggle("options-none", count === 0);
    if (count > 0) this.more.textContent = `${number(rest)} more: type to narrow them down.`;
    else {
      this.more.replaceChildren(
        `None of the ${number(this.#count)} classes fits.`,
        h("span", { class: "options-way-out" }, " Esc clears the filter."));
    }
  }

  #activate(place) {
    this.#options[this.#active]?.element.removeAttribute("aria-selected");
    for (const { element } of this.#options) element.classList.remove("option-active");
    this.#active = place;
    const option = this.#options[place];
    if (!option) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    option.element.classList.add("option-active");
    option.element.setAttribute("aria-selected", "true");
    option.element.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", option.element.id);
  }

  #onKey(event) {
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    const last = this.#options.length - 1;
    const moves = {
      ArrowDown: () => this.#activate(Math.min(last, this.#active + 1)),
      ArrowUp: () => this.#activate(Math.max(0, this.#active - 1)),
      PageDown: () => this.#activate(Math.min(last, this.#active + 8)),
      PageUp: () => this.#activate(Math.max(0, this.#active - 8)),
      Enter: () => !event.repeat && this.#options[this.#active] && this.#pick(this.#options[this.#active].className, event),
    };
    if (event.key === "Escape") {
      // First the text goes, then the focus.
      if (this.isEmpty) this.input.blur();
      else this.input.value = "";
      this.#draw();
    } else if (moves[event.key]) {
      if (event.key !== "Enter") this.#isWorked = true;
      moves[event.key]();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  #pick(className, event) {
    this.#choose(className, event, event.type === "keydown" && this.#isWorked);
  }
}

// Makes `elements` the children of `list`, in this order; those that stay are not touched, so nothing is read out again.
function arrange(list, elements) {
  const wanted = new Set(elements);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  let place = list.firstElementChild;
  for (const element of elements) {
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
  }
}
