"""The same tables and rows for our planner, in memory, and for the real PostgreSQL; both answer as text."""

import random
from bisect import bisect_left
from types import MappingProxyType
from typing import Any

import psycopg

import server.sql.builtins  # noqa: F401  (registers functions)
from server.catalog.descriptor import Catalog, Column, Index, IndexKey, Role, Schema, Table
from server.errors import PgError
from server.sql.access import access
from server.sql.bind import bind
from server.sql.context import Context
from server.sql.env import Env
from server.sql.parse import parse
from server.sql.plan import Plan, plan_query
from server.sql.types import BY_OID, Type, lookup_type_name

DDL = """
CREATE TABLE a (id int PRIMARY KEY, x int, y int, s text, n numeric(10,2), f float8, b bool, big bigint);
CREATE INDEX a_x ON a (x) INCLUDE (y);
CREATE INDEX a_ys ON a (y, s);
CREATE TABLE b (x int, k int, v text NOT NULL, c char(4), d date, PRIMARY KEY (x, k));
CREATE UNIQUE INDEX b_v ON b (v);
CREATE TABLE c (p int, q int, t text);
CREATE TABLE e (id int PRIMARY KEY, x int);
"""


def _column(text: str) -> Column:
    name, base, *rest = text.split()
    modifiers = [word for word in rest if word.isdigit()]
    found, typmod = lookup_type_name(("pg_catalog", base), modifiers, None)
    return Column(name, found.oid, typmod, "!" in rest)


def _table(oid: int, name: str, columns: str, key: tuple[int, ...], *indexes: Index) -> Table:
    made = tuple(_column(text) for text in columns.split(","))
    primary = None
    if key:
        keys = tuple(IndexKey(one) for one in key)
        primary = Index(oid + 1, f"{name}_pkey", keys, unique=True, primary=True, constraint=True)
    return Table(oid, 2200, name, 10, made, primary, indexes)


A = _table(
    16400,
    "a",
    "id int4 !,x int4,y int4,s text,n numeric 10 2,f float8,b bool,big int8",
    (1,),
    Index(16402, "a_x", (IndexKey(2),), include=(3,)),
    Index(16403, "a_ys", (IndexKey(3), IndexKey(4))),
)
B = _table(
    16410,
    "b",
    "x int4 !,k int4 !,v text !,c bpchar 4,d date",
    (1, 2),
    Index(16412, "b_v", (IndexKey(3),), unique=True),
)
C = _table(16420, "c", "p int4,q int4,t text", ())
E = _table(16430, "e", "id int4 !,x int4", (1,))
TABLES = (A, B, C, E)


def make_catalog(tables: tuple[Table, ...] = TABLES) -> Catalog:
    """A catalog of `tables` in schema public."""
    return Catalog(
        1,
        1,
        20000,
        MappingProxyType({table.oid: table for table in tables}),
        MappingProxyType({2200: Schema(2200, "public", 10)}),
        MappingProxyType({10: Role(10, "admin")}),
        MappingProxyType({(2200, table.name): table.oid for table in tables}),
        MappingProxyType({}),
        MappingProxyType({"public": 2200}),
        MappingProxyType({"admin": 10}),
    )


CATALOG = make_catalog()


