// What the chart of a gate draws, and how its figures are written: without a browser.

import assert from "node:assert/strict";
import test from "node:test";

const JS = new URL("../../../services/streamlabel/learning/adapters/web/static/js/", import.meta.url);
const course = await import(new URL("course.js", JS));
const words = await import(new URL("words.js", JS));

const MINUTE = 60_000;
const point = (minute, state = "cold", more = {}) => ({ at_ms: minute * MINUTE, state, coverage: 0, bound: 1, ...more });
const plain = (text) => text.replaceAll("\u00a0", " ");

test("a stretch lasts until another state begins, and no longer than somebody looked", () => {
  const points = [point(0), point(1), point(2, "certified"), point(3, "certified"), point(90, "certified"), point(91, "revoked")];
  assert.deepEqual(course.bands(points).map(({ state, fromMs, toMs }) => [state, fromMs / MINUTE, toMs / MINUTE]), [
    ["cold", 0, 2], ["certified", 2, 3], ["certified", 90, 91], ["revoked", 91, 91],
  ]);
  assert.deepEqual(course.bands([]), []);
});

test("a line breaks where there is nothing to draw and where nobody looked", () => {
  const bounds = [0.04, 0.03, null, 0.02, 0.02];
  const points = [0, 1, 2, 3, 60].map((minute, place) => point(minute, bounds[place] === null ? "suspended" : "certified", { bound: bounds[place] ?? 1 }));
  assert.deepEqual(course.runs(points, course.boundOf).map((run) => run.map(({ y }) => y)), [[0.04, 0.03], [0.02], [0.02]]);
  assert.deepEqual(course.runs(points, course.coverageOf).map((run) => run.length), [4, 1]);
});

test("without a certificate there is no bound", () => {
  assert.equal(course.boundOf(point(0, "suspended", { bound: 0.02 })), null);
  assert.equal(course.boundOf(point(0, "certified", { bound: 1 })), null);
  assert.equal(course.boundOf(point(0, "certified", { bound: 0.02 })), 0.02);
});

test("alpha stands in the middle of its scale, unless something stands above that", () => {
  assert.equal(course.boundTop([], 0.05), 0.1);
  assert.equal(course.boundTop([point(0, "certified", { bound: 0.2 })], 0.05), 0.22999999999999998);
  assert.equal(course.boundTop([], 0.7), 1);
});

test("ticks are round, inside, and not too many", () => {
  for (const minutes of [1, 7, 61, 1_500, 50_000, 2_000_000]) {
    const ticks = course.timeTicks(1_700_000_123_000, 1_700_000_123_000 + minutes * MINUTE, 6);
    assert.ok(ticks.length <= 7 || minutes === 2_000_000, `${minutes}: ${ticks.length}`);
    assert.ok(ticks.every((at) => at >= 1_700_000_123_000 && at % 10_000 === 0));
  }
});

test("in spans of days midnights say the day, and the hours between them stay hours", () => {
  const midnight = new Date(2026, 2, 3).getTime();
  for (const hours of [10, 30, 48, 60, 96]) {
    const [from, to] = [midnight - (hours / 2) * 60 * MINUTE - 7 * MINUTE, midnight + (hours / 2) * 60 * MINUTE];
    const told = course.timeTicks(from, to, 8).map((at) => words.tick(at, to - from));
    assert.ok(told.includes("Mar 3") && told.length >= 3, `${hours}: ${told}`);
    assert.equal(new Set(told.filter((text) => !text.includes(":"))).size, told.filter((text) => !text.includes(":")).length, `${hours}: ${told}`);
  }
});

test("the table has each change of state, the latest point, and no more rows than are wanted", () => {
  const points = Array.from({ length: 300 }, (_, minute) => point(minute, minute === 123 ? "revoked" : "cold"));
  const rows = course.tableRows(points, 20);
  assert.equal(rows[0], points[299]);
  assert.ok(rows.includes(points[123]) && rows.includes(points[124]));
  assert.ok(rows.length <= 22);
  assert.deepEqual(course.tableRows([], 20), []);
});

