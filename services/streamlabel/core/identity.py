"""Names by which everything is found again: projects, records and the key that both make."""

from __future__ import annotations

import re
from dataclasses import dataclass

PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MAX_RECORD_ID_BYTES = 256


def check_project_name(name: str) -> None:
    """Raises ValueError unless `name` is 1–64 characters of a-z 0-9 . _ - and starts with a letter or digit."""
    if not PROJECT_NAME.fullmatch(name):
        raise ValueError(
            f"project name {name[:80]!r} must be 1-64 characters of a-z 0-9 . _ - and start with a letter or digit"
        )


def check_record_id(record_id: str) -> None:
    """Raises ValueError unless `record_id` is 1–256 bytes of UTF-8 without control characters."""
    try:
        size_bytes = len(record_id.encode())
    except UnicodeEncodeError as error:
        raise ValueError("record_id is not valid Unicode") from error
    if not 1 <= size_bytes <= MAX_RECORD_ID_BYTES:
        raise ValueError(f"record_id has {size_bytes} bytes; it must have 1-{MAX_RECORD_ID_BYTES}")
    if not record_id.isprintable():
        raise ValueError("record_id has control or invisible characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKey:
    """Identifies one record in the whole system; its text form `<project>/<record_id>` is the Kafka key and the task id."""

    project: str
    record_id: str

    def __post_init__(self) -> None:
        check_project_name(self.project)
        check_record_id(self.record_id)

    def __str__(self) -> str:
        return f"{self.project}/{self.record_id}"

    def encode(self) -> bytes:
        """The key as bytes on every topic."""
        return str(self).encode()

    @classmethod
    def parse(cls, text: str) -> RecordKey:
        """The key that `str()` gave; raises ValueError when there is no `/` or a part is illegal."""
        project, slash, record_id = text.partition("/")
        if not slash:
            raise ValueError(f"{text[:80]!r} is not of the form <project>/<record_id>")
        return cls(project=project, record_id=record_id)
