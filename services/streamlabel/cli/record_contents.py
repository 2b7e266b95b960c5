"""What was labelled, read back from the records topic: labels carry no payload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamlabel.cli.topic_reading import open_reader, until_end
from streamlabel.core.identity import RecordKey
from streamlabel.core.record import JsonPayload, Payload, TextPayload, UriPayload
from streamlabel.errors import InvalidMessageError
from streamlabel.runtime.broker import Broker
from streamlabel.wire import records


@dataclass(frozen=True, slots=True)
class Content:
    """A record as far as a table can show it; `text` is None for pictures and vectors."""

    text: str | None
    attributes: Mapping[str, str]


Contents = Mapping[tuple[RecordKey, bytes], Content]


async def read_contents(broker: Broker, topic: str, project: str) -> Contents:
    """The content of every record of `project` that the topic still holds, by key and content hash."""
    prefix = f"{project}/".encode()
    found: dict[tuple[RecordKey, bytes], Content] = {}
    async with open_reader(broker, topic) as reader:
        async for batch in until_end(reader):
            for message in batch:
                if message.tombstone or not message.key.startswith(prefix):
                    continue
                try:
                    record = records.decode(message.value)
                except InvalidMessageError:
                    # It never got a label either: its dead letter tells what is wrong with it.
                    continue
                content = Content(_text(record.payload), record.attributes)
                found.setdefault((record.key, record.content_hash), content)
    return found


def _text(payload: Payload) -> str | None:
    match payload:
        case TextPayload(text=text):
            return text
        case JsonPayload(document=document):
            return document
        case UriPayload(uri=uri):
            return uri
        case _:
            return None
