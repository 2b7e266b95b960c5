"""Files, folders and pipes as records: each item with its place, and what is wrong with it where it is none."""

from __future__ import annotations

import csv
import io
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import BinaryIO

from streamlabel.core.nearest import did_you_mean
from streamlabel.core.record import ImagePayload, TextPayload, sniff_media_type
from streamlabel.core.submission import NewRecord, Reason
from streamlabel.errors import ConfigurationError, InvalidMessageError
from streamlabel.wire import record_json, submissions

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
_Maker = Callable[[], NewRecord]
_CSV_FIELD_LIMIT = 64 * 1024 * 1024
# The comma first: it wins where all do equally well.
_SEPARATORS = ",;\t|"


class SourceFormat(StrEnum):
    """How records lie in a source."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    IMAGES = "images"


_SUFFIXES: Mapping[str, SourceFormat] = {
    ".jsonl": SourceFormat.JSONL,
    ".ndjson": SourceFormat.JSONL,
    ".json": SourceFormat.JSONL,
    ".csv": SourceFormat.CSV,
    ".tsv": SourceFormat.TSV,
    **dict.fromkeys(IMAGE_SUFFIXES, SourceFormat.IMAGES),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of a table are what."""

    text: str = "text"
    record_id: str | None = None
    attributes: Sequence[str] = ()
    all_attributes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of a source: a record, or the reason why it is none. `position` is how far into the source it reaches.

    `line` is counted from 1; for folders it is the file's number in order of name. `shown` is its own text, or its path: that of
    a row of a table is as it stands there, bytes that are no UTF-8 as surrogates, and `heading` then the text of the columns' names.
    `swallowed` lines behind it were taken for a part of it.
    """

    line: int
    position: int
    shown: str
    heading: str = ""
    swallowed: int = 0
    record: NewRecord | None = None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSource:
    """What to read and as what; `path` None is standard input. `size` is the end of all positions, None where nobody knows."""

    project: str
    path: Path | None
    form: SourceFormat
    columns: Columns
    size: int | None

    @property
    def name(self) -> str:
        """For a person."""
        return str(self.path) if self.path is not None else "standard input"

    def items(self) -> Iterator[Item]:
        """All items in order; raises ConfigurationError where the source as a whole cannot be read."""
        if self.form is SourceFormat.IMAGES:
            yield from self._images()
            return
        with self._opened() as stream:
            if self.form is SourceFormat.JSONL:
                yield from self._jsonl(stream)
            else:
                yield from self._table(stream)

    def _opened(self) -> BinaryIO:
        if self.path is None:
            return sys.stdin.buffer
        try:
            return self.path.open("rb")
        except OSError as error:
            raise ConfigurationError(f"{self.path}: {error.strerror}") from error

    def _jsonl(self, stream: BinaryIO) -> Iterator[Item]:
        position = 0
        for line, text in enumerate(stream, start=1):
            position += len(text)
            if stripped := text.removeprefix(b"\xef\xbb\xbf").strip():
                shown = stripped.decode("utf-8", "replace")
                yield self._item(line, position, shown, partial(self._from_json, stripped))

    def _from_json(self, text: bytes) -> NewRecord:
        if text.startswith(b"["):
            raise InvalidMessageError(
                Reason.MALFORMED, "this is a JSON array; write one object a line (`jq -c '.[]'` does it)"
            )
        record = submissions.from_message(record_json.parse(text, self.project))
        # At the door white space may be meant; in a file it is a row that nobody filled.
        if isinstance(record.payload, TextPayload) and not record.payload.text.strip():
            raise InvalidMessageError(Reason.INVALID_TEXT, f"text is {_nothing(record.payload.text)}")
        return record

    def _table(self, stream: BinaryIO) -> Iterator[Item]:
        csv.field_size_limit(_CSV_FIELD_LIMIT)
        counted = _Counted(stream)
        # Bytes that are no UTF-8 survive as surrogates until the record they are in is refused for them.
        text = io.TextIOWrapper(io.BufferedReader(counted), "utf-8-sig", "surrogateescape", newline="")
        first = text.readline()
        separator = "\t" if self.form is SourceFormat.TSV else _separator(first, self.columns.text)
        lines = _Lines(itertools.chain([first] if first else [], text))
        rows = csv.reader(lines, delimiter=separator, strict=True)
        header = self._header(rows)
        heading = lines.take()
        while True:
            line = rows.line_num + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                swallowed = rows.line_num - line
                refuse = partial(_refuse_quoting, error, swallowed)
                yield self._item(line, counted.position, lines.take(), refuse, heading, swallowed)
                continue
            shown = lines.take()
            if row:
                yield self._item(line, counted.position, shown, partial(self._from_row, header, row), heading)

    def _header(self, rows: Iterator[list[str]]) -> list[str]:
        try:
            header = next(rows, None)
        except csv.Error as error:
            raise ConfigurationError(f"{self.name}: the names of the columns cannot be read: {error}") from error
        if header is None:
            raise ConfigurationError(f"{self.name} is empty; a table begins with the names of its columns")
        self._check_columns(header)
        return header

    def _check_columns(self, header: Sequence[str]) -> None:
        columns = self.columns
        for option, name in (
            ("--text-column", columns.text),
            ("--id-column", columns.record_id),
            *(("--attribute", name) for name in columns.attributes),
        ):
            if name is not None and name not in header:
                hint = did_you_mean(name, header) or f"there are {', '.join(map(repr, header))}"
                raise ConfigurationError(f"{self.name} has no column {name!r} ({option}); {hint}")

    def _from_row(self, header: Sequence[str], row: Sequence[str]) -> NewRecord:
        if len(row) != len(header):
            raise InvalidMessageError(
                Reason.MALFORMED,
                f"{len(row)} {'field' if len(row) == 1 else 'fields'}; the first line names {len(header)}",
            )
        cells = dict(zip(header, row, strict=True))
        for name, cell in cells.items():
            if not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell):
                raise InvalidMessageError(Reason.INVALID_TEXT, f"column {name!r} is not UTF-8; save the file as that")
        columns = self.columns
        if not cells[columns.text].strip():
            raise InvalidMessageError(
                Reason.INVALID_TEXT, f"column {columns.text!r} is {_nothing(cells[columns.text])}"
            )
        names = columns.attributes
        if columns.all_attributes:
            names = [name for name in header if name not in (columns.text, columns.record_id)]
        record_id = cells[columns.record_id] if columns.record_id is not None else ""
        if columns.record_id is not None and not record_id:
            raise InvalidMessageError(Reason.INVALID_RECORD_ID, f"column {columns.record_id!r} is empty")
        return NewRecord(
            project=self.project,
            record_id=record_id,
            payload=TextPayload(cells[columns.text]),
            attributes={name: cells[name] for name in names if cells[name]},
        )

    def _images(self) -> Iterator[Item]:
        assert self.path is not None
        for number, file in enumerate(image_files(self.path), start=1):
            shown = str(file.relative_to(self.path)) if file != self.path else file.name
            yield self._item(number, number, shown, partial(self._from_image, file, shown))

    def _from_image(self, file: Path, record_id: str) -> NewRecord:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise InvalidMessageError(Reason.INVALID_IMAGE, f"cannot be read: {error.strerror}") from error
        return NewRecord(
            project=self.project, record_id=record_id, payload=ImagePayload(data, sniff_media_type(data) or "")
        )

    def _item(self, line: int, position: int, shown: str, make: _Maker, heading: str = "", swallowed: int = 0) -> Item:
        record, reason, detail = None, "", ""
        try:
            record = make()
        except InvalidMessageError as error:
            reason, detail = error.reason, error.detail
        except ValueError as error:
            reason, detail = Reason.MALFORMED.value, str(error)
        return Item(
            line=line,
            position=position,
            shown=shown,
            heading=heading,
            swallowed=swallowed,
            record=record,
            reason=reason,
            detail=detail,
        )


def source_at(
    where: str, *, project: str, form: SourceFormat | None = None, columns: Columns | None = None
) -> RecordSource:
    """The source that a person named: a file, a folder of images or `-`; raises ConfigurationError where there is none."""
    columns = columns or Columns()
    if where == "-":
        if form is SourceFormat.IMAGES:
            raise ConfigurationError("images come from a folder, not from standard input")
        return RecordSource(project=project, path=None, form=form or SourceFormat.JSONL, columns=columns, size=None)
    path = Path(where)
    if not path.exists():
        raise ConfigurationError(f"{path}: there is no such file or folder")
    if path.is_dir():
        if form not in (None, SourceFormat.IMAGES):
            raise ConfigurationError(f"{path} is a folder; folders hold images")
        return _image_source(path, project, columns)
    chosen = form or _SUFFIXES.get(path.suffix.lower())
    if chosen is None:
        raise ConfigurationError(f"{path}: what is in it? Say so with --format {'|'.join(SourceFormat)}")
    if chosen is SourceFormat.IMAGES:
        return _image_source(path, project, columns)
    return RecordSource(project=project, path=path, form=chosen, columns=columns, size=path.stat().st_size)


def image_files(path: Path) -> list[Path]:
    """The PNG and JPEG files under a folder in order of their paths, or the one file."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())


