"""What the log holds is what was acknowledged: of groups of any make-up, flushed inline or in the thread."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adjudicator.messages import CommitRequest
from journal.lmdb_log import LmdbLog
from journal.record import Lock, Write
from server.errors import PgError
from server.runtime import committer
from server.runtime.node import Node
from server.session.unique import unique_id
from server.session.work import Wait
from tests.nodes import key, run

NAMES = st.sampled_from("abc")
WRITES = st.dictionaries(NAMES, st.sampled_from([2, 3]))
LOCKS = st.dictionaries(NAMES, st.sampled_from([1, 3]))
REQUESTS = st.tuples(WRITES, LOCKS, st.booleans())
"""Writes, locks, and whether it began with the round before or anew."""
ROUNDS = st.lists(st.tuples(st.lists(REQUESTS, max_size=6), st.booleans()), min_size=1, max_size=6)


Asked = tuple[CommitRequest, dict[str, int], Wait[int]]


def conflicting(one: dict[str, int], other: dict[str, int]) -> bool:
    """AR §1.11: E with all, N with N and E, K with E."""
    return any(one[name] + other[name] >= 4 for name in one.keys() & other.keys())


@given(ROUNDS, st.integers(1, 4), st.booleans())
@settings(max_examples=25, deadline=None)
def test_acknowledged_is_durable_and_refused_is_never_in_the_log(rounds, group_commits, killed):
    async def work(node: Node) -> tuple[list[Asked], dict[str, bytes | None]]:
        asked = []
        previous = node.start_ts()
        for requests, is_crowded in rounds:
            node.open_transactions = 100 if is_crowded else 0
            now = node.start_ts()
            for writes, locks, is_old in requests:
                request = CommitRequest(
                    unique_id(),
                    previous if is_old else now,
                    [Write(key(name), str(len(asked)).encode(), lock) for name, lock in writes.items()],
                    [Lock(key(name), lock) for name, lock in locks.items() if name not in writes],
                )
                asked.append((request, {**locks, **writes}, node.committer.submit(request, 100)))
            previous = now
            while not all(wait.done for _request, _touched, wait in asked):
                await asyncio.sleep(0)
        newest = {name: node.versions.get(key(name), node.start_ts()) for name in "abc"}
        return asked, newest

    limits, committer.GROUP_COMMITS = committer.GROUP_COMMITS, group_commits
    with tempfile.TemporaryDirectory() as data:
        try:
            asked, newest = run(Path(data), work, killed=killed)
        finally:
            committer.GROUP_COMMITS = limits
        journal = LmdbLog.open(Path(data) / "journal")
        logged = {commit.txid: commit for entry in journal.read(1) for commit in entry.record.commits}
        journal.close()
    winners: list[tuple[int, dict[str, int]]] = []
    written: dict[str, bytes | None] = dict.fromkeys("abc")
    for request, classes, wait in asked:
        lost = any(ts > request.start_ts and conflicting(classes, other) for ts, other in winners)
        assert (wait.error is not None) == lost
        if lost:
            assert isinstance(wait.error, PgError)
            assert wait.error.sqlstate == "40001"
            assert request.txid not in logged
            continue
        commit = logged[request.txid]
        assert commit.commit_ts == wait.result
        assert not winners or commit.commit_ts > winners[-1][0]
        assert commit.writes == request.writes
        assert commit.locks == request.locks
        winners.append((commit.commit_ts, classes))
        written.update({chr(write.key[-1]): write.value for write in request.writes})
    assert newest == written
