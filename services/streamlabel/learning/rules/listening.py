"""News from the topics as events of a book: what belongs to its subject, in arrays."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from streamlabel.core.control import gate_number
from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.label import Label, LabelSource
from streamlabel.core.prediction import Prediction
from streamlabel.core.review import ReviewTask
from streamlabel.gate.published import used_embedding
from streamlabel.gate.sample import NOT_ASKED
from streamlabel.gate.scorer import Predictions
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.events import UNKNOWN_CLASS, Answered, Event, Routed, Seen
from streamlabel.learning.rules.subject import Subject

Toss = Callable[[bytes], float]


class Heard:
    """What one turn heard, by project; predictions come first, then routing's word, then people's answers."""

    def __init__(self, at_ms: int, toss: Toss) -> None:
        self._at_ms = at_ms
        self._toss = toss
        self._predictions: defaultdict[str, list[tuple[Prediction, int]]] = defaultdict(list)
        self._tasks: defaultdict[str, list[tuple[ReviewTask, int]]] = defaultdict(list)
        self._labels: defaultdict[str, list[Label]] = defaultdict(list)

    def prediction(self, prediction: Prediction, written_ms: int) -> None:
        """The model answered."""
        self._predictions[prediction.record.key.project].append((prediction, written_ms))

    def task(self, task: ReviewTask, written_ms: int) -> None:
        """Routing sent it to people."""
        self._tasks[task.key.project].append((task, written_ms))

    def label(self, label: Label) -> None:
        """It got its label, or another one."""
        self._labels[label.key.project].append(label)

    def events(self, book: Book) -> list[Event]:
        """What of it is about the book's subject."""
        name, subject = book.subject.project, book.subject
        events: list[Event] = []
        seen = self._seen(self._predictions.get(name, ()), book)
        if seen is not None:
            events.append(seen)
        # A task has no date of its own: it is written by the clock of routing, as soon as it is decided.
        routed = [
            (task.key.record_id, task.decision, False, written_ms)
            for task, written_ms in self._tasks.get(name, ())
            if (task.model_name, task.model_version) == (subject.model_name, subject.model_version)
        ]
        labels = [label for label in self._labels.get(name, ()) if _is_about(label, subject)]
        routed += [
            (label.key.record_id, label.decision, True, int(label.labelled_at.timestamp() * 1000))
            for label in labels
            if label.source is LabelSource.MODEL
        ]
        if routed:
            events.append(self._routed(name, routed))
        # What passed is drawn by nobody's coin: who puts it right afterwards chose it for its error.
        answers = [
            label
            for label in labels
            if label.source is LabelSource.HUMAN and label.decision.route is not Route.AUTO_LABEL
        ]
        if answers:
            events.append(self._answered(answers, book))
        return events

    def _seen(self, given: Sequence[tuple[Prediction, int]], book: Book) -> Seen | None:
        first_of = {prediction.record.key.record_id: (prediction, at_ms) for prediction, at_ms in reversed(given)}
        usable = [each for each in reversed(first_of.values()) if book.can_use(each[0])]
        if not usable:
            return None
        # One odd prediction among the first must not keep the gate shut to all that follow.
        size = Counter(len(used_embedding(each)) for each, _ in usable).most_common(1)[0][0]
        usable = [each for each in usable if len(used_embedding(each[0])) == size]
        predictions = [prediction for prediction, _ in usable]
        embeddings = None
        if size:
            embeddings = np.array([each.embedding for each in predictions], dtype=np.float64)
        tops = [each.candidates[0].class_name for each in predictions]
        return Seen(
            at_ms=self._at_ms,
            earliest_ms=min(at_ms for _, at_ms in usable),
            record_ids=tuple(each.record.key.record_id for each in predictions),
            predictions=Predictions(
                np.array([[one.probability for one in each.candidates] for each in predictions], dtype=np.float64),
                np.array([book.place_of(top) for top in tops], dtype=np.int64),
                len(book.subject.class_names),
                embeddings,
            ),
            coins=np.array([self._toss(each.record.key.encode()) for each in predictions]),
        )

    def _routed(self, project: str, given: Sequence[tuple[str, Decision, bool, int]]) -> Routed:
        decisions = [decision for _, decision, _, _ in given]
        return Routed(
            at_ms=self._at_ms,
            record_ids=tuple(record_id for record_id, _, _, _ in given),
            lane=np.array([_is_lane(each) for each in decisions]),
            passable=np.array([_is_passable(each) for each in decisions]),
            twice=np.array([each.needed_votes > 1 for each in decisions]),
            passed=np.array([passed for _, _, passed, _ in given]),
            decided_ms=np.array([decided_ms for _, _, _, decided_ms in given], dtype=np.int64),
            gates=np.array([gate_number(project, each.gate_id) or 0 for each in decisions], dtype=np.int64),
        )

    def _answered(self, labels: Sequence[Label], book: Book) -> Answered:
        return Answered(
            at_ms=self._at_ms,
            record_ids=tuple(label.key.record_id for label in labels),
            classes=np.array([book.place_of(label.class_name) for label in labels], dtype=np.int64),
            votes=np.array([_first_two(label, book) for label in labels], dtype=np.int64),
            lane=np.array([_is_lane(label.decision) for label in labels]),
            passable=np.array([_is_passable(label.decision) for label in labels]),
            twice=np.array([label.decision.needed_votes > 1 for label in labels]),
        )


def _first_two(label: Label, book: Book) -> tuple[int, int]:
    """Only where it was the coin that asked two: where others were asked because people disagreed, that tells of the record."""
    if label.decision.needed_votes < 2:
        return NOT_ASKED, NOT_ASKED
    if len(label.votes) < 2:
        return book.place_of(label.class_name), UNKNOWN_CLASS
    first, second = (book.place_of(vote.class_name) for vote in label.votes[:2])
    return first, second


def _is_about(label: Label, subject: Subject) -> bool:
    return (label.model_name, label.model_version, label.taxonomy_version) == (
        subject.model_name,
        subject.model_version,
        subject.taxonomy_version,
    )


def _is_lane(decision: Decision) -> bool:
    return decision.purpose is Purpose.CALIBRATE and decision.reason is DecisionReason.CALIBRATION_LANE


def _is_passable(decision: Decision) -> bool:
    return _is_lane(decision) and math.isfinite(decision.threshold) and decision.score >= decision.threshold
