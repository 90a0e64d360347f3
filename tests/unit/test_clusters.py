"""Clusters of one server: which there are, whom a client reaches, and how one ends."""

import asyncio
from typing import Any

import pytest

from server.catalog import clusters
from server.errors import PgError
from server.runtime.cluster_requests import answer
from server.runtime.gate import CatalogGate
from server.runtime.requests import DropCluster, ListClusters, NewCluster
from server.sql.limits import Limits
from storage import keycode
from tests.aws_tokens import TRUST, aws_token
from tests.sessions import Client, run

ONE, OTHER = "a" * 26, "b" * 26
HANG_S = 30.0
DENIED = "FATAL 08006 unable to accept connection, access denied"
ENDED = "FATAL 57P01 terminating connection due to administrator command"


def host(cluster_id: str, region: str = "us-east-1") -> str:
    return f"{cluster_id}.dsql.{region}.on.aws"


class Catalog(str):
    """Stands for the catalog of the cluster of that id."""


def named(cluster_id: str) -> Any:
    if cluster_id not in (ONE, OTHER):
        raise clusters.unknown(cluster_id)
    return Catalog(cluster_id)


def gate(**options: Any) -> CatalogGate:
    return CatalogGate("iam", lambda: Catalog("default"), trust=TRUST, named=named, **options)  # type: ignore[arg-type]


CHOICES = {
    "nothing": (None, None, None),
    "localhost": ("localhost", None, None),
    "another host": ("db.example", None, None),
    "host": (host(ONE), None, ONE),
    "host of a private link": (f"{ONE}.dsql-fnh4.us-east-1.on.aws", None, ONE),
    "host in capitals": (host(ONE).upper(), None, ONE),
    "option": (None, ONE, ONE),
    "option in capitals": (None, ONE.upper(), ONE),
    "option beside a host that is no cluster's": ("localhost", ONE, ONE),
    "both, the same": (host(ONE), ONE, ONE),
    "a label without a domain": (ONE, None, None),
    "27 characters": (host(ONE + "a"), None, None),
    "an alias of the default one": (host("c" * 26), None, None),
}


@pytest.mark.parametrize("name", CHOICES)
def test_who_is_meant(name: str) -> None:
    server_name, option, expected = CHOICES[name]
    assert gate(aliases=[host("c" * 26)]).at(server_name, option).cluster_id == expected


@pytest.mark.parametrize(
    ("server_name", "option"),
    [(host("z" * 26), None), (None, "z" * 26), (None, "short"), (host(ONE), OTHER), (None, "")],
    ids=["unknown host", "unknown option", "no id", "both differ", "empty"],
)
def test_who_is_refused(server_name: str | None, option: str | None) -> None:
    with pytest.raises(PgError, match="access denied") as caught:
        gate().at(server_name, option)
    assert (caught.value.sqlstate, caught.value.severity) == ("08006", "FATAL")


def test_a_token_is_for_the_chosen_cluster() -> None:
    one = gate().at(None, ONE)
    one.check_token("admin", aws_token(host=host(ONE)))
    one.check_token("admin", aws_token(host="localhost"))
    for elsewhere in (OTHER, "abcdefghijklmnopqrstuvwxyz"):
        with pytest.raises(PgError, match="access denied"):
            one.check_token("admin", aws_token(host=host(elsewhere)))


def test_ids_look_as_dsqls() -> None:
    made = clusters.make_id(bytes(range(16)))
    assert clusters.ID.fullmatch(made)


def test_clusters_share_nothing(tmp_path) -> None:
    async def work(node) -> None:
        default = Client(node)
        (made,) = [each[0] for each in await default.rows("CALL opendsql.new_cluster()")]
        fresh = Client(node, options=f"-c amzn-cluster-id={made}")
        await default.query("CREATE TABLE t (a int PRIMARY KEY)")
        await default.query("CREATE ROLE app WITH LOGIN")
        assert (await fresh.query("SELECT * FROM t"))[0].startswith("ERROR 42P01")
        await fresh.query("CREATE TABLE t (b text PRIMARY KEY)")
        await fresh.query("INSERT INTO t VALUES ('here')")
        await default.query("INSERT INTO t VALUES (1)")
        assert await fresh.rows("SELECT * FROM t") == [("here",)]
        assert await default.rows("SELECT * FROM t") == [("1",)]
        assert await fresh.rows("SELECT rolname FROM pg_roles WHERE rolname = 'app'") == []
        assert await fresh.rows("SELECT count(*) FROM pg_stat_activity") == [("1",)]
        refused = Client(node, "app", options=f"-c amzn-cluster-id={made}")
        assert refused.greeting == ['FATAL 28000 role "app" does not exist']

    run(tmp_path, work)


