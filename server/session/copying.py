"""COPY, and COPY TO STDOUT (PostgreSQL, COPY; dsql-reference §1.2)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from server.catalog import ddl
from server.errors import PgError
from server.pgwire import codec
from server.session import copy_in, observing, planning, preparing
from server.session.portal import rest
from server.session.transaction import Transaction
from server.session.work import Work
from server.sql import ast, copy_binary
from server.sql.copy_format import Options, csv_writer, read_options, text_writer
from server.sql.env import Env
from server.sql.tree import OutputColumn

if TYPE_CHECKING:
    from server.session.session import SqlSession

SLICE_S = 0.001


def start(session: SqlSession, parsed: ast.ParsedStatement, txn: Transaction) -> Work:
    """Begin COPY: CopyInResponse, or the whole of COPY TO. Raises PgError."""
    statement = parsed.statement
    assert isinstance(statement, ast.CopyStmt)
    options = read_options(statement.options, statement.from_)
    if statement.from_:
        yield from copy_in.start(session, statement, txn, options)
    else:
        yield from _copy_out(session, parsed, statement, txn, options)


# --- TO STDOUT ---


def _copy_out(
    session: SqlSession,
    parsed: ast.ParsedStatement,
    statement: ast.CopyStmt,
    txn: Transaction,
    options: Options,
) -> Work:
    catalog, env = txn.catalog, session.env
    if statement.relation is not None:
        session.meet(catalog, ast.ParsedStatement(ast.SelectStmt(from_=(statement.relation,)), ""))
    query = replace(parsed, statement=_query_of(session, statement, txn))
    yield from planning.meet(session, catalog, query)
    prepared = yield from planning.aside(
        session, len(parsed.text), lambda: preparing.prepare_statement(query, catalog, env, most_params=0)
    )
    if not prepared.returns_rows:
        raise PgError("0A000", "COPY query must have a RETURNING clause")
    assert prepared.plan is not None
    yield from observing.before(session, prepared)
    session.check_privileges(prepared)
    session.count_statement(prepared, txn)
    ctx = session.new_context(txn, (), prepared.accesses)
    names = [column.name for column in prepared.columns]
    for name in options.force_quote or ():
        if name not in names:
            of = f' of relation "{statement.relation.names[-1]}"' if statement.relation is not None else ""
            raise PgError("42703", f'column "{name}"{of} does not exist')
    session.out.append(codec.copy_out_response(options.binary, len(names)))
    write = _writer(options, prepared.columns, session.env)
    head = copy_binary.HEADER if options.binary else b""
    """It travels with the first row."""
    tail = copy_binary.TRAILER if options.binary else b""
    if options.header:
        line = csv_writer(options, names, header=True) if options.csv else text_writer(options)
        session.out.append(codec.copy_data(line(names).encode()))
    sent = 0
    until = time.monotonic() + SLICE_S
    for batch in prepared.plan.run(ctx):
        for row in batch:
            session.out.append(codec.copy_data(head + write(row)))
            head = b""
        sent += len(batch)
        if ctx.pause or time.monotonic() > until:
            yield from rest(session, ctx)
            until = time.monotonic() + SLICE_S
        ctx.tick()
    if ctx.pause:
        yield from rest(session, ctx)
    session.ctx = None
    if head or tail:
        session.out.append(codec.copy_data(head + tail))
    session.out.append(codec.COPY_DONE)
    txn.end_statement()
    session.complete(f"COPY {sent}")


def _writer(options: Options, columns: Sequence[OutputColumn], env: Env) -> Callable[[Sequence[Any]], bytes]:
    """A function from a row to its bytes in COPY's format."""
    if options.binary:
        return copy_binary.binary_writer([column.type for column in columns], env)
    line = csv_writer(options, [column.name for column in columns]) if options.csv else text_writer(options)
    outputs = [column.type.output for column in columns]

    def write(row: Sequence[Any]) -> bytes:
        fields = [None if value is None else output(value, env) for value, output in zip(row, outputs)]
        return line(fields).encode()

    return write


def _query_of(session: SqlSession, statement: ast.CopyStmt, txn: Transaction) -> ast.Statement:
    if statement.query is not None:
        return statement.query
    assert statement.relation is not None
    table = ddl.find_table(txn.catalog, session.env, statement.relation)
    places = copy_in.columns_of(table, statement.columns)
    targets = tuple(ast.ResTarget(ast.ColumnRef((table.columns[place].name,))) for place in places)
    return ast.SelectStmt(targets=targets, from_=(statement.relation,))
