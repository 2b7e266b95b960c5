"""What an operator may set for review."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from streamlabel.runtime.settings import MIB, CommaSeparated, GrpcSettings
from streamlabel.runtime.web.hosts import AllowedHosts


class ReviewSettings(GrpcSettings):
    """The keys of the review service."""

    review_postgres_dsn: SecretStr = Field(
        description="Where PostgreSQL is: postgresql://user:password@host:port/database"
    )
    review_postgres_schema: str = Field(
        "review",
        pattern=r"^[a-z_][a-z0-9_]{0,39}$",
        description="Schema of the service's tables; made where it is missing, shared by all replicas",
    )
    review_postgres_pool_min: int = Field(1, ge=0, le=100, description="Connections kept open at all times")
    review_postgres_pool_max: int = Field(
        10,
        ge=1,
        le=500,
        description="Most connections for calls; the bell and the turns of publisher and fitter take three more",
    )
    review_postgres_connect_timeout_s: float = Field(5.0, gt=0, le=60, description="Longest wait for a new connection")
    review_postgres_statement_timeout_s: float = Field(
        5.0, ge=0.1, le=300, description="PostgreSQL gives up on a statement after so long"
    )
    review_lease_s: float = Field(
        60.0, ge=1, le=86_400, description="A task is somebody else's again when its person is silent for so long"
    )
    review_sweep_interval_s: float = Field(1.0, ge=0.05, le=60, description="How often expired leases are looked for")
    review_stats_max_age_s: float = Field(
        1.0, ge=0, le=60, description="Queue statistics are asked of the database at most this often"
    )
    review_crowd_interval_s: float = Field(
        5.0,
        ge=0.05,
        le=600,
        description="How often it is looked whether people's votes tell more of them, and what other replicas found",
    )
    review_gauges_interval_s: float = Field(
        5.0, ge=0.5, le=300, description="How often the gauges of the queue are set"
    )
    review_intake_max_rows: int = Field(500, ge=1, le=10_000, description="Tasks taken in by one transaction")
    review_intake_max_bytes: int = Field(
        4 * MIB, ge=1024, le=256 * MIB, description="Bytes of tasks taken in by one transaction"
    )
    review_outbox_max_rows: int = Field(500, ge=1, le=10_000, description="Labels published by one transaction")
    review_outbox_poll_interval_s: float = Field(
        0.1, ge=0.01, le=60, description="How often labels of other replicas are looked for"
    )
    review_allowed_hosts: CommaSeparated = Field(
        (),
        description="Names under which browsers may ask for the page and its calls, besides IP addresses, localhost and "
        "names without a dot: label.example.org,…; *: any, also one that a stranger points here (DNS rebinding)",
    )

    @field_validator("review_allowed_hosts")
    @classmethod
    def _are_host_names(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        AllowedHosts.of(entries)
        return entries
