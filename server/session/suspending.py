"""A session as bytes, between two exchanges: suspended here, resumed in any process (DESIGN §10, P2; AR §3.19).

    process 1   BEGIN; UPDATE ...  ──▶  suspend ──▶ bytes ──▶ kept by the router, no process at all
    process 2   resume ◀── bytes; SELECT, COMMIT ...         answers as process 1 would have

Rule. What moves is what the session *is*: who it belongs to, settings with what an abort or the end of SET LOCAL
restores, prepared statements as text and types, the transaction's start_ts, clocks, buffer and locks. What can be
made again from that is left behind: plans, encoders, the catalog. A session whose state is more than that may not
be suspended (`may_suspend`): a running statement, COPY, a portal that has rows to give or has not run yet, and a
prepared statement in which a literal such as 'now' has become the value of its moment.

The catalog travels as a time. The transaction's is the one as of start_ts. The one that the session last met, with
which OC001 compares, may be so old that its rows are trimmed: then every object written since counts as changed,
so that a statement which uses one fails with OC001 and its retry succeeds (DESIGN §6.7).

A process that dies takes its open transactions with it, but not its sessions: whoever keeps the last `base` of a
session, its state without a transaction, can `resume` it with the transaction lost, which is then what the next
statement is told (40001), unless it is a ROLLBACK.

A transaction's age goes on while it is suspended. Monotonic clocks of two machines have nothing in common, so the
state holds the age, and whoever kept it tells `resume` how long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import Any, NamedTuple

import msgspec

from journal.broken import require
from journal.record import Write
from server.catalog import store
from server.catalog.descriptor import Catalog, Column, Oid, Role, Schema, Table
from server.errors import PgError
from server.pgwire.connection import Connection
from server.session.environment import SessionEnv
from server.session.host import Host
from server.session.past import PastVersions, catalog_at, catalog_of
from server.session.planning import LONG_TEXT
from server.session.portal import Portal
from server.session.prepared import NOWHERE, Prepared
from server.session.session import SqlSession
from server.session.settings import Saved
from server.session.transaction import Transaction
from server.sql import ast
from server.sql.foreign_writer import new_checks
from server.sql.parse import parse
from server.sql.row_type import ROW_OIDS, RowType, array_of, row_type
from server.sql.tree import OutputColumn
from server.sql.types import BY_OID, Type
from server.testing.desk import Running

VERSION = 2
STATE_LIMIT = 16 << 20
"""Bytes of one suspended session: a transaction at its size limit, and what else a session has."""
LOST = "the transaction was lost with the process that ran it, please retry"
_CHANGED = -1
"""No object's version."""


class TooLarge(Exception):
    """The state exceeds `STATE_LIMIT`: the session stays where it is."""


class UnknownVersion(Exception):
    """The state was written by another version of the program, in a form that this one does not read."""


class _Kind(msgspec.Struct, frozen=True, array_like=True):
    """A type: built in by its oid, that of a table's rows (or of arrays of them) by the table's columns."""

    oid: Oid
    row_name: str | None = None
    row_columns: tuple[Column, ...] = ()
    is_array: bool = False


class _Column(msgspec.Struct, frozen=True, array_like=True):
    name: str
    kind: _Kind
    typmod: int
    table_oid: Oid
    attnum: int


class _Statement(msgspec.Struct, frozen=True, array_like=True):
    """What a `Prepared` says without its plan. `text` None: the empty statement. No literal is lifted out of it."""

    text: str | None
    start: int
    is_planned: bool
    columns: tuple[_Column, ...]
    param_types: tuple[_Kind, ...]
    tag: str
    tables: tuple[tuple[Oid, str], ...]


class _Portal(msgspec.Struct, frozen=True, array_like=True):
    """A portal that has given all its rows. `is_done`: and has said so in CommandComplete."""

    name: str
    statement: _Statement
    formats: tuple[int, ...]
    is_done: bool


class _Transaction(msgspec.Struct, frozen=True, array_like=True):
    """Its id is missing: COMMIT gives it."""

    start_ts: int
    now: int
    age_s: float
    read_only: bool
    ddl: bool
    dml: bool
    writes: list[Write]
    locks: dict[bytes, int]
    row_keys: set[bytes]
    used: set[Oid]
    roles: set[Oid]
    deferred: list[tuple[Oid, bool, bytes]] = []
    """Checks of foreign keys that wait for COMMIT, in their order."""
    modes: dict[Oid, bool] = {}
    """What SET CONSTRAINTS has said."""
    queries: int = 0
    is_past: bool = False


