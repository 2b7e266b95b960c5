"""Where the parts listen that a command talks to: a flag says it, else the environment, else the embedded stack's own file."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvloop

from streamlabel.cli.settings import CliSettings
from streamlabel.errors import TransientError
from streamlabel.local.places import DataDir
from streamlabel.local.stack_file import client_environment, is_running
from streamlabel.runtime.broker import BrokerUnavailableError
from streamlabel.runtime.kafka import KafkaBroker, KafkaConnection
from streamlabel.runtime.kafka_settings import kafka_connection
from streamlabel.runtime.settings import env_key, load_settings
from streamlabel.wire.flow import Names
from streamlabel.wire.topics import TopicPlan

T = TypeVar("T")

_OTHER_KAFKA = "`streamlabel doctor` tells what runs here, --kafka HOST:PORT (STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS) names another Kafka"
_PANEL = "Where things are"
_SERVICE_ADDRESSES = {env_key("cli_ingest_address"), env_key("cli_review_address"), env_key("cli_learning_url")}
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Directory of the embedded stack (STREAMLABEL_DATA_DIR; default ./.streamlabel): its addresses are used.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
KafkaOption = Annotated[
    str | None,
    typer.Option(
        "--kafka",
        metavar="HOST:PORT[,…]",
        help="Kafka to use instead of the embedded one (STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS).",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
TopicPrefixOption = Annotated[
    str | None,
    typer.Option(
        "--topic-prefix",
        metavar="PREFIX",
        help="What topic names begin with (STREAMLABEL_KAFKA_TOPIC_PREFIX; default streamlabel).",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """All addresses that a command may need; making one opens nothing."""

    kafka: KafkaConnection
    names: Names
    topic_plan: TopicPlan
    ingest_address: str
    review_address: str
    review_url: str
    learning_url: str
    triton_address: str

    def broker(self) -> KafkaBroker:
        """Kafka, ready to be asked for readers and producers."""
        return KafkaBroker(self.kafka)


def connect(
    data_dir: Path | None = None,
    kafka: str | None = None,
    topic_prefix: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Connection:
    """The connection that flags, environment and stack file add up to; raises ConfigurationError for a bad key or file.

    Raises TransientError where the addresses are those of a stack that stands still: nobody answers there.
    """
    flags = {"kafka_bootstrap_servers": kafka, "kafka_topic_prefix": topic_prefix}
    given = {env_key(name): value for name, value in flags.items() if value is not None}
    # Who names another Kafka does not mean the embedded stack, nor its one replica.
    elsewhere = given.keys() | environ.keys() >= {env_key("kafka_bootstrap_servers")}
    data = DataDir.at(data_dir, environ)
    known = {} if elsewhere else client_environment(data)
    settings = load_settings(CliSettings, {**known, **environ, **given})
    if not elsewhere and not environ.keys() & _SERVICE_ADDRESSES and not is_running(data):
        if known:
            raise TransientError(f"the stack in {data.root} is stopped; `streamlabel up` starts it")
        # A service forwarded to a default port is reached even so: a hint before the error that follows otherwise.
        typer.echo(f"streamlabel: {_no_stack(data)}", err=True)
    return Connection(
        kafka=kafka_connection(settings, "cli"),
        names=Names(settings.kafka_topic_prefix),
        topic_plan=settings.topic_plan,
        ingest_address=settings.cli_ingest_address,
        review_address=settings.cli_review_address,
        review_url=settings.cli_review_url,
        learning_url=settings.cli_learning_url,
        triton_address=settings.cli_triton_address,
    )


def _no_stack(data: DataDir) -> str:
    elsewhere = next(
        (parent for parent in data.root.parent.parents if is_running(DataDir(parent / data.root.name))), None
    )
    if elsewhere is not None:
        return f"no stack runs in {data.root}, but one does in {elsewhere}: go there, or say --data-dir {elsewhere / data.root.name}"
    return (
        f"no stack runs in {data.root}; `streamlabel up` starts one, --data-dir (STREAMLABEL_DATA_DIR) names that of another "
        "directory"
    )


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` to its end on a loop of its own; Ctrl-C cancels it, lets it clean up and raises KeyboardInterrupt.

    Raises TransientError with the way out where Kafka is away.
    """
    with _quiet_library(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(work)
        except BrokerUnavailableError as error:
            raise TransientError(f"{error}; {_OTHER_KAFKA}") from error


@contextlib.contextmanager
def _quiet_library() -> Iterator[None]:
    """What a client library notes about its connections is for the log of a service; a command tells what matters itself."""
    library, silence = logging.getLogger("aiokafka"), logging.NullHandler()
    told, library.propagate = library.propagate, False
    library.addHandler(silence)
    try:
        yield
    finally:
        library.removeHandler(silence)
        library.propagate = told
