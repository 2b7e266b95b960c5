"""Where the coin's keys come from, and what is missing of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamlabel.core.control import Gate
from streamlabel.core.project import CertifiedPolicy, Project
from streamlabel.errors import ConfigurationError
from streamlabel.routing.rules.coins import CoinKeys
from streamlabel.runtime.health import Check

_NAMED = 5


def read_coin_keys(text: str, file: Path | None) -> CoinKeys:
    """The keys in `text` and in `file`; raises ConfigurationError where the file cannot be read or holds something else."""
    keys = CoinKeys.of(text)
    if file is None:
        return keys
    try:
        return keys | CoinKeys.of(file.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        why = "it holds what is no key" if isinstance(error, UnicodeDecodeError) else error
        raise ConfigurationError(f"STREAMLABEL_ROUTING_COIN_KEYS_FILE={file}: {why}") from None


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
        "set STREAMLABEL_ROUTING_COIN_KEYS or STREAMLABEL_ROUTING_COIN_KEYS_FILE"
    )
