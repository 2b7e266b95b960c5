"""Where review's parts meet."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass

from streamlabel.core.access import AccessMode
from streamlabel.core.history import EscalationReason
from streamlabel.core.project import Project
from streamlabel.errors import ConfigurationError
from streamlabel.review.access import AccessLimits, Doorkeeper, Office
from streamlabel.review.access_ports import Issuer
from streamlabel.review.adapters.access_service import ACCESS_SERVICE_NAME, AccessServicer
from streamlabel.review.adapters.grpc_service import SERVICE_NAME, ReviewServicer
from streamlabel.review.adapters.guard import Guard, VisibleProjects
from streamlabel.review.adapters.housekeeping import Gauges, Sweeper
from streamlabel.review.adapters.metrics import DeskMetrics
from streamlabel.review.adapters.postgres.accounts import PostgresAccounts
from streamlabel.review.adapters.postgres.answers import PostgresAnswers
from streamlabel.review.adapters.postgres.audit import PostgresAudit
from streamlabel.review.adapters.postgres.bell import PostgresBell
from streamlabel.review.adapters.postgres.board import PostgresBoard
from streamlabel.review.adapters.postgres.crowd_upkeep import CrowdFitter, CrowdReader
from streamlabel.review.adapters.postgres.crowds import PostgresCrowds
from streamlabel.review.adapters.postgres.figures import PostgresFigures
from streamlabel.review.adapters.postgres.intake import Intake, TaskIntake
from streamlabel.review.adapters.postgres.leases import PostgresLeases
from streamlabel.review.adapters.postgres.outbox import PostgresOutbox
from streamlabel.review.adapters.postgres.past_answers import PostgresPastAnswers
from streamlabel.review.adapters.postgres.records import PostgresTaskRecords
from streamlabel.review.adapters.postgres.schema import ACCESS_TOKENS, schema_settings, seal_key, shared_key
from streamlabel.review.adapters.postgres.skips import PostgresAttendance, PostgresSkips
from streamlabel.review.adapters.projects import TableProjects
from streamlabel.review.adapters.web.connect import ACCESS_SERVICE, CALL_LIMIT_S, REVIEW_SERVICE, connect_routes
from streamlabel.review.adapters.web.session import session_routes
from streamlabel.review.aside import AsideDesk, TaskArchive
from streamlabel.review.handler import DeskLimits, ReviewDesk
from streamlabel.review.rules.access import rule_of_route
from streamlabel.review.rules.access_tokens import TokenHash
from streamlabel.review.rules.aside import AsideLimits
from streamlabel.review.rules.claims import ClaimMap
from streamlabel.review.rules.tokens import TokenSeal
from streamlabel.review.settings import WEAK, ReviewSettings, is_strong
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.grpc_guard import GuardInterceptor
from streamlabel.runtime.grpc_server import GrpcServer
from streamlabel.runtime.handlers import LaneLimits
from streamlabel.runtime.kafka import KafkaBroker
from streamlabel.runtime.kafka_settings import kafka_connection
from streamlabel.runtime.outbox import OutboxPublisher
from streamlabel.runtime.postgres.database import Database, DatabaseSettings
from streamlabel.runtime.postgres.sole import SoleComponent
from streamlabel.runtime.process import Phase, Process
from streamlabel.runtime.settings import env_key
from streamlabel.runtime.stored_offsets import StoredOffsetConsumer
from streamlabel.runtime.table import CompactedTable, TableRead
from streamlabel.runtime.web.hosts import AllowedHosts
from streamlabel.runtime.web.page import page_routes
from streamlabel.runtime.web.visitors import Visitors
from streamlabel.wire.flow import LABELS, REVIEW_TASKS, Names
from streamlabel.wire.tables import project_table

log = logging.getLogger(__name__)

_PAGE = "streamlabel.review.adapters.web"
_RETRY = Backoff(base_s=0.1, cap_s=5.0)
_FIGURES_AGE_S = 5.0

# A gRPC client that sets nothing takes 4 MiB: what it cannot receive would stay leased for nobody.
_HANDED_BYTES = 3 * 1024 * 1024


async def wire(process: Process, settings: ReviewSettings) -> None:
    """Builds the service; waits until PostgreSQL is there, saying so in /readyz."""
    names = Names(settings.kafka_topic_prefix)
    broker = KafkaBroker(kafka_connection(settings, "review"))
    database = Database(_database_settings(settings), health=process.health, clock=process.clock, backoff=_RETRY)
    await database.start()
    process.add(database, Phase.RESOURCE)
    table = _follow_projects(process, broker, names)
    outlet = _Outlet(process, settings, database, broker, names)
    process.add(outlet.sole, Phase.OUTLET)
    _take_in(process, settings, database, broker, names, table, outlet)
    await _open_desk(process, settings, database, names, table, outlet)


def _follow_projects(process: Process, broker: KafkaBroker, names: Names) -> CompactedTable[Project]:
    def changed(_key: bytes, _project: Project | None) -> None:
        process.metrics.know_projects(project.name for project in table.rows().values())

    table = project_table(broker, names, process.health, changed)
    process.follow(table, "projects")
    process.add(TableRead(table), Phase.RESOURCE)
    return table


def _take_in(
    process: Process,
    settings: ReviewSettings,
    database: Database,
    broker: KafkaBroker,
    names: Names,
    table: CompactedTable[Project],
    outlet: _Outlet,
) -> None:
    topic, group = names.topic(REVIEW_TASKS), names.group("review")

    def count_dead_letter(reason: str) -> None:
        process.metrics.counter("streamlabel_dead_letters_total", stage="review", reason=reason).inc()

    intake = Intake(
        topic=topic,
        labels_topic=names.topic(LABELS),
        stage="review",
        group=group,
        projects=TableProjects(table),
        refresh_projects=table.refresh,
        on_outbox=outlet.wake,
        count_dead_letter=count_dead_letter,
    )
    consumer = StoredOffsetConsumer(
        name="review",
        topic=topic,
        group=group,
        sink=TaskIntake(database, intake),
        broker=broker,
        metrics=process.metrics,
        health=process.health,
        limits=LaneLimits(max_rows=settings.review_intake_max_rows, max_bytes=settings.review_intake_max_bytes),
        clock=process.clock,
    )
    process.add(consumer, Phase.INTAKE)


async def _open_desk(
    process: Process,
    settings: ReviewSettings,
    database: Database,
    names: Names,
    table: CompactedTable[Project],
    outlet: _Outlet,
) -> None:
    observer = DeskMetrics(process.metrics)
    leases = PostgresLeases(
        database,
        max_attempts=settings.review_max_attempts,
        rest_s=settings.review_skip_rest_s,
        on_escalated=lambda project, purpose, count: observer.escalated(
            project, purpose, EscalationReason.ATTEMPTS, count
        ),
    )
    board = PostgresBoard(database, clock=process.clock, max_age_s=settings.review_stats_max_age_s)
    bell = PostgresBell(database, stopping=process.stopping, clock=process.clock, backoff=_RETRY)
    projects = TableProjects(table)
    access = await _control_access(process, settings, database)
    seal = TokenSeal(await seal_key(database))
    desk = ReviewDesk(
        projects=VisibleProjects(projects),
        leases=leases,
        answers=PostgresAnswers(database, labels_topic=names.topic(LABELS), on_label=outlet.wake),
        past_answers=PostgresPastAnswers(database),
        bell=bell,
        board=board,
        figures=PostgresFigures(database, clock=process.clock, max_age_s=_FIGURES_AGE_S),
        crowds=_know_people(process, settings, database, projects),
        attendance=PostgresAttendance(database),
        observer=observer,
        seal=seal,
        limits=DeskLimits(
            lease_s=settings.review_lease_s, max_handed_bytes=min(settings.grpc_max_message_bytes // 2, _HANDED_BYTES)
        ),
    )
    process.add(bell, Phase.RESOURCE)
    process.add(Sweeper(leases, process.metrics, interval_s=settings.review_sweep_interval_s), Phase.RESOURCE)
    process.add(Gauges(board, projects, process.metrics, interval_s=settings.review_gauges_interval_s), Phase.RESOURCE)
    aside = AsideDesk(
        projects=projects,
        skips=PostgresSkips(database),
        observer=observer,
        seal=seal,
        limits=AsideLimits(skippers=settings.review_max_skippers, attempts=settings.review_max_attempts),
    )
    archive = TaskArchive(projects=projects, records=PostgresTaskRecords(database))
    servicer = ReviewServicer(desk, aside, archive)
    visitors = Visitors(AllowedHosts.of(settings.review_allowed_hosts), env_key("review_allowed_hosts"))
    http, admit = process.http, access.guard.admit
    http.is_listed = lambda method, path: rule_of_route(method, path) is not None
    http.add_routes(page_routes(_PAGE, visitors))
    http.add_routes(session_routes(access.doorkeeper, access.guard, visitors))
    http.add_routes(connect_routes(REVIEW_SERVICE, servicer, visitors, admit), timeout_s=CALL_LIMIT_S)
    http.add_routes(connect_routes(ACCESS_SERVICE, access.servicer, visitors, admit))
    services = {SERVICE_NAME: servicer.register, ACCESS_SERVICE_NAME: access.servicer.register}
    guard = GuardInterceptor(admit)
    grpc = GrpcServer(settings=settings, health=process.health, services=services, interceptors=(guard,))
    process.add(grpc, Phase.SERVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Access:
    doorkeeper: Doorkeeper
    guard: Guard
    servicer: AccessServicer


async def _control_access(process: Process, settings: ReviewSettings, database: Database) -> _Access:
    mode = AccessMode(settings.review_access)
    token_hash = TokenHash(await shared_key(database, ACCESS_TOKENS))
    accounts, audit = PostgresAccounts(database), PostgresAudit(database)
    operator_tokens = _operator_tokens(settings)
    if mode is AccessMode.OPEN:
        log.warning(
            "OPEN: whoever reaches this service may answer under any name",
            extra={"setting": f"{env_key('review_access')}=open"},
        )
    elif not operator_tokens and not await accounts.accounts():
        log.warning(
            "nobody can come in: there is no annotator, and no operator to add one",
            extra={"remedy": f"set {env_key('review_admin_token_file')}, then `streamlabel annotators add NAME`"},
        )
    check = process.health.check("access")
    if mode is AccessMode.OPEN and settings.review_open_to_network:
        check.ok(f"whoever reaches this service may answer under any name ({env_key('review_access')}=open)")
    else:
        check.ok()
    doorkeeper = Doorkeeper(
        mode=mode,
        tokens=accounts,
        audit=audit,
        token_hash=token_hash,
        limits=AccessLimits(
            calls_per_s=settings.review_calls_per_s,
            failed_logins_per_min=settings.review_failed_logins_per_min,
            known_for_s=settings.review_access_known_s,
        ),
        monotonic_s=time.monotonic,
        operator_tokens=operator_tokens,
        issuer=_issuer(settings),
        directory=accounts,
    )
    office = Office(
        book=accounts, directory=accounts, tokens=accounts, audit=audit, token_hash=token_hash, chance=os.urandom
    )
    return _Access(
        doorkeeper=doorkeeper, guard=Guard(doorkeeper, process.metrics), servicer=AccessServicer(office, mode)
    )


def _issuer(settings: ReviewSettings) -> Issuer | None:
    if not settings.review_oidc_issuer:
        return None
    try:
        from streamlabel.review.adapters.oidc import IssuerKeys, OidcIssuer
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{env_key('review_oidc_issuer')} needs the extra `oidc`: pip install 'streamlabel[oidc]' ({error})"
        ) from error
    return OidcIssuer(
        issuer=settings.review_oidc_issuer,
        audience=settings.review_oidc_audience,
        keys=IssuerKeys(settings.review_oidc_issuer, settings.review_oidc_jwks_url),
        claim_map=ClaimMap.of(
            name_claim=settings.review_oidc_name_claim,
            roles_claim=settings.review_oidc_roles_claim,
            entries=settings.review_oidc_roles,
        ),
        skew_s=settings.review_oidc_skew_s,
    )


def _operator_tokens(settings: ReviewSettings) -> list[str]:
    tokens = [settings.review_admin_token.get_secret_value()] if settings.review_admin_token else []
    if settings.review_admin_token_file is not None:
        try:
            lines = settings.review_admin_token_file.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{env_key('review_admin_token_file')}: {error}") from error
        tokens += [line.strip() for line in lines if line.strip()]
    for number, token in enumerate(tokens, start=1):
        if not is_strong(token):
            raise ConfigurationError(f"{env_key('review_admin_token_file')}: token {number}: {WEAK}")
    return tokens


def _database_settings(settings: ReviewSettings) -> DatabaseSettings:
    return schema_settings(
        dsn=settings.review_postgres_dsn.get_secret_value(),
        schema=settings.review_postgres_schema,
        pool_min=min(settings.review_postgres_pool_min, settings.review_postgres_pool_max),
        pool_max=settings.review_postgres_pool_max,
        connect_timeout_s=settings.review_postgres_connect_timeout_s,
        statement_timeout_s=settings.review_postgres_statement_timeout_s,
    )


def _know_people(
    process: Process, settings: ReviewSettings, database: Database, projects: TableProjects
) -> PostgresCrowds:
    crowds, interval_s = PostgresCrowds(database), settings.review_crowd_interval_s
    process.add(CrowdReader(crowds, interval_s=interval_s), Phase.RESOURCE)
    fitter = SoleComponent(
        database,
        lambda: CrowdFitter(crowds, projects, interval_s=interval_s),
        name="review crowd",
        health=process.health,
        clock=process.clock,
        backoff=_RETRY,
    )
    process.add(fitter, Phase.RESOURCE)
    return crowds


class _Outlet:
    """The publisher of this replica, while it has the turn; waking it otherwise does nothing."""

    def __init__(
        self, process: Process, settings: ReviewSettings, database: Database, broker: KafkaBroker, names: Names
    ) -> None:
        self._publisher: OutboxPublisher | None = None

        def make() -> OutboxPublisher:
            self._publisher = OutboxPublisher(
                name="review outbox",
                publisher_id=f"{names.group('review')}.outbox",
                topic=names.topic(LABELS),
                outbox=PostgresOutbox(database),
                broker=broker,
                metrics=process.metrics,
                health=process.health,
                max_rows=settings.review_outbox_max_rows,
                poll_interval_s=settings.review_outbox_poll_interval_s,
                clock=process.clock,
            )
            return self._publisher

        self.sole = SoleComponent(
            database, make, name="review outbox", health=process.health, clock=process.clock, backoff=_RETRY
        )

    def wake(self) -> None:
        """Labels were sent on their way just now."""
        if self._publisher is not None:
            self._publisher.wake()
