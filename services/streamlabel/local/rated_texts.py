"""Short texts of four kinds, each with the ratings that people gave it one by one: how they feel, from -4 to +4.

They come with vaderSentiment (Hutto and Gilbert, 2014; MIT licence): sentences of film reviews, of product reviews and of newspaper
editorials, and tweets. Whoever rated is unknown, and the order of the ratings of a text says nothing about it.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from streamlabel.errors import ConfigurationError
from streamlabel.local.pinned_package import PinnedPackage, Report, fetch_package

VADER_SENTIMENT = PinnedPackage(
    package="vaderSentiment",
    version="3.3.2",
    file_name="vaderSentiment-3.3.2.tar.gz",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    size_bytes=2_466_783,
)
ARCHIVE_MEMBER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
LEAST_RATING, GREATEST_RATING = -4, 4
OPINIONS = ("negative", "neutral", "positive")
# Half-way between 0 and 1: a single rating is neutral where it is 0, and a mean where 0 is the nearest whole number.
_NEUTRAL_BELOW = 0.5


class Kind(Enum):
    """Where texts come from; the value begins the names of their files."""

    FILMS = "movieReviewSnippets"
    TWEETS = "tweets"
    PRODUCTS = "amazonReviewSnippets"
    NEWSPAPER = "nytEditorialSnippets"


@dataclass(frozen=True, slots=True)
class RatedText:
    """A text and what each person said of it: -4 extremely negative, 0 neutral or neither, 4 extremely positive."""

    text: str
    ratings: tuple[int, ...]

    @property
    def mean(self) -> float:
        """The mean of its ratings. The file of texts names another one for 199 tweets; this is that of the ratings."""
        return sum(self.ratings) / len(self.ratings)


def opinion_of(rating: float) -> str:
    """One of OPINIONS: that of a person who rated so, or of many whose mean it is."""
    if abs(rating) < _NEUTRAL_BELOW:
        return OPINIONS[1]
    return OPINIONS[2] if rating > 0 else OPINIONS[0]


RatedTexts = Mapping[Kind, tuple[RatedText, ...]]


def load_rated_texts(cache_dir: Path, report: Report | None = None) -> RatedTexts:
    """All texts, from `cache_dir` where they have been fetched before, else from the package index."""
    return read_rated_texts(fetch_package(VADER_SENTIMENT, cache_dir, report))


def read_rated_texts(distribution: Path) -> RatedTexts:
    """The texts of each kind in the order of their file; a distribution without them is refused."""
    try:
        with tarfile.open(distribution) as outer:
            inner = outer.extractfile(ARCHIVE_MEMBER)
            if inner is None:
                raise KeyError(ARCHIVE_MEMBER)
            with tarfile.open(fileobj=io.BytesIO(inner.read())) as archive:
                return {kind: _read(archive, kind) for kind in Kind}
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise ConfigurationError(
            f"{distribution} holds no readable {ARCHIVE_MEMBER}: {error}; delete the file"
        ) from error


def _read(archive: tarfile.TarFile, kind: Kind) -> tuple[RatedText, ...]:
    texts = {row[0]: row[2] for row in _rows(archive, f"{kind.value}_GroundTruth.txt", 3)}
    ratings = {row[0]: _ratings(row[3]) for row in _rows(archive, f"{kind.value}_anonDataRatings.txt", 4)}
    if not texts or texts.keys() != ratings.keys():
        raise ValueError(f"the texts and the ratings of {kind.name.lower()} do not belong together")
    return tuple(RatedText(text, ratings[name]) for name, text in texts.items())


def _rows(archive: tarfile.TarFile, name: str, columns: int) -> list[list[str]]:
    file = archive.extractfile(f"hutto_ICWSM_2014/{name}")
    if file is None:
        raise KeyError(name)
    # Some of the files begin with a mark of their encoding. A text may hold what str.splitlines takes for an end of line.
    lines = file.read().decode("utf-8-sig").split("\n")
    rows = [[part.strip() for part in line.split("\t", columns - 1)] for line in lines if line.strip()]
    if any(len(row) != columns for row in rows):
        raise ValueError(f"a line of {name} has not {columns} columns")
    return rows


def _ratings(written: str) -> tuple[int, ...]:
    ratings = json.loads(written)
    if not ratings or any(not isinstance(each, int) or not LEAST_RATING <= each <= GREATEST_RATING for each in ratings):
        raise ValueError(f"{written[:40]!r} are no ratings")
    return tuple(ratings)
