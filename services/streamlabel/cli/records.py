"""`streamlabel records send`: a file, a folder or a pipe into a project."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streamlabel.cli.connection import DataDirOption, connect, run
from streamlabel.cli.record_sources import Columns, Item, RecordSource, SourceFormat, source_at
from streamlabel.cli.rejects import Rejects
from streamlabel.cli.send_progress import SendProgress, Sent
from streamlabel.cli.waiting import Waiting
from streamlabel.client import IngestClient
from streamlabel.client.retry import Patience
from streamlabel.core.identity import check_project_name
from streamlabel.core.submission import NewRecord, Reason, RecordResult, RecordStatus
from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.local.places import DataDir

_SAVE_EVERY_S = 1.0
_SHOWN_REJECTS = 5
_QUIET_S = 3.0  # without an answer to anything: then it is time to say what is waited for
EXIT_REJECTED = 1
_OTHER_INGEST = (
    "`streamlabel status` tells of the stack here, --address HOST:PORT (STREAMLABEL_CLI_INGEST_ADDRESS) names another ingest; "
    "sending the same again doubles nothing"
)


def register(app: typer.Typer) -> None:
    """Adds `records` to the command line."""
    records = typer.Typer(help="Records: what is to be labelled.", no_args_is_help=True)
    records.command("send")(send)
    # Without a second command Typer would make `records` itself the command.
    records.callback()(lambda: None)
    app.add_typer(records, name="records")


def send(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|DIR|-",
            help="JSON Lines; CSV or TSV, with the columns' names in the first line; a folder of PNG and JPEG images; - is standard "
            "input.",
            show_default=False,
        ),
    ],
    project: Annotated[str, typer.Option("--project", "-p", help="Where they go.", show_default=False)],
    form: Annotated[
        SourceFormat | None, typer.Option("--format", "-f", help="If the file's name does not say.", show_default=False)
    ] = None,
    text_column: Annotated[str, typer.Option(help="Column of the text to label (CSV, TSV).")] = "text",
    id_column: Annotated[
        str | None, typer.Option(help="Column of the record id; unset: derived from the content.", show_default=False)
    ] = None,
    attributes: Annotated[
        list[str] | None,
        typer.Option("--attribute", "-a", metavar="COLUMN", help="Column to keep beside the text; may be repeated."),
    ] = None,
    all_attributes: Annotated[bool, typer.Option("--all-attributes", help="Keep all other columns.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Send the first so many only.", show_default=False)
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(
            help="File for what is refused, one JSON object a line; by default <source>.rejects.jsonl in this directory. Rows of a "
            "table are kept beside it as a table too, to be mended and sent.",
            show_default=False,
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Begin at the first record, whatever was sent before.")
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="gRPC of the ingest service (STREAMLABEL_CLI_INGEST_ADDRESS); unset: the stack's own.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Send records and wait until each is durable.

    May be interrupted at any time: the same command goes on where it was. Nothing is doubled even so: a record is known by its
    id, and without one by its content (the text and the columns kept beside it: other columns make other records).

    Examples:

      streamlabel records send --project digits images/

      streamlabel records send --project mail mail.csv --text-column body --id-column message_id

      zcat mail.jsonl.gz | streamlabel records send --project mail -
    """
    try:
        check_project_name(project)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    columns = Columns(
        text=text_column, record_id=id_column, attributes=tuple(attributes or ()), all_attributes=all_attributes
    )
    found = source_at(source, project=project, form=form, columns=columns)
    door = address or connect(data_dir).ingest_address
    progress = SendProgress(DataDir.at(data_dir), found, door)
    before = Sent(items=0, is_whole=False) if again else progress.read()
    sending = Sending(
        source=found,
        progress=progress,
        skip=before.items,
        limit=limit,
        rejects=rejects or Path(f"{found.path.name if found.path else 'stdin'}.rejects.jsonl"),
        show_bar=not as_json,
    )
    if not before.is_whole:
        run(sending.run(door))
    _report(sending.summary, before, as_json=as_json)
    if sending.summary.rejected:
        raise typer.Exit(EXIT_REJECTED)


