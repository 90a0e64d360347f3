"""A server for tests in a process of its own, and what a test needs to know to connect to it (docs/testing.md)."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

START_S = 60.0
STOP_S = 15.0
REGION = "us-east-1"
"""Of the clusters' host names."""
LOG_BYTES = 64 << 10
"""Of the log at most, in the report of a failed test."""

_HERE = Path(__file__).resolve().parent


class StartFailed(Exception):
    """The server did not start; the text has what it said."""


class Refused(Exception):
    """The server does not do what it was asked for; the text says why."""


class _Faults:
    """Faults on demand, and what is told of commits that lost (docs/testing.md)."""

    def inject(self, kind: str, **options: Any) -> int:
        """Let a fault happen, as CALL opendsql.inject: `nth`, `times`, `probability`, `seed`, `pid`, `role`,
        `table_name`, `ms`, `jitter_ms`. Its number. Raises `Refused`."""
        if "table_name" in options:
            options["table"] = options.pop("table_name")
        if "times" not in options and "probability" in options:
            options["times"] = None
        (answer,) = self._ask("inject", kind=kind, **options)
        number: int = answer["id"]
        return number

    def injections(self) -> list[dict[str, Any]]:
        """All that were not removed: how often each `matched` and `fired`, among others."""
        return self._ask("injections")

    def remove_injections(self) -> None:
        """All of them."""
        self._ask("remove_injections")

    def conflicts(self) -> list[dict[str, Any]]:
        """The last commits that lost, as the view opendsql.conflicts."""
        return self._ask("conflicts")

    def _ask(self, request_type: str, /, **fields: Any) -> list[Any]:
        raise NotImplementedError


