"""COPY FROM STDIN and COPY TO STDOUT (PostgreSQL, COPY; dsql-reference §1.2)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from server.catalog import ddl
from server.catalog.ddl_index import attnum
from server.catalog.descriptor import Table
from server.errors import PgError
from server.pgwire import codec
from server.session import preparing
from server.session.portal import rest
from server.session.transaction import Transaction
from server.session.work import SLICE, Work
from server.sql import ast, types
from server.sql.context import Context
from server.sql.copy_format import (
    CsvReader,
    Options,
    TextReader,
    csv_writer,
    read_options,
    row_reader,
    text_writer,
)
from server.sql.dml import ColumnDefaults, table_writer

if TYPE_CHECKING:
    from server.session.session import SqlSession

SLICE_S = 0.001
SLICE_LINES = 256
_CHECKED_AT_THE_LINE = frozenset({"23502", "23514"})
"""PostgreSQL checks these while it has the line, and uniqueness only when a batch of rows is written."""


def start(session: SqlSession, statement: ast.CopyStmt, txn: Transaction) -> Work:
    """Begin COPY: CopyInResponse, or the whole of COPY TO. Raises PgError."""
    if statement.filename is not None or statement.program:
        direction = "from" if statement.from_ else "to"
        raise PgError(
            "0A000",
            f"COPY {direction} a file or program is not supported",
            hint="Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone.",
        )
    options = read_options(statement.options, statement.from_)
    if statement.from_:
        _start_in(session, statement, txn, options)
    else:
        yield from _copy_out(session, statement, txn, options)


def _columns(table: Table, names: Sequence[str]) -> list[int]:
    """0-based positions of the columns named, or of all live ones. Raises PgError 42703, 42701."""
    if not names:
        return [place for place, column in enumerate(table.columns) if not column.dropped]
    places: list[int] = []
    for name in names:
        try:
            place = attnum(table, name) - 1
        except PgError as error:
            raise PgError("42703", f'column "{name}" of relation "{table.name}" does not exist') from error
        if place in places:
            raise PgError("42701", f'column "{name}" specified more than once')
        places.append(place)
    return places


# --- FROM STDIN ---


class CopyIn:
    """The state of one COPY FROM STDIN."""

    def __init__(
        self, session: SqlSession, table: Table, places: Sequence[int], options: Options, ctx: Context
    ) -> None:
        self.table = table
        self.options = options
        self.ctx = ctx
        self.rows = 0
        self.line = 0
        self.simple_rest: list[ast.ParsedStatement] | None = None
        """Statements of the same simple query that follow; None in the extended protocol."""
        self._names = [table.columns[place].name for place in places]
        self._reader = CsvReader(options) if options.csv else TextReader(options)
        self._header = options.header
        self._places = list(places)
        catalog = session.env.catalog
        self._defaults = ColumnDefaults(table, catalog, session.env, places)
        self._writer = table_writer(table, catalog, session.env)
        self._inputs: list[tuple[Callable[..., Any], int]] = [
            (types.BY_OID[table.columns[place].type_oid].input, table.columns[place].typmod)
            for place in places
        ]
        self._width = len(table.columns)
        self._not_null = [name in options.force_not_null for name in self._names]
        self._null = [name in options.force_null for name in self._names]
        self._forced = any(self._not_null) or any(self._null)
        columns = [
            (place, types.BY_OID[table.columns[place].type_oid], table.columns[place].typmod)
            for place in places
        ]
        self._read_plain = row_reader(options, self._width, columns) if places else None

    def feed(self, data: bytes, last: bool = False) -> Work:
        """Insert the rows that are whole now. Raises PgError."""
        self.ctx.tick()
        lines = self._reader.feed(data, last)
        if self._header and lines:
            self._header = False
            self._check_header(lines.pop(0))
            self.line += 1
        until = time.monotonic() + SLICE_S
        for start in range(0, len(lines), SLICE_LINES):
            part = lines[start : start + SLICE_LINES]
            rows = self._rows(part)
            if not self._writer.insert_many(self.ctx, rows):
                self._insert_each(rows, part)
            self.rows += len(rows)
            if time.monotonic() > until:
                self.ctx.tick()
                yield SLICE
                until = time.monotonic() + SLICE_S

    def _insert_each(self, rows: list[list[Any]], lines: list[str]) -> None:
        first = self.line - len(lines) + 1
        for at, row in enumerate(rows):
            try:
                self._writer.insert(self.ctx, row)
            except PgError as error:
                where = f"COPY {self.table.name}, line {first + at}"
                if error.sqlstate in _CHECKED_AT_THE_LINE:
                    where += f': "{lines[at][:100]}"'
                error.fields.setdefault("W", where)
                raise

    def _check_header(self, line: str) -> None:
        if not self.options.match:
            return
        names = self._reader.fields(line)
        if names != self._names:
            raise self._header_error(names, line)

    def _header_error(self, names: Sequence[str | None], line: str) -> PgError:
        """The first field that differs (NextCopyFromRawFields)."""
        expected = self._names
        if len(names) != len(expected):
            message = f"wrong number of fields in header line: got {len(names)}, expected {len(expected)}"
        else:
            at = next(at for at, name in enumerate(names) if name != expected[at])
            got = f'"{names[at]}"' if names[at] is not None else f'null value ("{self.options.null}")'
            message = (
                f'column name mismatch in header line field {at + 1}: got {got}, expected "{expected[at]}"'
            )
        where = f'COPY {self.table.name}, line 1: "{line[:100]}"'
        return PgError("22P04", message, fields={"W": where})

    def _rows(self, lines: list[str]) -> list[list[Any]]:
        if self._reader.plain and not self._forced and self._read_plain is not None:
            try:
                rows = self._read_plain(lines, self.ctx.env)
            except (ValueError, PgError):
                pass  # line by line below, which tells the line and the column
            else:
                if not self._defaults.is_empty:
                    for row in rows:
                        self._defaults.fill(row, self.ctx)
                self.line += len(lines)
                return rows
        rows = []
        for line in lines:
            self.line += 1
            rows.append(self._row(line))
        return rows

    def _row(self, line: str) -> list[Any]:
        fields = self._reader.fields(line)
        if len(fields) != len(self._places):
            if len(fields) > len(self._places):
                raise self._error("22P04", "extra data after last expected column", line)
            name = self._names[len(fields)]
            raise self._error("22P04", f'missing data for column "{name}"', line)
        if self._forced:
            self._force(fields)
        row: list[Any] = [None] * self._width
        env = self.ctx.env
        for place, field, (read, typmod) in zip(self._places, fields, self._inputs):
            if field is not None:
                try:
                    row[place] = read(field, typmod, env)
                except PgError as error:
                    error.fields.setdefault("W", self._where(place, field))
                    raise
        self._defaults.fill(row, self.ctx)
        return row

    def _force(self, fields: list[str | None]) -> None:
        null = self.options.null
        for place, (not_null, force_null) in enumerate(zip(self._not_null, self._null)):
            if not_null and fields[place] is None:
                fields[place] = null
            elif force_null and fields[place] == null:
                fields[place] = None

    def _where(self, place: int, field: str) -> str:
        column = self.table.columns[place].name
        return f'COPY {self.table.name}, line {self.line}, column {column}: "{field[:100]}"'

    def _error(self, sqlstate: str, message: str, line: str) -> PgError:
        where = f'COPY {self.table.name}, line {self.line}: "{line[:100]}"'
        return PgError(sqlstate, message, fields={"W": where})


def _start_in(session: SqlSession, statement: ast.CopyStmt, txn: Transaction, options: Options) -> None:
    if statement.relation is None:
        raise PgError("42601", "COPY query FROM is not supported")
    if statement.where is not None:
        raise PgError("0A000", "COPY FROM with WHERE not supported")
    session.meet(txn.catalog, ast.ParsedStatement(ast.SelectStmt(from_=(statement.relation,)), ""))
    table = ddl.find_table(txn.catalog, session.env, statement.relation)
    session.node.check_privileges(txn.catalog, session.user, ((table.oid, "INSERT"),))
    session.count_writing([table.oid], "COPY FROM", txn)
    places = _columns(table, statement.columns)
    ctx = session.new_context(txn, ())
    session.copy = CopyIn(session, table, places, options, ctx)
    session.copying = True
    session.out.append(codec.copy_in_response(False, len(places)))


# --- TO STDOUT ---


def _copy_out(session: SqlSession, statement: ast.CopyStmt, txn: Transaction, options: Options) -> Work:
    if statement.relation is not None:
        session.meet(txn.catalog, ast.ParsedStatement(ast.SelectStmt(from_=(statement.relation,)), ""))
    parsed = _query_of(session, statement, txn)
    session.meet(txn.catalog, parsed)
    prepared = preparing.prepare(parsed, txn.catalog, session.env)
    if not prepared.columns:
        raise PgError("0A000", "COPY query must have a RETURNING clause")
    assert prepared.plan is not None
    session.check_privileges(prepared)
    session.count_statement(prepared, txn)
    ctx = session.new_context(txn, ())
    names = [column.name for column in prepared.columns]
    for name in options.force_quote or ():
        if name not in names:
            of = f' of relation "{statement.relation.names[-1]}"' if statement.relation is not None else ""
            raise PgError("42703", f'column "{name}"{of} does not exist')
    write = csv_writer(options, names) if options.csv else text_writer(options)
    outputs = [column.type.output for column in prepared.columns]
    session.out.append(codec.copy_out_response(False, len(names)))
    if options.header:
        head = csv_writer(options, names, header=True) if options.csv else write
        session.out.append(codec.copy_data(head(names).encode()))
    env = session.env
    sent = 0
    until = time.monotonic() + SLICE_S
    for batch in prepared.plan.run(ctx):
        for row in batch:
            fields = [None if value is None else output(value, env) for value, output in zip(row, outputs)]
            session.out.append(codec.copy_data(write(fields).encode()))
        sent += len(batch)
        if ctx.pause or time.monotonic() > until:
            yield from rest(session, ctx)
            until = time.monotonic() + SLICE_S
        ctx.tick()
    if ctx.pause:
        yield from rest(session, ctx)
    session.ctx = None
    session.out.append(codec.COPY_DONE)
    txn.end_statement()
    session.complete(f"COPY {sent}")


def _query_of(session: SqlSession, statement: ast.CopyStmt, txn: Transaction) -> ast.ParsedStatement:
    if statement.query is not None:
        return ast.ParsedStatement(statement.query, "")
    assert statement.relation is not None
    table = ddl.find_table(txn.catalog, session.env, statement.relation)
    places = _columns(table, statement.columns)
    targets = tuple(ast.ResTarget(ast.ColumnRef((table.columns[place].name,))) for place in places)
    return ast.ParsedStatement(ast.SelectStmt(targets=targets, from_=(statement.relation,)), "")
