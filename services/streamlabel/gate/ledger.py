"""The book of what was risked: how much of delta went into which test, so that no share is counted as free."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class DeltaLedger:
    """Counts tests over the life of one gate: planned looks, certificates that came of them, anytime tests that were begun.

    A look that bears out the threshold of before makes no other certificate; whether it was wrong counts with the looks.

    What is promised is each look: it ends with a wrong certificate with probability delta at most. A whole epoch has many looks, of
    which together only the mean number of wrong certificates is bounded. A planned look risks the exact share of delta, and does
    so anew each time. An anytime test risks the other share once, however often it is looked at; a new one begins with each new
    scorer and each epoch.
    """

    looks: int = 0
    certificates: int = 0
    anytime_tests: int = 0

    def looked(self) -> None:
        """A planned look was made."""
        self.looks += 1

    def opened(self) -> None:
        """An anytime test was begun."""
        self.anytime_tests += 1

    def certified(self) -> None:
        """A look ended with another certificate than stood before, or the first."""
        self.certificates += 1

    def wrong_at_most(self, delta: float, exact_share: float) -> float:
        """How many looks of all time ended with a wrong certificate at most, on average over all that could have been drawn.

        Of the certificates no more are wrong than that.
        """
        return delta * (self.looks * exact_share + self.anytime_tests * (1 - exact_share))
