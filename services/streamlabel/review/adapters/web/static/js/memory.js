// What this browser remembers: name, theme, habits, today's count, and answers that have not arrived yet.
// Storage may be shut (private windows, policies): then it lasts as long as the page.

const PREFIX = "streamlabel.";
const UNSENT = "unsent.";
const fallback = new Map();
// What all tabs know, and what each tab knows for itself as long as it lasts, reloads included.
const allTabs = () => localStorage;
const thisTab = () => sessionStorage;

function read(key, storage = allTabs) {
  try {
    return storage().getItem(PREFIX + key);
  } catch {
    return fallback.get(key) ?? null;
  }
}

function write(key, value, storage = allTabs) {
  try {
    if (value === null) storage().removeItem(PREFIX + key);
    else storage().setItem(PREFIX + key, value);
  } catch {
    if (value === null) fallback.delete(key);
    else fallback.set(key, value);
  }
}

function pastKey(annotator, project) {
  return `past.${project}\n${annotator}`;
}

export const memory = {
  get annotator() {
    return read("annotator") ?? "";
  },
  set annotator(name) {
    write("annotator", name || null);
  },

  // "light", "dark" or "" for the system's.
  get theme() {
    return read("theme") ?? "";
  },
  set theme(theme) {
    write("theme", theme || null);
  },

  // Single characters answer tasks; people who dictate turn this off.
  get singleKeys() {
    return read("single-keys") !== "off";
  },
  set singleKeys(on) {
    write("single-keys", on ? null : "off");
  },

  // Whether the details of records are open.
  get showsFacts() {
    return read("facts") === "open";
  },
  set showsFacts(open) {
    write("facts", open ? "open" : null);
  },

  // How many answers `annotator` gave on `day` (YYYY-MM-DD), all tabs together.
  answersOn(day, annotator) {
    const [storedDay, storedName, count] = (read("today") ?? "").split("\n");
    return storedDay === day && storedName === annotator ? Number(count) || 0 : 0;
  },
  countAnswer(day, annotator, step) {
    write("today", [day, annotator, Math.max(0, this.answersOn(day, annotator) + step)].join("\n"));
  },

  // The last answers that `annotator` gave to `project` in this tab, the oldest first: { annotationId, className }.
  pastAnswers(annotator, project) {
    try {
      return JSON.parse(read(pastKey(annotator, project), thisTab)) ?? [];
    } catch {
      return [];
    }
  },
  keepPastAnswers(annotator, project, answers) {
    write(pastKey(annotator, project), answers.length > 0 ? JSON.stringify(answers) : null, thisTab);
  },

  keepUnsent(entry) {
    write(UNSENT + entry.annotation.annotationId, JSON.stringify(entry));
  },
  forgetUnsent(annotationId) {
    write(UNSENT + annotationId, null);
  },
  // Answers that an earlier page could not send; sending one twice does no harm, each has its id.
  unsent() {
    try {
      return Object.keys(localStorage)
        .filter((key) => key.startsWith(PREFIX + UNSENT))
        .map((key) => JSON.parse(localStorage.getItem(key)));
    } catch {
      return [];
    }
  },
};
