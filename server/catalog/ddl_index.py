"""CREATE INDEX ASYNC, and the jobs that DDL leaves behind (dsql-reference §1.5, §6)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from journal.record import Write
from server.catalog import store
from server.catalog.ddl import (
    JOB_COLUMNS,
    Change,
    Result,
    choose_relation_name,
    find_table,
    require_owner,
)
from server.catalog.descriptor import Column, Index, IndexKey, Job, Table
from server.errors import PgError
from server.sql import ast, index_parts, refusals, tree, types
from server.sql.access import access
from server.sql.bind import bind_scalar
from server.sql.limits import Limits

CLASS_OID = 1259
"""pg_class: what jobs work on."""
ANALYSIS = "ANALYZE"
VALIDATION = "CONSTRAINT_VALIDATION"
"""The type of the job of VALIDATE CONSTRAINT. DSQL's name for it is not documented (dsql-reference §6): this one says
what is done to what, as INDEX_BUILD does."""
_LENGTH_HEADER = 4
"""The modifier of char(n) and varchar(n) is n + 4."""
_EPOCH_US = 946_684_800_000_000


def check_key(limits: Limits, columns: Sequence[Column]) -> None:
    """PgError when these columns can't be a key: 54011, 0A000, 54000 (dsql-reference §4, declared key size)."""
    if len(columns) > limits.columns_per_key:
        raise PgError(
            "54011", f"more than {limits.columns_per_key} column keys in an index are not supported"
        )
    for column in columns:
        found = types.BY_OID[column.type_oid]
        if found.key_kind is None or not refusals.has_key_type(found.name):
            raise refusals.KEY_TYPE.error(found.display)
    declared = sum(
        column.typmod - _LENGTH_HEADER
        for column in columns
        if types.BY_OID[column.type_oid].name in ("bpchar", "varchar") and column.typmod >= _LENGTH_HEADER
    )
    if declared > limits.declared_key_bytes:
        raise PgError("54000", f"key size greater than {limits.declared_key_bytes} bytes not supported")


def check_index_count(change: Change, table: Table) -> None:
    """PgError 54000 above the number of indexes per table, the primary key among them."""
    limit = change.txn.limits.indexes_per_table
    if len(table.indexes) + (table.primary_key is not None) > limit:
        raise PgError("54000", f"more than {limit} indexes per table are not allowed")


def create_index(change: Change, statement: ast.IndexStmt) -> Result:
    """CREATE [UNIQUE] INDEX [ASYNC]: the index is there at once, in state building, and a job fills it.

    Without ASYNC, which a setting allows for empty tables (UG:accessing): its COMMIT waits for the job (`awaited_job`),
    since others may have inserted rows before it.
    """
    catalog = change.catalog
    table = find_table(catalog, change.env, statement.relation)
    require_owner(catalog, change.env, table.owner, f"table {table.name}")
    keys, include, predicate = _parts(change, table, statement)
    columns = [index_parts.key_name(table, key) for key in keys]
    if statement.name is None:
        included = [table.columns[attnum - 1].name for attnum in include]
        name = choose_relation_name(
            catalog,
            table.schema_oid,
            (table.name, *index_parts.unique_names([*columns, *included])),
            "idx",
            (),
        )
    else:
        name = statement.name[-1]
        if (table.schema_oid, name) in catalog.relation_names:
            if not statement.if_not_exists:
                raise PgError("42P07", f'relation "{name}" already exists')
            change.notices.append(PgError("42P07", f'relation "{name}" already exists, skipping'))
            return Result("CREATE INDEX")
    if not statement.asynchronous and not _is_empty(change, table):
        raise refusals.SYNC_INDEX.error()
    index = Index(
        change.new_oid(),
        name,
        keys,
        include,
        unique=statement.unique,
        nulls_not_distinct=statement.nulls_not_distinct,
        state="building",
        predicate=predicate,
    )
    table = msgspec.structs.replace(table, indexes=(*table.indexes, index))
    check_index_count(change, table)
    change.put(table)
    is_prompt = not statement.asynchronous
    job_id = submit_job(change, "INDEX_BUILD", index.oid, name, table.schema_oid, table.oid, is_prompt)
    if is_prompt:
        return Result("CREATE INDEX")
    return Result("CREATE INDEX", JOB_COLUMNS, [(job_id,)])


_Parts: TypeAlias = tuple[tuple[IndexKey, ...], tuple[int, ...], str | None]


