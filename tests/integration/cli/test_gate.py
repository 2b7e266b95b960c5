"""`gate …`, `certify lot` and `labels export --confirmed`, on topics and gates that the real services wrote."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from streamlabel.cli import moments
from streamlabel.cli.learning_records import learning_records
from streamlabel.cli.lot_certificate import canonical
from streamlabel.core.control import GateState, Suspects
from streamlabel.core.decision import DecisionReason, Purpose
from streamlabel.core.label import Label, LabelSource
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import CertifiedPolicy
from streamlabel.core.review import ReviewTask
from streamlabel.local.ports import choose
from streamlabel.runtime.messages import Message
from streamlabel.wire import gates, labels, predictions, review_tasks
from streamlabel.wire.flow import GATES, LABELS, PREDICTIONS, REVIEW_TASKS
from support.command_line import Ran, kafka_environment, streamlabel
from support.gate_labels import calibrated, passed
from support.gates import COIN_KEY, NOW, a_gate, a_prediction
from support.nouns import text_project
from support.pipeline import Pipeline, service

pytestmark = pytest.mark.integration

PROJECT = text_project("mail", policy=CertifiedPolicy(alpha=0.2, delta=0.2))
HOUR_S = 3600
_INSERT_GATE = "INSERT INTO learning.gate VALUES ($1, $2, $3, $4, $5)"
_BATCH = 100


@dataclass
class Stream:
    """A stream of which the model knows nearly everything, with people who answer what they are asked."""

    pipeline: Pipeline
    sent: dict[str, Prediction] = field(default_factory=dict)
    tasks: dict[str, ReviewTask] = field(default_factory=dict)
    model_labels: dict[str, Label] = field(default_factory=dict)

    def truth(self, record_id: str) -> str:
        """What people say: of fifty records the model is wrong about one."""
        return "ham" if random.Random(record_id).random() < 0.02 else "spam"

    async def send(self) -> None:
        """The next batch of predictions; returns once each is decided, and answered where people were asked."""
        begin = len(self.sent)
        made = [a_prediction(f"r{row}", 0.7 + (row * 37 % 300) / 1001) for row in range(begin, begin + _BATCH)]
        self.sent |= {each.record.key.record_id: each for each in made}
        for partition in (0, 1):
            rows = [(each.record.key.encode(), predictions.encode(each), ()) for each in made[partition::2]]
            await self.pipeline.write(self.pipeline.names.topic(PREDICTIONS), partition, rows)
        while len(self.model_labels) + len(self.tasks) < len(self.sent):
            await asyncio.sleep(0.02)

    async def people(self) -> None:
        """Answers every task as it comes, for ever."""
        topic, appender = self.pipeline.names.topic(LABELS), self.pipeline.broker.appender()
        await appender.start()
        try:
            async for messages in self._follow(self.pipeline.names.topic(REVIEW_TASKS)):
                for partition in (0, 1):
                    asked = [review_tasks.decode(each.value) for each in messages if each.partition == partition]
                    answers = [_answer(task, self.truth(task.key.record_id)) for task in asked]
                    rows = [(each.key.encode(), labels.encode(each), ()) for each in answers]
                    await appender.send(topic, partition, rows)
                    self.tasks |= {task.key.record_id: task for task in asked}
        finally:
            await appender.stop()

    async def watch(self) -> None:
        """Keeps what the model labelled, for ever."""
        async for messages in self._follow(self.pipeline.names.topic(LABELS)):
            for label in (labels.decode(each.value) for each in messages):
                if label.source is LabelSource.MODEL:
                    self.model_labels[label.key.record_id] = label

    async def _follow(self, topic: str) -> AsyncIterator[Sequence[Message]]:
        reader = self.pipeline.broker.reader(topic)
        await reader.start()
        try:
            while True:
                yield await reader.poll(0.1)
        finally:
            await reader.stop()


def _answer(task: ReviewTask, class_name: str) -> Label:
    return replace(
        # A while ago: an answer of this minute may still be on its way into the evidence.
        calibrated(task.key.record_id, moment(-0.2)),
        ingested_at=moment(-0.3),
        decision=task.decision,
        class_name=class_name,
        content_hash=task.record.content_hash,
    )


async def told(environ: Mapping[str, str], *words: str) -> Ran:
    return await asyncio.to_thread(streamlabel, *words, environ=environ)


async def confirmed_until_ms(url: str) -> float:
    async with learning_records(url) as learning:
        return float((await learning.project("mail"))["point"]["confirmed_until_ms"])


@dataclass
class Scene:
    """Learning is there, the stream has ended, and everything is answered and counted."""

    stream: Stream
    environ: dict[str, str]
    database: str

    async def run(self, *words: str, **environ: str) -> Ran:
        return await told({**self.environ, **environ}, *words)

    async def status(self) -> dict[str, Any]:
        ran = await self.run("gate", "status", "--project", "mail", "--json")
        assert ran.code == 0, ran.err
        found: dict[str, Any] = json.loads(ran.out)
        return found


@contextlib.asynccontextmanager
async def certified(kafka: str, prefix: str, dsn: str) -> AsyncIterator[Scene]:
    """A gate that opened on evidence, and some hundred labels that it let pass."""
    pipeline = await Pipeline.create(kafka, prefix)
    await pipeline.apply_project(PROJECT)
    port = choose(set())
    given = {
        **kafka_environment(kafka, prefix),
        "STREAMLABEL_COIN_KEYS": COIN_KEY.hex(),
        "STREAMLABEL_HTTP_HOST": "127.0.0.1",
        "STREAMLABEL_LOG_LEVEL": "warning",
    }
    environ = {**kafka_environment(kafka, prefix), "STREAMLABEL_CLI_LEARNING_URL": f"http://127.0.0.1:{port}/"}
    of_learning = {"STREAMLABEL_HTTP_PORT": str(port), "STREAMLABEL_LEARNING_POSTGRES_DSN": dsn}
    stream = Stream(pipeline)
    async with service("learning", {**given, **of_learning}), asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(stream.people()), tasks.create_task(stream.watch())]
        await pipeline.read(pipeline.names.topic(GATES), 1)
        async with service("routing", {**given, "STREAMLABEL_HTTP_PORT": "0"}), asyncio.timeout(90):
            while len(stream.model_labels) < 300:
                await stream.send()
        scene = Scene(stream, environ, dsn)
        ended = datetime.now(UTC).timestamp() * 1000
        async with asyncio.timeout(30):
            while await confirmed_until_ms(environ["STREAMLABEL_CLI_LEARNING_URL"]) < ended:
                await asyncio.sleep(0.2)
        for task in background:
            task.cancel()
        yield scene


async def test_a_gate_its_history_its_decisions_and_its_lot(
    kafka: str, topic_prefix: str, postgres_database: str, tmp_path: Path
) -> None:
    async with certified(kafka, topic_prefix, postgres_database) as scene:
        await the_status_is_told(scene)
        digest = await the_history_is_told_and_whole(scene)
        await every_decision_comes_out_as_it_was_logged(scene)
        await a_lot_is_certified_by_what_stands_on_the_topics(scene, tmp_path, digest)
        await an_audit_that_was_taken_out_is_found(scene)
        await a_touched_decision_is_found(scene)
        await a_touched_transition_is_found(scene)
    ran = await scene.run("gate", "status")
    assert ran.code == 1
    assert "STREAMLABEL_CLI_LEARNING_URL names another learning service" in ran.err


async def the_status_is_told(scene: Scene) -> None:
    facts = await scene.status()
    assert (facts["project"], facts["model_version"], facts["point"]["state"]) == ("mail", 1, "certified")
    ran = await scene.run("gate", "status")
    for word in ("certified", f"n {facts['point']['count']:,}", "20.00% wrong at most", "confirmed until"):
        assert word in ran.out
    ran = await scene.run("gate", "status", "--project", "nails")
    assert ran.code == 78
    assert "project 'nails' has no gate (mail has one)" in ran.err


async def the_history_is_told_and_whole(scene: Scene) -> str:
    ran = await scene.run("gate", "history", "--project", "mail", "--json")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert "certified" in {row["facts"]["state"] for row in rows}
    assert [row["number"] for row in rows] == sorted(row["number"] for row in rows)
    digest: str = rows[-1]["digest"]
    assert (await scene.run("gate", "history", "--json")).out == ran.out, "there is one project only"
    ran = await scene.run("gate", "history", "--project", "nails")
    assert (ran.code, "project 'nails' has no gate (mail has one)" in ran.err) == (78, True)
    ran = await scene.run("gate", "verify", "--contains", digest)
    assert (ran.code, digest in ran.out, ran.out[:5]) == (0, True, "whole")
    ran = await scene.run("gate", "verify", "--contains", "ab" * 32)
    assert (ran.code, ran.out[:6]) == (1, "BROKEN")
    return digest


async def every_decision_comes_out_as_it_was_logged(scene: Scene) -> None:
    stream = scene.stream
    keys = {"STREAMLABEL_COIN_KEYS": COIN_KEY.hex()}
    ran = await scene.run("gate", "replay", "--project", "mail", "--json", **keys)
    assert ran.code == 0, ran.out + ran.err
    found = json.loads(ran.out)
    decided = [task.decision for task in stream.tasks.values()]
    decided += [label.decision for label in stream.model_labels.values()]
    gated = [each for each in decided if each.reason is not DecisionReason.NO_GATE or each.gate_id]
    assert (found["replayed"], found["identical"], found["different"]) == (len(gated), len(gated), 0)
    assert sum(found["not_replayable"].values()) == len(decided) - len(gated)
    ran = await scene.run("gate", "replay", "--project", "mail")
    assert ran.code == 1
    assert "the lane bit cannot be checked without the coin's key" in ran.err
    assert "0 different" in ran.out


async def a_lot_is_certified_by_what_stands_on_the_topics(scene: Scene, tmp_path: Path, digest: str) -> None:
    stream, lot = scene.stream, ("certify", "lot", "--project", "mail", "--from", "2020-01-01")
    ran = await scene.run(*lot, "--to", "2099-01-01")
    assert ran.code == 78
    assert "--to 2099-01-01T00:00:00Z lies in the future" in ran.err
    way_out = ran.err[ran.err.index("say --to ") :].split()[2].rstrip(",")
    files = ("--json", str(tmp_path / "lot.json"), "--html", str(tmp_path / "lot.html"))
    ran = await scene.run(*lot, "--to", way_out, *files)
    assert ran.code == 0, ran.err
    found = json.loads((tmp_path / "lot.json").read_text())
    assert ran.out.startswith(found["statement"])
    lane = [each for each in stream.tasks.values() if each.decision.purpose is Purpose.CALIBRATE]
    passable = {each.key.record_id for each in lane if each.decision.score >= each.decision.threshold}
    wrong = {record_id for record_id in passable if stream.truth(record_id) != "spam"}
    assert found["labels"] == len(stream.model_labels)
    assert set(found["evidence"]["audited_records"]) == passable
    assert (found["found_wrong"], found["unanswered"], found["not_covered"]) == (len(wrong), 0, {})
    really = sum(stream.truth(record_id) != "spam" for record_id in stream.model_labels)
    assert really <= found["wrong_at_most"] < found["labels"]
    assert {each["lane_rate"] for each in found["strata"]} <= {0.05, 0.15, 0.5}
    assert found["evidence"]["transition"]["digest"] == digest
    assert found["sha256"] == hashlib.sha256(canonical(found)).hexdigest()
    assert found["labelled_by"] == [{"model_name": "m", "model_version": 1, "alpha": 0.2}]
    assert (found["suspects"], found["audits_left_out"]) == (0, 0)
    assert found["closed"][0]["state"] == "cold", "until there was evidence"
    assert "The gate was closed in this stretch" in ran.out
    page = (tmp_path / "lot.html").read_text()
    assert found["statement"] in page
    assert found["sha256"] in page
    ran = await scene.run("certify", "check", str(tmp_path / "lot.json"), "--sha256", found["sha256"])
    assert (ran.code, ran.out[:5], digest in ran.out) == (0, "whole", True)
    await gates_that_are_gone_audit_nothing(scene, (*lot, "--to", way_out, "--json", "-"), found)


async def gates_that_are_gone_audit_nothing(scene: Scene, command: Sequence[str], found: Mapping[str, Any]) -> None:
    """As after STREAMLABEL_LEARNING_HISTORY_DAYS."""
    connection = await asyncpg.connect(scene.database)
    kept = await connection.fetch("SELECT * FROM learning.gate ORDER BY gate_number")
    try:
        await connection.execute("DELETE FROM learning.gate")
        ran = await scene.run(*command)
        assert ran.code == 78
        assert "the evidence about them cannot be told any more" in ran.err
        number = max(int(each.removeprefix("mail/")) for each in found["evidence"]["gates"])
        last = [row for row in kept if row["gate_number"] == number]
        await connection.executemany(_INSERT_GATE, last)
        ran = await scene.run(*command)
        by_last = [each for each in scene.stream.model_labels.values() if each.decision.gate_id == f"mail/{number}"]
        if by_last:
            some = json.loads(ran.out)
            assert some["labels"] == len(by_last)
            assert some["audits_left_out"] == found["audited"] - some["audited"]
            assert sum(some["not_covered"].values()) == found["labels"] - len(by_last)
        await connection.executemany(_INSERT_GATE, [row for row in kept if row["gate_number"] != number])
    finally:
        await connection.close()


async def a_touched_decision_is_found(scene: Scene) -> None:
    record_id, label = next(iter(scene.stream.model_labels.items()))
    forged = replace(label, decision=replace(label.decision, score=label.decision.score / 2))
    by_nothing = replace(label, decision=replace(label.decision, gate_id="mail/123456789"))
    pipeline, partition = scene.stream.pipeline, list(scene.stream.sent).index(record_id) % 2
    rows = [(label.key.encode(), labels.encode(each), ()) for each in (forged, by_nothing)]
    await pipeline.write(pipeline.names.topic(LABELS), partition, rows)
    ran = await scene.run("gate", "replay", "--project", "mail", STREAMLABEL_COIN_KEYS=COIN_KEY.hex())
    assert ran.code == 1
    assert "1 different" in ran.out
    assert "FORGED: 1 decision names gate 'mail/123456789', which never was" in ran.out
    assert f"  {record_id}\n    logged auto_label, gate_passed, score {forged.decision.score!r}" in ran.out


async def an_audit_that_was_taken_out_is_found(scene: Scene) -> None:
    """Without them the bound would be smaller."""
    connection = await asyncpg.connect(scene.database)
    try:
        gone = await connection.fetch(
            "DELETE FROM learning.audit WHERE passable AND answer IS DISTINCT FROM predicted RETURNING *"
        )
        assert gone
        confirmed = moments.told(
            moments.from_ms(int(await confirmed_until_ms(scene.environ["STREAMLABEL_CLI_LEARNING_URL"])))
        )
        lot = await scene.run("certify", "lot", "--project", "mail", "--from", "2020-01-01", "--to", confirmed)
        assert lot.code == 78
        assert "the audit of mail is not whole" in lot.err
        ran = await scene.run("gate", "verify")
        assert (ran.code, ran.out.startswith("BROKEN: audit ")) == (1, True), ran.out
        names = ", ".join(gone[0].keys())
        places = ", ".join(f"${place}" for place in range(1, len(gone[0]) + 1))
        await connection.executemany(
            f"INSERT INTO learning.audit ({names}) VALUES ({places})", [tuple(each) for each in gone]
        )
        assert (await scene.run("gate", "verify")).code == 0
    finally:
        await connection.close()


async def a_touched_transition_is_found(scene: Scene) -> None:
    connection = await asyncpg.connect(scene.database)
    try:
        await connection.execute("ALTER TABLE learning.transition DISABLE TRIGGER transition_stays")
        await connection.execute(
            "UPDATE learning.transition SET facts = replace(facts, 'cold', 'certified') WHERE transition_no = 1"
        )
    finally:
        await connection.close()
    ran = await scene.run("gate", "verify")
    assert (ran.code, ran.out.startswith("BROKEN at transition 1:")) == (1, True), ran.out


def moment(hours: float) -> datetime:
    return datetime.fromtimestamp(NOW.timestamp() + hours * HOUR_S, UTC)


async def test_suspect_confirmed_and_training_labels_are_told_apart(kafka: str, topic_prefix: str) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    environ = kafka_environment(kafka, topic_prefix)
    export = ("labels", "export", "--project", "mail")
    await pipeline.apply_project(PROJECT)
    rows = [
        passed("old", moment(-9)),
        passed("bad", moment(-8)),
        passed("mended", moment(-8)),
        replace(calibrated("mended", moment(-1)), revision=2, supersedes_revision=1),
        calibrated("lane", moment(-8)),
        passed("young", moment(1)),
        passed("v2", moment(-9), model_version=2),
    ]
    await pipeline.write(
        pipeline.names.topic(LABELS), 0, [(label.key.encode(), labels.encode(label), ()) for label in rows]
    )
    ran = await told(environ, *export, "--confirmed")
    assert (ran.code, ran.out) == (78, "")
    assert "project 'mail' has no gate: learning keeps one for each project with" in ran.err
    ran = await told(environ, *export, "--training")
    assert (ran.code, len(ran.out.splitlines())) == (0, 4), "who has no gate may train all the same"
    gate = a_gate(state=GateState.SUSPENDED, confirmed_until=NOW, suspects=(Suspects(moment(-8.5), moment(-7.5)),))
    await pipeline.write(pipeline.names.topic(GATES), 0, [(b"mail", gates.encode_gate(gate), ())])

    ran = await told(environ, *export, "--confirmed")
    assert [json.loads(line)["record_id"] for line in ran.out.splitlines()] == ["old", "mended", "lane"]
    assert "left out: 1 label not confirmed yet" in ran.err
    assert "left out: 1 label suspect" in ran.err
    ran = await told(environ, *export, "--training")
    chosen = [json.loads(line) for line in ran.out.splitlines()]
    assert [row["record_id"] for row in chosen] == ["old", "bad", "young", "v2"]
    assert "left out: 2 labels of the calibration lane" in ran.err
    assert "suspect: 1 label was set by the model between a change and the closing of its gate" in ran.err
    assert "`streamlabel gate suspects --project mail` names them" in ran.err
    assert "suspect: " not in (await told(environ, *export)).err

    ran = await told(environ, "gate", "suspects", "--project", "mail", "--json")
    (row,) = map(json.loads, ran.out.splitlines())
    assert (row["record_id"], row["suspect_from"], row["suspect_until"]) == (
        "bad",
        "2026-02-28T15:30:00Z",
        "2026-02-28T16:30:00Z",
    )
