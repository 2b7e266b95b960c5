"""`streamlabel down` while the stack is still starting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from streamlabel.local import stack_file
from streamlabel.local.places import DataDir
from support.command_line import clean_environment, streamlabel
from support.processes import until

# A supervisor that holds its directory for a while before it tells anything.
SLOW_SUPERVISOR = """
import os, signal, sys, time
from pathlib import Path
from streamlabel.local.child import ProcessIdentity
from streamlabel.local.places import DataDir
from streamlabel.local.stack_file import StackPhase, StackState, write
from streamlabel.local.supervisor import hold
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
data = DataDir.at(Path(sys.argv[1]))
with hold(data):
    time.sleep(1.0)
    me = ProcessIdentity.of(os.getpid())
    write(data, StackState(phase=StackPhase.STARTING, supervisor=me, started_at=time.time(), ports={}, environment={}))
    signal.pause()
"""


def test_a_stack_that_has_only_just_begun_is_stopped_and_that_is_told(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "stack")
    supervisor = subprocess.Popen([sys.executable, "-c", SLOW_SUPERVISOR, str(data.root)], env=clean_environment())
    try:
        until(lambda: stack_file.is_running(data))
        ran = streamlabel("down", "--data-dir", str(data.root))
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.splitlines() == [
            f"The stack in {data.root} is still starting; stopping it",
            f"Stopped the stack in {data.root}",
        ]
        assert supervisor.wait(10) == 0
    finally:
        supervisor.kill()
        supervisor.wait()
    assert streamlabel("down", "--data-dir", str(data.root)).out == f"No stack is running in {data.root}\n"
