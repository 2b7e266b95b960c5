"""The path to a model, from payload to numbers, through a real Triton."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from streamlabel.core.identity import RecordKey
from streamlabel.core.project import FeaturesEncoder, ModelBinding, OutputKind, Project, TextEncoder
from streamlabel.core.record import FeaturesPayload, ImagePayload, Payload, PayloadKind, Record, TextPayload
from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.inference.adapters.coalescing import Coalescer
from streamlabel.inference.adapters.isolation import ModelFailsError
from streamlabel.inference.adapters.models import TritonModels
from streamlabel.inference.adapters.pictures import PillowPictures
from streamlabel.inference.adapters.triton import Triton
from streamlabel.inference.handler import Predictor
from streamlabel.inference.ports import Answer, Inferred, ServedProject
from streamlabel.local.datasets import load_digits
from streamlabel.local.places import cache_dir
from streamlabel.local.servers import EmbeddedServers
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.metrics import Metrics
from streamlabel.wire.project_file import load_project
from support.models import CLASSES, ModelShelf, SmallGraph, trivial_project

pytestmark = pytest.mark.integration
DIGITS = Path(__file__).parents[3] / "examples" / "digits"


class OneProject:
    def __init__(self, project: Project) -> None:
        self.served = ServedProject(project, project.model.version if project.model else 0)

    async def find(self, name: str) -> ServedProject | None:
        return self.served if name == self.served.project.name else None


class Silence:
    def broken(self, project: str, fault: InvalidMessageError) -> None: ...

    def kept(self, project: str) -> None: ...


@dataclasses.dataclass
class Road:
    """Everything between a record and its prediction but Kafka."""

    models: TritonModels
    metrics: Metrics

    async def predict(self, project: Project, payloads: list[Payload]) -> list[Inferred]:
        pictures = PillowPictures(max_pixels=10_000, threads=1)
        predictor = Predictor(projects=OneProject(project), models=self.models, pictures=pictures, log=Silence())
        records = [
            Record(key=RecordKey(project=project.name, record_id=str(n)), payload=payload, content_hash=b"h" * 16)
            for n, payload in enumerate(payloads)
        ]
        try:
            return await predictor.predict(records)
        finally:
            await pictures.stop()


@contextlib.asynccontextmanager
async def driven(address: str, *, patience_s: float = 60, timeout_s: float = 20) -> AsyncIterator[Road]:
    metrics = Metrics("inference")
    client = Triton(url=address, timeout_s=timeout_s, metrics=metrics, clock=SystemClock())
    coalescer = Coalescer(client, max_rows=64, max_in_flight=2)
    models = TritonModels(client, coalescer, patience_s=patience_s, clock=SystemClock())
    await models.start()
    try:
        yield Road(models, metrics)
    finally:
        await models.stop()


@pytest.fixture
async def road(triton: str) -> AsyncIterator[Road]:
    async with driven(triton) as made:
        yield made


def with_model(name: str, kind: PayloadKind, **binding: object) -> Project:
    made = trivial_project("p", name)
    assert made.model is not None
    model: ModelBinding = dataclasses.replace(made.model, **binding)  # type: ignore[arg-type]
    return dataclasses.replace(made, payload_kind=kind, model=model)


def reasons(inferred: list[Inferred]) -> list[str]:
    return [each.reason if isinstance(each, InvalidMessageError) else "" for each in inferred]


def tops(inferred: list[Inferred]) -> list[str]:
    return [each.provenance.class_names[each.order[0]] if isinstance(each, Answer) else "" for each in inferred]


async def test_the_digits_model_reads_digits_it_has_never_seen(
    road: Road, shelf: ModelShelf, topic_prefix: str
) -> None:
    digits = load_digits(cache_dir())
    split = json.loads((DIGITS / "split.json").read_text())
    seen = [*split["train"], *split["tune"]]
    heldout = np.setdiff1d(np.arange(len(digits)), seen)
    shelf.described(DIGITS / "model.yaml", topic_prefix)
    project = load_project(DIGITS / "project.yaml")
    assert project.model is not None
    project = dataclasses.replace(project, model=dataclasses.replace(project.model, name=topic_prefix))

    inferred = await road.predict(project, [ImagePayload(digits.png(i), "image/png") for i in heldout])

    answers = [each for each in inferred if isinstance(each, Answer)]
    assert len(answers) == len(heldout) == 4000
    right = np.array([int(top) for top in tops(inferred)]) == digits.labels[heldout]
    scores = np.array([answer.probabilities[0] for answer in answers])
    assert right.mean() == pytest.approx(0.971, abs=0.0005)  # as MODEL_CARD.md says
    assert (scores >= 0.95).mean() == pytest.approx(0.915, abs=0.001)
    assert 1 - right[scores >= 0.95].mean() == pytest.approx(0.006, abs=0.0005)
    logits, embedding = onnxruntime.InferenceSession(DIGITS / "digits.onnx").run(
        None, {"image": digits.images[heldout][..., None]}
    )
    assert np.array_equal(np.stack([answer.embedding for answer in answers]), embedding)
    assert (logits.argmax(axis=1) == [answer.order[0] for answer in answers]).all()


async def test_a_row_that_the_model_cannot_bear_dies_alone(road: Road, shelf: ModelShelf, topic_prefix: str) -> None:
    graph = SmallGraph()
    graph.input("text", "int32", 1)
    graph.constant("table", np.eye(3, dtype=np.float32)[np.arange(110) % 3])
    graph.node("Gather", ["table", "text"], "looked up")  # a character beyond the table is out of bounds
    graph.node("Flatten", ["looked up"], "probabilities", axis=1)
    graph.output("probabilities", "float32", 3)
    shelf.graph(topic_prefix, graph)
    project = with_model(topic_prefix, PayloadKind.TEXT, encoder=TextEncoder(length=1))
    texts = ["A"] * 50
    texts[17] = texts[18] = texts[41] = "z"

    inferred = await road.predict(project, [TextPayload(text) for text in texts])

    assert [place for place, reason in enumerate(reasons(inferred)) if reason] == [17, 18, 41]
    assert reasons(inferred)[17] == "MODEL_REJECTED_RECORD"
    assert set(tops(inferred)) == {CLASSES[66 % 3], ""}
    assert reasons(await road.predict(project, [TextPayload("z")])) == ["MODEL_REJECTED_RECORD"]


async def test_raw_strings_reach_a_model_that_reads_text_itself(
    road: Road, shelf: ModelShelf, topic_prefix: str
) -> None:
    graph = SmallGraph()
    graph.input("text", "string", 1)
    graph.constant("words", np.array(["spam ✓".encode(), b"ham", b"egg"], dtype=np.object_))
    graph.node("Equal", ["text", "words"], "is word")
    graph.node("Cast", ["is word"], "numbers", to=1)
    graph.output("numbers", "float32", 3)
    shelf.graph(topic_prefix, graph)
    project = with_model(
        topic_prefix,
        PayloadKind.TEXT,
        encoder=TextEncoder(raw=True),
        output_name="numbers",
        output_kind=OutputKind.LOGITS,
    )

    inferred = await road.predict(project, [TextPayload(text) for text in ("egg", "spam ✓", "ham", "egg")])

    assert tops(inferred) == ["c", "a", "b", "c"]


async def test_features_and_a_model_that_answers_nan(road: Road, shelf: ModelShelf, topic_prefix: str) -> None:
    graph = SmallGraph()
    graph.input("x", "float32", 3)
    graph.node("Sqrt", ["x"], "roots")
    graph.output("roots", "float32", 3)
    shelf.graph(topic_prefix, graph)
    project = with_model(
        topic_prefix,
        PayloadKind.FEATURES,
        input_name="x",
        encoder=FeaturesEncoder(length=3),
        output_name="roots",
        output_kind=OutputKind.LOGITS,
    )

    inferred = await road.predict(
        project, [FeaturesPayload(values) for values in ((0.0, 9.0, 4.0), (-1.0, 0.0, 0.0), (1.0,), (9.0, 0.0, 0.0))]
    )

    assert reasons(inferred) == ["", "MODEL_OUTPUT_INVALID", "FEATURES_LENGTH_MISMATCH", ""]
    assert tops(inferred) == ["b", "", "", "a"]


async def test_many_callers_at_once_each_get_their_own(road: Road, shelf: ModelShelf, topic_prefix: str) -> None:
    graph = SmallGraph()
    graph.input("x", "float32", 2)
    graph.constant("one", np.float32([1.0]))
    graph.node("Mul", ["x", "one"], "y")
    graph.output("y", "float32", 2)
    shelf.graph(topic_prefix, graph)
    target = (await road.models.signature(topic_prefix, 1)).outputs
    assert [str(tensor) for tensor in target] == ["y: FP32 [2]"]
    project = with_model(
        topic_prefix,
        PayloadKind.FEATURES,
        input_name="x",
        encoder=FeaturesEncoder(length=2),
        output_name="y",
        output_kind=OutputKind.LOGITS,
        embedding_name="y",
    )
    project = dataclasses.replace(
        project, taxonomy=dataclasses.replace(project.taxonomy, classes=project.taxonomy.classes[:2])
    )

    async def call(first: int) -> None:
        rows = [(float(first), float(n)) for n in range(1 + first % 37)]
        inferred = await road.predict(project, [FeaturesPayload(row) for row in rows])
        assert [tuple(each.embedding) for each in inferred if isinstance(each, Answer)] == rows  # type: ignore[arg-type]

    await asyncio.gather(*(call(first) for first in range(120)))


async def test_an_absent_model_or_version_is_transient_and_named(
    road: Road, shelf: ModelShelf, topic_prefix: str
) -> None:
    shelf.trivial(topic_prefix)
    for name, version in (("never-heard-of", 1), (topic_prefix, 9)):
        with pytest.raises(TransientError, match=f"does not serve model {name} version {version}"):
            await road.models.signature(name, version)
    assert (await road.models.signature(topic_prefix, 1)).max_batch_rows == 1024


async def test_a_model_that_a_healthy_server_does_not_serve_is_given_up_until_it_is_there(
    triton: str, shelf: ModelShelf, topic_prefix: str
) -> None:
    project = trivial_project("p", topic_prefix)
    payloads: list[Payload] = [TextPayload("one"), TextPayload("two")]
    async with driven(triton, patience_s=0) as road:
        given_up = await road.models.trouble(topic_prefix, 1)
        assert isinstance(given_up, InvalidMessageError)
        assert f"does not serve model {topic_prefix} version 1" in given_up.detail
        assert reasons(await road.predict(project, payloads)) == ["MODEL_NOT_SERVED"] * 2

        shelf.trivial(topic_prefix)
        assert await road.models.trouble(topic_prefix, 1) is None
        assert "" not in tops(await road.predict(project, payloads))

        shelf.unload(topic_prefix)
        given_up = await road.models.trouble(topic_prefix, 1)
        assert isinstance(given_up, InvalidMessageError)


async def test_a_model_that_never_answers_in_time_is_given_up_too_while_its_server_lives(
    triton: str, shelf: ModelShelf, topic_prefix: str
) -> None:
    shelf.silent(topic_prefix)
    project = trivial_project("p", topic_prefix)
    async with driven(triton, timeout_s=0.5) as road:
        with pytest.raises(ModelFailsError, match=r"gave no answer within 0\.5 s"):
            await road.predict(project, [TextPayload("one")])
    async with driven(triton, timeout_s=0.5, patience_s=0) as road:
        assert reasons(await road.predict(project, [TextPayload("one")])) == ["MODEL_FAILED"]
    async with driven(triton) as road:
        assert reasons(await road.predict(project, [TextPayload("one")])) == [""]


async def test_a_server_that_is_away_is_waited_for_whatever_the_patience() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    async with driven(address, patience_s=0) as road:
        for _ in range(2):
            assert isinstance(await road.models.trouble("mine", 1), TransientError)
            with pytest.raises(TransientError, match="does not answer: UNAVAILABLE"):
                await road.predict(trivial_project("p", "mine"), [TextPayload("one")])


async def test_a_killed_triton_is_transient_and_comes_back(
    own_servers: Callable[..., EmbeddedServers], tmp_path: Path
) -> None:
    servers = own_servers("triton")
    shelf = ModelShelf(servers.triton, servers.triton_repository, tmp_path)
    shelf.trivial("mine")
    project = trivial_project("p", "mine")
    payloads: list[Payload] = [TextPayload(f"text {n}") for n in range(200)]
    async with driven(servers.triton) as road:
        before = tops(await road.predict(project, payloads))
        assert "" not in before

        servers.kill("triton")
        with pytest.raises(TransientError, match=f"Triton at {servers.triton} does not answer: UNAVAILABLE"):
            await road.predict(project, payloads)

        servers.restart("triton")
        shelf.load("mine")
        async with asyncio.timeout(30):
            while True:
                try:
                    assert tops(await road.predict(project, payloads)) == before
                    break
                except TransientError:
                    await asyncio.sleep(0.1)
        failures = road.metrics.expose("")[0].decode()
    assert 'streamlabel_inference_failures_total{code="UNAVAILABLE",model="mine"}' in failures
