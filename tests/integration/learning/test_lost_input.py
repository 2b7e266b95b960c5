"""What learning never heard, and never will: its evidence ends there, and nothing of the hole is vouched for."""

from __future__ import annotations

import asyncio
import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition

from streamlabel.cli.lot_facts import books_of
from streamlabel.core.control import GateState
from streamlabel.runtime.kafka import KafkaConnection
from streamlabel.runtime.kafka_admin import KafkaTopicAdmin
from streamlabel.wire.flow import PREDICTIONS
from streamlabel.wire.topics import apply_topics
from support.gate_town import PROJECT, Town
from support.pipeline import ONE_NODE, Pipeline

pytestmark = pytest.mark.integration


@pytest.fixture
async def town(kafka: str, topic_prefix: str, postgres_database: str) -> Town:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(PROJECT)
    return Town(pipeline, postgres_database, kafka)


async def certified(town: Town) -> None:
    async with town.service("learning"):
        await town.state(GateState.COLD)
        await town.certify()


@pytest.mark.parametrize("how", ["deleted by retention", "made anew"])
async def test_evidence_ends_where_something_was_never_heard(town: Town, how: str) -> None:
    async with town.people(), town.service("routing"):
        await certified(town)
        # Learning is away: what is sent now it never hears, though the gate lets it pass.
        before = town.gates[-1].gate
        known = set(town.by_model())
        await town.send(600)
        await town.routed()
        unheard = {record_id: label for record_id, label in town.by_model().items() if record_id not in known}
        assert unheard
        if how == "made anew":
            # More than it knows of: by its offsets alone the topic looks like the one before.
            await make_anew(town)
            await town.send(4000)
        else:
            await delete_records(town)
        async with town.service("learning"):
            async with asyncio.timeout(60):
                while town.gates[-1].gate.first_gate == before.first_gate:
                    await asyncio.sleep(0.05)
            anew = next(each.gate for each in town.gates if each.gate.first_gate > before.first_gate)
            assert anew.state is GateState.COLD
            words = "deleted by retention" if how.startswith("deleted") else "is not the log that was read"
            assert words in anew.reason
            assert anew.reason.endswith("no evidence yet")
            warnings = await readiness(town)
            assert any(words in each and "begun anew by itself" in each for each in warnings.values())
            # What was labelled meanwhile nothing vouches for.
            confirmed = anew.confirmed_under(before.gate_id)
            first = min(label.labelled_at for label in unheard.values())
            assert confirmed is None or confirmed <= first
            assert all(any(each.holds(label.labelled_at) for each in anew.suspects) for label in unheard.values())
            [ended, *_] = books_of(PROJECT.name, (await town.ask("books", project=PROJECT.name))["books"]).all
            assert ended.ended
            assert not any(ended.covers(label.labelled_at) for label in unheard.values())
            # It goes on by itself.
            await town.certify()


async def delete_records(town: Town) -> None:
    """As retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=town.kafka)
    await admin.start()
    try:
        topic = town.pipeline.names.topic(PREDICTIONS)
        await admin.delete_records(
            {TopicPartition(topic, partition): RecordsToDelete(before_offset=-1) for partition in (0, 1)}
        )
    finally:
        await admin.close()


async def make_anew(town: Town) -> None:
    """Deletes the topic, and makes one of that name."""
    topic = town.pipeline.names.topic(PREDICTIONS)
    connection = KafkaConnection(bootstrap_servers=town.kafka, client_id="test")
    admin = AIOKafkaAdminClient(bootstrap_servers=town.kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with asyncio.timeout(30):
            while topic in await admin.list_topics():
                await asyncio.sleep(0.1)
    finally:
        await admin.close()
    await apply_topics(KafkaTopicAdmin(connection), town.pipeline.names, ONE_NODE)


async def readiness(town: Town) -> dict[str, str]:
    """What a person should look at."""
    url = f"http://127.0.0.1:{town.environment('learning')['STREAMLABEL_HTTP_PORT']}/readyz"

    def ask() -> dict[str, str]:
        try:
            with urlopen(url, timeout=5) as response:
                found: dict[str, str] = json.load(response).get("warnings", {})
                return found
        except HTTPError:
            return {}

    async with asyncio.timeout(30):
        while not (found := await asyncio.to_thread(ask)):
            await asyncio.sleep(0.1)
    return found
