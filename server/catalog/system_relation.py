"""Relations computed from the catalog: columns are facts of PostgreSQL, rows come from our own tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.catalog import system_columns, system_columns_sql, system_types  # noqa: F401  (registers aclitem)
from server.catalog.store import INFORMATION_SCHEMA_OID, OPENDSQL_OID, PG_CATALOG_OID, SYS_OID
from server.sql import types
from server.sql.tree import OutputColumn
from server.sql.types import Array, Type

Row = tuple[Any, ...]
Values = dict[str, Any]
"""A row by column names; what is left out is NULL, or in a NOT NULL column the type's empty value."""
Producer = Callable[[Any], Iterable[Values]]
"""From the session's environment to rows."""

SCHEMA_OIDS = {
    "pg_catalog": PG_CATALOG_OID,
    "information_schema": INFORMATION_SCHEMA_OID,
    "sys": SYS_OID,
    "opendsql": OPENDSQL_OID,
}
KEPT = 4
"""How many catalogs (versions, clusters) a relation keeps its rows for."""

_SYS = """
13901 jobs text:job_id,status,details,job_type oid:class_id,object_id text:object_name
  timestamptz:start_time,update_time
13902 iam_pg_role_mappings oid:iam_oid text:arn oid:pg_role_oid name:pg_role_name oid:grantor_pg_role_oid
  name:grantor_pg_role_name
"""
"""The relations of schema sys (dsql-reference §8.1), written as in system_columns."""

_OPENDSQL = """
13801 conflicts timestamptz:conflicted_at text:error schema_name,table_name,index_name,key int4:pid name:usename
  text:application_name timestamptz:start_time text:transaction_id,winner_transaction_id
  timestamptz:winner_committed_at int8:start_ts,winner_commit_ts int8:injection_id
13802 hot_keys text:schema_name,table_name,index_name,key int8:conflicts,overcount timestamptz:last_conflict_at
13803 transactions int4:pid name:usename text:application_name,state timestamptz:xact_start,start_time
  int8:start_ts,rows_written,bytes_written,rows_locked
13804 injections int8:id text:kind int8:nth,times float8:probability int8:seed int4:pid name:usename text:table_name
  float8:ms,jitter_ms timestamptz:created_at int8:matched,fired
"""
"""The relations of schema opendsql, which DSQL does not have: docs/testing.md."""

_EMPTY: dict[str, Any] = {"S": "", "N": 0, "B": False, "Z": "", "A": Array([])}
"""The empty value of NOT NULL columns by type category."""


@dataclass(slots=True, eq=False)
class SystemRelation:
    """A table or view of a system schema, as FROM sees it."""

    oid: int
    schema: str
    name: str
    kind: str
    """r or v, as in pg_class.relkind."""
    columns: tuple[OutputColumn, ...]
    not_null: tuple[bool, ...]
    scope: str = "static"
    """How long rows hold: static (as long as the process), catalog (one catalog version), user (that, for one
    user), none, node (as none; the node is asked before each statement)."""
    producer: Producer | None = None
    """None: the relation is empty, nothing that it lists exists here."""
    amend: Callable[[Any, list[Row]], list[Row]] | None = None
    """What is not the catalog's in rows that are kept, added whenever they are read."""
    _kept: dict[Any, tuple[Any, list[Row]]] = field(default_factory=dict)

    def rows(self, env: Any) -> Sequence[Row]:
        """All rows for a session's environment, in column order."""
        if self.producer is None:
            return ()
        found = self._rows(env)
        return found if self.amend is None else self.amend(env, found)

    def _rows(self, env: Any) -> list[Row]:
        if self.scope in ("none", "node"):
            return self._made(env)
        version = None if self.scope == "static" else env.catalog
        key = (id(version), env.user if self.scope == "user" else "")
        found = self._kept.get(key)
        if found is not None and found[0] is version:
            return found[1]
        rows = self._made(env)
        if len(self._kept) >= KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (version, rows)
        return rows

    def _made(self, env: Any) -> list[Row]:
        assert self.producer is not None
        names = [column.name for column in self.columns]
        empty = [
            _empty(column.type) if strict else None
            for column, strict in zip(self.columns, self.not_null, strict=True)
        ]
        pairs = list(zip(names, empty, strict=True))
        return [
            tuple([values.get(name, default) for name, default in pairs]) for values in self.producer(env)
        ]


def _empty(kind: Type) -> Any:
    return _EMPTY.get(kind.category, 0 if kind.by_value else "")


def kind_of(name: str) -> tuple[Type, int]:
    """A column's type and typmod from the facts; a type that is not here yet (pg_lsn) reads as text."""
    if name == "yes_or_no":
        return types.VARCHAR, 7
    if name.endswith("[]"):
        found = types.BY_NAME.get("_" + name[:-2])
        return (found, -1) if found is not None else (types.BY_NAME["_text"], -1)
    return types.BY_NAME.get(name, types.TEXT), -1


def _parse(facts: str, schema: str, kind: str) -> Iterator[SystemRelation]:
    """Relations from lines of `oid name type:column,column ...`."""
    for line in facts.strip().replace("\n  ", " ").splitlines():
        oid, name, *words = line.split()
        columns: list[OutputColumn] = []
        not_null: list[bool] = []
        current: tuple[Type, int] = (types.TEXT, -1)
        for word in words:
            head, colon, rest = word.rpartition(":")
            if colon:
                current = kind_of(head)
            for column in filter(None, rest.split(",")):
                columns.append(OutputColumn(column.rstrip("!"), *current, int(oid), len(columns) + 1))
                not_null.append(column.endswith("!"))
        yield SystemRelation(int(oid), schema, name, kind, tuple(columns), tuple(not_null))


def _load() -> dict[tuple[str, str], SystemRelation]:
    sources = (
        (system_columns.CATALOGS, "pg_catalog", "r"),
        (system_columns.VIEWS, "pg_catalog", "v"),
        (system_columns_sql.VIEWS, "information_schema", "v"),
        (_SYS, "sys", "v"),
        (_OPENDSQL, "opendsql", "v"),
    )
    return {
        (made.schema, made.name): made
        for facts, schema, kind in sources
        for made in _parse(facts, schema, kind)
    }


RELATIONS = _load()
"""Every system relation by schema and name."""
BY_OID = {relation.oid: relation for relation in RELATIONS.values()}


def content(name: str, scope: str = "catalog") -> Callable[[Producer], Producer]:
    """Decorator: the function makes the rows of `schema.name` (without a schema: of pg_catalog)."""
    schema, _, relation = name.rpartition(".")

    def decorate(producer: Producer) -> Producer:
        found = RELATIONS[schema or "pg_catalog", relation]
        found.producer, found.scope = producer, scope
        return producer

    return decorate


def vector(values: Iterable[int]) -> Array:
    """An int2vector or oidvector: counted from 0."""
    elements = list(values)
    return Array(elements, (len(elements),), (0,))
