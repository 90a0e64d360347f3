"""Ranges and multiranges: values in canonical form, their text and their binary form (PostgreSQL, chapter 8.17)."""

import struct
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from server.errors import PgError
from server.sql.datetime_calendar import DATE_INFINITY, DATE_MINUS_INFINITY, END_DATE
from server.sql.env import Env
from server.sql.sizes import ranges_fit, scannable
from server.sql.type_io import SPACES, UNENDED, Io, quoted_item

if TYPE_CHECKING:
    from server.sql.types import Type

_LENGTH = struct.Struct("!I")
_EMPTY, _LOWER_INC, _UPPER_INC, _LOWER_INF, _UPPER_INF = 1, 2, 4, 8, 16
"""Flags of the binary form."""
_WORD = "empty"
_SPECIAL = frozenset('()[],"\\' + SPACES)

Place: TypeAlias = tuple[Any, ...]
"""Where a bound lies: (-1,) and (1,) the infinite ones, else (0, the value's sort key, -1, 0 or 1).

1 is just above the value, where an exclusive lower bound lies; -1 just below it, as an exclusive upper one does. In
Python's order of such tuples all questions about ranges are comparisons.
"""
BELOW_ALL: Place = (-1,)
ABOVE_ALL: Place = (1,)


class Range:
    """A range of `kind`; a bound that is None is infinite.

    `order` is what range_cmp compares: (0,) of the empty range, else (1, place of the lower, of the upper bound).
    """

    __slots__ = ("kind", "lower", "order", "upper")

    def __init__(self, kind: "RangeKind", lower: Any, upper: Any, order: tuple[Any, ...]) -> None:
        self.kind = kind
        self.lower = lower
        self.upper = upper
        self.order = order

    @property
    def is_empty(self) -> bool:
        return len(self.order) == 1

    @property
    def low(self) -> Place:
        """Of a range that is not empty."""
        place: Place = self.order[1]
        return place

    @property
    def high(self) -> Place:
        """Of a range that is not empty."""
        place: Place = self.order[2]
        return place

    @property
    def lower_inc(self) -> bool:
        return not self.is_empty and self.lower is not None and self.low[2] == 0

    @property
    def upper_inc(self) -> bool:
        return not self.is_empty and self.upper is not None and self.high[2] == 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Range) and self.order == other.order

    def __hash__(self) -> int:
        return hash(self.order)

    def __lt__(self, other: "Range") -> bool:
        return self.order < other.order

    def __repr__(self) -> str:
        return f"Range({self.kind.name}, {self.lower!r}, {self.upper!r}, {self.order!r})"


class Multirange:
    """Ranges of `kind` in order, none of them empty, with a gap between any two."""

    __slots__ = ("kind", "ranges")

    def __init__(self, kind: "RangeKind", ranges: tuple[Range, ...]) -> None:
        self.kind = kind
        self.ranges = ranges

    @property
    def is_empty(self) -> bool:
        return not self.ranges

    @property
    def low(self) -> Place:
        """Of a multirange that is not empty."""
        return self.ranges[0].low

    @property
    def high(self) -> Place:
        """Of a multirange that is not empty."""
        return self.ranges[-1].high

    @property
    def order(self) -> tuple[Any, ...]:
        """What multirange_cmp compares."""
        return tuple(map(in_order, self.ranges))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Multirange) and self.ranges == other.ranges

    def __hash__(self) -> int:
        return hash(self.ranges)

    def __lt__(self, other: "Multirange") -> bool:
        return self.order < other.order

    def __repr__(self) -> str:
        return f"Multirange({self.kind.name}, {self.ranges!r})"


in_order = attrgetter("order")


