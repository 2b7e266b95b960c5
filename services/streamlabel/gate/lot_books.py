"""Which evidence stood behind a label: the books of a project, told apart by the numbers of their gates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from streamlabel.core.control import Suspects, gate_number
from streamlabel.core.label import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The evidence about one model version under one taxonomy and promise: gates from number `first_gate` on rest on it, up to the
    first of the next book. The calibration records drawn by them are complete before `confirmed_until` (None: nowhere); labels set
    by them in the stretches `suspects` are suspect.
    """

    number: int
    first_gate: int
    confirmed_until: datetime | None
    ended: bool = False
    suspects: tuple[Suspects, ...] = ()

    def covers(self, moment: datetime) -> bool:
        """Whether the audit of that moment is complete."""
        return self.confirmed_until is not None and moment < self.confirmed_until

    def doubts(self, moment: datetime) -> bool:
        """Whether what the model set at that moment is suspect."""
        return any(each.holds(moment) for each in self.suspects)


class Books:
    """All books of a project. One none of whose gates is known says nothing of any label, and is none of them."""

    def __init__(self, project: str, books: Iterable[Book]) -> None:
        self._project = project
        self.all = sorted(books, key=lambda each: each.number)

    def by_gate(self, number: int) -> Book | None:
        """The book on which the gate of that number rested; None where nobody knows."""
        return next((each for each in reversed(self.all) if each.first_gate <= number), None)

    def of(self, label: Label) -> Book | None:
        """The book on which the gate rested by which the label, or its task, came about."""
        number = gate_number(self._project, label.decision.gate_id)
        return None if number is None else self.by_gate(number)
