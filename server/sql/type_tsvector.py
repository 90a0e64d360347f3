"""tsvector: its values, text and binary forms, and order (PostgreSQL, chapter 8.11.1)."""

import itertools
import re
import struct
from typing import Any, NamedTuple

from server.errors import PgError
from server.sql.env import Env
from server.sql.sizes import scannable
from server.sql.text_search.effort import Effort
from server.sql.type_io import Io

MAX_WORD = 2046
"""Bytes of a lexeme."""
MAX_BYTES = (1 << 20) - 1
"""Bytes of all lexemes and positions."""
MAX_POSITION = 16383
"""Greater ones are this one."""
MAX_POSITIONS = 256
"""Of one lexeme."""
OPERATORS = "!|&()<"
"""What ends a word of a query."""
_WORD_STEPS = 4
"""What reading a word costs."""
WEIGHTS = "DCBA"
"""By the two bits that stand above a position's."""

Entry = tuple[str, tuple[int, ...]]
"""A lexeme and its positions, ascending, each with its weight in bits 14 and 15."""


class TsVector(NamedTuple):
    """Lexemes in the order of their bytes, each once."""

    entries: tuple[Entry, ...]


def position(value: int) -> int:
    """The position without its weight."""
    return value & 0x3FFF


def weight(value: int) -> int:
    """The weight of a position: 0 is D, 3 is A."""
    return value >> 14


def limited(value: int) -> int:
    """A position that fits."""
    return min(value, MAX_POSITION)


def data_size(entries: tuple[Entry, ...]) -> int:
    """How many bytes PostgreSQL's form of the lexemes and positions takes, without their index."""
    size = 0
    for word, positions in entries:
        size += len(word) if word.isascii() else len(word.encode())
        if positions:
            size += (size & 1) + 2 + 2 * len(positions)
    return size


def made(entries: tuple[Entry, ...]) -> TsVector:
    """The value; PgError 54000 when it is too large."""
    size = data_size(entries)
    if size > MAX_BYTES:
        raise PgError("54000", f"string is too long for tsvector ({size} bytes, max {MAX_BYTES} bytes)")
    return TsVector(entries)


_SPACE = re.compile(r"[ \t\n\v\f\r]*")
_WORD = re.compile(r"[^ \t\n\v\f\r:\\]+")
_QUERY_WORD = re.compile(r"[^ \t\n\v\f\r:\\!|&()<]+")
_WEB_WORD = re.compile(r'[^ \t\n\v\f\r:!|&()<"]+')
_QUOTED = re.compile(r"[^'\\]+")
_DIGITS = re.compile(r"[0-9]+")


class Words:
    """The words of a text form, of a tsvector with their positions, of a tsquery up to the next operator."""

    __slots__ = ("_delimiters", "_name", "_plain", "_web", "at", "text")

    def __init__(self, text: str, query: bool = False, web: bool = False) -> None:
        self.text = text
        self.at = 0
        """Where the next word begins."""
        self._name = "tsquery" if query else "tsvector"
        self._web = web
        self._plain = _WEB_WORD if web else _QUERY_WORD if query else _WORD
        self._delimiters = (OPERATORS + '"' if web else OPERATORS) if query else ""

    def _wrong(self) -> PgError:
        return PgError("42601", f'syntax error in {self._name}: "{self.text}"')

    def next(self) -> tuple[str, list[int]] | None:
        """The next word and its positions; None at the end; PgError 42601."""
        text = self.text
        at = _SPACE.match(text, self.at).end()  # type: ignore[union-attr]
        if at >= len(text):
            self.at = at
            return None
        if text[at] in self._delimiters:
            raise self._wrong()
        if text[at] == "'" and not self._web:
            word, self.at = self._quoted(at + 1)
        else:
            word, self.at = self._bare(at)
        if not word:
            raise self._wrong()
        if not self._delimiters and text[self.at : self.at + 1] == ":":
            return word, self._positions()
        return word, []

    def _bare(self, start: int) -> tuple[str, int]:
        text, at = self.text, start
        pieces = []
        if text[at] == ":":
            pieces.append(":")
            at += 1
        while at < len(text):
            if text[at] == "\\" and not self._web:
                pieces.append(self._escaped(at + 1))
                at += 2
            elif (found := self._plain.match(text, at)) is not None:
                pieces.append(found[0])
                at = found.end()
            else:
                break
        return "".join(pieces), at

    def _quoted(self, at: int) -> tuple[str, int]:
        text = self.text
        pieces = []
        while at < len(text):
            if (found := _QUOTED.match(text, at)) is not None:
                pieces.append(found[0])
                at = found.end()
            elif text[at] == "\\":
                pieces.append(self._escaped(at + 1))
                at += 2
            elif text[at + 1 : at + 2] == "'":
                pieces.append("'")
                at += 2
            else:
                return "".join(pieces), at + 1
        raise self._wrong()

    def _escaped(self, at: int) -> str:
        if at >= len(self.text):
            raise PgError("42601", f'there is no escaped character: "{self.text}"')
        return self.text[at]

    def _positions(self) -> list[int]:
        """`:1,2A`, of which only the first digits of a position count."""
        text, at = self.text, self.at
        found: list[int] = []
        while True:
            at += 1
            digits = _DIGITS.match(text, at)
            if digits is None:
                raise self._wrong()
            place = _as_int(digits[0])
            if place == 0:
                raise PgError("42601", f'wrong position info in tsvector: "{text}"')
            at, kind = self._weight(digits.end())
            found.append(place | kind << 14)
            if text[at : at + 1] != ",":
                self.at = at
                return found

    def _weight(self, at: int) -> tuple[int, int]:
        """Where the position ends, and its weight."""
        text, kind = self.text, 0
        while at < len(text) and text[at] not in ", \t\n\v\f\r":
            letter = text[at].upper().replace("*", "A")
            if letter in "ABCD" and text[at].isascii():
                if kind:
                    raise self._wrong()
                kind = WEIGHTS.index(letter)
            elif not _DIGITS.match(text[at]):
                raise self._wrong()
            at += 1
        return at, kind


