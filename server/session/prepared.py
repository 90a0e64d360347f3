"""A statement made ready: parsed, bound, planned, with its parameter decoders and row encoders."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from server.catalog.descriptor import Catalog
from server.errors import PgError
from server.pgwire import codec
from server.sql import ast, types
from server.sql.context import Context
from server.sql.env import Env
from server.sql.exec_node import Node
from server.sql.foreign_keys import tables_behind
from server.sql.tree import Access, OutputColumn
from server.sql.type_io import LEFTOVER
from server.sql.types import Type

Encoder = Callable[[Sequence[Any]], bytes]
Decoder = Callable[[bytes], Any]


class Executable(Protocol):
    """A plan: of a query, or of INSERT, UPDATE, DELETE.

    `run` yields batches of result rows, empty ones as heartbeats; plans that modify count in `ctx.affected`.
    `point`, where there is one, does the whole statement in one call. `locks`: a query that locks rows.
    """

    @property
    def locks(self) -> bool: ...

    @property
    def point(self) -> Callable[[Context], list[tuple[Any, ...]]] | None: ...

    def run(self, ctx: Context) -> Iterator[list[tuple[Any, ...]]]: ...

    @property
    def root(self) -> Node: ...


class Prepared:
    """One statement for one catalog and one `SessionEnv.key`. Shared between sessions; immutable but for caches."""

    __slots__ = (
        "_client",
        "_decoders",
        "_descriptions",
        "_encoders",
        "_names_objects",
        "_reads_moment",
        "accesses",
        "asks",
        "catalog",
        "columns",
        "deciding",
        "is_allowed",
        "is_of_the_moment",
        "is_query",
        "lifted",
        "modifies",
        "observes",
        "param_types",
        "parameter_description",
        "parsed",
        "plan",
        "returns_rows",
        "settles",
        "tables",
        "tag",
        "used",
    )

    def __init__(
        self,
        parsed: ast.ParsedStatement | None,
        catalog: Catalog,
        *,
        plan: Executable | None = None,
        columns: tuple[OutputColumn, ...] = (),
        param_types: tuple[Type, ...] = (),
        lifted: int = 0,
        tag: str = "",
        tables: tuple[tuple[int, str], ...] = (),
        accesses: tuple[Access, ...] = (),
        modifies: bool = False,
        is_of_the_moment: bool = False,
        observes: bool = False,
        settles: bool = False,
        deciding: tuple[int, ...] = (),
    ) -> None:
        self.parsed = parsed
        """None: the empty statement."""
        self.catalog = catalog
        self.plan = plan
        """None: a utility statement."""
        self.columns = columns
        self.param_types = param_types
        """The client's parameters, then the lifted literals."""
        self.lifted = lifted
        self.deciding = deciding
        """Which of the lifted literals, from 0, have their values in the plan (server.sql.deciding)."""
        self.tag = tag
        self.tables = tables
        self.accesses = accesses
        """See `Bound.accesses`."""
        self.is_allowed = False
        """Its user has the privileges, by its catalog."""
        changed = [oid for oid, privilege in tables if privilege in ("UPDATE", "DELETE")]
        behind = tables_behind(catalog, changed) if changed else ()
        self.used = tuple(dict.fromkeys((*(oid for oid, _privilege in tables), *behind)))
        """Oids of `tables`, and of those that refer to what it changes: what a transaction that runs it relies on."""
        self.modifies = modifies
        self.is_of_the_moment = is_of_the_moment
        """See `Bound.is_of_the_moment`: not for the shared cache."""
        self.observes = observes
        """See `Bound.observes`."""
        self.settles = settles
        """See `Bound.settles`."""
        self.asks = observes or settles
        """Something is asked of the node before it begins."""
        self.is_query = tag == "SELECT"
        self.returns_rows = self.is_query or bool(columns)
        """SELECT may return rows without columns."""
        client = param_types[: len(param_types) - lifted]
        self._client = len(client)
        self.parameter_description = codec.parameter_description([each.oid for each in client])
        self._names_objects = any(_is_name(column.type) for column in columns)
        self._reads_moment = any(_is_name(each) or "D" in _categories(each) for each in client)
        """A parameter may name an object, or say 'now'."""
        self._decoders: dict[tuple[int, ...], list[Decoder]] = {}
        self._encoders: dict[tuple[int, ...], Encoder] = {}
        self._descriptions: dict[tuple[int, ...], bytes] = {}

    def stale(self) -> Prepared:
        """The same statement, to be bound again before its next use: settings changed that its plan depends on."""
        return Prepared(
            self.parsed,
            NOWHERE,
            plan=self.plan,
            columns=self.columns,
            param_types=self.param_types,
            lifted=self.lifted,
            tag=self.tag,
            tables=self.tables,
            accesses=self.accesses,
            modifies=self.modifies,
            observes=self.observes,
            settles=self.settles,
            deciding=self.deciding,
        )

    def row_description(self, formats: tuple[int, ...]) -> bytes:
        """RowDescription for these result formats, or NoData."""
        found = self._descriptions.get(formats)
        if found is None:
            if self.returns_rows and not self.columns:
                found = self._descriptions[formats] = codec.row_description(())
            else:
                found = self._descriptions[formats] = describe(self.columns, formats)
        return found

    def encoder(self, formats: tuple[int, ...], env: Env) -> Encoder:
        """A function from a result row to its DataRow; names of objects are looked up in the session's own catalog."""
        if self._names_objects:
            return row_encoder([column.type for column in self.columns], formats, env)
        found = self._encoders.get(formats)
        if found is None:
            found = self._encoders[formats] = row_encoder(
                [column.type for column in self.columns], formats, env
            )
        return found

    @property
    def statement(self) -> ast.Statement | None:
        """Its parse tree; None: the empty statement."""
        return self.parsed.statement if self.parsed is not None else None

    def check_count(self, name: str, formats: Sequence[int], values: Sequence[bytes | None]) -> None:
        """PgError 08P01 for values, or formats of these, that are more or fewer than the parameters."""
        count = len(values)
        message = ""
        if len(formats) > 1 and len(formats) != count:
            message = f"bind message has {len(formats)} parameter formats but {count} parameters"
        elif count != self._client:
            message = f'bind message supplies {count} parameters, but prepared statement "{name}" '
            message += f"requires {self._client}"
        if message:
            raise PgError("08P01", message)

    def decode(
        self, name: str, formats: Sequence[int], values: Sequence[bytes | None], env: Env
    ) -> list[Any]:
        """The client's parameters as Python values; `name`: the statement's, for the error. Raises PgError."""
        client = self._client
        if len(values) != client or len(formats) > 1:
            self.check_count(name, formats, values)
        if not client:
            return []
        key = tuple(formats)
        decoders = self._decoders.get(key)
        if decoders is None:
            decoders = self._make_decoders(key, client, env)
            if not self._reads_moment or 0 not in expand_formats(key, client):
                self._decoders[key] = decoders
        try:
            return [None if raw is None else decoder(raw) for decoder, raw in zip(decoders, values)]
        except PgError as error:
            raise _named(error, values, decoders) from None

    def _make_decoders(self, formats: tuple[int, ...], count: int, env: Env) -> list[Decoder]:
        spread = expand_formats(formats, count)
        return [
            types.binary_decoder(each, -1, env) if binary else types.text_decoder(each, -1, env)
            for each, binary in zip(self.param_types, spread)
        ]


