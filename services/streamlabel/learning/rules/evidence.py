"""Records that waited, as the keeper takes them and as an audit keeps them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamlabel.gate.lane import lesson_weights
from streamlabel.gate.sample import Rows
from streamlabel.gate.scorer import Scorer, join_predictions
from streamlabel.learning.rules.events import NO_ANSWER, Answer
from streamlabel.learning.rules.standing import Audit
from streamlabel.learning.rules.waiting import Waiting


def rows_of(records: Sequence[Waiting], scorer: Scorer) -> Rows:
    """At least one record, in order, with its score and what people said; a record without an answer is one nobody knew."""
    predictions = join_predictions([record.prediction for record in records])
    answers = [record.answer or NO_ANSWER for record in records]
    return Rows(
        predictions=predictions,
        places=np.array([record.place for record in records], dtype=np.int64),
        scores=scorer.score(predictions),
        truth=np.array([answer.first for answer in answers], dtype=np.int64),
        second=np.array([answer.second for answer in answers], dtype=np.int64),
        weight=lesson_weights([record.passable for record in records], [record.rate for record in records]),
    )


def audited(record: Waiting, answer: Answer | None) -> Audit:
    """The record with this answer (None: without one); dated by routing, or by when it was written where routing said nothing."""
    return Audit(
        record_id=record.record_id,
        place=record.place,
        at_ms=record.at_ms if record.decided_ms is None else record.decided_ms,
        rate=record.rate,
        predicted=int(record.prediction.predicted[0]),
        answer=(answer or NO_ANSWER).label,
        passable=record.passable,
        gate=record.gate,
    )
