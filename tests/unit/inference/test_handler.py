"""The use case: records of many projects in, a prediction or a reason for each out."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streamlabel.core.identity import RecordKey
from streamlabel.core.project import FeaturesEncoder, ImageEncoder, OutputKind, Project
from streamlabel.core.record import FeaturesPayload, ImagePayload, Payload, PayloadKind, Record, TextPayload
from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.inference.handler import Predictor
from streamlabel.inference.ports import Answer, Inferred, ModelAnswers, ServedProject
from streamlabel.inference.rules.signature import ModelSignature, ModelTarget, TensorSignature
from streamlabel.inference.rules.tensors import Encoded
from support.models import trivial_project
from support.nouns import text_project

SIGNATURE = ModelSignature(
    max_batch_rows=8,
    inputs=(TensorSignature(name="text", datatype="INT32", shape=(64,)),),
    outputs=(
        TensorSignature(name="probabilities", datatype="FP32", shape=(3,)),
        TensorSignature(name="embedding", datatype="FP32", shape=(2,)),
    ),
)


class Projects:
    def __init__(self, *projects: Project) -> None:
        self.served = {project.name: ServedProject(project, 1 if project.model else 0) for project in projects}
        self.fault: TransientError | None = None

    async def find(self, name: str) -> ServedProject | None:
        if self.fault is not None:
            raise self.fault
        return self.served.get(name)


class Models:
    """Gives class `first value of the row mod 3` a probability of 0.8; the row's first value is the embedding."""

    def __init__(self) -> None:
        self.signature_now = SIGNATURE
        self.asked: list[tuple[ModelTarget, npt.NDArray[Any]]] = []
        self.refused: dict[int, InvalidMessageError] = {}
        self.fault: Exception | None = None
        self.gone: Exception | None = None

    async def signature(self, name: str, version: int) -> ModelSignature:
        if self.gone is not None:
            raise self.gone
        return self.signature_now

    async def infer(self, target: ModelTarget, rows: npt.NDArray[Any]) -> ModelAnswers:
        self.asked.append((target, rows))
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        first = rows.reshape(len(rows), -1)[:, 0]
        chances = np.full((len(rows), 3), 0.1, dtype=np.float32)
        chances[np.arange(len(rows)), first.astype(int) % 3] = 0.8
        kept = [row for row in range(len(rows)) if row not in self.refused]
        embedding = np.stack([first, first], axis=1).astype(np.float32)
        outputs = {"probabilities": chances[kept], "embedding": embedding[kept]}
        return ModelAnswers([outputs[name] for name in target.output_names] if kept else [], self.refused)


class Pictures:
    def __init__(self) -> None:
        self.refused: dict[int, InvalidMessageError] = {}

    async def decode(self, payloads: Sequence[ImagePayload], encoder: ImageEncoder) -> Encoded:
        kept = [payload.data[-1] for place, payload in enumerate(payloads) if place not in self.refused]
        return Encoded(np.array(kept, dtype=np.uint8).reshape(-1, 1, 1, 1), self.refused)


class Log:
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def broken(self, project: str, fault: InvalidMessageError) -> None:
        self.said.append((project, fault.reason))

    def kept(self, project: str) -> None:
        self.said.append((project, "kept"))


class Scene:
    def __init__(self, *projects: Project) -> None:
        self.projects = Projects(*projects)
        self.models = Models()
        self.pictures = Pictures()
        self.log = Log()
        self.predictor = Predictor(projects=self.projects, models=self.models, pictures=self.pictures, log=self.log)

    async def predict(self, *records: Record) -> list[Inferred]:
        return await self.predictor.predict(records)


def record(payload: Payload | str, project: str = "mail", record_id: str = "1") -> Record:
    content = TextPayload(payload) if isinstance(payload, str) else payload
    return Record(key=RecordKey(project=project, record_id=record_id), payload=content, content_hash=b"h" * 16)


def picture(value: int) -> ImagePayload:
    return ImagePayload(b"\x89PNG\r\n\x1a\n" + bytes([value]), "image/png")


def reason(inferred: Inferred) -> str:
    assert isinstance(inferred, InvalidMessageError), inferred
    return inferred.reason


def top(inferred: Inferred) -> str:
    assert isinstance(inferred, Answer), inferred
    return inferred.provenance.class_names[inferred.order[0]]


