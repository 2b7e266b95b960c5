"""The metrics of one process: those of the catalogue that its service exposes, cheap to touch once a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from streamlabel.runtime.catalogue import CATALOGUE, Kind, MetricSpec
from streamlabel.runtime.version import installed_version

__all__ = ["CATALOGUE", "UNKNOWN_PROJECT", "Kind", "MetricSpec", "Metrics"]

# Callers name projects freely; only those that exist get series of their own.
UNKNOWN_PROJECT: Final = "-"

Instrument = Counter | Gauge | Histogram


class Metrics:
    """The catalogue's metrics of `service`, on a registry of their own.

    Children are kept, so that a batch pays one dictionary look-up for each value and not the client library's
    lock and string work. One event loop uses an instance; exposition reads it on the same loop.
    """

    def __init__(self, service: str, registry: CollectorRegistry | None = None) -> None:
        self.service = service
        self.registry = registry if registry is not None else CollectorRegistry(auto_describe=True)
        self._specs: Mapping[str, MetricSpec] = {
            name: spec for name, spec in CATALOGUE.items() if service in spec.services
        }
        if not self._specs:
            raise ValueError(f"no metric of the catalogue belongs to a service named {service!r}")
        # `_created` series double the size of a scrape and answer no question that Prometheus asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._instruments = {name: self._make(spec) for name, spec in self._specs.items()}
        self._children: dict[tuple[str, ...], Instrument] = {}
        self._projects: frozenset[str] = frozenset()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.gauge("streamlabel_build_info", version=installed_version()).set(1)

    def counter(self, name: str, **labels: str) -> Counter:
        """The counter `name` of the catalogue at these label values."""
        child = self._child(name, labels)
        assert isinstance(child, Counter), f"{name} is a {self._specs[name].kind.value}"
        return child

    def gauge(self, name: str, **labels: str) -> Gauge:
        """The gauge `name` of the catalogue at these label values."""
        child = self._child(name, labels)
        assert isinstance(child, Gauge), f"{name} is a {self._specs[name].kind.value}"
        return child

    def histogram(self, name: str, **labels: str) -> Histogram:
        """The histogram `name` of the catalogue at these label values."""
        child = self._child(name, labels)
        assert isinstance(child, Histogram), f"{name} is a {self._specs[name].kind.value}"
        return child

    def __getitem__(self, name: str) -> Instrument:
        """The metric as a whole, for what the three above do not offer."""
        return self._instruments[name]

    def know_projects(self, projects: Iterable[str]) -> None:
        """From now on these projects, and no others, have series of their own; those of vanished projects go."""
        known = frozenset(projects)
        vanished = self._projects - known
        self._projects = known
        for key in [key for key in self._children if vanished and self._project_of(key) in vanished]:
            del self._children[key]
            self._instruments[key[0]].remove(*key[1:])

    def forget(self, name: str, **labels: str) -> None:
        """Drop one series: what it measured is no longer here (a partition that moved away)."""
        key = self._key(name, labels)
        if self._children.pop(key, None) is not None and len(key) > 1:
            self._instruments[name].remove(*key[1:])

    def expose(self, accept: str) -> tuple[bytes, str]:
        """The scrape in the format that the `Accept` header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _child(self, name: str, labels: Mapping[str, str]) -> Instrument:
        key = self._key(name, labels)
        child = self._children.get(key)
        if child is None:
            instrument = self._instruments[name]
            child = self._children[key] = instrument.labels(*key[1:]) if len(key) > 1 else instrument
        return child

    def _key(self, name: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        spec = self._specs.get(name)
        if spec is None:
            known = "is not in the catalogue" if name not in CATALOGUE else f"is none of {self.service}'s"
            raise KeyError(f"metric {name} {known}")
        if len(labels) != len(spec.labels):
            raise ValueError(f"{name} takes the labels {spec.labels}, got {tuple(labels)}")
        return (name, *(self._bounded(label, labels[label]) for label in spec.labels))

    def _bounded(self, label: str, value: str) -> str:
        return UNKNOWN_PROJECT if label == "project" and value not in self._projects else value

    def _project_of(self, key: tuple[str, ...]) -> str | None:
        labels = self._specs[key[0]].labels
        return key[1 + labels.index("project")] if "project" in labels else None

    def _make(self, spec: MetricSpec) -> Instrument:
        match spec.kind:
            case Kind.COUNTER:
                return Counter(spec.name, spec.help, spec.labels, registry=self.registry)
            case Kind.GAUGE:
                return Gauge(spec.name, spec.help, spec.labels, registry=self.registry)
            case Kind.HISTOGRAM:
                return Histogram(spec.name, spec.help, spec.labels, buckets=spec.buckets, registry=self.registry)
