"""What a region keeps of its journals: snapshots, marks that are told, trims, and beginning again from what is left."""

import asyncio
import shutil

import pytest

from adjudicator.messages import CommitRequest
from journal.record import LockClass, Write
from server.errors import PgError
from server.runtime.region.tails import Behind
from server.runtime.waiting import outcome
from server.session.unique import unique_id
from tests.region_nodes import EAST, WEST, Nodes
from tests.regions.in_process import HANG_S

NEAR = b"\0\0\0\1\0\0\x40\0"
FAR = b"\0\0\0\1\0\0\x60\0"


def run(tmp_path, work):
    async def all_of_it():
        async with Nodes(tmp_path) as nodes:
            await work(nodes)

    asyncio.run(all_of_it())


async def until(condition):
    async with asyncio.timeout(HANG_S):
        while not condition():
            await asyncio.sleep(0.005)


async def commit(node, key, value, start_ts=None):
    """commit_ts; repeats what is refused because a journal was just taken over."""
    while True:
        writes = [Write(key, value, int(LockClass.EXCLUSIVE))]
        request = CommitRequest(unique_id(), node.start_ts() if start_ts is None else start_ts, writes, [])
        try:
            async with asyncio.timeout(HANG_S):
                return await outcome(node.submit(request, 10))
        except PgError as error:
            if start_ts is not None or error.sqlstate != "40001":
                raise


async def cut_two(node):
    """Then the node needs nothing behind the older one."""
    for _ in range(2):
        before = node.following.mark
        await until(lambda before=before: node.following.mark != before)
        assert await node.keeping.cut_snapshot() is not None, node.keeping.last_error


async def trimmed(nodes, *regions):
    """Both journals begin later than they did."""
    before = {journal: log.log.first for journal, log in nodes.logs.items()}
    for region in regions:
        await cut_two(nodes.nodes[region])
    await until(lambda: all(log.log.first > before[journal] for journal, log in nodes.logs.items()))


def content(node):
    ts = node.start_ts()
    return {key: node.versions.get(key, ts) for key in (NEAR + b"%d" % n for n in range(10))}


def test_journals_are_trimmed_behind_what_both_regions_need(tmp_path):
    async def work(nodes):
        east, west = nodes.nodes[EAST], nodes.nodes[WEST]
        await commit(east, NEAR + b"1", b"1")
        await cut_two(east)
        rounds = east.keeping.rounds
        await until(lambda: east.keeping.rounds > rounds + 5)
        assert [log.log.first for log in nodes.logs.values()] == [1, 1]
        await cut_two(west)
        await until(lambda: all(log.log.first > 1 for log in nodes.logs.values()))
        for journal, log in nodes.logs.items():
            marks = [dict(node.keeping.needed.positions)[journal] for node in (east, west)]
            assert log.log.first <= min(marks) + 1

    run(tmp_path, work)


def test_a_region_out_of_service_is_not_waited_for(tmp_path):
    async def work(nodes):
        east = nodes.nodes[EAST]
        await nodes.stop(WEST)
        await until(lambda: nodes.register.value.active == (EAST,))
        await until(lambda: east.owners[1].is_owner)
        await trimmed(nodes, EAST)

    run(tmp_path, work)


def test_a_node_that_lost_everything_begins_from_the_other_regions_snapshot(tmp_path):
    async def work(nodes):
        east = nodes.nodes[EAST]
        await commit(east, NEAR + b"1", b"1")
        await trimmed(nodes, EAST, WEST)
        await nodes.stop(WEST)
        shutil.rmtree(tmp_path / WEST)
        await until(lambda: nodes.register.value.active == (EAST,))
        await commit(east, NEAR + b"2", b"2")
        west = await nodes.start(WEST)
        await commit(west, NEAR + b"3", b"3")
        async with asyncio.timeout(HANG_S):
            await outcome_of(west.fresh())
        assert content(west)[NEAR + b"2"] == b"2"
        await until(lambda: east.start_ts() >= west.start_ts())
        assert content(east) == content(west)

    run(tmp_path, work)


async def outcome_of(wait):
    if wait is not None:
        await outcome(wait)


