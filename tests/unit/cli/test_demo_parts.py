"""The parts of the demo, each alone: what the ledger counts, how simulated people work, how the producer keeps its pace."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from streamlabel.cli.demo import dashboard
from streamlabel.cli.demo.annotators import Annotator
from streamlabel.cli.demo.checker import ReadLabel, judge
from streamlabel.cli.demo.digit_stream import DigitStream
from streamlabel.cli.demo.gate_source import GateView
from streamlabel.cli.demo.ledger import Ledger, Rate, percentile
from streamlabel.cli.demo.repertoire import fallible
from streamlabel.cli.demo.report import report
from streamlabel.cli.demo.sender import Sender
from streamlabel.cli.demo.situation import look
from streamlabel.client.review import CallRefusedError
from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.desk import AnnotationResult, AnnotationStatus, LeasedTask, QueueStats
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import LabelSource
from streamlabel.core.record import Record, TextPayload
from streamlabel.core.review import Annotation, Lease, ReviewTask
from streamlabel.core.submission import RecordResult, RecordStatus
from streamlabel.errors import StreamlabelError, TransientError
from streamlabel.local.datasets import Digits
from streamlabel.local.stack_file import ProcessPhase, ProcessState
from streamlabel.runtime.backoff import Backoff
from support.label_samples import human_label, model_label

RUN = "0123456789ab"
CLASSES = [str(digit) for digit in range(10)]
QUICK = Backoff(base_s=0.001, cap_s=0.001, floor_s=0.001)


class LeapingClock:
    """A clock on which sleeping is instant: time leaps."""

    def __init__(self) -> None:
        self.time_s = 100.0
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return int(self.time_s * 1000)

    def monotonic_s(self) -> float:
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time_s += max(0.0, seconds)
        await asyncio.sleep(0)


# --- ledger ---


def test_the_ledger_measures_from_sending_to_reading() -> None:
    ledger = Ledger()
    ledger.send("a", 10.0)
    ledger.send("b", 10.5)
    ledger.label(model_label("a", "3"), "3", 10.2)
    ledger.label(human_label("b", "4"), "3", 14.5)
    assert (ledger.sent, ledger.labelled, ledger.outstanding) == (2, 2, 0)
    assert list(ledger.latencies_ms[LabelSource.MODEL]) == pytest.approx([200.0])
    assert list(ledger.latencies_ms[LabelSource.HUMAN]) == pytest.approx([4000.0])
    assert ledger.scores[LabelSource.MODEL].error == 0.0
    assert ledger.scores[LabelSource.HUMAN].error == 1.0


def test_labels_of_others_and_second_readings_change_nothing() -> None:
    ledger = Ledger()
    ledger.send("a", 10.0)
    ledger.label(model_label("z"), "3", 11.0)
    assert ledger.labelled == 0
    for _ in range(3):
        ledger.label(model_label("a"), "3", 11.0)
    assert ledger.labelled == 1


def test_a_refused_record_waits_for_nothing() -> None:
    ledger = Ledger()
    ledger.send("a", 10.0)
    ledger.answer("a", 10.1, refused_because="PAYLOAD_TOO_LARGE: much")
    assert ledger.outstanding == 0
    assert ledger.rejected == Counter({"PAYLOAD_TOO_LARGE: much": 1})


def test_unknown_truth_is_not_judged() -> None:
    ledger = Ledger()
    ledger.send("a", 0.0)
    ledger.label(model_label("a"), None, 1.0)
    assert ledger.scores[LabelSource.MODEL].error is None


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (50.0, 99.0, 100.0)
    assert percentile([7.0], 0.5) == 7.0
    assert percentile([], 0.5) is None


def test_a_rate_forgets_what_is_long_ago() -> None:
    rate = Rate()
    assert rate.per_s() == 0.0
    for second in range(20):
        rate.mark(float(second), 0 if second < 10 else (second - 10) * 100)
    assert rate.per_s() == pytest.approx(100.0)


# --- annotators ---


def leased(record_id: str, token: str) -> LeasedTask:
    task = ReviewTask(
        record=Record(
            key=RecordKey(project="digits", record_id=record_id), payload=TextPayload("x"), content_hash=bytes(16)
        ),
        decision=Decision(route=Route.REVIEW, reason=DecisionReason.SCORE_BELOW_THRESHOLD, purpose=Purpose.RULE),
        project_version=1,
    )
    lease = Lease(
        task=task.key,
        lease_token=token,
        fencing_token=1,
        expires_at=datetime.now(UTC) + timedelta(minutes=5),
        lasts_s=300.0,
    )
    return LeasedTask(lease=lease, task=task)


class FakeDesk:
    """A desk with a fixed pile; `failures` are raised first, one a call."""

    def __init__(self, record_ids: Sequence[str], failures: Sequence[Exception] = ()) -> None:
        self.waiting = [leased(record_id, f"token-{record_id}") for record_id in record_ids]
        self.failures = list(failures)
        self.answers: list[Annotation] = []
        self.released: list[str] = []

    async def lease(
        self, annotator: str, *, project: str = "", max_tasks: int = 1, wait_s: float = 0.0
    ) -> list[LeasedTask]:
        if self.failures:
            raise self.failures.pop(0)
        given, self.waiting = self.waiting[:max_tasks], self.waiting[max_tasks:]
        if not given:
            await asyncio.sleep(0.001)
        return given

    async def submit(self, annotator: str, annotations: Sequence[Annotation]) -> list[AnnotationResult]:
        self.answers += annotations
        return [
            AnnotationResult(annotation_id=each.annotation_id, status=AnnotationStatus.ACCEPTED) for each in annotations
        ]

    async def release(self, annotator: str, lease_tokens: Sequence[str]) -> int:
        self.released += lease_tokens
        return len(lease_tokens)


async def worked(
    desk: FakeDesk, clock: LeapingClock, *, error_rate: float = 0.0, think_time_s: float = 0.0
) -> Annotator:
    annotator = Annotator(
        "sim-1",
        desk,
        "digits",
        fallible(lambda record_id: "7" if record_id.startswith("digit") else None, CLASSES, error_rate),
        think_time_s,
        clock,
        QUICK,
        random.Random(1),
    )
    task = asyncio.create_task(annotator.run())
    async with asyncio.timeout(10):
        while desk.waiting or desk.failures:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return annotator


async def test_people_answer_what_is_right_each_under_an_id_of_its_own() -> None:
    desk = FakeDesk([f"digit-{number}" for number in range(50)])
    annotator = await worked(desk, LeapingClock())
    assert {answer.class_name for answer in desk.answers} == {"7"}
    assert len({answer.annotation_id for answer in desk.answers}) == 50
    assert annotator.answered == 50


async def test_people_err_as_often_as_told_and_never_by_the_right_answer() -> None:
    desk = FakeDesk([f"digit-{number}" for number in range(1000)])
    await worked(desk, LeapingClock(), error_rate=0.2)
    wrong = sum(answer.class_name != "7" for answer in desk.answers)
    assert 150 < wrong < 250
    assert {answer.class_name for answer in desk.answers} == set(CLASSES)


async def test_people_think_as_long_as_told() -> None:
    desk, clock = FakeDesk([f"digit-{number}" for number in range(200)]), LeapingClock()
    await worked(desk, clock, think_time_s=0.4)
    thoughts_ms = [answer.think_time_ms for answer in desk.answers]
    assert len(thoughts_ms) == 200
    assert sum(thoughts_ms) / 200 == pytest.approx(400, rel=0.1)
    assert all(200 <= thought_ms <= 600 for thought_ms in thoughts_ms)


async def test_what_people_cannot_know_they_give_back() -> None:
    desk = FakeDesk(["photo-1", "digit-1"])
    await worked(desk, LeapingClock())
    assert [answer.lease_token for answer in desk.answers] == ["token-digit-1"]
    assert desk.released == ["token-photo-1"]


async def test_a_desk_that_is_away_or_does_not_know_the_project_yet_is_asked_again() -> None:
    failures = [TransientError("away"), CallRefusedError("NOT_FOUND", "project", "unknown")]
    desk = FakeDesk(["digit-1"], failures)
    await worked(desk, LeapingClock())
    assert len(desk.answers) == 1


async def test_any_other_refusal_ends_the_annotator() -> None:
    desk = FakeDesk([], [CallRefusedError("INVALID_ARGUMENT", "annotator", "too long")])
    annotator = Annotator(
        "x",
        desk,
        "digits",
        lambda _, chance: "1",
        0.0,
        LeapingClock(),
        QUICK,
        random.Random(),
    )
    with pytest.raises(CallRefusedError):
        await annotator.run()


# --- sender ---


class FakeDoor:
    """Takes everything, but knows the project only after some calls."""

    def __init__(self, unknown_for: int = 0, refuse: str = "") -> None:
        self.unknown_for = unknown_for
        self.refuse = refuse
        self.times_s: list[float] = []
        self.ids: list[str] = []
        self.clock = LeapingClock()

    def _result(self, record: Record) -> RecordResult:
        if self.unknown_for:
            self.unknown_for -= 1
            return RecordResult(record_id=record.key.record_id, status=RecordStatus.REJECTED, reason="UNKNOWN_PROJECT")
        if record.key.record_id.endswith(self.refuse) and self.refuse:
            return RecordResult(record_id=record.key.record_id, status=RecordStatus.REJECTED, reason="INVALID_IMAGE")
        self.ids.append(record.key.record_id)
        return RecordResult(record_id=record.key.record_id, status=RecordStatus.ACCEPTED)

    async def ingest(self, records: Sequence[Record]) -> list[RecordResult]:
        return [self._result(record) for record in records]

    async def stream(self, records: AsyncIterator[Record], *, window: int) -> AsyncIterator[RecordResult]:
        async for record in records:
            self.times_s.append(self.clock.time_s)
            yield self._result(record)


def sender(door: FakeDoor, ledger: Ledger, *, count: int, per_second: float = 0.0) -> Sender:
    digits = Digits(images=np.zeros((10, 28, 28), dtype=np.uint8), labels=np.arange(10, dtype=np.uint8))
    stream = DigitStream(RUN, digits, range(10), project="digits")
    return Sender(door, stream, ledger, door.clock, count=count, per_second=per_second)  # type: ignore[arg-type]


async def test_every_record_goes_once_in_order() -> None:
    door, ledger = FakeDoor(unknown_for=3), Ledger()
    producer = sender(door, ledger, count=25)
    await producer.run()
    assert door.ids == [f"digit-{RUN}-{number:08d}" for number in range(25)]
    assert (ledger.sent, ledger.accepted, producer.done) == (25, 25, True)


async def test_records_come_at_their_time() -> None:
    door = FakeDoor()
    await sender(door, Ledger(), count=101, per_second=50).run()
    assert door.times_s[-1] - door.times_s[0] == pytest.approx(99 / 50, abs=0.03)
    gaps = np.diff(door.times_s)
    assert gaps == pytest.approx([0.02] * 99, abs=0.001)


async def test_a_refused_record_is_told_and_the_stream_goes_on() -> None:
    door, ledger = FakeDoor(refuse="00000005"), Ledger()
    await sender(door, ledger, count=10).run()
    assert ledger.accepted == 9
    assert sum(ledger.rejected.values()) == 1


async def test_a_door_that_never_hears_of_the_project_is_an_error_with_a_way_out() -> None:
    with pytest.raises(TransientError, match="has not heard of project digits"):
        await sender(FakeDoor(unknown_for=10_000), Ledger(), count=2).run()


async def test_a_door_that_refuses_the_first_record_is_an_error() -> None:
    with pytest.raises(StreamlabelError, match="INVALID_IMAGE"):
        await sender(FakeDoor(refuse="00000000"), Ledger(), count=2).run()


# --- what is shown ---


GATE = GateView(
    state="certified",
    threshold=0.91,
    count=140,
    errors=1,
    bound=0.034,
    evidence=300,
    answers_needed=0,
    confirmed_until_ms=0,
)
COLD = GateView(
    state="cold", threshold=None, count=0, errors=0, bound=1.0, evidence=20, answers_needed=98, confirmed_until_ms=0
)


def moment(
    queue: QueueStats | None = None,
    processes: dict[str, ProcessState] | None = None,
    gate: GateView | None = None,
):
    ledger = Ledger()
    for number in range(4):
        ledger.send(f"r{number}", 10.0)
    for number in range(3):
        ledger.label(model_label(f"r{number}", "3" if number else "8"), "3", 10.5)
    ledger.tick(10.0)
    return look(
        ledger,
        now_s=16.0,
        now_epoch_s=1_000.0,
        started_s=10.0,
        wanted=4,
        queue=queue,
        gate=gate,
        processes=processes or {"kafka": ProcessState(phase=ProcessPhase.READY)},
    )


def test_a_moment_in_one_line() -> None:
    queue = QueueStats(project="digits", open_tasks=1, oldest_at=datetime.fromtimestamp(940.0, UTC))
    line = dashboard.line(moment(queue))
    for part in (
        "sent 4 ",
        "labelled 3 ",
        "by model 100 %",
        "waiting 1 (60 s)",
        "model 33.33 % people –",
        "p50 500 ms",
    ):
        assert part in line
    assert "queue unknown" in dashboard.line(moment())
    assert "gate unknown" in dashboard.line(moment())
    assert "gate closed (cold), to open: about 98 answers" in dashboard.line(moment(gate=COLD))
    assert "gate open (certified), error ≤ 3.4%" in dashboard.line(moment(gate=GATE))
    hopeless = replace(COLD, answers_needed=None)
    assert "gate closed (cold), to open: no number would do" in dashboard.line(moment(gate=hopeless))


def test_what_ails_is_told() -> None:
    ailing = {"triton": ProcessState(phase=ProcessPhase.RESTARTING, restarts=2, reason="was killed")}
    assert moment(processes=ailing).restarts == 2
    assert dashboard.line(moment(processes=ailing)).endswith("not ready: triton")
    assert "not ready" not in dashboard.line(moment())


def test_a_reason_is_said_when_it_begins_or_changes_and_not_with_every_line() -> None:
    def ailing(**reasons: str):
        return moment(
            processes={
                name: ProcessState(phase=ProcessPhase.RESTARTING, reason=reason) for name, reason in reasons.items()
            }
        )

    told: Mapping[str, str] = {}
    said = []
    for now in (
        ailing(triton="killed"),
        ailing(triton="killed"),
        ailing(triton="killed", ingest="no Kafka"),
        ailing(triton="starting", ingest="no Kafka"),
        moment(),
        ailing(triton="starting"),
    ):
        said.append(dashboard.news(told, now))
        told = now.ailing
    assert said == [["triton: killed"], [], ["ingest: no Kafka"], ["triton: starting"], [], ["triton: starting"]]


@pytest.mark.parametrize("width", [60, 80, 127, 128, 200])
def test_the_screen_fits_and_says_the_same(width: int) -> None:
    from rich.console import Console

    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    queue = QueueStats(project="digits", open_tasks=1234, leased_tasks=5, answers_per_minute=60)
    console.print(
        dashboard.screen(
            moment(queue, gate=GATE),
            headline="what comes",
            page_url="http://127.0.0.1:18082/",
            gate_url="http://127.0.0.1:18084/gate",
            hint="Ctrl-C",
            width=width,
        )
    )
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    for part in (
        "1,234",
        "33.33 % (1)",
        "http://127.0.0.1:18082/",
        "http://127.0.0.1:18084/gate",
        "Ctrl-C",
        "4 of 4",
        "open (certified)",
        "from 0.910 on",
        "1 wrong of 140",
        "3.4 %",
        "what comes",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.96, "10.0 s"), (45, "45 s"), (150, "2 min 30 s"), (7_325, "2 h 02 min")]
)
def test_spans(seconds: float, text: str) -> None:
    assert dashboard.span(seconds) == text


def test_the_report_counts_what_was_read_back_and_not_what_the_ledger_thinks() -> None:
    ledger = Ledger()
    for number in range(3):
        ledger.send(f"r{number}", 10.0 + number)
        ledger.label(model_label(f"r{number}"), "3", 11.0 + number)
    found = [
        ReadLabel(label=label, partition=0, offset=offset, written_ms=0)
        for offset, label in enumerate([model_label("r0"), model_label("r0"), model_label("r1", "5")])
    ]
    findings = judge([f"r{number}" for number in range(3)], found, classes=CLASSES, truth=lambda _: "3")
    content = report(RUN, findings, ledger, began_s=5.0, dead_letters=1, parts={"kafka": "4.4.0"})
    assert (content["records_sent"], content["labels_total"], content["labels_model"]) == (3, 2, 2)
    assert (content["lost"], content["duplicates"], content["dead_letters"]) == (1, 1, 1)
    assert content["lost_ids"] == ("r2",)
    assert content["model_error"] == 0.5
    assert content["human_error"] is None
    assert content["latency_ms"] == {"p50": 1000.0, "p95": 1000.0, "p99": 1000.0}
    assert (content["duration_s"], content["first_label_after_s"]) == (3.0, 6.0)
