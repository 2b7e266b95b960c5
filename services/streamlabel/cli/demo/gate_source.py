"""How a project's gate stands and what it did, as the learning service tells it."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """The gate at one moment; `threshold` None where nothing passes, `answers_needed` None where no number of answers would do.

    Labels set before `confirmed_until_ms` (0: none) are all that a lot's certificate can speak of.
    """

    state: str
    threshold: float | None
    count: int
    errors: int
    bound: float
    evidence: int
    answers_needed: int | None
    confirmed_until_ms: int


@dataclass(frozen=True, slots=True)
class GateSource:
    """Asks the learning service at `url`, which ends with a slash."""

    url: str

    async def now(self, project: str) -> GateView | None:
        """The gate of the project; None while nobody answers, or before the first word of it."""
        answer = await self._ask("projects", {})
        for each in (answer or {}).get("projects", ()):
            point = each["point"]
            if each["project"] == project and point is not None:
                return GateView(**{name: point[name] for name in GateView.__dataclass_fields__})
        return None

    async def transitions(self, project: str) -> list[dict[str, Any]]:
        """What the gate did, in order; empty where nobody answers."""
        answer = await self._ask("transitions", {"project": project})
        return [each["facts"] for each in reversed((answer or {}).get("transitions", ()))]

    async def _ask(self, what: str, query: dict[str, str]) -> dict[str, Any] | None:
        url = f"{self.url}gate/api/{what}?{urllib.parse.urlencode(query)}"
        return await asyncio.to_thread(_get, url)


def _get(url: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            found = json.load(response)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
