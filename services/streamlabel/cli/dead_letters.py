"""`streamlabel dead-letters list|show|replay`: what could not be handled, why, and how it gets another chance."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from rich.console import Console
from rich.text import Text

from streamlabel.cli.connection import Connection, DataDirOption, KafkaOption, TopicPrefixOption, connect, run
from streamlabel.cli.dead_letter_box import DeadLetterBox, Letter, Replay
from streamlabel.cli.dead_letter_names import box_topics, id_of, parse_id, replayable
from streamlabel.core.nearest import did_you_mean
from streamlabel.errors import ConfigurationError, StreamlabelError
from streamlabel.v1 import label_pb2, prediction_pb2, record_pb2, review_pb2
from streamlabel.wire.flow import LABELS, PREDICTIONS, RECORDS, REVIEW_TASKS, Names

_SHOWN_BYTES = 512
_MESSAGES: dict[str, Callable[[], Message]] = {
    RECORDS.noun: record_pb2.Record,
    PREDICTIONS.noun: prediction_pb2.Prediction,
    REVIEW_TASKS.noun: review_pb2.ReviewTask,
    LABELS.noun: label_pb2.Label,
}

TopicOption = Annotated[
    str | None,
    typer.Option(
        "--topic", help="One dead-letter topic only, by its whole name; else those of all stages.", show_default=False
    ),
]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Only those that died of this reason code.", show_default=False)
]
StageOption = Annotated[
    str | None,
    typer.Option(
        "--stage", help="Only those of this stage: inference, routing, review or learning.", show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """Adds `dead-letters` to the command line."""
    letters = typer.Typer(
        help="Messages that could not be handled: look at them, send them back.", no_args_is_help=True
    )
    letters.command("list")(list_)
    letters.command("show")(show)
    letters.command("replay")(replay)
    app.add_typer(letters, name="dead-letters")


def list_(
    topic: TopicOption = None,
    stage: StageOption = None,
    reason: ReasonOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that were replayed too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a letter.")] = False,
) -> None:
    """List dead letters, oldest first, each with as much of its detail as fits into a line; `show` tells all.

    Examples:

      streamlabel dead-letters list

      streamlabel dead-letters list --stage inference --reason UNKNOWN_PROJECT --json
    """
    connection = connect(data_dir, kafka, topic_prefix)
    boxes = box_topics(connection.names, topic, stage)

    waiting = [letter for letter in run(_letters(connection, boxes)) if everything or not letter.replayed]
    found = [letter for letter in waiting if reason in (None, _reason(letter))]
    found.sort(key=lambda letter: letter.message.timestamp_ms)
    if as_json:
        for letter in found[-limit:]:
            typer.echo(orjson.dumps(_facts(letter, connection.names)).decode())
        if not found and (hint := _nothing(reason, waiting)):
            typer.echo(hint, err=True)
        return
    if not found:
        typer.echo(_nothing(reason, waiting) or "no dead letters", err=True)
        return
    console = Console(highlight=False)
    for line in _lines(found[-limit:], console.width, connection.names):
        console.print(line)
    if len(found) > limit:
        typer.echo(f"{len(found) - limit} older ones are not shown; --limit shows more", err=True)


def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.", show_default=False)],
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the message's bytes, as they are, to standard output.")
    ] = False,
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as one JSON object.")] = False,
) -> None:
    """Show one dead letter: why it died, where it came from, what it holds.

    Examples:

      streamlabel dead-letters show inference/3/1042

      streamlabel dead-letters show inference/3/1042 --raw > message.bin
    """
    connection = connect(data_dir, kafka, topic_prefix)
    name, partition, offset = parse_id(letter_id, connection.names)
    letters = run(DeadLetterBox(connection.broker(), name).letters())
    here = (partition, offset)
    letter = next((each for each in letters if (each.message.partition, each.message.offset) == here), None)
    if letter is None:
        raise ConfigurationError(
            f"there is no dead letter {letter_id}; `streamlabel dead-letters list --all` shows those there are"
        )
    if raw:
        sys.stdout.buffer.write(letter.message.value)
        return
    facts = _facts(letter, connection.names) | {
        "headers": _headers(letter),
        "content": _content(letter, connection.names),
    }
    if as_json:
        typer.echo(orjson.dumps(facts).decode())
        return
    for key, value in facts.items():
        text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
        typer.echo(f"{key + ':':<16} {text}")


def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID…]", help="Letters to send back; none: all that fit the options.")
    ] = None,
    topic: TopicOption = None,
    stage: StageOption = None,
    reason: ReasonOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All that wait, without another condition.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go back.")] = False,
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one JSON object.")] = False,
) -> None:
    """Send dead letters back to the topic and partition they came from: bytes, key and headers as they were.

    Each goes back once: a replay that is repeated or killed doubles nothing. Mend the cause first (apply the project,
    say), or they come back as new dead letters. Those of learning stay where they are: what it reads is work of others.

    Examples:

      streamlabel dead-letters replay inference/3/1042

      streamlabel dead-letters replay --reason UNKNOWN_PROJECT --dry-run
    """
    if not (ids or topic or stage or reason or everything):
        raise ConfigurationError("say which: ids, --stage, --reason, --topic, or --all for every letter that waits")
    connection = connect(data_dir, kafka, topic_prefix)
    wanted = {parse_id(each, connection.names) for each in ids or ()}
    named = sorted({name for name, _, _ in wanted}) if wanted else box_topics(connection.names, topic, stage)
    boxes = replayable(connection.names, named, chosen=bool(wanted or topic or stage))

    def chosen(letter: Letter) -> bool:
        message = letter.message
        if wanted and (message.topic, message.partition, message.offset) not in wanted:
            return False
        return reason in (None, _reason(letter))

    async def work() -> list[Replay]:
        done = []
        for name in boxes:
            box = DeadLetterBox(connection.broker(), name)
            if dry_run:
                waiting = [letter for letter in await box.letters() if chosen(letter) and not letter.replayed]
                done.append(Replay(replayed=tuple(waiting), stuck=()))
            else:
                done.append(await box.replay(chosen))
        return done

    done = run(work())
    if reason is not None and not any(each.replayed or each.stuck for each in done):
        letters = run(_letters(connection, boxes))
        if hint := _nothing(reason, [letter for letter in letters if not letter.replayed]):
            typer.echo(hint, err=True)
    _tell(done, connection.names, dry_run=dry_run, as_json=as_json)


async def _letters(connection: Connection, boxes: Sequence[str]) -> list[Letter]:
    return [letter for name in boxes for letter in await DeadLetterBox(connection.broker(), name).letters()]


def _nothing(reason: str | None, waiting: Sequence[Letter]) -> str:
    """What to say where no letter has this reason though some wait; empty where the reason was no part of the question."""
    reasons = sorted({_reason(letter) for letter in waiting})
    if reason is None or not reasons or reason in reasons:
        return ""
    return f"no dead letter has reason {reason}; {did_you_mean(reason, reasons) or 'there are ' + ', '.join(reasons)}"


def _tell(done: Sequence[Replay], names: Names, *, dry_run: bool, as_json: bool) -> None:
    replayed = [letter for each in done for letter in each.replayed]
    stuck = [pair for each in done for pair in each.stuck]
    if as_json:
        report = {
            "replayed": [id_of(letter.message, names) for letter in replayed],
            "stuck": {id_of(letter.message, names): why for letter, why in stuck},
            "dry_run": dry_run,
        }
        typer.echo(orjson.dumps(report).decode())
    else:
        for letter in replayed:
            typer.echo(
                f"{'would send' if dry_run else 'sent'} {id_of(letter.message, names)} back to {_origin(letter)}"
            )
        if not replayed and not stuck:
            typer.echo("nothing to send back", err=True)
        for letter, why in stuck:
            typer.echo(f"{id_of(letter.message, names)} cannot go back: {why}", err=True)
    if stuck:
        raise StreamlabelError(f"{len(stuck)} dead letters cannot go back")


def _reason(letter: Letter) -> str:
    return letter.reason or "UNKNOWN"


def _key(letter: Letter) -> str:
    return letter.message.key.decode("utf-8", "backslashreplace")


def _origin(letter: Letter) -> str:
    return f"{letter.origin.topic}[{letter.origin.partition}]" if letter.origin else "unknown"


def _facts(letter: Letter, names: Names) -> dict[str, Any]:
    message = letter.message
    origin = letter.origin
    return {
        "id": id_of(letter.message, names),
        "key": _key(letter),
        "reason": _reason(letter),
        "detail": letter.detail,
        "stage": letter.stage,
        "died_at": _moment(message.timestamp_ms),
        "origin": {"topic": origin.topic, "partition": origin.partition, "offset": origin.offset} if origin else None,
        "value_bytes": len(message.value),
        "omitted_bytes": letter.omitted_bytes,
        "replayed": letter.replayed,
    }


def _lines(letters: Sequence[Letter], width: int, names: Names) -> Iterator[Text]:
    """A heading, and of each letter two lines at most, cut where the terminal ends: what it is, and why it died."""
    rows = [[Text(heading, "bold") for heading in ("id", "died at (UTC)", "reason", "key")]]
    for letter in letters:
        died_at = datetime.fromtimestamp(letter.message.timestamp_ms / 1000, UTC).strftime("%m-%d %H:%M:%S")
        reason = _reason(letter) + (" (replayed)" if letter.replayed else "")
        rows.append([Text(_visible(cell)) for cell in (id_of(letter.message, names), died_at, reason, _key(letter))])
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    for row, detail in zip(rows, ("", *(letter.detail for letter in letters)), strict=True):
        for cell, cell_width in zip(row[:-1], widths, strict=False):
            cell.truncate(cell_width, pad=True)
        for line in (Text("  ").join(row), Text(f"  {_visible(detail)}", "dim")):
            line.truncate(width, overflow="ellipsis")
            if line.plain.strip():
                yield line


def _headers(letter: Letter) -> dict[str, str]:
    return {name: value.decode("utf-8", "backslashreplace") for name, value in letter.original_headers}


def _content(letter: Letter, names: Names) -> Any:
    """The message as JSON where it is one of ours and whole; else its first bytes, escaped."""
    value = letter.message.value
    nouns = {names.topic(spec): spec.noun for spec in (RECORDS, PREDICTIONS, REVIEW_TASKS, LABELS)}
    noun = nouns.get(letter.origin.topic) if letter.origin else None
    if noun is not None and value:
        message = _MESSAGES[noun]()
        try:
            message.ParseFromString(value)
        except DecodeError:
            pass
        else:
            return MessageToDict(message, preserving_proto_field_name=True)
    rest = f" … and {len(value) - _SHOWN_BYTES} bytes more" if len(value) > _SHOWN_BYTES else ""
    return repr(value[:_SHOWN_BYTES])[2:-1] + rest


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _visible(text: str) -> str:
    """Foreign text without characters that move a terminal's cursor."""
    return "".join(character if character.isprintable() else "�" for character in text)
