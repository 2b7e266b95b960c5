"""The table of `status` on a narrow terminal."""

from __future__ import annotations

import io

from rich.console import Console

from streamlabel.cli.stack_view import table
from streamlabel.local.child import ProcessIdentity
from streamlabel.local.stack_file import ProcessPhase, ProcessState, StackPhase, StackState, environment_for

PORTS = {
    "kafka": 21001,
    "ingest-grpc": 21002,
    "ingest-http": 21005,
    "review-grpc": 21003,
    "review-http": 21004,
    "triton-grpc": 21006,
    "learning-http": 21007,
}
REASON = "the database is away: it has refused seven connections in a row, and the next is tried in four seconds"


def shown(width: int) -> str:
    state = StackState(
        phase=StackPhase.READY,
        supervisor=ProcessIdentity(pid=1, started_ticks=1, boot_id="b"),
        started_at=0.0,
        ports=PORTS,
        environment=environment_for(PORTS, partitions=2, topic_prefix="streamlabel"),
        processes={
            "kafka": ProcessState(phase=ProcessPhase.READY, pid=10, address="127.0.0.1:21001", started_at=1.0),
            "review": ProcessState(
                phase=ProcessPhase.MISCONFIGURED, pid=11, restarts=3, address="http://127.0.0.1:21004/", reason=REASON
            ),
            "learning": ProcessState(
                phase=ProcessPhase.READY, pid=12, address="http://127.0.0.1:21007/", started_at=1.0
            ),
        },
    )
    console = Console(file=io.StringIO(), width=width)
    console.print(table(state))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_an_address_stays_in_one_piece_and_a_reason_is_told_whole() -> None:
    lines = shown(80).splitlines()
    assert max(map(len, lines)) <= 80
    (review,) = (line for line in lines if line.startswith("review "))
    assert review.split() == ["review", "misconfigured", "11", "3", "http://127.0.0.1:21004/"]
    assert f"review: {REASON}" in " ".join(lines)
    assert any(line.startswith("Review page") for line in lines)
    (gates,) = (line for line in lines if line.startswith("Gates"))
    assert gates.split() == ["Gates", "http://127.0.0.1:21007/gate"]


def test_where_all_is_well_no_reason_is_given() -> None:
    assert "kafka:" not in shown(80)
