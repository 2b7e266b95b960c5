"""`streamlabel ingest|inference|routing|review|learning`: one service in this terminal, wired to the stack that is there."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from streamlabel.cli.connection import DataDirOption, KafkaOption, TopicPrefixOption
from streamlabel.local.places import DataDir
from streamlabel.local.stack_file import client_environment
from streamlabel.runtime.settings import env_key

_PANEL = "Where it listens"
_SERVICES = "Services"
HttpPortOption = Annotated[
    int | None,
    typer.Option("--http-port", help="Port of /metrics, /readyz and the service's own paths.", rich_help_panel=_PANEL),
]
GrpcPortOption = Annotated[int | None, typer.Option("--grpc-port", help="Port of gRPC.", rich_help_panel=_PANEL)]
LogLevelOption = Annotated[
    str | None, typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error.", show_default=False)
]
SettingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other setting, without STREAMLABEL_: --set shutdown_grace_s=5; may be repeated.",
        show_default=False,
    ),
]
PrintOption = Annotated[bool, typer.Option("--print-settings", help="Print the settings in force and exit.")]
# What a client of the stack needs of its file also wires a service; the rest of it is for the command line.
_OF_A_SERVICE = ("STREAMLABEL_KAFKA_",)


def register(app: typer.Typer) -> None:
    """Adds a command for each service; after the modules that add commands about one, for `review` alone runs the service."""
    for command in (ingest, inference, routing, learning):
        app.command(command.__name__, rich_help_panel=_SERVICES)(command)
    group = next((group.typer_instance for group in app.registered_groups if group.name == "review"), None)
    if group is None:
        group = typer.Typer()
        app.add_typer(group, name="review", rich_help_panel=_SERVICES)
    group.callback(invoke_without_command=True, no_args_is_help=False)(review)


def ingest(
    source_topic: Annotated[
        str | None, typer.Option(help="Kafka topic of JSON values to take records from.", show_default=False)
    ] = None,
    source_project: Annotated[
        str | None, typer.Option(help="The project they are for; its file maps the fields.", show_default=False)
    ] = None,
    source_start: Annotated[
        str | None,
        typer.Option(metavar="earliest|latest", help="Where a topic is begun that was never read.", show_default=False),
    ] = None,
    grpc_port: GrpcPortOption = None,
    http_port: HttpPortOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    data_dir: DataDirOption = None,
    log_level: LogLevelOption = None,
    settings: SettingOption = None,
    print_settings: PrintOption = False,
) -> None:
    """Run ingest, the door for records: gRPC, HTTP, and a Kafka topic where one is named.

    Example:

      streamlabel ingest --source-topic shop.orders --source-project orders
    """
    chosen = {
        "ingest_source_topic": source_topic,
        "ingest_source_project": source_project,
        "ingest_source_start": source_start,
        "grpc_port": grpc_port,
        "http_port": http_port,
        "kafka_bootstrap_servers": kafka,
        "kafka_topic_prefix": topic_prefix,
        "log_level": log_level,
    }
    _become("ingest", chosen, settings, data_dir, print_settings=print_settings)


def inference(
    triton: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Triton's gRPC address.", show_default=False)
    ] = None,
    http_port: HttpPortOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    data_dir: DataDirOption = None,
    log_level: LogLevelOption = None,
    settings: SettingOption = None,
    print_settings: PrintOption = False,
) -> None:
    """Run inference: records to Triton, predictions back."""
    chosen = {
        "inference_triton_url": triton,
        "http_port": http_port,
        "kafka_bootstrap_servers": kafka,
        "kafka_topic_prefix": topic_prefix,
        "log_level": log_level,
    }
    _become("inference", chosen, settings, data_dir, print_settings=print_settings)


def routing(
    http_port: HttpPortOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    data_dir: DataDirOption = None,
    log_level: LogLevelOption = None,
    settings: SettingOption = None,
    print_settings: PrintOption = False,
) -> None:
    """Run routing: the model's label stands, or people look."""
    chosen = {
        "http_port": http_port,
        "kafka_bootstrap_servers": kafka,
        "kafka_topic_prefix": topic_prefix,
        "log_level": log_level,
    }
    _become("routing", chosen, settings, data_dir, print_settings=print_settings)


def review(
    context: typer.Context,
    grpc_port: GrpcPortOption = None,
    http_port: HttpPortOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    data_dir: DataDirOption = None,
    log_level: LogLevelOption = None,
    settings: SettingOption = None,
    print_settings: PrintOption = False,
) -> None:
    """Run review, the desk and its page (STREAMLABEL_REVIEW_POSTGRES_DSN names the database), or ask about it."""
    if context.invoked_subcommand is not None:
        return
    chosen = {
        "grpc_port": grpc_port,
        "http_port": http_port,
        "kafka_bootstrap_servers": kafka,
        "kafka_topic_prefix": topic_prefix,
        "log_level": log_level,
    }
    _become("review", chosen, settings, data_dir, print_settings=print_settings)


def learning(
    http_port: HttpPortOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    data_dir: DataDirOption = None,
    log_level: LogLevelOption = None,
    settings: SettingOption = None,
    print_settings: PrintOption = False,
) -> None:
    """Run learning: people's answers become certificates, and certificates gates (STREAMLABEL_LEARNING_POSTGRES_DSN, coin keys)."""
    chosen = {
        "http_port": http_port,
        "kafka_bootstrap_servers": kafka,
        "kafka_topic_prefix": topic_prefix,
        "log_level": log_level,
    }
    _become("learning", chosen, settings, data_dir, print_settings=print_settings)


def service_environment(
    chosen: Mapping[str, object],
    extra: list[str] | None,
    data_dir: Path | None,
    environ: Mapping[str, str],
) -> dict[str, str]:
    """The environment of a service: the stack's addresses, over them the caller's own, over them the flags."""
    given = {env_key(name): str(value) for name, value in chosen.items() if value is not None}
    for assignment in extra or []:
        name, equals, value = assignment.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{assignment!r} is not of the form KEY=VALUE", param_hint="--set")
        given[env_key(name.strip().removeprefix("STREAMLABEL_").removeprefix("streamlabel_"))] = value
    known: dict[str, str] = {}
    if "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS" not in {*given, *environ}:
        stack = client_environment(DataDir.at(data_dir, environ))
        known = {key: value for key, value in stack.items() if key.startswith(_OF_A_SERVICE)}
    if "STREAMLABEL_LOG_FORMAT" not in environ and sys.stderr.isatty():
        known["STREAMLABEL_LOG_FORMAT"] = "text"
    return {**known, **environ, **given}


def _become(
    service: str,
    chosen: Mapping[str, object],
    extra: list[str] | None,
    data_dir: Path | None,
    *,
    print_settings: bool,
) -> NoReturn:
    """Turns this process into the service: signals, exit code and process id are then the service's own."""
    environment = service_environment(chosen, extra, data_dir, os.environ)
    arguments = [sys.executable, "-m", f"streamlabel.{service}", *(["--print-settings"] if print_settings else [])]
    sys.stdout.flush()
    os.execve(sys.executable, arguments, environment)
