"""Formats the log directory of a broker, whole or not at all."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from streamlabel.local import kafka_config
from streamlabel.local.java import java_command, java_environment
from streamlabel.local.server import ServerError

_FORMAT_TIMEOUT_S = 60


def format_log_dir(log_dir: Path, class_path: Sequence[Path]) -> None:
    """Makes `log_dir`; it is formatted aside and moved into place, so what is there is always complete."""
    unfinished = log_dir.with_name(f"{log_dir.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    properties = log_dir.with_name("format.properties")
    # The ports are not looked at by the formatter; it only wants to see a whole configuration.
    properties.write_text(kafka_config.properties(unfinished, port=9092, controller_port=9093))
    options = ["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    result = subprocess.run(
        [
            *java_command(class_path, options),
            "kafka.tools.StorageTool", "format", f"--cluster-id={_cluster_id()}", "--config", str(properties),
        ],
        capture_output=True, text=True, env=java_environment(), timeout=_FORMAT_TIMEOUT_S,
    )  # fmt: skip
    if result.returncode:
        raise ServerError(f"Kafka cannot format {log_dir}:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    unfinished.rename(log_dir)
    properties.unlink()


def _cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
