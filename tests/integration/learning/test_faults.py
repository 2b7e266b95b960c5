"""A project whose book breaks is left alone and told of; the others go on, and it has a gate again once it is mended."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from streamlabel.errors import TransientError
from streamlabel.learning.adapters.postgres.records_of_gates import GateRecords
from streamlabel.learning.adapters.postgres.shelf import PostgresShelf
from streamlabel.learning.ports import BrokenBookError, Page
from streamlabel.learning.rules.faults import Fault
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.postgres.database import Database, DatabaseSettings
from support.gate_town import POLICY, PROJECT, Town
from support.learning_house import subject_of_mail
from support.pipeline import Pipeline

pytestmark = pytest.mark.integration

SUBJECT = subject_of_mail()
# More than its column takes; on the wire it is a number like any other.
UNHEARD_OF = 2**31 + 7
ODD = replace(SUBJECT, project="odd", taxonomy_version=UNHEARD_OF)


async def test_what_cannot_be_written_is_told_apart_by_project_and_stands_until_it_begins_anew(
    postgres_database: str,
) -> None:
    settings = DatabaseSettings(
        service="learning",
        migrations="streamlabel.learning.adapters.postgres.migrations",
        dsn=postgres_database,
        schema="learning",
    )
    database = Database(settings, health=Health(), clock=SystemClock(), backoff=Backoff())
    await database.start()
    try:
        shelf = PostgresShelf(database, gates_topic="gates", on_outbox=lambda: None)
        await shelf.load()
        with pytest.raises(BrokenBookError, match="the book of project odd cannot be kept") as raised:
            await shelf.keep([Page(subject=SUBJECT, began=True), Page(subject=ODD, began=True)], [])
        assert raised.value.project == "odd"
        assert isinstance(raised.value, TransientError)
        assert (await shelf.load()).books == []

        fault = Fault(subject=ODD, reason="DataError: too\0large", since_ms=1_700_000_000_000)
        await shelf.keep([Page(subject=SUBJECT, began=True), Page(subject=ODD, ended=True, fault=fault)], [])
        records = GateRecords(database)
        mail, odd = await records.projects()
        assert (mail["project"], mail["fault"]) == ("mail", None)
        assert (odd["project"], odd["fault"], odd["point"]) == ("odd", "DataError: toolarge", None)
        assert (odd["taxonomy_version"], odd["began_at_ms"]) == (UNHEARD_OF, 1_700_000_000_000)

        # Read again by the same process it stands; what begins, or is wanted no more, has none, and the next process tries anew.
        await shelf.load()
        assert [each["fault"] is None for each in await records.projects()] == [True, False]
        await shelf.keep([Page(subject=replace(ODD, taxonomy_version=1), began=True)], [])
        assert [each["fault"] for each in await records.projects()] == [None, None]
        await shelf.keep([Page(subject=ODD, ended=True, fault=fault)], [])
        await shelf.keep([Page(subject=ODD, ended=True)], [])
        assert [each["project"] for each in await records.projects()] == ["mail"]
        await shelf.keep([Page(subject=ODD, ended=True, fault=fault)], [])
        await PostgresShelf(database, gates_topic="gates", on_outbox=lambda: None).load()
        assert [each["project"] for each in await records.projects()] == ["mail"]
    finally:
        await database.stop()


async def test_learning_goes_on_without_a_project_whose_book_cannot_be_kept(
    kafka: str, topic_prefix: str, postgres_database: str
) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    odd = replace(PROJECT, name="odd", taxonomy=replace(PROJECT.taxonomy, version=UNHEARD_OF))
    tiny = replace(PROJECT, name="tiny", policy=replace(POLICY, alpha=1e-300))
    for project in (PROJECT, odd, tiny):
        await pipeline.apply_project(project)
    town = Town(pipeline, postgres_database, kafka)

    async def until(told: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        async with asyncio.timeout(60):
            while True:
                # Not open yet, it says so with 503.
                with contextlib.suppress(HTTPError):
                    found = {each["project"]: each for each in (await town.ask("projects"))["projects"]}
                    if told(found):
                        return found
                await asyncio.sleep(0.1)

    async with town.service("learning"):
        found = await until(lambda all_: len(all_) == 3 and all_["town"]["point"] and all_["tiny"]["point"])
        assert "invalid input for query argument" in found["odd"]["fault"]
        assert (found["town"]["fault"], found["tiny"]["fault"]) == (None, None)
        assert found["tiny"]["point"]["state"] == "cold"
        assert found["tiny"]["point"]["answers_needed"] is None

        await town.send(200)
        found = await until(lambda all_: all_["town"]["point"]["place"] == 200)
        assert found["odd"]["point"] is None
        ready = await _ready(town)
        assert "no gate is kept of odd: DataError" in ready["warnings"]["books"]
        assert 'streamlabel_gate_fault{project="odd"} 1.0' in await _metrics(town)

        await pipeline.apply_project(replace(odd, version=2, taxonomy=PROJECT.taxonomy))
        found = await until(lambda all_: all_["odd"]["point"] is not None)
        assert (found["odd"]["fault"], found["odd"]["point"]["state"]) == (None, "cold")
        assert "books" not in (await _ready(town))["warnings"]
        assert 'streamlabel_gate_fault{project="odd"}' not in await _metrics(town)


async def _ready(town: Town) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await asyncio.to_thread(_read, town, "readyz"))
    return found


async def _metrics(town: Town) -> str:
    return await asyncio.to_thread(_read, town, "metrics")


def _read(town: Town, path: str) -> str:
    with urlopen(f"http://127.0.0.1:{town.environment('learning')['STREAMLABEL_HTTP_PORT']}/{path}", timeout=5) as got:
        text: str = got.read().decode()
    return text
