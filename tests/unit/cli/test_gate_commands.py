"""`certify scores` and `simulate` as a newcomer meets them: files in, a plain answer out, and what is wrong with a file."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from streamlabel.cli.app import make_app
from streamlabel.errors import ConfigurationError
from support.command_line import clean_environment, streamlabel


def answers(count: int = 1500, labelled: int = 1200) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and 1, 0 or -1 (nobody looked)."""
    chance = np.random.default_rng(1)
    scores = chance.random(count).round(6)
    correct = (chance.random(count) < 0.6 + 0.4 * np.sqrt(scores)).astype(int)
    correct[labelled:] = -1
    return scores, correct


def refused(*words: str) -> str:
    """What a command refuses to do, in its own words; without a process for each, which takes a second."""
    with pytest.raises(ConfigurationError) as caught:
        make_app(words)(list(words), standalone_mode=False)
    return str(caught.value)


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
    assert "The gate opened first after" in words
    assert "opened: from score" in words
    assert ": – (allowed" not in words


def test_who_wants_to_look_again_is_told_how_and_counted_looks_are_stricter(table: Path) -> None:
    said = streamlabel("certify", "scores", str(table), "--alpha", "0.01").out
    assert "begin with --look 1, then --look 2" in said
    assert "looking again without it breaks the promise" in said
    first = streamlabel("certify", "scores", str(table), "--alpha", "0.01", "--look", "1").out
    assert "Not certified at look 1 (tested at 0.025 of 0.05)" in first
    assert "Come back with all of them and --look 2." in first
    only, third = (
        json.loads(streamlabel("certify", "scores", str(table), "--alpha", "0.1", "--json", "-", *words).out)
        for words in ((), ("--look", "3"))
    )
    assert (only["look"], only["level"], third["look"]) == (None, 0.05, 3)
    assert third["level"] == pytest.approx(0.05 / 12)
    assert third["coverage"] < only["coverage"]
    assert "Certified at look 3" in streamlabel("certify", "scores", str(table), "--alpha", "0.1", "--look", "3").out


def test_a_script_may_require_a_certificate(table: Path) -> None:
    assert streamlabel("certify", "scores", str(table), "--alpha", "0.01").code == 0
    assert streamlabel("certify", "scores", str(table), "--alpha", "0.01", "--require").code == 1
    assert streamlabel("certify", "scores", str(table), "--alpha", "0.1", "--require").code == 0


def test_of_nothing_labelled_no_error_is_told_but_why_it_never_opened(stream: Path) -> None:
    words = streamlabel("simulate", str(stream), "--alpha", "0.001").out
    assert "wrong of those: – (allowed: 0.10%)" in words
    assert "The gate never opened: " in words
    (run,) = json.loads(streamlabel("simulate", str(stream), "--alpha", "0.001", "--json", "-").out)["runs"]
    assert (run["coverage"], run["error"], run["error_last_quarter"]) == (0, None, None)
    assert {each["error"] for each in run["windows"]} == {None}


