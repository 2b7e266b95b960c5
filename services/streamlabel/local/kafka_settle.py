"""Lets the controller of a broker that was killed declare it dead, then becomes the broker: `kafka_settle.py GUARD LOGGING
CONTROLLER_PROPERTIES -- JAVA … kafka.Kafka SERVER_PROPERTIES`, where LOGGING tells of every change of the metadata.

Run as a script with `python -I -S`, never imported; the standard library only. A node that is broker and controller and comes back
from a kill believes at first what its metadata say: that it leads its partitions. It takes up transactions that were about to end,
but cannot write their markers, for its own port is still shut; and when its controller finds the old session expired, no partition
has a leader, the markers are taken for those of deleted topics, and the transactions count as complete without them. Offsets are
lost so, and records that are made again are committed twice. Where the controller has spoken before the broker looks, the broker
leads nothing until it is registered anew, and then it can write.
"""

import os
import signal
import subprocess
import sys
import threading
import time

# A controller that has nothing to say, or says it in other words, must not keep the broker from starting.
PATIENCE_S = 20.0
LOGGING = "-Dlog4j2.configurationFile="
ACTIVE = "Performing controller activation"
REGISTERED, FENCED, UNFENCED = "RegisterBrokerRecord(", "fenced=1,", "fenced=-1,"


def settle(command: list[str]) -> str:
    """Runs the controller until it takes its broker for dead; returns what came of it, in words."""
    began_s = time.monotonic()
    controller = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    timer = threading.Timer(PATIENCE_S, controller.kill)
    timer.start()
    is_active, is_fenced = False, True
    assert controller.stdout is not None
    for line in controller.stdout:
        if REGISTERED in line or FENCED in line:
            is_fenced = True
        elif UNFENCED in line:
            is_fenced = False
        is_active = is_active or ACTIVE in line
        if is_active and is_fenced:
            break
        if " WARN " in line or " ERROR " in line:
            sys.stdout.write(line)
    timer.cancel()
    controller.send_signal(signal.SIGTERM)
    # It may have more to say, and would wait to be heard.
    threading.Thread(target=controller.stdout.read, daemon=True).start()
    try:
        controller.wait(10)
    except subprocess.TimeoutExpired:
        controller.kill()
        controller.wait()
    seconds = time.monotonic() - began_s
    if is_active and is_fenced:
        return f"the broker was not stopped but killed: its controller has declared it dead first ({seconds:.1f} s)"
    return f"the broker was killed, and its controller did not declare it dead within {seconds:.1f} s: it starts all the same"


def main() -> None:
    guard, logging, properties, command = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[5:]
    guarded = [sys.executable, "-I", "-S", guard, str(os.getpid()), str(int(signal.SIGKILL)), "-", "--"]
    java = [f"{LOGGING}{logging}" if each.startswith(LOGGING) else each for each in command[:-1]]
    sys.stdout.write(settle([*guarded, *java, properties]) + "\n")
    sys.stdout.flush()
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