class _State(msgspec.Struct, frozen=True, array_like=True):
    user: str
    database: str
    cluster: int
    process_id: int
    secret: bytes
    status: bytes
    query_text: str
    settings: Saved
    now: int
    met_at: int
    """A time at which the catalog that the session last met was in force; 0: it is the transaction's."""
    statements: dict[str, _Statement]
    portals: list[_Portal]
    transaction: _Transaction | None
    session_id: str = ""
    """Empty: written by a program that gave none."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_State).decode
_PREFIX = VERSION.to_bytes(2, "big")


def may_suspend(connection: Connection) -> bool:
    """Whether the connection is between two exchanges, and its session nothing but its state."""
    session = connection.session
    if not connection.is_at_rest or not isinstance(session, SqlSession):
        return False
    if session.txn is not None:
        for portal in session.portals.values():
            _look_ahead(portal, session.txn)
    return is_movable(session)


def _look_ahead(portal: Portal, txn: Transaction) -> None:
    """Find out whether a portal that stopped at its row limit has more rows: drivers fetch one row by a limit of 1.

    One batch of a query that locks nothing. What comes out is kept for the next Execute, an error too.
    """
    rows, plan = portal.rows, portal.prepared.plan
    if rows is None or plan is None or portal.done or portal.rest or _is_exhausted(portal):
        return
    if portal.prepared.modifies or plan.locks or txn.age_s > txn.limits.transaction_age_s:
        return
    try:
        batch = next(rows, None)
    except PgError as error:
        portal.rows = _failing(error)
        return
    if batch is None:
        portal.rows = iter(())
    else:
        portal.rest = list(batch)


def _failing(error: PgError) -> Iterator[Sequence[Any]]:
    raise error
    yield


def _is_exhausted(portal: Portal) -> bool:
    return portal.done or (not portal.rest and length_hint(portal.rows, 1) == 0)


def is_movable(session: SqlSession) -> bool:
    """Whether a session, between two exchanges, is nothing but its state."""
    txn = session.txn
    if session.copying or session.ctx is not None or (txn is not None and (txn.implicit or txn.fresh)):
        return False
    if not all(map(_is_exhausted, session.portals.values())):
        return False
    if isinstance(session, Bereft) and session.status == b"E" and not session.is_told:
        return False
    return not (
        session.settings.changed or any(each.is_of_the_moment for each in session.statements.values())
    )


def suspend(session: SqlSession) -> bytes:
    """The state of a session that `is_movable`; the session stays as it is, for `close`. Raises `TooLarge`."""
    require(is_movable(session), "P2: a session is suspended between exchanges, with nothing running")
    return _written(_state(session))


def base(session: SqlSession) -> bytes:
    """What is left of a session between two exchanges if its process dies. Raises `TooLarge`."""
    state = msgspec.structs.replace(
        _state(session),
        status=b"I",
        settings=session.settings.saved_without_transaction(),
        met_at=_met_at(session) or _time_of(session.catalog),
        portals=[],
        transaction=None,
    )
    return _written(state)


class Known:
    """What a `base` that somebody has says, to see whether it is still true."""

    __slots__ = ("_catalog", "_settings", "_statements")

    def __init__(self, session: SqlSession) -> None:
        self._catalog = session.catalog
        self._settings = session.settings.saved_without_transaction()
        self._statements = dict(session.statements)

    def is_true_of(self, session: SqlSession) -> bool:
        """Whether the session's base is the same."""
        return (
            self._catalog is session.catalog
            and self._statements == session.statements
            and self._settings == session.settings.saved_without_transaction()
        )


def _state(session: SqlSession) -> _State:
    txn = session.txn
    return _State(
        user=session.user,
        database=session.database,
        cluster=session.cluster,
        process_id=session.process_id,
        secret=session.secret,
        status=session.status,
        query_text=session.query_text,
        settings=session.settings.saved(),
        now=session.env.now,
        met_at=_met_at(session),
        statements={name: _statement(each) for name, each in session.statements.items()},
        portals=[_portal(name, each) for name, each in session.portals.items()],
        transaction=_transaction(txn) if txn is not None else None,
        session_id=session.session_id,
    )


def _written(state: _State) -> bytes:
    data = _PREFIX + _encode(state)
    if len(data) > STATE_LIMIT:
        raise TooLarge(f"{len(data)} bytes, limit {STATE_LIMIT}")
    return data


class Bereft(SqlSession):
    """A session whose transaction was lost with the process that ran it."""

    is_told = False

    def refuse_aborted(self, statement: ast.Statement | None) -> None:
        """The first statement fails with 40001, whatever it is, but for ROLLBACK; after COMMIT no block is left."""
        ended = statement.kind if isinstance(statement, ast.TransactionStmt) else ""
        if self.status == b"E" and not self.is_told:
            self.is_told = True
            if ended != "rollback":
                if ended == "commit" and self.txn is not None:
                    self.txn.implicit = True
                raise PgError("40001", LOST)
        super().refuse_aborted(statement)


