"""The compacted topic `projects` as a table with one careful writer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streamlabel.cli.topic_reading import read_whole, until_readable
from streamlabel.core.nearest import did_you_mean
from streamlabel.core.project import Project
from streamlabel.core.taxonomy import Taxonomy
from streamlabel.errors import ConfigurationError, InvalidMessageError, TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import Broker, FencedError
from streamlabel.runtime.clock import Clock, SystemClock
from streamlabel.runtime.messages import RawRecord
from streamlabel.wire import projects
from streamlabel.wire.flow import PROJECTS, Names

_ATTEMPTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What applying a project came to; `before` is None for a new one, and `after` equals `before` where nothing changed."""

    before: Project | None
    after: Project

    @property
    def changed(self) -> bool:
        return self.before != self.after

    @property
    def changes(self) -> tuple[str, ...]:
        """The parts that differ from before, in the order of the project file; empty for a new project."""
        if self.before is None:
            return ()
        before, after = self.before, self.after
        names = (field.name for field in dataclasses.fields(Project) if field.name not in ("version", "bound_since"))
        return tuple(name for name in names if getattr(before, name) != getattr(after, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The table as it is; `unreadable` says, for values that are no project, what is wrong with them."""

    projects: Mapping[str, Project]
    unreadable: Mapping[str, str]


def succeed(published: Project | None, wanted: Project) -> Project:
    """`wanted` with the version that follows `published`, or `published` itself where nothing differs.

    The taxonomy's version never goes back: another class list is a new version, whatever the file says.
    """
    if published is None:
        return dataclasses.replace(wanted, version=1, bound_since=1)
    taxonomy = _succeed_taxonomy(published.taxonomy, wanted.taxonomy)
    candidate = dataclasses.replace(
        wanted, taxonomy=taxonomy, version=published.version, bound_since=published.bound_since
    )
    if candidate == published:
        return published
    version = published.version + 1
    # Where nobody knows since when it was so, it is known of the version that was published.
    since = published.bound_since or published.version
    return dataclasses.replace(
        candidate, version=version, bound_since=since if candidate.model == published.model else version
    )


def _succeed_taxonomy(published: Taxonomy, wanted: Taxonomy) -> Taxonomy:
    least = published.version if wanted.classes == published.classes else published.version + 1
    return dataclasses.replace(wanted, version=max(wanted.version, least))


def no_such_project(name: str, published: Published) -> ConfigurationError:
    """What to say of a project that is not published, with the way out."""
    if name in published.unreadable:
        return ConfigurationError(
            f"project {name} cannot be read ({published.unreadable[name]}); `streamlabel project apply FILE` replaces it"
        )
    hint = did_you_mean(name, published.projects)
    if not hint and published.projects:
        hint = "`streamlabel project list` shows those there are"
    elif not hint:
        hint = "`streamlabel project apply FILE` makes one"
    return ConfigurationError(f"there is no project {name!r}; {hint}")


class ProjectTable:
    """Reads and changes the projects that every service follows."""

    def __init__(
        self, broker: Broker, names: Names, *, clock: Clock | None = None, backoff: Backoff | None = None
    ) -> None:
        self._broker = broker
        self._topic = names.topic(PROJECTS)
        self._writer_id = f"{names.prefix}-project-apply"
        self._clock = clock or SystemClock()
        self._backoff = backoff or Backoff()

    async def read(self) -> Published:
        """Every project by name. A value that is no project hides nothing but itself, and may be replaced."""
        found: dict[str, Project] = {}
        unreadable: dict[str, str] = {}
        for message in await read_whole(self._broker, self._topic):
            name = message.key.decode("utf-8", "replace")
            found.pop(name, None)
            unreadable.pop(name, None)
            if message.tombstone:
                continue
            try:
                found[name] = projects.decode(message.value)
            except InvalidMessageError as error:
                unreadable[name] = error.detail
        return Published(projects=found, unreadable=unreadable)

    async def apply(self, wanted: Project) -> Applied:
        """Publishes `wanted` as the next version, unless it is there already.

        Two writers at a time never give the same version twice: each takes the one transactional id of this table
        *before* it reads, which fences the other, and publishes under it; the one that lost begins again.
        """
        applied = Applied(before=None, after=wanted)

        def successor(published: Published) -> RawRecord | None:
            nonlocal applied
            before = published.projects.get(wanted.name)
            applied = Applied(before=before, after=succeed(before, wanted))
            after = applied.after
            return (projects.project_key(after.name), projects.encode(after), ()) if applied.changed else None

        await self._insist(f"project {wanted.name} could not be applied", successor)
        return applied

    async def delete(self, name: str) -> None:
        """Takes the project, or what cannot be read under its name, off the table; changes nothing where it is not there."""

        def tombstone(published: Published) -> RawRecord | None:
            is_there = name in published.projects or name in published.unreadable
            return (projects.project_key(name), None, ()) if is_there else None

        await self._insist(f"project {name} could not be deleted", tombstone)

    async def _insist(self, failure: str, change: Callable[[Published], RawRecord | None]) -> None:
        """Writes what `change` makes of the table, whoever else writes; `change` is asked anew for each try."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._try(change)
            except FencedError as error:
                reason: Exception = error
            except TransientError as error:
                # The outcome of a failed commit is open; reading again settles it.
                if attempt == _ATTEMPTS:
                    raise
                reason = error
            await self._clock.sleep(self._backoff.delay_s(attempt))
        raise TransientError(f"{failure}: {reason}") from reason

    async def _try(self, change: Callable[[Published], RawRecord | None]) -> None:
        producer = self._broker.producer(self._writer_id)
        try:
            await producer.start()
            record = change(await self.read())
            if record is not None:
                await producer.begin()
                await producer.send(self._topic, 0, [record])
                await producer.commit()
        finally:
            await producer.stop()
        if record is not None:
            await until_readable(self._broker, self._writer_id)
