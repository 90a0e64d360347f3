"""A session: statements, portals, the transaction it is in, and the calls that the connection makes.

The status byte follows PostgreSQL's (chapter 55.2.2): I outside a transaction block, T inside, E inside a failed
one. An implicit transaction begins with a statement outside a block and ends at Sync, or with a simple query.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from server.catalog.descriptor import Catalog, Oid
from server.errors import PgError
from server.pgwire import codec
from server.session import planning, preparing, reasons, rebase
from server.session.committing import adjudicate
from server.session.environment import SessionEnv, cluster_of
from server.session.planning import LONG_SHAPE, aside
from server.session.portal import (
    SLICE_S,
    Given,
    Portal,
    bind_portal,
    refuse_bind,
    retract,
    run_at_once,
    run_portal,
)  # fmt: skip
from server.session.prepared import Prepared
from server.session.settings import ALL, Settings
from server.session.transaction import Transaction
from server.session.work import SLICE, Slice, Wait, Work
from server.sql import ast, refusals, scanner
from server.sql.context import Context
from server.sql.tree import Accesses
from server.testing.desk import NOTHING

if TYPE_CHECKING:
    from server.session.copy_in import CopyIn
    from server.session.host import Host

T = TypeVar("T")

MAX_STATEMENTS = 10_000
_ABORTED = PgError("25P02", "current transaction is aborted, commands ignored until end of transaction block")
_EMPTY: tuple[()] = ()


class SqlSession:
    """See `server.pgwire.session_protocol.Session`."""

    def __init__(
        self,
        node: Host,
        user: str,
        database: str,
        options: Mapping[str, str],
        out: list[bytes],
        known: tuple[int, bytes, int | None] | None = None,
    ) -> None:
        """`known`: process id and secret that were given already; cluster, if it comes back (`suspending.resume`)."""
        self.node = node
        self.out = out
        self.user = user
        self.database = database
        self.cluster, options = cluster_of(node, options, known[2] if known is not None else None)
        self.settings = Settings({**node.session_defaults, **options})
        self.catalog: Catalog = node.catalog(self.cluster)
        """The catalog that this session last met; OC001 compares with it."""
        self.env = SessionEnv(self.settings, user, database, self.catalog, self)
        self.plans = node.plans(self.env.key)
        self.settings.changed.clear()
        self.status = b"I"
        self.copying = False
        self.copy: Any = None
        self.txn: Transaction | None = None
        self.statements: dict[str, Prepared] = {}
        self.portals: dict[str, Portal] = {}
        self.ctx: Context | None = None
        self.process_id = node.enter(self, known[0] if known is not None else None)
        self.secret = known[1] if known is not None else os.urandom(4)
        self.session_id = str(uuid.uuid4())
        """What sys.current_session_id() shows."""
        self._waiting: Wait[Any] | None = None
        """What the running statement waits for, if a cancel request may end it."""
        self._complete: bytes | None = None
        """CommandComplete of the implicit transaction's last statement, retracted if its commit fails."""
        self.state = "idle"
        self.observed = NOTHING  # what the views of schema opendsql show
        self.several = False  # the simple query at hand has several statements
        self.query_text = ""

    # --- connection's calls: identity and ends ---

    def parameters(self) -> Mapping[str, str]:
        """ParameterStatus at start-up."""
        return {setting.name: self.settings[setting.name] for setting in ALL.values() if setting.reported}

    def cancel(self) -> None:
        """Running work raises 57014 at its next batch."""
        if self.ctx is not None:
            self.ctx.cancelled = True
        if self._waiting is not None and not self._waiting.done:
            self._waiting.fail(PgError("57014", "canceling statement due to user request"))

    def close(self) -> None:
        """The connection is gone: its transaction ends without effect."""
        if self.txn is not None:
            self.node.open_transactions -= 1
        self.txn = None
        self.portals.clear()
        self.node.leave(self)

    def failed(self, error: PgError) -> None:
        """An error was reported: the transaction is aborted."""
        self.copying = False
        self.copy = None
        self.ctx = None
        self._complete = None
        txn = self.txn
        if txn is None:
            return
        if txn.implicit:
            self._end(committed=False)
        else:
            self.txn = Transaction(txn.versions, txn.catalog, txn.start_ts, txn.limits)
            self.status = b"E"
            for portal in self.portals.values():
                portal.die()

    # --- simple query ---

    def query(self, sql: str) -> Work | None:
        """Run every statement of `sql`."""
        self.query_text = sql
        self.portals.pop("", None)
        self.statements.pop("", None)
        txn = self.txn
        if txn is not None:
            self.env.start_statement()
        found = self._cached(sql)
        if found is None:
            return self._query_text(sql)
        prepared, params = found
        if prepared.plan is not None and prepared.plan.point is not None:
            if txn is not None:
                txn.check_age()
            return self._query_at_once(prepared, params)
        return self._query_work(prepared, params)

    def catalog_in_force(self) -> Catalog:
        """The running transaction's catalog, else the newest."""
        return self.txn.catalog if self.txn is not None else self.node.catalog(self.cluster)

    def _cached(self, sql: str) -> tuple[Prepared, list[Any]] | None:
        """The plan of this very text, or of its shape, for the catalog in force."""
        catalog = self.catalog_in_force()
        if catalog is not self.catalog or self.status == b"E":
            return None
        if len(sql) > LONG_SHAPE and sql not in self.plans:
            return None
        found = planning.find(self.plans, sql, catalog)
        if found is None:
            return None
        prepared, literals = found
        if not literals:
            return prepared, []
        if self.txn is None:
            self.begin(implicit=True)  # before the literals are read: one of them may say 'now'
        try:
            return prepared, preparing.literal_values(prepared, literals, self.env)
        except PgError:
            return None

    def _query_at_once(self, prepared: Prepared, params: list[Any]) -> Work | None:
        """A statement that is one call: no portal, and no generator unless there is something to wait for."""
        txn = self.txn or self.begin(implicit=True)
        formats = (0,) * len(prepared.columns)
        description = prepared.row_description(formats) if prepared.returns_rows else None
        work = run_at_once(self, prepared, params, formats, txn, description)
        return self.sync() if work is None else self._finish_later(work)

    def _finish_later(self, work: Work) -> Work:
        yield from work
        yield from self._finish_implicit()

    def _query_text(self, sql: str) -> Work:
        """Parse, then run one statement after the other; all of them are one implicit transaction."""
        catalog, plans, env = self.catalog_in_force(), self.plans, self.env
        if len(sql) > LONG_SHAPE and catalog is self.catalog and self.status != b"E":
            if self.txn is None:
                self.begin(implicit=True)
            found = yield from aside(self, len(sql), lambda: planning.cached(plans, sql, catalog, env))
            if found is not None and found[0].catalog is self.catalog_in_force():
                yield from self._query_work(*found)
                return
        statements, lifted = yield from aside(self, len(sql), lambda: planning.parsed_query(sql))
        if not statements:
            self.out.append(codec.EMPTY_QUERY)
            return
        yield from self._run_statements(statements, sql if len(statements) == 1 else None, lifted)

    def _run_statements(
        self, statements: list[ast.ParsedStatement], text: str | None, lifted: scanner.Lifted | None
    ) -> Work:
        until = time.monotonic() + SLICE_S
        self.several = text is None
        for place, parsed in enumerate(statements, 1):
            if time.monotonic() > until:
                yield SLICE
                until = time.monotonic() + SLICE_S
            yield from self._run_parsed(parsed, text, lifted)
            if self.copying:
                self.copy.simple_rest = statements[place:]
                return
        yield from self._finish_implicit()

    def _run_parsed(
        self, parsed: ast.ParsedStatement, text: str | None, lifted: scanner.Lifted | None
    ) -> Work:
        self.refuse_aborted(parsed.statement)
        if not isinstance(parsed.statement, preparing.OPTIMIZABLE):
            if text is not None and isinstance(parsed.statement, ast.TransactionStmt):
                planning.remember_transaction(self, parsed, text)
            yield from self._utility(parsed)
            return
        txn = self.txn or self.begin(implicit=True)
        txn.check_age()
        if parsed.parameters:
            preparing.refuse_parameters(parsed, txn.catalog, self.env)
        yield from planning.meet(self, txn.catalog, parsed)
        prepared, params = yield from planning.prepare_query(self, parsed, txn.catalog, text, lifted)
        yield from self._run_whole(prepared, params)

    def _query_work(self, prepared: Prepared, params: list[Any]) -> Work:
        self.several = False
        if prepared.plan is None:
            yield from self._utility(prepared.parsed)  # type: ignore[arg-type]
        else:
            txn = self.txn or self.begin(implicit=True)
            txn.check_age()
            yield from self._run_whole(prepared, params)
        if self.copying:
            self.copy.simple_rest = []
        else:
            yield from self._finish_implicit()

    def _run_whole(self, prepared: Prepared, params: list[Any]) -> Work:
        """RowDescription, all rows, CommandComplete: a statement of a simple query."""
        portal = Portal(prepared, params, (0,) * len(prepared.columns))
        if prepared.returns_rows:
            portal.description = prepared.row_description(portal.formats)
        yield from run_portal(self, portal, 0)

    # --- extended protocol ---

    def parse(self, name: str, sql: str, oids: Sequence[int]) -> Work | None:
        """Make a prepared statement."""
        self.query_text = sql
        if not name:
            self.statements.pop("", None)
        if len(self.statements) >= MAX_STATEMENTS:
            raise PgError("54000", "too many prepared statements")
        key = sql if not oids else f"{sql}\0{','.join(map(str, oids))}"
        catalog = self.catalog_in_force()
        if catalog is self.catalog and self.status != b"E":
            found = self.plans.get(key)
            if found is not None and found.catalog is catalog:
                self._parsed(name, found)
                return None
        return self._parse(name, sql, oids, key)

    def _parse(self, name: str, sql: str, oids: Sequence[int], key: str) -> Work:
        prepared = yield from planning.parse_one(self, sql, oids, key)
        self._parsed(name, prepared)

    def _parsed(self, name: str, prepared: Prepared) -> None:
        if name and name in self.statements:
            raise PgError("42P05", f'prepared statement "{name}" already exists')
        self.statements[name] = prepared
        self.out.append(codec.PARSE_COMPLETE)

    def statement(self, name: str) -> Prepared:
        """A prepared statement by name; PgError 26000."""
        prepared = self.statements.get(name)
        if prepared is None:
            if name:
                raise PgError("26000", f'prepared statement "{name}" does not exist')
            raise PgError("26000", "unnamed prepared statement does not exist")
        return prepared

    def bind(
        self,
        portal: str,
        statement: str,
        formats: Sequence[int],
        values: Sequence[bytes | None],
        result_formats: Sequence[int],
    ) -> Work | None:
        """Make a portal."""
        prepared = self.statements.get(statement) or self.statement(statement)
        if self.status == b"E" or (portal and portal in self.portals):
            refuse_bind(self, portal, statement, formats, values)
        if prepared.parsed is not None and (prepared.plan is not None or prepared.param_types):
            txn = self.txn or self.begin(implicit=True)
            if prepared.catalog is not txn.catalog:
                given = Given(portal, statement, formats, values, result_formats)
                return self._bind_again(given, txn.catalog)
        bind_portal(self, prepared, portal, statement, formats, values, result_formats)
        return None

    def _bind_again(self, given: Given, catalog: Catalog) -> Work:
        prepared = yield from planning.prepare_again(self, self.statement(given.statement), catalog)
        self.statements[given.statement] = prepared
        bind_portal(self, prepared, *given)

    def describe_statement(self, name: str) -> Work | None:
        """ParameterDescription and RowDescription or NoData."""
        prepared = self.statement(name)
        if self.status == b"E" and prepared.returns_rows:
            self.refuse_aborted(prepared.statement)
        self.out.append(prepared.parameter_description)
        self.out.append(prepared.row_description((0,) * len(prepared.columns)))
        return None

    def describe_portal(self, name: str) -> Work | None:
        """RowDescription or NoData."""
        portal = self.portals.get(name) or self._portal(name)
        if self.status == b"E" and portal.prepared.returns_rows:
            self.refuse_aborted(portal.prepared.statement)
        self.out.append(portal.prepared.row_description(portal.formats))
        return None

    def _portal(self, name: str) -> Portal:
        portal = self.portals.get(name)
        if portal is None:
            raise PgError("34000", f'portal "{name}" does not exist')
        return portal

    def execute(self, portal: str, max_rows: int) -> Work | None:
        """Run a portal, up to `max_rows` rows."""
        found = self.portals.get(portal) or self._portal(portal)
        prepared = found.prepared
        if prepared.parsed is None:
            self.out.append(codec.EMPTY_QUERY)
            return None
        if self.status == b"E":
            self.refuse_aborted(prepared.parsed.statement)
        if found.done and (prepared.plan is None or not prepared.returns_rows):
            raise PgError("55000", f'portal "{portal}" cannot be run')
        if self.txn is not None:
            self.env.start_statement()
        if prepared.plan is None:
            found.done = True
            return self._utility(prepared.parsed, found)
        txn = self.txn or self.begin(implicit=True)
        txn.check_age()
        if prepared.plan.point is not None and found.rows is None and not max_rows and not found.done:
            found.done = True
            return run_at_once(self, prepared, found.params, found.formats, txn)
        return run_portal(self, found, max_rows)

    def close_statement(self, name: str) -> None:
        self.statements.pop(name, None)
        self.out.append(codec.CLOSE_COMPLETE)

    def close_portal(self, name: str) -> None:
        self.portals.pop(name, None)
        self.out.append(codec.CLOSE_COMPLETE)

    def sync(self) -> Work | None:
        """End the implicit transaction."""
        txn = self.txn
        if txn is None or not txn.implicit:
            self._complete = None
            if txn is None and self.portals:
                self.portals.clear()
            return None
        if not txn.writes and not txn.locks and txn.catalog is self.node.catalog(self.cluster):
            self._end(committed=True)
            return None
        return self._finish_implicit()

    # --- COPY FROM STDIN ---

    def copy_data(self, data: bytes) -> Work | None:
        """Rows, cut anywhere."""
        work: Work = self.copy.feed(data)
        return work

    def copy_done(self) -> Work | None:
        """The end of the data: insert what is left, then what follows in the same simple query."""
        return self._copy_done(self.copy)

    def _copy_done(self, copy: CopyIn) -> Work:
        yield from copy.feed(b"", last=True)
        self.copying = False
        self.copy = None
        self.ctx = None
        txn = self.txn
        assert txn is not None
        txn.end_statement()
        self.complete(f"COPY {copy.rows}")
        if copy.simple_rest is not None:
            yield from self._run_statements(copy.simple_rest, None, None)

    def copy_fail(self, message: str) -> Work | None:
        """The client gave up."""
        raise PgError("57014", f"COPY from stdin failed: {message}")

    # --- running ---

    def new_context(self, txn: Transaction, params: Sequence[Any], accesses: Accesses = ()) -> Context:
        ctx = Context(txn, params, self.env, txn.catalog, txn.limits.query_memory_bytes, accesses)
        self.ctx = ctx
        return ctx

    def check_privileges(self, prepared: Prepared) -> None:
        if prepared.accesses and self.user != "admin":
            preparing.check_privileges(self, prepared)

    def count_statement(self, prepared: Prepared, txn: Transaction) -> None:
        """What the transaction depends on from now on, and what DSQL does not let it mix (dsql-reference §5.4)."""
        if txn.read_only and (command := preparing.locking_command(prepared)):
            raise PgError("25006", f"cannot execute {command} in a read-only transaction")
        txn.queries += 1
        if prepared.modifies:
            self.count_writing(prepared.used, prepared.tag, txn)
            return
        rebase.rely_on(txn, prepared.used, self.user)

    def count_writing(self, used: Sequence[Oid], tag: str, txn: Transaction) -> None:
        """As `count_statement`, for a statement that writes. Raises PgError 0A000, 25006."""
        if txn.ddl:
            raise refusals.DML_AFTER_DDL.error()
        if txn.read_only:
            raise PgError("25006", f"cannot execute {tag} in a read-only transaction")
        txn.dml = True
        rebase.rely_on(txn, used, self.user)

    def wait_for(self, wait: Wait[T]) -> Generator[Slice | Wait[Any], None, T]:
        """The outcome of `wait`; PgError 57014 when the statement is cancelled before."""
        self._waiting = wait
        try:
            yield wait
        finally:
            self._waiting = None
        return wait.value()

    def suspend(self) -> None:
        """PortalSuspended: the rest of the rows is for another Execute."""
        self.out.append(codec.PORTAL_SUSPENDED)
        self._complete = None

    def complete(self, tag: str) -> None:
        """CommandComplete; that of an implicit transaction's last statement may have to be taken back."""
        message = codec.command_complete(tag)
        self.out.append(message)
        self._complete = message if self.txn is not None and self.txn.implicit else None
        if self.settings.changed:
            self.apply_settings()

    def _utility(self, parsed: ast.ParsedStatement, portal: Portal | None = None) -> Work:
        from server.session.utility import run_utility

        yield from run_utility(self, parsed, portal)

    # --- transactions ---

    def begin(self, *, implicit: bool) -> Transaction:
        node = self.node
        catalog = node.catalog(self.cluster)
        txn = Transaction(node.reads, catalog, node.start_ts(), node.limits, implicit=implicit)
        txn.read_only = self.env.read_only
        self.txn = txn
        node.begun += 1
        node.open_transactions += 1
        self.env.enter(catalog, txn.now)
        self.settings.begin()
        return txn

    def begin_block(self) -> None:
        """BEGIN: open a block, or turn the implicit transaction into one."""
        txn = self.txn or self.begin(implicit=False)
        txn.implicit = False
        self.status = b"T"

    def commit(self) -> Work:
        """Decide the transaction at hand; raises PgError (it is then rolled back by `failed`)."""
        txn = self.txn
        assert txn is not None
        in_block, txn.implicit = not txn.implicit, True
        """From here on an error leaves no block behind."""
        if txn.is_adjudicated:
            yield from adjudicate(self, txn)
            return
        if in_block:
            txn.check_age()
        rebase.check_reader(self, txn)
        self._end(committed=True)

    def submit(self, txn: Transaction) -> Wait[int]:
        """Ask for the verdict on `txn`. Raises PgError."""
        txn.check_age()
        return self.node.submit(txn, txn.check_size())

    def decided(self, txn: Transaction, wait: Wait[int]) -> None:
        """The verdict on `txn` is there. Raises PgError."""
        try:
            wait.value()
        except PgError as error:
            reasons.explain(self, txn, error)
            rebase.move_on(self, self.node.catalog(self.cluster))
            raise
        if txn.ddl:
            rebase.move_on(self, self.node.catalog(self.cluster))
        self._end(committed=True)

    def rollback(self) -> None:
        self._end(committed=False)

    def _finish_implicit(self) -> Work:
        txn = self.txn
        if txn is None or not txn.implicit:
            self._complete = None
            return
        message = self._complete
        try:
            if txn.is_adjudicated:
                yield from adjudicate(self, txn)
            else:
                rebase.check_reader(self, txn)
                self._end(committed=True)
        except PgError:
            if message is not None:
                retract(self.out, message)
            raise
        self._complete = None

    def _end(self, committed: bool) -> None:
        if self.txn is not None:
            self.node.open_transactions -= 1
        self.txn = None
        self._complete = None
        self.status = b"I"
        if self.portals:
            self.portals.clear()
        self.settings.end(committed)
        if self.settings.changed:
            self.apply_settings()

    def apply_settings(self) -> None:
        """After settings changed: a new environment, other plans, and ParameterStatus for the reported ones."""
        changed = self.settings.changed
        for key in sorted(changed):
            if ALL[key].reported:
                self.out.append(codec.parameter_status(ALL[key].name, self.settings[key]))
        changed.clear()
        before = self.env
        self.env = SessionEnv(self.settings, self.user, self.database, before.catalog, self)
        self.env.now, self.env.statement_now = before.now, before.statement_now
        if self.env.key == before.key:
            return
        self.plans = self.node.plans(self.env.key)
        for name, prepared in self.statements.items():
            if prepared.parsed is not None and prepared.plan is not None:
                self.statements[name] = prepared.stale()

    def refuse_aborted(self, statement: ast.Statement | None) -> None:
        if self.status == b"E" and not (
            isinstance(statement, ast.TransactionStmt) and statement.kind in ("commit", "rollback")
        ):
            raise PgError(_ABORTED.sqlstate, _ABORTED.message)

    # --- catalog ---

    def meet(self, catalog: Catalog, parsed: ast.ParsedStatement, used: Sequence[Oid] | None = None) -> None:
        """The session meets a catalog: see `rebase.meet`. That of the past is none that it meets."""
        if self.catalog is not catalog and not (self.txn is not None and self.txn.is_past):
            rebase.meet(self, catalog, parsed, used)


__all__ = ["Portal", "SqlSession"]
