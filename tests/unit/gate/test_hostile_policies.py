"""Policies that nobody means, as they may stand on the projects topic: nothing passes by them, and nothing breaks."""

from __future__ import annotations

import math

import pytest

from streamlabel.core.control import GateState
from streamlabel.core.decision import DecisionReason
from streamlabel.core.project import CertifiedPolicy
from streamlabel.gate.binomial import FOREVER, least_count
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.decide import decide
from streamlabel.gate.policy import GatePolicy
from streamlabel.gate.weigh import weigh
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.rules.points import point_of
from streamlabel.learning.rules.subject import Subject
from support.gate_stream import CLASSES, GateStream
from support.gates import COIN_KEY, NOW, a_gate, a_prediction
from support.nouns import text_project

LEAST, MOST = math.nextafter(0, 1), math.nextafter(1, 0)


@pytest.mark.parametrize("alpha", [LEAST, 1e-300, 1e-17, 1e-9])
@pytest.mark.parametrize("delta", [LEAST, 1e-300, 0.05, MOST])
def test_a_gate_that_no_evidence_could_open_stays_shut_and_says_so(alpha: float, delta: float) -> None:
    subject = Subject(
        project="mail",
        model_name="m",
        model_version=1,
        taxonomy_version=1,
        class_names=CLASSES,
        alpha=alpha,
        delta=delta,
    )
    book = Book(subject, BookLimits())
    GateStream(book).live(600, error=0.0)
    assert not book.keeper.policy.can_open or delta == MOST
    assert book.standing.state is GateState.COLD
    point = point_of(book, 0)
    assert point.threshold == math.inf
    assert point.answers_needed is None or delta == MOST


def test_what_takes_longer_than_for_ever_takes_for_ever() -> None:
    assert least_count(LEAST, 0.05) == least_count(1e-300, LEAST) == FOREVER
    assert GatePolicy(alpha=1e-300, delta=0.05).least_evidence == FOREVER


@pytest.mark.parametrize(
    "policy", [CertifiedPolicy(alpha=1e-300, delta=0.05), CertifiedPolicy(alpha=0.05, delta=LEAST)]
)
def test_routing_takes_no_gate_that_promises_less(policy: CertifiedPolicy) -> None:
    prediction = a_prediction("1", 0.99)
    project = text_project("mail", policy=policy)
    [weighed] = weigh([prediction], project, a_gate(), CoinKeys.of(COIN_KEY.hex()), NOW)
    assert decide(prediction, project, weighed).reason is DecisionReason.NO_GATE
