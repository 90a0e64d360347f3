"""Changes of rows in DSQL's CDC form: operations, values, and what is no row."""

import math
import uuid
from decimal import Decimal

import msgspec
import pytest

from journal.journal import Entry
from journal.record import Commit, Header, LockClass, Record, Write
from server.catalog import store
from server.catalog.descriptor import Column, Index, IndexKey, Table
from server.runtime import change_records
from server.runtime.change_feed import Change, ChangeFeed
from server.sql import types
from server.sql.access import TableAccess
from server.sql.interval import Interval
from storage.replica import Replica
from tests.nodes import START_NS

EXCLUSIVE, NON_KEY = int(LockClass.EXCLUSIVE), int(LockClass.NON_KEY)
TABLE = Table(
    20_000,
    store.PUBLIC_OID,
    "t",
    store.ADMIN_OID,
    (Column("id", types.INT4.oid), Column("name", types.TEXT.oid)),
    primary_key=Index(20_001, "t_pkey", (IndexKey(1),), unique=True, primary=True),
    indexes=(Index(20_002, "t_name", (IndexKey(2),)),),
)
ACCESS = TableAccess(TABLE, 1)


class Feed:
    """A replica and a feed that follow the same records."""

    def __init__(self, path, applies: bool = True) -> None:
        self.replica = Replica.open(path)
        self.feed = ChangeFeed(self.replica)
        self.position = 0
        self.ts = START_NS
        self._applies = applies
        self.commit(*store.bootstrap(1), Write(store.table_key(1, TABLE.oid), store.encode(TABLE), EXCLUSIVE))

    def commit(self, *writes: Write) -> list[dict]:
        """One transaction: applied, then read from the log."""
        before, self.ts = self.ts, self.ts + 1_000_000
        self.position += 1
        commit = Commit(bytes(8) + self.position.to_bytes(8, "big"), before, self.ts, list(writes), [])
        record = Record(Header(self.position, 1, bytes(32)), "commits", bytes(16), "owner", [commit])
        if self._applies:
            self.replica.apply([commit], self.position, bytes(32), self.ts)
        return list(self.feed.lines(Entry(record, bytes(32))))


@pytest.fixture
def feed(tmp_path):
    made = Feed(tmp_path / "storage")
    yield made
    made.replica.close()


def put(number: int, name: str, lock: int = EXCLUSIVE) -> Write:
    return Write(ACCESS.key([number, name]), ACCESS.pack([number, name]), lock)


def delete(number: int) -> Write:
    return Write(ACCESS.key([number, None]), None, EXCLUSIVE)


def ddl(table: Table | None, oid: int = TABLE.oid) -> list[Write]:
    """What becomes of the table; None: it is dropped."""
    value = store.encode(table) if table is not None else None
    version = Write(store.version_key(1), store.encode_version(30_000), EXCLUSIVE)
    return [Write(store.table_key(1, oid), value, EXCLUSIVE), version]


def test_a_row_is_created_updated_and_deleted(feed):
    (created,) = feed.commit(put(1, "one"))
    assert (created["op"], created["before"], created["after"]) == ("c", None, {"id": 1, "name": "one"})
    (updated,) = feed.commit(put(1, "uno", NON_KEY))
    assert (updated["op"], updated["before"], updated["after"]) == ("u", None, {"id": 1, "name": "uno"})
    (deleted,) = feed.commit(delete(1))
    assert (deleted["op"], deleted["before"], deleted["after"]) == ("d", {"id": 1}, None)
    (again,) = feed.commit(put(1, "again"))
    assert again["op"] == "c"


def test_an_update_of_unique_keys_is_no_creation(feed):
    """Its lock class is an INSERT's; that the row was there says storage."""
    feed.commit(put(1, "one"))
    (updated,) = feed.commit(put(1, "uno", EXCLUSIVE))
    assert updated["op"] == "u"


def test_inserted_and_deleted_at_once_is_nothing(feed):
    assert feed.commit(delete(7)) == []


