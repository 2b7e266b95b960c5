"""A project as the text of a project file: reading it again gives the same project."""

from __future__ import annotations

from typing import Any

import yaml

from streamlabel.core.project import (
    CertifiedPolicy,
    Encoder,
    FeaturesEncoder,
    ImageEncoder,
    ModelBinding,
    Policy,
    Project,
    ReviewAllPolicy,
    TextEncoder,
    ThresholdPolicy,
)


def project_yaml(project: Project) -> str:
    """The project file of `project`; its version stands in a comment, because `project apply` gives it."""
    document = document_of(project)
    return f"# {project.name}, version {project.version}\n" + yaml.safe_dump(
        document, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None
    )


def document_of(project: Project) -> dict[str, Any]:
    """The project as plain values, keyed as in a project file."""
    document: dict[str, Any] = {"project": project.name}
    if project.description:
        document["description"] = project.description
    document["payload"] = project.payload_kind.value
    document["taxonomy"] = {
        "version": project.taxonomy.version,
        "classes": [
            _filled(name=each.name, key=each.key, description=each.description) for each in project.taxonomy.classes
        ],
    }
    if project.model is not None:
        document["model"] = _model(project.model)
    document["policy"] = _policy(project.policy)
    if project.instructions:
        document["review"] = {"instructions": project.instructions}
    if project.source is not None:
        source = project.source
        document["source"] = _filled(
            record_id=source.record_id,
            payload=source.payload,
            event_at=source.event_at,
            attributes=dict(source.attributes),
        )
    return document


def _model(model: ModelBinding) -> dict[str, Any]:
    return {
        "name": model.name,
        "version": model.version,
        "input": {"name": model.input_name, **_encoder(model.encoder)},
        "output": _filled(name=model.output_name, kind=model.output_kind.value, embedding=model.embedding_name),
    }


def _encoder(encoder: Encoder) -> dict[str, Any]:
    match encoder:
        case ImageEncoder():
            return {
                "width": encoder.width,
                "height": encoder.height,
                "channels": encoder.channels,
                "scale": encoder.scale,
                "offset": encoder.offset,
                "channels_first": encoder.channels_first,
                "resize": encoder.resize,
            }
        case TextEncoder(raw=True):
            return {"raw": True}
        case TextEncoder(length=length) | FeaturesEncoder(length=length):
            return {"length": length}


def _policy(policy: Policy) -> dict[str, Any]:
    match policy:
        case ThresholdPolicy(threshold=threshold):
            return {"kind": "threshold", "threshold": threshold}
        case CertifiedPolicy(alpha=alpha, delta=delta, double_blind_share=share):
            return {"kind": "certified", "alpha": alpha, "delta": delta} | _filled(double_blind_share=share)
        case ReviewAllPolicy():
            return {"kind": "review_all"}


def _filled(**values: Any) -> dict[str, Any]:
    """The values that say something."""
    return {key: value for key, value in values.items() if value}
