"""The control tables take in what is theirs, under its own key, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from streamlabel.core.control import Gate, GateState
from streamlabel.runtime.health import Health
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire import control, projects
from streamlabel.wire.flow import GATES, PROJECTS, Names
from streamlabel.wire.tables import gate_table, project_table
from support.fake_broker import FakeBroker
from support.fake_cluster import FakeCluster
from support.nouns import text_project

NAMES = Names("test")
GATE = Gate(
    gate_id="g1",
    project="mail",
    model_name="m",
    model_version=1,
    state=GateState.CERTIFIED,
    threshold=0.5,
    alpha=0.05,
    delta=0.05,
    lane_rate=0.05,
    evidence_count=500,
    evidence_errors=0,
    certified_at=None,
    expires_at=None,
)


def cluster_with(topic: str, *rows: tuple[bytes, bytes]) -> FakeCluster:
    cluster = FakeCluster()
    cluster.create_topic(topic, 1)
    for key, value in rows:
        cluster.append(topic, 0, (key, value, ()), None)
    return cluster


async def keys_of(table: CompactedTable[Any]) -> set[bytes]:
    """The keys of the table once it was read to its end."""
    run = asyncio.create_task(table.run())
    async with asyncio.timeout(5):
        await table.wait_ready()
    found = {key for key, _ in table.items()}
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run
    return found


async def test_a_project_under_another_ones_key_replaces_nothing() -> None:
    mail, spam = (projects.encode(text_project(name)) for name in ("mail", "spam"))
    cluster = cluster_with(NAMES.topic(PROJECTS), (b"mail", mail), (b"mail", spam), (b"", mail), (b"other", mail))
    table = project_table(FakeBroker(cluster), NAMES, Health())
    assert await keys_of(table) == {b"mail"}
    project = table.get(b"mail")
    assert project is not None
    assert project.name == "mail"


async def test_a_gate_under_another_projects_key_opens_nothing() -> None:
    gate = control.encode_gate(GATE)
    cluster = cluster_with(NAMES.topic(GATES), (b"spam", gate), (b"mail", gate))
    assert await keys_of(gate_table(FakeBroker(cluster), NAMES, Health())) == {b"mail"}
