"""What becomes of an answer, given how its task stands at that moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from streamlabel.consensus.crowd import Crowd
from streamlabel.core.decision import Decision, Purpose
from streamlabel.core.desk import AnnotationStatus
from streamlabel.core.history import TaskState as TaskState
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Label, LabelSource, Vote
from streamlabel.core.project import Project
from streamlabel.core.review import Annotation
from streamlabel.review.rules.tokens import Grant
from streamlabel.review.rules.votes import Consensus, consensus


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What the label of a task will say about how it came to people."""

    key: RecordKey
    decision: Decision
    content_hash: bytes
    model_name: str
    model_version: int
    event_at: datetime | None
    ingested_at: datetime | None

    @property
    def purpose(self) -> Purpose:
        """Why people were asked; raises ValueError for a decision that asked nobody."""
        if self.decision.purpose is None:
            raise ValueError(f"{self.key.encode()!r} never went to people")
        return self.decision.purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a task stands, all of it read at once at `seen_at` by the store's clock.

    `fencing_token` is that of the latest lease; `lease_holds`: somebody else has it now; `revision` is that of the latest label.
    `votes` are those that were not taken back, in the order in which they were given; none where one answer is wanted. `decision_no`
    grows with each decision that the task took on; leases with a fencing token below `asked_from` showed the model's suggestion, and
    the task is asked without it since. Leases from `contested_from` on are of people who adjudicate; None: it is not contested.
    """

    ticket: int
    state: TaskState
    fencing_token: int
    lease_holds: bool
    lease_until: datetime | None
    revision: int
    lineage: Lineage
    seen_at: datetime
    held_s: float = 0.0
    needed_votes: int = 1
    votes: tuple[Vote, ...] = ()
    decision_no: int = 0
    asked_from: int = 0
    contested_from: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnnotation:
    """An answer that this annotator handed in before under the same annotation_id."""

    ticket: int
    class_name: str
    status: AnnotationStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of an answer. REJECTED and DUPLICATE are not stored.

    `label` is there exactly when the answer is accepted and no further vote is wanted. The answer
    `is_vote` where it is one of several, or would be if it did not suffice; it `leaves_open` where it is the last that is asked for,
    and the task contested; it `decides` a contested one. `taxonomy_version` is the one that it was given under.
    """

    status: AnnotationStatus
    detail: str = ""
    label: Label | None = None
    is_vote: bool = False
    leaves_open: bool = False
    decides: bool = False
    taxonomy_version: int | None = None


def judge(
    annotation: Annotation,
    grant: Grant,
    annotator: str,
    *,
    standing: Standing | None,
    kept: KeptAnnotation | None,
    project: Project | None,
    crowd: Crowd | None = None,
) -> Verdict:
    """The one decision about an answer whose lease token was real.

    The current lease may always answer. An older one may while nobody else holds and nobody has answered the task: work
    that a person has done is not thrown away because a lease ran out, and nobody else's work is overwritten by it. One under which
    the task showed what it shows no more may not. Nobody votes twice on a task. `crowd` is what is known of the project's people.
    """
    if kept is not None:
        return _again(annotation, grant, kept)
    if standing is None:
        return Verdict(status=AnnotationStatus.REJECTED, detail="the task no longer exists")
    if project is None:
        return Verdict(
            status=AnnotationStatus.REJECTED, detail=f"project {standing.lineage.key.project!r} no longer exists"
        )
    if annotation.class_name not in project.taxonomy.names:
        return Verdict(
            status=AnnotationStatus.REJECTED,
            detail=f"class_name {annotation.class_name[:80]!r} is not in taxonomy version {project.taxonomy.version} "
            f"of project {project.name!r}",
        )
    if grant.fencing_token < standing.asked_from:
        return Verdict(
            status=AnnotationStatus.SUPERSEDED, detail="the task is asked anew since, without the model's suggestion"
        )
    if standing.state is TaskState.ANSWERED:
        return Verdict(status=AnnotationStatus.SUPERSEDED, detail="the task was answered before")
    if standing.lease_holds and standing.fencing_token != grant.fencing_token:
        return Verdict(status=AnnotationStatus.SUPERSEDED, detail="the lease ran out and a later one holds the task")
    if any(vote.annotator == annotator for vote in standing.votes):
        return Verdict(status=AnnotationStatus.SUPERSEDED, detail="this annotator has answered the task before")
    if standing.contested_from is not None and grant.fencing_token < standing.contested_from:
        detail = "as many people as are asked have answered the task, and left it open: somebody else decides"
        return Verdict(status=AnnotationStatus.SUPERSEDED, detail=detail)
    return _accepted(Vote(annotator=annotator, class_name=annotation.class_name), standing, project, crowd)


def _accepted(answer: Vote, standing: Standing, project: Project, crowd: Crowd | None) -> Verdict:
    # A vote for a class that the project has given up since counts for nothing: a label is of one taxonomy.
    votes = [vote for vote in standing.votes if vote.class_name in project.taxonomy.names]
    version = project.taxonomy.version
    if standing.contested_from is not None:
        found, adjudicator = Consensus(class_name=answer.class_name), answer.annotator
        label = human_label(found, votes, standing, project, are_votes=True, adjudicator=adjudicator)
        return Verdict(status=AnnotationStatus.ACCEPTED, label=label, decides=True, taxonomy_version=version)
    votes.append(answer)
    is_vote = standing.needed_votes > 1 or bool(standing.votes) or project.review.sure is not None
    found = consensus(votes, standing.needed_votes, project.review, crowd)
    return Verdict(
        status=AnnotationStatus.ACCEPTED,
        label=human_label(found, votes, standing, project, are_votes=is_vote) if found.class_name else None,
        is_vote=is_vote,
        leaves_open=found.is_contested,
        taxonomy_version=version,
    )


def human_label(
    found: Consensus,
    votes: Sequence[Vote],
    standing: Standing,
    project: Project,
    *,
    are_votes: bool,
    adjudicator: str = "",
) -> Label:
    """The label that these answers make, one revision above the latest; raises ValueError where they make none.

    Where they are no votes, there is one.
    """
    if found.class_name is None:
        raise ValueError("votes that leave a task open make no label")
    lineage = standing.lineage
    annotators = tuple(vote.annotator for vote in votes)
    return Label(
        key=lineage.key,
        class_name=found.class_name,
        source=LabelSource.HUMAN,
        revision=standing.revision + 1,
        supersedes_revision=standing.revision,
        decision=lineage.decision,
        model_name=lineage.model_name,
        model_version=lineage.model_version,
        annotators=(*annotators, adjudicator) if adjudicator else annotators,
        votes=tuple(votes) if are_votes else (),
        posterior=found.posterior,
        adjudicator=adjudicator,
        project_version=project.version,
        taxonomy_version=project.taxonomy.version,
        content_hash=lineage.content_hash,
        event_at=lineage.event_at,
        ingested_at=lineage.ingested_at,
        labelled_at=standing.seen_at,
    )


def _again(annotation: Annotation, grant: Grant, kept: KeptAnnotation) -> Verdict:
    if (kept.ticket, kept.class_name) != (grant.ticket, annotation.class_name):
        return Verdict(
            status=AnnotationStatus.REJECTED,
            detail="annotation_id names another answer of this annotator: every new answer needs an id of its own",
        )
    if kept.status is AnnotationStatus.SUPERSEDED:
        return Verdict(status=AnnotationStatus.SUPERSEDED, detail="kept before as a second opinion")
    return Verdict(status=AnnotationStatus.DUPLICATE, detail="accepted before")
