"""What `records send` could not send, kept so that it can be mended: a list with the reasons, and the rows of a table as a table."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import orjson

from streamlabel.cli.record_sources import Item, SourceFormat

_TABLES = (SourceFormat.CSV, SourceFormat.TSV)


class Rejects:
    """One JSON object a refused item in `file`; beside it the refused rows of a table, as they were, under the names of its columns.

    Files are opened for the first refusal. A resumed command (`goes_on`) goes on with those of the one before it.
    """

    def __init__(self, file: Path, form: SourceFormat, *, goes_on: bool) -> None:
        self._file = file
        self._table_file = _beside(file, form) if form in _TABLES else None
        self._mode = "a" if goes_on else "w"
        self._list: IO[str] | None = None
        self._table: IO[str] | None = None

    @property
    def file(self) -> Path | None:
        """The list; None where nothing was refused."""
        return self._file if self._list is not None else None

    @property
    def table_file(self) -> Path | None:
        """The table; None where nothing was refused, or the source is none."""
        return self._table_file if self._list is not None else None

    def add(self, item: Item, reason: str, detail: str) -> None:
        """Keeps one refused item."""
        if self._list is None:
            self._list = self._file.open(self._mode, encoding="utf-8")
            self._table = self._open_table(item.heading)
        shown = item.shown.encode("utf-8", "surrogateescape").decode("utf-8", "replace").rstrip("\r\n")
        row = {"line": item.line, "reason": reason, "detail": detail, "input": shown}
        self._list.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE).decode())
        if self._table is not None:
            self._table.write(_whole_line(item.shown))

    def _open_table(self, heading: str) -> IO[str] | None:
        if self._table_file is None:
            return None
        # Surrogates, which stand for foreign bytes, become those bytes again.
        table = self._table_file.open(self._mode, encoding="utf-8", errors="surrogateescape", newline="")
        if table.tell() == 0:
            table.write(_whole_line(heading))
        return table

    def close(self) -> None:
        """Closes the files."""
        for stream in (self._list, self._table):
            if stream is not None:
                stream.close()


def _beside(file: Path, form: SourceFormat) -> Path:
    beside = file.with_suffix(f".{form}")
    return beside if beside != file else file.with_name(f"{file.name}.{form}")


def _whole_line(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
