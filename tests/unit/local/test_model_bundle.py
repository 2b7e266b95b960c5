"""One description becomes a repository entry for either Triton; what is wrong is refused with the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from streamlabel.errors import ConfigurationError
from streamlabel.local.model_bundle import Backend, Outcome, build_model
from streamlabel.local.onnx_graph import new_model
from streamlabel.local.trivial_model import write_trivial_model


@pytest.fixture
def description(tmp_path: Path) -> Path:
    return write_trivial_model(tmp_path / "source", length=8, classes=3)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "repository"


def edited(description: Path, **changes: object) -> Path:
    document = yaml.safe_load(description.read_text())
    for key, value in changes.items():
        if value is None:
            document.pop(key)
        else:
            document[key] = value
    description.write_text(yaml.safe_dump(document))
    return description


@contextmanager
def changed_graph(description: Path) -> Iterator[Any]:
    onnx = description.parent / "trivial.onnx"
    model = new_model()
    model.ParseFromString(onnx.read_bytes())
    yield model.graph
    onnx.write_bytes(model.SerializeToString())


def config_of(repository: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse((repository / "trivial/config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def files_of(repository: Path) -> dict[str, bytes]:
    return {str(path.relative_to(repository)): path.read_bytes() for path in repository.rglob("*") if path.is_file()}


def test_entry_for_a_stock_triton_has_the_graph_and_its_configuration(description: Path, repository: Path) -> None:
    built = build_model(edited(description, max_queue_delay_us=500), repository, Backend.ONNXRUNTIME)

    assert built.outcome is Outcome.CREATED
    assert built.path == repository / "trivial" / "1"
    assert set(files_of(repository)) == {"trivial/config.pbtxt", "trivial/1/model.onnx"}
    config = config_of(repository)
    assert (config.name, config.backend, config.max_batch_size) == ("trivial", "onnxruntime", 1024)
    assert [(tensor.name, list(tensor.dims)) for tensor in config.input] == [("text", [8])]
    assert config.input[0].data_type == model_config_pb2.TYPE_INT32
    assert [(tensor.name, list(tensor.dims)) for tensor in config.output] == [("probabilities", [3])]
    assert config.version_policy.latest.num_versions == 2
    assert config.dynamic_batching.max_queue_delay_microseconds == 500
    assert config.parameters["intra_op_thread_count"].string_value == "1"


def test_entry_for_the_embedded_triton_adds_the_program_that_runs_the_graph(
    description: Path, repository: Path
) -> None:
    build_model(edited(description, max_queue_delay_us=0), repository, Backend.PYTHON)

    assert config_of(repository).HasField("dynamic_batching")
    files = files_of(repository)
    assert set(files) == {"trivial/config.pbtxt", "trivial/1/model.onnx", "trivial/1/model.py"}
    assert b"class TritonPythonModel" in files["trivial/1/model.py"]
    assert config_of(repository).backend == "python"


def test_building_again_changes_nothing(description: Path, repository: Path) -> None:
    build_model(description, repository, Backend.PYTHON)
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}

    assert build_model(description, repository, Backend.PYTHON).outcome is Outcome.UNCHANGED
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before


def test_another_backend_updates_the_entry_in_place(description: Path, repository: Path) -> None:
    build_model(description, repository, Backend.PYTHON)

    assert build_model(description, repository, Backend.ONNXRUNTIME).outcome is Outcome.UPDATED
    assert "trivial/1/model.py" not in files_of(repository)


def test_a_second_version_stands_beside_the_first(description: Path, repository: Path) -> None:
    build_model(description, repository, Backend.PYTHON)
    edited(description, version=2)

    assert build_model(description, repository, Backend.PYTHON).path == repository / "trivial" / "2"
    assert {"trivial/1/model.onnx", "trivial/2/model.onnx"} < set(files_of(repository))


def test_nothing_but_the_repository_is_left_behind(description: Path, repository: Path) -> None:
    build_model(description, repository, Backend.PYTHON)

    assert sorted(path.name for path in repository.parent.iterdir()) == ["repository", "source"]
    assert [path.name for path in repository.iterdir()] == ["trivial"]


def test_other_weights_under_the_same_version_are_refused(description: Path, repository: Path) -> None:
    build_model(description, repository, Backend.PYTHON)
    before = files_of(repository)
    with changed_graph(description) as graph:
        graph.initializer[0].raw_data = bytes(len(graph.initializer[0].raw_data))

    with pytest.raises(ConfigurationError, match=r"holds other weights .* raise `version` above 1"):
        build_model(description, repository, Backend.PYTHON)
    assert files_of(repository) == before


def test_another_shape_beside_an_older_version_is_refused(description: Path, repository: Path) -> None:
    build_model(description, repository, Backend.PYTHON)
    other = write_trivial_model(description.parent, version=2, length=9, classes=3)

    with pytest.raises(ConfigurationError, match="give the new model another name"):
        build_model(other, repository, Backend.PYTHON)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../escape"}, r"name: '\.\./escape' must be 1-128 characters"),
        ({"name": None}, r"key name is missing"),
        ({"version": 0}, r"version: input should be greater than or equal to 1"),
        ({"version": "one"}, r"version: input should be a valid integer"),
        ({"max_batch_row": 4}, r"unknown key max_batch_row \(did you mean 'max_batch_rows'\?\)"),
        ({"max_batch_rows": 0}, r"max_batch_rows: input should be greater"),
        ({"onnx": "absent.onnx"}, r"cannot read .*absent\.onnx: No such file"),
        ({"onnx": "trivial.yaml"}, r"trivial\.yaml is not an ONNX file"),
        ({"inputs": []}, r"inputs: .*at least 1 item"),
        (
            {"inputs": [{"name": "texts", "dtype": "int32", "shape": [8]}]},
            r"the graph has no input 'texts' \(did you mean 'text'\?\); it has text: int32 \[any, 8\]",
        ),
        ({"inputs": [{"name": "text", "dtype": "int64", "shape": [8]}]}, r"'text' is int32 in the graph, not int64"),
        ({"inputs": [{"name": "text", "dtype": "int23", "shape": [8]}]}, r"inputs\.0\.dtype: 'int23' is none of"),
        ({"inputs": [{"name": "text", "dtype": "int32", "shape": [0]}]}, r"needs at least one axis"),
        ({"inputs": [{"name": "text", "dtype": "int32", "shpe": [8]}]}, r"unknown key inputs\.0\.shpe .*'shape'"),
        ({"inputs": [{"name": "text", "dtype": "int32", "shape": [9]}]}, r"does not fit the shape \[9\]"),
        (
            {"outputs": [{"name": "logits", "dtype": "float32", "shape": [3]}]},
            r"the graph has no output 'logits'",
        ),
    ],
)
def test_a_wrong_description_is_refused_with_the_reason(
    description: Path, repository: Path, changes: dict[str, object], message: str
) -> None:
    edited(description, **changes)

    with pytest.raises(ConfigurationError, match=message):
        build_model(description, repository, Backend.PYTHON)
    assert not repository.exists()


def test_all_faults_are_told_at_once(description: Path, repository: Path) -> None:
    edited(description, version=0, threads=0)

    with pytest.raises(ConfigurationError, match=r"version: .*; threads: "):
        build_model(description, repository, Backend.PYTHON)


@pytest.mark.parametrize("kept_bytes", [0, 1, 100, -1])
def test_a_truncated_graph_is_refused(description: Path, repository: Path, kept_bytes: int) -> None:
    onnx = description.parent / "trivial.onnx"
    onnx.write_bytes(onnx.read_bytes()[:kept_bytes])

    with pytest.raises(ConfigurationError, match="is not an ONNX file"):
        build_model(description, repository, Backend.PYTHON)


def test_a_graph_with_a_fixed_batch_axis_is_refused(description: Path, repository: Path) -> None:
    with changed_graph(description) as graph:
        graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1

    with pytest.raises(ConfigurationError, match="has no free batch axis"):
        build_model(description, repository, Backend.PYTHON)


def test_a_graph_whose_weights_lie_in_another_file_is_refused(description: Path, repository: Path) -> None:
    with changed_graph(description) as graph:
        graph.initializer[0].data_location = 1

    with pytest.raises(ConfigurationError, match="keeps weight 'weights' in another file"):
        build_model(description, repository, Backend.PYTHON)


def test_a_description_that_is_not_yaml_is_refused(tmp_path: Path, repository: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text("name: [unclosed")

    with pytest.raises(ConfigurationError, match="is not YAML"):
        build_model(path, repository, Backend.PYTHON)
