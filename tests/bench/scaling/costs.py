"""What each part of a region computes per commit, measured on this machine: microseconds of one core."""

import asyncio
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import thread_time
from typing import NamedTuple

from adjudicator.protocol import Append, Candidate, Outcome, Prepare, ToOwner, Vote
from adjudicator.range_owner import RangeOwner, Settings
from journal.appender import Appender
from journal.crossbar import Announcement, Crossbar
from journal.encoding import Sealed, decode
from journal.journal import EMPTY, Entry, Tail
from journal.record import Commit, Lock, Write
from server.runtime.region import wire
from server.session.coordinator import Coordinator, WriteSet
from storage.replica import Replica, StoredRows
from storage.shard import Read, Shard, Step
from tests import networks
from tests.sessions import Client, run

SETTINGS = Settings(promise=200 * 10**6, reserve=1000 * 10**6)
COMMITS = 4000
GROUP = 32
"""Commits in one record, and applied in one step."""
VALUE = b"v" * 100
BASE = 10**9
LAST = b"\xff\xff"


class Costs(NamedTuple):
    """Microseconds. A commit writes two rows of 100 bytes."""

    statements: float
    """A query processor: BEGIN, SELECT, two UPDATEs and COMMIT, without the rest of this list."""
    coordinate: float
    """A query processor's part of COMMIT, per owner asked."""
    decide: float
    """An owner's decision on a commit of its own keys alone."""
    vote: float
    """A vote on keys of one's own for somebody else, and what becomes of it."""
    gather: float
    """A decision with one vote of another owner."""
    encode: float
    """Into a record: per commit."""
    message: float
    """Between two processes, with TLS, on each end; several that are due leave together."""
    record: float
    """Per record: sealing, and what becomes durable."""
    decode: float
    """Per commit, out of a record."""
    merge: float
    """Per commit, in the crossbar."""
    learn: float
    """Per commit of another owner that does not concern one's own keys."""
    route: float
    """Per commit and shard that it concerns."""
    apply: float
    """Per row, into LMDB."""
    read: float
    """Per row, out of LMDB."""


def owner(journal: int, lo: bytes, hi: bytes) -> RangeOwner:
    """Of [lo, hi), as after its claim."""
    appender = Appender(1, "o", EMPTY._replace(epoch=1), SETTINGS.appends)
    made = RangeOwner(journal, appender, 0, 0, SETTINGS)
    made.ranges.add(lo, hi, 0, 0)
    return made


def reserved(lo: bytes, hi: bytes) -> RangeOwner:
    """The same with a durable reservation: it may vote."""
    made = owner(0, lo, hi)
    for effect in made.tick(BASE):
        if isinstance(effect, Append):
            made.appended(tail_of(effect.record), BASE)
    return made


def tail_of(sealed: Sealed) -> Tail:
    """The end of a journal of which it is the last record."""
    return Tail(sealed.position, sealed.epoch, sealed.hash, sealed.last_ts)


def prepare(number: int, keys: list[bytes], participants: tuple[int, ...], mine: list[bytes]) -> Prepare:
    """What a coordinator asks the owner of `mine`, who decides if all `keys` are in it."""
    candidate = Candidate(number.to_bytes(16, "big"), 1, participants[0], 1)
    writes = [Write(key, VALUE, 1) for key in keys] if keys else []
    return Prepare(candidate, BASE, 0, participants, [Lock(key, 1) for key in mine], [], [], [], writes)


def key(range_: bytes, number: int) -> bytes:
    """A key of a range; numbers are spread."""
    return range_ + (number * 0x9E3779B97F4A7C15 % (1 << 64)).to_bytes(8, "big")


def measure() -> Costs:
    """All of them, in about ten seconds."""
    decide, gather, vote = _decide(), _gather(), _vote()
    encode, record = _encode()
    apply = _apply()
    found = {
        "coordinate": _coordinate(),
        "decide": decide,
        "vote": vote,
        "gather": gather,
        "encode": encode,
        "message": _message(),
        "record": record,
        "decode": _decode(),
        "merge": _merge(),
        "learn": _learn(),
        "route": _route(),
        "apply": apply,
        "read": _read(),
    }
    statements = _statements() - decide - encode - record - 2 * apply
    return Costs(statements=max(statements, 0.0), **found)


def _timed(work: Callable[[], object], count: int) -> float:
    """Microseconds of this thread per each of `count`: the median of three."""
    taken = []
    for _ in range(3):
        begun = thread_time()
        work()
        taken.append((thread_time() - begun) / count * 1e6)
    return statistics.median(taken)


