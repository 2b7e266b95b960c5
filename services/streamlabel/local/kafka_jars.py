"""Apache Kafka out of Maven Central, by the lock and not by resolving: the same 44 jars on every machine."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from streamlabel.local.downloads import DownloadError, PinnedJar, kafka_jars, sha256_of
from streamlabel.local.places import exclusive
from streamlabel.local.progress import Progress
from streamlabel.local.threads import for_each

KAFKA_VERSION = "4.4.0"
_DOWNLOADS_AT_ONCE = 4
_HTTP_TIMEOUT_S = 60


def class_path(cache: Path) -> list[Path]:
    """The jars in the cache, whether they are there or not."""
    return [cache / "maven" / jar.relative_path for jar in kafka_jars()]


def is_complete(cache: Path) -> bool:
    """Whether every jar is there in its full length."""
    return all(_has_size(cache / "maven" / jar.relative_path, jar.size_bytes) for jar in kafka_jars())


def damaged(cache: Path) -> list[Path]:
    """The jars in the cache whose content is not the pinned one; reads all of them."""
    paths = ((cache / "maven" / jar.relative_path, jar) for jar in kafka_jars())
    return [path for path, jar in paths if path.exists() and sha256_of(path) != jar.sha256]


def ensure(cache: Path, progress: Progress) -> list[Path]:
    """Returns the class path, with every missing jar downloaded and checked; no network where nothing is missing."""
    if not is_complete(cache):
        with exclusive(cache / "maven.lock"):
            _download_missing(cache / "maven", progress)
    return class_path(cache)


def _has_size(path: Path, size_bytes: int) -> bool:
    try:
        return path.stat().st_size == size_bytes
    except FileNotFoundError:
        return False


def _download_missing(repository: Path, progress: Progress) -> None:
    missing = [jar for jar in kafka_jars() if not _has_size(repository / jar.relative_path, jar.size_bytes)]
    if not missing:
        return
    for jar in missing:
        (repository / jar.relative_path).unlink(missing_ok=True)
    meter = _Meter(f"Apache Kafka {KAFKA_VERSION}", sum(jar.size_bytes for jar in missing), progress)
    for_each(lambda jar: _download(jar, repository, meter), missing, at_once=_DOWNLOADS_AT_ONCE)


class _Meter:
    """Adds up the bytes of downloads that run at once."""

    def __init__(self, what: str, total_bytes: int, progress: Progress) -> None:
        self._what, self._total_bytes, self._progress = what, total_bytes, progress
        self._done_bytes = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def of_file(self, _name: str, _size_bytes: int) -> Iterator[Callable[[int], None]]:
        yield self._add

    def _add(self, count: int) -> None:
        with self._lock:
            self._done_bytes += count
            self._progress.downloaded(self._what, self._done_bytes, self._total_bytes)


def _download(jar: PinnedJar, repository: Path, meter: _Meter) -> None:
    # Imported here: the HTTP client behind it costs a fifth of a second, which a start without downloads need not pay.
    import requests
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext, PythonResolver

    context = MavenContext(
        resolver=PythonResolver(progress_callback=meter.of_file),
        repo_cache=repository,
        remote_repos={"central": MAVEN_CENTRAL_URL},
        timeout=_HTTP_TIMEOUT_S,
    )
    target = repository / jar.relative_path
    try:
        # One artifact of one version: nothing is resolved, and no Java is looked for.
        context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (requests.RequestException, RuntimeError, OSError) as error:
        target.unlink(missing_ok=True)
        raise DownloadError(f"cannot download {jar.artifact} {jar.version} from Maven Central: {error}") from error
    if not target.exists() or sha256_of(target) != jar.sha256:
        target.unlink(missing_ok=True)
        raise DownloadError(
            f"{jar.artifact} {jar.version} as downloaded is not the pinned file (SHA-256 differs); it was removed"
        )