def test_the_source(feed):
    (line,) = feed.commit(put(1, "one"))
    assert line["type"] == "full"
    assert line["source"] == {
        "version": "1.0",
        "ts_ms": feed.ts // 1_000_000,
        "ts_ns": feed.ts,
        "txId": "aaaaaaaaaaaaaaaaaaaaaaaaai",
        "schema": "public",
        "table": "t",
        "db": "postgres",
        "cluster": "1",
        "position": 2,
    }
    assert (line["ts_ms"], line["ts_ns"]) == (feed.ts // 1_000_000, feed.ts)


def test_index_entries_follow_their_rows_in_silence(feed):
    entry = ACCESS.indexes[0].entry([1, "one"], ACCESS.key([1, "one"]))
    assert entry is not None
    assert len(feed.commit(put(1, "one"), Write(entry.key, entry.value, 0))) == 1


def test_old_records_are_judged_by_the_ones_before(tmp_path):
    """Storage no longer keeps their time, as after a restart from a snapshot."""
    feed = Feed(tmp_path / "storage", applies=False)
    feed.replica.load(
        [(store.table_key(1, TABLE.oid), START_NS, store.encode(TABLE))], 100, bytes(32), START_NS + 10**12
    )
    ops = [
        line["op"]
        for write in (put(1, "a"), put(1, "b"), delete(1), put(1, "c"), put(2, "x", NON_KEY), delete(3))
        for line in feed.commit(write)
    ]
    assert ops == ["c", "u", "d", "c", "u", "d"]
    feed.replica.close()


def test_rows_of_a_dropped_table_are_unknown(feed):
    feed.commit(put(1, "one"))
    dropped, _version = feed.commit(*ddl(None))
    assert (dropped["type"], dropped["op"], dropped["object"]) == ("catalog", "delete", "table")
    (line,) = feed.commit(delete(1))
    assert (line["type"], line["op"], line["relation"]) == ("unknown", "delete", TABLE.oid)


def test_a_row_has_the_columns_that_its_table_had(feed):
    wider = TABLE.__class__(
        TABLE.oid,
        TABLE.schema_oid,
        "t2",
        TABLE.owner,
        (*TABLE.columns, Column("more", types.INT4.oid)),
        primary_key=TABLE.primary_key,
    )
    (before,) = feed.commit(put(1, "one"))
    feed.commit(*ddl(wider))
    (after,) = feed.commit(put(2, "two"))
    assert (before["source"]["table"], before["after"]) == ("t", {"id": 1, "name": "one"})
    assert (after["source"]["table"], after["after"]) == ("t2", {"id": 2, "name": "two", "more": None})


def test_a_claim_has_a_line(feed):
    claim = Record(Header(9, 4, bytes(32)), "claim", bytes(16), "me", [])
    assert list(feed.feed.lines(Entry(claim, bytes(32)))) == [
        {"type": "claim", "position": 9, "epoch": 4, "owner": "me"}
    ]


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        (types.NUMERIC, Decimal("1.50"), "1.50"),
        (types.NUMERIC, Decimal("NaN"), "NaN"),
        (types.BYTEA, b"\x00\xff", "AP8="),
        (types.UUID, uuid.UUID(int=5).bytes, "00000000-0000-0000-0000-000000000005"),
        (types.DATE, 0, 10957),
        (types.DATE, 2**31 - 1, 2_147_494_604),
        (types.TIMESTAMP, 1, 946_684_800_000_001),
        (types.TIMESTAMP, 2**63 - 1, 9_223_372_036_825_200_000),
        (types.TIMESTAMPTZ, -(2**63), -9_223_372_036_832_400_000),
        (types.TIMESTAMP, 9_223_371_331_199_999_999, None),
        (types.TIME, 5, 5),
        (types.TIMETZ, (3_600_000_000, -7200), 82_800_000_000),
        (types.INTERVAL, Interval(1, 2, 3), 2_802_600_000_003),
        (types.INTERVAL, Interval(2**31 - 1, 0, 0), None),
        (types.FLOAT8, 1.5, 1.5),
        (types.FLOAT8, math.inf, "Infinity"),
        (types.FLOAT8, math.nan, "NaN"),
        (types.FLOAT4, 3.14159011840820312, 3.14159),
        (types.FLOAT4, -math.inf, "-Infinity"),
        (types.BPCHAR, "ABC  ", "ABC"),
        (types.TEXT, "ABC  ", "ABC  "),
        (types.BOOL, True, True),
        (types.INT8, 2**62, 2**62),
        (types.JSON, '{"a": 1}', '{"a": 1}'),
    ],
)
def test_values(tmp_path, type_, value, expected):
    table = Table(
        20_010, store.PUBLIC_OID, "v", store.ADMIN_OID, (Column("v", type_.oid), Column("n", types.INT4.oid))
    )
    access = TableAccess(table, 1)
    feed = Feed(tmp_path / "storage")
    feed.commit(*ddl(table, table.oid))
    (line,) = feed.commit(Write(access.hidden_key(bytes(16)), access.pack([value, None]), EXCLUSIVE))
    assert line["after"] == {"v": expected, "n": None}
    (line,) = feed.commit(Write(access.hidden_key(bytes(16)), None, EXCLUSIVE))
    assert (line["op"], line["before"]) == ("d", None)
    feed.replica.close()


