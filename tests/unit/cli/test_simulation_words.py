"""Simulations in words: of several runs it is always said which."""

from __future__ import annotations

from dataclasses import replace

from streamlabel.cli.simulation_words import told
from streamlabel.core.control import GateState
from streamlabel.gate import Run, Simulation
from streamlabel.gate.keeper import Transition
from streamlabel.gate.runs import Window


def certified(place: int) -> Transition:
    return Transition(place=place, state=GateState.CERTIFIED, reason="certified", threshold=0.9, count=120, errors=2)


def suspended(place: int) -> Transition:
    return Transition(place=place, state=GateState.SUSPENDED, reason="inputs changed", suspect_from=place - 50)


RUN = Run(
    coverage=0.5,
    coverage_last_quarter=0.6,
    error=0.03,
    error_last_quarter=0.02,
    answers=10_000,
    second_answers=0,
    transitions=(certified(400), suspended(9050), certified(12_000), certified(12_500), certified(13_000)),
    detection_delay=50,
    suspects=15,
    guard=1.0,
    windows=(Window(begin=0, end=20_000, coverage=0.5, error=0.03),),
    threshold=0.9,
    certificate=None,
    answers_needed=0,
    overlooked_bound=None,
)
NEVER = replace(RUN, coverage=0.0, error=None, transitions=(), detection_delay=None, suspects=0, answers_needed=321)


def words(*runs: Run, alpha: float = 0.05) -> list[str]:
    return told(Simulation(alpha=alpha, delta=0.05, runs=runs, change_at=9000)).splitlines()


def test_one_run_is_told_with_its_openings_and_closings() -> None:
    assert words(RUN) == [
        "Labelled by the model: 50.0% of 20,000 records (60.0% of the last quarter); wrong of those: 3.00% (allowed: 5.00%).",
        "People were asked 10,000 times.",
        "The gate opened first after 400 records.",
        "The change at 9,000 was noticed after 50 records.",
        "Set between a change and the closing, so suspect: 15 labels.",
        "By record:",
        "        400  opened: from score 0.9 on; 2 wrong among 120 answers",
        "      9,050  suspended: inputs changed",
        "     12,000  opened: from score 0.9 on; 2 wrong among 120 answers",
        "     13,000  certified anew for the 2nd time: from score 0.9 on; 2 wrong among 120 answers",
    ]


def test_of_several_runs_it_says_mean_median_and_run() -> None:
    late = replace(RUN, coverage=0.1, error=0.07, transitions=(certified(700),), detection_delay=150, suspects=1)
    said = words(RUN, late, NEVER)
    assert said[0].startswith("Labelled by the model, in the mean of 3 runs: 20.0% of 20,000 records")
    assert "wrong of those: 5.00%" in said[0]
    assert said[1] == "People were asked 10,000 times (mean)."
    assert said[2].startswith("Runs above alpha: 1 of 3 (95 % interval of the rate ")
    assert said[3] == "The gate opened in 2 of 3 runs, first after 550 records (median; 400–700)."
    assert said[4] == "The change at 9,000 was noticed in 2 of 3 runs, after 100 records (median; 50–150)."
    assert said[5] == "Set between a change and the closing, so suspect: 1 label (median; 0–15)."
    assert said[6] == "Run 1 of 3, by record:"
    assert "In run 1 it never did: about 330 more calibration answers were wanted." in words(NEVER, RUN)[3]


def test_what_never_opened_says_why_where_that_can_be_told() -> None:
    def why(run: Run) -> str:
        return next(line for line in words(run) if line.startswith("The gate never opened: "))

    assert why(NEVER).endswith("never opened: about 330 more calibration answers were wanted.")
    assert why(replace(NEVER, answers_needed=None)).endswith(
        "nowhere did the answers look as if clearly fewer than 5.00% were wrong."
    )
    assert why(replace(NEVER, overlooked_bound=0.02)).endswith(
        "second looks leave 3.00% of the 5.00%, at most; about 330 more calibration answers were wanted."
    )
    assert why(replace(NEVER, answers_needed=None, overlooked_bound=0.08)).endswith(
        "second looks leave 0.00% of the 5.00%, at most; no number of answers like these is likely to do."
    )
    assert "wrong of those: – (allowed: 5.00%)." in words(NEVER)[0]
    assert words(NEVER, NEVER)[3].startswith("The gate opened in none of 2 runs. Run 1: about 330 more")
    assert "The change at 9,000 was not noticed." in words(NEVER)


def test_second_looks_are_counted_apart() -> None:
    twice = replace(RUN, answers=24_996, second_answers=4996)
    assert words(twice)[1] == "People were asked 24,996 times, 4,996 of them a second time about the same record."


def test_a_long_life_is_abridged_and_a_gate_that_stays_closed_says_what_was_missing() -> None:
    many = [step for place in range(1000, 11_000, 1000) for step in (certified(place), suspended(place + 500))]
    said = words(replace(RUN, transitions=tuple(many), answers_needed=40))
    begin = said.index("By record:") + 1
    assert said[begin + 7] == "          …  8 more, all in --json"
    assert len(said) == begin + 7 + 1 + 5 + 1
    assert said[-2].startswith("     10,500  suspended: ")
    assert said[-1].strip() == "closed to the end: about 40 more calibration answers were wanted."
