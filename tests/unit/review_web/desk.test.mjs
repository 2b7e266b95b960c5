// Leasing ahead, answering, taking back, and what happens while nobody answers.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { load, standInForBrowser, until } from "./pages.mjs";

let stored = standInForBrowser();
const { away, leased, Service } = await import("./counter.mjs");
const { Hand } = await load("desk/hand.js");
const { Outbox, Status } = await load("desk/outbox.js");
const { CallError } = await load("api.js");
const { memory } = await load("memory.js");

beforeEach(() => {
  stored = standInForBrowser();
});

const handOf = (service, ahead = 3) =>
  new Hand(service.call, { annotator: "ada", project: "p", ahead, prepare: () => ({ isReady: true }) });

const ids = (hand) => hand.items.map((item) => item.id);

test("tasks are leased ahead, and more as they go", async () => {
  const service = new Service(6);
  const hand = handOf(service);
  hand.start();
  await until(() => hand.items.length === 4);
  hand.remove(hand.current);
  await until(() => ids(hand).join() === "p/1,p/2,p/3,p/4");
  hand.stop();
});

test("an empty queue shows as such at once, then the next task comes by itself", async () => {
  const service = new Service(0);
  const hand = handOf(service);
  hand.start();
  await until(() => hand.isDry && service.asked("LeaseTasks").length === 2);
  assert.deepEqual(service.asked("LeaseTasks").map(({ waitMs }) => waitMs > 0), [false, true]);
  service.waiting.push(leased(9));
  service.ring();
  await until(() => hand.current?.id === "p/9");
  hand.stop();
});

test("a hand that has just become empty is not called dry before it was asked again", async () => {
  const service = new Service(1);
  const hand = handOf(service);
  const seen = [];
  hand.start();
  await until(() => hand.items.length === 1 && hand.isDry);
  service.waiting.push(leased(8));
  hand.addEventListener("change", () => seen.push(hand.isDry && hand.items.length === 0));
  hand.remove(hand.current);
  await until(() => hand.current?.id === "p/8");
  assert.ok(!seen.includes(true));
  hand.remove(hand.current);
  await until(() => hand.isDry);
  assert.equal(hand.items.length, 0);
  hand.stop();
});

test("who sits still keeps only the task on the table", async () => {
  const service = new Service(8);
  const hand = handOf(service);
  hand.start();
  await until(() => hand.items.length === 4);
  hand.setAhead(0);
  assert.deepEqual(ids(hand), ["p/0"]);
  assert.deepEqual(service.asked("ReleaseLeases")[0].leaseTokens, ["token-1", "token-2", "token-3"]);
  hand.stop();
});

test("leases are kept alive, and one that is lost leaves the table", async () => {
  const service = new Service(3, { lastsMs: 3_000 });
  const hand = handOf(service, 2);
  const lost = [];
  hand.addEventListener("lost", ({ detail }) => lost.push(detail.id));
  hand.start();
  await until(() => hand.items.length === 3);
  service.lost = ["token-0", "token-2"];
  await until(() => hand.items.length === 1);
  assert.deepEqual(lost, ["p/0"]);
  assert.equal(hand.current.id, "p/1");
  hand.stop();
});

test("with a task in hand nobody waits at the counter, and new tasks still come", async () => {
  const service = new Service(1);
  const hand = handOf(service);
  hand.start();
  await until(() => hand.items.length === 1 && hand.isDry);
  service.waiting.push(leased(5));
  await until(() => hand.items.length === 2);
  assert.ok(service.asked("LeaseTasks").every(({ waitMs }) => waitMs === 0));
  hand.remove(hand.current);
  hand.remove(hand.current);
  await until(() => service.asked("LeaseTasks").some(({ waitMs }) => waitMs > 0));
  hand.stop();
});

test("a lease that ran out but can be had anew leaves the task on the table", async () => {
  const service = new Service(2, { lastsMs: 3_000 });
  const hand = handOf(service, 1);
  let changes = 0;
  hand.addEventListener("lost", () => assert.fail("it was to be had again"));
  hand.start();
  await until(() => hand.items.length === 2);
  const shown = hand.current;
  hand.addEventListener("change", () => { changes += hand.current !== shown; });
  service.lost = ["token-0"];
  service.waiting.push({ lease: { taskId: "p/0", leaseToken: "token-anew", lastsMs: 3_000 }, task: {} });
  await until(() => shown.lease.token === "token-anew");
  assert.equal(hand.current, shown);
  assert.equal(changes, 0);
  hand.stop();
});

