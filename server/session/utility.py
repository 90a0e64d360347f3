"""Statements that are not planned: transactions, settings, EXPLAIN, COPY, DDL, CALL (PostgreSQL, part VI)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from server.catalog import ddl, procedures
from server.catalog.ddl_used import used_objects
from server.errors import PgError
from server.pgwire import codec
from server.session import analyzing, calling_opendsql, copying, foreign, planning, preparing
from server.session.environment import SessionEnv
from server.session.explaining import explain, is_json
from server.session.prepared import describe, row_encoder
from server.session.settings import ALL, quote_list, unrecognized
from server.session.transaction import Transaction
from server.session.work import Slice, Wait, Work
from server.sql import ast, refusals, types
from server.sql.tree import OutputColumn

if TYPE_CHECKING:
    from server.session.session import Portal, SqlSession

Handler = Callable[["SqlSession", Any, "Portal | None"], Work]
Rows = Sequence[tuple[Any, ...]]

_QUERY_PLAN = (OutputColumn("QUERY PLAN", types.TEXT),)
_JSON_PLAN = (OutputColumn("QUERY PLAN", types.JSON),)
_NO_TRANSACTION = PgError("25P01", "there is no transaction in progress")


def run_utility(session: SqlSession, parsed: ast.ParsedStatement, portal: Portal | None) -> Work:
    """Run one utility statement; its rows, if any, and CommandComplete are appended. Raises PgError."""
    statement = parsed.statement
    session.refuse_aborted(statement)
    refusals.check(statement, session.settings.get)
    handler = _HANDLERS.get(type(statement))
    if handler is not None:
        yield from handler(session, statement, portal)
    elif isinstance(statement, ast.ExplainStmt):
        yield from _explain(session, parsed, portal)
    elif isinstance(statement, ast.CopyStmt):
        yield from _copy(session, parsed)
    else:
        yield from _ddl(session, statement, portal)


def columns_of(statement: ast.Statement, env: SessionEnv) -> tuple[OutputColumn, ...]:
    """The result columns of a utility statement, for Describe; empty when it returns no rows."""
    if isinstance(statement, ast.ExplainStmt):
        return _JSON_PLAN if is_json(statement) else _QUERY_PLAN
    if isinstance(statement, ast.VariableShowStmt):
        return _show_columns(statement.name)
    if isinstance(statement, ast.CallStmt):
        return _call_columns(statement)
    if isinstance(statement, ddl.STATEMENTS):
        return ddl.columns_of(statement)
    return ()


def send(session: SqlSession, portal: Portal | None, columns: tuple[OutputColumn, ...], rows: Rows) -> None:
    """Append a small result: in a simple query with RowDescription, else in the portal's formats."""
    formats = portal.formats if portal is not None else (0,) * len(columns)
    if portal is None:
        session.out.append(describe(columns, formats))
    encode = row_encoder([column.type for column in columns], formats, session.env)
    session.out.extend(map(encode, rows))


def warn(session: SqlSession, error: PgError, severity: str = "WARNING") -> None:
    session.out.append(codec.notice_response(error, severity))


# --- transactions (dsql-reference §5.5) ---


def _transaction(session: SqlSession, statement: ast.TransactionStmt, portal: Portal | None) -> Work:
    kind = statement.kind
    options = dict(statement.options)
    if kind in ("begin", "start"):
        _begin(session, options)
        session.complete("BEGIN" if kind == "begin" else "START TRANSACTION")
    elif kind == "commit":
        yield from _commit(session)
    else:
        _rollback(session)
        session.complete("ROLLBACK")
    if session.txn is None:
        session.portals.clear()


def _begin(session: SqlSession, options: dict[str, object]) -> None:
    """Its options hold also where a block is open already (standard_ProcessUtility). Raises PgError 25001."""
    if session.status == b"T":
        warn(session, PgError("25001", "there is already a transaction in progress"))
    else:
        session.begin_block()
    txn, read_only = session.txn, options.get("read only")
    assert txn is not None
    if read_only is not None:
        if not read_only and txn.read_only and txn.queries:
            raise PgError("25001", "transaction read-write mode must be set before any query")
        txn.read_only = bool(read_only)


def _commit(session: SqlSession) -> Work:
    if session.status == b"E":
        session.rollback()
        session.complete("ROLLBACK")
        return
    if session.status == b"I":
        warn(session, _NO_TRANSACTION)
    if session.txn is not None:
        yield from session.commit()
    session.complete("COMMIT")


def _rollback(session: SqlSession) -> None:
    if session.status == b"I":
        warn(session, _NO_TRANSACTION)
    if session.txn is not None:
        session.rollback()


def _warn_outside(session: SqlSession, portal: Portal | None, command: str) -> None:
    """25P01 unless the command is in a block, of BEGIN or of a query with several statements; a pipeline is none
    (CheckTransactionBlock)."""
    if session.status == b"I" and not (session.several and portal is None):
        warn(session, PgError("25P01", f"{command} can only be used in transaction blocks"))


def _set_constraints(session: SqlSession, statement: ast.ConstraintsSetStmt, portal: Portal | None) -> Work:
    _warn_outside(session, portal, "SET CONSTRAINTS")
    txn = session.txn or session.begin(implicit=True)
    yield from foreign.set_constraints(session, txn, statement)
    session.complete("SET CONSTRAINTS")


# --- settings (dsql-reference §8.3) ---


