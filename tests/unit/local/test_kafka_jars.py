"""The jars of Kafka are the pinned ones or none; where nothing is missing, nobody is asked."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlabel.local import downloads, kafka_jars
from streamlabel.local.downloads import DownloadError, PinnedJar
from streamlabel.local.progress import SilentProgress

CONTENT = {"one": b"first jar" * 1000, "two": b"second jar" * 2000}


class Repository(http.server.BaseHTTPRequestHandler):
    """A Maven repository that serves `files` by path and notes what it was asked for."""

    files: dict[str, bytes]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        content = self.files.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> list[PinnedJar]:
    """Two small jars in place of Kafka's."""
    jars = [
        PinnedJar(
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            group="org.example",
            artifact=name,
            version="1",
        )
        for name, content in CONTENT.items()
    ]
    monkeypatch.setattr(kafka_jars, "kafka_jars", lambda: jars)
    return jars


@pytest.fixture
def repository(pins: list[PinnedJar], monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Repository]]:
    """Maven Central, as far as the code can see."""

    class Served(Repository):
        pass

    Served.files = {f"/maven2/{jar.relative_path}": CONTENT[jar.artifact] for jar in pins}
    Served.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Served)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr("jgo.constants.MAVEN_CENTRAL_URL", f"http://127.0.0.1:{server.server_port}/maven2")
    yield Served
    server.shutdown()
    thread.join()
    server.server_close()


class Metered(SilentProgress):
    """Keeps the last report of a download."""

    last: tuple[int, int] = (0, 0)

    def downloaded(self, what: str, done_bytes: int, total_bytes: int) -> None:
        self.last = (done_bytes, total_bytes)


def test_missing_jars_are_fetched_once_with_progress_and_never_again(
    tmp_path: Path, repository: type[Repository]
) -> None:
    progress = Metered()
    paths = kafka_jars.ensure(tmp_path, progress)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    total = sum(len(content) for content in CONTENT.values())
    assert progress.last == (total, total)
    repository.asked.clear()
    assert kafka_jars.ensure(tmp_path, SilentProgress()) == paths
    assert repository.asked == []


def test_a_jar_with_another_content_is_refused_and_not_kept(tmp_path: Path, repository: type[Repository]) -> None:
    path = next(path for path in repository.files if "two" in path)
    repository.files[path] = repository.files[path].replace(b"second", b"SECOND")
    with pytest.raises(DownloadError, match=r"two 1 as downloaded is not the pinned file \(SHA-256 differs\)"):
        kafka_jars.ensure(tmp_path, SilentProgress())
    assert not kafka_jars.is_complete(tmp_path)
    assert not kafka_jars.class_path(tmp_path)[1].exists()


def test_a_jar_that_is_not_there_is_named(tmp_path: Path, repository: type[Repository]) -> None:
    repository.files.clear()
    with pytest.raises(DownloadError, match=r"cannot download (one|two) 1 from Maven Central"):
        kafka_jars.ensure(tmp_path, SilentProgress())


def test_a_jar_cut_short_is_fetched_again(tmp_path: Path, repository: type[Repository]) -> None:
    paths = kafka_jars.ensure(tmp_path, SilentProgress())
    paths[0].write_bytes(CONTENT["one"][:10])
    repository.asked.clear()
    assert kafka_jars.ensure(tmp_path, SilentProgress())[0].read_bytes() == CONTENT["one"]
    assert all("two" not in path for path in repository.asked)


def test_a_changed_byte_in_the_cache_is_found(tmp_path: Path, repository: type[Repository]) -> None:
    paths = kafka_jars.ensure(tmp_path, SilentProgress())
    assert kafka_jars.damaged(tmp_path) == []
    paths[1].write_bytes(CONTENT["two"].replace(b"s", b"S", 1))
    assert kafka_jars.damaged(tmp_path) == [paths[1]]


def test_the_lock_pins_kafka_whole() -> None:
    jars = downloads.kafka_jars()
    by_name = {jar.artifact: jar for jar in jars}
    assert len(by_name) == len(jars) == 45
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {kafka_jars.KAFKA_VERSION}
    assert "log4j-slf4j-impl" in by_name
    assert all(len(jar.sha256) == 64 and jar.size_bytes > 0 for jar in jars)
    assert 40e6 < sum(jar.size_bytes for jar in jars) < 50e6


def test_the_lock_of_triton_pins_numpy_one() -> None:
    text = downloads.lock_text("triton.lock")
    pins = dict(line.split(" ")[0].split("==") for line in text.splitlines() if "==" in line)
    assert pins["numpy"].startswith("1.26."), "numpy 2 beside this Triton corrupts tensors without an error"
    assert pins["nvidia-pytriton"] == "0.7.0"
    assert text.count("--hash=sha256:") > len(pins)
