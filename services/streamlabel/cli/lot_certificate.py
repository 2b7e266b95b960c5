"""The certificate of a lot: what it says, and what it rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from streamlabel.cli.moments import told
from streamlabel.gate.chain import ChainedTransition
from streamlabel.gate.lot import LotCertificate, Widening, certify_strata, widening
from streamlabel.gate.lot_closings import Turn
from streamlabel.gate.lot_evidence import GATE_GONE, Lot

_CLOSINGS_TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Of `lot.standing` labels at most `wrong_at_most` are wrong, with probability 1 - `delta`. `closed` are the turns by which the
    gate was closed in the stretch, `transition` is its latest of all."""

    project: str
    begin: datetime
    end: datetime
    delta: float
    lot: Lot
    parts: tuple[LotCertificate, ...]
    widening: Widening
    closed: tuple[Turn, ...]
    transition: ChainedTransition | None
    issued_at: datetime

    @property
    def wrong_at_most(self) -> int:
        """The strata's bounds, added up; never more than there are labels."""
        return self._of_standing(sum(part.wrong_at_most for part in self.parts))

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

    @property
    def widened_by(self) -> str:
        """Why the bound is no smaller, in one sentence."""
        lot, found = self.lot, self.widening
        clauses = []
        if lot.unanswered:
            count = (
                "1 unanswered record counts" if lot.unanswered == 1 else f"{lot.unanswered:,} unanswered records count"
            )
            clauses.append(f"{count} as wrong (answered and right, it would be {self._share(found.wrong_if_answered)})")
        if found.never_audited:
            clauses.append(f"{_labels(found.never_audited)} stand where nobody looked, and each counts as wrong")
        if wrong := self.found - lot.unanswered:
            clauses.append(f"people found {wrong:,} of the audited records wrong")
        drawn = "1 record was audited" if self.audited == 1 else f"{self.audited:,} records were audited"
        clauses.append(
            f"{drawn}, and had all of them been right, it would still be {self._share(found.wrong_if_faultless)}: only more audits "
            "lower that"
        )
        return f"What widens the bound of {self._share(self.wrong_at_most)}: {'; '.join(clauses)}."

    def facts(self) -> Iterator[str]:
        """Who set the labels, and what is known besides about the time in which they came about; a sentence each."""
        for each in self.lot.labelled_by:
            model = f"model {each.model_name} version {each.model_version}"
            yield f"Set by {model}, under a gate for at most {each.alpha:.2%} wrong (alpha)."
        suspects, standing = self.lot.suspects, self.lot.standing
        yield (
            f"Suspect: {suspects:,} of the {standing:,}, set between a change and the closing of the gate; the bound holds for all of "
            "them together."
            if suspects
            else "None of these labels is suspect."
        )
        if not self.closed:
            yield "The gate was never closed in this stretch."
            return
        turns = [f"{each.state.value} at {told(each.at)} ({each.reason})" for each in self.closed[:_CLOSINGS_TOLD]]
        if (more := len(self.closed) - len(turns)) > 0:
            turns.append(f"and {more:,} times more")
        yield f"The gate was closed in this stretch, and people labelled everything meanwhile: {'; '.join(turns)}."

    def gaps(self) -> Iterator[str]:
        """What of the stretch the certificate does not cover, a sentence each."""
        for why, count in self.lot.not_covered.items():
            yield f"Not covered: {_labels(count)} {why}."
        if gone := self.lot.audits_gone:
            yield f"Left out: {gone:,} audited {'record' if gone == 1 else 'records'} drawn by such gates."
        if gone or self.lot.not_covered.get(GATE_GONE):
            yield (
                "Learning keeps a gate for STREAMLABEL_LEARNING_HISTORY_DAYS (30) after the next one: a lot that is certified sooner "
                "is covered whole."
            )

    def words(self) -> str:
        """What a person is told."""
        audit = f"Audit: {self.audited:,} records drawn by the coin, {self.found:,} wrong" + (
            f", {self.lot.unanswered:,} of them because nobody answered" if self.lot.unanswered else ""
        )
        return "\n".join([self.statement, audit, self.widened_by, *self.facts(), *self.gaps()])

    def _of_standing(self, wrong: int) -> int:
        return min(self.lot.standing, wrong)

    def _share(self, wrong: int) -> str:
        wrong = self._of_standing(wrong)
        return f"{wrong:,} ({wrong / self.lot.standing:.2%})"


def certificate(
    project: str,
    begin: datetime,
    end: datetime,
    delta: float,
    lot: Lot,
    *,
    transition: ChainedTransition | None,
    closed: tuple[Turn, ...],
    issued_at: datetime,
) -> Certificate:
    """What can be said of the lot; `transition` is the gate's latest one, `closed` those by which it was closed in the stretch."""
    return Certificate(
        project=project,
        begin=begin,
        end=end,
        delta=delta,
        lot=lot,
        parts=tuple(certify_strata(lot.strata, delta)),
        widening=widening(lot.strata, delta),
        closed=closed,
        transition=transition,
        issued_at=issued_at,
    )


def document(made: Certificate) -> dict[str, Any]:
    """The certificate as JSON, under a digest of its own: SHA-256 over `canonical` of all the rest."""
    lot, transition = made.lot, made.transition
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
        "widening": asdict(made.widening),
        "labelled_by": [asdict(each) for each in lot.labelled_by],
        "suspects": lot.suspects,
        "closed": [{"at": told(each.at), "state": each.state.value, "reason": each.reason} for each in made.closed],
        "superseded": lot.superseded,
        "not_covered": dict(lot.not_covered),
        "audits_left_out": lot.audits_gone,
        "strata": [
            {
                "lane_rate": stratum.lane_rate,
                "labels": stratum.labels,
                "audited": stratum.audited,
                "found_wrong": stratum.found,
                "unanswered": stratum.unanswered,
                "delta": part.delta,
                "wrong_at_most": part.wrong_at_most,
            }
            for stratum, part in zip(lot.strata, made.parts, strict=True)
        ],
        "evidence": {
            "audited_records": list(lot.audits),
            "gates": list(lot.gate_ids),
            "transition": None
            if transition is None
            else {"number": transition.number, "digest": transition.digest.hex()},
        },
        "issued_at": told(made.issued_at),
    }
    return {**content, "sha256": digest_of(content)}


def canonical(content: Mapping[str, Any]) -> bytes:
    """The one text of a document: keys sorted, no blanks, UTF-8; of a whole one, without its own digest."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(content: Mapping[str, Any]) -> str:
    """The digest that a document with this content has."""
    return hashlib.sha256(canonical(content)).hexdigest()


def _labels(count: int) -> str:
    return f"{count:,} {'label' if count == 1 else 'labels'}"
