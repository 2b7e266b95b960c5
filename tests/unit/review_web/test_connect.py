"""ReviewService as JSON over HTTP: the same answers and the same refusals as over gRPC."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from aiohttp import ClientSession, ClientTimeout
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.review.adapters.web.connect import REVIEW_SERVICE, connect_routes
from streamlabel.runtime.web.hosts import AllowedHosts
from streamlabel.runtime.web.visitors import Visitors
from streamlabel.v1 import review_service_pb2
from support.page_host import admit_everybody, page_host
from support.page_samples import digit_png, digit_tasks, digits_project
from support.page_visitor import eventually
from support.paper_desk import PaperDesk

SERVICE = "streamlabel.v1.ReviewService"
NOBODY_NAMED = Visitors(AllowedHosts(), "STREAMLABEL_REVIEW_ALLOWED_HOSTS")


class Client:
    """Calls methods and gives status, body and headers."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def call(self, method: str, body: Any, **headers: str) -> tuple[int, Any, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        async with self._session.post(f"{self._url}{SERVICE}/{method}", data=data, headers=sent) as response:
            raw = await response.read()
            return response.status, json.loads(raw) if response.content_type == "application/json" else raw, response


@asynccontextmanager
async def served(servicer: object, *names: str) -> AsyncIterator[Client]:
    async with (
        page_host(servicer, hosts=AllowedHosts.of(names)) as host,
        ClientSession(timeout=ClientTimeout(total=10)) as session,
    ):
        yield Client(session, host.url)


@pytest.fixture
async def desk() -> PaperDesk:
    desk = PaperDesk(projects={"digits": digits_project()})
    await desk.put(*digit_tasks(3))
    return desk


async def test_every_unary_method_of_the_service_has_a_route() -> None:
    paths = {route.path for route in connect_routes(REVIEW_SERVICE, PaperDesk(), NOBODY_NAMED, admit_everybody)}
    assert paths == {f"/{SERVICE}/{method.name}" for method in REVIEW_SERVICE.methods}


async def test_a_servicer_with_a_gap_is_refused_at_the_start() -> None:
    with pytest.raises(AttributeError, match="ListProjects"):
        connect_routes(REVIEW_SERVICE, object(), NOBODY_NAMED, admit_everybody)


async def test_messages_travel_as_the_json_of_protobuf(desk: PaperDesk) -> None:
    async with served(desk) as client:
        status, body, response = await client.call("LeaseTasks", {"annotator": "ada", "maxTasks": 2})
    assert status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert [task["lease"]["taskId"] for task in body["tasks"]] == ["digits/d-0000", "digits/d-0001"]
    first = body["tasks"][0]["task"]
    assert base64.b64decode(first["record"]["payload"]["image"]["data"]) == digit_png("0", 0)
    assert first["suggestion"]["className"] == "0"


async def test_an_answer_given_over_json_is_on_the_desk(desk: PaperDesk) -> None:
    async with served(desk) as client:
        _, body, _ = await client.call("LeaseTasks", {"annotator": "ada", "max_tasks": 1})
        token = body["tasks"][0]["lease"]["leaseToken"]
        annotation = {"annotationId": "a1", "leaseToken": token, "className": "7"}
        _, body, _ = await client.call("SubmitAnnotations", {"annotator": "ada", "annotations": [annotation]})
    assert body["results"] == [{"annotationId": "a1", "status": "ANNOTATION_STATUS_ACCEPTED"}]
    assert desk.answers() == {"digits/d-0000": "7"}


async def test_fields_of_a_later_release_are_ignored(desk: PaperDesk) -> None:
    async with served(desk) as client:
        status, _, _ = await client.call("ListProjects", {"fromTheFuture": [1, {"deep": True}]})
    assert status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"maxTasks": "many"}',
        b'{"maxTasks": -1}',
        b'{"annotator": 7}',
        b'{"project":' * 20_000,
    ],
    ids=["empty", "cut", "array", "string", "not-utf8", "word-for-number", "negative", "number-for-text", "deep"],
)
async def test_a_body_that_is_no_request_is_refused_with_the_reason(desk: PaperDesk, body: bytes) -> None:
    async with served(desk) as client:
        status, answer, _ = await client.call("LeaseTasks", body)
    assert (status, answer["code"]) == (400, "invalid_argument")
    assert "LeaseTasksRequest" in answer["message"]


