"""Embeddings of any finite scale and of any length: what is said of a record does not hang on the unit of a model's numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamlabel.gate.embeddings import MAX_EMBEDDING, as_stored, as_used, told_apart, used_length
from streamlabel.gate.fit import fit_scorer, left_out_scores
from streamlabel.gate.published import score_all
from streamlabel.gate.scorer import Predictions
from streamlabel.gate.simulate import simulate
from streamlabel.wire.gates import decode_gate, encode_gate
from support.gates import a_gate, a_prediction, stream

# float32 holds 1.4e-45 to 3.4e38.
SCALES = [2.0**-126, 1e-30, 1e-12, 1.0, 1e12, 1e30, 2.0**120]


def scaled(predictions: Predictions, scale: float) -> Predictions:
    assert predictions.embeddings is not None
    with np.errstate(under="ignore"):
        wire = (predictions.embeddings * scale).astype(np.float32)
    return replace(predictions, embeddings=wire.astype(np.float64))


@pytest.mark.parametrize("dimensions", [4, 60])
@pytest.mark.parametrize("scale", SCALES)
def test_a_scorer_of_embeddings_of_any_scale_goes_out_and_comes_back(scale: float, dimensions: int) -> None:
    known, truth = stream(700, 1, dimensions=dimensions)
    fresh, _ = stream(500, 2, dimensions=dimensions)
    scorer = fit_scorer(scaled(known, scale), truth)
    assert scorer.neighbours is not None
    decoded = decode_gate(encode_gate(a_gate(scorer=scorer, class_count=6))).scorer
    scores = decoded.score(scaled(fresh, scale))
    assert scores.tobytes() == scorer.score(scaled(fresh, scale)).tobytes()
    assert np.isfinite(left_out_scores(scorer, scaled(known, scale))).all()
    # A power of two takes no digit from an embedding: the same scores come of it.
    two = 2.0 ** round(np.log2(scale))
    if two > 2.0**-100:
        usual = fit_scorer(known, truth).score(fresh)
        assert np.abs(fit_scorer(scaled(known, two), truth).score(scaled(fresh, two)) - usual).max() < 1e-6


def test_one_value_far_beyond_all_others_is_cut_off() -> None:
    known, truth = stream(700, 1)
    assert known.embeddings is not None
    odd = known.embeddings.copy() * 1e-30
    odd[3, 0] = 3e38
    scorer = fit_scorer(replace(known, embeddings=odd), truth)
    assert np.isfinite(scorer.score(replace(known, embeddings=odd))).all()
    decode_gate(encode_gate(a_gate(scorer=scorer, class_count=6)))


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_a_simulated_stream_may_have_any_scale_that_float64_has(scale: float) -> None:
    known, truth = stream(2500, 3)
    assert known.embeddings is not None
    places = known.predicted
    whole = np.full((len(truth), 6), 0.02)
    whole[np.arange(len(truth)), places] = 0.9
    usual, odd = (
        simulate(whole, truth, known.embeddings * factor, alpha=0.2, runs=1).runs[0].coverage for factor in (1.0, scale)
    )
    assert odd == pytest.approx(usual, abs=0.05)


def test_what_is_scaled_down_is_scaled_by_a_power_of_two() -> None:
    given = np.array([[1e300, -3e299], [0.0, 1e-300]])
    exponents = np.log2(told_apart(given)[0] / given[0])
    assert exponents == pytest.approx(np.round(exponents))
    assert np.abs(told_apart(given)).max() <= 1
    usual = np.array([[1.5, 1e-30]])
    assert told_apart(usual) is usual
    assert not told_apart(np.zeros((2, 3))).any()


def test_an_embedding_that_is_too_long_counts_as_none() -> None:
    assert (used_length(MAX_EMBEDDING), used_length(MAX_EMBEDDING + 1)) == (MAX_EMBEDDING, 0)
    places = {"spam": 0, "ham": 1}
    gate = a_gate(embedding_length=0)
    long, none, short = (
        a_prediction("r", 0.9, embedding=(1.0,) * length) for length in (MAX_EMBEDDING + 1, 0, MAX_EMBEDDING)
    )
    scores = score_all(gate, [long, none, short], places)
    assert scores[0] == scores[1] == pytest.approx(0.8)
    assert scores[2] is None
    known, truth = stream(60, 1, dimensions=8)
    whole = np.full((60, 6), 1 / 6)
    wide = np.ones((60, MAX_EMBEDDING + 1))
    assert simulate(whole, truth, wide, alpha=0.2).runs == simulate(whole, truth, alpha=0.2).runs
    assert known.classes == 6


def test_numbers_of_32_bits_are_stored_as_such_and_no_other_loses_a_bit() -> None:
    wire = np.array([[1.5, -0.0, 1e-45], [3.4e38, 0.1, 0.0]], dtype=np.float32).astype(np.float64)
    assert as_stored(wire).dtype == np.float32
    assert as_used(as_stored(wire)).tobytes() == wire.tobytes()
    for other in (np.array([0.1]), np.array([np.nan]), np.array([1e300]), np.arange(3), np.array([0.5], np.float32)):
        assert as_stored(other) is other
