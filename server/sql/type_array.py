"""Arrays: PostgreSQL's text form with its quoting rules, and its binary form (PostgreSQL, chapter 8.15)."""

import re
import struct
from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from server.errors import PgError
from server.sql.env import Env
from server.sql.sizes import MAX_ELEMENTS, elements_fit, scannable, text_fits
from server.sql.type_io import LEFTOVER, SPACES, Io, in_part

if TYPE_CHECKING:
    from server.sql.types import Type

MAX_DIMS = 6
_HEAD = struct.Struct("!iiI")
_DIM = struct.Struct("!ii")
_LENGTH = struct.Struct("!i")


class Array:
    """An array value: elements in row-major order, the length and the lower bound of each dimension.

    No dimensions: the empty array. Ordered and compared as PostgreSQL's array_cmp does: elements first, then
    the number of elements, of dimensions, and the dimensions themselves; NULLs are equal and last.
    """

    __slots__ = ("dims", "elements", "lbounds")

    def __init__(
        self, elements: list[Any], dims: tuple[int, ...] | None = None, lbounds: tuple[int, ...] | None = None
    ) -> None:
        self.elements = elements
        self.dims = dims if dims is not None else ((len(elements),) if elements else ())
        self.lbounds = lbounds if lbounds is not None else (1,) * len(self.dims)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Array)
            and self.elements == other.elements
            and self.dims == other.dims
            and self.lbounds == other.lbounds
        )

    def __hash__(self) -> int:
        return hash((tuple(self.elements), self.dims, self.lbounds))

    def __lt__(self, other: "Array") -> bool:
        return self.order() < other.order()

    def order(self, key: Callable[[Any], Any] | None = None) -> tuple[Any, ...]:
        """What array_cmp compares, the elements through `key`."""
        ranked = tuple((1,) if e is None else (0, e if key is None else key(e)) for e in self.elements)
        return ranked, len(self.dims), self.dims, self.lbounds

    def nested(self) -> list[Any]:
        """The elements as nested lists."""
        values = self.elements
        for size in reversed(self.dims[1:]):
            values = [values[i : i + size] for i in range(0, len(values), size)]
        return values

    def __repr__(self) -> str:
        return f"Array({self.elements!r}, {self.dims!r}, {self.lbounds!r})"


_LEVEL_STARTED, _ELEM_STARTED, _QUOTED_STARTED, _QUOTED_DONE = "level", "elem", "quoted", "quoted done"
_LEVEL_DONE, _ELEM_DELIMITED, _LEVEL_DELIMITED, _NO_LEVEL = "level done", "elem,", "level,", "none"
_MAY_ESCAPE = (_LEVEL_STARTED, _ELEM_STARTED, _QUOTED_STARTED, _ELEM_DELIMITED)
_MAY_QUOTE = (_LEVEL_STARTED, _QUOTED_STARTED, _ELEM_DELIMITED)
_MAY_OPEN = (_NO_LEVEL, _LEVEL_STARTED, _LEVEL_DELIMITED)
_MAY_END = (_ELEM_STARTED, _QUOTED_DONE, _LEVEL_DONE)
_MAY_START = (_LEVEL_STARTED, _ELEM_STARTED, _ELEM_DELIMITED)