@dataclass(slots=True, kw_only=True)
class Summary:
    """What came of it; `swallowed` are lines that a quotation mark which is never closed made part of a refused one."""

    source: str
    project: str
    skipped: int
    results: Counter[RecordStatus] = field(default_factory=Counter)
    unreadable: int = 0
    seconds: float = 0.0
    rejects: Path | None = None
    rejects_table: Path | None = None
    swallowed: int = 0
    shown: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """Records that are durable now, by this command."""
        return self.results[RecordStatus.ACCEPTED] + self.results[RecordStatus.DUPLICATE]

    @property
    def rejected(self) -> int:
        """Items that are not, and never will be as they are."""
        return self.unreadable + self.results[RecordStatus.REJECTED]


class Sending:
    """One run of the command, from the first item that is not acknowledged yet to the last."""

    def __init__(
        self,
        *,
        source: RecordSource,
        progress: SendProgress,
        skip: int,
        limit: int | None,
        rejects: Path,
        show_bar: bool,
        patience: Patience | None = None,
    ) -> None:
        self.summary = Summary(source=source.name, project=source.project, skipped=skip)
        self._source = source
        self._progress = progress
        self._limit = limit
        self._rejects = Rejects(rejects, source.form, goes_on=bool(skip))
        self._show_bar = show_bar
        self._patience = patience or Patience()
        # Handed to the client and not answered yet, in order; those that are no records stand among them.
        self._under_way: deque[Item] = deque()
        self._done = skip
        self._is_whole = False
        self._saved_s = 0.0

    async def run(self, address: str) -> None:
        """Send all of it; whatever ends it, what was acknowledged is remembered. Raises TransientError where nobody takes it."""
        started_s = time.monotonic()
        try:
            with closing(_Bar(self._source, enabled=self._show_bar)) as bar:
                await self._send(address, bar)
                self._is_whole = self._limit is None
        except TransientError as error:
            raise TransientError(f"{error}; {_OTHER_INGEST}") from error
        finally:
            self.summary.seconds = time.monotonic() - started_s
            if self._done or self._is_whole:
                self._progress.write(Sent(items=self._done, is_whole=self._is_whole))
            self._rejects.close()

    async def _send(self, address: str, bar: _Bar) -> None:
        waiting = Waiting(f"ingest at {address}", self._patience.give_up_s, bar.say)
        quiet = asyncio.get_running_loop().call_later(_QUIET_S, self._tell_of_silence, waiting)
        try:
            async with IngestClient(address, patience=self._patience, on_trouble=waiting.trouble) as client:
                async for result in client.ingest_many(self._records()):
                    quiet.cancel()
                    waiting.progress()
                    self._settle(result, bar)
                self._settle(None, bar)
        finally:
            quiet.cancel()

    def _tell_of_silence(self, waiting: Waiting) -> None:
        # Who feeds a pipe may take his time; a file is there.
        if self._source.path is not None:
            waiting.trouble("no answer yet")

    async def _records(self) -> AsyncIterator[NewRecord]:
        for item in islice(self._source.items(), self.summary.skipped, self._limit):
            self._under_way.append(item)
            if item.record is not None:
                yield item.record

    def _settle(self, result: RecordResult | None, bar: _Bar) -> None:
        """Take over one answer, or the end of all: and with it every item before it that was no record."""
        while self._under_way:
            item = self._under_way[0]
            if item.record is not None and result is None:
                break
            self._under_way.popleft()
            self._done += 1
            if item.record is None:
                self.summary.unreadable += 1
                self._reject(item, item.reason, item.detail)
                continue
            assert result is not None
            self.summary.results[result.status] += 1
            if result.status is RecordStatus.REJECTED:
                if result.reason == Reason.UNKNOWN_PROJECT:
                    self._done -= 1
                    end = "" if result.detail.endswith(("?", ".")) else "."
                    raise ConfigurationError(f"{result.detail}{end} `streamlabel project apply FILE` makes a new one")
                self._reject(item, result.reason, result.detail)
            bar.show(item.position, self._done, self.summary.rejected)
            break
        if time.monotonic() - self._saved_s > _SAVE_EVERY_S:
            self._saved_s = time.monotonic()
            self._progress.write(Sent(items=self._done, is_whole=False))

    def _reject(self, item: Item, reason: str, detail: str) -> None:
        self._rejects.add(item, reason, detail)
        self.summary.rejects, self.summary.rejects_table = self._rejects.file, self._rejects.table_file
        self.summary.swallowed += item.swallowed
        if len(self.summary.shown) < _SHOWN_REJECTS:
            self.summary.shown.append(f"{self._source.name}, line {item.line}: {reason}: {detail}")


