"""What each person of a project did, from their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from streamlabel.core.desk import AnnotatorStats
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.postgres.database import Database

# Who answers now answers in this project alone mostly: the index by time leads to the rows. Only votes are looked up in their tasks.
_FIGURES = """
SELECT annotator, count(*) AS answers,
    count(*) FILTER (WHERE label_class IS NOT NULL) AS shared_votes,
    count(*) FILTER (WHERE label_class = class_name) AS agreeing_votes,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY think_time_ms / 1000.0) FILTER (WHERE think_time_ms > 0) AS median_s
FROM annotation LEFT JOIN LATERAL (
    SELECT label_class FROM task
    WHERE annotation.vote_no IS NOT NULL AND ticket = annotation.ticket AND state = 2 AND votes > 1
        AND array_position(voters, annotation.annotator) IS NOT NULL
    LIMIT 1
) AS task ON true
WHERE answered_at > clock_timestamp() - $2::interval AND project = $1 AND status = 1 AND retracted_at IS NULL
GROUP BY annotator ORDER BY annotator
"""
_MOST_KEPT = 100


class PostgresFigures:
    """Keeps the promises of `ports.Figures`. A reading is shared by all who ask for the same within `max_age_s`; one at a time asks
    the database, however many want to know."""

    def __init__(self, database: Database, *, clock: Clock, max_age_s: float) -> None:
        self._database = database
        self._clock = clock
        self._max_age_s = max_age_s
        self._readings: dict[tuple[str, float], tuple[float, Sequence[AnnotatorStats]]] = {}
        self._turn = asyncio.Lock()

    async def of(self, project: str, within_s: float) -> Sequence[AnnotatorStats]:
        """By name; without skill."""
        key = (project, within_s)
        async with self._turn:
            now_s = self._clock.monotonic_s()
            read_at_s, reading = self._readings.get(key, (0.0, None))
            if reading is not None and now_s - read_at_s < self._max_age_s:
                return reading
            reading = await self._ask(project, within_s)
            if len(self._readings) >= _MOST_KEPT:
                self._readings.clear()
            self._readings[key] = (self._clock.monotonic_s(), reading)
            return reading

    async def _ask(self, project: str, within_s: float) -> Sequence[AnnotatorStats]:
        rows = await self._database.fetch(_FIGURES, project, timedelta(seconds=within_s))
        return [AnnotatorStats(**dict(row)) for row in rows]
