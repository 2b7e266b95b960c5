"""Sends a few records to project `mail` and says what became of each.

streamlabel up --detach && streamlabel project apply examples/mail/project.yaml
python examples/python/send.py [HOST:PORT]
"""

from __future__ import annotations

import asyncio
import sys

from streamlabel.client import IngestClient, NewRecord, TextPayload

MAILS = {
    "s-1": "The parcel arrived with the box torn open.",
    "s-2": "Do you have a shop in Lyon?",
}


async def main(address: str) -> None:
    async with IngestClient(address) as client:
        results = await client.ingest(
            NewRecord(project="mail", record_id=record_id, payload=TextPayload(text), attributes={"channel": "script"})
            for record_id, text in MAILS.items()
        )
    for result in results:
        # ACCEPTED: new and safe on Kafka. DUPLICATE: it was sent before. Run this twice, and nothing is there twice.
        sys.stdout.write(f"{result.record_id}: {result.status.value} {result.detail}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:18051"))
