"""Policy `certified`: who goes alone, who into the blind lane, and who to people for want of a gate."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from streamlabel.core.control import GateState
from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.label import Label
from streamlabel.core.prediction import Candidate, Prediction
from streamlabel.core.project import CertifiedPolicy, ModelBinding, OutputKind, Project, TextEncoder
from streamlabel.core.review import ReviewTask
from streamlabel.core.taxonomy import ClassDefinition, Taxonomy
from streamlabel.gate.coin import key_id
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.decide import decide
from streamlabel.gate.published import PublishedGate
from streamlabel.gate.scorer import Predictions, Scorer
from streamlabel.gate.weigh import Unweighed, Weighed, weigh
from streamlabel.routing.adapters.kafka import RoutingLanes
from streamlabel.routing.handler import Router
from streamlabel.routing.ports import Arrival
from streamlabel.routing.rules.results import review_task
from streamlabel.runtime.health import Health
from streamlabel.wire import gates, predictions, review_tasks
from streamlabel.wire.flow import GATES, Names
from support.fake_broker import FakeBroker
from support.fake_cluster import FakeCluster
from support.gates import COIN_KEY, NOW, OTHER_COIN_KEY, a_gate, a_prediction, a_scorer, binding_of, stream
from support.nouns import text_project

POLICY = CertifiedPolicy(alpha=0.05, delta=0.05)
PROJECT = text_project("mail", policy=POLICY)
KEYS = CoinKeys.of(COIN_KEY.hex())
GATE = a_gate().gate
SURE = a_prediction("1", 0.9)


def decided(
    given: Prediction, gate: PublishedGate | None, *, project: Project = PROJECT, now: datetime = NOW
) -> Decision:
    return decide(given, project, weigh([given], project, gate, KEYS, now)[0])


@pytest.mark.parametrize(
    ("state", "score", "coin", "route", "purpose", "reason", "threshold"),
    [
        (GateState.CERTIFIED, 0.5, 0.2, Route.AUTO_LABEL, None, "gate_passed", 0.5),
        (GateState.CERTIFIED, 1.0, 0.99, Route.AUTO_LABEL, None, "gate_passed", 0.5),
        (GateState.CERTIFIED, 0.4999, 0.2, Route.REVIEW, Purpose.TRAIN, "below_gate", 0.5),
        (GateState.CERTIFIED, 1.0, 0.1999, Route.REVIEW, Purpose.CALIBRATE, "calibration_lane", 0.5),
        (GateState.CERTIFIED, 0.0, 0.0, Route.REVIEW, Purpose.CALIBRATE, "calibration_lane", 0.5),
        (GateState.COLD, 1.0, 0.2, Route.REVIEW, Purpose.TRAIN, "gate_closed", 0.0),
        (GateState.SUSPENDED, 1.0, 0.2, Route.REVIEW, Purpose.TRAIN, "gate_closed", 0.0),
        (GateState.REVOKED, 1.0, 0.2, Route.REVIEW, Purpose.TRAIN, "gate_closed", 0.0),
        (GateState.COLD, 1.0, 0.1999, Route.REVIEW, Purpose.CALIBRATE, "calibration_lane", math.inf),
        (GateState.SUSPENDED, 0.1, 0.0, Route.REVIEW, Purpose.CALIBRATE, "calibration_lane", math.inf),
        (GateState.REVOKED, 1.0, 0.1, Route.REVIEW, Purpose.CALIBRATE, "calibration_lane", math.inf),
    ],
)
def test_the_coin_comes_first_then_the_threshold_of_an_open_gate(
    state, score, coin, route, purpose, reason, threshold
) -> None:
    """The lane's rate is 0.2, the threshold 0.5. A calibration task tells whether its record would have passed."""
    found = decide(SURE, PROJECT, Weighed(replace(GATE, state=state), score, coin))
    assert found == Decision(
        route=route,
        purpose=purpose,
        reason=DecisionReason(reason),
        threshold=threshold,
        score=score,
        gate_id="g1",
    )


def test_the_guard_raises_the_threshold() -> None:
    guarded = replace(GATE, guard_threshold=0.7)
    assert decide(SURE, PROJECT, Weighed(guarded, 0.69, 0.9)).reason is DecisionReason.BELOW_GATE
    assert decide(SURE, PROJECT, Weighed(guarded, 0.7, 0.9)).threshold == 0.7


