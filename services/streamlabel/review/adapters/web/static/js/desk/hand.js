// The tasks in one person's hand: the one on the table and the next ones, leased ahead and made ready to be shown,
// kept alive by heartbeats, given back when the person leaves.

import { Backoff, pause } from "../backoff.js";

const LONG_POLL_MS = 25_000;
const POLL_SLACK_MS = 10_000;
const DRY_PERIOD_MS = 2_000;
const BEAT_MS = 1_000;
const HEARTBEATS_PER_LEASE = 3;
const DEFAULT_LEASE_MS = 60_000;
// To look behind the skipped ones they are leased together with what is wanted, and a call may ask for 100. Of more, those
// skipped the longest ago count as new.
const MOST_SKIPPED = 90;

// What one leased task is here. `media` is what `prepare` makes of it, once it is in the hand.
class Item {
  media = null;
  // The class of an answer to it that was taken back after it had left: it may be out as the label until the next answer.
  takenBack = null;

  constructor({ lease, task }) {
    this.id = lease.taskId;
    this.task = task;
    this.lease = {};
    this.renew(lease);
    this.shownAt = 0;
  }

  // The duration, not the expiry: this browser's clock need not be the server's.
  renew(lease) {
    this.lease.token = lease.leaseToken;
    this.lastsMs = lease.lastsMs || DEFAULT_LEASE_MS;
    this.renewedAt = performance.now();
    // When the service said that the lease is gone; 0 while it holds. And why.
    this.lostAt = 0;
    this.lostFor = "";
  }

  // Time for a heartbeat: two more may be lost before the lease is.
  get isDue() {
    return performance.now() - this.renewedAt >= this.lastsMs / HEARTBEATS_PER_LEASE;
  }
}

// With these a task never comes again to whoever held it: it has its label, or nobody wants an answer any more.
const FOR_GOOD = new Set(["LOST_REASON_ANSWERED", "LOST_REASON_WITHDRAWN"]);

// Fires `change` when the items or `trouble` or `isDry` change, and `lost` (detail: the item) when the task on the table
// could not be kept.
export class Hand extends EventTarget {
  #call;
  #who;
  #prepare;
  #reclaim;
  #passOn;
  #ahead;
  #life = new AbortController();
  #wanted = null;
  #hurry = null;
  // Ids of tasks that were skipped here, the longest ago first. They are free for others, and come back to this person only
  // when nothing else waits, in this order.
  #skipped = new Set();
  items = [];
  // Leased just now, on the way into the hand: given back with the others when the person leaves.
  #arriving = [];
  // Nothing waited when we last asked. Not known while the hand has just become empty: then it is asked at once.
  isDry = false;
  trouble = null;

