"""What the learning service tells of gates over HTTP, asked by a command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

import aiohttp
import orjson

from streamlabel.cli.moments import to_ms
from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.gate.audit_chain import AuditHead, AuditWalk, ChainedAudit
from streamlabel.gate.chain import ChainedTransition
from streamlabel.gate.published import PublishedGate
from streamlabel.wire.gates import decode_gate

_ANSWER_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 5.0
_OTHER = "`streamlabel status` tells of the stack here, STREAMLABEL_CLI_LEARNING_URL names another learning service"


@dataclass(frozen=True, slots=True)
class LearningRecords:
    """Asks one learning service. Everything raises TransientError with the way out while it does not answer."""

    session: aiohttp.ClientSession
    url: str

    async def projects(self) -> Sequence[Mapping[str, Any]]:
        """Each certified project with the latest point of its gate, by name."""
        return list((await self._json("projects"))["projects"])

    async def project(self, name: str) -> Mapping[str, Any]:
        """One of them; raises ConfigurationError with the way out where there is no such one."""
        found = await self.projects()
        for each in found:
            if each["project"] == name:
                return each
        raise no_gate(name, [str(each["project"]) for each in found])

    async def transitions(self, project: str) -> Sequence[Mapping[str, Any]]:
        """The project's latest transitions, latest first."""
        return list((await self._json("transitions", project=project))["transitions"])

    async def chain(self) -> AsyncIterator[ChainedTransition]:
        """All transitions of all projects, from the very first."""
        after = 0
        while page := (await self._json("chain", after=after))["transitions"]:
            for each in page:
                yield _link(each)
            if page[-1]["number"] <= after:
                return
            after = page[-1]["number"]

    async def audit_chain(self, walk: AuditWalk) -> tuple[int, int]:
        """Takes the `walk` along all audits there are when it begins; how many lay before the chain, and how many do now."""
        while True:
            page = await self._json("audit-chain", after=walk.count)
            walk.take([_chained_audit(each) for each in page["audits"]])
            if walk.broken or not page["audits"] or walk.count >= page["last_no"]:
                walk.finish(AuditHead(last_no=page["last_no"], digest=bytes.fromhex(page["digest"])))
                return page["unchained"], page["unchained_now"]

    async def books(self, project: str) -> Sequence[Mapping[str, Any]]:
        """Every book that was ever kept for the project, in order."""
        return list((await self._json("books", project=project))["books"])

    async def kept_gates(self, project: str) -> Mapping[str, int] | None:
        """The numbers of the `first` and the `last` gate that are kept of it, and all between; None where there is none."""
        found: Mapping[str, int] | None = (await self._json("books", project=project))["gates"]
        return found

    async def audits(self, project: str, begin: datetime, end: datetime) -> AsyncIterator[Mapping[str, Any]]:
        """Calibration records that were decided from `begin` on and before `end`, both in whole milliseconds, in order."""
        query: dict[str, str | int] = {"project": project, "from_ms": to_ms(begin), "to_ms": to_ms(end)}
        while True:
            page = await self._json("audits", **query)
            for each in page["audits"]:
                yield each
            after = page.get("next")
            if after is None or after == query.get("after"):
                return
            query["after"] = after

    async def gate(self, project: str, number: int) -> PublishedGate | None:
        """A gate as it was published first, whatever it was renewed to; None where none has this number."""
        status, body = await self._ask("gates", project=project, number=number)
        return None if status == 404 else decode_gate(body)

    async def _json(self, name: str, **query: str | int) -> dict[str, Any]:
        status, body = await self._ask(name, **query)
        if status == 404:
            raise ConfigurationError(f"learning at {self.url} has no /gate/api/{name}: is it the learning service?")
        try:
            found: dict[str, Any] = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ConfigurationError(f"what answers at {self.url} is not the learning service; {_OTHER}") from error
        return found

    async def _ask(self, name: str, **query: str | int) -> tuple[int, bytes]:
        try:
            async with self.session.get(urljoin(self.url, f"/gate/api/{name}"), params=query) as answer:
                body = await answer.read()
        except aiohttp.InvalidURL as error:
            raise ConfigurationError(f"STREAMLABEL_CLI_LEARNING_URL={self.url}: this is no URL") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = _why(error)
            raise TransientError(f"learning at {self.url}: {why}; {_OTHER}") from error
        if answer.status in (200, 404):
            return answer.status, body
        why = body[:300].decode("utf-8", "replace")
        raise TransientError(f"learning at {self.url} answers {answer.status}: {why}; {_OTHER}")


@asynccontextmanager
async def learning_records(url: str) -> AsyncIterator[LearningRecords]:
    """A service to ask, for as long as the block lasts."""
    limit = aiohttp.ClientTimeout(total=_ANSWER_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=limit) as session:
        yield LearningRecords(session, url)


def no_gate(project: str, others: Sequence[str] = ()) -> ConfigurationError:
    """What to say of a project without a gate, with the way out."""
    have = f" ({', '.join(others)} {'has' if len(others) == 1 else 'have'} one)" if others else ""
    return ConfigurationError(
        f"project {project!r} has no gate{have}: learning keeps one for each project with `policy: {{kind: certified, …}}` "
        "and a model; `streamlabel project apply FILE` sets it"
    )


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    # The library's own words tell of TLS where there is none.
    return (error.os_error.strerror or str(error)) if isinstance(error, aiohttp.ClientConnectorError) else str(error)


def _link(told: Mapping[str, Any]) -> ChainedTransition:
    return ChainedTransition(
        number=told["number"],
        project=told["project"],
        model_name=told["model_name"],
        model_version=told["model_version"],
        facts=told["facts_text"],
        previous=bytes.fromhex(told["previous"]),
        digest=bytes.fromhex(told["digest"]),
    )


def _chained_audit(told: Mapping[str, Any]) -> ChainedAudit:
    facts = dict(told) | {"lane_rate": float(told["lane_rate"]), "digest": bytes.fromhex(told["digest"])}
    return ChainedAudit(**facts)
