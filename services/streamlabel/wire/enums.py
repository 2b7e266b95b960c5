"""Python enum ↔ protobuf enum, by name: `Route.AUTO_LABEL` ↔ `ROUTE_AUTO_LABEL`."""

from __future__ import annotations

from enum import Enum
from typing import Any, Generic, TypeVar

E = TypeVar("E", bound=Enum)


class EnumCodec(Generic[E]):
    """Maps each member to its number and back; building it raises ValueError where a member is not on the wire."""

    def __init__(self, enum: type[E], wire: Any, prefix: str) -> None:
        self._enum = enum
        self._numbers = {member: int(wire.Value(f"{prefix}_{member.name}")) for member in enum}
        self._members = {number: member for member, number in self._numbers.items()}

    def number(self, member: E) -> Any:
        """The member's number on the wire; typed Any because the stubs give each wire enum a type of its own."""
        return self._numbers[member]

    def member(self, number: int) -> E:
        """The member; raises ValueError for 0 (unspecified) and for numbers of a later release."""
        try:
            return self._members[number]
        except KeyError:
            raise ValueError(f"{number} is no known {self._enum.__name__}") from None
