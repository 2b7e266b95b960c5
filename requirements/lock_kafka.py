"""Writes services/streamlabel/local/kafka.lock anew: resolves Apache Kafka by its POMs and pins every jar by SHA-256.

    .venv/bin/python requirements/lock_kafka.py 4.4.0

The logging binding is pinned by itself: given to the resolver together with Kafka, its POM's dependency management would
put older Kafka clients beside the broker.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import jgo
from jgo.maven import MavenContext

LOCK = Path(__file__).parent.parent / "services/streamlabel/local/kafka.lock"
LOGGING_BINDING = ("org.apache.logging.log4j", "log4j-slf4j-impl")
LOG4J = "log4j-core"


def main(version: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        context = MavenContext(repo_cache=Path(directory), remote_repos={"central": jgo.MAVEN_CENTRAL_URL}, timeout=60)
        kafka = context.create_dependency(f"org.apache.kafka:kafka_2.13:jar:{version}:compile")
        direct, transitive = context.resolver.resolve([kafka])
        artifacts = [item.artifact for item in [*direct, *transitive] if item.scope in ("compile", "runtime")]
        log4j = next(artifact for artifact in artifacts if artifact.artifactId == LOG4J)
        artifacts.append(context.project(*LOGGING_BINDING).at_version(log4j.version).artifact())
        lines = [f"# Apache Kafka {version} and its logging; written by requirements/lock_kafka.py", ""]
        for artifact in artifacts:
            path = artifact.resolve()
            lines.append(
                f"{_sha256(path)} {path.stat().st_size} {artifact.groupId}:{artifact.artifactId}:{artifact.version}"
            )
        LOCK.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    from streamlabel.local.downloads import sha256_of

    return sha256_of(path)


if __name__ == "__main__":
    main(sys.argv[1])
