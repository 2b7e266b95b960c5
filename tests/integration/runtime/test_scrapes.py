"""What each service shows of itself while records pass: exactly the catalogue, and every number that should move has moved."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from streamlabel.client.review import ReviewClient
from streamlabel.core.project import CertifiedPolicy, ThresholdPolicy
from streamlabel.local.model_bundle import Backend
from streamlabel.runtime.catalogue import CATALOGUE, Kind
from streamlabel.wire.flow import DEFAULT_PREFIX
from support.gates import COIN_KEY
from support.models import CLASSES, ModelShelf, trivial_project
from support.pipeline import Pipeline, service

pytestmark = pytest.mark.integration

SERVICES = ("ingest", "inference", "routing", "review", "learning")
PROJECT = "scraped"
# Of a project without policy `certified` learning has nothing to show.
CERTIFIED = "scraped-too"
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}

# What stays at nothing in a run without trouble: no dead letter, no retry, no lease that runs out.
QUIET = {
    "streamlabel_records_rejected_total",
    "streamlabel_dead_letters_total",
    "streamlabel_lane_rebuilds_total",
    "streamlabel_retries_total",
    "streamlabel_inference_failures_total",
    "streamlabel_records_duplicate_total",
    "streamlabel_leases_expired_total",
    # Nobody skips a task or sets one aside, and no topic loses what was not read.
    "streamlabel_tasks_skipped_total",
    "streamlabel_tasks_escalated_total",
    "streamlabel_input_losses_total",
    # No book has gone wrong.
    "streamlabel_gate_fault",
    # Nobody is asked who comes.
    "streamlabel_calls_denied_total",
}
# Ingest without a source topic is no stage: it shows the names without series.
STILL: dict[str, set[str]] = {
    "ingest": {name for name, spec in CATALOGUE.items() if spec.labels[:1] == ("stage",)},
    "inference": set(),
    "routing": set(),
    "review": set(),
    "learning": set(),
}


# The trivial model is surer of a long text than of a short one; this lies between them.
SURE = 0.36


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class House:
    """The five services as processes, and what they show."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.http = {name: free_port() for name in SERVICES}
        self.grpc = {name: free_port() for name in ("ingest", "review")}
        self.environments = {
            name: {
                **environment,
                "STREAMLABEL_HTTP_HOST": "127.0.0.1",
                "STREAMLABEL_HTTP_PORT": str(self.http[name]),
                **({"STREAMLABEL_GRPC_PORT": str(self.grpc[name])} if name in self.grpc else {}),
            }
            for name in SERVICES
        }

    async def wait_until_ready(self, session: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(60):
            for port in self.http.values():
                while not await self._is_ready(session, port):
                    await asyncio.sleep(0.1)

    async def scrape(self, session: aiohttp.ClientSession, name: str) -> dict[str, list[float]]:
        """Name of a metric → the values of its series (counts, for a histogram)."""
        async with session.get(f"http://127.0.0.1:{self.http[name]}/metrics", headers=OPENMETRICS) as answer:
            assert answer.status == 200
            text = await answer.text()
        shown: dict[str, list[float]] = {}
        for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
            if not family.name.startswith("streamlabel_"):
                continue  # the interpreter's and the process's own
            full = f"{family.name}_total" if family.type == "counter" else family.name
            wanted = f"{family.name}_count" if family.type == "histogram" else full
            assert Kind(family.type) is CATALOGUE[full].kind
            assert all(set(sample.labels) - {"le"} == set(CATALOGUE[full].labels) for sample in family.samples), (
                f"{name}: labels of {full}"
            )
            shown[full] = [sample.value for sample in family.samples if sample.name == wanted]
        return shown

    @staticmethod
    async def _is_ready(session: aiohttp.ClientSession, port: int) -> bool:
        try:
            async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


async def test_every_service_shows_the_catalogue_and_its_numbers_move(
    kafka: str,
    triton: str,
    triton_repository: Path,
    triton_backend: Backend,
    postgres_database: str,
    topic_prefix: str,
    tmp_path: Path,
) -> None:
    assert topic_prefix != DEFAULT_PREFIX
    ModelShelf(triton, triton_repository, tmp_path, triton_backend).trivial(f"{topic_prefix}-model")
    pipeline = await Pipeline.create(kafka, topic_prefix)
    project = trivial_project(PROJECT, f"{topic_prefix}-model")
    await pipeline.apply_project(dataclasses.replace(project, policy=ThresholdPolicy(threshold=SURE)))
    certified = CertifiedPolicy(alpha=0.05, delta=0.05)
    await pipeline.apply_project(dataclasses.replace(project, name=CERTIFIED, policy=certified))
    house = House(
        {
            "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka,
            "STREAMLABEL_KAFKA_TOPIC_PREFIX": topic_prefix,
            "STREAMLABEL_INFERENCE_TRITON_URL": triton,
            "STREAMLABEL_REVIEW_POSTGRES_DSN": postgres_database,
            "STREAMLABEL_REVIEW_GAUGES_INTERVAL_S": "0.5",
            "STREAMLABEL_LEARNING_POSTGRES_DSN": postgres_database,
            "STREAMLABEL_COIN_KEYS": COIN_KEY.hex(),
        }
    )
    async with AsyncExitStack() as exits:
        session = await exits.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)))
        for name in SERVICES:
            await exits.enter_async_context(service(name, house.environments[name]))
        await house.wait_until_ready(session)
        for project_name in (PROJECT, CERTIFIED):
            await send(session, house.http["ingest"], project_name, 60)
        await answer_one_and_give_one_back(house.grpc["review"])
        for name in SERVICES:
            await expect_catalogue(house, session, name)


async def send(session: aiohttp.ClientSession, port: int, project: str, count: int) -> None:
    texts = ("a", "z" * 60)
    lines = "".join(f'{{"record_id": "r{number}", "text": "{texts[number % 2]}"}}\n' for number in range(count))
    url = f"http://127.0.0.1:{port}/v1/projects/{project}/records"
    async with session.post(url, data=lines, headers={"Content-Type": "application/x-ndjson"}) as answer:
        assert answer.status == 200, await answer.text()
        assert (await answer.text()).count("\n") == count


async def answer_one_and_give_one_back(port: int) -> None:
    async with ReviewClient(f"127.0.0.1:{port}") as client, asyncio.timeout(30):
        async with client.work(PROJECT, "ann") as desk:
            async for leased in desk:
                await desk.answer(leased, CLASSES[0])
                break
        unwanted = await client.lease("bea", project=PROJECT, wait_s=20)
        assert await client.release("bea", [leased.lease.lease_token for leased in unwanted]) == 1


async def expect_catalogue(house: House, session: aiohttp.ClientSession, name: str) -> None:
    promised = {metric for metric, spec in CATALOGUE.items() if name in spec.services}
    silent: set[str] = set()
    for _ in range(100):
        shown = await house.scrape(session, name)
        assert set(shown) == promised
        silent = {metric for metric, values in shown.items() if not values or not any_moved(metric, values)}
        if silent <= QUIET | STILL[name]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name}: nothing was ever measured by {sorted(silent - QUIET - STILL[name])}")


def any_moved(metric: str, values: list[float]) -> bool:
    """Whether anything was measured. A gauge may well stand at zero; what counts is that somebody set it."""
    return CATALOGUE[metric].kind is Kind.GAUGE or any(value > 0 for value in values)
