"""`opendsql status, snapshot, journal, audit, password`: with a running server and without one."""

import json
import subprocess
import sys
from itertools import pairwise

import psycopg
import pytest

from server.runtime.stores import lock_directory
from tests.serving_process import PROGRAM, ROOT, ServeProcess, opendsql

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("operator") / "data"


@pytest.fixture(scope="module")
def server(data):
    with ServeProcess(data) as serving:
        with psycopg.connect(serving.dsn(), autocommit=True) as connection:
            connection.execute("create table t (a int primary key, b text, n numeric(6,2))")
            connection.execute("create role joe with login")
            connection.execute("insert into t values (1, 'one', 1.5), (2, 'two', null)")
            connection.execute("update t set b = 'zwei' where a = 2")
            connection.execute("delete from t where a = 1")
        yield serving


def _json(*arguments: object) -> dict:
    ended = opendsql(*arguments)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def _changes(*arguments: object) -> list[tuple]:
    ended = opendsql("journal", *arguments)
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    return [(each["op"], each["before"], each["after"]) for each in found if each["type"] == "full"]


CHANGES = [
    ("c", None, {"a": 1, "b": "one", "n": "1.50"}),
    ("c", None, {"a": 2, "b": "two", "n": None}),
    ("u", None, {"a": 2, "b": "zwei", "n": None}),
    ("d", {"a": 1}, None),
]


def test_running(server, data):
    with psycopg.connect(server.dsn()):
        status = _json("status", "--data", data, "--json")
    assert status["state"] == "running"
    assert status["endpoint"] == server.dsn().split("?")[0]
    assert status["sessions"] == 1
    assert status["journal"]["tail"] == status["applied_position"] == status["journal"]["durable"]
    assert status["commits"] == status["journal"]["tail"] - 1
    assert status["internal_errors"] == 0
    shown = opendsql("status", "--data", data).stdout
    assert all(
        name in shown for name in ("uptime_s", "window_floor", "storage_horizon", "free_bytes", "epoch")
    )

    assert _changes("--data", data) == CHANGES
    assert _changes("--data", data, "--from", status["journal"]["tail"]) == CHANGES[-1:]

    audit = _json("audit", "--data", data, "--json")
    assert audit["ok"]
    assert (audit["first"], audit["last"]) == (1, status["journal"]["tail"])
    assert "ok: " in opendsql("audit", "--data", data).stdout

    cut = _json("snapshot", "--data", data, "--json")
    assert cut["position"] == status["journal"]["tail"] + 1, (
        "before it, what a successor must know is restated"
    )
    assert _json("snapshot", "--data", data, "--json")["position"] == cut["position"], "and not once more"
    assert _json("status", "--data", data, "--json")["snapshots"] == [cut["position"]]


def test_follow(server, data):
    following = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "journal", "--data", str(data), "--follow"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with following, psycopg.connect(server.dsn(), autocommit=True) as connection:
        assert '"claim"' in following.stdout.readline()
        connection.execute("insert into t values (3, 'three', 0)")
        for line in following.stdout:
            if '"three"' in line:
                break
        source = json.loads(line)["source"]
        assert (source["schema"], source["table"], source["db"]) == ("public", "t", "postgres")
        connection.execute("delete from t where a = 3")
        following.terminate()


def test_records(server, data):
    ended = opendsql("journal", "--data", data, "--records")
    records = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [each["position"] for each in records] == list(range(1, len(records) + 1))
    assert all(after["previous"] == before["hash"] for before, after in pairwise(records))
    owned = {"note": "owned", "lo": "", "hi": "ffff", "after": 0}
    assert [each["notes"] for each in records if each["kind"] == "claim"] == [[owned]]
    assert [each["notes"] for each in records if each["kind"] == "control"] == [
        [{"note": "checkpoint"}, owned]
    ]


def test_password(tmp_path):
    data = tmp_path / "data"
    secret = {"OPENDSQL_PASSWORD": "admin's"}
    with ServeProcess(data, "--auth", "password", environment=secret) as server:
        with psycopg.connect(server.dsn(), password="admin's", autocommit=True) as connection:
            connection.execute("create role joe with login")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.dsn("joe"), password="first")
        given = {"OPENDSQL_PASSWORD": "first"}
        assert opendsql("password", "joe", "--data", data, environment=given).returncode == 0
        psycopg.connect(server.dsn("joe"), password="first").close()
        nobody = opendsql("password", "jim", "--data", data, environment=given)
        assert (nobody.returncode, nobody.stderr) == (1, 'opendsql: role "jim" does not exist\n')
        assert server.stop() == 0
    (tmp_path / "secret").write_text("second\n")
    ended = opendsql("password", "joe", "--data", data, "--password-file", tmp_path / "secret")
    assert ended.returncode == 0
    with ServeProcess(data, "--auth", "password", environment=secret) as server:
        psycopg.connect(server.dsn("joe"), password="second").close()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.dsn("joe"), password="first")
    asks = opendsql("password", "joe", "--data", data, environment={"OPENDSQL_PASSWORD": ""})
    assert asks.returncode == 2


def test_stopped(tmp_path):
    data = tmp_path / "data"
    with ServeProcess(data) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("create table t (a int primary key, b text, n numeric(6,2))")
            connection.execute("insert into t values (1, 'one', 1.5), (2, 'two', null)")
            connection.execute("update t set b = 'zwei' where a = 2")
            connection.execute("delete from t where a = 1")
        server.kill()
    assert (data / "control").exists(), "a socket that nobody answers"
    status = _json("status", "--data", data, "--json")
    assert status["state"] == "stopped"
    assert _changes("--data", data) == CHANGES
    assert _json("audit", "--data", data, "--json")["ok"]
    assert opendsql("journal", "--data", data, "--records").stdout.count("\n") == status["journal"]["tail"]
    cut = _json("snapshot", "--data", data, "--json")
    assert cut["position"] == status["journal"]["tail"] + 1, "the node that cut it wrote a claim"
    assert opendsql("journal", "--data", data, "--follow").returncode == 1
    with lock_directory(data):
        ended = opendsql("status", "--data", data)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == f"opendsql: data directory in use: {data}\n"
    nothing = opendsql("status", "--data", tmp_path / "nothing")
    assert nothing.returncode == 1
    assert not (tmp_path / "nothing").exists()
