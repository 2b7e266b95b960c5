"""The table of rights, the form of tokens, and how often somebody may come."""

from __future__ import annotations

import pytest

from streamlabel.core.access import AccessMode, Annotator, AnnotatorState, Appointment, Role, audit_entry
from streamlabel.core.hash_chain import FIRST, first_broken
from streamlabel.errors import ConfigurationError
from streamlabel.review.adapters.guard import peer_of, token_in
from streamlabel.review.rules.access import (
    RPCS,
    Denial,
    Refused,
    judge_call,
    needs_caller,
    row_of,
    rule_of_route,
)
from streamlabel.review.rules.access_tokens import TokenHash, form_token, token_id_of
from streamlabel.review.rules.buckets import Buckets
from streamlabel.review.settings import ReviewSettings
from streamlabel.runtime.settings import load_settings

LEASE = RPCS["/streamlabel.v1.ReviewService/LeaseTasks"]
GET_TASK = "/streamlabel.v1.ReviewService/GetTask"
OFFICE = RPCS["/streamlabel.v1.AccessService/CreateToken"]


def person(*roles: str, state: AnnotatorState = AnnotatorState.ACTIVE) -> Annotator:
    return Annotator(name="ann", appointments=tuple(map(Appointment.parse, roles)), state=state)


def denial(refused: Refused | None) -> Denial | None:
    return refused.denial if refused else None


def test_a_method_without_a_rule_is_nobodys() -> None:
    everything = person(*(role.value for role in Role))
    assert (
        denial(judge_call(RPCS.get("/streamlabel.v1.ReviewService/DropTables"), everything)) is Denial.PERMISSION_DENIED
    )
    assert rule_of_route("GET", "/streamlabel.v1.ReviewService/LeaseTasks") is None
    assert rule_of_route("PUT", "/") is None
    assert rule_of_route("HEAD", "/assets/js/main.js") is not None


@pytest.mark.parametrize(
    ("roles", "annotator", "project", "expected"),
    [
        (("annotator",), "ann", "mail", None),
        (("annotator@mail",), "ann", "mail", None),
        (("annotator@mail",), "ann", "", None),
        (("annotator@mail",), "ann", "news", Denial.PERMISSION_DENIED),
        (("annotator",), "bob", "mail", Denial.PERMISSION_DENIED),
        (("service",), "bob", "mail", None),
        (("service@news", "annotator"), "bob", "mail", Denial.PERMISSION_DENIED),
        (("admin",), "ann", "mail", Denial.PERMISSION_DENIED),
        ((), "ann", "mail", Denial.PERMISSION_DENIED),
    ],
)
def test_a_lease_is_for_those_who_work_in_the_project(
    roles: tuple[str, ...], annotator: str, project: str, expected: Denial | None
) -> None:
    assert denial(judge_call(LEASE, person(*roles), annotator=annotator, project=project)) is expected


def test_the_office_wants_an_admin_of_every_project() -> None:
    assert judge_call(OFFICE, person("admin")) is None
    assert denial(judge_call(OFFICE, person("admin@mail"))) is Denial.PERMISSION_DENIED
    assert denial(judge_call(OFFICE, None)) is Denial.UNAUTHENTICATED
    assert needs_caller(OFFICE, AccessMode.OPEN)
    assert not needs_caller(LEASE, AccessMode.OPEN)


def test_what_is_told_to_no_annotator_has_a_row_of_its_own() -> None:
    unnamed = RPCS[row_of(GET_TASK, escalated=False, annotator="")]
    named = RPCS[row_of(GET_TASK, escalated=False, annotator="ann")]
    assert denial(judge_call(unnamed, person("annotator"), annotator="")) is Denial.PERMISSION_DENIED
    assert judge_call(unnamed, person("reviewer"), annotator="") is None
    assert judge_call(named, person("annotator"), annotator="ann") is None


def test_whoever_is_paused_may_put_down_what_is_in_hand_and_no_more() -> None:
    paused = person("annotator", state=AnnotatorState.PAUSED)
    allowed = {row for row, rule in RPCS.items() if not rule.public and not judge_call(rule, paused, annotator="ann")}
    assert {row.rpartition("/")[2] for row in allowed} == {
        "ListProjects",
        "GetQueueStats",
        "ReleaseLeases",
        "WhoAmI",
        "ServerReflectionInfo",
    }


def test_every_denial_tells_the_way_out() -> None:
    for refused in (
        judge_call(LEASE, None),
        judge_call(LEASE, person()),
        judge_call(LEASE, person("annotator@mail"), project="news"),
        judge_call(LEASE, person("annotator", state=AnnotatorState.PAUSED)),
    ):
        assert refused is not None
        assert "streamlabel annotators" in refused.detail


