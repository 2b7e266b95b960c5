"""What passes costs, as far as the calibration records tell that would have passed: the alarm and the guard of one gate.

Both go by answers in the order in which they are heard. The watermark holds up evidence behind a record that nobody answers, as easy
records are answered sooner than hard ones; harm that people have found is harm, whatever they have not answered yet. The promise of
the guard holds for any order; that of the alarm for one in which an answer's turn does not depend on what it is, so that hard ones
that come late may at worst sound it too soon.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from streamlabel.gate.alarm import HarmAlarm
from streamlabel.gate.guard import PriceGuard
from streamlabel.gate.sample import Rows

# The cap of the guard of an epoch that begins because of harm.
_CAP_AFTER_HARM = 0.5


@dataclass(frozen=True, slots=True)
class Harm:
    """Why nothing may pass any more; `since` is where in the stream it seems to have begun, None for the whole epoch."""

    reason: str
    since: int | None


@dataclass(slots=True)
class HarmWatch:
    """Alarm and guard of an epoch; `places` are those of the latest records in the stream that would have passed."""

    alarm: HarmAlarm
    guard: PriceGuard
    places: deque[int]

    @classmethod
    def of(cls, *, alpha: float, alarm_limit: float, guard_rate: float, most: int) -> HarmWatch:
        """One that has heard of nothing yet, and remembers `most` places."""
        return cls(HarmAlarm(alpha, alarm_limit), PriceGuard(alpha=alpha, rate=guard_rate), deque(maxlen=most))

    @property
    def cap(self) -> float:
        """The share of the stream that the guard lets pass at most."""
        return self.guard.cap

    @property
    def spent(self) -> bool:
        """Whether the guard lets nothing pass any more."""
        return self.guard.spent

    @property
    def evidence(self) -> float:
        """The evidence for errors above alpha, to one."""
        return self.alarm.value

    def allow(self, alpha: float) -> None:
        """From now on so much of what first answers show may be wrong."""
        self.alarm.alpha = self.guard.alpha = alpha

    def open(self, alpha: float) -> None:
        """Records pass from now on, and so much may be wrong: the alarm begins anew."""
        self.alarm = HarmAlarm(alpha, self.alarm.limit)
        self.places.clear()

    def begin(self, alpha: float) -> None:
        """A new epoch, because of harm."""
        self.guard = PriceGuard(alpha=alpha, cap=_CAP_AFTER_HARM, rate=self.guard.rate)

    def observe(self, rows: Rows, *, is_open: bool) -> Harm | None:
        """Answers to records that would have passed, as they are heard; the alarm listens while records pass, the guard always."""
        for place, wrong in zip(rows.places.tolist(), rows.wrong.tolist(), strict=True):
            self.places.append(place)
            if is_open and self.alarm.observe(wrong):
                lately = list(self.places)[-max(1, self.alarm.since) :]
                return Harm(f"errors rose: evidence {self.alarm.value:.0f} to 1", min(lately))
            if self.guard.observe(wrong):
                return Harm("the guard is spent", None)
        return None
