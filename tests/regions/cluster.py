"""A real `opendsql cluster` in processes of its own, on free ports, for tests that break it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server import cli_connect
from server.runtime.region import local_requests
from server.runtime.requests import Refused
from tests.serving_process import PROGRAM, ROOT, opendsql

EAST, WEST, WITNESS = "us-east-1", "us-west-2", "us-east-2"
REGIONS = (EAST, WEST)
HANG_S = 30.0
"""What takes longer hangs."""
WHOLE_S = 60.0
"""The same for processes that have to start."""
PATIENT = ("--silence", "2.5")
"""Two workers and other clusters share the cores: a region that has to wait for them is not lost."""
LOOK_S = 0.05
LOG_BYTES = 4000
RUNNING: "list[RegionCluster]" = []
"""Those that a failed test may show the logs of."""
COMMIT_MESSAGES = ("prepare", "vote", "outcome", "inquiry", "decision")
"""What the nodes say for the sake of a COMMIT; closed times and signs of life flow all the time."""


class RegionCluster:
    """Two regions and a witness; a context manager that ends every process at its end."""

    def __init__(self, data: Path, *options: str, follows_writers: bool = False) -> None:
        """The test is skipped where there is no etcd. Ranges stay where they are, unless `follows_writers`."""
        if shutil.which("etcd") is None:
            pytest.skip("no etcd here (Debian's etcd-server)")
        self.data = data
        self.endpoints: dict[str, str] = {}
        self._options = options if follows_writers else (*options, "--fixed-ranges")
        self._stderr = data.parent / f"{data.name}.stderr"

    def __enter__(self) -> "RegionCluster":
        self.start()
        RUNNING.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        RUNNING.remove(self)
        self.stop()

    def start(self) -> None:
        """Returns when both regions have said that they are ready."""
        command = [
            sys.executable,
            "-c",
            PROGRAM,
            "cluster",
            "--port",
            "0",
            "--data",
            str(self.data),
            *PATIENT,
        ]
        with self._stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*command, *self._options],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, "OPENDSQL_LOG": "INFO"},
                start_new_session=True,  # it relays for etcd, and must not share the clients' part of the cores
            )
        assert self.process.stdout is not None
        for _region in REGIONS:
            words = self.process.stdout.readline().split()
            if len(words) != 3 or words[0] != "ready":
                self.kill()
                raise AssertionError(f"exit code {self.process.returncode}: {self.logs()}")
            self.endpoints[words[1]] = words[2]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(HANG_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()

    def kill(self) -> None:
        """kill -9 of the supervisor; with it everything else is killed (server.runtime.region.bound)."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def dsn(self, region: str) -> str:
        return f"{self.endpoints[region]}?sslmode=disable"

    @property
    def dsns(self) -> dict[str, str]:
        return {region: self.dsn(region) for region in self.endpoints}

    # --- what operators do

    def command(self, *arguments: str) -> None:
        """One command of `opendsql`, which must succeed."""
        done = opendsql(*arguments, "--data", str(self.data))
        assert done.returncode == 0, done.stderr

    def ask(self, request: msgspec.Struct, region: str | None = None) -> list[Any]:
        """What the command line would send, with the cluster's directory or with that of a region's node."""
        connected = cli_connect.connect(self.data if region is None else self.data / region / "node")
        if connected is None:
            raise Refused("nobody listens")
        answers: list[Any] = []
        with connected:
            cli_connect.ask(connected, request, answers.append)
        return answers

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(local_requests.Status())[0]
        return found

    def region(self, name: str) -> dict[str, Any]:
        """One region's part of the status."""
        return next(each for each in self.status()["regions"] if each["region"] == name)

    def until(
        self, holds: Callable[[dict[str, Any]], bool], what: str, limit_s: float = HANG_S
    ) -> dict[str, Any]:
        """The first status for which it holds."""
        limit = time.monotonic() + limit_s
        while True:
            found = self.status()
            if holds(found):
                return found
            if time.monotonic() > limit:
                raise AssertionError(f"not within {limit_s:.0f} s: {what}; {found}")
            time.sleep(LOOK_S)

    def until_whole(self) -> dict[str, Any]:
        """Both regions are in service again, every member runs and each journal is led where it belongs."""
        return self.until(is_whole, "the cluster is whole", WHOLE_S)

    def change(self, action: str, region: str) -> None:
        """`opendsql region ACTION REGION` without the time that a command takes to start."""
        self.ask(local_requests.RegionChange(action, region))

    def move(self, region: str, table: str) -> None:
        """Returns when both regions know that `region` decides on the table."""
        before = {each["region"]: each["ranges"] for each in self.status()["regions"]}
        self.ask(local_requests.MoveRange(region, table))
        self.until(
            lambda found: all(
                each.get("ranges") not in (None, before[each["region"]]) for each in found["regions"]
            ),
            f"the ranges of {table} are in {region}",
        )

    def messages(self) -> dict[str, int]:
        """How many messages for COMMITs have gone between the regions, by name."""
        counts = dict.fromkeys(COMMIT_MESSAGES, 0)
        for each in self.status()["regions"]:
            for flow, count in each.get("messages_sent", {}).items():
                name = flow.split()[1]
                if name in counts:
                    counts[name] += count
        return counts

    def logs(self) -> str:
        """The end of the logs of what is ours; etcd's lie beside them."""
        files = [self._stderr, *sorted(self.data.glob("**/node.log"))]
        return "\n".join(f"--- {file}\n{_end(file)}" for file in files if file.exists())


def is_whole(found: dict[str, Any]) -> bool:
    """See `RegionCluster.until_whole`."""
    regions = found["regions"]
    return (
        not found["cuts"]
        and all(each["is_running"] for each in found["etcd"])
        and all(each["state"] == "serving" and len(each["regions"]["active"]) == 2 for each in regions)
        and all(regions[number]["journals"][number]["leads_here"] for number in range(len(regions)))
    )


def _end(file: Path) -> str:
    data = file.read_bytes()
    return data[-LOG_BYTES:].decode(errors="replace")