@pytest.mark.parametrize(
    "gate",
    [
        None,
        a_gate(model_version=2),
        a_gate(model_name="other"),
        a_gate(taxonomy_version=2),
        a_gate(class_count=3),
        a_gate(expires_at=NOW),
        a_gate(expires_at=NOW - timedelta(microseconds=1)),
        a_gate(alpha=0.06),
        a_gate(delta=0.06),
        a_gate(binding=""),
        a_gate(binding=binding_of(text_project("mail", policy=POLICY, embedding="near"))),
    ],
)
@pytest.mark.parametrize("record_id", ["1", "2", "3", "4", "5", "6"])
def test_a_gate_for_something_else_is_no_gate(gate, record_id: str) -> None:
    """Nothing passes, and nothing is calibration: it would be evidence about another model, taxonomy or time."""
    found = decided(a_prediction(record_id, 1.0), gate)
    assert (found.route, found.purpose, found.reason) == (Route.REVIEW, Purpose.TRAIN, DecisionReason.NO_GATE)
    assert found.gate_id == ("g1" if gate else "")


MODEL = PROJECT.model
assert MODEL is not None
OTHERWISE = {
    "name": replace(MODEL, name="other"),
    "input": replace(MODEL, input_name="words"),
    "encoder": replace(MODEL, encoder=TextEncoder(length=64)),
    "kind of encoder": replace(MODEL, encoder=TextEncoder(raw=True)),
    "output": replace(MODEL, output_name="another_head"),
    "kind of output": replace(MODEL, output_kind=OutputKind.LOGITS),
    "embedding": replace(MODEL, embedding_name="near"),
}


@pytest.mark.parametrize("model", OTHERWISE.values(), ids=OTHERWISE.keys())
def test_a_gate_counts_only_while_the_model_is_bound_as_it_was_for_its_evidence(model: ModelBinding) -> None:
    """Of the same name and version, another binding is another model: nothing passes, and nothing is calibration."""
    given = [a_prediction(str(number), 0.9) for number in range(20)]
    assert all(isinstance(each, Weighed) for each in weigh(given, PROJECT, a_gate(), KEYS, NOW))
    bound_otherwise = replace(PROJECT, version=2, bound_since=2, model=model)
    later = [replace(each, project_version=2) for each in given]
    assert weigh(later, bound_otherwise, a_gate(), KEYS, NOW) == [Unweighed(gate_id="g1")] * 20


def test_a_release_serves_another_version_by_the_same_binding() -> None:
    gate = a_gate(model_version=7, binding=binding_of(PROJECT, 7))
    assert decided(a_prediction("1", 0.9, model_version=7), gate).reason is not DecisionReason.NO_GATE


@pytest.mark.parametrize(
    ("bound_since", "counted"), [(3, [3, 4, 5]), (5, [5]), (0, [5])], ids=["since 3", "since 5", "nobody knows"]
)
def test_a_gate_counts_for_predictions_of_the_binding_only(bound_since: int, counted: list[int]) -> None:
    """Those of before were made by the model as it was bound then; how it is bound under a later version is not known here yet."""
    project = replace(PROJECT, version=5, bound_since=bound_since)
    given = [a_prediction("1", 0.9, project_version=version) for version in range(1, 8)]
    found = weigh(given, project, a_gate(), KEYS, NOW)
    assert [version for version, each in zip(range(1, 8), found, strict=True) if isinstance(each, Weighed)] == counted


def test_a_prediction_without_the_embedding_that_the_model_is_bound_to_give_is_none_of_the_gates() -> None:
    project = text_project("mail", policy=POLICY, embedding="near")
    gate = a_gate(binding=binding_of(project))
    given = [a_prediction("1", 0.9), a_prediction("2", 0.9, embedding=(0.5, 1.0))]
    assert [isinstance(each, Weighed) for each in weigh(given, project, gate, KEYS, NOW)] == [False, True]
    assert [isinstance(each, Weighed) for each in weigh(given, PROJECT, a_gate(), KEYS, NOW)] == [True, False]


def test_a_gate_counts_until_it_expires_and_for_less_than_it_promises() -> None:
    gate = a_gate(expires_at=NOW + timedelta(microseconds=1), alpha=0.01, delta=0.05)
    assert {decided(a_prediction(str(n), 0.9), gate).reason for n in range(50)} == {
        DecisionReason.GATE_PASSED,
        DecisionReason.CALIBRATION_LANE,
    }


