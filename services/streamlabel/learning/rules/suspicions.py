"""Stretches of time in which labels of the model are suspect, and what a book stands for when it is told of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Labels that the model set from `from_ms` on, up to `until_ms` (None: still), are suspect."""

    from_ms: int
    until_ms: int | None = None

    def closed(self, at_ms: int) -> Suspicion:
        """Itself where it has an end already; else it ends now."""
        return self if self.until_ms is not None else Suspicion(self.from_ms, max(self.from_ms, at_ms))


def folded(suspicions: Iterable[Suspicion], most: int) -> tuple[Suspicion, ...]:
    """`most` of them at most, in order: the latest as they are, all before as one that holds them. No doubt is forgotten."""
    ordered = sorted(suspicions, key=lambda each: each.from_ms)
    if len(ordered) <= most:
        return tuple(ordered)
    old, kept = ordered[: len(ordered) - most + 1], ordered[len(ordered) - most + 1 :]
    ends = [each.until_ms for each in old if each.until_ms is not None]
    return (Suspicion(old[0].from_ms, max(ends) if len(ends) == len(old) else None), *kept)


def doubted(suspicions: Sequence[Suspicion], from_ms: int, until_ms: int, most: int) -> tuple[Suspicion, ...]:
    """With one more that is over already, or the last one longer where both touch; `most` of them at most."""
    if suspicions and suspicions[-1].until_ms is not None and suspicions[-1].until_ms >= from_ms:
        last = suspicions[-1]
        joined = Suspicion(min(last.from_ms, from_ms), max(suspicions[-1].until_ms, until_ms))
        return folded([*suspicions[:-1], joined], most)
    return folded([*suspicions, Suspicion(from_ms, until_ms)], most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """What a book has told of labels set by its gates, those from number `first_gate` on: they are confirmed where they are older
    than `confirmed_until_ms` (0: none is) and not suspect."""

    first_gate: int = 0
    confirmed_until_ms: int = 0
    suspicions: tuple[Suspicion, ...] = ()

    def torn(self, begin_ms: int) -> Vouched:
        """The same where something was lost on the way: what was not confirmed by then, of all since `begin_ms`, is suspect."""
        from_ms = self.confirmed_until_ms or begin_ms
        return replace(self, suspicions=(*self.suspicions, Suspicion(from_ms))) if from_ms else self

    def closed(self, at_ms: int) -> Vouched:
        """The same once the book has ended: nothing is confirmed any more, and no doubt goes on."""
        return replace(self, suspicions=tuple(each.closed(at_ms) for each in self.suspicions))


NOTHING = Vouched()


def all_suspicions(books: Sequence[Vouched], most: int) -> tuple[Suspicion, ...]:
    """What is suspect by any of the books, folded to `most`."""
    return folded((each for book in books for each in book.suspicions), most)
