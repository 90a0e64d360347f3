"""json and jsonb to rows: json_to_record, json_populate_record and the like (PostgreSQL: jsonfuncs.c; chapter 9.16).

A function whose row is described by a column definition list, or by its first argument, is bound as `for_row`
makes it: with the fields.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from server.errors import PgError
from server.sql.env import Env
from server.sql.fn_json import Piece, pieces
from server.sql.functions import Function, define
from server.sql.row_type import RowType
from server.sql.type_array import Array
from server.sql.type_json import Jsonb, quote, render
from server.sql.type_record import Record
from server.sql.types import RECORD, Type

Field = tuple[str, Type, int]
"""A column of the row: name, type, typmod."""

MAX_DIMENSIONS = 6
_SHAPED: dict[str, Callable[..., Any]] = {}
"""Name of a function -> (env, argument types, fields of the definition list or None, arguments ...) -> result."""


def for_row(function: Function, fields: Sequence[Field]) -> Function:
    """The function in FROM with a column definition list; itself when it takes none."""
    impl = _SHAPED.get(function.name)
    if impl is None:
        return function
    columns = tuple((name, kind) for name, kind, _typmod in fields)
    return replace(function, impl=partial(_with_fields, impl, tuple(fields)), out_columns=columns)


def _with_fields(impl: Callable[..., Any], fields: Sequence[Field], env: Env, types: Any, *args: Any) -> Any:
    return impl(env, types, fields, *args)


def _pieces(value: str | Jsonb) -> Piece:
    return pieces(value if isinstance(value, str) else render(value.value))


# --- one value (populate_record_field) ---------------------------------------------------------------------


def _value(env: Env, kind: Type, typmod: int, name: str | None, piece: Piece | None, before: Any) -> Any:
    """A JSON value, or none at all, as a value of `kind`; a row keeps what `before` has."""
    if piece is None or piece.kind == "null":
        return None
    if piece.kind != "string":
        if kind.category == "A" and kind.element is not None:
            return _Arrays(env, kind.element, typmod, name).read(piece)
        if isinstance(kind, RowType):
            return kind.made(_filled(env, kind.fields, before, _members(piece)))
    return kind.input(_scalar_text(kind, piece), typmod, env)


def _scalar_text(kind: Type, piece: Piece) -> str:
    """What the type's input reads: a string's contents, else the JSON text (populate_scalar)."""
    if piece.kind != "string":
        return piece.text
    text: str = piece.value
    return quote(text) if kind.name in ("json", "jsonb") else text


def _members(piece: Piece) -> dict[str, Piece]:
    """The members of an object, the last of equal keys; raises 22023."""
    if piece.kind != "object":
        noun = "an array" if piece.kind == "array" else "a scalar"
        raise PgError("22023", f"cannot call populate_composite on {noun}")
    return dict(piece.items)


def _filled(
    env: Env, fields: Sequence[Field], before: Sequence[Any] | None, members: dict[str, Piece]
) -> list[Any]:
    """The row's values: what the object has for them, else what `before` has (populate_record)."""
    values: list[Any] = []
    for place, (name, kind, typmod) in enumerate(fields):
        old = before[place] if before is not None else None
        if before is not None and name not in members:
            values.append(old)
        else:
            values.append(_value(env, kind, typmod, name, members.get(name), old))
    return values


class _Arrays:
    """A JSON array to an array: the first element that is no array says how many dimensions there are."""

    def __init__(self, env: Env, element: Type, typmod: int, name: str | None) -> None:
        self.env, self.element, self.typmod, self.name = env, element, typmod, name
        self.count = 0
        """Dimensions; 0: not known yet."""
        self.dims: list[int] = []
        self.sizes: list[int] = []
        """Elements read so far of the arrays that are open, by dimension."""
        self.elements: list[Any] = []

    def read(self, piece: Piece) -> Array:
        """Raises 22P02, 54000, and what the elements' type raises."""
        if piece.kind != "array":
            raise self._expected(0)
        self._dimension(piece, 1)
        if self.count > MAX_DIMENSIONS:
            message = (
                f"number of array dimensions ({self.count}) exceeds the maximum allowed ({MAX_DIMENSIONS})"
            )
            raise PgError("54000", message)
        if not self.elements:
            return Array([])
        return Array(self.elements, tuple(self.dims), (1,) * self.count)

    def _dimension(self, piece: Piece, level: int) -> None:
        """One array at nesting `level`, from 1."""
        while len(self.sizes) < level:
            self.sizes.append(0)
        items: list[Piece] = piece.items
        if not items and not self.count:
            self._settle(level)
        for item in items:
            if not self.count and item.kind != "array":
                self._settle(level)
            if self.count and level >= self.count:
                self.elements.append(_value(self.env, self.element, self.typmod, None, item, None))
                self.sizes[level - 1] += 1
            elif item.kind != "array":
                raise self._expected(level)
            else:
                self._dimension(item, level + 1)
        self._close(level)

    def _settle(self, count: int) -> None:
        self.count = count
        self.dims = [-1] * count

    def _close(self, level: int) -> None:
        """The array ends: it is as long as the others of its dimension (populate_array_check_dimension)."""
        if level > self.count:
            return
        size = self.sizes[level - 1]
        if self.dims[level - 1] == -1:
            self.dims[level - 1] = size
        elif self.dims[level - 1] != size:
            raise PgError(
                "22P02",
                "malformed JSON array",
                detail="Multidimensional arrays must have sub-arrays with matching dimensions.",
            )
        self.sizes[level - 1] = 0
        if level > 1:
            self.sizes[level - 2] += 1

    def _expected(self, level: int) -> PgError:
        """Something else stands where an array of dimension `level` + 1 should."""
        where = "".join(f"[{size}]" for size in self.sizes[:level])
        if not level:
            hint = f'See the value of key "{self.name}".' if self.name is not None else None
        elif self.name is not None:
            hint = f'See the array element {where} of key "{self.name}".'
        else:
            hint = f"See the array element {where}."
        return PgError("22P02", "expected JSON array", hint=hint)