def _as_int(digits: str) -> int:
    """As C's atoi reads it, within the fourteen bits of a position."""
    value = min(int(digits), (1 << 63) - 1) if len(digits) < 40 else -1
    value = (value + (1 << 31)) % (1 << 32) - (1 << 31)
    return MAX_POSITION if value > MAX_POSITION else value & 0x3FFF


def unique_positions(positions: list[int]) -> tuple[int, ...]:
    """Ascending, each once with its greatest weight, up to the greatest position and number."""
    kept: list[int] = []
    for each in sorted(positions, key=position):
        if kept and position(kept[-1]) == position(each):
            kept[-1] = max(kept[-1], each)
            continue
        kept.append(each)
        if len(kept) > 1 and (len(kept) == MAX_POSITIONS or position(each) == MAX_POSITION):
            break
    return tuple(kept)


def tsvector_in(text: str, typmod: int, env: Env) -> TsVector:
    """`word 'quoted word':1A,2 ...`; PgError 42601, 54000."""
    scannable(len(text))
    words, effort = Words(text), Effort()
    found: dict[str, list[int]] = {}
    total = 0
    while (each := words.next()) is not None:
        word, positions = each
        effort.spend(_WORD_STEPS + len(positions))
        size = len(word.encode())
        if size > MAX_WORD:
            raise PgError("54000", f"word is too long ({size} bytes, max {MAX_WORD} bytes)")
        if total > MAX_BYTES:
            raise PgError("54000", f"string is too long for tsvector ({total} bytes, max {MAX_BYTES} bytes)")
        total += size
        found.setdefault(word, []).extend(positions)
    return made(tuple((word, unique_positions(found[word])) for word in sorted(found)))


def quoted(word: str) -> str:
    """A lexeme as both text forms show it."""
    if "'" in word or "\\" in word:
        word = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{word}'"


_SHOWN = ("", "C", "B", "A")


def tsvector_out(value: TsVector, env: Env) -> str:
    """Every lexeme quoted, weight D not shown."""
    return " ".join(
        quoted(word)
        + (":" + ",".join(f"{p & 0x3FFF}{_SHOWN[p >> 14]}" for p in positions) if positions else "")
        for word, positions in value.entries
    )


def _internal(message: str) -> PgError:
    return PgError("XX000", message)


class Message:
    """A binary form that is read piece by piece; PgError 08P01 where it is too short."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, size: int) -> int:
        """An unsigned integer of so many bytes."""
        self._at += size
        if self._at > len(self._data):
            raise PgError("08P01", "insufficient data left in message")
        return int.from_bytes(self._data[self._at - size : self._at])

    def string(self) -> str:
        """A text that ends with a zero byte."""
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise PgError("08P01", "invalid string in message")
        start, self._at = self._at, end + 1
        from server.sql.type_text import decode

        return decode(self._data[start:end])

    def done(self) -> None:
        """PgError 22P03 if something is left."""
        if self._at != len(self._data):
            raise PgError("22P03", "incorrect binary data format")


def tsvector_recv(data: bytes, typmod: int, env: Env) -> TsVector:
    """Number of lexemes; each with a zero byte, number of positions, positions; PgError XX000."""
    message = Message(data)
    count = message.number(4)
    if count > (1 << 30) // 4:
        raise _internal("invalid size of tsvector")
    entries: list[Entry] = []
    size = 0
    for _ in range(count):
        word = message.string()
        number = message.number(2)
        length = len(word.encode())
        if length > MAX_WORD + 1:
            raise _internal("invalid tsvector: lexeme too long")
        if size > MAX_BYTES:
            raise _internal("invalid tsvector: maximum total lexeme length exceeded")
        if number > MAX_POSITIONS:
            raise _internal("unexpected number of tsvector positions")
        positions = tuple(message.number(2) for _ in range(number))
        if any(position(a) >= position(b) for a, b in itertools.pairwise(positions)):
            raise _internal("position information is misordered")
        size += length
        size += (size & 1) + 2 + 2 * number if number else 0
        entries.append((word, positions))
    message.done()
    return TsVector(tuple(sorted(entries, key=lambda entry: entry[0])))


def tsvector_send(value: TsVector, env: Env) -> bytes:
    """The form that `tsvector_recv` reads."""
    pieces = [struct.pack("!I", len(value.entries))]
    for word, positions in value.entries:
        pieces.append(word.encode() + struct.pack(f"!xH{len(positions)}H", len(positions), *positions))
    return b"".join(pieces)


def tsvector_key(value: TsVector) -> Any:
    """PostgreSQL orders by size, then by lexemes; positions and greater ones come first."""
    entries = value.entries
    return (
        data_size(entries) + 4 * len(entries),
        len(entries),
        tuple(
            (not positions, word, -len(positions), tuple((-(p & 0x3FFF), -(p >> 14)) for p in positions))
            for word, positions in entries
        ),
    )


def _unpack(held: Any) -> TsVector:
    return TsVector(tuple((word, tuple(positions)) for word, positions in held))


TSVECTOR = Io(
    tsvector_in, tsvector_out, tsvector_recv, tsvector_send, None, tsvector_key,
    lambda value: [[word, list(positions)] for word, positions in value.entries], _unpack,
)  # fmt: skip