def test_a_long_simulation_shows_how_far_it_is_and_ctrl_c_says_what_became_of_it(stream: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    out = tmp_path / "runs.json"
    words = ["simulate", str(stream), "--alpha", "0.1", "--runs", "1000", "--json", str(out)]
    with subprocess.Popen(
        [sys.executable, "-m", "streamlabel.cli.app", *words],
        env=clean_environment({"TERM": "xterm"}),
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        screen = b""
        while b"run 2 of 1000" not in screen:
            screen += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 4096):
                screen += piece
        os.close(ours)
        assert process.wait(60) == 130
        assert process.stdout is not None
        assert process.stdout.read() == b""
    assert re.search(rb"streamlabel: stopped in run \d+ of 1000; nothing was written", screen)
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("score,corect\n0.5,1\n", "has no column 'correct'; did you mean 'corect'?"),
        ("score,correct\n0.5,1\nx,1\n", "line 3, column 'score': 'x' is no number"),
        ("score,correct\n0.5,1\n\n,1\n", "line 4, column 'score': nothing is no number"),
        ("score,correct\n0.5,yes\n", "line 2, column 'correct': 'yes' is neither 1, 0 nor empty"),
        ("score,correct\n0.5,1\n0.5\n", "line 3 has 1 column, but the header names 2 columns"),
        ('text,score,correct\n"two\nlines",0.5,1\n"two\nlines",x,1\n', "line 4, column 'score': 'x' is no number"),
        ("score,correct\n0.5,\n0.5,1\ninf,1\n", "line 4, column 'score': 'inf' is no finite number"),
        ("score,correct\n" + "0.5,1\n" * 5, "5 answers are too few"),
        ("score;correct\n0,5;1\n", "separates its columns by semicolons (';'): export it with commas"),
        ("score\tcorrect\n0.5\t1\n", "separates its columns by tabs"),
        ("score,score,correct\n0.5,0.5,1\n", "names the column 'score' twice"),
        ("", "bad.csv is empty"),
    ],
)
def test_a_table_that_cannot_be_answers_is_refused_by_line_and_column(
    tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)
    assert message in refused("certify", "scores", str(file), "--alpha", "0.1")


def test_what_is_no_table_is_refused_by_its_name_or_its_bytes(table: Path, tmp_path: Path) -> None:
    def of(file: Path) -> str:
        return refused("certify", "scores", str(file), "--alpha", "0.1")

    book = tmp_path / "answers.xlsx"
    book.write_bytes(table.read_bytes())
    assert "no scores are read from .xlsx; known are .csv, .parquet, .pq" in of(book)
    (tmp_path / "bytes.csv").write_bytes(b"score,correct\n\xff\xfe\n")
    assert "is no CSV: byte 14 is no UTF-8" in of(tmp_path / "bytes.csv")
    assert "cannot be read: Is a directory" in of(tmp_path)
    parquet.write_table(pa.table({"score": [0.5, None], "correct": [1, 1]}), tmp_path / "gap.parquet")
    assert "row 1 (counted from 0), column 'score': nothing is no number" in of(tmp_path / "gap.parquet")
    loud = tmp_path / "ANSWERS.CSV"
    loud.write_bytes(table.read_bytes())
    assert streamlabel("certify", "scores", str(loud), "--alpha", "0.1").code == 0


def test_a_table_of_very_many_columns_is_refused_as_fast_as_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    file.write_text(",".join(f"c{column}" for column in range(200_000)) + "\n")
    message = refused("certify", "scores", str(file), "--alpha", "0.1")
    assert "has no column 'score'; it has 'c0', 'c1'" in message
    assert "and 199,950 more" in message
    parquet.write_table(pa.table([[0.5], [0.6], [1]], names=["score", "score", "correct"]), tmp_path / "twice.parquet")
    assert refused("certify", "scores", str(tmp_path / "twice.parquet"), "--alpha", "0.1").endswith(
        "names the column 'score' twice"
    )


def test_arrays_that_are_none_are_refused_without_being_read(tmp_path: Path) -> None:
    def of(name: str, header: bytes) -> str:
        file = tmp_path / "odd.npz"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(f"{name}.npy", header)
        return refused("simulate", str(file), "--alpha", "0.1")

    vast = io.BytesIO()
    np.lib.format.write_array_header_1_0(vast, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 2)})
    assert "array 'probabilities' is larger than the memory here" in of("probabilities", vast.getvalue() + bytes(100))
    assert "array 'labels' is damaged" in of("labels", b"\x93NUMPY\x01\x00\x10\x00{'descr': xxxxxxx")
    np.savez(tmp_path / "complex.npz", probabilities=np.full((50, 2), 0.5 + 0.1j), labels=np.zeros(50))
    message = refused("simulate", str(tmp_path / "complex.npz"), "--alpha", "0.1")
    assert "probabilities must be numbers: these are complex" in message
    np.savez(tmp_path / "complex.npz", probabilities=np.full((50, 2), 0.5), labels=np.zeros(50, dtype=complex))
    assert "labels must be whole numbers from 0 to 1, not complex128" in refused(
        "simulate", str(tmp_path / "complex.npz"), "--alpha", "0.1"
    )


