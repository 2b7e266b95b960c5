"""Train the sentiment model on part of the film reviews: hashed words and letters that vote, and a GRU in JAX, exported to ONNX.

    python -m venv /tmp/train && /tmp/train/bin/pip install -r examples/sentiment/requirements-train.txt
    PYTHONPATH=services /tmp/train/bin/python examples/sentiment/train.py

Writes `sentiment.onnx`, `split.json` (which film sentences were seen in training) and `metrics.json` (what MODEL_CARD.md
quotes) next to this file. It learns what people said of a text one by one, not their mean: a text that divides them is to be
answered with doubt. Everything random is seeded; two runs on one machine give the same numbers.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import network
import numpy as np
import onnx
import onnxruntime
import optax
from jax2onnx import to_onnx
from network import Features, Params

from streamlabel.local.places import cache_dir
from streamlabel.local.rated_texts import OPINIONS, VADER_SENTIMENT, Kind, RatedText, load_rated_texts, opinion_of

HERE = Path(__file__).parent
SEED = 20_241_124
TRAIN, TUNE = 5600, 500
PIECE_ROWS = 500

VOTE_STRENGTH = 6.0  # the larger, the less the votes are held small
VOTE_STEPS = 100
FOLDS = 5
GRU_EPOCHS = 6
LEARNING_RATE = 1.5e-3
BATCH_ROWS = 64
WORD_DROPOUT, DROPOUT = 0.3, 0.4


def encoded(texts: Sequence[RatedText]) -> np.ndarray:
    """int32 [n, LENGTH], as Streamlabel's text encoder gives them."""
    rows = np.zeros((len(texts), network.LENGTH), dtype=np.int32)
    for row, each in zip(rows, texts, strict=True):
        data = np.frombuffer(each.text.encode()[: network.LENGTH], dtype=np.uint8)
        row[: len(data)] = data.astype(np.int32) + 1
    return rows


def shares(texts: Sequence[RatedText]) -> np.ndarray:
    """float32 [n, 3]: which share of those who rated each text holds which opinion."""
    counted = np.zeros((len(texts), len(OPINIONS)), dtype=np.float32)
    for row, each in zip(counted, texts, strict=True):
        for rating in each.ratings:
            row[OPINIONS.index(opinion_of(rating))] += 1 / len(each.ratings)
    return counted


def of_means(texts: Sequence[RatedText]) -> np.ndarray:
    """int64 [n]: the opinion that the mean rating of each text comes to."""
    return np.array([OPINIONS.index(opinion_of(each.mean)) for each in texts])


