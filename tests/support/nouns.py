"""Small whole nouns for tests."""

from __future__ import annotations

from streamlabel.core.project import ModelBinding, OutputKind, Policy, Project, ReviewAllPolicy, TextEncoder
from streamlabel.core.record import PayloadKind
from streamlabel.core.taxonomy import ClassDefinition, Taxonomy


def text_project(
    name: str,
    *,
    policy: Policy | None = None,
    classes: tuple[str, ...] = ("spam", "ham"),
    embedding: str = "",
) -> Project:
    """A text project; with a model as soon as its policy needs one, which gives `embedding`, if that has a name."""
    chosen = policy if policy is not None else ReviewAllPolicy()
    model = None
    if not isinstance(chosen, ReviewAllPolicy):
        model = ModelBinding(
            name="m",
            version=1,
            input_name="text",
            encoder=TextEncoder(length=32),
            output_name="probabilities",
            output_kind=OutputKind.PROBABILITIES,
            embedding_name=embedding,
        )
    return Project(
        name=name,
        version=1,
        taxonomy=Taxonomy(
            version=1,
            classes=tuple(ClassDefinition(name=each, key=str(i + 1)) for i, each in enumerate(classes)),
        ),
        payload_kind=PayloadKind.TEXT,
        policy=chosen,
        model=model,
        bound_since=1,
    )
