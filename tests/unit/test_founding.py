"""New databases that begin from a snapshot: everything is in them, and nothing new lies at or below its time."""

import asyncio
import contextlib
import shutil
import time

import pytest

from journal.journal import Conflict
from journal.record import TOP
from journal.snapshot import Head, SnapshotDamaged, read_snapshot, write_snapshot
from server.errors import PgError
from server.runtime.backup import founding
from server.runtime.operations import audit_journal
from server.runtime.region import snapshots
from server.runtime.requests import Refused
from server.runtime.stores import InUse, Stores, Unrecoverable, lock_directory
from server.runtime.waiting import outcome
from tests.nodes import START_NS, Clock, key, read, run, write
from tests.region_nodes import EAST, SPLIT, WEST, Nodes
from tests.regions.in_process import HANG_S, SharedLog
from tests.unit.test_keeping import FAR, NEAR, commit, cut_two

RANGES = ((b"", SPLIT, 0), (SPLIT, TOP, 1))
HOUR_NS = 3600 * 10**9


async def _two(node):
    await write(node, {"a": b"1", "b": b"2"})
    await write(node, {"a": b"3"})


def snapshot_of_serve(path):
    """Of a database with a=3 and b=2; the file and the last commit_ts."""

    async def work(node):
        await _two(node)
        cut = await outcome(node.snapshots.request())
        return cut.path, node.start_ts()

    return run(path, work)


@pytest.fixture(scope="module")
def of_region(tmp_path_factory):
    """The snapshot of a region, of a database with NEAR=1 and FAR=2."""
    data = tmp_path_factory.mktemp("old")

    async def work():
        async with Nodes(data) as nodes:
            east = nodes.nodes[EAST]
            await commit(east, NEAR, b"1")
            await commit(east, FAR, b"2")
            await cut_two(east)
            return east.keeping.newest.path

    return asyncio.run(work())


def found_regions(tmp_path, file, logs, region=EAST, now=None):
    carriers = {journal: log.seen_from(region) for journal, log in logs.items()}
    (tmp_path / region).mkdir(parents=True, exist_ok=True)
    moment = time.time_ns() if now is None else now
    return founding.found_region(tmp_path / region, file, carriers, RANGES, moment)


@contextlib.asynccontextmanager
async def started(nodes):
    """The region that has the snapshot is there before the other one asks for it."""

    async def second():
        while EAST not in nodes.nodes:
            await asyncio.sleep(0.005)
        await nodes.start(WEST)

    (nodes.data / WEST).mkdir(exist_ok=True)
    try:
        await asyncio.gather(nodes.start(EAST), second())
        yield
    finally:
        await nodes.__aexit__(None, None, None)


async def content(node):
    async with asyncio.timeout(HANG_S):
        while True:
            try:
                wait = node.fresh()
                if wait is not None:
                    await outcome(wait)
                break
            except PgError:
                await asyncio.sleep(0.05)
    return [node.versions.get(each, node.start_ts()) for each in (NEAR, FAR)]


# --- serve


def test_serve_begins_from_serves_snapshot(tmp_path):
    file, newest = snapshot_of_serve(tmp_path / "old")
    written = founding.found_serve(tmp_path / "new", file)
    assert written.path.exists()

    async def work(node):
        assert node.start_ts() == newest
        assert (read(node, "a"), read(node, "b")) == (b"3", b"2")
        assert await write(node, {"a": b"4"}) > newest
        assert read(node, "a") == b"4"

    run(tmp_path / "new", work)
    stores = Stores.open(tmp_path / "new", clock=Clock())
    audit, damage = audit_journal(stores.journal)
    stores.close()
    assert (audit.findings, damage, audit.complete_from) == ([], None, newest)


def test_a_clock_behind_the_backup_gives_later_times_all_the_same(tmp_path):
    ahead = START_NS + HOUR_NS
    rows = [(key("a"), ahead - 1, b"1"), (key("b"), ahead, b"2")]
    file = write_snapshot(tmp_path, Head(9, 4, b"h" * 32, ahead, ahead, START_NS), rows).path
    founding.found_serve(tmp_path / "new", file)

    async def work(node):
        assert node.start_ts() == ahead + 1, "the catalog, which these rows do not have"
        assert await write(node, {"a": b"3"}) == ahead + 2
        with pytest.raises(PgError, match="conflicts"):
            await write(node, {"c": b"1"}, start_ts=ahead - 1)
        return read(node, "b")

    assert run(tmp_path / "new", work, clock=Clock()) == b"2"


def test_serve_begins_from_a_regions_snapshot(tmp_path, of_region):
    file = of_region
    founding.found_serve(tmp_path / "new", file)

    async def work(node):
        ts = node.start_ts()
        assert [node.versions.get(each, ts) for each in (NEAR, FAR, snapshots.PLACE)] == [b"1", b"2", None]
        assert await write(node, {"a": b"4"}) > read_snapshot(file)[0].applied_ts

    run(tmp_path / "new", work)


def test_a_restored_storage_is_made_again_from_the_snapshot(tmp_path):
    file, _newest = snapshot_of_serve(tmp_path / "old")
    founding.found_serve(tmp_path / "new", file)
    run(tmp_path / "new", _two)
    shutil.rmtree(tmp_path / "new" / "storage")

    async def work(node):
        return read(node, "b")

    assert run(tmp_path / "new", work) == b"2"


@pytest.mark.parametrize("held", founding.HOLDINGS)
def test_a_directory_that_holds_something_is_refused(tmp_path, held):
    file, _newest = snapshot_of_serve(tmp_path / "old")
    (tmp_path / "new" / held).mkdir(parents=True)
    with pytest.raises(Refused, match=f"is not empty: it has {held}"):
        founding.found_serve(tmp_path / "new", file)


