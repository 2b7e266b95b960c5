"""The decision log of a project: what routing decided of each record, as it stands in labels and review tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from streamlabel.cli.topic_reading import open_reader, until_end
from streamlabel.core.decision import Decision
from streamlabel.core.label import LabelSource
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import Project
from streamlabel.errors import InvalidMessageError
from streamlabel.runtime.broker import Broker
from streamlabel.runtime.messages import Message
from streamlabel.wire import labels, predictions, projects, review_tasks
from streamlabel.wire.flow import LABELS, PREDICTIONS, PROJECTS, REVIEW_TASKS, Names

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDecision:
    """A decision with all that tells which prediction it was about."""

    record_id: str
    decision: Decision
    project_version: int
    model_name: str
    model_version: int
    content_hash: bytes

    def is_about(self, prediction: Prediction) -> bool:
        """Whether it was made of this prediction, or of one that says the same."""
        return (self.model_name, self.model_version, self.content_hash) == (
            prediction.model_name,
            prediction.model_version,
            prediction.record.content_hash,
        )


Log = dict[bytes, list[LoggedDecision]]


async def read_log(broker: Broker, names: Names, project: str) -> Log:
    """Every decision of the project that its topics still hold, by the record's key."""
    log: Log = defaultdict(list)
    readings = ((names.topic(LABELS), _of_label), (names.topic(REVIEW_TASKS), _of_task))
    for topic, decode in readings:
        async for message in _messages(broker, topic, project):
            logged = decode(message)
            if logged is not None:
                log[message.key].append(logged)
    return log


async def read_predictions(broker: Broker, names: Names, project: str) -> AsyncGenerator[list[Prediction]]:
    """The project's predictions that are still there, in batches; all of them at once may be more than fits."""
    prefix = f"{project}/".encode()
    async with open_reader(broker, names.topic(PREDICTIONS)) as reader:
        async for batch in until_end(reader):
            yield list(_decoded(batch, prefix))


async def read_project_versions(broker: Broker, names: Names, project: str) -> dict[int, Project | None]:
    """The versions of the project that its topic still holds; None for a number that two different ones have had."""
    found: dict[int, Project | None] = {}
    key = projects.project_key(project)
    async with open_reader(broker, names.topic(PROJECTS)) as reader:
        async for batch in until_end(reader):
            for message in batch:
                if message.key == key and not message.tombstone:
                    _add_version(found, message)
    return found


def _add_version(found: dict[int, Project | None], message: Message) -> None:
    try:
        project = projects.decode(message.value)
    except InvalidMessageError:
        return
    same = found.setdefault(project.version, project) == project
    if not same:
        found[project.version] = None


async def _messages(broker: Broker, topic: str, project: str) -> AsyncIterator[Message]:
    prefix = f"{project}/".encode()
    async with open_reader(broker, topic) as reader:
        async for batch in until_end(reader):
            for message in batch:
                if message.key.startswith(prefix) and not message.tombstone:
                    yield message


def _decoded(batch: Iterable[Message], prefix: bytes) -> Iterator[Prediction]:
    for message in batch:
        if message.key.startswith(prefix) and not message.tombstone:
            prediction = _try(predictions.decode, message)
            if prediction is not None:
                yield prediction


def _of_label(message: Message) -> LoggedDecision | None:
    label = _try(labels.decode, message)
    if label is None or label.source is not LabelSource.MODEL:
        return None
    return LoggedDecision(
        record_id=label.key.record_id,
        decision=label.decision,
        project_version=label.project_version,
        model_name=label.model_name,
        model_version=label.model_version,
        content_hash=label.content_hash,
    )


def _of_task(message: Message) -> LoggedDecision | None:
    task = _try(review_tasks.decode, message)
    if task is None:
        return None
    return LoggedDecision(
        record_id=task.key.record_id,
        decision=task.decision,
        project_version=task.project_version,
        model_name=task.model_name,
        model_version=task.model_version,
        content_hash=task.record.content_hash,
    )


def _try(decode: Callable[[bytes], T], message: Message) -> T | None:
    """What the message holds; None where it is nothing of that kind: no service decided by it either."""
    try:
        return decode(message.value)
    except InvalidMessageError:
        return None