test("a service that is away is asked again, by itself", async () => {
  const service = new Service(1);
  let failures = 2;
  service.fail = (method) => { if (method === "LeaseTasks" && failures-- > 0) throw away(); };
  const hand = handOf(service);
  hand.start();
  await until(() => hand.trouble?.code === "unavailable");
  await until(() => hand.current?.id === "p/0");
  assert.equal(hand.trouble, null);
  hand.stop();
});

test("a task that comes anew while it is in hand is not in hand twice, and is answered under the new lease", async () => {
  const service = new Service(2);
  const hand = handOf(service);
  hand.start();
  await until(() => hand.items.length === 2 && hand.isDry);
  service.waiting.push({ lease: { taskId: "p/0", leaseToken: "token-anew" }, task: {} }, leased(7));
  await until(() => hand.items.length === 3);
  assert.deepEqual(ids(hand), ["p/0", "p/1", "p/7"]);
  assert.equal(hand.current.lease.token, "token-anew");
  hand.stop();
});

test("a task that comes anew while its answer is on its way is not asked again", async () => {
  const service = new Service(0);
  let isAway = true;
  service.fail = (method) => { if (isAway && method === "SubmitAnnotations") throw away(); };
  const outbox = new Outbox(service.call);
  const step = outbox.submit("ada", answer(4), "p/4", { token: "token-old" });
  await until(() => outbox.trouble !== null);
  service.waiting.push(leased(4), leased(5));
  const hand = new Hand(service.call, { annotator: "ada", project: "p", ahead: 3, prepare: () => ({}), reclaim: (...lease) => outbox.reclaim(...lease) });
  hand.start();
  await until(() => hand.items.length === 1);
  assert.deepEqual(ids(hand), ["p/5"]);
  assert.equal(memory.unsent()[0].annotation.leaseToken, "token-4");
  isAway = false;
  outbox.tryNow();
  assert.equal((await step.done).status, Status.ACCEPTED);
  assert.equal(service.asked("SubmitAnnotations").at(-1).annotations[0].leaseToken, "token-4");
  hand.stop();
});

test("a task whose answer arrived while it was being leased anew is not asked again; later it may be", async () => {
  const service = new Service(0);
  const outbox = new Outbox(service.call);
  const before = performance.now();
  await outbox.submit("ada", answer(4), "p/4", { token: "token-old" }).done;
  assert.equal(outbox.reclaim("p/4", "token-anew", before), true);
  assert.equal(outbox.reclaim("p/4", "token-anew", performance.now() + 1), false);
  assert.equal(outbox.reclaim("p/5", "token-anew", before), false);
});

const answer = (number) => ({ annotationId: `a-${number}`, className: "x", thinkTimeMs: 1 });

test("answers given while one is under way leave together, in order", async () => {
  const service = new Service(0);
  const outbox = new Outbox(service.call);
  const steps = [1, 2, 3].map((number) => outbox.submit("ada", answer(number), `p/${number}`, { token: `t${number}` }));
  const verdicts = await Promise.all(steps.map(({ done }) => done));
  assert.deepEqual(verdicts.map(({ status }) => status), Array(3).fill(Status.ACCEPTED));
  assert.deepEqual(service.asked("SubmitAnnotations").flatMap(({ annotations }) => annotations.map(({ leaseToken }) => leaseToken)), ["t1", "t2", "t3"]);
  assert.equal(outbox.unsent, 0);
});

test("while the service is away answers are kept, told of, and sent when it is back", async () => {
  const service = new Service(0);
  let isAway = true;
  service.fail = () => { if (isAway) throw away(); };
  const outbox = new Outbox(service.call);
  const step = outbox.submit("ada", answer(1), `p/${1}`, { token: "t1" });
  await until(() => outbox.trouble !== null);
  assert.equal(outbox.unsent, 1);
  assert.deepEqual(memory.unsent(), [{ annotation: { ...answer(1), leaseToken: "t1" }, annotator: "ada", taskId: "p/1" }]);
  isAway = false;
  outbox.tryNow();
  assert.equal((await step.done).status, Status.ACCEPTED);
  assert.deepEqual([outbox.unsent, outbox.trouble, memory.unsent()], [0, null, []]);
});

