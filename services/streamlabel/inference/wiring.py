"""Where inference's parts meet."""

from __future__ import annotations

from streamlabel.core.control import Release
from streamlabel.core.project import Project
from streamlabel.inference.adapters.coalescing import Coalescer
from streamlabel.inference.adapters.lanes import InferenceLanes
from streamlabel.inference.adapters.models import TritonModels
from streamlabel.inference.adapters.pictures import PillowPictures
from streamlabel.inference.adapters.tables import ServedProjects
from streamlabel.inference.adapters.triton import Triton
from streamlabel.inference.adapters.watch import ContractHealth, ModelWatch
from streamlabel.inference.handler import Predictor
from streamlabel.inference.settings import InferenceSettings
from streamlabel.runtime.handlers import LaneLimits
from streamlabel.runtime.kafka import KafkaBroker
from streamlabel.runtime.kafka_settings import kafka_connection
from streamlabel.runtime.process import Phase, Process
from streamlabel.runtime.stream import ExactlyOnceStage
from streamlabel.wire.flow import RECORDS, Names
from streamlabel.wire.tables import ProjectFinder, project_table, release_table


async def wire(process: Process, settings: InferenceSettings) -> None:
    """Builds the service: two tables that are followed, one client of Triton, and one stage that waits for the tables."""
    names = Names(settings.kafka_topic_prefix)
    broker = KafkaBroker(kafka_connection(settings, "inference"))
    contracts = ContractHealth(process.health)

    def projects_changed(_key: bytes, _project: Project | None) -> None:
        served.changed()
        known = served.names()
        process.metrics.know_projects(known)
        contracts.retain(set(known))
        watch.wake()

    def releases_changed(_key: bytes, _release: Release | None) -> None:
        served.changed()
        watch.wake()

    projects = project_table(broker, names, process.health, projects_changed)
    releases = release_table(broker, names, process.health, releases_changed)
    served = ServedProjects(projects, releases, ProjectFinder(projects, process.clock))
    triton = Triton(
        url=settings.inference_triton_url,
        timeout_s=settings.inference_triton_timeout_s,
        metrics=process.metrics,
        clock=process.clock,
    )
    coalescer = Coalescer(
        triton,
        max_rows=settings.inference_model_max_rows,
        max_in_flight=settings.inference_model_max_in_flight,
    )
    models = TritonModels(triton, coalescer, patience_s=settings.inference_model_patience_s, clock=process.clock)
    pictures = PillowPictures(max_pixels=settings.inference_image_max_pixels, threads=settings.inference_image_threads)
    predictor = Predictor(
        projects=served,
        models=models,
        pictures=pictures,
        log=contracts,
    )
    lanes = InferenceLanes(
        prediction=predictor,
        names=names,
        tables=(projects, releases),
        window_records=settings.inference_duplicate_window_records,
        metrics=process.metrics,
    )
    watch = ModelWatch(
        models=models,
        in_use=served.models,
        examine=lambda: predictor.examine(served.names()),
        interval_s=settings.inference_model_check_interval_s,
        health=process.health,
        metrics=process.metrics,
        clock=process.clock,
    )
    process.follow(projects, "projects")
    process.follow(releases, "releases")
    process.add(models, Phase.RESOURCE)
    process.add(pictures, Phase.RESOURCE)
    process.add(watch, Phase.RESOURCE)
    process.add(_stage(process, settings, names, broker, lanes), Phase.INTAKE)


def _stage(
    process: Process, settings: InferenceSettings, names: Names, broker: KafkaBroker, lanes: InferenceLanes
) -> ExactlyOnceStage:
    return ExactlyOnceStage(
        name="inference",
        topic=names.topic(RECORDS),
        group=names.group("inference"),
        factory=lanes,
        broker=broker,
        limits=LaneLimits(
            max_rows=settings.inference_batch_max_rows,
            max_bytes=settings.inference_batch_max_bytes,
            max_wait_s=settings.inference_batch_max_wait_s,
            max_in_flight=settings.inference_batch_max_in_flight,
        ),
        history_messages=settings.inference_duplicate_window_records,
        metrics=process.metrics,
        health=process.health,
        clock=process.clock,
    )
