"""What becomes of a task whose record comes again: it was sent once more, predicted and decided on anew.

    the task was asked        the new decision       while it waits              once it is answered
    with a suggestion         with a suggestion      it takes the decision*      its label stands
    with a suggestion         to calibrate, blind    asked anew                  asked anew
    blind                     with a suggestion      it stays what it is         its label stands
    blind                     to calibrate, blind    it takes the decision       its answers are published again

    * where nobody has begun on it; otherwise it stays what it is.

An answer that was given with the suggestion in view is no evidence; one that was given blindly is, whichever decision asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from streamlabel.core.decision import Purpose
from streamlabel.core.label import Label
from streamlabel.core.project import Project, ReviewPolicy
from streamlabel.core.review import ReviewTask
from streamlabel.review.rules.answers import Lineage, Standing, TaskState, human_label
from streamlabel.review.rules.votes import Consensus, consensus


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A task as it lies in the queue. Of an answered one, `standing.votes` also holds the one answer where it `is_single`, `stands` is
    what the answers came to, `adjudicator` who decided where votes had left it open, and `taxonomy_version` is that of its label; None
    where nobody knows."""

    standing: Standing
    taxonomy_version: int | None
    stands: Consensus | None = None
    is_single: bool = False
    adjudicator: str = ""

    @property
    def blind(self) -> bool:
        """Whether it is asked without a suggestion."""
        return self.standing.lineage.purpose is Purpose.CALIBRATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What the task becomes. `is_anew`: no answer or lease from before counts any more; otherwise `standing`'s votes stay. `label` is
    the one that its answers make under the new decision, where it stays answered."""

    state: TaskState
    needed_votes: int
    is_anew: bool = False
    label: Label | None = None


def renewal(task: ReviewTask, ingested_at: datetime | None, held: Held, project: Project) -> Renewal | None:
    """What comes of the task's record coming again, came in at `ingested_at`; None where nothing does.

    So it is with the very same task: the same decision about the same coming in of the record.
    """
    standing = held.standing
    lineage = _lineage(task, ingested_at)
    if lineage == replace(standing.lineage, event_at=lineage.event_at):
        return None
    if lineage.purpose is not Purpose.CALIBRATE:
        takes = not held.blind and standing.state is TaskState.READY
        return Renewal(state=TaskState.READY, needed_votes=task.needed_votes) if takes else None
    if not held.blind:
        return _asked_anew(task)
    # People who have answered were asked for so many: whatever the new decision wants, those who come after them are.
    needed = max(task.needed_votes, standing.needed_votes) if standing.votes else task.needed_votes
    if standing.state is not TaskState.ANSWERED:
        return Renewal(state=standing.state, needed_votes=needed)
    if not standing.votes or held.taxonomy_version != project.taxonomy.version:
        # Whoever could choose among other classes answered another question.
        return _asked_anew(task)
    # Nobody has said anything new: what the answers came to stands, unless more of them are wanted.
    stands = held.stands or consensus(standing.votes, needed, ReviewPolicy(), None)
    if (len(standing.votes) < needed and not held.adjudicator) or stands.class_name is None:
        return Renewal(state=TaskState.BEGUN, needed_votes=needed)
    again = replace(standing, lineage=lineage, needed_votes=needed)
    label = human_label(
        stands, standing.votes, again, project, are_votes=not held.is_single, adjudicator=held.adjudicator
    )
    return Renewal(state=TaskState.ANSWERED, needed_votes=needed, label=label)


def _asked_anew(task: ReviewTask) -> Renewal:
    return Renewal(state=TaskState.READY, needed_votes=task.needed_votes, is_anew=True)


def _lineage(task: ReviewTask, ingested_at: datetime | None) -> Lineage:
    return Lineage(
        key=task.key,
        decision=task.decision,
        content_hash=task.record.content_hash,
        model_name=task.model_name,
        model_version=task.model_version,
        event_at=task.record.event_at,
        ingested_at=ingested_at,
    )
