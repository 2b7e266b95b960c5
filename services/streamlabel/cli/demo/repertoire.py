"""The demos that there are: which options each takes, and how its stream is had."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamlabel.cli.demo.digit_stream import DigitStream, new_run_name
from streamlabel.cli.demo.options import DemoOptions
from streamlabel.cli.demo.play import Answer, Play, Wording
from streamlabel.cli.demo.sentiment_stream import SentimentStream
from streamlabel.core.project import Project
from streamlabel.errors import ConfigurationError
from streamlabel.local.datasets import load_digits
from streamlabel.local.places import cache_dir
from streamlabel.local.rated_texts import Kind, load_rated_texts

DIGITS_WORDING = Wording(items="digits", headline="handwritten digits, labelled as they come")
SENTIMENT_WORDING = Wording(
    items="texts",
    headline="films, tweets, newspaper: how they feel, to people who really said so",
    truth=(
        "Wrong is what differs from the mean of all ratings of a text. The gate knows what one person said of it, "
        "and one person alone often differs from the mean."
    ),
)
_DIGIT_READERS_ERROR = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One demo. `refuse` raises ConfigurationError for options that make no sense for it; `open` fetches what it needs, saying so."""

    per_second: float
    refuse: Callable[[DemoOptions], None]
    open: Callable[[DemoOptions, Project, Path, Callable[[str], None]], Play]


def unseen(split_file: Path, total: int) -> list[int]:
    """The rows, of `total`, that the model has never seen, in order; raises ConfigurationError where the split is unreadable."""
    try:
        split = json.loads(split_file.read_text(encoding="utf-8"))
        seen = {int(row) for part in ("train", "tune") for row in split[part]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{split_file} does not say which rows the model has seen: {error}") from error
    return [row for row in range(total) if row not in seen]


def fallible(truth: Callable[[str], str | None], classes: Sequence[str], error_rate: float) -> Answer:
    """People who say what is right, but for `error_rate` of their answers, which are any of the other classes."""

    def answer(record_id: str, chance: random.Random) -> str | None:
        right = truth(record_id)
        if right is None or chance.random() >= error_rate:
            return right
        return chance.choice([name for name in classes if name != right])

    return answer


def _open_digits(options: DemoOptions, project: Project, split_file: Path, say: Callable[[str], None]) -> Play:
    digits = load_digits(cache_dir(), say)
    rows = unseen(split_file, len(digits))
    count = len(rows) if options.records is None and not options.endless else options.records
    # A stream that goes beyond the first round looks the same all along, or else the gate would notice.
    longer = count is None or count > len(rows)
    stream = DigitStream(
        new_run_name(),
        digits,
        rows,
        project=project.name,
        distorted=longer or options.drift,
        turned_from=count // 2 if options.drift and count is not None else None,
    )
    error_rate = _DIGIT_READERS_ERROR if options.annotator_error is None else options.annotator_error
    answer = fallible(stream.truth, project.taxonomy.names, error_rate)
    return Play(stream=stream, count=count, answer=answer, wording=DIGITS_WORDING)


def _refuse_for_digits(options: DemoOptions) -> None:
    if options.endless and (options.records is not None or options.exit_when_done):
        raise ConfigurationError("--endless never ends: it does not go with --records or --exit")
    if options.endless and options.drift:
        raise ConfigurationError("--drift changes the stream in its middle: --endless has none; say --records N")


def _open_sentiment(options: DemoOptions, project: Project, split_file: Path, say: Callable[[str], None]) -> Play:
    texts = load_rated_texts(cache_dir(), say)
    films = unseen(split_file, len(texts[Kind.FILMS]))
    stream = SentimentStream(new_run_name(), texts, films, project=project.name, count=options.records)
    count = stream.distinct if options.records is None else options.records
    return Play(stream=stream, count=count, answer=stream.answer, wording=SENTIMENT_WORDING)


def _refuse_for_sentiment(options: DemoOptions) -> None:
    if options.endless:
        raise ConfigurationError("--endless is for digits: of the texts each comes once")
    if options.drift:
        raise ConfigurationError(
            "--drift is for digits: the texts change by themselves, from films to tweets to a newspaper"
        )
    if options.annotator_error is not None:
        raise ConfigurationError("--annotator-error is for digits: of a text, people say what people really said of it")


# Texts come more slowly: nearly all of them go to people.
REPERTOIRE: Mapping[str, Piece] = {
    "digits": Piece(per_second=200.0, refuse=_refuse_for_digits, open=_open_digits),
    "sentiment": Piece(per_second=100.0, refuse=_refuse_for_sentiment, open=_open_sentiment),
}