def _image_source(path: Path, project: str, columns: Columns) -> RecordSource:
    count = len(image_files(path))
    if not count:
        raise ConfigurationError(f"{path} holds no file named {', '.join('*' + suffix for suffix in IMAGE_SUFFIXES)}")
    return RecordSource(project=project, path=path, form=SourceFormat.IMAGES, columns=columns, size=count)


def _separator(first_line: str, text_column: str) -> str:
    """What separates the columns: whatever makes the text's column one of them, else whatever makes the most of them."""

    def merit(separator: str) -> tuple[bool, int]:
        names = next(csv.reader([first_line], delimiter=separator), [])
        return text_column in names, len(names)

    return max(_SEPARATORS, key=merit)


def _nothing(text: str) -> str:
    return "white space only" if text else "empty"


def _refuse_quoting(error: csv.Error, swallowed: int) -> NewRecord:
    if "unexpected end" in str(error):
        detail = "a quotation mark is opened here and never closed"
        if swallowed:
            detail += (
                f": the {'line' if swallowed == 1 else f'{swallowed:,} lines'} behind it would be one field with it"
            )
    else:
        detail = f"{error}; a quotation mark within a quoted field is written twice"
    raise InvalidMessageError(Reason.MALFORMED, detail)


class _Lines:
    """Passes lines on and keeps them until they are taken: a reader of tables hides how a row was written."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._kept: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._kept.append(line)
        return line

    def take(self) -> str:
        """Everything that was passed on since the last call."""
        text = "".join(self._kept)
        self._kept.clear()
        return text


class _Counted(io.RawIOBase):
    """Passes bytes on and knows how many there were: a text reader hides how far it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._stream.read1(len(buffer)) if hasattr(self._stream, "read1") else self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)