@pytest.mark.parametrize(
    ("ahead", "lifetime_s", "counts"),
    [
        (timedelta(seconds=900), 900, True),
        (timedelta(seconds=960), 900, True),
        (timedelta(seconds=1100), 900, False),
        (timedelta(hours=48), 900, False),
        (timedelta(hours=23), 0, True),
        (timedelta(hours=48), 0, False),
    ],
)
def test_a_gate_that_expires_later_than_a_fresh_one_is_no_gate(
    ahead: timedelta, lifetime_s: float, counts: bool
) -> None:
    """The clock that dated it was ahead: nobody knows how long ago it was renewed."""
    gate = a_gate(expires_at=NOW + ahead, lifetime_s=lifetime_s)
    assert (decided(SURE, gate).reason is not DecisionReason.NO_GATE) is counts


@pytest.mark.parametrize("keys", [CoinKeys(), CoinKeys.of(OTHER_COIN_KEY.hex())])
def test_without_the_key_of_the_coin_everything_goes_to_people(keys: CoinKeys) -> None:
    for state in GateState:
        weighed = weigh([a_prediction("1", 1.0)], PROJECT, a_gate(state=state), keys, NOW)
        assert weighed == [Unweighed(DecisionReason.NO_COIN_KEY, "g1")]
        found = decide(SURE, PROJECT, weighed[0])
        assert (found.route, found.purpose) == (Route.REVIEW, Purpose.TRAIN)


def test_a_gate_names_the_key_that_its_coin_is_tossed_with() -> None:
    both = CoinKeys.of(f"{COIN_KEY.hex()}\n{OTHER_COIN_KEY.hex()},")
    batch = [a_prediction(str(n), 0.9) for n in range(300)]

    def lane(key: bytes, keys: CoinKeys) -> list[bool]:
        weighed = weigh(batch, PROJECT, a_gate(coin_key_id=key_id(key)), keys, NOW)
        return [isinstance(each, Weighed) and each.coin < each.gate.lane_rate for each in weighed]

    assert lane(COIN_KEY, both) == lane(COIN_KEY, KEYS)
    assert lane(COIN_KEY, both) != lane(OTHER_COIN_KEY, both)
    assert 30 < sum(lane(COIN_KEY, both)) < 90


def test_a_key_is_refused_without_being_told() -> None:
    for wrong in ("abc", "ab" * 31, "g" * 64, "00" * 32, f"{COIN_KEY.hex()} {'ab' * 33}"):
        with pytest.raises(ValueError, match=r"coin key [12]") as raised:
            CoinKeys.of(wrong)
        assert "ab" not in str(raised.value)
    assert COIN_KEY.hex() not in repr(KEYS)
    assert str(COIN_KEY) not in repr(KEYS)
    assert not CoinKeys.of(" \n")


def test_the_policy_and_the_class_come_before_the_gate() -> None:
    gate = Weighed(GATE, 1.0, 0.0)
    eggs = a_prediction("1", 0.9, candidates=(Candidate("eggs", 0.9),))
    assert decide(eggs, PROJECT, gate).reason is DecisionReason.CLASS_NOT_IN_TAXONOMY
    empty = a_prediction("1", 0.0, candidates=(), model_name="", model_version=0)
    assert decide(empty, PROJECT, gate).reason is DecisionReason.NO_PREDICTION
    assert decide(SURE, text_project("mail"), gate).reason is DecisionReason.REVIEW_ALL
    assert decided(eggs, a_gate()).reason is DecisionReason.CLASS_NOT_IN_TAXONOMY
    assert decided(empty, a_gate()).reason is DecisionReason.NO_PREDICTION


# --- scores, a batch at once -----------------------------------------------------------------------------------------

NAMES = tuple(f"c{place}" for place in range(6))
SIX = replace(
    text_project("mail", policy=POLICY, embedding="near"),
    taxonomy=Taxonomy(version=1, classes=tuple(ClassDefinition(name=each) for each in NAMES)),
)


def as_predictions(table: Predictions) -> list[Prediction]:
    """Rows of a table as they arrive; only the best candidate's class matters to a score."""
    assert table.embeddings is not None
    made = []
    for row in range(len(table)):
        best = int(table.predicted[row])
        others = [name for name in NAMES if name != NAMES[best]]
        candidates = tuple(
            Candidate(name, float(chance))
            for name, chance in zip([NAMES[best], *others], table.probabilities[row], strict=True)
        )
        embedding = tuple(table.embeddings[row].tolist())
        made.append(a_prediction(str(row), 0.5, candidates=candidates, embedding=embedding))
    return made


