// Answers on their way. They leave in order, in batches, again and again until the service has spoken about each;
// what has not left is kept in the browser, so a reload or a crash loses none.

import { Backoff, pause } from "../backoff.js";
import { memory } from "../memory.js";

const LARGEST_BATCH = 100;

export const Status = Object.freeze({
  ACCEPTED: "ANNOTATION_STATUS_ACCEPTED",
  DUPLICATE: "ANNOTATION_STATUS_DUPLICATE",
  SUPERSEDED: "ANNOTATION_STATUS_SUPERSEDED",
  REJECTED: "ANNOTATION_STATUS_REJECTED",
});

// Fires `change` whenever `unsent` or `trouble` change.
export class Outbox extends EventTarget {
  #call;
  #steps = [];
  #running = false;
  #backoff = new Backoff();
  // Task id → when its answer was taken, of the last ones.
  #arrived = new Map();
  #hurry = null;
  // Why the first step cannot leave; null while all is well.
  trouble = null;

  constructor(call) {
    super();
    this.#call = call;
  }

  get unsent() {
    return this.#steps.length;
  }

  // Of these, how many are answers.
  get unsentAnswers() {
    return this.#steps.filter((step) => step.kind !== "pass").length;
  }

  // Takes an answer to the task under `lease`; has the lease no token (an undo before it is fetching one), it waits for that.
  // Returns a step whose `done` resolves to { status, detail }.
  submit(annotator, answer, taskId, lease) {
    const step = settling({ kind: "submit", annotator, answer, taskId, lease, token: lease.token, sent: false });
    step.undoes = step.token ? undefined : this.#undoUnder(lease)?.annotationId;
    keep(step);
    this.#add(step);
    return step;
  }

  // The task has been leased to the same person anew, by a call begun at `askedAt`. True where that is no new question:
  // an answer that has not arrived yet goes under the new lease, one that has arrived since crossed with the call.
  reclaim(taskId, token, askedAt) {
    if (this.#arrived.get(taskId) >= askedAt) return true;
    const step = this.#steps.find((candidate) => candidate.kind === "submit" && candidate.token && candidate.taskId === taskId);
    if (!step) return false;
    step.token = token;
    keep(step);
    return true;
  }

  // Takes an answer back that has left; `lease` gets the new token, `done` resolves to the leased task or rejects.
  takeBack(annotator, annotationId, lease) {
    const step = settling({ kind: "undo", annotator, annotationId, lease, sent: false });
    this.#add(step);
    return step;
  }

  // Ends a lease without an answer: `method` is SkipTask or EscalateTask, `how` the rest of its message. `done` resolves also where
  // the lease was gone already: then the task is somebody else's anyway.
  passOn(annotator, method, lease, how) {
    const step = settling({ kind: "pass", annotator, method, lease, how, sent: false });
    this.#add(step);
    return step;
  }

  // Removes a step that has not been tried yet; false where it is too late for that.
  cancel(step) {
    const place = this.#steps.indexOf(step);
    if (place < 0 || step.sent) return false;
    this.#steps.splice(place, 1);
    memory.forgetUnsent(step.answer.annotationId);
    this.#changed();
    return true;
  }

  // Sends what an earlier page left behind.
  adopt(entries) {
    for (const { annotation, annotator, taskId, undoes } of entries) {
      const { leaseToken, ...answer } = annotation;
      const lease = { token: leaseToken ?? null };
      // It was given while the answer before it was still being taken back: that comes first again. What becomes of it shows
      // in the answer's own end.
      if (!leaseToken && undoes) this.takeBack(annotator, undoes, lease).done.catch(() => {});
      this.submit(annotator, answer, taskId, lease);
    }
  }

  tryNow() {
    this.#hurry?.abort();
  }

  // The page goes: one last attempt that outlives it. What it does not deliver is in the browser's memory.
  flushOnLeave() {
    for (const step of this.#steps) {
      if (step.kind === "pass" && step.lease.token) this.#call(step.method, passing(step), { keepalive: true }).catch(() => {});
      if (step.kind !== "submit" || !step.token) continue;
      const message = { annotator: step.annotator, annotations: [wire(step)] };
      this.#call("SubmitAnnotations", message, { keepalive: true }).catch(() => {});
    }
  }

  #undoUnder(lease) {
    return this.#steps.find((step) => step.kind === "undo" && step.lease === lease);
  }

