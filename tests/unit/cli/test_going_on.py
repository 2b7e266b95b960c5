"""What a demo says at its end of where to go from there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamlabel.cli.demo.gate_source import GateView
from streamlabel.cli.demo.going_on import going_on
from streamlabel.cli.demo.options import DemoOptions
from streamlabel.local.places import DataDir

GATE = GateView(
    state="certified",
    threshold=0.91,
    count=140,
    errors=1,
    bound=0.034,
    evidence=300,
    answers_needed=0,
    confirmed_until_ms=1_772_352_090_250,
)
OPTIONS = DemoOptions(
    records=4000,
    endless=False,
    drift=False,
    per_second=200.0,
    annotators=16,
    annotator_error=None,
    think_time_s=0.15,
    exit_when_done=True,
    report=None,
    patience_s=60.0,
)


def test_a_person_is_told_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = datetime(2026, 3, 1, 8, 0, 0, 700_000, UTC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STREAMLABEL_DATA_DIR", raising=False)
    here, elsewhere = DataDir.at(), DataDir(tmp_path / "my data")
    lines = going_on("digits", OPTIONS, here, began, GATE, is_ours=True)
    assert lines[0] == "No report was written: --report FILE writes one."
    commands = [line.split("\n")[0].strip() for line in lines[2:]]
    assert commands[0] == "streamlabel up --detach"
    assert (
        commands[-1]
        == "streamlabel certify lot --project digits --from 2026-03-01T08:00:00Z --to 2026-03-01T08:01:30.250Z"
    )
    lines = going_on("digits", replace(OPTIONS, report=Path("r.json")), elsewhere, began, GATE, is_ours=False)
    assert lines[0] == f"Report: {tmp_path / 'r.json'}"
    assert "up --detach" not in "".join(lines)
    unconfirmed = replace(GATE, confirmed_until_ms=0)
    for gate in (None, unconfirmed):
        assert "certify lot" not in "".join(going_on("digits", OPTIONS, here, began, gate, is_ours=True))
    assert all(f" --data-dir '{tmp_path}/my data'" in line for line in lines[2:])
