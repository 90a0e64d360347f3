"""Injections where sessions meet them: at COMMIT and where statements begin (server.testing.injections).

The client must not be able to tell: texts, SQLSTATE and what becomes of transaction and connection are those of the
real thing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adjudicator.messages import Aborted, Reason
from server.catalog.descriptor import Catalog, Oid
from server.errors import ConnectionDropped, conflict, schema_changed
from server.session.reasons import Refusal, explain
from server.session.transaction import size_error
from server.session.unique import unique_id
from server.session.work import Slice, Wait, Work
from server.testing.desk import Match
from server.testing.injections import Event, Fault, Point

if TYPE_CHECKING:
    from server.session.prepared import Prepared
    from server.session.session import SqlSession
    from server.session.transaction import Transaction


def at_commit(session: SqlSession, txn: Transaction) -> Work:
    """Before a transaction is decided that wrote or locked something; after it, if the connection drops then."""
    if not session.node.desk.armed & Point.COMMIT:
        return
    touched = {int.from_bytes(key[4:8], "big") for key in (*txn.writes, *txn.locks)}
    fault = yield from _asked(session, Point.COMMIT, _names(touched, txn.catalog), writes=True)
    if fault is None:
        return
    if fault.kind == "drop_after_commit":
        wait = session.submit(txn)
        yield wait
        session.decided(txn, wait)
    if fault.kind.startswith("drop"):
        raise ConnectionDropped()
    if fault.kind == "size_limit":
        raise size_error(txn.limits.transaction_bytes + 1, txn.limits.transaction_bytes)
    txn.txid = txn.txid or unique_id()
    error = schema_changed() if fault.kind == "OC001" else conflict()
    reason = Reason.SCHEMA if fault.kind == "OC001" else Reason.CONFLICT
    refusal = Refusal(error, Aborted(reason, _first_key(txn)), fault.injection)
    explain(session, txn, refusal)
    raise refusal


def at_statement(session: SqlSession, used: Sequence[Oid], *, writes: bool) -> Work:
    """Before a query or a change of rows, which uses these tables, begins."""
    if not session.node.desk.armed & Point.STATEMENT:
        return
    txn = session.txn
    assert txn is not None
    fault = yield from _asked(session, Point.STATEMENT, _names(used, txn.catalog), writes=writes)
    if fault is None:
        return
    if fault.kind == "row_limit":
        txn.limits = replace(txn.limits, transaction_rows=len(txn.row_keys))
        txn.count_row(b"")
    if fault.kind == "age_limit":
        txn.age_s = txn.limits.transaction_age_s + 1
        txn.check_age()
    if fault.ms > 0:
        yield from session.wait_for(session.node.sleep(fault.ms / 1000))


def delayed(
    session: SqlSession,
    prepared: Prepared,
    params: list[Any],
    formats: tuple[int, ...],
    txn: Transaction,
    description: bytes | None,
) -> Work:
    """A statement that is one call, after what is to be done before it."""
    from server.session import observing
    from server.session.portal import run_at_once

    yield from observing.before(session, prepared)
    work = run_at_once(session, prepared, params, formats, txn, description, is_delayed=True)
    if work is not None:
        yield from work


def _asked(
    session: SqlSession, point: Point, tables: tuple[str, ...], *, writes: bool
) -> Generator[Slice | Wait[Any], None, Fault | None]:
    event = Event(point, session.cluster, session.process_id, session.user, tables, writes)
    wait = session.node.desk.ask(Match(event))
    yield wait
    fault: Fault | None = wait.value()
    return fault


def _names(oids: Iterable[Oid], catalog: Catalog) -> tuple[str, ...]:
    """The tables among these oids of tables and indexes, as schema.name."""
    found: dict[str, None] = {}
    for oid in oids:
        table = catalog.tables.get(catalog.index_tables.get(oid, oid))
        if table is not None:
            found[f"{catalog.schemas[table.schema_oid].name}.{table.name}"] = None
    return tuple(found)


def _first_key(txn: Transaction) -> bytes:
    return next(iter(txn.writes or txn.locks))
