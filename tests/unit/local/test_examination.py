"""The doctor finds what stands in the way and says what to do about it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from streamlabel.local import examination, interpreters, kafka_jars, stack_file
from streamlabel.local.examination import Finding, Verdict
from streamlabel.local.interpreters import Interpreter
from streamlabel.local.places import DataDir
from support.stack_states import resting

NOTHING: Mapping[str, str] = {}


def look(root: Path, environ: Mapping[str, str] = NOTHING) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examination.examine(DataDir.at(root), root / "cache", environ)}


def test_an_empty_machine_is_told_what_the_first_start_fetches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_reaches", lambda host: True)
    found = look(tmp_path)
    assert "the first start fetches 43 MB" in found["Apache Kafka 4.4.0"].detail
    assert "first start fetches" in found["Triton 2.51.0"].detail
    assert found["stack"].detail.startswith("never started here")
    assert all(finding.remedy for finding in found.values() if finding.verdict is not Verdict.GOOD)


def test_a_machine_without_network_cannot_make_the_first_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_reaches", lambda host: False)
    kafka = look(tmp_path)["Apache Kafka 4.4.0"]
    assert kafka.verdict is Verdict.BAD
    assert "repo.maven.apache.org does not answer" in kafka.detail


def test_a_damaged_download_is_named_with_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = tmp_path / "kafka-clients.jar"
    monkeypatch.setattr(kafka_jars, "is_complete", lambda cache: True)
    monkeypatch.setattr(kafka_jars, "damaged", lambda cache: [jar])
    kafka = look(tmp_path)["Apache Kafka 4.4.0"]
    assert kafka.verdict is Verdict.BAD
    assert kafka.remedy.startswith(f"rm {jar}")


def test_a_machine_without_a_fitting_python_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Interpreter(executable=Path("/usr/local/bin/python3.12"), version=(3, 12), has_venv=False, library=None)
    monkeypatch.setattr(interpreters, "all_supported", lambda: [own])
    triton = look(tmp_path)["Triton 2.51.0"]
    assert triton.verdict is Verdict.BAD
    assert triton.detail == "/usr/local/bin/python3.12 lacks libpython3.12 python3.12-venv"


def test_too_little_room_is_bad_and_too_little_memory_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "free_bytes", lambda place: 100 * 1024 * 1024)
    monkeypatch.setattr(examination, "_available_memory_bytes", lambda: 300 * 1024 * 1024)
    found = look(tmp_path)
    assert found["room for data directory"].verdict is Verdict.BAD
    assert found["room for download cache"].remedy.endswith("STREAMLABEL_CACHE_DIR")
    assert found["memory"].verdict is Verdict.NOTE


def test_a_state_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    data.stack_file.write_text("{")
    stack = look(tmp_path)["stack"]
    assert stack.verdict is Verdict.BAD
    assert stack.remedy == f"rm {data.stack_file}"


def test_servers_elsewhere_are_knocked_at(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        environ = {
            "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}, 127.0.0.1:1",
            "STREAMLABEL_REVIEW_POSTGRES_DSN": f"postgresql://me:secret@127.0.0.1:{port}/streamlabel",
        }
        found = list(examination._given(environ))
    assert [(finding.subject, finding.verdict) for finding in found] == [
        (f"127.0.0.1:{port}", Verdict.GOOD),
        ("127.0.0.1:1", Verdict.BAD),
        (f"127.0.0.1:{port}", Verdict.GOOD),
    ]
    assert "secret" not in str(found)


def test_a_port_of_a_resting_stack_that_somebody_took_is_named(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stack_file.write(data, resting({"review-http": port}))
        found = look(tmp_path)
    assert found[f"port {port} of review-http"].verdict is Verdict.NOTE


def test_that_the_desk_is_open_is_said_aloud() -> None:
    access = examination._access({})
    assert (access.verdict, "any name" in access.detail) == (Verdict.NOTE, True)
    assert "STREAMLABEL_REVIEW_ACCESS=tokens" in access.remedy
    assert examination._access({"STREAMLABEL_REVIEW_ACCESS": "tokens"}).verdict is Verdict.GOOD
