"""The built image: each service starts out of it against the real servers, a record passes through, each stops well."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from streamlabel.runtime.process import EXIT_CONFIGURATION, EXIT_OK
from support.docker_image import Container, NoDockerError, build_image, docker, run_once, running
from support.gates import COIN_KEY
from support.pipeline import OPEN_REVIEW

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

SERVICES = ("ingest", "inference", "routing", "review", "learning")
PROJECT = """\
project: image-check
payload: text
taxonomy: {version: 1, classes: [good, bad]}
policy: {kind: review_all}
"""


@pytest.fixture(scope="module")
def image() -> str:
    try:
        return build_image()
    except NoDockerError as missing:
        pytest.skip(f"NOT CHECKED, the image: {missing}")


def test_a_record_passes_through_and_all_services_stop_well(
    image: str, kafka: str, triton: str, postgres_database: str, topic_prefix: str, tmp_path: Path
) -> None:
    shared = {"STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka, "STREAMLABEL_KAFKA_TOPIC_PREFIX": topic_prefix}
    one_node = {
        "STREAMLABEL_TOPICS_PARTITIONS": "2",
        "STREAMLABEL_TOPICS_REPLICATION_FACTOR": "1",
        "STREAMLABEL_TOPICS_MIN_INSYNC_REPLICAS": "1",
    }
    code, words = run_once(image, ["streamlabel.cli.app", "topics", "apply"], shared | one_node)
    assert code == EXIT_OK, words
    _apply_project(image, shared, tmp_path)
    coin = {"STREAMLABEL_COIN_KEYS": COIN_KEY.hex()}
    environments = {
        "ingest": shared,
        "inference": shared | {"STREAMLABEL_INFERENCE_TRITON_URL": triton},
        "routing": shared | coin,
        "review": shared | OPEN_REVIEW | {"STREAMLABEL_REVIEW_POSTGRES_DSN": postgres_database},
        "learning": shared | coin | {"STREAMLABEL_LEARNING_POSTGRES_DSN": postgres_database},
    }
    with ExitStack() as exits:
        services = {
            name: exits.enter_context(running(image, f"streamlabel.{name}", environments[name])) for name in SERVICES
        }
        for service in services.values():
            service.wait_until_ready()
            service.wait_until_healthy()
        _send(services["ingest"], [{"record_id": f"r{number}", "text": "hello"} for number in range(3)])
        _wait_for_depth(services["review"], 3)
        for name, service in services.items():
            assert service.stop() == EXIT_OK, f"{name}: {service.log()}"


def _apply_project(image: str, environment: dict[str, str], folder: Path) -> None:
    # What comes into a container through a mount must be readable for its user, who is nobody here.
    folder.chmod(0o755)
    (folder / "project.yaml").write_text(PROJECT)
    words = docker(
        *("run", "--rm", "--network", "host", "--volume", f"{folder}:/project:ro"),
        *(flag for key, value in environment.items() for flag in ("--env", f"{key}={value}")),
        *(image, "streamlabel.cli.app", "project", "apply", "/project/project.yaml"),
    )
    assert "image-check" in words


def _send(ingest: Container, records: list[dict[str, str]]) -> None:
    body = "".join(json.dumps(record) + "\n" for record in records).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{ingest.ports['http']}/v1/projects/image-check/records",
        data=body,
        headers={"Content-Type": "application/x-ndjson"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        results = answer.read().decode()
        assert answer.status == 200, results
    assert len(results.strip().splitlines()) == len(records)


def _wait_for_depth(review: Container, depth: int) -> None:
    deadline = time.monotonic() + 60
    found = 0.0
    while found != depth:
        assert time.monotonic() < deadline, f"{found} tasks of {depth}; {review.log()}"
        time.sleep(0.5)
        text = review.ask("/metrics")[1]
        values = re.findall(r'^streamlabel_label_queue_depth{project="image-check",[^}]*} (\S+)$', text, re.MULTILINE)
        found = sum(float(value) for value in values)


def test_a_wrong_setting_ends_a_container_with_the_code_for_it(image: str) -> None:
    code, words = run_once(image, ["streamlabel.routing"], {"STREAMLABEL_ROUTING_BATCH_MAX_ROWS": "0"})
    assert code == EXIT_CONFIGURATION
    assert "STREAMLABEL_ROUTING_BATCH_MAX_ROWS='0'" in words


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_tells_its_settings(image: str, service: str) -> None:
    code, words = run_once(image, [f"streamlabel.{service}", "--help"], {})
    assert code == EXIT_OK
    assert f"STREAMLABEL_{service.upper()}_" in words


def test_the_examples_model_can_be_laid_out_in_a_fresh_volume(image: str) -> None:
    volume = f"streamlabel-test-{time.time_ns()}"
    docker("volume", "create", volume)
    try:
        model = "/usr/share/streamlabel/examples/digits/model.yaml"
        docker(
            "run",
            "--rm",
            "--volume",
            f"{volume}:/models",
            image,
            "streamlabel.cli.app",
            "model",
            "build",
            model,
            "--out",
            "/models",
        )
        found = docker(
            "run", "--rm", "--volume", f"{volume}:/models", "--entrypoint", "find", image, "/models", "-type", "f"
        )
        assert {Path(line).name for line in found.splitlines()} >= {"config.pbtxt", "model.onnx"}
    finally:
        docker("volume", "rm", volume, check=False)


def test_the_image_knows_nothing_of_where_it_was_built(image: str) -> None:
    config = json.loads(docker("inspect", "--format", "{{json .Config}}", image))
    assert config["User"] == "10001:10001"
    assert not [entry for entry in config["Env"] if entry.startswith("PIP_")]
    assert "PIP_" not in docker("history", "--no-trunc", image)
    assert config["Healthcheck"]["Test"][-2:] == ["streamlabel.runtime.probe", "livez"]
    leftovers = docker(
        "run", "--rm", "--entrypoint", "sh", image, "-c", "ls -d /src /wheels /root/.cache 2>/dev/null || true"
    )
    assert leftovers == ""
