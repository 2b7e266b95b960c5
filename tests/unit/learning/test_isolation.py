"""What goes wrong with one book ends the gate of that project, says why, and stops nobody else; a defect of the service stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from streamlabel.core.control import GateState
from streamlabel.core.project import CertifiedPolicy, Project
from streamlabel.errors import TransientError
from streamlabel.learning.handler import Book
from streamlabel.learning.ports import BrokenBookError, News, Page
from streamlabel.learning.rules.book import BookLimits
from streamlabel.learning.rules.book_storage import dump_book
from streamlabel.learning.rules.events import Event
from streamlabel.learning.rules.points import point_of
from streamlabel.learning.rules.subject import Subject
from support.gate_stream import GateStream
from support.gates import a_prediction
from support.learning_house import NOW_MS, House, learner, subject_of_mail
from support.nouns import text_project

POLICY = CertifiedPolicy(alpha=0.05, delta=0.05)
WELL, ILL = (text_project(name, policy=POLICY) for name in ("well", "ill"))


class Street(House):
    """Several projects; `unkept` are those whose pages its shelf cannot keep."""

    def __init__(self, *projects: Project) -> None:
        super().__init__(projects[0])
        self.projects = list(projects)
        self.unkept: set[str] = set()

    def all(self) -> Iterable[Project]:
        return self.projects

    async def keep(self, pages: Sequence[Page], receipts: Sequence[object]) -> None:
        for page in pages:
            if page.subject.project in self.unkept and not page.ended:
                raise BrokenBookError(page.subject.project, "a gate of 600,000 bytes")
        await super().keep(pages, receipts)

    def pages_of(self, project: str) -> list[Page]:
        """Taken: what comes next is told alone."""
        found = [page for page in self.pages if page.subject.project == project]
        self.pages = [page for page in self.pages if page.subject.project != project]
        return found


@pytest.fixture
def ill(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """While there is an error in the list, the book of project `ill` raises it."""
    errors: list[BaseException] = []
    apply = Book.apply

    def broken(book: Book, event: Event) -> None:
        if errors and book.subject.project == "ill":
            raise errors[-1]
        apply(book, event)

    monkeypatch.setattr(Book, "apply", broken)
    return errors


async def hear(house: Street, learning, record_id: str) -> None:
    """One prediction of each project."""
    seen = [(a_prediction(record_id, 0.9, project=each.name), NOW_MS) for each in house.projects]
    told = asyncio.create_task(learning.hear(News(receipt=record_id, predictions=seen)))
    await asyncio.sleep(0)
    await learning.turn(1)
    await told


@pytest.mark.parametrize("error", [OverflowError("too large"), ValueError("odd"), IndexError("no such class")])
async def test_a_book_that_breaks_ends_alone_and_begins_anew_when_its_project_is_applied_anew(
    ill: list[BaseException], error: Exception
) -> None:
    house = Street(WELL, ILL)
    learning = learner(house)
    await hear(house, learning, "1")
    assert [page.gate is not None for page in house.pages_of("ill")] == [True]
    house.pages_of("well")

    ill.append(error)
    await hear(house, learning, "2")
    [ended] = house.pages_of("ill")
    assert (ended.ended, ended.gate, ended.events) == (True, None, [])
    assert ended.fault is not None
    assert ended.fault.reason == f"{type(error).__name__}: {error}"
    assert ended.vouched is not None
    assert house.faults == {"ill": ended.fault.reason}
    assert [len(page.events) for page in house.pages_of("well")] == [1]

    # It is left alone, however often it is heard of.
    await hear(house, learning, "3")
    assert house.pages_of("ill") == []
    assert [len(page.events) for page in house.pages_of("well")] == [1]

    ill.clear()
    house.projects = [WELL, replace(ILL, version=ILL.version + 1)]
    await hear(house, learning, "4")
    [anew] = house.pages_of("ill")
    assert anew.began
    assert anew.gate is not None
    assert (anew.gate.gate.state, anew.gate_number) == (GateState.COLD, 2)
    assert house.faults == {}


async def test_what_nobody_can_keep_is_that_projects_alone_once_the_turn_is_made_again() -> None:
    house = Street(WELL, ILL)
    learning = learner(house)
    house.unkept = {"ill"}
    with pytest.raises(TransientError, match="the book of project ill cannot be kept: a gate of 600,000 bytes"):
        await hear(house, learning, "1")
    assert house.pages == []
    await hear(house, learning, "1")
    [ended] = house.pages_of("ill")
    assert (ended.ended, ended.began) == (True, False)
    assert ended.fault is not None
    assert [page.began for page in house.pages_of("well")] == [True]
    assert list(house.faults) == ["ill"]


async def test_a_project_that_asks_for_no_gate_any_more_has_no_fault(ill: list[BaseException]) -> None:
    house = Street(WELL, ILL)
    learning = learner(house)
    ill.append(ValueError("odd"))
    await hear(house, learning, "1")
    house.pages_of("ill")
    house.projects = [WELL]
    await hear(house, learning, "2")
    assert [(page.ended, page.fault) for page in house.pages_of("ill")] == [(True, None)]
    assert house.faults == {}


async def test_a_book_that_cannot_even_begin_or_be_put_away_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def subject_policy(subject: Subject) -> object:
        if subject.project == "ill":
            raise OverflowError("alpha")
        return real.fget(subject)

    real = Subject.gate_policy
    monkeypatch.setattr(Subject, "gate_policy", property(subject_policy))
    house = Street(WELL, ILL)
    learning = learner(house)
    await hear(house, learning, "1")
    assert house.faults == {"ill": "OverflowError: alpha"}
    assert [page.began for page in house.pages_of("well")] == [True]

    def dump(book: Book) -> bytes:
        if book.subject.project == "well":
            raise ValueError("too long")
        return dump_book(book)

    monkeypatch.setattr("streamlabel.learning.handler.dump_book", dump)
    await learning.put_away()
    assert house.pages_of("well") == []
    assert house.faults == {}


async def test_a_defect_of_the_service_stops_it(ill: list[BaseException]) -> None:
    house = Street(WELL, ILL)
    learning = learner(house)
    ill.append(TypeError("no such method"))
    told = asyncio.create_task(
        learning.hear(News(receipt="1", predictions=[(a_prediction("1", 0.9, project="ill"), NOW_MS)]))
    )
    await asyncio.sleep(0)
    with pytest.raises(TypeError, match="no such method"):
        await learning.turn(1)
    with pytest.raises(TypeError):
        await told
    assert house.pages == []


async def test_embeddings_too_long_to_be_used_are_those_of_a_model_without_any() -> None:
    assert ILL.model is not None
    house = Street(WELL, replace(ILL, model=replace(ILL.model, embedding_name="embedding")))
    learning = learner(house)
    seen = [(a_prediction("1", 0.9, project="ill", embedding=(1.0,) * 20_000), NOW_MS)]
    told = asyncio.create_task(learning.hear(News(receipt="1", predictions=seen)))
    await asyncio.sleep(0)
    await learning.turn(1)
    await told
    [page] = house.pages_of("ill")
    event = page.events[0]
    assert event.predictions.embeddings is None  # type: ignore[union-attr]
    assert page.gate is not None
    assert page.gate.gate.embedding_length == 0


@pytest.mark.parametrize("embeddings", [True, False])
def test_a_gate_tells_whether_its_score_compares_with_neighbours(embeddings: bool) -> None:
    book = Book(subject_of_mail(), BookLimits())
    GateStream(book, embeddings=embeddings).live(600)
    assert book.keeper.fits
    assert (point_of(book, NOW_MS).neighbours > 100) == embeddings
