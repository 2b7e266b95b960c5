"""How much waits for people, for a command that has something else to say: told if the review service tells it at once."""

from __future__ import annotations

import asyncio

from streamlabel.errors import StreamlabelError

_ANSWER_TIMEOUT_S = 2.0


async def waiting_for_people(review_address: str, project: str) -> int | None:
    """The project's tasks that are open or in somebody's hands; None where nobody says so quickly."""
    # gRPC takes a while to import: only for those who ask.
    from streamlabel.client.retry import Patience
    from streamlabel.client.review import ReviewClient

    try:
        async with (
            asyncio.timeout(_ANSWER_TIMEOUT_S),
            ReviewClient(review_address, patience=Patience(give_up_s=0)) as client,
        ):
            return sum(queue.open_tasks + queue.leased_tasks for queue in await client.stats(project))
    except (StreamlabelError, TimeoutError):
        return None
