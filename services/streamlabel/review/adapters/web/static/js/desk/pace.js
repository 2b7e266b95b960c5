// How it goes: answers today, and answers per minute lately.

import { memory } from "../memory.js";

const WINDOW_MS = 120_000;
const LEAST_SPAN_MS = 15_000;

export class Pace {
  #annotator;
  #now;
  #times = [];

  constructor(annotator, now = () => Date.now()) {
    this.#annotator = annotator;
    this.#now = now;
  }

  count(step) {
    memory.countAnswer(this.#day, this.#annotator, step);
    if (step > 0) this.#times.push(this.#now());
    else this.#times.pop();
  }

  get today() {
    return memory.answersOn(this.#day, this.#annotator);
  }

  // Answers per minute over the last two; null until there is enough to say.
  get perMinute() {
    const now = this.#now();
    this.#times = this.#times.filter((time) => now - time < WINDOW_MS);
    if (this.#times.length < 3) return null;
    return (this.#times.length * 60_000) / Math.max(LEAST_SPAN_MS, now - this.#times[0]);
  }

  get #day() {
    const date = new Date(this.#now());
    const two = (number) => String(number).padStart(2, "0");
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  }
}
