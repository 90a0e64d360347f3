"""Two regions and a witness in containers: one database, two endpoints, and a region that is cut off and comes back."""

import asyncio
import os
import secrets
import shutil
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest

from tests.docker.engine import ROOT, built_image, compose_command, docker, run, until_healthy

if "OPENDSQL_DOCKER" not in os.environ:
    pytest.skip("takes minutes: make test-docker", allow_module_level=True)
compose_command()

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PASSWORD = "pässword with spaces"
EAST, WEST, WITNESS = "us-east-1", "us-west-2", "us-east-2"
REGIONS = (EAST, WEST)
JOURNALS = ("journal-0", "journal-1")
MEMBERS = [f"{region}-{journal}" for region in (*REGIONS, WITNESS) for journal in JOURNALS]
SERVICES = [*REGIONS, *MEMBERS]
MAX_ETCD_BYTES = 150_000_000
HANG_S = 30.0
LOOK_S = 0.2


class Cluster:
    """One compose project of its own."""

    def __init__(self, image: str, etcd_image: str, folder: Path) -> None:
        self.project = image
        probes = [socket.socket() for _ in REGIONS]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        self.ports = {region: probe.getsockname()[1] for region, probe in zip(REGIONS, probes)}
        for probe in probes:
            probe.close()
        self._environment = {
            "OPENDSQL_IMAGE": image,
            "OPENDSQL_ETCD_IMAGE": etcd_image,
            "OPENDSQL_PASSWORD": PASSWORD,
            "OPENDSQL_PORT_US_EAST_1": str(self.ports[EAST]),
            "OPENDSQL_PORT_US_WEST_2": str(self.ports[WEST]),
        }
        self._authorities = folder / "ca.pem"

    def compose(self, *arguments: str) -> str:
        file = ROOT / "docker" / "compose.regions.yaml"
        command = (*compose_command(), "--file", file, "--project-name", self.project)
        return run(*command, *arguments, environment=self._environment).stdout

    def up(self, containers: int) -> None:
        """Returns when so many have become healthy."""
        try:
            with until_healthy(self.project, containers, 120):
                self.compose("up", "--detach", "--no-build")
        except AssertionError as error:
            logs = self.compose("logs", "--tail", "20")
            raise AssertionError(f"{error}: {self.compose('ps')}{logs}") from error
        authorities = [self.compose("exec", "-T", region, "cat", "/data/tls/ca.pem") for region in REGIONS]
        self._authorities.write_text("".join(authorities))

    def container(self, service: str) -> str:
        return self.compose("ps", "--quiet", service).strip()

    def services_of(self, region: str) -> list[str]:
        return [service for service in SERVICES if service.startswith(region)]

    def cut(self, region: str) -> None:
        for service in self.services_of(region):
            docker("network", "disconnect", f"{self.project}_backbone", self.container(service))

    def join(self, region: str) -> None:
        for service in self.services_of(region):
            network, container = f"{self.project}_backbone", self.container(service)
            docker("network", "connect", "--alias", service, network, container)

    async def connect(self, region: str, password: str = PASSWORD) -> asyncpg.Connection:
        return await asyncpg.connect(
            host="localhost",
            port=self.ports[region],
            user="admin",
            database="postgres",
            password=password,
            ssl=ssl.create_default_context(cafile=str(self._authorities)),
            timeout=HANG_S,
            command_timeout=HANG_S,
        )


@pytest.fixture(scope="module")
def images() -> Iterator[tuple[str, str]]:
    name = f"opendsql-test-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        yield (
            stack.enter_context(built_image(name)),
            stack.enter_context(built_image(f"{name}-etcd", "docker/etcd.Dockerfile", ())),
        )


