"""Which version follows which: one more where something changed, none where nothing did."""

from __future__ import annotations

import dataclasses

import pytest

from streamlabel.cli.project_table import Applied, succeed
from streamlabel.cli.project_yaml import project_yaml
from streamlabel.core.project import (
    CertifiedPolicy,
    FeaturesEncoder,
    ImageEncoder,
    ModelBinding,
    OutputKind,
    Project,
    SourceMapping,
    TextEncoder,
    ThresholdPolicy,
)
from streamlabel.core.record import PayloadKind
from streamlabel.core.taxonomy import ClassDefinition, Taxonomy
from streamlabel.wire.project_file import parse_project
from support.nouns import text_project


def with_classes(project: Project, *names: str, version: int = 1) -> Project:
    classes = tuple(ClassDefinition(name=name) for name in names)
    return dataclasses.replace(project, taxonomy=Taxonomy(version=version, classes=classes))


def test_a_new_project_is_version_1() -> None:
    assert succeed(None, text_project("intents")).version == 1


def test_the_same_again_is_the_published_one() -> None:
    published = dataclasses.replace(text_project("intents"), version=7)
    assert succeed(published, text_project("intents")) is published


def test_any_change_is_one_version_more() -> None:
    published = dataclasses.replace(text_project("intents"), version=7)
    changed = dataclasses.replace(text_project("intents"), instructions="Read it twice.")
    assert succeed(published, changed).version == 8


def test_other_classes_are_another_taxonomy_whatever_the_file_says() -> None:
    published = with_classes(text_project("intents"), "a", "b", version=4)
    assert succeed(published, with_classes(published, "a", "b", "c")).taxonomy.version == 5
    assert succeed(published, with_classes(published, "a", "b", "c", version=9)).taxonomy.version == 9
    assert succeed(published, with_classes(published, "b", "a")).taxonomy.version == 5, (
        "order is the model's output order"
    )


def test_the_taxonomy_version_never_goes_back() -> None:
    published = with_classes(text_project("intents"), "a", "b", version=4)
    assert succeed(published, with_classes(published, "a", "b", version=1)) is published


def test_since_when_the_model_is_bound_as_it_is_follows_the_model_alone() -> None:
    file = dataclasses.replace(
        text_project("intents", policy=ThresholdPolicy(threshold=0.5)), model=MODEL, bound_since=0
    )
    first = succeed(None, file)
    described = succeed(first, dataclasses.replace(file, description="x"))
    otherwise = dataclasses.replace(file, model=dataclasses.replace(MODEL, output_name="another_head"))
    rebound = succeed(described, otherwise)
    back = succeed(rebound, file)
    assert [(each.version, each.bound_since) for each in (first, described, rebound, back)] == [
        (1, 1),
        (2, 1),
        (3, 3),
        (4, 4),
    ]
    assert Applied(before=described, after=rebound).changes == ("model", "description")


def test_of_a_project_of_before_it_is_known_that_the_published_version_binds_it() -> None:
    file = dataclasses.replace(
        text_project("intents", policy=ThresholdPolicy(threshold=0.5)), model=MODEL, bound_since=0
    )
    published = dataclasses.replace(file, version=7)
    assert succeed(published, file) is published
    assert succeed(published, dataclasses.replace(file, description="x")).bound_since == 7


def test_changes_are_named() -> None:
    before = text_project("intents")
    after = dataclasses.replace(before, version=2, description="x", policy=ThresholdPolicy(threshold=0.5), model=MODEL)
    assert Applied(before=before, after=after).changes == ("policy", "model", "description")
    assert Applied(before=None, after=after).changes == ()
    assert not Applied(before=before, after=before).changed


MODEL = ModelBinding(
    name="m",
    version=3,
    input_name="in",
    encoder=TextEncoder(length=64),
    output_name="out",
    output_kind=OutputKind.LOGITS,
)


@pytest.mark.parametrize(
    "project",
    [
        text_project("plain"),
        text_project("threshold", policy=ThresholdPolicy(threshold=0.75)),
        dataclasses.replace(
            text_project("certified", policy=CertifiedPolicy(alpha=0.05, delta=0.01)),
            instructions="Read: it twice # please",
            description="Übung „1“",
            source=SourceMapping(payload="message.body", record_id="id", event_at="ts", attributes={"lang": "l"}),
            model=dataclasses.replace(MODEL, encoder=TextEncoder(raw=True), embedding_name="vector"),
        ),
        dataclasses.replace(
            text_project("pictures", policy=ThresholdPolicy(threshold=0.75)),
            payload_kind=PayloadKind.IMAGE,
            model=dataclasses.replace(
                MODEL,
                encoder=ImageEncoder(width=28, height=20, channels=1, scale=1.0, channels_first=True, resize=True),
            ),
        ),
        dataclasses.replace(
            text_project("numbers", policy=ThresholdPolicy(threshold=0.75), classes=("yes", "no", "null", "1.0")),
            payload_kind=PayloadKind.FEATURES,
            model=dataclasses.replace(MODEL, encoder=FeaturesEncoder(length=16)),
        ),
    ],
    ids=lambda project: project.name,
)
def test_what_show_prints_can_be_applied_again(project: Project) -> None:
    assert parse_project(project_yaml(project)) == dataclasses.replace(project, bound_since=0)
