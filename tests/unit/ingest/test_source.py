"""The lane of a foreign topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from streamlabel.core.project import SourceMapping
from streamlabel.errors import ConfigurationError, InvalidMessageError, TransientError
from streamlabel.ingest.adapters.source import SourceLanes, SourceSetting
from streamlabel.ingest.adapters.topics import prepare_source
from streamlabel.ingest.rules.admission import Limits
from streamlabel.ingest.rules.partitioning import partition_of
from streamlabel.runtime.messages import Emit, Message
from streamlabel.runtime.topic_admin import TopicShape
from streamlabel.wire import records
from streamlabel.wire.flow import RECORDS, Names
from streamlabel.wire.topics import TopicPlan, shapes
from support.door import MAIL, KnownProjects

MAPPED = replace(MAIL, source=SourceMapping(payload="body", record_id="id"))
SETTING = SourceSetting(project="mail", records_topic="records", partitions=12, limits=Limits(record_max_bytes=200))
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def message(value: bytes, *, tombstone: bool = False, headers: tuple[tuple[str, bytes], ...] = ()) -> Message:
    return Message(
        topic="shop",
        partition=1,
        offset=5,
        key=b"",
        value=value,
        headers=headers,
        timestamp_ms=0,
        tombstone=tombstone,
    )


async def outcomes(projects: KnownProjects, *batch: Message) -> Sequence[Sequence[Emit] | InvalidMessageError]:
    lane = await SourceLanes(SETTING, projects, lambda: 1234).open(1, ())
    return await lane.handle(batch)


async def test_a_value_becomes_a_record_in_the_partition_of_its_key() -> None:
    (out,) = await outcomes(
        KnownProjects(MAPPED), message(b'{"id": 7, "body": "hi"}', headers=(("traceparent", TRACE),))
    )
    assert not isinstance(out, InvalidMessageError)
    (emit,) = out
    assert (emit.topic, emit.key) == ("records", b"mail/7")
    assert emit.partition == partition_of(b"mail/7", 12)
    assert dict(emit.headers) == {"ingested-at": b"1234", "traceparent": TRACE}
    assert str(records.decode(emit.value).key) == "mail/7"


async def test_each_bad_value_is_a_dead_letter_of_its_own_and_the_others_go_on() -> None:
    found = await outcomes(
        KnownProjects(MAPPED),
        message(b"no json"),
        message(b'{"id": 1, "body": ""}'),
        message(b'{"id": 2, "body": "' + b"x" * 300 + b'"}'),
        message(b'{"id": 3, "body": "fine"}'),
        message(b"", tombstone=True),
    )
    reasons = [out.reason if isinstance(out, InvalidMessageError) else len(out) for out in found]
    assert reasons == ["MALFORMED", "INVALID_TEXT", "PAYLOAD_TOO_LARGE", 1, 0]


async def test_without_its_project_or_mapping_the_work_waits() -> None:
    with pytest.raises(TransientError, match="no such project"):
        await outcomes(KnownProjects(), message(b"{}"))
    with pytest.raises(TransientError, match="source:"):
        await outcomes(KnownProjects(MAIL), message(b"{}"))
    late = KnownProjects(hidden=[MAPPED])
    assert await outcomes(late, message(b'{"id": 1, "body": "hi"}'))


class PaperAdmin:
    def __init__(self, refuses: bool = False, **shapes: TopicShape) -> None:
        self.shapes = shapes
        self.refuses = refuses

    async def describe(self, names: Sequence[str]) -> dict[str, TopicShape]:
        return {name: shape for name, shape in self.shapes.items() if name in names}

    async def create(self, topics: dict[str, TopicShape]) -> Sequence[str]:
        if self.refuses:
            raise ConfigurationError("Kafka refuses topic dead: not authorised")
        self.shapes.update(topics)
        return list(topics)


SHOP = TopicShape(partitions=3, replication_factor=2, config={"max.message.bytes": "5000"})


async def test_the_dead_letter_topic_is_made_like_its_source() -> None:
    admin = PaperAdmin(shop=SHOP)
    assert await prepare_source(admin, "shop", "dead") == 3
    assert (admin.shapes["dead"].partitions, admin.shapes["dead"].replication_factor) == (3, 2)
    assert admin.shapes["dead"].config["max.message.bytes"] == "5000"
    names = Names()
    of_the_flow = shapes(names, TopicPlan())[names.dead_letter(names.topic(RECORDS), "inference")]
    assert admin.shapes["dead"].config["retention.ms"] == of_the_flow.config["retention.ms"]
    assert await prepare_source(admin, "shop", "dead") == 3


async def test_what_an_operator_has_to_do_is_said() -> None:
    with pytest.raises(ConfigurationError, match="STREAMLABEL_INGEST_SOURCE_TOPIC=shop"):
        await prepare_source(PaperAdmin(), "shop", "dead")
    with pytest.raises(ConfigurationError, match="create that topic with 3 partitions"):
        await prepare_source(PaperAdmin(refuses=True, shop=SHOP), "shop", "dead")
    with pytest.raises(ConfigurationError, match="has 1 partitions, shop has 3"):
        await prepare_source(PaperAdmin(shop=SHOP, dead=replace(SHOP, partitions=1)), "shop", "dead")