async def test_a_refusal_of_the_servicer_keeps_code_and_words(desk: PaperDesk) -> None:
    async with served(desk) as client:
        absent = await client.call("LeaseTasks", {"annotator": "ada", "maxTasks": 1, "project": "nope"})
        nameless = await client.call("LeaseTasks", {"maxTasks": 1})
    assert absent[:2] == (404, {"code": "not_found", "message": "no project 'nope'"})
    assert nameless[0] == 400
    assert "annotator" in nameless[1]["message"]


class Failing(PaperDesk):
    """Fails on ListProjects as it is told to."""

    failure: BaseException

    async def ListProjects(self, request: Any, context: Any) -> Any:
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "status", "code", "retry_after"),
    [
        (TransientError("the database is away", retry_after_s=3), 503, "unavailable", "3"),
        (TransientError("the database is away"), 503, "unavailable", None),
        (InvalidMessageError("UNKNOWN_CLASS", "class '11'"), 400, "invalid_argument", None),
    ],
)
async def test_the_fate_of_a_failure_is_its_status(
    failure: Exception, status: int, code: str, retry_after: str | None
) -> None:
    desk = Failing()
    desk.failure = failure
    async with served(desk) as client:
        got, body, response = await client.call("ListProjects", {})
    assert (got, body["code"], response.headers.get("Retry-After")) == (status, code, retry_after)
    assert str(failure) in body["message"]


async def test_a_defect_is_an_error_without_its_insides() -> None:
    desk = Failing()
    desk.failure = RuntimeError("secret of the house")
    async with served(desk) as client:
        status, body, _ = await client.call("ListProjects", {})
    assert status == 500
    assert b"secret" not in body


class Precise(PaperDesk):
    """Refuses with google.rpc details, as the gRPC servicer does."""

    async def ListProjects(self, request: Any, context: Any) -> Any:
        status = status_pb2.Status(code=14, message="later")
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(2500)
        status.details.add().Pack(retry)
        metadata = (("grpc-status-details-bin", status.SerializeToString()),)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "later", trailing_metadata=metadata)


async def test_details_of_a_refusal_are_kept_for_programs() -> None:
    async with served(Precise()) as client:
        status, body, response = await client.call("ListProjects", {})
    assert (status, body["code"], response.headers["Retry-After"]) == (503, "unavailable", "2")
    (detail,) = body["details"]
    padded = detail["value"] + "=" * (-len(detail["value"]) % 4)
    part = any_pb2.Any(type_url=f"type.googleapis.com/{detail['type']}", value=base64.b64decode(padded))
    retry = error_details_pb2.RetryInfo()
    assert part.Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 2500


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_form_of_another_site_can_send_is_no_call(desk: PaperDesk, media_type: str) -> None:
    async with served(desk) as client:
        status, _, response = await client.call("ListProjects", {}, Content_Type=media_type)
    assert status == 415
    assert response.headers["Accept-Post"] == "application/json"


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200)])
async def test_pages_of_other_sites_are_not_served(desk: PaperDesk, site: str, status: int) -> None:
    async with served(desk) as client:
        got, _, _ = await client.call("ListProjects", {}, Sec_Fetch_Site=site)
    assert got == status


