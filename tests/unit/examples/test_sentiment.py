"""What examples/sentiment says of itself is true and fits together."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from streamlabel.core.project import CertifiedPolicy, Project, TextEncoder
from streamlabel.core.record import TextPayload
from streamlabel.inference.rules.contract import agree
from streamlabel.inference.rules.signature import ModelSignature, TensorSignature
from streamlabel.inference.rules.tensors import encode_text
from streamlabel.local.model_bundle import check_against_graph, read_description
from streamlabel.local.onnx_graph import read_signature
from streamlabel.local.places import cache_dir
from streamlabel.local.rated_texts import OPINIONS, Kind, RatedText, load_rated_texts, opinion_of
from streamlabel.wire.project_file import load_project

SENTIMENT = Path(__file__).parents[3] / "examples" / "sentiment"
TRITON_WORDS = {"int32": "INT32", "float32": "FP32"}
KINDS = {
    "films": "film sentences",
    "tweets": "tweets",
    "newspaper": "newspaper sentences",
    "products": "product reviews",
}


@pytest.fixture(scope="module")
def metrics() -> dict:
    return json.loads((SENTIMENT / "metrics.json").read_text())


@pytest.fixture(scope="module")
def card() -> str:
    return (SENTIMENT / "MODEL_CARD.md").read_text()


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project(SENTIMENT / "project.yaml")


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(SENTIMENT / "sentiment.onnx")


def answers(session: onnxruntime.InferenceSession, texts: Sequence[str]) -> np.ndarray:
    """Logits, by way of the encoder that the project names."""
    encoder = load_project(SENTIMENT / "project.yaml").model.encoder
    assert isinstance(encoder, TextEncoder)
    rows = encode_text([TextPayload(text) for text in texts], encoder, "INT32").rows
    return np.concatenate(
        [session.run(["logits"], {"text": rows[at : at + 500]})[0] for at in range(0, len(rows), 500)]
    )


def test_the_description_is_true_of_the_graph() -> None:
    description = read_description(SENTIMENT / "model.yaml")
    check_against_graph(description, read_signature(description.onnx))


def test_the_project_fits_the_model(project: Project) -> None:
    description = read_description(SENTIMENT / "model.yaml")
    signature = ModelSignature(
        max_batch_rows=description.max_batch_rows,
        inputs=tuple(TensorSignature(name=it.name, datatype=TRITON_WORDS[it.dtype], shape=it.shape) for it in description.inputs),
        outputs=tuple(TensorSignature(name=it.name, datatype=TRITON_WORDS[it.dtype], shape=it.shape) for it in description.outputs),
    )  # fmt: skip

    assert project.model is not None
    assert (project.model.name, project.model.version) == (description.name, description.version)
    assert agree(project, project.model, project.model.version, signature).fault is None
    assert project.taxonomy.names == OPINIONS
    assert project.policy == CertifiedPolicy(alpha=0.2, delta=0.05)


def test_the_file_is_small_and_a_text_has_its_answer_in_any_company(session: onnxruntime.InferenceSession) -> None:
    assert (SENTIMENT / "sentiment.onnx").stat().st_size < 1_000_000
    for rows in (1, 3, 100):
        texts = np.random.default_rng(rows).integers(0, 257, (rows, 256), dtype=np.int32)
        logits, embedding = session.run(["logits", "embedding"], {"text": texts})
        assert (logits.shape, embedding.shape) == ((rows, 3), (rows, 48))
        alone = [session.run(["logits"], {"text": texts[row : row + 1]})[0][0] for row in range(rows)]
        assert np.allclose(logits, alone, atol=1e-4)


def test_no_text_is_too_strange(session: onnxruntime.InferenceSession) -> None:
    texts = ["\0", " ", "x", "!" * 300, "é" * 200, "🎬", "word " * 100, "a" * 1000]
    assert np.isfinite(answers(session, texts)).all()


def test_capitals_and_blanks_mean_nothing_and_order_does(session: onnxruntime.InferenceSession) -> None:
    plain, loud, wide, turned = answers(
        session,
        [
            "a good film, not a bad one",
            "A GOOD FILM, NOT A BAD ONE",
            "a  good film, not a  bad one",
            "a bad film, not a good one",
        ],
    )
    assert np.allclose(plain, loud, atol=1e-5)
    assert np.abs(plain - wide).max() < np.abs(plain - turned).max()


def held_out() -> list[RatedText]:
    films = load_rated_texts(cache_dir())[Kind.FILMS]
    split = json.loads((SENTIMENT / "split.json").read_text())
    seen = {*split["train"], *split["tune"]}
    assert (len(split["train"]), len(split["tune"]), len(seen)) == (5600, 500, 6100)
    assert seen <= set(range(len(films)))
    others = [film for row, film in enumerate(films) if row not in seen]
    assert not {film.text for film in others} & {films[row].text for row in seen}
    return others


def test_the_metrics_are_those_of_the_file(session: onnxruntime.InferenceSession, metrics: dict) -> None:
    films = held_out()
    best = [OPINIONS[place] for place in answers(session, [film.text for film in films]).argmax(axis=1)]
    right = [opinion_of(film.mean) for film in films]
    agreeing = [
        np.mean([opinion_of(rating) == opinion for rating in film.ratings])
        for film, opinion in zip(films, best, strict=True)
    ]
    assert metrics["films"]["texts"] == len(films)
    assert metrics["films"]["accuracy"] == pytest.approx(np.mean(np.array(best) == right), abs=0.0005)
    assert metrics["films"]["agrees_with_one_person"] == pytest.approx(np.mean(agreeing), abs=0.0005)


def test_the_card_quotes_the_metrics(metrics: dict, card: str) -> None:
    assert f"{metrics['onnx_bytes']:,} bytes" in card
    assert metrics["onnx_bytes"] == (SENTIMENT / "sentiment.onnx").stat().st_size
    for name, words in KINDS.items():
        found = metrics[name]
        quoted = re.search(rf"^\| {words} \| \**([\d.]+) %\** \| ([\d.]+) % \| (0\.\d+) \|$", card, re.MULTILINE)
        assert quoted, name
        shares = [found["accuracy"] * 100, found["agrees_with_one_person"] * 100]
        assert [float(quoted[1]), float(quoted[2])] == pytest.approx(shares, abs=0.051)
        assert float(quoted[3]) == pytest.approx(found["mean_score"], abs=0.0051)
    rows = re.findall(r"^\| (\d+ %|all) \| (0\.\d+|–) \| ([\d.]+) % \| ([\d.]+) % \|$", card, re.MULTILINE)
    assert len(rows) == len(metrics["films"]["by_coverage"])
    for (_, _, mean, person), found in zip(rows, metrics["films"]["by_coverage"].values(), strict=True):
        wanted = [found["differs_from_mean"] * 100, found["differs_from_one_person"] * 100]
        assert [float(mean), float(person)] == pytest.approx(wanted, abs=0.051)


@pytest.mark.parametrize("name", ["films", "tweets", "newspaper"])
def test_card_and_project_say_how_often_people_disagree(metrics: dict, card: str, name: str) -> None:
    share = metrics[name]["one_person_differs_from_mean"] * 100
    assert f"| {share:.1f} % |" in card
    assert f"in {share:.0f} % of the {KINDS[name]}" in (SENTIMENT / "project.yaml").read_text().replace("\n# ", " ")
