"""Who may do what, on a real PostgreSQL: over gRPC, over HTTP, by token."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import grpc
import pytest

from streamlabel.client.access import AccessClient
from streamlabel.client.retry import Patience
from streamlabel.client.review import CallRefusedError, ReviewClient
from streamlabel.core.access import AccessMode, AnnotatorState
from streamlabel.core.hash_chain import first_broken
from streamlabel.core.review import Annotation
from streamlabel.errors import TransientError
from streamlabel.review.access import AccessLimits
from streamlabel.review.adapters.oidc import IssuerKeys, OidcIssuer
from streamlabel.review.rules.claims import ClaimMap
from streamlabel.v1 import review_service_pb2, review_service_pb2_grpc
from support.access import OPERATOR_TOKEN, GuardedReview, guarded
from support.issuer import AUDIENCE, local_issuer, rsa_key
from support.review_queue import ReviewQueue, review_queue, task

pytestmark = pytest.mark.integration
IMPATIENT = Patience(give_up_s=0)


@pytest.fixture
async def queue(postgres_database: str) -> AsyncIterator[ReviewQueue]:
    async with review_queue(postgres_database) as made:
        yield made


@pytest.fixture
async def review(queue: ReviewQueue) -> AsyncIterator[GuardedReview]:
    async with guarded(queue) as made:
        yield made


def desk(review: GuardedReview, token: str) -> ReviewClient:
    return ReviewClient(review.address, token=token, patience=IMPATIENT)


def office(review: GuardedReview, token: str = OPERATOR_TOKEN) -> AccessClient:
    return AccessClient(review.address, token=token, patience=IMPATIENT)


async def refusal(call: object) -> tuple[str, str]:
    with pytest.raises(CallRefusedError) as refused:
        await call  # type: ignore[misc]
    return refused.value.code, refused.value.detail


async def test_without_a_token_nothing_is_to_be_had_and_the_way_out_is_told(review: GuardedReview) -> None:
    async with desk(review, "") as nobody, desk(review, "slt_abcdefghijkl_" + "x" * 43) as stranger:
        code, detail = await refusal(nobody.lease("ann"))
        assert (code, "streamlabel annotators token" in detail) == ("UNAUTHENTICATED", True)
        code, detail = await refusal(stranger.projects())
        assert (code, "not valid here" in detail) == ("UNAUTHENTICATED", True)


async def test_one_acts_under_ones_own_name_unless_one_is_a_service(queue: ReviewQueue, review: GuardedReview) -> None:
    await queue.feed(task("r1"), task("r2"))
    ann, bot = await review.newcomer("ann", "annotator"), await review.newcomer("bot", "service")
    async with desk(review, ann) as client, desk(review, bot) as service:
        [leased] = await client.lease("ann")
        code, detail = await refusal(client.lease("bob"))
        assert (code, "ann" in detail) == ("PERMISSION_DENIED", True)
        code, _ = await refusal(
            client.submit("bob", [Annotation(annotation_id="1", lease_token="x", class_name="ham")])
        )
        assert code == "PERMISSION_DENIED"
        answer = Annotation(annotation_id="1", lease_token=leased.lease.lease_token, class_name="ham")
        assert [each.status.value for each in await client.submit("ann", [answer])] == ["accepted"]
        assert len(await service.lease("bob")) == 1


async def test_a_role_is_for_its_project_alone(queue: ReviewQueue, review: GuardedReview) -> None:
    await queue.feed(task("r1", project="news"), task("r2", project="mail"))
    async with desk(review, await review.newcomer("ann", "annotator@mail")) as client:
        assert [project.name for project in await client.projects()] == ["mail"]
        assert [row.project for row in await client.stats()] == ["mail"]
        code, detail = await refusal(client.lease("ann", project="news"))
        assert (code, "'news'" in detail) == ("PERMISSION_DENIED", True)
        assert [leased.task.key.project for leased in await client.lease("ann", max_tasks=10)] == ["mail"]


async def test_tasks_that_were_set_aside_are_for_reviewers(review: GuardedReview) -> None:
    request = review_service_pb2.LeaseTasksRequest(annotator="ann", max_tasks=1, escalated=True)
    metadata = (("authorization", f"Bearer {await review.newcomer('ann', 'annotator')}"),)
    async with grpc.aio.insecure_channel(review.address) as channel:
        stub = review_service_pb2_grpc.ReviewServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.LeaseTasks(request, metadata=metadata)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        await review.newcomer("ann", "reviewer")
        await stub.LeaseTasks(request, metadata=metadata)


async def test_who_is_paused_or_revoked_is_out_and_may_put_down_what_is_in_hand(
    queue: ReviewQueue, review: GuardedReview
) -> None:
    await queue.feed(task("r1"), task("r2"))
    token = await review.newcomer("ann", "annotator")
    async with desk(review, token) as client, office(review) as admin:
        [leased] = await client.lease("ann")
        account = await admin.set_state("ann", AnnotatorState.PAUSED)
        assert account.annotator.state is AnnotatorState.PAUSED
        code, detail = await refusal(client.lease("ann"))
        assert (code, "paused" in detail) == ("PERMISSION_DENIED", True)
        assert await client.release("ann", [leased.lease.lease_token]) == 1
        await admin.set_state("ann", AnnotatorState.ACTIVE)
        assert len(await client.lease("ann")) == 1
        [account] = await admin.accounts()
        [facts] = account.tokens
        assert facts.last_used_at is not None
        assert (facts.last_used_at.minute, facts.last_used_at.second, facts.revoked_at) == (0, 0, None)
        assert await admin.revoke("ann", facts.token_id) == 1
        assert await admin.revoke("ann") == 0
        assert (await refusal(client.lease("ann")))[0] == "UNAUTHENTICATED"
        await admin.remove("ann")
        assert await admin.accounts() == []
        assert (await refusal(admin.create_token("ann")))[0] == "NOT_FOUND"


async def test_the_office_is_for_admins_of_every_project(review: GuardedReview) -> None:
    reviewer, local = await review.newcomer("rita", "reviewer"), await review.newcomer("lou", "admin@mail")
    async with office(review, reviewer) as as_reviewer, office(review, local) as as_local, office(review) as admin:
        assert (await refusal(as_reviewer.accounts()))[0] == "PERMISSION_DENIED"
        assert (await refusal(as_local.create_token("rita")))[0] == "PERMISSION_DENIED"
        mode, me = await as_local.who_am_i()
        assert (mode, me.name if me else "") == (AccessMode.TOKENS, "lou")
        for name, roles in (("ann", ["boss"]), ("", ["annotator"]), ("ann", []), ("operator", ["admin"])):
            assert (await refusal(admin.put(name, roles)))[0] == "INVALID_ARGUMENT"


async def test_an_open_desk_asks_nobody_and_an_open_office_there_is_not(queue: ReviewQueue) -> None:
    await queue.feed(task("r1"))
    async with guarded(queue, mode=AccessMode.OPEN) as review, desk(review, "") as anybody, office(review, "") as thief:
        assert await thief.who_am_i() == (AccessMode.OPEN, None)
        assert len(await anybody.lease("whoever")) == 1
        assert (await refusal(thief.put("mallory", ["admin"])))[0] == "UNAUTHENTICATED"


async def test_at_rest_there_is_no_token(queue: ReviewQueue, review: GuardedReview) -> None:
    token = await review.newcomer("ann", "annotator")
    secret = token.rpartition("_")[2]
    dump = [
        row for name in ("access_token", "annotator", "audit") for row in await queue.database.fetch(f"TABLE {name}")
    ]
    assert len(dump) >= 3
    assert secret not in repr(dump)
    assert secret.encode().hex() not in repr(dump)


async def test_the_audit_log_tells_who_did_what_and_nobody_rewrites_it(
    queue: ReviewQueue, review: GuardedReview
) -> None:
    await review.newcomer("ann", "annotator@mail")
    async with office(review) as admin, desk(review, "slt_abcdefghijkl_" + "x" * 43) as stranger:
        await admin.set_state("ann", AnnotatorState.PAUSED)
        await refusal(stranger.projects())
        await refusal(admin.remove("nobody"))
        entries = [entry async for entry in admin.audit()]
    assert [(entry.actor, entry.action, entry.subject) for entry in entries] == [
        ("operator", "put", "ann"),
        ("operator", "create_token", "ann"),
        ("operator", "pause", "ann"),
        ("", "login_failed", ""),
    ]
    assert '"roles": "annotator@mail"' in entries[0].facts
    assert "127.0.0.1" in entries[3].facts
    assert first_broken(entries) is None
    for sql in ("UPDATE audit SET actor = 'bob'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(asyncpg.RaiseError, match="only ever added to"):
            await queue.database.fetch(sql)
    # Somebody who owns the database can take the trigger away; the chain tells.
    await queue.database.fetch("ALTER TABLE audit DISABLE TRIGGER audit_stays")
    await queue.database.fetch("UPDATE audit SET subject = 'bob' WHERE number = 2")
    assert first_broken(await review.audit.entries(0, 100)) == 2


async def test_who_calls_too_often_is_told_when_to_come_again(queue: ReviewQueue) -> None:
    async with guarded(queue, limits=AccessLimits(calls_per_s=2.0)) as review:
        async with desk(review, await review.newcomer("ann", "annotator")) as client:
            for _ in range(4):
                await client.projects()
            with pytest.raises(TransientError, match="RESOURCE_EXHAUSTED: 'ann' calls more often"):
                await client.projects()
            review.now_s += 0.5
            await client.projects()
        async with desk(review, await review.newcomer("bob", "annotator")) as other:
            await other.projects()


async def test_guessing_ends_soon_and_locks_nobody_out_who_is_in(queue: ReviewQueue) -> None:
    async with (
        guarded(queue, limits=AccessLimits(failed_logins_per_min=3.0, known_for_s=60.0)) as review,
        desk(review, "guess") as thief,
        desk(review, await review.newcomer("ann", "annotator")) as client,
    ):
        await client.projects()
        for _ in range(3):
            assert (await refusal(thief.projects()))[0] == "UNAUTHENTICATED"
        with pytest.raises(TransientError, match="RESOURCE_EXHAUSTED: too many logins"):
            await thief.projects()
        await client.projects()
        assert len(await review.audit.entries(0, 100)) == 2 + 3
        review.now_s += 20
        assert (await refusal(thief.projects()))[0] == "UNAUTHENTICATED"


async def test_the_page_logs_in_by_a_cookie_that_no_script_reads(review: GuardedReview) -> None:
    token = await review.newcomer("ann", "annotator")
    whoami, jar = f"{review.url}/streamlabel.v1.AccessService/WhoAmI", aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        async with browser.post(whoami, json={}) as response:
            assert (response.status, (await response.json())["code"]) == (401, "unauthenticated")
        async with browser.post(f"{review.url}/session", json={"token": "wrong"}) as response:
            assert (response.status, "Set-Cookie" in response.headers) == (401, False)
        async with browser.post(
            f"{review.url}/session", json={"token": token}, headers={"Origin": "http://evil.example"}
        ) as r:
            assert r.status == 403
        async with browser.post(f"{review.url}/session", json={"token": token}) as response:
            assert await response.json() == {"name": "ann"}
            cookie = response.headers["Set-Cookie"]
            assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict"))
            assert "Secure" not in cookie
        async with browser.post(whoami, json={}) as response:
            assert (await response.json())["annotator"]["name"] == "ann"
        async with browser.delete(f"{review.url}/session") as response:
            assert response.status == 200
        async with browser.post(whoami, json={}) as response:
            assert response.status == 401
        async with browser.post(
            f"{review.url}/session", json={"token": token}, headers={"X-Forwarded-Proto": "https"}
        ) as r:
            assert "Secure" in r.headers["Set-Cookie"]


async def test_people_of_an_issuer_come_in_under_their_names_and_may_be_paused(queue: ReviewQueue) -> None:
    await queue.feed(task("r1"), task("r2"))
    async with local_issuer(one=rsa_key()) as issuer:
        claims = ClaimMap.of(name_claim="sub", roles_claim="roles", entries=["labellers=annotator@mail"])
        oidc = OidcIssuer(
            issuer=issuer.url, audience=AUDIENCE, keys=IssuerKeys(issuer.url, ""), claim_map=claims, skew_s=5.0
        )
        async with guarded(queue, issuer=oidc) as review, office(review) as admin:
            token = await review.newcomer("bob", "annotator")
            async with desk(review, issuer.token()) as ann, desk(review, token) as bob:
                assert len(await ann.lease("ann")) == 1
                assert (await refusal(ann.lease("bob")))[0] == "PERMISSION_DENIED"
                assert len(await bob.lease("bob")) == 1
                assert (await refusal(admin.set_state("ann", AnnotatorState.PAUSED)))[0] == "NOT_FOUND"
                await admin.put("ann", ["reviewer@news"])
                assert [project.name for project in await ann.projects()] == ["mail", "news"]
                await admin.set_state("ann", AnnotatorState.PAUSED)
                assert (await refusal(ann.lease("ann")))[0] == "PERMISSION_DENIED"
            for wrong, why in ((issuer.token(exp=1), "has expired"), (issuer.token(sub="operator"), "'operator'")):
                async with desk(review, wrong) as nobody:
                    code, detail = await refusal(nobody.projects())
                    assert (code, why in detail) == ("UNAUTHENTICATED", True)
            assert "has expired" in (await review.audit.entries(0, 100))[-2].facts
