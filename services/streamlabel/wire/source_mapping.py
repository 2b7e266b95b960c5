"""How a JSON value of a foreign topic becomes a record: the paths that the project file names."""

from __future__ import annotations

from typing import Any

from streamlabel.core.project import Project, SourceMapping
from streamlabel.core.submission import Reason
from streamlabel.errors import InvalidMessageError
from streamlabel.v1 import record_pb2
from streamlabel.wire import record_json

_ABSENT = object()


def record_of(value: bytes, project: Project, mapping: SourceMapping) -> record_pb2.Record:
    """The record in `value`; raises InvalidMessageError with a door `Reason` and the path at fault.

    A path that leads nowhere is an error for the payload and, where it is mapped, for the record id: without the id that the
    project asks for, a record would go in under another identity. Missing times and attributes are just missing.
    """
    document = record_json.load(value)
    payload = _at(document, mapping.payload)
    if payload is _ABSENT or payload is None:
        raise InvalidMessageError(Reason.PAYLOAD_MISSING, f"nothing at {mapping.payload!r}")
    message = record_pb2.Record(project=project.name)
    record_json.set_payload(message, project.payload_kind, payload)
    if mapping.record_id:
        record_id = _at(document, mapping.record_id)
        if record_id is _ABSENT or record_id is None or record_id == "":
            raise InvalidMessageError(Reason.INVALID_RECORD_ID, f"nothing at {mapping.record_id!r}")
        record_json.set_record_id(message, record_id)
    if mapping.event_at:
        event_at = _at(document, mapping.event_at)
        if event_at is not _ABSENT and event_at is not None:
            record_json.set_event_at(message, event_at)
    found = {name: _at(document, path) for name, path in mapping.attributes.items()}
    record_json.set_attributes(message, {name: entry for name, entry in found.items() if entry is not _ABSENT})
    return message


def _at(document: Any, path: str) -> Any:
    """What lies at a dotted path: names go into objects, numbers into arrays. A name that itself holds dots is tried whole first."""
    if isinstance(document, dict) and path in document:
        return document[path]
    here = document
    for step in path.split("."):
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            return _ABSENT
    return here
