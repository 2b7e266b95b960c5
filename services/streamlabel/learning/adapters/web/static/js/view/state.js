// A state as a sign with its word.

import { STATES } from "../words.js";
import { h, icon } from "./dom.js";

export function statePill(state) {
  return h("span", { class: `state state-${state}` }, icon(state), STATES[state].word);
}
