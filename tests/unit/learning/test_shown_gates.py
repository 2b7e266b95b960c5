"""What Prometheus is shown of gates: how they stand while they are kept here, and nothing once they are not."""

from __future__ import annotations

from dataclasses import replace

from streamlabel.core.control import GateState
from streamlabel.core.project import CertifiedPolicy, ReviewAllPolicy
from streamlabel.learning.adapters.metrics import GateMetrics
from streamlabel.learning.ports import ShelvedBook
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.book_storage import dump_book
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.metrics import Metrics
from support.gate_page import SUSPENDED, certified, closed, step, subject
from support.gate_stream import GateStream
from support.learning_house import NOW_MS, House, certified_project, learner, subject_of_mail, told

GATE = "streamlabel_gate_"


def series(metrics: Metrics) -> set[str]:
    """Every series of a gate that a scrape sees, without its value."""
    lines = metrics.expose("")[0].decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if line.startswith(GATE)}


def test_the_gauges_of_a_gate_go_with_it_and_what_happened_stays_counted() -> None:
    metrics = Metrics("learning")
    metrics.know_projects(["digits", "mail"])
    shown = GateMetrics(metrics, SystemClock())
    point = closed(1_700_000_000_000, SUSPENDED, "inputs changed")
    shown.changed({"digits": point, "mail": certified(1_700_000_000_000)})
    shown.stepped([(subject("digits"), step(point))])
    assert f'{GATE}state{{project="digits",state="suspended"}}' in series(metrics)
    shown.gone(["digits"])
    left = {name for name in series(metrics) if '"digits"' in name}
    assert left == {f'{GATE}transitions_total{{project="digits",state="suspended"}}'}
    assert f'{GATE}threshold{{project="mail"}}' in series(metrics)
    shown.gone(["digits", "never-seen"])
    shown.changed({"digits": point})
    assert f'{GATE}since_look_seconds{{project="digits"}}' in series(metrics)


async def test_a_project_that_is_certified_no_longer_is_shown_no_longer() -> None:
    house = House(certified_project())
    learning = learner(house)
    await learning.turn(0)
    assert house.shown == ["mail is cold"]
    house.project = replace(house.project, policy=ReviewAllPolicy())
    await learning.turn(0)
    await learning.turn(0)
    assert house.shown == ["mail is cold", "mail is gone"]


async def test_a_gate_that_begins_anew_stays_shown() -> None:
    house = House(certified_project())
    learning = learner(house)
    await learning.turn(0)
    house.project = replace(house.project, policy=CertifiedPolicy(alpha=0.02, delta=0.05))
    await learning.turn(0)
    assert house.shown == ["mail is cold", "mail is cold"]


async def test_at_the_end_of_its_term_a_process_shows_no_gate() -> None:
    house = House(certified_project())
    learning = learner(house)
    await learning.turn(0)
    await learning.put_away()
    await learning.put_away()
    assert house.shown == ["mail is cold", "mail is gone"]


async def test_an_open_gate_lives_as_long_as_the_stream_is_seen_and_is_renewed_as_soon_as_it_is() -> None:
    house = House(certified_project())
    life = GateStream(Book(subject_of_mail(), BookLimits()))
    life.live(2000)
    house.shelved = [ShelvedBook(subject=subject_of_mail(), snapshot=dump_book(life.book), events=[])]
    house.seen_until_ms = 0
    learning = learner(house)
    await learning.turn(0)
    await learning.turn(0)
    [void] = told(house)
    assert void.state is GateState.CERTIFIED
    assert void.expires_at.timestamp() * 1000 < NOW_MS
    # The hour stands, but by now the stream was read up to it.
    house.seen_until_ms = NOW_MS
    await learning.turn(0)
    await learning.turn(0)
    [_, renewed] = told(house)
    assert renewed.gate_id == void.gate_id
    assert renewed.expires_at.timestamp() * 1000 == NOW_MS + 900_000
