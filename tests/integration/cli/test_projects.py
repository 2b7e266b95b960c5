"""`project apply|list|show|delete` on the real broker: versions grow one by one, whoever writes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest

from streamlabel.cli.project_table import ProjectTable
from streamlabel.cli.topic_reading import read_whole
from streamlabel.wire import projects
from streamlabel.wire.flow import PROJECTS
from support.command_line import kafka_environment, on_a_terminal, streamlabel
from support.nouns import text_project

pytestmark = pytest.mark.integration


@pytest.fixture
def table(cluster) -> ProjectTable:
    return ProjectTable(cluster.broker, cluster.names)


async def test_versions_grow_only_with_changes(table: ProjectTable) -> None:
    project = text_project("intents")
    assert [(await table.apply(project)).after.version for _ in range(3)] == [1, 1, 1]
    changed = dataclasses.replace(project, instructions="Read it twice.")
    applied = await table.apply(changed)
    assert (applied.after.version, applied.changes) == (2, ("instructions",))
    assert (await table.read()).projects == {"intents": applied.after}


async def test_writers_at_once_never_give_one_version_twice(cluster, table: ProjectTable) -> None:
    wanted = [dataclasses.replace(text_project("intents"), description=f"by writer {n}") for n in range(5)]
    applied = await asyncio.gather(*(ProjectTable(cluster.broker, cluster.names).apply(each) for each in wanted))
    assert sorted(each.after.version for each in applied) == [1, 2, 3, 4, 5]
    written = [projects.decode(each.value) for each in await read_whole(cluster.broker, cluster.names.topic(PROJECTS))]
    assert [project.version for project in written] == [1, 2, 3, 4, 5]
    for each in applied:
        assert each.after in written


async def test_a_broken_value_hides_nothing_else_and_can_be_replaced(cluster, table: ProjectTable) -> None:
    await table.apply(text_project("good"))
    await cluster.write(cluster.names.topic(PROJECTS), 0, [(b"bad", b"\xff\xff", ())])
    published = await table.read()
    assert set(published.projects) == {"good"}
    assert "not a Project" in published.unreadable["bad"]
    await table.apply(text_project("bad"))
    assert not (await table.read()).unreadable


async def test_a_tombstone_deletes(cluster, table: ProjectTable) -> None:
    await table.apply(text_project("gone"))
    await cluster.write(cluster.names.topic(PROJECTS), 0, [(b"gone", None, ())])
    assert (await table.read()).projects == {}


async def test_deleting_takes_off_what_is_there_and_nothing_else(cluster, table: ProjectTable) -> None:
    await table.apply(text_project("mail"))
    await table.apply(text_project("news"))
    await cluster.write(cluster.names.topic(PROJECTS), 0, [(b"bad", b"\xff\xff", ())])
    await table.delete("mail")
    await table.delete("bad")
    await table.delete("nobody")
    published = await table.read()
    assert (set(published.projects), published.unreadable) == ({"news"}, {})
    written = await read_whole(cluster.broker, cluster.names.topic(PROJECTS))
    assert [message.key for message in written if message.tombstone] == [b"mail", b"bad"]
    assert (await table.apply(text_project("mail"))).after.version == 1


async def test_deleting_and_applying_at_once_end_in_one_of_the_two(cluster, table: ProjectTable) -> None:
    await table.apply(text_project("mail"))
    changed = dataclasses.replace(text_project("mail"), instructions="Read it twice.")
    other = ProjectTable(cluster.broker, cluster.names)
    _, applied = await asyncio.gather(table.delete("mail"), other.apply(changed))
    (_, *later) = await read_whole(cluster.broker, cluster.names.topic(PROJECTS))
    was_there = applied.before is not None
    assert [message.tombstone for message in later] == [not was_there, was_there]
    assert applied.after.version == (2 if was_there else 1)


async def test_the_delete_command(cluster, table: ProjectTable) -> None:
    environ = kafka_environment(cluster.servers, cluster.names.prefix)
    for name in ("mail", "news", "stays"):
        await table.apply(text_project(name))
    slip = streamlabel("project", "delete", "mail", "nwes", environ=environ)
    assert (slip.code, slip.out) == (78, "")
    assert "did you mean 'news'?" in slip.err
    assert set((await table.read()).projects) == {"mail", "news", "stays"}, "one slip, and nothing is deleted"
    done = streamlabel("project", "delete", "mail", "news", "mail", environ=environ)
    assert done.code == 0, done.err
    assert [line.split(";")[0] for line in done.out.splitlines()] == ["mail: deleted", "news: deleted"]
    assert set((await table.read()).projects) == {"stays"}


async def test_a_person_is_asked_before_anything_is_deleted(cluster, table: ProjectTable) -> None:
    environ = kafka_environment(cluster.servers, cluster.names.prefix)
    await table.apply(text_project("mail"))
    no = on_a_terminal("project", "delete", "mail", environ=environ, typed="n\n")
    assert no.code == 1
    assert "Delete mail? Labels stay" in no.out
    assert set((await table.read()).projects) == {"mail"}
    assert on_a_terminal("project", "delete", "mail", environ=environ, typed="y\n").code == 0
    assert not (await table.read()).projects
    await table.apply(text_project("mail"))
    yes = on_a_terminal("project", "delete", "--yes", "mail", environ=environ, typed="")
    assert (yes.code, "?" in yes.out) == (0, False)


async def test_the_commands(cluster, tmp_path: Path) -> None:
    environ = kafka_environment(cluster.servers, cluster.names.prefix)
    file = tmp_path / "intents.yaml"
    file.write_text(
        "project: intents\npayload: text\ntaxonomy: {classes: [card, transfer]}\npolicy: {kind: review_all}\n"
    )

    def call(*arguments: str) -> str:
        ran = streamlabel("project", *arguments, environ=environ)
        assert ran.code == 0, ran.err
        return ran.out

    assert "would be version 1" in call("apply", "--dry-run", str(file))
    assert call("list", "--json") == ""
    assert call("apply", str(file)) == "intents: version 1 (new)\n"
    assert call("apply", str(file)) == "intents: unchanged, version 1\n"
    shown = call("show", "intents")
    again = tmp_path / "again.yaml"
    again.write_text(shown)
    assert call("apply", str(again)) == "intents: unchanged, version 1\n"
    file.write_text(file.read_text().replace("transfer]", "transfer, other]"))
    assert "+  - {name: other" in call("show", str(file))
    assert json.loads(call("apply", "--json", str(file))) == {
        "project": "intents", "version": 2, "changed": True, "changes": ["taxonomy"], "applied": True, "warnings": []
    }  # fmt: skip
    assert json.loads(call("list", "--json"))["taxonomy"]["version"] == 2

    missing = streamlabel("project", "show", "intent", environ=environ)
    assert missing.code == 78
    assert "did you mean 'intents'?" in missing.err
    file.write_text(file.read_text().replace("payload", "paylaod"))
    broken = streamlabel("project", "apply", str(file), environ=environ)
    assert broken.code == 78
    assert "intents.yaml:2" in broken.err
    assert "'payload'" in broken.err
    elsewhere = streamlabel("project", "list", environ={**environ, "STREAMLABEL_KAFKA_TOPIC_PREFIX": "nobody"})
    assert elsewhere.code == 78
    assert "streamlabel topics apply" in elsewhere.err
