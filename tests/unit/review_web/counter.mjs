// The counter of the service, for tests: tasks wait, are leased, given back, answered; and it can be away.

import { load } from "./pages.mjs";

const { Status } = await load("desk/outbox.js");
const { CallError } = await load("api.js");

export const leased = (number, lastsMs = 60_000) => ({
  lease: { taskId: `p/${number}`, leaseToken: `token-${number}`, lastsMs },
  task: { record: { recordId: `${number}` } },
});

export const away = () => new CallError("unavailable", "away", { retryAfterMs: 0 });

// A service with `tasks` waiting; notes what it was asked. `fail` is asked first and may throw.
export class Service {
  constructor(count, { lastsMs } = {}) {
    this.waiting = Array.from({ length: count }, (_, number) => leased(number, lastsMs));
    this.calls = [];
    this.fail = () => {};
    this.lost = [];
  }

  call = async (method, message, { signal } = {}) => {
    this.calls.push({ method, message });
    await this.fail(method, message);
    return this[method](message, signal);
  };

  asked(method) {
    return this.calls.filter((call) => call.method === method).map(({ message }) => message);
  }

  async LeaseTasks({ maxTasks, waitMs }, signal) {
    if (this.waiting.length === 0 && waitMs > 0) {
      await new Promise((resolve, reject) => {
        this.ring = resolve;
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    }
    return { tasks: this.waiting.splice(0, maxTasks) };
  }

  ReleaseLeases({ leaseTokens }) {
    // Free at once, and first in the queue again, as a strict order by priority would have it.
    this.waiting.unshift(...leaseTokens.map((token) => leased(Number(token.slice(6)))));
    return { released: leaseTokens.length };
  }

  ExtendLeases({ leaseTokens }) {
    const lost = leaseTokens.filter((token) => this.lost.includes(token));
    return { leases: leaseTokens.filter((token) => !lost.includes(token)).map((leaseToken) => ({ leaseToken })), lostLeaseTokens: lost };
  }

  SubmitAnnotations({ annotations }) {
    return { results: annotations.map(({ annotationId }) => ({ annotationId, status: Status.ACCEPTED })) };
  }

  UndoAnnotation() {
    return { task: { lease: { leaseToken: "token-again" } } };
  }
}
