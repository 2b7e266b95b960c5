"""From what an operator set to how Kafka is reached: the same for every service."""

from __future__ import annotations

from streamlabel.runtime.kafka import KafkaConnection
from streamlabel.runtime.settings import ServiceSettings


def kafka_connection(settings: ServiceSettings, service: str) -> KafkaConnection:
    """The connection that `settings` describe; the broker knows the client as `streamlabel-<service>`."""
    password = settings.kafka_sasl_password
    return KafkaConnection(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        client_id=f"streamlabel-{service}",
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_username=settings.kafka_sasl_username,
        sasl_password=password.get_secret_value() if password else None,
        ssl_ca_file=settings.kafka_ssl_ca_file,
        ssl_cert_file=settings.kafka_ssl_cert_file,
        ssl_key_file=settings.kafka_ssl_key_file,
        session_timeout_s=settings.kafka_session_timeout_s,
        rebalance_timeout_s=settings.kafka_rebalance_timeout_s,
        transaction_timeout_s=settings.kafka_transaction_timeout_s,
    )
