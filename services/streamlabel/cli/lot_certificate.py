"""The certificate of a lot: what it says, and what it rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamlabel.cli.lot_evidence import Lot
from streamlabel.cli.moments import told
from streamlabel.gate.lot import LotCertificate, certify_strata


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Of `lot.standing` labels at most `wrong_at_most` are wrong, with probability 1 - `delta`."""

    project: str
    begin: datetime
    end: datetime
    delta: float
    lot: Lot
    parts: tuple[LotCertificate, ...]
    transition: Mapping[str, Any] | None
    issued_at: datetime

    @property
    def wrong_at_most(self) -> int:
        """The strata's bounds, added up; never more than there are labels."""
        return min(self.lot.standing, sum(part.wrong_at_most for part in self.parts))

    @property
    def audited(self) -> int:
        """How many records were drawn and looked at."""
        return sum(part.audited for part in self.parts)

    @property
    def found(self) -> int:
        """How many of those were wrong, or unanswered."""
        return sum(part.found for part in self.parts)

    @property
    def statement(self) -> str:
        """The promise in one sentence."""
        count, bound = self.lot.standing, self.wrong_at_most
        return (
            f"Of {count:,} labels of {self.project} set by the model from {told(self.begin)} on and before {told(self.end)}, "
            f"at most {bound:,} ({bound / count:.2%}) are wrong, with confidence {1 - self.delta:.4g}."
        )

    def words(self) -> str:
        """What a person is told."""
        lines = [
            self.statement,
            f"Audit: {self.audited:,} records drawn by the coin, {self.found:,} wrong"
            + (f", {self.lot.unanswered:,} of them because nobody answered" if self.lot.unanswered else ""),
        ]
        lines += [f"Not covered: {count:,} labels {why}" for why, count in self.lot.not_covered.items()]
        return "\n".join(lines)


def certificate(
    project: str,
    begin: datetime,
    end: datetime,
    delta: float,
    lot: Lot,
    transition: Mapping[str, Any] | None,
    *,
    issued_at: datetime,
) -> Certificate:
    """What can be said of the lot; `transition` is the gate's latest one, as learning tells it."""
    parts = tuple(certify_strata(lot.strata, delta))
    return Certificate(
        project=project, begin=begin, end=end, delta=delta, lot=lot, parts=parts, transition=transition, issued_at=issued_at
    )  # fmt: skip


def document(made: Certificate) -> dict[str, Any]:
    """The certificate as JSON, under a digest of its own: SHA-256 over `canonical` of all the rest."""
    lot = made.lot
    content = {
        "statement": made.statement,
        "project": made.project,
        "from": told(made.begin),
        "to": told(made.end),
        "delta": made.delta,
        "labels": lot.standing,
        "wrong_at_most": made.wrong_at_most,
        "audited": made.audited,
        "found_wrong": made.found,
        "unanswered": lot.unanswered,
        "superseded": lot.superseded,
        "not_covered": dict(lot.not_covered),
        "strata": [
            {
                "lane_rate": stratum.lane_rate,
                "labels": stratum.labels,
                "audited": stratum.audited,
                "found_wrong": stratum.found,
                "delta": part.delta,
                "wrong_at_most": part.wrong_at_most,
            }
            for stratum, part in zip(lot.strata, made.parts, strict=True)
        ],
        "evidence": {
            "audited_records": list(lot.audits),
            "gates": list(lot.gate_ids),
            "transition": None
            if made.transition is None
            else {"number": made.transition["number"], "digest": made.transition["digest"]},
        },
        "issued_at": told(made.issued_at),
    }
    return {**content, "sha256": hashlib.sha256(canonical(content)).hexdigest()}


def canonical(content: Mapping[str, Any]) -> bytes:
    """The one text of a document: keys sorted, no blanks, UTF-8; of a whole one, without its own digest."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
