"""Replays a decision log: joins it with predictions, projects and gates, and counts what came out otherwise."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence

from streamlabel.cli.decision_log import Log, LoggedDecision
from streamlabel.cli.learning_records import LearningRecords
from streamlabel.core.control import gate_number
from streamlabel.core.decision import Decision, DecisionReason
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import Project
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.published import PublishedGate
from streamlabel.gate.replay import replay
from streamlabel.gate.replay_report import Difference, Report
from streamlabel.wire import decisions

# A gate with its scorer takes a megabyte or two.
_MOST_GATES = 32

NO_GATE = "no gate id: the project had no gate yet"
GATE_GONE = "their gate is no longer kept"
NO_PREDICTION = "its prediction is gone, or says something else"
NO_PROJECT = "that version of the project is gone"


class Gates:
    """The project's gates by their ids, asked of learning once each while they are in use. `kept` are the numbers of the first and the
    last that it still has, as it said after the log was read."""

    def __init__(self, learning: LearningRecords, project: str, kept: Mapping[str, int] | None) -> None:
        self._learning = learning
        self._project = project
        self._kept_numbers = kept
        self._kept: OrderedDict[str, PublishedGate | None] = OrderedDict()

    def never_was(self, gate_id: str) -> bool:
        """Whether learning has given no gate this name. Numbers are given one after the other, and the last one is always kept."""
        number, kept = gate_number(self._project, gate_id), self._kept_numbers
        return number is None or kept is None or not 1 <= number <= kept["last"]

    async def get(self, gate_id: str) -> PublishedGate | None:
        """The gate; None where learning has none of that id."""
        if gate_id in self._kept:
            self._kept.move_to_end(gate_id)
            return self._kept[gate_id]
        number = gate_number(self._project, gate_id)
        found = None if number is None else await self._learning.gate(self._project, number)
        self._kept[gate_id] = found
        if len(self._kept) > _MOST_GATES:
            self._kept.popitem(last=False)
        return found


class Replaying:
    """Makes the decisions of a log again while predictions come by; `finish` says what is left."""

    def __init__(self, log: Log, versions: Mapping[int, Project | None], gates: Gates, keys: CoinKeys) -> None:
        self._log = log
        self._versions = versions
        self._gates = gates
        self._keys = keys
        self.report = Report()
        for key, logged in log.items():
            named = [each.decision.gate_id for each in logged if each.decision.gate_id]
            if forged := {gate_id for gate_id in named if gates.never_was(gate_id)}:
                self.report.forged.update(gate_id for gate_id in named if gate_id in forged)
                log[key] = [each for each in logged if each.decision.gate_id not in forged]

    async def take(self, predictions: Sequence[Prediction]) -> None:
        """Makes again what was decided of these predictions."""
        groups: defaultdict[tuple[int, str], list[tuple[LoggedDecision, Prediction]]] = defaultdict(list)
        for prediction in predictions:
            key = prediction.record.key.encode()
            waiting = self._log.get(key, [])
            for logged in waiting:
                if logged.is_about(prediction):
                    groups[logged.project_version, logged.decision.gate_id].append((logged, prediction))
            self._log[key] = [logged for logged in waiting if not logged.is_about(prediction)]
        for (version, gate_id), cases in groups.items():
            await self._group(self._versions.get(version), gate_id, cases)

    def finish(self) -> Report:
        """What it came to, after the last prediction."""
        left = sum(map(len, self._log.values()))
        if left:
            self.report.not_replayable[NO_PREDICTION] += left
        return self.report

    async def _group(
        self, project: Project | None, gate_id: str, cases: Sequence[tuple[LoggedDecision, Prediction]]
    ) -> None:
        if project is None:
            self.report.not_replayable[NO_PROJECT] += len(cases)
            return
        published = await self._gates.get(gate_id) if gate_id else None
        if gate_id and published is None:
            self.report.not_replayable[GATE_GONE] += len(cases)
            return
        # That there was no gate then, nothing is left to show.
        replayable = [case for case in cases if gate_id or case[0].decision.reason is not DecisionReason.NO_GATE]
        if len(replayable) < len(cases):
            self.report.not_replayable[NO_GATE] += len(cases) - len(replayable)
        made = replay(
            [logged.decision for logged, _ in replayable],
            [prediction for _, prediction in replayable],
            project,
            published,
            self._keys,
        )
        for (logged, _), each in zip(replayable, made, strict=True):
            if each.again is None:
                self.report.not_replayable[each.why_not] += 1
            else:
                found = Difference(logged.record_id, logged.decision, each.again)
                same = _bits(each.again) == _bits(logged.decision)
                self.report.add(found, same=same, lane_checked=each.lane_checked)


def _bits(decision: Decision) -> bytes:
    return decisions.to_message(decision).SerializeToString(deterministic=True)
