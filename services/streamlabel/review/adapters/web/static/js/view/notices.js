// Short messages at the edge: what became of an answer, when it was not what the person expects.

import { h, icon } from "./dom.js";
import { line } from "./words.js";
import { announce } from "./announcer.js";

const LASTS_MS = 8_000;
const MOST = 3;

const TEXTS = {
  lost: ({ reason }) => LOST[reason] ?? "Your time for that task ran out, and somebody else has it. Here is the next one.",
  escalated: () => "Set aside for somebody who decides such tasks.",
  superseded: ({ past, wonAt }) => `Somebody answered first${at(wonAt)}. Your “${line(past.className, 40)}” is kept as a second opinion.`,
  rejected: ({ past, detail }) => `“${line(past.className, 40)}” was not taken: ${line(detail) || "the service refused it"}.`,
  "not-taken-back": ({ detail }) => `That answer could not be taken back: ${line(detail)}.`,
  "nothing-to-undo": () => "There is no answer to take back.",
  outdated: () => "The project has changed: its classes are new.",
};

const LOST = {
  LOST_REASON_ANSWERED: "Somebody else has answered that task meanwhile. Here is the next one.",
  LOST_REASON_WITHDRAWN: "That task was withdrawn: no answer to it is wanted any more.",
};

// When, in the words of this browser's clock; nothing where nobody knows.
function at(moment) {
  return moment ? `, at ${new Date(moment).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}` : "";
}

export class Notices {
  #place = document.getElementById("notices");

  show(notice) {
    const text = TEXTS[notice.kind](notice).replace(/\.\.$/, ".");
    const close = () => node.remove();
    const node = h("div", { class: `notice notice-${notice.kind}` },
      h("p", {}, text),
      h("button", { class: "button-quiet notice-close", type: "button", "aria-label": "Dismiss", onclick: close }, icon("close")));
    // The same once more is no second thing to read.
    for (const earlier of [...this.#place.children]) if (earlier.firstChild.textContent === text) earlier.remove();
    this.#place.append(node);
    while (this.#place.children.length > MOST) this.#place.firstChild.remove();
    announce(text);
    setTimeout(close, LASTS_MS);
  }
}
