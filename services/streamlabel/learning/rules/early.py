"""What is told of a record before the record itself is known: topics are read each at their own pace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from streamlabel.learning.rules.events import Answer, Word


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyWord:
    """Routing's word, and people's where there is one, both about a record that is not known yet; heard at `heard_ms`."""

    word: Word
    answer: Answer | None
    heard_ms: int


class EarlyWords:
    """Words by record, `most` at most: the oldest go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._words: dict[str, EarlyWord] = {}

    def __len__(self) -> int:
        return len(self._words)

    def __iter__(self) -> Iterator[tuple[str, EarlyWord]]:
        yield from self._words.items()

    def keep(self, record_id: str, word: Word, answer: Answer | None, heard_ms: int) -> None:
        """Adds to what is known of the record. Only routing's own word has a date, and the later answer counts."""
        known = self._words.pop(record_id, None)
        if known is not None:
            word = word if known.word.decided_ms is None else known.word
            answer = known.answer if answer is None else answer
        self._words[record_id] = EarlyWord(word=word, answer=answer, heard_ms=heard_ms)
        if len(self._words) > self._most:
            del self._words[next(iter(self._words))]

    def take(self, record_ids: Iterable[str]) -> list[tuple[str, EarlyWord]]:
        """What was told of these, which are known now."""
        return [(record_id, self._words.pop(record_id)) for record_id in record_ids if record_id in self._words]

    def forget_before(self, horizon_ms: int) -> None:
        """Drops what was heard before this moment, up to which every record is known that routing could know: those of which there
        is still no word passed, are done with, or are of no use."""
        self._words = {record_id: each for record_id, each in self._words.items() if each.heard_ms >= horizon_ms}

    def put_back(self, words: Iterable[tuple[str, EarlyWord]]) -> None:
        """As `__iter__` gave them."""
        self._words.update(words)
