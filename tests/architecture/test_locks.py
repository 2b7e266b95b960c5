"""The locks hold what pyproject.toml asks for, by hash, and no address of any index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ("run.lock", "dev.lock", "triton.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: str) -> dict[str, list[str]]:
    """Name → versions (several where they depend on the platform)."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "requirements" / lock).read_text().splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)", line):
            found.setdefault(canonicalize_name(match[1]), []).append(match[2])
    return found


def wanted(*, development: bool) -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    words = [*PROJECT["project"]["dependencies"], *extras["local"], *extras["compression"]]
    words += PROJECT["build-system"]["requires"]
    return [Requirement(word) for word in words + (PROJECT["dependency-groups"]["dev"] if development else [])]


@pytest.mark.parametrize(("lock", "development"), [("run.lock", False), ("dev.lock", True)])
def test_a_lock_holds_everything_that_is_asked_for(lock: str, development: bool) -> None:
    pinned = pins(lock)
    missing = [
        str(requirement)
        for requirement in wanted(development=development)
        if not any(
            requirement.specifier.contains(Version(version))
            for version in pinned.get(canonicalize_name(requirement.name), [])
        )
    ]
    assert missing == [], f"`make lock` writes {lock} anew"


def test_tests_run_on_the_versions_that_people_run() -> None:
    development = pins("dev.lock")
    assert {name: versions for name, versions in pins("run.lock").items() if development.get(name) != versions} == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    for block in re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^#.*\n", "", text)):
        assert "--hash=sha256:" in block, block.splitlines()[0]


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name)
def test_no_index_address_is_written_down(path: Path) -> None:
    assert not re.search(r"https?://|--index|--extra-index|--find-links|--trusted-host", path.read_text()), (
        "where packages come from is the matter of whoever installs them"
    )
