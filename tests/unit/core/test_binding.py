"""How a model is bound, as text: one for each binding, and what differs between two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamlabel.core.binding import binding_digest, binding_text, changes_of_binding, gives_embeddings
from streamlabel.core.project import (
    FeaturesEncoder,
    ImageEncoder,
    ModelBinding,
    OutputKind,
    Project,
    TextEncoder,
    ThresholdPolicy,
)
from streamlabel.core.record import PayloadKind
from streamlabel.wire import projects
from support.nouns import text_project

IMAGE = ImageEncoder(width=28, height=28, channels=1)
MODEL = ModelBinding(
    name="m",
    version=1,
    input_name="in",
    encoder=IMAGE,
    output_name="out",
    output_kind=OutputKind.LOGITS,
)
OTHERS = [
    replace(MODEL, name="n"),
    replace(MODEL, input_name="in2"),
    replace(MODEL, output_name="out2"),
    replace(MODEL, output_kind=OutputKind.PROBABILITIES),
    replace(MODEL, embedding_name="near"),
    *(
        replace(MODEL, encoder=each)
        for each in (FeaturesEncoder(length=3), TextEncoder(length=3), TextEncoder(raw=True))
    ),
    *(
        replace(MODEL, encoder=replace(IMAGE, **change))
        for change in (
            {"width": 29},
            {"height": 29},
            {"channels": 3},
            {"scale": 1.0},
            {"offset": 0.5},
            {"channels_first": True},
            {"resize": True},
        )
    ),
]


def test_no_two_bindings_have_the_same_digest() -> None:
    texts = [binding_text(each, 1) for each in (MODEL, *OTHERS)] + [binding_text(MODEL, 2)]
    assert len({binding_digest(each) for each in texts}) == len(OTHERS) + 2
    assert all(len(list(changes_of_binding(texts[0], each))) == 1 for each in texts[1:])


def test_the_version_that_serves_counts_not_the_one_of_the_project() -> None:
    assert binding_text(replace(MODEL, version=4), 9) == binding_text(MODEL, 9)


def test_whoever_reads_the_project_from_its_topic_makes_the_same_text() -> None:
    """Though somebody wrote whole numbers into the file."""
    encoder = replace(IMAGE, scale=1, offset=0)
    project = replace(
        text_project("p", policy=ThresholdPolicy(threshold=0.5)),
        payload_kind=PayloadKind.IMAGE,
        model=replace(MODEL, encoder=encoder),
    )
    assert text_of(projects.decode(projects.encode(project))) == text_of(project)


@pytest.mark.parametrize("name", ["", "near"])
def test_it_says_whether_there_are_embeddings(name: str) -> None:
    assert gives_embeddings(binding_text(replace(MODEL, embedding_name=name), 1)) is bool(name)


def test_changes_are_told_by_the_names_of_the_project_file() -> None:
    after = replace(MODEL, output_name="head", encoder=TextEncoder(length=9), embedding_name="near")
    assert list(changes_of_binding(binding_text(MODEL, 1), binding_text(after, 2))) == [
        "version was 1 and is 2",
        "encoder was channels 1, channels_first False, height 28, kind ImageEncoder, offset 0.0, resize False, "
        "scale 0.00392156862745098, width 28 and is kind TextEncoder, length 9, raw False",
        "output.name was out and is head",
        "output.embedding was none and is near",
    ]


def test_what_nobody_wrote_down_has_no_digest() -> None:
    assert binding_digest("") == ""


def text_of(project: Project) -> str:
    assert project.model is not None
    return binding_text(project.model, 1)
