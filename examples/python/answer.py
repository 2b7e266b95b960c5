"""Answers the waiting tasks of project `mail` by a rule of thumb: an annotator that is a program.

    python examples/python/answer.py [HOST:PORT]

It ends when no task has come for two seconds. Its leases are kept alive while it thinks, and given back if it is stopped.
"""

from __future__ import annotations

import asyncio
import sys

from streamlabel.client import ReviewClient
from streamlabel.core.record import TextPayload

RULES = {
    "refund": ("money back", "refund", "charged"),
    "delivery": ("parcel", "driver", "tracking", "transit"),
    "complaint": ("broken", "not good", "kept me waiting", "not at all"),
}


def guess(text: str) -> str:
    """The class whose words occur first in RULES; other where none does."""
    lowered = text.lower()
    return next((name for name, words in RULES.items() if any(word in lowered for word in words)), "other")


async def main(address: str) -> None:
    answered = 0
    async with ReviewClient(address) as client, client.work("mail", "rule-of-thumb", idle_timeout_s=2.0) as session:
        async for leased in session:
            payload = leased.task.record.payload
            if not isinstance(payload, TextPayload):
                await session.skip(leased)
                continue
            await session.answer(leased, guess(payload.text))
            answered += 1
    sys.stdout.write(f"{answered} tasks answered\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:18052"))
