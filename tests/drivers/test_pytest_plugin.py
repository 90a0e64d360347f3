"""`opendsql` as a pytest plugin: what a user's tests get of it, each in a pytest of its own (docs/testing.md)."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HANG_S = 120

pytestmark = pytest.mark.slow


def inherited() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OPENDSQL_LOG": "INFO"}


def command(*arguments: str) -> list[str]:
    """As where OpenDSQL is installed, whether this environment was installed before it had a plugin or after."""
    plugin = [] if entry_points(group="pytest11", name="opendsql") else ["-p", "opendsql.pytest_plugin"]
    return [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", "-q", *arguments]


def run(
    directory: Path, source: str, *arguments: str, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    (directory / "test_inner.py").write_text(source)
    where: dict[str, Any] = {"cwd": directory, "env": environment or inherited()}
    return subprocess.run(command(*arguments), **where, capture_output=True, text=True, timeout=HANG_S)


FACTS = """
import asyncio, asyncpg, psycopg, pytest

seen = []

@pytest.mark.parametrize("time", [1, 2])
def test_each_has_its_own(dsql, time):
    with psycopg.connect(dsql.dsn, autocommit=True) as db:
        assert db.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
        db.execute("CREATE TABLE account (id int PRIMARY KEY, balance int)")
    seen.append(dsql.cluster_id)
    assert len(set(seen)) == time

def test_addresses(dsql):
    async def look():
        db = await asyncpg.connect(dsql.url)
        await db.execute("CREATE TABLE here (id int PRIMARY KEY)")
        await db.close()
        by_settings = await asyncpg.connect(
            host=dsql.host, port=dsql.port, user=dsql.user, database=dsql.database,
            server_settings=dsql.settings,
        )
        assert await by_settings.fetchval("SELECT count(*) FROM here") == 0
        await by_settings.close()
    asyncio.run(look())
    with psycopg.connect(dsql.url) as db:
        assert db.execute("SELECT count(*) FROM here").fetchone() == (0,)

def test_a_retry_that_ran(dsql):
    with psycopg.connect(dsql.dsn, autocommit=True) as db:
        db.execute("CREATE TABLE account (id int PRIMARY KEY)")
        number = dsql.inject("OC000", times=2, table_name="account")
        for attempt in range(3):
            try:
                db.execute("INSERT INTO account VALUES (1)")
                break
            except psycopg.errors.SerializationFailure:
                pass
        (found,) = dsql.injections()
        assert (found["id"], found["fired"], attempt) == (number, 2, 2)
        assert [each["table_name"] for each in dsql.conflicts()] == ["account", "account"]
        dsql.remove_injections()
        assert dsql.injections() == []

def test_another_one(dsql, dsql_server):
    other = dsql_server.new_cluster()
    other.inject("OC000")
    assert dsql.injections() == []
    other.drop()

def test_what_is_refused(dsql):
    from opendsql.testing import Refused
    with pytest.raises(Refused, match="kind"):
        dsql.inject("nonsense")
"""


def test_fixtures(tmp_path: Path) -> None:
    done = run(tmp_path, FACTS, "-W", "error")
    assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (0, "6 passed"), done.stdout + done.stderr


def test_the_servers_log_is_in_the_report(tmp_path: Path) -> None:
    source = """
import socket
def test_it(dsql):
    with socket.create_connection((dsql.host, dsql.port)) as connected:
        connected.sendall(bytes.fromhex("0000000804d2162f"))
        assert connected.recv(1) == b"S"
        connected.sendall(b"no TLS at all")
        while connected.recv(100):
            pass
    assert False
"""
    done = run(tmp_path, source)
    assert done.returncode == 1
    assert "- OpenDSQL log -" in done.stdout
    assert "tls_failed" in done.stdout


def test_arguments_reach_the_server(tmp_path: Path) -> None:
    source = """
import psycopg, pytest
def test_it(dsql):
    with psycopg.connect(dsql.dsn, autocommit=True) as db, pytest.raises(psycopg.Error):
        db.execute("CALL opendsql.inject('OC000')")
