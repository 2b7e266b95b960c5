"""Routing and learning as real processes on a real broker and database; the test plays the model and the people around them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen

import numpy as np

from streamlabel.core.control import GateState
from streamlabel.core.decision import DecisionReason
from streamlabel.core.label import Label, LabelSource, Vote
from streamlabel.core.prediction import Candidate, Prediction
from streamlabel.core.project import CertifiedPolicy
from streamlabel.core.review import ReviewTask
from streamlabel.gate.published import PublishedGate
from streamlabel.local.ports import choose
from streamlabel.wire import gates, labels, predictions, review_tasks
from streamlabel.wire.flow import GATES, LABELS, PREDICTIONS, REVIEW_TASKS
from support.gates import COIN_KEY, a_prediction
from support.nouns import text_project
from support.pipeline import Pipeline, service

CLASSES = ("a", "b", "c")
POLICY = CertifiedPolicy(alpha=0.1, delta=0.1)
PROJECT = text_project("town", policy=POLICY, classes=CLASSES, embedding="near")
BATCH = 50


def prediction(number: int, error: float, version: int = 1) -> tuple[Prediction, str]:
    """What the model says of record `number`, and the truth; the sure ones are wrong with probability `error`."""
    chance = np.random.default_rng(number)
    first = 0.4 + 0.6 * chance.beta(6, 2)
    second = (1 - first) * chance.uniform(0.5, 0.9)
    best = int(chance.integers(0, 3))
    astray = chance.random() < (error if first > 0.75 else 0.4)
    truth = (best + 1) % 3 if astray else best
    names = [CLASSES[best], CLASSES[(best + 1) % 3], CLASSES[(best + 2) % 3]]
    near = np.eye(3)[truth] + chance.normal(0, 0.6, 3)
    made = a_prediction(
        f"r{number}-{truth}",
        first,
        project=PROJECT.name,
        candidates=tuple(map(Candidate, names, (first, second, 1 - first - second))),
        embedding=tuple(near.astype(np.float32).tolist()),
        model_version=version,
    )
    return made, CLASSES[truth]


@dataclass
class Town:
    """One project, from its first prediction on."""

    pipeline: Pipeline
    dsn: str
    kafka: str
    # The version of the project under which the model answers.
    project_version: int = 1
    sent: int = 0
    answering: bool = True
    tasks: dict[str, ReviewTask] = field(default_factory=dict)
    labels: dict[str, list[Label]] = field(default_factory=dict)
    gates: list[PublishedGate] = field(default_factory=list)
    answered: int = 0
    settings: dict[str, dict[str, str]] = field(default_factory=dict)

    def environment(self, name: str) -> dict[str, str]:
        """The settings of a service, the same each time it starts."""
        if name not in self.settings:
            port = choose({int(each["STREAMLABEL_HTTP_PORT"]) for each in self.settings.values()})
            self.settings[name] = {
                "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
                "STREAMLABEL_KAFKA_TOPIC_PREFIX": self.pipeline.names.prefix,
                "STREAMLABEL_KAFKA_SESSION_TIMEOUT_S": "6",
                "STREAMLABEL_LEARNING_POSTGRES_DSN": self.dsn,
                "STREAMLABEL_COIN_KEYS": COIN_KEY.hex(),
                "STREAMLABEL_HTTP_PORT": str(port),
                "STREAMLABEL_LOG_LEVEL": "warning",
            }
        return self.settings[name]

    @contextlib.asynccontextmanager
    async def service(self, name: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """The service, alive for as long as the block lasts."""
        async with service(name, self.environment(name)) as process:
            port = int(self.environment(name)["STREAMLABEL_HTTP_PORT"])
            async with asyncio.timeout(60):
                while not await asyncio.to_thread(_answers, port):
                    await asyncio.sleep(0.05)
            yield process

    async def kill(self, process: asyncio.subprocess.Process) -> None:
        """Ends a service as a power cut does."""
        process.kill()
        await process.wait()

    async def send(self, count: int, *, error: float = 0.02, version: int = 1) -> None:
        """So many predictions more, in small batches as of a live stream."""
        topic = self.pipeline.names.topic(PREDICTIONS)
        for begin in range(self.sent, self.sent + count, BATCH):
            made = [
                replace(prediction(number, error, version)[0], project_version=self.project_version)
                for number in range(begin, begin + BATCH)
            ]
            for partition in (0, 1):
                rows = [(each.record.key.encode(), predictions.encode(each), ()) for each in made[partition::2]]
                await self.pipeline.write(topic, partition, rows)
            await asyncio.sleep(0.02)
        self.sent += count

    @contextlib.asynccontextmanager
    async def people(self) -> AsyncIterator[None]:
        """Somebody answers every task at once, rightly, and everything that comes out is noted."""
        names = self.pipeline.names
        readers = {each: self.pipeline.broker.reader(names.topic(each)) for each in (REVIEW_TASKS, LABELS, GATES)}
        for reader in readers.values():
            await reader.start()

        async def work() -> None:
            while True:
                for message in await readers[GATES].poll(0.05):
                    if not message.tombstone:
                        self.gates.append(gates.decode_gate(message.value))
                for message in await readers[LABELS].poll(0.05):
                    label = labels.decode(message.value)
                    self.labels.setdefault(label.key.record_id, []).append(label)
                answers: dict[int, list[Any]] = {0: [], 1: []}
                for message in await readers[REVIEW_TASKS].poll(0.05):
                    task = review_tasks.decode(message.value)
                    assert task.key.record_id not in self.tasks, f"{task.key} is a task twice"
                    self.tasks[task.key.record_id] = task
                    if self.answering:
                        answers[message.partition].append((message.key, labels.encode(answer(task)), ()))
                        self.answered += 1
                for partition, rows in answers.items():
                    if rows:
                        await self.pipeline.write(names.topic(LABELS), partition, rows)

        worker = asyncio.create_task(work())
        try:
            yield
        finally:
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker
            for reader in readers.values():
                await reader.stop()

    async def routed(self, timeout_s: float = 60.0) -> None:
        """Returns once every record that was sent is labelled."""
        async with asyncio.timeout(timeout_s):
            while len(self.labels) < self.sent:
                await asyncio.sleep(0.05)

    async def certify(self, timeout_s: float = 120.0) -> None:
        """Sends on until everything is routed and the gate is open: an alarm may be false, and more evidence opens it again."""
        async with asyncio.timeout(timeout_s):
            while True:
                await self.send(500)
                await self.routed(timeout_s)
                if self._stands((GateState.CERTIFIED,)):
                    return

    async def state(self, *states: GateState, timeout_s: float = 60.0) -> PublishedGate:
        """The gate, once the latest is in one of these states and not void."""
        async with asyncio.timeout(timeout_s):
            while not self._stands(states):
                await asyncio.sleep(0.05)
        return self.gates[-1]

    def _stands(self, states: tuple[GateState, ...]) -> bool:
        latest = self.gates[-1].gate if self.gates else None
        if latest is None or latest.state not in states:
            return False
        return latest.expires_at is None or latest.expires_at > datetime.now(UTC)

    async def ask(self, what: str, **query: object) -> dict[str, Any]:
        """What learning tells over HTTP."""
        port = self.environment("learning")["STREAMLABEL_HTTP_PORT"]
        words = "&".join(f"{name}={value}" for name, value in query.items())
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/gate/api/{what}?{words}")

    def by_model(self) -> Mapping[str, Label]:
        """Labels that the model set."""
        found = {record_id: each[0] for record_id, each in self.labels.items()}
        return {record_id: label for record_id, label in found.items() if label.source is LabelSource.MODEL}

    def check_labels(self) -> None:
        """By the topics alone: one label a record, and none by a gate that did not certify that very version."""
        known = {each.gate.gate_id: each.gate for each in self.gates}
        for record_id, found in self.labels.items():
            assert len(found) == 1, f"{record_id} has {len(found)} labels"
        for record_id, label in self.by_model().items():
            gate = known[label.decision.gate_id]
            assert gate.state is GateState.CERTIFIED, record_id
            assert (gate.model_name, gate.model_version) == (label.model_name, label.model_version)
            assert label.decision.reason is DecisionReason.GATE_PASSED
            assert label.decision.score >= gate.least_score == label.decision.threshold
            assert record_id not in self.tasks
        assert len(self.labels) == self.sent

    def error(self) -> float:
        """Wrong ÷ set by the model."""
        by_model = self.by_model()
        wrong = sum(label.class_name != truth_of(record_id) for record_id, label in by_model.items())
        return wrong / max(1, len(by_model))


def truth_of(record_id: str) -> str:
    """The class that is right: record ids tell it, which nobody but the test reads."""
    return CLASSES[int(record_id.rpartition("-")[2])]


def answer(task: ReviewTask) -> Label:
    """What review makes of a right answer."""
    truth = truth_of(task.key.record_id)
    people = tuple(f"ann{number}" for number in range(task.needed_votes))
    return Label(
        key=task.key,
        class_name=truth,
        source=LabelSource.HUMAN,
        decision=task.decision,
        model_name=task.model_name,
        model_version=task.model_version,
        annotators=people,
        votes=tuple(Vote(annotator=each, class_name=truth) for each in people) if len(people) > 1 else (),
        project_version=task.project_version,
        taxonomy_version=PROJECT.taxonomy.version,
        content_hash=task.record.content_hash,
        labelled_at=datetime.now(UTC),
    )


def _answers(port: int) -> bool:
    """Whether the process lives: before, a signal would find it without a handler."""
    with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/livez", timeout=5):
        return True
    return False


def _get(url: str) -> dict[str, Any]:
    with urlopen(url, timeout=5) as response:
        found: dict[str, Any] = json.load(response)
    return found
