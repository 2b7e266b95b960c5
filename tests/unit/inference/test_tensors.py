"""Payloads as rows of tensors."""

from __future__ import annotations

import numpy as np
import pytest

from streamlabel.core.project import FeaturesEncoder, ImageEncoder, TextEncoder
from streamlabel.core.record import FeaturesPayload, TextPayload
from streamlabel.inference.rules.tensors import encode_features, encode_text, scale_pictures


@pytest.mark.parametrize(("datatype", "dtype"), [("INT32", np.int32), ("INT64", np.int64)])
def test_text_is_its_bytes_plus_one_cut_or_padded(datatype: str, dtype: type) -> None:
    payloads = [TextPayload("ab"), TextPayload("é\0"), TextPayload("longer than four")]

    encoded = encode_text(payloads, TextEncoder(length=4), datatype)

    assert encoded.rows.dtype == dtype
    assert encoded.rows.tolist() == [[98, 99, 0, 0], [0xC3 + 1, 0xA9 + 1, 1, 0], [109, 112, 111, 104]]
    assert not encoded.refused


def test_the_highest_byte_does_not_wrap() -> None:
    text = "\U0010ffff"
    encoded = encode_text([TextPayload(text)], TextEncoder(length=4), "INT32")

    assert encoded.rows.tolist() == [[byte + 1 for byte in text.encode()]]


def test_raw_text_is_one_string_a_row() -> None:
    encoded = encode_text([TextPayload("ä"), TextPayload("b\0c")], TextEncoder(raw=True), "BYTES")

    assert encoded.rows.tolist() == [["ä".encode()], [b"b\0c"]]
    assert encoded.rows.dtype == np.object_


def test_features_of_another_length_are_refused_alone() -> None:
    payloads = [FeaturesPayload((1.0, 2.0)), FeaturesPayload((1.0,)), FeaturesPayload((3.0, 4.5))]

    encoded = encode_features(payloads, FeaturesEncoder(length=2), "FP32")

    assert encoded.rows.tolist() == [[1.0, 2.0], [3.0, 4.5]]
    assert {place: refusal.reason for place, refusal in encoded.refused.items()} == {1: "FEATURES_LENGTH_MISMATCH"}
    assert "1 features, the model takes 2" in encoded.refused[1].detail


def test_features_may_all_be_refused() -> None:
    encoded = encode_features([FeaturesPayload((1.0,))], FeaturesEncoder(length=3), "FP64")

    assert encoded.rows.shape == (0, 3)
    assert list(encoded.refused) == [0]


def test_pictures_are_scaled_shifted_and_turned() -> None:
    pixels = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    encoder = ImageEncoder(width=3, height=2, channels=3, scale=2.0, offset=-1.0, channels_first=True)

    rows = scale_pictures(pixels, encoder, "FP32")

    assert rows.dtype == np.float32
    assert rows.shape == (2, 3, 2, 3)
    assert rows[1, 2, 0, 1] == pixels[1, 0, 1, 2] * 2.0 - 1.0
    assert rows.flags["C_CONTIGUOUS"]


def test_pictures_go_untouched_into_a_model_that_takes_bytes() -> None:
    pixels = np.arange(8, dtype=np.uint8).reshape(1, 2, 4, 1)
    encoder = ImageEncoder(width=4, height=2, channels=1, scale=1.0)

    assert scale_pictures(pixels, encoder, "UINT8") is pixels
    assert scale_pictures(pixels, encoder, "FP16").dtype == np.float16
