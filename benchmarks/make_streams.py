"""Streams for `simulate` and `gate_policies`, out of public labelled texts and the digits example.

    python -m benchmarks.make_streams OUT [--banking77 FOLDER] [--clinc150 FILE.json]

Writes into the folder OUT `digits.npz`, `digits-rotated.npz`, `sentiment.npz`, `sentiment-films.npz` and, where the texts
are given, `banking77.npz`, `banking77-cut.npz`, `clinc150.npz`, `clinc150-cut.npz`.

Texts go through a logistic regression on TF-IDF, fitted to 3,000 of them (clinc150: 4,500), which are not in the stream;
embeddings are 64 singular vectors. Half-way through a `-cut` stream two words in five lose their second half. The example's
own model answers the digits, each of which comes several times, shifted and turned by chance; half-way through
`digits-rotated` all turn by 35° more.

`sentiment` is the stream of the demo: film reviews that the example's model has not seen, tweets, newspaper sentences. What
counts as right of a text is what one of the people who rated it said, drawn by chance: nobody else is asked. `sentiment-films` is
the first part of it.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from scipy import ndimage
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from benchmarks.gate_policies import DIGITS, probabilities_of, unseen_digits
from streamlabel.cli.demo.repertoire import unseen
from streamlabel.cli.demo.sentiment_stream import SentimentStream
from streamlabel.core.project import TextEncoder
from streamlabel.core.record import TextPayload
from streamlabel.inference.rules.tensors import encode_text
from streamlabel.local.datasets import load_digits
from streamlabel.local.places import cache_dir
from streamlabel.local.rated_texts import OPINIONS, Kind, load_rated_texts

_DIMENSIONS = 64
_DIGITS = 20_000
_TURN_DEGREES = 35
_SENTIMENT = DIGITS.parent / "sentiment"
_ROWS_AT_ONCE = 500


def texts_of_banking77(folder: Path) -> tuple[list[str], list[str]]:
    """Texts and intents of train.csv and test.csv."""
    rows = []
    for name in ("train.csv", "test.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows += list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["category"] for row in rows]


def texts_of_clinc150(file: Path) -> tuple[list[str], list[str]]:
    """Texts and intents of all three splits; those out of scope are left out."""
    splits = json.loads(file.read_text(encoding="utf-8"))
    pairs = [pair for split in ("train", "val", "test") for pair in splits[split]]
    return [text for text, _ in pairs], [intent for _, intent in pairs]


def text_streams(texts: Sequence[str], intents: Sequence[str], train: int, out: Path, name: str) -> None:
    """Writes the plain stream and the one that is cut half-way."""
    chance = np.random.default_rng(3)
    order = chance.permutation(len(texts))
    texts = [texts[place] for place in order]
    names = sorted(set(intents))
    labels = np.array([names.index(intents[place]) for place in order])
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2).fit(texts)
    space = TruncatedSVD(_DIMENSIONS, random_state=0).fit(words.transform(texts))
    model = LogisticRegression(C=10, max_iter=300).fit(words.transform(texts[:train]), labels[:train])

    def write(stream: Sequence[str], to: str) -> None:
        rows = words.transform(stream)
        save(out / f"{to}.npz", model.predict_proba(rows), labels[train:], normalize(space.transform(rows)))

    plain = texts[train:]
    write(plain, name)
    half = len(plain) // 2
    write([*plain[:half], *(cut(text, chance) for text in plain[half:])], f"{name}-cut")


def cut(text: str, chance: np.random.Generator) -> str:
    """The text with two words in five cut in half."""
    return " ".join(word if chance.random() < 0.6 else word[: max(1, len(word) // 2)] for word in text.split())


def digit_streams(out: Path) -> None:
    """Writes the plain stream and the one that turns half-way."""
    digits = load_digits(cache_dir())
    unseen = unseen_digits(digits)
    session = onnxruntime.InferenceSession(DIGITS / "digits.onnx")
    for name, turn in (("digits", 0), ("digits-rotated", _TURN_DEGREES)):
        chance = np.random.default_rng(5)
        drawn = unseen[chance.integers(0, len(unseen), _DIGITS)]
        turns = chance.normal(0, 5, _DIGITS) + np.where(np.arange(_DIGITS) < _DIGITS // 2, 0, turn)
        shifts = chance.integers(-2, 3, (_DIGITS, 2))
        pictures = np.stack([
            np.roll(ndimage.rotate(digits.images[place], angle, reshape=False, order=1), shift, axis=(0, 1))
            for place, angle, shift in zip(drawn, turns, shifts, strict=True)
        ])  # fmt: skip
        logits, embeddings = session.run(None, {"image": pictures[..., None]})
        save(out / f"{name}.npz", probabilities_of(logits), digits.labels[drawn].astype(np.int64), embeddings)


def sentiment_streams(out: Path) -> None:
    """Writes the whole stream and its first part."""
    texts = load_rated_texts(cache_dir())
    films = unseen(_SENTIMENT / "split.json", len(texts[Kind.FILMS]))
    stream = SentimentStream("0" * 12, texts, films, project="sentiment")
    payloads = [stream.record(number).payload for number in range(stream.distinct)]
    encoder = TextEncoder(length=256)
    rows = encode_text([each for each in payloads if isinstance(each, TextPayload)], encoder, "INT32").rows
    session = onnxruntime.InferenceSession(_SENTIMENT / "sentiment.onnx")
    pieces = [
        session.run(None, {"text": rows[begin : begin + _ROWS_AT_ONCE]}) for begin in range(0, len(rows), _ROWS_AT_ONCE)
    ]
    logits, embeddings = (np.concatenate(part) for part in zip(*pieces, strict=True))
    chance = random.Random(7)
    said = [stream.answer(stream.record_id(number), chance) for number in range(stream.distinct)]
    labels = np.array([OPINIONS.index(str(opinion)) for opinion in said])
    for name, part in (("sentiment", slice(None)), ("sentiment-films", slice(0, len(films)))):
        save(out / f"{name}.npz", probabilities_of(logits[part]), labels[part], embeddings[part])


def save(
    path: Path,
    probabilities: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    embeddings: npt.NDArray[np.float64],
) -> None:
    """Writes one stream and says how often its model errs."""
    np.savez(path, probabilities=probabilities, labels=labels, embeddings=embeddings)
    wrong = float((probabilities.argmax(axis=1) != labels).mean())
    sys.stderr.write(f"{path}: {len(labels):,} records, {wrong:.1%} of the answers wrong\n")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--banking77", type=Path, metavar="FOLDER")
    parser.add_argument("--clinc150", type=Path, metavar="FILE.json")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    digit_streams(given.out)
    sentiment_streams(given.out)
    if given.banking77:
        text_streams(*texts_of_banking77(given.banking77), 3000, given.out, "banking77")
    if given.clinc150:
        text_streams(*texts_of_clinc150(given.clinc150), 4500, given.out, "clinc150")


if __name__ == "__main__":
    main()
