"""Two runs beside each other: both count, both are shown, and who interrupts the one interrupts the other."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support import side_by_side
from support.processes import living, until

WAITING = """
import os, pathlib, sys, time
place = pathlib.Path(sys.argv[1])
try:
    place.write_text(str(os.getpid()))
    time.sleep(60)
except KeyboardInterrupt:
    print("put away", place.name)
    sys.exit(2)
"""


def starting(quiet: list[str], loud: list[str]) -> subprocess.Popen[str]:
    """Two programs of Python side by side, in a process that can be interrupted."""
    code = f"import side_by_side, sys; sys.exit(side_by_side.run_both({[sys.executable, *quiet]!r}, {[sys.executable, *loud]!r}))"
    place = Path(side_by_side.__file__).parent
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    ("quiet", "loud", "code"),
    [
        ("pass", "pass", 0),
        ("raise SystemExit(3)", "pass", 3),
        ("pass", "raise SystemExit(4)", 4),
        ("import os; os.kill(os.getpid(), 9)", "pass", 137),
    ],
)
def test_it_ends_well_only_if_both_do(quiet: str, loud: str, code: int) -> None:
    both = starting(["-c", quiet], ["-c", loud])
    both.communicate(timeout=30)
    assert both.returncode == code


def test_what_the_quiet_one_says_comes_at_the_end_and_whole() -> None:
    quiet = "import sys; print('early', flush=True); print('and an error', file=sys.stderr)"
    both = starting(["-c", quiet], ["-c", "import time; time.sleep(0.3); print('late')"])
    assert both.communicate(timeout=30) == ("late\nearly\nand an error\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_both_and_waits_until_they_have_put_things_away(
    tmp_path: Path, number: signal.Signals
) -> None:
    places = [tmp_path / "one", tmp_path / "other"]
    both = starting(*(["-c", WAITING, str(place)] for place in places))
    until(lambda: all(place.exists() and place.read_text() for place in places))
    both.send_signal(number)
    said, _ = both.communicate(timeout=30)
    assert both.returncode == 2
    assert sorted(said.splitlines()) == ["put away one", "put away other"]
    assert living([int(place.read_text()) for place in places]) == []
