"""Runs the tests of the modules of our pages (`*.test.mjs` in the folders beside) in the Node that Playwright brings along."""

from __future__ import annotations

import subprocess
from importlib import resources
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[1]
NODE = Path(str(resources.files("playwright") / "driver" / "node"))


@pytest.mark.parametrize("path", sorted(UNIT.glob("*/*.test.mjs")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_module(path: Path) -> None:
    done = subprocess.run(
        [NODE, "--test", "--test-reporter=tap", "--no-warnings", path], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 0" not in done.stdout
