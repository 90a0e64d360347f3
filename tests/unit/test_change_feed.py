"""Changes of rows in DSQL's CDC form: operations, values, and what is no row."""

import math
import uuid
from decimal import Decimal

import pytest

from journal.journal import Entry
from journal.record import Commit, Header, LockClass, Record, Write
from server.catalog import store
from server.catalog.descriptor import Column, Index, IndexKey, Table
from server.runtime.change_feed import ChangeFeed
from server.sql import types
from server.sql.access import TableAccess
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
    assert len(feed.commit(put(1, "one"), Write(*entry, 0))) == 1


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
    (dropped,) = feed.commit(Write(store.table_key(1, TABLE.oid), None, EXCLUSIVE))
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
    feed.commit(Write(store.table_key(1, TABLE.oid), store.encode(wider), EXCLUSIVE))
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
        (types.DATE, 2**31 - 1, "infinity"),
        (types.TIMESTAMP, 1, 946_684_800_000_001),
        (types.TIMESTAMPTZ, -(2**63), "-infinity"),
        (types.TIME, 5, 5),
        (types.FLOAT8, 1.5, 1.5),
        (types.FLOAT8, math.inf, "Infinity"),
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
    feed.commit(Write(store.table_key(1, table.oid), store.encode(table), EXCLUSIVE))
    (line,) = feed.commit(Write(access.hidden_key(bytes(16)), access.pack([value, None]), EXCLUSIVE))
    assert line["after"] == {"v": expected, "n": None}
    (line,) = feed.commit(Write(access.hidden_key(bytes(16)), None, EXCLUSIVE))
    assert (line["op"], line["before"]) == ("d", {})
    feed.replica.close()
