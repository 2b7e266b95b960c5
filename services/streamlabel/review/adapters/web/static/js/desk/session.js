// One person's work on one project: answer, skip, take back. Knows no DOM; the view listens and draws.

import { Hand } from "./hand.js";
import { Outbox, Status } from "./outbox.js";
import { memory } from "../memory.js";
import { Pace } from "./pace.js";
import { Presence, PresenceWatch } from "./presence.js";

const AHEAD = 3;
const LONGEST_HISTORY = 10;
// Nobody has seen and judged a picture in less: a second key so soon is a bounce of the first.
const LEAST_LOOK_MS = 100;
const FAILED_FOR_MS = 2_000;

export const SkipReason = Object.freeze({
  CANNOT_TELL: "SKIP_REASON_CANNOT_TELL",
  BROKEN_RECORD: "SKIP_REASON_BROKEN_RECORD",
  NOT_MY_FIELD: "SKIP_REASON_NOT_MY_FIELD",
  OTHER: "SKIP_REASON_OTHER",
});

export const State = Object.freeze({ LOADING: "loading", TASK: "task", EMPTY: "empty", AWAY: "away", TROUBLE: "trouble" });

// Fires `change` (what is on the table or the state), `progress` (outbox, counts) and `notice` (detail: see notices.js).
export class Session extends EventTarget {
  #call;
  #annotator;
  #project;
  #prepare;
  #hand = null;
  #presence = new PresenceWatch();
  outbox;
  pace;
  // Answers given here, oldest first: { item, className, annotationId, step, status }.
  history = [];
  // Answers given in this tab before the page was loaded anew, oldest first: { annotationId, className }.
  #earlier = [];

  constructor(call, { annotator, project, prepare, outbox = new Outbox(call) }) {
    super();
    this.#call = call;
    this.#annotator = annotator;
    this.#project = project;
    this.#prepare = prepare;
    this.outbox = outbox;
    this.pace = new Pace(annotator);
  }

  get current() {
    return this.#hand?.current ?? null;
  }

  // The answer that an undo would take back; null when there is none.
  get last() {
    return this.history.at(-1) ?? this.#earlier.at(-1) ?? null;
  }

  get upcoming() {
    return this.#hand?.items.slice(1) ?? [];
  }

  get trouble() {
    return this.#hand?.trouble ?? null;
  }

