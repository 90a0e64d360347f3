"""COPY FROM STDIN: data in pieces to rows of a table (PostgreSQL, COPY; dsql-reference §1.2)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from server.catalog import ddl
from server.catalog.ddl_index import attnum
from server.catalog.descriptor import Table
from server.errors import PgError
from server.pgwire import codec
from server.session import foreign, injecting
from server.session.transaction import Transaction
from server.session.work import SLICE, Work
from server.sql import ast, types
from server.sql.bind_scalar import bind_scalar, spread_rows
from server.sql.context import Context
from server.sql.copy_binary import BinaryReader, RawFields
from server.sql.copy_format import CsvReader, Options, TextReader, row_reader
from server.sql.dml import ColumnDefaults, table_writer
from server.sql.plan import compile_expressions
from server.sql.plan_walk import variables
from server.sql.tree import Access

if TYPE_CHECKING:
    from server.session.session import SqlSession

SLICE_S = 0.001
SLICE_LINES = 256
_CHECKED_AT_THE_LINE = frozenset({"23502", "23514"})
"""PostgreSQL checks these while it has the line, and uniqueness only when a batch of rows is written."""

Condition = Callable[[Sequence[Any], Context], Sequence[Any]]
"""COPY FROM ... WHERE: its value for a row, alone in a sequence."""
Placed = tuple[list[Any], int, Any]
"""A row, the line where it ends, and the record that it was."""


class Into(NamedTuple):
    """Where the data goes: columns of a table, by their 0-based places."""

    session: SqlSession
    table: Table
    places: list[int]
    options: Options
    ctx: Context
    condition: Condition | None


class CopyIn:
    """The state of one COPY FROM STDIN; what the data looks like is for `_TextIn` and `_BinaryIn`."""

    def __init__(self, into: Into) -> None:
        session, table, places, self.options, ctx, self._condition = into
        self.table = table
        self.ctx = ctx
        self.rows = 0
        self.line = 0
        """Lines, or rows of the binary format, that were read before those at hand."""
        self.simple_rest: list[ast.ParsedStatement] | None = None
        """Statements of the same simple query that follow; None in the extended protocol."""
        self.places = places
        self.names = [table.columns[place].name for place in places]
        catalog = session.env.catalog
        self._defaults = ColumnDefaults(table, catalog, session.env, places)
        self._writer = table_writer(table, catalog, session.env)
        self.columns = [
            (place, types.BY_OID[table.columns[place].type_oid], table.columns[place].typmod)
            for place in places
        ]
        self.width = len(table.columns)
        self.failure: PgError | None = None
        """What comes after the records that `split` gave last."""

    def feed(self, data: bytes, last: bool = False) -> Work:
        """Insert the rows that are whole now. Raises PgError."""
        self.ctx.tick()
        records = self.split(data, last)
        until = time.monotonic() + SLICE_S
        for start in range(0, len(records), SLICE_LINES):
            part = records[start : start + SLICE_LINES]
            self._take(part)
            if time.monotonic() > until:
                self.ctx.tick()
                yield SLICE
                until = time.monotonic() + SLICE_S
        if self.failure is not None:
            raise self.failure
        if last and self.ctx.txn.checks is not None:
            yield from foreign.in_turns(self.ctx, self.ctx.txn.checks.settle(self.ctx))

    def split(self, data: bytes, last: bool) -> list[Any]:
        """The records that are whole now; sets `failure` to what is wrong after them."""
        raise NotImplementedError

    def read(self, record: Any, line: int) -> list[Any]:
        """A row of the table, without the columns that are not given. Raises PgError."""
        raise NotImplementedError

    def read_many(self, records: list[Any]) -> list[list[Any]] | None:
        """All of them at once; None: one by one, since one of them is special or wrong."""
        return None

    def lines(self, record: Any) -> int:
        """How many lines it is."""
        return 1

    def shown(self, record: Any) -> str:
        """The record in an error's context, after its line."""
        return ""

    def _take(self, records: list[Any]) -> None:
        """Insert what the condition lets through; the first row that is wrong in PostgreSQL's order fails."""
        rows, numbers, failure = self._rows(records)
        kept = list(zip(rows, numbers, records))
        if self._condition is not None:
            kept, failure = self._chosen(kept, failure)
        if failure is not None:
            for row, line, record in kept:
                self._located(self._writer.validate, row, line, record)
            raise failure
        if not self._writer.insert_many(self.ctx, [row for row, _line, _record in kept]):
            for row, line, record in kept:
                self._located(self._writer.insert, row, line, record)
        self.rows += len(kept)

    def _rows(self, records: list[Any]) -> tuple[list[list[Any]], Sequence[int], PgError | None]:
        """The rows, with the lines where they end, before the first one that can't be read, and its error."""
        rows = self.read_many(records)
        if rows is not None:
            first = self.line + 1
            self.line += len(rows)
            if not self._defaults.is_empty:
                for row in rows:
                    self._defaults.fill(row, self.ctx)
            return rows, range(first, first + len(rows)), None
        rows = []
        numbers: list[int] = []
        for record in records:
            self.line += self.lines(record)
            try:
                row = self.read(record, self.line)
                self._defaults.fill(row, self.ctx)
            except PgError as failure:
                return rows, numbers, failure
            rows.append(row)
            numbers.append(self.line)
        return rows, numbers, None

    def _chosen(self, rows: list[Placed], failure: PgError | None) -> tuple[list[Placed], PgError | None]:
        """The rows for which the condition is TRUE, before the first one for which it fails, and that error."""
        assert self._condition is not None
        kept = []
        for row, line, record in rows:
            try:
                if self._condition(row, self.ctx)[0]:
                    kept.append((row, line, record))
            except PgError as error:
                error.fields.setdefault("W", self.where(line, record))
                return kept, error
        return kept, failure

    def _located(
        self, act: Callable[[Context, list[Any]], Any], row: list[Any], line: int, record: Any
    ) -> None:
        try:
            act(self.ctx, row)
        except PgError as error:
            shown = record if error.sqlstate in _CHECKED_AT_THE_LINE else None
            error.fields.setdefault("W", self.where(line, shown))
            raise

    def where(self, line: int, record: Any = None) -> str:
        """An error's context (CopyFromErrorCallback)."""
        return f"COPY {self.table.name}, line {line}" + (self.shown(record) if record is not None else "")

    def error(self, sqlstate: str, message: str, line: int, record: Any) -> PgError:
        """An error of one record."""
        return PgError(sqlstate, message, fields={"W": self.where(line, record)})


