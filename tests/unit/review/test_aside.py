"""What becomes of tasks that nobody answers, and who may know what of their history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.history import (
    CurrentLease,
    EscalationReason,
    SkipReason,
    TaskEvent,
    TaskEventKind,
    TaskHistory,
    TaskState,
    TaskSummary,
)
from streamlabel.core.identity import RecordKey
from streamlabel.core.review import Suggestion
from streamlabel.review.rules.aside import AsideLimits, Unanswered, after_skip, as_told_to, could_answer
from streamlabel.wire import task_history

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
IN_HAND = Unanswered(
    project="mail",
    purpose=Purpose.TRAIN,
    state=TaskState.LEASED,
    fencing_token=1,
    holds=True,
    was_skipped=False,
    skipped_by=(),
    attempts=0,
    there=frozenset({"ann"}),
)


@pytest.mark.parametrize(
    ("skipped_by", "there", "attempts", "outcome"),
    [
        # Alone, one may look again later, but not for ever.
        ((), {"ann"}, 0, None),
        (("ann",), {"ann"}, 3, None),
        (("ann",), {"ann"}, 4, EscalationReason.ATTEMPTS),
        # Others are there who have not seen it.
        ((), {"ann", "bob"}, 0, None),
        # All who are there have.
        (("bob",), {"ann", "bob"}, 1, EscalationReason.SKIPPED),
        # Whoever has gone home skipped it too.
        (("dan",), {"ann", "bob", "cat"}, 1, None),
        (("bob", "dan"), {"ann", "bob", "cat"}, 2, EscalationReason.SKIPPED),
        # The same person twice is one person.
        (("ann", "bob"), {"ann", "bob", "cat"}, 2, None),
        # It is not seen that the one who skips is there.
        (("bob",), {"bob"}, 1, EscalationReason.SKIPPED),
    ],
)
def test_who_is_asked_after_a_skip(
    skipped_by: tuple[str, ...], there: set[str], attempts: int, outcome: EscalationReason | None
) -> None:
    found = replace(IN_HAND, skipped_by=skipped_by, there=frozenset(there), attempts=attempts)
    assert after_skip(found, "ann", AsideLimits()) is outcome


def test_what_was_set_aside_stays_so_and_limits_are_sane() -> None:
    aside = replace(IN_HAND, escalation=EscalationReason.BY_PERSON)
    assert after_skip(aside, "ann", AsideLimits()) is EscalationReason.BY_PERSON
    assert after_skip(IN_HAND, "ann", AsideLimits(attempts=1)) is EscalationReason.ATTEMPTS
    with pytest.raises(ValueError, match="earliest"):
        AsideLimits(skippers=0)


def event(kind: TaskEventKind, annotator: str = "", minute: int = 0, **more: object) -> TaskEvent:
    return TaskEvent(at=NOW + timedelta(minutes=minute), kind=kind, annotator=annotator, **more)  # type: ignore[arg-type]


def history(state: TaskState, *events: TaskEvent, purpose: Purpose = Purpose.CALIBRATE) -> TaskHistory:
    return TaskHistory(
        task=TaskSummary(
            key=RecordKey(project="mail", record_id="r/1"),
            ticket=7,
            state=state,
            purpose=purpose,
            arrived_at=NOW,
            needed_votes=2,
            votes=1,
            revision=1,
            attempts=2,
        ),
        decision=Decision(
            route=Route.REVIEW,
            reason=DecisionReason.CALIBRATION_LANE,
            purpose=purpose,
            threshold=0.9,
            score=0.95,
            needed_votes=2,
        ),
        suggestion=None if purpose is Purpose.CALIBRATE else Suggestion(class_name="spam", probability=0.75),
        model_name="m",
        model_version=3,
        lease=CurrentLease(annotator="cat", leased_at=NOW, expires_at=NOW, fencing_token=4),
        events=events,
    )


ARRIVED = event(TaskEventKind.ARRIVED)
VOTE = event(TaskEventKind.ANSWERED, "bob", 1, class_name="spam", fencing_token=1, think_time_ms=900)
SKIP = event(TaskEventKind.SKIPPED, "dan", 2, skip_reason=SkipReason.OTHER, note="looks like spam", fencing_token=2)
OWN = event(TaskEventKind.SKIPPED, "ann", 3, skip_reason=SkipReason.CANNOT_TELL, fencing_token=3)


def test_an_operator_and_whoever_cannot_answer_see_everything() -> None:
    begun = history(TaskState.BEGUN, ARRIVED, VOTE, SKIP)
    assert as_told_to(begun, "") is begun
    answered = history(TaskState.ANSWERED, ARRIVED, VOTE, SKIP)
    assert as_told_to(answered, "ann") is answered
    # The one whose answer it rests on could take it back.
    assert could_answer(answered, "bob")
    retracted = event(TaskEventKind.RETRACTED, "bob", 2, class_name="spam")
    assert not could_answer(replace(answered, events=(ARRIVED, VOTE, retracted)), "bob")


@pytest.mark.parametrize("state", [TaskState.READY, TaskState.LEASED, TaskState.BEGUN, TaskState.ESCALATED])
def test_who_could_still_answer_learns_nothing_of_others_nor_of_the_model(state: TaskState) -> None:
    expired = event(TaskEventKind.EXPIRED, "bob", 4)
    told = as_told_to(history(state, ARRIVED, VOTE, SKIP, OWN, expired), "ann")
    assert [(each.kind, each.annotator, each.note) for each in told.events] == [
        (TaskEventKind.ARRIVED, "", ""),
        (TaskEventKind.SKIPPED, "ann", ""),
        (TaskEventKind.EXPIRED, "", ""),
    ]
    assert (told.task.votes, told.task.needed_votes, told.task.attempts) == (0, 1, 0)
    assert told.task.state is not TaskState.BEGUN
    assert (told.decision.score, told.decision.threshold, told.decision.needed_votes) == (0, 0, 1)
    assert (told.model_name, told.model_version, told.suggestion) == ("", 0, None)
    assert told.lease is not None
    assert told.lease.annotator == ""
    words = repr(told)
    assert not any(secret in words for secret in ("spam", "bob", "dan", "cat", "0.95"))


def test_that_a_task_is_contested_tells_that_others_have_voted() -> None:
    contested = history(
        TaskState.ESCALATED, ARRIVED, VOTE, event(TaskEventKind.ESCALATED, "", 5, escalation=EscalationReason.CONTESTED)
    )
    contested = replace(contested, task=replace(contested.task, escalation=EscalationReason.CONTESTED))
    told = as_told_to(contested, "ann")
    assert (told.task.state, told.task.escalation) == (TaskState.READY, None)
    assert [each.kind for each in told.events] == [TaskEventKind.ARRIVED]


def test_where_a_task_shows_the_model_its_history_does_too() -> None:
    shown = history(TaskState.READY, ARRIVED, VOTE, purpose=Purpose.TRAIN)
    told = as_told_to(shown, "ann")
    assert (told.suggestion, told.model_name, told.decision.score) == (shown.suggestion, "m", 0.95)
    assert told.events == (ARRIVED,)


def test_a_history_is_the_same_after_the_wire() -> None:
    escalated = event(TaskEventKind.ESCALATED, "", 6, escalation=EscalationReason.SKIPPED)
    for purpose in (Purpose.TRAIN, Purpose.CALIBRATE):
        told = history(TaskState.ESCALATED, ARRIVED, VOTE, SKIP, escalated, purpose=purpose)
        assert task_history.history_from_message(task_history.history_to_message(told)) == told
    bare = replace(told, lease=None, events=())
    assert task_history.history_from_message(task_history.history_to_message(bare)) == bare
