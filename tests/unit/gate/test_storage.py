"""A keeper that was put away and taken out again goes on as if nothing had been."""

from __future__ import annotations

import numpy as np
import pytest

from streamlabel.core.control import GateState
from streamlabel.gate.keeper import Keeper
from streamlabel.gate.policy import GatePolicy
from streamlabel.gate.sample import NOT_ASKED, Rows
from streamlabel.gate.scorer import Predictions
from streamlabel.gate.storage import dump_keeper, load_keeper, pack, unpack

POLICY = GatePolicy(alpha=0.1, delta=0.1)
SIZE = 50


def live(keeper: Keeper, begin: int, end: int, *, error: float = 0.02, embeddings: bool = True) -> list[float]:
    """Records `begin` to `end` of one and the same stream; the thresholds on the way."""
    thresholds = []
    for place in range(begin, end, SIZE):
        chance = np.random.default_rng(place)
        first = 0.5 + chance.beta(6, 2, SIZE) / 2
        truth = np.where(chance.random(SIZE) < np.where(first > 0.8, error, 0.4), 1, 0)
        near = (truth[:, None] + chance.normal(0, 0.7, (SIZE, 4))).astype(np.float32) if embeddings else None
        predictions = Predictions(np.column_stack((first, 1 - first)), np.zeros(SIZE, dtype=np.int64), 2, near)
        scores = keeper.scorer.score(predictions)
        coins, rate = chance.random(SIZE), keeper.lane_rate
        lane, passable = coins < rate, scores >= keeper.threshold
        rows = Rows(
            predictions=predictions,
            places=np.arange(place, place + SIZE),
            scores=scores,
            truth=truth,
            second=np.full(len(truth), NOT_ASKED),
            weight=np.ones(SIZE),
        )
        keeper.see(rows, lane)
        keeper.weigh(rows.take(lane & passable))
        keeper.calibrate(rows.take(lane), coins[lane] >= rate / 2)
        keeper.learn(rows.take(~lane & ~passable))
        keeper.compare(rows.take(lane | ~passable))
        if keeper.look_is_due:
            keeper.look()
        thresholds.append(keeper.threshold)
    return thresholds


@pytest.mark.parametrize("embeddings", [False, True])
@pytest.mark.parametrize("pause", [0, 100, 1500, 3000, 4000])
def test_it_goes_on_bit_for_bit(pause: int, embeddings: bool) -> None:
    whole, first = Keeper(POLICY), Keeper(POLICY)
    wanted = live(whole, 0, 3500, embeddings=embeddings) + live(whole, 3500, 5000, error=0.6, embeddings=embeddings)
    got = live(first, 0, min(pause, 3500), embeddings=embeddings)
    got += live(first, 3500, max(pause, 3500), error=0.6, embeddings=embeddings)
    second = load_keeper(dump_keeper(first))
    got += live(second, min(pause, 3500), 3500, embeddings=embeddings)
    got += live(second, max(pause, 3500), 5000, error=0.6, embeddings=embeddings)
    assert got == wanted
    assert second.take_transitions() == whole.take_transitions()
    assert second.ledger == whole.ledger
    assert second.scorer.weights == whole.scorer.weights
    assert dump_keeper(second) == dump_keeper(load_keeper(dump_keeper(second)))
    assert GateState.CERTIFIED.value in dump_keeper(whole).decode("latin-1")


def test_what_is_no_keeper_is_refused() -> None:
    whole = dump_keeper(Keeper(POLICY))
    tree, arrays = unpack(whole)
    for wrong in (b"", b"no zip", whole[:200], pack(3, {}), pack({"class": "Popen", "fields": {}}, {})):
        with pytest.raises(ValueError, match="not"):
            load_keeper(wrong)
    tree["fields"]["of_another_release"] = 1
    with pytest.raises(ValueError, match="of_another_release"):
        load_keeper(pack(tree, arrays))
    del tree["fields"]["of_another_release"], tree["fields"]["epoch"]
    with pytest.raises(ValueError, match="epoch"):
        load_keeper(pack(tree, arrays))


def test_an_array_that_is_code_is_not_read() -> None:
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ValueError, match=r"pickle|Object"):
        pack({}, {"bad": objects})
