"""Whatever fails, wherever a process dies: every record comes out exactly once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from streamlabel.errors import TransientError
from streamlabel.runtime.broker import BrokerUnavailableError, FencedError, TransactionFailedError
from streamlabel.runtime.handlers import LaneLimits
from streamlabel.runtime.messages import Emit, Message, Outcome
from support.fake_broker import FakeBroker
from support.stage_lab import GROUP, INPUT, OUTPUT, Lab, copies, numbers

STEPS = [
    f"{side} {step}" for step in ("start", "begin", "send", "send_offsets", "commit") for side in ("before", "after")
]
STEPS.remove("after begin")  # Nothing leaves the client at begin.
OTHER_STEPS = ["committed", "bounds", "read_tail", "poll", "source start"]
COUNT = 60


@pytest.fixture
async def lab() -> Lab:
    return Lab()


def assert_exactly_once(lab: Lab, count: int = COUNT) -> None:
    assert lab.out() == numbers(count)


@pytest.mark.parametrize(
    "error", [BrokerUnavailableError("away"), TransactionFailedError("spent"), FencedError("lost")]
)
@pytest.mark.parametrize("step", STEPS)
async def test_an_error_at_any_step_of_a_transaction(lab, step, error):
    lab.cluster.put(INPUT, 0, *numbers(COUNT))
    lab.cluster.fault(step, error, times=3)
    async with lab.running():
        await lab.until_out(COUNT)
        await lab.until(lambda: lab.health.ready)
    assert_exactly_once(lab)


@pytest.mark.parametrize("step", OTHER_STEPS)
async def test_an_error_at_any_other_call(lab, step):
    lab.cluster.put(INPUT, 0, *numbers(COUNT))
    lab.cluster.fault(step, BrokerUnavailableError("away"), times=3)
    async with lab.running(history_messages=3):
        await lab.until_out(COUNT)
    assert_exactly_once(lab)


@pytest.mark.parametrize("step", STEPS)
async def test_the_process_dies_at_any_step_and_another_takes_over(lab, step):
    """A killed process leaves its transaction open and its membership in place, until the group notices."""
    first, second = FakeBroker(lab.cluster), FakeBroker(lab.cluster)
    lab.cluster.put(INPUT, 0, *numbers(COUNT))

    async def kill(_: str) -> None:
        first.killed = True

    died = asyncio.create_task(lab.stage(first).run())
    if "start" not in step:
        await lab.until_out(1)
        lab.cluster.put(INPUT, 0, *numbers(COUNT, first=COUNT))
    lab.cluster.fault(step, kill)
    if "start" in step:
        await lab.until(lambda: first.killed or bool(lab.out()))
    else:
        await lab.until(lambda: first.killed or len(lab.out()) == 2 * COUNT)
    survivor = lab.stage(second)
    task = asyncio.create_task(survivor.run())
    await first.expire()
    expected = COUNT if "start" in step else 2 * COUNT
    await lab.until_out(expected)
    await asyncio.sleep(0.05)
    assert_exactly_once(lab, expected)
    await survivor.stop()
    await task
    died.cancel()
    await asyncio.wait({died}, timeout=0.1)


async def test_a_batch_that_failed_is_never_committed_by_the_client(lab):
    """aiokafka's own `commit_transaction` succeeds although a batch of the transaction failed and nobody looked.

    One of two sends fails: neither topic nor the offset may show anything of the transaction.
    """
    lab.cluster.create_topic("second", 1)

    async def both(batch: Sequence[Message]) -> Sequence[Outcome]:
        return [[Emit(topic=topic, key=m.key, value=m.value) for topic in (OUTPUT, "second")] for m in batch]

    seen: list[tuple[list[bytes], list[bytes]]] = []

    async def fail_second(topic: str) -> None:
        seen.append((lab.out(), lab.out("second")))
        if topic == "second":
            raise TransactionFailedError("the batch failed")

    lab.handlers.work = both
    lab.cluster.put(INPUT, 0, *numbers(COUNT))
    lab.cluster.fault("before send", fail_second, times=4)
    async with lab.running():
        await lab.until(lambda: len(lab.out("second")) >= COUNT)
    assert seen[:4] == [([], [])] * 4
    assert lab.out() == lab.out("second") == numbers(COUNT)


async def test_the_committed_offset_is_read_after_the_producer_started(lab):
    """The markers of the last transaction are still to come when a lane takes over: only the start waits for them."""
    lab.cluster.put(INPUT, 0, *numbers(COUNT))
    async with lab.running():
        await lab.until_out(COUNT)
    assert lab.cluster.offsets.get((GROUP, INPUT, 0), 0) < COUNT, "the last commit is not settled yet"
    lab.cluster.calls.clear()
    async with lab.running():
        await lab.until(lambda: lab.health.ready)
        lab.cluster.put(INPUT, 0, *numbers(1, first=COUNT))
        await lab.until_out(COUNT + 1)
    steps = [step for step, _ in lab.cluster.calls]
    assert steps.index("after start") < steps.index("committed")
    assert_exactly_once(lab, COUNT + 1)


async def test_a_committed_offset_behind_our_own_is_not_believed(lab):
    lab.cluster.put(INPUT, 0, *numbers(COUNT))

    async def forget(_: str) -> None:
        lab.cluster.offsets.clear()

    async with lab.running():
        await lab.until_out(COUNT)
        lab.cluster.fault("before commit", TransactionFailedError("spent"))
        lab.cluster.fault("after start", forget)
        lab.cluster.put(INPUT, 0, b"x")
        await lab.until(lambda: "behind our own" in " ".join(lab.health.reasons().values()))
        lab.cluster.offsets[GROUP, INPUT, 0] = COUNT
        await lab.until_out(COUNT + 1)
    assert lab.out() == [*numbers(COUNT), b"x"]


async def test_a_zombie_commits_nothing_and_a_living_owner_recovers(lab):
    """SIGSTOP: the first process sleeps inside a transaction, loses its partition, wakes up and goes on."""
    first, second = FakeBroker(lab.cluster), FakeBroker(lab.cluster)
    asleep, wake = asyncio.Event(), asyncio.Event()

    async def sleep(_: str) -> None:
        asleep.set()
        await wake.wait()

    lab.cluster.put(INPUT, 0, *numbers(COUNT))
    lab.cluster.fault("before commit", sleep)
    zombie = lab.stage(first, fenced_pause_s=30)
    zombie_task = asyncio.create_task(zombie.run())
    await asleep.wait()
    await first.expire()
    owner = lab.stage(second)
    owner_task = asyncio.create_task(owner.run())
    await lab.until_out(COUNT)
    wake.set()
    await lab.until(lambda: lab.value("streamlabel_lane_rebuilds_total", reason="fenced") > 0)
    lab.cluster.put(INPUT, 0, *numbers(COUNT, first=COUNT))
    await lab.until_out(2 * COUNT)
    assert_exactly_once(lab, 2 * COUNT)
    await asyncio.gather(zombie.stop(), owner.stop())
    await asyncio.gather(zombie_task, owner_task)


async def test_two_owners_who_both_believe_in_themselves_still_double_nothing(lab):
    """The worst zombie takes the producer back again and again; each take-over reads the offset after its fence."""
    stages = [lab.stage(FakeBroker(lab.cluster), fenced_pause_s=0.003) for _ in range(2)]
    first = asyncio.create_task(stages[0].run())
    await lab.until(lambda: lab.health.ready)
    lab.cluster.groups.clear()  # The group forgets the first member, which never hears of it.
    second = asyncio.create_task(stages[1].run())
    for round_ in range(30):
        lab.cluster.put(INPUT, 0, *numbers(10, first=10 * round_))
        await asyncio.sleep(0.004)
    await lab.until_out(300)
    assert_exactly_once(lab, 300)
    await stages[1].stop()
    await second
    first.cancel()
    await asyncio.wait({first})


async def test_shutdown_commits_what_is_under_way(lab):
    started = asyncio.Event()

    async def slow(batch: Sequence[Message]) -> Sequence[Outcome]:
        started.set()
        await asyncio.sleep(0.1)
        return copies(batch)

    lab.handlers.work = slow
    lab.cluster.put(INPUT, 0, *numbers(10))
    stage = lab.stage()
    task = asyncio.create_task(stage.run())
    await started.wait()
    await stage.stop()
    await task
    assert lab.out() == numbers(10)
    assert lab.cluster.groups[GROUP, INPUT].members == []


async def test_shutdown_aborts_what_does_not_end_in_time(lab):
    started = asyncio.Event()

    async def endless(batch: Sequence[Message]) -> Sequence[Outcome]:
        started.set()
        await asyncio.Event().wait()
        return []

    lab.handlers.work = endless
    lab.cluster.put(INPUT, 0, *numbers(10))
    stage = lab.stage(drain_timeout_s=0.1)
    task = asyncio.create_task(stage.run())
    await started.wait()
    await asyncio.wait_for(stage.stop(), 2)
    await task
    assert lab.out() == []
    assert not lab.health.reasons()


@pytest.mark.parametrize("trouble", ["handler", "kafka", "topic"])
async def test_shutdown_in_the_midst_of_trouble_is_quick(lab, trouble):
    async def unwell(batch: Sequence[Message]) -> Sequence[Outcome]:
        raise TransientError("never well", retry_after_s=60)

    if trouble == "handler":
        lab.handlers.work = unwell
    elif trouble == "kafka":
        lab.cluster.fault("before start", BrokerUnavailableError("away", retry_after_s=60))
    else:
        del lab.cluster.topics[INPUT]
    if trouble != "topic":
        lab.cluster.put(INPUT, 0, *numbers(10))
    stage = lab.stage(drain_timeout_s=30)
    task = asyncio.create_task(stage.run())
    await lab.until(lambda: any(word in str(lab.health.reasons()) for word in ("never well", "away", "does not exist")))
    await asyncio.wait_for(stage.stop(), 2)
    await task


async def test_stop_before_run_and_cancel_leave_nothing_behind(lab):
    await lab.stage().stop()
    lab.cluster.put(INPUT, 0, *numbers(10))
    task = asyncio.create_task(lab.stage().run())
    await lab.until_out(10)
    task.cancel()
    await asyncio.wait({task}, timeout=2)
    assert task.cancelled()
    await asyncio.sleep(0.01)
    others = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
    assert others == []


async def test_a_rebalance_in_mid_stream_loses_and_doubles_nothing():
    lab = Lab(partitions=4)

    async def slow(batch: Sequence[Message]) -> Sequence[Outcome]:
        await asyncio.sleep(0.003)
        return copies(batch)

    lab.handlers.work = slow
    for partition in range(4):
        lab.cluster.put(INPUT, partition, *numbers(200, first=1_000 * partition))
    stages = [lab.stage(FakeBroker(lab.cluster), name="copy") for _ in range(3)]
    tasks = []
    for stage in stages:
        tasks.append(asyncio.create_task(stage.run()))
        await asyncio.sleep(0.02)
    await stages[0].stop()
    await tasks[0]
    await lab.until_out(800)
    await asyncio.gather(*(stage.stop() for stage in stages[1:]))
    await asyncio.gather(*tasks[1:])
    for partition in range(4):
        own = [message.value for message in lab.cluster.committed_messages(OUTPUT) if message.partition == partition]
        assert own == numbers(200, first=1_000 * partition)


async def test_a_revoked_lane_finishes_its_transaction_first(lab):
    """Another member joins while a transaction is at its commit: the rebalance waits for it."""
    at_commit, go = asyncio.Event(), asyncio.Event()

    async def hold(_: str) -> None:
        at_commit.set()
        await go.wait()

    lab.cluster.put(INPUT, 0, *numbers(10))
    lab.cluster.fault("before commit", hold)
    first, second = lab.stage(), lab.stage()
    first_task = asyncio.create_task(first.run())
    await at_commit.wait()
    second_task = asyncio.create_task(second.run())
    await asyncio.sleep(0.05)
    assert lab.cluster.epochs[f"{GROUP}.{INPUT}.0"] == 1, "the new owner has not fenced anyone yet"
    go.set()
    await lab.until_out(10)
    await asyncio.gather(first.stop(), second.stop())
    await asyncio.gather(first_task, second_task)
    assert lab.out() == numbers(10)


async def test_a_random_soak_of_faults(lab):
    import random

    dice = random.Random(7)
    for step in STEPS:
        for _ in range(6):
            error = dice.choice([BrokerUnavailableError("away"), FencedError("lost"), TransactionFailedError("spent")])
            lab.cluster.fault(step, error)

    async def moody(batch: Sequence[Message]) -> Sequence[Outcome]:
        await asyncio.sleep(dice.random() * 0.004)
        if dice.random() < 0.1:
            raise TransientError("moody")
        return copies(batch)

    lab.handlers.work = moody
    async with lab.running(limits=LaneLimits(max_rows=7, max_wait_s=0.001, max_in_flight=3)):
        for first in range(0, 1_000, 20):
            lab.cluster.put(INPUT, 0, *numbers(20, first=first))
            await asyncio.sleep(0.003)
        await lab.until_out(1_000)
    assert_exactly_once(lab, 1_000)


async def test_what_was_finished_before_a_defect_is_committed(lab):
    async def second_breaks(batch: Sequence[Message]) -> Sequence[Outcome]:
        if batch[0].value != b"0":
            raise ZeroDivisionError("a defect")
        await asyncio.sleep(0.02)
        return copies(batch)

    lab.handlers.work = second_breaks
    lab.cluster.put(INPUT, 0, *numbers(20))
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(lab.stage(limits=LaneLimits(max_rows=10, max_wait_s=0)).run(), 5)
    assert lab.out() == numbers(10)


async def test_a_process_that_stops_on_an_error_leaves_no_transaction_open(lab):
    """An open one would hide the output of others until the broker's timeout."""
    lab.cluster.put(INPUT, 0, *numbers(5))
    lab.cluster.fault("before send_offsets", ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(lab.stage().run(), 5)
    log = lab.cluster.topics[OUTPUT][0]
    assert log.stable_end == log.end


async def test_a_lane_told_to_drain_just_as_it_opens_ends(lab):
    stages = [lab.stage(drain_timeout_s=30) for _ in range(20)]
    for pause, stage in enumerate(stages):
        task = asyncio.create_task(stage.run())
        for _ in range(pause):
            await asyncio.sleep(0)
        await asyncio.wait_for(stage.stop(), 2)
        await task
