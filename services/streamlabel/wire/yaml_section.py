"""Reads YAML by hand so that every complaint names line and key, and suggests the key that was probably meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from streamlabel.core.nearest import did_you_mean
from streamlabel.errors import ConfigurationError

MAX_FILE_BYTES = 1024 * 1024
_SHOWN_ENTRIES = 3
_SHOWN_CHARACTERS = 60


class Complaints:
    """Collects what is wrong with one file, so that its author mends all of it at once."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._found: list[tuple[int, str]] = []

    def add(self, node: yaml.Node, message: str) -> None:
        """Notes `message` at the line of `node`."""
        self._found.append((node.start_mark.line + 1, message))

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_if_any(self) -> None:
        """Raises ConfigurationError with every complaint, one a line, in the order of the file's lines."""
        if self._found:
            # Within a line as they were found: what is wrong with the whole of it stands before what is wrong with its parts.
            found = sorted(self._found, key=lambda complaint: complaint[0])
            raise ConfigurationError("\n".join(f"{self._source}:{line}: {message}" for line, message in found))


class Section:
    """One mapping of the file: hands out values by key, each with its expected type, and notes what does not fit.

    Where something else stands in its place, that alone is noted, and `meant_key` is where it probably belongs.
    """

    def __init__(
        self, node: yaml.Node, path: str, complaints: Complaints, allowed: Sequence[str], meant_key: str = ""
    ) -> None:
        self.node = node
        self._path = path
        self._complaints = complaints
        self._values: dict[str, yaml.Node] = {}
        self._is_mapping = isinstance(node, yaml.MappingNode)
        if not isinstance(node, yaml.MappingNode):
            hint = f"; write {path}: {{{meant_key}: {_as_written(node)}}}" if meant_key else ""
            complaints.add(node, f"{path or 'the file'} must be a mapping of keys to values{hint}")
            return
        for key_node, value_node in node.value:
            self._take(key_node, value_node, allowed)

    def _take(self, key_node: yaml.Node, value_node: yaml.Node, allowed: Sequence[str]) -> None:
        key = str(key_node.value)
        if key not in allowed:
            hint = did_you_mean(key, allowed) or f"known keys: {', '.join(allowed)}"
            self._complaints.add(key_node, f"unknown key {self._full(key)!r}; {hint}")
        elif key in self._values:
            self._complaints.add(key_node, f"key {self._full(key)!r} is there twice")
        else:
            self._values[key] = value_node

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def node_of(self, key: str) -> yaml.Node | None:
        """What stands under `key`, as it is written; None where it is absent."""
        return self._values.get(key)

    def complain(self, key: str, message: str) -> None:
        """Notes that the value of `key` (or the whole section where it is absent) is wrong."""
        self._complaints.add(self._values.get(key, self.node), f"{self._full(key)}: {message}")

    def child(self, key: str, allowed: Sequence[str], meant_key: str = "") -> Section | None:
        """The mapping under `key`; None where it is absent."""
        node = self._values.get(key)
        return None if node is None else Section(node, self._full(key), self._complaints, allowed, meant_key)

    def items(self, key: str) -> list[yaml.Node]:
        """The nodes of the list under `key`; empty where it is absent or no list."""
        node = self._values.get(key)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.complain(key, "must be a list")
            return []
        return list(node.value)

    def pairs(self, key: str) -> dict[str, str]:
        """The mapping of names to texts under `key`; empty where it is absent."""
        node = self._values.get(key)
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.complain(key, "must be a mapping of names to texts")
            return {}
        if not all(isinstance(value, yaml.ScalarNode) for _, value in node.value):
            self.complain(key, "must be a mapping of names to texts")
            return {}
        return {str(name.value): str(value.value) for name, value in node.value}

    def text(self, key: str, default: str | None = None) -> str:
        """The text under `key`; a missing one without default is noted, and "" returned."""
        node = self._values.get(key)
        if node is None:
            if default is None:
                self._miss(key)
            return default or ""
        if not isinstance(node, yaml.ScalarNode):
            self.complain(key, "must be a text")
            return ""
        return str(node.value)

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """One of `choices`; anything else is noted with the nearest of them."""
        value = self.text(key, default)
        if value in choices or (key not in self and default is None):
            return value
        hint = did_you_mean(value, choices)
        self.complain(key, f"{value!r} is not one of {', '.join(choices)}" + (f"; {hint}" if hint else ""))
        return ""

    def integer(self, key: str, default: int | None = None) -> int:
        """The whole number under `key`; what is none is noted, and 0 returned."""
        return int(self._scalar(key, default, int, "a whole number"))

    def number(self, key: str, default: float | None = None) -> float:
        """The number under `key`; what is none is noted, and 0 returned."""
        return float(self._scalar(key, default, (int, float), "a number"))

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return bool(self._scalar(key, default, bool, "true or false"))

    def _scalar(self, key: str, default: Any, types: Any, what: str) -> Any:
        node = self._values.get(key)
        if node is None:
            if default is None:
                self._miss(key)
            return default or 0
        value = construct(node)
        if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
            self.complain(key, f"must be {what}, not {value!r}")
            return 0
        return value

    def _miss(self, key: str) -> None:
        if self._is_mapping:
            self._complaints.add(self.node, f"key {self._full(key)!r} is missing")

    def _full(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def _as_written(node: yaml.Node) -> str:
    """A text, or the beginning of a list of texts, as it may stand within braces."""
    match node:
        case yaml.ScalarNode() if str(node.value).isprintable() and len(node.value) <= _SHOWN_CHARACTERS:
            return f'"{node.value}"' if node.style else str(node.value)
        case yaml.SequenceNode():
            shown = [_as_written(each) for each in node.value[:_SHOWN_ENTRIES]]
            return f"[{', '.join([*shown, '…'] if len(node.value) > _SHOWN_ENTRIES else shown)}]"
        case _:
            return "…"


def construct(node: yaml.Node) -> Any:
    """The plain Python value of a node (YAML's safe schema)."""
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def compose(text: str, source: str) -> yaml.Node:
    """The node tree of one YAML document; raises ConfigurationError with the line where the YAML itself is broken."""
    if len(text) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{source}: {len(text)} characters; a project file has at most {MAX_FILE_BYTES}")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{source}{line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{source}: not valid YAML: {error}") from error
    if node is None:
        raise ConfigurationError(f"{source}: the file is empty")
    return node


def read_text(path: Path) -> str:
    """The file as UTF-8; raises ConfigurationError that says what is wrong with it."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 (byte {error.start})") from error
