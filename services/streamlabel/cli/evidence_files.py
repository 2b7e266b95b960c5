"""Scores, answers and streams out of files, for the commands that need no stack."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping
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


def read_scores(path: Path, score_column: str, correct_column: str) -> Scored:
    """The two columns of a CSV or Parquet file; raises ConfigurationError that names row and column where one cannot be read."""
    columns = _table(path, (score_column, correct_column))
    scores = _floats(path, score_column, columns[score_column])
    correct = np.array(
        [_answer(path, correct_column, row, cell) for row, cell in enumerate(columns[correct_column], 2)]
    )
    labelled = ~np.isnan(correct)
    return Scored(scores[labelled], correct[labelled], scores[~labelled])


def read_stream(path: Path) -> StreamFile:
    """`probabilities`, `labels` and perhaps `embeddings` of an .npz or Parquet file; raises ConfigurationError."""
    arrays: Mapping[str, Any]
    if path.suffix == ".npz":
        arrays = _npz(path)
    elif path.suffix in _PARQUET:
        arrays = {name: np.array(list(column)) for name, column in _parquet(path).items()}
    else:
        raise ConfigurationError(
            f"{path}: a stream is an .npz or .parquet file, not {path.suffix or 'a file without suffix'}"
        )
    for name in ("probabilities", "labels"):
        if name not in arrays:
            raise ConfigurationError(f"{path} has no array {name!r}; it has {', '.join(map(repr, arrays)) or 'none'}")
    return StreamFile(arrays["probabilities"], arrays["labels"], arrays.get("embeddings"))


def _npz(path: Path) -> Mapping[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no file {path}") from error
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigurationError(f"{path} cannot be read as .npz: {error}") from error


def _table(path: Path, wanted: tuple[str, ...]) -> Mapping[str, Any]:
    columns = _parquet(path) if path.suffix in _PARQUET else _csv(path)
    for name in wanted:
        if name not in columns:
            hint = did_you_mean(name, columns) or f"it has {', '.join(columns) or 'none'}"
            raise ConfigurationError(f"{path} has no column {name!r}; {hint}")
    return columns


def _csv(path: Path) -> Mapping[str, Any]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            rows = [row for row in reader if row]
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no file {path}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path} cannot be read as CSV: {error}") from error
    short = next((line for line, row in enumerate(rows, 2) if len(row) != len(header)), None)
    if short is not None:
        raise ConfigurationError(f"{path}: row {short} has another number of columns than the header's {len(header)}")
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _parquet(path: Path) -> Mapping[str, Any]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ConfigurationError("Parquet files need pyarrow: pip install 'streamlabel[parquet]'") from error
    try:
        table = parquet.read_table(path)
    except (OSError, ArrowException) as error:
        raise ConfigurationError(f"{path} cannot be read as Parquet: {error}") from error
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _floats(path: Path, column: str, cells: list[Any]) -> Floats:
    made = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            made[row] = float(cell)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"{path}: row {row + 2}, column {column!r}: {cell!r} is no number") from error
    return made


def _answer(path: Path, column: str, row: int, cell: Any) -> float:
    word = "" if cell is None else str(cell).strip().lower()
    if word not in _RIGHT:
        raise ConfigurationError(f"{path}: row {row}, column {column!r}: {cell!r} is neither 1, 0 nor empty")
    return _RIGHT[word]