def test_a_token_is_made_of_chance_and_known_by_its_id() -> None:
    token = form_token(bytes(range(41)))
    assert token_id_of(token) == token.split("_")[1]
    assert len(token) == 60
    assert form_token(bytes(41)) != token
    assert token_id_of(form_token(b"\xff" * 41)) is not None
    for wrong in ("", token + "x", token[:-1], token.upper(), "slt__", "x" * 10_000):
        assert token_id_of(wrong) is None
    digests = TokenHash(b"k" * 32)
    assert digests.matches(token, digests.digest(token))
    assert not digests.matches(token, TokenHash(b"l" * 32).digest(token))
    with pytest.raises(ValueError, match="32 bytes"):
        TokenHash(b"short")


def test_a_bucket_fills_as_time_goes_by() -> None:
    buckets = Buckets(rate_per_s=2.0, burst=3.0, max_keys=2)
    assert [buckets.take("ann", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert buckets.take("bob", 0.0) == 0.0
    assert buckets.take("ann", 0.25) == 0.25
    assert buckets.take("ann", 0.5) == 0.0
    assert buckets.take("ann", -5.0) > 0
    buckets.give_back("ann")
    assert buckets.take("ann", 0.5) == 0.0
    buckets.take("cy", 0.5)
    assert buckets.take("bob", 0.5) == 0.0
    assert all(Buckets(rate_per_s=0.0, burst=0.0).take("ann", 0.0) == 0.0 for _ in range(9))


def test_an_entry_that_was_changed_breaks_the_chain() -> None:
    entries, previous = [], FIRST
    for number in (1, 2, 3):
        entry = audit_entry(
            number=number, at_ms=number, actor="a", action="put", subject="b", facts="{}", previous=previous
        )
        entries.append(entry)
        previous = entry.digest
    assert first_broken(entries) is None
    assert first_broken(entries[:2]) is None
    assert first_broken(entries[1:]) == 1
    forged = audit_entry(
        number=2, at_ms=2, actor="x", action="put", subject="b", facts="{}", previous=entries[0].digest
    )
    assert first_broken([entries[0], forged, entries[2]]) == 3


class At:
    """A call's context, as far as it says where the call comes from."""

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def peer(self) -> str:
        return self._peer


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:10.1.2.3:50123", "10.1.2.3"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:50123", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2::9]:1", "2001:db8:1:2::/64"),
        ("ipv6:[::ffff:10.1.2.3]:1", "10.1.2.3"),
        ("http:10.1.2.3", "10.1.2.3"),
        ("http:2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("http:None", "None"),
        ("unix:/tmp/x", "/tmp/x"),
    ],
)
def test_logins_that_fail_are_counted_by_network(peer: str, expected: str) -> None:
    assert peer_of(At(peer)) == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ([("authorization", "Bearer abc ")], "abc"),
        ([("authorization", "bearer abc"), ("cookie", "streamlabel_token=def")], "abc"),
        ([("cookie", "other=1; streamlabel_token=def; more=2")], "def"),
        ([("authorization", "Basic abc")], ""),
        ([("cookie", "streamlabel_token")], ""),
        ([("cookie", "a\x00b=\x01")], ""),
        ([("authorization-bin", b"Bearer abc")], ""),
        ([], ""),
        (None, ""),
    ],
)
def test_where_a_token_is_looked_for(metadata: list[tuple[str, object]] | None, expected: str) -> None:
    assert token_in(metadata) == expected


def settings(**more: str) -> ReviewSettings:
    return load_settings(ReviewSettings, {"STREAMLABEL_REVIEW_POSTGRES_DSN": "postgresql://x", **more})


def test_open_is_for_this_machine_alone_unless_somebody_insists() -> None:
    assert settings().review_access == "tokens"
    with pytest.raises(
        ConfigurationError, match=r"STREAMLABEL_HTTP_HOST=0\.0\.0\.0 and STREAMLABEL_GRPC_HOST=0\.0\.0\.0"
    ):
        settings(STREAMLABEL_REVIEW_ACCESS="open")
    here = {"STREAMLABEL_HTTP_HOST": "::1", "STREAMLABEL_GRPC_HOST": "localhost"}
    assert settings(STREAMLABEL_REVIEW_ACCESS="open", **here).review_access == "open"
    with pytest.raises(ConfigurationError, match="any name"):
        settings(STREAMLABEL_REVIEW_ACCESS="open", **{**here, "STREAMLABEL_GRPC_HOST": "desk.example.org"})
    assert settings(STREAMLABEL_REVIEW_ACCESS="open", STREAMLABEL_REVIEW_OPEN_TO_NETWORK="true").review_access == "open"


def test_a_weak_token_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="at least 32 characters") as refused:
        settings(STREAMLABEL_REVIEW_ADMIN_TOKEN="hunter2")
    assert "hunter2" not in str(refused.value)
