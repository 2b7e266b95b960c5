"""What a gate has to go by: each prediction's score and coin, for a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from streamlabel.core.binding import binding_digest, binding_text
from streamlabel.core.control import Gate
from streamlabel.core.decision import DecisionReason
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import CertifiedPolicy, ModelBinding, Project
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.published import PublishedGate, score_all


class Weighed(NamedTuple):
    """A gate that counts for this prediction, its score under that gate's scorer, and the coin of its record.

    One is made for each record of the stream: a tuple takes half the time of a frozen dataclass.
    """

    gate: Gate
    score: float
    coin: float


@dataclass(frozen=True, slots=True)
class Unweighed:
    """No gate counts for this prediction; why, and which one might have."""

    reason: DecisionReason = DecisionReason.NO_GATE
    gate_id: str = ""


def weigh(
    predictions: Sequence[Prediction],
    project: Project,
    published: PublishedGate | None,
    keys: CoinKeys,
    now: datetime,
    *,
    says_binding: bool = True,
) -> list[Weighed | Unweighed]:
    """For each prediction what the project's latest gate, `published`, has to go by; `now` says only whether it has expired.

    The gate counts for the model as it says that it is bound; without `says_binding`, as before gates said that, for any binding.
    """
    if published is None:
        return [Unweighed()] * len(predictions)
    gate = published.gate
    none: Weighed | Unweighed = Unweighed(gate_id=gate.gate_id)
    if not _counts(gate, project, now) or (says_binding and not _is_bound(gate, project)):
        return [none] * len(predictions)
    if gate.coin_key_id not in keys:
        return [Unweighed(DecisionReason.NO_COIN_KEY, gate.gate_id)] * len(predictions)
    weighed = [none] * len(predictions)
    # Field by field in one go: a call for each prediction costs more than what it asks.
    name, version = gate.model_name, gate.model_version
    rows = [row for row, each in enumerate(predictions) if each.model_version == version and each.model_name == name]
    if says_binding and project.model is not None:
        since, latest, embeds = project.binds_since, project.version, bool(project.model.embedding_name)
        rows = [
            row
            for row in rows
            if since <= predictions[row].project_version <= latest and bool(predictions[row].embedding) == embeds
        ]
    places = {name: place for place, name in enumerate(project.taxonomy.names)}
    scores = score_all(published, [predictions[row] for row in rows], places)
    for row, score in zip(rows, scores, strict=True):
        if score is not None:
            coin = keys.toss(gate.coin_key_id, predictions[row].record.key.encode())
            weighed[row] = Weighed(gate, score, coin)
    return weighed


def _counts(gate: Gate, project: Project, now: datetime) -> bool:
    """Whether the gate promises what the project asks for, now and under its present taxonomy."""
    policy, taxonomy = project.policy, project.taxonomy
    return (
        isinstance(policy, CertifiedPolicy)
        and gate.alpha <= policy.alpha
        and gate.delta <= policy.delta
        and gate.double_blind_share >= policy.double_blind_share
        and gate.is_alive(now)
        and gate.taxonomy_version == taxonomy.version
        and gate.class_count == len(taxonomy.names)
    )


def _is_bound(gate: Gate, project: Project) -> bool:
    """Whether the project binds the model as it was bound for the evidence. A gate that does not say how it was is none."""
    return project.model is not None and gate.binding == _digest(project.model, gate.model_version)


@lru_cache(maxsize=256)
def _digest(model: ModelBinding, version: int) -> str:
    """Asked for each batch, and the same for as long as nobody applies another project."""
    return binding_digest(binding_text(model, version))