class _Reader:
    """PostgreSQL's ArrayCount and ReadArrayStr in one pass over the text after the dimensions."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.at = self.start = start
        self.items: list[str | None] = []
        self.state = _NO_LEVEL
        self.level = 0
        self.dims: list[int] = []
        self.counts = [0] * MAX_DIMS
        self.buffer: list[str] = []
        self.keep = 0
        """So much of the buffer is quoted or escaped: not trimmed, and never the word NULL."""

    def fail(self, detail: str) -> PgError:
        return malformed(self.text[self.start :], detail)

    def read(self) -> tuple[list[str | None], tuple[int, ...]]:
        """The elements' texts (None: NULL) and the dimensions."""
        text, end = self.text, len(self.text)
        while True:
            if self.at >= end:
                raise self.fail("Unexpected end of input.")
            char = text[self.at]
            self.at += 1
            if char == "\\":
                self._escape()
            elif char == '"':
                if self.state not in _MAY_QUOTE:
                    raise self.fail("Unexpected array element.")
                self.state = _QUOTED_DONE if self.state is _QUOTED_STARTED else _QUOTED_STARTED
                self.keep = len(self.buffer)
            elif self.state is _QUOTED_STARTED:
                self.buffer.append(char)
            elif char == "{":
                self._open()
            elif char == "}":
                if self._close():
                    break
            else:
                self._plain(char)
        if text[self.at :].strip(SPACES):
            raise self.fail("Junk after closing right brace.")
        return self.items, tuple(self.dims) if self.items else ()

    def _escape(self) -> None:
        if self.state not in _MAY_ESCAPE:
            raise self.fail('Unexpected "\\" character.')
        if self.state is not _QUOTED_STARTED:
            self.state = _ELEM_STARTED
        if self.at >= len(self.text):
            raise self.fail("Unexpected end of input.")
        self.buffer.append(self.text[self.at])
        self.at += 1
        self.keep = len(self.buffer)

    def _open(self) -> None:
        if self.state not in _MAY_OPEN:
            raise self.fail('Unexpected "{" character.')
        self.state = _LEVEL_STARTED
        if self.level >= MAX_DIMS:
            raise too_many_dimensions(self.level + 1)
        self.counts[self.level] = 0
        self.level += 1

    def _close(self) -> bool:
        """True: that was the outermost brace."""
        if self.state not in _MAY_END and not (self.level == 1 and self.state is _LEVEL_STARTED):
            raise self.fail('Unexpected "}" character.')
        self._finish()
        self.state = _LEVEL_DONE
        self.level -= 1
        count = self.counts[self.level]
        while len(self.dims) <= self.level:
            self.dims.append(-1)
        if self.dims[self.level] == -1:
            self.dims[self.level] = count
        elif self.dims[self.level] != count:
            raise self.fail("Multidimensional arrays must have sub-arrays with matching dimensions.")
        if self.level:
            self.counts[self.level - 1] += 1
        return self.level == 0

    def _plain(self, char: str) -> None:
        if char == ",":
            if self.state not in _MAY_END:
                raise self.fail('Unexpected "," character.')
            self._finish()
            self.state = _LEVEL_DELIMITED if self.state is _LEVEL_DONE else _ELEM_DELIMITED
        elif char in SPACES:
            if self.state is _ELEM_STARTED:
                self.buffer.append(char)
        elif self.state in _MAY_START:
            self.state = _ELEM_STARTED
            self.buffer.append(char)
        else:
            raise self.fail("Unexpected array element.")

    def _finish(self) -> None:
        """An element ends here, if one had begun."""
        if self.state is not _ELEM_STARTED and self.state is not _QUOTED_DONE:
            return
        kept = "".join(self.buffer[: self.keep])
        item = kept + "".join(self.buffer[self.keep :]).rstrip(SPACES)
        is_null = self.state is _ELEM_STARTED and self.keep == 0 and item.upper() == "NULL"
        self.items.append(None if is_null else item)
        self.counts[self.level - 1] += 1
        self.buffer.clear()
        self.keep = 0


def malformed(text: str, detail: str) -> PgError:
    """The text is no array (22P02)."""
    return PgError("22P02", f'malformed array literal: "{text}"', detail=detail)


def too_many_dimensions(count: int) -> PgError:
    """54000"""
    return PgError("54000", f"number of array dimensions ({count}) exceeds the maximum allowed ({MAX_DIMS})")


_BOUNDS = re.compile(r"[0-9+-]*")


