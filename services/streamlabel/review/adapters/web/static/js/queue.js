// How much waits: asked for every few seconds while somebody looks at the page.

const PERIOD_MS = 5_000;
// The service may answer with what it knew so long ago.
const SERVICE_AGE_MS = 1_000;

// Fires `change` when `queues` (project name → stats) have come.
export class QueueWatch extends EventTarget {
  #call;
  #timer = null;
  // Somebody wants to know at this time, at the latest.
  #wantedAt = 0;
  queues = new Map();
  // At this time the queues were as they are told, or later.
  trueAt = 0;

  constructor(call) {
    super();
    this.#call = call;
    document.addEventListener("visibilitychange", () => this.#schedule(0));
  }

  start() {
    this.#schedule(0);
  }

  // Asks as soon as the answer tells of now.
  askForNow() {
    // A little later, as clocks of browsers are coarse.
    const delayMs = SERVICE_AGE_MS + 20;
    this.#wantedAt = performance.now() + delayMs;
    this.#schedule(delayMs);
  }

  async #ask() {
    const askedAt = performance.now();
    try {
      const { queues = [] } = await this.#call("GetQueueStats", {});
      this.trueAt = askedAt - SERVICE_AGE_MS;
      this.queues = new Map(queues.map((stats) => [stats.project, readable(stats)]));
      this.dispatchEvent(new Event("change"));
    } catch {
      // Depth is a nicety; what matters tells of its own trouble.
    }
    this.#schedule(this.#wantedAt > askedAt ? Math.max(0, this.#wantedAt - performance.now()) : PERIOD_MS);
  }

  #schedule(delayMs) {
    clearTimeout(this.#timer);
    if (document.visibilityState === "visible") this.#timer = setTimeout(() => this.#ask(), delayMs);
  }
}

// 64-bit numbers travel as strings, zeros not at all.
function readable(stats) {
  // What wants another person besides waits for nobody in particular; and nobody is to learn from a number that others check.
  const waiting = Math.max(0, Number(stats.openTasks ?? 0) - Number(stats.begunTasks ?? 0));
  return {
    open: waiting,
    leased: Number(stats.leasedTasks ?? 0),
    answered: Number(stats.answeredTasks ?? 0),
    oldestAt: waiting && stats.oldestAt ? Date.parse(stats.oldestAt) : null,
    answersPerMinute: stats.answersPerMinute ?? 0,
  };
}
