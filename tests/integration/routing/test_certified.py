"""Policy `certified` on a real broker: a gate on its topic opens, calibrates and closes; nothing is decided before it is read."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streamlabel.core.control import GateState
from streamlabel.core.decision import Decision, Purpose
from streamlabel.core.prediction import Candidate, Prediction
from streamlabel.core.project import CertifiedPolicy
from streamlabel.gate.coin import key_id
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.decide import decide
from streamlabel.gate.published import PublishedGate
from streamlabel.gate.weigh import weigh
from streamlabel.wire import gates, labels, predictions, review_tasks
from streamlabel.wire.flow import GATES, LABELS, PREDICTIONS, REVIEW_TASKS
from support.gates import COIN_KEY, NOW, OTHER_COIN_KEY, a_gate, a_prediction, a_scorer, binding_of, stream
from support.nouns import text_project
from support.pipeline import Pipeline, service

pytestmark = pytest.mark.integration

CLASSES = tuple(f"klass-{place}" for place in range(6))
PROJECT = text_project("mail", policy=CertifiedPolicy(alpha=0.05, delta=0.05), classes=CLASSES, embedding="near")
KEYS = CoinKeys.of(f"{COIN_KEY.hex()},{OTHER_COIN_KEY.hex()}")


def batch(run: str, count: int) -> list[Prediction]:
    """Predictions of a model of six classes with embeddings, the same for the same run."""
    table, _ = stream(count, 11)
    assert table.embeddings is not None
    made = []
    for row in range(count):
        best = int(table.predicted[row])
        names = [CLASSES[best], *(name for name in CLASSES if name != CLASSES[best])]
        candidates = tuple(map(Candidate, names, table.probabilities[row].tolist()))
        embedding = tuple(table.embeddings[row].tolist())
        made.append(
            a_prediction(
                f"{run}-{row}", candidates[0].probability, project="mail", candidates=candidates, embedding=embedding
            )
        )
    return made


def a_fitted_gate(gate_id: str, **changes: Any) -> PublishedGate:
    shape = {"class_count": len(CLASSES), "binding": binding_of(PROJECT), "threshold": 0.8}
    return a_gate(scorer=a_scorer(), gate_id=gate_id, **{**shape, **changes})


async def publish(pipeline: Pipeline, gate: PublishedGate) -> None:
    row = (gates.gate_key(gate.gate.project), gates.encode_gate(gate), ())
    await pipeline.write(pipeline.names.topic(GATES), 0, [row])


async def arrive(pipeline: Pipeline, arrivals: list[Prediction]) -> None:
    for partition in (0, 1):
        rows = [(each.record.key.encode(), predictions.encode(each), ()) for each in arrivals[partition::2]]
        await pipeline.write(pipeline.names.topic(PREDICTIONS), partition, rows)


def as_expected(arrivals: list[Prediction], gate: PublishedGate) -> dict[str, Decision]:
    """Every decision, worked out again from the prediction and the gate alone."""
    weighed = weigh(arrivals, PROJECT, gate, KEYS, NOW)
    return {str(each.record.key): decide(each, PROJECT, found) for each, found in zip(arrivals, weighed, strict=True)}


class Outlets:
    """Both topics that routing writes, read from their beginning for as long as the test lasts."""

    def __init__(self, pipeline: Pipeline) -> None:
        names = pipeline.names
        self._sides = (
            (pipeline.broker.reader(names.topic(LABELS)), labels.decode),
            (pipeline.broker.reader(names.topic(REVIEW_TASKS)), review_tasks.decode),
        )
        self.decisions: defaultdict[str, list[Decision]] = defaultdict(list)
        self.bytes: dict[str, bytes] = {}

    async def __aenter__(self) -> Outlets:
        for reader, _ in self._sides:
            await reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for reader, _ in self._sides:
            await reader.stop()

    async def of(self, keys: Collection[str], times: int = 1) -> dict[str, list[Decision]]:
        """The decisions about these records, once there are so many of each."""
        async with asyncio.timeout(30):
            while any(len(self.decisions[key]) < times for key in keys):
                for reader, decode in self._sides:
                    for message in await reader.poll(0.1):
                        key = message.key.decode()
                        self.decisions[key].append(decode(message.value).decision)
                        self.bytes[key] = message.value
        return {key: self.decisions[key] for key in keys}


async def settled(pipeline: Pipeline, outlets: Outlets, gate: PublishedGate) -> None:
    """Returns once a record that was sent to find out was decided by this gate; both partitions go by one table."""
    name = gate.gate.gate_id
    async with asyncio.timeout(30):
        for probe in itertools.count():
            arrivals = batch(f"{name}-probe{probe}", 1)
            await arrive(pipeline, arrivals)
            key = str(arrivals[0].record.key)
            if (await outlets.of([key]))[key][0].gate_id == name:
                return


def environment(kafka: str, topic_prefix: str, keys: str, port: int = 0) -> dict[str, str]:
    return {
        "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "STREAMLABEL_KAFKA_TOPIC_PREFIX": topic_prefix,
        "STREAMLABEL_HTTP_HOST": "127.0.0.1",
        "STREAMLABEL_HTTP_PORT": str(port),
        "STREAMLABEL_COIN_KEYS": keys,
    }


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def warnings_of(port: int) -> dict[str, str]:
    """The warnings in /readyz, once the service is ready."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        content: dict[str, dict[str, str]] = await answer.json()
                        return content.get("warnings", {})
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)


