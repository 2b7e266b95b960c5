"""`streamlabel model build` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

from support.command_line import streamlabel

DESCRIPTION = str(Path(__file__).parents[3] / "examples" / "digits" / "model.yaml")


def test_build_says_what_it_did(tmp_path: Path) -> None:
    out = str(tmp_path / "models")

    first = streamlabel("model", "build", DESCRIPTION, "--out", out, "--json")
    second = streamlabel("model", "build", DESCRIPTION, "--out", out)

    assert json.loads(first.out) == {
        "name": "digits",
        "version": 1,
        "path": f"{out}/digits/1",
        "outcome": "created",
    }
    assert second.out == f"unchanged  digits version 1 in {out}/digits/1\n"


def test_a_description_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = streamlabel("model", "build", "absent.yaml", "--out", str(tmp_path))

    assert done.code == 78
    assert "cannot read absent.yaml: No such file or directory" in done.err
    assert not list(tmp_path.iterdir())
