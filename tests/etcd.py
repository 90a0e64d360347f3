"""Private etcd clusters on loopback, whose members can be killed."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

START_LIMIT_S = 30.0
NAMES = ("a", "b", "w")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that are all free at this moment."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


class Cluster:
    """etcd processes with their data in a directory of their own; members are named `NAMES`."""

    def __init__(self, members: int = 3, options: tuple[str, ...] = (), scheme: str = "http") -> None:
        """Start and wait until every member answers; the test is skipped where there is no etcd."""
        program = shutil.which("etcd")
        if program is None:
            pytest.skip("no etcd here (Debian's etcd-server)")
        self._program = program
        self.options = options
        """Of members that are started from now on."""
        self._scheme = scheme
        self._base = Path(tempfile.mkdtemp(prefix="opendsql-etcd-"))
        ports = free_ports(2 * members)
        self._client, self._peer = ports[:members], ports[members:]
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * members
        try:
            for index in range(members):
                self._spawn(index)
            for index in range(members):
                self._wait(index)
        except BaseException:
            self.stop()
            raise

    @property
    def endpoints(self) -> list[str]:
        """host:port of every member."""
        return [f"127.0.0.1:{port}" for port in self._client]

    def kill(self, index: int) -> None:
        """kill -9."""
        process = self._processes[index]
        assert process is not None
        process.kill()
        process.wait()
        self._processes[index] = None

    def restart(self, index: int, *, wait: bool = True) -> None:
        """Start a killed member again with its data; `wait` until it answers, which takes a quorum."""
        self._spawn(index)
        if wait:
            self._wait(index)

    def signal(self, index: int, number: signal.Signals) -> None:
        """Send a signal to a member, such as SIGSTOP."""
        process = self._processes[index]
        assert process is not None
        process.send_signal(number)

    def stop(self) -> None:
        """End all members and remove their data."""
        for process in self._processes:
            if process is not None:
                process.kill()
                process.wait()
        self._processes = [None] * len(self._processes)
        shutil.rmtree(self._base, ignore_errors=True)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, index: int) -> None:
        name = NAMES[index]
        client = f"{self._scheme}://127.0.0.1:{self._client[index]}"
        peer = f"http://127.0.0.1:{self._peer[index]}"
        peers = [f"{NAMES[each]}=http://127.0.0.1:{port}" for each, port in enumerate(self._peer)]
        command = [
            self._program,
            *("--name", name, "--data-dir", str(self._base / name)),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", ",".join(peers), "--initial-cluster-token", self._base.name),
            *("--heartbeat-interval", "100", "--election-timeout", "1000", "--pre-vote"),
            *("--logger", "zap", "--log-level", "error"),
            *self.options,
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
        if unsupported := os.environ.get("ETCD_UNSUPPORTED_ARCH"):
            environment["ETCD_UNSUPPORTED_ARCH"] = unsupported
        with (self._base / f"{name}.log").open("ab") as log:
            self._processes[index] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )

    def _wait(self, index: int) -> None:
        """Return once the member is healthy: it knows a leader, and a quorum confirms a read.

        One that wants certificates is only seen to listen; requests wait in its queue until it serves.
        """
        process = self._processes[index]
        assert process is not None
        limit = time.monotonic() + START_LIMIT_S
        while process.poll() is None and time.monotonic() < limit:
            is_ready = _listens if self._scheme == "https" else _is_healthy
            if is_ready(self._client[index]):
                return
            time.sleep(0.05)
        log = (self._base / f"{NAMES[index]}.log").read_text(errors="replace")
        raise RuntimeError(f"etcd did not start: {log[-2000:]}")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


def _is_healthy(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(json.load(answer)["health"] == "true")
    except OSError:
        return False


@pytest.fixture(scope="session")
def etcd_cluster() -> Iterator[Cluster]:
    """Three members for all tests that leave them alive; every test takes journals of its own names."""
    with Cluster() as cluster:
        yield cluster
