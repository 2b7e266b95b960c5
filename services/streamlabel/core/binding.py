"""How a project binds a model, as a text and its digest: evidence about one binding says nothing of another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from streamlabel.core.project import ModelBinding

_PARTS = {
    "name": "model",
    "version": "version",
    "input": "input.name",
    "encoder": "encoder",
    "output": "output.name",
    "kind": "output.kind",
    "embedding": "output.embedding",
}


def binding_text(model: ModelBinding, version: int) -> str:
    """The model with everything that makes its answers what they are, where this version of it serves; JSON.

    Two bindings have the same text where, and only where, nothing of them differs.
    """
    encoder: dict[str, Any] = {"kind": type(model.encoder).__name__} | asdict(model.encoder)
    facts = {
        "name": model.name,
        "version": version,
        "input": model.input_name,
        "encoder": {key: float(value) if key in ("scale", "offset") else value for key, value in encoder.items()},
        "output": model.output_name,
        "kind": model.output_kind.value,
        "embedding": model.embedding_name,
    }
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def binding_digest(text: str) -> str:
    """SHA-256 of the text, 64 hexadecimal digits; empty for an empty one."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def gives_embeddings(text: str) -> bool:
    """Whether the model, bound so, gives embeddings."""
    return bool(json.loads(text)["embedding"])


def changes_of_binding(before: str, after: str) -> Iterator[str]:
    """What differs between two texts, part by part, for people."""
    old, new = _facts(before), _facts(after)
    for part, name in _PARTS.items():
        if old.get(part) != new.get(part):
            yield f"{name} was {_told(old.get(part))} and is {_told(new.get(part))}"


def _facts(text: str) -> Mapping[str, Any]:
    facts: Mapping[str, Any] = json.loads(text)
    return facts


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in sorted(value.items()))
    return str(value) if value not in (None, "") else "none"