class Reads:
    """The read side of a transaction over a sorted list of pairs; `gets` and `seen` count what was read."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.values: dict[bytes, bytes] = {}
        self.locked: list[tuple[bytes, int]] = []
        self.gets = self.seen = 0

    def put(self, key: bytes, value: bytes) -> None:
        """Add a pair; `sort` follows."""
        self.values[key] = value

    def sort(self) -> None:
        """After the last `put`."""
        self.keys = sorted(self.values)

    def get(self, key: bytes) -> bytes | None:
        self.gets += 1
        return self.values.get(key)

    is_remote = False

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        return list(map(self.get, keys))

    def _range(self, lo: bytes, hi: bytes, limit: int, reverse: bool) -> tuple[list[bytes], bytes | None]:
        start, end = bisect_left(self.keys, lo), bisect_left(self.keys, hi)
        if end - start <= limit:
            found = self.keys[start:end]
            after = None
        elif reverse:
            found = self.keys[end - limit : end]
            after = found[0]
        else:
            found = self.keys[start : start + limit]
            after = self.keys[start + limit]
        self.seen += len(found)
        return (found[::-1] if reverse else found), after

    def scan(
        self, lo: bytes, hi: bytes, limit: int = 256, reverse: bool = False
    ) -> tuple[list[bytes], bytes | None]:
        found, after = self._range(lo, hi, limit, reverse)
        return [self.values[key] for key in found], after

    def scan_items(
        self, lo: bytes, hi: bytes, limit: int = 256, reverse: bool = False
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        found, after = self._range(lo, hi, limit, reverse)
        return [(key, self.values[key]) for key in found], after

    def count(self, lo: bytes, hi: bytes, limit: int = 4096) -> tuple[int, bytes | None]:
        found, after = self._range(lo, hi, limit, False)
        return len(found), after

    def lock(self, key: bytes, lock_class: int) -> None:
        self.locked.append((key, lock_class))


Data = dict[str, list[list[Any]]]


def make_data(seed: int, size: int = 40) -> Data:
    """Small rows with many NULLs and duplicates, as text values."""
    pick = random.Random(seed)

    def number(top: int, nulls: float = 0.25) -> str | None:
        return None if pick.random() < nulls else str(pick.randrange(top))

    def word() -> str | None:
        return None if pick.random() < 0.25 else pick.choice(["", "a", "ab", "abc", "b", "B", "é", "zz"])

    data: Data = {"a": [], "b": [], "c": [], "e": []}
    for key in pick.sample(range(size * 2), size):
        fraction = None if pick.random() < 0.2 else pick.choice(["1.50", "-2.25", "0.00", "10.10"])
        real = None if pick.random() < 0.2 else pick.choice(["1.5", "-1.5", "NaN", "Infinity", "3", "0"])
        flag = pick.choice([None, "t", "f"])
        data["a"].append([str(key), number(8), number(5), word(), fraction, real, flag, number(1 << 40)])
    for place in pick.sample(range(30), 20):
        day = None if pick.random() < 0.3 else f"2020-01-{pick.randrange(1, 28):02}"
        padded = None if pick.random() < 0.3 else pick.choice(["a", "ab", "", "b"])
        data["b"].append([str(place % 10), str(place // 10), f"v{place}", padded, day])
    for _ in range(size // 2):
        data["c"].append([number(6), number(4), word()])
    return data


def load(data: Data, tables: tuple[Table, ...] = TABLES, env: Env | None = None) -> Reads:
    """Rows and index entries in memory."""
    reads, env = Reads(), env or Env()
    for table in tables:
        made = access(table, 1)
        kinds = [(BY_OID[column.type_oid], column.typmod) for column in table.columns]
        for number, texts in enumerate(data[table.name]):
            row = [
                None if text is None else _input(kind, text, typmod, env)
                for text, (kind, typmod) in zip(texts, kinds)
            ]
            key = made.key(row) if table.primary_key else made.hidden_key(number.to_bytes(16, "big"))
            reads.put(key, made.pack(row))
            for index in made.indexes:
                entry = index.entry(row, key)
                if entry is not None:
                    reads.put(entry.key, entry.value)
    reads.sort()
    return reads


def _input(kind: Type, text: str, typmod: int, env: Env) -> Any:
    return kind.input(text, typmod, env)


def plan(sql: str, *types: Type, catalog: Catalog = CATALOG) -> Plan:
    """The plan of a query."""
    [parsed] = parse(sql)
    made: Any = bind(parsed.statement, catalog, Env(), list(types))
    return plan_query(made.statement, catalog)


def answer(sql: str, reads: Reads, params: tuple[Any, ...] = (), catalog: Catalog = CATALOG) -> Any:
    """Rows as tuples of text, or (sqlstate, message)."""
    env = Env()
    try:
        made = plan(sql, catalog=catalog)
        context = Context(reads, params, env, catalog)
        rows = made.rows(context)
        if made.point is not None:
            again = [row for batch in made.run(Context(reads, params, env, catalog)) for row in batch]
            assert rows == again, "the point path and the plan differ"
    except PgError as error:
        return error.sqlstate, error.message
    assert context.memory >= 0
    kinds = [column.type for column in made.columns]
    return [
        tuple(None if value is None else kind.output(value, env) for kind, value in zip(kinds, row))
        for row in rows
    ]


def expected(sql: str, connection: "psycopg.Connection[Any]") -> Any:
    """PostgreSQL's rows as tuples of text, or (sqlstate, message)."""
    result = connection.pgconn.exec_(sql.encode())
    if result.status not in (psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK):
        state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b""
        message = result.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY) or b""
        return state.decode(), message.decode()
    rows = []
    for row in range(result.ntuples):
        values = [result.get_value(row, column) for column in range(result.nfields)]
        rows.append(tuple(None if value is None else value.decode() for value in values))
    return rows


def fill(connection: "psycopg.Connection[Any]", data: Data) -> None:
    """Make and fill the tables in PostgreSQL, in a fresh schema public."""
    connection.execute("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public")
    connection.execute(DDL)
    for name, rows in data.items():
        for row in rows:
            places = ", ".join(
                "NULL" if value is None else "'" + value.replace("'", "''") + "'" for value in row
            )
            connection.execute(f"INSERT INTO {name} VALUES ({places})")
    connection.execute("ANALYZE")
