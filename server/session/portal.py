"""Portals: a bound statement, and how far its execution has come (PostgreSQL, chapter 55.2.3)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from server.errors import PgError
from server.pgwire import codec
from server.session import injecting, observing
from server.session.prepared import Prepared, expand_formats
from server.session.transaction import Transaction
from server.session.work import SLICE, Work
from server.sql.context import Context

if TYPE_CHECKING:
    from server.session.session import SqlSession

SLICE_S = 0.001
"""How long a statement may hold the loop before the others have a turn (DESIGN §11)."""
LONGEST_SLEEP_S = 60.0
"""A timer lives no longer, also that of a pg_sleep which was cancelled."""


class Given(NamedTuple):
    """What a Bind message says."""

    portal: str
    statement: str
    formats: Sequence[int]
    values: Sequence[bytes | None]
    result_formats: Sequence[int]


class Portal:
    """A bound statement, and where its execution stands."""

    __slots__ = ("ctx", "description", "done", "formats", "params", "prepared", "rest", "rows")

    def __init__(self, prepared: Prepared, params: list[Any], formats: tuple[int, ...]) -> None:
        self.prepared = prepared
        self.params = params
        self.formats = formats
        self.ctx: Context | None = None
        self.rows: Iterator[Sequence[Any]] | None = None
        """Batches of result rows, once it runs."""
        self.rest: list[Any] = []
        """Rows of the last batch that the row limit held back."""
        self.description: bytes | None = None
        """Of a simple query: the RowDescription that goes before its rows."""
        self.done = False

    def die(self) -> None:
        """Its transaction is aborted: nothing is left of it but its name, until ROLLBACK (AtAbort_Portals)."""
        self.ctx, self.rows, self.rest, self.done = None, iter(()), [], True


def refuse_bind(
    session: SqlSession, portal: str, statement: str, formats: Sequence[int], values: Sequence[bytes | None]
) -> None:
    """What speaks against a Bind, in PostgreSQL's order (exec_bind_message). Raises PgError 08P01, 25P02, 42P03."""
    prepared = session.statement(statement)
    prepared.check_count(statement, formats, values)
    if session.status == b"E":
        session.refuse_aborted(prepared.statement)
    if portal and portal in session.portals:
        raise PgError("42P03", f'cursor "{portal}" already exists')


def bind_portal(
    session: SqlSession,
    prepared: Prepared,
    portal: str,
    statement: str,
    formats: Sequence[int],
    values: Sequence[bytes | None],
    result_formats: Sequence[int],
) -> None:
    """Make the portal of a Bind. Raises PgError 08P01, and what the values' types raise."""
    params = prepared.decode(statement, formats, values, session.env)
    columns = prepared.columns
    shape = expand_formats(result_formats, len(columns)) if columns or result_formats else ()
    session.portals[portal] = Portal(prepared, params, shape)
    session.out.append(codec.BIND_COMPLETE)


def run_portal(session: SqlSession, portal: Portal, max_rows: int) -> Work:
    """Send rows until the portal's end or the limit, giving the loop a turn every slice."""
    prepared = portal.prepared
    txn = session.txn
    assert txn is not None and prepared.plan is not None
    if portal.rows is None and not portal.done:
        if prepared.asks or session.node.desk.armed:
            yield from observing.before(session, prepared)
        session.check_privileges(prepared)
        session.count_statement(prepared, txn)
        portal.ctx = session.new_context(
            txn.view() if max_rows else txn, portal.params, portal.prepared.accesses
        )
        portal.rows = prepared.plan.run(portal.ctx)
        if prepared.modifies and (max_rows or prepared.returns_rows):
            yield from _run_to_end(session, portal, txn)
        if portal.description is not None:
            session.out.append(portal.description)
    session.ctx = ctx = portal.ctx
    encode = prepared.encoder(portal.formats, session.env)
    sent = 0
    until = time.monotonic() + SLICE_S
    while not portal.done:
        batch = portal.rest or next(portal.rows, None)  # type: ignore[arg-type]
        portal.rest = []
        if batch is None:
            portal.done = True
            break
        if max_rows and sent + len(batch) >= max_rows:
            keep = max_rows - sent
            batch, portal.rest = batch[:keep], list(batch[keep:])
        session.out.extend(map(encode, batch))
        sent += len(batch)
        if ctx is not None:
            if ctx.pause or time.monotonic() > until:
                yield from rest(session, ctx)
                until = time.monotonic() + SLICE_S
            ctx.tick()
        if max_rows and sent >= max_rows:
            break
    if ctx is not None and ctx.pause:
        yield from rest(session, ctx)
    session.ctx = None
    if not portal.done:
        session.suspend()
        return
    txn.end_statement()
    session.complete(tag_of(prepared, ctx, sent))


