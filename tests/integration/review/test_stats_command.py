"""`streamlabel review stats` and `people` against a desk that serves, and against none."""

from __future__ import annotations

import asyncio
import json

import pytest

from streamlabel.core.decision import Purpose
from streamlabel.core.history import SkipReason
from streamlabel.core.review import Annotation
from streamlabel.local.ports import choose
from support.command_line import Ran, streamlabel
from support.review_queue import review_queue, task
from support.review_server import served

pytestmark = pytest.mark.integration


async def review(address: str, *arguments: str) -> Ran:
    environ = {"STREAMLABEL_CLI_REVIEW_ADDRESS": address}
    return await asyncio.to_thread(streamlabel, "review", *arguments, environ=environ)


async def stats(address: str, *arguments: str) -> Ran:
    return await review(address, "stats", *arguments)


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
        assert heading == [
            "project",
            "waiting",
            "begun",
            "in",
            "hand",
            "set",
            "aside",
            "contested",
            "labelled",
            "oldest",
            "answers/min",
        ]
        assert mail[:7] == ["mail", "3", "1", "1", "0", "0", "1"]
        assert news == ["news", "0", "0", "0", "0", "0", "0", "–", "0"]
        [row] = [json.loads(line) for line in (await stats(address, "--project", "mail", "--json")).out.splitlines()]
        assert (row["open_tasks"], row["begun_tasks"], row["leased_tasks"], row["answered_tasks"]) == (3, 1, 1, 1)
        assert 0 <= row["oldest_s"] < 60
        unknown = await stats(address, "--project", "nix")
        assert unknown.code == 2
        assert "there is no project 'nix'" in unknown.err


async def test_it_tells_how_people_are_doing(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue, served(queue) as address:
        nobody = await review(address, "people", "--project", "mail")
        assert (nobody.code, "nobody has answered" in nobody.out) == (0, True)
        await queue.feed(*(task(f"{i}", needed_votes=3) for i in range(20)))
        for name in ("ann", "bob", "cat [bold]"):
            for number in range(20):
                [leased] = await queue.desk.lease(name)
                record_id = leased.task.key.record_id
                said = "ham" if name == "bob" and int(record_id) < 5 else "spam"
                vote = Annotation(
                    annotation_id=f"{number}",
                    lease_token=leased.lease.lease_token,
                    class_name=said,
                    think_time_ms=1500 + number,
                )
                await queue.desk.submit(name, [vote])
        await queue.feed(task("alone"))
        [leased] = await queue.desk.lease("ann")
        single = Annotation(annotation_id="s", lease_token=leased.lease.lease_token, class_name="ham", think_time_ms=9)
        await queue.desk.submit("ann", [single])
        undone = await queue.desk.undo("ann", "s")
        again = Annotation(annotation_id="t", lease_token=undone.leased.lease.lease_token, class_name="spam")
        await queue.desk.submit("ann", [again])
        shown = await review(address, "people", "--project", "mail")
        heading, ann, bob, cat = shown.out.splitlines()
        assert heading.split() == ["person", "answers", "shared", "agreed", "skill", "seconds", "each"]
        assert ann.split() == ["ann", "21", "20", "100.0%", "–", "1.5"]
        assert bob.split() == ["bob", "20", "20", "75.0%", "–", "1.5"]
        assert cat.startswith("cat [bold]")

        mail = queue.projects.by_name["mail"]
        assert await queue.crowds.refit(mail)
        await queue.crowds.refresh()
        lines = (await review(address, "people", "--project", "mail", "--json", "--days", "1")).out.splitlines()
        people = {row["annotator"]: row for row in map(json.loads, lines)}
        assert (people["bob"]["agreement"], people["bob"]["agreeing_votes"]) == (0.75, 15)
        assert people["bob"]["skill"] < 0.85 < people["ann"]["skill"]
        unknown = await review(address, "people", "--project", "nix")
        assert unknown.code == 2
        assert "there is no project 'nix'" in unknown.err


async def test_what_became_of_a_record_and_of_those_set_aside(postgres_database: str) -> None:
    """Pain 8: nobody has to look for tasks that are stuck, nor to hand them out one by one."""
    async with review_queue(postgres_database) as queue, served(queue) as address:
        await queue.feed(task("r/1 [red]", purpose=Purpose.CALIBRATE, blind=True), task("r2"))
        skipped, other = await queue.desk.lease("ann", max_tasks=2)
        await queue.aside.skip("ann", skipped.lease.lease_token, SkipReason.CANNOT_TELL, "[bold]smudged[/bold]")
        await queue.aside.escalate("ann", other.lease.lease_token, "ask the chief")
        [given] = await queue.desk.lease("bob")
        held = await review(address, "show", "mail/r/1 [red]")
        assert "in the hands of bob since" in held.out
        annotation = Annotation(
            annotation_id="a", lease_token=given.lease.lease_token, class_name="spam", think_time_ms=2300
        )
        await queue.desk.submit("bob", [annotation])

        shown = await review(address, "show", "mail/r/1 [red]")
        assert (shown.code, shown.err) == (0, "")
        assert "mail/r/1 [red]: has its label" in shown.out
        assert "asked to calibrate" in shown.out
        events = [line.split("Z", 1)[-1].split() for line in shown.out.splitlines() if line.startswith("20")]
        assert [" ".join(each) for each in events] == [
            "arrived –",
            "skipped, cannot tell: [bold]smudged[/bold] ann",
            "answered 'spam' after 2.3 s bob",
            "label, revision 1: 'spam' –",
        ]
        told = json.loads((await review(address, "show", "mail/r/1 [red]", "--json")).out)
        assert [event["kind"] for event in told["events"]] == ["arrived", "skipped", "answered", "labelled"]
        assert (told["model_name"], told["decision"]["score"], told["suggestion"]) == ("m", 0.4, None)
        # bob could take the answer back: nothing is told that could sway another one.
        blind = json.loads((await review(address, "show", "mail/r/1 [red]", "--as", "bob", "--json")).out)
        assert [event["kind"] for event in blind["events"]] == ["arrived", "answered"]
        assert (blind["model_name"], blind["decision"]["score"]) == ("", 0)

        [row] = (await review(address, "list", "--project", "mail", "--state", "escalated", "--json")).out.splitlines()
        assert (json.loads(row)["record_id"], json.loads(row)["escalation"]) == ("r2", "by_person")
        listed = (await review(address, "list", "-p", "mail", "--limit", "1")).out
        assert "r/1 [red]" in listed
        assert "r2" not in listed
        assert "set aside, as a person said" in (await review(address, "list", "-p", "mail")).out
        back = await review(address, "requeue", "--project", "mail")
        assert back.out == "1 task is in the queue of mail again\n"
        assert (await review(address, "requeue", "--project", "mail")).out.startswith("0 tasks are")
        assert "no task of mail stands so" in (await review(address, "list", "-p", "mail", "--state", "escalated")).out
        for arguments, words in (
            (("show", "mail"), "is not of the form <project>/<record_id>"),
            (("show", "mail/none"), "no person was asked about 'none'"),
            (("show", "nix/r1"), "there is no project 'nix'"),
            (("requeue", "--project", "nix"), "there is no project 'nix'"),
        ):
            refused = await review(address, *arguments)
            assert refused.code == 2
            assert words in " ".join(refused.err.replace("│", " ").split())


async def test_a_desk_that_does_not_answer_is_named() -> None:
    address = f"127.0.0.1:{choose(set())}"
    found = await stats(address)
    assert found.code == 1
    assert address in found.err
    assert "Traceback" not in found.err
