"""Where learning's parts meet."""

from __future__ import annotations

from functools import partial

from streamlabel.core.project import Project
from streamlabel.errors import ConfigurationError
from streamlabel.learning.adapters.horizon import Horizon
from streamlabel.learning.adapters.housekeeping import Forgetting
from streamlabel.learning.adapters.metrics import FaultReport, GateMetrics
from streamlabel.learning.adapters.outside import KeyedCoins, TableProjects
from streamlabel.learning.adapters.postgres.outbox import ShelfOutbox
from streamlabel.learning.adapters.postgres.records_of_gates import GateRecords
from streamlabel.learning.adapters.postgres.shelf import PostgresShelf
from streamlabel.learning.adapters.term import LearnerLoop, Term
from streamlabel.learning.adapters.topics import (
    LABELS_READING,
    PREDICTIONS_READING,
    TASKS_READING,
    Reading,
    TopicSink,
    stored_partitions,
)
from streamlabel.learning.adapters.web.answers import gate_routes
from streamlabel.learning.adapters.web.page import gate_page_routes
from streamlabel.learning.handler import Learner, LearnerLimits
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.settings import LearningSettings
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.handlers import LaneLimits
from streamlabel.runtime.kafka import KafkaBroker
from streamlabel.runtime.kafka_settings import kafka_connection
from streamlabel.runtime.outbox import OutboxPublisher
from streamlabel.runtime.postgres.database import Database, DatabaseSettings
from streamlabel.runtime.postgres.sole import SoleComponent
from streamlabel.runtime.process import Phase, Process
from streamlabel.runtime.settings import env_key
from streamlabel.runtime.stored_offsets import StoredOffsetConsumer
from streamlabel.runtime.table import TableRead
from streamlabel.runtime.web.hosts import AllowedHosts
from streamlabel.runtime.web.visitors import Visitors
from streamlabel.wire.coin_keys import read_coin_keys
from streamlabel.wire.flow import GATES, Names
from streamlabel.wire.tables import project_table, release_table

_RETRY = Backoff(base_s=0.1, cap_s=5.0)
_MIGRATIONS = "streamlabel.learning.adapters.postgres.migrations"


async def wire(process: Process, settings: LearningSettings) -> None:
    """Builds the service; waits until PostgreSQL is there, saying so in /readyz. One of all replicas learns, the others stand by."""
    names = Names(settings.kafka_topic_prefix)
    broker = KafkaBroker(kafka_connection(settings, "learning"))
    keys = read_coin_keys(settings.coin_keys.get_secret_value(), settings.coin_keys_file)
    if not keys:
        raise ConfigurationError(
            "STREAMLABEL_COIN_KEYS or STREAMLABEL_COIN_KEYS_FILE must be set, to the same as for routing: "
            "a key is 64 hexadecimal digits, as `openssl rand -hex 32` gives them"
        )
    database = Database(_database_settings(settings), health=process.health, clock=process.clock, backoff=_RETRY)
    await database.start()
    process.add(database, Phase.RESOURCE)
    projects = _follow(process, broker, names)
    office = _Office(process, settings, database, broker, names, projects, KeyedCoins(keys))
    sole = SoleComponent(
        database, office.term, name="learning", health=process.health, clock=process.clock, backoff=_RETRY
    )
    process.add(sole, Phase.INTAKE)
    visitors = Visitors(AllowedHosts.of(settings.learning_allowed_hosts), env_key("learning_allowed_hosts"))
    process.http.add_routes(gate_page_routes(visitors))
    process.http.add_routes(gate_routes(GateRecords(database), visitors))


def _follow(process: Process, broker: KafkaBroker, names: Names) -> TableProjects:
    def changed(_key: bytes, _project: Project | None) -> None:
        process.metrics.know_projects(project.name for project in projects.rows().values())

    projects = project_table(broker, names, process.health, changed)
    releases = release_table(broker, names, process.health)
    process.follow(projects, "projects")
    process.follow(releases, "releases")
    process.add(TableRead(projects), Phase.RESOURCE)
    process.add(TableRead(releases), Phase.RESOURCE)
    return TableProjects(projects, releases)


