// Whole screens for the moments without a gate to show.

import { h } from "./dom.js";

const EXAMPLE = "policy: {kind: certified, alpha: 0.05, delta: 0.05}";

export function loading() {
  return h("div", { class: "screen" }, h("p", {}, "Asking learning how the gates stand …"));
}

export function noProject() {
  return h("section", { class: "screen" },
    h("h2", {}, "No project with policy certified yet"),
    h("p", {}, "A gate lets the model label alone only while evidence from people bears out that few of those labels are wrong. ",
      "To have one, a project asks for it in its file:"),
    h("pre", { tabIndex: 0 }, EXAMPLE),
    h("p", {}, "Here at most 5 % of the labels that the model sets alone may be wrong (alpha), with a probability of 95 % (1 − delta)."),
    h("ol", {},
      h("li", {}, "Apply it: ", h("code", {}, "streamlabel project apply FILE"), ". It appears here within seconds."),
      h("li", {}, "Send records. At first all of them go to people, half of them without the model’s answer: the calibration lane."),
      h("li", {}, "As people answer those, this page tells how many more answers it takes. Then the gate opens by itself.")));
}

// The first question of all has no answer yet.
export function unreachable(error) {
  return h("section", { class: "screen", role: "alert" },
    h("h2", {}, error.refused ? "Learning refuses this page" : "Learning is not there"),
    h("p", {}, error.message),
    h("p", {}, error.refused
      ? "It is asked again by itself once that is mended."
      : "It is asked again by itself. Whoever runs it finds the reason with “streamlabel status”, or at /readyz here."));
}