# --- the row that is meant -----------------------------------------------------------------------------------


class _Shape:
    """Fields of a row and how its value is made."""

    def __init__(self, name: str, types: Sequence[Type], fields: Sequence[Field] | None, base: Any) -> None:
        self.made: Callable[[list[Any]], tuple[Any, ...]] = tuple
        kind = types[0] if name in _POPULATE else RECORD
        if isinstance(kind, RowType):
            self.fields: Sequence[Field] = kind.fields
            self.made = kind.made
        elif kind is not RECORD:
            raise PgError("42804", f"first argument of {name} must be a row type")
        elif isinstance(base, Record):
            own = type(base)
            self.fields = [(each, of, -1) for each, of in zip(own.names, own.fields)]
            self.made = own
            if fields is not None:
                _require_same(self.fields, fields)
        elif fields is not None:
            self.fields = fields
        else:
            raise PgError(
                "0A000",
                f"could not determine row type for result of {name}",
                hint="Provide a non-null record argument, "
                "or call the function in the FROM clause using a column definition list.",
            )


def _require_same(own: Sequence[Field], asked: Sequence[Field]) -> None:
    """42804 when FROM's column definition list says something else than the row itself."""
    message = "function return row and query-specified return row do not match"
    if len(own) != len(asked):
        plural = "" if len(own) == 1 else "s"
        detail = f"Returned row contains {len(own)} attribute{plural}, but query expects {len(asked)}."
        raise PgError("42804", message, detail=detail)
    for place, ((_name, kind, _), (_asked_name, wanted, _typmod)) in enumerate(zip(own, asked), 1):
        if kind is not wanted:
            detail = f"Returned type {kind.display} at ordinal position {place}, but query expects {wanted.display}."
            raise PgError("42804", message, detail=detail)


def _one(name: str, env: Env, types: Any, fields: Sequence[Field] | None, *args: Any) -> Any:
    """json_to_record, json_populate_record."""
    base, value = (args[0], args[1]) if name in _POPULATE else (None, args[0])
    shape = _Shape(name, types, fields, base)
    if value is None:
        return base
    members = _members(_pieces(value))
    if base is not None and not members:
        return base
    return shape.made(_filled(env, shape.fields, base, members))


def _many(name: str, env: Env, types: Any, fields: Sequence[Field] | None, *args: Any) -> Iterator[Any]:
    """json_to_recordset, json_populate_recordset."""
    base, value = (args[0], args[1]) if name in _POPULATE else (None, args[0])
    shape = _Shape(name, types, fields, base)
    if value is None:
        return
    whole = _pieces(value)
    if whole.kind != "array":
        noun = (
            "a non-array"
            if isinstance(value, Jsonb)
            else "an object"
            if whole.kind == "object"
            else "a scalar"
        )
        raise PgError("22023", f"cannot call {name} on {noun}")
    for piece in whole.items:
        if piece.kind != "object":
            raise PgError("22023", f"argument of {name} must be an array of objects")
        members = _members(piece)
        if base is not None and not members:
            yield base
        else:
            yield shape.made(_filled(env, shape.fields, base, members))


def _define(signature: str, impl: Callable[..., Any], defaults: Sequence[object] = ()) -> None:
    name = signature.split()[1].partition("(")[0]
    shaped = partial(impl, name)
    _SHAPED[name] = shaped
    unshaped = partial(_with_fields, shaped, None)  # type: ignore[arg-type]
    define(signature, unshaped, env=True, types=True, defaults=defaults)


_POPULATE = frozenset(
    {
        "json_populate_record",
        "jsonb_populate_record",
        "json_populate_recordset",
        "jsonb_populate_recordset",
    }
)
"""Those whose first argument is a row: its type, and the values that the JSON does not have."""

_BASE = "base:anyelement,from_json:json,use_json_as_text:bool"

_define("3204 json_to_record(json) record s", _one)
_define("3490 jsonb_to_record(jsonb) record s", _one)
_define("3205 json_to_recordset(json) record s set called", _many)
_define("3491 jsonb_to_recordset(jsonb) record s set called", _many)
_define(f"3960 json_populate_record({_BASE}) anyelement s called", _one, (False,))
_define("3209 jsonb_populate_record(anyelement,jsonb) anyelement s called", _one)
_define(f"3961 json_populate_recordset({_BASE}) anyelement s set called", _many, (False,))
_define("3475 jsonb_populate_recordset(anyelement,jsonb) anyelement s set called", _many)
