"""A child never outlives its parent, and clearing up never touches a stranger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from streamlabel.local.child import (
    Child,
    ProcessIdentity,
    group_members,
    guarded,
    reap_leftovers,
    rotate,
    start_child,
    tail,
    write_atomically,
)
from support.processes import living, until

ENVIRONMENT = {"PATH": os.environ["PATH"]}

# A parent that starts a child, which starts a grandchild in its own group; prints the pid of the child.
PARENT = """
import os, sys, time
from pathlib import Path
from streamlabel.local.child import start_child
place = Path(sys.argv[1])
child = start_child("family", ["/bin/sh", "-c", "sleep 600 & wait"], env=dict(os.environ), log=place / "log",
                    records=place / "records", death_signal=int(sys.argv[2]))
print(child.pid, flush=True)
time.sleep(600)
"""


def start_family(place: Path, death_signal: int) -> tuple[subprocess.Popen[str], int]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(place), str(death_signal)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    until(lambda: len(group_members(pid)) == 2)
    return parent, pid


def test_a_child_dies_with_a_killed_parent_and_the_next_start_ends_its_orphans(tmp_path: Path) -> None:
    parent, pid = start_family(tmp_path, signal.SIGKILL)
    parent.kill()
    parent.wait()
    until(lambda: not living([pid]))
    orphans = group_members(pid)
    assert len(orphans) == 1, "the grandchild was to survive, or this test shows nothing"

    assert reap_leftovers(tmp_path / "records") == ["family"]
    until(lambda: not living(orphans))
    assert list((tmp_path / "records").iterdir()) == []


def test_a_leftover_that_still_runs_is_ended_with_its_group(tmp_path: Path) -> None:
    # SIGCONT as the death signal: the child lives on, as one would that was started without a guard.
    parent, pid = start_family(tmp_path, signal.SIGCONT)
    parent.kill()
    parent.wait()
    members = group_members(pid)
    assert len(living(members)) == 2
    assert reap_leftovers(tmp_path / "records") == ["family"]
    until(lambda: not living(members))


def test_a_pid_that_was_given_to_another_process_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        identity = ProcessIdentity.of(stranger.pid)
        assert identity is not None
        assert identity.is_alive()
        earlier = replace(identity, started_ticks=identity.started_ticks - 1)
        assert not earlier.is_alive()
        (tmp_path / "kafka.json").write_text(json.dumps(asdict(earlier)))
        assert reap_leftovers(tmp_path) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_record_that_cannot_be_read_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "kafka.json").write_text('{"pid": ')
    (tmp_path / "triton.json").write_text('{"process": 1}')
    assert reap_leftovers(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_stop_asks_first_and_kills_whoever_does_not_listen(tmp_path: Path) -> None:
    def start(name: str, script: str) -> Child:
        return start_child(
            name, ["/bin/sh", "-c", script], env=ENVIRONMENT, log=tmp_path / f"{name}.log", records=tmp_path / "records"
        )

    polite = start("polite", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done")
    deaf = start("deaf", "trap '' TERM; sleep 600 & echo up; while :; do sleep 0.05; done")
    for child in (polite, deaf):
        until(lambda child=child: "up" in tail(child.log))
    members = group_members(deaf.pid)
    assert polite.stop(grace_s=10) == 3
    assert "bye" in tail(polite.log)
    assert deaf.stop(grace_s=0.2) == -signal.SIGKILL
    assert living(members) == []
    assert list((tmp_path / "records").iterdir()) == []


def test_a_program_that_is_not_there_says_so_in_its_log(tmp_path: Path) -> None:
    child = start_child("ghost", ["/no/such/program"], env=ENVIRONMENT, log=tmp_path / "ghost.log", records=tmp_path)
    assert child.clear_away() == 1
    assert "cannot start /no/such/program: No such file or directory" in tail(child.log)


def test_a_thread_that_will_end_may_not_start_children(tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def body() -> None:
        try:
            start_child("x", ["true"], env=ENVIRONMENT, log=tmp_path / "x.log", records=tmp_path)
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_root_becomes_nobody_and_still_passes_directories_closed_to_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "program").write_text("#!/bin/sh\nid -un\ntest -x $0 && echo may run it\ncat $(dirname $0)/secret\n")
    (closed / "program").chmod(0o700)
    (closed / "secret").write_text("whispered\n")
    (closed / "secret").chmod(0o600)
    done = subprocess.run(
        guarded([str(closed / "program")], death_signal=signal.SIGKILL, account="nobody"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["nobody", "may run it", "whispered"], done.stderr


def test_the_tail_of_a_log_begins_where_this_start_began(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("old trouble\n")
    child = start_child("x", ["sh", "-c", "echo new; echo last"], env=ENVIRONMENT, log=log, records=tmp_path)
    child.clear_away()
    assert tail(log, since_byte=child.log_offset) == "new\nlast"
    assert tail(log, 1) == "last"
    assert tail(tmp_path / "none.log") == ""


def test_the_tail_of_a_long_log_has_as_many_lines_as_were_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {number} {'x' * 100}\n" for number in range(5_000)))
    lines = tail(log, 3_000).splitlines()
    assert len(lines) == 3_000
    assert [lines[0][:9], lines[-1][:9]] == ["line 2000", "line 4999"]


def test_a_long_log_is_moved_aside_before_a_start(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"x" * (16 * 1024 * 1024 + 1))
    rotate(log)
    assert not log.exists()
    assert (tmp_path / "x.log.1").stat().st_size == 16 * 1024 * 1024 + 1


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "stack.json"
    write_atomically(target, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
