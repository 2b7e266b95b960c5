"""The plan of the house (services/README.md) as failing tests."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamlabel.inference.settings import InferenceSettings
from streamlabel.wire.flow import FLOW, TOPICS, Names, Stage

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "services" / "streamlabel"
SOURCES = [path for path in sorted(HOUSE.rglob("*.py")) if "/v1/" not in str(path)]
ROOMS = ("__init__.py", "__main__.py", "settings.py", "wiring.py", "handler.py", "ports.py", "rules", "adapters")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PORT_METHODS = 3


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("stage", FLOW, ids=lambda stage: stage.service)
def test_every_service_has_the_same_rooms(stage: Stage) -> None:
    missing = [room for room in ROOMS if not (HOUSE / stage.service / room).exists()]
    assert not missing


@pytest.mark.parametrize("stage", FLOW, ids=lambda stage: stage.service)
def test_a_service_says_at_its_door_what_flow_says(stage: Stage) -> None:
    words = importlib.import_module(f"streamlabel.{stage.service}").__doc__ or ""
    for spec in (*stage.consumes, *stage.produces):
        assert f"`{spec.noun}`" in words, f"the docstring of {stage.service} does not name {spec.noun}"
    assert "Serves" in words


def test_the_flow_has_no_loose_end() -> None:
    written = {spec for stage in FLOW for spec in stage.produces}
    read = {spec for stage in FLOW for spec in stage.consumes}
    assert read <= written
    followed = {spec for stage in FLOW for spec in stage.follows}
    assert {spec for spec in TOPICS if spec.pipeline} == {spec for spec in read | written if spec.pipeline}
    assert {spec for spec in written if not spec.pipeline} <= followed
    assert len(Names().dead_letters()) == sum(len(stage.consumes) for stage in FLOW)


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_generated_wire_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "protos/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_file_holds_one_idea(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what it promises"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert lines_of_work(node) <= MAX_FUNCTION_LINES, f"{node.name} in line {node.lineno} is too long"


def lines_of_work(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Without signature and docstring: those of a command are its manual."""
    work = function.body[1:] if ast.get_docstring(function) else function.body
    return (work[-1].end_lineno or 0) - work[0].lineno + 1 if work else 0


@pytest.mark.parametrize("stage", FLOW, ids=lambda stage: stage.service)
def test_a_port_is_small(stage: Stage) -> None:
    tree = ast.parse((HOUSE / stage.service / "ports.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "Protocol" for base in node.bases):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            assert len(methods) <= MAX_PORT_METHODS, f"{node.name} has {len(methods)} methods"


def test_importing_does_nothing() -> None:
    """No socket, thread, event loop or environment look-up on import, in any module."""
    modules = [
        ".".join(path.relative_to(HOUSE.parent).with_suffix("").parts)
        for path in SOURCES
        if path.name not in ("__init__.py", "__main__.py") and not {"triton_models", "demo"} & set(path.parts)
    ]
    code = (
        "import importlib, os, socket, threading\n"
        "def refuse(*a, **k): raise AssertionError('import opens something')\n"
        "socket.socket.connect = refuse\n"
        "before = threading.active_count()\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "assert threading.active_count() == before, threading.enumerate()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_no_tracked_file_names_a_package_index_or_a_machine() -> None:
    index = re.compile(r"https?://[a-z0-9.-]*(pypi|pythonhosted|npmjs|maven|crates|golang|debian)[a-z0-9.-]*/")
    home = re.compile(r"(?<![\w}])/(root|home)/[a-z]+/|/[w]ork/")
    guilty = []
    for path in tracked_files():
        if path == Path(__file__).resolve():
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        guilty += [
            f"{path.relative_to(ROOT)}: {found.group()}" for found in (index.search(text), home.search(text)) if found
        ]
    assert not guilty


def test_the_way_of_a_record_is_told_by_what_is_there() -> None:
    """Each file that the house's page names exists, and holds the class or function that is said to live in it."""
    page = (ROOT / "services" / "README.md").read_text()
    way = page[page.index("## Follow a record") : page.index("## The rooms")]
    files = re.findall(r"`([a-z_/]+\.py)`", way)
    assert len(files) > 10
    assert not [name for name in files if not (HOUSE / name).exists() and not list(HOUSE.glob(f"*/adapters/{name}"))]
    homes = re.findall(r"`(\w+)` in\s+`([a-z_/]+\.py)`", way)
    assert len(homes) > 4
    for name, home in homes:
        assert re.search(rf"^(class|def) {name}\b", (HOUSE / home).read_text(), re.MULTILINE), f"no {name} in {home}"


def test_the_front_page_promises_the_default_window() -> None:
    promised = re.search(r"Within the last ([\d,]+) records", (ROOT / "README.md").read_text())
    window = InferenceSettings.model_fields["inference_duplicate_window_records"].default
    assert promised
    assert promised[1] == f"{window:,}"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
