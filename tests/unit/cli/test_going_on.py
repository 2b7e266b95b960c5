"""What a demo says at its end of where to go from there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamlabel.cli.demo.going_on import going_on
from streamlabel.cli.demo.options import DemoOptions
from streamlabel.local.places import DataDir

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
    began, now = datetime(2026, 3, 1, 8, 0, 0, 700_000, UTC), datetime(2026, 3, 1, 8, 1, 30, 1, UTC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STREAMLABEL_DATA_DIR", raising=False)
    here, elsewhere = DataDir.at(), DataDir(tmp_path / "my data")
    lines = going_on("digits", OPTIONS, here, began, is_ours=True, now=now)
    assert lines[0] == "No report was written: --report FILE writes one."
    commands = [line.split("\n")[0].strip() for line in lines[2:]]
    assert commands[0] == "streamlabel up --detach"
    assert (
        commands[-1] == "streamlabel certify lot --project digits --from 2026-03-01T08:00:00Z --to 2026-03-01T08:01:31Z"
    )
    lines = going_on("digits", replace(OPTIONS, report=Path("r.json")), elsewhere, began, is_ours=False, now=now)
    assert lines[0] == f"Report: {tmp_path / 'r.json'}"
    assert "up --detach" not in "".join(lines)
    assert all(f" --data-dir '{tmp_path}/my data'" in line for line in lines[2:])