  get state() {
    if (this.#presence.state === Presence.AWAY) return State.AWAY;
    if (this.current) return State.TASK;
    if (this.trouble) return State.TROUBLE;
    return this.#hand?.isDry ? State.EMPTY : State.LOADING;
  }

  start() {
    this.#earlier = memory.pastAnswers(this.#annotator, this.#project);
    this.outbox.addEventListener("change", this.#progress);
    this.#presence.addEventListener("change", this.#presenceChanged);
    this.#presence.start();
    this.#takeHand();
  }

  stop({ leaving = false } = {}) {
    if (leaving) this.outbox.flushOnLeave();
    this.outbox.removeEventListener("change", this.#progress);
    this.#presence.removeEventListener("change", this.#presenceChanged);
    this.#presence.stop();
    this.#hand?.stop({ leaving });
    this.#hand = null;
  }

  // The view says that the task on the table can be seen now.
  shown(item) {
    item.shownAt ||= performance.now();
  }

  // False when there is nothing to answer yet, or when it is too soon to be meant and nothing tells that it is (`isMeant`).
  answer(className, { isMeant = false } = {}) {
    const item = this.current;
    if (!item?.shownAt || this.state !== State.TASK) return false;
    const thinkTimeMs = Math.round(performance.now() - item.shownAt);
    if (thinkTimeMs < LEAST_LOOK_MS && !isMeant) return false;
    const answer = { annotationId: newId(), className, thinkTimeMs };
    const step = this.outbox.submit(this.#annotator, answer, item.id, item.lease);
    const past = { item, className, annotationId: answer.annotationId, step, status: null };
    this.history.push(past);
    if (this.history.length > LONGEST_HISTORY) this.history.shift();
    this.#remember();
    this.pace.count(1);
    this.#hand.remove(item);
    step.done.then((verdict) => this.#settled(past, verdict));
    return true;
  }

  // The task on the table goes to somebody else.
  skip(reason = SkipReason.CANNOT_TELL, note = "") {
    if (this.state !== State.TASK || !this.current.shownAt) return false;
    this.#hand.skip({ method: "SkipTask", message: { reason, note } });
    return true;
  }

  // The task on the table goes to those who ask for such tasks.
  escalate(note = "") {
    if (this.state !== State.TASK || !this.current.shownAt) return false;
    this.#hand.setAside({ method: "EscalateTask", message: { note } });
    return true;
  }

  // The last answer comes back onto the table: at once, or where only its id is known, with what the service says. False when
  // there is none.
  undo() {
    if (!this.#hand || !this.last) return false;
    const past = this.history.pop() ?? this.#earlier.pop();
    this.#remember();
    if (past.item) this.#undo(past);
    else this.#undoEarlier(past);
    return true;
  }

  #undo(past) {
    const { item } = past;
    past.undone = true;
    this.pace.count(-1);
    item.shownAt = 0;
    if (!this.outbox.cancel(past.step)) {
      item.takenBack = past.className;
      item.lease.token = null;
      const step = this.outbox.takeBack(this.#annotator, past.annotationId, item.lease);
      step.done.then(
        ({ lease }) => item.renew(lease),
        (error) => this.#notTakenBack(item, error),
      );
    }
    this.#hand.putFirst(item);
  }

  #undoEarlier({ annotationId, className }) {
    const hand = this.#hand;
    this.outbox.takeBack(this.#annotator, annotationId, {}).done.then(
      (leased) => {
        this.pace.count(-1);
        const item = hand.itemOf(leased);
        if (!item) return;
        item.takenBack = className;
        hand.putFirst(item);
      },
      (error) => this.#notice("not-taken-back", { detail: error.message }),
    );
  }

  #remember() {
    const given = this.history.map(({ annotationId, className }) => ({ annotationId, className }));
    memory.keepPastAnswers(this.#annotator, this.#project, [...this.#earlier, ...given].slice(-LONGEST_HISTORY));
  }

  comeBack() {
    this.#presence.comeBack();
  }

  tryNow() {
    this.#hand?.tryNow();
    this.outbox.tryNow();
  }

  #takeHand() {
    this.#hand = new Hand(this.#call, {
      annotator: this.#annotator,
      project: this.#project,
      ahead: AHEAD,
      prepare: this.#prepare,
      reclaim: (taskId, token, askedAt) => this.outbox.reclaim(taskId, token, askedAt),
      passOn: (item, { method, message }) => this.outbox.passOn(this.#annotator, method, item.lease, message),
    });
    this.#hand.addEventListener("change", this.#changed);
    this.#hand.addEventListener("lost", ({ detail }) => this.#notice("lost", { reason: detail.lostFor }));
    this.#hand.start();
    this.#changed();
  }

  #changed = () => this.dispatchEvent(new Event("change"));

  #progress = () => this.dispatchEvent(new Event("progress"));

  #presenceChanged = () => {
    const { state } = this.#presence;
    if (state === Presence.AWAY) {
      this.#hand?.stop();
      this.#hand = null;
      this.#changed();
    } else if (!this.#hand) {
      this.#takeHand();
    } else {
      this.#hand.setAhead(state === Presence.STILL ? 0 : AHEAD);
    }
  };

  #settled(past, { status, detail, wonAt }) {
    past.status = status;
    if (status === Status.REJECTED || status === Status.SUPERSEDED) {
      // Not an answer that could be taken back.
      const place = this.history.indexOf(past);
      if (place >= 0) this.history.splice(place, 1);
      this.#remember();
      // It is seen for a moment that it failed, then it is gone.
      setTimeout(this.#changed, FAILED_FOR_MS);
      if (!past.undone && status === Status.REJECTED) this.pace.count(-1);
      this.#notice(status === Status.REJECTED ? "rejected" : "superseded", { past, detail, wonAt });
    }
    this.#progress();
  }

  #notTakenBack(item, error) {
    // Where it has been answered once more, that answer's end is the notice.
    if (this.#hand?.remove(item)) this.#notice("not-taken-back", { detail: error.message });
  }

  #notice(kind, detail = {}) {
    this.dispatchEvent(new CustomEvent("notice", { detail: { kind, ...detail } }));
  }
}

// 128 random bits. (`randomUUID` exists only over HTTPS and on localhost.)
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