class _Bar:
    """A progress bar on a terminal's stderr; nothing elsewhere."""

    def __init__(self, source: RecordSource, *, enabled: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            TaskProgressColumn() if source.form is not SourceFormat.IMAGES else MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not (enabled and console.is_terminal),
            transient=True,
        )
        self._task = self._progress.add_task(source.name, total=source.size, rate="")
        self._started_s = self._shown_s = time.monotonic()
        self._first = -1
        self._progress.start()

    def show(self, position: int, done: int, rejected: int) -> None:
        """Move the bar; at most some times a second, whatever the rate."""
        now_s = time.monotonic()
        if self._first < 0:
            self._first = done
        if now_s - self._shown_s < 0.1:
            return
        self._shown_s = now_s
        rate = (done - self._first) / (now_s - self._started_s)
        text = f"{done:,} records, {rate:,.0f}/s" + (f", [red]{rejected:,} refused[/red]" if rejected else "")
        self._progress.update(self._task, completed=position, rate=text)

    def say(self, text: str) -> None:
        """Print a line on stderr, above the bar."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        self._progress.stop()


def _report(summary: Summary, before: Sent, *, as_json: bool) -> None:
    accepted, duplicate = summary.results[RecordStatus.ACCEPTED], summary.results[RecordStatus.DUPLICATE]
    rate = summary.sent / summary.seconds if summary.seconds else 0.0
    if as_json:
        document = {
            "project": summary.project,
            "source": summary.source,
            "skipped": summary.skipped,
            "accepted": accepted,
            "duplicate": duplicate,
            "rejected": summary.rejected,
            "swallowed_lines": summary.swallowed,
            "seconds": round(summary.seconds, 3),
            "records_per_s": round(rate, 1),
            "rejects_file": str(summary.rejects) if summary.rejects else None,
            "rejects_table": str(summary.rejects_table) if summary.rejects_table else None,
        }
        typer.echo(orjson.dumps(document).decode())
        return
    if before.is_whole:
        typer.echo(
            f"{summary.source} was sent to {summary.project!r} before, all {before.items:,} lines of it; --again repeats it"
        )
        return
    if summary.skipped:
        typer.echo(f"went on after the {summary.skipped:,} records that were sent before")
    known = f" ({duplicate:,} of them were there already)" if duplicate else ""
    noun = "record" if summary.sent == 1 else "records"
    typer.echo(f"{summary.sent:,} {noun} sent to {summary.project!r} in {summary.seconds:.1f} s, {rate:,.0f}/s{known}")
    if duplicate and not accepted:
        # They may have died since: then nothing would come of waiting for them.
        typer.echo(
            "nothing is labelled anew by sending it again: what died on its way comes back by `streamlabel dead-letters replay`"
        )
    if summary.rejected:
        _tell_rejected(summary)


def _tell_rejected(summary: Summary) -> None:
    for line in summary.shown:
        typer.echo(f"  {line}", err=True)
    more = summary.rejected - len(summary.shown)
    text = f"{summary.rejected:,} refused{f', {more:,} more than shown' if more else ''}: see {summary.rejects}"
    if summary.swallowed:
        lines = "line behind it was" if summary.swallowed == 1 else "lines behind it were"
        text += f"\nan open quotation mark: {summary.swallowed:,} {lines} not sent either"
    if summary.rejects_table is not None:
        text += f"\nto mend them and send that file: {summary.rejects_table}"
    typer.echo(text, err=True)
