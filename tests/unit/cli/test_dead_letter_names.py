"""Which boxes a stage has, what letters are called, and that nothing goes back for the sake of one that only looks on."""

from __future__ import annotations

import pytest

from streamlabel.cli.dead_letter_names import all_boxes, box_topics, id_of, parse_id, replayable
from streamlabel.errors import ConfigurationError
from streamlabel.runtime.messages import Message
from streamlabel.wire.flow import FLOW, LABELS, PREDICTIONS, Names

NAMES = Names("my-own")
OF_LEARNING = NAMES.dead_letter(NAMES.topic(PREDICTIONS), "learning")
OF_ROUTING = NAMES.dead_letter(NAMES.topic(PREDICTIONS), "routing")


def message(topic: str) -> Message:
    return Message(topic=topic, partition=3, offset=1042, key=b"k", value=b"v", headers=(), timestamp_ms=1)


def test_every_box_has_a_name_of_its_own() -> None:
    boxes = all_boxes(NAMES)
    assert [box.topic for box in boxes] == list(NAMES.dead_letters())
    assert [box.name for box in boxes] == [
        *("inference", "routing", "review"),
        *("learning-predictions", "learning-review-tasks", "learning-labels"),
    ]


@pytest.mark.parametrize("topic", [*NAMES.dead_letters(), "another.v1.somebody.dead-letter"])
def test_an_id_leads_back_to_its_letter(topic: str) -> None:
    assert parse_id(id_of(message(topic), NAMES), NAMES) == (topic, 3, 1042)


def test_a_stage_is_asked_for_by_its_name_whatever_it_reads() -> None:
    assert box_topics(NAMES, None, "routing") == [OF_ROUTING]
    assert len(box_topics(NAMES, None, "learning")) == 3
    assert box_topics(NAMES, None, None) == list(NAMES.dead_letters())
    assert box_topics(NAMES, "any.topic", None) == ["any.topic"]
    with pytest.raises(ConfigurationError, match=r"'larning' is no stage .*inference, routing, review, learning"):
        box_topics(NAMES, None, "larning")


def test_what_only_looks_on_has_nothing_sent_back() -> None:
    """Routing would decide about the prediction once more, and consumers would see the label again."""
    everything = box_topics(NAMES, None, None)
    assert replayable(NAMES, everything, chosen=False) == everything[:3]
    assert replayable(NAMES, [OF_ROUTING, "any.topic"], chosen=True) == [OF_ROUTING, "any.topic"]
    for topic in (OF_LEARNING, NAMES.dead_letter(NAMES.topic(LABELS), "learning")):
        with pytest.raises(ConfigurationError, match="what learning set aside does not go back"):
            replayable(NAMES, [topic], chosen=True)


def test_a_topic_is_the_work_of_one_stage() -> None:
    worked_off = [spec for stage in FLOW if not stage.looks_on for spec in stage.consumes]
    assert len(worked_off) == len(set(worked_off))
