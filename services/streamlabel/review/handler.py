"""The desk: people fetch tasks here, keep them alive, answer them, give them back, and change their mind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from streamlabel.core.desk import (
    AnnotationResult,
    AnnotationStatus,
    AnnotatorStats,
    ExtendedLeases,
    LeasedTask,
    LostLease,
    LostReason,
    QueueStats,
    UndoneAnnotation,
)
from streamlabel.core.history import EscalationReason
from streamlabel.core.identity import RecordKey
from streamlabel.core.project import Project
from streamlabel.core.review import Annotation, Lease
from streamlabel.errors import TransientError
from streamlabel.review.aside_ports import Attendance
from streamlabel.review.ports import (
    Answers,
    Bell,
    Claim,
    Crowds,
    Figures,
    Finding,
    Leases,
    Observer,
    PastAnswers,
    Projects,
    Question,
    QueueBoard,
    Refusal,
    RefusedError,
    Settlement,
)
from streamlabel.review.requests import check_annotation_id, check_annotator, check_range
from streamlabel.review.rules.answers import Verdict, judge
from streamlabel.review.rules.showing import as_shown
from streamlabel.review.rules.tokens import MAX_TOKEN_CHARACTERS, Grant, TokenSeal
from streamlabel.review.rules.undoing import Undoability, undoability

_WEEK_S = 7 * 86_400.0
MAX_FIGURES_S = 90 * 86_400.0
# A task changes under a submit only when two people race for it: a few looks settle any of that.
_MAX_LOOKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskLimits:
    """What the desk allows.

    `recheck_s` is how often one who waits for work looks without being called: the bell of a broken connection is mute.
    `max_handed_bytes` bounds the tasks of one answer to what a message may hold; one task goes out whatever its size.
    """

    lease_s: float = 60.0
    max_tasks: int = 100
    max_annotations: int = 100
    max_wait_s: float = 30.0
    max_handed_bytes: int = 8 * 1024 * 1024
    recheck_s: float = 1.0


class ReviewDesk:
    """Keeps the promises of `ports.Desk`: no task in two hands, no answer lost, none counted twice."""

    def __init__(
        self,
        *,
        projects: Projects,
        leases: Leases,
        answers: Answers,
        crowds: Crowds,
        past_answers: PastAnswers,
        bell: Bell,
        board: QueueBoard,
        figures: Figures,
        attendance: Attendance,
        observer: Observer,
        seal: TokenSeal,
        limits: DeskLimits,
    ) -> None:
        self._projects = projects
        self._leases = leases
        self._answers = answers
        self._crowds = crowds
        self._past_answers = past_answers
        self._bell = bell
        self._board = board
        self._figures = figures
        self._attendance = attendance
        self._observer = observer
        self._seal = seal
        self._limits = limits

    def projects(self) -> Sequence[Project]:
        """All projects, by name."""
        return self._projects.all()

    async def stats(self, project: str = "") -> Sequence[QueueStats]:
        """The queue of one project, or of each; a project without tasks has an empty one."""
        names = self._wanted(project)
        found = {queue.project: queue for queue in await self._board.queues()}
        return [found.get(name) or QueueStats(project=name) for name in names]

    async def annotators(self, project: str, within_s: float = 0.0) -> Sequence[AnnotatorStats]:
        """The people of a project, by name, and what they did in the last `within_s` (0: a week)."""
        check_range("within_s", within_s, 0, MAX_FIGURES_S)
        known = self._projects.get(project)
        if known is None:
            raise RefusedError(Refusal.NOT_FOUND, "project", f"there is no project {project[:80]!r}")
        found, crowd = await self._figures.of(project, within_s or _WEEK_S), self._crowds.of(known)
        return [replace(each, skill=crowd.skill(each.annotator)) for each in found] if crowd else found

    async def lease(
        self, annotator: str, *, project: str = "", max_tasks: int = 1, wait_s: float = 0.0, escalated: bool = False
    ) -> Sequence[LeasedTask]:
        """Up to `max_tasks` tasks that are nobody else's, most urgent first; waits up to `wait_s` for the first.

        `escalated`: those that were set aside, and no others.
        """
        check_annotator(annotator)
        check_range("max_tasks", max_tasks, 1, self._limits.max_tasks)
        check_range("wait_s", wait_s, 0, self._limits.max_wait_s)
        self._wanted(project)
        await self._attendance.came(annotator, project)
        with self._bell.listen(project) as call:
            deadline_s = asyncio.get_running_loop().time() + wait_s
            while True:
                # Named anew each time: a project may come or go while somebody waits.
                claims = await self._claim(annotator, self._wanted(project), max_tasks, escalated)
                left_s = deadline_s - asyncio.get_running_loop().time()
                if claims or left_s <= 0 or self._bell.is_silenced:
                    return [self._handed(claim, annotator) for claim in claims]
                await call.wait(min(left_s, self._limits.recheck_s))

    async def extend(self, annotator: str, lease_tokens: Sequence[str]) -> ExtendedLeases:
        """Move the expiry of the leases that still hold; tell which are gone."""
        grants = self._grants(annotator, lease_tokens)
        found = await self._leases.extend(list(grants.values()), self._limits.lease_s) if grants else {}
        leases, lost, withdrawn = [], [], []
        for token in lease_tokens:
            grant = grants.get(token)
            fate = LostReason.UNKNOWN if grant is None else found.get(grant, LostReason.EXPIRED)
            if grant is None or isinstance(fate, LostReason):
                lost.append(
                    LostLease(lease_token=token, reason=fate if isinstance(fate, LostReason) else LostReason.UNKNOWN)
                )
                continue
            key, expires_at = RecordKey.parse(fate[0]), fate[1]
            if self._projects.get(key.project) is None:
                withdrawn.append(grant)
                lost.append(LostLease(lease_token=token, reason=LostReason.WITHDRAWN))
            else:
                leases.append(self._lease(key, grant, expires_at, token))
        if withdrawn:
            await self._leases.release(withdrawn)
        return ExtendedLeases(
            leases=tuple(leases), lost_lease_tokens=tuple(each.lease_token for each in lost), lost=tuple(lost)
        )

    async def release(self, annotator: str, lease_tokens: Sequence[str]) -> int:
        """Give tasks back unanswered, free at once; returns how many were this annotator's to give."""
        grants = self._grants(annotator, lease_tokens)
        freed = await self._leases.release(list(grants.values())) if grants else {}
        for (project, purpose), count in freed.items():
            self._observer.given_back(project, purpose, count)
        return sum(freed.values())

    async def submit(self, annotator: str, annotations: Sequence[Annotation]) -> Sequence[AnnotationResult]:
        """Take answers in, one result each, in order. The same call again changes nothing and gives the same labels."""
        check_annotator(annotator)
        check_range("annotations", len(annotations), 1, self._limits.max_annotations)
        results: list[AnnotationResult | None] = [None] * len(annotations)
        open_answers: dict[int, Grant] = {}
        tickets: dict[int, int] = {}
        for index, annotation in enumerate(annotations):
            check_annotation_id(f"annotations[{index}].annotation_id", annotation.annotation_id)
            grant = self._seal.read(annotation.lease_token, annotator)
            if grant is None:
                detail = "lease_token is unknown, or was given to another annotator"
                results[index] = _result(annotation, Verdict(status=AnnotationStatus.REJECTED, detail=detail))
            else:
                open_answers[index] = grant
                tickets[index] = grant.ticket
        for _ in range(_MAX_LOOKS):
            if not open_answers:
                break
            chosen = _one_per_task(open_answers, annotations)
            for index, result in (await self._settle(annotator, annotations, chosen)).items():
                results[index] = result
                del open_answers[index]
        if open_answers:
            raise TransientError("the tasks of these answers change too fast; submit them again")
        return await self._with_winners(annotator, [result for result in results if result is not None], tickets)

    async def undo(self, annotator: str, annotation_id: str) -> UndoneAnnotation:
        """Take back the annotator's own answer, and lease its task to them again. The same call again gives the same lease."""
        check_annotator(annotator)
        check_annotation_id("annotation_id", annotation_id)
        for _ in range(_MAX_LOOKS):
            past = await self._past_answers.find(annotator, annotation_id)
            if past is None:
                detail = f"{annotator!r} has no answer {annotation_id[:80]!r}"
                raise RefusedError(Refusal.NOT_FOUND, "annotation_id", detail)
            verdict, reason = undoability(past)
            if verdict is Undoability.NEVER:
                raise RefusedError(Refusal.FAILED_PRECONDITION, "annotation_id", reason)
            if verdict is Undoability.DONE:
                claim = await self._past_answers.current_claim(annotator, past.ticket)
            else:
                claim = await self._past_answers.take_back(annotator, past, self._limits.lease_s)
            if claim is not None:
                return UndoneAnnotation(leased=self._handed(claim, annotator), class_name=past.class_name)
        raise TransientError("the task of this answer changes too fast; undo it again")

    async def _with_winners(
        self, annotator: str, results: Sequence[AnnotationResult], tickets: dict[int, int]
    ) -> Sequence[AnnotationResult]:
        """The results; those that came too late say since when their task has its label, and no more of it."""
        late = [index for index, result in enumerate(results) if result.status is AnnotationStatus.SUPERSEDED]
        if not late:
            return results
        won_at = await self._answers.won_at(annotator, [tickets[index] for index in late])
        return [
            replace(result, won_at=won_at.get(tickets[index])) if index in late else result
            for index, result in enumerate(results)
        ]

    async def _claim(self, annotator: str, projects: Sequence[str], max_tasks: int, escalated: bool) -> Sequence[Claim]:
        if not projects or self._bell.is_silenced:
            return ()
        claims = await self._fitting(await self._claim_unless_left(annotator, projects, max_tasks, escalated))
        counts: dict[str, int] = {}
        for claim in claims:
            name = claim.task.key.project
            counts[name] = counts.get(name, 0) + 1
        for name, count in counts.items():
            self._observer.leased(name, count)
        return claims

    async def _claim_unless_left(
        self, annotator: str, projects: Sequence[str], max_tasks: int, escalated: bool
    ) -> Sequence[Claim]:
        """The claims; where the caller goes away in the middle, they go back instead of lying in nobody's hands."""
        claiming = asyncio.ensure_future(
            self._leases.claim(annotator, projects, max_tasks, self._limits.lease_s, escalated=escalated)
        )
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # A store that is away just now gets them back when the leases run out; whoever cancels hears of nothing else.
            with contextlib.suppress(TransientError):
                if claims := await claiming:
                    await self._leases.release([claim.grant for claim in claims])
            raise

    async def _fitting(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """As many as fit into one answer; the rest goes back, at the latest when its leases run out."""
        handed_bytes = 0
        for place, claim in enumerate(claims):
            handed_bytes += claim.size_bytes
            if place and handed_bytes > self._limits.max_handed_bytes:
                with contextlib.suppress(TransientError):
                    await self._leases.release([late.grant for late in claims[place:]])
                return claims[:place]
        return claims

    async def _settle(
        self, annotator: str, annotations: Sequence[Annotation], chosen: dict[int, Grant]
    ) -> dict[int, AnnotationResult]:
        """Results of those that could be decided; the others' tasks changed under our eyes."""
        questions = [
            Question(annotation_id=annotations[index].annotation_id, ticket=grant.ticket)
            for index, grant in chosen.items()
        ]
        findings = await self._answers.look(annotator, questions)
        results: dict[int, AnnotationResult] = {}
        settlements: dict[int, Settlement] = {}
        for (index, grant), finding in zip(chosen.items(), findings, strict=True):
            annotation = annotations[index]
            verdict = self._judge(annotation, grant, annotator, finding)
            if finding.standing is not None and finding.kept is None and verdict.status in _STORED:
                settlements[index] = Settlement(annotation=annotation, standing=finding.standing, verdict=verdict)
            else:
                results[index] = self._decided(annotation, finding, verdict)
        if settlements:
            kept = await self._answers.settle(annotator, list(settlements.values()))
            for index, settlement in settlements.items():
                if settlement.annotation.annotation_id in kept:
                    finding = Finding(standing=settlement.standing, kept=None)
                    results[index] = self._decided(settlement.annotation, finding, settlement.verdict)
        return results

    def _judge(self, annotation: Annotation, grant: Grant, annotator: str, finding: Finding) -> Verdict:
        project = self._projects.get(finding.standing.lineage.key.project) if finding.standing else None
        crowd = self._crowds.of(project) if project else None
        return judge(
            annotation,
            grant,
            annotator,
            standing=finding.standing,
            kept=finding.kept,
            project=project,
            crowd=crowd,
        )

    def _decided(self, annotation: Annotation, finding: Finding, verdict: Verdict) -> AnnotationResult:
        if finding.standing is not None:
            took_s = annotation.think_time_ms / 1000 or finding.standing.held_s
            lineage = finding.standing.lineage
            self._observer.answered(lineage.key.project, lineage.purpose, verdict.status, took_s)
            if verdict.label is not None:
                self._observer.labelled(verdict.label.key.project)
            if verdict.leaves_open:
                self._observer.escalated(lineage.key.project, lineage.purpose, EscalationReason.CONTESTED)
        return _result(annotation, verdict)

    def _wanted(self, project: str) -> Sequence[str]:
        if not project:
            return [each.name for each in self._projects.all()]
        if self._projects.get(project) is None:
            raise RefusedError(Refusal.NOT_FOUND, "project", f"there is no project {project[:80]!r}")
        return [project]

    def _grants(self, annotator: str, lease_tokens: Sequence[str]) -> dict[str, Grant]:
        check_annotator(annotator)
        check_range("lease_tokens", len(lease_tokens), 0, self._limits.max_tasks)
        if any(len(token) > MAX_TOKEN_CHARACTERS for token in lease_tokens):
            detail = f"a lease token has at most {MAX_TOKEN_CHARACTERS} characters"
            raise RefusedError(Refusal.INVALID_ARGUMENT, "lease_tokens", detail)
        found = {token: self._seal.read(token, annotator) for token in lease_tokens}
        return {token: grant for token, grant in found.items() if grant is not None}

    def _handed(self, claim: Claim, annotator: str) -> LeasedTask:
        token = self._seal.mint(claim.grant, annotator)
        return LeasedTask(
            lease=self._lease(claim.task.key, claim.grant, claim.expires_at, token),
            task=as_shown(claim.task),
            voted_classes=claim.voted_classes,
        )

    def _lease(self, key: RecordKey, grant: Grant, expires_at: datetime, token: str) -> Lease:
        return Lease(
            task=key,
            lease_token=token,
            fencing_token=grant.fencing_token,
            expires_at=expires_at,
            lasts_s=self._limits.lease_s,
        )


_STORED = frozenset({AnnotationStatus.ACCEPTED, AnnotationStatus.SUPERSEDED})


def _one_per_task(open_answers: dict[int, Grant], annotations: Sequence[Annotation]) -> dict[int, Grant]:
    """The first open answer to each task, and of each id: those behind it see what it has changed."""
    tickets: set[int] = set()
    ids: set[str] = set()
    chosen = {}
    for index, grant in open_answers.items():
        if grant.ticket not in tickets and annotations[index].annotation_id not in ids:
            chosen[index] = grant
        tickets.add(grant.ticket)
        ids.add(annotations[index].annotation_id)
    return chosen


def _result(annotation: Annotation, verdict: Verdict) -> AnnotationResult:
    return AnnotationResult(annotation_id=annotation.annotation_id, status=verdict.status, detail=verdict.detail)
