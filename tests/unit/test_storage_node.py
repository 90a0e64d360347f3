"""Replicas of shards: fed by the region's crossbar, complete or waiting, killed and back, anew from a snapshot."""

import asyncio
import random
import shutil
import time

import pytest

from journal.crossbar import Mark
from journal.record import MARKERS
from server.runtime.region import feeding
from server.runtime.region.wire import (
    Fed,
    FeedWanted,
    RangeWanted,
    ReadFound,
    ReadWanted,
    ScanFound,
    ScanWanted,
)
from server.runtime.storage_node import answering
from server.runtime.storage_node.answering import shard_of
from server.runtime.storage_node.digest import digest
from server.runtime.storage_node.replica import later
from server.runtime.waiting import outcome
from storage.shard import Refused
from tests.region_nodes import EAST, SPLIT, WEST, Nodes
from tests.regions.in_process import HANG_S, MS
from tests.storage_nodes import Reply, StorageNodes
from tests.unit.test_keeping import FAR, NEAR, commit, trimmed, until


def run(tmp_path, work):
    async def all_of_it():
        async with Nodes(tmp_path) as nodes, StorageNodes(nodes) as storage:
            storage.offer_from_head()
            await work(nodes, storage)

    asyncio.run(all_of_it())


async def read(replica, ts, *keys):
    reply = Reply()
    replica.reads.read(ReadWanted(ts, keys), reply)
    async with asyncio.timeout(HANG_S):
        return await outcome(reply.wait)


async def same(nodes, storage, *names):
    """The hash of each replica is that of the region's node for its range, at one time."""
    east = nodes.nodes[EAST]
    ts = east.following.complete
    found = []
    for name in names:
        replica = storage.replicas[name]
        await storage.until_complete(name, ts)
        mine = await digest(replica.rows.replica, b"", MARKERS, ts)
        assert mine == await digest(east.versions, replica.lo, replica.hi, ts)
        found.append(mine)
    return found


