"""The etcd members of `opendsql cluster`: one cluster per journal, one member per region, all on this machine."""

import asyncio
import contextlib
import errno
import json
import logging
import random
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from types import MappingProxyType
from typing import Any, NamedTuple

from server.runtime.net.faults import Faults
from server.runtime.region import bound
from server.runtime.region.links import PeerLink
from server.runtime.topology.model import QUOTA_MIB

log = logging.getLogger("opendsql.etcd")

START_LIMIT_S = 30.0
STOP_LIMIT_S = 5.0
PORTS = range(16_384, 32_768)
"""Below those that systems give to outgoing connections: one of these would take a port before its process listens."""


class EtcdMissing(OSError):
    """There is no etcd on this machine."""

    def __init__(self) -> None:
        super().__init__("etcd is not installed (Debian: apt-get install etcd-server)")


class EtcdFailed(OSError):
    """A member did not start."""


class Ports(NamedTuple):
    """Of one member."""

    client: int
    peer: int
    link: int


@dataclass(slots=True)
class Member:
    """One etcd process."""

    name: str
    region: str
    directory: Path
    client_port: int
    peer_port: int
    link_port: int
    process: asyncio.subprocess.Process | None = None
    id: str = ""
    """In hex, as etcd writes it."""

    @property
    def endpoint(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.client_port}"

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return self.process.pid if self.process is not None and self.is_running else None


class LocalEtcd:
    """One cluster of three members, each behind a link."""

    def __init__(
        self,
        name: str,
        directory: Path,
        ports: Mapping[str, Ports],
        faults: Faults,
        heartbeat_ms: int,
        quota_mib: int = QUOTA_MIB,
    ) -> None:
        """`ports` per region; `heartbeat_ms`: the longest round trip, at least etcd's own 100 (AR §5.2)."""
        program = which("etcd")
        if program is None:
            raise EtcdMissing
        self.name = name
        self._program = program
        self._heartbeat_ms = max(100, heartbeat_ms)
        self._quota_mib = quota_mib
        self.members = {
            region: Member(f"{name}-{region}", region, directory / region / name, *each)
            for region, each in ports.items()
        }
        self.links = {
            region: PeerLink(region, member.peer_port, faults, self._region_of)
            for region, member in self.members.items()
        }

    async def start(self) -> None:
        """Every member and link; returns when each answers. Raises `EtcdFailed`."""
        for region, link in self.links.items():
            await link.start(self.members[region].link_port)
        for member in self.members.values():
            await self.start_member(member.region)
        async with asyncio.timeout(START_LIMIT_S):
            for member in self.members.values():
                await self._answers(member)
            await self._learn_ids()

    async def lead(self, region: str) -> None:
        """Let the member there lead before anything is written: requests on their way meanwhile would be lost.

        Where that fails, the journal's owner sees to it later.
        """
        target = self.members[region]
        with contextlib.suppress(OSError):
            for member in self.members.values():
                status = await asyncio.to_thread(_post, f"http://{member.endpoint}/v3/maintenance/status")
                if status["leader"] == status["header"]["member_id"] and member is not target:
                    wanted = {"targetID": str(int(target.id, 16))}
                    url = f"http://{member.endpoint}/v3/maintenance/transfer-leadership"
                    await asyncio.to_thread(_post, url, wanted)
                    return

    async def start_member(self, region: str) -> None:
        """Start the member there, again with its data if it has any."""
        member = self.members[region]
        member.directory.parent.mkdir(parents=True, exist_ok=True)
        with (member.directory.parent / f"{self.name}.log").open("ab") as output:
            member.process = await asyncio.create_subprocess_exec(
                *bound.command(self._program, *self._arguments(member)),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def kill_member(self, region: str) -> None:
        """kill -9."""
        process = self.members[region].process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def stop(self) -> None:
        """All members and links."""
        running = [each.process for each in self.members.values() if each.is_running and each.process]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in running:
            try:
                await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        for link in self.links.values():
            await link.stop()

    def _arguments(self, member: Member) -> list[str]:
        client, peer = f"http://{member.endpoint}", f"http://127.0.0.1:{member.peer_port}"
        cluster = ",".join(f"{each.name}=http://127.0.0.1:{each.link_port}" for each in self.members.values())
        return [
            *("--name", member.name, "--data-dir", str(member.directory)),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer),
            *("--initial-advertise-peer-urls", f"http://127.0.0.1:{member.link_port}"),
            *("--initial-cluster", cluster, "--initial-cluster-token", self.name),
            *("--heartbeat-interval", str(self._heartbeat_ms)),
            *("--election-timeout", str(10 * self._heartbeat_ms)),
            *("--quota-backend-bytes", str(self._quota_mib << 20), "--logger", "zap", "--log-level", "warn"),
            "--pre-vote",
        ]

    async def _answers(self, member: Member) -> None:
        while True:
            if not member.is_running:
                raise EtcdFailed(f"etcd member {member.name} ended, see {member.directory.parent}")
            try:
                found = await asyncio.to_thread(_get, f"http://{member.endpoint}/health")
            except OSError:
                found = {}
            if found.get("health") == "true":
                return
            await asyncio.sleep(0.05)

    async def _learn_ids(self) -> None:
        """Members name themselves by id to their peers."""
        member = next(iter(self.members.values()))
        found = await asyncio.to_thread(_post, f"http://{member.endpoint}/v3/cluster/member/list")
        by_name = {each.name: each for each in self.members.values()}
        for each in found["members"]:
            by_name[each["name"]].id = f"{int(each['ID']):x}"

    def _region_of(self, member_id: str) -> str | None:
        for member in self.members.values():
            if member.id and member.id == member_id:
                return member.region
        return None


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface, side by side, that nobody listens on at the moment. Raises OSError."""
    starts = list(range(PORTS.start, PORTS.stop - count, count))
    random.shuffle(starts)
    for start in starts:
        ports = list(range(start, start + count))
        if all(_is_free(port) for port in ports):
            return ports
    raise OSError(errno.EADDRINUSE, f"{count} free ports side by side were not found")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _get(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=2) as answer:
        found: dict[str, str] = json.load(answer)
    return found


def _post(url: str, body: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    request = urllib.request.Request(url, data=json.dumps(dict(body)).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
