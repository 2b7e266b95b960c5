// What figures are called and how they are written.

const whole = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const shortClock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });

// By state: its word, and what it means for labels.
export const STATES = {
  cold: { word: "Cold", means: "There is no certificate yet: people label everything." },
  certified: { word: "Certified", means: "The model labels alone what it is sure enough of; people label the rest." },
  suspended: { word: "Suspended", means: "What was certified may hold no longer: people label everything until there is new evidence." },
  revoked: { word: "Revoked", means: "The model erred too often: people label everything until there is new evidence." },
};

export function number(value) {
  return whole.format(value);
}

// A share with as many digits as say something: 0.05 → “5 %”, 0.0314 → “3.1 %”, 0.004 → “0.4 %”, 0.00021 → “0.021 %”. It breaks into no two lines.
export function percent(share) {
  const value = share * 100;
  if (value === 0) return "0\u00a0%";
  let digits = value >= 10 ? 1 : value >= 0.1 ? 2 : 3;
  // Hardly anything less than all is not all.
  while (share < 1 && digits < 6 && Number(value.toFixed(digits)) >= 100) digits += 1;
  const text = value >= 10 ? value.toFixed(digits) : Number(value.toPrecision(digits)).toString();
  return `${text.includes(".") ? text.replace(/\.?0+$/, "") : text}\u00a0%`;
}

export function score(value) {
  return value === null || value === undefined ? "nothing passes" : value.toFixed(4);
}

export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

// The time of day, with the day where it is not today's.
export function moment(ms, nowMs) {
  const when = new Date(ms);
  const today = when.toDateString() === new Date(nowMs).toDateString();
  return today ? clock.format(when) : `${day.format(when)}, ${clock.format(when)}`;
}

// For the time axis: the day, where it begins; else the time of day, with seconds where a tick needs them.
export function tick(ms, spanMs) {
  const when = new Date(ms);
  if (when.getHours() === 0 && when.getMinutes() === 0 && when.getSeconds() === 0) return day.format(when);
  return spanMs < 180_000 ? clock.format(when) : shortClock.format(when);
}

// How long ago: “12 s”, “3 min”, “5 h”, “4 days”.
export function age(durationMs) {
  const seconds = Math.max(0, Math.round(durationMs / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

// “About n more answers until certified”, by what the service estimates.
export function needed(point) {
  if (point.answers_needed === null) {
    return { value: "No number", note: "of answers would do as the model is now: allow more errors (a larger alpha), or find a better model", words: true };
  }
  if (point.answers_needed === 0 || point.state === "certified") return { value: "Certified", note: "no answer is wanted for that", words: true };
  const note = `more ${point.answers_needed === 1 ? "answer" : "answers"} of the calibration lane until certified, `
    + (point.evidence === 0 ? "were the model never wrong" : "by the errors so far");
  const told = inWords(point);
  return { value: told[0].toUpperCase() + told.slice(1), note, words: true };
}

// “about 130”, “at least 59” without evidence, “more than 10,000”: as `gate/answers_wanted.py` has it, for it is a guess by few errors.
function inWords({ answers_needed: wanted, evidence }) {
  if (wanted > 10_000) return `more than ${number(10_000)}`;
  const unit = 10 ** Math.max(0, String(wanted).length - 2);
  return `${evidence === 0 ? "at least" : "about"} ${number(Math.ceil(wanted / unit) * unit)}`;
}

// The same as one short line, for the list of projects.
export function shortly(point, fault = null) {
  if (fault) return `no gate is kept: ${fault}`;
  if (point === null) return "not looked at yet";
  if (point.state === "certified") return `labels ${percent(point.coverage)} alone, bound ${percent(point.bound)}`;
  if (point.answers_needed === null) return "no number of answers would do as the model is now";
  return `${inWords(point)} more ${point.answers_needed === 1 ? "answer" : "answers"} until certified`;
}