test("the point nearest to the pointer", () => {
  const points = [point(0), point(10), point(20)];
  assert.equal(course.nearest(points, 14 * MINUTE), points[1]);
  assert.equal(course.nearest(points, 900 * MINUTE), points[2]);
  assert.equal(course.nearest([], 0), null);
});

test("labels are suspect until the same model version is certified anew", () => {
  const step = (number, state, version, minute) => ({ number, model_name: "m", model_version: version, facts: { state, at_ms: minute } });
  const revoked = step(4, "revoked", 3, 40);
  const all = [step(8, "certified", 3, 80), step(7, "certified", 3, 70), step(6, "certified", 4, 60), step(5, "cold", 4, 50), revoked, step(2, "certified", 3, 20)];
  assert.equal(course.suspectsUntil(all, revoked), 70);
  assert.equal(course.suspectsUntil(all.slice(2), revoked), null);
});

test("certificates that only renew one another are told once, since when and how often", () => {
  const step = (number, state, version = 3) => ({ number, model_name: "m", model_version: version, facts: { state, at_ms: number } });
  const all = [step(7, "certified", 4), step(6, "certified"), step(5, "certified"), step(4, "certified"), step(3, "suspended"), step(2, "certified"), step(1, "cold")];
  assert.deepEqual(course.withoutRenewals(all).map(({ first, latest, renewals }) => [first.number, latest.number, renewals]), [
    [7, 7, 0], [4, 6, 2], [3, 3, 0], [2, 2, 0], [1, 1, 0],
  ]);
  assert.deepEqual(course.withoutRenewals([]), []);
});

test("what is new comes behind, what is too old goes, and nothing comes twice", () => {
  const points = [point(1), point(2), point(3)];
  assert.deepEqual(course.extended(points, [point(3), point(4)], 2 * MINUTE).map(({ at_ms: at }) => at / MINUTE), [2, 3, 4]);
  assert.deepEqual(course.extended([], [], 0), []);
});

test("shares have the digits that say something", () => {
  const written = [0, 0.05, 0.0314, 0.004, 0.00021, 0.634, 0.99, 1, 1 - 0.0001, 0.0996, 0.1].map((share) => plain(words.percent(share)));
  assert.deepEqual(written, ["0 %", "5 %", "3.1 %", "0.4 %", "0.021 %", "63.4 %", "99 %", "100 %", "99.99 %", "10 %", "10 %"]);
});

test("what is still wanted is said in words where a number would not do", () => {
  const told = (answers, state = "cold", evidence = 20) => words.needed({ answers_needed: answers, state, evidence });
  assert.match(told(1).note, /^more answer of/);
  assert.equal(`${told(null).value} ${told(null).note}`,
    "No number of answers would do as the model is now: allow more errors (a larger alpha), or find a better model");
  assert.equal(told(0, "certified").value, "Certified");
});

test("a guess is told as a guess, in the words of the command line", () => {
  const told = (answers, evidence = 20) => words.needed({ answers_needed: answers, state: "cold", evidence });
  const written = [1, 28, 123, 120, 999, 5_440, 10_000, 10_001, 4_000_000].map((answers) => told(answers).value);
  assert.deepEqual(written, ["About 1", "About 28", "About 130", "About 120", "About 1,000", "About 5,500", "About 10,000", "More than 10,000", "More than 10,000"]);
  assert.equal(told(146, 0).value, "At least 150");
  assert.match(told(146, 0).note, /were the model never wrong$/);
  assert.equal(words.shortly({ answers_needed: 123, state: "cold", evidence: 20 }), "about 130 more answers until certified");
});

test("a threshold that nothing reaches is no number", () => {
  assert.equal(words.score(null), "nothing passes");
  assert.equal(words.score(0.91324), "0.9132");
});

test("durations are in the unit that one thinks in", () => {
  assert.deepEqual([0, 89_000, 600_000, 86_400_000, 864_000_000, -5].map(words.age), ["0 s", "89 s", "10 min", "24 h", "10 days", "0 s"]);
});

test("a project of which no gate is kept says why", () => {
  assert.equal(words.shortly(null), "not looked at yet");
  assert.equal(words.shortly(null, "OverflowError: too large"), "no gate is kept: OverflowError: too large");
});
