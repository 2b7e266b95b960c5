"""Predictions written straight to bytes are the message that the codec makes."""

from __future__ import annotations

import random

import numpy as np
import pytest

from streamlabel.core.identity import RecordKey
from streamlabel.core.prediction import Candidate, Prediction
from streamlabel.core.record import Record, TextPayload
from streamlabel.v1 import prediction_pb2
from streamlabel.wire import predictions, records
from streamlabel.wire.prediction_bytes import PredictionWriter


def record(text: str = "hello") -> Record:
    return Record(
        key=RecordKey(project="p", record_id="1"),
        payload=TextPayload(text),
        content_hash=b"h" * 16,
        attributes={"a": "b"},
    )


@pytest.mark.parametrize("seed", range(25))
def test_both_ways_give_one_message(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"class {n} " + "é" * chance.randrange(90) for n in range(chance.randrange(2, 12))]
    order = chance.sample(range(len(names)), chance.randrange(1, len(names)))
    chances = sorted((chance.random() for _ in order), reverse=True)
    embedding = np.random.default_rng(seed).normal(size=chance.choice([0, 1, 64, 400])).astype("<f4")
    subject = record("x" * chance.choice([1, 90, 200, 20_000]))
    version = chance.randrange(1, 1 << 40)
    writer = PredictionWriter(class_names=names, model_name="m", model_version=version, project_version=seed + 1)

    written = writer.write(records.encode(subject), order, chances, embedding.tobytes())

    wanted = Prediction(
        record=subject,
        candidates=tuple(Candidate(names[place], value) for place, value in zip(order, chances, strict=True)),
        score=chances[0],
        embedding=tuple(embedding.tolist()),
        model_name="m",
        model_version=version,
        project_version=seed + 1,
    )
    assert predictions.decode(written) == wanted
    assert prediction_pb2.Prediction.FromString(written) == predictions.to_message(wanted)


def test_a_prediction_of_no_model_is_empty() -> None:
    writer = PredictionWriter(class_names=["a", "b"], model_name="", model_version=0, project_version=4)

    made = predictions.decode(writer.write(records.encode(record()), (), ()))

    assert made == Prediction(record=record(), project_version=4)
