// What the chart draws, without drawing: stretches of one state, lines with gaps, ticks of time, suspects.

// A point this much after the one before is no neighbour: learning was away in between, and no gate counted.
const GAP_MS = 15 * 60_000;
// Those below a day divide it: so midnight is among the ticks, and says which day begins.
const STEPS_MS = [10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000].map((s) => s * 1000);

// Stretches during which the state was the same: {state, fromMs, toMs}.
export function bands(points, gapMs = GAP_MS) {
  const found = [];
  points.forEach((point, place) => {
    const last = found.at(-1);
    const before = points[place - 1];
    const near = before && point.at_ms - before.at_ms <= gapMs;
    if (last && near) last.toMs = point.at_ms;
    if (!last || !near || last.state !== point.state) found.push({ state: point.state, fromMs: point.at_ms, toMs: point.at_ms });
  });
  return found;
}

// Runs of neighbours at which `pick(point)` is a number: [[{x: ms, y}, …], …].
export function runs(points, pick, gapMs = GAP_MS) {
  const found = [];
  let before = null;
  for (const point of points) {
    const y = pick(point);
    if (y === null) before = null;
    else {
      if (before === null || point.at_ms - before > gapMs) found.push([]);
      found.at(-1).push({ x: point.at_ms, y });
      before = point.at_ms;
    }
  }
  return found;
}

export const coverageOf = (point) => point.coverage;

// Without a certificate there is no bound.
export const boundOf = (point) => (point.state === "certified" && point.bound < 1 ? point.bound : null);

// Round moments of the local clock between both ends, at most `most` of them.
export function timeTicks(fromMs, toMs, most) {
  const stepMs = STEPS_MS.find((step) => (toMs - fromMs) / step <= most) ?? STEPS_MS.at(-1);
  const first = Math.ceil((fromMs - shiftMs(fromMs)) / stepMs) * stepMs;
  const ticks = [];
  for (let local = first; local <= toMs - shiftMs(toMs); local += stepMs) {
    // Where the clock is put forward or back in between, the hours stay round.
    const at = local + shiftMs(local + shiftMs(fromMs));
    if (at >= fromMs && at <= toMs) ticks.push(at);
  }
  return ticks;
}

function shiftMs(atMs) {
  return new Date(atMs).getTimezoneOffset() * 60_000;
}

// The upper end of the scale of error rates: alpha in the middle, or everything that was.
export function boundTop(points, alpha) {
  const highest = Math.max(0, ...points.map((point) => boundOf(point) ?? 0));
  return Math.min(1, Math.max(2 * alpha, highest * 1.15));
}

// So many points at most, evenly, and each at which the state changed; latest first.
export function tableRows(points, most) {
  const step = Math.max(1, Math.ceil(points.length / most));
  return points.filter((point, place) => {
    const changed = place > 0 && points[place - 1].state !== point.state;
    return changed || (points.length - 1 - place) % step === 0;
  }).reverse();
}

// The point nearest to a moment; null without points.
export function nearest(points, ms) {
  let best = null;
  for (const point of points) if (best === null || Math.abs(point.at_ms - ms) < Math.abs(best.at_ms - ms)) best = point;
  return best;
}

// Until when the labels that a transition casts doubt on were set: the next certificate of the same model version; null: still.
// `transitions` are latest first, as the service gives them.
export function suspectsUntil(transitions, transition) {
  const later = transitions.filter((other) => other.number > transition.number
    && other.model_name === transition.model_name && other.model_version === transition.model_version
    && other.facts.state === "certified");
  return later.at(-1)?.facts.at_ms ?? null;
}

// Certificates that follow one another with nothing in between are one: {first, latest, renewals}, latest first as `transitions` are.
export function withoutRenewals(transitions) {
  const found = [];
  for (const transition of transitions) {
    const later = found.at(-1);
    if (later && isRenewal(later.first, transition)) Object.assign(later, { first: transition, renewals: later.renewals + 1 });
    else found.push({ first: transition, latest: transition, renewals: 0 });
  }
  return found;
}

function isRenewal(later, earlier) {
  return later.facts.state === "certified" && earlier.facts.state === "certified"
    && later.model_name === earlier.model_name && later.model_version === earlier.model_version;
}

// Points with those that are newer than the last one of them behind; none before `sinceMs`.
export function extended(points, newer, sinceMs) {
  const lastMs = points.at(-1)?.at_ms ?? -Infinity;
  return [...points, ...newer.filter((point) => point.at_ms > lastMs)].filter((point) => point.at_ms >= sinceMs);
}
