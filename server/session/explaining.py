"""EXPLAIN: the plan's lines, with ANALYZE after running it (dsql-reference §1.9)."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from server.errors import PgError
from server.session import preparing
from server.session.portal import rest
from server.session.transaction import Transaction
from server.session.work import Slice, Wait
from server.sql import ast

if TYPE_CHECKING:
    from server.session.session import SqlSession

SLICE_S = 0.001
_BOOLEANS = ("analyze", "verbose", "costs", "settings", "buffers", "wal", "timing", "summary", "generic_plan")
_TRUE, _FALSE = ("true", "on", "1", "yes"), ("false", "off", "0", "no")


def read_options(statement: ast.ExplainStmt) -> dict[str, bool]:
    """EXPLAIN's options as booleans; PgError 42601, 22023, 0A000."""
    found: dict[str, bool] = {}
    for name, value in statement.options:
        name = name.lower()
        if name == "format":
            if str(value).lower() != "text":
                raise PgError("0A000", f"EXPLAIN format {value} not supported")
            continue
        if name not in _BOOLEANS:
            raise PgError("42601", f'unrecognized EXPLAIN option "{name}"')
        word = "true" if value is None or value is True else str(value).lower()
        if word not in (*_TRUE, *_FALSE):
            raise PgError("42601", f"{name} requires a Boolean value")
        found[name] = word in _TRUE
    return found


def explain(
    session: SqlSession, statement: ast.ExplainStmt, txn: Transaction
) -> Generator[Slice | Wait[object], None, list[str]]:
    """The lines of EXPLAIN; with ANALYZE the statement runs, and its effects stay. Raises PgError."""
    options = read_options(statement)
    query = statement.query
    if not isinstance(query, preparing.OPTIMIZABLE):
        raise PgError("0A000", f"unsupported statement: {type(query).__name__.removesuffix('Stmt')}")
    begun = time.perf_counter()
    prepared = preparing.prepare(ast.ParsedStatement(query, ""), txn.catalog, session.env)
    planned = time.perf_counter()
    assert prepared.plan is not None
    lines: list[str] = prepared.plan.explain(options.get("verbose", False), options.get("costs", True))
    if not options.get("analyze"):
        return lines
    session.check_privileges(prepared)
    session.count_statement(prepared, txn)
    ctx = session.new_context(txn, ())
    rows = 0
    until = time.monotonic() + SLICE_S
    for batch in prepared.plan.run(ctx):
        rows += len(batch)
        if ctx.pause or time.monotonic() > until:
            yield from rest(session, ctx)
            until = time.monotonic() + SLICE_S
    if ctx.pause:
        yield from rest(session, ctx)
    session.ctx = None
    txn.end_statement()
    ended = time.perf_counter()
    lines[0] += f" (actual rows={rows} loops=1)"
    lines.append(f"Planning Time: {(planned - begun) * 1000:.3f} ms")
    lines.append(f"Execution Time: {(ended - planned) * 1000:.3f} ms")
    return lines
