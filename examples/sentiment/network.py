"""The sentiment model: hashed words and letters that vote, and a GRU over the words, all from bytes, all in one graph.

A text comes as Streamlabel's text encoder gives it: 256 numbers, each byte + 1, zero-padded. So lower-casing, cutting into
words and hashing happen here, with integer arithmetic that is the same in JAX and in ONNX.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

LENGTH = 256  # bytes; longer texts are cut
WORDS = 56  # words and punctuation marks; more are not seen as words
# Powers of two: the lowest bits of a code are its row.
WORD_ROWS, PAIR_ROWS, GRAM_ROWS = 16384, 32768, 65536
GRU_WORD_ROWS = 8192
WORD_SIZE, HIDDEN_SIZE = 16, 48
EMBEDDING_SIZE = 48
VOTES = 2  # for negative and for positive, against neutral
GRU_EMBEDDING_SIZE = EMBEDDING_SIZE - VOTES
INPUT_SIZE = WORD_SIZE + VOTES
VOTE_SCALE = 10.0  # a single word's votes are small beside the numbers of its vector
CLASSES = 3

# The largest prime below 2^16, so that no product of a remainder and a byte leaves 32 bits.
_PRIME = 65521
_BASE = 263
_LONGEST_WORD = 16  # of longer words the last 16 bytes count
_GRAM_LENGTHS = (3, 4, 5)

Params = dict[str, Any]


class Features(NamedTuple):
    """Rows of the hash tables and whether there is something, [B, …].

    `grams` [B, 3, LENGTH] are by length and by the place of their last letter; `word_of` [B, LENGTH] is the word at that place.
    """

    words: jax.Array
    has_word: jax.Array
    pairs: jax.Array
    has_pair: jax.Array
    grams: jax.Array
    has_gram: jax.Array
    word_of: jax.Array


def _earlier(x: jax.Array, places: int) -> jax.Array:
    """What stood so many places before; 0 before the beginning."""
    return x if places == 0 else jnp.pad(x, ((0, 0), (places, 0)))[:, : x.shape[1]]


def _next(x: jax.Array) -> jax.Array:
    return jnp.pad(x, ((0, 0), (0, 1)))[:, 1:]


def features_of(text: jax.Array) -> Features:
    """int32 [B, LENGTH] → what is looked up in the tables."""
    byte = jnp.maximum(text - 1, 0)
    byte = jnp.where((byte >= 65) & (byte <= 90), byte + 32, byte)
    letter = ((byte >= 97) & (byte <= 122)) | ((byte >= 48) & (byte <= 57)) | (byte == 39) | (byte >= 128)
    solid = byte > 32
    mark = solid & ~letter
    in_word = letter.astype(jnp.int32)

    code, run, power = jnp.zeros_like(byte), in_word, 1
    for back in range(_LONGEST_WORD):
        code += run * _earlier(byte, back) * power
        run = run * _earlier(in_word, back + 1)
        power = power * _BASE % _PRIME
    code = jnp.where(mark, byte * _PRIME, code)

    ends = (mark | (letter & (_next(in_word) == 0))).astype(jnp.int32)
    ended = jnp.cumsum(ends, axis=1)
    here = _places(ended * ends - 1).astype(jnp.int32)
    code = (here * code[:, None, :]).sum(axis=2)
    has_word = here.sum(axis=2)
    pair = (code & 0xFFFF) * 127 + (_next(code) & 0xFFFF) * 8191

    word_of = ended - ends
    grams, has_gram = _grams(jnp.where(solid, byte, 32), solid.astype(jnp.int32), (text > 0).astype(jnp.int32))
    return Features(
        words=code & (WORD_ROWS - 1),
        has_word=has_word,
        pairs=pair & (PAIR_ROWS - 1),
        has_pair=has_word * _next(has_word),
        grams=grams,
        has_gram=has_gram * (word_of < WORDS).astype(jnp.int32)[:, None, :],
        word_of=word_of,
    )


def _places(word: jax.Array) -> jax.Array:
    """[B, LENGTH] → bool [B, WORDS, LENGTH]: whether that is the number of the word at that place."""
    return word[:, None, :] == jnp.arange(WORDS, dtype=jnp.int32)[None, :, None]


def _grams(byte: jax.Array, solid: jax.Array, there: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Letters in a row that lie in one word, with the blank before or behind it."""
    code, middle, power = jnp.zeros_like(byte), jnp.ones_like(byte), 1
    rows, has = [], []
    for back in range(max(_GRAM_LENGTHS)):
        code += _earlier(byte, back) * power
        power = power * _BASE % _PRIME
        if back + 1 in _GRAM_LENGTHS:
            rows.append((code * (2 * back + 31) + back * 7919) & (GRAM_ROWS - 1))
            has.append(middle * there * jnp.maximum(solid, _earlier(solid, back)))
        if back:
            middle = middle * _earlier(solid, back)
    return jnp.stack(rows, axis=1), jnp.stack(has, axis=1)


