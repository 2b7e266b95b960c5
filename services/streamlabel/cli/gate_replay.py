"""`streamlabel gate replay`: does every decision that was logged follow from its prediction and its gate?"""

from __future__ import annotations

import contextlib
import math
from typing import Annotated, Any

import orjson
import typer

from streamlabel.cli.coin_keys import known_coin_keys
from streamlabel.cli.connection import Connection, DataDirOption, KafkaOption, TopicPrefixOption, connect, run
from streamlabel.cli.decision_log import read_log, read_predictions, read_project_versions
from streamlabel.cli.decision_replay import Gates, Replaying
from streamlabel.cli.learning_records import learning_records
from streamlabel.cli.project_table import ProjectTable, no_such_project
from streamlabel.core.decision import Decision
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.replay_report import SHOWN, Difference, Report

_WITHOUT_KEY = (
    "the lane bit cannot be checked without the coin's key: whether a record was drawn for calibration is taken from the log; "
    "set STREAMLABEL_COIN_KEYS or STREAMLABEL_COIN_KEYS_FILE as for routing (the embedded stack keeps coin.key in its --data-dir)"
)


def add_to(gate: typer.Typer) -> None:
    """Adds `replay`."""
    gate.command("replay")(replay_decisions)


def replay_decisions(
    project: Annotated[str, typer.Option("--project", "-p", help="Whose decisions.", show_default=False)],
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make every decision of the project again, by the rules that routing goes by, and compare them bit for bit.

    Read are the model's labels and the review tasks, the predictions they were made of, and each gate by its number, from learning.
    Route, purpose, reason, threshold, score and gate must come out as they were logged. The coin needs its secret key
    (STREAMLABEL_COIN_KEYS or STREAMLABEL_COIN_KEYS_FILE, or the embedded stack's own). Exits 1 where a decision comes out
    otherwise, names a gate that never was, or something of it could not be checked, and where no decision could be replayed: of
    nothing, nothing is known.

    Examples:

      streamlabel gate replay --project digits

      STREAMLABEL_COIN_KEYS_FILE=coin.key streamlabel gate replay --project digits --json
    """
    connection, keys = connect(data_dir, kafka, topic_prefix), known_coin_keys(data_dir)
    report = run(_replay(connection, project, keys))
    typer.echo(orjson.dumps(facts(project, report), option=orjson.OPT_INDENT_2).decode() if as_json else words(report))
    if report.unchecked_lane or not keys:
        typer.echo(f"streamlabel: {_WITHOUT_KEY}", err=True)
    if not report.holds or not keys:
        raise typer.Exit(1)


async def _replay(connection: Connection, project: str, keys: CoinKeys) -> Report:
    broker, names = connection.broker(), connection.names
    versions = await read_project_versions(broker, names, project)
    log = await read_log(broker, names, project)
    if not versions and not log:
        raise no_such_project(project, await ProjectTable(broker, names).read())
    async with learning_records(connection.learning_url) as learning:
        gates = Gates(learning, project, await learning.kept_gates(project))
        replaying = Replaying(log, versions, gates, keys)
        batches = read_predictions(broker, names, project)
        async with contextlib.aclosing(batches):
            async for batch in batches:
                await replaying.take(batch)
    return replaying.finish()


def words(report: Report) -> str:
    """The report for a person."""
    decisions = "decision" if report.replayed == 1 else "decisions"
    lines = [
        f"replayed {report.replayed:,} {decisions}: {report.identical:,} identical, {report.differences:,} different"
        if report.replayed
        else "NOTHING REPLAYED, so nothing is known: "
        + (
            "no decision could be made again"
            if report.not_replayable or report.forged
            else "the log holds no decision yet"
        )
    ]
    if report.unchecked_lane:
        lines.append(f"  of the identical, {report.unchecked_lane:,} without the lane bit")
    for each in report.different:
        lines += [f"  {each.record_id}", f"    logged {_short(each.logged)}", f"    again  {_short(each.again)}"]
    if report.differences > len(report.different):
        lines.append(f"  … and {report.differences - len(report.different):,} more")
    lines += [
        f"FORGED: {count:,} {'decision names' if count == 1 else 'decisions name'} gate {gate_id[:100]!r}, which never was"
        for gate_id, count in report.forged.most_common(SHOWN)
    ]
    if len(report.forged) > SHOWN:
        lines.append(f"  … and {len(report.forged) - SHOWN:,} such gates more")
    lines += [f"not replayable: {count:,} ({why})" for why, count in report.not_replayable.most_common()]
    return "\n".join(lines)


def facts(project: str, report: Report) -> dict[str, Any]:
    """The report for a program."""
    return {
        "project": project,
        "replayed": report.replayed,
        "identical": report.identical,
        "different": report.differences,
        "first_different": [_difference(each) for each in report.different],
        "lane_unchecked": report.unchecked_lane,
        "not_replayable": dict(report.not_replayable),
        "forged": report.forged.total(),
        "forged_gates": dict(report.forged.most_common(SHOWN)),
        "holds": report.holds,
    }


def _difference(each: Difference) -> dict[str, Any]:
    return {"record_id": each.record_id, "logged": _decision(each.logged), "again": _decision(each.again)}


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "route": decision.route.value,
        "purpose": decision.purpose.value if decision.purpose else None,
        "reason": decision.reason.value,
        "threshold": decision.threshold if math.isfinite(decision.threshold) else None,
        "score": decision.score,
        "gate_id": decision.gate_id,
    }


def _short(decision: Decision) -> str:
    purpose = f" {decision.purpose.value}" if decision.purpose else ""
    return (
        f"{decision.route.value}{purpose}, {decision.reason.value}, score {decision.score!r}, "
        f"threshold {decision.threshold!r}, gate {decision.gate_id or '–'}"
    )