def with_model(project: Project, kind: PayloadKind = PayloadKind.TEXT, **changes: Any) -> Project:
    assert project.model is not None
    return dataclasses.replace(project, payload_kind=kind, model=dataclasses.replace(project.model, **changes))


async def test_each_record_gets_its_own_answer() -> None:
    scene = Scene(trivial_project("mail", "m", version=5))

    answers = await scene.predict(record("a"), record("b"), record("c"))  # a + 1 is 98, and 98 mod 3 is 2

    assert [top(answer) for answer in answers] == ["c", "a", "b"]
    first = answers[0]
    assert isinstance(first, Answer)
    assert first.probabilities[0] == pytest.approx(0.8)
    assert first.embedding is None
    provenance = first.provenance
    assert (provenance.model_name, provenance.model_version, provenance.project_version) == ("m", 1, 5)
    assert [target.version for target, _ in scene.models.asked] == [1]


async def test_an_embedding_comes_with_its_row() -> None:
    scene = Scene(with_model(trivial_project("mail", "m"), embedding_name="embedding"))

    first, second = await scene.predict(record("a"), record("z"))

    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert first.embedding is not None
    assert second.embedding is not None
    assert (first.embedding.tolist(), second.embedding.tolist()) == ([98, 98], [123, 123])


async def test_projects_of_one_batch_are_each_handled_in_their_way() -> None:
    scene = Scene(trivial_project("mail", "m"), trivial_project("post", "n"), text_project("people"))

    answers = await scene.predict(
        record("a", "post"), record("x", "people"), record("b", "mail"), record("x", "nobody"), record("c", "post")
    )

    assert (top(answers[0]), top(answers[2]), top(answers[4])) == ("c", "a", "b")
    by_hand = answers[1]
    assert isinstance(by_hand, Answer)
    assert (by_hand.order, by_hand.provenance.model_name, by_hand.provenance.project_version) == ((), "", 1)
    assert reason(answers[3]) == "UNKNOWN_PROJECT"
    assert sorted(target.name for target, _ in scene.models.asked) == ["m", "n"]


async def test_another_kind_of_payload_is_refused_alone() -> None:
    scene = Scene(trivial_project("mail", "m"))

    answers = await scene.predict(record("a"), record(FeaturesPayload((1.0,))), record("b"))

    assert reason(answers[1]) == "PAYLOAD_KIND_MISMATCH"
    assert [top(answers[0]), top(answers[2])] == ["c", "a"]


async def test_a_batch_of_refused_payloads_asks_no_model() -> None:
    scene = Scene(with_model(trivial_project("f", "m"), PayloadKind.FEATURES, encoder=FeaturesEncoder(length=64)))
    scene.models.signature_now = dataclasses.replace(
        SIGNATURE, inputs=(TensorSignature(name="text", datatype="FP32", shape=(64,)),)
    )

    answers = await scene.predict(*(record(FeaturesPayload((1.0,)), "f") for _ in range(3)))

    assert [reason(answer) for answer in answers] == ["FEATURES_LENGTH_MISMATCH"] * 3
    assert not scene.models.asked


async def test_refusals_of_encoder_model_and_output_keep_their_places() -> None:
    encoder = ImageEncoder(width=1, height=1, channels=1, scale=1.0)
    scene = Scene(with_model(trivial_project("p", "m"), PayloadKind.IMAGE, encoder=encoder))
    scene.models.signature_now = dataclasses.replace(
        SIGNATURE, inputs=(TensorSignature(name="text", datatype="UINT8", shape=(1, 1, 1)),)
    )
    scene.pictures.refused = {1: InvalidMessageError("INVALID_IMAGE", "torn")}
    scene.models.refused = {2: InvalidMessageError("MODEL_REJECTED_RECORD", "ugh")}  # its row, the fourth record

    answers = await scene.predict(*(record(picture(value), "p") for value in range(5)))

    assert (reason(answers[1]), reason(answers[3])) == ("INVALID_IMAGE", "MODEL_REJECTED_RECORD")
    assert [top(answers[place]) for place in (0, 2, 4)] == ["a", "c", "b"]


async def test_rows_that_the_model_refuses_altogether() -> None:
    scene = Scene(trivial_project("mail", "m"))
    scene.models.refused = {row: InvalidMessageError("MODEL_REJECTED_RECORD", "ugh") for row in range(2)}

    assert [reason(each) for each in await scene.predict(record("a"), record("b"))] == ["MODEL_REJECTED_RECORD"] * 2


