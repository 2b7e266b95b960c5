"""What is missing of the coin's keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from streamlabel.core.control import Gate
from streamlabel.core.project import CertifiedPolicy, Project
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.runtime.health import Check

_NAMED = 5


@dataclass(frozen=True, slots=True)
class CoinKeyWatch:
    """Says in `/readyz` which certified projects everything of goes to people, for want of a key."""

    keys: CoinKeys
    check: Check

    def look(self, projects: Iterable[Project], gates: Iterable[Gate]) -> None:
        """Looks again: a project or a gate has changed."""
        certified = sorted(each.name for each in projects if isinstance(each.policy, CertifiedPolicy))
        asked = {gate.project: gate.coin_key_id for gate in gates}
        without = [name for name in certified if not self.keys or (name in asked and asked[name] not in self.keys)]
        self.check.ok(_warning(without) if without else None)


def _warning(projects: list[str]) -> str:
    named = ", ".join(projects[:_NAMED]) + (f" and {len(projects) - _NAMED} more" if len(projects) > _NAMED else "")
    return (
        f"the coin key of {named} is not here: everything goes to people; "
        "set STREAMLABEL_COIN_KEYS or STREAMLABEL_COIN_KEYS_FILE"
    )
