"""The gates that routing goes by, read once from their topic."""

from __future__ import annotations

from streamlabel.cli.learning_records import no_gate
from streamlabel.cli.topic_reading import read_whole
from streamlabel.core.control import Gate
from streamlabel.errors import ConfigurationError, InvalidMessageError
from streamlabel.runtime.broker import Broker
from streamlabel.wire.flow import GATES, Names
from streamlabel.wire.gates import decode_gate, gate_key


async def latest_gate(broker: Broker, names: Names, project: str) -> Gate:
    """The project's gate as it stands; raises ConfigurationError with the way out where there is none that can be read."""
    key = gate_key(project)
    latest = None
    for message in await read_whole(broker, names.topic(GATES)):
        if message.key == key:
            latest = None if message.tombstone else message
    if latest is None:
        raise no_gate(project)
    try:
        return decode_gate(latest.value).gate
    except InvalidMessageError as error:
        raise ConfigurationError(
            f"the gate of {project} cannot be read ({error.detail}); it counts as closed until learning publishes another"
        ) from error