"""
    (tmp_path / "pytest.ini").write_text("[pytest]\ndsql_serve_args = --no-injections\n")
    done = run(tmp_path, source)
    assert done.returncode == 0, done.stdout
    bad = run(tmp_path, source, "--dsql-serve-args=--no-such-thing")
    assert bad.returncode == 1
    assert "opendsql did not start" in bad.stdout
    assert "--no-such-thing" in bad.stdout


def test_the_server_ends_with_a_pytest_that_is_killed(tmp_path: Path) -> None:
    source = """
import time
def test_it(dsql, dsql_server):
    with open("pid", "w") as file:
        print(dsql_server.process.pid, dsql_server.directory, file=file)
    time.sleep(600)
"""
    (tmp_path / "test_inner.py").write_text(source)
    with subprocess.Popen(
        command(), cwd=tmp_path, env=inherited(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        told = tmp_path / "pid"
        wait_until(lambda: told.exists() and told.read_text().endswith("\n"))
        running.send_signal(signal.SIGKILL)
    pid, directory = told.read_text().split()
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or is_zombie(pid))
    assert not Path(directory).exists()


REGIONS = """
import psycopg, pytest, subprocess, sys

def opendsql(*arguments):
    command = [sys.executable, "-m", "opendsql", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

def test_two_regions_are_one_database(dsql_cluster):
    assert list(dsql_cluster.regions) == ["us-east-1", "us-west-2"]
    east, west = (psycopg.connect(url, autocommit=True) for url in dsql_cluster.regions.values())
    with east, west:
        east.execute("CREATE TABLE account (id int PRIMARY KEY, balance int)")
        east.execute("INSERT INTO account VALUES (1, 100)")
        assert west.execute("SELECT balance FROM account").fetchone() == (100,)

def test_a_fault_is_one_regions(dsql_cluster):
    east, west = (dsql_cluster.region(name) for name in dsql_cluster.regions)
    west.inject("OC000", table_name="account")
    with psycopg.connect(east.url, autocommit=True) as db:
        db.execute("UPDATE account SET balance = 101")
    with psycopg.connect(west.url, autocommit=True) as db:
        with pytest.raises(psycopg.errors.SerializationFailure):
            db.execute("UPDATE account SET balance = 102")
        db.execute("UPDATE account SET balance = 103")
    assert (east.injections(), [each["fired"] for each in west.injections()]) == ([], [1])
    assert (east.conflicts(), [each["table_name"] for each in west.conflicts()]) == ([], ["account"])
    west.remove_injections()
    assert west.injections() == []
    with pytest.raises(KeyError):
        dsql_cluster.region("eu-west-1")

def test_its_data_is_what_commands_take(dsql_cluster):
    data = str(dsql_cluster.data)
    opendsql("region", "cut", "us-west-2", "--data", data)
    with psycopg.connect(dsql_cluster.regions["us-east-1"], autocommit=True) as db:
        db.execute("UPDATE account SET balance = 104")
    opendsql("region", "heal", "us-west-2", "--data", data)
"""


def test_two_regions(tmp_path: Path) -> None:
    if shutil.which("etcd") is None:
        pytest.skip("no etcd here (Debian's etcd-server)")
    done = run(tmp_path, REGIONS, "-W", "error", "--basetemp", str(tmp_path / ("long" * 30)))
    assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (0, "3 passed"), done.stdout + done.stderr


def test_no_regions_without_etcd(tmp_path: Path) -> None:
    source = "def test_it(dsql_cluster): pass"
    without = {**inherited(), "PATH": str(tmp_path)}
    done = run(tmp_path, source, "-rs", environment=without)
    assert "regions need etcd, which is not installed" in done.stdout
    assert (done.returncode, done.stdout.splitlines()[-1][:9]) == (0, "1 skipped")


def test_nothing_of_the_server_is_imported() -> None:
    source = (
        "import sys, opendsql.pytest_plugin\n"
        "sys.exit(any(name.partition('.')[0] in ('server', 'storage', 'journal', 'click') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=True, timeout=HANG_S)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_zombie(pid: str) -> bool:
    """Whether it has ended, and nobody has asked how."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
