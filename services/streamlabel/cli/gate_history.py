"""`streamlabel gate history`, `streamlabel gate verify`: every transition of a gate, and whether somebody touched one."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from streamlabel.cli.connection import DataDirOption, connect, run
from streamlabel.cli.learning_records import learning_records, no_gate
from streamlabel.cli.moments import from_ms, told
from streamlabel.errors import ConfigurationError
from streamlabel.gate.chain import ChainedTransition, broken_at

_DIGEST_DIGITS = 64


def add_to(gate: typer.Typer) -> None:
    """Adds `history` and `verify`."""
    gate.command("history")(history)
    gate.command("verify")(verify)


def history(
    project: Annotated[str, typer.Option("--project", "-p", help="Whose gate.", show_default=False)],
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a transition, one a line.")] = False,
) -> None:
    """What the gate did, and on which evidence: every transition, the first one first.

    Examples:

      streamlabel gate history --project digits

      streamlabel gate history --project digits --json | jq 'select(.facts.state == "revoked")'
    """
    links = [link for link in run(_read_chain(connect(data_dir).learning_url)) if link.project == project]
    if not links:
        raise no_gate(project)
    rows = [transition_row(link) for link in links]
    if as_json:
        for row in rows:
            typer.echo(orjson.dumps(row).decode())
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("time", "model", "state"):
        table.add_column(heading, no_wrap=True)
    for heading in ("from score", "n", "k"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for row in rows:
        facts = row["facts"]
        table.add_row(
            row["at"],
            f"{row['model_name']} {row['model_version']}",
            facts["state"],
            "–" if facts["threshold"] is None else f"{facts['threshold']:.6g}",
            f"{facts['count']:,}",
            f"{facts['errors']:,}",
            facts["reason"] + (f"; suspect since {row['suspect_from']}" if row["suspect_from"] else ""),
        )
    Console().print(table)


def verify(
    digest: Annotated[
        str,
        typer.Option(
            "--contains",
            metavar="DIGEST",
            help="One that you kept, of a transition or from a lot's certificate: the chain must have it.",
            show_default=False,
        ),
    ] = "",
    data_dir: DataDirOption = None,
) -> None:
    """Check that no transition was changed, taken out or put in: walk the whole chain and compute each digest anew.

    A digest covers a transition's content and the digest before it. Keep the last one, which is printed: where the end of the chain
    was cut off, or all of it was written anew, only who kept a digest notices (--contains). Exits 1 where the chain does not hold.

    Examples:

      streamlabel gate verify

      streamlabel gate verify --contains 8c1f…
    """
    wanted = _digest(digest)
    links = run(_read_chain(connect(data_dir).learning_url))
    broken = broken_at(links)
    if broken is not None:
        typer.echo(f"BROKEN at transition {broken:,}: it is not what was written, or does not follow the one before it")
        raise typer.Exit(1)
    if wanted is not None and all(link.digest != wanted for link in links):
        typer.echo(f"BROKEN: no transition has the digest {wanted.hex()}; what was there when it was kept is gone")
        raise typer.Exit(1)
    if not links:
        typer.echo("there is no transition yet")
        return
    count = f"{len(links):,} {'transition' if len(links) == 1 else 'transitions'}"
    typer.echo(f"whole: {count}, each as it was written; the last digest is {links[-1].digest.hex()}")


async def _read_chain(url: str) -> list[ChainedTransition]:
    async with learning_records(url) as learning:
        return [link async for link in learning.chain()]


def transition_row(link: ChainedTransition) -> dict[str, Any]:
    """A transition with what its facts say."""
    facts = orjson.loads(link.facts)
    suspect_from_ms = facts.get("suspect_from_ms")
    return {
        "number": link.number,
        "project": link.project,
        "model_name": link.model_name,
        "model_version": link.model_version,
        "at": told(from_ms(facts["at_ms"])),
        "suspect_from": None if suspect_from_ms is None else told(from_ms(suspect_from_ms)),
        "facts": facts,
        "digest": link.digest.hex(),
    }


def _digest(text: str) -> bytes | None:
    if not text:
        return None
    try:
        if len(text) == _DIGEST_DIGITS:
            return bytes.fromhex(text)
    except ValueError:
        pass
    raise ConfigurationError(f"--contains {text[:80]!r}: a digest has {_DIGEST_DIGITS} hexadecimal digits")
