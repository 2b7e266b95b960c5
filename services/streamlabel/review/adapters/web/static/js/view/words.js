// Foreign text as one can read it: nothing in it may steer how the page around it reads, and nothing in it stays unseen.

import { h } from "./dom.js";

// Control characters, and those that turn or hide text. Joiners and plain direction marks belong to scripts and stay.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b\u2028\u2029\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb]/u;
const UNSEEN_ALL = new RegExp(UNSEEN, "gu");

const NAMES = new Map([
  ["\u0000", "NUL"],
  ["\u0007", "BEL"],
  ["\u0008", "BS"],
  ["\u001b", "ESC"],
  ["\u000d", "CR"],
  ["\u007f", "DEL"],
  ["\u00ad", "SHY"],
  ["\u200b", "ZWSP"],
  ["\u202a", "LRE"],
  ["\u202b", "RLE"],
  ["\u202c", "PDF"],
  ["\u202d", "LRO"],
  ["\u202e", "RLO"],
  ["\u2060", "WJ"],
  ["\u2066", "LRI"],
  ["\u2067", "RLI"],
  ["\u2068", "FSI"],
  ["\u2069", "PDI"],
  ["\ufeff", "BOM"],
]);

// The text as nodes, each unseen character as a small mark with its name.
export function words(text) {
  const plain = text.replaceAll("\r\n", "\n");
  const fragment = document.createDocumentFragment();
  let from = 0;
  for (const match of plain.matchAll(UNSEEN_ALL)) {
    fragment.append(plain.slice(from, match.index), mark(match[0]));
    from = match.index + match[0].length;
  }
  fragment.append(plain.slice(from));
  return fragment;
}

// The text on one line, where no element can stand: titles, labels, what a screen reader says.
export function line(text, longest = 200) {
  const plain = text.replaceAll(UNSEEN_ALL, (character) => `⟨${nameOf(character)}⟩`).replaceAll(/\s+/g, " ").trim();
  const characters = Array.from(plain.slice(0, longest * 2 + 2));
  return characters.length > longest ? `${characters.slice(0, longest).join("")}…` : plain;
}

// A foreign name among our own words, with its own direction; it may break after its separators.
export function name(text, props = {}) {
  const parts = text.split(/(?<=[_/.:-])/u);
  const nodes = parts.flatMap((part, place) => (place > 0 ? [document.createElement("wbr"), words(part)] : [words(part)]));
  return h("bdi", props, ...nodes);
}

function mark(character) {
  const label = nameOf(character);
  return h("span", { class: "mark", title: `Invisible character ${codePoint(character)}` }, label);
}

function nameOf(character) {
  return NAMES.get(character) ?? codePoint(character);
}

function codePoint(character) {
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}