def _bound(text: str) -> int:
    """C's atoi."""
    found = re.match(r"[+-]?\d+", text)
    return int(found[0]) if found else 0


def _dimensions(text: str) -> tuple[list[int], list[int], int]:
    """The explicit dimensions in front: sizes, lower bounds, and where the contents begin."""
    sizes: list[int] = []
    lowers: list[int] = []
    at = 0
    while True:
        at = _skip(text, at)
        if text[at : at + 1] != "[":
            return sizes, lowers, at
        if len(sizes) >= MAX_DIMS:
            raise too_many_dimensions(len(sizes) + 1)
        upper = _BOUNDS.match(text, at + 1)
        lower = 1
        if upper is None or not upper[0]:
            raise malformed(text, '"[" must introduce explicitly-specified array dimensions.')
        if text[upper.end() : upper.end() + 1] == ":":
            lower = _bound(upper[0])
            upper = _BOUNDS.match(text, upper.end() + 1)
            if upper is None or not upper[0]:
                raise malformed(text, "Missing array dimension value.")
        if text[upper.end() : upper.end() + 1] != "]":
            raise malformed(text, 'Missing "]" after array dimensions.')
        if _bound(upper[0]) < lower:
            raise PgError("2202E", "upper bound cannot be less than lower bound")
        sizes.append(_bound(upper[0]) - lower + 1)
        lowers.append(lower)
        at = upper.end() + 1


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in SPACES:
        at += 1
    return at


def parse(text: str) -> tuple[list[str | None], tuple[int, ...], tuple[int, ...]]:
    """The elements' texts, sizes and lower bounds of an array's text (array_in)."""
    sizes, lowers, at = _dimensions(text)
    if not sizes:
        if text[at : at + 1] != "{":
            raise malformed(text, 'Array value must start with "{" or dimension information.')
        items, dims = _Reader(text, at).read()
        return items, dims, (1,) * len(dims)
    if text[at : at + 1] != "=":
        raise malformed(text, 'Missing "=" after array dimensions.')
    at = _skip(text, at + 1)
    if text[at : at + 1] != "{":
        raise malformed(text, 'Array contents must start with "{".')
    items, dims = _Reader(text, at).read()
    if list(dims) != sizes:
        raise malformed(text, "Specified array dimensions do not match array contents.")
    return items, dims, tuple(lowers)


_NEEDS_QUOTES = re.compile(r'[{}",\\ \t\n\r\v\f]')


_SIMPLE = re.compile(r"\{[0-9.+-]+(?:,[0-9.+-]+)*+\}")
"""Numbers in one dimension: by far the most frequent long arrays."""


def quote(text: str) -> str:
    """An element as array_out prints it."""
    if not text or _NEEDS_QUOTES.search(text) or text.upper() == "NULL":
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def render(value: Array, item: Callable[[Any], str]) -> str:
    """The array's text; `item` gives the text of an element that is not NULL."""
    if not value.dims:
        return "{}"
    texts = ["NULL" if element is None else quote(item(element)) for element in value.elements]
    for size in reversed(value.dims):
        texts = ["{" + ",".join(texts[i : i + size]) + "}" for i in range(0, len(texts), size)]
    if all(bound == 1 for bound in value.lbounds):
        return texts[0]
    bounds = "".join(f"[{low}:{low + size - 1}]" for low, size in zip(value.lbounds, value.dims))
    return f"{bounds}={texts[0]}"


