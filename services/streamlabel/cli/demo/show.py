"""The demo as it runs: producer, people and a reader at work, watched until every record has its label."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from streamlabel.cli.connection import Connection
from streamlabel.cli.demo.annotators import Annotator
from streamlabel.cli.demo.checker import Findings, count_dead_letters, judge, read_labels
from streamlabel.cli.demo.follower import Follower
from streamlabel.cli.demo.gate_source import GateSource, GateView
from streamlabel.cli.demo.gate_story import GateStory, Stretch, stretches_of, tell_story
from streamlabel.cli.demo.ledger import Ledger
from streamlabel.cli.demo.options import DemoOptions
from streamlabel.cli.demo.play import Play
from streamlabel.cli.demo.sender import Sender
from streamlabel.cli.demo.situation import Situation, look
from streamlabel.cli.demo.stuck import NoProgressError, explain
from streamlabel.client import IngestClient
from streamlabel.client.retry import Patience
from streamlabel.client.review import ReviewClient
from streamlabel.core.desk import QueueStats
from streamlabel.core.project import Project
from streamlabel.errors import StreamlabelError, TransientError
from streamlabel.local.stack import Stack
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import SystemClock
from streamlabel.wire.flow import LABELS

_TICK_S = 0.25
_DEAD_LETTER_LOOK_S = 5.0
_BACKOFF = Backoff(base_s=0.2, cap_s=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a demo ended, by the labels that were read back; `stuck` where records wait and nothing moved any more."""

    findings: Findings
    dead_letters: int
    stuck: NoProgressError | None
    gate: GateStory
    stretches: tuple[Stretch, ...]