@dataclass(frozen=True)
class Dsql(_Faults):
    """One cluster of a running server: where it is, as the drivers want it."""

    server: Server = field(repr=False)
    cluster_id: str
    host: str = "127.0.0.1"
    user: str = "admin"
    database: str = "postgres"

    @property
    def port(self) -> int:
        """Of all the server's clusters."""
        return self.server.port

    @property
    def options(self) -> str:
        """The start-up options that choose the cluster (PGOPTIONS)."""
        return f"-c amzn-cluster-id={self.cluster_id}"

    @property
    def dsn(self) -> str:
        """For libpq: psql, psycopg."""
        where = f"host={self.host} port={self.port} user={self.user} dbname={self.database}"
        return f"{where} options='{self.options}'"

    @property
    def url(self) -> str:
        """For libpq, psycopg and asyncpg."""
        return f"postgresql://{self._address}?options={quote(self.options)}"

    @property
    def settings(self) -> dict[str, str]:
        """asyncpg's `server_settings` that choose the cluster."""
        return {"amzn-cluster-id": self.cluster_id}

    def sqlalchemy_url(self, drivername: str = "postgresql+psycopg") -> str:
        """For SQLAlchemy; with asyncpg also `connect_args={"server_settings": dsql.settings}`."""
        query = "" if drivername.endswith("+asyncpg") else f"?options={quote(self.options)}"
        return f"{drivername}://{self._address}{query}"

    @property
    def endpoint(self) -> str:
        """The cluster's host name, as DSQL's are; it is resolved by nobody."""
        return f"{self.cluster_id}.dsql.{REGION}.on.aws"

    @property
    def tls(self) -> dict[str, Any]:
        """What libpq is told beside `endpoint` as host: where that is, and to trust the server's certificate alone."""
        return {
            "hostaddr": self.host,
            "port": self.port,
            "sslmode": "verify-full",
            "sslrootcert": str(self.server.directory / "tls" / "ca.pem"),
        }

    @property
    def django(self) -> dict[str, Any]:
        """For Django's DATABASES, without ENGINE: Django's own for PostgreSQL, and AWS's adapter."""
        options = self.tls
        port = options.pop("port")
        where = {"HOST": self.endpoint, "PORT": port, "USER": self.user, "NAME": self.database}
        return {**where, "OPTIONS": options, "DISABLE_SERVER_SIDE_CURSORS": True}

    @property
    def _address(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    def drop(self) -> None:
        """End the cluster and its connections."""
        self.server.ask("drop_cluster", id=self.cluster_id)

    def _ask(self, request_type: str, /, **fields: Any) -> list[Any]:
        return self.server.ask(request_type, cluster=self.cluster_id, **fields)


class Process:
    """A process of ours that says `ready URL` on its standard output, with its log in a file."""

    def __init__(self, command: list[str], directory: Path, ready_lines: int) -> None:
        """Raises `StartFailed`."""
        self.directory = directory
        self.endpoints: list[tuple[str, str]] = []
        """Of each ready line: what stands before the address, and the address."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        self._marked = 0
        paths = [str(_HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        try:
            self._until_ready(ready_lines)
        except BaseException:
            self.process.kill()
            self.stop()
            raise

    def _until_ready(self, lines: int) -> None:
        assert self.process.stdout is not None
        descriptor, deadline, said = self.process.stdout.fileno(), time.monotonic() + START_S, b""
        while said.count(b"\n") < lines:
            left = deadline - time.monotonic()
            ready = select.select([descriptor], [], [], max(left, 0))[0]
            data = os.read(descriptor, 4096) if ready else b""
            if not data:
                self.process.kill()
                self.process.wait()
                self._marked = 0
                raise StartFailed(f"opendsql did not start: {self.logged().strip() or 'it said nothing'}")
            said += data
        for line in said.decode().splitlines():
            _ready, *region, address = line.split()
            self.endpoints.append((" ".join(region), address))

    def mark_log(self) -> None:
        """`logged` begins here."""
        self._marked = self._log.seek(0, os.SEEK_END)

    def logged(self) -> str:
        """What it has logged since the mark, at most the last of it."""
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(self._marked, end - LOG_BYTES))
        return self._log.read().decode(errors="replace")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream is not None:
                stream.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Server(Process):
    """`opendsql serve --memory` on a free port."""

    @classmethod
    def start(cls, arguments: list[str]) -> Server:
        """A server that serves. Raises `StartFailed`."""
        base = "/dev/shm" if os.path.isdir("/dev/shm") else None
        directory = Path(tempfile.mkdtemp(prefix="opendsql-pytest-", dir=base))
        where = ["--memory", "--data", str(directory), "--port", "0", "--while-stdin"]
        where += ["--tls-name", f"*.dsql.{REGION}.on.aws"]
        return cls([sys.executable, "-P", "-m", "opendsql", "serve", *where, *arguments], directory, 1)

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        port = urlsplit(self.endpoints[0][1]).port
        assert port is not None
        return port

    def new_cluster(self) -> Dsql:
        """A fresh cluster, in milliseconds."""
        (answer,) = self.ask("new_cluster")
        return Dsql(self, answer["id"])

    def ask(self, request_type: str, /, **fields: Any) -> list[Any]:
        """The lines of the control socket's answer. Raises `Refused`, OSError."""
        return _answers(self.directory, request_type, **fields)


@dataclass(frozen=True)
class Region(_Faults):
    """One of two regions: its address, and faults for those who connect to it."""

    name: str
    url: str
    """For libpq, psycopg and asyncpg."""
    directory: Path
    """Of its node: what `opendsql inject` and the like are told as --data."""

    def _ask(self, request_type: str, /, **fields: Any) -> list[Any]:
        return _answers(self.directory, request_type, **fields)


class Regions(Process):
    """`opendsql cluster`: two regions and a witness on free ports."""

    @classmethod
    def start(cls, directory: Path) -> Regions:
        """Regions that serve. Raises `StartFailed`."""
        program = [sys.executable, "-P", "-m", "opendsql"]
        bound = [sys.executable, "-I", "-S", str(_bound()), str(os.getpid())]
        data = ["--data", str(directory / "data"), "--port", "0"]
        return cls([*bound, *program, "cluster", *data], directory, 2)

    @property
    def regions(self) -> dict[str, str]:
        """The address of each region, as a URL for libpq, psycopg and asyncpg."""
        return dict(self.endpoints)

    def region(self, name: str) -> Region:
        """One of them. Raises KeyError."""
        return Region(name, self.regions[name], self.data / name / "node")

    @property
    def data(self) -> Path:
        """What `opendsql region cut|kill|heal` and the other commands are told as --data."""
        return self.directory / "data"


def _answers(directory: Path, request_type: str, /, **fields: Any) -> list[Any]:
    """What whoever runs on a data directory answers on its control socket. Raises `Refused`, OSError."""
    request = json.dumps({"type": request_type, **fields}).encode() + b"\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
        connected.settimeout(START_S)
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            connected.connect(f"/proc/self/fd/{opened}/control")  # a path of any length
        finally:
            os.close(opened)
        connected.sendall(request)
        found: list[Any] = []
        with connected.makefile("rb") as answer:
            for line in answer:
                reply = json.loads(line)
                if "error" in reply:
                    raise Refused(reply["error"])
                if "end" in reply:
                    return found
                found.append(reply["line"])
    raise Refused("the server ended before its answer did")


def _bound() -> Path:
    """The program that ends another one with its parent."""
    installed = _HERE / "_app"
    root = installed if installed.is_dir() else _HERE.parent
    return root / "server" / "runtime" / "region" / "bound.py"
