// Waiting longer after each failure, with jitter, so that many pages do not come back in step.

const FIRST_MS = 500;
const LONGEST_MS = 15_000;

export class Backoff {
  #failures = 0;

  // How long to wait after one failure more; at least what the service asked for.
  next(leastMs = 0) {
    const capMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures++);
    return Math.max(leastMs, capMs * (0.5 + Math.random() / 2));
  }

  reset() {
    this.#failures = 0;
  }
}

// Resolves after `delayMs` (never by itself, where that is Infinity), or at once when `signal` aborts or the browser says that the network is back.
export function pause(delayMs, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = delayMs === Infinity ? 0 : setTimeout(done, delayMs);
    addEventListener("online", done);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}
