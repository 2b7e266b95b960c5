"""`streamlabel review stats` against a desk that serves, and against none."""

from __future__ import annotations

import asyncio
import json

import pytest

from streamlabel.core.review import Annotation
from streamlabel.local.ports import choose
from support.command_line import Ran, streamlabel
from support.review_queue import review_queue, task
from support.review_server import served

pytestmark = pytest.mark.integration


async def stats(address: str, *arguments: str) -> Ran:
    environ = {"STREAMLABEL_CLI_REVIEW_ADDRESS": address}
    return await asyncio.to_thread(streamlabel, "review", "stats", *arguments, environ=environ)


async def test_it_tells_of_every_queue(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue, served(queue) as address:
        await queue.feed(*(task(f"r{i}") for i in range(4)), task("r4", needed_votes=2, priority=0.9))
        [twice] = await queue.desk.lease("ann")
        vote = Annotation(annotation_id="v", lease_token=twice.lease.lease_token, class_name="spam")
        await queue.desk.submit("ann", [vote])
        first, _ = await queue.desk.lease("ann", max_tasks=2)
        answer = Annotation(annotation_id="a", lease_token=first.lease.lease_token, class_name="spam")
        await queue.desk.submit("ann", [answer])
        shown = await stats(address)
        assert (shown.code, shown.err) == (0, "")
        heading, mail, news = (line.split() for line in shown.out.splitlines())
        assert heading == ["project", "waiting", "begun", "in", "hand", "labelled", "oldest", "answers/min"]
        assert mail[:5] == ["mail", "3", "1", "1", "1"]
        assert news == ["news", "0", "0", "0", "0", "–", "0"]
        [row] = [json.loads(line) for line in (await stats(address, "--project", "mail", "--json")).out.splitlines()]
        assert (row["open_tasks"], row["begun_tasks"], row["leased_tasks"], row["answered_tasks"]) == (3, 1, 1, 1)
        assert 0 <= row["oldest_s"] < 60
        unknown = await stats(address, "--project", "nix")
        assert unknown.code == 2
        assert "there is no project 'nix'" in unknown.err


async def test_a_desk_that_does_not_answer_is_named() -> None:
    address = f"127.0.0.1:{choose(set())}"
    found = await stats(address)
    assert found.code == 1
    assert address in found.err
    assert "Traceback" not in found.err