def test_embeddings_too_long_to_be_used_are_told_as_such(tmp_path: Path) -> None:
    wide = np.ones((50, 5000), dtype=np.float32)
    np.savez(tmp_path / "wide.npz", probabilities=np.full((50, 2), 0.5), labels=np.zeros(50), embeddings=wide)
    done = streamlabel("simulate", str(tmp_path / "wide.npz"), "--alpha", "0.1")
    assert done.code == 0
    assert "embeddings of 5,000 numbers are not used; 4,096 are the most" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("certify", "scores", "--alpha", "5"), "--alpha must lie strictly between 0 and 1, not 5; did you mean 0.05?"),
        (("certify", "scores", "--alpha", "0"), "--alpha must lie strictly between 0 and 1, not 0"),
        (("certify", "scores", "--alpha", "0.1", "--delta", "1"), "--delta must lie strictly between 0 and 1, not 1"),
        (("simulate", "--alpha", "5"), "--alpha must lie strictly between 0 and 1, not 5; did you mean 0.05?"),
        (("simulate", "--alpha", "0.1", "--lane-rate", "5"), "--lane-rate must lie between 0.001 and 1, not 5; did you mean 0.05?"),
        (("simulate", "--alpha", "0.1", "--annotator-error", "-1"), "--annotator-error must lie between 0 and 1, not -1"),
        (("simulate", "--alpha", "0.1", "--double-blind-share", "2"), "--double-blind-share must lie between 0 and 1, not 2"),
        (("simulate", "--alpha", "0.1", "--change-at", "3000"), "--change-at must be a place in the stream of 3,000 records"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_option_is_not_blamed_on_the_file(
    table: Path, stream: Path, options: tuple[str, ...], message: str
) -> None:
    file = str(table if options[0] == "certify" else stream)
    assert refused(*options, file).startswith(message)


def test_files_that_are_no_stream_are_refused(tmp_path: Path, table: Path, stream: Path) -> None:
    def of(file: Path, *words: str) -> str:
        return refused("simulate", str(file), "--alpha", "0.1", *words)

    assert "an .npz or .parquet file" in of(table)
    assert "there is no file" in of(tmp_path / "none.npz")
    (tmp_path / "cut.npz").write_bytes(stream.read_bytes()[:500])
    assert "is no .npz file, or one that was cut off" in of(tmp_path / "cut.npz")
    (tmp_path / "empty.npz").write_bytes(b"")
    assert "empty.npz is empty" in of(tmp_path / "empty.npz")
    (tmp_path / "words.npz").write_text("probabilities, labels" * 10)
    said = of(tmp_path / "words.npz")
    assert "is no .npz file" in said
    assert "pickle" not in said
    whole = bytearray(stream.read_bytes())
    whole[200:208] = b"\0\1\2\3\4\5\6\7"
    (tmp_path / "rot.npz").write_bytes(whole)
    assert "damaged" in of(tmp_path / "rot.npz")
    np.savez(tmp_path / "half.npz", probabilities=np.full((30, 2), 0.5))
    assert "has no array 'labels'" in of(tmp_path / "half.npz")
    np.savez(tmp_path / "evil.npz", probabilities=np.array([{}] * 30), labels=np.zeros(30))
    said = of(tmp_path / "evil.npz")
    assert "array 'probabilities' holds Python objects; it must hold numbers" in said
    assert "pickle" not in said
    parquet.write_table(pa.table({"probabilities": [[0.5, 0.5], [1.0]], "labels": [0, 0]}), tmp_path / "torn.parquet")
    assert "the lists of column 'probabilities' are not all of one length" in of(tmp_path / "torn.parquet")
    assert "a plot is .png, .svg, .pdf" in of(stream, "--plot", "x.xlsx")
    ran = streamlabel("simulate", str(stream), "--alpha", "0.1", "--json", "/nowhere/x.json")
    assert ran.code == 78
    assert "cannot be written" in ran.err
    assert "Traceback" not in ran.err
