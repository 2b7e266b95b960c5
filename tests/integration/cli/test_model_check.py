"""`project apply` asks Triton for the project's model, and says what follows where it is not there."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from streamlabel.local.model_bundle import Backend
from support.command_line import kafka_environment, streamlabel
from support.models import ModelShelf

pytestmark = pytest.mark.integration


def project_file(folder: Path, model: str) -> Path:
    file = folder / "mail.yaml"
    file.write_text(
        "project: mail\npayload: text\ntaxonomy: {classes: [a, b, c]}\npolicy: {kind: threshold, threshold: 0.9}\n"
        f"model: {{name: {model}, input: {{name: text, length: 64}}, output: {{name: probabilities, kind: probabilities}}}}\n"
    )
    return file


def test_a_model_that_is_not_served_is_a_warning_with_the_way_out(
    cluster, triton: str, triton_repository: Path, triton_backend: Backend, topic_prefix: str,
    tmp_path: Path
) -> None:  # fmt: skip
    environ = kafka_environment(cluster.servers, cluster.names.prefix)
    environ |= {"STREAMLABEL_CLI_TRITON_ADDRESS": triton}
    file = project_file(tmp_path, topic_prefix)

    ran = streamlabel("project", "apply", str(file), environ=environ)
    assert (ran.code, ran.out) == (0, "mail: version 1 (new)\n")
    assert f"does not serve model {topic_prefix} version 1 now" in ran.err
    assert "streamlabel model build" in ran.err

    ran = streamlabel("project", "apply", "--json", str(file), environ=environ)
    assert f"model {topic_prefix} version 1" in json.loads(ran.out)["warnings"][0]

    ModelShelf(triton, triton_repository, tmp_path, triton_backend).trivial(topic_prefix)
    ran = streamlabel("project", "apply", "--json", "--dry-run", str(file), environ=environ)
    assert (json.loads(ran.out)["warnings"], ran.err) == ([], "")


def test_a_triton_that_does_not_answer_is_a_warning_too(cluster, topic_prefix: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    environ = kafka_environment(cluster.servers, cluster.names.prefix) | {"STREAMLABEL_CLI_TRITON_ADDRESS": address}
    ran = streamlabel("project", "apply", str(project_file(tmp_path, topic_prefix)), environ=environ)
    assert ran.code == 0
    assert f"Triton at {address} does not answer" in ran.err
