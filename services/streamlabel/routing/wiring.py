"""Where routing's parts meet."""

from __future__ import annotations

from streamlabel.core.project import Project
from streamlabel.gate.published import PublishedGate
from streamlabel.routing.adapters.coin_keys import CoinKeyWatch
from streamlabel.routing.adapters.kafka import RoutingLanes
from streamlabel.routing.adapters.outside import DecisionMetrics, GateTable, WallClock
from streamlabel.routing.handler import Router
from streamlabel.routing.settings import RoutingSettings
from streamlabel.runtime.handlers import LaneLimits
from streamlabel.runtime.kafka import KafkaBroker
from streamlabel.runtime.kafka_settings import kafka_connection
from streamlabel.runtime.process import Phase, Process
from streamlabel.runtime.stream import ExactlyOnceStage
from streamlabel.wire.coin_keys import read_coin_keys
from streamlabel.wire.flow import PREDICTIONS, Names
from streamlabel.wire.gates import gate_table
from streamlabel.wire.tables import ProjectFinder, project_table


async def wire(process: Process, settings: RoutingSettings) -> None:
    """Builds the service: two tables that are followed, and one stage that waits for both."""
    names = Names(settings.kafka_topic_prefix)
    broker = KafkaBroker(kafka_connection(settings, "routing"))

    def projects_changed(_key: bytes, _project: Project | None) -> None:
        process.metrics.know_projects(project.name for project in projects.rows().values())
        look_for_keys()

    keys = read_coin_keys(settings.coin_keys.get_secret_value(), settings.coin_keys_file)
    watch = CoinKeyWatch(keys, process.health.check("coin keys"))

    def look_for_keys(_key: bytes = b"", _gate: PublishedGate | None = None) -> None:
        watch.look(projects.rows().values(), [published.gate for published in gates.rows().values()])

    projects = project_table(broker, names, process.health, projects_changed)
    gates = gate_table(broker, names, process.health, look_for_keys)
    look_for_keys()
    router = Router(
        projects=ProjectFinder(projects, process.clock),
        gates=GateTable(gates),
        clock=WallClock(process.clock),
        log=DecisionMetrics(process.metrics),
        coin_keys=keys,
    )
    stage = ExactlyOnceStage(
        name="routing",
        topic=names.topic(PREDICTIONS),
        group=names.group("routing"),
        factory=RoutingLanes(router, names, (projects, gates)),
        broker=broker,
        limits=LaneLimits(
            max_rows=settings.routing_batch_max_rows,
            max_bytes=settings.routing_batch_max_bytes,
            max_wait_s=settings.routing_batch_max_wait_s,
        ),
        metrics=process.metrics,
        health=process.health,
        clock=process.clock,
    )
    process.follow(projects, "projects")
    process.follow(gates, "gates")
    process.add(stage, Phase.INTAKE)
