// Skipping, and leaving: what goes back to the counter, and what comes again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load, standInForBrowser, until } from "./pages.mjs";

standInForBrowser();
const { away, leased, Service } = await import("./counter.mjs");
const { Hand } = await load("desk/hand.js");

const handOf = (service, ahead = 3) =>
  new Hand(service.call, { annotator: "ada", project: "p", ahead, prepare: () => ({ isReady: true }) });

const ids = (hand) => hand.items.map((item) => item.id);

test("a skipped task goes to the others and does not come straight back", async () => {
  const service = new Service(6);
  const hand = handOf(service);
  hand.start();
  await until(() => hand.items.length === 4);
  hand.skip();
  await until(() => ids(hand).join() === "p/1,p/2,p/3,p/4");
  for (const expected of ["p/1", "p/2", "p/3", "p/4"]) {
    assert.equal(hand.current.id, expected);
    hand.remove(hand.current);
    await until(() => hand.items.length > 0);
  }
  // Only when nothing else waits.
  await until(() => ids(hand).join() === "p/5,p/0");
  hand.stop();
});

test("skipped over and over, all come round in order: the new ones first, then the one skipped the longest ago", async () => {
  const service = new Service(30);
  service.ReleaseLeases = ({ leaseTokens }) => {
    service.waiting = [...service.waiting, ...leaseTokens.map((token) => leased(Number(token.slice(6))))]
      .sort((one, other) => Number(one.task.record.recordId) - Number(other.task.record.recordId));
  };
  let made = 0;
  const hand = new Hand(service.call, { annotator: "ada", project: "p", ahead: 3, prepare: () => (made += 1) });
  hand.start();
  const seen = [];
  for (let turn = 0; turn < 75; turn += 1) {
    await until(() => hand.items.length === 4);
    seen.push(Number(hand.current.task.record.recordId));
    hand.skip();
  }
  assert.deepEqual(seen, Array.from({ length: 75 }, (_, turn) => turn % 30));
  // Looking behind the skipped ones makes no picture of each.
  assert.ok(made <= 75 + 4);
  hand.stop();
});

test("leaving gives everything back", async () => {
  const service = new Service(4);
  const hand = handOf(service);
  hand.start();
  await until(() => hand.items.length === 4);
  hand.stop({ leaving: true });
  await until(() => service.asked("ReleaseLeases").length === 1);
  assert.equal(service.asked("ReleaseLeases")[0].leaseTokens.length, 4);
});

test("leaving while it is being looked behind the skipped ones gives back what was leased already", async () => {
  const service = new Service(6);
  const hand = handOf(service, 0);
  hand.start();
  await until(() => hand.items.length === 1);
  let asks = 0;
  let isAsked = false;
  service.fail = (method) => {
    if (method !== "LeaseTasks" || (asks += 1) < 2) return undefined;
    isAsked = true;
    return new Promise(() => {});
  };
  hand.skip();
  await until(() => isAsked);
  hand.stop({ leaving: true });
  assert.deepEqual(service.asked("ReleaseLeases").map(({ leaseTokens }) => leaseTokens), [["token-0"], ["token-0"]]);
});

test("what was leased stays in the hand where looking behind it fails", async () => {
  const service = new Service(6);
  const hand = handOf(service, 0);
  hand.start();
  await until(() => hand.items.length === 1);
  let asks = 0;
  service.fail = (method) => { if (method === "LeaseTasks" && (asks += 1) === 2) throw away(); };
  hand.skip();
  await until(() => hand.trouble);
  assert.deepEqual(ids(hand), ["p/0"]);
  hand.stop();
});

test("an answer of the counter that comes after the person has left is given back", async () => {
  const service = new Service(2);
  let goOn;
  // A call that no longer can be stopped.
  const call = async (method, message) => {
    if (method === "LeaseTasks") await new Promise((resolve) => { goOn = resolve; });
    return service.call(method, message);
  };
  const hand = handOf({ call }, 1);
  hand.start();
  await until(() => goOn);
  hand.stop({ leaving: true });
  goOn();
  await until(() => service.asked("ReleaseLeases").length === 1);
  assert.equal(service.waiting.length, 2);
});
