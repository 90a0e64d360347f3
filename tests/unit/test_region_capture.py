"""A region's journals as one stream of CDC records: the same one in both regions, from anywhere on."""

import asyncio
import itertools

import pytest

from adjudicator.messages import CommitRequest
from journal.record import LockClass, Write
from server.catalog import store
from server.catalog.descriptor import Column, Index, IndexKey, Table
from server.errors import PgError
from server.runtime.region import capturing
from server.runtime.requests import ReadJournal, Refused
from server.runtime.waiting import outcome
from server.session.unique import unique_id
from server.sql import types
from server.sql.access import TableAccess
from tests.region_nodes import EAST, WEST, Nodes
from tests.regions.in_process import HANG_S
from tests.unit.test_keeping import commit, run, trimmed, until

EXCLUSIVE = int(LockClass.EXCLUSIVE)


def table(oid: int, name: str) -> Table:
    columns = (Column("id", types.INT4.oid), Column("value", types.INT4.oid))
    key = Index(oid + 1, f"{name}_pkey", (IndexKey(1),), unique=True, primary=True)
    return Table(oid, store.PUBLIC_OID, name, store.ADMIN_OID, columns, primary_key=key)


NEAR, FAR = (TableAccess(table(oid, name), 1) for oid, name in ((0x4000, "near"), (0x6000, "far")))
"""Of the first journal, and of the second."""


async def create(node) -> None:
    """Both tables, by a commit like any DDL's."""
    while True:
        wait = node.fresh()
        if wait is not None:
            await outcome(wait)
        writes = [
            Write(store.table_key(1, each.table.oid), store.encode(each.table), EXCLUSIVE)
            for each in (NEAR, FAR)
        ]
        version = Write(store.version_key(1), store.encode_version(0x7000), EXCLUSIVE)
        try:
            await outcome(
                node.submit(CommitRequest(unique_id(), node.start_ts(), [*writes, version], []), 100)
            )
            return
        except PgError as error:
            if error.sqlstate != "40001":
                raise


async def put(node, entry: TableAccess, number: int, value: int | None) -> int:
    key = entry.key([number, None])
    return await commit(node, key, None if value is None else entry.pack([number, value]))


def reading(nodes: Nodes, region: str, **options):
    """The lines of a capture in a region, as they come, and its task."""
    lines: list[dict] = []
    carriers = {journal: log.seen_from(region) for journal, log in nodes.logs.items()}

    async def emit(line):
        lines.append(line)

    request = ReadJournal(cdc=True, **options)
    return lines, asyncio.ensure_future(capturing.capture(nodes.nodes[region], carriers, request, emit))


async def read(nodes: Nodes, region: str, **options) -> list[dict]:
    lines, task = reading(nodes, region, **options)
    async with asyncio.timeout(HANG_S):
        await task
    return lines


def changes(lines: list[dict]) -> list[tuple]:
    return [
        (
            each["op"],
            each["source"]["table"],
            (each["after"] or each["before"])["id"],
            (each["after"] or {}).get("value"),
        )
        for each in lines
        if "op" in each
    ]


DONE = [
    ("c", "near", 1, 10),
    ("c", "far", 1, 11),
    ("u", "near", 1, 12),
    ("d", "far", 1, None),
    ("c", "far", 1, 13),
    ("d", "near", 1, None),
]


async def work_done(nodes: Nodes) -> list[int]:
    """`DONE`, by both regions in turns; the times."""
    times = []
    for node, (op, name, number, value) in zip(itertools.cycle(nodes.nodes.values()), DONE, strict=False):
        entry = NEAR if name == "near" else FAR
        times.append(await put(node, entry, number, value if op != "d" else None))
    for node in nodes.nodes.values():
        await until(lambda node=node: node.start_ts() >= times[-1])
    return times


def test_both_regions_tell_of_all_journals_in_order(tmp_path):
    async def work(nodes: Nodes) -> None:
        await create(nodes.nodes[EAST])
        followed, task = reading(nodes, WEST, follow=True, from_now=True, positions=True)
        await until(lambda: followed)
        times = await work_done(nodes)
        await until(lambda: followed[-1].get("position", 0) >= times[-1])
        told = {region: await read(nodes, region) for region in (EAST, WEST)}
        for lines in (followed, *told.values()):
            assert changes(lines) == DONE
            assert [each["source"]["ts_ns"] for each in lines if "op" in each] == times
        positions = [each["position"] for each in followed if "position" in each]
        assert positions == sorted(set(positions))
        for place, position in enumerate(times):
            assert changes(await read(nodes, EAST, position=position)) == DONE[place + 1 :]
            assert changes(await read(nodes, WEST, position=position - 1)) == DONE[place:]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # it leaves nothing behind
        assert not any(map(_is_readers, nodes.nodes[WEST].tails._followers))

    run(tmp_path, work)


def test_what_was_trimmed_is_told(tmp_path):
    async def work(nodes: Nodes) -> None:
        east = nodes.nodes[EAST]
        await create(east)
        begun = await put(east, NEAR, 1, 1)
        for number in range(2, 6):
            await put(east, NEAR, number, 1)
            await put(east, FAR, number, 1)
        await trimmed(nodes, EAST, WEST)
        with pytest.raises(Refused, match=f"what follows position {begun} is no longer in the journal"):
            await read(nodes, EAST, position=begun)
        last = await put(east, FAR, 9, 9)
        await until(lambda: east.start_ts() >= last)
        assert changes(await read(nodes, EAST))[-1] == ("c", "far", 9, 9), "what is kept is told"
        with pytest.raises(Refused, match="records are counted per journal"):
            await read(nodes, EAST, start=1)

    run(tmp_path, work)


def test_a_region_that_may_not_serve_tells_nothing(tmp_path):
    async def work(nodes: Nodes) -> None:
        await create(nodes.nodes[EAST])
        followers = nodes.nodes[WEST].tails._followers
        before = len(followers)
        _lines, task = reading(nodes, WEST, follow=True, from_now=True)
        await until(lambda: len(followers) > before)
        nodes.cut(WEST)
        async with asyncio.timeout(HANG_S):
            with pytest.raises(PgError, match="us-west-2") as raised:
                await task
        assert raised.value.sqlstate == "57P03"
        nodes.heal(WEST)

    run(tmp_path, work)


def test_a_reader_that_leaves_just_as_something_comes_is_gone(tmp_path):
    async def work(nodes: Nodes) -> None:
        followers = nodes.nodes[WEST].tails._followers
        for _ in range(20):
            known = list(followers)
            _lines, task = reading(nodes, WEST, follow=True, from_now=True)
            await until(
                lambda known=known: any(each not in known and _is_readers(each) for each in followers)
            )
            await asyncio.sleep(0)
            next(each for each in followers if _is_readers(each)).progressed()
            task.cancel()
            async with asyncio.timeout(HANG_S):
                await asyncio.gather(task, return_exceptions=True)
            assert not any(map(_is_readers, followers))

    run(tmp_path, work)


def _is_readers(follower) -> bool:
    return isinstance(getattr(follower.lost, "__self__", None), capturing._Reader)
