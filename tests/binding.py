"""A small catalog for the binder's tests, and the same tables as SQL for the real PostgreSQL."""

from types import MappingProxyType

from server.catalog.descriptor import Catalog, Check, Column, Index, IndexKey, Role, Schema, Table
from server.sql import tree
from server.sql.bind import bind
from server.sql.env import Env
from server.sql.parse import parse
from server.sql.types import BY_NAME, BY_OID, Type, lookup_type_name

DDL = """
CREATE TABLE t (id int PRIMARY KEY, a int, b text, c numeric(10,2), d timestamptz DEFAULT now(),
    e varchar(5) DEFAULT 'x', f boolean NOT NULL DEFAULT false, g bigint);
CREATE TABLE u (id int PRIMARY KEY, t_id int, name text, score double precision, tags text[], j jsonb,
    day date, s smallint, CONSTRAINT u_score_check CHECK (score >= 0), CONSTRAINT u_name_key UNIQUE (name));
CREATE TABLE two (x int, y int, v text, PRIMARY KEY (x, y));
CREATE TABLE nokey (a int, b text);
CREATE SCHEMA other;
CREATE TABLE other.t (id int PRIMARY KEY, z uuid);
"""


def column(name: str, kind: str, default: str | None = None, not_null: bool = False) -> Column:
    """A column whose type is given by its SQL name with modifiers, such as `numeric 10 2`."""
    base, *modifiers = kind.split()
    found, typmod = lookup_type_name(("pg_catalog", base), modifiers, None)
    return Column(name, found.oid, typmod, not_null, default)


def _key(oid: int, name: str, *columns: int) -> Index:
    return Index(
        oid, name, tuple(IndexKey(one) for one in columns), unique=True, primary=True, constraint=True
    )


T = Table(
    16400, 2200, "t", 10,
    (
        column("id", "int4", not_null=True), column("a", "int4"), column("b", "text"),
        column("c", "numeric 10 2"),
        column("d", "timestamptz", "now()"), column("e", "varchar 5", "'x'"),
        column("f", "bool", "false", not_null=True), column("g", "int8"),
    ),
    primary_key=_key(16401, "t_pkey", 1),
)  # fmt: skip
U = Table(
    16410, 2200, "u", 10,
    (
        column("id", "int4", not_null=True), column("t_id", "int4"), column("name", "text"),
        column("score", "float8"), column("tags", "_text"), column("j", "jsonb"),
        column("day", "date"), column("s", "int2"),
    ),
    primary_key=_key(16411, "u_pkey", 1),
    indexes=(Index(16412, "u_name_key", (IndexKey(3),), unique=True, constraint=True),),
    checks=(Check(16413, "u_score_check", "score >= 0"),),
)  # fmt: skip
TWO = Table(
    16420, 2200, "two", 10,
    (column("x", "int4", not_null=True), column("y", "int4", not_null=True), column("v", "text")),
    primary_key=_key(16421, "two_pkey", 1, 2),
)  # fmt: skip
NOKEY = Table(16430, 2200, "nokey", 10, (column("a", "int4"), column("b", "text")))
OTHER_T = Table(
    16440, 16439, "t", 10, (column("id", "int4", not_null=True), column("z", "uuid")),
    primary_key=_key(16441, "t_pkey", 1),
)  # fmt: skip


def make_catalog() -> Catalog:
    """The tables of DDL."""
    tables = {table.oid: table for table in (T, U, TWO, NOKEY, OTHER_T)}
    names = {(table.schema_oid, table.name): oid for oid, table in tables.items()}
    indexes = {}
    for table in tables.values():
        for index in ([table.primary_key] if table.primary_key else []) + list(table.indexes):
            names[(table.schema_oid, index.name)] = index.oid
            indexes[index.oid] = table.oid
    schemas = {2200: Schema(2200, "public", 10), 16439: Schema(16439, "other", 10)}
    return Catalog(
        1, 1, 20000, MappingProxyType(tables), MappingProxyType(schemas),
        MappingProxyType({10: Role(10, "admin")}),
        MappingProxyType(names), MappingProxyType(indexes),
        MappingProxyType({"public": 2200, "other": 16439}), MappingProxyType({"admin": 10}),
    )  # fmt: skip


CATALOG = make_catalog()


def bound(sql: str, *types: str, env: Env | None = None) -> tree.Bound:
    """The statement bound against the catalog; `types` are the client's parameter types, `?` for unknown."""
    [parsed] = parse(sql)
    kinds: list[Type | None] = [None if name == "?" else BY_NAME[name] for name in types]
    return bind(parsed.statement, CATALOG, env or Env(), kinds)


def display(oid: int) -> str:
    """A type's name as PostgreSQL prints it."""
    return BY_OID[oid].display if oid in BY_OID else str(oid)
