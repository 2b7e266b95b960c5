"""`labels export` on the real broker."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamlabel.cli.project_table import ProjectTable
from streamlabel.local.ports import choose
from streamlabel.runtime.messages import RawRecord
from streamlabel.wire import labels
from streamlabel.wire.flow import LABELS
from support.command_line import clean_environment, kafka_environment, streamlabel
from support.label_samples import human_label, model_label
from support.nouns import text_project
from support.review_queue import review_queue, task
from support.review_server import served

pytestmark = pytest.mark.integration


def raw(label) -> RawRecord:
    return (label.key.encode(), labels.encode(label), ())


@pytest.fixture
async def environ(cluster) -> dict[str, str]:
    topic = cluster.names.topic(LABELS)
    await cluster.write(
        topic, 0, [raw(human_label("a", "4")), raw(model_label("b")), raw(human_label("a", "3", revision=2))]
    )
    await cluster.write(topic, 1, [raw(model_label("c")), raw(model_label("x", project="digits-2"))])
    return kafka_environment(cluster.servers, cluster.names.prefix)


def rows(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


async def test_the_final_label_of_each_record_of_this_project(environ: dict[str, str]) -> None:
    ran = streamlabel("labels", "export", "--project", "digits", environ=environ)
    assert ran.code == 0, ran.err
    assert sorted((row["record_id"], row["class_name"], row["revision"]) for row in rows(ran.out)) == [
        ("a", "3", 2), ("b", "3", 1), ("c", "3", 1)
    ]  # fmt: skip


async def test_every_revision_in_order(environ: dict[str, str]) -> None:
    ran = streamlabel("labels", "export", "--project", "digits", "--all-revisions", environ=environ)
    found = [(row["record_id"], row["revision"]) for row in rows(ran.out) if row["record_id"] != "c"]
    assert found == [("a", 1), ("b", 1), ("a", 2)]


async def test_a_csv_file_is_written_whole(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    ran = streamlabel("labels", "export", "--project", "digits", "--output", str(file), environ=environ)
    assert ran.code == 0, ran.err
    assert sorted(row["record_id"] for row in csv.DictReader(file.read_text().splitlines())) == ["a", "b", "c"]
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]  # noqa: ASYNC240


@pytest.mark.parametrize("name", ["labels.xlsx", "labels.csv.gz", "labels.tsv"])
async def test_a_name_that_promises_another_format_is_refused(
    environ: dict[str, str], tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    ran = streamlabel("labels", "export", "--project", "digits", "--output", str(file), environ=environ)
    assert ran.code == 78
    assert f"{file}: no export is written as {file.suffix}; known are .csv, .jsonl" in ran.err
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240


async def test_the_format_may_be_said_whatever_the_name(environ: dict[str, str], tmp_path: Path) -> None:
    for name, words in (("labels.txt", ["--format", "csv"]), ("LABELS.CSV", []), ("labels", []), ("labels.json", [])):
        file = tmp_path / name
        ran = streamlabel("labels", "export", "--project", "digits", "--output", str(file), *words, environ=environ)
        assert ran.code == 0, ran.err
        assert file.read_text().startswith("project," if words or name == "LABELS.CSV" else "{")


async def test_who_gets_nothing_hears_how_much_waits_for_people(cluster, postgres_database: str) -> None:
    environ = kafka_environment(cluster.servers, cluster.names.prefix)
    for name in ("mail", "news"):
        await ProjectTable(cluster.broker, cluster.names).apply(text_project(name))
    async with review_queue(postgres_database) as queue, served(queue) as address:
        await queue.feed(*(task(f"r{i}") for i in range(5)))
        await queue.desk.lease("ann", max_tasks=2)

        async def said(project: str, address: str) -> str:
            there = {**environ, "STREAMLABEL_CLI_REVIEW_ADDRESS": address}
            ran = await asyncio.to_thread(streamlabel, "labels", "export", "--project", project, environ=there)
            assert (ran.code, ran.out) == (0, "")
            return ran.err

        assert "no label of mail yet; 5 records wait for people" in await said("mail", address)
        assert await said("news", address) == ""
        assert await said("mail", f"127.0.0.1:{choose(set())}") == ""


async def test_a_failed_export_leaves_the_old_file_alone(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("precious")
    environ = {**environ, "STREAMLABEL_KAFKA_TOPIC_PREFIX": "nobody"}
    ran = streamlabel("labels", "export", "--project", "digits", "--output", str(file), environ=environ)
    assert ran.code == 78
    assert file.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]  # noqa: ASYNC240


async def test_an_illegal_project_name_is_refused(environ: dict[str, str]) -> None:
    ran = streamlabel("labels", "export", "--project", "No/Such", environ=environ)
    assert ran.code == 78
    assert "project name" in ran.err


async def test_a_message_that_is_no_label_is_named_and_hides_nothing_but_itself(
    cluster, environ: dict[str, str]
) -> None:
    misplaced = labels.encode(model_label("b", "9"))
    await cluster.write(
        cluster.names.topic(LABELS), 0, [(b"digits/z", b"\xff\xff", ()), (b"digits/other", misplaced, ())]
    )
    ran = streamlabel("labels", "export", "--project", "digits", environ=environ)
    assert ran.code == 0, ran.err
    assert sorted((row["record_id"], row["class_name"]) for row in rows(ran.out)) == [
        ("a", "3"),
        ("b", "3"),
        ("c", "3"),
    ]
    assert f"{cluster.names.topic(LABELS)}[0] at offset 3" in ran.err
    assert "the label of digits/b lies under key b'digits/other'" in ran.err


async def test_following_shows_what_comes_and_ends_cleanly_on_ctrl_c(cluster, environ: dict[str, str]) -> None:
    command = [sys.executable, "-m", "streamlabel.cli.app", "labels", "export", "--project", "digits", "--follow"]
    with subprocess.Popen(  # noqa: ASYNC220 - the test has nothing else to do meanwhile
        command, env=clean_environment(environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = [json.loads(process.stdout.readline())["record_id"] for _ in range(3)]
        assert sorted(first) == ["a", "b", "c"]
        await cluster.write(cluster.names.topic(LABELS), 1, [raw(human_label("c", "8", revision=1))])
        assert json.loads(process.stdout.readline())["class_name"] == "8"
        process.send_signal(2)
        started = time.monotonic()
        assert process.wait(timeout=15) == 130
        assert time.monotonic() - started < 10
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
