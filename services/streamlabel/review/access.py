"""Access control: who calls, whether they may, and the office where annotators and their tokens are managed."""

from __future__ import annotations

import hmac
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from streamlabel.core.access import (
    AccessMode,
    Account,
    Annotator,
    AnnotatorState,
    Appointment,
    AuditEntry,
    Role,
    TokenFacts,
    is_name,
)
from streamlabel.review.access_ports import (
    AnnotatorBook,
    AuditLog,
    Deed,
    DeniedError,
    Directory,
    ForeignTokenError,
    Issuer,
    TokenBook,
)
from streamlabel.review.ports import Refusal, RefusedError
from streamlabel.review.rules.access import BAD_TOKEN, NO_TOKEN, RPCS, Denial, judge_call, needs_caller
from streamlabel.review.rules.access_tokens import ID_BYTES, SECRET_BYTES, TokenHash, form_token, token_id_of
from streamlabel.review.rules.buckets import Buckets

# Who holds the token of the settings: the one who comes before there is anybody.
OPERATOR = Annotator(name="operator", appointments=(Appointment(role=Role.ADMIN),))
MAX_TOKEN_NAME_CHARACTERS = 64
MAX_AUDIT_PAGE = 1_000
_MAX_KNOWN = 10_000
_FAILURES_TOLD_PER_S = 2.0
_FAILURES_TOLD_AT_ONCE = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLimits:
    """How fast somebody may call, how often a peer may fail to log in, and for how long what was looked up counts.

    A token that is revoked, or an annotator that is paused, is out after `known_for_s` at the latest, in each replica.
    """

    calls_per_s: float = 500.0
    failed_logins_per_min: float = 30.0
    known_for_s: float = 5.0


class Doorkeeper:
    """Tells who calls by their token, and whether they may."""

    def __init__(
        self,
        *,
        mode: AccessMode,
        tokens: TokenBook,
        audit: AuditLog,
        token_hash: TokenHash,
        limits: AccessLimits,
        monotonic_s: Callable[[], float],
        operator_tokens: Sequence[str] = (),
        issuer: Issuer | None = None,
        directory: Directory | None = None,
    ) -> None:
        self.mode = mode
        self._tokens = tokens
        self._audit = audit
        self._hash = token_hash
        self._limits = limits
        self._issuer = issuer
        self._directory = directory
        self._monotonic_s = monotonic_s
        self._operator_digests = [token_hash.digest(token) for token in operator_tokens]
        self._calls = Buckets(rate_per_s=limits.calls_per_s, burst=max(1.0, 2 * limits.calls_per_s))
        failures = limits.failed_logins_per_min
        self._failures = Buckets(rate_per_s=failures / 60, burst=max(1.0, failures))
        self._told = Buckets(rate_per_s=_FAILURES_TOLD_PER_S, burst=_FAILURES_TOLD_AT_ONCE)
        self._known: OrderedDict[bytes, tuple[float, Annotator]] = OrderedDict()

    async def admit(
        self, rpc: str, token: str, peer: str, *, annotator: str | None = None, project: str = ""
    ) -> Annotator | None:
        """Who makes this call, None where nobody is asked; raises DeniedError where it is not to be made."""
        rule = RPCS.get(rpc)
        if rule is not None and not needs_caller(rule, self.mode):
            return None
        caller = await self.identify(token, peer) if rule is not None else None
        if caller is not None and (wait_s := self._calls.take(caller.name, self._monotonic_s())):
            detail = f"{caller.name!r} calls more often than {self._limits.calls_per_s:g} times a second"
            raise DeniedError(Denial.RESOURCE_EXHAUSTED, detail, retry_after_s=wait_s)
        if refused := judge_call(rule, caller, annotator=annotator, project=project):
            raise DeniedError(refused.denial, refused.detail)
        return caller

    async def identify(self, token: str, peer: str) -> Annotator:
        """Whose token this is; raises DeniedError where it is nobody's, or `peer` has failed too often just now."""
        if not token:
            raise DeniedError(Denial.UNAUTHENTICATED, NO_TOKEN)
        digest, now_s = self._hash.digest(token), self._monotonic_s()
        known = self._known.get(digest)
        if known is not None and now_s < known[0]:
            return known[1]
        # Counted as failed until it turns out otherwise: many at once must not all slip through.
        if wait_s := self._failures.take(peer, now_s):
            detail = "too many logins from here have failed; those that are in stay in"
            raise DeniedError(Denial.RESOURCE_EXHAUSTED, detail, retry_after_s=wait_s)
        try:
            annotator, lasts_s = await self._look_up(token, digest, peer)
        except DeniedError:
            raise
        except BaseException:
            self._failures.give_back(peer)  # It was the store that failed.
            raise
        self._failures.give_back(peer)
        self._known[digest] = (now_s + min(self._limits.known_for_s, lasts_s), annotator)
        self._known.move_to_end(digest)
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)
        return annotator

    async def _look_up(self, token: str, digest: bytes, peer: str) -> tuple[Annotator, float]:
        """Whose it is, and for how long at most."""
        if any(hmac.compare_digest(digest, each) for each in self._operator_digests):
            return OPERATOR, math.inf
        if self._issuer is not None and self._issuer.may_know(token):
            return await self._of_issuer(self._issuer, token, peer)
        token_id = token_id_of(token)
        stored = await self._tokens.find(token_id, digest) if token_id else None
        if stored is not None and self._hash.matches(token, stored.digest) and not stored.is_revoked:
            return stored.annotator, math.inf
        # Of a token that is nobody's only the id is told, and only where there is one of that id.
        facts = [("peer", peer), ("why", "revoked" if stored is not None and stored.is_revoked else "unknown")]
        facts += [("token_id", stored.token_id)] if stored is not None else []
        subject = stored.annotator.name if stored is not None else ""
        await self._tell_of_failure(subject, tuple(facts))
        raise DeniedError(Denial.UNAUTHENTICATED, BAD_TOKEN)

    async def _tell_of_failure(self, subject: str, facts: tuple[tuple[str, str], ...]) -> None:
        """In the audit log, unless so many fail, from however many addresses, that it would be flooded: the metric counts all."""
        if self._told.take("", self._monotonic_s()) == 0:
            await self._audit.append(Deed(actor="", action="login_failed", subject=subject, facts=facts))

    async def _of_issuer(self, issuer: Issuer, token: str, peer: str) -> tuple[Annotator, float]:
        """Whom the issuer vouches for, with the roles and the state that somebody of that name has here, too."""
        try:
            found = await issuer.identify(token)
            if found.annotator.name == OPERATOR.name:
                raise ForeignTokenError(f"nobody whom an issuer names is {OPERATOR.name!r}")
        except ForeignTokenError as error:
            facts = (("peer", peer), ("why", str(error)))
            await self._tell_of_failure("", facts)
            detail = f"the issuer's token is not valid here: {error}"
            raise DeniedError(Denial.UNAUTHENTICATED, detail) from error
        annotator = found.annotator
        accounts = await self._directory.accounts(annotator.name) if self._directory is not None else ()
        for account in accounts:
            appointments = dict.fromkeys((*annotator.appointments, *account.annotator.appointments))
            annotator = replace(annotator, appointments=tuple(appointments), state=account.annotator.state)
        return annotator, found.lasts_s


