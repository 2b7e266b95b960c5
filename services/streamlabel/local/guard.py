"""Becomes another program that cannot outlive its parent: `guard.py PARENT_PID DEATH_SIGNAL ACCOUNT -- PROGRAM ARGUMENT…`.

Run as a script with `python -I -S`, never imported: it must start in milliseconds and may use the standard library only.
The kernel sends DEATH_SIGNAL when the parent *thread* ends for whatever reason, also by SIGKILL.
ACCOUNT is `-`, or the name of the account to become first. Such a process keeps the right to pass closed directories where
its starter had it: a data directory below `/root` stays usable without opening `/root` to everyone.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2

libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, first: int = 0, second: int = 0) -> bool:
    return bool(libc.prctl(option, ctypes.c_ulong(first), ctypes.c_ulong(second), 0, 0) == 0)


def permitted_capabilities() -> int:
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    return int(data[1]) if libc.capget(header, data) == 0 else 0


def become(account: str) -> None:
    entry = pwd.getpwnam(account)
    wanted = (1 << CAP_DAC_OVERRIDE) | (1 << CAP_DAC_READ_SEARCH)
    kept = permitted_capabilities() & wanted
    prctl(PR_SET_KEEPCAPS, 1)
    # Without this bit access(2) answers by the account alone, and PostgreSQL asks access(2) whether it may run its own parts.
    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(kept, kept, kept, 0, 0, 0)
    if libc.capset(header, data) == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if kept >> capability & 1:
                prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def main() -> None:
    parent_pid, death_signal, account = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    command = sys.argv[5:]
    if account != "-":
        become(account)
    # After the change of account, because that change clears the death signal.
    if not prctl(PR_SET_PDEATHSIG, death_signal):
        sys.exit("guard: the kernel refuses PR_SET_PDEATHSIG")
    if os.getppid() != parent_pid:
        sys.exit("guard: the parent died before its child started")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"guard: cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
