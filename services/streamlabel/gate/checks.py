"""Refuses arrays that cannot mean what they should, and says which row is wrong and why."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamlabel.gate.embeddings import told_apart, used_length

_SUM_TOLERANCE = 1e-3
LEAST_ROWS = 20


def check_levels(alpha: float, delta: float) -> None:
    """Raises ValueError, which begins with the name, unless both lie strictly between 0 and 1."""
    for name, value in (("alpha", alpha), ("delta", delta)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie strictly between 0 and 1, not {value:g}{_share_meant(value)}")


def check_rate(name: str, value: float, *, least: float = 0.0) -> None:
    """Raises ValueError, which begins with the name, unless `value` lies between `least` and 1."""
    if not least <= value <= 1:
        raise ValueError(f"{name} must lie between {least:g} and 1, not {value:g}{_share_meant(value)}")


def check_place(name: str, place: int | None, count: int) -> None:
    """Raises ValueError, which begins with the name, unless `place` is one among `count` records, counted from 0, or None."""
    if place is not None and not 0 <= place < count:
        raise ValueError(f"{name} must be a place in the stream of {count:,} records, counted from 0, not {place}")


def _share_meant(value: float) -> str:
    """Who writes 5 means 5 %."""
    return f"; did you mean {value / 100:g}?" if 1 < value < 100 else ""


def checked_scores(scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Scores [n] as floats; raises ValueError where one is no number."""
    made = _numbers("scores", scores)
    if made.ndim != 1:
        raise ValueError(f"scores must be one column, not an array of shape {made.shape}")
    refuse_rows(~np.isfinite(made), "score is no finite number", made)
    return made


def checked_correct(correct: npt.ArrayLike, known: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """For each of the scores `known` 1 or 0; raises ValueError for another number of them, or what is neither."""
    made = _numbers("correct", correct)
    if made.shape != known.shape:
        raise ValueError(f"there are {len(known)} scores, but correct has shape {made.shape}")
    refuse_rows((made != 0) & (made != 1), "correct is neither 0 nor 1:", made)
    return made


def checked_probabilities(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Probabilities [n, k] as floats that sum to 1 in each row; raises ValueError where they do not."""
    made = _numbers("probabilities", probabilities)
    if made.ndim != 2 or made.shape[1] < 2:
        raise ValueError(f"probabilities must have one row a record and two columns or more, not shape {made.shape}")
    refuse_rows(~np.isfinite(made).all(axis=1), "a probability is no finite number")
    refuse_rows((made < 0).any(axis=1) | (made > 1 + _SUM_TOLERANCE).any(axis=1), "a probability lies outside 0–1")
    sums = made.sum(axis=1)
    refuse_rows(np.abs(sums - 1) > _SUM_TOLERANCE, "probabilities do not sum to 1 but to", sums)
    return np.asarray(made / sums[:, None])


def checked_labels(labels: npt.ArrayLike, count: int, classes: int) -> npt.NDArray[np.int64]:
    """Labels [n] as places among the classes; raises ValueError for another length, or an unknown class."""
    given = np.asarray(labels)
    if given.shape != (count,):
        raise ValueError(f"labels have shape {given.shape}, but there are {count} records")
    if not np.issubdtype(given.dtype, np.number) or np.iscomplexobj(given):
        raise ValueError(f"labels must be whole numbers from 0 to {classes - 1}, not {given.dtype}")
    with np.errstate(invalid="ignore"):
        made = given.astype(np.int64)
    refuse_rows(
        (made != given) | (made < 0) | (made >= classes), f"label is no whole number from 0 to {classes - 1}:", given
    )
    return made


def checked_embeddings(embeddings: npt.ArrayLike | None, count: int) -> npt.NDArray[np.float64] | None:
    """Embeddings [n, d] as floats, or None, also where they are longer than gates use; of a scale that can be reckoned with.

    Raises ValueError for another length, or what is no number.
    """
    if embeddings is None:
        return None
    made = _numbers("embeddings", embeddings)
    if made.ndim != 2 or len(made) != count or made.shape[1] < 1:
        raise ValueError(f"embeddings have shape {made.shape}, but there are {count} records")
    refuse_rows(~np.isfinite(made).all(axis=1), "an embedding value is no finite number")
    return told_apart(made) if used_length(made.shape[1]) else None


def refuse_rows(given: npt.ArrayLike, why: str, values: npt.NDArray[np.generic] | None = None) -> None:
    """Raises ValueError that names the first bad row, counted from 0 as arrays are, and how many there are."""
    bad = np.asarray(given)
    if bad.any():
        row, count = int(np.argmax(bad)), int(bad.sum())
        shown = "" if values is None else f" {values[row]}"
        more = f" (and {count - 1:,} more {'row' if count == 2 else 'rows'})" if count > 1 else ""
        raise ValueError(f"row {row}, counted from 0: {why}{shown}{more}")


def _numbers(name: str, given: npt.ArrayLike) -> npt.NDArray[np.float64]:
    try:
        # Else the imaginary part would be lost, and hardly a word said about it.
        if np.iscomplexobj(given):
            raise ValueError("these are complex")
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from error
