"""What examples/digits says of itself is true and fits together."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from streamlabel.inference.rules.contract import agree
from streamlabel.inference.rules.signature import ModelSignature, TensorSignature
from streamlabel.local.model_bundle import check_against_graph, read_description
from streamlabel.local.onnx_graph import read_signature
from streamlabel.wire.project_file import load_project

DIGITS = Path(__file__).parents[3] / "examples" / "digits"
TRITON_WORDS = {"uint8": "UINT8", "float32": "FP32"}


@pytest.fixture(scope="module")
def metrics() -> dict:
    return json.loads((DIGITS / "metrics.json").read_text())


@pytest.fixture(scope="module")
def card() -> str:
    return (DIGITS / "MODEL_CARD.md").read_text()


def test_the_description_is_true_of_the_graph() -> None:
    description = read_description(DIGITS / "model.yaml")

    check_against_graph(description, read_signature(description.onnx))


def test_the_project_fits_the_model() -> None:
    project = load_project(DIGITS / "project.yaml")
    description = read_description(DIGITS / "model.yaml")
    signature = ModelSignature(
        max_batch_rows=description.max_batch_rows,
        inputs=tuple(
            TensorSignature(name=each.name, datatype=TRITON_WORDS[each.dtype], shape=each.shape)
            for each in description.inputs
        ),
        outputs=tuple(
            TensorSignature(name=each.name, datatype=TRITON_WORDS[each.dtype], shape=each.shape)
            for each in description.outputs
        ),
    )

    assert project.model is not None
    assert (project.model.name, project.model.version) == (description.name, description.version)
    assert agree(project, project.model, project.model.version, signature).fault is None


def test_the_file_is_small_and_the_batch_axis_free() -> None:
    assert (DIGITS / "digits.onnx").stat().st_size < 1_000_000
    session = onnxruntime.InferenceSession(DIGITS / "digits.onnx")
    for rows in (1, 3, 200):
        pictures = np.random.default_rng(rows).integers(0, 256, (rows, 28, 28, 1), dtype=np.uint8)
        logits, embedding = session.run(["logits", "embedding"], {"image": pictures})
        assert (logits.shape, embedding.shape) == ((rows, 10), (rows, 64))
        alone = [session.run(["logits"], {"image": pictures[row : row + 1]})[0][0] for row in range(rows)]
        assert np.allclose(logits, alone, atol=1e-4)


def test_the_split_is_a_split() -> None:
    split = json.loads((DIGITS / "split.json").read_text())
    train, tune = set(split["train"]), set(split["tune"])

    assert (len(train), len(tune), len(train & tune)) == (900, 100, 0)
    for rows, each in ((train, 90), (tune, 10)):
        # The file is sorted by class, 500 rows of each.
        assert np.bincount(np.array(sorted(rows)) // 500, minlength=10).tolist() == [each] * 10


def test_the_card_quotes_the_metrics(metrics: dict, card: str) -> None:
    heldout = metrics["heldout"]

    assert f"Accuracy **{heldout['accuracy'] * 100:.1f} %**" in card
    assert f"cross entropy {heldout['cross_entropy']:.3f}" in card
    assert f"calibration error {heldout['expected_calibration_error_15_bins'] * 100:.1f} %" in card
    assert f"{metrics['onnx_bytes']:,} bytes" in card
    assert metrics["onnx_bytes"] == (DIGITS / "digits.onnx").stat().st_size
    rows = re.findall(r"^\| (0\.\d+) \| ([\d.]+) % \| ([\d.]+) % \|$", card, re.MULTILINE)
    assert [float(threshold) for threshold, _, _ in rows] == [float(each) for each in heldout["by_threshold"]]
    for (_, coverage, error), measured in zip(rows, heldout["by_threshold"].values(), strict=True):
        assert float(coverage) == pytest.approx(measured["coverage"] * 100, abs=0.051)
        assert float(error) == pytest.approx(measured["error"] * 100, abs=0.0051)
