"""The chain of audits: whatever was done to it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from streamlabel.core.hash_chain import FIRST, chain_digest
from streamlabel.gate.audit_chain import AuditHead, AuditWalk, ChainedAudit

AUDIT = ChainedAudit(
    number=1,
    project="mail",
    book_no=3,
    record_id="r1",
    model_version=2,
    decided_ms=1_700_000_000_000,
    gate_number=7,
    lane_rate=0.05,
    predicted="spam",
    answer="ham",
    passable=True,
    digest=b"",
)
Audits = list[ChainedAudit]


def chain(count: int) -> Audits:
    made: Audits = []
    previous = FIRST
    for number in range(1, count + 1):
        link = replace(AUDIT, number=number, record_id=f"r{number}", answer=None if number % 3 else "spam")
        previous = chain_digest(previous, link.content())
        made.append(replace(link, digest=previous))
    return made


def head_of(audits: Audits) -> AuditHead:
    return AuditHead(last_no=audits[-1].number, digest=audits[-1].digest)


def walked(audits: Audits, head: AuditHead, marks: dict[int, bytes] | None = None) -> str:
    walk = AuditWalk(marks)
    walk.take(audits[:2])
    walk.take(audits[2:])
    walk.finish(head)
    return walk.broken


def test_a_chain_that_nobody_touched_is_whole() -> None:
    audits = chain(5)
    assert walked(audits, head_of(audits), {2: audits[1].digest, 5: audits[4].digest}) == ""
    assert walked([], AuditHead()) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"project": "news"},
        {"book_no": 4},
        {"record_id": "x"},
        {"model_version": 3},
        {"decided_ms": 1},
        {"gate_number": 8},
        {"lane_rate": 0.050000000000000003 * 3},
        {"predicted": "ham"},
        {"answer": "spam"},
        {"answer": ""},
        {"passable": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_audit_is_found(change) -> None:
    audits = chain(5)
    head, audits[3] = head_of(audits), replace(audits[3], **change)
    assert walked(audits, head).startswith("audit 4 is not what was written")


@pytest.mark.parametrize(
    ("tampered", "found"),
    [
        (lambda audits: audits[:1] + audits[2:], "audit 2 is gone"),
        (lambda audits: audits[1:], "audit 1 is gone"),
        (lambda audits: audits[:3], "audits 4-5 are gone"),
        (lambda audits: [], "audits 1-5 are gone"),
        (lambda audits: [*chain(2), *audits[3:]], "audit 3 is gone"),
    ],
)
def test_an_audit_that_was_taken_out_is_found(tampered: Callable[[Audits], Audits], found: str) -> None:
    audits = chain(5)
    assert walked(tampered(audits), head_of(audits)) == found


def test_a_chain_that_was_written_anew_with_its_head_contradicts_a_transition() -> None:
    audits, others = chain(5), chain(4)
    marks = {4: b"x" * 32}
    assert walked(others, head_of(others), marks) == "audit 4 is not the one that a transition tells of"
    assert walked(others, head_of(others), {5: audits[4].digest}) == "audits 5-5 are gone"


def test_an_audit_that_nobody_counted_is_found() -> None:
    assert walked(chain(5), head_of(chain(4))) == "there are 5 audits, and learning wrote 4"
