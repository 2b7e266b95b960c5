"""`streamlabel certify lot`: of so many labels that the model set, at most so many are wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import orjson
import typer

from streamlabel.cli.connection import Connection, DataDirOption, KafkaOption, TopicPrefixOption, connect, run
from streamlabel.cli.label_export import all_revisions
from streamlabel.cli.learning_records import LearningRecords, learning_records
from streamlabel.cli.lot_certificate import Certificate, certificate, document
from streamlabel.cli.lot_check import check
from streamlabel.cli.lot_facts import audited, books_of, turn
from streamlabel.cli.lot_page import page
from streamlabel.cli.moments import parse_moment, told
from streamlabel.cli.output_files import save_json, save_page
from streamlabel.core.control import Gate, gate_number
from streamlabel.errors import ConfigurationError
from streamlabel.gate.chain import ChainedTransition
from streamlabel.gate.lot_answers import BlindAnswers
from streamlabel.gate.lot_books import Books
from streamlabel.gate.lot_closings import closings
from streamlabel.gate.lot_evidence import GATE_GONE, Lot, gates_of_audits, gather_lot
from streamlabel.gate.lot_labels import LabelsOfLot
from streamlabel.wire.flow import LABELS

# Records wait for answers for a day, unless an operator sets it otherwise: what came again meanwhile has one audit, of the first time.
_AROUND = timedelta(days=1)
_CLOCKS = timedelta(minutes=2)
# By so many gates routing may be behind learning.
_ROUTING_BEHIND = 20
_TIME = "2026-03-01, or 2026-03-01T12:30:00Z; UTC unless it says otherwise."


def add_to(certify: typer.Typer) -> None:
    """Adds `lot` and `check`."""
    certify.command("lot")(lot)
    certify.command("check")(check)


def lot(
    project: Annotated[str, typer.Option("--project", "-p", help="Whose labels.", show_default=False)],
    begin: Annotated[str, typer.Option("--from", metavar="TIME", help=f"Labels set from here on: {_TIME}")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Labels set before this moment.")],
    delta: Annotated[float, typer.Option("--delta", help="The chance that the promise is broken.")] = 0.05,
    json_out: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT", help="Write the certificate as JSON; -: to stdout.", show_default=False),
    ] = None,
    html_out: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="OUT",
            help="Write it as a page of HTML, for screens and for paper (A4).",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
) -> None:
    """Certify a lot: of N labels that the model set in [FROM, TO), at most B are wrong, with confidence 1 - DELTA.

    The audit is the calibration lane: records that a secret coin drew from the same stream, whatever the model said, and that
    people labelled without seeing its answer. Those that would have passed say how many of the labels beside them are wrong;
    one that nobody answered in time counts as wrong. Nothing is assumed but that the coin was secret. The certificate names
    every audited record, every gate and the last link of the chain of transitions (`streamlabel gate verify --contains`);
    `streamlabel certify check` finds out whether a word of it was changed.

    Examples:

      streamlabel certify lot --project digits --from 2026-03-01 --to 2026-03-08

      streamlabel certify lot --project digits --from 2026-03-01 --to 2026-03-08 --json lot.json --html lot.html
    """
    stretch = _stretch(begin, end)
    if not 0 < delta < 1:
        raise ConfigurationError(f"--delta must lie strictly between 0 and 1, not {delta}")
    made = run(_certify(connect(data_dir, kafka, topic_prefix), project, stretch, delta))
    content = document(made)
    if json_out is None or str(json_out) != "-":
        typer.echo(made.words())
    if json_out is not None:
        save_json(json_out, orjson.dumps(content, option=orjson.OPT_INDENT_2))
    if html_out is not None:
        save_page(html_out, page(made, content["sha256"]))


def _stretch(begin: str, end: str) -> tuple[datetime, datetime]:
    moments = []
    for name, text in (("--from", begin), ("--to", end)):
        try:
            moment = parse_moment(text)
        except ValueError as error:
            raise ConfigurationError(f"{name}: {error}") from error
        moments.append(_whole_ms(moment))
    if moments[0] >= moments[1]:
        raise ConfigurationError(f"--from {told(moments[0])} must lie before --to {told(moments[1])}")
    return moments[0], moments[1]


async def _certify(
    connection: Connection, project: str, stretch: tuple[datetime, datetime], delta: float
) -> Certificate:
    (begin, end), now = stretch, datetime.now(UTC)
    async with learning_records(connection.learning_url) as learning:
        books = await _books(learning, project, end, now)
        answers = BlindAnswers(project, begin, end + _AROUND, books)
        labels = await _labels(connection, project, stretch, books, answers)
        around = [audited(each) async for each in learning.audits(project, begin - _AROUND, end + _AROUND)]
        await _check_audits(learning, project, answers, {each.record_id for each in around})
        audits = [each for each in around if begin <= each.decided_at < end]
        gates = await _gates(learning, project, labels.gate_ids() | gates_of_audits(project, audits))
        found = gather_lot(project, labels, audits, gates, books)
        if not found.standing:
            raise nothing_to_certify(project, begin, end, found)
        links: Sequence[ChainedTransition] = [each async for each in learning.chain() if each.project == project]
    closed = closings(map(turn, links), begin, end)
    latest = links[-1] if links else None
    return certificate(project, begin, end, delta, found, transition=latest, closed=closed, issued_at=now)


async def _books(learning: LearningRecords, project: str, end: datetime, now: datetime) -> Books:
    """All books of the project; raises ConfigurationError where the audit of the stretch is not complete yet."""
    books = books_of(project, await learning.books(project))
    still = [each for each in books.all if not each.ended]
    if not books.all or still:
        # Says also whether there is such a project.
        point = (await learning.project(project))["point"] or {}
        confirmed = still[-1].confirmed_until if still else None
        if confirmed is not None and confirmed > now + _CLOCKS:
            raise ConfigurationError(
                f"learning says that the audit of {project} is complete up to {told(confirmed)}, which lies in the future: its clock "
                "is ahead, and nobody knows how far the audit has come; put the clock right"
            )
        if confirmed is None or end > confirmed:
            raise incomplete(project, end, now, confirmed, point.get("unanswered", 0))
    elif end > now:
        raise ConfigurationError(f"{_in_the_future(end, now)}; say --to {told(_whole_ms(now))}")
    return books


def incomplete(
    project: str, end: datetime, now: datetime, confirmed: datetime | None, unanswered: int
) -> ConfigurationError:
    """What to say of a stretch that ends later than the audit is complete (`confirmed`; None: nowhere), with the way out."""
    until = "not even begun" if confirmed is None else f"complete up to {told(confirmed)} only"
    waits = "record waits" if unanswered == 1 else "records wait"
    why = f"the audit of {project} is {until}: {unanswered:,} calibration {waits} for people"
    way_out = "certify later" if confirmed is None else f"say --to {told(confirmed)}, or certify later"
    return ConfigurationError(f"{f'{_in_the_future(end, now)}, and ' if end > now else ''}{why}; {way_out}")


def _in_the_future(end: datetime, now: datetime) -> str:
    return f"--to {told(end)} lies in the future (it is {told(_whole_ms(now))} now), and only what is past can be certified"


def _whole_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


async def _labels(
    connection: Connection, project: str, stretch: tuple[datetime, datetime], books: Books, answers: BlindAnswers
) -> LabelsOfLot:
    found = LabelsOfLot(*stretch, books)
    batches = all_revisions(connection.broker(), connection.names.topic(LABELS), project)
    async with contextlib.aclosing(batches):
        async for revisions in batches:
            found.take(revisions)
            answers.take(revisions)
    return found


async def _check_audits(
    learning: LearningRecords, project: str, answers: BlindAnswers, audited: Collection[str]
) -> None:
    """Raises ConfigurationError where audits are gone whose answers stand on the topic of labels."""
    missing = answers.without(audited)
    at_an_edge = {number for number in set(missing.values()) if await _is_at_an_edge(learning, project, number)}
    count = sum(number not in at_an_edge for number in missing.values())
    if count:
        raise audits_missing(project, count)


async def _is_at_an_edge(learning: LearningRecords, project: str, number: int) -> bool:
    """Whether the lane grew smaller soon after that gate: what routing drew by it for a moment longer became no evidence."""
    drawn = await learning.gate(project, number)
    if drawn is None:
        return True
    for later in range(number + 1, number + 1 + _ROUTING_BEHIND):
        published = await learning.gate(project, later)
        if published is None:
            return False
        if published.gate.lane_rate < drawn.gate.lane_rate:
            return True
    return False


def audits_missing(project: str, count: int) -> ConfigurationError:
    """What to say where audits are gone."""
    records = "1 record" if count == 1 else f"{count:,} records"
    return ConfigurationError(
        f"the audit of {project} is not whole: people labelled {records} of the calibration lane, without seeing the model's answer, "
        "that the model would have labelled alone, and learning tells of no audit of them. They were taken out of its database, or "
        "never got there; without them the bound would be too small, so that nothing is certified. `streamlabel gate verify` says "
        "whether audits were taken out"
    )


async def _gates(learning: LearningRecords, project: str, gate_ids: Iterable[str]) -> dict[str, Gate]:
    """The gates of these ids that learning knows."""
    found = {}
    for gate_id in gate_ids:
        number = gate_number(project, gate_id)
        published = None if number is None else await learning.gate(project, number)
        if published is not None:
            found[gate_id] = published.gate
    return found


def nothing_to_certify(project: str, begin: datetime, end: datetime, found: Lot) -> ConfigurationError:
    """What to say of a stretch in which no label is covered, with the way out."""
    why = "; ".join(f"{count:,} were {reason}" for reason, count in found.not_covered.items())
    way_out = "`streamlabel labels export` shows when labels were set"
    if found.not_covered.get(GATE_GONE):
        way_out = (
            "the evidence about them cannot be told any more: learning keeps a gate for STREAMLABEL_LEARNING_HISTORY_DAYS (30) after "
            "the next one; choose a later stretch, certify within that time, or set it higher"
        )
    return ConfigurationError(
        f"there is nothing to certify: no label of {project} that stands was set by the model under a gate that is kept, from "
        f"{told(begin)} to {told(end)}{f' ({why})' if why else ''}; {way_out}"
    )
