"""The numbered SQL files of a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlabel.runtime.postgres.migrations import migrations


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package that can be imported by its name."""
    place = tmp_path / f"sql_of_{tmp_path.name}"
    place.mkdir()
    (place / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return place


def test_they_come_in_order_and_what_is_none_is_left_out(package: Path) -> None:
    (package / "0002_second.sql").write_text("SELECT 2")
    (package / "0001_first.sql").write_text("SELECT 1")
    (package / "notes.sql").write_text("nonsense")
    assert [(each.number, each.name, each.sql) for each in migrations(package.name)] == [
        (1, "first", "SELECT 1"),
        (2, "second", "SELECT 2"),
    ]


@pytest.mark.parametrize("names", [("0002_b",), ("0001_a", "0001_b")])
def test_a_first_number_that_is_missing_or_one_that_is_there_twice_is_a_defect(
    package: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        (package / f"{name}.sql").write_text("SELECT 1")
    with pytest.raises(ValueError, match="not numbered"):
        migrations(package.name)


def test_numbers_of_branches_that_grow_at_once_may_leave_a_gap(package: Path) -> None:
    for name in ("0001_a", "0003_c"):
        (package / f"{name}.sql").write_text("SELECT 1")
    assert [each.number for each in migrations(package.name)] == [1, 3]


def test_what_review_has_applied_in_the_field_stays_as_it_was() -> None:
    """An applied file that changes, if only in a comment, is refused at the next start."""
    first = migrations("streamlabel.review.adapters.postgres.migrations")[0]
    assert first.checksum.hex() == "c84db43cbf68ee1b5c1deecdb7db49082fee766076a346612b98c986bafd1a0a"
