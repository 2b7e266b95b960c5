// Finding one class among many by a few letters of its name.

const CONTAINED = 3;
// Only within what another word of the query has found: "ar" of "card ar" in "card".
const OVERLAPPING = 2;
const FOLDS = /[\s_\-/.:]+/gu;

// How names are compared: no case, no accents, separators as spaces.
export function folded(text) {
  return text.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase().replaceAll(FOLDS, " ").trim();
}

export class ClassSearch {
  #entries;

  constructor(classes) {
    this.#entries = classes.map((definition, order) => ({
      definition,
      order,
      name: folded(definition.name),
      description: folded(definition.description ?? ""),
    }));
  }

  // The classes that fit every word of `query`, best first; `recent` (names, latest first) breaks ties. All, where it is empty.
  find(query, recent = []) {
    // The longest first: what they find is not found by a shorter one again.
    const wanted = folded(query).split(" ").filter(Boolean).sort((a, b) => b.length - a.length);
    if (wanted.length === 0) return this.#entries.map(({ definition }) => definition);
    const found = [];
    for (const entry of this.#entries) {
      const taken = [];
      const scores = wanted.map((word) => score(entry, word, taken));
      const least = Math.min(...scores);
      if (least > 0) found.push({ entry, least, total: scores.reduce((sum, value) => sum + value, 0) });
    }
    // Loose matches (within another word's, letters in order, words of the description) count only where there is nothing better.
    const tight = found.filter(({ least }) => least >= CONTAINED);
    const kept = tight.length > 0 ? tight : found;
    const recency = new Map(recent.map((name, place) => [name, place]));
    const placeOf = ({ entry }) => recency.get(entry.definition.name) ?? Infinity;
    const byRecency = (a, b) => (placeOf(a) === placeOf(b) ? 0 : placeOf(a) - placeOf(b));
    kept.sort((a, b) => b.total - a.total || byRecency(a, b) || a.entry.order - b.entry.order);
    return kept.map(({ entry }) => entry.definition);
  }
}

// How well `word` fits; `taken` are the places in the name that other words have, and gets the one that this word has.
function score({ name, description }, word, taken) {
  const places = placesOf(word, name);
  const free = places.filter((place) => taken.every(({ from, to }) => place >= to || place + word.length <= from));
  const best = free.find((place) => isWordStart(name, place)) ?? free[0];
  if (best !== undefined) {
    taken.push({ from: best, to: best + word.length });
    if (name === word) return 8;
    return best === 0 ? 5 : isWordStart(name, best) ? 4 : CONTAINED;
  }
  if (places.length > 0) return OVERLAPPING;
  if (word.length >= 3 && isSubsequence(word, name)) return 1;
  return description.includes(word) ? 0.5 : 0;
}

function placesOf(word, name) {
  const places = [];
  for (let place = name.indexOf(word); place >= 0; place = name.indexOf(word, place + 1)) places.push(place);
  return places;
}

function isWordStart(name, place) {
  return place === 0 || name[place - 1] === " ";
}

function isSubsequence(word, name) {
  let from = 0;
  for (const letter of word) {
    from = name.indexOf(letter, from) + 1;
    if (from === 0) return false;
  }
  return true;
}
