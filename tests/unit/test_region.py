"""Commits, take-over and moves by the shells of several regions, over shared journals in memory."""

import asyncio
import time

import msgspec
import pytest

from journal.broken import Broken
from journal.encoding import seal
from journal.journal import Conflict
from journal.record import Header
from server.catalog.store import TABLES, object_key
from server.runtime.region import owning
from server.runtime.region.tails import Tails
from server.session.reasons import Refusal
from tests.regions.in_process import HANG_S, Regions

A = b"\0\0\0\1\0\0\x40\0a"
BEGUN = time.time_ns()
B = b"\0\0\0\1\0\0\x60\0b"


async def until(condition):
    """Let the loop turn until it holds."""

    async def turn():
        while not condition():
            await asyncio.sleep(0.001)

    await asyncio.wait_for(turn(), HANG_S)


async def begin(cluster):
    """One journal each; everybody knows who owns it."""
    first, second = cluster.regions
    first.own(0)
    second.own(1)
    for region in cluster.regions:
        await until(lambda region=region: all(region.routing.node_of(journal, 0) for journal in (0, 1)))
        await until(lambda region=region: region.crossbar.complete > BEGUN)
    return first, second


def start_of(region):
    return region.crossbar.complete


def test_a_commit_on_keys_of_two_owners_is_one_record_that_both_regions_read():
    async def work():
        async with Regions() as cluster:
            first, second = await begin(cluster)
            commit_ts = await first.commit(start_of(first), (A, b"1"), (B, b"1"))
            for region in (first, second):
                await region.complete_to(commit_ts)
                assert [(each.commit_ts, len(each.writes)) for each in region.commits] == [(commit_ts, 2)]

    asyncio.run(work())


def test_of_two_transactions_on_one_key_in_two_regions_the_first_wins():
    async def work():
        async with Regions() as cluster:
            first, second = await begin(cluster)
            starts = start_of(first), start_of(second)
            won_at = await first.commit(starts[0], (B, b"1"))
            assert won_at > starts[0]
            with pytest.raises(Refusal, match="OC000") as raised:
                await second.commit(starts[1], (A, b"2"), (B, b"2"))
            verdict = raised.value.verdict
            assert (verdict.key, verdict.won_at) == (B, won_at), "the voter's reason, through the decider"
            await first.complete_to(won_at)
            assert [each.txid for each in first.commits if each.commit_ts == won_at] == [verdict.winner]

    asyncio.run(work())


def test_a_lost_answer_does_not_commit_twice():
    async def work():
        async with Regions() as cluster:
            _first, second = await begin(cluster)
            cluster.logs[0].lost_answers = 1
            commit_ts = await second.commit(start_of(second), (A, b"1"))
            await second.complete_to(commit_ts)
            assert [each.commit_ts for each in second.commits] == [commit_ts]

    asyncio.run(work())


def test_a_schema_change_stops_a_transaction_that_relied_on_the_table():
    async def work():
        async with Regions() as cluster:
            first, second = await begin(cluster)
            row = object_key(1, TABLES, 0x6000)
            old = start_of(second)
            changed = await first.commit(start_of(first), (row, b"changed"))
            with pytest.raises(Refusal, match="OC001") as raised:
                await second.commit(old, (B, b"1"), checks=[row])
            assert (raised.value.verdict.key, raised.value.verdict.won_at) == (row, changed)
            await second.complete_to(changed)
            assert await second.commit(changed, (B, b"1"), checks=[row]) > changed

    asyncio.run(work())


def test_the_other_region_takes_a_journal_over_and_nothing_is_lost():
    async def work():
        async with Regions() as cluster:
            first, second = await begin(cluster)
            before = await first.commit(start_of(first), (A, b"1"))
            cluster.cut("a")
            second.own(0)
            await until(lambda: second.owners[0].is_owner)
            await second.complete_to(before)
            epoch = second.owners[0].core.epoch
            await until(lambda: second.crossbar.complete >= second.owners[0].core.safe)
            commit_ts = await second.commit(start_of(second), (A, b"2"))
            assert commit_ts > before and epoch == 2
            cluster.heal("a")
            await first.complete_to(commit_ts)
            assert [each.commit_ts for each in first.commits] == [before, commit_ts]
            await until(lambda: not first.owners[0].is_owner)

    asyncio.run(work())


def test_a_cut_region_becomes_complete_for_no_new_time():
    async def work():
        async with Regions() as cluster:
            first, second = await begin(cluster)
            cluster.cut("b")
            stands = second.crossbar.complete
            second.own(0)
            await first.commit(start_of(first), (A, b"1"))
            assert not second.owners[0].is_owner
            assert second.crossbar.complete <= stands + 2 * 10**9

    asyncio.run(work())