def test_a_deleted_key_is_as_its_row_had_it(tmp_path):
    """A numeric's key has lost its scale."""
    key = Index(20_021, "k_pkey", (IndexKey(1),), unique=True, primary=True)
    columns = (Column("id", types.NUMERIC.oid), Column("n", types.INT4.oid))
    table = Table(20_020, store.PUBLIC_OID, "k", store.ADMIN_OID, columns, primary_key=key)
    access = TableAccess(table, 1)
    feed = Feed(tmp_path / "storage")
    feed.commit(*ddl(table, table.oid))
    row = [Decimal("1.500"), 7]
    feed.commit(Write(access.key(row), access.pack(row), EXCLUSIVE))
    (line,) = feed.commit(Write(access.key(row), None, EXCLUSIVE))
    assert line["before"] == {"id": "1.500"}
    feed.replica.close()


def test_a_row_has_the_columns_of_before_a_change_that_was_applied_already(tmp_path):
    """The catalog is that of the first commit that is read, not the newest."""
    feed = Feed(tmp_path / "storage")
    wider = Table(
        TABLE.oid, TABLE.schema_oid, "t", TABLE.owner, (*TABLE.columns, Column("more", types.INT4.oid)),
        primary_key=TABLE.primary_key,
    )  # fmt: skip
    commits = []
    feed.feed.steps = lambda commit: commits.append(commit) or []
    for writes in ([put(1, "one")], ddl(wider), [put(2, "two")]):
        feed.commit(*writes)
    again = ChangeFeed(feed.replica)
    changes = [step for commit in commits for step in again.steps(commit) if isinstance(step, Change)]
    assert [each.after for each in changes] == [
        {"id": 1, "name": "one"},
        {"id": 2, "name": "two", "more": None},
    ]
    feed.replica.close()


@pytest.mark.parametrize("most", [2_000, 3_000, 20_000])
def test_a_large_record_comes_in_pieces(most):
    commit = Commit(bytes(16), 1, START_NS, [], [])
    after = {"id": 1, "text": "\x01ü€\n" * 1500, "rest": None}
    change = Change("c", None, after, 1, "public", "t", b"key")
    made = change_records.record(change, commit, START_NS + 5, "cluster")
    *fragments, main = change_records.pieces(change, made, commit, most)
    assert main["type"] == (
        "full" if most == 20_000 and len(msgspec.json.encode(made)) <= most else "chunked"
    )
    if main["type"] == "full":
        assert (main, fragments) == (made, [])
        return
    assert (main["before"], main["after"], main["source"]) == (None, None, made["source"])
    assert (main["ts_ms"], main["ts_ns"], main["op"]) == (made["ts_ms"], START_NS + 5, "c")
    named = main["chunked"]["after"]
    assert list(main["chunked"]) == ["after"]
    assert {each["chunk_id"] for each in fragments} == {named["chunk_id"]}
    assert [each["index"] for each in fragments] == list(range(named["total_fragments"]))
    assert all(len(msgspec.json.encode(each)) <= most for each in fragments)
    text = "".join(each["data"] for each in fragments)
    assert msgspec.json.decode(text) == after
    assert named["crc32c"] == str(change_records.crc32c(text.encode()))
    assert list(change_records.pieces(change, made, commit, most)) == [*fragments, main]


def test_crc32c():
    """RFC 3720, B.4."""
    assert change_records.crc32c(bytes(32)) == 0x8A9136AA
    assert change_records.crc32c(bytes(range(32))) == 0x46DD794E
    assert change_records.crc32c(b"123456789") == 0xE3069283
