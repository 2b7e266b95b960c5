"""`streamlabel gate suspects`: labels that the model set while, as is known now, it was perhaps no longer right enough."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Annotated

import orjson
import typer

from streamlabel.cli.connection import Connection, DataDirOption, KafkaOption, TopicPrefixOption, connect, run
from streamlabel.cli.gate_table import latest_gate
from streamlabel.cli.label_export import export
from streamlabel.cli.moments import told
from streamlabel.core.control import Gate, Suspects
from streamlabel.core.label import Label
from streamlabel.core.trust import suspects_of
from streamlabel.wire.flow import LABELS


def add_to(gate: typer.Typer) -> None:
    """Adds `suspects`."""
    gate.command("suspects")(suspects)


def suspects(
    project: Annotated[str, typer.Option("--project", "-p", help="Whose labels.", show_default=False)],
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a label, one a line.")] = False,
) -> None:
    """List the labels that the model set between a change and the closing of its gate: they may be worse than alpha.

    Only labels that still stand are listed, not those that people have corrected. A certificate ends a suspect stretch,
    and never clears one. All stretches of the present model version are known, those long ago as one that holds them.

    Examples:

      streamlabel gate suspects --project digits

      streamlabel gate suspects --project digits --json | jq -r .record_id
    """
    gate, found = run(_find(connect(data_dir, kafka, topic_prefix), project))
    if as_json:
        for label, stretch in found:
            typer.echo(orjson.dumps(_row(label, stretch)).decode())
        return
    counts = Counter(stretch for _, stretch in found)
    for stretch in gate.suspects:
        end = "still open" if stretch.end is None else f"until {told(stretch.end)}"
        typer.echo(f"since {told(stretch.begin)}, {end}: {counts[stretch]:,} labels")
    total = f"{len(found):,} suspect {'label' if len(found) == 1 else 'labels'} of {project}"
    typer.echo(f"{total}; --json names them" if found else total)


async def _find(connection: Connection, project: str) -> tuple[Gate, list[tuple[Label, Suspects]]]:
    broker, names = connection.broker(), connection.names
    gate = await latest_gate(broker, names, project)
    found: list[tuple[Label, Suspects]] = []
    batches = export(broker, names.topic(LABELS), project, all_revisions=False, following=False)
    async with contextlib.aclosing(batches):
        async for labels in batches:
            found += [(label, stretch) for label in labels if (stretch := suspects_of(gate, label)) is not None]
    return gate, found


def _row(label: Label, stretch: Suspects) -> dict[str, str | None]:
    return {
        "project": label.key.project,
        "record_id": label.key.record_id,
        "class_name": label.class_name,
        "labelled_at": told(label.labelled_at),
        "gate_id": label.decision.gate_id,
        "suspect_from": told(stretch.begin),
        "suspect_until": None if stretch.end is None else told(stretch.end),
    }
