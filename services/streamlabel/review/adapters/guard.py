"""Nobody gets past without a rule that lets them: the one place where every call of review, over gRPC or HTTP, is admitted."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol
from urllib.parse import unquote

import grpc
from google.rpc import error_details_pb2

from streamlabel.core.access import Annotator
from streamlabel.core.project import Project
from streamlabel.errors import TransientError
from streamlabel.review.access import Doorkeeper
from streamlabel.review.access_ports import DeniedError
from streamlabel.review.adapters.status import Abortable, abort, retry_info
from streamlabel.review.ports import Projects
from streamlabel.review.rules.access import RPCS, Denial, row_of
from streamlabel.runtime.metrics import Metrics

COOKIE = "streamlabel_token"
_DOMAIN = "streamlabel"
CODES = {
    Denial.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Denial.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Denial.RESOURCE_EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

# Of the call that is being answered: who makes it, and which projects it may touch (None: every one).
CALLER: ContextVar[Annotator | None] = ContextVar("caller", default=None)
_VISIBLE: ContextVar[frozenset[str] | None] = ContextVar("visible projects", default=None)


class CallContext(Abortable, Protocol):
    """What is asked of the context of a call."""

    def invocation_metadata(self) -> Any: ...

    def peer(self) -> str: ...


Admit = Callable[[str, CallContext, Any], Awaitable[None]]


class Guard:
    """Admits calls: by their token, by the table of rights, and by how often they come."""

    def __init__(self, doorkeeper: Doorkeeper, metrics: Metrics) -> None:
        self._doorkeeper = doorkeeper
        self._metrics = metrics

    async def admit(self, rpc: str, context: CallContext, request: Any) -> None:
        """Returns where the call may be made, and ends it otherwise. `rpc` is `/<package>.<Service>/<Method>`.

        `request` is the message; None where messages are yet to come.
        """
        annotator = getattr(request, "annotator", None)
        row = row_of(rpc, escalated=getattr(request, "escalated", False), annotator=annotator)
        project = getattr(request, "project", "")
        try:
            caller = await self._doorkeeper.admit(
                row, token_in(context.invocation_metadata()), peer_of(context), annotator=annotator, project=project
            )
        except DeniedError as error:
            self.count(error)
            await abort(context, CODES[error.denial], error.detail, *_details(error))
        except TransientError as error:
            await abort(context, grpc.StatusCode.UNAVAILABLE, str(error), retry_info(error.retry_after_s))
        CALLER.set(caller)
        _VISIBLE.set(caller.projects(RPCS[row].roles) if caller is not None else None)

    def count(self, error: DeniedError) -> None:
        """Among the metrics of the calls that were not made."""
        self._metrics.counter("streamlabel_calls_denied_total", reason=error.denial.value).inc()


class VisibleProjects:
    """The projects as the one sees them who makes the call at hand."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    def get(self, name: str) -> Project | None:
        """The project, whoever asks: whether a call may be about it is the guard's question."""
        return self._projects.get(name)

    def all(self) -> Sequence[Project]:
        """Those in which the caller has a role for this call."""
        visible = _VISIBLE.get()
        return [each for each in self._projects.all() if visible is None or each.name in visible]


def token_in(metadata: Any) -> str:
    """The token that came with a call, in `authorization` or in the page's cookie; empty where none did."""
    cookie = ""
    for name, value in metadata or ():
        if name == "authorization" and isinstance(value, str) and value[:7].lower() == "bearer ":
            return value[7:].strip()
        if name == "cookie" and isinstance(value, str):
            cookie = value
    try:
        morsel = SimpleCookie(cookie).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


def peer_of(context: CallContext) -> str:
    """The address that a call comes from, without its port; of IPv6 the network, as whoever has one address there has them all."""
    kind, _, address = unquote(context.peer()).partition(":")
    # gRPC tells the port, too.
    return network_of(address.rpartition(":")[0] if kind in ("ipv4", "ipv6") else address)


def network_of(address: str) -> str:
    """IPv4 as it is, also where it is written as IPv6; of IPv6 the /64; anything else (a path of a socket) as it is."""
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


def _details(error: DeniedError) -> list[Any]:
    info = error_details_pb2.ErrorInfo(reason=error.denial.name, domain=_DOMAIN)
    return [info] if error.retry_after_s is None else [info, retry_info(error.retry_after_s)]