  #add(step) {
    this.#steps.push(step);
    this.#changed();
    this.#run();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    // Let the picture change first: sending can wait for the frame.
    await Promise.resolve();
    while (this.#steps.length > 0) {
      try {
        const [first] = this.#steps;
        if (first.kind === "undo") await this.#sendUndo(first);
        else if (first.kind === "pass") await this.#sendPass(first);
        else await this.#sendAnswers();
      } catch (error) {
        await this.#rest(error);
      }
    }
    this.#running = false;
  }

  async #rest(error) {
    const delayMs = this.#backoff.next(error.retryAfterMs);
    this.trouble = { error, nextTryAt: Date.now() + delayMs };
    this.#changed();
    this.#hurry = new AbortController();
    await pause(delayMs, this.#hurry.signal);
    this.#hurry = null;
  }

  async #sendUndo(step) {
    step.sent = true;
    try {
      const message = { annotator: step.annotator, annotationId: step.annotationId };
      const leased = (await this.#call("UndoAnnotation", message)).task;
      const { lease } = leased;
      step.lease.token = lease.leaseToken;
      // An answer given meanwhile waits for just this token.
      for (const next of this.#steps) {
        if (next.kind !== "submit" || next.lease !== step.lease || next.token) continue;
        next.token = lease.leaseToken;
        keep(next);
      }
      this.#settle(step, () => step.resolve(leased));
    } catch (error) {
      if (error.isPassing) throw error;
      this.#settle(step, () => step.reject(error));
    }
  }

  async #sendPass(step) {
    step.sent = true;
    let answer = {};
    try {
      if (step.lease.token) answer = await this.#call(step.method, passing(step));
    } catch (error) {
      if (error.isPassing) throw error;
    }
    this.#settle(step, () => step.resolve(answer));
  }

  async #sendAnswers() {
    const batch = this.#batch();
    if (batch.length === 0) return;
    for (const step of batch) step.sent = true;
    let results;
    try {
      const message = { annotator: batch[0].annotator, annotations: batch.map(wire) };
      ({ results = [] } = await this.#call("SubmitAnnotations", message));
    } catch (error) {
      if (error.isPassing) throw error;
      if (batch.length > 1) {
        // One of them spoils it for all: find out which.
        this.#alone = batch.length;
        return;
      }
      results = [{ annotationId: batch[0].answer.annotationId, status: Status.REJECTED, detail: error.message }];
    }
    const verdicts = new Map(results.map((result) => [result.annotationId, result]));
    for (const step of batch) {
      const verdict = verdicts.get(step.answer.annotationId);
      const status = verdict?.status ?? Status.ACCEPTED;
      if (status === Status.ACCEPTED || status === Status.DUPLICATE) this.#remember(step.taskId);
      this.#settle(step, () => step.resolve({ status, detail: verdict?.detail ?? "", wonAt: verdict?.winningAnnotation?.answeredAt }));
    }
  }

  #remember(taskId) {
    this.#arrived.delete(taskId);
    this.#arrived.set(taskId, performance.now());
    if (this.#arrived.size > LARGEST_BATCH) this.#arrived.delete(this.#arrived.keys().next().value);
  }

  // How many of the next answers must go one by one.
  #alone = 0;

  // The leading answers of one annotator; those whose lease could not be had again are settled on the way.
  #batch() {
    const batch = [];
    const largest = this.#alone > 0 ? 1 : LARGEST_BATCH;
    if (this.#alone > 0) this.#alone -= 1;
    for (const step of [...this.#steps]) {
      if (step.kind !== "submit" || batch.length === largest || step.annotator !== (batch[0] ?? step).annotator) break;
      if (step.token) batch.push(step);
      else this.#settle(step, () => step.resolve({ status: Status.REJECTED, detail: "The task could not be had back." }));
    }
    return batch;
  }

  #settle(step, tell) {
    const place = this.#steps.indexOf(step);
    if (place >= 0) this.#steps.splice(place, 1);
    if (step.kind === "submit") memory.forgetUnsent(step.answer.annotationId);
    this.#backoff.reset();
    this.trouble = null;
    this.#changed();
    tell();
  }
}

function keep(step) {
  const { annotator, taskId, undoes } = step;
  memory.keepUnsent({ annotation: wire(step), annotator, taskId, ...(step.token ? {} : { undoes }) });
}

function passing({ annotator, lease, how }) {
  return { annotator, leaseToken: lease.token, ...how };
}

function wire(step) {
  return { ...step.answer, leaseToken: step.token };
}

function settling(step) {
  step.done = new Promise((resolve, reject) => Object.assign(step, { resolve, reject }));
  return step;
}
