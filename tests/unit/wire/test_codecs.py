"""Every noun survives the wire, and foreign bytes have one fate."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from streamlabel.core.control import Release, ReleaseState
from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Label, LabelSource, Vote
from streamlabel.core.prediction import Candidate, Prediction
from streamlabel.core.project import (
    CertifiedPolicy,
    FeaturesEncoder,
    ImageEncoder,
    ModelBinding,
    OutputKind,
    Project,
    ReviewAllPolicy,
    ReviewPolicy,
    SourceMapping,
    TextEncoder,
    ThresholdPolicy,
)
from streamlabel.core.record import (
    FeaturesPayload,
    ImagePayload,
    JsonPayload,
    PayloadKind,
    Record,
    TextPayload,
    UriPayload,
)
from streamlabel.core.review import ReviewTask, Suggestion
from streamlabel.core.taxonomy import ClassDefinition, Taxonomy
from streamlabel.errors import InvalidMessageError
from streamlabel.wire import control, gates, labels, predictions, projects, records, review_tasks

MOMENT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
PAYLOADS = [
    TextPayload("tschüß \N{SNOWMAN} \u202e"),
    ImagePayload(b"\x89PNG\r\n\x1a\n\0\1\2", "image/png"),
    ImagePayload(b"\xff\xd8\xff\xe0", "image/jpeg"),
    FeaturesPayload((1.0, -2.5, 0.0)),
    JsonPayload('{"a": [1, 2]}'),
    UriPayload("s3://bucket/key"),
]
DECISION = Decision(
    route=Route.REVIEW, reason=DecisionReason.SCORE_BELOW_THRESHOLD, purpose=Purpose.TRAIN, threshold=0.9, score=0.4
)


def record(payload=PAYLOADS[0]) -> Record:
    attributes = {"lang": "de", "source": "mail"}
    return Record(
        key=RecordKey(project="p", record_id="r/1"),
        payload=payload,
        content_hash=records.content_hash(payload, attributes),
        event_at=MOMENT,
        attributes=attributes,
    )


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_record_of_each_kind_survives(payload) -> None:
    assert records.decode(records.encode(record(payload))) == record(payload)


def test_a_prediction_survives_with_and_without_a_model() -> None:
    full = Prediction(
        record=record(),
        candidates=(Candidate("a", 0.7), Candidate("b", 0.3)),
        score=0.7,
        embedding=(0.5, -1.0),
        model_name="m",
        model_version=3,
        project_version=2,
    )
    empty = Prediction(record=record(), project_version=1)
    for prediction in (full, empty):
        assert predictions.decode(predictions.encode(prediction)) == prediction


def test_a_review_task_survives_blind_or_with_a_suggestion() -> None:
    seen = ReviewTask(
        record=record(),
        decision=DECISION,
        suggestion=Suggestion(class_name="a", probability=0.4),
        priority=0.6,
        model_name="m",
        model_version=3,
        project_version=2,
    )
    blind = ReviewTask(record=record(), decision=DECISION, blind=True, needed_votes=2, project_version=2)
    for task in (seen, blind):
        assert review_tasks.decode(review_tasks.encode(task)) == task


def test_a_label_survives() -> None:
    label = Label(
        key=RecordKey(project="p", record_id="r"),
        class_name="a",
        source=LabelSource.HUMAN,
        decision=DECISION,
        project_version=2,
        taxonomy_version=4,
        content_hash=b"h" * 16,
        labelled_at=MOMENT,
        revision=2,
        supersedes_revision=1,
        model_name="m",
        model_version=3,
        annotators=("ann", "bob"),
        event_at=MOMENT,
        ingested_at=MOMENT,
    )
    votes = (Vote(annotator="ann", class_name="a"), Vote(annotator="bob", class_name="b"))
    weighed = replace(label, votes=votes, posterior=0.97)
    decided = replace(label, votes=votes, annotators=("ann", "bob", "cat"), adjudicator="cat", class_name="c")
    for each in (label, replace(label, votes=votes), weighed, decided):
        assert labels.decode(labels.encode(each)) == each


def test_a_release_survives() -> None:
    release = Release(project="p", model_name="m", model_version=2, state=ReleaseState.LIVE, released_at=MOMENT)
    assert control.decode_release(control.encode_release(release)) == release


@pytest.mark.parametrize(
    ("kind", "encoder", "policy"),
    [
        (PayloadKind.IMAGE, ImageEncoder(width=28, height=28, channels=1), ThresholdPolicy(threshold=0.9)),
        (PayloadKind.TEXT, TextEncoder(raw=True), CertifiedPolicy(alpha=0.05, delta=0.1, double_blind_share=0.25)),
        (PayloadKind.TEXT, TextEncoder(length=64), ReviewAllPolicy()),
        (PayloadKind.FEATURES, FeaturesEncoder(length=4), ThresholdPolicy(threshold=0.0)),
    ],
)
def test_a_project_survives(kind, encoder, policy) -> None:
    project = Project(
        name="p",
        version=3,
        taxonomy=Taxonomy(
            version=2,
            classes=(ClassDefinition(name="a", key="1", description="first"), ClassDefinition(name="b", key="2")),
        ),
        payload_kind=kind,
        policy=policy,
        model=ModelBinding(
            name="m",
            version=2,
            input_name="x",
            encoder=encoder,
            output_name="y",
            output_kind=OutputKind.LOGITS,
            embedding_name="e",
        ),
        source=SourceMapping(payload="body.text", record_id="id", event_at="ts", attributes={"lang": "l"}),
        instructions="look",
        description="words",
        bound_since=1,
    )
    assert projects.decode(projects.encode(project)) == project
    asked = ReviewPolicy(votes={Purpose.TRAIN: 2, Purpose.RULE: 3}, max_votes=7, sure=0.98)
    for review in (asked, replace(asked, sure=None), ReviewPolicy(votes={Purpose.AUDIT: 5})):
        assert projects.decode(projects.encode(replace(project, review=review))).review == review


DECODERS = [
    records.decode,
    predictions.decode,
    review_tasks.decode,
    labels.decode,
    projects.decode,
    gates.decode_gate,
    control.decode_release,
]


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("value", [b"", b"{}", b'{"project": "p"}', b"\xff" * 40, b"\x0a\x05hello"])
def test_foreign_bytes_are_malformed(decode, value: bytes) -> None:
    with pytest.raises(InvalidMessageError) as raised:
        decode(value)
    assert raised.value.reason == "MALFORMED"


@pytest.mark.parametrize("decode", DECODERS)
def test_random_damage_never_escapes_as_another_error(decode) -> None:
    chance = random.Random(7)
    whole = predictions.encode(Prediction(record=record(), project_version=1))
    for _ in range(2_000):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with contextlib.suppress(InvalidMessageError):
            decode(bytes(damaged[: chance.randint(1, len(damaged))]))


def test_the_content_hash_is_stable_across_releases() -> None:
    """Derived record ids are public: a change of these values would double every retried record."""
    assert records.content_hash(TextPayload("hello"), {}).hex() == "7a668d187d82f58a26c1d41bd7e82ad7"
    assert (
        records.content_hash(ImagePayload(b"\x89PNG\r\n\x1a\n", "image/png"), {"a": "1", "b": "2"}).hex()
        == "bf8b9cd948397b26721528a093911e6c"
    )


def test_the_content_hash_tells_neighbours_apart() -> None:
    one = records.content_hash(TextPayload("a"), {"b": "c"})
    assert one != records.content_hash(TextPayload("a"), {"bc": ""})
    assert one != records.content_hash(JsonPayload("a"), {"b": "c"})
    assert one == records.content_hash(TextPayload("a"), dict(reversed([("b", "c")])))