def test_a_dropped_cluster_ends_its_sessions_and_its_rows(tmp_path) -> None:
    async def work(node) -> None:
        made = (await answer(node, NewCluster()))[0]["id"]
        number = node.cluster_named(made)
        fresh = Client(node, options=f"-c amzn-cluster-id={made}")
        await fresh.query("CREATE TABLE t (a int PRIMARY KEY)")
        await fresh.query("INSERT INTO t SELECT generate_series(1, 700)")
        late = Client(node, options=f"-c amzn-cluster-id={made}")
        await late.query("BEGIN")
        await late.query("INSERT INTO t VALUES (0)")
        await answer(node, DropCluster(made))
        assert await fresh.query("SELECT 1") == [ENDED]
        assert Client(node, options=f"-c amzn-cluster-id={made}").greeting == [DENIED]
        await removed(node, number)
        assert (await late.query("COMMIT"))[0].startswith(("ERROR 40001", "FATAL 57P01"))
        assert left(node, number) == []
        assert [each["default"] for each in await answer(node, ListClusters())] == [True]
        again = (await answer(node, NewCluster()))[0]["id"]
        assert node.cluster_named(again) > number

    run(tmp_path, work)


def test_what_was_left_undone_is_done_after_a_restart(tmp_path) -> None:
    async def drop(node) -> str:
        kept = (await answer(node, NewCluster()))[0]["id"]
        made = (await answer(node, NewCluster()))[0]["id"]
        await node.jobs.stop()
        await answer(node, DropCluster(made))
        return kept

    kept = run(tmp_path, drop)

    async def look(node) -> None:
        await removed(node, 3)
        found = await answer(node, ListClusters())
        assert [each["id"] for each in found[1:]] == [kept]
        assert Client(node, options=f"-c amzn-cluster-id={kept}").greeting == ["R", "K"]

    run(tmp_path, look)


def test_limits_of_clusters(tmp_path) -> None:
    async def work(node) -> None:
        client = Client(node)
        made = (await client.rows("CALL opendsql.new_cluster()"))[0][0]
        assert await client.query("CALL opendsql.new_cluster()") == [
            "ERROR 53400 cluster limit of 2 exceeded"
        ]
        default = next(each["id"] for each in await answer(node, ListClusters()) if each["default"])
        assert await client.query(f"CALL opendsql.drop_cluster('{default}')") == [
            "ERROR 0A000 the default cluster cannot be dropped"
        ]
        assert await client.query(f"CALL opendsql.drop_cluster('{OTHER}')") == [
            f'ERROR 42704 cluster "{OTHER}" does not exist'
        ]
        await client.query("CREATE ROLE app WITH LOGIN")
        app = Client(node, "app")
        assert await app.query(f"CALL opendsql.drop_cluster('{made}')") == [
            "ERROR 42501 permission denied for procedure drop_cluster"
        ]

    run(tmp_path, work, Limits(clusters=2))


def test_two_at_the_same_moment(tmp_path) -> None:
    async def work(node) -> None:
        made = await asyncio.gather(*(answer(node, NewCluster()) for _ in range(5)))
        assert len({node.cluster_named(lines[0]["id"]) for lines in made}) == 5

    run(tmp_path, work)


def left(node, number: int) -> list[bytes]:
    lo = number.to_bytes(4, "big")
    return [key for key, _ in node.versions.scan_items(lo, keycode.successor(lo), node.start_ts())[0]]


async def removed(node, number: int) -> None:
    """Wait until the cluster's entry is gone, which goes last."""
    async with asyncio.timeout(HANG_S):
        while any(each.number == number for _id, each in clusters.every(node.versions, node.start_ts())):
            await asyncio.sleep(0.005)
