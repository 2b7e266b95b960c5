"""The manifests are what the schemas, the settings classes and our own rules say; a renamed setting breaks this build."""

from __future__ import annotations

import importlib.metadata
from base64 import b64decode
from pathlib import PurePosixPath
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus_operator

from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.review.settings import is_strong
from streamlabel.runtime.settings import load_settings
from streamlabel.wire.flow import RECORDS, Names
from support.manifests import (
    BUILDS,
    K8S,
    PROGRAMS,
    ROOT,
    Manifest,
    containers_of,
    environment_of,
    named,
    of_kind,
    pod_of,
    render,
    secret_keys_of,
    settings_class_of,
    with_files_that_exist,
    workloads,
)

# The oldest cluster that knows every field we use (the preStop sleep, the eviction policy), and the newest with a schema.
KUBERNETES_VERSIONS = ("1.31", "1.37")
CUSTOM_RESOURCES: dict[tuple[str, str], Any] = {
    ("keda.sh/v1alpha1", "ScaledObject"): keda.ScaledObject,
    ("keda.sh/v1alpha1", "TriggerAuthentication"): keda.TriggerAuthentication,
    ("monitoring.coreos.com/v1", "ServiceMonitor"): prometheus_operator.ServiceMonitor,
    ("monitoring.coreos.com/v1", "PrometheusRule"): prometheus_operator.PrometheusRule,
}
# Apache's image writes its configuration into its own file system when it starts; it is for a try only.
WRITABLE_ROOT = {"kafka"}

every_build = pytest.mark.parametrize("build", BUILDS)


def invalid(manifest: Manifest) -> list[str]:
    """What the schema of its kind says against an object."""
    model = CUSTOM_RESOURCES.get((manifest["apiVersion"], manifest["kind"]))
    if model is not None:
        try:
            understood = model.model_validate(manifest).model_dump(by_alias=True, exclude_unset=True, mode="json")
        except ValueError as error:
            return [str(error)]
        # The models pass over what they do not know; a field that does not come back is a field that does not exist.
        return [] if understood == manifest else ["has fields that its schema does not know"]
    problems = []
    for version in KUBERNETES_VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            problems.append(f"{version}: {error}")
    return problems


@every_build
def test_every_object_matches_the_schema_of_its_kind(build: str) -> None:
    problems = {
        f"{manifest['kind']}/{manifest['metadata']['name']}": found
        for manifest in render(build)
        if (found := invalid(manifest))
    }
    assert problems == {}


@pytest.mark.parametrize(
    "manifest",
    [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"selectr": {}}},
        {"apiVersion": "example.com/v1", "kind": "Unheard", "metadata": {"name": "x"}},
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "x"},
            "spec": {"scaleTargetRef": {"name": "x"}, "triggers": [{"type": "kafka", "metadata": {}, "oops": 1}]},
        },
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "ServiceMonitor",
            "metadata": {"name": "x"},
            "spec": {"endpoints": "none", "selector": {}},
        },
    ],
    ids=["typo", "unknown kind", "typo in a custom resource", "wrong type in a custom resource"],
)
def test_the_validation_itself_finds_what_is_wrong(manifest: Manifest) -> None:
    assert invalid(manifest)


def test_every_file_is_part_of_a_build() -> None:
    used = set(K8S.rglob("kustomization.yaml"))
    mentioned = set()
    for path in used:
        content = yaml.safe_load(path.read_text())
        for key in ("resources", "components"):
            mentioned |= {(path.parent / entry).resolve() for entry in content.get(key, ())}
        mentioned |= {
            (path.parent / patch["path"]).resolve() for patch in content.get("patches", ()) if "path" in patch
        }
        for generator in content.get("configMapGenerator", ()):
            mentioned |= {(path.parent / file).resolve() for file in generator.get("files", ())}
    mentioned |= {(K8S / "overlays" / build.split("/")[-1]) for build in BUILDS}
    files = {path for path in K8S.rglob("*") if path.is_file() and path.suffix in {".yaml", ".json"}} - used
    assert files - mentioned == set(), "files that no kustomization names"
    assert {path.parent for path in used} - mentioned == set(), "folders that nothing is built from"


def programs(build: str) -> list[tuple[Manifest, Manifest]]:
    return [
        (workload, container)
        for workload in workloads(render(build))
        for container in containers_of(workload)
        if container["image"].split(":")[0].split("/")[-1] == "streamlabel"
    ]