async def test_a_call_under_a_name_that_is_not_ours_is_refused_with_the_key_to_set(desk: PaperDesk) -> None:
    async with served(desk, "label.example.org") as client:
        status, body, _ = await client.call(
            "LeaseTasks", {"annotator": "ada", "maxTasks": 1}, Host="rebound.example:80"
        )
        listed, _, _ = await client.call("ListProjects", {}, Host="label.example.org")
    assert (status, body["code"], listed) == (403, "permission_denied", 200)
    assert "'rebound.example:80'" in body["message"]
    assert "STREAMLABEL_REVIEW_ALLOWED_HOSTS" in body["message"]
    assert desk.held_by("ada") == []


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("http://127.0.0.1:8082", "127.0.0.1:8082", 200),
        ("https://label.example.org", "127.0.0.1:8082", 200),
        ("http://127.0.0.1:3000", "127.0.0.1:8082", 403),
        ("http://rebound.example", "127.0.0.1:8082", 403),
        ("null", "127.0.0.1:8082", 403),
    ],
)
async def test_a_page_of_another_origin_may_not_call(desk: PaperDesk, origin: str, host: str, status: int) -> None:
    async with served(desk, "label.example.org") as client:
        got, body, _ = await client.call("ListProjects", {}, Origin=origin, Host=host)
    assert got == status
    if status == 403:
        assert body["code"] == "permission_denied"
        assert "STREAMLABEL_REVIEW_ALLOWED_HOSTS" in body["message"]


class Slow(PaperDesk):
    """Notes how a call that never ends by itself was ended."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def LeaseTasks(self, request: Any, context: Any) -> Any:
        self.begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return review_service_pb2.LeaseTasksResponse()


async def test_a_poll_whose_caller_has_gone_is_cancelled_and_leases_nothing() -> None:
    desk = Slow()
    async with served(desk) as client:
        call = asyncio.ensure_future(client.call("LeaseTasks", {"annotator": "ada", "maxTasks": 1}))
        async with asyncio.timeout(5):
            await desk.begun.wait()
            call.cancel()
            await desk.cancelled.wait()


class Late(PaperDesk):
    """Leases and takes back when told to, whoever still waits for that."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def LeaseTasks(self, request: Any, context: Any) -> Any:
        self.begun.set()
        await self.go_on.wait()
        return await super().LeaseTasks(request, context)

    async def ReleaseLeases(self, request: Any, context: Any) -> Any:
        self.begun.set()
        await self.go_on.wait()
        return await super().ReleaseLeases(request, context)


async def test_tasks_leased_in_the_moment_in_which_the_caller_left_are_free_at_once() -> None:
    desk = Late(projects={"digits": digits_project()})
    await desk.put(*digit_tasks(3))
    async with page_host(desk) as host:
        await _call_and_leave(host.port, "LeaseTasks", {"annotator": "ada", "maxTasks": 2}, desk.begun)
        # Long enough for the server to see it, and much less than it takes to look for who has gone.
        await asyncio.sleep(0.05)
        desk.go_on.set()
        await eventually(lambda: desk.released == 2)
    assert desk.held_by("ada") == []


async def test_what_a_caller_gave_back_while_leaving_is_given_back_however_long_it_takes() -> None:
    desk = Late(projects={"digits": digits_project()})
    await desk.put(*digit_tasks(3))
    desk.go_on.set()
    leased = await desk.LeaseTasks(review_service_pb2.LeaseTasksRequest(annotator="ada", max_tasks=3), None)
    desk.go_on.clear()
    desk.begun.clear()
    tokens = [task.lease.lease_token for task in leased.tasks]
    async with page_host(desk) as host:
        await _call_and_leave(host.port, "ReleaseLeases", {"annotator": "ada", "leaseTokens": tokens}, desk.begun)
        await asyncio.sleep(0.6)
        desk.go_on.set()
        await eventually(lambda: desk.released == 3)


async def _call_and_leave(port: int, method: str, message: dict[str, object], begun: asyncio.Event) -> None:
    """Send a call, and close the connection as soon as it is under way."""
    body = json.dumps(message).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /{SERVICE}/{method} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    writer.write(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    async with asyncio.timeout(5):
        await begun.wait()
    writer.close()
    await writer.wait_closed()
