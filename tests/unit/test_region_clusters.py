"""Of two regions each has an id of its own for every cluster, and knows no other."""

import asyncio
import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from server.catalog import clusters
from server.catalog.clusters import Here
from server.catalog.descriptor import DEFAULT_CLUSTER
from server.runtime.cluster_requests import answer
from server.runtime.requests import DropCluster, ListClusters, NewCluster, Refused
from server.session import regional
from server.session.work import Wait
from tests import sessions
from tests.region_nodes import EAST, WEST, Nodes
from tests.unit.test_clusters import DENIED, left
from tests.unit.test_keeping import run, until
from tests.unit.test_region_capture import read

REGIONS = (EAST, WEST)
ELSEWHERE = "eu-west-1"


class Client(sessions.Client):
    kind = regional.RegionSession


def at(node: Any, cluster_id: str) -> Client:
    return Client(node, options=f"-c amzn-cluster-id={cluster_id}")


async def reached(node: Any, cluster_id: str) -> Client:
    """Of a cluster that the other region may have made just now."""
    await until(lambda: at(node, cluster_id).greeting != [DENIED])
    return at(node, cluster_id)


async def listed(node: Any, count: int) -> list[dict[str, Any]]:
    """Once there are so many."""
    while len(found := await answer(node, ListClusters())) != count:
        await until(lambda: len(list(clusters.every(node.versions, node.start_ts()))) == count)
    return found


def test_each_region_knows_its_own_ids(tmp_path):
    async def work(nodes: Nodes) -> None:
        east, west = (nodes.nodes[region] for region in REGIONS)
        (made,) = [each[0] for each in await Client(east).rows("CALL opendsql.new_cluster()")]
        here, there = [await listed(node, 2) for node in (east, west)]
        ids = {line["id"] for line in (*here, *there)}
        assert len(ids) == 4 and all(clusters.ID.fullmatch(each) for each in ids)
        assert here[1]["id"] == made
        for mine, others in zip(here, there, strict=True):
            assert (mine["region"], mine["peers"]) == (EAST, {WEST: others["id"]})
            assert (others["region"], others["peers"]) == (WEST, {EAST: mine["id"]})
            assert (await reached(west, others["id"])).greeting == ["R", "K"]
            assert at(east, mine["id"]).greeting == ["R", "K"]
            assert at(west, mine["id"]).greeting == at(east, others["id"]).greeting == [DENIED]
        await at(east, made).query("CREATE TABLE t (a int PRIMARY KEY)")
        await at(east, made).query("INSERT INTO t VALUES (1)")
        assert await at(west, there[1]["id"]).rows("SELECT a FROM t") == [("1",)]
        assert (await Client(west).query("SELECT a FROM t"))[0].startswith("ERROR 42P01")
        for region, line, foreign in ((EAST, here[1], there[1]), (WEST, there[1], here[1])):
            told = await read(nodes, region, cluster=line["id"])
            assert [each["source"]["cluster"] for each in told] == [line["id"]]
            with pytest.raises(Refused, match="there is no cluster"):
                await read(nodes, region, cluster=foreign["id"])

    run(tmp_path, work)


def test_a_client_reaches_what_was_made_before_it_came(tmp_path):
    async def work(nodes: Nodes) -> None:
        west = nodes.nodes[WEST]
        before = west.start_ts()
        (made,) = await answer(west, NewCluster())
        await listed(west, 2)
        west._granted = before  # as if nothing had come since, closed times included
        assert at(west, made["id"]).greeting == ["R", "K"]

    run(tmp_path, work)


def test_it_is_told_of_once_its_region_has_it(tmp_path):
    async def work(nodes: Nodes) -> None:
        west, seen = nodes.nodes[WEST], Wait[None]()
        west.fresh = lambda: seen
        commits = west.coordinating.commits
        making = asyncio.ensure_future(answer(west, NewCluster()))
        await until(lambda: west.coordinating.commits > commits)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not making.done()
        seen.finish(None)
        assert len(await making) == 1

    run(tmp_path, work)


