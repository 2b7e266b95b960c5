"""Whether a project's binding is true of its model."""

from __future__ import annotations

import dataclasses

import pytest

from streamlabel.core.project import Encoder, FeaturesEncoder, ImageEncoder, ModelBinding, Project, TextEncoder
from streamlabel.core.record import PayloadKind
from streamlabel.inference.rules.contract import agree
from streamlabel.inference.rules.signature import ModelSignature, TensorSignature
from support.models import trivial_project

PAYLOADS = {ImageEncoder: PayloadKind.IMAGE, TextEncoder: PayloadKind.TEXT, FeaturesEncoder: PayloadKind.FEATURES}
PICTURE = ImageEncoder(width=4, height=3, channels=1)
RAW_PICTURE = dataclasses.replace(PICTURE, scale=1.0)


def project(encoder: Encoder, **binding: str) -> Project:
    made = trivial_project("p", "m")
    assert made.model is not None
    model: ModelBinding = dataclasses.replace(made.model, encoder=encoder, input_name="x", output_name="y", **binding)
    return dataclasses.replace(made, payload_kind=PAYLOADS[type(encoder)], model=model)


def signature(
    input_: TensorSignature, *others: TensorSignature, output: tuple[int, ...] = (3,), datatype: str = "FP32"
) -> ModelSignature:
    return ModelSignature(
        max_batch_rows=8,
        inputs=(input_, *others),
        outputs=(TensorSignature(name="y", datatype=datatype, shape=output),),
    )


def x(datatype: str, *shape: int) -> TensorSignature:
    return TensorSignature(name="x", datatype=datatype, shape=shape)


@pytest.mark.parametrize(
    ("encoder", "tensor"),
    [
        (PICTURE, x("FP32", 3, 4, 1)),
        (PICTURE, x("FP16", -1, -1, 1)),
        (RAW_PICTURE, x("UINT8", 3, 4, 1)),
        (dataclasses.replace(PICTURE, channels_first=True), x("FP32", 1, 3, 4)),
        (TextEncoder(length=7), x("INT32", 7)),
        (TextEncoder(length=7), x("INT64", -1)),
        (TextEncoder(raw=True), x("BYTES", 1)),
        (FeaturesEncoder(length=5), x("FP32", 5)),
    ],
)
def test_what_fits_gives_a_target(encoder: Encoder, tensor: TensorSignature) -> None:
    made = project(encoder)
    assert made.model is not None
    contract = agree(made, made.model, 4, signature(tensor))

    assert contract.fault is None
    assert contract.target is not None
    assert (contract.target.name, contract.target.version, contract.target.datatype) == ("m", 4, tensor.datatype)
    assert contract.target.output_names == ("y",)


@pytest.mark.parametrize(
    ("encoder", "model", "message"),
    [
        (PICTURE, signature(x("UINT8", 3, 4, 1)), "for raw pixel values set scale: 1 and offset: 0"),
        (PICTURE, signature(x("FP32", 4, 3, 1)), r"does not take the encoder's shape \[3, 4, 1\]"),
        (PICTURE, signature(x("FP32", 3, 4)), r"x: FP32 \[3, 4\] does not take"),
        (TextEncoder(length=7), signature(x("FP32", 7)), "makes INT32 or INT64"),
        (TextEncoder(raw=True), signature(x("INT32", 7)), "makes BYTES"),
        (FeaturesEncoder(length=5), signature(x("FP32", 6)), "does not take"),
        (
            FeaturesEncoder(length=5),
            signature(TensorSignature(name="z", datatype="FP32", shape=(5,))),
            r"no input 'x'; it has z: FP32 \[5\]",
        ),
        (
            FeaturesEncoder(length=5),
            signature(x("FP32", 5), TensorSignature(name="mask", datatype="INT32", shape=(1,))),
            "also needs mask",
        ),
        (
            FeaturesEncoder(length=5),
            dataclasses.replace(signature(x("FP32", 5)), max_batch_rows=0),
            "takes no batches",
        ),
    ],
)
def test_an_input_that_does_not_fit_is_told(encoder: Encoder, model: ModelSignature, message: str) -> None:
    made = project(encoder)
    assert made.model is not None
    contract = agree(made, made.model, 1, model)

    assert contract.target is None
    assert contract.fault is not None
    assert contract.fault.reason == "MODEL_INPUT_MISMATCH"
    with pytest.raises(type(contract.fault), match=message):
        raise contract.fault


@pytest.mark.parametrize(
    ("model", "binding", "message"),
    [
        (signature(x("FP32", 5), output=(4,)), {}, "taxonomy's 3 classes"),
        (signature(x("FP32", 5), output=(3, 1)), {}, "taxonomy's 3 classes"),
        (signature(x("FP32", 5), datatype="INT64"), {}, "holds no floating-point numbers"),
        (signature(x("FP32", 5)), {"embedding_name": "e"}, "no output 'e'; it has y"),
    ],
)
def test_an_output_that_does_not_fit_is_told(model: ModelSignature, binding: dict[str, str], message: str) -> None:
    made = project(FeaturesEncoder(length=5), **binding)
    assert made.model is not None
    contract = agree(made, made.model, 1, model)

    assert contract.fault is not None
    assert contract.fault.reason == "MODEL_OUTPUT_MISMATCH"
    assert message in contract.fault.detail
    assert contract.fault.detail.startswith("project p, model m version 1: ")


def test_an_optional_input_is_not_asked_for_and_an_embedding_is() -> None:
    made = project(FeaturesEncoder(length=5), embedding_name="e")
    assert made.model is not None
    optional = TensorSignature(name="mask", datatype="INT32", shape=(1,), optional=True)
    model = signature(x("FP32", 5), optional)
    model = dataclasses.replace(
        model, outputs=(*model.outputs, TensorSignature(name="e", datatype="FP32", shape=(64,)))
    )

    target = agree(made, made.model, 1, model).target
    assert target is not None
    assert target.output_names == ("y", "e")
