"""Inference as a process, between a real Kafka and a real Triton."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import random
import struct
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image, ImageDraw

from streamlabel.core.control import Release, ReleaseState
from streamlabel.core.identity import RecordKey
from streamlabel.core.prediction import Prediction
from streamlabel.core.record import FeaturesPayload, ImagePayload, Payload, Record, TextPayload
from streamlabel.runtime.messages import Message, RawRecord
from streamlabel.wire import control, headers, predictions, records
from streamlabel.wire.flow import PREDICTIONS, RECORDS, RELEASES
from streamlabel.wire.project_file import load_project
from support.models import CLASSES, LENGTH, ModelShelf, trivial_project
from support.nouns import text_project
from support.pipeline import Pipeline

pytestmark = pytest.mark.integration
STAMP = headers.ingest_headers(1_700_000_000_000, "00-trace")
Inference = Callable[..., Any]
DIGITS = Path(__file__).parents[3] / "examples" / "digits"


def raw(record_id: str, payload: Payload | str | None = None, project: str = "mail") -> RawRecord:
    """A record as ingest writes it."""
    content = (
        TextPayload(record_id) if payload is None else TextPayload(payload) if isinstance(payload, str) else payload
    )
    record = Record(
        key=RecordKey(project=project, record_id=record_id),
        payload=content,
        content_hash=records.content_hash(content, {}),
    )
    return (record.key.encode(), records.encode(record), STAMP)


async def predicted(pipeline: Pipeline, count: int) -> list[tuple[Message, Prediction]]:
    found = await pipeline.read(pipeline.names.topic(PREDICTIONS), count)
    return [(message, predictions.decode(message.value)) for message in found]


async def dead(pipeline: Pipeline, count: int) -> dict[bytes, str]:
    topic = pipeline.names.dead_letter(pipeline.names.topic(RECORDS), "inference")
    found = await pipeline.read(topic, count)
    assert len(found) == count
    return {message.key: dict(message.headers)["dead-letter-reason"].decode() for message in found}


async def fetch(url: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
        session.get(url) as response,
    ):
        return response.status, await response.text()


async def eventually(look: Callable[[], Awaitable[bool]], timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                if await look():
                    return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


def expected(text: str, classes: int = len(CLASSES)) -> np.ndarray:
    """What the trivial model says, computed here from its definition."""
    weights = np.random.default_rng(7).normal(scale=0.001, size=(LENGTH, classes)).astype(np.float32)
    row = np.zeros(LENGTH, dtype=np.float32)
    data = text.encode()[:LENGTH]
    row[: len(data)] = np.frombuffer(data, dtype=np.uint8).astype(np.float32) + 1
    chances = np.exp(row @ weights)
    return chances / chances.sum()


async def test_every_record_gets_its_own_prediction_in_its_partition_and_order(
    pipeline: Pipeline, shelf: ModelShelf, inference: Inference, topic_prefix: str
) -> None:
    shelf.trivial(topic_prefix)
    await pipeline.apply_project(trivial_project("mail", topic_prefix))
    topic = pipeline.names.topic(RECORDS)
    for partition in (0, 1):
        await pipeline.write(topic, partition, [raw(f"{partition}-{i}", f"text {i} " * 3) for i in range(700)])
    async with inference():
        found = await predicted(pipeline, 1400)

    assert len(found) == 1400
    for partition in (0, 1):
        mine = [prediction for message, prediction in found if message.partition == partition]
        assert [each.record.key.record_id for each in mine] == [f"{partition}-{i}" for i in range(700)]
    for message, prediction in found:
        assert message.headers == STAMP
        assert message.key == prediction.record.key.encode()
        assert (prediction.model_name, prediction.model_version, prediction.project_version) == (topic_prefix, 1, 1)
        assert isinstance(prediction.record.payload, TextPayload)
        wanted = expected(prediction.record.payload.text)
        assert prediction.candidates[0].class_name == CLASSES[int(wanted.argmax())]
        got = {each.class_name: each.probability for each in prediction.candidates}
        assert [got[name] for name in CLASSES] == pytest.approx(wanted.tolist(), abs=1e-5)
        assert prediction.score == prediction.candidates[0].probability


async def test_bad_records_die_alone_and_a_project_without_a_model_passes(
    pipeline: Pipeline, shelf: ModelShelf, inference: Inference, topic_prefix: str
) -> None:
    shelf.trivial(topic_prefix)
    await pipeline.apply_project(trivial_project("mail", topic_prefix))
    await pipeline.apply_project(text_project("people"))
    _, value, stamp = raw("swapped")
    await pipeline.write(
        pipeline.names.topic(RECORDS),
        0,
        [
            raw("good"),
            (b"mail/broken", b"\xff\xff not a record", STAMP),
            (b"mail/json", b'{"record_id": "json"}', STAMP),
            (b"mail/utf8", value.replace(b"swapped", b"swa\xffped"), STAMP),
            (b"mail/other", value, stamp),
            raw("1", project="nobody"),
            raw("kind", FeaturesPayload((1.0, 2.0))),
            raw("twice", "first"),
            raw("twice", "first"),
            raw("twice", "second"),
            raw("by hand", project="people"),
            raw("last"),
        ],
    )
    async with inference() as running:
        reasons = await dead(pipeline, 7)
        found = await predicted(pipeline, 4)
        _, metrics = await fetch(f"{running.url}/metrics")

    assert reasons == {
        b"mail/broken": "MALFORMED",
        b"mail/json": "MALFORMED",
        b"mail/utf8": "MALFORMED",
        b"mail/other": "MALFORMED",
        b"nobody/1": "UNKNOWN_PROJECT",
        b"mail/kind": "PAYLOAD_KIND_MISMATCH",
        b"mail/twice": "CONFLICTING_RECORD",
    }
    assert [message.key for message, _ in found] == [b"mail/good", b"mail/twice", b"people/by hand", b"mail/last"]
    by_hand = found[2][1]
    assert (by_hand.candidates, by_hand.score, by_hand.model_name) == ((), 0.0, "")
    assert 'streamlabel_records_duplicate_total{outcome="dropped"} 1.0' in metrics
    assert 'streamlabel_records_duplicate_total{outcome="conflicting"} 1.0' in metrics


async def test_a_repeat_is_known_after_a_restart_and_a_replayed_dead_letter_is_none(
    pipeline: Pipeline, shelf: ModelShelf, inference: Inference, topic_prefix: str
) -> None:
    topic = pipeline.names.topic(RECORDS)
    shelf.trivial(topic_prefix)
    await pipeline.write(topic, 0, [raw("1", project="later")])
    async with inference():
        assert await dead(pipeline, 1) == {b"later/1": "UNKNOWN_PROJECT"}
    await pipeline.apply_project(trivial_project("later", topic_prefix))
    key, value, stamp = raw("1", project="later")
    replayed = (key, value, (*stamp, ("dead-letter-replayed-from", b"0")))
    await pipeline.write(topic, 0, [replayed, raw("2", project="later")])
    async with inference():
        assert len(await predicted(pipeline, 2)) == 2
    await pipeline.write(topic, 0, [raw("1", project="later"), raw("2", project="later"), raw("3", project="later")])
    async with inference():
        found = await predicted(pipeline, 3)
    assert [message.key for message, _ in found] == [b"later/1", b"later/2", b"later/3"]


async def test_records_wait_while_their_model_is_away_and_none_is_lost(
    pipeline: Pipeline, shelf: ModelShelf, inference: Inference, topic_prefix: str
) -> None:
    shelf.trivial(topic_prefix, load=False)
    await pipeline.apply_project(trivial_project("mail", topic_prefix))
    await pipeline.write(pipeline.names.topic(RECORDS), 0, [raw(f"early {i}") for i in range(50)])
    async with inference() as running:
        partition = 0

        async def says_why() -> bool:
            status, body = await fetch(f"{running.url}/readyz")
            told = json.loads(body)
            # The partition cannot go on, whatever else may: that is why it is not ready. The model alone is a warning.
            why, warning = told["reasons"].get(f"inference[{partition}]", ""), told["warnings"].get("models", "")
            return status == 503 and all(
                f"does not serve model {topic_prefix} version 1" in each for each in (why, warning)
            )

        await eventually(says_why)
        ready = f'streamlabel_model_ready{{model="{topic_prefix}",version="1"}}'
        assert f"{ready} 0.0" in (await fetch(f"{running.url}/metrics"))[1]
        assert not await pipeline.read(pipeline.names.topic(PREDICTIONS), 0)

        shelf.load(topic_prefix)
        assert len(await predicted(pipeline, 50)) == 50

        async def is_ready() -> bool:
            return (await fetch(f"{running.url}/readyz"))[0] == 200

        await eventually(is_ready)
        assert f"{ready} 1.0" in (await fetch(f"{running.url}/metrics"))[1]

        shelf.unload(topic_prefix)
        partition = 1
        await pipeline.write(pipeline.names.topic(RECORDS), 1, [raw(f"late {i}") for i in range(50)])
        await eventually(says_why)
        shelf.load(topic_prefix)
        found = await predicted(pipeline, 100)
    assert len({message.key for message, _ in found}) == len(found) == 100


async def test_a_release_moves_the_project_to_the_next_version_without_a_gap(
    pipeline: Pipeline, shelf: ModelShelf, inference: Inference, topic_prefix: str
) -> None:
    shelf.trivial(topic_prefix)
    shelf.trivial(topic_prefix, version=2)
    await pipeline.apply_project(trivial_project("mail", topic_prefix))
    topic = pipeline.names.topic(RECORDS)
    async with inference():
        await pipeline.write(topic, 0, [raw(f"first {i}") for i in range(20)])
        before = await predicted(pipeline, 20)
        now = datetime.now(UTC)
        for number, state in ((1, ReleaseState.RETIRED), (2, ReleaseState.LIVE)):
            release = Release(
                project="mail",
                model_name=topic_prefix,
                model_version=number,
                state=state,
                released_at=now + timedelta(seconds=number),
            )
            key = control.release_key("mail", number)
            await pipeline.write(pipeline.names.topic(RELEASES), 0, [(key, control.encode_release(release), ())])
        found: list[tuple[Message, Prediction]] = []
        for attempt in range(60):
            await pipeline.write(topic, 0, [raw(f"then {attempt}")])
            found = await predicted(pipeline, 21 + attempt)
            if found[-1][1].model_version == 2:
                break
    assert {prediction.model_version for _, prediction in before} == {1}
    versions = [prediction.model_version for _, prediction in found]
    assert versions == sorted(versions)
    assert versions[-1] == 2


async def test_a_model_that_does_not_fit_its_project_is_loud_and_harms_no_other(
    pipeline: Pipeline, shelf: ModelShelf, inference: Inference, topic_prefix: str
) -> None:
    shelf.trivial(topic_prefix)
    await pipeline.apply_project(trivial_project("mail", topic_prefix))
    wrong = trivial_project("wrong", topic_prefix, classes=("a", "b", "c", "d"))
    await pipeline.apply_project(wrong)
    topic = pipeline.names.topic(RECORDS)
    await pipeline.write(topic, 0, [raw("1"), raw("1", project="wrong"), raw("2"), raw("2", project="wrong")])
    async with inference() as running:
        assert await dead(pipeline, 2) == {b"wrong/1": "MODEL_OUTPUT_MISMATCH", b"wrong/2": "MODEL_OUTPUT_MISMATCH"}
        assert [message.key for message, _ in await predicted(pipeline, 2)] == [b"mail/1", b"mail/2"]
        status, body = await fetch(f"{running.url}/readyz")
        assert status == 200
        assert (
            "does not give one number for each of the taxonomy's 4 classes"
            in json.loads(body)["warnings"]["project wrong"]
        )

        await pipeline.apply_project(dataclasses.replace(wrong, version=2, taxonomy=trivial_project("x", "y").taxonomy))

        async def mended() -> bool:
            return not json.loads((await fetch(f"{running.url}/readyz"))[1])["warnings"]

        await eventually(mended)


async def test_a_model_that_never_comes_holds_up_the_other_projects_for_a_while_only(
    pipeline: Pipeline, shelf: ModelShelf, inference: Inference, topic_prefix: str
) -> None:
    missing = f"{topic_prefix}-missing"
    shelf.trivial(topic_prefix)
    await pipeline.apply_project(trivial_project("mail", topic_prefix))
    await pipeline.apply_project(trivial_project("lost", missing))
    topic = pipeline.names.topic(RECORDS)
    await pipeline.write(topic, 0, [raw("1", project="lost"), raw("1")])
    async with inference(STREAMLABEL_INFERENCE_MODEL_PATIENCE_S="1") as running:
        assert await dead(pipeline, 1) == {b"lost/1": "MODEL_NOT_SERVED"}
        assert [message.key for message, _ in await predicted(pipeline, 1)] == [b"mail/1"]
        status, body = await fetch(f"{running.url}/readyz")
        assert status == 200
        assert f"does not serve model {missing} version 1" in json.loads(body)["warnings"]["models"]

        shelf.trivial(missing)
        key, value, stamp = raw("1", project="lost")
        await pipeline.write(topic, 0, [(key, value, (*stamp, ("dead-letter-replayed-from", b"0")))])
        assert [message.key for message, _ in await predicted(pipeline, 2)] == [b"mail/1", b"lost/1"]

        async def nothing_to_say() -> bool:
            return not json.loads((await fetch(f"{running.url}/readyz"))[1])["warnings"]

        await eventually(nothing_to_say)


async def test_pictures_of_every_kind_of_wrong_die_alone(
    pipeline: Pipeline, shelf: ModelShelf, inference: Inference, topic_prefix: str
) -> None:
    shelf.described(DIGITS / "model.yaml", topic_prefix)
    project = load_project(DIGITS / "project.yaml")
    assert project.model is not None
    await pipeline.apply_project(
        dataclasses.replace(project, model=dataclasses.replace(project.model, name=topic_prefix))
    )
    seven = Image.new("L", (28, 28))
    ImageDraw.Draw(seven).line([(8, 7), (20, 7), (12, 21)], fill=255, width=3)
    good = png(seven)
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 0, 0, 0, 0)
    bomb = good[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + good[33:]
    wrong_type = raw("type", ImagePayload(good, "image/png"), "digits")
    await pipeline.write(
        pipeline.names.topic(RECORDS),
        0,
        [
            raw("good", ImagePayload(good, "image/png"), "digits"),
            raw("cut", ImagePayload(good[:-30], "image/png"), "digits"),
            raw("bomb", ImagePayload(bomb, "image/png"), "digits"),
            raw("large", ImagePayload(png(Image.new("L", (29, 28))), "image/png"), "digits"),
            (b"digits/type", wrong_type[1].replace(b"image/png", b"image/gif"), STAMP),
            (b"digits/empty", wrong_type[1].replace(b"type", b"empty").replace(good, b""), STAMP),
            raw("text", "7", "digits"),
            raw("again", ImagePayload(good, "image/png"), "digits"),
        ],
    )
    async with inference():
        reasons = await dead(pipeline, 6)
        found = await predicted(pipeline, 2)

    assert reasons == {
        b"digits/cut": "INVALID_IMAGE",
        b"digits/bomb": "IMAGE_TOO_LARGE",
        b"digits/large": "IMAGE_SIZE_MISMATCH",
        b"digits/type": "MALFORMED",
        b"digits/empty": "MALFORMED",
        b"digits/text": "PAYLOAD_KIND_MISMATCH",
    }
    assert [message.key for message, _ in found] == [b"digits/good", b"digits/again"]
    for _, prediction in found:
        assert (prediction.candidates[0].class_name, len(prediction.candidates)) == ("7", 10)
        assert len(prediction.embedding) == 64


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


async def test_killed_again_and_again_it_predicts_every_record_once_and_in_order(
    pipeline: Pipeline, shelf: ModelShelf, inference: Inference, topic_prefix: str
) -> None:
    shelf.trivial(topic_prefix)
    await pipeline.apply_project(trivial_project("mail", topic_prefix))
    topic = pipeline.names.topic(RECORDS)
    count = 6_000
    settings = {
        "STREAMLABEL_INFERENCE_BATCH_MAX_ROWS": "20",
        "STREAMLABEL_INFERENCE_DUPLICATE_WINDOW_RECORDS": "500",
        "STREAMLABEL_KAFKA_SESSION_TIMEOUT_S": "6",
    }
    for partition in (0, 1):
        # Every tenth record is there twice: what is dropped must stay dropped through every crash.
        batch = [raw(f"{partition}-{i}") for i in range(count) for _ in range(2 if i % 10 == 0 else 1)]
        await pipeline.write(topic, partition, batch)
    chance = random.Random(5)
    reader = pipeline.broker.reader(pipeline.names.topic(PREDICTIONS))
    found: list[Message] = []
    await reader.start()
    try:
        for kill in range(4):
            async with inference(**settings) as running:
                goal = len(found) + chance.randrange(200, 1500)
                async with asyncio.timeout(60):
                    while len(found) < (goal if kill < 3 else 2 * count):
                        found += await reader.poll(0.05)
                if kill < 3:
                    await running.kill()
        found += await reader.poll(1.0)
    finally:
        await reader.stop()

    for partition in (0, 1):
        keys = [message.key for message in found if message.partition == partition]
        assert keys == [f"mail/{partition}-{i}".encode() for i in range(count)]
