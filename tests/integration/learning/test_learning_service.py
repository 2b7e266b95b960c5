"""Learning and routing on a real broker and database: a gate opens, closes, follows its model, and survives every death."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import asyncpg
import pytest

from streamlabel.core.control import GateState, Release, ReleaseState
from streamlabel.core.project import OutputKind
from streamlabel.wire import control
from streamlabel.wire.flow import RELEASES
from streamlabel.wire.gates import decode_gate, join_gate
from support.gate_town import POLICY, PROJECT, Town
from support.pipeline import Pipeline

pytestmark = pytest.mark.integration


@pytest.fixture
async def town(kafka: str, topic_prefix: str, postgres_database: str, request: pytest.FixtureRequest) -> Town:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    policy = replace(POLICY, double_blind_share=getattr(request, "param", 0.0))
    await pipeline.apply_project(replace(PROJECT, policy=policy))
    return Town(pipeline, postgres_database, kafka)


async def test_a_gate_opens_is_revoked_and_opens_for_the_next_version_only(town: Town) -> None:
    async with town.people(), town.service("routing"), town.service("learning"):
        cold = (await town.state(GateState.COLD)).gate
        assert (cold.model_version, cold.lane_rate, cold.evidence_count) == (1, 0.5, 0)
        await town.send(1500)
        await town.state(GateState.CERTIFIED)
        await town.send(1000)
        await town.routed()
        assert len(town.by_model()) > 300
        assert town.error() <= 0.1
        [project] = (await town.ask("projects"))["projects"]
        assert project["point"]["state"] == "certified"

        before = town.sent
        await town.send(1500, error=0.6)
        closed = (await town.state(GateState.REVOKED, GateState.SUSPENDED)).gate
        assert closed.suspect_from is not None
        assert closed.suspects[-1].begin == closed.suspect_from
        await town.routed()
        late = [each for each in town.by_model() if int(each[1:].partition("-")[0]) >= before + 1200]
        assert not late

        # Another version begins with nothing, whatever the one before had reached.
        await release(town, 2)
        async with asyncio.timeout(30):
            while town.gates[-1].gate.model_version != 2:
                await asyncio.sleep(0.05)
        assert town.gates[-1].gate.state is GateState.COLD
        await town.send(200, version=2)
        await town.routed()
        assert not [each for each in town.by_model().values() if each.model_version == 2]
        town.check_labels()
        await check_records(town)


async def test_a_model_that_is_bound_otherwise_earns_its_certificate_anew(town: Town) -> None:
    """Of the same name and version: another output is another model, and its gate opens again by its own evidence alone."""
    async with town.people(), town.service("routing"), town.service("learning"):
        await town.state(GateState.COLD)
        await town.certify()
        await town.certify()
        passed = set(town.by_model())
        assert passed
        assert PROJECT.model is not None
        model = replace(PROJECT.model, output_name="another_head", output_kind=OutputKind.LOGITS)
        await town.pipeline.apply_project(replace(PROJECT, version=2, bound_since=2, model=model))
        # What was predicted before counts for neither, whoever hears first of the change.
        town.project_version = 2
        await town.send(300)
        cold = (await town.state(GateState.COLD)).gate
        assert cold.reason.startswith("output.name was probabilities and is another_head; output.kind was")
        await town.routed()
        assert set(town.by_model()) == passed
        town.project_version = 1
        await town.send(300)
        await town.routed()
        assert set(town.by_model()) == passed
        town.project_version = 2
        await town.certify()
        assert town.gates[-1].gate.binding != town.gates[0].gate.binding
        await town.certify()
        assert set(town.by_model()) > passed
        town.check_labels()
        await check_records(town)


async def test_killed_at_random_moments_nothing_is_lost_and_nothing_passes_uncertified(town: Town) -> None:
    chance = random.Random(4)
    over = asyncio.Event()

    async def stream() -> None:
        while not over.is_set():
            await town.send(50)
            await asyncio.sleep(0.15)

    async with town.people():
        async with town.service("routing"), town.service("learning"):
            await town.state(GateState.COLD)
        sending = asyncio.create_task(stream())
        for victim in ("learning", "routing", "learning", "routing", "learning"):
            async with town.service("routing") as routing, town.service("learning") as learning:
                await asyncio.sleep(chance.uniform(0.3, 3.0))
                await town.kill(routing if victim == "routing" else learning)
        async with town.service("routing"), town.service("learning"):
            await town.state(GateState.CERTIFIED)
            over.set()
            await sending
            await town.send(500)
            await town.routed()
            assert town.by_model()
            town.check_labels()
            assert town.error() <= 0.1
            await check_records(town)
            async with asyncio.timeout(30):
                while (point := (await town.ask("projects"))["projects"][0]["point"])["place"] < town.sent:
                    await asyncio.sleep(0.2)
    # What a death interrupted was heard once: every record counts once, every calibration record is in the books once.
    assert point["place"] == town.sent
    connection = await asyncpg.connect(town.dsn)
    try:
        audits = await connection.fetch("SELECT record_id, answer FROM learning.audit")
        lane = {key for key, task in town.tasks.items() if task.blind}
        assert {row["record_id"] for row in audits} <= lane
        assert all(row["answer"] is not None for row in audits)
    finally:
        await connection.close()


@pytest.mark.parametrize("town", [0.5], indirect=True)
async def test_a_restart_changes_nothing_where_two_people_are_asked_about_half_of_the_lane(town: Town) -> None:
    async with town.people(), town.service("routing"):
        async with town.service("learning") as first:
            await town.state(GateState.COLD)
            await town.send(1000)
            await town.routed()
            await town.state(GateState.CERTIFIED)
            before = await quiet(town)
            await town.kill(first)
        for _ in range(2):
            # Once after a death, from the journal; once after a stop, from the snapshot.
            async with town.service("learning"):
                assert await quiet(town) == before
                await check_records(town)
    assert town.gates[-1].gate.double_blind_share == 0.5
    lane = [task.needed_votes for task in town.tasks.values() if task.blind]
    assert 0.4 < lane.count(2) / len(lane) < 0.6
    assert {task.needed_votes for task in town.tasks.values() if not task.blind} == {1}


async def quiet(town: Town) -> dict[str, object]:
    """The facts of the gate that do not depend on the hour, once all is heard."""
    async with asyncio.timeout(60):
        while True:
            try:
                [project] = (await town.ask("projects"))["projects"]
            except OSError:
                await asyncio.sleep(0.2)
                continue
            point = project["point"]
            if point and point["place"] == town.sent and not point["unanswered"]:
                break
            await asyncio.sleep(0.2)
    hours = ("at_ms", "confirmed_until_ms")
    return {name: value for name, value in point.items() if name not in hours}


async def check_records(town: Town) -> None:
    """The chain of transitions is whole, and every gate that decided can be had again."""
    chain = (await town.ask("chain", after=0))["transitions"]
    assert [each["number"] for each in chain] == list(range(1, len(chain) + 1))
    assert all(later["previous"] == earlier["digest"] for earlier, later in pairwise(chain))
    connection = await asyncpg.connect(town.dsn)
    try:
        with pytest.raises(asyncpg.RaiseError, match="written once"):
            await connection.execute("UPDATE learning.transition SET project = 'x'")
        with pytest.raises(asyncpg.RaiseError, match="written once"):
            await connection.execute("DELETE FROM learning.transition")
        rows = await connection.fetch(
            "SELECT gate_number, gate.message, scorer.message AS scorer FROM learning.gate "
            "JOIN learning.scorer ON digest = scorer_digest"
        )
        kept = {row["gate_number"]: decode_gate(join_gate(row["message"], row["scorer"])) for row in rows}
    finally:
        await connection.close()
    for label in town.by_model().values():
        gate = kept[int(label.decision.gate_id.rpartition("/")[2])].gate
        assert gate.gate_id == label.decision.gate_id
        assert gate.least_score == label.decision.threshold


async def release(town: Town, version: int) -> None:
    row = Release(
        project=PROJECT.name,
        model_name="m",
        model_version=version,
        state=ReleaseState.LIVE,
        released_at=datetime.now(UTC),
    )
    key = control.release_key(row.project, row.model_version)
    await town.pipeline.write(town.pipeline.names.topic(RELEASES), 0, [(key, control.encode_release(row), ())])
