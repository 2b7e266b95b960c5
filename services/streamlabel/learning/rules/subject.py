"""What a gate is about: one model version as it is bound, under one taxonomy, held to one promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from streamlabel.core.binding import binding_text, changes_of_binding, gives_embeddings
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import CertifiedPolicy, Project
from streamlabel.gate.policy import GatePolicy

_OTHERS = ("taxonomy_version", "alpha", "delta", "double_blind_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Evidence about one subject says nothing of another: with any of these another one, certification begins anew.

    `binding` is the text of `core/binding.py` ("": nobody wrote down how the model was bound). Predictions are of it that were made
    under versions of the project from `bound_since` up to `bound_until`, which may change (0: any).
    """

    project: str
    model_name: str
    model_version: int
    taxonomy_version: int
    class_names: tuple[str, ...]
    alpha: float
    delta: float
    double_blind_share: float = 0.0
    binding: str = ""
    bound_since: int = field(default=0, compare=False)
    bound_until: int = field(default=0, compare=False)

    @property
    def model(self) -> tuple[str, str, int]:
        """The project's model version: what labels name, whatever else they were set under."""
        return self.project, self.model_name, self.model_version

    @property
    def gate_policy(self) -> GatePolicy:
        """How its gate goes about that."""
        return GatePolicy(alpha=self.alpha, delta=self.delta, double_blind_share=self.double_blind_share)

    @property
    def embeds(self) -> bool | None:
        """Whether each of its predictions has an embedding, or none has; None: nobody knows."""
        return gives_embeddings(self.binding) if self.binding else None

    def is_of(self, prediction: Prediction) -> bool:
        """Whether the prediction was made by this model version as it is bound."""
        version, embeds = prediction.project_version, self.embeds
        return (
            (prediction.model_name, prediction.model_version) == (self.model_name, self.model_version)
            and self.bound_since <= version
            and version <= (self.bound_until or version)
            and embeds in (None, bool(prediction.embedding))
        )


def subject_of(project: Project, live_version: int | None) -> Subject | None:
    """What is to be certified of a project as it stands; None where nothing is.

    `live_version` is the model version that was released to serve; without one the project's own serves.
    """
    if project.model is None or not isinstance(project.policy, CertifiedPolicy):
        return None
    version = project.model.version if live_version is None else live_version
    return Subject(
        project=project.name,
        model_name=project.model.name,
        model_version=version,
        taxonomy_version=project.taxonomy.version,
        class_names=project.taxonomy.names,
        alpha=project.policy.alpha,
        delta=project.policy.delta,
        double_blind_share=project.policy.double_blind_share,
        binding=binding_text(project.model, version),
        bound_since=project.bound_since or project.version,
        bound_until=project.version,
    )


def changes(before: Subject, after: Subject) -> Iterator[str]:
    """What differs, for people."""
    if not before.binding:
        yield "how the model was bound was not written down before"
    elif before.binding != after.binding:
        yield from changes_of_binding(before.binding, after.binding)
    for name in _OTHERS:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{name} was {old} and is {new}"
    if before.taxonomy_version == after.taxonomy_version and before.class_names != after.class_names:
        yield "the classes are others"
