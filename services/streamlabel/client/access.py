"""`AccessClient`: who may work, by which tokens, and what was done about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from streamlabel.client.channel import open_channel
from streamlabel.client.retry import Patience, asked_delay_s, is_passing, told
from streamlabel.client.review import CallRefusedError, field_of
from streamlabel.client.token import bearer
from streamlabel.core.access import AccessMode, Account, Annotator, AnnotatorState, AuditEntry, TokenFacts
from streamlabel.errors import TransientError
from streamlabel.v1 import access_service_pb2 as wire
from streamlabel.v1 import access_service_pb2_grpc
from streamlabel.wire import access

_MESSAGE_MAX_BYTES = 16 * 1024 * 1024
_PAGE = 500


class AccessClient:
    """Manages the annotators of a review service; all but `who_am_i` needs the token of an admin.

    Errors and `token` are as with ReviewClient. Only `create_token` is not repeated by itself: what got lost may have made one.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        timeout_s: float = 10.0,
        patience: Patience | None = None,
    ) -> None:
        self._address = address
        self._metadata = bearer(token)
        self._timeout_s = timeout_s
        self._patience = patience or Patience(cap_s=2.0, give_up_s=10.0)
        self._channel = open_channel(address, credentials, message_max_bytes=_MESSAGE_MAX_BYTES)
        self._stub: Any = access_service_pb2_grpc.AccessServiceStub(self._channel)  # type: ignore[no-untyped-call]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close(grace=None)

    async def who_am_i(self) -> tuple[AccessMode, Annotator | None]:
        """How the service asks who comes, and whose token this is; None where nobody is asked."""
        response = await self._call("WhoAmI", wire.WhoAmIRequest())
        annotator = access.annotator_from_message(response.annotator) if response.HasField("annotator") else None
        return access.MODES.member(response.mode), annotator

    async def put(self, name: str, roles: Sequence[str]) -> Account:
        """Add an annotator, or give one that is there exactly these roles: `annotator`, `reviewer@mail`, …"""
        response = await self._call("PutAnnotator", wire.PutAnnotatorRequest(name=name, roles=roles))
        return access.account_from_message(response.account)

    async def accounts(self) -> list[Account]:
        """Everybody, by name."""
        response = await self._call("ListAnnotators", wire.ListAnnotatorsRequest())
        return [access.account_from_message(message) for message in response.accounts]

    async def set_state(self, name: str, state: AnnotatorState) -> Account:
        """Pause an annotator, or let it go on."""
        request = wire.SetAnnotatorStateRequest(name=name, state=access.STATES.number(state))
        return access.account_from_message((await self._call("SetAnnotatorState", request)).account)

    async def remove(self, name: str) -> None:
        """Remove an annotator and its tokens."""
        await self._call("RemoveAnnotator", wire.RemoveAnnotatorRequest(name=name))

    async def create_token(self, name: str, token_name: str = "") -> tuple[str, TokenFacts]:
        """A new token of this annotator's: this is the only time that it is told."""
        request = wire.CreateTokenRequest(name=name, token_name=token_name)
        response = await self._call("CreateToken", request, repeats=False)
        return response.token, access.token_from_message(response.facts, name)

    async def revoke(self, name: str, token_id: str = "") -> int:
        """Revoke one token of an annotator, or all; how many were in force."""
        response = await self._call("RevokeTokens", wire.RevokeTokensRequest(name=name, token_id=token_id))
        return int(response.revoked)

    async def audit(self, after: int = 0) -> AsyncIterator[AuditEntry]:
        """The audit log from the entry after this number on, to its end."""
        while True:
            response = await self._call("ListAuditEntries", wire.ListAuditEntriesRequest(after=after, limit=_PAGE))
            for message in response.entries:
                yield access.entry_from_message(message)
            if len(response.entries) < _PAGE:
                return
            after = response.entries[-1].number

    async def _call(self, method: str, request: Any, *, repeats: bool = True) -> Any:
        attempt, began_s = 0, time.monotonic()
        while True:
            try:
                return await getattr(self._stub, method)(request, timeout=self._timeout_s, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                if not is_passing(error):
                    raise CallRefusedError(error.code().name, field_of(error), error.details() or "") from error
                attempt += 1
                why, pause_s = told(error), asked_delay_s(error)
            limit_s = self._patience.give_up_s
            if not repeats or (limit_s is not None and time.monotonic() - began_s > limit_s):
                raise TransientError(f"{self._address} gave no answer: {why}")
            await asyncio.sleep(self._patience.delay_s(attempt, at_least_s=pause_s))
