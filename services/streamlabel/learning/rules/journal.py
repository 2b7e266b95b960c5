"""Events as bytes and back, for the journal from which a book is read again after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamlabel.gate.scorer import Predictions
from streamlabel.gate.storage import Arrays, pack, unpack
from streamlabel.learning.rules.events import Answered, Event, Routed, Seen, Ticked


def pack_events(events: Sequence[Event]) -> bytes:
    """The events, in order."""
    heads, arrays = [], {}
    for number, event in enumerate(events):
        head, own = _taken_apart(event)
        heads.append(head)
        arrays.update({f"{number}.{name}": array for name, array in own.items()})
    return pack(heads, arrays)


def unpack_events(packed: bytes) -> list[Event]:
    """What `pack_events` was given; raises ValueError for other bytes."""
    heads, arrays = unpack(packed)
    try:
        own: list[dict[str, Any]] = [{} for _ in heads]
        for name, array in arrays.items():
            number, _, part = name.partition(".")
            own[int(number)][part] = array
        return [_put_together(head, parts) for head, parts in zip(heads, own, strict=True)]
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"not an event of the journal: {type(error).__name__} {error}") from error


def _taken_apart(event: Event) -> tuple[dict[str, Any], Arrays]:
    head: dict[str, Any] = {"kind": type(event).__name__, "at_ms": event.at_ms}
    if isinstance(event, Ticked):
        return head | {"horizon_ms": event.horizon_ms}, {}
    head["record_ids"] = event.record_ids
    match event:
        case Seen(predictions=made, coins=coins):
            arrays = {"probabilities": made.probabilities, "predicted": made.predicted, "coins": coins}
            if made.embeddings is not None:
                arrays["embeddings"] = made.embeddings.astype(np.float32)
            return head | {"classes": made.classes, "earliest_ms": event.earliest_ms}, arrays
        case Routed():
            flags = np.stack((event.lane, event.passable, event.twice, event.passed))
            return head, {"flags": flags, "decided_ms": event.decided_ms, "gates": event.gates}
        case Answered():
            return head, {
                "flags": np.stack((event.lane, event.passable, event.twice)),
                "classes": np.column_stack((event.classes, event.votes)),
            }


def _put_together(head: dict[str, Any], arrays: dict[str, Any]) -> Event:
    kind, at_ms = head["kind"], head["at_ms"]
    if kind == "Ticked":
        return Ticked(at_ms=at_ms, horizon_ms=head["horizon_ms"])
    record_ids = tuple(head["record_ids"])
    if kind == "Seen":
        near = arrays.get("embeddings")
        near = None if near is None else near.astype(np.float64)
        predictions = Predictions(arrays["probabilities"], arrays["predicted"], head["classes"], near)
        return Seen(
            at_ms=at_ms,
            earliest_ms=head["earliest_ms"],
            record_ids=record_ids,
            predictions=predictions,
            coins=arrays["coins"],
        )
    if kind == "Routed":
        lane, passable, twice, passed = arrays["flags"]
        return Routed(
            at_ms=at_ms,
            record_ids=record_ids,
            lane=lane,
            passable=passable,
            twice=twice,
            passed=passed,
            decided_ms=arrays["decided_ms"],
            gates=arrays["gates"],
        )
    if kind == "Answered":
        lane, passable, twice = arrays["flags"]
        classes = arrays["classes"]
        return Answered(
            at_ms=at_ms,
            record_ids=record_ids,
            classes=classes[:, 0],
            votes=classes[:, 1:],
            lane=lane,
            passable=passable,
            twice=twice,
        )
    raise ValueError(f"the journal tells of a {kind}, which this release does not know")
