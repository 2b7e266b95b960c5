"""What the environment may tell the command line; a flag says the same thing louder."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from streamlabel.runtime.settings import GrpcSettings
from streamlabel.wire.topics import DAY_MS, TopicPlan

HOUR_MS = DAY_MS // 24
_PLAN = TopicPlan()


class CliSettings(GrpcSettings):
    """The shared keys, those of `topics apply`, and where the services listen.

    It knows the keys of gRPC servers too, without using them: one environment file serves services and command line.
    """

    data_dir: Path | None = Field(None, description="Directory of the embedded stack; unset: ./.streamlabel")
    cache_dir: Path | None = Field(None, description="Directory of downloads; unset: ~/.cache/streamlabel")
    cli_ingest_address: str = Field(
        "127.0.0.1:50051", min_length=1, description="host:port of the ingest service's gRPC"
    )
    cli_review_address: str = Field(
        "127.0.0.1:50052", min_length=1, description="host:port of the review service's gRPC"
    )
    cli_learning_url: str = Field(
        "http://127.0.0.1:8083/", min_length=1, description="Address of the learning service: its page and its JSON"
    )
    cli_review_url: str = Field(
        "http://127.0.0.1:8082/", min_length=1, description="Address of the review page, as a browser reaches it"
    )
    tls_ca_file: str = Field(
        "",
        description="PEM file of the authorities that the services' gRPC ports are signed by, or `public` for those that everybody "
        "knows; empty: no TLS",
    )
    tls_cert_file: Path | None = Field(
        None, description="PEM file of the certificate that the command line shows (mutual TLS)"
    )
    tls_key_file: Path | None = Field(None, description="PEM file of its private key")
    token: SecretStr | None = Field(None, description="Token that says to review who calls")
    token_file: Path | None = Field(None, description="File with that token, where it is not set itself")
    cli_triton_address: str = Field(
        "",
        description="host:port of Triton's gRPC, where `project apply` asks for the project's model; empty: it does not",
    )
    topics_partitions: int = Field(
        _PLAN.partitions,
        ge=1,
        le=10_000,
        description="Partitions of every pipeline topic: the most lanes a stage can have, for good",
    )
    topics_replication_factor: int = Field(_PLAN.replication_factor, ge=1, le=32, description="Copies of every topic")
    topics_min_insync_replicas: int = Field(
        _PLAN.min_insync_replicas, ge=1, le=32, description="Copies that must have a write before it counts"
    )
    topics_retention_hours: int = Field(
        _PLAN.retention_ms // HOUR_MS,
        ge=1,
        le=10 * 366 * 24,
        description="Age at which records, predictions and review tasks are dropped",
    )
    topics_dead_letter_retention_hours: int = Field(
        _PLAN.dead_letter_retention_ms // HOUR_MS,
        ge=1,
        le=10 * 366 * 24,
        description="Age at which dead letters are dropped",
    )
    topics_max_message_bytes: int = Field(
        _PLAN.max_message_bytes,
        ge=64 * 1024,
        le=64 * 1024 * 1024,
        description="Longest message; a record and what is said of it",
    )

    @property
    def topic_plan(self) -> TopicPlan:
        """The shape of the topics."""
        return TopicPlan(
            partitions=self.topics_partitions,
            replication_factor=self.topics_replication_factor,
            min_insync_replicas=self.topics_min_insync_replicas,
            retention_ms=self.topics_retention_hours * HOUR_MS,
            dead_letter_retention_ms=self.topics_dead_letter_retention_hours * HOUR_MS,
            max_message_bytes=self.topics_max_message_bytes,
        )