def scores_of(weighed: Sequence[Weighed | Unweighed]) -> list[float | None]:
    return [each.score if isinstance(each, Weighed) else None for each in weighed]


def test_a_batch_is_scored_as_the_scorer_scores_through_the_wire_and_row_by_row() -> None:
    table, _ = stream(300, 7)
    scorer = a_scorer(seed=3)
    gate = gates.decode_gate(gates.encode_gate(a_gate(scorer=scorer, class_count=6, binding=binding_of(SIX))))
    arrived = [predictions.decode(predictions.encode(each)) for each in as_predictions(table)]
    together = weigh(arrived, SIX, gate, KEYS, NOW)
    assert scores_of(together) == scorer.score(table).tolist()
    assert together == [weigh([each], SIX, gate, KEYS, NOW)[0] for each in arrived]


def test_what_cannot_be_scored_goes_to_people_and_spoils_no_other_row() -> None:
    table, _ = stream(20, 8)
    arrived = as_predictions(table)
    gate = a_gate(scorer=a_scorer(), class_count=6, binding=binding_of(SIX))
    whole = weigh(arrived, SIX, gate, KEYS, NOW)
    arrived[3] = replace(arrived[3], embedding=())
    arrived[5] = replace(arrived[5], embedding=(*arrived[5].embedding[:-1], math.nan))
    arrived[7] = replace(arrived[7], embedding=(*arrived[7].embedding[:-1], math.inf))
    arrived[9] = replace(arrived[9], model_version=9)
    arrived[11] = replace(arrived[11], candidates=arrived[11].candidates[:2])
    found = weigh(arrived, SIX, gate, KEYS, NOW)
    assert [row for row, each in enumerate(found) if each == Unweighed(gate_id="g1")] == [3, 5, 7, 9, 11]
    assert [found[row] for row in range(20) if row not in (3, 5, 7, 9, 11)] == [
        whole[row] for row in range(20) if row not in (3, 5, 7, 9, 11)
    ]


def test_candidates_of_a_foreign_hand_that_are_out_of_order_pass_nothing() -> None:
    odd = a_prediction("1", 0.0, candidates=(Candidate("spam", 0.1), Candidate("ham", 0.9)))
    weighed = weigh([odd], PROJECT, a_gate(), KEYS, NOW)
    assert scores_of(weighed) == [0.0]


# --- the use case ----------------------------------------------------------------------------------------------------


class _World:
    """Projects, gates, clock and count in one."""

    def __init__(self, gate: PublishedGate | None, project: Project = PROJECT) -> None:
        self.gate = gate
        self.project = project

    async def look_for(self, names) -> None:
        """Nothing was applied meanwhile."""

    def get(self, name: str) -> Project:
        return replace(self.project, name=name)

    def latest(self, project: str) -> PublishedGate | None:
        return self.gate if project == "mail" else None

    def now(self) -> datetime:
        return NOW

    def decided(self, decisions) -> None:
        """Nobody counts."""

    def router(self) -> Router:
        return Router(projects=self, gates=self, clock=self, log=self, coin_keys=KEYS)


async def test_a_mixed_batch_keeps_its_order_and_every_project_its_gate() -> None:
    arrivals = [
        Arrival(a_prediction(str(n), 0.95 if n % 3 else 0.6, project="mail" if n % 2 else "news"), NOW)
        for n in range(200)
    ]
    routed = await _World(a_gate()).router().route(arrivals)
    keys = [each.key if isinstance(each, Label | ReviewTask) else None for each in routed]
    assert keys == [arrival.prediction.record.key for arrival in arrivals]
    for arrival, each in zip(arrivals, routed, strict=True):
        assert isinstance(each, Label | ReviewTask)
        gate = a_gate() if each.key.project == "mail" else None
        assert each.decision == decided(arrival.prediction, gate, project=replace(PROJECT, name=each.key.project))
    assert {type(each) for each in routed[1::2]} == {Label, ReviewTask}
    assert {type(each) for each in routed[0::2]} == {ReviewTask}


