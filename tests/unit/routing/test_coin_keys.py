"""Where keys come from, and what is said where one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlabel.core.project import CertifiedPolicy
from streamlabel.errors import ConfigurationError
from streamlabel.gate.coin import key_id
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.routing.adapters.coin_keys import CoinKeyWatch
from streamlabel.routing.settings import RoutingSettings
from streamlabel.runtime.health import Health
from streamlabel.runtime.settings import effective_settings, load_settings
from streamlabel.wire.coin_keys import read_coin_keys
from support.gates import COIN_KEY, OTHER_COIN_KEY, a_gate
from support.nouns import text_project

MAIL = text_project("mail", policy=CertifiedPolicy(alpha=0.05, delta=0.05))
NEWS = text_project("news")


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
    settings = load_settings(RoutingSettings, {"STREAMLABEL_COIN_KEYS": COIN_KEY.hex()})
    assert dict(effective_settings(settings))["STREAMLABEL_COIN_KEYS"] == "**********"
    assert COIN_KEY.hex() not in repr(settings)
    with pytest.raises(ConfigurationError, match=r"STREAMLABEL_COIN_KEYS=\(secret\): coin key 2") as raised:
        load_settings(RoutingSettings, {"STREAMLABEL_COIN_KEYS": f"{COIN_KEY.hex()},{COIN_KEY.hex()}ab"})
    assert COIN_KEY.hex() not in str(raised.value)


def test_a_certified_project_without_its_key_is_a_warning_and_no_failure() -> None:
    health = Health()
    keys = CoinKeys.of(COIN_KEY.hex())
    gate, foreign = a_gate().gate, a_gate(coin_key_id=key_id(OTHER_COIN_KEY)).gate

    def warned(held: CoinKeys, projects, gates) -> str:
        CoinKeyWatch(held, health.check("coin keys")).look(projects, gates)
        assert health.ready
        return health.warnings().get("coin keys", "")

    assert "the coin key of mail is not here: everything goes to people" in warned(CoinKeys(), [MAIL, NEWS], [])
    assert warned(CoinKeys(), [NEWS], []) == ""
    assert warned(keys, [MAIL], []) == ""
    assert warned(keys, [MAIL], [gate]) == ""
    assert "mail" in warned(keys, [MAIL], [foreign])
    assert warned(keys, [NEWS], [foreign]) == ""
    many = [text_project(f"p{n}", policy=MAIL.policy) for n in range(8)]
    assert "p0, p1, p2, p3, p4 and 3 more" in warned(CoinKeys(), many, [])
