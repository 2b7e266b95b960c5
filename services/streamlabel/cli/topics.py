"""`streamlabel topics apply`: the topics of the flow, made or found as they must be."""

from __future__ import annotations

from typing import Annotated

import orjson
import typer

from streamlabel.cli.connection import Connection, DataDirOption, KafkaOption, TopicPrefixOption, connect, run
from streamlabel.runtime.kafka_admin import KafkaTopicAdmin
from streamlabel.wire.topics import TopicsReport, apply_topics


def register(app: typer.Typer) -> None:
    """Adds `topics` to the command line."""
    topics = typer.Typer(help="The Kafka topics that records travel on.", no_args_is_help=True)
    topics.command("apply")(apply)
    app.add_typer(topics, name="topics")


def apply(
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one JSON object.")] = False,
) -> None:
    """Make the topics that are missing; refuse, and change nothing, where one exists in another shape.

    Run it as often as you like. The STREAMLABEL_TOPICS_ settings shape the topics: PARTITIONS, REPLICATION_FACTOR,
    MIN_INSYNC_REPLICAS, RETENTION_HOURS, DEAD_LETTER_RETENTION_HOURS, MAX_MESSAGE_BYTES.

    Examples:

      streamlabel topics apply

      STREAMLABEL_TOPICS_PARTITIONS=24 streamlabel topics apply --kafka kafka-1:9092,kafka-2:9092
    """
    connection = connect(data_dir, kafka, topic_prefix)
    report = run(_apply(connection))
    if as_json:
        typer.echo(orjson.dumps({"created": report.created, "unchanged": report.unchanged}).decode())
        return
    for name in report.created:
        typer.echo(f"created    {name}")
    for name in report.unchanged:
        typer.echo(f"unchanged  {name}")


async def _apply(connection: Connection) -> TopicsReport:
    return await apply_topics(KafkaTopicAdmin(connection.kafka), connection.names, connection.topic_plan)
