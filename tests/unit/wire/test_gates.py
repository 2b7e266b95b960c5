"""A gate's message is all that it takes to decide: what comes out scores bit for bit like what went in."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from streamlabel.core.control import Confirmed, Gate, GateState, Suspects
from streamlabel.errors import InvalidMessageError
from streamlabel.gate.embeddings import MAX_EMBEDDING
from streamlabel.gate.features import Neighbours, to_unit_steps
from streamlabel.gate.fit import MAX_NEIGHBOURS, fit_scorer
from streamlabel.gate.published import PublishedGate
from streamlabel.gate.scorer import Scorer
from streamlabel.v1 import control_pb2
from streamlabel.wire.gates import MAX_GATE_BYTES, decode_gate, encode_gate
from support.gates import a_gate, a_scorer, stream

MOMENT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
WHOLE = Gate(
    double_blind_share=0.25,
    gate_id="g",
    project="p",
    model_name="m",
    model_version=4,
    state=GateState.SUSPENDED,
    threshold=0.8,
    alpha=0.05,
    delta=0.04,
    lane_rate=0.15,
    evidence_count=200,
    evidence_errors=5,
    certified_at=MOMENT,
    expires_at=MOMENT.replace(year=2027),
    taxonomy_version=3,
    class_count=6,
    coin_key_id="0123456789abcdef",
    guard_threshold=0.9,
    epoch=2,
    reason="inputs changed",
    suspect_from=MOMENT.replace(month=1),
    confirmed_until=MOMENT.replace(month=2),
    suspects=(Suspects(MOMENT, MOMENT.replace(month=4)), Suspects(MOMENT.replace(month=5))),
    first_gate=11,
    earlier=(Confirmed(7, MOMENT), Confirmed(9, None)),
    embedding_length=16,
    binding="3f",
    lifetime_s=321.5,
)


def test_every_part_of_a_gate_survives() -> None:
    assert len({getattr(WHOLE, each.name) for each in fields(Gate)}) == len(fields(Gate)), "no two parts alike"
    assert decode_gate(encode_gate(PublishedGate(gate=WHOLE, scorer=Scorer()))) == PublishedGate(
        gate=WHOLE, scorer=Scorer()
    )
    for bare in (a_gate().gate, a_gate(embedding_length=0).gate):
        assert decode_gate(encode_gate(PublishedGate(gate=bare, scorer=Scorer()))).gate == bare
    closed = replace(bare, state=GateState.COLD, threshold=float("inf"))
    assert decode_gate(encode_gate(PublishedGate(gate=closed, scorer=Scorer()))).gate == closed


@pytest.mark.parametrize("seed", range(12))
def test_a_decoded_scorer_scores_bit_for_bit_like_the_original(seed: int) -> None:
    chance = np.random.default_rng(seed)
    classes, dimensions = int(chance.integers(2, 15)), int(chance.choice([2, 8, 24, 60]))
    shape = {"classes": classes, "dimensions": dimensions, "embedded": bool(seed % 4)}
    known, truth = stream(700, seed, **shape)
    scorer = fit_scorer(known, truth)
    assert scorer.weights
    value = encode_gate(a_gate(scorer=scorer, class_count=classes))
    decoded = decode_gate(value).scorer
    fresh, _ = stream(2000, seed + 100, **shape)
    assert decoded.score(fresh).tobytes() == scorer.score(fresh).tobytes()
    assert encode_gate(a_gate(scorer=decoded, class_count=classes)) == value


def test_the_ends_of_the_range_survive() -> None:
    axis = np.array([[512.0, -0.0], [0.0, -512.0]])
    scorer = replace(a_scorer(dimensions=2), neighbours=Neighbours(np.eye(2) * 4096, axis, np.array([0, 1]), 1.0))
    decoded = decode_gate(encode_gate(a_gate(scorer=scorer))).scorer
    assert decoded.neighbours is not None
    assert (decoded.neighbours.points == axis).all()


@pytest.mark.parametrize("embedding", [24, 768, MAX_EMBEDDING])
def test_the_largest_reference_fits(embedding: int) -> None:
    chance = np.random.default_rng(0)
    points = to_unit_steps(chance.uniform(-1, 1, (MAX_NEIGHBOURS, 24)))
    # Longer than any that is fitted: each number at its largest.
    projection = np.full((embedding, 24), -4096.0)
    classes = chance.integers(0, 10_000, MAX_NEIGHBOURS)
    large = replace(a_scorer(), neighbours=Neighbours(projection, points, classes, 3.0))
    told = {"reason": "x" * 1000, "suspects": WHOLE.suspects * 50, "earlier": WHOLE.earlier * 50}
    value = encode_gate(a_gate(scorer=large, class_count=10_000, **told))
    assert len(value) <= MAX_GATE_BYTES == 512 * 1024
    decoded = decode_gate(value).scorer.neighbours
    assert decoded is not None
    assert (decoded.points == points).all()
    assert (decoded.projection == projection).all()


def test_more_or_longer_points_than_can_be_ranked_are_refused() -> None:
    many = Neighbours(np.eye(4), np.full((1025, 4), 256.0), np.zeros(1025, dtype=np.int64), 1.0)
    with pytest.raises(ValueError, match="1025 neighbours"):
        encode_gate(a_gate(scorer=replace(a_scorer(), neighbours=many)))
    far = Neighbours(np.eye(8), np.full((10, 8), 512.0), np.zeros(10, dtype=np.int64), 1.0)
    with pytest.raises(ValueError, match="too large"):
        encode_gate(a_gate(scorer=replace(a_scorer(), neighbours=far)))


def test_what_is_too_large_is_never_written() -> None:
    neighbours = Neighbours(np.full((20_000, 24), 4096.0), np.ones((10, 24)), np.zeros(10, dtype=np.int64), 1.0)
    with pytest.raises(ValueError, match="must not have more than 524,288"):
        encode_gate(a_gate(scorer=replace(a_scorer(), neighbours=neighbours)))


def test_what_would_be_rounded_is_never_written() -> None:
    scorer = a_scorer()
    assert scorer.neighbours is not None
    off = replace(scorer.neighbours, points=scorer.neighbours.points + 0.25)
    with pytest.raises(ValueError, match="not whole"):
        encode_gate(a_gate(scorer=replace(scorer, neighbours=off), class_count=6))


def _without_scorer(message: control_pb2.Gate) -> None:
    message.ClearField("scorer")


def _short_points(message: control_pb2.Gate) -> None:
    del message.scorer.neighbours.points[-1]


def _no_dimensions(message: control_pb2.Gate) -> None:
    message.scorer.neighbours.dimensions = 0


def _huge_point(message: control_pb2.Gate) -> None:
    message.scorer.neighbours.points[0] = 513


def _unknown_class(message: control_pb2.Gate) -> None:
    message.scorer.neighbours.classes[0] = 6


def _few_weights(message: control_pb2.Gate) -> None:
    del message.scorer.weights[4:]


def _no_spread(message: control_pb2.Gate) -> None:
    message.scorer.spread[2] = 0.0


def _nan_weight(message: control_pb2.Gate) -> None:
    message.scorer.weights[0] = float("nan")


def _no_temperature(message: control_pb2.Gate) -> None:
    message.scorer.temperature = 0.0


def _without_lane(message: control_pb2.Gate) -> None:
    message.lane_rate = 0.0


def _nan_threshold(message: control_pb2.Gate) -> None:
    message.threshold = float("nan")


def _future_state(message: control_pb2.Gate) -> None:
    message.ParseFromString(message.SerializeToString() + b"\x28\x63")


@pytest.mark.parametrize(
    "spoil",
    [
        _without_scorer,
        _short_points,
        _no_dimensions,
        _huge_point,
        _unknown_class,
        _few_weights,
        _no_spread,
        _nan_weight,
        _no_temperature,
        _without_lane,
        _nan_threshold,
        _future_state,
    ],
)
def test_a_gate_that_cannot_decide_is_no_gate(spoil) -> None:
    message = control_pb2.Gate.FromString(encode_gate(a_gate(scorer=a_scorer(), class_count=6)))
    spoil(message)
    with pytest.raises(InvalidMessageError) as raised:
        decode_gate(message.SerializeToString())
    assert raised.value.reason == "MALFORMED"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_damaged_gate_is_refused_or_scores_everything() -> None:
    """Whatever still passes as a gate gives each prediction a number in 0-1: no batch of records dies of it."""
    chance = random.Random(5)
    whole = encode_gate(a_gate(scorer=a_scorer(count=200), class_count=6))
    table, _ = stream(5, 1)
    passed = 0
    for _ in range(1500):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.choice((chance.randrange(len(damaged)), chance.randrange(400)))] = chance.randrange(256)
        try:
            found = decode_gate(bytes(damaged))
        except InvalidMessageError:
            continue
        passed += 1
        known = found.scorer.neighbours
        if known is None or len(known.projection) == 8:
            scores = np.clip(found.scorer.score(table), 0, 1)
            assert np.isfinite(scores).all()
    assert passed > 100
