"""ReviewService over gRPC: what a caller is told when it does not go well."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from streamlabel.client.retry import Patience
from streamlabel.client.review import CallRefusedError, ReviewClient
from streamlabel.core.review import Annotation
from streamlabel.errors import TransientError
from streamlabel.local.servers import EmbeddedServers
from streamlabel.v1 import review_pb2, review_service_pb2, review_service_pb2_grpc
from support.review_queue import review_queue, task
from support.review_server import served

pytestmark = pytest.mark.integration


def details(error: grpc.aio.AioRpcError, message: object) -> object:
    """The detail of that type in the error's google.rpc.Status."""
    value = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(value)
    assert status.code == error.code().value[0]
    assert status.details[0].Unpack(message)
    return message


async def test_a_refusal_names_the_field_and_the_way_out(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue, served(queue) as address:
        async with grpc.aio.insecure_channel(address) as channel:
            stub = review_service_pb2_grpc.ReviewServiceStub(channel)
            bad = review_pb2.Annotation(annotation_id="")
            request = review_service_pb2.SubmitAnnotationsRequest(annotator="ann", annotations=[bad])
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await stub.SubmitAnnotations(request)
            assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            [violation] = details(failed.value, error_details_pb2.BadRequest()).field_violations
            assert violation.field == "annotations[0]"
            assert violation.description == "annotation_id must have 1-64 characters"
        async with ReviewClient(address) as client:
            for call, code, field in (
                (client.lease("", project="mail"), "INVALID_ARGUMENT", "annotator"),
                (client.lease("ann", max_tasks=1000), "INVALID_ARGUMENT", "max_tasks"),
                (client.lease("ann", project="nix"), "NOT_FOUND", "project"),
                (client.undo("ann", "never"), "NOT_FOUND", "annotation_id"),
            ):
                with pytest.raises(CallRefusedError) as refused:
                    await call
                assert (refused.value.code, refused.value.field) == (code, field)


async def test_every_call_through_the_client(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue, served(queue) as address, ReviewClient(address) as client:
        assert [project.name for project in await client.projects()] == ["mail", "news"]
        await queue.feed(task("r1"), task("r2"))
        first, second = await client.lease("ann", project="mail", max_tasks=2)
        assert first.task == task("r1")
        assert first.lease.lasts_s == 60
        extended = await client.extend("ann", [first.lease.lease_token, "gone"])
        assert extended.leases[0].expires_at >= first.lease.expires_at
        assert extended.lost_lease_tokens == ("gone",)
        answer = Annotation(annotation_id="a1", lease_token=first.lease.lease_token, class_name="ham")
        assert [result.status.value for result in await client.submit("ann", [answer, answer])] == [
            "accepted",
            "duplicate",
        ]
        undone = await client.undo("ann", "a1")
        assert (undone.class_name, undone.leased.task) == ("ham", first.task)
        assert await client.release("ann", [second.lease.lease_token, undone.leased.lease.lease_token]) == 2
        [mail] = await client.stats("mail")
        assert (mail.open_tasks, mail.leased_tasks, mail.answered_tasks) == (2, 0, 0)


async def test_without_its_database_it_says_when_to_come_again(own_servers: Callable[..., EmbeddedServers]) -> None:
    servers = own_servers("postgres")
    async with review_queue(servers.postgres) as queue, served(queue) as address:
        await queue.feed(task("r1"))
        servers.kill("postgres")
        async with grpc.aio.insecure_channel(address) as channel:
            stub = review_service_pb2_grpc.ReviewServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await stub.LeaseTasks(review_service_pb2.LeaseTasksRequest(annotator="ann", max_tasks=1), timeout=10)
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "PostgreSQL is away" in (failed.value.details() or "")
        retry = details(failed.value, error_details_pb2.RetryInfo())
        assert retry.retry_delay.ToTimedelta().total_seconds() == 1
        async with ReviewClient(address, patience=Patience(base_s=0.02, cap_s=0.1, give_up_s=0.5)) as impatient:
            began_s = time.monotonic()
            with pytest.raises(TransientError, match="gave no answer"):
                await impatient.lease("ann")
            assert time.monotonic() - began_s < 5
        async with ReviewClient(address) as patient:
            servers.restart("postgres")
            assert len(await patient.lease("ann")) == 1
