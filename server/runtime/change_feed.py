"""Commits of the journal as changes of rows: what was created, updated or deleted, with the columns of that moment.

    Commit ──▶ catalog rows: the tables as they are from here on     Put in `steps` as `Other`
           ──▶ rows: a `Change` each, by what was there before        nothing for a row that came and went
           ──▶ index entries, locks, markers: nothing                 rows of tables that are gone: `Other`

The log holds post-images only. Whether a row was there before, and its primary key as it was written, is read from
storage while it keeps that time; for older records it follows from the records read before, and for a row not met
before from its lock class: an UPDATE that leaves unique keys alone says so, anything else counts as created.

The catalog is the one from before the first commit that is looked at, as far back as storage keeps it, and then what
the commits make of it.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from journal.journal import Entry
from journal.record import MARKERS, Commit, LockClass, Position, Timestamp, Write
from server.catalog import store
from server.catalog.descriptor import Catalog, Oid, Table
from server.runtime import change_records
from server.runtime.change_values import json_value
from server.sql.access import TableAccess, access
from storage import keycode, rowcode
from storage.replica import Replica

Image: TypeAlias = dict[str, Any]
"""Columns by name, as JSON has them."""

_SPACES = {
    store.VERSION: "version",
    store.SCHEMAS: "schema",
    store.TABLES: "table",
    store.ROLES: "role",
    store.JOBS: "job",
}


class Change(NamedTuple):
    """What a transaction did to one row."""

    op: str
    """c, u, d: created, updated, deleted."""
    before: Image | None
    """The primary key of a row that is deleted; None if its table has none."""
    after: Image | None
    """All columns; None: the row is deleted."""
    cluster: int
    schema: str
    table: str
    key: bytes


class Other(NamedTuple):
    """A write that is no change of a row: of the catalog, or of a table that is gone."""

    kind: str
    """catalog, unknown."""
    write: Write
    facts: dict[str, Any]


class _Unknown:
    """Nothing is known of what was there before."""


_UNKNOWN = _Unknown()


class ChangeFeed:
    """Given commits in order of time. Its memory grows with the old keys that it has met."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._catalogs: dict[int, Catalog | None] = {}
        self._live: dict[bytes, bool] = {}

    def lines(self, entry: Entry) -> Iterator[dict[str, Any]]:
        """Everything that one record says, as `opendsql journal` prints it."""
        record = entry.record
        position = record.header.position
        if record.kind == "claim":
            epoch, owner = record.header.epoch, record.owner
            yield {"type": "claim", "position": position, "epoch": epoch, "owner": owner}
        for commit in record.commits:
            for step in self.steps(commit):
                if isinstance(step, Change):
                    yield _with_position(change_records.record(step, commit, commit.commit_ts), position)
                else:
                    yield _general(step, position, commit)

    def steps(self, commit: Commit) -> Iterator[Change | Other]:
        """What one commit did; nothing for entries of indexes, and for rows that came and went."""
        writes = [write for write in commit.writes if not write.key.startswith(MARKERS)]
        changed = [write for write in writes if store.is_catalog_key(write.key)]
        for cluster in {_cluster(write) for write in changed}:
            self._change(cluster, [write for write in changed if _cluster(write) == cluster], commit)
        for write in writes:
            step = self._catalog_step(write) if store.is_catalog_key(write.key) else self._step(commit, write)
            if step is not None:
                yield step

    # --- the catalog as it was ---

    def _catalog(self, cluster: int, commit_ts: Timestamp) -> Catalog | None:
        if cluster not in self._catalogs:
            ts = max(commit_ts - 1, self._replica.horizon)
            self._catalogs[cluster] = store.load(self._replica, cluster, ts, ts)
        return self._catalogs[cluster]

    def _change(self, cluster: int, writes: list[Write], commit: Commit) -> None:
        before = self._catalog(cluster, commit.commit_ts) or store.make(cluster, 0, 0, {}, {}, {})
        self._catalogs[cluster] = store.changed(before, writes, commit.commit_ts)

    def _catalog_step(self, write: Write) -> Other:
        space = write.key[7]
        facts: dict[str, Any] = {"object": _SPACES.get(space, str(space))}
        if space == store.TABLES:
            table = self._table(_cluster(write), int.from_bytes(write.key[8:12], "big"))
            facts["name"] = table.name if table is not None else None
        return Other("catalog", write, facts)

    def _table(self, cluster: int, oid: Oid) -> Table | None:
        catalog = self._catalogs.get(cluster)
        return catalog.tables.get(oid) if catalog is not None else None

    # --- rows ---

    def _step(self, commit: Commit, write: Write) -> Change | Other | None:
        cluster, oid = _cluster(write), int.from_bytes(write.key[4:8], "big")
        catalog = self._catalog(cluster, commit.commit_ts)
        if catalog is not None and oid in catalog.index_tables:
            return None
        table = self._table(cluster, oid)
        if catalog is None or table is None:
            return Other("unknown", write, {"relation": oid})
        before = self._before(commit, write)
        if write.value is None and before is None:
            return None  # it came and went within the transaction
        schema = catalog.schemas.get(table.schema_oid)
        name = schema.name if schema is not None else str(table.schema_oid)
        if write.value is None:
            assert before is not None
            return Change(
                "d", _key_image(table, cluster, write.key, before), None, cluster, name, table.name, write.key
            )
        existed = write.lock == LockClass.NON_KEY if before is _UNKNOWN else before is not None
        image = _image(table, write.value)
        return Change("u" if existed else "c", None, image, cluster, name, table.name, write.key)

    def _before(self, commit: Commit, write: Write) -> bytes | _Unknown | None:
        """The row before: its bytes where storage has them, else empty ones; None: there was none."""
        if commit.commit_ts - 1 >= self._replica.horizon:
            return self._replica.get(write.key, commit.commit_ts - 1)
        existed = self._live.get(write.key)
        self._live[write.key] = write.value is not None
        return _UNKNOWN if existed is None else b"" if existed else None


def _cluster(write: Write) -> int:
    return int.from_bytes(write.key[:4], "big")


def _image(table: Table, raw: bytes) -> Image:
    row = rowcode.unpack(raw)
    row.extend([None] * (len(table.columns) - len(row)))
    return {
        column.name: json_value(column, value)
        for column, value in zip(table.columns, row)
        if not column.dropped
    }


def _key_image(table: Table, cluster: int, key: bytes, before: bytes | _Unknown) -> Image | None:
    """The primary key, from the row that was there or, where that is not known, from the key's own bytes."""
    entry: TableAccess = access(table, cluster)
    if not entry.key_columns:
        return None
    columns = [table.columns[position] for position in entry.key_columns]
    if isinstance(before, bytes) and before:
        row = rowcode.unpack(before)
        return {
            column.name: json_value(column, row[position])
            for column, position in zip(columns, entry.key_columns)
        }
    found = (_stored(value) for value in keycode.decode(entry.kinds, key))
    return {column.name: json_value(column, value) for column, value in zip(columns, found)}


def _stored(value: Any) -> Any:
    """A key's value as a row has it."""
    return rowcode.numeric_to_column(value) if isinstance(value, Decimal) else value


def _with_position(line: dict[str, Any], position: Position) -> dict[str, Any]:
    line["source"]["position"] = position
    return line


def _general(step: Other, position: Position, commit: Commit) -> dict[str, Any]:
    return {
        "type": step.kind,
        "op": "delete" if step.write.value is None else "put",
        "key": step.write.key.hex(),
        "position": position,
        "txId": change_records.base32(commit.txid),
        **change_records.times(commit.commit_ts),
        **step.facts,
    }