def test_a_region_that_was_away_while_journals_were_trimmed_ends_and_begins_anew(tmp_path):
    async def work(nodes):
        east = nodes.nodes[EAST]
        nodes.cut(WEST)
        await until(lambda: east.owners[1].is_owner)
        await commit(east, NEAR + b"1", b"1")
        await trimmed(nodes, EAST)
        nodes.heal(WEST)
        await until(lambda: nodes.failures)
        assert all(isinstance(error, Behind) for error in nodes.failures)
        await nodes.stop(WEST)
        nodes.failures.clear()
        west = await nodes.start(WEST)
        assert content(west)[NEAR + b"1"] == b"1"

    run(tmp_path, work)


def test_an_owner_that_rebuilds_from_a_mark_knows_what_was_committed_since(tmp_path):
    async def work(nodes):
        east, west = nodes.nodes[EAST], nodes.nodes[WEST]
        await commit(west, FAR + b"1", b"1")
        await trimmed(nodes, EAST, WEST)
        old = east.start_ts()
        await commit(west, FAR + b"1", b"2")
        await nodes.stop(WEST)
        await until(lambda: east.owners[1].is_owner)
        kept = east.keeping.kept()
        assert east.owners[1].core.base == kept.base and kept.mark == east.keeping.needed
        await until(lambda: east.following.complete > east.owners[1].core.safe)
        with pytest.raises(PgError, match="OC000"):
            await commit(east, FAR + b"1", b"3", start_ts=old)
        await commit(east, FAR + b"1", b"3")

    run(tmp_path, work)


def test_a_stopped_node_goes_on_with_the_storage_it_has(tmp_path):
    async def work(nodes):
        await commit(nodes.nodes[EAST], NEAR + b"1", b"1")
        await trimmed(nodes, EAST, WEST)
        before = nodes.nodes[WEST].following.mark
        await nodes.stop(WEST)
        (tmp_path / WEST / "storage" / "seen").touch()
        west = await nodes.start(WEST)
        assert (tmp_path / WEST / "storage" / "seen").exists(), "storage was not made again"
        assert dict(west.following.mark.positions)[0] >= dict(before.positions)[0]

    run(tmp_path, work)


def test_a_damaged_snapshot_is_passed_over(tmp_path):
    async def work(nodes):
        await commit(nodes.nodes[EAST], NEAR + b"1", b"1")
        await trimmed(nodes, EAST, WEST)
        await nodes.stop(WEST)
        shutil.rmtree(tmp_path / WEST / "storage")
        newest = max((tmp_path / WEST / "snapshots").glob("*.snapshot"))
        newest.write_bytes(newest.read_bytes()[:-1])
        west = await nodes.start(WEST)
        assert not newest.exists()
        assert content(west)[NEAR + b"1"] == b"1"

    run(tmp_path, work)


def test_no_new_transaction_for_a_journal_that_is_nearly_full(tmp_path):
    async def work(nodes):
        east = nodes.nodes[EAST]
        nodes.logs[1].size = nodes.logs[1].in_use = 4 * nodes.logs[1].quota // 5
        await until(lambda: east.keeping.admission.full == {1})
        appends = nodes.logs[1].commits
        with pytest.raises(PgError) as refused:
            await commit(east, FAR + b"1", b"1")
        assert refused.value.sqlstate == "53100"
        assert nodes.logs[1].commits == appends
        await commit(east, NEAR + b"1", b"1")
        nodes.logs[1].size = nodes.logs[1].in_use = 0
        await until(lambda: not east.keeping.admission.full)
        await commit(east, FAR + b"1", b"1")

    run(tmp_path, work)


def test_no_rows_for_a_cluster_that_is_too_large(tmp_path):
    async def work(nodes):
        east = nodes.nodes[EAST]
        await commit(east, NEAR + b"1", b"x" * 1000)
        east.limits.cluster_bytes = 1000
        appends = [log.commits for log in nodes.logs.values()]
        with pytest.raises(PgError, match="Current cluster size exceeds cluster size limit") as refused:
            await commit(east, NEAR + b"2", b"1")
        assert refused.value.sqlstate == "53100"
        assert [log.commits for log in nodes.logs.values()] == appends
        await commit(east, NEAR + b"1", None)
        await until(lambda: east.versions.cluster_bytes(NEAR[:4]) <= 1000)
        await commit(east, NEAR + b"2", b"1")

    run(tmp_path, work)


def test_freed_space_is_given_back_when_a_journal_is_full_of_it(tmp_path):
    async def work(nodes):
        log = nodes.logs[0]
        log.in_use = log.quota // 10
        log.size = log.quota
        await until(lambda: log.relieved == 1)
        await until(lambda: not nodes.nodes[EAST].keeping.admission.full)

    run(tmp_path, work)
