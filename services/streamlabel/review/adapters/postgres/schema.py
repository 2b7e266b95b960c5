"""Review's own schema, and the keys that its replicas share."""

from __future__ import annotations

import secrets

from streamlabel.runtime.postgres.database import Database, DatabaseSettings

LEASE_TOKENS = "lease token seal"
ACCESS_TOKENS = "access token hash"
_MIGRATIONS = "streamlabel.review.adapters.postgres.migrations"

# The queries of this service find their rows by index and take few of them, whatever is in the tables. Without statistics (a
# fresh table, a queue that was empty when it was analysed) the planner may think otherwise, and a claim would read the whole
# queue. One plan for ever also saves planning, which would cost more than these queries themselves.
_PLANNER = {
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_sort": "off",
}


def schema_settings(*, dsn: str, schema: str = "review", **limits: float) -> DatabaseSettings:
    """How review reaches its schema; `limits` are those of `DatabaseSettings`."""
    return DatabaseSettings(
        service="review",
        migrations=_MIGRATIONS,
        dsn=dsn,
        schema=schema,
        session=_PLANNER,
        **limits,  # type: ignore[arg-type]
    )


async def shared_key(database: Database, name: str) -> bytes:
    """The key of that name, 32 bytes, the same for all replicas; made by the first that asks."""
    await database.fetch(
        "INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        name,
        secrets.token_bytes(32),
    )
    rows = await database.fetch("SELECT value FROM secret WHERE name = $1", name)
    return bytes(rows[0]["value"])


async def seal_key(database: Database) -> bytes:
    """The key that lease tokens are sealed with."""
    return await shared_key(database, LEASE_TOKENS)
