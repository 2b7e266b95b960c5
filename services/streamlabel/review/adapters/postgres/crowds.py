"""What is known of each project's people: fitted by one replica, read by all."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass

import asyncpg
import numpy as np

from streamlabel.consensus.crowd import Crowd, VoteSample, fit, is_refit_due, most_votes
from streamlabel.core.project import Project
from streamlabel.runtime.postgres.database import Database

_PAGE_VOTES = 5_000
_MOST_COUNTED = 1_000
_NUMBERS = np.dtype("<f4")

_HEADS = "SELECT project, taxonomy_version, fit_no FROM crowd_model"
_MODEL = """
SELECT project, taxonomy_version, fit_no, class_names, annotators, habits, votes, last_vote_no FROM crowd_model
WHERE project = $1 AND taxonomy_version = $2
"""
_NEW = """
SELECT count(*) AS votes FROM (
    SELECT FROM annotation WHERE project = $1 AND taxonomy_version = $2 AND vote_no > $3 LIMIT $4
) AS new
"""
# Votes that were taken back, or were given before the task was asked anew, stand no more.
_VOTES = """
SELECT vote_no, ticket, annotator, class_name, retracted_at IS NULL AND fencing_token >= asked_from AS stands FROM (
    SELECT vote_no, ticket, annotator, class_name, retracted_at, fencing_token FROM annotation
    WHERE project = $1 AND taxonomy_version = $2 AND vote_no < $3 ORDER BY vote_no DESC LIMIT $4
) AS vote
CROSS JOIN LATERAL (SELECT asked_from FROM task WHERE ticket = vote.ticket LIMIT 1) AS task
ORDER BY vote_no DESC
"""
# Whoever fitted at the same time, for a moment, fitted to the same votes: the later one stands.
_STORE = """
WITH older AS (DELETE FROM crowd_model WHERE project = $1 AND taxonomy_version < $2)
INSERT INTO crowd_model (project, taxonomy_version, fit_no, class_names, annotators, habits, votes, last_vote_no)
VALUES ($1, $2, 1, $3, $4, $5, $6, $7)
ON CONFLICT (project, taxonomy_version) DO UPDATE SET
    fit_no = crowd_model.fit_no + 1, class_names = excluded.class_names, annotators = excluded.annotators,
    habits = excluded.habits, votes = excluded.votes, last_vote_no = excluded.last_vote_no, fitted_at = clock_timestamp()
"""

_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Stored:
    """A fit as it is kept: of so many votes, the last of which has this number."""

    fit_no: int
    crowd: Crowd
    votes: int
    last_vote_no: int


class PostgresCrowds:
    """Keeps the promises of `ports.Crowds`, by the fits that `refresh` found last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[_Key, _Stored] = {}

    def of(self, project: Project) -> Crowd | None:
        """From memory; None where the classes are no longer those that people voted for."""
        stored = self._known.get(_key(project))
        names = tuple(project.taxonomy.names)
        return stored.crowd if stored is not None and stored.crowd.class_names == names else None

    async def refresh(self) -> None:
        """Read the fits that are newer than those in memory."""
        heads: dict[_Key, int] = {
            (row["project"], row["taxonomy_version"]): row["fit_no"] for row in await self._database.fetch(_HEADS)
        }
        for key, fit_no in heads.items():
            known = self._known.get(key)
            if (known is None or known.fit_no != fit_no) and (stored := await self._stored(key)) is not None:
                self._known[key] = stored
        for key in self._known.keys() - heads.keys():
            del self._known[key]

    async def refit(self, project: Project) -> bool:
        """Fit the people of a project anew where enough votes are new; returns whether that was so."""
        key, names = _key(project), tuple(project.taxonomy.names)
        before = await self._stored(key)
        if before is not None and before.crowd.class_names != names:
            before = None
        since = before.last_vote_no if before else 0
        new = await self._database.fetch(_NEW, *key, since, _MOST_COUNTED)
        if not new[0]["votes"] or not is_refit_due(new[0]["votes"], before.votes if before else 0):
            return False
        sample, last_vote_no = await self._sample(key, most_votes(len(names)))
        crowd = await asyncio.to_thread(fit, sample, names, before.crowd if before else None)
        habits = await asyncio.to_thread(_packed, crowd)
        await self._database.fetch(
            _STORE, *key, list(names), list(crowd.annotators), habits, len(sample.annotators), last_vote_no
        )
        return True

    async def _stored(self, key: _Key) -> _Stored | None:
        rows = await self._database.fetch(_MODEL, *key)
        return await asyncio.to_thread(_unpacked, rows[0]) if rows else None

    async def _sample(self, key: _Key, most: int) -> tuple[VoteSample, int]:
        """The latest votes that stand, and the number of the last one; page by page, so that others get their turn."""
        votes: list[asyncpg.Record] = []
        below, read, last = 2**63 - 1, 0, 0
        while read < most:
            page = await self._database.fetch(_VOTES, *key, below, min(_PAGE_VOTES, most - read))
            votes += [row for row in page if row["stands"]]
            read += len(page)
            if page:
                last, below = max(last, page[0]["vote_no"]), page[-1]["vote_no"]
            if not page:
                break
        return VoteSample(
            tickets=np.array([row["ticket"] for row in votes], dtype=np.int64),
            annotators=[row["annotator"] for row in votes],
            class_names=[row["class_name"] for row in votes],
        ), last


def _key(project: Project) -> _Key:
    return project.name, project.taxonomy.version


def _packed(crowd: Crowd) -> bytes:
    numbers = np.concatenate([crowd.prevalence.ravel(), crowd.confusion.ravel()]).astype(_NUMBERS)
    return zlib.compress(numbers.tobytes(), level=1)


def _unpacked(row: asyncpg.Record) -> _Stored:
    numbers = np.frombuffer(zlib.decompress(row["habits"]), dtype=_NUMBERS).astype(np.float32)
    classes, people = len(row["class_names"]), len(row["annotators"])
    crowd = Crowd(
        class_names=row["class_names"],
        annotators=row["annotators"],
        prevalence=numbers[:classes],
        confusion=numbers[classes:].reshape(people, classes, classes),
    )
    return _Stored(row["fit_no"], crowd, row["votes"], row["last_vote_no"])
