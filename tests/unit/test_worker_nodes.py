"""What a front-end process shows of a cluster that is dropped, on one machine and in a region."""

import asyncio

import pytest

from journal.record import Write
from server.catalog import store
from server.catalog.clusters import Here
from server.errors import PgError
from server.runtime import worker
from server.runtime.clocks.choice import ClockChoice
from server.runtime.clocks.interval import Interval
from server.runtime.frames import Configure
from server.runtime.page import SharedPage, encode_catalog_versions
from server.runtime.region.edges import Edges
from server.runtime.region.worker import Regional, RegionWorkerNode, encode
from server.runtime.worker import Link, WorkerNode
from server.sql.limits import Limits
from storage.replica import Reader, Replica
from tests.region_nodes import EAST
from tests.replicas import commit

CLUSTER = 2
MADE, DROPPED, LATE = 100, 200, 300


class Frames:
    """Stands for the socket to main, to which nothing is said here."""

    resumed = None


class Late:
    """A clock that is ahead of everything."""

    def now(self):
        return Interval(LATE, LATE)


class Main:
    """The process that writes: one replica, its page, and the catalogs' versions since it began."""

    def __init__(self, path):
        self.replica = Replica.open(path / "storage")
        self.page = SharedPage.create()
        self.versions = {}

    def apply(self, ts, writes):
        """Visible in every process; complete is whatever the test says."""
        commits = [commit(ts, {write.key: write.value for write in writes})]
        for each in commits[0].writes:
            if store.is_version_key(each.key):
                store.note_version(self.versions, each, ts)
        position = self.replica.applied_position + 1
        self.replica.apply(commits, position, bytes(32), 0, encode_catalog_versions(self.versions))
        self.page.position = position

    def drop(self):
        self.apply(DROPPED, [Write(store.version_key(CLUSTER), None, 3)])


@pytest.fixture
def main(tmp_path, monkeypatch):
    made = Main(tmp_path)
    # LMDB is opened once per process.
    monkeypatch.setattr(worker.Reader, "open", lambda _path, taken: Reader(made.replica._engine, taken))
    made.apply(MADE, store.bootstrap(1) + store.bootstrap(CLUSTER))
    yield made
    made.replica.close()


def configured(path, regional=b""):
    return Configure(
        index=1,
        default_cluster=1,
        data=str(path),
        host="",
        port=0,
        auth="trust",
        tls_required=False,
        tls_names=(),
        admin_verifier=None,
        trust=None,
        mock_secret=b"",
        rebase=True,
        limits=Limits(),
        regional=regional,
    )


def ended(node):
    with pytest.raises(PgError) as caught:
        node.catalog(CLUSTER)
    assert (caught.value.sqlstate, caught.value.severity) == ("57P01", "FATAL")


@pytest.mark.parametrize("has_looked", [True, False], ids=["that it knew", "that it did not know"])
def test_on_one_machine_a_dropped_cluster_ends(main, tmp_path, has_looked):
    async def work():
        node = WorkerNode(configured(tmp_path), main.page, Link(Frames()))
        if has_looked:
            assert node.catalog(CLUSTER).cluster == CLUSTER
        main.drop()
        ended(node)
        assert node.catalog(1).cluster == 1
        node.versions.release()

    asyncio.run(work())


@pytest.mark.parametrize("has_looked", [True, False], ids=["that it knew", "that it did not know"])
def test_in_a_region_a_dropped_cluster_ends_when_its_time_has_come(main, tmp_path, has_looked):
    """Until then transactions begin before the drop, and see the catalog of their time."""

    async def work():
        regional = encode(Regional(Here(EAST, (EAST,)), ClockChoice("constant", bound_ms=1.0), ""))
        edges = Edges(Late(), EAST, lambda _error: None)
        node = RegionWorkerNode(configured(tmp_path, regional), main.page, Link(Frames()), edges, ended)
        main.page.complete = DROPPED - 1
        before = node.catalog(CLUSTER) if has_looked else None
        main.drop()
        found = node.catalog(CLUSTER)
        assert (node.start_ts(), found.version) == (DROPPED - 1, MADE)
        assert before is None or found is before
        main.page.complete = DROPPED
        ended(node)
        ended(node)
        assert node.catalog(1).cluster == 1
        node.versions.release()

    asyncio.run(work())
