"""What learning tells of a lot's evidence, as the rules take it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson

from streamlabel.cli.moments import from_ms
from streamlabel.core.control import GateState, Suspects
from streamlabel.gate.chain import ChainedTransition
from streamlabel.gate.lot_books import Book, Books
from streamlabel.gate.lot_closings import Turn
from streamlabel.gate.lot_evidence import Audited


def books_of(project: str, told: Iterable[Mapping[str, Any]]) -> Books:
    """The books of the project, as `/gate/api/books` has them. A doubt about a model version is one about all of its books."""
    facts = list(told)
    suspects: defaultdict[tuple[str, int], list[Suspects]] = defaultdict(list)
    for each in facts:
        suspects[_model(each)] += suspects_of_book(each)
    return Books(
        project,
        (
            Book(
                number=each["book_no"],
                first_gate=each["first_gate"],
                confirmed_until=from_ms(each["confirmed_until_ms"]) if each["confirmed_until_ms"] else None,
                ended=each["ended_at_ms"] is not None,
                suspects=tuple(suspects[_model(each)]),
            )
            for each in facts
            if each["first_gate"] is not None
        ),
    )


def suspects_of_book(told: Mapping[str, Any]) -> list[Suspects]:
    """The stretches that a book casts doubt on; none where learning is of a release that does not tell."""
    return [
        Suspects(from_ms(each["from_ms"]), None if each["until_ms"] is None else from_ms(each["until_ms"]))
        for each in told.get("suspects", ())
    ]


def audited(told: Mapping[str, Any]) -> Audited:
    """A calibration record, as `/gate/api/audits` has it."""
    return Audited(
        record_id=told["record_id"],
        book=told["book_no"],
        gate=told["gate_number"],
        decided_at=datetime.fromisoformat(told["decided_at"]),
        lane_rate=float(told["lane_rate"]),
        predicted=told["predicted"],
        answer=told["answer"],
        passable=told["passable"],
    )


def turn(link: ChainedTransition) -> Turn:
    """A transition, as the chain has it."""
    facts = orjson.loads(link.facts)
    return Turn(at=from_ms(facts["at_ms"]), state=GateState(facts["state"]), reason=facts["reason"])


def _model(told: Mapping[str, Any]) -> tuple[str, int]:
    return told["model_name"], told["model_version"]
