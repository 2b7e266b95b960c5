"""The one use case: a batch of predictions becomes labels and review tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from streamlabel.core.decision import Decision, Route
from streamlabel.core.project import CertifiedPolicy, Project
from streamlabel.core.submission import Reason
from streamlabel.errors import InvalidMessageError
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.decide import decide
from streamlabel.gate.weigh import weigh
from streamlabel.routing.ports import Arrival, Clock, DecisionLog, Gates, Projects, Routed
from streamlabel.routing.rules.results import model_label, review_task


class Router:
    """Sends each prediction where the project's policy wants it."""

    def __init__(
        self, *, projects: Projects, gates: Gates, clock: Clock, log: DecisionLog, coin_keys: CoinKeys
    ) -> None:
        self._projects = projects
        self._gates = gates
        self._clock = clock
        self._log = log
        self._coin_keys = coin_keys

    async def route(self, arrivals: Sequence[Arrival]) -> Sequence[Routed]:
        """A label, a task or the reason why neither can be, for each arrival in order. Raises TransientError for the whole batch."""
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for row, arrival in enumerate(arrivals):
            groups[arrival.prediction.record.key.project].append(row)
        await self._projects.look_for(groups.keys())
        now = self._clock.now()
        decisions: list[tuple[str, Decision]] = []
        routed: dict[int, Routed] = {}
        for name, rows in groups.items():
            project = self._projects.get(name)
            if project is None:
                routed |= {
                    row: InvalidMessageError(Reason.UNKNOWN_PROJECT, f"there is no project {name!r}") for row in rows
                }
                continue
            group = [arrivals[row] for row in rows]
            for row, arrival, decision in zip(rows, group, self._decide(group, project, now), strict=True):
                decisions.append((name, decision))
                routed[row] = _result(arrival, decision, project, now)
        self._log.decided(decisions)
        return [routed[row] for row in range(len(arrivals))]

    def _decide(self, arrivals: Sequence[Arrival], project: Project, now: datetime) -> Iterator[Decision]:
        predictions = [arrival.prediction for arrival in arrivals]
        if not isinstance(project.policy, CertifiedPolicy):
            return (decide(prediction, project) for prediction in predictions)
        weighed = weigh(predictions, project, self._gates.latest(project.name), self._coin_keys, now)
        return (decide(prediction, project, each) for prediction, each in zip(predictions, weighed, strict=True))


def _result(arrival: Arrival, decision: Decision, project: Project, now: datetime) -> Routed:
    if decision.route is Route.AUTO_LABEL:
        return model_label(arrival.prediction, decision, project, arrival.ingested_at, now)
    return review_task(arrival.prediction, decision, project)
