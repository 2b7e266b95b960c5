"""`streamlabel audit show`, `streamlabel audit verify`: who did what to whom in review, and whether somebody touched the log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from streamlabel.cli.annotators import ask_office
from streamlabel.cli.connection import DataDirOption
from streamlabel.client.access import AccessClient
from streamlabel.core.access import AuditEntry
from streamlabel.core.hash_chain import first_broken
from streamlabel.errors import ConfigurationError

_DIGEST_DIGITS = 64


def register(app: typer.Typer) -> None:
    """Adds `audit` to the command line."""
    audit = typer.Typer(help="The log of what was done about access to review.", no_args_is_help=True)
    audit.command("show")(show)
    audit.command("verify")(verify)
    app.add_typer(audit, name="audit")


def show(
    after: Annotated[int, typer.Option("--after", metavar="NUMBER", min=0, help="Only entries after this one.")] = 0,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object an entry, one a line.")] = False,
) -> None:
    """Who did what, when, on whom: the first entry first. No secret and no payload is in it.

    Examples:

      streamlabel audit show

      streamlabel audit show --json | jq 'select(.action == "login_failed")'
    """
    entries = ask_office(lambda client: _read(client, after), data_dir)
    if as_json:
        for entry in entries:
            typer.echo(orjson.dumps(_row(entry)).decode())
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("number", "time", "who", "what", "on whom", "more"):
        table.add_column(heading, overflow="fold")
    for entry in entries:
        facts = ", ".join(f"{name} {value}" for name, value in orjson.loads(entry.facts).items() if value)
        table.add_row(str(entry.number), _time(entry), entry.actor or "–", entry.action, entry.subject or "–", facts)
    Console(highlight=False).print(table if entries else "there is no entry yet" if not after else "no entry after it")


def verify(
    digest: Annotated[
        str,
        typer.Option(
            "--contains", metavar="DIGEST", help="One that you kept: the log must have it.", show_default=False
        ),
    ] = "",
    data_dir: DataDirOption = None,
) -> None:
    """Check that no entry was changed, taken out or put in: walk the whole log and compute each digest anew.

    A digest covers an entry and the digest before it. Keep the last one, which is printed: where the end of the log was cut off, or
    all of it was written anew, only who kept a digest notices (--contains). Exits 1 where the log does not hold.

    Examples:

      streamlabel audit verify

      streamlabel audit verify --contains 8c1f…
    """
    wanted = _digest(digest)
    entries = ask_office(lambda client: _read(client, 0), data_dir)
    broken = first_broken(entries)
    if broken is not None:
        typer.echo(f"BROKEN at entry {broken:,}: it is not what was written, or does not follow the one before it")
        raise typer.Exit(1)
    if wanted is not None and all(entry.digest != wanted for entry in entries):
        typer.echo(f"BROKEN: no entry has the digest {wanted.hex()}; what was there when it was kept is gone")
        raise typer.Exit(1)
    if not entries:
        typer.echo("there is no entry yet")
        return
    count = f"{len(entries):,} {'entry' if len(entries) == 1 else 'entries'}"
    typer.echo(f"whole: {count}, each as it was written; the last digest is {entries[-1].digest.hex()}")


async def _read(client: AccessClient, after: int) -> list[AuditEntry]:
    return [entry async for entry in client.audit(after)]


def _digest(text: str) -> bytes | None:
    if not text:
        return None
    try:
        digest = bytes.fromhex(text)
    except ValueError as error:
        raise ConfigurationError(f"--contains: {text[:80]!r} is no digest") from error
    if len(text) != _DIGEST_DIGITS:
        raise ConfigurationError(f"--contains: a digest has {_DIGEST_DIGITS} hexadecimal digits")
    return digest


def _time(entry: AuditEntry) -> str:
    return datetime.fromtimestamp(entry.at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds")


def _row(entry: AuditEntry) -> dict[str, object]:
    return {
        "number": entry.number,
        "at": _time(entry),
        "at_ms": entry.at_ms,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "facts": orjson.loads(entry.facts),
        "previous": entry.previous.hex(),
        "digest": entry.digest.hex(),
    }
