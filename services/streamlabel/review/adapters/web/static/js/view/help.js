// The keys, and whether single characters count as keys.

import { legend } from "../keys.js";
import { memory } from "../memory.js";
import { h, icon } from "./dom.js";
import { name } from "./words.js";

export function openHelp(classes, hasFilter) {
  const ours = legend(classes, hasFilter).map(({ label, shown }) =>
    h("div", { class: "legend-row" }, h("dt", {}, ...shown.map((sign) => h("kbd", { class: "key" }, sign))), h("dd", {}, label)));
  const theirs = classes.filter((definition) => definition.key).map((definition) =>
    h("div", { class: "legend-row" }, h("dt", {}, h("kbd", { class: "key" }, definition.key)), h("dd", {}, name(definition.name))));
  const single = h("input", {
    type: "checkbox",
    id: "single-keys",
    checked: memory.singleKeys,
    onchange: () => { memory.singleKeys = single.checked; },
  });
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "help-title" },
    h("div", { class: "dialog-head" },
      h("h2", { id: "help-title", tabIndex: -1, autofocus: true }, "Keys"),
      h("button", { class: "button-quiet", type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
    h("dl", { class: "legend" }, ...ours),
    theirs.length > 0 ? h("h3", {}, "Classes") : null,
    theirs.length > 0 ? h("dl", { class: "legend legend-classes" }, ...theirs) : null,
    h("label", { class: "switch", htmlFor: "single-keys" }, single, " Single characters work as keys (turn off for voice control)"));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    // On the backdrop, outside the box.
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}
