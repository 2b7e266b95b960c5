"""What an operator may set for learning."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from streamlabel.runtime.settings import MIB, CommaSeparated
from streamlabel.runtime.web.hosts import AllowedHosts
from streamlabel.wire.coin_keys import CoinKeySettings


class LearningSettings(CoinKeySettings):
    """The keys of the learning service."""

    learning_postgres_dsn: SecretStr = Field(
        description="Where PostgreSQL is: postgresql://user:password@host:port/database"
    )
    learning_postgres_schema: str = Field(
        "learning",
        pattern=r"^[a-z_][a-z0-9_]{0,39}$",
        description="Schema of the service's tables; made where it is missing, shared by all replicas",
    )
    learning_postgres_pool_max: int = Field(4, ge=2, le=100, description="Most connections")
    learning_postgres_connect_timeout_s: float = Field(
        5.0, gt=0, le=60, description="Longest wait for a new connection"
    )
    learning_postgres_statement_timeout_s: float = Field(
        30.0, ge=0.1, le=300, description="PostgreSQL gives up on a statement after so long"
    )
    learning_batch_max_rows: int = Field(1000, ge=1, le=10_000, description="Messages taken at once per partition")
    learning_batch_max_bytes: int = Field(
        4 * MIB, ge=1024, le=256 * MIB, description="Bytes of messages taken at once per partition"
    )
    learning_gather_s: float = Field(
        0.05, ge=0, le=1, description="How long news is gathered before it is kept in one transaction"
    )
    learning_tick_s: float = Field(1.0, ge=0.05, le=60, description="How often learning looks at the time without news")
    learning_waiting_records: int = Field(
        20_000,
        ge=100,
        le=1_000_000,
        description="Predictions kept in memory per project and kind while their answers are awaited; from 7/8 of it on, and until "
        "half, a gate is shut: people are too far behind to vouch for labels",
    )
    learning_answer_limit_s: float = Field(
        86_400.0,
        ge=1,
        le=31_536_000,
        description="A calibration record that is unanswered for so long counts as an error",
    )
    learning_overtaken_limit_s: float = Field(
        600.0,
        ge=1,
        le=31_536_000,
        description="A calibration record that is unanswered for so long counts as an error as soon as 200 later ones are answered, "
        "until somebody answers it",
    )
    learning_decision_limit_s: float = Field(
        600.0,
        ge=1,
        le=86_400,
        description="A record of which routing says nothing, though it speaks of what came so much later, is no evidence",
    )
    learning_gate_lifetime_s: float = Field(
        900.0, ge=5, le=86_400, description="A gate is void when learning has not renewed it for so long"
    )
    learning_history_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="How long charts and published gates are kept; decisions can be replayed for so long. Transitions and "
        "audits stay for ever",
    )
    learning_outbox_poll_interval_s: float = Field(
        0.5, ge=0.01, le=60, description="How often rows of earlier processes are looked for"
    )
    learning_allowed_hosts: CommaSeparated = Field(
        (),
        description="Names under which the page and its data may be asked for, besides IP addresses, localhost and names "
        "without a dot: gates.example.org,…; *: any, also one that a stranger points here (DNS rebinding)",
    )

    @field_validator("learning_allowed_hosts")
    @classmethod
    def _are_host_names(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        AllowedHosts.of(entries)
        return entries