class _TextIn(CopyIn):
    """The text and CSV formats."""

    def __init__(self, into: Into) -> None:
        super().__init__(into)
        options = into.options
        self._reader = CsvReader(options) if options.csv else TextReader(options)
        self._has_header = options.header
        self._inputs = [(kind.input, typmod) for _place, kind, typmod in self.columns]
        self._not_null = [name in options.force_not_null for name in self.names]
        self._null = [name in options.force_null for name in self.names]
        self._forced = any(self._not_null) or any(self._null)
        self._read_plain = row_reader(options, self.width, self.columns) if self.places else None

    def split(self, data: bytes, last: bool) -> list[str]:
        lines = self._reader.feed(data, last)
        if self._has_header and lines:
            self._has_header = False
            self._check_header(lines[0])
            self.line += self.lines(lines.pop(0))
        return lines

    def lines(self, record: str) -> int:
        """PostgreSQL counts ends of lines inside quotes too, those with \\r until it has seen which they are."""
        reader = self._reader
        if not isinstance(reader, CsvReader):
            return 1
        return 1 + record.count(reader.eol if self.line else "\r")

    def shown(self, record: str) -> str:
        return f': "{record[:100]}"'

    def _check_header(self, line: str) -> None:
        if not self.options.match:
            return
        names = self._reader.fields(line)
        if names != self.names:
            raise self._header_error(names, line)

    def _header_error(self, names: Sequence[str | None], line: str) -> PgError:
        """The first field that differs (NextCopyFromRawFields)."""
        expected = self.names
        if len(names) != len(expected):
            message = f"wrong number of fields in header line: got {len(names)}, expected {len(expected)}"
        else:
            at = next(at for at, name in enumerate(names) if name != expected[at])
            got = f'"{names[at]}"' if names[at] is not None else f'null value ("{self.options.null}")'
            message = (
                f'column name mismatch in header line field {at + 1}: got {got}, expected "{expected[at]}"'
            )
        return self.error("22P04", message, 1, line)

    def read_many(self, records: list[str]) -> list[list[Any]] | None:
        if not self._reader.plain or self._forced or self._read_plain is None:
            return None
        try:
            return self._read_plain(records, self.ctx.env)
        except (ValueError, PgError):
            return None

    def read(self, record: str, line: int) -> list[Any]:
        fields = self._reader.fields(record)
        if len(fields) != len(self.places):
            if len(fields) > len(self.places):
                raise self.error("22P04", "extra data after last expected column", line, record)
            name = self.names[len(fields)]
            raise self.error("22P04", f'missing data for column "{name}"', line, record)
        if self._forced:
            self._force(fields)
        row: list[Any] = [None] * self.width
        env = self.ctx.env
        for place, field, (read, typmod) in zip(self.places, fields, self._inputs):
            if field is not None:
                try:
                    row[place] = read(field, typmod, env)
                except PgError as error:
                    column = self.table.columns[place].name
                    error.fields.setdefault("W", f'{self.where(line)}, column {column}: "{field[:100]}"')
                    raise
        return row

    def _force(self, fields: list[str | None]) -> None:
        null = self.options.null
        for place, (not_null, force_null) in enumerate(zip(self._not_null, self._null)):
            if not_null and fields[place] is None:
                fields[place] = null
            elif force_null and fields[place] == null:
                fields[place] = None


