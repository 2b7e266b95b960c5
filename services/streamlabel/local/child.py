"""Child processes that leave nothing behind.

Every child is started through `guard.py` in a process group of its own, and a file tells who it is. So it dies with its
parent, its own children are reached through the group, and what a killed parent left is found by the next start.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_GUARD = Path(__file__).with_name("guard.py")
_LOG_LIMIT_BYTES = 16 * 1024 * 1024
_TAIL_BLOCK_BYTES = 64 * 1024
_POLL_S = 0.02
# Marks every child and what it starts; not `STREAMLABEL_…`, because a service refuses keys of that kind that it does not know.
_OWNER_KEY = "_OWNED_BY_STREAMLABEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process for all time: a pid is used again, a pid with the moment of its start within one boot is not."""

    pid: int
    started_ticks: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The identity of the living process `pid`; None where there is none (a zombie is none)."""
        fields = _stat_fields(pid)
        if fields is None or fields[0] in "ZX":
            return None
        return cls(pid=pid, started_ticks=int(fields[19]), boot_id=_boot_id())

    def is_alive(self) -> bool:
        """Whether exactly this process still runs."""
        return ProcessIdentity.of(self.pid) == self


def _stat_fields(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on (index 0 = state, 2 = process group, 19 = start)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def group_members(group: int) -> list[int]:
    """The living processes of a process group, zombies left out."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat_fields(int(entry.name))
            if fields is not None and fields[0] not in "ZX" and int(fields[2]) == group:
                members.append(int(entry.name))
    return members


def _is_owned(pid: int, records: Path) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{_OWNER_KEY}={records}".encode() in environment.split(b"\0")


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


class Child:
    """One running child process, leader of its own process group."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], record: Path, log: Path, log_offset: int) -> None:
        self.name = name
        self.log = log
        self.log_offset = log_offset
        self.started_at = time.time()
        self._process = process
        self._record = record

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def send(self, number: int) -> None:
        """Sends a signal to the process alone, not to its group."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def stop(self, *, grace_s: float, number: int = signal.SIGTERM) -> int:
        """Asks with `number`, waits up to `grace_s`, then kills the whole group; returns the exit code."""
        self.send(number)
        return self.end(grace_s=grace_s)

    def end(self, *, grace_s: float) -> int:
        """Waits up to `grace_s` for a process that was asked to stop, then kills the group; returns the exit code."""
        try:
            self._process.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
        return self.clear_away()

    def clear_away(self) -> int:
        """After the end of the process: ends what is left of its group and forgets it; returns the exit code."""
        code = self._process.wait(timeout=30)
        _end_group(self.pid)
        self._record.unlink(missing_ok=True)
        return code


def _end_group(group: int, *, patience_s: float = 5.0) -> None:
    """Kills what is left of a process group, after half a second in which it may end by itself."""
    started = time.monotonic()
    while members := group_members(group):
        waited_s = time.monotonic() - started
        if waited_s > patience_s:
            raise RuntimeError(f"processes {members} of group {group} do not end, not even by SIGKILL")
        if waited_s > 0.5:
            _signal_group(group, signal.SIGKILL)
        time.sleep(_POLL_S)


def guarded(command: Sequence[str], *, death_signal: int, account: str = "-") -> list[str]:
    """`command` wrapped so that the kernel sends it `death_signal` when the thread that starts it ends."""
    return [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), str(int(death_signal)), account, "--", *command]


def start_child(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    records: Path,
    death_signal: int = signal.SIGKILL,
    account: str = "-",
    cwd: Path | None = None,
) -> Child:
    """Starts `command`; its output goes to the end of `log`. Call it from the main thread.

    The kernel ties a child's life to the *thread* that started it: a worker thread that ends would take the child along.
    Raises OSError where log or record cannot be written; then nothing runs.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "a child process must be started from the main thread: it dies with the thread that started it"
        )
    records.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    rotate(log)
    with log.open("ab") as output:
        log_offset = output.tell()
        process = subprocess.Popen(
            guarded(command, death_signal=death_signal, account=account),
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**env, _OWNER_KEY: str(records)}, cwd=cwd, start_new_session=True,
        )  # fmt: skip
    child = Child(name, process, records / f"{name}.json", log, log_offset)
    identity = ProcessIdentity.of(process.pid)
    if identity is not None:
        try:
            write_atomically(records / f"{name}.json", json.dumps(asdict(identity)))
        except OSError:
            # The disk is full. Nobody could find this process again, so it must not live.
            child.send(signal.SIGKILL)
            child.clear_away()
            raise
    return child


def reap_leftovers(records: Path, *, grace_s: float = 10.0) -> list[str]:
    """Ends the children that an earlier parent left in `records`; returns their names. Never touches another process."""
    reaped = []
    for record in sorted(records.glob("*.json")):
        try:
            identity = ProcessIdentity(**json.loads(record.read_text()))
        except (ValueError, TypeError):
            record.unlink()
            continue
        if identity.is_alive():
            _signal_group(identity.pid, signal.SIGTERM)
            deadline = time.monotonic() + grace_s
            while identity.is_alive() and time.monotonic() < deadline:
                time.sleep(_POLL_S)
            _end_group(identity.pid)
            reaped.append(record.stem)
        else:
            # The leader is gone; its group may live on. The number may be a stranger's by now, so look at each member.
            orphans = [pid for pid in group_members(identity.pid) if _is_owned(pid, records)]
            for pid in orphans:
                os.kill(pid, signal.SIGKILL)
            reaped += [record.stem] if orphans else []
        record.unlink()
    return reaped


def rotate(log: Path) -> None:
    """Moves a log that has grown too long aside; one older log is kept."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))


def write_atomically(path: Path, text: str) -> None:
    """Replaces `path` by `text`: a reader sees the old text or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def tail(log: Path, lines: int = 15, *, since_byte: int = 0) -> str:
    """The last lines of a log; nothing from before `since_byte`, and "" where there is no log."""
    try:
        with log.open("rb") as handle:
            position = handle.seek(0, os.SEEK_END)
            text = b""
            # Backwards, block by block: a log may be long, and its end is what is asked for.
            while position > since_byte and text.count(b"\n") <= lines:
                start = max(since_byte, position - _TAIL_BLOCK_BYTES)
                handle.seek(start)
                text = handle.read(position - start) + text
                position = start
    except FileNotFoundError:
        return ""
    return "\n".join(text.decode("utf-8", "replace").splitlines()[-lines:])
