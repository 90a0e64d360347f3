"""Faults on demand in regions: whoever asks, wherever the commit is decided, and in which process (docs/testing.md)."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from tests.regions.cluster import EAST, REGIONS, WEST, RegionCluster
from tests.serving_process import opendsql

if "OPENDSQL_REGIONS" not in os.environ:
    pytest.skip("takes half a minute: make test-regions", allow_module_level=True)

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[Any]
PROCESSES = 2
"""Per region: its node and one worker."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegionCluster]:
    with RegionCluster(tmp_path_factory.mktemp("injections") / "data", "--workers", "1") as running:
        yield running


@pytest.fixture
def admins(cluster: RegionCluster) -> Iterator[dict[str, Connection]]:
    """A connection to each region, with a table that EAST decides on and no injections."""
    with ExitStack() as stack:
        found: dict[str, Connection] = {}
        for region in REGIONS:
            admin = stack.enter_context(psycopg.connect(cluster.dsn(region), autocommit=True))
            admin.execute("CALL opendsql.remove_injections()")
            if region == EAST:
                admin.execute("DROP TABLE IF EXISTS account")
                admin.execute("CREATE TABLE account (id int PRIMARY KEY, balance int)")
            found[region] = admin
        yield found


def one(admin: Connection, sql: str, *values: Any) -> tuple[Any, ...]:
    row = admin.execute(sql, values).fetchone()
    assert row is not None
    return row


def in_every_process(dsn: str, work: Callable[[Connection], object]) -> None:
    """The kernel chooses the process of a connection: some are kept open until each has been met."""
    met: set[int] = set()
    with ExitStack() as stack:
        while len(met) < PROCESSES:
            db = stack.enter_context(psycopg.connect(dsn, autocommit=True))
            process = one(db, "SELECT pg_backend_pid()")[0] >> 16
            if process not in met:
                met.add(process)
                work(db)


@pytest.mark.parametrize("owner", REGIONS)
@pytest.mark.parametrize("asked", REGIONS)
def test_commits_of_one_region_are_lost(
    cluster: RegionCluster, admins: dict[str, Connection], asked: str, owner: str
) -> None:
    """Whichever region decides on the table: a new one is EAST's."""
    if owner != EAST:
        cluster.move(owner, "account")
    here = admins[asked]
    (other,) = (admin for region, admin in admins.items() if region != asked)
    (number,) = one(here, "CALL opendsql.inject('OC000', times => 2, table_name => 'account')")
    other.execute("INSERT INTO account VALUES (1, 1)")
    for _time in range(2):
        with pytest.raises(psycopg.errors.SerializationFailure, match="OC000") as caught:
            here.execute("INSERT INTO account VALUES (2, 2)")
        assert caught.value.diag.message_detail == f"Injection {number} refused the transaction."
    here.execute("INSERT INTO account VALUES (2, 2)")
    assert one(here, "SELECT matched, fired FROM opendsql.injections WHERE id = %s", number) == (2, 2)
    assert one(other, "SELECT count(*) FROM opendsql.injections") == (0,)
    assert one(other, "SELECT count(*) FROM account") == (2,)


@pytest.mark.parametrize("kind, balance", [("drop_before_commit", 0), ("drop_after_commit", 1)])
def test_a_connection_is_lost_around_a_commit(
    cluster: RegionCluster, admins: dict[str, Connection], kind: str, balance: int
) -> None:
    """Whether it took effect is seen in the other region."""
    admins[EAST].execute("INSERT INTO account VALUES (1, 0)")
    admins[WEST].execute(f"CALL opendsql.inject('{kind}')")
    with psycopg.connect(cluster.dsn(WEST)) as db, pytest.raises(psycopg.OperationalError):
        db.execute("UPDATE account SET balance = 1")
        db.commit()
    assert one(admins[EAST], "SELECT balance FROM account") == (balance,)


def test_every_process_of_the_region_meets_it(cluster: RegionCluster, admins: dict[str, Connection]) -> None:
    admins[WEST].execute("CALL opendsql.inject('row_limit', times => NULL)")

    def meets(db: Connection) -> None:
        with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="transaction row limit exceeded"):
            db.execute("INSERT INTO account VALUES (1, 1)")

    in_every_process(cluster.dsn(WEST), meets)
    assert one(admins[WEST], "SELECT fired FROM opendsql.injections") == (PROCESSES,)
    in_every_process(cluster.dsn(EAST), lambda db: db.execute("DELETE FROM account"))


def test_an_index_job_fails(admins: dict[str, Connection]) -> None:
    """Wherever it runs: the region whose injection it is began it."""
    admins[EAST].execute("CALL opendsql.inject('index_job_fails', table_name => 'account')")
    (job,) = one(admins[EAST], "CREATE INDEX ASYNC ON account (balance)")
    assert one(admins[EAST], f"CALL sys.wait_for_job('{job}')") == (False,)
    assert one(admins[WEST], "SELECT status FROM sys.jobs WHERE job_id = %s", job) == ("failed",)


def test_from_a_shell(cluster: RegionCluster, admins: dict[str, Connection]) -> None:
    """A region's directory names its node; the cluster's stands for the first region in service."""

    def printed(*arguments: object) -> list[Any]:
        done = opendsql("inject", *map(str, arguments))
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    (made,) = printed("OC001", "--table", "account", "--data", cluster.data / WEST)
    with pytest.raises(psycopg.errors.SerializationFailure, match="OC001"):
        admins[WEST].execute("INSERT INTO account VALUES (1, 1)")
    (shown,) = printed("--list", "--data", cluster.data / WEST / "node")
    assert (shown["id"], shown["matched"], shown["fired"]) == (made["id"], 1, 1)
    assert printed("--list", "--data", cluster.data) == []
    printed("OC000", "--data", cluster.data)
    with pytest.raises(psycopg.errors.SerializationFailure, match="OC000"):
        admins[EAST].execute("INSERT INTO account VALUES (2, 2)")
    printed("--remove-all", "--data", cluster.data / WEST)
    assert printed("--list", "--data", cluster.data / WEST) == []
