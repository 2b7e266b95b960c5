"""What the gate costs routing: the real service working off predictions that wait, under policy `threshold` and under `certified`.

    python -m benchmarks.routing [--json FILE] [--records 40000] [--repeats 5]

One broker, one routing process, the policies in turns. Every prediction has ten candidates and an embedding of 64 numbers.
`certified` goes by a gate with everything on: coin, temperature, logistic error model, a thousand neighbours. The clock runs
from the first offsets that the service commits to the last; what counts is the ratio within a run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import uvloop

from benchmarks.harness import Spread, arguments, cpu_s, machine, show, write
from streamlabel.core.binding import binding_digest, binding_text
from streamlabel.core.control import Gate, GateState
from streamlabel.core.identity import RecordKey
from streamlabel.core.prediction import Candidate, Prediction
from streamlabel.core.project import (
    CertifiedPolicy,
    ModelBinding,
    OutputKind,
    Policy,
    Project,
    TextEncoder,
    ThresholdPolicy,
)
from streamlabel.core.record import PayloadKind, Record, TextPayload
from streamlabel.core.taxonomy import ClassDefinition, Taxonomy
from streamlabel.gate.coin import key_id
from streamlabel.gate.fit import fit_scorer
from streamlabel.gate.published import PublishedGate
from streamlabel.gate.scorer import Predictions, Scorer
from streamlabel.local.servers import EmbeddedServers
from streamlabel.runtime.kafka import KafkaBroker, KafkaConnection
from streamlabel.runtime.kafka_admin import KafkaTopicAdmin
from streamlabel.runtime.messages import RawRecord
from streamlabel.wire import gates, predictions, projects
from streamlabel.wire.flow import GATES, PREDICTIONS, PROJECTS, Names
from streamlabel.wire.topics import TopicPlan, apply_topics

CLASSES = tuple(f"class-{number}" for number in range(10))
DIMENSIONS = 64
PARTITIONS = 2
KEY = bytes(range(32))
POLICIES: dict[str, Policy] = {
    "threshold": ThresholdPolicy(threshold=0.9),
    "certified": CertifiedPolicy(alpha=0.05, delta=0.05),
}
DEADLINE_S = 180.0
_POLL_S = 0.01


def table(count: int, seed: int) -> tuple[Predictions, np.ndarray]:
    """Answers of a model of ten classes, and the truth; the embedding tells a little of it."""
    chance = np.random.default_rng(seed)
    first = 0.4 + 0.6 * chance.beta(6, 2, count)
    rest = chance.dirichlet(np.ones(9), count) * (1 - first)[:, None]
    probabilities = np.column_stack((first, -np.sort(-rest, axis=1)))
    predicted = chance.integers(0, 10, count)
    truth = np.where(chance.random(count) < first, predicted, (predicted + 1) % 10)
    centres = np.random.default_rng(0).normal(size=(10, DIMENSIONS))
    embeddings = (centres[truth] + chance.normal(size=(count, DIMENSIONS))).astype(np.float32).astype(np.float64)
    return Predictions(probabilities, predicted, 10, embeddings), truth


def waiting(count: int) -> list[RawRecord]:
    """Predictions as they wait on the topic."""
    made, _ = table(count, 2)
    assert made.embeddings is not None
    rows: list[RawRecord] = []
    for row in range(count):
        best = int(made.predicted[row])
        names = [CLASSES[(best + step) % 10] for step in range(10)]
        key = RecordKey(project="bench", record_id=uuid.UUID(int=row + 1).hex)
        text = f"a message of a customer, number {row}, of the usual length of such a message"
        prediction = Prediction(
            record=Record(key=key, payload=TextPayload(text), content_hash=b"0" * 16),
            project_version=1,
            candidates=tuple(map(Candidate, names, made.probabilities[row].tolist())),
            score=float(made.probabilities[row, 0]),
            embedding=tuple(made.embeddings[row].tolist()),
            model_name="m",
            model_version=1,
        )
        rows.append((key.encode(), predictions.encode(prediction), ()))
    return rows


def project(policy: Policy) -> Project:
    """A project of ten classes under this policy."""
    return Project(
        name="bench",
        version=1,
        taxonomy=Taxonomy(version=1, classes=tuple(ClassDefinition(name=name) for name in CLASSES)),
        payload_kind=PayloadKind.TEXT,
        policy=policy,
        model=ModelBinding(
            name="m",
            version=1,
            input_name="text",
            encoder=TextEncoder(length=64),
            output_name="probabilities",
            output_kind=OutputKind.PROBABILITIES,
            embedding_name="embedding",
        ),
        bound_since=1,
    )


def gate() -> PublishedGate:
    """An open gate with the whole scorer; it lets pass about as much as the threshold does."""
    known, truth = table(1500, 1)
    scorer = fit_scorer(known, truth)
    assert scorer.neighbours is not None
    passed = float((table(5000, 2)[0].probabilities[:, 0] >= 0.9).mean())
    threshold = float(np.quantile(scorer.score(table(5000, 2)[0]), 1 - passed))
    model = project(CertifiedPolicy(alpha=0.05, delta=0.05)).model
    assert model is not None
    binding = binding_digest(binding_text(model, 1))
    return PublishedGate(gate=replace(_GATE, threshold=threshold, binding=binding), scorer=scorer)


_GATE = Gate(
    gate_id="bench/1",
    project="bench",
    model_name="m",
    model_version=1,
    state=GateState.CERTIFIED,
    threshold=0.5,
    alpha=0.05,
    delta=0.05,
    lane_rate=0.05,
    evidence_count=500,
    evidence_errors=3,
    certified_at=None,
    expires_at=None,
    taxonomy_version=1,
    class_count=10,
    coin_key_id=key_id(KEY),
)


async def measure(kafka: str, policy: Policy, rows: list[RawRecord]) -> tuple[float, float]:
    """Records a second, and processor microseconds a record, of a routing process that works off `rows`."""
    names = Names(f"bench-{uuid.uuid4().hex[:8]}")
    connection = KafkaConnection(bootstrap_servers=kafka, client_id="bench")
    broker = KafkaBroker(connection)
    plan = TopicPlan(partitions=PARTITIONS, replication_factor=1, min_insync_replicas=1)
    await apply_topics(KafkaTopicAdmin(connection), names, plan)
    appender = broker.appender()
    await appender.start()
    await appender.send(
        names.topic(PROJECTS), 0, [(projects.project_key("bench"), projects.encode(project(policy)), ())]
    )
    published = gate() if isinstance(policy, CertifiedPolicy) else PublishedGate(gate=_GATE, scorer=Scorer())
    await appender.send(names.topic(GATES), 0, [(gates.gate_key("bench"), gates.encode_gate(published), ())])
    for partition in range(PARTITIONS):
        await appender.send(names.topic(PREDICTIONS), partition, rows[partition::PARTITIONS])
    await appender.stop()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "streamlabel.routing",
        env=os.environ
        | {
            "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka,
            "STREAMLABEL_KAFKA_TOPIC_PREFIX": names.prefix,
            "STREAMLABEL_COIN_KEYS": KEY.hex(),
            "STREAMLABEL_HTTP_PORT": "0",
            "STREAMLABEL_LOG_LEVEL": "error",
        },
        start_new_session=True,
    )
    try:
        return await _watch(broker, names, process.pid, len(rows))
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def _watch(broker: KafkaBroker, names: Names, group: int, count: int) -> tuple[float, float]:
    async def done() -> int:
        offsets = [
            await broker.committed(names.group("routing"), names.topic(PREDICTIONS), partition)
            for partition in range(PARTITIONS)
        ]
        return sum(offset or 0 for offset in offsets)

    async def reached(wanted: float) -> int:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                if (count := await done()) >= wanted:
                    return count
                await asyncio.sleep(_POLL_S)

    # A tenth warms up: the first batches find cold caches, and the lanes open one after the other.
    begun = await reached(count / 10)
    began_s, began_cpu_s = time.perf_counter(), cpu_s(group)
    ended = await reached(count)
    records = ended - begun
    return records / (time.perf_counter() - began_s), (cpu_s(group) - began_cpu_s) / records * 1e6


async def run(kafka: str, records: int, repeats: int) -> dict[str, list[tuple[float, float]]]:
    """All measurements, the policies in turns."""
    rows = waiting(records)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in POLICIES}
    for _ in range(repeats):
        for name, policy in POLICIES.items():
            found[name].append(await measure(kafka, policy, rows))
    return found


def main() -> None:
    """Measures and shows."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--records", type=int, default=40_000, help="predictions that wait")
    chosen = parser.parse_args()
    where = machine()
    with tempfile.TemporaryDirectory() as folder, EmbeddedServers(Path(folder), ["kafka"]) as servers:
        found = uvloop.run(run(servers.kafka, chosen.records, chosen.repeats))
    speeds = {name: Spread.of([speed for speed, _ in each]) for name, each in found.items()}
    costs = {name: Spread.of([cost for _, cost in each]) for name, each in found.items()}
    ratios = [
        certified / plain for (certified, _), (plain, _) in zip(found["certified"], found["threshold"], strict=True)
    ]
    ratio = Spread.of(ratios)
    rows = [[name, str(speeds[name]), str(costs[name])] for name in POLICIES]
    show("Routing by policy", ["policy", "records/s", "CPU µs a record"], rows)
    print(f"certified ÷ threshold, within each turn: {ratio.median:.2f} ({ratio.lowest:.2f}–{ratio.highest:.2f})")  # noqa: T201
    write(chosen.json, {"machine": where, "records_per_s": speeds, "cpu_us": costs, "ratio": ratio})


if __name__ == "__main__":
    main()
