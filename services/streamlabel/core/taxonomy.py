"""The label set of a project."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

MAX_CLASSES = 10_000
MAX_CLASS_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDefinition:
    """One class; `key` is the single character that answers it in the review page, empty for none."""

    name: str
    key: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= MAX_CLASS_NAME_CHARACTERS or self.name != self.name.strip():
            raise ValueError(
                f"class name {self.name[:40]!r} must have 1-{MAX_CLASS_NAME_CHARACTERS} characters and no space at its ends"
            )
        if any(unicodedata.category(character) == "Cc" for character in self.name):
            # Neither a button nor PostgreSQL can show them.
            raise ValueError(f"class name {self.name[:40]!r} has control characters")
        if len(self.key) > 1 or (self.key and not self.key.isprintable()) or self.key.isspace():
            raise ValueError(f"key {self.key!r} of class {self.name!r} must be one visible character")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """A versioned, ordered label set; the order is the model's output order. Names and keys are unique."""

    version: int
    classes: tuple[ClassDefinition, ...]
    # Made once: both are asked for with every record.
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _known: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(definition.name for definition in self.classes))
        object.__setattr__(self, "_known", frozenset(self.names))
        if self.version < 1:
            raise ValueError("taxonomy version must be at least 1")
        if not 2 <= len(self.classes) <= MAX_CLASSES:
            raise ValueError(f"a taxonomy has 2-{MAX_CLASSES} classes, this one {len(self.classes)}")
        _check_unique("class", list(self.names))
        _check_unique("key", [definition.key for definition in self.classes if definition.key])

    def __contains__(self, class_name: str) -> bool:
        return class_name in self._known


def _check_unique(what: str, words: list[str]) -> None:
    seen: set[str] = set()
    for word in words:
        if word in seen:
            raise ValueError(f"{what} {word!r} is there twice")
        seen.add(word)