def _set(session: SqlSession, statement: ast.VariableSetStmt, portal: Portal | None) -> Work:
    kind, name = statement.kind, statement.name
    if statement.local:
        _warn_outside(session, portal, "SET LOCAL")
    if session.txn is None:
        session.begin(implicit=True)
    if kind == "reset all":
        session.settings.reset_all()
    elif kind == "multi":
        read_only = dict(statement.options).get("read only")
        if read_only is not None:
            session.settings.set_characteristics(bool(read_only))
    elif name == "session_authorization" and kind in ("default", "reset"):
        pass  # nobody can become somebody else, so it is the one who logged in already
    else:
        value: str | None = None
        if kind == "value":
            setting = ALL.get(name.lower())
            if setting is not None and setting.is_quoted:
                value = quote_list(statement.args)
            elif len(statement.args) > 1 and setting is not None and not setting.is_list:
                raise PgError("22023", f"SET {name} takes only one argument")
            else:
                value = ", ".join(statement.args)
        elif kind == "current":
            value = session.settings.get(name)
        session.settings.set(name, value, local=statement.local)
    session.complete("RESET" if kind in ("reset", "reset all") else "SET")
    return
    yield


def _show_columns(name: str) -> tuple[OutputColumn, ...]:
    if name == "all":
        return tuple(OutputColumn(each, types.TEXT) for each in ("name", "setting", "description"))
    setting = ALL.get(name)
    return (OutputColumn(setting.name if setting is not None else name, types.TEXT),)


def _show(session: SqlSession, statement: ast.VariableShowStmt, portal: Portal | None) -> Work:
    name = statement.name
    rows: list[tuple[Any, ...]]
    if name == "all":
        named = sorted(ALL.values(), key=lambda setting: setting.name.lower())
        rows = [(setting.name, session.settings[setting.name], setting.description) for setting in named]
    else:
        value = session.settings.get(name)
        if name == "transaction_read_only":
            read_only = session.env.read_only if session.txn is None else session.txn.read_only
            value = "on" if read_only else "off"
        if value is None:
            raise unrecognized(name)
        rows = [(value,)]
    send(session, portal, _show_columns(name), rows)
    session.complete("SHOW")
    return
    yield


# --- EXPLAIN, ANALYZE, CALL, COPY, DDL ---


def _explain(session: SqlSession, parsed: ast.ParsedStatement, portal: Portal | None) -> Work:
    txn = session.txn or session.begin(implicit=True)
    yield from planning.meet(session, txn.catalog, parsed)
    lines = yield from explain(session, parsed, txn, portal)
    send(session, portal, columns_of(parsed.statement, session.env), [(line,) for line in lines])
    session.complete("EXPLAIN")


def _analyze(session: SqlSession, statement: ast.VacuumStmt, portal: Portal | None) -> Work:
    if session.status == b"T":
        raise PgError("25001", "ANALYZE cannot run inside a transaction block")
    txn = session.txn or session.begin(implicit=True)
    _meet(session, statement, txn)
    (relation,) = statement.relations
    yield from analyzing.analyze(session, ddl.find_table(txn.catalog, session.env, relation))
    session.complete("ANALYZE")


_CALL_COLUMNS = (OutputColumn(*procedures.WAIT_FOR_JOB.result),)


def _call_columns(statement: ast.CallStmt) -> tuple[OutputColumn, ...]:
    names = statement.function.names
    return calling_opendsql.columns_of(names) if calling_opendsql.is_one(names) else _CALL_COLUMNS


def _call(session: SqlSession, statement: ast.CallStmt, portal: Portal | None) -> Work:
    from server.session.calling import call

    txn = session.txn or session.begin(implicit=True)
    _meet(session, statement, txn)
    rows = yield from call(session, statement)
    send(session, portal, _call_columns(statement), rows)
    session.complete("CALL")


def _copy(session: SqlSession, parsed: ast.ParsedStatement) -> Work:
    txn = session.txn or session.begin(implicit=True)
    txn.check_age()
    yield from copying.start(session, parsed, txn)


def _meet(session: SqlSession, statement: Any, txn: Transaction) -> None:
    """OC001 when an object that the statement uses has changed since the session looked (DESIGN §6.7)."""
    if session.catalog is not txn.catalog:
        used = used_objects(statement, session.catalog, session.env)
        session.meet(txn.catalog, ast.ParsedStatement(statement, ""), used)


def _ddl(session: SqlSession, statement: Any, portal: Portal | None) -> Work:
    txn = session.txn or session.begin(implicit=True)
    txn.check_age()
    _meet(session, statement, txn)
    if txn.read_only:
        raise PgError("25006", f"cannot execute {ddl.tag_of(statement)} in a read-only transaction")
    if txn.ddl:
        raise refusals.MULTIPLE_DDL.error()
    if txn.dml:
        raise refusals.DDL_AFTER_DML.error()
    notices: list[PgError] = []
    try:
        result = ddl.execute(statement, txn, session.env, notices)
    finally:
        for notice in notices:
            warn(session, notice, "WARNING" if notice.severity == "WARNING" else "NOTICE")
    session.env.catalog = txn.catalog
    if result.columns:
        send(session, portal, result.columns, result.rows)
    session.complete(result.tag)
    return
    yield


def _deallocate(session: SqlSession, statement: ast.DeallocateStmt, portal: Portal | None) -> Work:
    """All that have a name (DropAllPreparedStatements)."""
    session.statements = {name: each for name, each in session.statements.items() if not name}
    session.complete("DEALLOCATE ALL")
    return
    yield


_HANDLERS: dict[type, Handler] = {
    ast.TransactionStmt: _transaction,
    ast.ConstraintsSetStmt: _set_constraints,
    ast.VariableSetStmt: _set,
    ast.VariableShowStmt: _show,
    ast.VacuumStmt: _analyze,
    ast.CallStmt: _call,
    ast.DeallocateStmt: _deallocate,
}

__all__ = ["Generator", "Slice", "Wait", "columns_of", "preparing", "run_utility"]