class Office:
    """Where annotators, their tokens and the audit log are managed; whoever calls has been found to be an admin before."""

    def __init__(
        self,
        *,
        book: AnnotatorBook,
        directory: Directory,
        tokens: TokenBook,
        audit: AuditLog,
        token_hash: TokenHash,
        chance: Callable[[int], bytes],
    ) -> None:
        self._book = book
        self._directory = directory
        self._tokens = tokens
        self._audit = audit
        self._hash = token_hash
        self._chance = chance

    async def put(self, actor: str, annotator: Annotator) -> Account:
        """Add an annotator, or give one that is there exactly these roles."""
        if annotator.name == OPERATOR.name:
            detail = f"{OPERATOR.name!r} is whoever holds the token of the settings; choose another name"
            raise RefusedError(Refusal.INVALID_ARGUMENT, "annotator.name", detail)
        if not annotator.appointments:
            raise RefusedError(Refusal.INVALID_ARGUMENT, "annotator.roles", "an annotator has at least one role")
        roles = ", ".join(map(str, annotator.appointments))
        await self._book.put(
            annotator, Deed(actor=actor, action="put", subject=annotator.name, facts=(("roles", roles),))
        )
        [account] = await self._directory.accounts(annotator.name)
        return account

    async def accounts(self) -> Sequence[Account]:
        """Everybody, by name."""
        return await self._directory.accounts()

    async def set_state(self, actor: str, name: str, state: AnnotatorState) -> Account:
        """Pause an annotator, or let it go on."""
        action = "pause" if state is AnnotatorState.PAUSED else "resume"
        if not await self._book.set_state(name, state, Deed(actor=actor, action=action, subject=name)):
            raise _nobody(name)
        [account] = await self._directory.accounts(name)
        return account

    async def remove(self, actor: str, name: str) -> None:
        """Remove an annotator and its tokens; what it answered stays under its name."""
        if not await self._book.remove(name, Deed(actor=actor, action="remove", subject=name)):
            raise _nobody(name)

    async def create_token(self, actor: str, annotator: str, name: str) -> tuple[str, TokenFacts]:
        """A new token: shown this once, and kept nowhere."""
        if len(name) > MAX_TOKEN_NAME_CHARACTERS or not name.isprintable():
            detail = f"must have at most {MAX_TOKEN_NAME_CHARACTERS} visible characters"
            raise RefusedError(Refusal.INVALID_ARGUMENT, "token_name", detail)
        token = form_token(self._chance(ID_BYTES + SECRET_BYTES))
        token_id = token_id_of(token) or ""
        deed = Deed(
            actor=actor,
            action="create_token",
            subject=annotator,
            facts=(("token_id", token_id), ("token_name", name)),
        )
        facts = await self._tokens.add(token_id, annotator, name, self._hash.digest(token), deed)
        if facts is None:
            raise _nobody(annotator)
        return token, facts

    async def revoke(self, actor: str, annotator: str, token_id: str) -> int:
        """Revoke one token of an annotator, or all; how many were in force."""
        if not await self._directory.accounts(annotator):
            raise _nobody(annotator)
        facts = (("token_id", token_id or "all"),)
        return await self._tokens.revoke(
            annotator, token_id, Deed(actor=actor, action="revoke_tokens", subject=annotator, facts=facts)
        )

    async def audit(self, after: int, limit: int) -> Sequence[AuditEntry]:
        """Up to `limit` entries with a number above `after`, in order."""
        if not 1 <= limit <= MAX_AUDIT_PAGE:
            raise RefusedError(Refusal.INVALID_ARGUMENT, "limit", f"must be 1-{MAX_AUDIT_PAGE}, not {limit}")
        return await self._audit.entries(after, limit)


def _nobody(name: str) -> RefusedError:
    shown = repr(name) if is_name(name) else "that name"
    return RefusedError(Refusal.NOT_FOUND, "annotator", f"there is no annotator {shown}")