def votes(tables: Params, features: Features) -> jax.Array:
    """[B, V]: what words, pairs of words and letters say of the text, long or short."""
    of_words, of_grams = _ballots(tables, features)
    return of_words.sum(axis=1) + of_grams.sum(axis=1) + tables["bias"]


def votes_of_words(tables: Params, features: Features) -> jax.Array:
    """[B, WORDS, V]: what each word says: itself, with the next one, and its letters. The sum is `votes`, but for the bias."""
    of_words, of_grams = _ballots(tables, features)
    return of_words + _places(features.word_of).astype(jnp.float32) @ of_grams


def _ballots(tables: Params, features: Features) -> tuple[jax.Array, jax.Array]:
    """[B, WORDS, V] and [B, LENGTH, V]; each kind counts as if its features were a vector of length 1."""
    words = features.has_word.astype(jnp.float32)[:, :, None]
    pairs = features.has_pair.astype(jnp.float32)[:, :, None]
    grams = features.has_gram.astype(jnp.float32)[:, :, :, None]
    said = _rows(tables["words"], features.words) * words + _rows(tables["pairs"], features.pairs) * pairs
    spelt = (_rows(tables["grams"], features.grams) * grams).sum(axis=1)
    said_by = jnp.maximum(words.sum(axis=1) + pairs.sum(axis=1), 1.0)[:, :, None]
    spelt_by = jnp.maximum(grams.sum(axis=(1, 2)), 1.0)[:, :, None]
    return said / jnp.sqrt(said_by), spelt / jnp.sqrt(spelt_by)


def _rows(table: jax.Array, rows: jax.Array) -> jax.Array:
    return jnp.take(table, rows, axis=0).astype(jnp.float32)


def init_gru(key: jax.Array) -> Params:
    """The recurrent part before training."""
    keys = iter(jax.random.split(key, 7))

    def direction() -> Params:
        return {
            "input": jax.random.normal(next(keys), (INPUT_SIZE, 3 * HIDDEN_SIZE)) / INPUT_SIZE**0.5,
            "state": jax.random.normal(next(keys), (HIDDEN_SIZE, 3 * HIDDEN_SIZE)) / HIDDEN_SIZE**0.5,
            "bias": jnp.zeros(3 * HIDDEN_SIZE),
        }

    pooled = 4 * HIDDEN_SIZE
    return {
        "words": jax.random.normal(next(keys), (GRU_WORD_ROWS, WORD_SIZE)) * 0.03,
        "forward": direction(),
        "backward": direction(),
        "dense": jax.random.normal(next(keys), (pooled, GRU_EMBEDDING_SIZE)) / pooled**0.5,
        "dense_bias": jnp.zeros(GRU_EMBEDDING_SIZE),
        "head": jax.random.normal(next(keys), (GRU_EMBEDDING_SIZE, CLASSES)) * 0.1 / GRU_EMBEDDING_SIZE**0.5,
        "votes": jnp.ones(()),
        "bias": jnp.zeros(CLASSES),
    }


