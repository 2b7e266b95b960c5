// Why a task is not answered: asked where the one key for it does not say enough.

import { SkipReason } from "../desk/session.js";
import { memory } from "../memory.js";
import { h, icon } from "./dom.js";

const LONGEST_NOTE = 500;
const REASONS = [
  [SkipReason.CANNOT_TELL, "I cannot tell"],
  [SkipReason.BROKEN_RECORD, "The record is broken"],
  [SkipReason.NOT_MY_FIELD, "Not my field, or not my language"],
  [SkipReason.OTHER, "Another reason"],
];

// Asks for a reason, or for setting it aside; `chosen({ reason, note })` comes once, `reason` null for the latter. Not where it is closed.
export function openReasons(chosen) {
  open("Why do you skip it?", REASONS.map(([reason, label], place) => ({ reason, label, sign: String(place + 1) })).concat(
    { reason: null, label: "Set it aside for somebody who decides", sign: String(REASONS.length + 1) }), chosen, false);
}

// Asks for the note alone.
export function openSetAside(chosen) {
  open("Set it aside for somebody who decides", [{ reason: null, label: "Set aside", sign: "Ctrl ↵" }], chosen, true);
}

function open(title, choices, chosen, isNoteFirst) {
  const note = h("textarea", { class: "note", id: "pass-on-note", rows: 2, maxLength: LONGEST_NOTE, autofocus: isNoteFirst });
  const choose = (reason) => {
    dialog.close();
    chosen({ reason, note: note.value.trim() });
  };
  const buttons = choices.map(({ reason, label, sign }) =>
    h("button", { class: "button choice", type: "button", onclick: () => choose(reason) },
      h("kbd", { class: "key", "aria-hidden": "true" }, sign), h("span", {}, label)));
  const field = h("div", { class: "note-field" },
    h("label", { htmlFor: "pass-on-note" }, "What others should know (you may leave it empty)"), note);
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "pass-on-title" },
    h("div", { class: "dialog-head" },
      h("h2", { id: "pass-on-title", tabIndex: -1, autofocus: !isNoteFirst }, title),
      h("button", { class: "button-quiet", type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
    h("div", { class: "choices" }, ...(isNoteFirst ? [field, ...buttons] : [...buttons, field])));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    // On the backdrop, outside the box.
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (isNoteFirst && event.key === "Enter" && (event.ctrlKey || event.metaKey)) return choose(null);
    if (event.target === note || !memory.singleKeys || event.ctrlKey || event.metaKey || event.altKey) return;
    const choice = choices.find(({ sign }) => sign === event.key);
    if (!choice || event.repeat) return;
    event.preventDefault();
    choose(choice.reason);
  });
  document.body.append(dialog);
  dialog.showModal();
}