def _messages(first: int, pattern: str) -> list[Prepare]:
    made = []
    for number in range(first, first + COMMITS):
        near = [key(b"a", 2 * number), key(b"a", 2 * number + 1)]
        if pattern == "alone":
            made.append(prepare(number, near, (0,), near))
        elif pattern == "decides":
            made.append(prepare(number, [near[0], key(b"b", number)], (0, 1), near[:1]))
        else:
            made.append(prepare(number, [], (1, 0), near[:1]))
    return made


def _decide() -> float:
    """Without the record: nothing is durable meanwhile, so that one group collects."""
    firsts = iter(range(3))

    def work() -> None:
        made = reserved(b"a", b"b")
        _fill_flights(made)
        for message in messages[next(firsts)]:
            made.prepare(message, BASE)

    messages = [_messages(1 + each * COMMITS, "alone") for each in range(3)]
    return _timed(work, COMMITS)


def _fill_flights(made: RangeOwner) -> None:
    for number in range(SETTINGS.appends):
        first = key(b"a", 10**6 + number)
        made.prepare(prepare(10**6 + number, [first], (0,), [first]), BASE)


def _gather() -> float:
    messages = _messages(1, "decides")
    votes = [Vote(each.candidate, 1, 1, BASE + 1, BASE + 10**9) for each in messages]

    def work() -> None:
        made = reserved(b"a", b"b")
        _fill_flights(made)
        for message, vote in zip(messages, votes):
            made.prepare(message, BASE)
            made.vote(vote, BASE)

    return _timed(work, COMMITS)


def _vote() -> float:
    messages = _messages(1, "votes")

    def work() -> None:
        made = reserved(b"a", b"b")
        for number, message in enumerate(messages):
            made.prepare(message, BASE)
            made.outcome(Outcome(message.candidate, BASE + 1 + number))

    return _timed(work, COMMITS)


def _encode() -> tuple[float, float]:
    """Per commit, and per record beside."""

    def seconds(group: int) -> float:
        def work() -> None:
            made = Appender(1, "o", EMPTY._replace(epoch=1))
            for number, commit in enumerate(commits):
                made.add(commit)
                if (number + 1) % group == 0:
                    sealed = made.next()
                    assert sealed is not None
                    made.appended(tail_of(sealed))

        return _timed(work, COMMITS)

    commits = _commits(0)
    alone, grouped = seconds(1), seconds(GROUP)
    record = (alone - grouped) * GROUP / (GROUP - 1)
    return alone - record, record


def _commits(journal: int) -> list[Commit]:
    first = b"abcdefgh"[journal : journal + 1]
    return [
        Commit(
            (journal << 32 | number).to_bytes(16, "big"),
            BASE,
            BASE + 1 + number * 8 + journal,
            [Write(key(first, 2 * number + each), VALUE, 1) for each in range(2)],
            [],
        )
        for number in range(COMMITS)
    ]


def _records(journal: int) -> tuple[list[bytes], list[Entry]]:
    made = Appender(1, "o", EMPTY._replace(epoch=1))
    data, entries = [], []
    for number, commit in enumerate(_commits(journal)):
        made.add(commit)
        if (number + 1) % GROUP == 0:
            sealed = made.next()
            assert sealed is not None
            data.append(sealed.data)
            entries.append(made.newest)
            made.appended(tail_of(sealed))
    return data, entries


def _decode() -> float:
    data, _entries = _records(0)
    return _timed(lambda: [decode(each) for each in data], COMMITS)


def _merged(journals: int = 2) -> Crossbar:
    made = Crossbar(list(range(journals)))
    for step in range(len(_ENTRIES[0])):
        for journal in range(journals):
            made.feed(journal, [_ENTRIES[journal][step]])
    for journal in range(journals):
        made.announce(Announcement(journal, 1, len(_ENTRIES[journal]), BASE * 2))
    return made


_ENTRIES: list[list[Entry]] = []


def _merge() -> float:
    _ENTRIES[:] = [_records(journal)[1] for journal in range(2)]

    def work() -> None:
        made = _merged()
        while made.take(GROUP):
            pass

    return _timed(work, 2 * COMMITS)


def _learn() -> float:
    items = [item for item in _merged().take(1 << 20) if item.journal == 1]

    def work() -> None:
        made = owner(0, b"c", b"d")
        for at in range(0, len(items), GROUP):
            part = items[at : at + GROUP]
            made.feed(part, [], part[-1].ts, BASE)

    return _timed(work, COMMITS)


