"""Who may speak to whom by the network policies of one namespace: just enough of their meaning for ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod, or anything else with an address: where nothing is known of it, no policy that names peers lets it through."""

    labels: Labels
    namespace_labels: Labels | None = None  # None: the namespace of the policies
    ports: Mapping[str, int] | None = None  # by name


def may_speak(policies: Sequence[Mapping[str, Any]], source: Pod, target: Pod, port: int) -> bool:
    """Whether TCP from `source` to `port` of `target` is let out and let in."""
    out = source.namespace_labels is not None or _allowed(policies, source, target, port, "Egress")
    return out and (target.namespace_labels is not None or _allowed(policies, target, source, port, "Ingress", target))


def _allowed(
    policies: Sequence[Mapping[str, Any]], subject: Pod, peer: Pod, port: int, direction: str, server: Pod | None = None
) -> bool:
    selecting = [
        policy["spec"]
        for policy in policies
        if direction in policy["spec"]["policyTypes"] and _matches(policy["spec"]["podSelector"], subject.labels)
    ]
    if not selecting:
        return True
    key, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return any(
        _has_port(rule, port, server) and any(_is_peer(entry, peer) for entry in rule[peers])
        for spec in selecting
        for rule in spec.get(key, ())
    )


def _has_port(rule: Mapping[str, Any], port: int, server: Pod | None) -> bool:
    names = (server.ports or {}) if server else {}
    return any(
        entry.get("protocol", "TCP") == "TCP" and names.get(entry["port"], entry["port"]) == port
        for entry in rule["ports"]
    )


def _is_peer(entry: Mapping[str, Any], peer: Pod) -> bool:
    namespace, pod = entry.get("namespaceSelector"), entry.get("podSelector", {})
    if namespace is None:
        return peer.namespace_labels is None and _matches(pod, peer.labels)
    return _matches(namespace, peer.namespace_labels or {}) and _matches(pod, peer.labels)


def _matches(selector: Mapping[str, Any], labels: Labels) -> bool:
    assert not selector.keys() - {"matchLabels"}, "only matchLabels is understood here"
    return bool(selector.get("matchLabels", {}).items() <= labels.items())
