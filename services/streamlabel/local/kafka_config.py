"""The settings of the embedded broker: one node that is controller and broker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from streamlabel.local.ports import LOOPBACK

_MESSAGE_LIMIT_BYTES = 17 * 1024 * 1024
_YEAR_MINUTES = 365 * 24 * 60

LOGGING = """\
status = warn
shutdownHook = disable
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %m (%c{1})%n
# Hundreds of lines of settings at every start, and a line for every record of metadata, hide what matters.
logger.settings.name = org.apache.kafka.common.config
logger.settings.level = warn
logger.controller.name = org.apache.kafka.controller
logger.controller.level = warn
logger.changes.name = state.change.logger
logger.changes.level = warn
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


# One line for each record of the metadata: what `kafka_settle.py` reads.
SETTLING_LOGGING = LOGGING.replace("logger.controller.level = warn", "logger.controller.level = info")
_DEAD_AFTER_MS = 500


def controller_properties(log_dir: Path, *, controller_port: int) -> str:
    """`server.properties` of the same node as a controller alone, which takes its broker for dead very soon."""
    settings = {
        "process.roles": "controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CONTROLLER://{LOOPBACK}:{controller_port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT",
        "log.dirs": log_dir,
        "broker.session.timeout.ms": _DEAD_AFTER_MS,
    }
    return _written(settings)


def properties(log_dir: Path, *, port: int, controller_port: int) -> str:
    """`server.properties` of a broker at `port` whose data lies in `log_dir`."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CLIENTS://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"CLIENTS://{LOOPBACK}:{port}",
        "inter.broker.listener.name": "CLIENTS",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": log_dir,
        # Topics are made by `streamlabel topics apply`; a typing error must not make one.
        "auto.create.topics.enable": "false",
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # A stack that lay still for a week must not forget where its groups were.
        "offsets.retention.minutes": _YEAR_MINUTES,
        "message.max.bytes": _MESSAGE_LIMIT_BYTES,
        "replica.fetch.max.bytes": _MESSAGE_LIMIT_BYTES,
    }
    return _written(settings)


def _written(settings: Mapping[str, object]) -> str:
    return "".join(f"{key}={value}\n" for key, value in settings.items())