@every_build
def test_every_program_of_ours_is_there(build: str) -> None:
    assert {container["args"][0] for _, container in programs(build)} == set(PROGRAMS)


@every_build
def test_the_environment_of_every_container_is_one_that_its_service_starts_with(build: str) -> None:
    for workload, container in programs(build):
        settings_class = settings_class_of(container["args"][0])
        environment = environment_of(container, render(build))
        credentials = {}
        if any("streamlabel-kafka" in str(source.get("secretRef")) for source in container.get("envFrom", ())):
            credentials = dict.fromkeys(("STREAMLABEL_KAFKA_SASL_USERNAME", "STREAMLABEL_KAFKA_SASL_PASSWORD"), "x")
        settings = load_settings(settings_class, with_files_that_exist(settings_class, environment | credentials))
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
        if container["name"] == "service":
            assert ports["http"] == settings.http_port
            assert ports.get("grpc") == getattr(settings, "grpc_port", None)
            needed_s = settings.shutdown_drain_s + settings.shutdown_grace_s
            assert pod_of(workload)["terminationGracePeriodSeconds"] >= needed_s + 10, workload["metadata"]["name"]


@every_build
def test_no_secret_is_written_into_a_container_or_a_config_map(build: str) -> None:
    for _, container in programs(build):
        secrets = secret_keys_of(settings_class_of(container["args"][0]))
        assert secrets >= {"STREAMLABEL_KAFKA_SASL_PASSWORD"}
        written = {key for key, value in environment_of(container, render(build)).items() if value != "(secret)"}
        assert secrets & written == set()
    if build != "overlays/dev":
        assert list(of_kind(render(build), "Secret")) == [], "only the overlay for a try brings secrets"


@every_build
def test_routing_and_learning_read_one_coin_key_out_of_one_secret(build: str) -> None:
    secrets = set()
    for name in ("routing", "learning"):
        workload = named(render(build), "Deployment", name)
        container = pod_of(workload)["containers"][0]
        file = PurePosixPath(environment_of(container, render(build))["STREAMLABEL_COIN_KEYS_FILE"])
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        mount = mounts[str(file.parent)]
        assert mount["readOnly"] is True
        [secret] = [volume["secret"] for volume in pod_of(workload)["volumes"] if volume["name"] == mount["name"]]
        # Not optional: a service that started without would close every gate, where one that waits says what it waits for.
        assert "optional" not in secret
        assert secret["defaultMode"] & 0o007 == 0
        secrets.add((secret["secretName"], file.name))
    [(secret_name, key)] = secrets
    assert secret_name.startswith("streamlabel-coin")
    for secret in of_kind(render(build), "Secret"):
        if secret["metadata"]["name"] == secret_name:
            assert CoinKeys.of(b64decode(secret["data"][key]).decode())


@every_build
def test_review_asks_who_comes_and_has_its_admin_token_out_of_a_secret(build: str) -> None:
    pod = pod_of(named(render(build), "Deployment", "review"))
    [container] = pod["containers"]
    environment = environment_of(container, render(build))
    assert environment["STREAMLABEL_REVIEW_ACCESS"] == "tokens"
    file = PurePosixPath(environment["STREAMLABEL_REVIEW_ADMIN_TOKEN_FILE"])
    [mount] = [each for each in container["volumeMounts"] if each["mountPath"] == str(file.parent)]
    [secret] = [volume["secret"] for volume in pod["volumes"] if volume["name"] == mount["name"]]
    assert mount["readOnly"] is True
    assert "optional" not in secret
    assert secret["defaultMode"] & 0o007 == 0
    assert secret["secretName"].startswith("streamlabel-review-admin")
    for made in of_kind(render(build), "Secret"):
        if made["metadata"]["name"] == secret["secretName"]:
            assert is_strong(b64decode(made["data"][file.name]).decode())


@every_build
def test_every_pod_is_as_tight_as_it_can_be(build: str) -> None:
    for workload in workloads(render(build)):
        name, pod = workload["metadata"]["name"], pod_of(workload)
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, f"{name}: a Service's variables would be read as settings"
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in containers_of(workload):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert context.get("readOnlyRootFilesystem", False) is (name not in WRITABLE_ROOT), name
            for kind in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][kind].keys(), name


