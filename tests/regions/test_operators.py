"""`opendsql journal, audit, password, backup, restore` on real regions: of `opendsql cluster`, and from a topology."""

import asyncio
import json
import os
import shutil
from contextlib import ExitStack

import asyncpg
import psycopg
import pytest

from server.runtime.topology import one_machine
from tests.regions.clients import done
from tests.regions.cluster import EAST, REGIONS, WEST
from tests.regions.from_topology import members, node_command, running, topology_of
from tests.serving_process import opendsql

if "OPENDSQL_REGIONS" not in os.environ:
    pytest.skip("takes minutes: make test-regions", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FIRST, SECOND = ({"OPENDSQL_PASSWORD": secret} for secret in ("first", "second"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("operators") / "place"


def printed(*arguments, **options):
    """What a command prints that must succeed."""
    ended = opendsql(*arguments, **options)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def use(dsn, work):
    async def connected():
        connection = await asyncpg.connect(dsn)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


def rows(dsn, **options):
    with psycopg.connect(dsn, **options) as connection:
        return [a for (a,) in connection.execute("select a from t order by a")]


def insert(number):
    return lambda connection: done(connection, "insert into t values ($1)", number)


def proved(data):
    found = json.loads(printed("audit", "--json", "--data", data))
    assert found["ok"] and found["commits"], found


def test_a_clusters_region_in_service_speaks_for_all(cluster, place):
    async def create(connection):
        await connection.execute("create table t (a int primary key)")
        await connection.execute("create role joe with login")

    use(cluster.dsn(EAST), create)
    use(cluster.dsn(WEST), insert(1))
    assert printed("password", "joe", "--data", cluster.data, environment=SECOND) == ""
    nobody = opendsql("password", "jim", "--data", cluster.data, environment=FIRST)
    assert (nobody.returncode, nobody.stderr) == (1, 'opendsql: role "jim" does not exist\n')
    proved(cluster.data)

    cluster.command("region", "cut", EAST)
    cluster.until(lambda found: found["regions"][0]["state"] != "serving", f"{EAST} is out of service")
    cluster.until(
        lambda found: all(each["leads_here"] for each in found["regions"][1]["journals"]), f"{WEST} leads"
    )
    use(cluster.dsn(WEST), insert(2))
    printed("password", "joe", "--data", cluster.data, environment=FIRST)
    proved(cluster.data)
    for number in range(2):
        options = ("--records", "--journal", number, "--data", cluster.data)
        records = [json.loads(line) for line in printed("journal", *options).splitlines()]
        assert [each["position"] for each in records] == list(range(1, len(records) + 1))
    printed("backup", "create", place, "--data", cluster.data)
    alone = opendsql("backup", "create", place, "--data", cluster.data / EAST / "node")
    assert alone.returncode == 1
    assert f"region {EAST} has lost the majority of the regions" in alone.stderr
    assert len(printed("backup", "list", place).splitlines()) == 1

    cluster.command("region", "heal", EAST)
    cluster.until_whole()
    assert rows(cluster.dsn(EAST)) == [1, 2]


def test_nodes_from_a_topology_begin_from_its_backup(place, tmp_path):
    if shutil.which("etcd") is None:
        pytest.skip("no etcd here (Debian's etcd-server)")
    topology, file = topology_of(tmp_path), tmp_path / "topology.toml"
    file.write_text(one_machine.to_toml(topology))
    printed("topology", "certificates", file)
    heads = {node.region: node for node in topology.nodes if node.clients is not None}
    data = {region: tmp_path / node.id for region, node in heads.items()}
    given = ("--topology", file, "--node", heads[EAST].id)
    with ExitStack() as stack:
        members(topology, tmp_path, stack)
        printed("restore", place, "--data", data[EAST], *given)
        again = opendsql("restore", place, "--data", data[EAST], *given)
        assert (again.returncode, "is not empty" in again.stderr) == (1, True)

        started = []
        for node in topology.nodes:
            options = ["--auth", "password"] if node.clients is not None else []
            log, secret = tmp_path / f"{node.id}.log", {**os.environ, **FIRST}
            command = [*node_command(file, node), *options]
            started.append((log, stack.enter_context(running(command, log, environment=secret))))
        for log, process in started:
            assert process.stdout.readline().startswith("ready "), log.read_text()[-3000:]

        def dsn(region, role):
            return f"postgresql://{role}@127.0.0.1:{heads[region].clients}/postgres?sslmode=require"

        for region in REGIONS:
            assert rows(dsn(region, "admin"), password="first") == [1, 2]
            psycopg.connect(dsn(region, "joe"), password="first").close()
        printed("password", "joe", "--data", data[WEST], environment=SECOND)
        for region in REGIONS:
            psycopg.connect(dsn(region, "joe"), password="second").close()
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(dsn(region, "joe"), password="first")
            proved(data[region])
        lines = printed("journal", "--records", "--journal", 1, "--data", data[WEST]).splitlines()
        assert json.loads(lines[0])["position"] == 2, "the first one is trimmed: it stands for the backup"
        made = json.loads(
            printed("backup", "create", place, "--data", data[WEST], "--keep", 1, "--json").splitlines()[0]
        )
        assert made["source"] == "region"
        assert printed("backup", "verify", place) == f"{made['name']}: whole\n"
    late = opendsql("restore", place, "--data", tmp_path / "late", *given)
    assert (late.returncode, "journal cannot be reached" in late.stderr) == (1, True), late.stderr