class Show:
    """One demo on a stack that is ready."""

    def __init__(
        self, options: DemoOptions, connection: Connection, stack: Stack, play: Play, project: Project
    ) -> None:
        self.ledger = Ledger()
        self._options = options
        self._connection = connection
        self._stack = stack
        self._play = play
        self._stream = play.stream
        self._project = project
        self._clock = SystemClock()
        self._started_s = self._clock.monotonic_s()
        self._queue: QueueStats | None = None
        self._dead = 0
        self._gates = GateSource(connection.learning_url)
        self._gates_began_ms = self._clock.now_ms()
        self._gate: GateView | None = None
        self._key_prefix = f"{project.name}/{play.stream.id_prefix}".encode()
        self._client_options = connection.kafka.client_options()

    async def run(self, draw: Callable[[Situation], None]) -> Outcome:
        """Returns when every record has its label, or nothing moves any more; `draw` is shown each moment.

        Without `exit_when_done` it stays until it is cancelled, so that there is something to look at.
        """
        patient = Patience(give_up_s=None)
        async with (
            IngestClient(self._connection.ingest_address, patience=patient) as ingest,
            ReviewClient(self._connection.review_address, patience=patient) as review,
        ):
            sender = Sender(
                ingest,
                self._stream,
                self.ledger,
                self._clock,
                count=self._play.count,
                per_second=self._options.per_second,
            )
            work: list[Coroutine[Any, Any, None]] = [self._follower().run(), self._watch_queue(review)]
            work += [self._watch_dead_letters(), self._watch_gate()]
            work += [annotator.run() for annotator in self._annotators(review)]
            stuck = await self._attended(sender, work, draw)
        return await self._judge(stuck)

    async def _attended(
        self, sender: Sender, work: list[Coroutine[Any, Any, None]], draw: Callable[[Situation], None]
    ) -> NoProgressError | None:
        """Runs sender and work as tasks of this call until the watch says that it is over."""
        tasks = [asyncio.create_task(each) for each in (sender.run(), *work)]
        try:
            return await self._watch(sender, tasks, draw)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(
        self, sender: Sender, tasks: list[asyncio.Task[None]], draw: Callable[[Situation], None]
    ) -> NoProgressError | None:
        while True:
            now_s = self._clock.monotonic_s()
            self.ledger.tick(now_s)
            moment = self._look(now_s)
            draw(moment)
            for task in tasks:
                if task.done() and not (task is tasks[0] and sender.done):
                    task.result()
                    raise StreamlabelError("a part of the demo ended before its time")
            complete = sender.done and not self.ledger.outstanding
            if complete and self._options.exit_when_done:
                return None
            waited_s = self._idle_s(now_s)
            all_dead = sender.done and 0 < self.ledger.outstanding <= self._dead
            # People at a browser take the time they take.
            if self._options.annotators and not complete and (waited_s > self._options.patience_s or all_dead):
                return await explain(
                    self._client_options,
                    self._connection.names,
                    self._key_prefix,
                    moment,
                    waited_s=waited_s,
                    dead_letters=self._dead,
                )
            await self._clock.sleep(_TICK_S)

    def _idle_s(self, now_s: float) -> float:
        return now_s - max(self.ledger.last_progress_s, self._started_s)

    async def _watch_dead_letters(self) -> None:
        """While nothing else moves: counts those of this run that died, so that nobody waits for them."""
        while True:
            await self._clock.sleep(_DEAD_LETTER_LOOK_S)
            if self.ledger.outstanding and self._idle_s(self._clock.monotonic_s()) > _DEAD_LETTER_LOOK_S:
                with contextlib.suppress(TransientError):
                    self._dead = await self._count_dead_letters()

    async def _watch_queue(self, review: ReviewClient) -> None:
        while True:
            try:
                async with asyncio.timeout(2.0):
                    stats = await review.stats(self._project.name)
                self._queue = next(
                    (each for each in stats if each.project == self._project.name),
                    QueueStats(project=self._project.name),
                )
            except (StreamlabelError, TimeoutError):
                self._queue = None
            await self._clock.sleep(1.0)

    async def _watch_gate(self) -> None:
        while True:
            self._gate = await self._gates.now(self._project.name)
            await self._clock.sleep(1.0)

    def _look(self, now_s: float) -> Situation:
        return look(
            self.ledger,
            now_s=now_s,
            now_epoch_s=self._clock.now_ms() / 1000,
            started_s=self._started_s,
            wanted=self._play.count,
            queue=self._queue,
            gate=self._gate,
            processes=self._stack.state.processes,
        )

    def _follower(self) -> Follower:
        topic = self._connection.names.topic(LABELS)
        broker = self._connection.broker()
        return Follower(broker, topic, self._key_prefix, self.ledger, self._stream.truth, self._clock, _BACKOFF)

    def _annotators(self, review: ReviewClient) -> list[Annotator]:
        return [
            Annotator(
                f"simulated-{number + 1}",
                review,
                self._project.name,
                self._play.answer,
                self._options.think_time_s,
                self._clock,
                _BACKOFF,
                random.Random(f"{self._stream.run}/{number}"),
            )
            for number in range(self._options.annotators)
        ]

    async def _judge(self, stuck: NoProgressError | None) -> Outcome:
        """Reads everything back; nothing that the demo counted itself decides here."""
        topic = self._connection.names.topic(LABELS)
        deadline_s = self._clock.monotonic_s() + self._options.patience_s
        while True:
            try:
                found = await read_labels(self._client_options, topic, key_prefix=self._key_prefix)
                dead_letters = await self._count_dead_letters()
                break
            except TransientError:
                if stuck is not None:
                    raise stuck from None
                if self._clock.monotonic_s() > deadline_s:
                    raise
                await self._clock.sleep(1.0)
        ids = [self._stream.record_id(number) for number in range(self.ledger.sent)]
        findings = judge(ids, found, classes=self._project.taxonomy.names, truth=self._stream.truth)
        story = await tell_story(self._gates, self._project.name, self._gates_began_ms)
        stretches = stretches_of(found, self._stream, story)
        return Outcome(findings=findings, dead_letters=dead_letters, stuck=stuck, gate=story, stretches=stretches)

    async def _count_dead_letters(self) -> int:
        topics = self._connection.names.dead_letters()
        return await count_dead_letters(self._client_options, topics, key_prefix=self._key_prefix)
