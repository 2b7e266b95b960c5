"""Who may call what: one table, and the verdict on a call. What is not in the table nobody may call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from streamlabel.core.access import AccessMode, Annotator, AnnotatorState, Role

EVERYBODY = frozenset(Role)
PEOPLE_AT_WORK = frozenset({Role.ANNOTATOR, Role.REVIEWER, Role.SERVICE})
# Who decides where others could not agree, or looks at what others did.
OVERSIGHT = frozenset({Role.REVIEWER, Role.ADMIN, Role.SERVICE})
OFFICE = frozenset({Role.ADMIN})

_DESK = "/streamlabel.v1.ReviewService/"
_ACCESS = "/streamlabel.v1.AccessService/"
# A request that asks for more has a row of its own: tasks that were set aside, and what is told to no annotator.
ESCALATED = "#escalated"
UNNAMED = "#unnamed"
_REFLECTION = "ServerReflection/ServerReflectionInfo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who may call a method: one of `roles`; with `public` (the reason why) whoever comes.

    `on_every_project`: a role in one project alone is not enough. `while_paused`: also annotators that are paused. `opens`: in
    mode `open` nobody is asked who they are.
    """

    roles: frozenset[Role] = frozenset()
    public: str = ""
    on_every_project: bool = False
    while_paused: bool = False
    opens: bool = False


def _desk(roles: frozenset[Role], *, while_paused: bool = False) -> Rule:
    return Rule(roles=roles, while_paused=while_paused, opens=True)


def _office() -> Rule:
    return Rule(roles=OFFICE, on_every_project=True)


RPCS: Mapping[str, Rule] = {
    _DESK + "ListProjects": _desk(EVERYBODY, while_paused=True),
    _DESK + "GetQueueStats": _desk(EVERYBODY, while_paused=True),
    _DESK + "LeaseTasks": _desk(PEOPLE_AT_WORK),
    _DESK + "LeaseTasks" + ESCALATED: _desk(frozenset({Role.REVIEWER, Role.SERVICE})),
    _DESK + "ExtendLeases": _desk(PEOPLE_AT_WORK),
    _DESK + "SubmitAnnotations": _desk(PEOPLE_AT_WORK),
    # Whoever is paused may put down what is in their hands.
    _DESK + "ReleaseLeases": _desk(PEOPLE_AT_WORK, while_paused=True),
    _DESK + "UndoAnnotation": _desk(PEOPLE_AT_WORK),
    _DESK + "SkipTask": _desk(PEOPLE_AT_WORK),
    _DESK + "EscalateTask": _desk(PEOPLE_AT_WORK),
    _DESK + "RequeueTasks": _desk(OFFICE),
    # Under one's own name one is told what does not sway one's answer; without a name everything, others' answers too.
    _DESK + "GetTask": _desk(EVERYBODY),
    _DESK + "GetTask" + UNNAMED: _desk(OVERSIGHT),
    _DESK + "ListTasks": _desk(OVERSIGHT),
    _DESK + "GetAnnotatorStats": _desk(OVERSIGHT),
    _ACCESS + "WhoAmI": Rule(roles=EVERYBODY, while_paused=True, opens=True),
    # These stay shut in mode `open`: a token that anybody could make there would still open the door once it asks for tokens.
    _ACCESS + "PutAnnotator": _office(),
    _ACCESS + "ListAnnotators": _office(),
    _ACCESS + "SetAnnotatorState": _office(),
    _ACCESS + "RemoveAnnotator": _office(),
    _ACCESS + "CreateToken": _office(),
    _ACCESS + "RevokeTokens": _office(),
    _ACCESS + "ListAuditEntries": _office(),
    "/grpc.health.v1.Health/Check": Rule(public="probes of load balancers carry no token; it says serving or not"),
    "/grpc.health.v1.Health/Watch": Rule(public="the same as Check, for those who stay"),
    "/grpc.reflection.v1alpha." + _REFLECTION: Rule(roles=EVERYBODY, while_paused=True, opens=True),
}

