"""Ways to choose a threshold on the same streams: how often each breaks its promise, how much it lets pass, what it asks of people.

    python -m benchmarks.gate_policies [FILE.npz…] [--alpha 0.05] [--delta 0.05] [--runs 100] [--json FILE]

Each FILE holds `probabilities` [N, K], `labels` [N] and, if there are any, `embeddings` [N, D] of one stream without
drift; without a FILE it is the digits example, held-out digits through its model. In each run the order is drawn anew. The
threshold policies get the answers to the first 1,400 records, half of them to fit the score to and half to choose the
threshold by, and label the rest; the gate goes its own way.

  fixed          label alone from a probability of 0.95 on
  empirical      the lowest threshold at which the share of errors among the answers is at most alpha; no confidence
  SGR            binary search with delta / log2(n) (Geifman and El-Yaniv, 2017)
  two chains     Learn-then-Test with two fixed-sequence chains of delta / 2, on the fitted score
  gate           this package: `streamlabel.gate.simulate`
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from rich.console import Console
from rich.table import Table

from streamlabel.gate import simulate
from streamlabel.gate.binomial import least_count, p_value, upper_bound
from streamlabel.gate.fit import fit_scorer
from streamlabel.gate.sequence import Grid, Tally
from streamlabel.gate.simulate import Stream
from streamlabel.local.datasets import Digits, load_digits
from streamlabel.local.places import cache_dir

Scores = npt.NDArray[np.float64]
Wrong = npt.NDArray[np.bool_]
Chooser = Callable[[Scores, Wrong, Scores, float, float], float]

_ANSWERS = 1400
HERE = Path(__file__).parent
REPORTS = HERE.parent / "reports"
DIGITS = HERE.parent / "examples" / "digits"


def fixed(scores: Scores, wrong: Wrong, others: Scores, alpha: float, delta: float) -> float:  # noqa: ARG001
    """A probability that sounds safe."""
    return 0.95


def empirical(scores: Scores, wrong: Wrong, others: Scores, alpha: float, delta: float) -> float:  # noqa: ARG001
    """What looks right on the answers."""
    order = np.argsort(-scores)
    rates = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    below = np.flatnonzero(rates <= alpha)
    return float(scores[order[below[-1]]]) if len(below) else math.inf


def sgr(scores: Scores, wrong: Wrong, others: Scores, alpha: float, delta: float) -> float:  # noqa: ARG001
    """Selection with guaranteed risk."""
    ordered = np.sort(scores)
    steps = math.ceil(math.log2(len(ordered)))
    low, high, found = 0, len(ordered) - 1, math.inf
    for _ in range(steps):
        middle = math.ceil((low + high) / 2)
        inside = scores >= ordered[middle]
        if upper_bound(int(wrong[inside].sum()), int(inside.sum()), delta / steps) <= alpha:
            high, found = middle, float(ordered[middle])
        else:
            low = middle
    return found


def two_chains(scores: Scores, wrong: Wrong, others: Scores, alpha: float, delta: float) -> float:
    """Two chains that do not hand over, begun at twice the least evidence."""
    grid = Grid.of_stream(others)
    tally = Tally.of(grid, scores, wrong)
    passes = p_value(tally.errors, tally.counts, alpha) <= delta / 2
    enough = np.flatnonzero(grid.shares * len(scores) >= 2 * least_count(alpha, delta))
    found = math.inf
    for start in (enough[0], enough[0] + 10) if len(enough) else ():
        failed = np.flatnonzero(~passes[start:])
        length = int(failed[0]) if len(failed) else len(passes) - start
        if length and start < len(passes):
            found = min(found, float(grid.thresholds[start + length - 1]))
    return found


POLICIES: dict[str, tuple[Chooser, bool]] = {
    "fixed p ≥ 0.95": (fixed, False),
    "empirical": (empirical, True),
    "SGR": (sgr, True),
    "two chains": (two_chains, True),
}


def chosen(stream: Stream, choose: Chooser, fitted: bool, alpha: float, delta: float) -> tuple[float, float, int]:
    """Error and coverage of one policy on one order, and answers taken."""
    predictions, truth = stream.predictions, stream.truth
    half, begin = _ANSWERS // 2, _ANSWERS
    wrong = predictions.predicted != truth
    scores = predictions.probabilities[:, 0]
    if fitted:
        scores = fit_scorer(predictions.take(slice(0, half)), truth[:half]).score(predictions)
    threshold = choose(scores[half:begin], wrong[half:begin], scores[begin:], alpha, delta)
    passed = scores[begin:] >= threshold
    error = float(wrong[begin:][passed].mean()) if passed.any() else 0.0
    return error, float(passed.sum() / len(truth)), int(len(truth) - passed.sum())


def measure(path: Path, alpha: float, delta: float, runs: int) -> list[dict[str, object]]:
    """One row for each policy on one stream."""
    with np.load(path, allow_pickle=False) as file:
        arrays = [file[name] if name in file.files else None for name in ("probabilities", "labels", "embeddings")]
    stream = Stream.of(*arrays)  # type: ignore[arg-type]
    rows = []
    for name, (choose, fitted) in POLICIES.items():
        found = [
            chosen(stream.shuffled(np.random.default_rng(run)), choose, fitted, alpha, delta) for run in range(runs)
        ]
        rows.append(_row(path.stem, name, alpha, found))
    simulated = simulate(*arrays, alpha=alpha, delta=delta, runs=runs, shuffle=True)  # type: ignore[arg-type]
    rows.append(
        _row(path.stem, "gate", alpha, [(run.error or 0.0, run.coverage, run.answers) for run in simulated.runs])
    )
    return rows


def unseen_digits(digits: Digits) -> npt.NDArray[np.int64]:
    """The places of the digits that the example's model was not trained on."""
    split = json.loads((DIGITS / "split.json").read_text())
    return np.setdiff1d(np.arange(len(digits)), [*split["train"], *split["tune"]])


def probabilities_of(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Logits [n, k] as probabilities."""
    chances = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def digits_stream() -> Path:
    """The digits that the example's model has never seen, as it answers them; made once."""
    made = REPORTS / "digits.npz"
    if not made.exists():
        digits = load_digits(cache_dir())
        unseen = unseen_digits(digits)
        session = onnxruntime.InferenceSession(DIGITS / "digits.onnx")
        logits, embeddings = session.run(None, {"image": digits.images[unseen][..., None]})
        made.parent.mkdir(exist_ok=True)
        np.savez(
            made,
            probabilities=probabilities_of(logits),
            labels=digits.labels[unseen],
            embeddings=embeddings,
        )
    return made


def _row(stream: str, policy: str, alpha: float, found: list[tuple[float, float, int]]) -> dict[str, object]:
    errors, coverages, answers = (np.array(column) for column in zip(*found, strict=True))
    return {
        "stream": stream,
        "policy": policy,
        "violations": float((errors > alpha).mean()),
        "error": float(errors.mean()),
        "coverage": float(coverages.mean()),
        "answers": float(answers.mean()),
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--delta", type=float, default=0.05)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    table = Table("stream", "policy", "runs above α", "error", "coverage", "answers", box=None, header_style="bold")
    rows = []
    for path in given.files or [digits_stream()]:
        for row in measure(path, given.alpha, given.delta, given.runs):
            rows.append(row)
            shares = [f"{row[name]:.1%}" for name in ("violations", "error", "coverage")]
            table.add_row(str(row["stream"]), str(row["policy"]), *shares, f"{row['answers']:,.0f}")
        sys.stderr.write(f"{path.stem} done\n")
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
