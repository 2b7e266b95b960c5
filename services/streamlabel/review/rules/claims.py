"""Who an issuer's token is about, by its claims and what the operator has said about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from streamlabel.core.access import Annotator, Appointment


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimMap:
    """`name_claim` holds the annotator's name, `roles_claim` words of the issuer's, `roles` what each of them means here.

    A claim is named as it stands, or by a path: `realm_access.roles`.
    """

    name_claim: str
    roles_claim: str
    roles: Mapping[str, tuple[Appointment, ...]]

    @classmethod
    def of(cls, *, name_claim: str, roles_claim: str, entries: Iterable[str]) -> Self:
        """`entries` are of the form `word=role[@project]`; a word may come several times. ValueError names a bad one."""
        roles: dict[str, tuple[Appointment, ...]] = {}
        for entry in entries:
            word, equals, role = entry.rpartition("=")
            if not (word and equals):
                raise ValueError(f"{entry!r} is not of the form WORD=ROLE[@PROJECT]")
            roles[word] = (*roles.get(word, ()), Appointment.parse(role))
        return cls(name_claim=name_claim, roles_claim=roles_claim, roles=roles)

    def annotator(self, claims: Mapping[str, Any]) -> Annotator:
        """Whose token this is; raises ValueError where it names nobody. Words that mean nothing here are passed over."""
        name = _claim(claims, self.name_claim)
        if not isinstance(name, str):
            raise ValueError(f"its claim {self.name_claim!r} names nobody")
        words = _claim(claims, self.roles_claim)
        told = words.split() if isinstance(words, str) else words if isinstance(words, list) else []
        found = [each for word in told if isinstance(word, str) for each in self.roles.get(word, ())]
        try:
            return Annotator(name=name, appointments=tuple(dict.fromkeys(found)))
        except ValueError as error:
            raise ValueError(f"its claim {self.name_claim!r} is no name: {error}") from error


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