def array_io(element: "Type") -> Io:
    """The functions of the array type that holds `element`."""

    def array_in(text: str, typmod: int, env: Env) -> Array:
        text_fits(text)
        simple = _SIMPLE.fullmatch(text)
        parts: Sequence[str | None]
        dims: tuple[int, ...]
        lowers: tuple[int, ...]
        if simple is not None:
            elements_fit(text.count(",") + 1)
            parts = text[1:-1].split(",")
            dims, lowers = (len(parts),), (1,)
        else:
            scannable(len(text))
            parts, dims, lowers = parse(text)
        read = element.input
        return Array([None if item is None else read(item, typmod, env) for item in parts], dims, lowers)

    def array_out(value: Array, env: Env) -> str:
        write = element.output
        return render(value, lambda item: write(item, env))

    def array_recv(data: bytes, typmod: int, env: Env) -> Array:
        dims, lowers, at = _receive_head(data, element)
        elements: list[Any] = []
        for _ in range(prod(dims) if dims else 0):
            if at + 4 > len(data):
                raise PgError("08P01", "insufficient data left in message")
            (size,) = _LENGTH.unpack_from(data, at)
            at += 4
            if size == -1:
                elements.append(None)
                continue
            if size < 0 or at + size > len(data):
                raise PgError("22P03", "insufficient data left in message")
            try:
                elements.append(element.receive(data[at : at + size], typmod, env))
            except PgError as error:
                raise in_part(error, f"array element {len(elements) + 1}") from None
            at += size
        if at != len(data):
            raise PgError("22P03", LEFTOVER)
        return Array(elements, dims, lowers)

    def array_send(value: Array, env: Env) -> bytes:
        parts = [_HEAD.pack(len(value.dims), None in value.elements, element.oid)]
        parts += [_DIM.pack(size, low) for size, low in zip(value.dims, value.lbounds)]
        write = element.send
        for item in value.elements:
            if item is None:
                parts.append(b"\xff\xff\xff\xff")
            else:
                data = write(item, env)
                parts += (_LENGTH.pack(len(data)), data)
        return b"".join(parts)

    return Io(
        array_in, array_out, array_recv, array_send, sort_key=lambda value: value.order(element.sort_key)
    )


def _receive_head(data: bytes, element: "Type") -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Sizes, lower bounds and where the elements begin in an array's binary form."""
    if len(data) < _HEAD.size:
        raise PgError("08P01", "insufficient data left in message")
    ndim, flags, oid = _HEAD.unpack_from(data)
    if ndim < 0:
        raise PgError("22P03", f"invalid number of dimensions: {ndim}")
    if ndim > MAX_DIMS:
        raise too_many_dimensions(ndim)
    if flags not in (0, 1):
        raise PgError("22P03", "invalid array flags")
    if oid != element.oid:
        raise PgError(
            "42804",
            f"binary data has array element type {oid} instead of expected {element.oid} ({element.display})",
        )
    at = _HEAD.size + ndim * _DIM.size
    if len(data) < at:
        raise PgError("08P01", "insufficient data left in message")
    pairs = [_DIM.unpack_from(data, _HEAD.size + i * _DIM.size) for i in range(ndim)]
    sizes = tuple(size for size, _ in pairs)
    if any(size < 0 for size in sizes) or prod(sizes) > MAX_ELEMENTS:
        raise PgError("54000", f"array size exceeds the maximum allowed ({MAX_ELEMENTS})")
    if prod(sizes) == 0:
        return (), (), at
    return sizes, tuple(low for _, low in pairs), at


def vector_io(element: "Type") -> Io:
    """The functions of int2vector and oidvector: numbers between blanks, counted from 0."""
    name = element.name + "vector"
    plain = array_io(element)

    def vector_in(text: str, typmod: int, env: Env) -> Array:
        values = [element.input(word, -1, env) for word in text.split()]
        return Array(values, (len(values),), (0,))

    def vector_out(value: Array, env: Env) -> str:
        return " ".join(map(str, value.elements))

    def vector_recv(data: bytes, typmod: int, env: Env) -> Array:
        value: Array = plain.receive(data, typmod, env)
        if len(value.dims) > 1 or None in value.elements:
            raise PgError("22P03", f"invalid {name} data")
        return Array(value.elements, (len(value.elements),), (0,))

    return plain._replace(input=vector_in, output=vector_out, receive=vector_recv)
