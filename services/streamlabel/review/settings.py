"""What an operator may set for review."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from streamlabel.review.rules.claims import ClaimMap
from streamlabel.runtime.settings import MIB, CommaSeparated, GrpcSettings, Lowercase, env_key
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
    review_max_attempts: int = Field(
        5, ge=1, le=1000, description="A task is set aside once so many leases of it ran out or were skipped in a row"
    )
    review_max_skippers: int = Field(
        3, ge=1, le=100, description="A task is set aside once so many people skipped it, or all who were there"
    )
    review_skip_rest_s: float = Field(
        60.0,
        ge=0,
        le=86_400,
        description="Whoever skipped a task gets it again only where nobody else took it for so long, and nothing else waits",
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

    review_access: Annotated[Literal["tokens", "open"], Lowercase] = Field(
        "tokens",
        description="tokens: every call proves who makes it; open: whoever reaches the desk may answer under any name",
    )
    review_open_to_network: bool = Field(
        False,
        description="Allow `open` on addresses that other machines reach, too: whoever reaches the port is let in",
    )
    review_admin_token: SecretStr | None = Field(
        None, description="Token of the operator, an admin, who lets the first people in; at least 32 characters"
    )
    review_admin_token_file: FilePath | None = Field(
        None, description="File with such tokens, one a line; read at the start"
    )
    review_calls_per_s: float = Field(
        500.0, ge=0, le=1_000_000, description="Calls that one annotator may make in each replica; 0: no limit"
    )
    review_failed_logins_per_min: float = Field(
        30.0,
        ge=1,
        le=100_000,
        description="Logins that may fail from one address in each replica before it has to wait",
    )
    review_access_known_s: float = Field(
        5.0, ge=0, le=300, description="A token that is revoked, or a person who is paused, is out after so long"
    )

    review_oidc_issuer: str = Field(
        "", description="OpenID Connect issuer whose tokens count too, as it stands in their `iss`; empty: none"
    )
    review_oidc_audience: str = Field("", description="What their `aud` must name; must be set with the issuer")
    review_oidc_jwks_url: str = Field("", description="Where its keys are; empty: where its configuration says")
    review_oidc_name_claim: str = Field(
        "sub",
        min_length=1,
        description="Claim with the annotator's name; one that people cannot choose for themselves. a.b: b in a",
    )
    review_oidc_roles_claim: str = Field(
        "roles", min_length=1, description="Claim with words that mean roles; a list, or one string with spaces"
    )
    review_oidc_roles: CommaSeparated = Field(
        (), description="What its words mean here: labellers=annotator@mail,leads=reviewer,…; other words mean nothing"
    )
    review_oidc_skew_s: float = Field(30.0, ge=0, le=300, description="How far the issuer's clock may be off")

    @model_validator(mode="after")
    def _oidc_is_whole(self) -> Self:
        if self.review_oidc_issuer and not self.review_oidc_audience:
            raise ValueError(f"{env_key('review_oidc_issuer')} needs {env_key('review_oidc_audience')}")
        for name in ("review_oidc_issuer", "review_oidc_jwks_url"):
            url = urlsplit(getattr(self, name))
            if (
                url.geturl()
                and url.scheme != "https"
                and not (url.scheme == "http" and _is_loopback(url.hostname or ""))
            ):
                raise ValueError(f"{env_key(name)}={url.geturl()}: keys come over https://, or from this machine")
        return self

    @field_validator("review_oidc_roles")
    @classmethod
    def _are_roles(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        ClaimMap.of(name_claim="sub", roles_claim="roles", entries=entries)
        return entries

    @model_validator(mode="after")
    def _is_open_to_this_machine_only(self) -> Self:
        hosts = {"http_host": self.http_host, "grpc_host": self.grpc_host}
        reached = {name: host for name, host in hosts.items() if not _is_loopback(host)}
        if self.review_access == "open" and reached and not self.review_open_to_network:
            addresses = " and ".join(f"{env_key(name)}={host}" for name, host in reached.items())
            raise ValueError(
                f"{env_key('review_access')}=open lets whoever reaches {addresses} answer under any name: listen on 127.0.0.1, "
                f"ask for tokens, or say {env_key('review_open_to_network')}=true where something else asks who comes"
            )
        return self

    @field_validator("review_admin_token")
    @classmethod
    def _is_no_guess(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not is_strong(token.get_secret_value()):
            raise ValueError(WEAK)
        return token

    @field_validator("review_allowed_hosts")
    @classmethod
    def _are_host_names(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        AllowedHosts.of(entries)
        return entries


WEAK = "a token has at least 32 characters and no white space: openssl rand -hex 32"


def is_strong(token: str) -> bool:
    """Whether a token of an operator's own making can do."""
    return len(token) >= 32 and token.isprintable() and " " not in token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
