"""`streamlabel records send` against a real door."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.command_line import Ran, clean_environment
from support.door import DIGITS, MAIL, PNG
from support.pipeline import Pipeline
from support.running_door import RunningDoor, ids, running_door

pytestmark = pytest.mark.integration


@pytest.fixture
async def door(kafka: str, topic_prefix: str) -> AsyncIterator[RunningDoor]:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    for each in (MAIL, DIGITS):
        await pipeline.apply_project(each)
    async with running_door(pipeline, kafka) as running:
        yield running


async def start(
    door: RunningDoor, where: Path, *arguments: str, stdin: bytes | None = None
) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "streamlabel.cli.app",
        "records",
        "send",
        *arguments,
        cwd=where,
        env=clean_environment(
            {"STREAMLABEL_DATA_DIR": str(where / "data"), "STREAMLABEL_CLI_INGEST_ADDRESS": door.address}
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    if stdin is not None:
        process.stdin.write(stdin)
    process.stdin.close()
    return process


async def finish(process: asyncio.subprocess.Process) -> Ran:
    async with asyncio.timeout(60):
        out, err = await asyncio.gather(process.stdout.read(), process.stderr.read())  # type: ignore[union-attr]
        code = await process.wait()
    return Ran(code, out.decode(), err.decode())


async def send(door: RunningDoor, where: Path, *arguments: str, stdin: bytes | None = None) -> Ran:
    return await finish(await start(door, where, *arguments, stdin=stdin))


async def test_a_table_with_bad_lines(door: RunningDoor, tmp_path: Path) -> None:
    (tmp_path / "mail.csv").write_bytes(b'id,text,lang\n1,"hello, you",en\n2,,en\n3,caf\xe9,fr\n4,bye,en\n')
    ran = await send(door, tmp_path, "mail.csv", "-p", "mail", "--id-column", "id", "--all-attributes")
    assert ran.code == 1
    assert "2 records sent to 'mail'" in ran.out
    assert "mail.csv, line 4: INVALID_TEXT" in ran.err
    rejects = [json.loads(line) for line in (tmp_path / "mail.csv.rejects.jsonl").read_text().splitlines()]
    assert [row["line"] for row in rejects] == [3, 4]
    assert sorted(ids(await door.written(2))) == ["1", "4"]
    table = tmp_path / "mail.csv.rejects.csv"
    assert table.read_bytes() == b"id,text,lang\n2,,en\n3,caf\xe9,fr\n"
    assert f"to mend them and send that file: {table.name}" in ran.err
    table.write_bytes(table.read_bytes().replace(b"\xe9", "é".encode()).replace(b"2,,", b"2,mended,"))
    mended = await send(door, tmp_path, table.name, "-p", "mail", "--id-column", "id", "--all-attributes")
    assert (mended.code, mended.err) == (0, "")
    assert sorted(ids(await door.written(4))) == ["1", "2", "3", "4"]


async def test_lines_behind_an_open_quotation_mark_are_counted(door: RunningDoor, tmp_path: Path) -> None:
    (tmp_path / "mail.csv").write_text("text\nfine\n" + '"open\n' + "lost\n" * 1_500)
    ran = await send(door, tmp_path, "mail.csv", "-p", "mail")
    assert ran.code == 1
    assert "1 record sent" in ran.out
    assert "1 refused: see mail.csv.rejects.jsonl\nan open quotation mark: 1,500 lines behind it were not" in ran.err
    summary = json.loads((await send(door, tmp_path, "mail.csv", "-p", "mail", "--json", "--again")).out)
    assert (summary["rejected"], summary["swallowed_lines"]) == (1, 1_500)
    assert summary["rejects_table"] == "mail.csv.rejects.csv"


async def test_json_lines_from_a_pipe_and_a_summary_for_scripts(door: RunningDoor, tmp_path: Path) -> None:
    lines = b'{"text": "one"}\n{"txt": "typo"}\n{"text": "one"}\n{"uri": "s3://wrong/kind"}\n'
    ran = await send(door, tmp_path, "-", "-p", "mail", "--json", stdin=lines)
    summary = json.loads(ran.out)
    assert ran.code == 1
    assert (summary["accepted"], summary["duplicate"], summary["rejected"]) == (1, 1, 2)
    assert summary["rejects_file"] == "stdin.rejects.jsonl"


async def test_a_folder_of_images(door: RunningDoor, tmp_path: Path) -> None:
    images = tmp_path / "images"
    (images / "b").mkdir(parents=True)
    (images / "a.png").write_bytes(PNG + b"a")
    (images / "b" / "c.png").write_bytes(PNG + b"c")
    ran = await send(door, tmp_path, "images", "-p", "digits")
    assert (ran.code, ran.err) == (0, "")
    assert sorted(ids(await door.written(2))) == ["a.png", "b/c.png"]
    again = await send(door, tmp_path, "images", "-p", "digits")
    assert "was sent to 'digits' before" in again.out
    forced = await send(door, tmp_path, "images", "-p", "digits", "--again")
    assert "2 of them were there already" in forced.out
    assert "what died on its way comes back by `streamlabel dead-letters replay`" in forced.out


async def test_mistakes_cost_nothing(door: RunningDoor, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n' * 3)
    typo = await send(door, tmp_path, "a.jsonl", "-p", "mial")
    assert typo.code == 78
    assert "did you mean 'mail'?" in typo.err
    assert not (tmp_path / "a.jsonl.rejects.jsonl").exists()
    assert (await send(door, tmp_path, "nothing.csv", "-p", "mail")).code == 78
    # Nothing was remembered of the failed attempt: the right name sends all of it.
    right = await send(door, tmp_path, "a.jsonl", "-p", "mail", "--json")
    assert json.loads(right.out)["skipped"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
async def test_an_interrupted_command_goes_on_where_it_was(
    door: RunningDoor, tmp_path: Path, number: signal.Signals
) -> None:
    count = 60_000
    text = "x" * 300
    (tmp_path / "big.jsonl").write_text("".join(f'{{"record_id": "{i}", "text": "{text}"}}\n' for i in range(count)))
    running = await start(door, tmp_path, "big.jsonl", "-p", "mail")
    progress = tmp_path / "data" / "sends"
    async with asyncio.timeout(60):
        while not any(json.loads(file.read_text())["items"] for file in progress.glob("[!.]*.json")):
            await asyncio.sleep(0.02)
    running.send_signal(number)
    ran = await finish(running)
    assert ran.code == (130 if number is signal.SIGINT else -signal.SIGKILL)
    assert running.returncode is not None
    rest = await send(door, tmp_path, "big.jsonl", "-p", "mail", "--json")
    summary = json.loads(rest.out)
    assert rest.code == 0
    assert 0 < summary["skipped"] < count
    assert summary["skipped"] + summary["accepted"] + summary["duplicate"] == count
    written = Counter(ids(await door.written(count, timeout_s=60)))
    assert written == Counter(str(i) for i in range(count))