class Kinds(NamedTuple):
    """What the sessions of a host are; `bereft` those whose transaction was lost."""

    usual: Callable[..., SqlSession]
    bereft: Callable[..., SqlSession]


PLAIN = Kinds(SqlSession, Bereft)


def resume(
    host: Host,
    data: bytes,
    out: list[bytes],
    kept_s: float = 0.0,
    *,
    is_bereft: bool = False,
    kinds: Kinds = PLAIN,
) -> SqlSession:
    """The session again, under its process id. `kept_s`: seconds since `suspend`. Raises `UnknownVersion`, and PgError
    72000 for a transaction that reads the past, whose catalog is gone.

    The host's replica is complete up to the session's times. `is_bereft`: `data` is the base of a session
    that was in a transaction block.
    """
    if data[: len(_PREFIX)] != _PREFIX:
        raise UnknownVersion(f"version {int.from_bytes(data[: len(_PREFIX)], 'big')}, not {VERSION}")
    state = _decode(memoryview(data)[len(_PREFIX) :])
    host.reached(max(state.met_at, state.transaction.start_ts if state.transaction is not None else 0))
    txn = state.transaction
    catalog = catalog_of(host, state.cluster, txn.start_ts, txn.is_past) if txn is not None else None
    kind = kinds.bereft if is_bereft else kinds.usual
    known = state.process_id, state.secret, state.cluster
    session = kind(host, state.user, state.database, {}, out, known)
    session.status = state.status
    session.session_id = state.session_id or session.session_id
    session.query_text = state.query_text
    session.catalog = catalog if catalog is not None and not state.met_at else _met(host, state)
    if state.transaction is not None and catalog is not None:
        session.txn = _restored(host, state.transaction, catalog, kept_s)
        catalog = session.txn.catalog
        host.open_transactions += 1
    session.settings.restore(state.settings)
    session.env = SessionEnv(
        session.settings, state.user, state.database, catalog or session.catalog, session
    )
    session.plans = host.plans(session.env.key)
    session.env.now = state.now
    session.statements = {name: _prepared(each) for name, each in state.statements.items()}
    for each in state.portals:
        session.portals[each.name] = _at_its_end(each)
    if is_bereft:
        session.begin_block()
        session.status = b"E"
    return session


def open_transaction(data: bytes) -> Running | None:
    """What a session does that is suspended in the middle of a transaction; None: it is in none, or in a failed one,
    or its state is of another version."""
    if data[: len(_PREFIX)] != _PREFIX:
        return None
    state = _decode(memoryview(data)[len(_PREFIX) :])
    txn = state.transaction
    if txn is None or state.status != b"T":
        return None
    name = "application_name"
    return Running(
        state.cluster,
        state.process_id,
        state.user,
        state.settings.values.get(name, state.settings.boot.get(name, "")),
        "idle in transaction (suspended)",
        txn.now,
        txn.start_ts,
        len(txn.row_keys),
        sum(len(write.key) + len(write.value or b"") for write in txn.writes),
        len(txn.locks),
    )


def long_texts(session: SqlSession) -> Callable[[], None] | None:
    """What is better done beside the loop before a resumed session goes on: parsing its long statements."""
    found = [
        each
        for each in session.statements.values()
        if isinstance(each, Unplanned) and each.text is not None and len(each.text) > LONG_TEXT
    ]

    def step() -> None:
        for each in found:
            _ = each.parsed

    return step if found else None


# --- portals without rows ---


def _portal(name: str, portal: Portal) -> _Portal:
    return _Portal(name, _statement(portal.prepared), portal.formats, portal.done)


def _at_its_end(saved: _Portal) -> Portal:
    portal = Portal(_prepared(saved.statement), [], saved.formats)
    portal.done = saved.is_done
    if not saved.is_done:
        portal.rows = iter(())
    return portal


# --- the transaction ---


def _transaction(txn: Transaction) -> _Transaction:
    return _Transaction(
        start_ts=txn.start_ts,
        now=txn.now,
        age_s=txn.age_s,
        read_only=txn.read_only,
        ddl=txn.ddl,
        dml=txn.dml,
        writes=list(txn.writes.values()),
        locks=txn.locks,
        row_keys=txn.row_keys,
        used=txn.used,
        roles=set(txn.roles),
        deferred=list(txn.checks.deferred) if txn.checks is not None else [],
        modes=txn.checks.modes if txn.checks is not None else {},
        queries=txn.queries,
        is_past=txn.is_past,
    )


