"""States of a stack, to be written into a state file."""

from __future__ import annotations

from collections.abc import Mapping

from streamlabel.local.child import ProcessIdentity
from streamlabel.local.stack_file import ProcessPhase, ProcessState, StackPhase, StackState


def resting(ports: Mapping[str, int], *, phase: StackPhase = StackPhase.STOPPED) -> StackState:
    """A stack whose supervisor is long gone, with one process."""
    return StackState(
        phase=phase,
        supervisor=ProcessIdentity(pid=2**22 + 1, started_ticks=1, boot_id="another boot"),
        started_at=1.5,
        ports=ports,
        environment={"STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"},
        processes={"kafka": ProcessState(phase=ProcessPhase.READY, pid=2**22 + 2, started_at=2.5, restarts=3)},
    )