def split(films: Sequence[RatedText], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows for training, for tuning, and held out; sentences that occur twice are trained on."""
    times = Counter(each.text for each in films)
    twins = [row for row, each in enumerate(films) if times[each.text] > 1]
    order = rng.permutation(np.setdiff1d(np.arange(len(films)), twins))
    train = np.concatenate([order[: TRAIN - len(twins)], twins]).astype(np.int64)
    rest = order[TRAIN - len(twins) :]
    return train, rest[:TUNE], np.sort(rest[TUNE:])


def in_pieces(function: Callable[..., Any], *arrays: Any) -> Any:
    """`function`, compiled, of rows of the arrays, a piece at a time."""
    compiled = jax.jit(function)
    total = len(jax.tree.leaves(arrays)[0])
    pieces = [
        jax.tree.map(np.asarray, compiled(*jax.tree.map(lambda each: each[start : start + PIECE_ROWS], arrays)))  # noqa: B023
        for start in range(0, total, PIECE_ROWS)
    ]
    return jax.tree.map(lambda *parts: np.concatenate(parts), *pieces)


def take(features: Features, rows: np.ndarray) -> Features:
    return Features(*(each[rows] for each in features))


def cross_entropy(logits: jax.Array, wanted: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy(logits, wanted).mean()


def fit_votes(features: Features, wanted: np.ndarray) -> Params:
    """The tables that fit best while being small (ridge), what is rare weighing more; all texts in each step: it is convex."""
    sizes = {"words": network.WORD_ROWS, "pairs": network.PAIR_ROWS, "grams": network.GRAM_ROWS}
    rarity = {name: jnp.asarray(rareness(getattr(features, name), _has(features, name), sizes[name])) for name in sizes}
    free: Params = {name: jnp.zeros((size, network.CLASSES)) for name, size in sizes.items()}
    free["bias"] = jnp.zeros(network.CLASSES)
    held_small = 1 / (2 * VOTE_STRENGTH * len(wanted))

    def tables(free: Params) -> Params:
        return {name: free[name] * rarity[name][:, None] for name in sizes} | {"bias": free["bias"]}

    def loss_of(free: Params) -> jax.Array:
        size = sum((free[name] ** 2).sum() for name in sizes)
        return cross_entropy(network.votes(tables(free), features), wanted) + held_small * size

    optimizer = optax.adam(optax.cosine_decay_schedule(0.1, VOTE_STEPS))
    state = optimizer.init(free)

    @jax.jit
    def step(free: Params, state: Any) -> tuple[Params, Any, jax.Array]:
        loss, gradients = jax.value_and_grad(loss_of)(free)
        updates, state = optimizer.update(gradients, state, free)
        return optax.apply_updates(free, updates), state, loss

    for number in range(VOTE_STEPS):
        free, state, loss = step(free, state)
        if number % 50 == 49:
            print(f"votes: step {number + 1}/{VOTE_STEPS} loss {float(loss):.4f}", flush=True)  # noqa: T201
    # Against neutral: one number for each of the other two says the same as three.
    return {name: (each - each[..., 1:2])[..., ::2] for name, each in tables(free).items()}


def _has(features: Features, name: str) -> np.ndarray:
    return np.asarray(getattr(features, f"has_{name[:-1]}"))


def rareness(rows: np.ndarray, has: np.ndarray, size: int) -> np.ndarray:
    """float32 [size]: the logarithm of how rare each row is among these texts, 1 on average over the rows that occur."""
    texts = np.broadcast_to(np.arange(len(rows)).reshape(-1, *[1] * (rows.ndim - 1)), rows.shape)[has > 0]
    pairs = np.unique(texts.astype(np.int64) * size + rows[has > 0])
    count = np.bincount(pairs % size, minlength=size)
    rare = np.log((1 + len(rows)) / (1 + count)) + 1
    return (rare / rare[count > 0].mean()).astype(np.float32)


def votes_of_others(features: Features, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What tables that were fitted to other texts say of each text, and of each of its words.

    Those that were fitted to the text itself know its answer, and the GRU would learn to believe them.
    """
    fold = np.arange(len(wanted)) % FOLDS
    said = np.zeros((len(wanted), network.VOTES), dtype=np.float32)
    of_words = np.zeros((len(wanted), network.WORDS, network.VOTES), dtype=np.float32)
    for number in range(FOLDS):
        mine = np.flatnonzero(fold == number)
        tables = fit_votes(take(features, fold != number), wanted[fold != number])
        of_words[mine] = in_pieces(lambda rows: network.votes_of_words(tables, rows), take(features, mine))  # noqa: B023
        said[mine] = of_words[mine].sum(axis=1) + np.asarray(tables["bias"])
    return said, of_words


def fit_gru(features: Features, wanted: np.ndarray, rng: np.random.Generator) -> Params:
    """The recurrent part; its weights are a running mean of those that training went through."""
    said, of_words = votes_of_others(features, wanted)
    weights = network.init_gru(jax.random.key(SEED))
    steps = GRU_EPOCHS * (len(wanted) // BATCH_ROWS)
    optimizer = optax.adamw(
        optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, steps // 10, steps), weight_decay=1e-2
    )

    def loss_of(weights: Params, features: Features, said: Any, of_words: Any, wanted: Any, key: Any) -> jax.Array:
        inner, outer = jax.random.split(key)
        embedding = network.gru_embedding(weights, features, of_words, (inner, WORD_DROPOUT, DROPOUT))
        return cross_entropy(network.logits_of(weights, said, network.dropped(outer, embedding, DROPOUT)), wanted)

    @jax.jit
    def step(weights: Params, state: Any, mean: Params, *given: Any) -> tuple[Params, Any, Params, jax.Array]:
        loss, gradients = jax.value_and_grad(loss_of)(weights, *given)
        updates, state = optimizer.update(gradients, state, weights)
        weights = optax.apply_updates(weights, updates)
        return weights, state, jax.tree.map(lambda old, new: 0.99 * old + 0.01 * new, mean, weights), loss

    state, mean, key = optimizer.init(weights), weights, jax.random.key(SEED + 1)
    for epoch in range(GRU_EPOCHS):
        order, loss = rng.permutation(len(wanted)), 0.0
        for start in range(0, len(order) - BATCH_ROWS + 1, BATCH_ROWS):
            rows = order[start : start + BATCH_ROWS]
            key, now = jax.random.split(key)
            given = take(features, rows), said[rows], of_words[rows], wanted[rows], now
            weights, state, mean, loss = step(weights, state, mean, *given)
        print(f"GRU: epoch {epoch + 1}/{GRU_EPOCHS} loss {float(loss):.4f}", flush=True)  # noqa: T201
    return mean


def settle(gru: Params, said: np.ndarray, embedding: np.ndarray, wanted: np.ndarray) -> Params:
    """The same with the temperature and the bias of each class that fit best to texts which nothing else was fitted to."""
    before = network.logits_of(gru, said, embedding)
    optimizer = optax.adam(0.02)
    found = {"scale": jnp.ones(()), "bias": jnp.zeros(network.CLASSES)}
    state = optimizer.init(found)

    @jax.jit
    def step(found: Params, state: Any) -> tuple[Params, Any]:
        gradient = jax.grad(lambda it: cross_entropy(before * it["scale"] + it["bias"], wanted))(found)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(found, updates), state

    for _ in range(500):
        found, state = step(found, state)
    scale = found["scale"]
    print(f"temperature {1 / float(scale):.3f}")  # noqa: T201
    return gru | {
        "votes": gru["votes"] * scale,
        "head": gru["head"] * scale,
        "bias": gru["bias"] * scale + found["bias"],
    }


def fit(text: np.ndarray, wanted: np.ndarray, train: np.ndarray, tune: np.ndarray, rng: np.random.Generator) -> Params:
    """The whole model. Its large tables have 16 bits a number: half the file, and no difference that could be measured."""
    features = in_pieces(network.features_of, text)
    tables = fit_votes(take(features, train), wanted[train])
    gru = fit_gru(take(features, train), wanted[train], rng)
    for part in (tables, gru):
        part.update({name: part[name].astype(jnp.float16) for name in ("words", "pairs", "grams") if name in part})
    others = take(features, tune)
    of_words = in_pieces(lambda rows: network.votes_of_words(tables, rows), others)
    embedding = in_pieces(lambda rows, said: network.gru_embedding(gru, rows, said), others, of_words)
    said = of_words.sum(axis=1) + np.asarray(tables["bias"])
    return {"tables": tables, "gru": settle(gru, said, embedding, wanted[tune])}


def probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def measure(logits: np.ndarray, texts: Sequence[RatedText]) -> dict[str, Any]:
    """What the card says about texts of one kind that were not trained on."""
    chances, held, mean = probabilities(logits), shares(texts), of_means(texts)
    best, score = chances.argmax(axis=1), chances.max(axis=1)
    rows = np.arange(len(texts))
    agreeing = held[rows, best]
    by_coverage = {}
    for part in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0):
        top = np.argsort(-score, kind="stable")[: round(part * len(texts))]
        by_coverage[str(part)] = {
            "score_from": _rounded(score[top].min()),
            "differs_from_mean": _rounded((best[top] != mean[top]).mean()),
            "differs_from_one_person": _rounded(1 - agreeing[top].mean()),
        }
    return {
        "texts": len(texts),
        "classes": {name: _rounded((mean == place).mean()) for place, name in enumerate(OPINIONS)},
        "one_person_differs_from_mean": _rounded(1 - held[rows, mean].mean()),
        "accuracy": _rounded((best == mean).mean()),
        "accuracy_by_class": {
            name: _rounded((best == mean)[mean == place].mean()) for place, name in enumerate(OPINIONS)
        },
        "agrees_with_one_person": _rounded(agreeing.mean()),
        "answers": {name: _rounded((best == place).mean()) for place, name in enumerate(OPINIONS)},
        "mean_score": _rounded(score.mean()),
        "cross_entropy": _rounded(-(held * np.log(np.maximum(chances, 1e-12))).sum(axis=1).mean()),
        "by_coverage": by_coverage,
    }


def _rounded(value: float) -> float:
    return round(float(value), 4)


def export(params: Params, target: Path) -> None:
    to_onnx(
        lambda text: network.serve(params, text),
        [jax.ShapeDtypeStruct(("B", network.LENGTH), jnp.int32)],
        model_name="sentiment",
        opset=21,  # what the ONNX Runtime of a Triton container of 2024 reads already
        return_mode="file",
        output_path=str(target),
        input_names=["text"],
        output_names=["logits", "embedding"],
    )
    model = onnx.load(target)
    drop_unused(model.graph)
    onnx.save(model, target)


def drop_unused(graph: onnx.GraphProto) -> set[str]:
    """Takes out constants that nothing reads: the export leaves some, and warnings of them. Gives the names that are read."""
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                read |= drop_unused(inner)
    kept = [constant for constant in graph.initializer if constant.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache-dir", type=Path, default=cache_dir(os.environ))
    texts = load_rated_texts(parser.parse_args().cache_dir, print)
    films = texts[Kind.FILMS]
    rng = np.random.default_rng(SEED)
    train, tune, heldout = split(films, rng)
    params = fit(encoded(films), shares(films), train, tune, rng)
    target = HERE / "sentiment.onnx"
    export(params, target)

    session = onnxruntime.InferenceSession(str(target))
    tested = {"films": [films[row] for row in heldout]}
    tested |= {kind.name.lower(): list(texts[kind]) for kind in (Kind.TWEETS, Kind.NEWSPAPER, Kind.PRODUCTS)}
    answers = {name: session.run(["logits", "embedding"], {"text": encoded(each)}) for name, each in tested.items()}
    by_jax = in_pieces(lambda text: network.serve(params, text), encoded(tested["films"]))
    metrics = {
        "training_texts": len(train),
        "tuning_texts": len(tune),
        "onnx_bytes": target.stat().st_size,
        "largest_difference_jax_onnx": max(
            float(np.abs(ours - theirs).max()) for ours, theirs in zip(answers["films"], by_jax, strict=True)
        ),
    } | {name: measure(logits, tested[name]) for name, (logits, _) in answers.items()}
    (HERE / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    chosen = {
        "source": f"{VADER_SENTIMENT.package} {VADER_SENTIMENT.version}, {Kind.FILMS.value}, lines counted from 0",
        "seed": SEED,
        "train": sorted(train.tolist()),
        "tune": sorted(tune.tolist()),
    }
    (HERE / "split.json").write_text(json.dumps(chosen) + "\n")
    print(json.dumps(metrics, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