@every_build
def test_every_server_is_probed_and_may_be_moved(build: str) -> None:
    manifests = render(build)
    budgets = {
        item["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]: item["spec"]
        for item in of_kind(manifests, "PodDisruptionBudget")
    }
    for workload in of_kind(manifests, "Deployment"):
        name = workload["metadata"]["name"]
        for container in pod_of(workload)["containers"]:
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys(), name
        assert budgets[name]["maxUnavailable"] == 1
        assert budgets[name]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()


@every_build
def test_every_reference_finds_what_it_names(build: str) -> None:
    manifests = render(build)
    pods = [workload["spec"]["template"]["metadata"]["labels"] for workload in workloads(manifests)]
    for service in of_kind(manifests, "Service"):
        targets = [
            {port["name"] for container in containers_of(workload) for port in container.get("ports", ())}
            for workload in workloads(manifests)
            if service["spec"]["selector"].items() <= workload["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert targets, f"the Service {service['metadata']['name']} finds no pod"
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= set.union(*targets)
    for policy in of_kind(manifests, "NetworkPolicy"):
        selector = policy["spec"]["podSelector"].get("matchLabels", {})
        assert any(selector.items() <= labels.items() for labels in pods), policy["metadata"]["name"]
    accounts = {item["metadata"]["name"] for item in of_kind(manifests, "ServiceAccount")}
    for deployment in of_kind(manifests, "Deployment"):
        assert pod_of(deployment)["serviceAccountName"] in accounts


@every_build
def test_images_are_pinned_and_the_same_everywhere(build: str) -> None:
    compose = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
    elsewhere = {
        image.rsplit(":", 1)[0]: image
        for service in compose["services"].values()
        if "$" not in (image := service["image"])
    }
    for workload in workloads(render(build)):
        for container in containers_of(workload):
            image = container["image"]
            name, tag = image.rsplit(":", 1)
            assert tag != "latest"
            if name.split("/")[-1] == "streamlabel":
                assert tag == importlib.metadata.version("streamlabel")
            else:
                assert elsewhere[name] == image


def test_scaling_follows_the_flow_and_its_limits() -> None:
    manifests = render("overlays/gpu")
    topics = named(manifests, "ConfigMap", "topics")["data"]
    shared = named(manifests, "ConfigMap", "streamlabel-shared")["data"]
    partitions = int(topics["STREAMLABEL_TOPICS_PARTITIONS"])
    names = Names(shared.get("STREAMLABEL_KAFKA_TOPIC_PREFIX", "streamlabel"))
    inference = named(manifests, "ScaledObject", "inference")["spec"]
    trigger = inference["triggers"][0]["metadata"]
    assert trigger["topic"] == names.topic(RECORDS)
    assert trigger["consumerGroup"] == names.group("inference")
    assert trigger["bootstrapServers"] == shared["STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS"]
    assert int(trigger["activationLagThreshold"]) >= 2 * partitions, "each partition keeps a lag of one for ever"
    assert partitions % inference["maxReplicaCount"] == 0
    behaviour = inference["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour["scaleDown"]["stabilizationWindowSeconds"] >= 300
    review = named(manifests, "ScaledObject", "review")["spec"]
    assert review["triggers"][0]["metadata"]["ignoreNullValues"] == "false"
    for scaled in of_kind(manifests, "ScaledObject"):
        target = named(manifests, "Deployment", scaled["spec"]["scaleTargetRef"]["name"])
        assert "replicas" not in target["spec"], "an `apply` would undo what the autoscaler did"


def test_triton_outlives_its_clients_calls() -> None:
    for build in BUILDS:
        triton = named(render(build), "Deployment", "triton")
        pod = pod_of(triton)
        container = pod["containers"][0]
        exit_timeout_s = next(int(arg.split("=")[1]) for arg in container["args"] if "--exit-timeout-secs" in arg)
        sleep_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert sleep_s >= 10
        assert pod["terminationGracePeriodSeconds"] >= sleep_s + exit_timeout_s + 10
        assert "--model-control-mode=explicit" in container["args"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"
    gpu = named(render("overlays/gpu"), "Deployment", "triton")
    container = pod_of(gpu)["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["startupProbe"]["failureThreshold"] * container["startupProbe"]["periodSeconds"] >= 300


def test_the_manifests_find_every_service_that_is_scraped() -> None:
    manifests = render("overlays/gpu")
    monitor = named(manifests, "ServiceMonitor", "streamlabel")["spec"]
    selected = {
        service["metadata"]["name"]: {port["name"] for port in service["spec"]["ports"]}
        for service in of_kind(manifests, "Service")
        if monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    }
    assert set(selected) == {"ingest", "inference", "routing", "review", "learning"}
    assert all(monitor["endpoints"][0]["port"] in ports for ports in selected.values())