class _Office:
    """Makes what lives for one term: readers, learner and publisher, all of them new."""

    def __init__(
        self,
        process: Process,
        settings: LearningSettings,
        database: Database,
        broker: KafkaBroker,
        names: Names,
        projects: TableProjects,
        coins: KeyedCoins,
    ) -> None:
        self._process = process
        self._settings = settings
        self._database = database
        self._broker = broker
        self._names = names
        self._projects = projects
        self._coins = coins
        # A process that stands by has nothing to say of books.
        self._books_check = process.health.check("books")
        self._books_check.ok()

    def term(self) -> Term:
        """Readers stop first, then the learner, which keeps what it heard, then the publisher, which sends it."""
        process, settings = self._process, self._settings
        horizon = Horizon(process.clock)
        publisher = self._publisher()
        shelf = PostgresShelf(self._database, gates_topic=self._names.topic(GATES), on_outbox=publisher.wake)
        learner = Learner(
            projects=self._projects,
            coins=self._coins,
            shelf=shelf,
            clock=horizon,
            observer=GateMetrics(process.metrics, process.clock),
            fault_log=FaultReport(process.metrics, self._books_check),
            limits=_limits(settings),
        )
        loop = LearnerLoop(learner, tick_s=settings.learning_tick_s, health=process.health, backoff=_RETRY)
        predictions = self._reader("learning", PREDICTIONS_READING, learner, horizon)
        tasks = self._reader("learning-tasks", TASKS_READING, learner, horizon)
        labels = self._reader("learning-labels", LABELS_READING, learner, horizon)
        forgetting = Forgetting(self._database, days=settings.learning_history_days)
        return Term("learning", (predictions, tasks, labels, horizon, forgetting), (loop,), (publisher,))

    def _reader(self, name: str, reading: Reading, learner: Learner, horizon: Horizon) -> StoredOffsetConsumer:
        process, settings = self._process, self._settings
        group = self._names.group("learning")
        topic = self._names.topic(reading.spec)
        followed = horizon.follow(partial(stored_partitions, self._database, topic))
        reader = StoredOffsetConsumer(
            name=name,
            topic=topic,
            group=group if name == "learning" else f"{group}-{reading.spec.noun}",
            sink=TopicSink(
                reading,
                topic=topic,
                database=self._database,
                learner=learner,
                projects=self._projects,
                group=group,
                on_applied=followed.applied,
            ),
            broker=self._broker,
            metrics=process.metrics,
            health=process.health,
            limits=LaneLimits(max_rows=settings.learning_batch_max_rows, max_bytes=settings.learning_batch_max_bytes),
            clock=process.clock,
        )
        followed.watch(reader)
        return reader

    def _publisher(self) -> OutboxPublisher:
        process = self._process
        return OutboxPublisher(
            name="learning outbox",
            publisher_id=f"{self._names.group('learning')}.outbox",
            topic=self._names.topic(GATES),
            outbox=ShelfOutbox(self._database),
            broker=self._broker,
            metrics=process.metrics,
            health=process.health,
            poll_interval_s=self._settings.learning_outbox_poll_interval_s,
            clock=process.clock,
        )


def _limits(settings: LearningSettings) -> LearnerLimits:
    return LearnerLimits(
        book=BookLimits(
            waiting=settings.learning_waiting_records,
            answer_ms=round(settings.learning_answer_limit_s * 1000),
            overtaken_ms=round(settings.learning_overtaken_limit_s * 1000),
            decision_ms=round(settings.learning_decision_limit_s * 1000),
        ),
        gate_lifetime_s=settings.learning_gate_lifetime_s,
        renew_ms=round(min(30.0, settings.learning_gate_lifetime_s / 3) * 1000),
        gather_s=settings.learning_gather_s,
    )


def _database_settings(settings: LearningSettings) -> DatabaseSettings:
    return DatabaseSettings(
        service="learning",
        migrations=_MIGRATIONS,
        dsn=settings.learning_postgres_dsn.get_secret_value(),
        schema=settings.learning_postgres_schema,
        pool_max=settings.learning_postgres_pool_max,
        connect_timeout_s=settings.learning_postgres_connect_timeout_s,
        statement_timeout_s=settings.learning_postgres_statement_timeout_s,
    )