def _run_to_end(session: SqlSession, portal: Portal, txn: Transaction) -> Work:
    """A statement that modifies does all of it before its first row is given out (PORTAL_ONE_RETURNING)."""
    ctx = portal.ctx
    assert ctx is not None and portal.rows is not None
    ctx.txn = txn
    rows: list[Any] = []
    until = time.monotonic() + SLICE_S
    for batch in portal.rows:
        rows.extend(batch)
        if ctx.pause or time.monotonic() > until:
            yield from rest(session, ctx)
            until = time.monotonic() + SLICE_S
        ctx.tick()
    portal.rows, portal.rest = iter(()), rows
    txn.end_statement()


def run_at_once(
    session: SqlSession,
    prepared: Prepared,
    params: list[Any],
    formats: tuple[int, ...],
    txn: Transaction,
    description: bytes | None = None,
    is_delayed: bool = False,
) -> Work | None:
    """A statement that is one call, with all its rows. `description`: see Portal; `is_delayed`: what comes before
    it is done."""
    if (prepared.asks or session.node.desk.armed) and not is_delayed:
        return injecting.delayed(session, prepared, params, formats, txn, description)
    ctx = session.new_context(txn, params, prepared.accesses)
    if session.user != "admin":
        session.check_privileges(prepared)
    session.count_statement(prepared, txn)
    out = session.out
    if description is not None and not prepared.modifies:
        out.append(description)
    rows = prepared.plan.point(ctx)  # type: ignore[union-attr,misc]
    if description is not None and prepared.modifies:
        out.append(description)
    if rows:
        encode = prepared.encoder(formats, session.env)
        for row in rows:
            out.append(encode(row))
    tag = tag_of(prepared, ctx, len(rows))
    if ctx.pause:
        return complete_later(session, tag, ctx, txn)
    session.ctx = None
    txn.end_statement()
    session.complete(tag)
    return None


def complete_later(session: SqlSession, tag: str, ctx: Context, txn: Transaction) -> Work:
    """The statement has called pg_sleep."""
    yield from rest(session, ctx)
    session.ctx = None
    txn.end_statement()
    session.complete(tag)


def rest(session: SqlSession, ctx: Context) -> Work:
    """Give the others a turn, or wait as long as pg_sleep wants; PgError 57014 when cancelled meanwhile."""
    seconds, ctx.pause = ctx.pause, 0.0
    if not seconds > 0:
        yield SLICE
    while seconds > 0:
        yield from session.wait_for(session.node.sleep(min(seconds, LONGEST_SLEEP_S)))
        seconds -= LONGEST_SLEEP_S
    ctx.tick()


def retract(out: list[bytes], message: bytes) -> None:
    """Take back a CommandComplete that is still unsent: its transaction did not commit."""
    for place in range(len(out) - 1, -1, -1):
        if out[place] is message:
            del out[place]
            return


def tag_of(prepared: Prepared, ctx: Context | None, rows: int) -> str:
    """The command tag: what was modified, or how many rows were sent, by this Execute (PortalRun)."""
    if prepared.tag == "SELECT":
        return f"SELECT {rows}"
    affected = rows if prepared.returns_rows else ctx.affected if ctx is not None else 0
    return f"INSERT 0 {affected}" if prepared.tag == "INSERT" else f"{prepared.tag} {affected}"
