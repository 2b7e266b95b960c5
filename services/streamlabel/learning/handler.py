"""The one use case: what became of records changes what is certified, and every change is published.

    news ──▶ queue ──▶ events of each project's book ──▶ kept with the receipts, in one go ──▶ whoever brought them is told

News that waits while something is being kept is taken together. A failure while keeping leaves it open what is kept: the
books are then read again before anything else is heard.

What goes wrong with one book is no reason for the others to stand still: its gate ends, and it is tried again when its project is
applied anew, or by the next process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from streamlabel.core.control import GateState
from streamlabel.errors import TransientError
from streamlabel.gate.policy import GatePolicy
from streamlabel.learning.ports import (
    BrokenBookError,
    Clock,
    Coins,
    FaultLog,
    News,
    Observer,
    Page,
    Projects,
    Shelf,
    ShelvedBook,
    StaleReceiptError,
)
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.book_storage import dump_book, load_book
from streamlabel.learning.rules.events import Event, Ticked
from streamlabel.learning.rules.faults import OF_ONE_BOOK, Faults, Wanted, said_of
from streamlabel.learning.rules.gates import expiry, gate_id, published_gate
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.rules.listening import Heard
from streamlabel.learning.rules.points import Point, point_of
from streamlabel.learning.rules.standing import Standing, Step
from streamlabel.learning.rules.subject import Subject, changes, subject_of
from streamlabel.learning.rules.suspicions import NOTHING, Vouched

_QUEUE = 64
_POINT_EVERY_MS = 5_000
_REASON = 500
# What reading a book comes to where another release wrote it, or nobody did.
_UNREADABLE = (*OF_ONE_BOOK, TypeError, AttributeError)
# Of a book that is empty, and about to end.
_NO_POLICY = GatePolicy(alpha=0.5, delta=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerLimits:
    """A gate that nobody renewed for `gate_lifetime_s` is void; it is renewed every `renew_ms`, of the hour or of the horizon. A
    snapshot is taken when the journal has grown by `journal_rows` records, and at least `snapshot_ms` after the one before. News is
    gathered for `gather_s`."""

    book: BookLimits = field(default_factory=BookLimits)
    gate_lifetime_s: float = 900.0
    renew_ms: int = 30_000
    journal_rows: int = 5_000
    snapshot_ms: int = 5_000
    gather_s: float = 0.05


@dataclass(slots=True)
class _Open:
    """A book in use, what was last told of it, and what `earlier` ones of the same model version had vouched for when they ended.

    One that is `unreadable`, for that reason, is empty, and about to end.
    """

    book: Book
    began: bool
    unreadable: str = ""
    earlier: tuple[Vouched, ...] = ()
    vouched: Vouched = NOTHING
    told: Standing | None = None
    told_at_ms: int = 0
    told_until_ms: int = 0
    point_at_ms: int = 0
    rows: int = 0
    snapshot_at_ms: int = 0


@dataclass(slots=True)
class _Turn:
    """What one go comes to."""

    pages: dict[str, Page] = field(default_factory=dict)
    ended: list[Page] = field(default_factory=list)
    points: dict[str, Point] = field(default_factory=dict)

    def all(self) -> list[Page]:
        """In the order in which they must be kept: an end before the beginning that replaces it."""
        return [*self.ended, *self.pages.values()]


class Learner:
    """Keeps the books of all certified projects. `run` must be running for `hear` to return."""

    def __init__(
        self,
        *,
        projects: Projects,
        coins: Coins,
        shelf: Shelf,
        clock: Clock,
        observer: Observer,
        fault_log: FaultLog,
        limits: LearnerLimits | None = None,
    ) -> None:
        self._projects = projects
        self._coins = coins
        self._shelf = shelf
        self._clock = clock
        self._observer = observer
        self._fault_log = fault_log
        self._limits = limits or LearnerLimits()
        self._queue: asyncio.Queue[tuple[News, asyncio.Future[None]]] = asyncio.Queue(_QUEUE)
        self._books: dict[str, _Open] | None = None
        self._numbers: dict[str, int] = {}
        self._ended: dict[tuple[str, str, int], tuple[Vouched, ...]] = {}
        self._shown: set[str] = set()
        self._faults = Faults()

    async def hear(self, news: News) -> None:
        """Returns once the news and all that follows from it is kept; raises what the shelf raises where it is not, and nothing is:
        TransientError, also where other news of the same turn was to blame, or StaleReceiptError, where its own receipt is stale."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._queue.put((news, done))
        await done

    async def turn(self, wait_s: float) -> None:
        """Hears what waits, or waits for it up to `wait_s`, and lets time go by in all books.

        Raises what the shelf raises; whoever brought the news hears it too.
        """
        waiting = await self._waiting(wait_s)
        wanted: dict[str, Wanted] = {}
        try:
            books = await self._opened()
            # Here, and not in the thread: whoever follows the projects changes them between two turns of the loop.
            wanted = self._wanted()
            turn = await asyncio.to_thread(self._advance, books, wanted, [news for news, _ in waiting])
            pages = turn.all()
            if waiting or pages:
                await self._shelf.keep(pages, [news.receipt for news, _ in waiting])
        except BaseException as error:
            self._books = None
            if isinstance(error, BrokenBookError):
                self._faults.note(wanted[error.project], error.why, self._clock.now_ms())
            for news, done in waiting:
                if not done.done():
                    done.set_exception(_fate(error, news))
            raise
        for _, done in waiting:
            if not done.done():
                done.set_result(None)
        self._tell(turn, pages)

    async def put_away(self) -> None:
        """Snapshots of all books: the next start need not read their journals. Nothing more is shown of them here."""
        self._observer.gone(self._shown)
        self._fault_log.stand({})
        self._shown = set()
        if self._books is None:
            return
        pages = []
        for opened in self._books.values():
            # Of one that cannot be taken, the journal is read.
            with contextlib.suppress(*OF_ONE_BOOK):
                if opened.rows:
                    pages.append(Page(subject=opened.book.subject, snapshot=dump_book(opened.book)))
        self._books = None
        await self._shelf.keep(pages, [])

    async def _waiting(self, wait_s: float) -> list[tuple[News, asyncio.Future[None]]]:
        taken: list[tuple[News, asyncio.Future[None]]] = []
        try:
            async with asyncio.timeout(wait_s):
                taken.append(await self._queue.get())
        except TimeoutError:
            return []
        # What follows within a moment shares the transaction.
        await asyncio.sleep(self._limits.gather_s)
        while not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return taken

    async def _opened(self) -> dict[str, _Open]:
        if self._books is None:
            shelved = await self._shelf.load()
            self._numbers = dict(shelved.gate_numbers)
            self._ended = {model: tuple(vouched) for model, vouched in shelved.ended.items()}
            books = await asyncio.to_thread(lambda: [self._read(each) for each in shelved.books])
            self._books = {opened.book.subject.project: opened for opened in books}
        return self._books

    def _read(self, shelved: ShelvedBook) -> _Open:
        """The book as it was when the last of it was kept. What it did then is known already."""
        earlier = self._ended.get(shelved.subject.model, ())
        try:
            book = self._made_again(shelved)
        except _UNREADABLE as error:
            empty = Book(shelved.subject, self._limits.book, _NO_POLICY)
            return _Open(empty, began=False, unreadable=said_of(error), earlier=earlier, vouched=shelved.vouched)
        return _Open(book, began=False, earlier=earlier, vouched=shelved.vouched, rows=len(shelved.events))

    def _made_again(self, shelved: ShelvedBook) -> Book:
        if shelved.unreadable:
            raise ValueError(shelved.unreadable)
        book = Book(shelved.subject, self._limits.book)
        if shelved.snapshot is not None:
            book = load_book(shelved.snapshot, shelved.subject, self._limits.book)
        for event in shelved.events:
            book.apply(event)
        book.take_steps()
        book.take_audits()
        return book

    def _wanted(self) -> dict[str, Wanted]:
        """What is to be certified now, by project."""
        found = (
            (subject_of(project, self._projects.live_version(project)), project.version)
            for project in self._projects.all()
        )
        return {
            subject.project: Wanted(subject=subject, project_version=version)
            for subject, version in found
            if subject is not None
        }

    def _advance(self, books: dict[str, _Open], wanted: dict[str, Wanted], news: Sequence[News]) -> _Turn:
        turn, now_ms = _Turn(), self._clock.now_ms()
        lost = "; ".join(each.lost for each in news if each.lost)
        self._follow_projects(books, wanted, now_ms, turn, lost)
        heard = Heard(now_ms, self._coins.toss)
        for each in news:
            for prediction, written_ms in each.predictions:
                heard.prediction(prediction, written_ms)
            for task, written_ms in each.tasks:
                heard.task(task, written_ms)
            for label in each.labels:
                heard.label(label)
        numbers = dict(self._numbers)
        for name, opened in list(books.items()):
            try:
                events = heard.events(opened.book)
                if opened.book.is_due_to_tick(now_ms):
                    events.append(Ticked(at_ms=now_ms, horizon_ms=self._clock.horizon_ms()))
                self._write(name, opened, events, now_ms, turn)
            except OF_ONE_BOOK as error:
                self._faults.note(wanted[name], said_of(error), now_ms)
                self._numbers[name] = numbers.get(name, 0)
        self._set_aside(books, now_ms, turn)
        return turn

    def _follow_projects(
        self, books: dict[str, _Open], wanted: dict[str, Wanted], now_ms: int, turn: _Turn, lost: str
    ) -> None:
        """A book for each subject that is to be certified now, and none for any other; one that can be read, is whole, and has `lost`
        nothing."""
        turn.ended += [Page(subject=subject, ended=True) for subject in self._faults.follow(wanted)]
        self._set_aside(books, now_ms, turn)
        before: dict[str, _Open] = {}
        for name, opened in list(books.items()):
            if name not in wanted or wanted[name].subject != opened.book.subject or opened.unreadable or lost:
                before[name] = books.pop(name)
                turn.ended.append(self._end(before[name], now_ms, is_torn=bool(lost)))
            else:
                # The same, but perhaps from another version of the project on.
                opened.book.subject = wanted[name].subject
        for name, each in wanted.items():
            if name in books or name in self._faults:
                continue
            try:
                book = Book(each.subject, self._limits.book)
            except OF_ONE_BOOK as error:
                self._faults.note(each, said_of(error), now_ms)
                continue
            books[name] = _Open(book, began=True, earlier=self._ended.get(each.subject.model, ()))
            book.begin(_why_it_begins(each.subject, before.get(name), lost), now_ms)

    def _set_aside(self, books: dict[str, _Open], now_ms: int, turn: _Turn) -> None:
        """Ends what broke, and has not ended yet."""
        done = {page.subject.project for page in turn.ended if page.fault is not None}
        for name, fault in self._faults.unkept().items():
            if name in done:
                continue
            turn.points.pop(name, None)
            opened = books.pop(name, None)
            page = Page(subject=fault.subject, ended=True) if opened is None else self._end(opened, now_ms)
            page.fault = fault
            turn.ended.append(page)

    def _end(self, gone: _Open, now_ms: int, *, is_torn: bool = False) -> Page:
        subject = gone.book.subject
        vouched = (gone.vouched.torn(gone.book.course.time_of(0)) if is_torn else gone.vouched).closed(now_ms)
        if vouched.first_gate:
            self._ended[subject.model] = (*self._ended.get(subject.model, ()), vouched)
        return Page(subject=subject, ended=True, vouched=vouched)

    def _write(self, name: str, opened: _Open, events: Iterable[Event], now_ms: int, turn: _Turn) -> None:
        book = opened.book
        page = Page(subject=book.subject, began=opened.began)
        opened.began = False
        for event in events:
            book.apply(event)
            page.events.append(event)
            opened.rows += 1 if isinstance(event, Ticked) else len(event.record_ids)
        page.steps, page.audits = book.take_steps(), book.take_audits()
        self._publish(opened, page, now_ms)
        if page.steps or page.began or abs(now_ms - opened.point_at_ms) >= _POINT_EVERY_MS:
            opened.point_at_ms = now_ms
            page.point = turn.points[name] = point_of(book, now_ms)
        grown = opened.rows >= self._limits.journal_rows
        if grown and abs(now_ms - opened.snapshot_at_ms) >= self._limits.snapshot_ms:
            page.snapshot, opened.rows, opened.snapshot_at_ms = dump_book(book), 0, now_ms
        if page.events or page.began or page.gate is not None or page.point is not None:
            turn.pages[name] = page

    def _publish(self, opened: _Open, page: Page, now_ms: int) -> None:
        subject, standing = opened.book.subject, opened.book.standing
        page.is_new_gate = standing != opened.told
        until_ms = self._known_until_ms(opened.book, now_ms)
        # The first gate may be told before the horizon is known, and is void then: it is renewed as soon as there is one.
        renew_ms = self._limits.renew_ms
        moved_ms = max(abs(now_ms - opened.told_at_ms), abs(until_ms - opened.told_until_ms))
        if not page.is_new_gate and moved_ms < renew_ms:
            return
        if page.is_new_gate:
            self._numbers[subject.project] = self._numbers.get(subject.project, 0) + 1
        opened.told, opened.told_at_ms, opened.told_until_ms = standing, now_ms, until_ms
        page.gate_number = self._numbers[subject.project]
        page.vouched = opened.vouched = Vouched(
            first_gate=opened.vouched.first_gate or page.gate_number,
            confirmed_until_ms=opened.book.confirmed_until_ms,
            suspicions=standing.suspicions,
        )
        page.gate = published_gate(
            subject,
            standing,
            gate_id=gate_id(subject.project, page.gate_number),
            coin_key_id=self._coins.key_id,
            vouched=opened.vouched,
            earlier=opened.earlier,
            expires_at=expiry(until_ms, self._limits.gate_lifetime_s),
            lifetime_s=self._limits.gate_lifetime_s,
        )

    def _known_until_ms(self, book: Book, now_ms: int) -> int:
        """From when on a gate lives: an open one must not outlive what is known of the stream, whose change nobody here would see."""
        if book.keeper.state is not GateState.CERTIFIED:
            return now_ms
        return min(now_ms, max(book.horizon_ms, self._clock.horizon_ms()))

    def _tell(self, turn: _Turn, pages: Sequence[Page]) -> None:
        self._faults.kept()
        self._fault_log.stand(self._faults.reasons())
        ended = {page.subject.project for page in turn.ended} - (self._books or {}).keys()
        if ended:
            self._observer.gone(ended)
        if turn.points:
            self._observer.changed(turn.points)
        self._shown = (self._shown | turn.points.keys()) - ended
        steps: list[tuple[Subject, Step]] = [(page.subject, step) for page in pages for step in page.steps]
        if steps:
            self._observer.stepped(steps)


def _why_it_begins(subject: Subject, before: _Open | None, lost: str) -> str:
    """The reason of a book's first transition, where the one `before` ended for it."""
    if before is not None and before.unreadable:
        return (
            f"the book before cannot be read ({before.unreadable[:200]}): evidence begins anew, and so does the count of "
            "certificates that may have been wrong"
        )
    changed = "" if before is None else "; ".join(filter(None, [lost, *changes(before.book.subject, subject)]))
    why = f"{changed[:_REASON]}: " if changed else ""
    return f"{why}model {subject.model_name} {subject.model_version}: no evidence yet"


def _fate(error: BaseException, news: News) -> BaseException:
    """What whoever brought the news hears: a turn that was cancelled is no reason for them to be, nor is another's stale receipt."""
    if isinstance(error, asyncio.CancelledError):
        return TransientError("learning is stopping")
    if isinstance(error, StaleReceiptError) and all(news.receipt is not stale for stale in error.receipts):
        return TransientError(f"nothing of this turn was kept: {error}")
    return error
