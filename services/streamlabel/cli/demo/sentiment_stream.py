"""The stream of texts: film reviews that the model has not seen, then tweets, then newspaper sentences, and what people said of them.

All is a function of the run's name and of a record's id, as with digits: whoever knows the id knows the text and its ratings.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection

from streamlabel.cli.demo.digit_stream import RUN_NAME, generator
from streamlabel.core.identity import RecordKey
from streamlabel.core.record import Record, TextPayload
from streamlabel.errors import ConfigurationError
from streamlabel.local.rated_texts import Kind, RatedText, RatedTexts, opinion_of
from streamlabel.wire.records import content_hash

# In the order of the stream; products are left out.
PARTS = {"films": Kind.FILMS, "tweets": Kind.TWEETS, "newspaper": Kind.NEWSPAPER}
_RECORD_ID = re.compile(r"text-([0-9a-f]{12})-(films|tweets|newspaper)-(\d{5})")


class SentimentStream:
    """Each text once: all of one kind in a shuffled order, then all of the next.

    A shorter stream has fewer of each kind, in proportion. `films` are the lines of the film reviews that may come.
    """

    parts = tuple(PARTS)
    turned_from = None

    def __init__(
        self, run: str, texts: RatedTexts, films: Collection[int], *, project: str, count: int | None = None
    ) -> None:
        if not RUN_NAME.fullmatch(run):
            raise ConfigurationError(f"{run!r} is no name of a run: 12 hexadecimal digits")
        self.run = run
        self.project = project
        self._rows = {name: range(len(texts[kind])) for name, kind in PARTS.items()} | {"films": sorted(films)}
        self._texts = texts
        self._orders: dict[tuple[str, str], list[int]] = {}
        self._ends = self._ends_at(self.distinct if count is None else count)

    @property
    def id_prefix(self) -> str:
        """How the ids of this run begin, and no others."""
        return f"text-{self.run}-"

    @property
    def distinct(self) -> int:
        """How many texts there are."""
        return sum(map(len, self._rows.values()))

    def record_id(self, number: int) -> str:
        """The id of record `number`, counted from 0: it names the kind of text."""
        begin = 0
        for name, end in self._ends.items():
            if number < end:
                return f"{self.id_prefix}{name}-{number - begin:05d}"
            begin = end
        raise ConfigurationError(f"record {number} is beyond the end of a stream of {begin}")

    def record(self, number: int) -> Record:
        """Record `number`, ready for the door."""
        record_id = self.record_id(number)
        rated = self._rated(record_id)
        assert rated is not None, "an id of our own"
        payload = TextPayload(rated.text)
        return Record(
            key=RecordKey(project=self.project, record_id=record_id),
            payload=payload,
            content_hash=content_hash(payload, {}),
        )

    def number(self, record_id: str) -> int | None:
        """Which record of this run it is; None for a record of another run, or of none."""
        match = _RECORD_ID.fullmatch(record_id)
        if match is None or match[1] != self.run:
            return None
        begin = 0
        for name, end in self._ends.items():
            if name == match[2]:
                return begin + int(match[3])
            begin = end
        return None

    def part_of(self, record_id: str) -> str | None:
        """The part of the stream that a record belongs to; None for a record that no run made."""
        match = _RECORD_ID.fullmatch(record_id)
        return match[2] if match else None

    def truth(self, record_id: str) -> str | None:
        """The opinion that the mean of all ratings of the text comes to; None for a record that no run made."""
        rated = self._rated(record_id)
        return None if rated is None else opinion_of(rated.mean)

    def answer(self, record_id: str, chance: random.Random) -> str | None:
        """The opinion of one of the people who rated this text, drawn by chance; None for a record that no run made."""
        rated = self._rated(record_id)
        return None if rated is None else opinion_of(chance.choice(rated.ratings))

    def contradiction(self, record_id: str, class_name: str) -> float:
        """The share of the people who rated this text that hold another opinion; 1 for a record that no run made."""
        rated = self._rated(record_id)
        if rated is None:
            return 1.0
        return sum(opinion_of(rating) != class_name for rating in rated.ratings) / len(rated.ratings)

    def _rated(self, record_id: str) -> RatedText | None:
        match = _RECORD_ID.fullmatch(record_id)
        if match is None:
            return None
        run, name, place = match[1], match[2], int(match[3])
        order = self._orders.get((run, name))
        if order is None:
            order = self._orders[run, name] = generator(run, name, 0).permutation(self._rows[name]).tolist()
        return self._texts[PARTS[name]][order[place]] if place < len(order) else None

    def _ends_at(self, count: int) -> dict[str, int]:
        if not 1 <= count <= self.distinct:
            raise ConfigurationError(f"there are {self.distinct:,} texts, each of which comes once: not {count:,}")
        ends, seen = {}, 0
        for name, rows in self._rows.items():
            seen += len(rows)
            ends[name] = round(count * seen / self.distinct)
        return ends