def test_either_region_ends_a_cluster_by_its_own_id(tmp_path):
    async def work(nodes: Nodes) -> None:
        east, west = (nodes.nodes[region] for region in REGIONS)
        (made,) = await answer(west, NewCluster())
        number = west.cluster_named(made["id"])
        client = await reached(east, made["peers"][EAST])
        assert await Client(east).query(f"CALL opendsql.drop_cluster('{made['id']}')") == [
            f'ERROR 42704 cluster "{made["id"]}" does not exist'
        ]
        await answer(east, DropCluster(made["peers"][EAST]))
        await until(lambda: at(west, made["id"]).greeting == [DENIED])
        assert (await client.query("SELECT 1"))[0].startswith("FATAL 57P01")
        for node in (east, west):
            await listed(node, 1)
            assert left(node, number) == []
            assert number not in {each.number for _id, each in clusters.every(node.versions, node.start_ts())}

    run(tmp_path, work)


class Rows:
    """The directory alone, which has one version of each row."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}

    def get(self, key: bytes, ts: int) -> bytes | None:
        return self.rows.get(key)

    def scan_stamped(self, lo: bytes, hi: bytes, ts: int, limit: int) -> tuple[list[Any], bytes | None]:
        found = sorted(key for key in self.rows if lo <= key < hi)
        return [(key, 0, self.rows[key]) for key in found[:limit]], (found[limit:] or [None])[0]

    def write(self, writes: list[Any]) -> None:
        for each in writes:
            if each.value is None:
                self.rows.pop(each.key, None)
            else:
                self.rows[each.key] = each.value


def made_by(dice: random.Random) -> Here:
    return dice.choice([Here(), Here(EAST, REGIONS), Here(WEST, REGIONS)])


def steps(dice: random.Random, rows: Any, known: dict[int, dict[str, str]]) -> Iterator[None]:
    """Clusters come and go, made by `serve` and by regions in turns, as backups go to and fro."""
    now = 0
    first = clusters.make_ids(made_by(dice), dice.randbytes)
    rows.write(clusters.founding(first, now))
    known[DEFAULT_CLUSTER] = first
    number = DEFAULT_CLUSTER
    while True:
        yield
        now += 1
        if dice.random() < 0.6 or len(known) == 1:
            ids = clusters.make_ids(made_by(dice), dice.randbytes)
            rows.write(clusters.creation(rows, now, ids, now, 1000))
            number += 1
            known[number] = ids
            continue
        gone = dice.choice(sorted(set(known) - {DEFAULT_CLUSTER}))
        region, cluster_id = dice.choice(sorted(known[gone].items()))
        rows.write(clusters.deletion(rows, now, cluster_id, region))
        if dice.random() < 0.7:
            dropped = clusters.dropped(rows, now)
            assert sorted(dropped[gone]) == sorted(known[gone].values())
            for ids_of_one in dropped.values():
                rows.write(clusters.removal(rows, now, ids_of_one))
        del known[gone]


@pytest.mark.parametrize("seed", range(20))
def test_directory_against_a_model(seed):
    dice, rows, known = random.Random(seed), Rows(), {}
    for _, _step in zip(range(40), steps(dice, rows, known), strict=False):
        every_id = [each for ids in known.values() for each in ids.values()]
        for region in ("", *REGIONS, ELSEWHERE):
            found = {
                each: clusters.find(rows, 1, each, region).number
                for each in every_id
                if clusters.find(rows, 1, each, region) is not None
            }
            expected = {
                each: number
                for number, ids in known.items()
                for each in ([ids[region]] if region in ids and len(ids) > 1 else ids.values())
            }
            assert found == expected
            shown = [
                (cluster_id, each.number)
                for cluster_id, each in clusters.every(rows, 1, region)
                if not each.is_deleting
            ]
            assert sorted(number for _id, number in shown) == sorted(known)
            assert all(found[cluster_id] == number for cluster_id, number in shown)


def test_what_a_node_of_an_older_release_dropped_goes_as_a_whole():
    rows, dice = Rows(), random.Random(1)
    ids = clusters.make_ids(Here(EAST, REGIONS), dice.randbytes)
    rows.write(clusters.founding(clusters.make_ids(Here(EAST, REGIONS), dice.randbytes), 0))
    rows.write(clusters.creation(rows, 1, ids, 1, 10))
    (key,) = [each for each in rows.rows if each.endswith(ids[EAST].encode())]
    older = clusters._encode({"number": 2, "created": 1, "is_deleting": True})
    rows.write([SimpleNamespace(key=key, value=older)])
    dropped = clusters.dropped(rows, 2)
    assert sorted(dropped[2]) == sorted(ids.values())
    rows.write(clusters.removal(rows, 2, dropped[2]))
    assert [each.number for _id, each in clusters.every(rows, 2)] == [DEFAULT_CLUSTER]
