"""Stand-ins for what the door speaks to, and records to offer it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from streamlabel.core.project import (
    FeaturesEncoder,
    ModelBinding,
    OutputKind,
    Project,
    ReviewAllPolicy,
)
from streamlabel.core.record import FeaturesPayload, ImagePayload, Payload, PayloadKind, TextPayload, UriPayload
from streamlabel.core.submission import NewRecord, RecordStatus
from streamlabel.core.taxonomy import ClassDefinition, Taxonomy
from streamlabel.errors import StreamlabelError, TransientError
from streamlabel.ingest.adapters.offers import offer_of
from streamlabel.ingest.handler import Intake
from streamlabel.ingest.ports import Arrival
from streamlabel.ingest.rules.admission import Limits, Offer, Refusal
from streamlabel.ingest.rules.recent import RecentRecords
from streamlabel.wire.submissions import to_message

# One grey pixel.
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU"
    b"\0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82"
)
BY_GRPC = Arrival(transport="grpc")


def project(name: str = "mail", kind: PayloadKind = PayloadKind.TEXT, features: int = 0) -> Project:
    model = None
    if features:
        model = ModelBinding(
            name="m",
            version=1,
            input_name="in",
            encoder=FeaturesEncoder(length=features),
            output_name="out",
            output_kind=OutputKind.LOGITS,
        )
    return Project(
        name=name,
        version=1,
        taxonomy=Taxonomy(version=1, classes=(ClassDefinition(name="a"), ClassDefinition(name="b"))),
        payload_kind=kind,
        policy=ReviewAllPolicy(),
        model=model,
    )


MAIL = project()
DIGITS = project("digits", PayloadKind.IMAGE)
WAVES = project("waves", PayloadKind.FEATURES, features=3)


def offer(
    payload: Payload | str = "hello", *, record_id: str = "", to: str = "mail", **more: object
) -> Offer | Refusal:
    """What the door reads when a producer sends this."""
    held = TextPayload(payload) if isinstance(payload, str) else payload
    return offer_of(to_message(NewRecord(project=to, payload=held, record_id=record_id, **more)))  # type: ignore[arg-type]


def text_offer(text: str = "hello", record_id: str = "", to: str = "mail") -> Offer:
    made = offer(text, record_id=record_id, to=to)
    assert isinstance(made, Offer)
    return made


def image_offer() -> Offer:
    made = offer(ImagePayload(PNG, "image/png"), to="mail")
    assert isinstance(made, Offer)
    return made


def features_offer(*values: float, to: str = "waves") -> Offer:
    made = offer(FeaturesPayload(values), to=to)
    assert isinstance(made, Offer)
    return made


def uri_offer() -> Offer:
    made = offer(UriPayload("https://example.org/a"), to="mail")
    assert isinstance(made, Offer)
    return made


class KnownProjects:
    """Projects that are known, and some that will be once somebody looks again."""

    def __init__(self, *known: Project, hidden: Sequence[Project] = (), failure: TransientError | None = None) -> None:
        self.failure = failure
        self.known = {each.name: each for each in known}
        self.hidden = list(hidden)
        self.looks = 0

    def get(self, name: str) -> Project | None:
        return self.known.get(name)

    def names(self) -> Sequence[str]:
        return list(self.known)

    async def look_for(self, names: Iterable[str]) -> None:
        if not self.known.keys() >= set(names):
            self.looks += 1
            if self.failure is not None:
                raise self.failure
            self.known.update({each.name: each for each in self.hidden})


class PaperLog:
    """Writes records down; `hold` keeps the brokers silent until it is released, `fates` decides what they say."""

    def __init__(self) -> None:
        self.written: list[Offer] = []
        self.appends: list[list[Offer]] = []
        self.fates: list[Sequence[StreamlabelError | None] | Exception] = []
        self.silent: asyncio.Event | None = None

    def hold(self) -> asyncio.Event:
        self.silent = asyncio.Event()
        return self.silent

    async def append(self, offers: Sequence[Offer], arrival: Arrival) -> Sequence[StreamlabelError | None]:
        self.appends.append(list(offers))
        if self.silent is not None:
            await self.silent.wait()
        fates = self.fates.pop(0) if self.fates else [None] * len(offers)
        if isinstance(fates, Exception):
            raise fates
        self.written += [offer for offer, fate in zip(offers, fates, strict=True) if fate is None]
        return fates


class PaperTally:
    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, RecordStatus]] = Counter()
        self.reasons: Counter[str] = Counter()

    def answered(self, arrival: Arrival, outcomes: Mapping[tuple[str, RecordStatus], int], seconds: float) -> None:
        self.outcomes.update(outcomes)

    def refused(self, reasons: Mapping[str, int]) -> None:
        self.reasons.update(reasons)


class StoppedWatch:
    def monotonic_s(self) -> float:
        return 0.0


class Door:
    """An intake with all its surroundings."""

    def __init__(self, *, limits: Limits | None = None, projects: KnownProjects | None = None) -> None:
        self.log = PaperLog()
        self.tally = PaperTally()
        self.projects = projects or KnownProjects(MAIL, DIGITS, WAVES)
        self.intake = Intake(
            projects=self.projects,
            records=self.log,
            limits=limits or Limits(),
            recent=RecentRecords(1000),
            tally=self.tally,
            stopwatch=StoppedWatch(),
        )

    async def statuses(self, *batch: Offer | Refusal) -> list[RecordStatus]:
        return [result.status for result in await self.intake.ingest(batch, BY_GRPC)]


async def turns(count: int = 5) -> None:
    """Lets other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0)