def test_a_range_moves_and_its_commits_follow_it():
    async def work():
        async with Regions() as cluster:
            first, second = await begin(cluster)
            await first.commit(start_of(first), (A, b"1"))
            assert first.owners[0].release(A[:8], A[:7] + b"\1", 1)
            await until(lambda: second.owners[1].core.ranges.find(A) is not None)
            await until(lambda: all(region.routing.journal_of(A) == 1 for region in cluster.regions))
            moved = second.owners[1].core.ranges.find(A)
            await until(lambda: moved.floor == 0 or second.crossbar.complete > moved.after)
            commit_ts = await first.commit(start_of(first), (A, b"2"))
            await second.complete_to(commit_ts)
            assert second.commits[-1].commit_ts == commit_ts

    asyncio.run(work())


def test_a_claimant_that_died_before_its_claim_does_not_lock_the_journal():
    async def work():
        async with Regions() as cluster:
            first, _second = cluster.regions
            cluster.logs[0].fence = 5
            first.own(0)
            await until(lambda: first.owners[0].is_owner)
            assert first.owners[0].core.epoch == 6

    asyncio.run(work())


def test_what_a_reader_of_a_journal_raises_is_told():
    """Not swallowed by the task that reads: a node whose rule is broken must end."""

    async def work():
        async with Regions() as cluster:
            first, _second = await begin(cluster)
            error, told = Broken("a rule"), []

            def fail(_journal, _entries):
                raise error

            tails = Tails(first.carriers, fail, {}, told.append)
            tails.start()
            await until(lambda: told)
            assert told[0] is error
            await tails.stop()

    asyncio.run(work())


def test_a_refused_claim_rests_longer_each_time(monkeypatch):
    rests = []

    def rest_s(refusals):
        rests.append(refusals)
        return 0.0

    monkeypatch.setattr(owning, "rest_s", rest_s)

    async def work():
        async with Regions() as cluster:
            log = cluster.logs[0]
            first = cluster.regions[0]
            fence = first.carriers[0].fence
            refused = []

            async def refusing(epoch):
                if len(refused) < 4:
                    refused.append(epoch)
                    return Conflict(log.log.tail)
                return await fence(epoch)

            first.carriers[0].fence = refusing
            owner = first.own(0)
            await until(lambda: owner.is_owner)
            assert len(refused) == 4

    asyncio.run(work())
    assert rests == [0, 1, 2, 3]


def test_rests_between_claims_grow_by_chance_and_are_bounded():
    several = [[owning.rest_s(refusals) for _ in range(50)] for refusals in (0, 1, 100)]
    assert all(len(set(each)) > 1 for each in several)
    assert max(several[0]) <= owning.REST_S < min(several[2])
    assert max(several[2]) <= owning.MOST_REST_S


def test_a_record_told_by_its_owner_is_read_without_the_carrier():
    async def work():
        async with Regions() as cluster:
            first, second = await begin(cluster)
            cluster.logs[0].cut.add("b")
            commit_ts = await first.commit(start_of(first), (A, b"1"))
            await second.complete_to(commit_ts)
            assert [each.commit_ts for each in second.commits] == [commit_ts]

    asyncio.run(work())


def test_a_told_record_that_does_not_follow_what_was_read_is_left_to_the_carrier():
    async def work():
        async with Regions() as cluster:
            first, second = await begin(cluster)
            await first.commit(start_of(first), (A, b"1"))
            await until(lambda: second.tails.position(0) == first.tails.position(0))
            cluster.logs[0].cut.add("b")
            position = second.tails.position(0)
            newest = cluster.logs[0].log.read(position, 1)[0]
            ahead = Header(position + 2, 1, newest.hash)
            other = Header(position + 1, 1, bytes(32))
            for header in (ahead, other):
                second.tails.told(0, seal(msgspec.structs.replace(newest.record, header=header)).data)
            second.tails.told(0, b"no record")
            assert second.tails.position(0) == position

    asyncio.run(work())


def test_a_release_that_waits_for_records_in_flight_is_begun():
    async def work():
        async with Regions() as cluster:
            first, second = await begin(cluster)
            cluster.logs[0].cut.add("a")
            several = [A + bytes((number,)) for number in range(first.owners[0].core.settings.appends + 2)]
            assert all(first.owners[0].release(lo, lo + b"\0", 1) for lo in several)
            assert not first.owners[0].release(several[0], several[0] + b"\0", 1)
            assert not first.owners[0].release(several[0], B, 1)
            cluster.logs[0].cut.discard("a")
            await until(lambda: all(second.routing.journal_of(lo) == 1 for lo in several))

    asyncio.run(work())


def test_a_claim_that_is_not_wanted_any_more_is_given_up():
    async def work():
        async with Regions() as cluster:
            first, _second = cluster.regions
            cluster.cut(first.name)
            owning = first.own(0)
            first.tasks.pop(0).cancel()
            is_wanted = True
            claiming = asyncio.ensure_future(owning.run(lambda: is_wanted))
            await asyncio.sleep(0)
            is_wanted = False
            await asyncio.wait_for(claiming, HANG_S)
            cluster.heal(first.name)
            assert owning.work.claims == 0 and cluster.logs[0].fence == 0

    asyncio.run(work())
