"""What the running demo knows: when each record was sent, when its label could be read, and whether it was right."""

from __future__ import annotations

import math
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streamlabel.core.label import Label, LabelSource

_RATE_WINDOW_S = 5.0
_RECENT = 2_000


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of the values do not exceed; None where there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Rate:
    """Events per second over the last few seconds."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def mark(self, now_s: float, total: int) -> None:
        """Notes the running total."""
        self._marks.append((now_s, total))
        while len(self._marks) > 2 and self._marks[1][0] <= now_s - _RATE_WINDOW_S:
            self._marks.popleft()

    def per_s(self) -> float:
        if len(self._marks) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._marks[0], self._marks[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0


@dataclass(slots=True)
class Score:
    """Labels of one source, and how many of those whose truth is known are wrong."""

    labels: int = 0
    judged: int = 0
    wrong: int = 0

    @property
    def error(self) -> float | None:
        return self.wrong / self.judged if self.judged else None


class Ledger:
    """Kept by the demo while it runs; the report at its end rests on the checker, but for latencies, which only a witness knows."""

    def __init__(self) -> None:
        self.sent = 0
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        self.scores = {source: Score() for source in LabelSource}
        self.latencies_ms = {source: array("d") for source in LabelSource}
        self.first_sent_s: float | None = None
        self.first_labelled_s: float | None = None
        self.last_labelled_s: float | None = None
        self.sent_rate, self.labelled_rate = Rate(), Rate()
        self._outstanding: dict[str, float] = {}
        self._last_progress_s = 0.0

    @property
    def labelled(self) -> int:
        """Records of this run that have a label."""
        return sum(score.labels for score in self.scores.values())

    @property
    def outstanding(self) -> int:
        """Records that were sent and have no label yet."""
        return len(self._outstanding)

    @property
    def last_progress_s(self) -> float:
        """When something was last sent, accepted or labelled."""
        return self._last_progress_s

    def send(self, record_id: str, now_s: float) -> None:
        """The record goes out now."""
        self.sent += 1
        self._outstanding[record_id] = now_s
        self.first_sent_s = self.first_sent_s or now_s
        self._last_progress_s = now_s

    def answer(self, record_id: str, now_s: float, *, refused_because: str | None) -> None:
        """The door's word for it."""
        self._last_progress_s = now_s
        if refused_because is None:
            self.accepted += 1
        else:
            self.rejected[refused_because] += 1
            self._outstanding.pop(record_id, None)

    def label(self, label: Label, truth: str | None, now_s: float) -> None:
        """A label could be read now; those of other runs and corrections say nothing about this stream."""
        sent_s = self._outstanding.pop(label.key.record_id, None)
        if sent_s is None:
            return
        score = self.scores[label.source]
        score.labels += 1
        if truth is not None:
            score.judged += 1
            score.wrong += truth != label.class_name
        self.latencies_ms[label.source].append((now_s - sent_s) * 1000)
        self.first_labelled_s = self.first_labelled_s or now_s
        self.last_labelled_s = self._last_progress_s = now_s

    def tick(self, now_s: float) -> None:
        """Called about once a second, so that there are rates."""
        self.sent_rate.mark(now_s, self.sent)
        self.labelled_rate.mark(now_s, self.labelled)

    def recent_ms(self, source: LabelSource, share: float) -> float | None:
        """A percentile of the latest latencies of a source."""
        return percentile(self.latencies_ms[source][-_RECENT:], share)

    def overall_ms(self, share: float, sources: Iterable[LabelSource] = tuple(LabelSource)) -> float | None:
        """A percentile of all latencies."""
        return percentile([each for source in sources for each in self.latencies_ms[source]], share)
