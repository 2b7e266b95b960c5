"""Records out of a foreign topic, exactly once: the work of one of its partitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamlabel.core.project import Project, SourceMapping
from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.ingest.adapters.offers import offer_of
from streamlabel.ingest.adapters.traces import traceparent_of
from streamlabel.ingest.ports import Projects
from streamlabel.ingest.rules.admission import Limits, Refusal, refusal
from streamlabel.ingest.rules.partitioning import partition_of
from streamlabel.runtime.messages import Emit, Message, Outcome
from streamlabel.wire.headers import TRACEPARENT, ingest_headers
from streamlabel.wire.source_mapping import record_of

_ASK_AGAIN_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSetting:
    """From where to where."""

    project: str
    records_topic: str
    partitions: int
    limits: Limits


class SourceLane:
    """A lane handler: each JSON value becomes a record in the partition of its key, or a dead letter that says why not."""

    def __init__(self, setting: SourceSetting, projects: Projects, now_ms: Callable[[], int]) -> None:
        self._setting = setting
        self._projects = projects
        self._now_ms = now_ms

    async def handle(self, batch: Sequence[Message]) -> Sequence[Outcome]:
        """One outcome a message. While the project or its mapping is missing nothing is dead: the work waits for the operator."""
        project, mapping = await self._project()
        now_ms = self._now_ms()
        return [self._outcome(message, project, mapping, now_ms) for message in batch]

    async def _project(self) -> tuple[Project, SourceMapping]:
        name = self._setting.project
        await self._projects.look_for((name,))
        project = self._projects.get(name)
        if project is None:
            raise TransientError(
                f"STREAMLABEL_INGEST_SOURCE_PROJECT={name}: there is no such project (yet); `streamlabel project apply` makes it",
                retry_after_s=_ASK_AGAIN_S,
            )
        if project.source is None:
            raise TransientError(
                f"project {name!r} has no `source:` section that maps the fields of the source topic",
                retry_after_s=_ASK_AGAIN_S,
            )
        return project, project.source

    def _outcome(self, message: Message, project: Project, mapping: SourceMapping, now_ms: int) -> Outcome:
        if message.tombstone:
            return ()  # A deletion in the foreign topic; records are never deleted.
        try:
            offer = offer_of(record_of(message.value, project, mapping))
        except InvalidMessageError as error:
            return error
        if isinstance(offer, Refusal):
            return InvalidMessageError(offer.reason, offer.detail)
        if (refused := refusal(offer, project, self._setting.limits)) is not None:
            return InvalidMessageError(refused.reason, refused.detail)
        return (
            Emit(
                topic=self._setting.records_topic,
                key=offer.key,
                value=offer.value,
                headers=ingest_headers(now_ms, _trace(message)),
                partition=partition_of(offer.key, self._setting.partitions),
            ),
        )


class SourceLanes:
    """A lane handler factory; a lane keeps nothing of the past, so each opening is like the first."""

    def __init__(self, setting: SourceSetting, projects: Projects, now_ms: Callable[[], int]) -> None:
        self._setting = setting
        self._projects = projects
        self._now_ms = now_ms

    async def open(self, partition: int, history: Sequence[Message]) -> SourceLane:  # noqa: ARG002
        """The handler of one partition."""
        return SourceLane(self._setting, self._projects, self._now_ms)


def _trace(message: Message) -> str:
    for name, value in message.headers:
        if name == TRACEPARENT:
            return traceparent_of(value.decode("ascii", "replace"))
    return ""
