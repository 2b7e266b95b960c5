"""Kubernetes manifests as a cluster would get them, and the questions that tests ask about them."""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from streamlabel.runtime.settings import ServiceSettings, describe_settings, env_key

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "deploy/k8s"
OVERLAYS = tuple(sorted(path.name for path in (K8S / "overlays").iterdir() if (path / "kustomization.yaml").exists()))
BUILDS = ("base", *(f"overlays/{name}" for name in OVERLAYS))
# The module of a program, as `python -m` takes it → the module of its settings.
PROGRAMS: Mapping[str, str] = {
    "streamlabel.ingest": "streamlabel.ingest.settings",
    "streamlabel.inference": "streamlabel.inference.settings",
    "streamlabel.routing": "streamlabel.routing.settings",
    "streamlabel.review": "streamlabel.review.settings",
    "streamlabel.learning": "streamlabel.learning.settings",
    "streamlabel.cli.app": "streamlabel.cli.settings",
}

Manifest = dict[str, Any]


@functools.cache
def render(build: str) -> tuple[Manifest, ...]:
    """Every object of `deploy/k8s/<build>`, by the kustomize that is part of kubectl."""
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", K8S / build], capture_output=True, text=True, timeout=60, check=False, env={}
    )
    assert done.returncode == 0, f"deploy/k8s/{build} cannot be rendered: {done.stderr}"
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> Iterator[Manifest]:
    """The objects of these kinds."""
    return (manifest for manifest in manifests if manifest["kind"] in kinds)


def named(manifests: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The one object of that kind and name; the hash that kustomize puts behind a generated name is left out."""
    found = [
        manifest
        for manifest in of_kind(manifests, kind)
        if manifest["metadata"]["name"] == name or manifest["metadata"]["name"].rsplit("-", 1)[0] == name
    ]
    assert len(found) == 1, f"{len(found)} objects {kind}/{name}"
    return found[0]


def workloads(manifests: Sequence[Manifest]) -> Iterator[Manifest]:
    """Everything that makes pods."""
    return of_kind(manifests, "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


def pod_of(workload: Manifest) -> Manifest:
    """The pod template's spec."""
    assert workload["kind"] != "CronJob", "one level deeper: teach this function"
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def containers_of(workload: Manifest) -> Iterator[Manifest]:
    """All containers of the pod, those that run first included."""
    pod = pod_of(workload)
    yield from pod.get("initContainers", ())
    yield from pod["containers"]


def environment_of(container: Manifest, manifests: Sequence[Manifest]) -> dict[str, str]:
    """What the container's environment will be; a value out of a secret that is not here is `(secret)`."""
    maps = {item["metadata"]["name"]: item.get("data", {}) for item in of_kind(manifests, "ConfigMap")}
    environment: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        if "configMapRef" in source:
            environment |= maps[source["configMapRef"]["name"]]
    for variable in container.get("env", ()):
        environment[variable["name"]] = variable.get("value", "(secret)")
    return environment


def settings_class_of(program: str) -> type[ServiceSettings]:
    """The settings that `python -m <program>` reads."""
    module = importlib.import_module(PROGRAMS[program])
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ServiceSettings) and value.__module__ == module.__name__
    ]
    assert len(classes) == 1, f"{module.__name__} defines {len(classes)} settings classes"
    return classes[0]


def with_files_that_exist(settings_class: type[ServiceSettings], environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with every path to a mounted file replaced by one that is here; the rest is as it is there."""
    files = {row.key for row in describe_settings(settings_class) if "a file that exists" in row.range}
    return {key: __file__ if key in files else value for key, value in environment.items()}


def secret_keys_of(settings_class: type[ServiceSettings]) -> set[str]:
    """The keys whose values belong in a secret."""
    return {env_key(name) for name in settings_class.model_fields} & {
        row.key for row in describe_settings(settings_class) if row.secret
    }
