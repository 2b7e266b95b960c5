"""Settings: everything wrong is told at once, in an operator's words, and no secret is ever shown."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, SecretStr

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.settings import (
    CommaSeparated,
    GrpcSettings,
    ServiceSettings,
    describe_settings,
    effective_settings,
    load_settings,
)


class ReviewLike(GrpcSettings):
    """Stands for a service's own settings."""

    review_postgres_dsn: SecretStr = Field(description="Where the tasks live")
    review_lease_s: float = Field(60.0, ge=5, le=3600, description="How long a lease lasts")
    review_order: Literal["oldest", "surest"] = Field("oldest", description="Which task comes first")
    review_classes: CommaSeparated = Field(("a", "b"), description="Classes shown")
    review_model_file: Path | None = Field(None, description="A file")


DSN = "postgresql://u:hunter2@db/x"


def load(**environ: str) -> ReviewLike:
    return load_settings(ReviewLike, {"STREAMLABEL_REVIEW_POSTGRES_DSN": DSN, **environ})


def problems_of(**environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(**environ)
    return str(caught.value)


def test_defaults_hold_where_the_environment_is_silent() -> None:
    settings = load(PATH="/bin")
    assert settings.http_port == 8080
    assert settings.review_lease_s == 60.0
    assert settings.review_postgres_dsn.get_secret_value() == DSN


def test_values_come_from_the_environment_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLABEL_REVIEW_LEASE_S", "7")
    settings = load(STREAMLABEL_HTTP_PORT="0", STREAMLABEL_LOG_LEVEL="WARNING", STREAMLABEL_REVIEW_CLASSES="x, y ,,z")
    assert settings.http_port == 0
    assert settings.log_level == "warning"
    assert settings.review_classes == ("x", "y", "z")
    assert settings.review_lease_s == 60.0, "the process's own environment is not an argument"


def test_an_empty_variable_counts_as_unset() -> None:
    assert load(STREAMLABEL_HTTP_PORT="").http_port == 8080


def test_every_problem_is_told_at_once() -> None:
    text = problems_of(
        STREAMLABEL_HTTP_PORT="99999", STREAMLABEL_REVIEW_LEASE_S="soon", STREAMLABEL_HTTP_PRT="1", STREAMLABEL_QQQ="2"
    )
    assert text.startswith("4 settings are wrong:")
    assert "STREAMLABEL_HTTP_PORT='99999'" in text
    assert "0 to 65535" in text
    assert "STREAMLABEL_REVIEW_LEASE_S='soon'" in text
    assert "5.0 to 3600.0" in text or "5 to 3600" in text
    assert "STREAMLABEL_HTTP_PRT: no such setting; did you mean STREAMLABEL_HTTP_PORT?" in text
    assert "STREAMLABEL_QQQ: no such setting; --help lists" in text


def test_a_choice_names_its_alternatives() -> None:
    text = problems_of(STREAMLABEL_REVIEW_ORDER="newest", STREAMLABEL_LOG_FORMAT="xml")
    assert "oldest | surest" in text
    assert "json | text" in text


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigurationError, match="STREAMLABEL_REVIEW_POSTGRES_DSN: must be set"):
        load_settings(ReviewLike, {})


def test_keys_of_other_services_are_ignored_but_own_typos_are_not() -> None:
    load(
        STREAMLABEL_INGEST_MAX_BATCH_RECORDS="5",
        STREAMLABEL_INFERENCE_TRITON_URL="x",
        STREAMLABEL_DATA_DIR="y",
        STREAMLABEL_TOPICS_PARTITIONS="3",
        STREAMLABEL_TEST_KAFKA="z",
    )
    assert "did you mean STREAMLABEL_REVIEW_LEASE_S?" in problems_of(STREAMLABEL_REVIEW_LEASE="5")


def test_a_setting_of_a_server_is_unknown_to_a_service_without_one() -> None:
    with pytest.raises(ConfigurationError, match="STREAMLABEL_GRPC_PORT: no such setting"):
        load_settings(ServiceSettings, {"STREAMLABEL_GRPC_PORT": "1"})


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"STREAMLABEL_KAFKA_SECURITY_PROTOCOL": "sasl_ssl"}, "needs STREAMLABEL_KAFKA_SASL_USERNAME"),
        ({"STREAMLABEL_KAFKA_SSL_CERT_FILE": __file__}, "come as a pair"),
        ({"STREAMLABEL_GRPC_TLS_CERT_FILE": __file__}, "STREAMLABEL_GRPC_TLS_KEY_FILE come as a pair"),
        ({"STREAMLABEL_GRPC_TLS_CLIENT_CA_FILE": __file__}, "needs STREAMLABEL_GRPC_TLS_CERT_FILE"),
        ({"STREAMLABEL_KAFKA_SSL_CA_FILE": "/no/such/file"}, "a file that exists"),
    ],
)
def test_settings_that_only_make_sense_together(environ: dict[str, str], expected: str) -> None:
    assert expected in problems_of(**environ)


def test_no_secret_in_errors_values_or_representations() -> None:
    text = problems_of(STREAMLABEL_KAFKA_SECURITY_PROTOCOL="SASL_SSL", STREAMLABEL_KAFKA_SASL_PASSWORD="opensesame")
    settings = load(STREAMLABEL_KAFKA_SASL_PASSWORD="opensesame")
    shown = "\n".join(f"{key}={value}" for key, value in effective_settings(settings))
    for place in (text, shown, repr(settings), str(settings)):
        assert "opensesame" not in place
        assert "hunter2" not in place
    assert "STREAMLABEL_KAFKA_SASL_PASSWORD=**********" in shown


def test_the_description_has_every_key_with_range_default_and_help() -> None:
    rows = {row.key: row for row in describe_settings(ReviewLike)}
    assert next(iter(rows)).startswith("STREAMLABEL_"), "the key, not the field"
    assert rows["STREAMLABEL_REVIEW_LEASE_S"].default == "60"
    assert rows["STREAMLABEL_REVIEW_POSTGRES_DSN"].required
    assert rows["STREAMLABEL_REVIEW_POSTGRES_DSN"].secret
    assert rows["STREAMLABEL_HTTP_PORT"].range == "0 to 65535"
    assert rows["STREAMLABEL_KAFKA_SSL_CA_FILE"].range == "a file that exists"
    assert all(row.help and row.type for row in rows.values())


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().http_port = 1
