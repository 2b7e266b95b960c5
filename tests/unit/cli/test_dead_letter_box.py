"""Letters and receipts in one topic: who waits, who went back, and what a letter says of its origin."""

from __future__ import annotations

from streamlabel.cli.dead_letter_box import RECEIPT, Origin, sort_letters
from streamlabel.errors import InvalidMessageError
from streamlabel.runtime.dead_letter import dead_letter
from streamlabel.runtime.messages import Headers, Message


def original(offset: int = 7, headers: Headers = (("ingested-at", b"1"),)) -> Message:
    return Message(
        topic="p.records.v1",
        partition=1,
        offset=offset,
        key=b"k",
        value=b"\x00broken",
        headers=headers,
        timestamp_ms=5,
    )


def letter(offset: int, message: Message, *, at_ms: int = 100, with_value: bool = True) -> Message:
    error = InvalidMessageError("MALFORMED", "not a record")
    dead = dead_letter(message, error, stage="inference", group="p-inference", with_value=with_value)
    return Message(
        topic=dead.topic,
        partition=dead.partition,
        offset=offset,
        key=dead.key or b"",
        value=dead.value or b"",
        headers=dead.headers,
        timestamp_ms=at_ms,
    )


def receipt(offset: int, replayed_offset: int, *, partition: int = 1) -> Message:
    return Message(
        topic="p.records.v1.p-inference.dead-letter",
        partition=partition,
        offset=offset,
        key=b"k",
        value=b"",
        headers=((RECEIPT, b"%d" % replayed_offset),),
        timestamp_ms=200,
        tombstone=True,
    )


def test_a_letter_tells_reason_and_origin_and_keeps_the_original_headers() -> None:
    (found,) = sort_letters([letter(0, original())])
    assert (found.reason, found.detail, found.stage) == ("MALFORMED", "not a record", "inference")
    assert found.origin == Origin(topic="p.records.v1", partition=1, offset=7)
    assert found.original_headers == (("ingested-at", b"1"),)
    assert not found.replayed


def test_a_receipt_marks_its_letter_alone() -> None:
    found = sort_letters([letter(0, original(7)), letter(1, original(8)), receipt(2, 1)])
    assert [(each.message.offset, each.replayed) for each in found] == [(0, False), (1, True)]


def test_a_receipt_of_another_partition_says_nothing() -> None:
    (found,) = sort_letters([letter(0, original()), receipt(1, 0, partition=2)])
    assert not found.replayed


def test_letters_come_by_time() -> None:
    found = sort_letters(
        [letter(3, original(), at_ms=50), letter(1, original(), at_ms=90), letter(2, original(), at_ms=20)]
    )
    assert [each.message.offset for each in found] == [2, 3, 1]


def test_a_message_that_nobody_signed_has_no_origin() -> None:
    stray = Message(topic="t", partition=0, offset=0, key=b"", value=b"x", headers=(), timestamp_ms=0)
    (found,) = sort_letters([stray])
    assert found.origin is None
    assert found.reason == ""


def test_headers_of_the_original_do_not_pass_for_ours() -> None:
    forged: Headers = (("dead-letter-topic", b"elsewhere"), ("dead-letter-reason", b"FORGED"))
    (found,) = sort_letters([letter(0, original(headers=forged))])
    assert found.reason == "MALFORMED"
    assert found.origin == Origin(topic="p.records.v1", partition=1, offset=7)


def test_a_value_that_was_left_out_is_told() -> None:
    (found,) = sort_letters([letter(0, original(), with_value=False)])
    assert found.omitted_bytes == len(b"\x00broken")
