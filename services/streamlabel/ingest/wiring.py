"""Where the parts of the door meet."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from streamlabel.core.project import Project
from streamlabel.errors import TransientError
from streamlabel.ingest.adapters.grpc_service import SERVICE_NAME, GrpcDoor
from streamlabel.ingest.adapters.http_records import HttpDoor
from streamlabel.ingest.adapters.pipeline import PipelineLimits
from streamlabel.ingest.adapters.record_log import KafkaRecordLog
from streamlabel.ingest.adapters.source import SourceLanes, SourceSetting
from streamlabel.ingest.adapters.source_start import begin_at_end
from streamlabel.ingest.adapters.tally import PrometheusTally
from streamlabel.ingest.adapters.topics import await_partitions, prepare_source
from streamlabel.ingest.handler import Intake
from streamlabel.ingest.rules.admission import Limits
from streamlabel.ingest.rules.recent import RecentRecords
from streamlabel.ingest.settings import IngestSettings
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import FencedError
from streamlabel.runtime.grpc_server import GrpcServer
from streamlabel.runtime.kafka import KafkaBroker
from streamlabel.runtime.kafka_admin import KafkaTopicAdmin
from streamlabel.runtime.kafka_settings import kafka_connection
from streamlabel.runtime.process import Phase, Process
from streamlabel.runtime.producer import IdempotentProducer
from streamlabel.runtime.settings import MIB
from streamlabel.runtime.stream import ExactlyOnceStage
from streamlabel.runtime.table import CompactedTable, TableRead
from streamlabel.wire.flow import RECORDS, Names
from streamlabel.wire.tables import ProjectFinder, project_table


async def wire(process: Process, settings: IngestSettings) -> None:
    """Builds the service; waits until Kafka can be reached and has the topic `records`, saying so in /readyz."""
    names = Names(settings.kafka_topic_prefix)
    compression = None if settings.ingest_compression == "none" else settings.ingest_compression
    connection = replace(kafka_connection(settings, "ingest"), compression=compression)
    broker = KafkaBroker(connection)
    admin = KafkaTopicAdmin(connection)
    check = process.health.check("topic records")
    partitions = await await_partitions(
        admin, names.topic(RECORDS), check=check, clock=process.clock, backoff=Backoff()
    )
    table = _follow_projects(process, broker, names)
    projects = ProjectFinder(table, process.clock)
    producer = IdempotentProducer(
        name="records",
        broker=broker,
        health=process.health,
        max_in_flight_bytes=settings.ingest_in_flight_max_bytes,
        linger_s=settings.ingest_linger_s,
        delivery_timeout_s=settings.ingest_delivery_timeout_s,
        clock=process.clock,
    )
    intake = Intake(
        projects=projects,
        records=KafkaRecordLog(
            producer=producer, topic=names.topic(RECORDS), partitions=partitions, now_ms=process.clock.now_ms
        ),
        limits=_limits(settings),
        recent=RecentRecords(settings.ingest_recent_records),
        tally=PrometheusTally(process.metrics),
        stopwatch=process.clock,
    )
    process.metrics.gauge("streamlabel_ingest_in_flight_bytes").set_function(lambda: intake.budget.used_bytes)
    process.add(producer, Phase.OUTLET)
    process.add(_IntakeLife(intake), Phase.OUTLET)
    if settings.ingest_source_topic is not None and settings.ingest_source_project is not None:
        setting = SourceSetting(
            project=settings.ingest_source_project,
            records_topic=names.topic(RECORDS),
            partitions=partitions,
            limits=_limits(settings),
        )
        await _add_source(process, settings, broker, admin, setting, projects)
    _serve(process, settings, intake, projects)


def _follow_projects(process: Process, broker: KafkaBroker, names: Names) -> CompactedTable[Project]:
    def changed(_key: bytes, _project: Project | None) -> None:
        process.metrics.know_projects(project.name for project in table.rows().values())

    table = project_table(broker, names, process.health, changed)
    process.follow(table, "projects")
    process.add(TableRead(table), Phase.RESOURCE)
    return table


def _serve(process: Process, settings: IngestSettings, intake: Intake, projects: ProjectFinder) -> None:
    limits = _limits(settings)
    window = PipelineLimits(
        batch_max_records=limits.batch_max_records,
        batch_max_bytes=min(MIB, limits.batch_max_bytes),
        window_records=settings.ingest_stream_window_records,
    )
    http = HttpDoor(
        door=intake,
        projects=projects,
        limits=limits,
        window=window,
        stopping=process.stopping,
        idle_timeout_s=settings.http_request_timeout_s,
    )
    process.http.add_routes(http.routes(), timeout_s=None)
    grpc = GrpcDoor(
        door=intake,
        limits=limits,
        window=window,
        stopping=process.stopping,
        stream_max_age_s=settings.grpc_max_connection_age_s,
    )
    server = GrpcServer(settings=settings, health=process.health, services={SERVICE_NAME: grpc.register})
    process.add(server, Phase.SERVER)


async def _add_source(
    process: Process,
    settings: IngestSettings,
    broker: KafkaBroker,
    admin: KafkaTopicAdmin,
    setting: SourceSetting,
    projects: ProjectFinder,
) -> None:
    topic = str(settings.ingest_source_topic)
    group = Names(settings.kafka_topic_prefix).group("ingest")
    await _prepare(process, settings, broker, admin, topic, group)
    stage = ExactlyOnceStage(
        name="ingest",
        topic=topic,
        group=group,
        factory=SourceLanes(setting, projects, process.clock.now_ms),
        broker=broker,
        metrics=process.metrics,
        health=process.health,
        clock=process.clock,
    )
    process.add(stage, Phase.INTAKE)


async def _prepare(
    process: Process, settings: IngestSettings, broker: KafkaBroker, admin: KafkaTopicAdmin, topic: str, group: str
) -> None:
    """Returns when the source topic is ready to be read; waits for Kafka, raises where an operator has to act."""
    check = process.health.check(f"source {topic}")
    dead_letter = Names(settings.kafka_topic_prefix).dead_letter(topic, "ingest")
    backoff = Backoff()
    attempt = 0
    while True:
        attempt += 1
        try:
            partitions = await prepare_source(admin, topic, dead_letter)
            if settings.ingest_source_start == "latest":
                await begin_at_end(broker, topic, group, partitions)
        except (TransientError, FencedError) as error:
            check.failing(str(error))
            await process.clock.sleep(backoff.delay_s(attempt))
        else:
            check.ok()
            return


def _limits(settings: IngestSettings) -> Limits:
    return Limits(
        record_max_bytes=settings.ingest_record_max_bytes,
        batch_max_records=settings.ingest_batch_max_records,
        batch_max_bytes=settings.ingest_batch_max_bytes,
        in_flight_max_bytes=settings.ingest_in_flight_max_bytes,
        image_max_pixels=settings.ingest_image_max_pixels,
    )


class _IntakeLife:
    """Lets what is being written end before the producer does, and a defect in it end the process."""

    def __init__(self, intake: Intake) -> None:
        self.name = "intake"
        self._intake = intake
        self._stopped = asyncio.Event()

    async def start(self) -> None: ...

    async def run(self) -> None:
        watching = asyncio.ensure_future(self._intake.watch())
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({watching, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            watching.cancel()
            stopped.cancel()

    async def stop(self) -> None:
        await self._intake.settle()
        self._stopped.set()
