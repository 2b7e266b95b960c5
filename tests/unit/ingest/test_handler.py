"""The one use case of the door: every record gets a true answer, whatever happens around it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from streamlabel.core.submission import Reason, RecordStatus
from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.ingest.ports import TooMuchInFlightError
from streamlabel.ingest.rules.admission import Limits, Refusal
from support.door import BY_GRPC, DIGITS, MAIL, Door, KnownProjects, image_offer, text_offer, turns


class CountedProjects(KnownProjects):
    listed = 0

    def names(self) -> Sequence[str]:
        self.listed += 1
        return super().names()


A, D, R, U = RecordStatus.ACCEPTED, RecordStatus.DUPLICATE, RecordStatus.REJECTED, RecordStatus.UNAVAILABLE


async def test_good_records_are_written_and_bad_ones_are_not() -> None:
    door = Door()
    good, wrong = text_offer("one"), image_offer()
    results = await door.intake.ingest([good, wrong, Refusal("x", "MALFORMED", "why")], BY_GRPC)
    assert [result.status for result in results] == [A, R, R]
    assert [result.reason for result in results] == ["", Reason.PAYLOAD_KIND_MISMATCH, "MALFORMED"]
    assert results[0].record_id == good.record_id
    assert door.log.written == [good]
    assert door.tally.outcomes == {("mail", A): 1, ("mail", R): 1, ("", R): 1}
    assert door.tally.reasons == {Reason.PAYLOAD_KIND_MISMATCH: 1, "MALFORMED": 1}


async def test_nothing_is_called_accepted_before_the_brokers_say_so() -> None:
    door = Door()
    release = door.log.hold()
    answer = asyncio.create_task(door.statuses(text_offer()))
    await turns(20)
    assert not answer.done()
    release.set()
    assert await answer == [A]


async def test_a_repeated_record_is_a_duplicate_and_is_written_once() -> None:
    door = Door()
    assert await door.statuses(text_offer("a", "1")) == [A]
    assert await door.statuses(text_offer("a", "1")) == [D]
    assert len(door.log.written) == 1


async def test_other_content_under_the_same_id_is_refused() -> None:
    door = Door()
    await door.statuses(text_offer("a", "1"))
    (result,) = await door.intake.ingest([text_offer("b", "1")], BY_GRPC)
    assert (result.status, result.reason) == (R, Reason.CONFLICTING_RECORD)
    assert len(door.log.written) == 1


async def test_records_without_an_id_are_one_record_if_their_content_is() -> None:
    door = Door()
    assert await door.statuses(text_offer("same"), text_offer("same"), text_offer("other")) == [A, D, A]


async def test_twins_within_a_batch_are_told_apart() -> None:
    door = Door()
    assert await door.statuses(text_offer("a", "1"), text_offer("a", "1"), text_offer("b", "1")) == [A, D, R]
    assert len(door.log.written) == 1


async def test_a_twin_in_flight_for_another_caller_is_no_duplicate_until_it_has_landed() -> None:
    door = Door()
    release = door.log.hold()
    first = asyncio.create_task(door.statuses(text_offer("a", "1")))
    await turns()
    same = asyncio.create_task(door.statuses(text_offer("a", "1")))
    other = asyncio.create_task(door.statuses(text_offer("b", "1")))
    await turns(20)
    assert not same.done()
    assert not other.done()
    release.set()
    assert await asyncio.gather(first, same, other) == [[A], [D], [R]]
    assert len(door.log.appends) == 1


async def test_when_the_first_twin_fails_the_second_is_not_lied_to() -> None:
    door = Door()
    door.log.fates = [[TransientError("broker away")]]
    release = door.log.hold()
    first = asyncio.create_task(door.statuses(text_offer("a", "1")))
    await turns()
    same = asyncio.create_task(door.statuses(text_offer("a", "1")))
    other = asyncio.create_task(door.statuses(text_offer("b", "1")))
    await turns()
    release.set()
    assert await asyncio.gather(first, same, other) == [[U], [U], [U]]
    door.log.silent = None
    assert await door.statuses(text_offer("a", "1")) == [A]


async def test_what_was_not_acknowledged_may_be_sent_again_and_is_then_accepted() -> None:
    door = Door()
    door.log.fates = [[None, TransientError("broker away")]]
    first = await door.intake.ingest([text_offer("a", "1"), text_offer("b", "2")], BY_GRPC)
    assert [result.status for result in first] == [A, U]
    assert first[1].reason == Reason.BROKER_UNAVAILABLE
    assert "broker away" in first[1].detail
    assert await door.statuses(text_offer("a", "1"), text_offer("b", "2")) == [D, A]


async def test_what_the_broker_will_never_take_is_refused_for_all_who_sent_it() -> None:
    door = Door()
    door.log.fates = [[InvalidMessageError(Reason.PAYLOAD_TOO_LARGE, "too many bytes")]]
    first, twin = await door.intake.ingest([text_offer("a", "1"), text_offer("a", "1")], BY_GRPC)
    assert [first.status, twin.status] == [R, R]
    assert first.reason == Reason.PAYLOAD_TOO_LARGE


async def test_past_the_bytes_in_flight_nothing_of_a_batch_is_taken() -> None:
    offered = text_offer("x" * 100, "1")
    door = Door(limits=Limits(record_max_bytes=400, batch_max_bytes=400, in_flight_max_bytes=400))
    release = door.log.hold()
    first = asyncio.create_task(door.statuses(offered))
    await turns()
    with pytest.raises(TooMuchInFlightError) as refused:
        await door.statuses(text_offer("y" * 100, "2"), text_offer("z" * 100, "3"))
    assert refused.value.retry_after_s
    assert len(door.log.appends) == 1
    release.set()
    assert await first == [A]
    # Neither were they remembered as being under way.
    assert await door.statuses(text_offer("y" * 100, "2")) == [A]
    assert door.intake.budget.used_bytes == 0


async def test_a_patient_caller_waits_for_room_instead() -> None:
    door = Door(limits=Limits(record_max_bytes=300, batch_max_bytes=300, in_flight_max_bytes=300))
    release = door.log.hold()
    first = asyncio.create_task(door.statuses(text_offer("x" * 100, "1")))
    await turns()
    patient = asyncio.create_task(door.intake.take([text_offer("y" * 100, "2")], BY_GRPC, wait_for_room=True))
    await turns(20)
    assert not patient.done()
    release.set()
    assert await first == [A]
    assert [result.status for result in await (await patient).results()] == [A]


async def test_a_patient_caller_who_leaves_has_written_nothing_and_blocks_nobody() -> None:
    door = Door(limits=Limits(record_max_bytes=300, batch_max_bytes=300, in_flight_max_bytes=300))
    release = door.log.hold()
    first = asyncio.create_task(door.statuses(text_offer("x" * 100, "1")))
    await turns()
    leaving = asyncio.create_task(door.intake.take([text_offer("y" * 100, "2")], BY_GRPC, wait_for_room=True))
    await turns()
    twin = asyncio.create_task(door.statuses(text_offer("y" * 100, "2")))
    await turns()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await twin == [U]
    release.set()
    await first
    assert [offer.record_id for offer in door.log.written] == ["1"]


async def test_a_caller_that_hangs_up_does_not_tear_its_batch_in_two() -> None:
    door = Door()
    release = door.log.hold()
    call = asyncio.create_task(door.statuses(text_offer("a", "1")))
    await turns()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert door.intake.budget.used_bytes > 0
    release.set()
    await door.intake.settle()
    assert door.intake.budget.used_bytes == 0
    assert await door.statuses(text_offer("a", "1")) == [D]


async def test_a_project_that_was_just_applied_is_found_by_looking_again() -> None:
    projects = KnownProjects(MAIL, hidden=[DIGITS])
    door = Door(projects=projects)
    assert await door.statuses(text_offer("a", to="mail")) == [A]
    assert projects.looks == 0
    (result,) = await door.intake.ingest([text_offer("a", to="digits")], BY_GRPC)
    assert projects.looks == 1
    assert result.reason == Reason.PAYLOAD_KIND_MISMATCH  # Known now, and an image project.


async def test_an_unknown_project_is_refused_beside_good_records() -> None:
    door = Door()
    results = await door.intake.ingest([text_offer("a"), text_offer("a", to="mial")], BY_GRPC)
    assert [result.status for result in results] == [A, R]
    assert results[1].reason == Reason.UNKNOWN_PROJECT
    assert "'mail'" in results[1].detail


async def test_many_unknown_projects_are_each_refused_and_few_compared_with_all_that_are_known() -> None:
    projects = CountedProjects(MAIL)
    door = Door(projects=projects)
    offers = [text_offer("a", f"r{number}", to=f"mail-{number % 50}") for number in range(100)]
    results = await door.intake.ingest(offers, BY_GRPC)
    assert {result.reason for result in results} == {Reason.UNKNOWN_PROJECT}
    assert [result.record_id for result in results] == [offer.record_id for offer in offers]
    assert all(f"'{offer.project}'" in result.detail for offer, result in zip(offers, results, strict=True))
    assert projects.listed <= 3


async def test_while_nobody_can_tell_whether_a_project_exists_its_records_are_not_refused_for_good() -> None:
    door = Door(projects=KnownProjects(MAIL, failure=TransientError("Kafka is away")))
    results = await door.intake.ingest([text_offer("a"), text_offer("a", to="new")], BY_GRPC)
    assert [result.status for result in results] == [A, U]
    assert results[1].reason == Reason.BROKER_UNAVAILABLE
    assert "'new'" in results[1].detail
    assert "Kafka is away" in results[1].detail


async def test_a_defect_ends_the_door_and_lies_to_nobody() -> None:
    door = Door()
    door.log.fates = [ZeroDivisionError("defect")]
    assert await door.statuses(text_offer("a", "1")) == [U]
    with pytest.raises(ZeroDivisionError):
        await door.intake.watch()