@pytest.fixture(scope="module")
def cluster(images: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(*images, tmp_path_factory.mktemp("regions"))
    try:
        cluster.up(len(SERVICES))
        yield cluster
    finally:
        cluster.compose("down", "--volumes")


def play(cluster: Cluster, act: Callable[..., Awaitable[None]]) -> None:
    """`act` with a connection to each region; nothing may hang."""

    async def work() -> None:
        connections = [await cluster.connect(region) for region in REGIONS]
        try:
            await act(*connections)
        finally:
            for connection in connections:
                connection.terminate()

    asyncio.run(asyncio.wait_for(work(), 8 * HANG_S))


async def until_done(act: Callable[[], Awaitable[object]]) -> None:
    """While a region takes over or comes back, it may refuse (57P03); within `HANG_S` it does not any more."""
    async with asyncio.timeout(HANG_S):
        while True:
            try:
                await act()
                return
            except (asyncpg.CannotConnectNowError, asyncpg.SerializationError):
                await asyncio.sleep(LOOK_S)


async def rows(connection: asyncpg.Connection, table: str) -> list[int]:
    return [row["a"] for row in await connection.fetch(f"select a from {table} order by a")]


def test_the_image_of_a_member_is_small_and_has_no_client(images: tuple[str, str]) -> None:
    _image, etcd = images
    assert int(docker("image", "inspect", "--format", "{{.Size}}", etcd)) < MAX_ETCD_BYTES
    look = ("--entrypoint", "sh", etcd, "-c", "command -v curl etcdctl python3")
    assert run("docker", "run", "--rm", *look, check=False).stdout == ""


def test_no_container_has_privileges_or_a_root_to_write_to(cluster: Cluster) -> None:
    for service in SERVICES:
        container = cluster.container(service)
        assert docker("inspect", "--format", "{{.HostConfig.ReadonlyRootfs}}", container) == "true"
        status = docker("exec", container, "cat", "/proc/1/status").splitlines()
        found = dict(line.split(":\t", 1) for line in status if ":\t" in line)
        assert set(found["Uid"].split()) == {"10001"}, service
        assert {int(found[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}, service
        assert found["NoNewPrivs"] == "1", service


def test_what_is_written_in_one_region_is_read_in_the_other(cluster: Cluster) -> None:
    async def act(east: asyncpg.Connection, west: asyncpg.Connection) -> None:
        await east.execute("create table shared (a int primary key)")
        for number, (writer, reader) in enumerate([(east, west), (west, east)] * 5):
            await writer.execute("insert into shared values ($1)", number)
            assert await rows(reader, "shared") == list(range(number + 1))

    play(cluster, act)


def test_of_a_conflict_across_the_regions_one_wins(cluster: Cluster) -> None:
    async def act(east: asyncpg.Connection, west: asyncpg.Connection) -> None:
        await east.execute("create table account (id int primary key, balance int)")
        await east.execute("insert into account values (1, 100)")
        losing, winning = east.transaction(), west.transaction()
        await losing.start()
        await winning.start()
        await east.execute("update account set balance = balance - 30 where id = 1")
        await west.execute("update account set balance = balance - 50 where id = 1")
        await winning.commit()
        with pytest.raises(asyncpg.SerializationError, match="OC000"):
            await losing.commit()
        for connection in (east, west):
            assert await connection.fetchval("select balance from account") == 50

    play(cluster, act)


def test_psql_verifies_both_regions(cluster: Cluster) -> None:
    if shutil.which("psql") is None:
        pytest.skip("no psql")
    for region in REGIONS:
        dsn = (
            f"host=localhost port={cluster.ports[region]} user=admin dbname=postgres "
            f"sslmode=verify-full sslrootcert={cluster._authorities}"
        )
        shown = run("psql", dsn, "-XAt", "-c", "select 6 * 7", environment={"PGPASSWORD": PASSWORD}).stdout
        assert shown == "42\n"


def test_the_password_is_asked_for_in_both_regions(cluster: Cluster) -> None:
    for region in REGIONS:
        with pytest.raises(asyncpg.InvalidPasswordError):
            asyncio.run(cluster.connect(region, "wrong"))


def test_members_and_nodes_answer_nobody_without_a_certificate(cluster: Cluster) -> None:
    """Asked from within the backbone."""
    ask = (
        "import socket, ssl, sys\n"
        "context = ssl.create_default_context(cafile='/certificates/ca.pem')\n"
        "context.check_hostname = False\n"
        "host, port, key = sys.argv[1:]\n"
        "if key: context.load_cert_chain(f'{key}.pem', f'{key}.key')\n"
        "try:\n"
        "    with context.wrap_socket(socket.create_connection((host, int(port)), 5)) as connection:\n"
        "        connection.sendall(b'GET /version HTTP/1.0\\r\\n\\r\\n')\n"
        "        print('answered' if connection.recv(1) else 'closed')\n"
        "except ssl.SSLError:\n"
        "    print('refused')\n"
    )
    member = f"{WEST}-journal-0"

    def answer(host: str, port: int, key: str) -> str:
        return cluster.compose("exec", "-T", EAST, "python", "-c", ask, host, str(port), key).strip()

    assert answer(member, 2379, "/certificates/nodes/us-east-1") == "answered"
    for host, port in ((member, 2379), (member, 2380), (WEST, 7400)):
        assert answer(host, port, "") in ("refused", "closed")


def test_a_region_off_the_backbone_refuses_while_the_other_goes_on_and_both_converge(
    cluster: Cluster,
) -> None:
    async def act(east: asyncpg.Connection, west: asyncpg.Connection) -> None:
        await east.execute("create table cut (a int primary key)")
        await west.execute("insert into cut values (0)")
        await asyncio.to_thread(cluster.cut, WEST)

        async with asyncio.timeout(HANG_S):
            while True:
                try:
                    await west.fetchval("select count(*) from cut")
                except asyncpg.CannotConnectNowError as error:
                    assert f"region {WEST}" in str(error)
                    break
        # Its published port stays: a new client is let in and told as much.
        late = await cluster.connect(WEST)
        with pytest.raises(asyncpg.CannotConnectNowError):
            await late.execute("insert into cut values (-1)")
        late.terminate()

        await until_done(lambda: east.execute("insert into cut values (1) on conflict do nothing"))
        for number in range(2, 6):
            await east.execute("insert into cut values ($1)", number)
        assert await rows(east, "cut") == list(range(6))
        with pytest.raises(asyncpg.CannotConnectNowError):
            await west.fetch("select a from cut")

        await asyncio.to_thread(cluster.join, WEST)
        await until_done(lambda: west.fetch("select a from cut"))
        assert await rows(west, "cut") == list(range(6))
        await until_done(lambda: west.execute("insert into cut values (6) on conflict do nothing"))
        assert await rows(east, "cut") == list(range(7))

    play(cluster, act)


def test_a_killed_region_comes_back_with_what_was_committed_meanwhile(cluster: Cluster) -> None:
    async def act(east: asyncpg.Connection, west: asyncpg.Connection) -> None:
        await west.execute("create table killed (a int primary key)")
        await until_done(lambda: east.execute("insert into killed values (0) on conflict do nothing"))
        for service in cluster.services_of(EAST):
            await asyncio.to_thread(docker, "kill", "--signal", "KILL", cluster.container(service))
        await until_done(lambda: west.execute("insert into killed values (1) on conflict do nothing"))
        assert await rows(west, "killed") == [0, 1]
        await asyncio.to_thread(cluster.up, len(cluster.services_of(EAST)))
        again = await cluster.connect(EAST)
        await until_done(lambda: again.execute("insert into killed values (2) on conflict do nothing"))
        assert await rows(again, "killed") == await rows(west, "killed") == [0, 1, 2]
        again.terminate()

    play(cluster, act)


def test_the_witness_may_be_lost(cluster: Cluster) -> None:
    async def act(east: asyncpg.Connection, west: asyncpg.Connection) -> None:
        await east.execute("create table unwitnessed (a int primary key)")
        for service in cluster.services_of(WITNESS):
            await asyncio.to_thread(docker, "kill", "--signal", "KILL", cluster.container(service))
        for number, connection in enumerate((east, west)):
            await until_done(
                lambda number=number, connection=connection: connection.execute(  # type: ignore[misc]
                    "insert into unwitnessed values ($1) on conflict do nothing", number
                )
            )
        assert await rows(east, "unwitnessed") == await rows(west, "unwitnessed") == [0, 1]
        await asyncio.to_thread(cluster.up, len(JOURNALS))

    play(cluster, act)


def test_down_and_up_again_with_the_volumes(cluster: Cluster) -> None:
    async def write(east: asyncpg.Connection, west: asyncpg.Connection) -> None:
        await east.execute("create table outlived (a int primary key)")
        await until_done(lambda: west.execute("insert into outlived values (1) on conflict do nothing"))

    async def read(east: asyncpg.Connection, west: asyncpg.Connection) -> None:
        for connection in (east, west):
            assert await rows(connection, "outlived") == [1]

    play(cluster, write)
    cluster.compose("stop")
    every = docker(
        "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={cluster.project}"
    )
    codes = docker("inspect", "--format", "{{.State.ExitCode}}", *every.split()).split()
    assert set(codes) == {"0"}
    cluster.compose("down")
    cluster.up(len(SERVICES))
    play(cluster, read)
