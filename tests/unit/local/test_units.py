"""What a supervisor makes of an answer to /readyz."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from streamlabel.local.places import DataDir
from streamlabel.local.units import Condition, ServiceUnit


class Answers(BaseHTTPRequestHandler):
    """Answers everything with `reply`."""

    reply: tuple[int, bytes] = (200, b"")

    def do_GET(self) -> None:
        status, body = self.reply
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[ServiceUnit]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield ServiceUnit("routing", DataDir.at(tmp_path), {"routing-http": server.server_port}, {})
    server.shutdown()
    thread.join()
    server.server_close()


def told(unit: ServiceUnit, status: int, **content: object) -> Condition:
    Answers.reply = (status, json.dumps(content).encode())
    return unit.condition()


def test_a_reason_that_many_checks_share_is_told_once(unit: ServiceUnit) -> None:
    reasons = {"lane[0]": "Triton is away", "lane[1]": "Triton is away", "tables": "Kafka is away"}
    condition = told(unit, 503, reasons=reasons, warnings={})
    assert condition == Condition(ready=False, remark="lane[0], lane[1]: Triton is away; tables: Kafka is away")


def test_who_is_ready_may_warn(unit: ServiceUnit) -> None:
    assert told(unit, 200, reasons={}, warnings={}) == Condition(ready=True)
    assert told(unit, 200, warnings={"project p": "no fit"}) == Condition(ready=True, remark="project p: no fit")


def test_a_stranger_on_the_port_is_shown_as_it_is(unit: ServiceUnit) -> None:
    assert told(unit, 503, reasons=[1]).remark == '{"reasons": [1]}'
    Answers.reply = (404, b"<html>not here")
    assert unit.condition() == Condition(ready=False, remark="<html>not here")
    Answers.reply = (503, b"")
    assert unit.condition() == Condition(ready=False, remark="not ready")
