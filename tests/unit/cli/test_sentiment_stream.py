"""The stream of texts: films, tweets, newspaper, each text once, and people who say what people said."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from streamlabel.cli.demo.sentiment_stream import SentimentStream
from streamlabel.core.record import TextPayload
from streamlabel.errors import ConfigurationError
from streamlabel.local.rated_texts import Kind, RatedText

RUN, OTHER_RUN = "0123456789ab", "ba9876543210"
# Each text tells its kind and place; what people said of it depends on the place.
SAID = ((-2, -1, -1, 0), (0, 0, 1, -1), (3, 2, 1, 0), (-4, 4, 4, 4))
OPINIONS_SAID = (
    {"negative", "neutral"},
    {"negative", "neutral", "positive"},
    {"positive", "neutral"},
    {"negative", "positive"},
)
TEXTS = {
    kind: tuple(RatedText(f"{kind.name} {place}", SAID[place % 4]) for place in range(count))
    for kind, count in ((Kind.FILMS, 40), (Kind.TWEETS, 20), (Kind.PRODUCTS, 10), (Kind.NEWSPAPER, 30))
}
FILMS = range(10, 40)


def stream(run: str = RUN, count: int | None = None) -> SentimentStream:
    return SentimentStream(run, TEXTS, FILMS, project="sentiment", count=count)


def text(of: SentimentStream, number: int) -> str:
    payload = of.record(number).payload
    assert isinstance(payload, TextPayload)
    return payload.text


def test_each_text_comes_once_films_first_and_none_that_the_model_has_seen() -> None:
    played = stream()
    assert played.distinct == 80
    texts = [text(played, number) for number in range(80)]
    assert set(texts[:30]) == {f"FILMS {place}" for place in FILMS}
    assert set(texts[30:50]) == {f"TWEETS {place}" for place in range(20)}
    assert set(texts[50:]) == {f"NEWSPAPER {place}" for place in range(30)}
    assert texts[:30] != sorted(texts[:30])
    assert texts != [text(stream(OTHER_RUN), number) for number in range(80)]
    with pytest.raises(ConfigurationError, match="beyond the end"):
        played.record_id(80)


def test_a_shorter_stream_has_all_kinds_and_is_the_beginning_of_each() -> None:
    short, whole = stream(count=40), stream()
    assert Counter(short.part_of(short.record_id(number)) for number in range(40)) == {
        "films": 15,
        "tweets": 10,
        "newspaper": 15,
    }
    assert [text(short, number) for number in range(15)] == [text(whole, number) for number in range(15)]
    assert [short.number(short.record_id(number)) for number in range(40)] == list(range(40))
    tiny = stream(count=1)
    assert tiny.part_of(tiny.record_id(0)) in tiny.parts


@pytest.mark.parametrize("count", [0, 81])
def test_more_than_there_is_is_refused(count: int) -> None:
    with pytest.raises(ConfigurationError, match="there are 80 texts, each of which comes once"):
        stream(count=count)


def test_the_truth_is_that_of_the_mean_and_an_answer_that_of_one_person() -> None:
    played, chance = stream(), random.Random(1)
    for number in range(80):
        record_id = played.record_id(number)
        place = int(text(played, number).split()[1])
        assert played.truth(record_id) == ("negative", "neutral", "positive", "positive")[place % 4]
        said = Counter(played.answer(record_id, chance) for _ in range(400))
        assert set(said) == OPINIONS_SAID[place % 4]
        assert played.contradiction(record_id, "positive") == (1.0, 0.75, 0.25, 0.25)[place % 4]
        assert said["positive"] / 400 == pytest.approx((0.0, 0.25, 0.75, 0.75)[place % 4], abs=0.1)


def test_another_process_knows_the_truth_of_any_run_however_long() -> None:
    one, other = stream(count=40), stream(OTHER_RUN)
    for number in (0, 20, 39):
        assert other.truth(one.record_id(number)) == one.truth(one.record_id(number))
    assert other.number(one.record_id(3)) is None


@pytest.mark.parametrize(
    "record_id", ["tweet-17", f"text-{RUN}-films-00030", f"text-{RUN}-products-00001", f"text-{RUN}-films-1"]
)
def test_a_foreign_record_is_known_to_nobody(record_id: str) -> None:
    played = stream()
    assert played.truth(record_id) is None
    assert played.answer(record_id, random.Random(1)) is None
    assert played.contradiction(record_id, "positive") == 1.0


def test_ids_tell_run_and_kind() -> None:
    played = stream()
    assert played.record(31).key.encode().startswith(f"sentiment/{played.id_prefix}tweets-".encode())
    with pytest.raises(ConfigurationError, match="no name of a run"):
        SentimentStream("mine", TEXTS, FILMS, project="sentiment")
