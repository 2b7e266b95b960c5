"""Gates, coin keys and predictions that a gate can score."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from streamlabel.core.binding import binding_digest, binding_text
from streamlabel.core.control import Gate, GateState
from streamlabel.core.identity import RecordKey
from streamlabel.core.prediction import Candidate, Prediction
from streamlabel.core.project import CertifiedPolicy, Project
from streamlabel.core.record import Record, TextPayload
from streamlabel.gate.coin import key_id
from streamlabel.gate.fit import fit_scorer
from streamlabel.gate.published import PublishedGate
from streamlabel.gate.scorer import Predictions, Scorer
from support.nouns import text_project

NOW = datetime(2026, 3, 1, tzinfo=UTC)
COIN_KEY = bytes(range(32))
OTHER_COIN_KEY = bytes(range(32, 64))
SCORE_OF_HALF = 0.5


def binding_of(project: Project, version: int = 1) -> str:
    """What a gate says of how the project binds its model."""
    assert project.model is not None
    return binding_digest(binding_text(project.model, version))


def a_gate(project: str = "mail", scorer: Scorer | None = None, **changes: Any) -> PublishedGate:
    """An open gate of model `m` 1 as `text_project` binds it, under a taxonomy of two classes, by the margin of the best candidate."""
    gate = Gate(
        gate_id="g1",
        project=project,
        model_name="m",
        model_version=1,
        state=GateState.CERTIFIED,
        threshold=SCORE_OF_HALF,
        alpha=0.05,
        delta=0.05,
        lane_rate=0.2,
        evidence_count=500,
        evidence_errors=3,
        certified_at=NOW,
        expires_at=None,
        taxonomy_version=1,
        class_count=2,
        coin_key_id=key_id(COIN_KEY),
        first_gate=1,
        binding=binding_of(text_project("mail", policy=CertifiedPolicy(alpha=0.05, delta=0.05))),
    )
    return PublishedGate(gate=replace(gate, **changes), scorer=scorer or Scorer())


def a_prediction(
    record_id: str, first: float, *, project: str = "mail", embedding: tuple[float, ...] = (), **changes: Any
) -> Prediction:
    """Model `m` 1 says `spam` with probability `first`, else `ham`."""
    record = Record(
        key=RecordKey(project=project, record_id=record_id), payload=TextPayload(record_id), content_hash=b"0" * 16
    )
    prediction = Prediction(
        record=record,
        candidates=(Candidate("spam", first), Candidate("ham", 1 - first)),
        score=first,
        embedding=embedding,
        model_name="m",
        model_version=1,
        project_version=1,
    )
    return replace(prediction, **changes)


def stream(
    count: int, seed: int, *, classes: int = 6, dimensions: int = 8, embedded: bool = True
) -> tuple[Predictions, np.ndarray]:
    """Predictions of a model that knows a part of what there is to know, and the truth; embeddings are float32, as on the wire."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(classes).normal(scale=1.5, size=(classes, dimensions))
    truth = chance.integers(0, classes, count)
    points = centres[truth] + chance.normal(scale=1.6, size=(count, dimensions))
    half = min(4, dimensions // 2)
    logits = -((points[:, None, :half] - centres[None, :, :half]) ** 2).sum(axis=2) / 5
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    order = np.argsort(-chances, axis=1, kind="stable")[:, :10]
    embeddings = points.astype(np.float32).astype(np.float64) if embedded else None
    return Predictions(np.take_along_axis(chances, order, axis=1), order[:, 0], classes, embeddings), truth


def a_scorer(seed: int = 1, count: int = 600, **shape: Any) -> Scorer:
    """A scorer fitted to such a stream."""
    predictions, truth = stream(count, seed, **shape)
    return fit_scorer(predictions, truth)
