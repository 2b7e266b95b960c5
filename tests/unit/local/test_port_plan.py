"""Ports: pinned ones are kept or refused by name of the holder, remembered ones are kept or replaced and told."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlabel.errors import ConfigurationError
from streamlabel.local import port_plan, ports
from streamlabel.local.progress import SilentProgress


class Heard(SilentProgress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def say(self, text: str) -> None:
        self.words.append(text)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_every_name_gets_a_free_port_of_its_own() -> None:
    plan = port_plan.plan({}, {}, SilentProgress())
    assert plan.keys() == port_plan.PREFERRED.keys()
    assert len(set(plan.values())) == len(plan)
    assert all(ports.is_free(port) for port in plan.values())


def test_ports_are_the_same_again(taken: int) -> None:
    first = port_plan.plan({}, {}, SilentProgress())
    heard = Heard()
    assert port_plan.plan(first, {}, heard) == first
    assert heard.words == []


def test_a_remembered_port_that_is_taken_is_replaced_and_told(taken: int) -> None:
    heard = Heard()
    plan = port_plan.plan({"review-http": taken}, {}, heard)
    assert plan["review-http"] != taken
    assert len(heard.words) == 1
    assert f"port {taken} of review-http is taken by process {os.getpid()}" in heard.words[0]
    assert str(plan["review-http"]) in heard.words[0]


def test_a_pinned_port_that_is_taken_is_refused_naming_the_holder(taken: int) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"port {taken}, wanted for kafka, is taken by process {os.getpid()} \("
    ):
        port_plan.plan({}, {"kafka": taken}, SilentProgress())


def test_a_pinned_port_wins_over_the_remembered_one() -> None:
    free = ports.choose()
    assert port_plan.plan({"kafka": ports.choose({free})}, {"kafka": free}, SilentProgress())["kafka"] == free


def test_a_name_that_no_port_has_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="no port named web; known are kafka, "):
        port_plan.plan({}, {"web": 8080}, SilentProgress())


def test_two_names_cannot_have_one_port() -> None:
    free = ports.choose()
    with pytest.raises(ConfigurationError, match="two names want one port"):
        port_plan.plan({}, {"kafka": free, "postgres": free}, SilentProgress())


def test_chosen_ports_lie_outside_the_range_of_outgoing_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    if lowest < 32768:
        pytest.skip(f"this machine takes outgoing ports from {lowest} on")
    assert all(ports.choose() < lowest for _ in range(20))


def test_the_choice_gives_up_where_nothing_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port, host=ports.LOOPBACK: False)
    with pytest.raises(OSError, match="no free TCP port"):
        ports.choose()
