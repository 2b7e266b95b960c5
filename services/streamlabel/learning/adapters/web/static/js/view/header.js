// The line on top: what this is, as of when, and the theme.

import { moment } from "../words.js";
import { h, icon, tell } from "./dom.js";

const KEY = "streamlabel.theme";
const THEMES = [
  { theme: "", sign: "auto", label: "Theme: as the system" },
  { theme: "light", sign: "sun", label: "Theme: light" },
  { theme: "dark", sign: "moon", label: "Theme: dark" },
];

export class Header {
  #theme = remembered();

  constructor() {
    this.asOf = h("time", {});
    this.button = h("button", { class: "button-quiet", type: "button", onclick: () => this.#turnTheme() });
    this.line = h("p", { class: "header-as-of", hidden: true }, h("span", { class: "header-as-of-words" }, "As of "), this.asOf);
    document.getElementById("header").append(
      h("img", { src: "/gate/assets/icon.svg", alt: "Streamlabel", width: 24, height: 24 }),
      h("h1", {}, "Gates"),
      this.line,
      this.button,
    );
    this.#drawTheme();
  }

  showTime(ms) {
    this.line.hidden = false;
    this.asOf.dateTime = new Date(ms).toISOString();
    tell(this.asOf, moment(ms, Date.now()));
  }

  #turnTheme() {
    const place = THEMES.findIndex(({ theme }) => theme === this.#theme);
    this.#theme = THEMES[(place + 1) % THEMES.length].theme;
    try {
      if (this.#theme) localStorage.setItem(KEY, this.#theme);
      else localStorage.removeItem(KEY);
    } catch {
      // Storage is shut: it lasts as long as the page.
    }
    this.#drawTheme();
  }

  #drawTheme() {
    const { theme, sign, label } = THEMES.find((entry) => entry.theme === this.#theme) ?? THEMES[0];
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    this.button.replaceChildren(icon(sign));
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
  }
}

function remembered() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
