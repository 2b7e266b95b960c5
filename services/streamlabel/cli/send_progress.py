"""How far a source was sent, so that an interrupted command goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamlabel.cli.record_sources import RecordSource, SourceFormat, image_files
from streamlabel.local.child import write_atomically
from streamlabel.local.places import DataDir

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The first `items` of a source are acknowledged; `is_whole` tells that these are all."""

    items: int
    is_whole: bool


class SendProgress:
    """One small file for each (source, project, columns, door). Of a source that has changed since, nothing is known.

    It saves work and time, no more: were it lost, every record would be sent again under the same id.
    """

    def __init__(self, data: DataDir, source: RecordSource, address: str) -> None:
        self._identity = _identity(source)
        subject = json.dumps(
            [str(source.path and source.path.resolve()), source.project, repr(source.columns), address]
        )
        name = hashlib.blake2b(subject.encode(), digest_size=12).hexdigest()
        self._file = data.root / "sends" / f"{name}.json" if self._identity else None

    def read(self) -> Sent:
        """What is known; nothing where the source is another one now, or standard input."""
        nothing = Sent(items=0, is_whole=False)
        if self._file is None:
            return nothing
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return nothing
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            return nothing
        if content.get("identity") != self._identity:
            return nothing
        return Sent(items=int(content["items"]), is_whole=bool(content["is_whole"]))

    def write(self, sent: Sent) -> None:
        """Remembers it."""
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        content = {"format": _FORMAT, "identity": self._identity, "items": sent.items, "is_whole": sent.is_whole}
        write_atomically(self._file, json.dumps(content) + "\n")


def _identity(source: RecordSource) -> str:
    """Changes when the content of the source does, by all that the file system tells; empty for standard input."""
    if source.path is None:
        return ""
    files: Sequence[Path] = image_files(source.path) if source.form is SourceFormat.IMAGES else [source.path]
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        facts = file.stat()
        digest.update(f"{file}\0{facts.st_ino}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()
