"""All tests in two runs beside each other, as `make test` starts them: `python tests/support/side_by_side.py`.

One run computes and works a browser; the other mostly waits, for servers and for what was killed. Together they take hardly longer
than the longer one. A folder that is not named here is part of the second run.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
COMPUTE = ("tests/unit", "tests/architecture", "tests/contract", "tests/e2e/page")
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_both(quiet: Sequence[str], loud: Sequence[str]) -> int:
    """Runs two commands at once; 0 if both end with 0, else the code of one that does not.

    What `quiet` says is shown when both have ended. Each has a process group of its own: whatever would end this process (Ctrl-C,
    SIGTERM, SIGHUP) reaches either of them once, as the SIGINT on which pytest puts everything away, and is waited for.
    """
    runs: list[subprocess.Popen[bytes]] = []
    interrupted = False

    def pass_on(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        for run in runs:
            run.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, pass_on) for number in _INTERRUPTS}
    try:
        with tempfile.TemporaryFile() as said:
            for command, output in ((quiet, said), (loud, None)):
                if interrupted:
                    break
                runs.append(_start(command, output))
                if interrupted:  # While it was being started.
                    runs[-1].send_signal(signal.SIGINT)
            codes = [run.wait() for run in runs]
            said.seek(0)
            shutil.copyfileobj(said, sys.stdout.buffer)
            sys.stdout.flush()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    failed = next((code for code in codes if code), int(interrupted))
    return 128 - failed if failed < 0 else failed


def _start(command: Sequence[str], output: IO[bytes] | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0)


def main() -> int:
    """Both runs of pytest over the whole of tests/; the exit code."""
    os.chdir(ROOT)
    pytest = (sys.executable, "-m", "pytest")
    sys.stdout.write(f"Two runs at once. What {', '.join(COMPUTE)} come to is shown at the end; here is the rest:\n")
    sys.stdout.flush()
    return run_both((*pytest, *COMPUTE), (*pytest, "tests", *(f"--ignore={folder}" for folder in COMPUTE)))


if __name__ == "__main__":
    sys.exit(main())
