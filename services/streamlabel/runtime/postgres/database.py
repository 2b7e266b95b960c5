"""The connection to PostgreSQL: a bounded pool, a deadline on every call, and one fate for each of its failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.health import Health
from streamlabel.runtime.postgres.migrations import migrate, migrations
from streamlabel.runtime.settings import env_key
from streamlabel.runtime.tasks import set_within

log = logging.getLogger(__name__)

_PING_INTERVAL_S = 2.0
# The server gives up on a statement first; only where it does not answer at all does the client.
_CLIENT_GRACE_S = 1.0

Connection = asyncpg.Connection | PoolConnectionProxy

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg lost its place in the protocol: the server cut it off in the middle of something
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.OperatorInterventionError,  # a statement that was cancelled for its time
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.ReadOnlySQLTransactionError,  # a failover has left us with a standby
    asyncpg.LockNotAvailableError,
    ConnectionError,
    OSError,
    TimeoutError,
)
_WRONG = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """How PostgreSQL is reached; `dsn` may hold a password and is never shown.

    `service` is whose schema it is: its settings are named in errors. `migrations` is the package that holds its numbered SQL
    files, `session` what is set in each session besides.
    """

    service: str
    migrations: str
    dsn: str = field(repr=False)
    schema: str
    session: Mapping[str, str] = field(default_factory=dict)
    pool_min: int = 1
    pool_max: int = 10
    connect_timeout_s: float = 5.0
    statement_timeout_s: float = 5.0
    pool_wait_s: float = 5.0


class Database:
    """A component: at start it waits for PostgreSQL and brings the schema up to date; then it watches that it stays there.

    Every method raises TransientError while PostgreSQL is away, and what it raises never names the DSN.
    """

    def __init__(self, settings: DatabaseSettings, *, health: Health, clock: Clock, backoff: Backoff) -> None:
        self.name = "postgres"
        self.schema = settings.schema
        self._settings = settings
        self._check = health.check(self.name)
        self._clock = clock
        self._backoff = backoff
        self._stopped = asyncio.Event()
        self._pool: asyncpg.Pool | None = None

    async def start(self) -> None:
        """Returns once the pool is open on an up-to-date schema; raises ConfigurationError where waiting cannot help.

        A second call returns at once.
        """
        attempt = 0
        while self._pool is None:
            try:
                await self._open()
            except TransientError as error:
                attempt += 1
                self._check.failing(str(error))
                log.warning("waiting for PostgreSQL: %s", error, extra={"attempt": attempt})
                await self._clock.sleep(self._backoff.delay_s(attempt))

    async def run(self) -> None:
        """Tell the truth about the database every few seconds, until stopped."""
        while not self._stopped.is_set():
            try:
                await self.fetch("SELECT 1")
                self._check.ok()
            except TransientError as error:
                self._check.failing(str(error))
            await set_within(self._stopped, _PING_INTERVAL_S)

    async def stop(self) -> None:
        """Close the connections; those in use are cut off after a moment."""
        self._stopped.set()
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(2.0):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        """Run one statement, in a transaction of its own."""
        async with self._connection() as connection:
            return list(await connection.fetch(sql, *arguments))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Statements on the connection commit together when the block ends well, and never otherwise."""
        async with self._connection() as connection, connection.transaction():
            yield connection

    async def connect(self) -> asyncpg.Connection:
        """A connection outside the pool, for what must outlive a call; the caller closes it."""
        with self._address_checked(), self.failures():
            return await asyncpg.connect(**self._arguments(), timeout=self._settings.connect_timeout_s)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turns what asyncpg and the network raise into the fates of `streamlabel.errors`; defects pass through."""
        try:
            yield
        except _WRONG as error:
            # The server's words name the user and the database, never the password.
            raise ConfigurationError(f"{self._key('DSN')}: PostgreSQL refuses it: {error}") from error
        except TimeoutError as error:
            raise TransientError("PostgreSQL does not answer in time") from error
        except _AWAY as error:
            if isinstance(error, asyncpg.InterfaceError) and "clos" not in str(error):
                raise  # asyncpg's one type for a connection that is closed(ing) and for being used wrongly, which is our defect.
            raise TransientError(f"PostgreSQL is away: {type(error).__name__}: {error}") from error

    @contextmanager
    def _address_checked(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            # Its text repeats the address, password and all: neither shown nor chained.
            raise ConfigurationError(
                f"{self._key('DSN')} is no usable PostgreSQL address ({type(error).__name__}); "
                "expected postgresql://user:password@host:port/database"
            ) from None

    def _key(self, name: str) -> str:
        """The setting of the service that an operator knows it by."""
        return env_key(f"{self._settings.service}_postgres_{name.lower()}")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        if self._pool is None:
            raise TransientError("the database is not open")
        with self.failures():
            async with self._pool.acquire(timeout=self._settings.pool_wait_s) as connection:
                yield connection

    async def _open(self) -> None:
        connection = await self.connect()
        try:
            with self.failures():
                await migrate(connection, self.schema, migrations(self._settings.migrations), self._key("SCHEMA"))
        finally:
            await connection.close(timeout=1.0)
        with self.failures():
            self._pool = await asyncpg.create_pool(
                **self._arguments(),
                min_size=self._settings.pool_min,
                max_size=self._settings.pool_max,
                timeout=self._settings.connect_timeout_s,
                # asyncpg's own reset is a round trip after every call, for session state that nobody here leaves behind.
                reset=_keep_session,
            )
        self._check.ok()

    def _arguments(self) -> dict[str, Any]:
        timeout_ms = int(self._settings.statement_timeout_s * 1000)
        return {
            "dsn": self._settings.dsn,
            "command_timeout": self._settings.statement_timeout_s + _CLIENT_GRACE_S,
            "server_settings": {
                "application_name": f"streamlabel-{self._settings.service}",
                "search_path": '"' + self.schema.replace('"', '""') + '"',
                "statement_timeout": str(timeout_ms),
                "idle_in_transaction_session_timeout": str(timeout_ms),
                "timezone": "UTC",
                **self._settings.session,
            },
        }


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Nothing to reset."""
