"""The in-memory broker of the tests keeps the promises of the port."""

from __future__ import annotations

import uuid

import pytest

from streamlabel.runtime.broker import Broker
from support.contract_of_broker import BrokerContract
from support.fake_broker import FakeBroker
from support.fake_cluster import FakeCluster


class FakeWorld:
    def __init__(self) -> None:
        self.cluster = FakeCluster()

    def broker(self) -> Broker:
        return FakeBroker(self.cluster)

    async def make_topic(self, partitions: int, *, max_record_bytes: int | None = None) -> str:
        topic = self.cluster.create_topic(f"topic-{uuid.uuid4().hex[:8]}", partitions)
        if max_record_bytes is not None:
            self.cluster.max_record_bytes[topic] = max_record_bytes
        return topic


class TestFakeBroker(BrokerContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld()