  // `reclaim(taskId, token, askedAt)` is asked about each task that comes: true where it has its answer already. `passOn(item, how)`
  // tells the service that an item is left to others.
  constructor(call, { annotator, project, ahead, prepare, reclaim = () => false, passOn = (item) => this.#giveBack([item]) }) {
    super();
    this.#call = call;
    this.#who = { annotator, project };
    this.#ahead = ahead;
    this.#prepare = prepare;
    this.#reclaim = reclaim;
    this.#passOn = passOn;
  }

  get current() {
    return this.items[0] ?? null;
  }

  start() {
    this.#fill();
    this.#beat();
  }

  // Ends for good and gives everything back; `leaving` lets the call outlive the page.
  stop({ leaving = false } = {}) {
    this.#life.abort();
    this.#giveBack([...this.items.splice(0), ...this.#arriving.splice(0)], { leaving });
  }

  // How many tasks to hold beyond the one on the table; fewer give the rest back at once.
  setAhead(ahead) {
    this.#ahead = ahead;
    this.#giveBack(this.items.splice(ahead + 1));
    this.#wake();
  }

  // The item leaves the hand; false where it was not in it.
  remove(item) {
    const place = this.items.indexOf(item);
    if (place < 0) return false;
    this.items.splice(place, 1);
    this.#hasOneLess();
    return true;
  }

  // A task that was leased without the hand, ready to be put into it; where the hand has stopped meanwhile it goes back, and
  // null comes.
  itemOf(leased) {
    const item = new Item(leased);
    if (this.#life.signal.aborted) {
      this.#giveBack([item]);
      return null;
    }
    item.media = this.#prepare(item.task);
    return item;
  }

  // The item comes (back) onto the table.
  putFirst(item) {
    this.items.unshift(item);
    this.#changed();
  }

  // The task on the table goes to somebody else, unanswered; `how` is told to `passOn`.
  skip(how) {
    const item = this.items.shift();
    if (!item) return;
    // Skipped once more it goes to the end.
    this.#skipped.delete(item.id);
    this.#skipped.add(item.id);
    if (this.#skipped.size > MOST_SKIPPED) this.#skipped.delete(this.#skipped.values().next().value);
    this.#passOn(item, how);
    this.#hasOneLess();
  }

  // The task on the table is set aside for those who ask for such tasks.
  setAside(how) {
    const item = this.items.shift();
    if (!item) return;
    this.#passOn(item, how);
    this.#hasOneLess();
  }

  tryNow() {
    this.#hurry?.abort();
  }

  get #missing() {
    return this.#ahead + 1 - this.items.filter((item) => !item.lostAt).length;
  }

  #hasOneLess() {
    if (this.items.length === 0) this.isDry = false;
    this.#changed();
    this.#wake();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #wake() {
    this.#wanted?.();
  }

