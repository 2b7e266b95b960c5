"""The exactly-once stage: its normal life, its limits, and handlers in trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from streamlabel.errors import ConfigurationError, InvalidMessageError, TransientError
from streamlabel.runtime.dead_letter import ATTEMPT, DETAIL, OFFSET, OMITTED_BYTES, PARTITION, REASON, STAGE, TOPIC
from streamlabel.runtime.handlers import LaneLimits
from streamlabel.runtime.messages import Emit, Message, Outcome
from support.fake_broker import FakeBroker
from support.stage_lab import GROUP, INPUT, OUTPUT, Lab, copies, copy, numbers


@pytest.fixture
async def lab() -> Lab:
    return Lab()


async def test_everything_is_copied_once_in_order_and_its_offset_committed(lab):
    lab.cluster.put(INPUT, 0, *numbers(95))
    async with lab.running():
        await lab.until_out(95)
        lab.cluster.put(INPUT, 0, *numbers(5, first=95))
        await lab.until_out(100)
    assert lab.out() == numbers(100)
    assert max(map(len, lab.handlers.batches)) == 10
    async with lab.running():
        await asyncio.sleep(0.05)
    assert lab.out() == numbers(100)
    assert lab.value("streamlabel_transactions_total", outcome="committed") >= 2
    assert lab.value("streamlabel_in_flight_batches") == 0


async def test_every_partition_has_its_own_lane_and_keeps_its_number():
    lab = Lab(partitions=3)
    for partition in range(3):
        lab.cluster.put(INPUT, partition, *numbers(7, first=100 * partition))
    async with lab.running():
        await lab.until_out(21)
    assert sorted(lab.cluster.epochs) == [f"{GROUP}.{INPUT}.{partition}" for partition in range(3)]
    for partition in range(3):
        own = [message.value for message in lab.cluster.committed_messages(OUTPUT) if message.partition == partition]
        assert own == numbers(7, first=100 * partition)


async def test_nothing_in_means_nothing_out_but_the_offset_moves(lab):
    async def swallow(batch: Sequence[Message]) -> Sequence[Outcome]:
        return [[] for _ in batch]

    lab.handlers.work = swallow
    lab.cluster.put(INPUT, 0, *numbers(3))
    async with lab.running():
        await lab.until(lambda: lab.value("streamlabel_transactions_total", outcome="committed") > 0)
    lab.handlers.work = copy
    lab.cluster.put(INPUT, 0, b"next")
    async with lab.running():
        await lab.until_out(1)
    assert lab.out() == [b"next"]


async def test_one_input_may_become_records_of_several_topics(lab):
    lab.cluster.create_topic("second", 1)

    async def both(batch: Sequence[Message]) -> Sequence[Outcome]:
        return [[Emit(topic=topic, key=m.key, value=m.value) for topic in (OUTPUT, "second")] for m in batch]

    lab.handlers.work = both
    lab.cluster.put(INPUT, 0, *numbers(20))
    async with lab.running():
        await lab.until_out(20)
    assert lab.out() == lab.out("second") == numbers(20)


async def test_a_stage_at_the_edge_may_choose_the_partition_and_is_still_exactly_once():
    lab = Lab(partitions=3)

    async def spread(batch: Sequence[Message]) -> Sequence[Outcome]:
        return [[Emit(topic=OUTPUT, key=m.key, value=m.value, partition=int(m.value) % 3)] for m in batch]

    lab.handlers.work = spread
    lab.cluster.put(INPUT, 0, *numbers(30))
    async with lab.running():
        await lab.until_out(30)
    for message in lab.cluster.committed_messages(OUTPUT):
        assert message.partition == int(message.value) % 3


async def test_poison_goes_to_the_dead_letters_in_the_same_transaction_with_bytes_and_headers_untouched(lab):
    async def poison(batch: Sequence[Message]) -> Sequence[Outcome]:
        return [
            InvalidMessageError("BAD", "cannot be read") if message.value == b"2" else outcome
            for message, outcome in zip(batch, copies(batch), strict=True)
        ]

    lab.handlers.work = poison
    lab.cluster.put(INPUT, 0, *numbers(5), key=b"\xff\x00", headers=(("mine", b"\x01"),))
    async with lab.running():
        await lab.until_out(4)
    assert lab.out() == [b"0", b"1", b"3", b"4"]
    (dead,) = lab.dead()
    assert (dead.key, dead.value, dead.partition) == (b"\xff\x00", b"2", 0)
    assert dead.headers[0] == ("mine", b"\x01")
    own = dict(dead.headers)
    assert own[REASON] == b"BAD"
    assert own[DETAIL] == b"cannot be read"
    assert own[STAGE] == b"copy"
    assert own[ATTEMPT] == b"1"
    assert (own[TOPIC], own[PARTITION], own[OFFSET]) == (b"in", b"0", b"2")
    assert lab.value("streamlabel_dead_letters_total", reason="BAD") == 1


async def test_transient_trouble_pauses_keeps_order_and_shows_in_health(lab):
    failures = 3

    async def unwell(batch: Sequence[Message]) -> Sequence[Outcome]:
        nonlocal failures
        if failures:
            failures -= 1
            raise TransientError("Triton is away")
        return copies(batch)

    seen: set[str] = set()
    lab.health.subscribe(lambda: seen.update(lab.health.reasons().values()))
    lab.handlers.work = unwell
    lab.cluster.put(INPUT, 0, *numbers(50))
    async with lab.running():
        await lab.until_out(50)
        assert lab.health.ready
    assert lab.out() == numbers(50)
    assert "Triton is away" in seen
    assert lab.value("streamlabel_retries_total") == 3
    assert len(lab.handlers.opened) == 1, "a retry does not rebuild the lane"


async def test_a_partition_in_trouble_is_paused_and_the_others_go_on():
    lab = Lab(partitions=2)
    broker = FakeBroker(lab.cluster)
    wait = asyncio.Event()

    async def half(batch: Sequence[Message]) -> Sequence[Outcome]:
        if batch[0].partition == 0 and not wait.is_set():
            raise TransientError("not this one")
        return copies(batch)

    lab.handlers.work = half
    for partition in (0, 1):
        lab.cluster.put(INPUT, partition, *numbers(30, first=100 * partition))
    async with lab.running(broker):
        await lab.until_out(30)
        (source,) = lab.cluster.groups[GROUP, INPUT].members
        assert source.open == {1}
        assert lab.out() == numbers(30, first=100)
        wait.set()
        await lab.until_out(60)
        await lab.until(lambda: source.open == {0, 1})


async def test_the_peers_own_wish_for_a_pause_is_kept(lab):
    times: list[float] = []

    async def limited(batch: Sequence[Message]) -> Sequence[Outcome]:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            raise TransientError("slow down", retry_after_s=0.15)
        return copies(batch)

    lab.handlers.work = limited
    lab.cluster.put(INPUT, 0, b"x")
    async with lab.running():
        await lab.until_out(1)
    assert times[1] - times[0] >= 0.15


async def test_a_defect_in_the_handler_stops_the_stage_and_commits_nothing(lab):
    async def broken(batch: Sequence[Message]) -> Sequence[Outcome]:
        raise ZeroDivisionError("a defect")

    lab.handlers.work = broken
    lab.cluster.put(INPUT, 0, *numbers(5))
    stage = lab.stage()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(stage.run(), 5)
    assert lab.out() == []
    assert lab.cluster.offsets == {}
    lab.handlers.work = copy
    async with lab.running():
        await lab.until_out(5)
    assert lab.out() == numbers(5)


async def test_wrong_number_of_outcomes_is_a_defect(lab):
    async def short(batch: Sequence[Message]) -> Sequence[Outcome]:
        return copies(batch)[1:]

    lab.handlers.work = short
    lab.cluster.put(INPUT, 0, *numbers(5))
    with pytest.raises(RuntimeError, match="4 outcomes for 5"):
        await asyncio.wait_for(lab.stage().run(), 5)
    assert lab.out() == []


async def test_calls_overlap_up_to_the_limit_and_commit_in_order(lab):
    running, most = 0, 0

    async def uneven(batch: Sequence[Message]) -> Sequence[Outcome]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.03 if int(batch[0].value) % 20 == 0 else 0.001)
        running -= 1
        return copies(batch)

    lab.handlers.work = uneven
    lab.cluster.put(INPUT, 0, *numbers(200))
    async with lab.running(limits=LaneLimits(max_rows=10, max_wait_s=0, max_in_flight=3)):
        await lab.until_out(200)
    assert lab.out() == numbers(200)
    assert most == 3


async def test_an_idle_lane_does_not_wait_for_a_full_batch(lab):
    async with lab.running(limits=LaneLimits(max_rows=1000, max_wait_s=30)):
        await lab.until(lambda: lab.health.ready)
        lab.cluster.put(INPUT, 0, b"alone")
        await asyncio.wait_for(lab.until_out(1), 2)


async def test_finished_batches_share_a_transaction(lab):
    lab.cluster.put(INPUT, 0, *numbers(200))
    async with lab.running():
        await lab.until_out(200)
    assert lab.value("streamlabel_transactions_total", outcome="committed") < len(lab.handlers.batches)


async def test_memory_is_bounded_while_the_handler_hangs(lab):
    broker = FakeBroker(lab.cluster)
    broker.fetch_rows = 10
    release = asyncio.Event()

    async def slow(batch: Sequence[Message]) -> Sequence[Outcome]:
        await release.wait()
        return copies(batch)

    lab.handlers.work = slow
    lab.cluster.put(INPUT, 0, *numbers(1_000))
    async with lab.running(broker, limits=LaneLimits(max_rows=10, max_wait_s=0, max_in_flight=2)):
        await lab.until(lambda: len(lab.handlers.batches) == 2)
        await asyncio.sleep(0.05)
        (source,) = lab.cluster.groups[GROUP, INPUT].members
        assert source.positions[0] <= 2 * 10 + 2 * 10 + 10, "two batches out, two waiting, one fetch too many"
        release.set()
        await lab.until_out(1_000)
    assert lab.out() == numbers(1_000)


async def test_memory_is_bounded_while_the_commit_hangs(lab):
    broker = FakeBroker(lab.cluster)
    broker.fetch_rows = 10
    release = asyncio.Event()

    async def hang(_: str) -> None:
        await release.wait()

    lab.cluster.fault("before commit", hang)
    lab.cluster.put(INPUT, 0, *numbers(1_000))
    async with lab.running(broker, limits=LaneLimits(max_rows=10, max_wait_s=0, max_in_flight=3)):
        await lab.until(lambda: ("before commit", f"{GROUP}.{INPUT}.0") in lab.cluster.calls)
        await asyncio.sleep(0.05)
        assert sum(map(len, lab.handlers.batches)) <= 3 * 10 + 10, (
            "as much as may wait for a commit, one batch too many"
        )
        release.set()
        await lab.until_out(1_000)
    assert lab.out() == numbers(1_000)


async def test_what_arrives_during_a_transaction_is_in_the_next_one(lab):
    """Quick handlers are done with it by then; it must not wait for a batch to fill."""
    at_commit, release = asyncio.Event(), asyncio.Event()

    async def hang(_: str) -> None:
        at_commit.set()
        await release.wait()

    lab.cluster.fault("before commit", hang)
    lab.cluster.put(INPUT, 0, b"0")
    async with lab.running(limits=LaneLimits(max_rows=1_000, max_wait_s=30, max_in_flight=2)):
        await at_commit.wait()
        for value in numbers(20, first=1):
            lab.cluster.put(INPUT, 0, value)
            await asyncio.sleep(0.002)
        release.set()
        await asyncio.wait_for(lab.until_out(21), 2)
    assert lab.value("streamlabel_transactions_total", outcome="committed") == 2


async def test_bytes_bound_a_batch_and_one_large_message_goes_alone(lab):
    lab.cluster.put(INPUT, 0, b"a" * 40, b"b" * 40, b"c" * 40, b"d" * 900, b"e")
    async with lab.running(limits=LaneLimits(max_rows=100, max_bytes=100)):
        await lab.until_out(5)
    assert [len(batch) for batch in lab.handlers.batches] == [2, 1, 1, 1]


async def test_history_ends_where_work_begins(lab):
    lab.cluster.put(INPUT, 0, *numbers(30))
    async with lab.running(history_messages=5):
        await lab.until_out(30)
    assert lab.handlers.opened == [(0, [])]
    lab.cluster.put(INPUT, 0, *numbers(5, first=30))
    async with lab.running(history_messages=5):
        await lab.until_out(35)
    assert lab.handlers.opened[1] == (0, numbers(5, first=25))
    assert lab.handlers.batches[-1][0] == b"30"


async def test_an_output_that_does_not_fit_makes_its_input_a_dead_letter(lab):
    lab.cluster.max_record_bytes[OUTPUT] = 10

    async def grow(batch: Sequence[Message]) -> Sequence[Outcome]:
        return [[Emit(topic=OUTPUT, key=b"", value=m.value * (100 if m.value == b"7" else 1))] for m in batch]

    lab.handlers.work = grow
    lab.cluster.put(INPUT, 0, *numbers(20))
    async with lab.running():
        await lab.until_out(19)
    assert lab.out() == [value for value in numbers(20) if value != b"7"]
    (dead,) = lab.dead()
    assert dead.value == b"7"
    assert dict(dead.headers)[REASON] == b"OUTPUT_TOO_LARGE"
    assert lab.value("streamlabel_lane_rebuilds_total", reason="too_large") >= 1


async def test_a_dead_letter_that_does_not_fit_goes_without_its_value(lab):
    lab.cluster.max_record_bytes[f"{INPUT}.{GROUP}.dead-letter"] = 10

    async def refuse(batch: Sequence[Message]) -> Sequence[Outcome]:
        return [InvalidMessageError("BAD", "no") for _ in batch]

    lab.handlers.work = refuse
    lab.cluster.put(INPUT, 0, b"short", b"long" * 10)
    async with lab.running():
        await lab.until(lambda: len(lab.dead()) == 2)
    assert [message.value for message in lab.dead()] == [b"short", b""]
    assert dict(lab.dead()[1].headers)[OMITTED_BYTES] == b"40"
    assert dict(lab.dead()[1].headers)[OFFSET] == b"1"


async def test_topic_and_broker_may_come_later(lab):
    del lab.cluster.topics[INPUT]
    async with lab.running():
        await lab.until(lambda: "does not exist" in " ".join(lab.health.reasons().values()))
        lab.cluster.create_topic(INPUT, 1)
        lab.cluster.put(INPUT, 0, b"x")
        await lab.until_out(1)
        assert lab.health.ready


async def test_missing_output_topic_is_waited_for(lab):
    del lab.cluster.topics[OUTPUT]
    lab.cluster.put(INPUT, 0, b"x")
    async with lab.running():
        await lab.until(lambda: f"topic {OUTPUT} does not exist" in " ".join(lab.health.reasons().values()))
        lab.cluster.create_topic(OUTPUT, 1)
        await lab.until_out(1)


async def test_too_few_output_partitions_stop_the_process():
    lab = Lab(partitions=2)
    lab.cluster.create_topic(OUTPUT, 1)
    lab.cluster.put(INPUT, 1, b"x")
    with pytest.raises(ConfigurationError, match="partitions"):
        await asyncio.wait_for(lab.stage().run(), 5)


async def test_factory_in_trouble_is_asked_again(lab):
    lab.handlers.trouble = [TransientError("the model is loading")]
    lab.cluster.put(INPUT, 0, b"x")
    async with lab.running():
        await lab.until_out(1)
    assert lab.handlers.opened == [(0, [])]


async def test_records_lost_to_retention_are_said_and_skipped(lab, caplog):
    lab.cluster.put(INPUT, 0, *numbers(10))
    async with lab.running():
        await lab.until_out(10)
    lab.cluster.put(INPUT, 0, *numbers(10, first=10))
    lab.cluster.topics[INPUT][0].start = 15
    async with lab.running():
        await lab.until_out(15)
    assert lab.out() == [*numbers(10), *numbers(5, first=15)]
    assert "deleted by retention" in caplog.text


async def test_committed_offset_beyond_the_end_stops_the_process(lab):
    lab.cluster.offsets[GROUP, INPUT, 0] = 50
    lab.cluster.put(INPUT, 0, b"x")
    with pytest.raises(ConfigurationError, match="reset the offsets"):
        await asyncio.wait_for(lab.stage().run(), 5)


async def test_retention_overtakes_an_open_lane(lab):
    broker = FakeBroker(lab.cluster)
    broker.fetch_rows = 10
    release = asyncio.Event()

    async def slow(batch: Sequence[Message]) -> Sequence[Outcome]:
        await release.wait()
        return copies(batch)

    lab.handlers.work = slow
    lab.cluster.put(INPUT, 0, *numbers(200))
    async with lab.running(broker, limits=LaneLimits(max_rows=10, max_in_flight=1)):
        await lab.until(lambda: bool(lab.handlers.batches))
        lab.cluster.topics[INPUT][0].start = 150
        release.set()
        await lab.until(lambda: lab.out()[-1:] == [b"199"])
    out = lab.out()
    assert out == sorted(set(out), key=int)
    assert set(numbers(50, first=150)) <= set(out)