def _restored(host: Host, saved: _Transaction, catalog: Catalog, kept_s: float) -> Transaction:
    if saved.ddl:
        catalog = store.changed(catalog, saved.writes, saved.start_ts, pending=True)
    reads = PastVersions(host.reads) if saved.is_past else host.reads
    txn = Transaction(reads, catalog, saved.start_ts, host.limits)
    txn.queries, txn.is_past = saved.queries, saved.is_past
    txn.now = saved.now
    txn.age_s = saved.age_s + kept_s
    txn.read_only, txn.ddl, txn.dml = saved.read_only, saved.ddl, saved.dml
    txn.writes = {write.key: write for write in saved.writes}
    txn.locks, txn.row_keys = saved.locks, saved.row_keys
    txn.used, txn.roles = saved.used, saved.roles
    if saved.deferred or saved.modes:
        txn.checks = new_checks()
        txn.checks.deferred, txn.checks.modes = dict.fromkeys(saved.deferred), saved.modes
    return txn


# --- the catalog, as a time ---


def _met_at(session: SqlSession) -> int:
    met, txn, host = session.catalog, session.txn, session.node
    if txn is not None and met is txn.catalog:
        return 0
    if met is host.catalog(session.cluster):
        return host.start_ts()
    return _time_of(met)


def _time_of(met: Catalog) -> int:
    if met.version:
        return met.version
    # A worker's name for "unchanged since the writing process began".
    objects: tuple[Table | Schema | Role, ...] = (
        *met.tables.values(),
        *met.schemas.values(),
        *met.roles.values(),
    )
    return max(each.version for each in objects)


def _met(host: Host, state: _State) -> Catalog:
    at = state.met_at
    found = catalog_at(host, state.cluster, at)
    if found is not None:
        return found
    newest = host.catalog(state.cluster)

    def marked(objects: Any) -> Any:
        return {
            oid: each if each.version <= at else msgspec.structs.replace(each, version=_CHANGED)
            for oid, each in objects.items()
        }

    tables, roles = marked(newest.tables), marked(newest.roles)
    return store.make(
        state.cluster, at, newest.next_oid, tables, dict(newest.schemas), roles, newest.default_acls
    )


# --- prepared statements ---


class Unplanned(Prepared):
    """A statement that came with its session: parsed when it is first used, bound and planned at its next Bind."""

    __slots__ = ("_parsed", "start", "text")

    def __init__(self, text: str | None, start: int, **described: Any) -> None:
        self.text = text
        self.start = start
        self._parsed: ast.ParsedStatement | None = None
        super().__init__(None, NOWHERE, **described)

    @property
    def parsed(self) -> ast.ParsedStatement | None:
        """The parse tree, with places as in the text that the client sent."""
        if self._parsed is None and self.text is not None:
            (self._parsed,) = parse(" " * self.start + self.text)
        return self._parsed

    @parsed.setter
    def parsed(self, parsed: ast.ParsedStatement | None) -> None:
        self._parsed = parsed

    def stale(self) -> Prepared:
        """It is bound again in any case."""
        return self


class _NoPlan:
    """Stands where the plan of an optimizable statement will be."""

    point = None
    locks = False


def _statement(prepared: Prepared) -> _Statement:
    if isinstance(prepared, Unplanned):
        text, start = prepared.text, prepared.start
    else:
        parsed = prepared.parsed
        text, start = (parsed.text, parsed.start) if parsed is not None else (None, 0)
    return _Statement(
        text=text,
        start=start,
        is_planned=prepared.plan is not None,
        columns=tuple(
            _Column(each.name, _kind(each.type), each.typmod, each.table_oid, each.attnum)
            for each in prepared.columns
        ),
        param_types=tuple(map(_kind, prepared.param_types)),
        tag=prepared.tag,
        tables=prepared.tables,
    )


def _prepared(saved: _Statement) -> Prepared:
    return Unplanned(
        saved.text,
        saved.start,
        plan=_NoPlan() if saved.is_planned else None,
        columns=tuple(
            OutputColumn(each.name, _type(each.kind), each.typmod, each.table_oid, each.attnum)
            for each in saved.columns
        ),
        param_types=tuple(map(_type, saved.param_types)),
        tag=saved.tag,
        tables=saved.tables,
    )


def _kind(kind: Type) -> _Kind:
    if isinstance(kind, RowType):
        return _Kind(kind.oid - ROW_OIDS, kind.display, kind.columns)
    if isinstance(kind.element, RowType):
        row = kind.element
        return _Kind(row.oid - ROW_OIDS, row.display, row.columns, True)
    return _Kind(kind.oid)


def _type(saved: _Kind) -> Type:
    if saved.row_name is None:
        return BY_OID[saved.oid]
    row = row_type(Table(saved.oid, 0, saved.row_name, 0, saved.row_columns))
    if not saved.is_array:
        return row
    found = array_of(row)
    assert found is not None
    return found


__all__ = [
    "PLAIN",
    "STATE_LIMIT",
    "Bereft",
    "Kinds",
    "TooLarge",
    "UnknownVersion",
    "is_movable",
    "long_texts",
    "may_suspend",
    "resume",
    "suspend",
]
