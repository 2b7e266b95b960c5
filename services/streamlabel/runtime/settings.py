"""What an operator may set: read once at the door, all problems told at once, nothing guessed.

Every key is `STREAMLABEL_` + the field's name in upper case. A service's own keys begin with its name
(`STREAMLABEL_INGEST_…`); the rest of this module is shared by all. Keys of *other* services are ignored, so
that one environment file can serve the whole house; any other unknown key stops the process.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin

import annotated_types
from pydantic import BeforeValidator, Field, FilePath, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from streamlabel.errors import ConfigurationError

PREFIX = "STREAMLABEL_"
SERVICES = ("ingest", "inference", "routing", "review", "learning")
# Not services, but their keys live under the same prefix: what some services share, the command line, the embedded stack
# and the test suite.
NEIGHBOURS = ("coin_", "cli_", "topics_", "data_dir", "cache_dir", "local_", "test_", "tls_", "token")

MIB = 1024 * 1024

Lowercase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
Uppercase = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)
Port = Annotated[int, Field(ge=0, le=65_535)]


def _split_commas(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


# A list in one environment variable: `a,b,c`.
CommaSeparated = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]


class ServiceSettings(BaseSettings):
    """The keys that every service shares; a service subclasses it in its `settings.py`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    kafka_bootstrap_servers: str = Field(
        "127.0.0.1:9092", min_length=1, description="Kafka brokers to begin with: host:port, several with commas"
    )
    kafka_topic_prefix: str = Field(
        "streamlabel",
        pattern=r"^[a-zA-Z0-9._-]{1,100}$",
        description="What every topic, consumer group and transactional id begins with",
    )
    kafka_security_protocol: Annotated[Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], Uppercase] = Field(
        "PLAINTEXT", description="How brokers are spoken to"
    )
    kafka_sasl_mechanism: Annotated[Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], Uppercase] = Field(
        "PLAIN", description="SASL mechanism, where the security protocol is SASL_*"
    )
    kafka_sasl_username: str | None = Field(None, description="SASL user name")
    kafka_sasl_password: SecretStr | None = Field(None, description="SASL password")
    kafka_ssl_ca_file: FilePath | None = Field(
        None, description="PEM file of the authorities that brokers are trusted by; unset: the system's own"
    )
    kafka_ssl_cert_file: FilePath | None = Field(None, description="PEM file of the client's certificate")
    kafka_ssl_key_file: FilePath | None = Field(None, description="PEM file of the client's private key")
    kafka_rebalance_timeout_s: float = Field(
        60.0, ge=1, le=1800, description="Longest time a rebalance waits for this member to give up its partitions"
    )
    kafka_session_timeout_s: float = Field(
        10.0, ge=1, le=300, description="A member silent for so long has died; its partitions move on"
    )
    kafka_transaction_timeout_s: float = Field(
        30.0, ge=1, le=900, description="The broker aborts a transaction that stays open for so long"
    )
    http_host: str = Field("0.0.0.0", min_length=1, description="Address that HTTP listens on")
    http_port: Port = Field(
        8080, description="Port of HTTP: /metrics, /livez, /readyz, the service's own paths; 0: any"
    )
    http_tls_cert_file: FilePath | None = Field(
        None, description="PEM file of the HTTP port's certificate, read anew when it changes; unset: no TLS"
    )
    http_tls_key_file: FilePath | None = Field(None, description="PEM file of its private key")
    http_tls_client_ca_file: FilePath | None = Field(
        None,
        description="PEM file of the authorities that clients of the HTTP port must be signed by (mutual TLS); /livez and /readyz "
        "answer without",
    )
    http_max_body_bytes: int = Field(16 * MIB, ge=1024, le=256 * MIB, description="Longest request body over HTTP")
    http_request_timeout_s: float = Field(
        30.0, gt=0, le=600, description="A request that takes longer is answered with 503"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Lowercase] = Field(
        "info", description="Least severity that is logged"
    )
    log_format: Annotated[Literal["json", "text"], Lowercase] = Field(
        "json", description="One JSON object a line, or lines for a person"
    )
    shutdown_drain_s: float = Field(
        0.0, ge=0, le=120, description="Wait between 'not ready' and the stop, so that load balancers notice"
    )
    shutdown_grace_s: float = Field(
        20.0, gt=0, le=600, description="Time that the whole orderly stop may take after the drain"
    )

    @model_validator(mode="after")
    def _kafka_security_is_whole(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL_") and not (
            self.kafka_sasl_username and self.kafka_sasl_password
        ):
            raise ValueError(
                f"{env_key('kafka_security_protocol')}={self.kafka_security_protocol} needs "
                f"{env_key('kafka_sasl_username')} and {env_key('kafka_sasl_password')}"
            )
        if (self.kafka_ssl_cert_file is None) != (self.kafka_ssl_key_file is None):
            raise ValueError(f"{env_key('kafka_ssl_cert_file')} and {env_key('kafka_ssl_key_file')} come as a pair")
        return self

    @model_validator(mode="after")
    def _http_tls_is_whole(self) -> Self:
        _check_tls("http", self.http_tls_cert_file, self.http_tls_key_file, self.http_tls_client_ca_file)
        return self

    @classmethod
    def settings_customise_sources(  # The signature is the library's.
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The environment is an argument (`load_settings`), not something that a constructor reaches for.
        return (init_settings,)


class GrpcSettings(ServiceSettings):
    """The keys of a service that also listens on gRPC."""

    grpc_host: str = Field("0.0.0.0", min_length=1, description="Address that gRPC listens on")
    grpc_port: Port = Field(50051, description="Port of gRPC; 0: any")
    grpc_max_message_bytes: int = Field(
        16 * MIB + 64 * 1024, ge=64 * 1024, le=256 * MIB, description="Longest gRPC message, either way"
    )
    grpc_max_concurrent_rpcs: int = Field(
        1000, ge=1, le=100_000, description="Calls in hand at once; one more gets RESOURCE_EXHAUSTED"
    )
    grpc_keepalive_s: float = Field(30.0, ge=5, le=3600, description="Ping a silent client after so long")
    grpc_keepalive_timeout_s: float = Field(10.0, ge=1, le=300, description="A ping unanswered for so long: gone")
    grpc_max_connection_age_s: float = Field(
        300.0, ge=10, le=86_400, description="Connections are closed at about this age, so that clients find new pods"
    )
    grpc_max_connection_age_grace_s: float = Field(
        60.0, ge=1, le=3600, description="Time that calls on an aged connection have to end"
    )
    grpc_tls_cert_file: FilePath | None = Field(
        None, description="PEM file of the server's certificate, read anew when it changes; unset: no TLS"
    )
    grpc_tls_key_file: FilePath | None = Field(None, description="PEM file of the server's private key")
    grpc_tls_client_ca_file: FilePath | None = Field(
        None, description="PEM file of the authorities that clients must be signed by (mutual TLS)"
    )

    @model_validator(mode="after")
    def _grpc_tls_is_whole(self) -> Self:
        _check_tls("grpc", self.grpc_tls_cert_file, self.grpc_tls_key_file, self.grpc_tls_client_ca_file)
        return self


def _check_tls(port: str, cert_file: Path | None, key_file: Path | None, client_ca_file: Path | None) -> None:
    if (cert_file is None) != (key_file is None):
        raise ValueError(f"{env_key(f'{port}_tls_cert_file')} and {env_key(f'{port}_tls_key_file')} come as a pair")
    if client_ca_file is not None and cert_file is None:
        raise ValueError(f"{env_key(f'{port}_tls_client_ca_file')} needs {env_key(f'{port}_tls_cert_file')}")


AnySettings = TypeVar("AnySettings", bound=ServiceSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One key as an operator sees it."""

    key: str
    type: str
    default: str
    range: str
    help: str
    secret: bool
    required: bool

    @property
    def values(self) -> str:
        """Type and range in one breath."""
        between = " " if self.type.endswith("one of") else ", "
        return f"{self.type}{between}{self.range}" if self.range else self.type


def env_key(field_name: str) -> str:
    """The environment variable that sets a field."""
    return PREFIX + field_name.upper()


def load_settings(settings_cls: type[AnySettings], environ: Mapping[str, str]) -> AnySettings:
    """The settings in `environ`, or a ConfigurationError that lists every problem there is.

    An empty variable counts as unset: compose files and shells cannot leave one out.
    """
    fields = settings_cls.model_fields
    given = {key: value for key, value in environ.items() if key.startswith(PREFIX) and value != ""}
    values = {name: given[env_key(name)] for name in fields if env_key(name) in given}
    problems = list(_unknown_keys(settings_cls, given))
    settings: AnySettings | None = None
    try:
        settings = settings_cls.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        problems += [_problem(settings_cls, detail, given) for detail in details]
    if problems or settings is None:
        count = "1 setting is wrong" if len(problems) == 1 else f"{len(problems)} settings are wrong"
        raise ConfigurationError("\n  ".join([f"{count}:", *problems]))
    return settings


def describe_settings(settings_cls: type[ServiceSettings]) -> tuple[SettingRow, ...]:
    """Every key of a service, its own keys first."""
    shared = ServiceSettings.model_fields
    ordered = sorted(settings_cls.model_fields.items(), key=lambda item: item[0] in shared)
    return tuple(_describe(name, field) for name, field in ordered)


def effective_settings(settings: ServiceSettings) -> Iterator[tuple[str, str]]:
    """Every key with the value in force; secrets masked."""
    for name in type(settings).model_fields:
        yield env_key(name), _show(getattr(settings, name))


def foreign_prefixes(settings_cls: type[ServiceSettings]) -> tuple[str, ...]:
    """The beginnings of keys that are none of this service's business."""
    own = {name.split("_", 1)[0] for name in settings_cls.model_fields}
    others = (*(f"{service}_" for service in SERVICES), *NEIGHBOURS)
    return tuple(PREFIX + other.upper() for other in others if other.split("_", 1)[0] not in own)


def _unknown_keys(settings_cls: type[ServiceSettings], given: Mapping[str, str]) -> Iterator[str]:
    known = {env_key(name) for name in settings_cls.model_fields}
    foreign = foreign_prefixes(settings_cls)
    for key in sorted(given.keys() - known):
        if key.startswith(foreign):
            continue
        nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
        hint = f"; did you mean {nearest[0]}?" if nearest else "; --help lists the keys there are"
        yield f"{key}: no such setting{hint}"


def _problem(settings_cls: type[ServiceSettings], detail: ErrorDetails, given: Mapping[str, str]) -> str:
    location = detail["loc"]
    if not location:
        return detail["msg"].removeprefix("Value error, ")
    name = str(location[0])
    row = _describe(name, settings_cls.model_fields[name])
    if detail["type"] == "missing":
        return f"{row.key}: must be set ({row.help})"
    value = "(secret)" if row.secret else repr(given.get(row.key))
    why = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    otherwise = "" if row.required else f"; unset it for the default {row.default}"
    return f"{row.key}={value}: {why} (expected {row.values}: {row.help}{otherwise})"


def _describe(name: str, field: FieldInfo) -> SettingRow:
    kind = field.annotation
    required = field.default is PydanticUndefined and field.default_factory is None
    return SettingRow(
        key=env_key(name),
        type=_type_name(kind),
        default="" if required else _show(field.get_default(call_default_factory=True, validated_data={})),
        range=_range(kind, field.metadata),
        help=field.description or "",
        secret=_is_secret(kind),
        required=required,
    )


_TYPE_NAMES: Mapping[object, str] = types.MappingProxyType(
    {int: "whole number", float: "number", str: "text", bool: "true or false", SecretStr: "secret", Path: "path"}
)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The types of a union without None; a plain type alone."""
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(option for option in get_args(kind) if option is not type(None))
    return (kind,)


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _type_name(kind: Any) -> str:
    names = []
    for option in map(_bare, _alternatives(kind)):
        if get_origin(option) is Literal or (isinstance(option, type) and issubclass(option, Enum)):
            names.append("one of")
        elif get_origin(option) is tuple:
            names.append("list with commas")
        else:
            names.append(_TYPE_NAMES.get(option, getattr(option, "__name__", str(option))))
    return " or ".join(names)


def _is_secret(kind: Any) -> bool:
    return any(_bare(option) is SecretStr for option in _alternatives(kind))


def _range(kind: Any, metadata: list[Any]) -> str:
    for option in map(_bare, _alternatives(kind)):
        if get_origin(option) is Literal:
            return " | ".join(str(choice) for choice in get_args(option))
        if isinstance(option, type) and issubclass(option, Enum):
            return " | ".join(str(member.value) for member in option)
    limits = list(metadata)
    for option in _alternatives(kind):
        limits += get_args(option)[1:] if get_origin(option) is Annotated else ()
    return _limits(limits)


def _limits(limits: list[Any]) -> str:
    low = high = ""
    others = []
    for limit in limits:
        match limit:
            case annotated_types.Ge(ge=bound):
                low = f"{bound}"
            case annotated_types.Gt(gt=bound):
                low = f"more than {bound}"
            case annotated_types.Le(le=bound):
                high = f"{bound}"
            case annotated_types.Lt(lt=bound):
                high = f"less than {bound}"
            case _ if getattr(limit, "pattern", None):
                others.append(f"matching {limit.pattern}")
            case _ if getattr(limit, "path_type", None) == "file":
                others.append("a file that exists")
    if low or high:
        others.insert(0, f"{low} to {high}" if low and high else (f"from {low}" if low else f"up to {high}"))
    return ", ".join(others)


def _show(value: object) -> str:
    match value:
        case None:
            return "(unset)"
        case SecretStr():
            return "**********" if value.get_secret_value() else "(unset)"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case Enum():
            return str(value.value)
        case tuple() | list():
            return ",".join(_show(item) for item in value)
        case _:
            return str(value)
