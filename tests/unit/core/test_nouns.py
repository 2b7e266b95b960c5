"""Nouns refuse illegal states, and say why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Label, LabelSource, Vote
from streamlabel.core.project import (
    FeaturesEncoder,
    ModelBinding,
    OutputKind,
    Project,
    ReviewAllPolicy,
    ThresholdPolicy,
)
from streamlabel.core.record import FeaturesPayload, ImagePayload, PayloadKind, Record, TextPayload, UriPayload
from streamlabel.core.taxonomy import ClassDefinition, Taxonomy

KEY = RecordKey(project="digits", record_id="r1")
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
TAXONOMY = Taxonomy(version=1, classes=(ClassDefinition(name="a", key="1"), ClassDefinition(name="b", key="2")))


@pytest.mark.parametrize(
    ("project", "record_id"),
    [
        ("", "x"),
        ("Digits", "x"),
        ("a/b", "x"),
        ("-a", "x"),
        ("a" * 65, "x"),
        ("a", ""),
        ("a", "x" * 257),
        ("a", "x\ny"),
        ("a", "\ud800"),
    ],
)
def test_a_key_refuses_illegal_names(project: str, record_id: str) -> None:
    with pytest.raises(ValueError, match=r"project name|record_id"):
        RecordKey(project=project, record_id=record_id)


def test_a_key_survives_its_text_form_even_with_slashes_in_the_record_id() -> None:
    key = RecordKey(project="a", record_id="2024/05/ü.png")
    assert RecordKey.parse(str(key)) == key


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TextPayload(""), "empty"),
        (lambda: ImagePayload(b"", "image/png"), "0 bytes"),
        (lambda: ImagePayload(b"<svg onload=alert(1)>", "image/png"), "neither PNG nor JPEG"),
        (lambda: ImagePayload(PNG, "image/jpeg"), "bytes are image/png"),
        (lambda: FeaturesPayload(()), "empty"),
        (lambda: FeaturesPayload((1.0, float("nan"))), "feature 1 is nan"),
        (lambda: FeaturesPayload((float("inf"),)), "feature 0 is inf"),
        (lambda: UriPayload("just words"), "not an absolute URI"),
    ],
)
def test_a_payload_refuses_what_nobody_could_label(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_attributes_are_bounded_in_number_and_size() -> None:
    def record(attributes: dict[str, str]) -> Record:
        return Record(key=KEY, payload=TextPayload("x"), content_hash=b"0" * 16, attributes=attributes)

    assert record({f"k{i}": "v" for i in range(64)})
    with pytest.raises(ValueError, match="65 attributes"):
        record({f"k{i}": "v" for i in range(65)})
    with pytest.raises(ValueError, match="1024 bytes"):
        record({"k": "v" * 1024})


def test_a_taxonomy_has_at_least_two_classes_with_names_and_keys_of_their_own() -> None:
    with pytest.raises(ValueError, match="2-10000 classes"):
        Taxonomy(version=1, classes=(ClassDefinition(name="a"),))
    with pytest.raises(ValueError, match="class 'a' is there twice"):
        Taxonomy(version=1, classes=(ClassDefinition(name="a"), ClassDefinition(name="a")))
    with pytest.raises(ValueError, match="key '1' is there twice"):
        Taxonomy(version=1, classes=(ClassDefinition(name="a", key="1"), ClassDefinition(name="b", key="1")))


def test_a_project_without_a_model_can_only_review() -> None:
    with pytest.raises(ValueError, match="only the policy review_all"):
        Project(
            name="p", version=1, taxonomy=TAXONOMY, payload_kind=PayloadKind.TEXT, policy=ThresholdPolicy(threshold=0.5)
        )


def test_a_model_must_be_able_to_read_the_payload() -> None:
    model = ModelBinding(
        name="m",
        version=1,
        input_name="x",
        encoder=FeaturesEncoder(length=3),
        output_name="y",
        output_kind=OutputKind.LOGITS,
    )
    with pytest.raises(ValueError, match="payload text needs encoder text"):
        Project(
            name="p",
            version=1,
            taxonomy=TAXONOMY,
            payload_kind=PayloadKind.TEXT,
            policy=ReviewAllPolicy(),
            model=model,
        )


def test_only_a_review_has_a_purpose() -> None:
    with pytest.raises(ValueError, match="review has a purpose"):
        Decision(route=Route.REVIEW, reason=DecisionReason.REVIEW_ALL)
    with pytest.raises(ValueError, match="review has a purpose"):
        Decision(route=Route.AUTO_LABEL, reason=DecisionReason.SCORE_REACHED_THRESHOLD, purpose=Purpose.TRAIN)


def test_a_revision_supersedes_the_one_before_it() -> None:
    def label(revision: int, supersedes: int) -> Label:
        return Label(
            key=KEY,
            class_name="a",
            source=LabelSource.MODEL,
            decision=Decision(route=Route.AUTO_LABEL, reason=DecisionReason.SCORE_REACHED_THRESHOLD),
            project_version=1,
            taxonomy_version=1,
            content_hash=b"0" * 16,
            labelled_at=datetime(2026, 1, 1, tzinfo=UTC),
            revision=revision,
            supersedes_revision=supersedes,
        )

    assert label(2, 1).revision == 2
    with pytest.raises(ValueError, match="must supersede 2"):
        label(3, 1)


def test_the_voters_are_the_annotators_and_one_of_them_said_what_the_label_says() -> None:
    votes = (Vote(annotator="ann", class_name="a"), Vote(annotator="bob", class_name="b"))
    label = Label(
        key=KEY,
        class_name="a",
        source=LabelSource.HUMAN,
        decision=Decision(route=Route.REVIEW, reason=DecisionReason.REVIEW_ALL, purpose=Purpose.CALIBRATE),
        project_version=1,
        taxonomy_version=1,
        content_hash=b"0" * 16,
        labelled_at=datetime(2026, 1, 1, tzinfo=UTC),
        annotators=("ann", "bob"),
        votes=votes,
    )
    with pytest.raises(ValueError, match="its voters, in their order"):
        replace(label, annotators=("bob", "ann"))
    with pytest.raises(ValueError, match="nobody votes twice"):
        replace(label, annotators=("ann", "ann"), votes=(votes[0], votes[0]))
    with pytest.raises(ValueError, match="nobody voted for 'c'"):
        replace(label, class_name="c")
    # Whoever adjudicates comes last, and may find that all were wrong.
    assert replace(label, class_name="c", annotators=("ann", "bob", "cat"), adjudicator="cat").posterior is None
    with pytest.raises(ValueError, match="and then whoever adjudicated"):
        replace(label, adjudicator="cat")
    with pytest.raises(ValueError, match="nor adjudicates where they have voted"):
        replace(label, annotators=("ann", "bob", "ann"), adjudicator="ann")
    for posterior in (0.0, 1.1):
        with pytest.raises(ValueError, match="outside 0-1"):
            replace(label, posterior=posterior)
    with pytest.raises(ValueError, match="only votes have a posterior"):
        replace(label, votes=(), posterior=0.9)


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "\x1b[31m", "a\x7f", "a\x85b"])
def test_a_class_name_has_no_control_characters(name: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        ClassDefinition(name=name)


def test_a_class_may_be_a_composed_emoji() -> None:
    assert ClassDefinition(name="👩\u200d🔬").name