async def test_numbers_that_are_no_probabilities_are_refused() -> None:
    scene = Scene(trivial_project("mail", "m"))

    async def infer(target: ModelTarget, rows: npt.NDArray[Any]) -> ModelAnswers:
        return ModelAnswers([np.array([[0.2, 0.2, 0.6], [5.0, 1.0, -2.0]])], {})

    scene.models.infer = infer  # type: ignore[method-assign]
    first, second = await scene.predict(record("a"), record("b"))

    assert (top(first), reason(second)) == ("c", "MODEL_OUTPUT_INVALID")


async def test_logits_are_read_as_the_project_says() -> None:
    scene = Scene(with_model(trivial_project("mail", "m"), output_kind=OutputKind.LOGITS))

    (answer,) = await scene.predict(record("a"))

    assert isinstance(answer, Answer)
    assert answer.probabilities[0] == pytest.approx(np.exp(0.8) / (np.exp(0.8) + 2 * np.exp(0.1)))


async def test_a_project_that_does_not_fit_its_model_is_refused_and_told_once() -> None:
    scene = Scene(trivial_project("wide", "m", classes=("a", "b", "c", "d")), trivial_project("mail", "m"))

    for _ in range(3):
        answers = await scene.predict(record("a", "wide"), record("b"))
        assert (reason(answers[0]), top(answers[1])) == ("MODEL_OUTPUT_MISMATCH", "a")
    assert scene.log.said == [("wide", "MODEL_OUTPUT_MISMATCH"), ("mail", "kept")]


async def test_a_mended_project_or_model_is_noticed() -> None:
    scene = Scene(trivial_project("mail", "m", classes=("a", "b", "c", "d")))
    assert reason((await scene.predict(record("a")))[0]) == "MODEL_OUTPUT_MISMATCH"

    scene.projects.served["mail"] = ServedProject(trivial_project("mail", "m", version=2), 7)
    (answer,) = await scene.predict(record("a"))
    assert isinstance(answer, Answer)
    assert (answer.provenance.project_version, answer.provenance.model_version) == (2, 7)

    scene.models.signature_now = dataclasses.replace(SIGNATURE, max_batch_rows=0)
    assert reason((await scene.predict(record("a")))[0]) == "MODEL_INPUT_MISMATCH"
    assert [said for _, said in scene.log.said] == ["MODEL_OUTPUT_MISMATCH", "kept", "MODEL_INPUT_MISMATCH"]


async def test_a_model_that_is_away_holds_the_whole_batch() -> None:
    scene = Scene(trivial_project("mail", "m"), trivial_project("post", "n"), text_project("people"))
    scene.models.fault = TransientError("loading")

    with pytest.raises(TransientError, match="loading"):
        await scene.predict(record("a"), record("x", "people"), record("a", "post"))


async def test_a_model_that_is_given_up_refuses_each_record_until_it_is_back() -> None:
    scene = Scene(trivial_project("mail", "m"), text_project("people"))
    scene.models.gone = InvalidMessageError("MODEL_NOT_SERVED", "never heard of")
    for _ in range(2):
        given_up, passed = await scene.predict(record("a"), record("x", "people"))
        assert reason(given_up) == "MODEL_NOT_SERVED"
        assert isinstance(passed, Answer)

    scene.models.gone = None
    assert isinstance((await scene.predict(record("a")))[0], Answer)
    # Who gave the model up has told of it: here only that the two agree.
    assert [what for project, what in scene.log.said if project == "mail"] == ["kept"]


async def test_projects_are_examined_before_a_record_comes() -> None:
    scene = Scene(trivial_project("wide", "m", classes=("a", "b", "c", "d")), text_project("people"))
    await scene.predictor.examine(["wide", "people", "nobody"])
    assert scene.log.said == [("wide", "MODEL_OUTPUT_MISMATCH"), ("people", "kept")]

    scene.models.gone = TransientError("Triton is away")
    await scene.predictor.examine(["wide"])
    scene.projects.fault = TransientError("Kafka is away")
    await scene.predictor.examine(["wide"])
    assert len(scene.log.said) == 2


async def test_no_records_need_no_work() -> None:
    assert await Scene().predict() == []