class RangeKind:
    """What a range type makes of bounds.

    `after` gives the next value of a discrete subtype, None where there is none; without it the type is continuous.
    """

    def __init__(self, name: str, subtype: "Type", after: Callable[[Any], Any] | None) -> None:
        self.name = name
        self.subtype = subtype
        self.key: Callable[[Any], Any] = subtype.sort_key or _same
        self.after = after
        self.empty = Range(self, None, None, (0,))
        self.nothing = Multirange(self, ())

    def place(self, element: Any) -> Place:
        """Where a value lies."""
        return 0, self.key(element), 0

    def range(self, lower: Any, upper: Any, lower_inc: bool, upper_inc: bool) -> Range:
        """The canonical range with these bounds (range_serialize); PgError 22000, 22003, 22008."""
        if lower is None or upper is None:
            lower_inc, upper_inc = lower_inc and lower is not None, upper_inc and upper is not None
        elif self._is_empty(lower, upper, lower_inc and upper_inc):
            return self.empty
        if self.after is not None:
            if lower is not None and not lower_inc and (following := self.after(lower)) is not None:
                lower, lower_inc = following, True
            if upper_inc and (following := self.after(upper)) is not None:
                upper, upper_inc = following, False
            if (
                lower is not None
                and upper is not None
                and self._is_empty(lower, upper, lower_inc and upper_inc)
            ):
                return self.empty
        low = BELOW_ALL if lower is None else (0, self.key(lower), 0 if lower_inc else 1)
        high = ABOVE_ALL if upper is None else (0, self.key(upper), 0 if upper_inc else -1)
        return Range(self, lower, upper, (1, low, high))

    def _is_empty(self, lower: Any, upper: Any, is_closed: bool) -> bool:
        first, last = self.key(lower), self.key(upper)
        if last < first:
            raise PgError("22000", "range lower bound must be less than or equal to range upper bound")
        return bool(first == last) and not is_closed

    def spanning(self, first: Range, last: Range) -> Range:
        """From the lower bound of one range to the upper bound of another, not below it; neither is empty."""
        return Range(self, first.lower, last.upper, (1, first.low, last.high))

    def union(self, left: Range, right: Range) -> Range:
        """From the least lower bound to the greatest upper one, of ranges that are not empty (range_union_internal)."""
        first = left if left.low < right.low else right
        return self.spanning(first, left if left.high > right.high else right)

    def multirange(self, ranges: Iterable[Range]) -> Multirange:
        """Their union (multirange_canonicalize); PgError 54000."""
        found = sorted((each for each in ranges if not each.is_empty), key=in_order)
        kept: list[Range] = []
        for each in found:
            if kept and (kept[-1].high >= each.low or adjoin(kept[-1].high, each.low)):
                kept[-1] = self.union(kept[-1], each)
            else:
                kept.append(each)
        ranges_fit(len(kept))
        return Multirange(self, tuple(kept))


def _same(value: Any) -> Any:
    return value


def adjoin(high: Place, low: Place) -> bool:
    """An upper and a lower bound with nothing between them, and nothing in common (bounds_adjacent).

    Discrete ranges are canonical, so that equal values are needed there, too.
    """
    return high[0] == low[0] == 0 and bool(high[1] == low[1]) and (high[2] == 0) != (low[2] == 0)


# --- text ------------------------------------------------------------------------------------------------


def _malformed(text: str, detail: str, what: str = "range") -> PgError:
    return PgError("22P02", f'malformed {what} literal: "{text}"', detail=detail)


def _bound(text: str, place: int) -> tuple[str | None, int]:
    """One bound's text from `place` on and where it ends; None: infinite (range_parse_bound)."""
    return quoted_item(text, place, (",", ")", "]"), lambda: _malformed(text, UNENDED))


def _parse(text: str) -> tuple[str | None, str | None, bool, bool] | None:
    """The bounds' texts and whether they are inclusive; None: empty (range_parse)."""
    place = len(text) - len(text.lstrip(SPACES))
    if text[place : place + len(_WORD)].lower() == _WORD:
        if text[place + len(_WORD) :].strip(SPACES):
            raise _malformed(text, 'Junk after "empty" key word.')
        return None
    opening = text[place : place + 1]
    if opening not in ("[", "("):
        raise _malformed(text, "Missing left parenthesis or bracket.")
    lower, place = _bound(text, place + 1)
    if text[place] != ",":
        raise _malformed(text, "Missing comma after lower bound.")
    upper, place = _bound(text, place + 1)
    closing = text[place]
    if closing == ",":
        raise _malformed(text, "Too many commas.")
    if text[place + 1 :].strip(SPACES):
        raise _malformed(text, "Junk after right parenthesis or bracket.")
    return lower, upper, opening == "[", closing == "]"


