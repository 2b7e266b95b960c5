"""A keeper as bytes and back: what comes out does, from then on, exactly what the one that went in would have done.

The parts of a keeper are a closed list of classes. They are written field by field, arrays apart from the rest, so that reading bytes
of a foreign hand can make nothing but these, and a keeper of another release is refused instead of misread.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import deque
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from streamlabel.core.control import GateState
from streamlabel.gate.alarm import HarmAlarm
from streamlabel.gate.drift import InputWatch
from streamlabel.gate.embeddings import as_stored, as_used
from streamlabel.gate.expansion import Expansion
from streamlabel.gate.features import Neighbours
from streamlabel.gate.guard import PriceGuard
from streamlabel.gate.harm import HarmWatch
from streamlabel.gate.keeper import Keeper, Transition
from streamlabel.gate.ledger import DeltaLedger
from streamlabel.gate.policy import GatePolicy
from streamlabel.gate.sample import Rows, Sample
from streamlabel.gate.scorer import Predictions, Scorer
from streamlabel.gate.sequence import Certificate, Grid

_PARTS = (
    Certificate,
    DeltaLedger,
    Expansion,
    GatePolicy,
    Grid,
    HarmAlarm,
    HarmWatch,
    InputWatch,
    Keeper,
    Neighbours,
    Predictions,
    PriceGuard,
    Rows,
    Sample,
    Scorer,
    Transition,
)
_CLASSES: Mapping[str, type] = {part.__name__: part for part in _PARTS}
_TREE = "tree"

Arrays = Mapping[str, npt.NDArray[Any]]


def pack(tree: object, arrays: Arrays) -> bytes:
    """JSON and arrays as one piece of bytes; no array may be named `tree`."""
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(tree).encode(), dtype=np.uint8)
    np.savez(buffer, allow_pickle=False, **{_TREE: text}, **arrays)
    return buffer.getvalue()


def unpack(packed: bytes) -> tuple[Any, Arrays]:
    """What `pack` was given; raises ValueError for bytes that it did not make."""
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as opened:
            arrays = {name: opened[name] for name in opened.files}
        return json.loads(arrays.pop(_TREE).tobytes()), arrays
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"not what was packed here: {error}") from error


def dump_keeper(keeper: Keeper) -> bytes:
    """The keeper, whole."""
    writer = _Writer()
    return pack(writer.tree(keeper), writer.arrays)


def load_keeper(packed: bytes) -> Keeper:
    """The keeper; raises ValueError for bytes that are none, or of a release whose keepers were made otherwise."""
    tree, arrays = unpack(packed)
    try:
        keeper = _Reader(arrays).value(tree)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"not a keeper: {type(error).__name__} {error}") from error
    if not isinstance(keeper, Keeper):
        raise ValueError("not a keeper")
    return keeper


def _names(part: object) -> list[str]:
    """The fields of a part, of whatever kind its class is."""
    if is_dataclass(part):
        return [field.name for field in fields(part)]
    return sorted(vars(part))


class _Writer:
    def __init__(self) -> None:
        self.arrays: dict[str, npt.NDArray[Any]] = {}
        self._known: dict[int, str] = {}

    def tree(self, value: object) -> object:
        match value:
            case Enum():
                return {"state": value.value}
            case None | bool() | int() | str():
                return value
            case float():
                # In full: JSON has no infinity, and rounding would make another keeper.
                return {"float": value.hex()}
            case np.ndarray():
                return {"short" if as_stored(value) is not value else "array": self._array(value)}
            case tuple():
                return {"tuple": [self.tree(each) for each in value]}
            case deque():
                return {"deque": [self.tree(each) for each in value], "most": value.maxlen}
            case list():
                return [self.tree(each) for each in value]
        name = type(value).__name__
        if _CLASSES.get(name) is not type(value):
            raise TypeError(f"{name} is no part of a keeper")
        return {"class": name, "fields": {each: self.tree(getattr(value, each)) for each in _names(value)}}

    def _array(self, array: npt.NDArray[Any]) -> str:
        # One array may stand in several parts, as the rows that a scorer was fitted to do.
        name = self._known.get(id(array))
        if name is None:
            name = self._known[id(array)] = f"a{len(self.arrays)}"
            self.arrays[name] = as_stored(array)
        return name


class _Reader:
    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self._long: dict[str, npt.NDArray[np.float64]] = {}

    def value(self, tree: object) -> Any:
        match tree:
            case {"state": str(state)}:
                return GateState(state)
            case {"float": str(text)}:
                return float.fromhex(text)
            case {"array": str(name)}:
                return self._arrays[name]
            case {"short": str(name)}:
                # One array still, where it stands in several parts.
                if name not in self._long:
                    self._long[name] = as_used(self._arrays[name])
                return self._long[name]
            case {"tuple": list(items)}:
                return tuple(self.value(each) for each in items)
            case {"deque": list(items), "most": most}:
                return deque((self.value(each) for each in items), most)
            case {"class": str(name), "fields": dict(given)}:
                return self._part(_CLASSES[name], given)
            case list(items):
                return [self.value(each) for each in items]
            case dict():
                raise KeyError(f"what {sorted(tree)} are")
        return tree

    def _part(self, kind: type, given: Mapping[str, object]) -> object:
        part: object = object.__new__(kind)
        wanted = [field.name for field in fields(kind)] if is_dataclass(kind) else _names_of_new(kind)
        if sorted(wanted) != sorted(given):
            raise KeyError(f"fields of {kind.__name__}: {sorted(set(wanted) ^ set(given))}")
        for name, tree in given.items():
            # Frozen parts too: they were checked when they were made.
            object.__setattr__(part, name, self.value(tree))
        return part


def _names_of_new(kind: type) -> list[str]:
    """The fields that an instance of a plain class has in this release."""
    grid = Grid(np.zeros(1), np.zeros(1))
    policy = GatePolicy(alpha=0.5, delta=0.5)
    made: dict[type, object] = {
        Expansion: Expansion(grid, (), alpha=0.5, delta=0.5),
        InputWatch: InputWatch(),
        Keeper: Keeper(policy),
        Sample: Sample(1),
    }
    return _names(made[kind])
