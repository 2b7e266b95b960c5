"""What the door decides."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from streamlabel.core.submission import Reason
from streamlabel.ingest.rules.admission import Limits, refusal, unknown_project
from streamlabel.ingest.rules.partitioning import partition_of
from streamlabel.ingest.rules.recent import RecentRecords
from support.door import DIGITS, MAIL, WAVES, features_offer, image_offer, text_offer, uri_offer


def test_a_record_that_fits_its_project_may_enter() -> None:
    assert refusal(text_offer(), MAIL, Limits()) is None
    assert refusal(features_offer(1, 2, 3), WAVES, Limits()) is None
    assert refusal(image_offer(), DIGITS, Limits()) is None


@pytest.mark.parametrize("offered", [image_offer(), uri_offer(), features_offer(1.0)])
def test_the_wrong_kind_of_payload_is_named_with_the_right_one(offered) -> None:
    refused = refusal(offered, MAIL, Limits())
    assert refused is not None
    assert refused.reason == Reason.PAYLOAD_KIND_MISMATCH
    assert "takes text" in refused.detail


@pytest.mark.parametrize("values", [(1.0,), (1.0, 2.0), (1.0, 2.0, 3.0, 4.0)])
def test_features_must_be_as_many_as_the_model_takes(values: tuple[float, ...]) -> None:
    refused = refusal(features_offer(*values), WAVES, Limits())
    assert refused is not None
    assert refused.reason == Reason.INVALID_FEATURES
    assert f"{len(values)} features" in refused.detail
    assert "takes 3" in refused.detail


def test_without_a_model_any_number_of_features_is_fine() -> None:
    assert refusal(features_offer(1.0), replace(WAVES, model=None), Limits()) is None


def test_the_record_limit_is_met_exactly() -> None:
    offered = text_offer("x" * 500)
    exact = Limits(record_max_bytes=len(offered.value))
    assert refusal(offered, MAIL, exact) is None
    refused = refusal(offered, MAIL, Limits(record_max_bytes=len(offered.value) - 1))
    assert refused is not None
    assert refused.reason == Reason.PAYLOAD_TOO_LARGE
    assert str(len(offered.value)) in refused.detail


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"record_id": "a" * 257}, Reason.INVALID_RECORD_ID),
        ({"record_id": "tab\there"}, Reason.INVALID_RECORD_ID),
        ({"attributes": {"": "nameless"}}, Reason.INVALID_ATTRIBUTES),
        ({"attributes": {"a": "x" * 1024}}, Reason.INVALID_ATTRIBUTES),
        ({"attributes": {str(i): "x" for i in range(65)}}, Reason.INVALID_ATTRIBUTES),
    ],
)
def test_ids_and_attributes_have_limits(changed: dict, reason: Reason) -> None:
    refused = refusal(replace(text_offer(), **changed), MAIL, Limits())
    assert refused is not None
    assert refused.reason == reason


def test_an_unknown_project_is_answered_with_the_nearest() -> None:
    assert "did you mean 'mail'?" in unknown_project("mial", "r", ["digits", "mail"]).detail
    assert "project list" in unknown_project("zzz", "r", ["mail"]).detail
    assert "names no project" in unknown_project("", "r", ["mail"]).detail
    assert "no name of a project" in unknown_project("Not A Name", "r", ["mail"]).detail


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="limits must grow"):
        Limits(record_max_bytes=100, batch_max_bytes=50)


def test_a_key_keeps_its_partition_for_ever() -> None:
    # Values of CRC-32 as zlib, PNG and Ethernet compute it: a change here would send a record's retry elsewhere.
    assert [partition_of(b"123456789", n) for n in (1, 2, 12)] == [0, 0xCBF43926 % 2, 0xCBF43926 % 12]


def test_keys_spread_evenly() -> None:
    counts = Counter(partition_of(b"mail/%d" % i, 12) for i in range(12_000))
    assert set(counts) == set(range(12))
    assert max(counts.values()) < 1.25 * min(counts.values())


def test_recent_records_are_bounded_and_forget_the_oldest_first() -> None:
    recent = RecentRecords(100)
    for i in range(1000):
        recent.remember(b"%d" % i, b"hash")
        assert len(recent) <= 100
    assert all(recent.content_of(b"%d" % i) == b"hash" for i in range(950, 1000))
    assert recent.content_of(b"0") is None


def test_the_latest_content_of_a_key_counts() -> None:
    recent = RecentRecords(4)
    recent.remember(b"a", b"1")
    for i in range(2):
        recent.remember(b"%d" % i, b"x")
    recent.remember(b"a", b"2")
    assert recent.content_of(b"a") == b"2"
