"""What `gate` commands say of gates and transitions, and of a learning service that is none."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from typing import Any, cast

import pytest
from rich.console import Console

from streamlabel.cli.decision_log import LoggedDecision
from streamlabel.cli.decision_replay import NO_PREDICTION, Gates, Replaying
from streamlabel.cli.gate_history import MISSED, history_rows, history_table, the_only_project, transition_row
from streamlabel.cli.gate_replay import facts, words
from streamlabel.cli.gate_status import rows
from streamlabel.cli.learning_records import LearningRecords, learning_records
from streamlabel.core.control import gate_number
from streamlabel.core.decision import Decision, DecisionReason, Route
from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.gate.chain import FIRST, ChainedTransition, linked
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.replay_report import Difference, Report
from streamlabel.local.ports import choose

PASSED = Decision(route=Route.AUTO_LABEL, reason=DecisionReason.GATE_PASSED, threshold=0.5, score=0.9, gate_id="mail/3")


def standing(**changes: Any) -> dict[str, Any]:
    point: dict[str, Any] = {
        "at_ms": 1_772_366_400_000,
        "state": "certified",
        "reason": "certified",
        "threshold": 0.75,
        "lane_rate": 0.15,
        "coverage": 0.5,
        "bound": 0.041,
        "count": 300,
        "errors": 4,
        "evidence": 500,
        "unanswered": 12,
        "answers_needed": 0,
        "alarm": 1.25,
        "confirmed_until_ms": 1_772_366_399_000,
    } | changes
    return {
        "project": "mail", "model_name": "m", "model_version": 2, "alpha": 0.05, "delta": 0.1, "point": point
    }  # fmt: skip


def test_a_gate_is_told_in_the_words_of_an_operator() -> None:
    said = dict(rows(standing()))
    assert said["model"] == "m version 2"
    assert said["alpha"] == "5.00% wrong at most, with probability 0.9"
    assert (said["threshold"], said["bound"]) == ("0.75", "4.10%")
    assert said["evidence"] == "n 300, k 4 of 500 answers in the window"
    assert said["to go"] == "nothing: certified"
    assert "neighbours" not in said
    told = [dict(rows(standing(neighbours=count)))["neighbours"] for count in (1000, 0)]
    assert told[0] == "the score compares each record with 1,000 that people answered, by their embeddings"
    assert told[1].startswith("none: ")
    assert said["alarm"] == "evidence of 1.2 to 1 for errors above alpha; 200 revokes"
    assert said["confirmed until"] == "2026-03-01T11:59:59Z"


def test_a_gate_without_a_certificate_says_what_is_missing() -> None:
    cold = standing(threshold=None, count=0, answers_needed=1234, confirmed_until_ms=0)
    said = dict(rows(cold))
    assert (said["threshold"], said["bound"], said["confirmed until"]) == ("nothing passes", "–", "–")
    assert said["to go"] == "about 1,300 more answers until certified"
    assert dict(rows(standing(answers_needed=59, evidence=0)))["to go"] == "at least 59 more answers until certified"
    assert (
        "allow more errors (a larger alpha), or find a better model"
        in dict(rows(standing(answers_needed=None)))["to go"]
    )
    assert dict(rows(standing() | {"point": None}))["state"] == "cold"
    broken = dict(rows(standing() | {"point": None, "fault": "OverflowError: too large"}))
    assert broken["state"] == "none"
    assert broken["reason"] == "OverflowError: too large; apply the project anew once that is mended"


AT_MS = 1_772_366_400_000


def a_link(number: int, at_ms: int, state: str, suspect_from_ms: int | None = None) -> ChainedTransition:
    told = {"at_ms": at_ms, "state": state, "reason": state, "suspect_from_ms": suspect_from_ms}
    told |= {"threshold": None, "count": 0, "errors": 0}
    return linked(
        number=number, project="mail", model_name="m", model_version=1, facts=json.dumps(told), previous=FIRST
    )


def test_a_transition_says_since_when_labels_are_suspect() -> None:
    link = a_link(1, AT_MS, "suspended", AT_MS - 500)
    row = transition_row(link)
    assert (row["at"], row["suspect_from"]) == ("2026-03-01T12:00:00Z", "2026-03-01T11:59:59.500Z")
    assert row["digest"] == link.digest.hex()


def test_a_history_tells_of_doubts_that_no_transition_explains() -> None:
    """Calibration records that nobody had room for: their labels are suspect, and the gate did nothing more."""
    suspects = [{"from_ms": AT_MS - 500, "until_ms": AT_MS + 2_000}, {"from_ms": AT_MS + 5_000, "until_ms": None}]
    book = {"model_name": "m", "model_version": 1, "suspects": suspects}
    links = [
        a_link(1, AT_MS, "suspended", AT_MS - 500),
        a_link(2, AT_MS + 3_000, "certified"),
        a_link(3, AT_MS + 6_000, "cold"),
    ]
    rows = history_rows(links, [book, book | {"suspects": []}])
    assert [row["number"] for row in rows] == [1, 2, None, 3]
    assert [row["suspect_until"] for row in rows] == ["2026-03-01T12:00:02Z", None, None, None]
    assert (rows[2]["at"], rows[2]["digest"]) == ("2026-03-01T12:00:05Z", None)
    assert rows[2]["facts"] == {"state": None, "reason": MISSED}
    console = Console(width=200, file=io.StringIO())
    console.print(history_table(rows))
    assert "suspect since 2026-03-01T11:59:59.500Z until 2026-03-01T12:00:02Z" in console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{MISSED}; suspect since 2026-03-01T12:00:05Z" in console.file.getvalue()  # type: ignore[attr-defined]
    assert [row["number"] for row in history_rows(links, [{"model_name": "m", "model_version": 1}])] == [1, 2, 3]


def test_who_names_no_project_means_the_only_one() -> None:
    assert the_only_project({"mail"}) == "mail"
    with pytest.raises(ConfigurationError, match="say whose gate: --project mail, --project news"):
        the_only_project({"news", "mail"})
    with pytest.raises(ConfigurationError, match="no gate has a history yet"):
        the_only_project(set())


def test_a_replay_shows_what_differs_and_what_could_not_be_told() -> None:
    other = Decision(route=Route.AUTO_LABEL, reason=DecisionReason.GATE_PASSED, threshold=0.5, score=0.8)
    report = Report(
        replayed=30,
        identical=18,
        unchecked_lane=5,
        different=[Difference("r1", PASSED, other)],
        differences=12,
        not_replayable=Counter({"no gate id": 3}),
    )
    said = words(report)
    assert "replayed 30 decisions: 18 identical, 12 different" in said
    assert "logged auto_label, gate_passed, score 0.9, threshold 0.5, gate mail/3" in said
    assert "… and 11 more" in said
    assert "not replayable: 3 (no gate id)" in said
    assert (facts("mail", report)["different"], facts("mail", report)["holds"]) == (12, False)


def test_a_replay_of_nothing_says_so_and_is_no_success() -> None:
    """Not of a project without a decision, and not of one whose predictions are all gone."""
    assert words(Report()) == "NOTHING REPLAYED, so nothing is known: the log holds no decision yet"
    gone = Report(not_replayable=Counter({NO_PREDICTION: 3}))
    assert words(gone).splitlines() == [
        "NOTHING REPLAYED, so nothing is known: no decision could be made again",
        f"not replayable: 3 ({NO_PREDICTION})",
    ]
    assert facts("mail", Report())["holds"] is False
    assert words(Report(replayed=1, identical=1)).startswith("replayed 1 decision: 1 identical")


def logged(record_id: str, gate_id: str) -> LoggedDecision:
    return LoggedDecision(
        record_id=record_id,
        decision=replace(PASSED, gate_id=gate_id),
        project_version=1,
        model_name="m",
        model_version=1,
        content_hash=b"",
    )


@pytest.mark.parametrize("kept", [{"first": 3, "last": 5}, None])
def test_a_decision_by_a_gate_that_never_was_is_forged(kept: dict[str, int] | None) -> None:
    """Whether or not its prediction is still there; one whose gate is merely not kept any more is not."""
    names = ["mail/1", "mail/5", "mail/6", "mail/0", "news/3", "mail/x", ""]
    log = {name.encode(): [logged("r", name), logged("r", name)] for name in names}
    gates = Gates(LearningRecords(cast("Any", None), ""), "mail", kept)
    report = Replaying(log, {}, gates, CoinKeys({})).finish()
    forged = {"mail/6", "mail/0", "news/3", "mail/x"} | (set() if kept else {"mail/1", "mail/5"})
    assert report.forged == dict.fromkeys(forged, 2)
    assert report.not_replayable == {NO_PREDICTION: 2 * (len(names) - len(forged))}
    assert not report.holds
    assert "FORGED: 2 decisions name gate 'mail/6', which never was" in words(report)
    assert facts("mail", report)["forged"] == 2 * len(forged)


def test_gates_are_known_by_project_and_number() -> None:
    assert gate_number("mail", "mail/17") == 17
    for other in ("", "mail", "mail/", "news/1", "mail/x", "mail/-1", "mail/1" + "0" * 18):
        assert gate_number("mail", other) is None


async def test_a_learning_service_that_is_away_is_named_with_the_way_out() -> None:
    async with learning_records(f"http://127.0.0.1:{choose(set())}/") as learning:
        with pytest.raises(TransientError, match="STREAMLABEL_CLI_LEARNING_URL names another learning service"):
            await learning.projects()
    async with learning_records("no url") as learning:
        with pytest.raises(ConfigurationError, match="this is no URL"):
            await learning.projects()
