"""Projects whose book broke: each is left alone until it is mended, and the others go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamlabel.learning.rules.subject import Subject

# What can go wrong with the numbers of one book, by its policy or by what was heard of it. Anything else is a defect of the service.
OF_ONE_BOOK = (ValueError, ArithmeticError, LookupError)
_MOST_TOLD = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be certified, by which version of its project: whoever applies it anew wants it tried anew."""

    subject: Subject
    project_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why no gate is kept of a subject that is to be certified, and since when (ms)."""

    subject: Subject
    reason: str
    since_ms: int


@dataclass(slots=True)
class _Known:
    wanted: Wanted
    fault: Fault
    kept: bool = False


def said_of(error: BaseException) -> str:
    """The error in one line."""
    return f"{type(error).__name__}: {error}"


class Faults:
    """Faults by project. Each holds until something else is wanted, and is to be kept once."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def __contains__(self, project: str) -> bool:
        return project in self._known

    def note(self, wanted: Wanted, reason: str, now_ms: int) -> None:
        """The book of what is wanted broke."""
        fault = Fault(subject=wanted.subject, reason=reason[:_MOST_TOLD], since_ms=now_ms)
        self._known[wanted.subject.project] = _Known(wanted, fault)

    def follow(self, wanted: Mapping[str, Wanted]) -> Sequence[Subject]:
        """Forgets what is wanted no more as it was; gives back those of which nothing is wanted at all."""
        gone = {name: each for name, each in self._known.items() if wanted.get(name) != each.wanted}
        for name in gone:
            del self._known[name]
        return [each.fault.subject for name, each in gone.items() if name not in wanted]

    def unkept(self) -> Mapping[str, Fault]:
        """Those that are still to be kept, by project."""
        return {name: each.fault for name, each in self._known.items() if not each.kept}

    def kept(self) -> None:
        """All of them are kept now."""
        for each in self._known.values():
            each.kept = True

    def reasons(self) -> Mapping[str, str]:
        """Why there is no gate, by project."""
        return {name: each.fault.reason for name, each in self._known.items()}
