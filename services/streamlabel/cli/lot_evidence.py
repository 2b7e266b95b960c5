"""What is known of a lot: the labels that the model set in a stretch of time, and the calibration records drawn beside them.

label ──gate id──▶ gate ──lane rate──▶ stratum ◀──lane rate── audit
                     └──subject──▶ how far the audit of that model version is complete
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamlabel.core.control import Gate
from streamlabel.core.decision import Purpose, Route
from streamlabel.core.label import Label, LabelSource
from streamlabel.gate.lot import Stratum

WITHOUT_GATE = "set without a gate, or by one that learning does not know"
NEVER_AUDITED = "set after the audit of their model version had ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the present gate is: of labels since `began_at`, the audit is complete up to `confirmed_until` (None: nowhere)."""

    model_version: int
    began_at: datetime
    confirmed_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Counts and ids. `standing` labels of the model are what is promised about; `superseded` ones are in the strata's counts
    as well, for whoever corrected them did not draw them at random. `not_covered` labels of the stretch are in neither; why.
    """

    strata: tuple[Stratum, ...]
    standing: int
    superseded: int
    unanswered: int
    not_covered: Mapping[str, int]
    audits: tuple[str, ...]
    gate_ids: tuple[str, ...]


class LabelsOfLot:
    """Gathers the labels of a project that bear on a lot, out of every revision on the topic."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self._begin = begin
        self._end = end
        self.set_by_model: dict[str, Label] = {}
        self._corrected: set[str] = set()
        self._calibrated: dict[str, str] = {}

    def take(self, labels: Iterable[Label]) -> None:
        """Takes revisions in, of each record in the order in which they were set."""
        for label in labels:
            record_id = label.key.record_id
            if label.decision.purpose is Purpose.CALIBRATE:
                self._calibrated[record_id] = label.decision.gate_id
            if label.source is LabelSource.MODEL:
                self._corrected.discard(record_id)
                if self._begin <= label.labelled_at < self._end:
                    self.set_by_model[record_id] = label
                continue
            self._corrected.add(record_id)
            if label.decision.route is Route.AUTO_LABEL and label.labelled_at >= self._begin:
                # The model's own label may be gone by compaction: perhaps it was set in the stretch.
                self.set_by_model.setdefault(record_id, label)

    def stands(self, record_id: str) -> bool:
        """Whether the record's label is still the model's."""
        return record_id not in self._corrected

    def gate_of_audit(self, record_id: str) -> str:
        """The gate by which a calibration record was drawn; empty where no label says so."""
        return self._calibrated.get(record_id, "")

    def gate_ids(self, audits: Iterable[Mapping[str, Any]]) -> set[str]:
        """The gates by which these labels were set and these records drawn."""
        drawn = {self.gate_of_audit(each["record_id"]) for each in audits}
        return drawn | {label.decision.gate_id for label in self.set_by_model.values()}


def gather_lot(
    labels: LabelsOfLot, audits: Sequence[Mapping[str, Any]], gates: Mapping[str, Gate], standing: Standing
) -> Lot:
    """The lot, stratum by stratum; of `audits` only those count whose record would have passed."""
    audited_until = _audited_until(labels, gates, standing)
    not_covered: Counter[str] = Counter()
    counts: Counter[float] = Counter()
    used: set[str] = set()
    still, superseded = 0, 0
    for record_id, label in labels.set_by_model.items():
        gate = gates.get(label.decision.gate_id)
        why = WITHOUT_GATE if gate is None else _why_not_covered(label, gate, standing, audited_until)
        if gate is None or why is not None:
            not_covered[why or WITHOUT_GATE] += labels.stands(record_id)
            continue
        counts[gate.lane_rate] += 1
        used.add(gate.gate_id)
        if labels.stands(record_id):
            still += 1
        else:
            superseded += 1
    ours = [each for each in audits if each["passable"] and _is_covered(each, standing, audited_until)]
    by_rate: defaultdict[float, list[Mapping[str, Any]]] = defaultdict(list)
    for each in ours:
        by_rate[_rate(each, labels, gates)].append(each)
    strata = tuple(_stratum(rate, count, by_rate.get(rate, ())) for rate, count in sorted(counts.items()))
    counted = [each for rate in counts for each in by_rate.get(rate, ())]
    used |= {gate_id for each in counted if (gate_id := labels.gate_of_audit(each["record_id"])) in gates}
    return Lot(
        strata=strata,
        standing=still,
        superseded=superseded,
        unanswered=sum(each["answer"] is None for each in counted),
        not_covered=+not_covered,
        audits=tuple(sorted(each["record_id"] for each in counted)),
        gate_ids=tuple(sorted(used)),
    )


def _stratum(rate: float, labels: int, audits: Sequence[Mapping[str, Any]]) -> Stratum:
    # Who answers nothing might have said that the model was wrong.
    wrong = sum(each["answer"] != each["predicted"] for each in audits)
    return Stratum(lane_rate=rate, labels=labels, audited=len(audits), found=wrong)


def _rate(audit: Mapping[str, Any], labels: LabelsOfLot, gates: Mapping[str, Gate]) -> float:
    """The rate by which routing drew the record; learning's own is ahead of it while a gate is on its way."""
    gate = gates.get(labels.gate_of_audit(audit["record_id"]))
    return float(audit["lane_rate"]) if gate is None else gate.lane_rate


def _audited_until(labels: LabelsOfLot, gates: Mapping[str, Gate], standing: Standing) -> dict[int, datetime]:
    """How far the audit of each model version before the present gate is known to be complete: its gates said so."""
    found: dict[int, datetime] = {}
    for label in labels.set_by_model.values():
        gate = gates.get(label.decision.gate_id)
        if gate is not None and gate.confirmed_until is not None and label.labelled_at < standing.began_at:
            found[gate.model_version] = max(gate.confirmed_until, found.get(gate.model_version, gate.confirmed_until))
    return found


def _why_not_covered(label: Label, gate: Gate, standing: Standing, audited_until: Mapping[int, datetime]) -> str | None:
    if label.source is LabelSource.HUMAN:
        # When the model set it is not known any more; one too many makes the bound larger, never too small.
        return None
    if label.labelled_at >= standing.began_at:
        until = standing.confirmed_until if gate.model_version == standing.model_version else None
    else:
        until = audited_until.get(gate.model_version)
    return None if until is not None and label.labelled_at < until else NEVER_AUDITED


def _is_covered(audit: Mapping[str, Any], standing: Standing, audited_until: Mapping[int, datetime]) -> bool:
    at = datetime.fromisoformat(audit["decided_at"])
    if at >= standing.began_at:
        return True
    until = audited_until.get(audit["model_version"])
    return until is not None and at < until
