"""The control tables take in what is theirs, under its own key, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from streamlabel.runtime.health import Health
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire import gates, projects
from streamlabel.wire.flow import GATES, PROJECTS, Names
from streamlabel.wire.gates import gate_table
from streamlabel.wire.tables import project_table
from support.fake_broker import FakeBroker
from support.fake_cluster import FakeCluster
from support.gates import a_gate
from support.nouns import text_project

NAMES = Names("test")


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
    value = gates.encode_gate(a_gate("mail"))
    cluster = cluster_with(NAMES.topic(GATES), (b"spam", value), (b"mail", value))
    assert await keys_of(gate_table(FakeBroker(cluster), NAMES, Health())) == {b"mail"}


async def test_a_gate_that_cannot_be_read_closes_the_one_before_it() -> None:
    """It may be a revocation in the words of a later release."""
    cluster = cluster_with(
        NAMES.topic(GATES),
        (b"mail", gates.encode_gate(a_gate("mail"))),
        (b"news", gates.encode_gate(a_gate("news"))),
        (b"mail", b"\xff nothing that can be read"),
    )
    assert await keys_of(gate_table(FakeBroker(cluster), NAMES, Health())) == {b"news"}
