"""`certify scores` and `simulate` as a newcomer meets them: files in, a plain answer out, and what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from support.command_line import streamlabel


def answers(count: int = 1500, labelled: int = 1200) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and 1, 0 or -1 (nobody looked)."""
    chance = np.random.default_rng(1)
    scores = chance.random(count).round(6)
    correct = (chance.random(count) < 0.6 + 0.4 * np.sqrt(scores)).astype(int)
    correct[labelled:] = -1
    return scores, correct


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "answers.csv"
    rows = (f"{score},{'' if right < 0 else right}" for score, right in zip(*answers(), strict=True))
    file.write_text("score,correct\n" + "\n".join(rows) + "\n")
    return file


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    chance = np.random.default_rng(2)
    hard = chance.random(3000)
    first = 1 - hard / 2
    wrong = chance.random(3000) < 0.8 * hard**3
    file = tmp_path / "stream.npz"
    np.savez(file, probabilities=np.column_stack((first, 1 - first)), labels=wrong.astype(int))
    return file


def test_scores_are_certified_told_saved_and_drawn(table: Path, tmp_path: Path) -> None:
    ran = streamlabel(
        "certify", "scores", str(table), "--alpha", "0.1", "--json", str(tmp_path / "c.json"), "--plot", str(tmp_path / "c.png")
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.out.startswith("Certified: from score ")
    found = json.loads((tmp_path / "c.json").read_text())
    scores, correct = answers()
    above = (scores >= found["threshold"]) & (correct >= 0)
    assert (found["n"], found["k"]) == (above.sum(), (correct[above] == 0).sum())
    assert found["bound"] <= 0.1
    assert found["coverage"] == pytest.approx((scores >= found["threshold"]).mean())
    assert (found["certified"], found["more_labels_needed"]) == (True, 0)
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_parquet_says_the_same_as_csv(table: Path, tmp_path: Path) -> None:
    scores, correct = answers()
    cells = [None if right < 0 else int(right) for right in correct]
    parquet.write_table(pa.table({"score": scores, "correct": cells}), tmp_path / "answers.parquet")
    said = [
        json.loads(streamlabel("certify", "scores", str(file), "--alpha", "0.1", "--json", "-").out)
        for file in (table, tmp_path / "answers.parquet")
    ]
    assert said[0] == said[1]


def test_what_is_missing_is_told(table: Path) -> None:
    ran = streamlabel("certify", "scores", str(table), "--alpha", "0.01", "--json", "-")
    found = json.loads(ran.out)
    assert (ran.code, found["certified"], found["threshold"], found["bound"]) == (0, False, None, None)
    assert found["more_labels_needed"] > 0
    assert "more answers" in streamlabel("certify", "scores", str(table), "--alpha", "0.01").out


def test_a_stream_is_simulated_the_same_each_time(stream: Path, tmp_path: Path) -> None:
    said = [
        streamlabel("simulate", str(stream), "--alpha", "0.1", "--runs", "2", "--json", "-", "--plot", str(tmp_path / "s.svg"))
        for _ in range(2)
    ]  # fmt: skip
    assert said[0].out == said[1].out
    found = json.loads(said[0].out)
    assert {"violation_rate", "violation_ci", "runs"} <= found.keys()
    first, second = found["runs"]
    assert first != second
    assert first["error"] <= 0.1
    assert first["transitions"][0]["state"] == "certified"
    assert (tmp_path / "s.svg").read_text().startswith("<?xml")
    words = streamlabel("simulate", str(stream), "--alpha", "0.1").out
    assert "Labelled by the model:" in words
    assert "Opened first after" in words


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("score,corect\n0.5,1\n", "has no column 'correct'; did you mean 'corect'?"),
        ("score,correct\n0.5,1\nx,1\n", "row 3, column 'score': 'x' is no number"),
        ("score,correct\n0.5,yes\n", "row 2, column 'correct': 'yes' is neither 1, 0 nor empty"),
        ("score,correct\n0.5,1\n0.5\n", "row 3 has another number of columns"),
        ("score,correct\n" + "0.5,1\n" * 5, "5 answers are too few"),
        ("score,correct\n" + "nan,1\n" * 30, "row 0: score is no finite number"),
        ("", "has no column 'score'; it has none"),
    ],
)
def test_a_table_that_cannot_be_answers_is_refused_by_row_and_column(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)
    ran = streamlabel("certify", "scores", str(file), "--alpha", "0.1")
    assert ran.code == 78
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_files_that_are_no_stream_are_refused(tmp_path: Path, table: Path, stream: Path) -> None:
    def refused(*words: str) -> str:
        ran = streamlabel("simulate", *words)
        assert ran.code == 78
        assert "Traceback" not in ran.err
        return ran.err

    assert "an .npz or .parquet file" in refused(str(table), "--alpha", "0.1")
    assert "there is no file" in refused(str(tmp_path / "none.npz"), "--alpha", "0.1")
    (tmp_path / "cut.npz").write_bytes(stream.read_bytes()[:500])
    assert "cannot be read as .npz" in refused(str(tmp_path / "cut.npz"), "--alpha", "0.1")
    np.savez(tmp_path / "half.npz", probabilities=np.full((30, 2), 0.5))
    assert "has no array 'labels'" in refused(str(tmp_path / "half.npz"), "--alpha", "0.1")
    np.savez(tmp_path / "evil.npz", probabilities=np.array([{}] * 30), labels=np.zeros(30))
    assert "cannot be read as .npz" in refused(str(tmp_path / "evil.npz"), "--alpha", "0.1")
    assert "a plot is .png, .svg, .pdf" in refused(str(stream), "--alpha", "0.1", "--plot", "x.xlsx")
    assert "cannot be written" in refused(str(stream), "--alpha", "0.1", "--json", "/nowhere/x.json")
