"""A step of a gate as the next link of the chain (`gate/chain.py`)."""

from __future__ import annotations

import json
from dataclasses import asdict

from streamlabel.gate.audit_chain import AuditHead
from streamlabel.gate.chain import ChainedTransition, linked
from streamlabel.learning.rules.standing import Step
from streamlabel.learning.rules.subject import Subject


def chained(
    number: int, subject: Subject, step: Step, gate_number: int, previous: bytes, audits: AuditHead
) -> ChainedTransition:
    """The link that comes after the one with digest `previous`, when the chain of audits went as far as `audits`."""
    facts = asdict(step.transition) | {
        "state": step.transition.state.value,
        "at_ms": step.at_ms,
        "suspect_from_ms": step.suspect_from_ms,
        "alpha": subject.alpha,
        "delta": subject.delta,
        "double_blind_share": subject.double_blind_share,
        "gate_number": gate_number,
        "audits": audits.last_no,
        "audits_digest": audits.digest.hex(),
        # JSON has no infinity: a closed gate has no threshold.
        "threshold": step.transition.threshold if step.transition.threshold < float("inf") else None,
    }
    return linked(
        number=number,
        project=subject.project,
        model_name=subject.model_name,
        model_version=subject.model_version,
        facts=json.dumps(facts, sort_keys=True, ensure_ascii=False),
        previous=previous,
    )