def _named(error: PgError, values: Sequence[bytes | None], decoders: Sequence[Decoder]) -> PgError:
    """The error of a parameter's decoder; of bytes left over it is said which parameter has them."""
    if error.message != LEFTOVER:
        return error
    for number, (raw, decoder) in enumerate(zip(values, decoders), 1):
        try:
            _ = None if raw is None else decoder(raw)
        except PgError:
            return PgError("22P03", f"{LEFTOVER} in bind parameter {number}")
    return error


NOWHERE = Catalog(0, 0, 0, {}, {}, {}, {}, {}, {}, {})
"""No session's catalog."""


def _is_name(kind: Type) -> bool:
    """A type such as regclass, or a record or array that may hold one: its text depends on the catalog."""
    return kind.name.lstrip("_").startswith(("reg", "record", "anyarray"))


def _categories(kind: Type) -> tuple[str, ...]:
    """The type's category, and that of an array's elements."""
    return (kind.category,) if kind.element is None else (kind.category, kind.element.category)


def expand_formats(formats: Sequence[int], count: int) -> tuple[int, ...]:
    """One format per column: none given means text, one means all (PostgreSQL 55.7, Bind)."""
    for code in formats:
        if code not in (0, 1):
            raise PgError("22023", f"unsupported format code: {code}")
    if not formats:
        return (0,) * count
    if len(formats) == 1:
        return (formats[0],) * count
    if len(formats) != count:
        raise PgError(
            "08P01", f"bind message has {len(formats)} result formats but query has {count} columns"
        )
    return tuple(formats)


def describe(columns: Sequence[OutputColumn], formats: Sequence[int]) -> bytes:
    """RowDescription, or NoData without columns."""
    if not columns:
        return codec.NO_DATA
    return codec.row_description(
        codec.Column(
            column.name,
            column.table_oid,
            column.attnum,
            column.type.oid,
            column.type.length,
            column.typmod,
            code,
        )
        for column, code in zip(columns, formats)
    )


_LENGTHS = [struct.pack("!i", size) for size in range(1024)]
_pack_length = struct.Struct("!i").pack
_pack_head = struct.Struct("!cIH").pack


def row_encoder(column_types: Sequence[Type], formats: Sequence[int], env: Env) -> Encoder:
    """Build the function that makes a DataRow, straight-line code for this shape of row."""
    count = len(column_types)
    names: dict[str, Any] = {"HEAD": _pack_head, "SIZES": _LENGTHS, "SIZE": _pack_length}
    lines = ["def encode(row):"]
    if count:
        lines.append(" (" + "".join(f"v{place}," for place in range(count)) + ") = row")
    for place, (each, binary) in enumerate(zip(column_types, formats)):
        make = types.binary_encoder if binary else types.text_encoder
        names[f"e{place}"] = make(each, env)
        lines += [
            f" if v{place} is None: v{place} = NULL",
            " else:",
            f"  b = e{place}(v{place}); n = len(b)",
            f"  v{place} = (SIZES[n] if n < 1024 else SIZE(n)) + b",
        ]
    names["NULL"] = b"\xff\xff\xff\xff"
    body = " + ".join(f"v{place}" for place in range(count)) or "b''"
    lines += [f" b = {body}", f" return HEAD(b'D', len(b) + 6, {count}) + b"]
    exec(compile("\n".join(lines), "<row encoder>", "exec"), names)
    encode: Encoder = names["encode"]
    return encode