  async #fill() {
    const { signal } = this.#life;
    const backoff = new Backoff();
    while (!signal.aborted) {
      if (this.#missing <= 0) {
        await this.#untilWanted(Infinity);
        continue;
      }
      // With tasks in hand nobody waits at the counter: a call still waiting there when the person leaves would take
      // the very tasks that are being given back.
      if (this.isDry && this.items.length > 0) await this.#untilWanted(DRY_PERIOD_MS);
      if (signal.aborted) return;
      try {
        if (this.#missing > 0) await this.#lease(this.#missing, signal);
        backoff.reset();
      } catch (error) {
        if (signal.aborted) return;
        this.trouble = error;
        this.#changed();
        this.#hurry = new AbortController();
        await pause(backoff.next(error.retryAfterMs), AbortSignal.any([signal, this.#hurry.signal]));
      }
    }
  }

  // Until a task leaves the hand, or for `mostMs`.
  #untilWanted(mostMs) {
    const wanted = new AbortController();
    this.#wanted = () => wanted.abort();
    return pause(mostMs, AbortSignal.any([this.#life.signal, wanted.signal]));
  }

  async #lease(missing, signal) {
    // Ask at once first, so that an empty queue shows as such; then wait for what comes.
    const askedAt = performance.now();
    const waitMs = this.isDry && this.items.length === 0 ? LONG_POLL_MS : 0;
    let isDry = false;
    try {
      isDry = await this.#ask(missing, waitMs, signal);
      const again = this.#arriving.filter(({ id }) => this.#skipped.has(id)).length;
      // Skipped ones stand before the others again: with those in hand, look behind them.
      if (again > 0 && !isDry) isDry = await this.#ask(missing - this.#arriving.length + this.#skipped.size, 0, signal);
    } finally {
      // Also where the second call failed: what the first one brought is ours. What there was no room for waits again.
      this.isDry = this.#takeIn(missing) === 0 && isDry;
    }
    this.#dropLost(askedAt);
    this.#giveBack(this.items.splice(this.#ahead + 1));
    this.trouble = null;
    this.#changed();
  }

  // Of what arrived, the new ones, then the skipped ones as long as there is room; returns how many go back.
  #takeIn(missing) {
    const arrived = this.#arriving.splice(0);
    const fresh = arrived.filter(({ id }) => !this.#skipped.has(id));
    const places = new Map([...this.#skipped].map((id, place) => [id, place]));
    const again = arrived.filter(({ id }) => places.has(id)).sort((one, other) => places.get(one.id) - places.get(other.id));
    const room = Math.max(0, missing - fresh.length);
    const taken = [...fresh, ...again.slice(0, room)];
    for (const item of taken) item.media = this.#prepare(item.task);
    this.items.push(...taken);
    this.#giveBack(again.slice(room));
    return Math.max(0, again.length - room);
  }

  // What was lost before `askedAt` and has not come anew is somebody else's now.
  #dropLost(askedAt) {
    const item = this.current;
    if (!item?.lostAt || item.lostAt > askedAt) return;
    this.items.shift();
    this.#tellLost(item);
  }

  #tellLost(item) {
    this.dispatchEvent(new CustomEvent("lost", { detail: item }));
  }

  // Leases up to `maxTasks` into `#arriving`; true where fewer waited.
  async #ask(maxTasks, waitMs, signal) {
    const askedAt = performance.now();
    const message = { ...this.#who, maxTasks, waitMs };
    const { tasks = [] } = await this.#call("LeaseTasks", message, { signal, limitMs: waitMs + POLL_SLACK_MS });
    const items = tasks.filter(({ lease }) => !this.#isKnown(lease, askedAt)).map((leased) => new Item(leased));
    if (signal.aborted) {
      // The person left between the answer and now.
      this.#giveBack(items, { leaving: true });
      signal.throwIfAborted();
    }
    this.#arriving.push(...items);
    return tasks.length < maxTasks;
  }

  // Leases that ran out while the service was away may come anew for tasks that this person has, or has answered.
  #isKnown(lease, askedAt) {
    if (this.#reclaim(lease.taskId, lease.leaseToken, askedAt)) return true;
    const held = this.items.find((item) => item.id === lease.taskId);
    held?.renew(lease);
    return held !== undefined;
  }

  async #beat() {
    const { signal } = this.#life;
    while (!signal.aborted) {
      await pause(BEAT_MS, signal);
      const held = this.items.filter((item) => item.lease.token && !item.lostAt);
      if (signal.aborted || !held.some((item) => item.isDue)) continue;
      try {
        await this.#extend(held, signal);
      } catch {
        // Seen by others: the same service also takes answers and hands out tasks. The next beat tries again.
      }
    }
  }

  async #extend(held, signal) {
    const byToken = new Map(held.map((item) => [item.lease.token, item]));
    const message = { annotator: this.#who.annotator, leaseTokens: [...byToken.keys()] };
    const { leases = [], lostLeaseTokens = [], lost = [] } = await this.#call("ExtendLeases", message, { signal });
    for (const lease of leases) byToken.get(lease.leaseToken)?.renew(lease);
    const reasons = new Map(lost.map(({ leaseToken, reason }) => [leaseToken, reason]));
    for (const token of lostLeaseTokens) {
      const item = byToken.get(token);
      if (!item || item.lease.token !== token) continue;
      item.lostAt = performance.now();
      item.lostFor = reasons.get(token) ?? "";
    }
    // The one on the table stays there for the moment where it is perhaps free, and comes anew with the next call.
    const { current } = this;
    for (const item of this.items.filter(({ lostAt }) => lostAt)) {
      if (item !== current || FOR_GOOD.has(item.lostFor)) this.remove(item);
    }
    if (current && FOR_GOOD.has(current.lostFor)) this.#tellLost(current);
    if (lostLeaseTokens.length > 0) this.#wake();
  }

  #giveBack(items, { leaving = false } = {}) {
    const leaseTokens = items.map((item) => item.lease.token).filter(Boolean);
    if (leaseTokens.length === 0) return;
    const message = { annotator: this.#who.annotator, leaseTokens };
    // Should it not arrive, the leases end by themselves.
    this.#call("ReleaseLeases", message, { keepalive: leaving }).catch(() => {});
  }
}
