"""One line a happening, for machines (JSON) or for people (text); never a secret in it.

Code logs by the standard library and adds fields with `extra={"partition": 3}`; both shapes print them.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Mapping
from typing import Any, Final, TextIO

import orjson

_STANDARD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_MASK: Final = "**********"
_SECRET_NAME: Final = re.compile(
    r"passw|secret|token|credential|authorization|api_?key|dsn|private_?key", re.IGNORECASE
)
_URL_PASSWORD: Final = re.compile(r"(?<=://)([^\s:/@]*):([^\s/@]+)@")
# Libraries whose `info` is another's `debug`.
_TALKATIVE: Final = ("aiokafka", "asyncio", "aiohttp.access", "grpc")


def configure_logging(*, service: str, level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Every log record of this process goes to `stream` (standard error) in `log_format`; replaces earlier set-ups."""
    formatter = JsonFormatter(service) if log_format == "json" else TextFormatter(service)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    quiet = logging.DEBUG if level == "debug" else max(logging.WARNING, root.level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(quiet)
    logging.captureWarnings(True)


class JsonFormatter(logging.Formatter):
    """One JSON object: time (RFC 3339, UTC), level, service, logger, message, the extra fields, exception."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        # An extra field never overwrites one of ours: it would lie about who spoke and when.
        entry.update({name: value for name, value in _fields(record).items() if name not in entry})
        if record.exc_info and record.exc_info[0] is not None:
            entry["exception"] = {
                "type": record.exc_info[0].__name__,
                "message": redact(str(record.exc_info[1])),
                "stack": redact(self.formatException(record.exc_info)),
            }
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        return orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY).decode()


class TextFormatter(logging.Formatter):
    """`time LEVEL service logger message key=value …`, the traceback beneath."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={_plain(value)}" for name, value in _fields(record).items())
        origin = f"{self._service} {record.name.removeprefix('streamlabel.')}"
        line = f"{_timestamp(record)} {record.levelname:<7} {origin}: {redact(record.getMessage())}{fields}"
        if record.exc_info and record.exc_info[0] is not None:
            line += "\n" + redact(self.formatException(record.exc_info))
        if record.stack_info:
            line += "\n" + self.formatStack(record.stack_info)
        return line


def redact(text: str) -> str:
    """`text` with the password of every URL in it masked."""
    return _URL_PASSWORD.sub(rf"\1:{_MASK}@", text) if "://" in text else text


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    return {
        name: _MASK if _SECRET_NAME.search(name) else redact(value) if isinstance(value, str) else value
        for name, value in vars(record).items()
        if name not in _STANDARD_FIELDS and not name.startswith("_")
    }


def _plain(value: object) -> str:
    text = str(value)
    return orjson.dumps(text).decode() if not text or any(ch.isspace() or ch in '"=' for ch in text) else text


def _timestamp(record: logging.LogRecord) -> str:
    seconds = int(record.created)
    milliseconds = int((record.created - seconds) * 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{milliseconds:03d}Z"
