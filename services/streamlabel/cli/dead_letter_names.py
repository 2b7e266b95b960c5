"""Where the dead letters of each stage lie, what they are called, and which of them may go back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.messages import Message
from streamlabel.wire.flow import FLOW, Names, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A dead-letter topic, and the name under which its letters are listed."""

    name: str
    topic: str
    stage: Stage


def all_boxes(names: Names) -> list[Box]:
    """Named after their stage, and after the topic too where a stage reads several: `routing`, `learning-labels`."""
    return [
        Box(
            name=stage.service if len(stage.consumes) == 1 else f"{stage.service}-{spec.noun}",
            topic=names.dead_letter(names.topic(spec), stage.service),
            stage=stage,
        )
        for stage in FLOW
        for spec in stage.consumes
    ]


def box_topics(names: Names, topic: str | None, stage: str | None) -> list[str]:
    """The topics where the letters of a stage lie; of all where none is named."""
    if topic is not None:
        return [topic]
    boxes = all_boxes(names)
    found = [box.topic for box in boxes if stage in (None, box.stage.service)]
    if not found:
        stages = dict.fromkeys(box.stage.service for box in boxes)
        raise ConfigurationError(f"{stage!r} is no stage with dead letters; there are {', '.join(stages)}")
    return found


def replayable(names: Names, topics: Sequence[str], *, chosen: bool) -> list[str]:
    """Those of `topics` whose letters may go back; raises ConfigurationError where one that may not was `chosen`."""
    onlookers = {box.topic: box.stage.service for box in all_boxes(names) if box.stage.looks_on}
    if chosen and (service := next((onlookers[topic] for topic in topics if topic in onlookers), None)):
        raise ConfigurationError(
            f"what {service} set aside does not go back: the topics that it reads are work of others, who would do it twice. "
            "Where they set the same message aside, replay theirs: it comes to both"
        )
    return [topic for topic in topics if topic not in onlookers]


def parse_id(letter_id: str, names: Names) -> tuple[str, int, int]:
    """Topic, partition and offset of the letter with this id; ConfigurationError where it is none."""
    parts = letter_id.split("/")
    if len(parts) != 3 or not (parts[1].isdigit() and parts[2].isdigit()):
        raise ConfigurationError(f"{letter_id!r} is no id of a dead letter: STAGE/PARTITION/OFFSET, as `list` shows it")
    topics = {box.name: box.topic for box in all_boxes(names)}
    return topics.get(parts[0], parts[0]), int(parts[1]), int(parts[2])


def id_of(message: Message, names: Names) -> str:
    """The id of a letter: its box, partition and offset; the whole topic where no stage of ours has that box."""
    box = next((box.name for box in all_boxes(names) if box.topic == message.topic), message.topic)
    return f"{box}/{message.partition}/{message.offset}"
