"""The two servers of a benchmark: OpenDSQL and a private PostgreSQL, both syncing for real."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres import UNPRIVILEGED

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 60.0


@dataclass(slots=True)
class Target:
    """A running server: how to reach it, and whose CPU time it uses."""

    name: str
    port: int
    user: str
    process: "subprocess.Popen[str]"

    def dsn(self, tls: bool = False) -> str:
        mode = "require" if tls else "disable"
        return f"host=127.0.0.1 port={self.port} user={self.user} dbname=postgres sslmode={mode}"

    def connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.dsn(), autocommit=True)

    def cpu_s(self) -> float:
        """User and system time of the server's processes, ended children included."""
        ticks = 0
        for path in Path("/proc").iterdir():
            if not path.name.isdigit():
                continue
            try:
                fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            pid, parent = int(path.name), int(fields[1])
            if pid == self.process.pid:
                ticks += sum(map(int, fields[11:15]))
            elif parent == self.process.pid:
                ticks += sum(map(int, fields[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM if self.name == "OpenDSQL" else signal.SIGINT)
        self.process.wait(30)


def find_pgbench() -> tuple[Path, Path] | None:
    """(pgbench, directory of a server's binaries), the newest Debian installation that has both."""
    for bindir in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (bindir / "pgbench").exists() and (bindir / "postgres").exists():
            return bindir / "pgbench", bindir
    return None


def start_opendsql(base: Path, workers: int = 0) -> Target:
    """`opendsql serve` on a fresh data directory below `base`."""
    command = [sys.executable, "-m", "opendsql", "serve", "--port", "0", "--data", str(base / "opendsql")]
    if workers:
        command += ["--workers", str(workers)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    port = int(line.rsplit(":", 1)[1].split("/")[0])
    return Target("OpenDSQL", port, "admin", process)


def start_postgres(base: Path, bindir: Path) -> Target:
    """PostgreSQL with its default settings: fsync and synchronous_commit on; repeatable read as DSQL's."""
    data = base / "postgres"
    data.mkdir(parents=True)
    prefix: list[str] = []
    if os.geteuid() == 0:
        user = next(name for name in UNPRIVILEGED if shutil.which("setpriv"))
        shutil.chown(data, user)
        base.chmod(0o755)
        prefix = ["setpriv", f"--reuid={user}", "--regid=" + user, "--clear-groups"]
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    initdb = [
        *prefix,
        str(bindir / "initdb"),
        "-D",
        str(data / "d"),
        "-A",
        "trust",
        "-U",
        "postgres",
        "--no-locale",
    ]
    subprocess.run(initdb, check=True, capture_output=True, env=environment, cwd=data)
    _certificate(data, prefix)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(data),
        "default_transaction_isolation": "repeatable read",
        "ssl": "on",
        "ssl_cert_file": str(data / "server.crt"),
        "ssl_key_file": str(data / "server.key"),
    }
    command = [*prefix, str(bindir / "postgres"), "-D", str(data / "d"), "-p", str(port)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with open(base / "postgres.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, text=True, cwd=data)
    target = Target("PostgreSQL", port, "postgres", process)
    limit = time.monotonic() + START_LIMIT_S
    while True:
        try:
            target.connect().close()
            return target
        except psycopg.OperationalError:
            if time.monotonic() > limit or process.poll() is not None:
                raise
            time.sleep(0.1)


def _certificate(directory: Path, prefix: list[str]) -> None:
    """A self-signed certificate for the TLS column."""
    key, certificate = directory / "server.key", directory / "server.crt"
    subprocess.run(
        [
            *prefix, "openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-subj", "/CN=localhost",
            "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-out", str(certificate), "-keyout", str(key),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
