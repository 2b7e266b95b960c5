"""Routing as a process, on a real broker."""

from __future__ import annotations

import pytest

from streamlabel.core.identity import RecordKey
from streamlabel.core.label import LabelSource
from streamlabel.core.prediction import Candidate, Prediction
from streamlabel.core.project import ThresholdPolicy
from streamlabel.core.record import Record, TextPayload
from streamlabel.wire import headers, labels, predictions, review_tasks
from streamlabel.wire.flow import LABELS, PREDICTIONS, REVIEW_TASKS
from support.nouns import text_project
from support.pipeline import Pipeline, service

pytestmark = pytest.mark.integration


def predicted(record_id: str, score: float, project: str = "mail") -> Prediction:
    record = Record(
        key=RecordKey(project=project, record_id=record_id), payload=TextPayload(record_id), content_hash=b"0" * 16
    )
    return Prediction(
        record=record,
        candidates=(Candidate("spam", score),),
        score=score,
        model_name="m",
        model_version=7,
        project_version=1,
    )


async def test_labels_tasks_and_dead_letters_leave_in_the_partition_they_came_in(kafka: str, topic_prefix: str) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    names = pipeline.names
    await pipeline.apply_project(text_project("mail", policy=ThresholdPolicy(threshold=0.9)))
    stamp = headers.ingest_headers(1_700_000_000_000, "00-trace")
    for partition in (0, 1):
        batch = [
            (
                f"mail/{partition}-{i}".encode(),
                predictions.encode(predicted(f"{partition}-{i}", 0.95 if i % 2 else 0.5)),
                stamp,
            )
            for i in range(100)
        ]
        await pipeline.write(names.topic(PREDICTIONS), partition, batch)
    await pipeline.write(
        names.topic(PREDICTIONS),
        1,
        [
            (b"mail/bad", b"\xff not a prediction", ()),
            (b"nobody/1", predictions.encode(predicted("1", 0.99, "nobody")), stamp),
            (b"mail/other", predictions.encode(predicted("inner", 0.99)), stamp),
            (b"mail/null", b"\xff", (("ingested-at", None), ("traceparent", None))),
        ],
    )
    environment = {
        "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "STREAMLABEL_KAFKA_TOPIC_PREFIX": topic_prefix,
        "STREAMLABEL_HTTP_PORT": "0",
    }
    async with service("routing", environment):
        made = await pipeline.read(names.topic(LABELS), 100)
        tasks = await pipeline.read(names.topic(REVIEW_TASKS), 100)
        dead = await pipeline.read(names.dead_letter(names.topic(PREDICTIONS), "routing"), 4)

    assert len(made) == len(tasks) == 100
    for message in made:
        label = labels.decode(message.value)
        assert str(label.key).encode() == message.key
        assert label.source is LabelSource.MODEL
        assert label.revision == 1
        assert label.model_version == 7
        assert label.key.record_id.startswith(f"{message.partition}-")
        assert label.ingested_at == headers.ingested_at(stamp)
        assert message.headers == stamp
    order = [labels.decode(message.value).key.record_id for message in made if message.partition == 1]
    assert order == [f"1-{i}" for i in range(1, 100, 2)]
    assert {review_tasks.decode(message.value).decision.score for message in tasks} == {0.5}

    reasons = {message.key: dict(message.headers)["dead-letter-reason"] for message in dead}
    assert reasons == {
        b"mail/bad": b"MALFORMED",
        b"nobody/1": b"UNKNOWN_PROJECT",
        b"mail/other": b"MALFORMED",
        b"mail/null": b"MALFORMED",
    }
    assert next(message.value for message in dead if message.key == b"mail/bad") == b"\xff not a prediction"


async def test_a_restart_routes_nothing_twice(kafka: str, topic_prefix: str) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    topic = pipeline.names.topic(PREDICTIONS)
    await pipeline.apply_project(text_project("mail", policy=ThresholdPolicy(threshold=0.5)))
    environment = {
        "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "STREAMLABEL_KAFKA_TOPIC_PREFIX": topic_prefix,
        "STREAMLABEL_HTTP_PORT": "0",
    }
    for run in range(3):
        batch = [(f"mail/{run}-{i}".encode(), predictions.encode(predicted(f"{run}-{i}", 0.9)), ()) for i in range(50)]
        await pipeline.write(topic, run % 2, batch)
        async with service("routing", environment):
            found = await pipeline.read(pipeline.names.topic(LABELS), 50 * (run + 1))
        assert len(found) == len({message.key for message in found}) == 50 * (run + 1)