class _NoRows:
    complete = 0
    mark = None
    horizon = 0

    def apply(self, commits: list[Commit], step: Step) -> None:
        self.complete = step.complete


def _route() -> float:
    items = [item for item in _merged().take(1 << 20) if item.journal == 0]

    def work() -> None:
        shard = Shard(_NoRows(), b"a", b"b")  # type: ignore[arg-type]
        for at in range(0, len(items), GROUP):
            part = items[at : at + GROUP]
            shard.feed(part, part[-1].ts)

    return _timed(work, COMMITS)


def _message() -> float:
    """Two ends in one thread, so half of it each."""
    sent = [wire.to_owner(ToOwner(0, 1, each)) for each in _messages(1, "alone")[:MESSAGES]]
    heard: list[object] = []
    taken = []

    async def work(here: networks.Party, there: networks.Party) -> None:
        there.transport.on_post(wire.OwnerPrepare, lambda _sender, message: heard.append(message))
        for _ in range(3):
            heard.clear()
            begun = thread_time()
            for at in range(0, MESSAGES, BURST):
                for each in sent[at : at + BURST]:
                    here.transport.post("b", each)
                while len(heard) < at + BURST:
                    await asyncio.sleep(0)
            taken.append((thread_time() - begun) / MESSAGES * 1e6)

    vocabulary = {**networks.VOCABULARY, "prepare": wire.OwnerPrepare}
    networks.between(lambda: [networks.Party("east", each, vocabulary=vocabulary) for each in "ab"], work)
    return statistics.median(taken) / 2


def _coordinate() -> float:
    class Map:
        def journal_of(self, key: bytes) -> int:
            return key[0] - ord("a")

        def journals_of(self, lo: bytes, hi: bytes) -> list[int]:
            return [0]

        def epoch_of(self, journal: int) -> int:
            return 1

    sets = [
        WriteSet(
            number.to_bytes(16, "big"),
            BASE,
            [Write(key(b"a", 2 * number + each), VALUE, 1) for each in (0, 1)],
        )
        for number in range(COMMITS)
    ]
    return _timed(lambda: [Coordinator(1, each, Map()).begin(BASE) for each in sets], COMMITS)


def _apply() -> float:
    commits = _commits(0)
    taken = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as directory:
            replica = Replica.open(Path(directory) / "storage")
            begun = thread_time()
            for position, at in enumerate(range(0, COMMITS, GROUP), 1):
                part = commits[at : at + GROUP]
                replica.apply(part, position, bytes(32), 0, None, part[-1].commit_ts)
            taken.append((thread_time() - begun) / (2 * COMMITS) * 1e6)
            replica.close()
    return statistics.median(taken)


def _read() -> float:
    with tempfile.TemporaryDirectory() as directory:
        replica = Replica.open(Path(directory) / "storage")
        commits = _commits(0)
        replica.apply(commits, 1, bytes(32), 0, None, commits[-1].commit_ts)
        shard = Shard(StoredRows(replica), b"a", b"b")
        ts = commits[-1].commit_ts
        reads = [Read(0, number, ts, (commit.writes[0].key,)) for number, commit in enumerate(commits)]
        taken = _timed(lambda: [shard.read(each, ts) for each in reads], COMMITS)
        replica.close()
    return taken


MESSAGES = 2000
BURST = 4
STATEMENTS = 300


def _statements() -> float:
    """CPU of whole transactions in one process that also decides on them and applies them."""

    async def work(node: object) -> float:
        client = Client(node)
        await client.query("CREATE TABLE t (id int PRIMARY KEY, v text)")
        await client.query(f"INSERT INTO t SELECT i, '{'v' * 100}' FROM generate_series(1, 1000) i")
        for number in range(STATEMENTS // 10):
            await _transaction(client, number)
        begun = thread_time()
        for number in range(STATEMENTS):
            await _transaction(client, number)
        return (thread_time() - begun) / STATEMENTS * 1e6

    with tempfile.TemporaryDirectory() as directory:
        return run(Path(directory), work)


async def _transaction(client: Client, number: int) -> None:
    first, second = number % 500 + 1, number % 500 + 501
    await client.query("BEGIN")
    await client.extended("SELECT v FROM t WHERE id = $1", str(first))
    for row in (first, second):
        await client.extended("UPDATE t SET v = $2 WHERE id = $1", str(row), "w" * 100)
    await client.query("COMMIT")
