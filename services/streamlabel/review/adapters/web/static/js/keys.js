// Which key does what. A class's own key wins over ours; each of our actions has another key that no class can take.

const OURS = [
  { action: "accept", keys: ["Enter", " "], shown: ["Enter", "Space"], label: "Accept the suggestion" },
  { action: "undo", keys: ["u", "Backspace"], shown: ["U", "⌫", "Ctrl Z"], label: "Take the last answer back" },
  { action: "skip", keys: ["s", "ArrowRight"], shown: ["S", "→"], label: "Skip, as you cannot tell: somebody else may answer" },
  { action: "reason", keys: ["r", "F2"], shown: ["R", "F2"], label: "Skip for a reason" },
  { action: "escalate", keys: ["e", "F4"], shown: ["E", "F4"], label: "Set aside for somebody who decides" },
  { action: "filter", keys: ["/"], shown: ["/"], label: "Find a class by typing" },
  { action: "help", keys: ["?", "F1"], shown: ["?", "F1"], label: "Show the keys" },
];

// Rows for the help: { shown, label }, without the keys that classes have taken.
export function legend(classes, hasFilter) {
  const taken = new Set(classes.map((definition) => definition.key).filter(Boolean));
  return OURS.filter(({ action }) => action !== "filter" || hasFilter).map(({ label, shown }) => ({
    label,
    shown: shown.filter((name) => !taken.has(name) && !taken.has(name.toLowerCase())),
  }));
}

// What a key press means: { action, className? }, or null. `classes` are those of the task on the table.
export function meaning(event, classes, { singleKeys }) {
  if (event.isComposing || event.altKey && !event.getModifierState("AltGraph")) return null;
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand && !event.getModifierState("AltGraph")) {
    return event.key.toLowerCase() === "z" && !event.shiftKey ? { action: "undo" } : null;
  }
  const isSingle = event.key.length === 1 && event.key !== " ";
  if (isSingle && !singleKeys) return null;
  const definition = classOfKey(event.key, classes);
  if (definition) return { action: "answer", className: definition.name };
  const ours = OURS.find(({ keys }) => keys.includes(event.key) || keys.includes(event.key.toLowerCase()));
  if (ours) return { action: ours.action };
  return isSingle ? { action: "type" } : null;
}

// Exactly, or in the other case where that is nobody else's: with caps lock on, "a" is still "a".
function classOfKey(key, classes) {
  const exact = classes.find((definition) => definition.key === key);
  if (exact || key.length !== 1) return exact;
  const other = key === key.toLowerCase() ? key.toUpperCase() : key.toLowerCase();
  return classes.find((definition) => definition.key === other);
}

// Whether the element under the focus wants this key for itself.
export function belongsToElement(event) {
  const target = event.target;
  if (!(target instanceof Element)) return false;
  if (target.closest("dialog")) return true;
  if (target.closest("input, textarea, select, [contenteditable]")) return true;
  return (event.key === "Enter" || event.key === " ") && target.closest("button, a, summary, [role=option]") !== null;
}
