"""One whole stack in a process of its own, for tests of the command line and of kills, and demos that run against it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlabel.cli.connection import Connection, connect
from streamlabel.cli.demo.checker import Findings, judge, read_labels
from streamlabel.local import ports
from streamlabel.local.model_bundle import Backend, build_model
from streamlabel.local.options import StackOptions
from streamlabel.local.places import DataDir
from streamlabel.local.port_plan import PREFERRED
from streamlabel.local.stack import Stack
from streamlabel.wire.flow import LABELS
from support.command_line import clean_environment

REPOSITORY = Path(__file__).parents[2]
DIGIT_CLASSES = [str(digit) for digit in range(10)]


@contextmanager
def whole_stack(data_dir: Path, *, partitions: int = 2) -> Iterator[Stack]:
    """The embedded stack with the digits model in its Triton; gone, with all its processes, after the block."""
    data = DataDir.at(data_dir)
    data.create()
    build_model(REPOSITORY / "examples" / "digits" / "model.yaml", data.models, Backend.PYTHON)
    # Not the numbers that a stack likes best: somebody may start one of their own meanwhile.
    names = [name for name, preferred in PREFERRED.items() if preferred is not None]
    pinned: dict[str, int] = {}
    for name in names:
        pinned[name] = ports.choose(pinned.values())
    with Stack(data_dir, options=StackOptions(partitions=partitions, pinned_ports=pinned)) as stack:
        yield stack


class DemoRun:
    """A `streamlabel demo` as a child process against a stack that runs."""

    def __init__(self, stack: Stack, folder: Path, *arguments: str, name: str = "digits") -> None:
        self.report_file = folder / "report.json"
        self._output = folder / "demo.log"
        command = [sys.executable, "-m", "streamlabel.cli.app", "demo", name, "--data-dir", str(stack.data.root)]
        command += ["--exit", "--report", str(self.report_file), *arguments]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=clean_environment(), cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def output(self) -> str:
        return self._output.read_text()

    def finish(self, timeout_s: float) -> dict[str, Any]:
        """The report, once the demo has ended well; fails the test with its whole output where it has not."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"the demo did not end within {timeout_s:.0f} s:\n{self.output}") from None
        assert code == 0, f"the demo ended with {code}:\n{self.output}"
        report: dict[str, Any] = json.loads(self.report_file.read_bytes())
        return report

    def end(self) -> None:
        """Ends it, whatever it does."""
        if self.running:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the labels topic says of a run, read by the test itself."""

    findings: Findings
    revisions: set[int]
    messages: int


async def verdict(stack: Stack, run: str, records: int) -> Verdict:
    """Reads the labels of a demo run back and compares them with the ids that it must have sent."""
    connection: Connection = connect(stack.data.root, environ={})
    topic = connection.names.topic(LABELS)
    found = await read_labels(connection.kafka.client_options(), topic, key_prefix=f"digits/digit-{run}-".encode())
    ids = [f"digit-{run}-{number:08d}" for number in range(records)]
    findings = judge(ids, found, classes=DIGIT_CLASSES)
    return Verdict(findings, {each.label.revision for each in found}, len(found))
