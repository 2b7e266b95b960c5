"""Runs the benchmarks one after another: `python -m benchmarks [NAME…]`; figures go to reports/NAME.json, tables to the terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
REPORTS = HERE.parent / "reports"
# A benchmark is a module that takes --json; these serve the benchmarks.
PARTS = ("__init__", "__main__", "harness", "load", "bare_loop", "make_streams")


def names() -> list[str]:
    """The benchmarks that there are; the whole before its parts."""
    found = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in PARTS)
    return sorted(found, key=lambda name: name != "end_to_end")


def main() -> int:
    """The number of benchmarks that failed."""
    wanted = sys.argv[1:] or names()
    if unknown := sorted(set(wanted) - set(names())):
        sys.stderr.write(f"no benchmark {unknown[0]}; there are {', '.join(names())}\n")
        return 2
    failed = []
    for name in wanted:
        report = REPORTS / f"{name}.json"
        sys.stderr.write(f"\n{name} → {report}\n")
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(report)]
        if subprocess.run(command, cwd=HERE.parent, check=False).returncode:
            failed.append(name)
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
