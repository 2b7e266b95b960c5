"""Coin keys as routing and learning are given them, and the one that new gates name."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlabel.errors import ConfigurationError
from streamlabel.gate.coin import key_id
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.runtime.settings import effective_settings, load_settings
from streamlabel.wire.coin_keys import CoinKeySettings, read_coin_keys
from support.gates import COIN_KEY, OTHER_COIN_KEY


def test_keys_of_the_environment_and_of_a_file_count_together(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{OTHER_COIN_KEY.hex()}\n")
    keys = read_coin_keys(COIN_KEY.hex(), file)
    assert key_id(COIN_KEY) in keys
    assert key_id(OTHER_COIN_KEY) in keys
    assert not read_coin_keys("", None)


@pytest.mark.parametrize("content", [b"secret-stuff", b"\xff\xfe", f"{COIN_KEY.hex()}00".encode()])
def test_a_bad_file_stops_the_start_and_is_not_quoted(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"STREAMLABEL_COIN_KEYS_FILE=.*keys: ") as raised:
        read_coin_keys("", file)
    assert "secret-stuff" not in str(raised.value)
    assert COIN_KEY.hex() not in str(raised.value)


def test_a_key_is_shown_nowhere() -> None:
    settings = load_settings(CoinKeySettings, {"STREAMLABEL_COIN_KEYS": COIN_KEY.hex()})
    assert dict(effective_settings(settings))["STREAMLABEL_COIN_KEYS"] == "**********"
    assert COIN_KEY.hex() not in repr(settings)
    with pytest.raises(ConfigurationError, match=r"STREAMLABEL_COIN_KEYS=\(secret\): coin key 2") as raised:
        load_settings(CoinKeySettings, {"STREAMLABEL_COIN_KEYS": f"{COIN_KEY.hex()},{COIN_KEY.hex()}ab"})
    assert COIN_KEY.hex() not in str(raised.value)


@pytest.mark.parametrize(("first", "second"), [(COIN_KEY, OTHER_COIN_KEY), (OTHER_COIN_KEY, COIN_KEY)])
def test_new_gates_name_the_first_key_that_was_given(tmp_path: Path, first: bytes, second: bytes) -> None:
    assert CoinKeys.of(f"{first.hex()},{second.hex()}").first_id == key_id(first)
    file = tmp_path / "keys"
    file.write_text(f"{second.hex()}\n{first.hex()}\n")
    assert read_coin_keys("", file).first_id == key_id(second)
    # What the environment says comes before the file, also where the file has it too.
    assert read_coin_keys(first.hex(), file).first_id == key_id(first)


def test_without_a_key_there_is_no_first_one() -> None:
    with pytest.raises(LookupError):
        _ = CoinKeys().first_id


def test_a_key_under_another_name_is_no_key_that_is_passed_over() -> None:
    """A service that tosses no coin does not care; one that does would send everything to people."""
    with pytest.raises(
        ConfigurationError, match="STREAMLABEL_COIN_KEY: no such setting; did you mean STREAMLABEL_COIN_KEYS"
    ):
        load_settings(CoinKeySettings, {"STREAMLABEL_COIN_KEY": COIN_KEY.hex()})