def _parts(change: Change, table: Table, statement: ast.IndexStmt) -> _Parts:
    """Keys, included columns, predicate. Raises PgError of names, types and expressions (transformIndexStmt)."""
    predicate = None
    if statement.where is not None:
        predicate = _lasting(change, table, statement.where, "index predicate")
    keys = tuple(_key(change, table, element) for element in statement.keys)
    check_key(change.txn.limits, [_key_column(table, key) for key in keys])
    return keys, tuple(attnum(table, name) for name in statement.including), predicate


def _key(change: Change, table: Table, element: ast.IndexElem) -> IndexKey:
    """A key as it is kept; a column in brackets is a column (ComputeIndexAttrs)."""
    nulls_first = bool(element.nulls_first)
    if element.name is not None:
        return IndexKey(attnum(table, element.name), nulls_first)
    assert element.expr is not None
    bound = bind_scalar(element.expr, table, change.env, change.catalog, None, "index expression")
    if isinstance(bound, tree.Var) and bound.column >= 0:
        return IndexKey(bound.column + 1, nulls_first)
    if bound.type.key_kind is None:
        raise refusals.KEY_TYPE.error(bound.type.display)
    return IndexKey(0, nulls_first, index_parts.lasting_text(bound, table, "index expression"))


def _lasting(change: Change, table: Table, expr: ast.Expr, purpose: str) -> str:
    bound = bind_scalar(expr, table, change.env, change.catalog, None, purpose)
    return index_parts.lasting_text(bound, table, purpose)


def _key_column(table: Table, key: IndexKey) -> Column:
    """The key as a column."""
    kind, typmod = index_parts.key_type(table, key)
    return Column(index_parts.key_name(table, key), kind.oid, typmod)


def attnum(table: Table, name: str) -> int:
    """A live column's number by name; PgError 42703."""
    for place, column in enumerate(table.columns, 1):
        if column.name == name and not column.dropped:
            return place
    raise PgError("42703", f'column "{name}" does not exist')


# --- jobs ---


def new_job_id(unique: bytes) -> str:
    """Lower-case unpadded base32 of 16 bytes: 26 characters."""
    return base64.b32encode(unique).decode().rstrip("=").lower()


def make_job(unique: bytes, kind: str, oid: int, name: str, table_oid: int, now_ns: int) -> Job:
    """A job that is to be run; `name`: its object's, with the schema's, `now_ns`: since 1970."""
    return Job(
        job_id=new_job_id(unique),
        job_type=kind,
        status="submitted",
        details="",
        object_oid=oid,
        object_name=name,
        start_time=now_ns // 1000 - _EPOCH_US,
        update_time=None,
        table_oid=table_oid,
    )


def submit_job(
    change: Change, kind: str, oid: int, name: str, schema_oid: int, table_oid: int, is_prompt: bool = False
) -> str:
    """A job row that the job runner finds once the transaction has committed; its id."""
    schema = change.catalog.schemas[schema_oid].name if schema_oid in change.catalog.schemas else "public"
    txn = change.txn
    job = make_job(txn.new_row_id(), kind, oid, f"{schema}.{name}", table_oid, txn.now)
    change.put_job(job.job_id, store.encode(msgspec.structs.replace(job, is_prompt=is_prompt)))
    return job.job_id


def awaited_job(writes: Iterable[Write]) -> Job | None:
    """The job for which the COMMIT of a transaction with these writes waits."""
    for write in writes:
        if write.value is not None and store.is_job_key(write.key):
            job = store.decode_job(write.value)
            if job.is_prompt:
                return job
    return None


def _is_empty(change: Change, table: Table) -> bool:
    """Whether the transaction sees no row."""
    rows = access(table, change.txn.cluster)
    lo: bytes | None = rows.lo
    while lo is not None:
        found, lo = change.txn.scan(lo, rows.hi)
        if found:
            return False
    return True


def submit_drop_job(change: Change, oid: int, name: str, schema_oid: int) -> None:
    """The rows of a dropped table or index are removed in the background."""
    submit_job(change, "DROP", oid, name, schema_oid, 0)


def cancel_jobs(change: Change, table: Table) -> None:
    """The entries of a dropped table's indexes go with it; a running build finds its index gone and ends."""
    for index in table.indexes:
        submit_drop_job(change, index.oid, index.name, table.schema_oid)
