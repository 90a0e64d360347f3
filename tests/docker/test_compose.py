"""The image and compose file of one region: hardened, reachable over TLS alone, and durable through crashes."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import asyncpg
import psycopg
import pytest

from tests.docker.engine import ROOT, built_image, compose_command, docker, run, until_healthy

if "OPENDSQL_DOCKER" not in os.environ:
    pytest.skip("takes minutes: make test-docker", allow_module_level=True)
compose_command()

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PASSWORD = "pässword with spaces"
SERVICE = "opendsql"
MAX_IMAGE_BYTES = 300_000_000
HANG_S = 60.0


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with built_image(f"opendsql-test-{secrets.token_hex(4)}") as name:
        yield name


class Region:
    """One compose project of its own, up."""

    def __init__(self, image: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.project = image
        self._environment = {
            "OPENDSQL_IMAGE": image,
            "OPENDSQL_PASSWORD": PASSWORD,
            "OPENDSQL_PORT": str(self.port),
        }
        self._authority = folder / "ca.pem"

    def compose(self, *arguments: str) -> str:
        file = ROOT / "docker" / "compose.yaml"
        command = (*compose_command(), "--file", file, "--project-name", self.project)
        return run(*command, *arguments, environment=self._environment).stdout

    def up(self) -> None:
        with self.until_healthy():
            self.compose("up", "--detach", "--no-build")
        self._authority.write_text(self.compose("exec", "-T", SERVICE, "cat", "/data/tls/ca.pem"))

    @property
    def container(self) -> str:
        return self.compose("ps", "--quiet", SERVICE).strip()

    def inspect(self, template: str) -> str:
        return docker("inspect", "--format", template, self.container)

    @contextmanager
    def until_healthy(self) -> Iterator[None]:
        """What is done inside makes the container healthy that was not."""
        try:
            with until_healthy(self.project):
                yield
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.compose('ps')}{self.compose('logs')}") from error

    def dsn(self, sslmode: str = "verify-full", password: str = PASSWORD) -> str:
        return psycopg.conninfo.make_conninfo(
            host="localhost",
            port=self.port,
            user="admin",
            dbname="postgres",
            password=password,
            sslmode=sslmode,
            sslrootcert=str(self._authority),
        )

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn(), autocommit=True)

    def in_container(self, *command: str) -> str:
        return self.compose("exec", "-T", SERVICE, *command)


@pytest.fixture(scope="module")
def region(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    region = Region(image, tmp_path_factory.mktemp("region"))
    try:
        region.up()
        yield region
    finally:
        region.compose("down", "--volumes")


def write(region: Region, table: str) -> None:
    """A table with one row, acknowledged."""
    with closing(region.connect()) as connection:
        connection.execute(f"create table {table} (a int primary key)")
        connection.execute(f"insert into {table} values (1)")


def assert_intact(region: Region, table: str) -> None:
    with closing(region.connect()) as connection:
        assert connection.execute(f"select a from {table}").fetchall() == [(1,)]


def test_the_image_is_small_and_carries_no_tools(image: str) -> None:
    assert int(docker("image", "inspect", "--format", "{{.Size}}", image)) < MAX_IMAGE_BYTES
    look = "command -v gcc cc make pip pip3; python -c 'import setuptools'"
    done = run("docker", "run", "--rm", "--entrypoint", "sh", image, "-c", look, check=False)
    assert done.stdout == ""
    assert "No module named 'setuptools'" in done.stderr


def test_the_image_speaks_to_s3(image: str) -> None:
    """As far as to a store at which nobody listens."""
    keys = ("--env", "AWS_ACCESS_KEY_ID=x", "--env", "AWS_SECRET_ACCESS_KEY=x")
    listing = ("backup", "list", "s3://bucket/x", "--endpoint-url", "http://127.0.0.1:9")
    done = run("docker", "run", "--rm", "--network", "none", *keys, image, *listing, check=False)
    assert done.returncode == 1
    assert "Could not connect to the endpoint URL" in done.stderr


def test_the_server_has_no_privileges_and_a_read_only_root(region: Region) -> None:
    status = dict(
        line.split(":\t", 1)
        for line in region.in_container("cat", "/proc/1/status").splitlines()
        if ":\t" in line
    )
    assert set(status["Uid"].split()) == {"10001"}
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
    assert status["NoNewPrivs"] == "1"
    mounts = {
        line.split()[1]: line.split()[3].split(",")
        for line in region.in_container("cat", "/proc/1/mounts").splitlines()
    }
    assert "ro" in mounts["/"]
    assert "rw" in mounts["/data"]
    assert region.in_container("stat", "--format", "%U %a", "/data") == "opendsql 700\n"


def test_psql_verifies_the_certificate(region: Region) -> None:
    if shutil.which("psql") is None:
        pytest.skip("no psql")
    shown = run("psql", region.dsn(), "--no-psqlrc", "-At", "-c", r"\conninfo", "-c", "select 6 * 7").stdout
    assert "SSL connection (protocol: TLSv1.3" in shown
    assert shown.endswith("\n42\n")


def test_a_conflict_over_tls(region: Region) -> None:
    async def conflict() -> None:
        context = ssl.create_default_context(cafile=str(region._authority))
        arguments = {"host": "localhost", "port": region.port, "user": "admin", "database": "postgres"}
        first, second = [await asyncpg.connect(**arguments, password=PASSWORD, ssl=context) for _ in range(2)]
        await first.execute("create table account (id int primary key, balance int)")
        await first.execute("insert into account values (1, 100)")
        losing, winning = first.transaction(), second.transaction()
        await losing.start()
        await winning.start()
        await first.execute("update account set balance = balance - 30 where id = 1")
        await second.execute("update account set balance = balance - 50 where id = 1")
        await winning.commit()
        with pytest.raises(asyncpg.SerializationError, match="OC000"):
            await losing.commit()
        assert await first.fetchval("select balance from account") == 50
        await first.close()
        await second.close()

    asyncio.run(asyncio.wait_for(conflict(), HANG_S))


def test_no_way_in_without_tls_or_password(region: Region) -> None:
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(region.dsn(sslmode="disable"))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(region.dsn(password="wrong"))


def test_a_killed_process_is_started_again_with_its_data(region: Region) -> None:
    pid = int(region.inspect("{{.State.Pid}}"))
    if os.geteuid() or not Path(f"/proc/{pid}/root/data/control").exists():
        pytest.skip("the engine's processes are not root's to kill here")
    write(region, "killed")
    with region.until_healthy():
        os.kill(pid, signal.SIGKILL)
    assert region.inspect("{{.RestartCount}}") == "1"
    assert_intact(region, "killed")


def test_a_killed_container_comes_up_with_its_data(region: Region) -> None:
    write(region, "container_killed")
    docker("kill", "--signal", "KILL", region.container)
    assert region.inspect("{{.State.ExitCode}}") == "137"
    region.up()
    assert_intact(region, "container_killed")


def test_a_stop_is_clean_and_the_volume_outlives_the_container(region: Region) -> None:
    write(region, "stopped")
    region.compose("stop")
    assert docker("inspect", "--format", "{{.State.ExitCode}}", _all_containers(region)) == "0"
    region.compose("down")
    region.up()
    assert_intact(region, "stopped")
    assert '"ok":true' in region.in_container("opendsql", "audit", "--data", "/data", "--json")


def _all_containers(region: Region) -> str:
    label = f"label=com.docker.compose.project={region.project}"
    return docker("ps", "--all", "--quiet", "--filter", label)


def test_without_a_password_it_says_so_and_ends(image: str) -> None:
    done = run("docker", "run", "--rm", image, check=False)
    assert done.returncode == 2
    assert done.stderr == "opendsql: --auth password needs --password-file or OPENDSQL_PASSWORD\n"


@contextmanager
def started(image: str, *options: str, serve: tuple[str, ...] = ()) -> Iterator[str]:
    """A container without compose, once it has said that it is ready; removed with its volume at the end."""
    container = docker("run", "--detach", *options, image, *serve)
    try:
        with subprocess.Popen(
            ["docker", "logs", "--follow", container],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as logs:
            assert logs.stdout is not None
            line = logs.stdout.readline()
            logs.kill()
        assert line == "ready postgresql://admin@127.0.0.1:5432/postgres\n"
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


def test_the_password_may_be_a_file(image: str, region: Region, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    secret.chmod(0o444)
    mount = f"type=bind,source={secret},target=/run/secrets/password,readonly"
    serve = ("serve", "--host", "0.0.0.0", "--auth", "password", "--password-file", "/run/secrets/password")
    with started(image, "--publish", "127.0.0.1::5432", "--mount", mount, serve=serve) as container:
        port = docker("port", container, "5432/tcp").rsplit(":", 1)[1]
        dsn = psycopg.conninfo.make_conninfo(region.dsn(sslmode="require"), port=port, sslrootcert="")
        with closing(psycopg.connect(dsn)) as connection:
            assert connection.execute("select 1").fetchall() == [(1,)]


def test_the_health_check_fails_where_nothing_runs_and_passes_in_memory(image: str) -> None:
    nothing = run("docker", "run", "--rm", "--entrypoint", "healthcheck", image, check=False)
    assert (nothing.returncode, nothing.stdout) == (1, "[Errno 2] No such file or directory\n")
    with started(image, "--read-only", serve=("serve", "--memory")) as container:
        docker("exec", container, "healthcheck")