def _gru(weights: Params, words: jax.Array, there: jax.Array, *, reverse: bool) -> jax.Array:
    """[B, WORDS, WORD_SIZE] → the state after each word, [B, WORDS, HIDDEN_SIZE]; where there is no word it stays."""

    def step(state: jax.Array, given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        of_word, is_there = given
        of_state = state @ weights["state"]
        reset = jax.nn.sigmoid(of_word[:, :HIDDEN_SIZE] + of_state[:, :HIDDEN_SIZE])
        keep = jax.nn.sigmoid(of_word[:, HIDDEN_SIZE : 2 * HIDDEN_SIZE] + of_state[:, HIDDEN_SIZE : 2 * HIDDEN_SIZE])
        fresh = jnp.tanh(of_word[:, 2 * HIDDEN_SIZE :] + reset * of_state[:, 2 * HIDDEN_SIZE :])
        state = jnp.where(is_there[:, None] > 0, keep * state + (1 - keep) * fresh, state)
        return state, state

    def turned(x: jax.Array) -> jax.Array:
        return jnp.flip(x, axis=0) if reverse else x

    inputs = jnp.swapaxes(words @ weights["input"] + weights["bias"], 0, 1)
    # As many rows as the text, which a literal zeros((B, …)) could not know in a graph with a free batch axis.
    start = jnp.zeros((1, HIDDEN_SIZE)) * words[:, 0, :1]
    # Turned round by hand: the export knows no scan that runs backwards.
    _, states = jax.lax.scan(step, start, (turned(inputs), turned(jnp.swapaxes(there, 0, 1))))
    return jnp.swapaxes(turned(states), 0, 1)


def gru_embedding(
    weights: Params, features: Features, of_words: jax.Array, dropout: tuple[jax.Array, float, float] | None = None
) -> jax.Array:
    """[B, GRU_EMBEDDING_SIZE], from words and their votes; `dropout` in training: a key, the share of words, that of others."""
    there = features.has_word.astype(jnp.float32)
    words = _rows(weights["words"], features.words & (GRU_WORD_ROWS - 1))
    if dropout is not None:
        whole, single, of_pooled = jax.random.split(dropout[0], 3)
        # A word that is hidden still votes: the GRU is to go by the votes where it does not know the word.
        words = words * jax.random.bernoulli(whole, 1 - dropout[1], there.shape)[:, :, None]
        words = dropped(single, words, dropout[1])
    words = jnp.concatenate([words, of_words * VOTE_SCALE], axis=2)
    both = [_gru(weights[name], words, there, reverse=name == "backward") for name in ("forward", "backward")]
    states = jnp.concatenate(both, axis=2)
    is_there = there[:, :, None]
    mean = (states * is_there).sum(axis=1) / jnp.maximum(is_there.sum(axis=1), 1.0)
    most = jnp.where(is_there > 0, states, -1.0).max(axis=1)
    pooled = jnp.concatenate([most, mean], axis=1)
    if dropout is not None:
        pooled = dropped(of_pooled, pooled, dropout[2])
    return jnp.tanh(pooled @ weights["dense"] + weights["dense_bias"])


def dropped(key: jax.Array, x: jax.Array, share: float) -> jax.Array:
    """x with that share of its numbers 0, and the others larger, so that the sum is as before on average."""
    return x * jax.random.bernoulli(key, 1 - share, x.shape) / (1 - share)


def logits_of(weights: Params, said: jax.Array, embedding: jax.Array) -> jax.Array:
    """[B, CLASSES]: the votes, corrected by what the GRU makes of them."""
    counted = jnp.stack([said[:, 0], said[:, 0] * 0, said[:, 1]], axis=1)
    return weights["votes"] * counted + embedding @ weights["head"] + weights["bias"]


def serve(params: Params, text: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What is exported: int32 [B, LENGTH] → logits [B, CLASSES], embedding [B, EMBEDDING_SIZE]."""
    features = features_of(text)
    of_words = votes_of_words(params["tables"], features)
    said = of_words.sum(axis=1) + params["tables"]["bias"]
    embedding = gru_embedding(params["gru"], features, of_words)
    logits = logits_of(params["gru"], said, embedding)
    return logits, jnp.concatenate([embedding, said], axis=1)
