"""`streamlabel gate history`, `streamlabel gate verify`: every transition of a gate, and whether somebody touched one."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from streamlabel.cli.connection import DataDirOption, connect, run
from streamlabel.cli.learning_records import learning_records, no_gate
from streamlabel.cli.lot_facts import suspects_of_book
from streamlabel.cli.moments import from_ms, parse_moment, told
from streamlabel.errors import ConfigurationError
from streamlabel.gate.audit_chain import AuditWalk
from streamlabel.gate.chain import ChainedTransition, broken_at

MISSED = "calibration records were missed, so nothing vouches for the labels beside them"
_DIGEST_DIGITS = 64


def add_to(gate: typer.Typer) -> None:
    """Adds `history` and `verify`."""
    gate.command("history")(history)
    gate.command("verify")(verify)


def history(
    project: Annotated[
        str, typer.Option("--project", "-p", help="Whose gate; needed where there are several.", show_default=False)
    ] = "",
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a transition, one a line.")] = False,
) -> None:
    """What the gate did, and on which evidence: every transition, the first one first.

    Between them stands since when labels are suspect for which no transition is the reason: those beside calibration records that
    nobody had room for while people were far behind. They are in no chain, and have neither number nor digest.

    Examples:

      streamlabel gate history

      streamlabel gate history --project digits --json | jq 'select(.facts.state == "revoked")'
    """
    rows = run(_read_history(connect(data_dir).learning_url, project))
    if as_json:
        for row in rows:
            typer.echo(orjson.dumps(row).decode())
        return
    Console().print(history_table(rows))


def history_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows for a person."""
    table = Table(box=None, pad_edge=False)
    for heading in ("time", "model", "state"):
        table.add_column(heading, no_wrap=True)
    for heading in ("from score", "n", "k"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for row in rows:
        facts, until = row["facts"], row["suspect_until"]
        is_step = row["number"] is not None
        suspect = f"; suspect since {row['suspect_from']}" + (f" until {until}" if until else "")
        table.add_row(
            row["at"],
            f"{row['model_name']} {row['model_version']}",
            facts["state"] or "–",
            f"{facts['threshold']:.6g}" if is_step and facts["threshold"] is not None else "–",
            f"{facts['count']:,}" if is_step else "–",
            f"{facts['errors']:,}" if is_step else "–",
            facts["reason"] + (suspect if row["suspect_from"] else ""),
        )
    return table


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
    """Check that no transition and no audit was changed, taken out or put in: walk both chains and compute each digest anew.

    Audits are the calibration records as they became evidence; lots are certified by them. A digest covers a transition's, or an
    audit's, content and the digest before it, and transitions tell how far the audits went. Keep the last one, which is printed:
    where the end of the chain was cut off, or all of it was written anew, only who kept a digest notices (--contains). Exits 1 where
    a chain does not hold.

    Examples:

      streamlabel gate verify

      streamlabel gate verify --contains 8c1f…
    """
    wanted = _digest(digest)
    links, audits = run(_read_chains(connect(data_dir).learning_url))
    broken = broken_at(links)
    if broken is not None:
        typer.echo(f"BROKEN at transition {broken:,}: it is not what was written, or does not follow the one before it")
        raise typer.Exit(1)
    if wanted is not None and all(link.digest != wanted for link in links):
        typer.echo(f"BROKEN: no transition has the digest {wanted.hex()}; what was there when it was kept is gone")
        raise typer.Exit(1)
    if audits.broken:
        typer.echo(f"BROKEN: {audits.broken}; a lot of that time cannot be certified by what is left")
        raise typer.Exit(1)
    if not links:
        typer.echo("there is no transition yet")
        return
    count = f"{len(links):,} {'transition' if len(links) == 1 else 'transitions'}"
    typer.echo(f"whole: {count}, each as it was written; the last digest is {links[-1].digest.hex()}")
    typer.echo(audits.words)


@dataclass(frozen=True, slots=True)
class _Audits:
    """What walking along the audits came to: what is `broken` ("": nothing), and what to say where nothing is."""

    broken: str
    words: str


async def _read_chains(url: str) -> tuple[list[ChainedTransition], _Audits]:
    async with learning_records(url) as learning:
        links = [link async for link in learning.chain()]
        walk = AuditWalk(_marks(links))
        unchained, unchained_now = await learning.audit_chain(walk)
    broken = walk.broken
    if not broken and unchained_now != unchained:
        broken = f"there were {unchained:,} audits of before the chain of audits, and there are {unchained_now:,}"
    count = f"{walk.count:,} {'audit' if walk.count == 1 else 'audits'}"
    before = f"; {unchained:,} of before this release are in no chain, only counted" if unchained else ""
    last = f"; the last digest is {walk.digest.hex()}" if walk.count else ""
    return links, _Audits(broken, f"whole: {count}, each as it was written{last}{before}")


def _marks(links: Iterable[ChainedTransition]) -> dict[int, bytes]:
    """How far audits went when transitions came about, with the digest of the last one; those of before say nothing of it."""
    facts = (orjson.loads(link.facts) for link in links)
    return {each["audits"]: bytes.fromhex(each["audits_digest"]) for each in facts if each.get("audits")}


async def _read_history(url: str, project: str) -> list[dict[str, Any]]:
    async with learning_records(url) as learning:
        links = [link async for link in learning.chain()]
        name = project or the_only_project({link.project for link in links})
        if all(link.project != name for link in links):
            raise no_gate(name, sorted({link.project for link in links}))
        books = await learning.books(name)
    return history_rows([link for link in links if link.project == name], books)


def the_only_project(projects: Collection[str]) -> str:
    """The project that is meant where none is named; raises ConfigurationError with the way out where that is not clear."""
    if not projects:
        raise ConfigurationError("no gate has a history yet; `streamlabel gate status` shows what there is")
    if len(projects) > 1:
        raise ConfigurationError(f"say whose gate: --project {', --project '.join(sorted(projects))}")
    (name,) = projects
    return name


def history_rows(links: Sequence[ChainedTransition], books: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The transitions of a project, in order; between them, by their beginnings, the suspect stretches that none of them explains."""
    rows = [transition_row(link) for link in links]
    by_begin = {
        (row["model_name"], row["model_version"], row["suspect_from"]): row for row in rows if row["suspect_from"]
    }
    doubts: dict[tuple[str, int, str], dict[str, Any]] = {}
    for book in books:
        for each in suspects_of_book(book):
            place = (book["model_name"], book["model_version"], told(each.begin))
            until = None if each.end is None else told(each.end)
            if place in by_begin:
                by_begin[place]["suspect_until"] = until
            else:
                doubts[place] = _doubt_row(links[0].project, book, told(each.begin), until)
    begun = sorted(doubts.values(), key=_time)
    # The chain keeps its order, whatever a clock did.
    return list(heapq.merge(rows, begun, key=_time))


def _time(row: Mapping[str, Any]) -> datetime:
    return parse_moment(row["at"])


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
        "suspect_until": None,
        "facts": facts,
        "digest": link.digest.hex(),
    }


def _doubt_row(project: str, book: Mapping[str, Any], begin: str, until: str | None) -> dict[str, Any]:
    return {
        "number": None,
        "project": project,
        "model_name": book["model_name"],
        "model_version": book["model_version"],
        "at": begin,
        "suspect_from": begin,
        "suspect_until": until,
        "facts": {"state": None, "reason": MISSED},
        "digest": None,
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
