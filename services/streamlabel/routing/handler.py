"""The one use case: a batch of predictions becomes labels and review tasks."""

from __future__ import annotations

from collections.abc import Sequence

from streamlabel.core.decision import Decision, Route
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import Project
from streamlabel.core.submission import Reason
from streamlabel.errors import InvalidMessageError
from streamlabel.routing.ports import Arrival, Clock, DecisionLog, Gates, Projects, Routed
from streamlabel.routing.rules.decide import decide
from streamlabel.routing.rules.results import model_label, review_task


class Router:
    """Sends each prediction where the project's policy wants it."""

    def __init__(self, *, projects: Projects, gates: Gates, clock: Clock, log: DecisionLog) -> None:
        self._projects = projects
        self._gates = gates
        self._clock = clock
        self._log = log

    async def route(self, arrivals: Sequence[Arrival]) -> Sequence[Routed]:
        """A label, a task or the reason why neither can be, for each arrival in order. Raises TransientError for the whole batch."""
        await self._projects.look_for({arrival.prediction.record.key.project for arrival in arrivals})
        now = self._clock.now()
        decisions: list[tuple[str, Decision]] = []
        routed: list[Routed] = []
        for arrival in arrivals:
            name = arrival.prediction.record.key.project
            project = self._projects.get(name)
            if project is None:
                routed.append(InvalidMessageError(Reason.UNKNOWN_PROJECT, f"there is no project {name!r}"))
                continue
            decision = self._decide(arrival.prediction, project)
            decisions.append((name, decision))
            if decision.route is Route.AUTO_LABEL:
                routed.append(model_label(arrival.prediction, decision, project, arrival.ingested_at, now))
            else:
                routed.append(review_task(arrival.prediction, decision, project))
        self._log.decided(decisions)
        return routed

    def _decide(self, prediction: Prediction, project: Project) -> Decision:
        gate = self._gates.latest(project.name)
        return decide(prediction, project.taxonomy, project.policy, gate)
