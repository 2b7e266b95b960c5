"""The state file says the same to everyone, and never more than its supervisor knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamlabel.cli import stack_view
from streamlabel.cli.settings import CliSettings
from streamlabel.errors import ConfigurationError
from streamlabel.local import stack_file
from streamlabel.local.places import DataDir
from streamlabel.local.port_plan import PREFERRED
from streamlabel.local.stack_file import ProcessPhase, StackPhase
from streamlabel.local.supervisor import hold
from streamlabel.runtime.settings import load_settings
from support.stack_states import resting


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir.at(tmp_path)


def test_what_was_written_is_read(data: DataDir) -> None:
    assert stack_file.read(data) is None
    assert stack_file.client_environment(data) == {}
    state = resting({"kafka": 19092})
    stack_file.write(data, state)
    assert stack_file.read(data) == state
    assert stack_file.client_environment(data) == state.environment


def test_a_stack_whose_supervisor_was_killed_counts_as_stopped(data: DataDir) -> None:
    stack_file.write(data, resting({}, phase=StackPhase.READY))
    assert not stack_file.is_running(data)
    settled = stack_view.settled(data)
    assert settled is not None
    assert settled.phase is StackPhase.STOPPED
    assert settled.processes["kafka"].phase is ProcessPhase.STOPPED
    assert settled.processes["kafka"].pid is None
    assert settled.processes["kafka"].restarts == 3


def test_a_process_that_is_gone_is_not_called_ready_though_nobody_could_write_it_down(data: DataDir) -> None:
    with hold(data):
        stack_file.write(data, resting({}, phase=StackPhase.READY))
        settled = stack_view.settled(data)
    assert settled is not None
    assert settled.processes["kafka"].phase is ProcessPhase.RESTARTING
    assert "MiB free on the disk" in settled.processes["kafka"].reason
    assert not stack_file.is_all_ready(settled)


def test_a_held_directory_counts_as_running(data: DataDir) -> None:
    with hold(data):
        assert stack_file.is_running(data)
    assert not stack_file.is_running(data)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 99}'])
def test_a_file_of_another_kind_is_refused_with_the_way_out(data: DataDir, content: str) -> None:
    data.stack_file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"stack\.json .*remove it"):
        stack_file.read(data)


def test_clients_understand_every_key_that_the_file_tells_them() -> None:
    environment = stack_file.environment_for(
        {name: 20_000 + index for index, name in enumerate(PREFERRED)}, partitions=3, topic_prefix="mine"
    )
    settings = load_settings(CliSettings, environment)
    assert settings.kafka_topic_prefix == "mine"
    assert settings.topic_plan.partitions == 3
    assert settings.topic_plan.replication_factor == 1


def test_the_facts_for_scripts_are_plain_json(data: DataDir) -> None:
    state = resting({"kafka": 19092}, phase=StackPhase.READY)
    facts = json.loads(json.dumps(stack_view.facts(data, state)))
    assert facts["phase"] == "ready"
    assert facts["processes"]["kafka"]["restarts"] == 3
    assert facts["processes"]["kafka"]["uptime_s"] > 0
    assert json.loads(json.dumps(stack_view.facts(data, None)))["running"] is False


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.9, "59 s"), (61, "1 min"), (3_700, "1 h 1 min"), (90_061, "1 d 1 h")]
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert stack_view.duration(seconds) == words
