"""Who may answer and take back, and what the label says: every case of the decision tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from streamlabel.core.decision import Purpose
from streamlabel.core.desk import AnnotationStatus
from streamlabel.core.label import Vote
from streamlabel.core.project import MOST_VOTES, ReviewPolicy
from streamlabel.core.review import Annotation
from streamlabel.errors import InvalidMessageError
from streamlabel.review.rules.admission import admit, conflicting
from streamlabel.review.rules.answers import KeptAnnotation, Lineage, Standing, TaskState, Verdict, judge
from streamlabel.review.rules.order import PURPOSE_OF_RANK, PURPOSE_RANK
from streamlabel.review.rules.showing import as_shown
from streamlabel.review.rules.tokens import Grant
from streamlabel.review.rules.undoing import PastAnswer, Undoability, undoability
from support.nouns import text_project
from support.review_queue import task

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TASK = task("r1")
GRANT = Grant(ticket=5, fencing_token=2)
ANSWER = Annotation(annotation_id="a1", lease_token="t", class_name="spam")
STANDING = Standing(
    ticket=5,
    state=TaskState.LEASED,
    fencing_token=2,
    lease_holds=True,
    lease_until=NOW,
    revision=0,
    seen_at=NOW,
    lineage=Lineage(
        key=TASK.key,
        decision=TASK.decision,
        content_hash=TASK.record.content_hash,
        model_name="m",
        model_version=3,
        event_at=None,
        ingested_at=NOW,
    ),
)
PROJECT = replace(text_project("mail"), version=7)
KEPT = KeptAnnotation(ticket=5, class_name="spam", status=AnnotationStatus.ACCEPTED)


def verdict(
    *,
    annotation: Annotation = ANSWER,
    kept: KeptAnnotation | None = None,
    project: object = PROJECT,
    **standing: object,
) -> Verdict:
    return judge(
        annotation,
        GRANT,
        "ann",
        standing=replace(STANDING, **standing),  # type: ignore[arg-type]
        kept=kept,
        project=project,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("state", "fencing_token", "lease_holds", "expected"),
    [
        (TaskState.LEASED, 2, True, AnnotationStatus.ACCEPTED),
        (TaskState.LEASED, 2, False, AnnotationStatus.ACCEPTED),  # ran out, not swept: nobody else has it
        (TaskState.READY, 2, False, AnnotationStatus.ACCEPTED),  # ran out and swept, or given back
        (TaskState.READY, 9, False, AnnotationStatus.ACCEPTED),  # others had it since, and have gone
        (TaskState.LEASED, 9, False, AnnotationStatus.ACCEPTED),  # the other's lease ran out too
        (TaskState.LEASED, 9, True, AnnotationStatus.SUPERSEDED),
        (TaskState.ANSWERED, 2, False, AnnotationStatus.SUPERSEDED),
        (TaskState.ANSWERED, 9, False, AnnotationStatus.SUPERSEDED),
    ],
)
def test_who_may_answer(state: TaskState, fencing_token: int, lease_holds: bool, expected: AnnotationStatus) -> None:
    found = verdict(state=state, fencing_token=fencing_token, lease_holds=lease_holds)
    assert found.status is expected
    assert (found.label is not None) == (expected is AnnotationStatus.ACCEPTED)
    assert (found.detail == "") == (expected is AnnotationStatus.ACCEPTED)


def test_the_label_says_how_it_came_about() -> None:
    label = verdict(revision=4).label
    assert label is not None
    assert (label.key, label.class_name, label.annotators) == (TASK.key, "spam", ("ann",))
    assert (label.revision, label.supersedes_revision) == (5, 4)
    assert (label.project_version, label.taxonomy_version) == (7, 1)
    assert (label.model_name, label.model_version) == ("m", 3)
    assert (label.decision, label.content_hash) == (TASK.decision, TASK.record.content_hash)
    assert (label.labelled_at, label.ingested_at, label.event_at) == (NOW, NOW, None)


def test_several_votes_make_a_label_once_they_agree() -> None:
    ann, bob, cat = (
        Vote(annotator=name, class_name=said) for name, said in (("ann", "spam"), ("bob", "ham"), ("cat", "ham"))
    )
    first = verdict(needed_votes=2)
    assert (first.status, first.label, first.detail) == (AnnotationStatus.ACCEPTED, None, "")
    assert verdict(needed_votes=2, state=TaskState.BEGUN, votes=(bob,)).label is None
    label = verdict(needed_votes=2, state=TaskState.BEGUN, votes=(bob, cat), revision=1).label
    assert label is not None
    assert (label.class_name, label.votes, label.revision) == ("ham", (bob, cat, ann), 2)
    assert label.annotators == ("bob", "cat", "ann")


SURE = replace(PROJECT, review=ReviewPolicy(sure=0.9, max_votes=2))
BOB = Vote(annotator="bob", class_name="ham")


def test_what_the_last_vote_leaves_open_is_decided_by_somebody_who_saw_the_votes() -> None:
    last = verdict(project=SURE, state=TaskState.LEASED, votes=(BOB,))
    assert (last.status, last.label, last.is_vote, last.leaves_open) == (AnnotationStatus.ACCEPTED, None, True, True)
    both = (BOB, Vote(annotator="cat", class_name="spam"))
    found = verdict(project=SURE, votes=both, contested_from=2, revision=3)
    assert (found.status, found.is_vote, found.decides) == (AnnotationStatus.ACCEPTED, False, True)
    label = found.label
    assert label is not None
    assert (label.class_name, label.votes, label.adjudicator, label.revision) == ("spam", both, "ann", 4)
    assert (label.annotators, label.posterior) == (("bob", "cat", "ann"), None)


def test_who_had_the_task_before_it_was_contested_does_not_decide() -> None:
    late = verdict(project=SURE, state=TaskState.ESCALATED, lease_holds=False, votes=(BOB,), contested_from=3)
    assert (late.status, late.label, late.decides) == (AnnotationStatus.SUPERSEDED, None, False)
    assert "left it open" in late.detail


def test_who_decides_where_no_vote_counts_any_more_is_alone() -> None:
    gone = (Vote(annotator="bob", class_name="eggs"), Vote(annotator="cat", class_name="bacon"))
    label = verdict(project=SURE, votes=gone, contested_from=2).label
    assert label is not None
    assert (label.votes, label.annotators, label.adjudicator) == ((), ("ann",), "ann")


def test_nobody_votes_twice() -> None:
    again = verdict(needed_votes=3, state=TaskState.BEGUN, votes=(Vote(annotator="ann", class_name="ham"),))
    assert (again.status, again.label) == (AnnotationStatus.SUPERSEDED, None)
    assert "has answered the task before" in again.detail


def test_a_vote_for_a_class_that_is_gone_counts_for_nothing() -> None:
    gone, ham = Vote(annotator="bob", class_name="eggs"), Vote(annotator="cat", class_name="spam")
    assert verdict(needed_votes=2, votes=(gone,)).label is None
    label = verdict(needed_votes=2, votes=(gone, ham)).label
    assert label is not None
    assert label.annotators == ("cat", "ann")


def test_what_was_handed_in_before_changes_nothing() -> None:
    assert verdict(kept=KEPT, state=TaskState.ANSWERED).status is AnnotationStatus.DUPLICATE
    assert verdict(kept=KEPT).status is AnnotationStatus.DUPLICATE
    opinion = replace(KEPT, status=AnnotationStatus.SUPERSEDED)
    assert verdict(kept=opinion).status is AnnotationStatus.SUPERSEDED
    assert verdict(kept=KEPT).label is None


@pytest.mark.parametrize("other", [{"ticket": 6}, {"class_name": "ham"}])
def test_an_id_means_one_answer_for_ever(other: dict[str, object]) -> None:
    found = verdict(kept=replace(KEPT, **other))  # type: ignore[arg-type]
    assert found.status is AnnotationStatus.REJECTED
    assert "an id of its own" in found.detail


def test_what_is_gone_or_unknown_is_rejected() -> None:
    gone = judge(ANSWER, GRANT, "ann", standing=None, kept=None, project=PROJECT)
    assert (gone.status, gone.detail) == (AnnotationStatus.REJECTED, "the task no longer exists")
    assert verdict(project=None).status is AnnotationStatus.REJECTED
    unknown = verdict(annotation=replace(ANSWER, class_name="eggs"))
    assert unknown.status is AnnotationStatus.REJECTED
    assert "'eggs' is not in taxonomy version 1 of project 'mail'" in unknown.detail


PAST = PastAnswer(
    annotation_id="a1",
    ticket=5,
    class_name="spam",
    status=AnnotationStatus.ACCEPTED,
    state=TaskState.ANSWERED,
    fencing_token=2,
    held_by_annotator=False,
    is_current=True,
    undone_under=None,
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Undoability.NOW),
        ({"status": AnnotationStatus.SUPERSEDED}, Undoability.NEVER),
        ({"is_current": False}, Undoability.NEVER),
        ({"state": TaskState.LEASED}, Undoability.NEVER),
        ({"state": TaskState.BEGUN, "is_vote": True}, Undoability.NOW),
        ({"state": TaskState.ANSWERED, "is_vote": True}, Undoability.NOW),
        ({"state": TaskState.LEASED, "is_vote": True}, Undoability.NOW),  # The other's lease ran out.
        ({"state": TaskState.LEASED, "is_vote": True, "held_by_another": True}, Undoability.NEVER),
        (
            {"undone_under": 3, "fencing_token": 3, "held_by_annotator": True, "state": TaskState.LEASED},
            Undoability.DONE,
        ),
        (
            {"undone_under": 3, "fencing_token": 3, "held_by_annotator": False, "state": TaskState.READY},
            Undoability.NEVER,
        ),
        (
            {"undone_under": 3, "fencing_token": 4, "held_by_annotator": True, "state": TaskState.LEASED},
            Undoability.NEVER,
        ),
    ],
)
def test_what_can_be_taken_back(change: dict[str, object], expected: Undoability) -> None:
    found, reason = undoability(replace(PAST, **change))  # type: ignore[arg-type]
    assert found is expected
    assert bool(reason) == (expected is Undoability.NEVER)


def test_only_tasks_that_somebody_could_answer_come_in() -> None:
    admit(TASK, b"mail/r1", PROJECT)
    admit(replace(TASK, needed_votes=MOST_VOTES), b"mail/r1", PROJECT)
    for spoiled, key, project, reason in (
        (TASK, b"mail/r2", PROJECT, "MALFORMED"),
        (replace(TASK, model_name="m\x00"), b"mail/r1", PROJECT, "MALFORMED"),
        (TASK, b"mail/r1", None, "UNKNOWN_PROJECT"),
        (replace(TASK, needed_votes=MOST_VOTES + 1), b"mail/r1", PROJECT, "UNSUPPORTED_VOTES"),
    ):
        with pytest.raises(InvalidMessageError) as refused:
            admit(spoiled, key, project)
        assert refused.value.reason == reason
    assert conflicting(TASK).reason == "CONFLICTING_RECORD"


def test_every_purpose_has_its_place_and_calibration_the_first() -> None:
    assert set(PURPOSE_RANK) == set(Purpose)
    assert PURPOSE_OF_RANK[0] is Purpose.CALIBRATE
    assert len(PURPOSE_OF_RANK) == len(PURPOSE_RANK)


def test_a_blind_task_is_shown_blind() -> None:
    blind = task("r1", blind=True, needed_votes=2)
    blind = replace(blind, decision=replace(blind.decision, needed_votes=2))
    shown = as_shown(blind)
    assert (shown.needed_votes, shown.decision.needed_votes) == (1, 1)
    assert (shown.decision.score, shown.decision.threshold, shown.model_name, shown.model_version) == (0, 0, "", 0)
    assert shown.record == blind.record
    assert as_shown(TASK) is TASK
