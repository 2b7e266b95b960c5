// Where a record comes from: its id, when it happened, what its producer wrote beside it.

import { h } from "./dom.js";
import { line, name, words } from "./words.js";

export function fillFacts(details, { recordId = "", eventAt, attributes = {} }) {
  const rows = Object.entries(attributes).map(([label, value]) => [name(label), words(value)]);
  rows.unshift(["Record", words(recordId)]);
  if (eventAt) rows.splice(1, 0, ["Happened", new Date(eventAt).toLocaleString("en-GB")]);
  details.replaceChildren(
    h("summary", {}, h("bdi", {}, line(recordId, 60))),
    h("dl", {}, ...rows.flatMap(([label, value]) => [h("dt", {}, label), h("dd", {}, h("bdi", {}, value))])));
}