def _quote(text: str) -> str:
    if text and _SPECIAL.isdisjoint(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'


def _end_of_range(text: str, place: int) -> int:
    """Past the bracket that ends the range which begins before `place`: as multirange_in looks for it."""
    quoted = escaped = False
    while True:
        if place >= len(text):
            raise _malformed(text, UNENDED, "multirange")
        char = text[place]
        place += 1
        if char in SPACES:
            continue
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif quoted:
            if char == '"' and text[place : place + 1] == '"':
                place += 1
            elif char == '"':
                quoted = False
        elif char == '"':
            quoted = True
        elif char in ")]":
            return place


def _pieces(text: str) -> Iterator[str]:
    """The texts of a multirange's ranges, without those that are the word empty (multirange_in)."""
    place = _skip(text, 0)
    if text[place : place + 1] != "{":
        raise _malformed(text, "Missing left brace.", "multirange")
    place = _skip(text, place + 1)
    is_first = True
    while not (is_first and text[place : place + 1] == "}"):
        if place >= len(text):
            raise _malformed(text, UNENDED, "multirange")
        if text[place] in "[(":
            end = _end_of_range(text, place + 1)
            yield text[place:end]
        elif text[place : place + len(_WORD)].lower() == _WORD:
            end = place + len(_WORD)
        else:
            raise _malformed(text, "Expected range start.", "multirange")
        is_first = False
        place = _skip(text, end)
        if place >= len(text):
            raise _malformed(text, UNENDED, "multirange")
        if text[place] == "}":
            break
        if text[place] != ",":
            raise _malformed(text, "Expected comma or end of multirange.", "multirange")
        place = _skip(text, place + 1)
    if text[place + 1 :].strip(SPACES):
        raise _malformed(text, "Junk after closing right brace.", "multirange")


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in SPACES:
        place += 1
    return place


# --- binary form -----------------------------------------------------------------------------------------


def _part(data: bytes, place: int) -> tuple[bytes, int]:
    """The bytes behind a length at `place`, and where they end."""
    if place + 4 > len(data):
        raise PgError("08P01", "insufficient data left in message")
    (size,) = _LENGTH.unpack_from(data, place)
    end = place + 4 + size
    if end > len(data):
        raise PgError("08P01", "insufficient data left in message")
    return data[place + 4 : end], end


def _ended(data: bytes, place: int) -> None:
    if place != len(data):
        raise PgError("08P01", "invalid message format")


def range_io(kind: RangeKind) -> Io:
    """The functions of a range type."""
    subtype = kind.subtype

    def read(text: str, typmod: int, env: Env) -> Range:
        scannable(len(text))
        found = _parse(text)
        if found is None:
            return kind.empty
        lower, upper = (None if bound is None else subtype.input(bound, typmod, env) for bound in found[:2])
        return kind.range(lower, upper, *found[2:])

    def write(value: Range, env: Env) -> str:
        if value.is_empty:
            return _WORD
        lower, upper = (
            "" if bound is None else _quote(subtype.output(bound, env))
            for bound in (value.lower, value.upper)
        )
        return f"{'[' if value.lower_inc else '('}{lower},{upper}{']' if value.upper_inc else ')'}"

    def receive(data: bytes, typmod: int, env: Env) -> Range:
        if not data:
            raise PgError("08P01", "no data left in message")
        flags, place = data[0], 1
        lower = upper = None
        if not flags & (_EMPTY | _LOWER_INF):
            part, place = _part(data, place)
            lower = subtype.receive(part, typmod, env)
        if not flags & (_EMPTY | _UPPER_INF):
            part, place = _part(data, place)
            upper = subtype.receive(part, typmod, env)
        _ended(data, place)
        if flags & _EMPTY:
            return kind.empty
        return kind.range(lower, upper, bool(flags & _LOWER_INC), bool(flags & _UPPER_INC))

    def send(value: Range, env: Env) -> bytes:
        if value.is_empty:
            return bytes([_EMPTY])
        flags = (
            _LOWER_INC * value.lower_inc | _UPPER_INC * value.upper_inc
            | _LOWER_INF * (value.lower is None) | _UPPER_INF * (value.upper is None)
        )  # fmt: skip
        parts = [bytes([flags])]
        for bound in (value.lower, value.upper):
            if bound is not None:
                sent = subtype.send(bound, env)
                parts += (_LENGTH.pack(len(sent)), sent)
        return b"".join(parts)

    return Io(read, write, receive, send, sort_key=in_order)


def multirange_io(kind: RangeKind, of: Io) -> Io:
    """The functions of a multirange type; `of`: those of its ranges."""

    def read(text: str, typmod: int, env: Env) -> Multirange:
        scannable(len(text))
        found = []
        for piece in _pieces(text):
            found.append(of.input(piece, typmod, env))
            ranges_fit(len(found))
        return kind.multirange(found)

    def write(value: Multirange, env: Env) -> str:
        return "{" + ",".join(of.output(each, env) for each in value.ranges) + "}"

    def receive(data: bytes, typmod: int, env: Env) -> Multirange:
        if len(data) < 4:
            raise PgError("08P01", "insufficient data left in message")
        (count,) = _LENGTH.unpack_from(data)
        ranges_fit(count)
        place = 4
        found = []
        for _ in range(count):
            part, place = _part(data, place)
            found.append(of.receive(part, typmod, env))
        _ended(data, place)
        return kind.multirange(found)

    def send(value: Multirange, env: Env) -> bytes:
        parts = [_LENGTH.pack(len(value.ranges))]
        for each in value.ranges:
            sent = of.send(each, env)
            parts += (_LENGTH.pack(len(sent)), sent)
        return b"".join(parts)

    return Io(read, write, receive, send, sort_key=in_order)


# --- discrete subtypes -----------------------------------------------------------------------------------


def _next_integer(limit: int, message: str) -> Callable[[int], int]:
    def after(value: int) -> int:
        if value + 1 >= limit:
            raise PgError("22003", message)
        return value + 1

    return after


def _next_day(value: int) -> int | None:
    if value in (DATE_INFINITY, DATE_MINUS_INFINITY):
        return None
    if value + 1 >= END_DATE:
        raise PgError("22008", "date out of range")
    return value + 1


AFTER: dict[str, Callable[[Any], Any]] = {
    "int4": _next_integer(1 << 31, "integer out of range"),
    "int8": _next_integer(1 << 63, "bigint out of range"),
    "date": _next_day,
}
"""By the subtype's name: the value behind one (the canonical functions of pg_range)."""
