"""When a replay bears a log out."""

from __future__ import annotations

from collections import Counter

import pytest

from streamlabel.core.decision import Decision, DecisionReason, Route
from streamlabel.gate.replay_report import SHOWN, Difference, Report

PASSED = Decision(route=Route.AUTO_LABEL, reason=DecisionReason.GATE_PASSED, threshold=0.5, score=0.9, gate_id="mail/3")


@pytest.mark.parametrize(
    ("report", "holds"),
    [
        (Report(replayed=2, identical=2, not_replayable=Counter(gone=1)), True),
        (Report(), False),
        (Report(not_replayable=Counter(gone=1)), False),
        (Report(replayed=2, identical=1, differences=1), False),
        (Report(replayed=2, identical=2, unchecked_lane=1), False),
        (Report(replayed=2, identical=2, forged=Counter({"mail/9": 1})), False),
    ],
)
def test_a_log_holds_where_all_that_is_left_was_checked_and_is_the_same(report: Report, holds: bool) -> None:
    assert report.holds is holds


def test_what_was_made_again_is_counted_and_the_first_differences_are_kept() -> None:
    report = Report()
    report.add(Difference("same", PASSED, PASSED), same=True, lane_checked=True)
    report.add(Difference("but for the lane", PASSED, PASSED), same=True, lane_checked=False)
    for row in range(SHOWN + 2):
        report.add(Difference(f"r{row}", PASSED, PASSED), same=False, lane_checked=False)
    assert (report.replayed, report.identical, report.unchecked_lane) == (SHOWN + 4, 2, 1)
    assert (report.differences, [each.record_id for each in report.different]) == (
        SHOWN + 2,
        [f"r{row}" for row in range(SHOWN)],
    )
