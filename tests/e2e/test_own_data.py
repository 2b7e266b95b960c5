"""One's own messages: a table as a spreadsheet saves it, a dozen classes, people alone; and what comes out is what was answered."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamlabel.cli.connection import connect
from streamlabel.client import ReviewClient
from streamlabel.core.record import TextPayload
from streamlabel.local.stack import Stack
from support.command_line import Ran, streamlabel

pytestmark = pytest.mark.e2e

CLASSES = [
    "card",
    "transfer",
    "top_up",
    "exchange_rate",
    "account",
    "travel",
    "cash",
    "loan",
    "pin",
    "fee",
    "fraud",
    "other",
]
QUESTIONS = ("since when?", 'they said "no"; why?', "5 € are missing,\nand again 5")
# The text of each message, and the class that it is to get.
WANTED = {f"{subject}: {question}": subject for subject in CLASSES for question in QUESTIONS}
DEADLINE_S = 60.0

Call = Callable[..., Ran]


@pytest.fixture
def call(stack: Stack) -> Call:
    return lambda *arguments: streamlabel(*arguments, "--data-dir", str(stack.data.root))


def write_project(folder: Path) -> Path:
    file = folder / "letters.yaml"
    file.write_text(f"project: letters\npayload: text\ntaxonomy: {{classes: [{', '.join(CLASSES)}]}}\n")
    return file


def write_messages(folder: Path) -> Path:
    """With a byte order mark, semicolons and Windows line ends; two of its rows cannot be sent."""
    file = folder / "letters.csv"
    with file.open("w", encoding="utf-8-sig", newline="") as stream:
        rows = csv.writer(stream, delimiter=";")
        rows.writerow(["Message", "Received"])
        rows.writerows([text, f"2026-01-{day % 28 + 1:02d}"] for day, text in enumerate(WANTED))
        rows.writerow(["", "2026-01-30"])
        rows.writerow(["cells", "that", "are too many"])
    return file


async def answer_all(stack: Stack) -> None:
    """As a person would: now and then put aside at first, now and then the wrong class and back."""
    hesitated: set[str] = set()
    answered: set[str] = set()
    deadline = time.monotonic() + DEADLINE_S
    address = connect(stack.data.root, environ={}).review_address
    async with ReviewClient(address) as client, client.work("letters", "nora", idle_timeout_s=5.0) as session:
        async for leased in session:
            assert time.monotonic() < deadline, f"only {len(answered)} answered"
            payload = leased.task.record.payload
            assert isinstance(payload, TextPayload)
            text, wanted = payload.text, WANTED[payload.text]
            if wanted in ("pin", "fee") and text not in hesitated:
                hesitated.add(text)
                if wanted == "pin":
                    await session.give_back(leased)
                else:
                    await session.answer(leased, "other")
                    await session.undo()
                continue
            await session.answer(leased, wanted)
            assert text not in answered
            answered.add(text)
            if answered == WANTED.keys():
                return
    raise AssertionError(f"no more tasks came after {len(answered)} answers")


def exported(call: Call, file: Path) -> Path:
    """All labels with their texts, as soon as the last one is there."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        ran = call("labels", "export", "--project", "letters", "--with-content", "--output", str(file))
        assert ran.code == 0, ran.err
        rows = json_lines(file) if file.suffix == ".jsonl" else table(file)
        # An answer that was taken back may have left: its correction replaces it, a moment later.
        if len(rows) == len(WANTED) and all(row["class_name"] == WANTED[str(row["content"])] for row in rows):
            return file
        assert time.monotonic() < deadline, ran.err
        time.sleep(0.5)


def json_lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def table(file: Path) -> list[dict[str, object]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return [dict(row) for row in csv.DictReader(stream)]


async def test_what_comes_out_is_what_was_answered(stack: Stack, call: Call, tmp_path: Path) -> None:
    messages = write_messages(tmp_path)
    send = ("records", "send", "--project", "letters", str(messages), "--text-column", "Message", "--all-attributes")
    send += ("--rejects", str(tmp_path / "rejects.jsonl"))

    too_early = call(*send)
    assert too_early.code == 78
    assert "there is no project 'letters'" in too_early.err
    assert "streamlabel project apply" in too_early.err
    assert "there is no project" in call("labels", "export", "--project", "letters").err

    assert call("project", "apply", str(write_project(tmp_path))).code == 0
    sent = call(*send)
    assert sent.code == 1, sent.err
    assert f"{len(WANTED)} records sent" in sent.out
    assert [row["detail"] for row in json_lines(tmp_path / "rejects.jsonl")] == [
        "column 'Message' is empty",
        "3 fields; the first line names 2",
    ]
    assert "was sent to 'letters' before" in call(*send).out
    assert f"{len(WANTED)} of them were there already" in call(*send, "--again").out

    await answer_all(stack)

    rows = table(exported(call, tmp_path / "labels.csv"))
    assert {row["content"]: row["class_name"] for row in rows} == WANTED
    assert len({row["record_id"] for row in rows}) == len(WANTED)
    assert {row["annotators"] for row in rows} == {"nora"}
    assert all(json.loads(str(row["attributes"]))["Received"].startswith("2026-01-") for row in rows)
    as_json = json_lines(exported(call, tmp_path / "labels.jsonl"))
    assert [(row["record_id"], row["class_name"], row["content"]) for row in as_json] == [
        (row["record_id"], row["class_name"], row["content"]) for row in rows
    ]
    [queue] = [json.loads(line) for line in call("review", "stats", "--project", "letters", "--json").out.splitlines()]
    assert (queue["open_tasks"], queue["leased_tasks"], queue["answered_tasks"]) == (0, 0, len(WANTED))
