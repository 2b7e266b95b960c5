"""Logs: one line a happening, in both shapes, without secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from streamlabel.runtime.logs import configure_logging, redact


@pytest.fixture(autouse=True)
def _restore_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def sink(log_format: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(service="ingest", level=level, log_format=log_format, stream=stream)
    return stream


def test_json_carries_the_fields_and_who_spoke() -> None:
    stream = sink("json")
    logging.getLogger("streamlabel.x").info("took %d", 3, extra={"partition": 2, "service": "liar", "bytes_": b"x"})
    entry = json.loads(stream.getvalue())
    assert entry["message"] == "took 3"
    assert entry["partition"] == 2
    assert entry["service"] == "ingest", "an extra field never overwrites who spoke"
    assert entry["level"] == "info"
    assert entry["time"].endswith("Z")
    assert len(entry["time"]) == len("2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_an_exception_is_told_with_its_stack(log_format: str) -> None:
    stream = sink(log_format)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("a").exception("it failed")
    text = stream.getvalue()
    assert "ValueError" in text
    assert "broken" in text
    assert "test_logs.py" in text
    if log_format == "json":
        assert text.count("\n") == 1
        assert json.loads(text)["exception"]["type"] == "ValueError"


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_secrets_are_masked_by_name_and_in_urls(log_format: str) -> None:
    stream = sink(log_format)
    logging.getLogger("a").warning(
        "connecting to postgresql://streamlabel:hunter2@db:5432/x",
        extra={"sasl_password": "hunter2", "url": "http://me:hunter2@host/", "postgres_dsn": "hunter2"},
    )
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "postgresql://streamlabel:**********@db:5432/x" in text


def test_text_quotes_values_that_would_break_the_line() -> None:
    stream = sink("text")
    logging.getLogger("streamlabel.runtime.x").info("hello", extra={"reason": "two words", "n": 1, "empty": ""})
    line = stream.getvalue().strip()
    assert line.endswith('INFO    ingest runtime.x: hello reason="two words" n=1 empty=""')


def test_the_level_holds_and_talkative_libraries_are_quiet() -> None:
    stream = sink("text")
    logging.getLogger("a").debug("no")
    logging.getLogger("aiokafka.consumer").info("no")
    logging.getLogger("aiokafka.consumer").warning("yes")
    assert [line.split(": ")[1] for line in stream.getvalue().splitlines()] == ["yes"]
    sink("text", "error")
    assert not logging.getLogger("aiokafka.consumer").isEnabledFor(logging.WARNING)


def test_redaction_leaves_innocent_text_alone() -> None:
    assert redact("at 12:30 see http://host:80/a@b") == "at 12:30 see http://host:80/a@b"
