"""Where a record goes, by policy; and what it becomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import LabelSource
from streamlabel.core.prediction import Candidate, Prediction
from streamlabel.core.project import CertifiedPolicy, ReviewAllPolicy, ReviewPolicy, ThresholdPolicy
from streamlabel.core.record import Record, TextPayload
from streamlabel.errors import InvalidMessageError
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.decide import decide
from streamlabel.routing.handler import Router
from streamlabel.routing.ports import Arrival
from streamlabel.routing.rules.results import review_task
from support.nouns import text_project

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RECORD = Record(key=RecordKey(project="mail", record_id="1"), payload=TextPayload("x"), content_hash=b"0" * 16)
EMPTY = Prediction(record=RECORD, project_version=1)


def prediction(score: float, top: str = "spam") -> Prediction:
    return Prediction(
        record=RECORD,
        candidates=(Candidate(top, score),),
        score=score,
        model_name="m",
        model_version=1,
        project_version=1,
    )


@pytest.mark.parametrize(
    ("given", "policy", "route", "purpose", "reason"),
    [
        (prediction(0.9), ThresholdPolicy(threshold=0.9), Route.AUTO_LABEL, None, "score_reached_threshold"),
        (prediction(0.8999), ThresholdPolicy(threshold=0.9), Route.REVIEW, Purpose.TRAIN, "score_below_threshold"),
        (prediction(0.0), ThresholdPolicy(threshold=0.0), Route.AUTO_LABEL, None, "score_reached_threshold"),
        (prediction(1.0), ReviewAllPolicy(), Route.REVIEW, Purpose.RULE, "review_all"),
        (EMPTY, ReviewAllPolicy(), Route.REVIEW, Purpose.RULE, "review_all"),
        (EMPTY, ThresholdPolicy(threshold=0.0), Route.REVIEW, Purpose.TRAIN, "no_prediction"),
        (prediction(1.0, "eggs"), ThresholdPolicy(threshold=0.1), Route.REVIEW, Purpose.TRAIN, "class_not_in_taxonomy"),
        (prediction(1.0), CertifiedPolicy(alpha=0.05, delta=0.05), Route.REVIEW, Purpose.TRAIN, "no_gate"),
    ],
)
def test_the_policy_decides(given, policy, route, purpose, reason) -> None:
    decision = decide(given, text_project("mail", policy=policy))
    assert (decision.route, decision.purpose, decision.reason) == (route, purpose, DecisionReason(reason))
    assert decision.score == given.score


def test_the_least_certain_task_is_the_most_urgent_and_carries_the_suggestion() -> None:
    policy = ThresholdPolicy(threshold=0.9)
    unsure, surer = (
        review_task(given, decide(given, text_project("mail", policy=policy)), text_project("mail", policy=policy))
        for given in (prediction(0.3), prediction(0.7))
    )
    assert unsure.priority > surer.priority
    assert unsure.suggestion is not None
    assert unsure.suggestion.class_name == "spam"


def test_a_class_outside_the_taxonomy_is_never_suggested() -> None:
    policy = ThresholdPolicy(threshold=0.5)
    given = prediction(0.99, "eggs")
    assert (
        review_task(
            given, decide(given, text_project("mail", policy=policy)), text_project("mail", policy=policy)
        ).suggestion
        is None
    )


@pytest.mark.parametrize(("coin", "votes", "needed"), [(1, 1, 1), (1, 3, 3), (2, 1, 2), (2, 3, 3)])
def test_as_many_are_asked_as_the_coin_or_the_project_wants(coin: int, votes: int, needed: int) -> None:
    project = replace(text_project("mail"), review=ReviewPolicy(votes={Purpose.CALIBRATE: votes}))
    decision = Decision(
        route=Route.REVIEW, reason=DecisionReason.CALIBRATION_LANE, purpose=Purpose.CALIBRATE, needed_votes=coin
    )
    task = review_task(prediction(0.9), decision, project)
    assert (task.needed_votes, task.decision.needed_votes) == (needed, coin)


class _World:
    """Projects, gates, clock and count in one: twenty lines that a test can see through."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, object]] = []

    async def look_for(self, names) -> None:
        """Nothing was applied meanwhile."""

    def get(self, name: str):
        return text_project("mail", policy=ThresholdPolicy(threshold=0.9)) if name == "mail" else None

    def latest(self, project: str) -> None:
        return None

    def now(self) -> datetime:
        return NOW

    def decided(self, decisions) -> None:
        self.counted += decisions


async def test_a_batch_is_routed_in_order_and_an_unknown_project_dies_alone() -> None:
    world = _World()
    foreign = Prediction(
        record=Record(key=RecordKey(project="other", record_id="9"), payload=TextPayload("x"), content_hash=b"0" * 16),
        project_version=1,
    )
    router = Router(projects=world, gates=world, clock=world, log=world, coin_keys=CoinKeys())
    label, dead, task = await router.route(
        [Arrival(prediction(0.95), NOW), Arrival(foreign, NOW), Arrival(prediction(0.5), None)]
    )
    assert label.source is LabelSource.MODEL
    assert (label.class_name, label.revision, label.ingested_at, label.labelled_at) == ("spam", 1, NOW, NOW)
    assert isinstance(dead, InvalidMessageError)
    assert dead.reason == "UNKNOWN_PROJECT"
    assert task.record == RECORD
    assert len(world.counted) == 2


async def test_the_same_batch_gives_the_same_answer_again() -> None:
    world = _World()
    router = Router(projects=world, gates=world, clock=world, log=world, coin_keys=CoinKeys())
    batch = [Arrival(prediction(score / 100), NOW) for score in range(100)]
    assert await router.route(batch) == await router.route(batch)
