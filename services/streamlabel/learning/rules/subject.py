"""What a gate is about: one model version, under one taxonomy, held to one promise."""

from __future__ import annotations

from dataclasses import dataclass

from streamlabel.core.project import CertifiedPolicy, Project
from streamlabel.gate.policy import GatePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Evidence about one subject says nothing of another: with any of these another one, certification begins anew."""

    project: str
    model_name: str
    model_version: int
    taxonomy_version: int
    class_names: tuple[str, ...]
    alpha: float
    delta: float
    double_blind_share: float = 0.0

    @property
    def model(self) -> tuple[str, str, int]:
        """The project's model version: what labels name, whatever else they were set under."""
        return self.project, self.model_name, self.model_version

    @property
    def gate_policy(self) -> GatePolicy:
        """How its gate goes about that."""
        return GatePolicy(alpha=self.alpha, delta=self.delta, double_blind_share=self.double_blind_share)


def subject_of(project: Project, live_version: int | None) -> Subject | None:
    """What is to be certified of a project as it stands; None where nothing is.

    `live_version` is the model version that was released to serve; without one the project's own serves.
    """
    if project.model is None or not isinstance(project.policy, CertifiedPolicy):
        return None
    return Subject(
        project=project.name,
        model_name=project.model.name,
        model_version=project.model.version if live_version is None else live_version,
        taxonomy_version=project.taxonomy.version,
        class_names=project.taxonomy.names,
        alpha=project.policy.alpha,
        delta=project.policy.delta,
        double_blind_share=project.policy.double_blind_share,
    )
