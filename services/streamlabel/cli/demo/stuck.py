"""Why nothing moves: where the records of a run are, counted by reading every topic of the flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamlabel.cli.demo.checker import count_messages
from streamlabel.cli.demo.situation import Situation
from streamlabel.errors import StreamlabelError, TransientError
from streamlabel.wire.flow import LABELS, PREDICTIONS, RECORDS, REVIEW_TASKS, Names

_READ_TIMEOUT_S = 20.0


class NoProgressError(StreamlabelError):
    """Records wait and nothing happens any more; the message says where they are."""


async def explain(
    client: Mapping[str, Any], names: Names, key_prefix: bytes, moment: Situation, *, waited_s: float, dead_letters: int
) -> NoProgressError:
    """What a person needs to know when the demo stands still."""
    lines = [f"no progress for {waited_s:.0f} s: {moment.labelled:,} of {moment.sent:,} records have a label."]
    counts = []
    for spec in (RECORDS, PREDICTIONS, REVIEW_TASKS, LABELS):
        try:
            count = await count_messages(client, names.topic(spec), key_prefix=key_prefix, timeout_s=_READ_TIMEOUT_S)
            counts.append(f"{count:,} {spec.noun}")
        except TransientError:
            counts.append(f"{spec.noun} cannot be read")
    lines.append("On the topics lie " + ", ".join(counts) + f", {dead_letters:,} dead letters.")
    if moment.queue is not None:
        lines.append(f"In review {moment.queue.open_tasks:,} tasks wait and {moment.queue.leased_tasks:,} are in hand.")
        if moment.queue.escalated_tasks:
            lines.append(
                f"{moment.queue.escalated_tasks:,} were set aside, as people skipped them: `streamlabel review requeue` "
                "puts them back."
            )
        if moment.queue.begun_tasks:
            lines.append(f"{moment.queue.begun_tasks:,} of those that wait want the answer of another person too.")
    else:
        lines.append("The review service does not answer.")
    lines += [f"{name} is not ready: {why}." for name, why in moment.ailing.items()]
    lines.append(
        "`streamlabel status` and `streamlabel logs` say more; `streamlabel dead-letters list` shows what died."
    )
    return NoProgressError("\n  ".join(lines))
