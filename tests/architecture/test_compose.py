"""docker/compose.yaml: environments that services start with, the same servers as elsewhere, and nothing left open."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from streamlabel.runtime.settings import load_settings
from support.manifests import PROGRAMS, ROOT, settings_class_of, with_files_that_exist

COMPOSE = ROOT / "docker/compose.yaml"
DOCKERFILE = ROOT / "docker/Dockerfile"
JOBS = {"models", "topics"}
# `${NAME:-default}` → default: what holds where the operator says nothing.
_VARIABLE = re.compile(r"\$\{[A-Z_]+:-([^}]*)\}")


def services() -> dict[str, dict[str, Any]]:
    content: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(r"\1", COMPOSE.read_text()))
    found: dict[str, dict[str, Any]] = content["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if service["image"].startswith("streamlabel:")}


def test_every_program_of_ours_is_there() -> None:
    assert {service["command"][0] for service in ours().values()} == set(PROGRAMS)


def test_every_environment_is_one_that_its_service_starts_with() -> None:
    for name, service in ours().items():
        environment = {key: str(value) for key, value in service.get("environment", {}).items()}
        settings_class = settings_class_of(service["command"][0])
        settings = load_settings(settings_class, with_files_that_exist(settings_class, environment))
        if name not in JOBS:
            grace_s = int(service["stop_grace_period"].removesuffix("s"))
            assert grace_s >= settings.shutdown_drain_s + settings.shutdown_grace_s + 5, name
            published = {port.rsplit(":", 1)[1] for port in service.get("ports", ())}
            assert published <= {str(settings.http_port), str(getattr(settings, "grpc_port", None))}, name


def test_routing_and_learning_read_one_coin_key_that_git_does_not_know() -> None:
    secrets = yaml.safe_load(_VARIABLE.sub(r"\1", COMPOSE.read_text()))["secrets"]
    for name in ("routing", "learning"):
        [secret] = ours()[name]["secrets"]
        assert ours()[name]["environment"]["STREAMLABEL_COIN_KEYS_FILE"] == f"/run/secrets/{secret}"
        file = (COMPOSE.parent / secrets[secret]["file"]).resolve().relative_to(ROOT)
        assert f"/{file}" in (ROOT / ".gitignore").read_text().splitlines()
        assert f"> {file}" in COMPOSE.read_text(), "how it is made stands where it is needed"


def test_review_asks_who_comes_and_its_admin_token_git_does_not_know() -> None:
    secrets = yaml.safe_load(_VARIABLE.sub(r"\1", COMPOSE.read_text()))["secrets"]
    environment, [secret] = ours()["review"]["environment"], ours()["review"]["secrets"]
    assert environment["STREAMLABEL_REVIEW_ACCESS"] == "tokens"
    assert environment["STREAMLABEL_REVIEW_ADMIN_TOKEN_FILE"] == f"/run/secrets/{secret}"
    file = (COMPOSE.parent / secrets[secret]["file"]).resolve().relative_to(ROOT)
    assert f"/{file}" in (ROOT / ".gitignore").read_text().splitlines()
    assert f"> {file}" in COMPOSE.read_text(), "how it is made stands where it is needed"


def test_ports_are_open_to_this_machine_only_and_once() -> None:
    published = [port for service in services().values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert len({port.rsplit(":", 1)[0] for port in published}) == len(published)


def test_images_are_pinned() -> None:
    for name, service in services().items():
        assert ":" in service["image"], name
        assert not service["image"].endswith(":latest"), name


def test_our_containers_are_as_tight_as_they_can_be() -> None:
    for name, service in ours().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_prometheus_scrapes_every_service() -> None:
    content = yaml.safe_load((ROOT / "docker/prometheus/prometheus.yaml").read_text())
    job = next(job for job in content["scrape_configs"] if job["job_name"] == "streamlabel")
    assert set(job["static_configs"][0]["targets"]) == {f"{name}:8080" for name in ours() if name not in JOBS}


def test_mounted_files_exist() -> None:
    named = set(yaml.safe_load(COMPOSE.read_text())["volumes"])
    for service in services().values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in named or (COMPOSE.parent / source).exists(), source


def test_compose_itself_understands_the_file() -> None:
    """Where no Docker Compose is, everything above still holds; the schema is then not checked, and this says so."""
    for command in (["docker-compose"], ["docker", "compose"]):
        if shutil.which(command[0]) is None:
            continue
        if subprocess.run([*command, "version"], capture_output=True, timeout=60, check=False).returncode != 0:
            continue
        done = subprocess.run(
            [*command, "--file", COMPOSE, "config"], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "WARN" not in done.stderr
        return
    pytest.skip("NOT CHECKED: no Docker Compose here (Debian: apt-get install docker-compose)")


def test_the_image_is_built_for_nobody_in_particular() -> None:
    text = DOCKERFILE.read_text()
    final = text[text.rindex("\nFROM ") :]
    assert re.search(r"^ARG BASE_IMAGE=", text, re.MULTILINE)
    assert re.search(r"^USER (?!0\b)\d+:\d+$", final, re.MULTILINE), "a number that is not root"
    assert "PIP_" not in final, "where packages came from does not leave the build"
    assert "HEALTHCHECK" in final
