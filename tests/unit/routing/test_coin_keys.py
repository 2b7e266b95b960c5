"""What is said where a coin key is missing."""

from __future__ import annotations

from streamlabel.core.project import CertifiedPolicy
from streamlabel.gate.coin import key_id
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.routing.adapters.coin_keys import CoinKeyWatch
from streamlabel.runtime.health import Health
from support.gates import COIN_KEY, OTHER_COIN_KEY, a_gate
from support.nouns import text_project

MAIL = text_project("mail", policy=CertifiedPolicy(alpha=0.05, delta=0.05))
NEWS = text_project("news")


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
