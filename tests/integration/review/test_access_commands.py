"""`streamlabel annotators` and `streamlabel audit` against a desk that asks who comes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from streamlabel.client.review import ReviewClient
from support.access import OPERATOR_TOKEN, GuardedReview, guarded
from support.command_line import Ran, streamlabel
from support.review_queue import review_queue

pytestmark = pytest.mark.integration


async def run(review: GuardedReview, *words: str, token: str = OPERATOR_TOKEN, **more: str) -> Ran:
    environ = {"STREAMLABEL_CLI_REVIEW_ADDRESS": review.address, "STREAMLABEL_TOKEN": token, **more}
    return await asyncio.to_thread(streamlabel, *words, environ=environ)


async def test_from_a_new_annotator_to_a_verified_log(postgres_database: str, tmp_path: Path) -> None:
    async with review_queue(postgres_database) as queue, guarded(queue) as review:
        added = await run(review, "annotators", "add", "ann", "--role", "annotator@mail")
        assert (added.code, added.out) == (0, "ann: annotator@mail\n")
        assert "streamlabel annotators token ann" in added.err
        made = await run(review, "annotators", "token", "ann", "--for", "the laptop")
        token = made.out.strip()
        assert (made.code, token.startswith("slt_"), token in made.err) == (0, True, False)

        file = tmp_path / "token"
        file.write_text(token + "\n")
        stats = await run(review, "review", "stats", "--json", token="", STREAMLABEL_TOKEN_FILE=str(file))
        assert [json.loads(line)["project"] for line in stats.out.splitlines()] == ["mail"]
        denied = await run(review, "annotators", "list", token=token)
        assert (denied.code, "needs a role for this: admin" in denied.err) == (78, True)
        unknown = await run(review, "annotators", "list", token="")
        assert (unknown.code, "STREAMLABEL_TOKEN" in unknown.err) == (78, True)

        [row] = [json.loads(line) for line in (await run(review, "annotators", "list", "--json")).out.splitlines()]
        assert (row["name"], row["roles"], row["state"]) == ("ann", ["annotator@mail"], "active")
        [facts] = row["tokens"]
        assert facts["token_id"] == token.split("_")[1]
        assert "the laptop" in (await run(review, "annotators", "list")).out
        assert (await run(review, "annotators", "pause", "ann")).out == "ann is paused\n"
        assert (await run(review, "annotators", "resume", "ann")).out == "ann may go on\n"
        assert (await run(review, "annotators", "revoke", "ann", "--token", "nosuch")).code == 1
        assert (await run(review, "annotators", "revoke", "ann")).out == "1 token of ann revoked\n"
        async with ReviewClient(review.address, token=token) as client:
            with pytest.raises(Exception, match="UNAUTHENTICATED"):
                await client.projects()
        assert (await run(review, "annotators", "remove", "ann")).code == 0
        gone = await run(review, "annotators", "pause", "ann")
        assert (gone.code, "there is no annotator 'ann'" in gone.err) == (1, True)
        assert (await run(review, "annotators", "add", "ann", "--role", "boss")).code == 2

        rows = [json.loads(line) for line in (await run(review, "audit", "show", "--json")).out.splitlines()]
        assert [row["action"] for row in rows] == [
            "put",
            "create_token",
            "pause",
            "resume",
            "revoke_tokens",
            "login_failed",
            "remove",
        ]
        assert {row["actor"] for row in rows} == {"operator", ""}
        assert (rows[5]["subject"], rows[5]["facts"]["why"]) == ("ann", "revoked")
        assert "create_token" in (await run(review, "audit", "show", "--after", "1")).out

        whole = await run(review, "audit", "verify", "--contains", rows[3]["digest"])
        assert whole.out == f"whole: 7 entries, each as it was written; the last digest is {rows[-1]['digest']}\n"
        assert (await run(review, "audit", "verify", "--contains", "ab" * 32)).code == 1
        await queue.database.fetch("ALTER TABLE audit DISABLE TRIGGER audit_stays")
        await queue.database.fetch("DELETE FROM audit WHERE number = 3")
        broken = await run(review, "audit", "verify")
        assert (broken.code, broken.out[:17]) == (1, "BROKEN at entry 3")
