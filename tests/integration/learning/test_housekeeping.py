"""What learning lets go of after a while, and what it never does."""

from __future__ import annotations

import pytest

from streamlabel.learning.adapters.housekeeping import Forgetting
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.postgres.database import Database, DatabaseSettings

pytestmark = pytest.mark.integration

_OLD = """
WITH made AS (
    INSERT INTO scorer (digest, message) SELECT decode(n, 'hex'), ''::bytea FROM unnest(ARRAY['01', '02', '03']) AS n
), gates AS (
    INSERT INTO gate (project, gate_number, published_at, message, scorer_digest) VALUES
        ('p', 1, now() - interval '40 days', '', decode('01', 'hex')),
        ('p', 2, now() - interval '40 days', '', decode('02', 'hex')),
        ('q', 7, now() - interval '40 days', '', decode('03', 'hex')),
        ('p', 3, now(), '', decode('02', 'hex'))
), audits AS (
    INSERT INTO audit (project, book_no, record_id, model_version, decided_at, lane_rate, predicted, answer, passable)
    VALUES ('p', 1, 'r', 1, now() - interval '400 days', 0.05, 'a', 'a', true)
)
INSERT INTO point (project, at, facts) VALUES ('p', now() - interval '40 days', '{}'), ('p', now(), '{}')
"""


async def test_old_points_and_gates_go_and_the_last_gate_of_each_project_stays(postgres_database: str) -> None:
    settings = DatabaseSettings(
        service="learning",
        migrations="streamlabel.learning.adapters.postgres.migrations",
        dsn=postgres_database,
        schema="learning",
    )
    database = Database(settings, health=Health(), clock=SystemClock(), backoff=Backoff())
    await database.start()
    try:
        await database.fetch(_OLD)
        await Forgetting(database, days=30).forget()
        kept = await database.fetch("SELECT project, gate_number FROM gate ORDER BY project, gate_number")
        assert [tuple(row) for row in kept] == [("p", 2), ("p", 3), ("q", 7)]
        assert len(await database.fetch("SELECT FROM scorer")) == 2
        assert len(await database.fetch("SELECT FROM point")) == 1
        assert len(await database.fetch("SELECT FROM audit")) == 1
    finally:
        await database.stop()