def test_a_directory_in_use_is_refused(tmp_path):
    file, _newest = snapshot_of_serve(tmp_path / "old")
    with lock_directory(tmp_path / "new"), pytest.raises(InUse):
        founding.found_serve(tmp_path / "new", file)


def test_a_damaged_snapshot_founds_nothing(tmp_path):
    file, _newest = snapshot_of_serve(tmp_path / "old")
    data = bytearray(file.read_bytes())
    data[-60] ^= 1
    file.write_bytes(data)
    with pytest.raises(SnapshotDamaged):
        founding.found_serve(tmp_path / "new", file)
    founding.check_empty(tmp_path / "new")


def test_what_dies_half_made_starts_nothing(tmp_path, monkeypatch):
    file, _newest = snapshot_of_serve(tmp_path / "old")
    new = tmp_path / "new"
    founding.found_serve(new, file)
    shutil.rmtree(new / "snapshots")
    with pytest.raises(Unrecoverable, match="no whole snapshot reaches it"):
        Stores.open(new, clock=Clock())


# --- regions


@pytest.mark.parametrize("source", ["serve", "region"])
def test_regions_begin_from_a_snapshot(tmp_path, of_region, source):
    if source == "region":
        file = of_region
    else:
        rows = [(NEAR, START_NS - 1, b"1"), (FAR, START_NS, b"2")]
        file = write_snapshot(tmp_path, Head(9, 4, b"h" * 32, START_NS, START_NS, START_NS), rows).path
    complete = read_snapshot(file)[0].applied_ts

    async def work():
        nodes = Nodes(tmp_path / "new")
        await found_regions(tmp_path / "new", file, nodes.logs)
        async with started(nodes):
            for node in nodes.nodes.values():
                assert await content(node) == [b"1", b"2"]
            assert await commit(nodes.nodes[EAST], FAR, b"3") > complete
            assert await commit(nodes.nodes[WEST], NEAR, b"4") > complete
            for node in nodes.nodes.values():
                assert await content(node) == [b"4", b"3"]

    asyncio.run(work())


def test_the_other_region_may_be_given_the_same_backup(tmp_path, of_region):
    file = of_region

    async def work():
        nodes = Nodes(tmp_path / "new")
        for region in (EAST, WEST):
            await found_regions(tmp_path / "new", file, nodes.logs, region)
        async with started(nodes):
            assert [await content(node) for node in nodes.nodes.values()] == [[b"1", b"2"]] * 2

    asyncio.run(work())


def test_another_backup_is_refused_by_journals_that_have_begun(tmp_path, of_region):
    file = of_region
    other = write_snapshot(tmp_path, Head(9, 4, b"h" * 32, START_NS, START_NS, START_NS), []).path

    async def work():
        logs = {0: SharedLog(), 1: SharedLog()}
        await found_regions(tmp_path / "new", file, logs)
        with pytest.raises(Refused, match="journal 0 is not empty"):
            await found_regions(tmp_path / "new", other, logs, WEST)
        founding.check_empty(tmp_path / "new" / WEST)

    asyncio.run(work())


def test_journals_in_use_are_refused_before_any_is_changed(tmp_path, of_region):
    file = of_region

    async def work():
        logs = {0: SharedLog(), 1: SharedLog()}
        begin = founding.beginning_of(1, [], Head(1, 1, b"h" * 32, START_NS, START_NS, START_NS))
        await logs[1].seen_from(EAST).append(begin.first)
        with pytest.raises(Refused, match="journal 1 is not empty"):
            await found_regions(tmp_path / "new", file, logs)
        assert logs[0].log.tail.position == 0

    asyncio.run(work())


@pytest.mark.parametrize("records", [1, 2])
def test_a_restore_that_died_on_the_way_is_done_again(tmp_path, of_region, records):
    """Each journal's two records and the trim between them may be there or not."""
    file = of_region
    head = read_snapshot(file)[0]

    async def work():
        nodes = Nodes(tmp_path / "new")
        for journal in (0, 1)[:records]:
            ranges = [(lo, hi) for lo, hi, owner in RANGES if owner == journal]
            begin = founding.beginning_of(journal, ranges, head)
            carrier = nodes.logs[journal].seen_from(EAST)
            assert not isinstance(await carrier.append(begin.first), Conflict)
            if journal == 0:
                await carrier.trim(1)
        await found_regions(tmp_path / "new", file, nodes.logs)
        async with started(nodes):
            assert [await content(node) for node in nodes.nodes.values()] == [[b"1", b"2"]] * 2

    asyncio.run(work())


def test_a_backup_of_the_future_is_refused_by_regions(tmp_path, of_region):
    file = of_region
    complete = read_snapshot(file)[0].applied_ts
    logs = {0: SharedLog(), 1: SharedLog()}
    with pytest.raises(Refused, match="has not come"):
        asyncio.run(found_regions(tmp_path / "new", file, logs, now=complete - 1))
    assert logs[0].log.tail.position == 0


def test_a_node_without_the_snapshot_never_serves_an_empty_database(tmp_path, of_region):
    """The journals look trimmed: whoever has nothing waits for somebody who has it."""
    file = of_region

    async def work():
        nodes = Nodes(tmp_path / "new")
        await found_regions(tmp_path / "new", file, nodes.logs)
        shutil.rmtree(tmp_path / "new" / EAST / "snapshots")
        (tmp_path / "new" / WEST).mkdir()
        with pytest.raises(Unrecoverable, match="no node has a snapshot"):
            await nodes.start(WEST)

    asyncio.run(work())
