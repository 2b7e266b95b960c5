"""Labels as rows: the same facts in both formats, and nothing that a spreadsheet or a parser would stumble over."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math

from streamlabel.cli.label_export import FinalLabels
from streamlabel.cli.label_rows import COLUMNS, Format, header, lines, row
from streamlabel.cli.record_contents import Content
from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.label import Label, Vote
from streamlabel.runtime.messages import Message
from streamlabel.wire import labels as codec
from support.label_samples import human_label, model_label


def message(label: Label, offset: int, *, tombstone: bool = False) -> Message:
    return Message(
        topic="labels",
        partition=0,
        offset=offset,
        key=label.key.encode(),
        value=b"" if tombstone else codec.encode(label),
        headers=(),
        timestamp_ms=0,
        tombstone=tombstone,
    )


def exported(*messages: Message) -> list[Label]:
    final = FinalLabels()
    final.take(messages)
    return [label for chunk in final.chunks() for label in chunk]


def test_json_has_every_column_and_null_for_nothing() -> None:
    found = json.loads(lines([model_label("r-1")], Format.JSONL))
    assert tuple(found) == COLUMNS
    assert found["record_id"] == "r-1"
    assert found["class_name"] == "3"
    assert found["source"] == "model"
    assert found["score"] == 0.97
    assert found["labelled_at"] == "2026-03-01T12:30:15.250Z"
    assert found["event_at"] is None
    assert found["purpose"] is None
    assert found["annotators"] == []
    assert found["votes"] == []


def test_what_each_of_several_people_answered_stands_in_the_order_of_their_names() -> None:
    label = human_label("a", "3")
    votes = tuple(
        Vote(annotator=name, class_name=said) for name, said in zip(label.annotators, ("4", "3"), strict=True)
    )
    label = dataclasses.replace(label, votes=votes, posterior=0.97)
    assert (row(label)["annotators"], row(label)["votes"]) == (["ada", "bob; junior"], ["4", "3"])
    [found] = csv.DictReader(io.StringIO(header(Format.CSV) + lines([label], Format.CSV)))
    assert (found["votes"], found["posterior"], found["adjudicator"]) == ("4;3", "0.97", "")


def test_csv_says_the_same() -> None:
    text = header(Format.CSV) + lines([model_label("r-1"), human_label('with "quotes", commas', "4")], Format.CSV)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["record_id"] for row in rows] == ["r-1", 'with "quotes", commas']
    assert rows[0]["event_at"] == ""
    assert rows[1]["class_name"] == "4"
    assert rows[1]["purpose"] == "rule"


def test_numbers_that_nobody_computed_are_left_out() -> None:
    asked = Decision(route=Route.REVIEW, reason=DecisionReason.REVIEW_ALL, purpose=Purpose.RULE)
    label = dataclasses.replace(human_label("a"), decision=asked)
    assert (row(label)["score"], row(label)["threshold"]) == (None, None)
    seen_by_a_model = dataclasses.replace(label, decision=dataclasses.replace(asked, score=0.25), model_name="m")
    assert (row(seen_by_a_model)["score"], row(seen_by_a_model)["threshold"]) == (0.25, None)


def test_a_threshold_that_no_score_reaches_is_no_number_in_json() -> None:
    lane = Decision(
        route=Route.REVIEW,
        reason=DecisionReason.CALIBRATION_LANE,
        purpose=Purpose.CALIBRATE,
        threshold=math.inf,
        score=0.9,
        gate_id="g",
    )
    label = dataclasses.replace(human_label("a"), decision=lane, model_name="m")
    assert json.loads(lines([label], Format.JSONL))["threshold"] is None
    opened = dataclasses.replace(label, decision=dataclasses.replace(lane, threshold=0.75))
    assert (row(opened)["score"], row(opened)["threshold"]) == (0.9, 0.75)


def test_content_stands_beside_the_label_it_belongs_to() -> None:
    here, changed, gone = model_label("a"), model_label("b"), model_label("c")
    contents = {
        (here.key, here.content_hash): Content('say "hi"', {"lang": "en"}),
        (changed.key, b"another content"): Content("not what was labelled", {}),
    }
    labels = [here, changed, gone]
    text = header(Format.CSV, with_content=True) + lines(labels, Format.CSV, contents)
    found = list(csv.DictReader(io.StringIO(text)))
    assert [each["content"] for each in found] == ['say "hi"', "", ""]
    assert json.loads(found[0]["attributes"]) == {"lang": "en"}
    rows = [json.loads(line) for line in lines(labels, Format.JSONL, contents).splitlines()]
    assert [(each["content"], each["attributes"]) for each in rows] == [
        ('say "hi"', {"lang": "en"}),
        (None, None),
        (None, None),
    ]


def test_only_csv_has_a_header() -> None:
    assert header(Format.JSONL) == ""
    assert header(Format.CSV).rstrip("\n").split(",") == list(COLUMNS)


def test_a_correction_replaces_the_label_and_takes_its_place_in_the_order() -> None:
    first, second = human_label("a", "4"), human_label("a", "3", revision=2)
    found = exported(message(first, 0), message(model_label("b"), 1), message(second, 2))
    assert [(label.key.record_id, label.class_name, label.revision) for label in found] == [
        ("b", "3", 1),
        ("a", "3", 2),
    ]


def test_the_order_is_that_of_time_however_the_partitions_were_read() -> None:
    first = dataclasses.replace(message(model_label("a"), 7), timestamp_ms=1_000)
    second = dataclasses.replace(message(model_label("b"), 0), timestamp_ms=2_000, partition=1)
    assert exported(first, second) == exported(second, first) == [model_label("a"), model_label("b")]


def test_a_deleted_label_is_gone() -> None:
    label = model_label("a")
    assert exported(message(label, 0), message(label, 1, tombstone=True)) == []


def test_many_labels_come_in_order_over_all_chunks() -> None:
    ids = [f"r-{number:05d}" for number in range(2_500)]
    found = exported(*(message(dataclasses.replace(model_label(each)), n) for n, each in enumerate(ids)))
    assert [label.key.record_id for label in found] == ids