async def test_a_gate_opens_calibrates_and_closes(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(PROJECT)
    file = tmp_path / "keys"
    file.write_text(OTHER_COIN_KEY.hex())
    given = environment(kafka, topic_prefix, COIN_KEY.hex())
    given["STREAMLABEL_COIN_KEYS_FILE"] = str(file)
    changes: tuple[tuple[str, dict[str, Any], set[str]], ...] = (
        ("opened", {}, {"gate_passed", "below_gate", "calibration_lane"}),
        ("suspended", {"state": GateState.SUSPENDED, "lane_rate": 0.5}, {"gate_closed", "calibration_lane"}),
        ("next", {"coin_key_id": key_id(OTHER_COIN_KEY), "guard_threshold": 0.9}, {"gate_passed", "below_gate"}),
        ("other-model", {"model_version": 2}, {"no_gate"}),
        ("expired", {"expires_at": NOW}, {"no_gate"}),
    )
    async with service("routing", given), Outlets(pipeline) as outlets:
        for gate_id, change, reasons in changes:
            gate = a_fitted_gate(gate_id, **change)
            await publish(pipeline, gate)
            await settled(pipeline, outlets, gate)
            arrivals = batch(gate_id, 200)
            await arrive(pipeline, arrivals)
            wanted = as_expected(arrivals, gate)
            assert reasons <= {each.reason.value for each in wanted.values()}
            assert await outlets.of(wanted.keys()) == {key: [decision] for key, decision in wanted.items()}
            blind = [key for key, each in wanted.items() if each.purpose is Purpose.CALIBRATE]
            assert not any(b"klass-" in outlets.bytes[key] for key in blind), "a blind task names no class"


async def test_what_waits_at_the_start_is_decided_by_the_gate_that_stands_there(kafka: str, topic_prefix: str) -> None:
    """The tables are read to their end first: the last gate counts, not an earlier one, and not none."""
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(PROJECT)
    arrivals = batch("waiting", 200)
    await arrive(pipeline, arrivals)
    for number in range(50):
        await publish(pipeline, a_fitted_gate(f"early{number}", threshold=0.0))
    last = a_fitted_gate("last", state=GateState.REVOKED)
    await publish(pipeline, last)
    wanted = as_expected(arrivals, last)
    given = environment(kafka, topic_prefix, COIN_KEY.hex())
    async with service("routing", given), Outlets(pipeline) as outlets:
        assert await outlets.of(wanted.keys()) == {key: [decision] for key, decision in wanted.items()}


async def test_a_redelivered_record_gets_the_same_lane_and_decision(kafka: str, topic_prefix: str) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(PROJECT)
    gate = a_fitted_gate("g")
    await publish(pipeline, gate)
    arrivals = batch("again", 100)
    wanted = as_expected(arrivals, gate)
    async with Outlets(pipeline) as outlets:
        for times in (1, 2):
            await arrive(pipeline, arrivals)
            async with service("routing", environment(kafka, topic_prefix, COIN_KEY.hex())):
                found = await outlets.of(wanted.keys(), times)
            assert found == {key: [decision] * times for key, decision in wanted.items()}


async def test_without_a_key_everything_goes_to_people_and_readyz_says_so(kafka: str, topic_prefix: str) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(PROJECT)
    await publish(pipeline, a_fitted_gate("g"))
    arrivals = batch("keyless", 40)
    port = free_port()
    async with service("routing", environment(kafka, topic_prefix, "", port)), Outlets(pipeline) as outlets:
        await arrive(pipeline, arrivals)
        found = await outlets.of([str(each.record.key) for each in arrivals])
        warnings = await warnings_of(port)
    assert {(each.purpose, each.reason.value) for (each,) in found.values()} == {(Purpose.TRAIN, "no_coin_key")}
    assert "the coin key of mail is not here" in warnings["coin keys"]
