"""A private PostgreSQL to compare with: started once per session, in its own directory, on a free port."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

START_LIMIT_S = 30.0
UNPRIVILEGED = ("postgres", "nobody")
"""PostgreSQL refuses to run as root; as root we become the first of these that exists."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server; `version` is its major version."""

    host: str
    port: int
    user: str
    bindir: Path
    version: int

    @property
    def dsn(self) -> str:
        """A libpq connection string for the database `postgres`."""
        return f"host={self.host} port={self.port} user={self.user} dbname=postgres"

    def connect(self, **options: Any) -> "psycopg.Connection[Any]":
        """A new autocommit connection."""
        return psycopg.connect(self.dsn, autocommit=True, **options)

    def reset(self) -> None:
        """No schema of anybody's but an empty `public`, as a new database has it."""
        with self.connect() as connection:
            connection.execute("SET client_min_messages = warning")
            schemas = connection.execute(
                r"SELECT quote_ident(nspname) FROM pg_namespace"
                r" WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
            ).fetchall()
            for (schema,) in schemas:
                connection.execute(f"DROP SCHEMA {schema} CASCADE")
            connection.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
            connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
            connection.execute("COMMENT ON SCHEMA public IS 'standard public schema'")


def _bundled() -> Path | None:
    """The binaries that PyPI's pgserver carries (PostgreSQL 16)."""
    for entry in map(Path, sys.path):
        bindir = entry / "pgserver" / "pginstall" / "bin"
        if (bindir / "postgres").exists():
            return bindir
    return None


def candidates() -> list[Path]:
    """Directories of PostgreSQL binaries, best first."""
    found = [bindir for bindir in [_bundled()] if bindir]
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: -int(p.parent.name))
    found += [bindir for bindir in system if (bindir / "postgres").exists()]
    on_path = shutil.which("postgres")
    if on_path:
        found.append(Path(on_path).parent)
    return found


def _account() -> pwd.struct_passwd | None:
    """Who to become, or None: we are not root already."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LookupError("no unprivileged account")


def _spawn(command: list[str], home: Path, log: Any) -> "subprocess.Popen[bytes]":
    """Start a PostgreSQL program as an unprivileged user with a clean environment."""
    account = _account()
    identity: dict[str, Any] = {}
    if account is not None:
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.Popen(
        command,
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        **identity,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: Postgres, process: "subprocess.Popen[bytes]") -> bool:
    """True once the server answers; False when it ended or took too long."""
    limit = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < limit:
        try:
            server.connect(connect_timeout=5).close()
            return True
        except psycopg.OperationalError:
            time.sleep(0.05)
    return False


def _launch(bindir: Path, base: Path, log: Any) -> "tuple[Postgres, subprocess.Popen[bytes]] | None":
    """Make a cluster in `base` and start it; None when these binaries do not work here."""
    data = base / "data"
    options = ["-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8", "-N"]
    try:
        if _spawn([str(bindir / "initdb"), "-D", str(data), *options], base, log).wait(START_LIMIT_S) != 0:
            return None
    except (OSError, subprocess.TimeoutExpired):
        return None
    port = _free_port()
    settings = {
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(base),
        "shared_buffers": "32MB",
        "max_connections": "60",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "autovacuum": "off",
    }
    command = [str(bindir / "postgres"), "-D", str(data), "-p", str(port)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    process = _spawn(command, base, log)
    major = subprocess.run([bindir / "postgres", "--version"], capture_output=True, text=True, check=False)
    version = int(major.stdout.split()[2].split(".")[0])
    server = Postgres("127.0.0.1", port, "postgres", bindir, version)
    if _wait(server, process):
        return server, process
    process.kill()
    process.wait()
    return None


def start(base: Path) -> "tuple[Postgres, subprocess.Popen[bytes]] | None":
    """Start the first PostgreSQL that works, with its data below `base`; the caller stops the process."""
    try:
        account = _account()
    except LookupError:
        return None
    for number, bindir in enumerate(candidates()):
        home = base / str(number)
        home.mkdir(parents=True)
        if account is not None:
            os.chown(home, account.pw_uid, account.pw_gid)
        with (base / f"{number}.log").open("wb") as log:
            started = _launch(bindir, home, log)
        if started is not None:
            return started
    return None


@pytest.fixture(scope="module")
def postgres(postgres_server: Postgres) -> Postgres:
    """The private PostgreSQL without what an earlier module left in it."""
    postgres_server.reset()
    return postgres_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A private PostgreSQL with fsync off, the C locale and UTC; the test is skipped where none can run."""
    base = Path(tempfile.mkdtemp(prefix="opendsql-pg-", dir="/tmp"))
    base.chmod(0o755)
    started = start(base)
    try:
        if started is None:
            pytest.skip("no PostgreSQL here to compare with")
        yield started[0]
    finally:
        if started is not None:
            started[1].terminate()
            try:
                started[1].wait(20)
            except subprocess.TimeoutExpired:
                started[1].kill()
                started[1].wait()
        shutil.rmtree(base, ignore_errors=True)
