"""What services share about PostgreSQL, for a service that is none of ours: its own words, its own SQL, its own sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.local.ports import choose
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.postgres.database import Database, DatabaseSettings
from streamlabel.runtime.postgres.migrations import Migration, migrate
from streamlabel.runtime.postgres.sole import SoleComponent

pytestmark = pytest.mark.integration
RETRY = Backoff(base_s=0.02, cap_s=0.2)

Make = Callable[..., Database]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A database of the service `ledger`, not started; its SQL lies in a package of its own."""
    package = tmp_path / "ledger_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "0001_entry.sql").write_text("CREATE TABLE entry (number integer PRIMARY KEY)")
    monkeypatch.syspath_prepend(tmp_path)

    def made(dsn: str, *, health: Health | None = None, **more: object) -> Database:
        settings = DatabaseSettings(service="ledger", migrations=package.name, dsn=dsn, schema="ledger", **more)  # type: ignore[arg-type]
        return Database(settings, health=health or Health(), clock=SystemClock(), backoff=RETRY)

    return made


async def test_a_service_has_its_own_tables_its_own_name_and_the_planner_as_it_is(
    postgres_database: str, make: Make
) -> None:
    database = make(postgres_database)
    await database.start()
    try:
        await database.fetch("INSERT INTO entry (number) VALUES (1)")
        assert [tuple(row) for row in await database.fetch("SELECT number FROM ledger.entry")] == [(1,)]
        [row] = await database.fetch(
            "SELECT current_setting('application_name') AS name, current_setting('enable_seqscan') AS seqscan,"
            " current_setting('plan_cache_mode') AS plans"
        )
        assert tuple(row) == ("streamlabel-ledger", "on", "auto")
    finally:
        await database.stop()


async def test_sessions_are_as_the_service_wants_them(postgres_database: str, make: Make) -> None:
    database = make(postgres_database, session={"jit": "off", "work_mem": "9MB"})
    await database.start()
    try:
        [row] = await database.fetch("SELECT current_setting('jit') AS jit, current_setting('work_mem') AS work_mem")
        assert tuple(row) == ("off", "9MB")
    finally:
        await database.stop()


async def test_it_waits_for_a_database_that_is_not_there_yet_and_says_so(make: Make) -> None:
    health = Health()
    database = make(f"postgresql://ann:hush-hush@127.0.0.1:{choose(set())}/streamlabel", health=health)
    starting = asyncio.create_task(database.start())
    await asyncio.sleep(0.3)
    assert not starting.done()
    assert "PostgreSQL is away" in health.reasons()["postgres"]
    assert "hush" not in health.reasons()["postgres"]
    starting.cancel()
    await asyncio.wait({starting})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda dsn: dsn.rsplit("/", 1)[0] + "/no_such_database",
        lambda dsn: "mysql://ann:hush-hush@127.0.0.1/x",
        lambda dsn: "postgresql://ann:hush-hush@127.0.0.1:port/x",
    ],
    ids=["no such database", "another scheme", "a port that is none"],
)
async def test_an_address_that_can_never_work_stops_it_and_shows_no_password(
    postgres_database: str, make: Make, spoil: Callable[[str], str]
) -> None:
    with pytest.raises(ConfigurationError) as stopped:
        await make(spoil(postgres_database)).start()
    assert "STREAMLABEL_LEDGER_POSTGRES_DSN" in str(stopped.value)
    assert "hush" not in f"{stopped.value!r}{stopped.value.__cause__!r}"
    settings = DatabaseSettings(service="ledger", migrations="m", dsn="postgresql://ann:hush-hush@x/y", schema="s")
    assert "hush" not in repr(settings)


async def test_calls_have_a_deadline(postgres_database: str, make: Make) -> None:
    database = make(postgres_database, pool_max=1, statement_timeout_s=0.6, pool_wait_s=0.1)
    await database.start()
    try:
        with pytest.raises(TransientError):
            await database.fetch("SELECT pg_sleep(5)")
        async with database.transaction() as connection:
            await connection.execute("SELECT 1")
            with pytest.raises(TransientError, match="in time"):
                await database.fetch("SELECT 1")
        assert await database.fetch("SELECT 1")
    finally:
        await database.stop()


async def test_a_defect_is_not_called_weather(postgres_database: str, make: Make) -> None:
    database = make(postgres_database)
    await database.start()
    try:
        with pytest.raises(asyncpg.UndefinedTableError):
            await database.fetch("SELECT * FROM nonsense")
        with pytest.raises(asyncpg.DataError):
            await database.fetch("SELECT $1::integer", "not a number")
    finally:
        await database.stop()


async def test_the_schema_of_a_later_release_is_refused_under_the_services_own_setting(
    postgres_database: str, make: Make
) -> None:
    database = make(postgres_database)
    await database.start()
    await database.fetch("INSERT INTO migration (number, name, checksum) VALUES (2, 'later', '')")
    await database.stop()
    with pytest.raises(ConfigurationError, match=r"0002_later of a later release.*STREAMLABEL_LEDGER_POSTGRES_SCHEMA"):
        await make(postgres_database).start()


async def test_a_later_schema_and_an_edited_migration_are_refused(postgres_database: str) -> None:
    connection = await asyncpg.connect(postgres_database)
    first = Migration(number=1, name="first", sql="CREATE TABLE a (b int)")
    second = Migration(number=2, name="second", sql="CREATE TABLE c (d int)")
    assert await migrate(connection, "s", [first], "SETTING") == 1
    assert await migrate(connection, "s", [first, second], "SETTING") == 1
    assert await migrate(connection, "s", [first, second], "SETTING") == 0
    with pytest.raises(ConfigurationError, match="0002_second of a later release"):
        await migrate(connection, "s", [first], "SETTING")
    edited = Migration(number=1, name="first", sql="CREATE TABLE a (b bigint)")
    with pytest.raises(ConfigurationError, match="never edited"):
        await migrate(connection, "s", [edited, second], "SETTING")
    broken = Migration(number=3, name="broken", sql="CREATE TABLE e (f int); CREATE TABLE e (f int)")
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(connection, "s", [first, second, broken], "SETTING")
    assert await connection.fetchval("SELECT to_regclass('s.e')") is None
    await connection.close()


class Post:
    """A component that only notes when it is on duty."""

    def __init__(self, name: str, duty: list[str]) -> None:
        self.name = name
        self._duty = duty
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        self._duty.append(self.name)

    async def run(self) -> None:
        await self._stopped.wait()

    async def stop(self) -> None:
        if not self._stopped.is_set():
            self._duty.remove(self.name)
        self._stopped.set()


async def test_one_has_the_turn_and_the_next_takes_over_within_seconds(postgres_database: str, make: Make) -> None:
    database = make(postgres_database)
    await database.start()
    duty: list[str] = []
    posts = [
        SoleComponent(
            database,
            lambda number=number: Post(f"post {number}", duty),
            name="turn",
            health=Health(),
            clock=SystemClock(),
            backoff=Backoff(base_s=0.05, cap_s=0.2),
        )
        for number in range(3)
    ]
    lives = [asyncio.create_task(post.run()) for post in posts]
    await asyncio.sleep(0.5)
    for _ in range(2):
        assert len(duty) == 1
        holder = int(duty[0].removeprefix("post "))
        await posts[holder].stop()
        await lives[holder]
        await asyncio.sleep(1.5)
    # The server ends the holder's connection: the turn ends, and begins anew.
    [last] = duty
    await database.fetch("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    await asyncio.sleep(2.5)
    assert duty == [last]
    for post in posts:
        await post.stop()
    await asyncio.gather(*lives)
    assert duty == []
    await database.stop()