test("an answer that only the way is closed to, by a setting or a sign-in, is kept until it is open", async () => {
  for (const code of ["permission_denied", "unauthenticated", "unimplemented"]) {
    const service = new Service(0);
    let isClosed = true;
    service.fail = () => { if (isClosed) throw new CallError(code, "not this way"); };
    const outbox = new Outbox(service.call);
    const step = outbox.submit("ada", answer(1), "p/1", { token: "t1" });
    await until(() => outbox.trouble !== null);
    assert.equal(memory.unsent().length, 1);
    isClosed = false;
    outbox.tryNow();
    assert.equal((await step.done).status, Status.ACCEPTED);
  }
});

test("what an earlier page left is sent under its own name and id", async () => {
  memory.keepUnsent({ annotation: { ...answer(7), leaseToken: "t7" }, annotator: "bob", taskId: "p/7" });
  const service = new Service(0);
  const outbox = new Outbox(service.call);
  outbox.adopt(memory.unsent());
  await until(() => outbox.unsent === 0);
  assert.deepEqual(service.asked("SubmitAnnotations"), [{ annotator: "bob", annotations: [{ ...answer(7), leaseToken: "t7" }] }]);
  assert.deepEqual(memory.unsent(), []);
});

test("an answer given while the one before it is being taken back outlives the page, and the taking back with it", async () => {
  const service = new Service(0);
  let isAway = true;
  service.fail = () => { if (isAway) throw away(); };
  const left = new Outbox(service.call);
  const lease = { token: null };
  left.takeBack("ada", "a-1", lease).done.catch(() => {});
  left.submit("ada", answer(3), "p/1", lease);
  assert.deepEqual(memory.unsent(), [{ annotation: { ...answer(3), leaseToken: null }, annotator: "ada", taskId: "p/1", undoes: "a-1" }]);

  const next = new Service(0);
  const outbox = new Outbox(next.call);
  outbox.adopt(memory.unsent());
  await until(() => outbox.unsent === 0);
  assert.deepEqual(next.calls.map(({ method }) => method), ["UndoAnnotation", "SubmitAnnotations"]);
  assert.equal(next.asked("UndoAnnotation")[0].annotationId, "a-1");
  assert.deepEqual(next.asked("SubmitAnnotations")[0].annotations, [{ ...answer(3), leaseToken: "token-again" }]);
  assert.deepEqual(memory.unsent(), []);
  isAway = false;
  await until(() => left.trouble !== null);
  left.tryNow();
  await until(() => left.unsent === 0);
});

test("one answer that is refused does not hold up the others", async () => {
  const service = new Service(0);
  service.fail = (method, { annotations }) => {
    if (annotations.some(({ annotationId }) => annotationId === "a-2")) throw new CallError("invalid_argument", "no");
  };
  const outbox = new Outbox(service.call);
  const steps = [1, 2, 3].map((number) => outbox.submit("ada", answer(number), `p/${number}`, { token: `t${number}` }));
  const verdicts = await Promise.all(steps.map(({ done }) => done));
  assert.deepEqual(verdicts.map(({ status }) => status), [Status.ACCEPTED, Status.REJECTED, Status.ACCEPTED]);
});

test("an answer that has not left is cancelled without a call; one that was tried is taken back in order", async () => {
  const service = new Service(0);
  let isAway = true;
  service.fail = () => { if (isAway) throw away(); };
  const outbox = new Outbox(service.call);
  const lease = { token: "t1" };
  const tried = outbox.submit("ada", answer(1), `p/${1}`, lease);
  await until(() => outbox.trouble !== null);
  const untried = outbox.submit("ada", answer(2), `p/${2}`, { token: "t2" });
  assert.equal(outbox.cancel(untried), true);
  assert.equal(outbox.cancel(tried), false);
  lease.token = null;
  // Its lease is gone until it is taken back: the first answer must still leave under the old one.
  const back = outbox.takeBack("ada", "a-1", lease);
  const again = outbox.submit("ada", answer(3), `p/${3}`, lease);
  isAway = false;
  outbox.tryNow();
  await Promise.all([tried.done, back.done, again.done]);
  assert.deepEqual(
    service.calls.filter((_, place) => place > 0).map(({ method, message }) => [method, message.annotations?.map(({ annotationId, leaseToken }) => [annotationId, leaseToken])]),
    [
      ["SubmitAnnotations", [["a-1", "t1"]]],
      ["UndoAnnotation", undefined],
      ["SubmitAnnotations", [["a-3", "token-again"]]],
    ],
  );
});
