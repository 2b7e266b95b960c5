"""Scores, answers and streams out of files, for the commands that need no stack."""

from __future__ import annotations

import csv
import math
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamlabel.core.nearest import did_you_mean
from streamlabel.errors import ConfigurationError

Floats = npt.NDArray[np.float64]

_RIGHT = {"1": 1.0, "true": 1.0, "1.0": 1.0, "0": 0.0, "false": 0.0, "0.0": 0.0, "": np.nan}
_PARQUET = (".parquet", ".pq")
_MOST_NAMES = 50
# What other programs put between columns where a comma is expected.
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores with an answer each, and scores without."""

    scores: Floats
    correct: Floats
    unlabelled: Floats


@dataclass(frozen=True, slots=True)
class StreamFile:
    """What a file says of a stream, unchecked."""

    probabilities: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    embeddings: npt.NDArray[Any] | None


@dataclass(frozen=True, slots=True)
class _Table:
    """Columns by name, and where each row stands in the file, in the words of whoever would mend it."""

    columns: Mapping[str, Sequence[Any]]
    places: Sequence[str]


def read_scores(path: Path, score_column: str, correct_column: str) -> Scored:
    """The two columns of a CSV or Parquet file; raises ConfigurationError that names line and column where one cannot be read."""
    table = _table(path)
    for name in (score_column, correct_column):
        if name not in table.columns:
            raise ConfigurationError(f"{path} has no column {name!r}; {_instead(name, table.columns)}")
    scores = np.array(
        [
            _score(cell, f"{path}: {place}, column {score_column!r}")
            for place, cell in zip(table.places, table.columns[score_column], strict=True)
        ],
        dtype=np.float64,
    )
    correct = np.array(
        [
            _answer(cell, f"{path}: {place}, column {correct_column!r}")
            for place, cell in zip(table.places, table.columns[correct_column], strict=True)
        ],
        dtype=np.float64,
    )
    labelled = ~np.isnan(correct)
    return Scored(scores[labelled], correct[labelled], scores[~labelled])


def read_stream(path: Path) -> StreamFile:
    """`probabilities`, `labels` and perhaps `embeddings` of an .npz or Parquet file; raises ConfigurationError."""
    suffix = path.suffix.lower()
    arrays: Mapping[str, npt.NDArray[Any]]
    if suffix == ".npz":
        arrays = _npz(path)
    elif suffix in _PARQUET:
        arrays = {name: _column(path, name, cells) for name, cells in _parquet(path).columns.items()}
    else:
        raise ConfigurationError(
            f"{path}: a stream is an .npz or .parquet file, not {suffix or 'a file without an ending'}"
        )
    for name in ("probabilities", "labels"):
        if name not in arrays:
            raise ConfigurationError(f"{path} has no array {name!r}; {_instead(name, arrays)}")
    return StreamFile(arrays["probabilities"], arrays["labels"], arrays.get("embeddings"))


def _npz(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise ConfigurationError(f"{path} is empty")
            if not zipfile.is_zipfile(file):
                raise ConfigurationError(f"{path} is no .npz file, or one that was cut off; numpy.savez writes them")
        with np.load(path, allow_pickle=False) as archive:
            return {name: _array(path, archive, name) for name in archive.files}
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no file {path}") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from error
    except zipfile.BadZipFile as error:
        raise ConfigurationError(f"{path} is damaged: {error}") from error


def _array(path: Path, archive: Any, name: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(archive[name])
    except ValueError as error:
        # numpy advises to allow pickles: whoever does runs whatever a stranger put into the file.
        what = "holds Python objects; it must hold numbers" if "pickle" in str(error) else "is damaged"
        raise ConfigurationError(f"{path}: array {name!r} {what}") from error
    except (EOFError, OverflowError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error) as error:
        # Its header is read as Python writes it.
        raise ConfigurationError(f"{path}: array {name!r} is damaged") from error
    except MemoryError as error:
        raise ConfigurationError(f"{path}: array {name!r} is larger than the memory here: {error}") from error


def _column(path: Path, name: str, cells: Sequence[Any]) -> npt.NDArray[Any]:
    try:
        return np.array(list(cells))
    except ValueError as error:
        raise ConfigurationError(f"{path}: the lists of column {name!r} are not all of one length") from error


def _table(path: Path) -> _Table:
    suffix = path.suffix.lower()
    if suffix in _PARQUET:
        return _parquet(path)
    if suffix not in ("", ".csv"):
        known = ", ".join((".csv", *_PARQUET))
        raise ConfigurationError(f"{path}: no scores are read from {suffix}; known are {known}")
    return _csv(path)


def _csv(path: Path) -> _Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, rows, places = _rows(path, file)
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no file {path}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is no CSV: byte {error.start} is no UTF-8") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    return _Table({name: [row[column] for row in rows] for column, name in enumerate(header)}, places)


def _rows(path: Path, lines: Iterable[str]) -> tuple[list[str], list[list[str]], list[str]]:
    """Header, rows, and the line that each row begins in."""
    reader = csv.reader(lines)
    rows, places = [], []
    try:
        header = next(reader, None)
        if header is None:
            raise ConfigurationError(f"{path} is empty")
        header = _names(path, header)
        begin = reader.line_num + 1
        for row in reader:
            place, begin = f"line {begin}", reader.line_num + 1
            if not row:
                continue
            if len(row) != len(header):
                raise ConfigurationError(
                    f"{path}: {place} has {_count(len(row), 'column')}, but the header names {_count(len(header), 'column')}"
                )
            rows.append(row)
            places.append(place)
    except csv.Error as error:
        raise ConfigurationError(f"{path}: line {reader.line_num} cannot be read as CSV: {error}") from error
    return header, rows, places


def _names(path: Path, header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    if len(names) == 1:
        for separator, told in _SEPARATORS.items():
            if separator in names[0]:
                raise ConfigurationError(
                    f"{path} separates its columns by {told} ({separator!r}): export it with commas, and decimals with a point"
                )
    _refuse_twice(path, names)
    return names


def _refuse_twice(path: Path, names: Iterable[str]) -> None:
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ConfigurationError(f"{path} names the column {twice!r} twice")


def _parquet(path: Path) -> _Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ConfigurationError("Parquet files need pyarrow: pip install 'streamlabel[parquet]'") from error
    try:
        if path.is_file():
            _refuse_twice(path, parquet.read_schema(path).names)
        table = parquet.read_table(path)
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no file {path}") from error
    except (OSError, ArrowException) as error:
        raise ConfigurationError(f"{path} cannot be read as Parquet: {error}") from error
    places = [f"row {row} (counted from 0)" for row in range(table.num_rows)]
    return _Table({name: table.column(name).to_pylist() for name in table.column_names}, places)


def _instead(name: str, known: Iterable[str]) -> str:
    names = list(known)
    # Among more nobody means one, nor reads them.
    meant = did_you_mean(name, names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return meant or f"it has {', '.join(map(repr, names[:_MOST_NAMES])) or 'none'}{more}"


def _score(cell: Any, place: str) -> float:
    try:
        score = float(cell)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{place}: {_shown(cell)} is no number") from error
    if not math.isfinite(score):
        raise ConfigurationError(f"{place}: {_shown(cell)} is no finite number")
    return score


def _answer(cell: Any, place: str) -> float:
    word = "" if cell is None else str(cell).strip().lower()
    if word not in _RIGHT:
        raise ConfigurationError(f"{place}: {_shown(cell)} is neither 1, 0 nor empty")
    return _RIGHT[word]


def _shown(cell: Any) -> str:
    return "nothing" if cell is None or cell == "" else repr(cell)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else noun + 's'}"