def test_each_replica_has_its_range_and_what_the_node_has_of_it(tmp_path):
    async def work(nodes, storage):
        east, west = nodes.nodes[EAST], nodes.nodes[WEST]
        await commit(east, NEAR + b"0", b"before")
        storage.start("low", b"", SPLIT)
        storage.start("low-again", b"", SPLIT, ["low"])
        storage.start("high", SPLIT, MARKERS)
        for name in ("low", "low-again", "high"):
            await storage.serving(name)
        for number in range(20):
            await commit(
                (east, west)[number % 2], (NEAR, FAR)[number // 10] + b"%d" % number, b"x%d" % number
            )
        low, again, high = await same(nodes, storage, "low", "low-again", "high")
        assert low == again
        assert high.rows == 10

    run(tmp_path, work)


def test_a_read_of_a_later_time_waits_for_it(tmp_path):
    async def work(nodes, storage):
        east = nodes.nodes[EAST]
        replica = await storage.started("low", b"", SPLIT)
        ts = await commit(east, NEAR + b"1", b"1")
        assert (await read(replica, ts, NEAR + b"1", NEAR + b"2")).rows == (b"1", None)
        assert (await read(replica, ts - 1, NEAR + b"1")).rows == (None,)
        nodes.cut(EAST)
        reply = Reply()
        replica.reads.read(ReadWanted(time.time_ns() + 10**9, (NEAR + b"1",)), reply)
        assert (reply.wait.done, replica.reads.waiting) == (False, 1)
        nodes.heal(EAST)
        async with asyncio.timeout(HANG_S):
            assert (await outcome(reply.wait)).rows == (b"1",)
        assert replica.reads.waiting == 0

    run(tmp_path, work)


def test_a_scan_goes_on_where_its_answer_ended(tmp_path):
    async def work(nodes, storage):
        east = nodes.nodes[EAST]
        replica = await storage.started("low", b"", SPLIT)
        for number in range(4):
            ts = await commit(east, NEAR + b"%d" % number, b"x")
        lo, hi = NEAR, NEAR + b"\xff"
        for is_reverse in (False, True):
            reply, found = Reply(), []
            replica.reads.scan(ScanWanted(ts, lo, hi, 3, is_reverse), reply)
            first = await outcome(reply.wait)
            reply = Reply()
            rest = (lo, first.following) if is_reverse else (first.following, hi)
            replica.reads.scan(ScanWanted(ts, *rest, 0, is_reverse), reply)
            second = await outcome(reply.wait)
            found = [key[-1:] for key, _ts, _row in (*first.rows, *second.rows)]
            assert found == sorted([b"0", b"1", b"2", b"3"], reverse=is_reverse)
            assert second.following is None

    run(tmp_path, work)


def test_one_that_was_killed_goes_on_from_its_own_rows(tmp_path):
    async def work(nodes, storage):
        east = nodes.nodes[EAST]
        await storage.started("low", b"", SPLIT)
        await commit(east, NEAR + b"1", b"1")
        await same(nodes, storage, "low")
        await storage.kill("low")
        for number in range(5):
            await commit(east, NEAR + b"%d" % number, b"2")
        replica = await storage.started("low", b"", SPLIT)
        assert replica.loaded == 0
        await same(nodes, storage, "low")

    run(tmp_path, work)


def test_what_left_the_window_is_read_from_the_journals(tmp_path, monkeypatch):
    monkeypatch.setattr(feeding, "WINDOW_COMMITS", 2)
    monkeypatch.setattr(feeding, "FED_COMMITS", 3)

    async def work(nodes, storage):
        east, west = nodes.nodes[EAST], nodes.nodes[WEST]
        storage.start("low", b"", SPLIT)
        storage.start("other", b"", SPLIT)
        await storage.serving("low")
        await storage.kill("low")
        for number in range(30):
            await commit((east, west)[number % 2], (NEAR, FAR)[number % 2] + b"%d" % number, b"2")
        await same(nodes, storage, "other")
        replica = await storage.started("low", b"", SPLIT)
        assert replica.loaded == 0
        assert east.feeding.behind_answers > 0
        await commit(east, NEAR + b"1", b"3")
        await same(nodes, storage, "low")
        before = east.feeding.behind_answers
        await commit(east, NEAR + b"1", b"4")
        await same(nodes, storage, "low")
        assert east.feeding.behind_answers == before

    run(tmp_path, work)


def test_one_that_comes_back_too_late_begins_anew_from_a_snapshot(tmp_path):
    async def work(nodes, storage):
        east = nodes.nodes[EAST]
        await storage.started("low", b"", SPLIT)
        await storage.kill("low")
        await commit(east, NEAR + b"1", b"1")
        await trimmed(nodes, EAST, WEST)
        await commit(east, NEAR + b"2", b"2")
        await nodes.stop(EAST)
        await nodes.start(EAST)
        storage.offer_from_head()
        replica = await storage.started("low", b"", SPLIT)
        assert replica.loaded == 1
        await same(nodes, storage, "low")

    run(tmp_path, work)


def test_one_that_cannot_go_on_begins_anew_also_while_its_rows_are_read(tmp_path):
    async def work(nodes, storage):
        east = nodes.nodes[EAST]
        await commit(east, NEAR + b"1", b"1")
        replica = await storage.started("one", b"", SPLIT)
        fed = east.feeding.ask

        def lose(_node, wanted, reply):
            east.feeding.ask = fed
            reply.answer(Fed([], wanted.complete, wanted.mark, True))

        reply = Reply()
        storage.offering["one"].wanted(RangeWanted(b"", SPLIT), reply)
        east.feeding.ask = lose
        await until(lambda: replica.loaded == 2)
        assert reply.wait.done
        await storage.serving("one")
        await same(nodes, storage, "one")

    run(tmp_path, work)


def test_it_is_fed_again_by_a_node_that_was_started_again(tmp_path):
    async def work(nodes, storage):
        replica = await storage.started("low", b"", SPLIT)
        await commit(nodes.nodes[EAST], NEAR + b"1", b"1")
        await nodes.stop(EAST)
        await until(lambda: nodes.register.value.active == (WEST,))
        west = nodes.nodes[WEST]
        await until(lambda: west.owners[0].is_owner)
        await commit(west, NEAR + b"2", b"2")
        east = await nodes.start(EAST)
        await commit(east, NEAR + b"3", b"3")
        await same(nodes, storage, "low")
        assert replica.loaded == 1

    run(tmp_path, work)


def test_a_replica_begins_from_another_one(tmp_path):
    async def work(nodes, storage):
        east = nodes.nodes[EAST]
        await commit(east, NEAR + b"1", b"1")
        await storage.started("one", b"", SPLIT)
        await storage.offering.pop(EAST).stop()
        await storage.started("two", b"", SPLIT, ["one"])
        assert storage.offering["one"].written == 1
        await same(nodes, storage, "one", "two")

    run(tmp_path, work)


def test_rows_of_another_range_are_not_taken_for_its_own(tmp_path):
    async def work(nodes, storage):
        await commit(nodes.nodes[EAST], FAR + b"1", b"1")
        await storage.started("one", b"", SPLIT)
        await storage.kill("one")
        replica = await storage.started("one", SPLIT, MARKERS)
        assert replica.loaded == 1
        assert (await same(nodes, storage, "one"))[0].rows == 1

    run(tmp_path, work)


def test_a_damaged_directory_is_made_again(tmp_path):
    async def work(nodes, storage):
        await storage.started("one", b"", SPLIT)
        await storage.kill("one")
        (tmp_path / "one" / "storage" / "data.mdb").write_bytes(b"nothing" * 1000)
        replica = await storage.started("one", b"", SPLIT)
        assert replica.loaded == 1
        shutil.rmtree(tmp_path / "one-ranges", ignore_errors=True)

    run(tmp_path, work)


def test_only_so_many_reads_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(answering, "MOST_WAITING", 2)

    async def work(nodes, storage):
        replica = await storage.started("one", b"", SPLIT)
        nodes.cut(EAST)
        later = time.time_ns() + 10**9
        replies = [Reply() for _ in range(3)]
        for reply in replies:
            replica.reads.read(ReadWanted(later, (NEAR,)), reply)
        assert [reply.wait.done for reply in replies] == [False, False, True]
        assert replies[2].wait.result == ReadFound((), Refused.LATE)
        at_once = Reply()
        replica.reads.scan(ScanWanted(replica.complete, NEAR, SPLIT), at_once)
        assert at_once.wait.result == ScanFound((), None, None)
        nodes.heal(EAST)

    run(tmp_path, work)


def test_nothing_is_answered_while_it_loads(tmp_path):
    async def work(nodes, storage):
        await storage.offering.pop(EAST).stop()
        replica = storage.start("one", b"", SPLIT)
        found = await read(replica, 1, NEAR)
        assert found == ReadFound((), Refused.LATE)
        storage.offer_from_head()
        await storage.serving("one")

    run(tmp_path, work)


def test_a_question_goes_to_the_shard_that_has_all_of_it():
    low, high = (answering.Reads(lo, hi, time.time_ns) for lo, hi in ((b"", SPLIT), (SPLIT, MARKERS)))
    assert shard_of([low, high], ReadWanted(1, (NEAR,))) is low
    assert shard_of([low, high], ReadWanted(1, (NEAR, FAR))) is None
    assert shard_of([low, high], ReadWanted(1, ())) is None
    assert shard_of([low, high], ScanWanted(1, SPLIT, FAR)) is high
    assert shard_of([low, high], ScanWanted(1, NEAR, FAR)) is None


def test_commits_are_dated_ahead_by_the_way_to_storage_nodes_too(tmp_path):
    async def work(nodes, storage):
        east = nodes.nodes[EAST]
        await storage.started("one", b"", SPLIT)
        await until(lambda: east.owners[0].is_owner)
        ts = await commit(east, NEAR + b"1", b"1")
        await storage.until_complete("one", ts)
        await until(lambda: east.feeding.delay > 0)
        for _ in range(1000):
            east.feeding.applied.add(100 * MS, time.monotonic_ns())
        await until(lambda: east.owners[0].lead >= 100 * MS)

    run(tmp_path, work)


@pytest.mark.parametrize("seed", range(2))
def test_replicas_have_the_same_whatever_comes_when(tmp_path, monkeypatch, seed):
    """Small windows and answers, so that all ways from one to the other are taken."""
    monkeypatch.setattr(feeding, "WINDOW_COMMITS", 3)
    monkeypatch.setattr(feeding, "FED_COMMITS", 2)
    monkeypatch.setattr(feeding, "BEHIND_PART", 2)
    chance = random.Random(seed)
    names = {"low": (b"", SPLIT), "low-again": (b"", SPLIT), "high": (SPLIT, MARKERS)}

    async def work(nodes, storage):
        writers = nodes.nodes[EAST], nodes.nodes[WEST]
        for name, span in names.items():
            storage.start(name, *span)
            await storage.serving(name)
        for step in range(60):
            name = chance.choice(list(names))
            if step % 4:
                key = chance.choice((NEAR, FAR)) + b"%d" % chance.randrange(10)
                await commit(chance.choice(writers), key, b"%d" % step)
            elif name in storage.replicas:
                await storage.kill(name)
            else:
                storage.start(name, *names[name])
        for name in names.keys() - storage.replicas.keys():
            storage.start(name, *names[name])
        for name in names:
            await storage.serving(name)
        low, again, _high = await same(nodes, storage, *names)
        assert low == again
        assert all(replica.loaded <= 1 for replica in storage.replicas.values())

    run(tmp_path, work)


def test_a_mark_never_goes_back():
    """A crossbar may have read records without commits that another one, complete to a later time, has not."""

    def mark(first, second, ts):
        return Mark(((0, first), (1, second)), (ts, 0, 0, 0), ((0, ts), (1, ts)))

    assert later(mark(3, 4, 10), mark(4, 4, 20)) == mark(4, 4, 20)
    assert later(mark(3, 4, 10), mark(4, 3, 20)) == mark(3, 4, 10)


def test_an_answer_without_rows_waits_until_it_says_enough(tmp_path):
    async def work(nodes, storage):
        east = nodes.nodes[EAST]
        replica = await storage.started("one", b"", SPLIT)
        wanted = FeedWanted(b"", SPLIT, replica.complete, replica.rows.mark, 10**12)
        reply = Reply()
        east.feeding.ask("another", wanted, reply)
        await commit(east, FAR + b"1", b"not of the range")
        assert not reply.wait.done
        ts = await commit(east, NEAR + b"1", b"1")
        async with asyncio.timeout(HANG_S):
            fed = await outcome(reply.wait)
        assert [commit.commit_ts for commit in fed.commits] == [ts]
        assert fed.complete >= ts

    run(tmp_path, work)
