"""What a stage tells Prometheus: a handful of numbers per transaction, none per record."""

from __future__ import annotations

from typing import Any, Protocol


class Instruments(Protocol):
    """The metrics of a process by name: anything that indexes to prometheus-client instruments."""

    def __getitem__(self, name: str) -> Any: ...


class StageMetrics:
    """The instruments of one stage, its label already filled in."""

    def __init__(self, instruments: Instruments, stage: str) -> None:
        self._instruments = instruments
        self._stage = stage
        self._committed = instruments["streamlabel_transactions_total"].labels(stage=stage, outcome="committed")
        self._aborted = instruments["streamlabel_transactions_total"].labels(stage=stage, outcome="aborted")
        self._transaction_seconds = instruments["streamlabel_transaction_seconds"].labels(stage=stage)
        self._batch_rows = instruments["streamlabel_batch_rows"].labels(stage=stage)
        self._in_flight = instruments["streamlabel_in_flight_batches"].labels(stage=stage)
        self._rebalances = instruments["streamlabel_rebalances_total"].labels(stage=stage)
        self._retries = instruments["streamlabel_retries_total"].labels(stage=stage)
        self._stage_seconds = instruments["streamlabel_stage_seconds"].labels(stage=stage)
        self._end_to_end_seconds = instruments["streamlabel_end_to_end_seconds"].labels(stage=stage)

    def committed(self, transaction_s: float, *, stage_s: float, end_to_end_s: float | None) -> None:
        """A transaction was committed; the ages are those of its oldest record: since it was read, since it was ingested."""
        self._committed.inc()
        self._transaction_seconds.observe(transaction_s)
        self._stage_seconds.observe(stage_s)
        if end_to_end_s is not None:
            self._end_to_end_seconds.observe(end_to_end_s)

    def aborted(self) -> None:
        """A transaction was begun and will not be committed."""
        self._aborted.inc()

    def batch_started(self, rows: int) -> None:
        """A batch was handed to the handler."""
        self._batch_rows.observe(rows)
        self._in_flight.inc()

    def batches_ended(self, count: int) -> None:
        """So many batches were committed or given up."""
        self._in_flight.dec(count)

    def rebalanced(self) -> None:
        """Partitions were assigned anew."""
        self._rebalances.inc()

    def retried(self) -> None:
        """A batch met a transient fault and will be tried again."""
        self._retries.inc()

    def dead_letter(self, reason: str, count: int) -> None:
        """So many messages were committed as dead letters for this reason."""
        self._instruments["streamlabel_dead_letters_total"].labels(stage=self._stage, reason=reason).inc(count)

    def rebuilt(self, reason: str) -> None:
        """A lane closed and opens anew."""
        self._instruments["streamlabel_lane_rebuilds_total"].labels(stage=self._stage, reason=reason).inc()

    def lost(self, cause: str) -> None:
        """Messages that were never applied are gone."""
        self._instruments["streamlabel_input_losses_total"].labels(stage=self._stage, cause=cause).inc()

    def lag(self, partition: int, records: int) -> None:
        """How far the stage is behind the end of a partition."""
        self._lag(partition).set(records)

    def forget(self, partition: int) -> None:
        """The partition moved away: its lag is somebody else's to tell."""
        gauge = self._instruments["streamlabel_consumer_lag_records"]
        self._lag(partition)  # Removing what was never there is an error for prometheus-client.
        gauge.remove(self._stage, str(partition))

    def _lag(self, partition: int) -> Any:
        gauge = self._instruments["streamlabel_consumer_lag_records"]
        return gauge.labels(stage=self._stage, partition=str(partition))
