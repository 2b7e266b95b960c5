// How much waits: asked for every few seconds while somebody looks at the page.

const PERIOD_MS = 5_000;

// Fires `change` when `queues` (project name → stats) have come.
export class QueueWatch extends EventTarget {
  #call;
  #timer = null;
  queues = new Map();

  constructor(call) {
    super();
    this.#call = call;
    document.addEventListener("visibilitychange", () => this.#schedule(0));
  }

  start() {
    this.#schedule(0);
  }

  async #ask() {
    try {
      const { queues = [] } = await this.#call("GetQueueStats", {});
      this.queues = new Map(queues.map((stats) => [stats.project, readable(stats)]));
      this.dispatchEvent(new Event("change"));
    } catch {
      // Depth is a nicety; what matters tells of its own trouble.
    }
    this.#schedule(PERIOD_MS);
  }

  #schedule(delayMs) {
    clearTimeout(this.#timer);
    if (document.visibilityState === "visible") this.#timer = setTimeout(() => this.#ask(), delayMs);
  }
}

// 64-bit numbers travel as strings, zeros not at all.
function readable(stats) {
  return {
    open: Number(stats.openTasks ?? 0),
    leased: Number(stats.leasedTasks ?? 0),
    answered: Number(stats.answeredTasks ?? 0),
    oldestAt: stats.oldestAt ? Date.parse(stats.oldestAt) : null,
    answersPerMinute: stats.answersPerMinute ?? 0,
  };
}
