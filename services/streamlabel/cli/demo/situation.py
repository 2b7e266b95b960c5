"""What dashboard and watch look at: one moment of the demo, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamlabel.cli.demo.gate_source import GateView
from streamlabel.cli.demo.ledger import Ledger
from streamlabel.core.desk import QueueStats
from streamlabel.core.label import LabelSource
from streamlabel.local.stack_file import ProcessPhase, ProcessState


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """Labels of one source; `error` is the true one, None while nothing was judged."""

    labels: int
    error: float | None
    wrong: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One moment. `queue` and `gate` are None while the service does not answer; `ailing` says which process is not ready, and why."""

    elapsed_s: float
    sent: int
    wanted: int | None
    sent_per_s: float
    labelled: int
    labelled_per_s: float
    outstanding: int
    rejected: int
    model: SourceView
    human: SourceView
    queue: QueueStats | None
    queue_age_s: float
    gate: GateView | None
    ailing: Mapping[str, str]
    restarts: int

    @property
    def model_share(self) -> float | None:
        """Share of the labels that the model set; None before the first label."""
        return self.model.labels / self.labelled if self.labelled else None


def look(
    ledger: Ledger,
    *,
    now_s: float,
    now_epoch_s: float,
    started_s: float,
    wanted: int | None,
    queue: QueueStats | None,
    gate: GateView | None,
    processes: Mapping[str, ProcessState],
) -> Situation:
    """The moment as ledger, queue and supervisor show it."""
    oldest = queue.oldest_at.timestamp() if queue is not None and queue.oldest_at is not None else now_epoch_s
    return Situation(
        elapsed_s=now_s - started_s,
        sent=ledger.sent,
        wanted=wanted,
        sent_per_s=ledger.sent_rate.per_s(),
        labelled=ledger.labelled,
        labelled_per_s=ledger.labelled_rate.per_s(),
        outstanding=ledger.outstanding,
        rejected=sum(ledger.rejected.values()),
        model=_source(ledger, LabelSource.MODEL),
        human=_source(ledger, LabelSource.HUMAN),
        queue=queue,
        gate=gate,
        queue_age_s=max(0.0, now_epoch_s - oldest),
        ailing={
            name: state.reason or state.phase.value
            for name, state in processes.items()
            if state.phase is not ProcessPhase.READY
        },
        restarts=sum(state.restarts for state in processes.values()),
    )


def _source(ledger: Ledger, source: LabelSource) -> SourceView:
    score = ledger.scores[source]
    return SourceView(
        labels=score.labels,
        error=score.error,
        wrong=score.wrong,
        p50_ms=ledger.recent_ms(source, 0.50),
        p99_ms=ledger.recent_ms(source, 0.99),
    )
