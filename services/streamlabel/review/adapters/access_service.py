"""`AccessService` over gRPC; who may call what the guard has found out before."""

from __future__ import annotations

import grpc

from streamlabel.core.access import AccessMode, Annotator
from streamlabel.review.access import Office
from streamlabel.review.adapters.guard import CALLER
from streamlabel.review.adapters.status import answer_or_abort
from streamlabel.review.ports import Refusal, RefusedError
from streamlabel.v1 import access_service_pb2 as wire
from streamlabel.v1 import access_service_pb2_grpc
from streamlabel.wire import access as wire_access

ACCESS_SERVICE_NAME = wire.DESCRIPTOR.services_by_name["AccessService"].full_name


class AccessServicer(access_service_pb2_grpc.AccessServiceServicer):
    """The methods of AccessService; of `context` they use `abort` alone."""

    def __init__(self, office: Office, mode: AccessMode) -> None:
        self._office = office
        self._mode = mode

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to `server`."""
        access_service_pb2_grpc.add_AccessServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]

    async def WhoAmI(  # noqa: N802
        self, _request: wire.WhoAmIRequest, _context: grpc.aio.ServicerContext
    ) -> wire.WhoAmIResponse:
        """Whoever calls."""
        caller = CALLER.get()
        annotator = wire_access.annotator_to_message(caller) if caller is not None else None
        return wire.WhoAmIResponse(mode=wire_access.MODES.number(self._mode), annotator=annotator)

    async def PutAnnotator(  # noqa: N802
        self, request: wire.PutAnnotatorRequest, context: grpc.aio.ServicerContext
    ) -> wire.PutAnnotatorResponse:
        """The account as it is now."""

        async def put() -> wire.PutAnnotatorResponse:
            try:
                annotator = Annotator(name=request.name, appointments=wire_access.appointments_of(request.roles))
            except ValueError as error:
                raise RefusedError(Refusal.INVALID_ARGUMENT, "annotator", str(error)) from error
            account = await self._office.put(_actor(), annotator)
            return wire.PutAnnotatorResponse(account=wire_access.account_to_message(account))

        return await answer_or_abort(context, put())

    async def ListAnnotators(  # noqa: N802
        self, _request: wire.ListAnnotatorsRequest, context: grpc.aio.ServicerContext
    ) -> wire.ListAnnotatorsResponse:
        """Everybody."""

        async def listing() -> wire.ListAnnotatorsResponse:
            accounts = await self._office.accounts()
            return wire.ListAnnotatorsResponse(accounts=map(wire_access.account_to_message, accounts))

        return await answer_or_abort(context, listing())

    async def SetAnnotatorState(  # noqa: N802
        self, request: wire.SetAnnotatorStateRequest, context: grpc.aio.ServicerContext
    ) -> wire.SetAnnotatorStateResponse:
        """Paused, or let go on."""

        async def change() -> wire.SetAnnotatorStateResponse:
            try:
                state = wire_access.STATES.member(request.state)
            except ValueError as error:
                raise RefusedError(Refusal.INVALID_ARGUMENT, "state", str(error)) from error
            account = await self._office.set_state(_actor(), request.name, state)
            return wire.SetAnnotatorStateResponse(account=wire_access.account_to_message(account))

        return await answer_or_abort(context, change())

    async def RemoveAnnotator(  # noqa: N802
        self, request: wire.RemoveAnnotatorRequest, context: grpc.aio.ServicerContext
    ) -> wire.RemoveAnnotatorResponse:
        """Gone, tokens and all."""

        async def remove() -> wire.RemoveAnnotatorResponse:
            await self._office.remove(_actor(), request.name)
            return wire.RemoveAnnotatorResponse()

        return await answer_or_abort(context, remove())

    async def CreateToken(  # noqa: N802
        self, request: wire.CreateTokenRequest, context: grpc.aio.ServicerContext
    ) -> wire.CreateTokenResponse:
        """The token, this once."""

        async def create() -> wire.CreateTokenResponse:
            token, facts = await self._office.create_token(_actor(), request.name, request.token_name)
            return wire.CreateTokenResponse(token=token, facts=wire_access.token_to_message(facts))

        return await answer_or_abort(context, create())

    async def RevokeTokens(  # noqa: N802
        self, request: wire.RevokeTokensRequest, context: grpc.aio.ServicerContext
    ) -> wire.RevokeTokensResponse:
        """How many were in force."""

        async def revoke() -> wire.RevokeTokensResponse:
            revoked = await self._office.revoke(_actor(), request.name, request.token_id)
            return wire.RevokeTokensResponse(revoked=revoked)

        return await answer_or_abort(context, revoke())

    async def ListAuditEntries(  # noqa: N802
        self, request: wire.ListAuditEntriesRequest, context: grpc.aio.ServicerContext
    ) -> wire.ListAuditEntriesResponse:
        """A page of the log."""

        async def read() -> wire.ListAuditEntriesResponse:
            entries = await self._office.audit(request.after, request.limit)
            return wire.ListAuditEntriesResponse(entries=map(wire_access.entry_to_message, entries))

        return await answer_or_abort(context, read())


def _actor() -> str:
    caller = CALLER.get()
    assert caller is not None, "the guard lets nobody without a name into the office"
    return caller.name
