"""Replaying dead letters on the real broker: back where they came from, as they were, once."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from streamlabel.cli.dead_letter_box import DeadLetterBox
from streamlabel.cli.topic_reading import read_whole
from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.runtime.broker import BrokerUnavailableError
from streamlabel.runtime.dead_letter import REPLAYED, dead_letter
from streamlabel.runtime.kafka import KafkaBroker
from streamlabel.runtime.messages import Message
from streamlabel.wire.flow import RECORDS
from support.command_line import kafka_environment, streamlabel

pytestmark = pytest.mark.integration
HEADERS = (("ingested-at", b"17"), ("traceparent", b"00-x"))


async def bury(
    cluster, *, partition: int, offset: int, key: bytes, value: bytes, reason: str, with_value: bool = True
) -> None:
    """Puts one dead letter of `records` where inference would."""
    origin = Message(
        topic=cluster.names.topic(RECORDS), partition=partition, offset=offset, key=key, value=value, headers=HEADERS, timestamp_ms=1
    )  # fmt: skip
    error = InvalidMessageError(reason, "because")
    dead = dead_letter(origin, error, stage="inference", group=cluster.names.group("inference"), with_value=with_value)
    await cluster.write(dead.topic, dead.partition, [(dead.key, dead.value, dead.headers)])


@pytest.fixture
async def box(cluster) -> DeadLetterBox:
    for number in range(6):
        reason = "UNKNOWN_PROJECT" if number % 2 else "MALFORMED"
        await bury(
            cluster, partition=number % 2, offset=number, key=b"p/%d" % number, value=b"\x00%d" % number, reason=reason
        )
    topic = cluster.names.topic(RECORDS)
    return DeadLetterBox(cluster.broker, cluster.names.dead_letter(topic, "inference"))


async def returned(cluster) -> list[Message]:
    messages = await read_whole(cluster.broker, cluster.names.topic(RECORDS))
    return sorted(messages, key=lambda message: message.key)


async def test_letters_go_back_as_they_were(cluster, box: DeadLetterBox) -> None:
    done = await box.replay(lambda letter: True)
    assert len(done.replayed) == 6
    found = await returned(cluster)
    assert [(each.key, each.value, each.partition) for each in found] == [
        (b"p/%d" % number, b"\x00%d" % number, number % 2) for number in range(6)
    ]
    assert all(each.headers[:-1] == HEADERS for each in found)
    assert {each.headers[-1][0] for each in found} == {REPLAYED}


async def test_a_second_replay_sends_nothing(cluster, box: DeadLetterBox) -> None:
    await box.replay(lambda letter: True)
    assert (await box.replay(lambda letter: True)).replayed == ()
    assert len(await returned(cluster)) == 6


async def test_a_choice_leaves_the_others_waiting(cluster, box: DeadLetterBox) -> None:
    await box.replay(lambda letter: letter.reason == "UNKNOWN_PROJECT")
    assert [each.key for each in await returned(cluster)] == [b"p/1", b"p/3", b"p/5"]
    assert [letter.replayed for letter in await box.letters()].count(True) == 3
    await box.replay(lambda letter: True)
    assert len(await returned(cluster)) == 6


async def test_a_replay_that_dies_before_its_commit_has_sent_nothing(cluster, box: DeadLetterBox) -> None:
    class Dying(KafkaBroker):
        def producer(self, transactional_id: str, *, batch_bytes: int | None = None):
            producer = super().producer(transactional_id, batch_bytes=batch_bytes)

            async def commit() -> None:
                raise BrokerUnavailableError("killed here")

            producer.commit = commit  # type: ignore[method-assign]
            return producer

    with pytest.raises(TransientError, match="killed here"):
        await DeadLetterBox(Dying(cluster.connection), box.topic).replay(lambda letter: True)
    done = await box.replay(lambda letter: True)
    assert len(done.replayed) == 6
    assert len(await returned(cluster)) == 6


async def test_two_replays_at_once_send_each_letter_once(cluster, box: DeadLetterBox) -> None:
    both = await asyncio.gather(
        *(DeadLetterBox(cluster.broker, box.topic).replay(lambda letter: True) for _ in range(2)),
        return_exceptions=True,
    )
    assert all(isinstance(each, TransientError) or not isinstance(each, BaseException) for each in both)
    await box.replay(lambda letter: True)
    assert [each.key for each in await returned(cluster)] == [b"p/%d" % number for number in range(6)]


async def test_a_value_that_was_left_out_is_fetched_from_its_origin(cluster, box: DeadLetterBox) -> None:
    topic = cluster.names.topic(RECORDS)
    await cluster.write(topic, 0, [(b"p/big", b"B" * 1000, HEADERS)])
    await bury(cluster, partition=0, offset=0, key=b"p/big", value=b"B" * 1000, reason="TOO_LARGE", with_value=False)
    await bury(cluster, partition=0, offset=99, key=b"p/gone", value=b"G" * 1000, reason="TOO_LARGE", with_value=False)
    done = await box.replay(lambda letter: letter.reason == "TOO_LARGE")
    assert [letter.message.key for letter in done.replayed] == [b"p/big"]
    assert [(letter.message.key, "origin is gone" in why) for letter, why in done.stuck] == [(b"p/gone", True)]
    first, again = await returned(cluster)
    assert [first.value, again.value] == [b"B" * 1000] * 2
    assert (first.headers, again.headers[:-1], again.headers[-1][0]) == (HEADERS, HEADERS, REPLAYED)


async def test_the_commands(cluster, box: DeadLetterBox) -> None:
    environ = kafka_environment(cluster.servers, cluster.names.prefix)

    def call(*arguments: str, code: int = 0) -> str:
        ran = streamlabel("dead-letters", *arguments, environ=environ)
        assert ran.code == code, ran.err
        return ran.out if code == 0 else ran.err

    listed = [json.loads(line) for line in call("list", "--json").splitlines()]
    assert [each["key"] for each in listed] == [f"p/{number}" for number in range(6)]
    assert listed[1]["reason"] == "UNKNOWN_PROJECT"
    assert listed[1]["origin"] == {"topic": cluster.names.topic(RECORDS), "partition": 1, "offset": 1}
    letter_id = listed[1]["id"]
    assert letter_id == "inference/1/0"
    assert "UNKNOWN_PROJECT" in call("list", "--stage", "inference", "--reason", "UNKNOWN_PROJECT")
    assert json.loads(call("show", letter_id, "--json"))["headers"]["ingested-at"] == "17"
    assert call("show", letter_id, "--raw") == "\x001"
    assert "no dead letter" in call("show", "inference/1/77", code=78)
    assert "STAGE/PARTITION/OFFSET" in call("show", "nonsense", code=78)
    assert "--all" in call("replay", code=78)
    assert call("replay", "--all", "--dry-run").count("would send") == 6
    assert await returned(cluster) == []
    assert json.loads(call("replay", letter_id, "--json"))["replayed"] == [letter_id]
    assert call("replay", letter_id) == ""
    assert [each.key for each in await returned(cluster)] == [b"p/1"]
    assert len(call("list", "--json").splitlines()) == 5
    assert len(call("list", "--json", "--all").splitlines()) == 6


async def test_a_reason_that_no_letter_has_is_answered_with_the_nearest(cluster, box: DeadLetterBox) -> None:
    environ = kafka_environment(cluster.servers, cluster.names.prefix)
    for words in (("list",), ("list", "--json"), ("replay",), ("replay", "--json", "--dry-run")):
        slip = streamlabel("dead-letters", *words, "--reason", "UNKNOWN_PROJCT", environ=environ)
        assert slip.code == 0
        assert "no dead letter has reason UNKNOWN_PROJCT; did you mean 'UNKNOWN_PROJECT'?" in slip.err
    far = streamlabel("dead-letters", "list", "--reason", "XYZ", environ=environ)
    assert "there are MALFORMED, UNKNOWN_PROJECT" in far.err
    streamlabel("dead-letters", "replay", "--reason", "MALFORMED", environ=environ)
    gone = streamlabel("dead-letters", "replay", "--reason", "MALFORMED", environ=environ)
    assert "there are UNKNOWN_PROJECT" in gone.err
    assert (
        "there are UNKNOWN_PROJECT" in streamlabel("dead-letters", "list", "--reason", "MALFORMED", environ=environ).err
    )
    assert await returned(cluster) != []


async def test_a_letter_takes_two_lines_of_a_narrow_terminal(cluster) -> None:
    topic = cluster.names.topic(RECORDS)
    for number, key in enumerate((b"mail/short", b"mail/" + b"x" * 90, "mail/\x1b[2J日本".encode())):
        origin = Message(
            topic=topic, partition=0, offset=number, key=key, value=b"", headers=(), timestamp_ms=1
        )  # fmt: skip
        error = InvalidMessageError("MODEL_NOT_SERVED", "a long story, " * 30)
        dead = dead_letter(origin, error, stage="inference", group=cluster.names.group("inference"))
        await cluster.write(dead.topic, dead.partition, [(dead.key, dead.value, dead.headers)])
    environ = {**kafka_environment(cluster.servers, cluster.names.prefix), "COLUMNS": "80"}
    ran = streamlabel("dead-letters", "list", environ=environ)
    heading, *lines = ran.out.splitlines()
    assert heading.split() == ["id", "died", "at", "(UTC)", "reason", "key"]
    assert len(lines) == 6
    assert all(len(line) <= 80 for line in lines)
    assert re.fullmatch(r"inference/0/0  \d\d-\d\d \d\d:\d\d:\d\d  MODEL_NOT_SERVED  mail/short", lines[0])
    assert lines[1].startswith("  a long story, a long")
    assert (len(lines[1]), lines[1][-1], lines[2][-1]) == (80, "…", "…")
    assert lines[4].endswith("mail/�[2J日本")