async def test_a_redelivered_batch_gets_the_same_lane_in_any_cut() -> None:
    router = _World(a_gate()).router()
    arrivals = [Arrival(a_prediction(str(n), n / 400), NOW) for n in range(400)]
    once = list(await router.route(arrivals))
    again = [each for begin in range(0, 400, 37) for each in await router.route(arrivals[begin : begin + 37])]
    assert again == once


async def test_nothing_in_a_calibration_task_tells_what_the_model_thinks() -> None:
    names = ("klass-of-the-model", "klass-of-nobody")
    project = text_project("mail", policy=POLICY, classes=names)
    batch = [
        a_prediction(str(n), 0.6 + n / 1000, candidates=tuple(map(Candidate, names, (0.6 + n / 1000, 0.3))))
        for n in range(300)
    ]
    routed = await _World(a_gate(threshold=0.31), project).router().route([Arrival(each, NOW) for each in batch])
    tasks = [each for each in routed if isinstance(each, ReviewTask)]
    blind = [task for task in tasks if task.decision.purpose is Purpose.CALIBRATE]
    seen = [task for task in tasks if task.decision.purpose is Purpose.TRAIN]
    assert len(blind) > 30
    assert seen
    assert all(b"klass" not in review_tasks.encode(task) and task.blind for task in blind)
    assert {task.priority for task in blind} == {0.5}, "the order of urgency tells nothing either"
    assert len({task.decision.score for task in blind}) == len(blind)
    assert {task.decision.threshold for task in blind} == {0.31}
    assert all(names[0].encode() in review_tasks.encode(task) and not task.blind for task in seen)


def test_under_a_gate_the_urgency_of_a_task_goes_by_the_score_of_the_gate() -> None:
    task = review_task(SURE, decide(SURE, PROJECT, Weighed(GATE, 0.25, 0.9)), PROJECT)
    assert task.priority == 0.75


def test_two_people_are_asked_about_a_share_of_the_lane_drawn_by_the_same_coin() -> None:
    batch = [a_prediction(str(n), float(chance)) for n, chance in enumerate(np.linspace(0.5, 1, 4000))]
    asked = replace(PROJECT, policy=replace(POLICY, double_blind_share=0.3))
    weighed = weigh(batch, asked, a_gate(double_blind_share=0.3), KEYS, NOW)
    decisions = [decide(each, asked, row) for each, row in zip(batch, weighed, strict=True)]
    lane = [each for each in decisions if each.reason is DecisionReason.CALIBRATION_LANE]
    share = np.mean([each.needed_votes == 2 for each in lane])
    assert abs(share - 0.3) < 4 * math.sqrt(0.21 / len(lane))
    assert {each.needed_votes for each in decisions if each.reason is not DecisionReason.CALIBRATION_LANE} == {1}
    tasks = [
        review_task(each, decision, asked)
        for each, decision in zip(batch, decisions, strict=True)
        if decision.route is Route.REVIEW
    ]
    assert {(task.needed_votes, task.blind) for task in tasks} == {(1, False), (1, True), (2, True)}
    # A gate that takes people at their word promises less than this project asks for.
    assert weigh(batch[:1], asked, a_gate(), KEYS, NOW) == [Unweighed(gate_id="g1")]


def test_the_lane_is_a_share_of_the_stream_whatever_the_score() -> None:
    batch = [a_prediction(str(n), float(chance)) for n, chance in enumerate(np.linspace(0.5, 1, 4000))]
    weighed = weigh(batch, PROJECT, a_gate(), KEYS, NOW)
    lane = np.array([isinstance(each, Weighed) and each.coin < 0.2 for each in weighed])
    for part in (lane, lane[:2000], lane[2000:]):
        assert abs(part.mean() - 0.2) < 4 * math.sqrt(0.16 / len(part))


async def test_no_lane_opens_before_the_gates_are_read_to_their_end() -> None:
    cluster = FakeCluster()
    cluster.create_topic(Names().topic(GATES), 1)
    cluster.append(Names().topic(GATES), 0, (b"mail", gates.encode_gate(a_gate(scorer=Scorer())), ()), None)
    table = gates.gate_table(FakeBroker(cluster), Names(), Health())
    opening = asyncio.create_task(RoutingLanes(_World(None).router(), Names(), (table,)).open(0, ()))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not opening.done()
    reading = asyncio.create_task(table.run())
    async with asyncio.timeout(5):
        await opening
    assert table.get(b"mail") is not None
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading
