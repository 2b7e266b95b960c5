"""The coin key of a stack: one for its whole life, secret, and none where the operator has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlabel.local.coin_key import coin_key_file
from streamlabel.local.places import DataDir
from streamlabel.local.port_plan import PREFERRED
from streamlabel.local.units import SERVICES, ServiceUnit, make_units
from streamlabel.wire.coin_keys import read_coin_keys

PORTS = {name: 20_000 + place for place, name in enumerate(PREFERRED)}


def environments(data: DataDir) -> dict[str, dict[str, str]]:
    """What each service of a stack would see."""
    units = make_units(data, data.root / "cache", PORTS, {}, SERVICES)
    return {unit.name: dict(unit._environment) for unit in units if isinstance(unit, ServiceUnit)}


def test_it_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "new")
    file = coin_key_file(data)
    assert file.stat().st_mode & 0o777 == 0o600
    keys = read_coin_keys("", file)
    assert len(keys.keys) == 1
    assert coin_key_file(data) == file
    assert read_coin_keys("", file).first_id == keys.first_id
    assert [path.name for path in data.root.iterdir()] == [file.name]


def test_two_stacks_have_two_keys(tmp_path: Path) -> None:
    one, other = (read_coin_keys("", coin_key_file(DataDir.at(tmp_path / name))) for name in ("one", "other"))
    assert one.first_id != other.first_id


def test_routing_and_learning_are_given_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STREAMLABEL_COIN_KEYS", "STREAMLABEL_COIN_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    data = DataDir.at(tmp_path)
    seen = environments(data)
    assert seen.keys() == set(SERVICES)
    assert {seen[name]["STREAMLABEL_COIN_KEYS_FILE"] for name in ("routing", "learning")} == {str(coin_key_file(data))}


@pytest.mark.parametrize("name", ["STREAMLABEL_COIN_KEYS", "STREAMLABEL_COIN_KEYS_FILE"])
def test_the_operators_own_key_is_not_joined_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("STREAMLABEL_COIN_KEYS_FILE", raising=False)
    monkeypatch.setenv(name, "mine")
    given = environments(DataDir.at(tmp_path))["learning"]
    assert {key: value for key, value in given.items() if "COIN" in key} == {name: "mine"}
    assert not (tmp_path / "coin.key").exists()
