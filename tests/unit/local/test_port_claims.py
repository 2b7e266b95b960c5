"""Two stacks that start at once do not choose the same ports, and a claim dies with its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from streamlabel.local import port_plan
from streamlabel.local.port_claims import claiming
from streamlabel.local.progress import SilentProgress

# Chooses ports as a supervisor does, tells them, and lives until its standard input ends.
OTHER = """
import sys
from pathlib import Path
from streamlabel.local import port_plan
from streamlabel.local.port_claims import claiming
from streamlabel.local.progress import SilentProgress
with claiming(Path(sys.argv[1])) as claims:
    plan = port_plan.plan({}, {}, SilentProgress(), claims.of_others)
    claims.claim(plan.values())
print(*plan.values(), flush=True)
sys.stdin.read()
"""


def start_other(cache: Path) -> tuple[subprocess.Popen[str], set[int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(cache)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, {int(word) for word in process.stdout.readline().split()}


def end(process: subprocess.Popen[str]) -> None:
    process.communicate()


def test_stacks_that_start_together_share_no_port(tmp_path: Path) -> None:
    others = [start_other(tmp_path) for _ in range(3)]
    chosen = [ports for _, ports in others]
    for process, _ in others:
        end(process)
    assert all(len(ports) == len(port_plan.PREFERRED) for ports in chosen)
    assert len(set().union(*chosen)) == 3 * len(port_plan.PREFERRED)


def test_a_remembered_port_that_another_stack_has_claimed_is_left_to_it(tmp_path: Path) -> None:
    process, ports = start_other(tmp_path)
    port = min(ports)
    with claiming(tmp_path) as claims:
        assert port_plan.plan({"kafka": port}, {}, SilentProgress(), claims.of_others)["kafka"] != port
    end(process)
    with claiming(tmp_path) as claims:
        assert port_plan.plan({"kafka": port}, {}, SilentProgress(), claims.of_others)["kafka"] == port


def test_ones_own_claims_hinder_nobody_but_others(tmp_path: Path) -> None:
    with claiming(tmp_path) as claims:
        claims.claim([20_001])
    with claiming(tmp_path) as claims:
        assert claims.of_others == set()


def test_a_file_of_claims_that_cannot_be_read_holds_none(tmp_path: Path) -> None:
    for content in ("{", "[]", '{"x": 1}'):
        (tmp_path / "ports.json").write_text(content)
        with claiming(tmp_path) as claims:
            assert claims.of_others == set()