class _BinaryIn(CopyIn):
    """The binary format."""

    def __init__(self, into: Into) -> None:
        super().__init__(into)
        self._reader = BinaryReader(len(self.places))
        env = self.ctx.env
        self._decoders = [types.binary_decoder(kind, typmod, env) for _place, kind, typmod in self.columns]
        self._ahead = 0
        """Rows that `split` has given."""

    def split(self, data: bytes, last: bool) -> list[RawFields]:
        rows = self._reader.feed(data, last)
        self._ahead += len(rows)
        failure = self._reader.failure
        if failure is not None:
            self.failure = self._failed(failure, self._reader.partial)
        return rows

    def _failed(self, failure: PgError, partial: RawFields | None) -> PgError:
        """The error that comes after the rows; a field before it may be wrong itself."""
        if not self._reader.has_begun:
            return failure
        where = self.where(self._ahead + 1)
        if partial is not None:
            try:
                self._decoded(partial, where)
            except PgError as error:
                return error
            where += f", column {self.names[len(partial)]}"
        failure.fields.setdefault("W", where)
        return failure

    def read(self, record: RawFields, line: int) -> list[Any]:
        row: list[Any] = [None] * self.width
        for place, value in zip(self.places, self._decoded(record, self.where(line))):
            row[place] = value
        return row

    def _decoded(self, fields: RawFields, where: str) -> list[Any]:
        values = []
        for field, decode, name in zip(fields, self._decoders, self.names):
            try:
                values.append(None if field is None else decode(field))
            except PgError as error:
                error.fields.setdefault("W", f"{where}, column {name}")
                raise
        return values


def start(session: SqlSession, statement: ast.CopyStmt, txn: Transaction, options: Options) -> Work:
    """CopyInResponse; the data comes to `session.copy`. Raises PgError."""
    if statement.relation is None:
        raise PgError("42601", "COPY query FROM is not supported")
    session.meet(txn.catalog, ast.ParsedStatement(ast.SelectStmt(from_=(statement.relation,)), ""))
    table = ddl.find_table(txn.catalog, session.env, statement.relation)
    if session.node.desk.armed:
        yield from injecting.at_statement(session, [table.oid], writes=True)
    condition = _bound_where(session, statement, txn, table)
    places = columns_of(table, statement.columns)
    into_columns = Access(table.oid, "a", inserted=frozenset(place + 1 for place in places))
    session.node.check_privileges(txn.catalog, session.user, (into_columns,))
    session.count_writing([table.oid], "COPY FROM", txn)
    ctx = session.new_context(txn, (), (into_columns,))
    into = Into(session, table, places, options, ctx, condition)
    session.copy = _BinaryIn(into) if options.binary else _TextIn(into)
    session.copying = True
    session.out.append(codec.copy_in_response(options.binary, len(places)))


def _bound_where(
    session: SqlSession, statement: ast.CopyStmt, txn: Transaction, table: Table
) -> Condition | None:
    """The condition as a function; who reads a column in it needs SELECT. Raises PgError."""
    if statement.where is None:
        return None
    bound = bind_scalar(statement.where, table, session.env, txn.catalog, None, "copy where")
    read = frozenset(var.column + 1 for var in variables(bound))
    if read:
        session.node.check_privileges(txn.catalog, session.user, (Access(table.oid, "r", read),))
    layout = {(0, place): place for place in range(len(table.columns))}
    return compile_expressions([spread_rows(bound, table, 0)], layout, txn.catalog)


def columns_of(table: Table, names: Sequence[str]) -> list[int]:
    """0-based positions of the columns named, or of all live ones that are not generated.

    Raises PgError 42703, 42701, 42P10.
    """
    if not names:
        columns = enumerate(table.columns)
        return [place for place, column in columns if not (column.dropped or column.generated)]
    places: list[int] = []
    for name in names:
        try:
            place = attnum(table, name) - 1
        except PgError as error:
            raise PgError("42703", f'column "{name}" of relation "{table.name}" does not exist') from error
        if table.columns[place].generated:
            detail = "Generated columns cannot be used in COPY."
            raise PgError("42P10", f'column "{name}" is a generated column', detail=detail)
        if place in places:
            raise PgError("42701", f'column "{name}" specified more than once')
        places.append(place)
    return places