# Besides these, each RPC is to be had as POST on its own path, under its own rule.
_PAGE = "no data is in it: the login stands on it, and what people work on comes by calls"
ROUTES: Mapping[str, Rule] = {
    "GET /livez": Rule(public="supervisors ask without a token; it says alive or not, and why"),
    "GET /readyz": Rule(public="supervisors ask without a token; it says ready or not, and which part is away"),
    "GET /metrics": Rule(public="Prometheus scrapes without a token; counts by project, never a record or a person"),
    "GET /": Rule(public=_PAGE),
    "GET /assets/*": Rule(public=_PAGE),
    "POST /session": Rule(public="the login: a token comes in, and failures are counted per peer"),
    "DELETE /session": Rule(public="the logout: takes the cookie from whoever has one"),
}


def row_of(rpc: str, *, escalated: bool, annotator: str | None) -> str:
    """Under which row of RPCS a request stands; `annotator` None: such requests name none."""
    if escalated:
        return rpc + ESCALATED
    return rpc + UNNAMED if annotator == "" and rpc + UNNAMED in RPCS else rpc


def rule_of_route(method: str, path: str) -> Rule | None:
    """The rule of an HTTP route, `path` as it is registered; None: nobody may."""
    if method == "HEAD":
        method = "GET"
    if method == "POST" and path in RPCS:
        return RPCS[path]
    if path.startswith("/assets/"):
        path = "/assets/*"
    return ROUTES.get(f"{method} {path}")


class Denial(Enum):
    """Why a call is not made; the words are those of gRPC."""

    UNAUTHENTICATED = "unauthenticated"
    PERMISSION_DENIED = "permission_denied"
    RESOURCE_EXHAUSTED = "resource_exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The verdict on a call that is not made; `detail` tells a person the way out."""

    denial: Denial
    detail: str


def needs_caller(rule: Rule | None, mode: AccessMode) -> bool:
    """Whether it matters who calls."""
    return rule is not None and not rule.public and not (rule.opens and mode is AccessMode.OPEN)


def judge_call(
    rule: Rule | None, caller: Annotator | None, *, annotator: str | None = None, project: str = ""
) -> Refused | None:
    """None where `caller` may make this call: in the name of `annotator` (None or empty: in nobody's), about `project` (or none)."""
    if rule is None:
        return _denied("nobody may call this: it is in no table of rights")
    if caller is None:
        return Refused(denial=Denial.UNAUTHENTICATED, detail=NO_TOKEN)
    if caller.state is AnnotatorState.PAUSED and not rule.while_paused:
        return _denied(f"{caller.name!r} is paused: an admin lets them go on (`streamlabel annotators resume`)")
    if not caller.has(rule.roles):
        return _denied(f"{caller.name!r} needs a role for this: {_or(rule.roles)}; an admin gives it{_HOW}")
    if rule.on_every_project and caller.projects(rule.roles) is not None:
        return _denied(f"{caller.name!r} needs the role for this in every project: {_or(rule.roles)}")
    if project and not caller.has(rule.roles, project):
        return _denied(
            f"{caller.name!r} has no role for this in project {project[:80]!r}: {_or(rule.roles)}; an admin gives it{_HOW}"
        )
    if annotator and annotator != caller.name and not caller.has({Role.SERVICE}, project):
        return _denied(
            f"this token is {caller.name!r}'s, who may not act as {annotator[:80]!r}: give your own name, or ask for role service"
        )
    return None


NO_TOKEN = (
    "this service asks who calls: log in on the page, or send a token (STREAMLABEL_TOKEN for command line and SDK, "
    "`authorization: Bearer …`); an admin makes one with `streamlabel annotators token NAME`"
)
BAD_TOKEN = (
    "this token is not valid here: mistyped, revoked, or of another installation; an admin makes a new one with "
    "`streamlabel annotators token NAME`"
)
_HOW = " with `streamlabel annotators add NAME --role ROLE`"


def _denied(detail: str) -> Refused:
    return Refused(denial=Denial.PERMISSION_DENIED, detail=detail)


def _or(roles: frozenset[Role]) -> str:
    return " or ".join(role.value for role in Role if role in roles)
