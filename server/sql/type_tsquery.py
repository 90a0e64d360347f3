"""tsquery: its values, text and binary forms, and order (PostgreSQL, chapter 8.11.2)."""

import re
import struct
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from server.errors import PgError
from server.sql.env import Env
from server.sql.sizes import scannable
from server.sql.type_io import SPACES, Io
from server.sql.type_tsvector import MAX_BYTES, MAX_WORD, OPERATORS, Message, Words, quoted

NOT, AND, OR, PHRASE = 1, 2, 3, 4
"""Operators, by their numbers in the binary form."""
_PRIORITY = (0, 4, 2, 1, 3)
MAX_DISTANCE = 16384
_MAX_PENDING = 32
"""Operators of one pair of parentheses that wait for their operands."""
_MAX_NESTED = 10_000
MAX_ITEMS = 1 << 17
"""PostgreSQL has room for more, and answers interrupts while it reads them."""


class Operand(NamedTuple):
    """A lexeme to find. `weights`: which positions count, as bits from D to A; 0: all."""

    word: str
    weights: int
    prefix: bool


class Operator(NamedTuple):
    """What stands behind its operands; `distance` of a phrase."""

    kind: int
    distance: int = 0


Item: TypeAlias = Operand | Operator


class TsQuery(NamedTuple):
    """Operands and operators, each operator behind what it connects; none at all matches nothing."""

    items: tuple[Item, ...]


Push: TypeAlias = Callable[["Builder", str, int, bool], None]
"""Puts what an operand of the text means: (builder, text, weights, prefix)."""


class Builder:
    """Items as they are found, within PostgreSQL's limits."""

    __slots__ = ("_size", "has_stops", "items", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.items: list[Item | None] = []
        """None stands for an operand without lexemes."""
        self.has_stops = False
        self._size = 0

    def operand(self, word: str, weights: int, prefix: bool) -> None:
        """A lexeme; PgError 54000."""
        size = len(word.encode())
        if size > MAX_WORD:
            raise PgError("54000", f'word is too long in tsquery: "{self.text}"')
        if self._size >= MAX_BYTES:
            raise PgError("54000", f'value is too big in tsquery: "{self.text}"')
        if len(self.items) >= MAX_ITEMS:
            raise too_large()
        self._size += size + 1
        self.items.append(Operand(word, weights, prefix))

    def stop(self) -> None:
        """An operand without lexemes; PgError 54000."""
        if len(self.items) >= MAX_ITEMS:
            raise too_large()
        self.has_stops = True
        self.items.append(None)


def as_is(builder: Builder, word: str, weights: int, prefix: bool) -> None:
    """The operand is the lexeme."""
    builder.operand(word, weights, prefix)


_VALUE, _OPERATOR, _OPEN, _CLOSE, _END = range(5)
Token: TypeAlias = tuple[int, str, int, bool]
"""Kind, then a value's text, weights, prefix; or an operator's kind as weights, its distance as text."""
_MODIFIERS = re.compile(r":([A-Da-d*]*)")
_DISTANCE, _DISTANCE_BEGUN = re.compile(r"<(?:-|([0-9]+))>"), re.compile("<([0-9]+)")


class _Standard:
    """Tokens of the form that to_tsquery reads."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = Words(text, query=True)
        self._at = self._depth = 0
        self._wants = self._first = True

    def wrong(self) -> PgError:
        """42601"""
        return PgError("42601", f'syntax error in tsquery: "{self._text}"')

    def next(self) -> Token:
        """The next token; PgError 42601, 22023."""
        text = self._text
        while self._at < len(text) and text[self._at] in SPACES:
            self._at += 1
        char = text[self._at : self._at + 1]
        return self._operand(char) if self._wants else self._after(char)

    def _operand(self, char: str) -> Token:
        first, self._first = self._first, False
        if char in ("!", "("):
            self._at += 1
            self._depth += char == "("
            return (_OPERATOR, "", NOT, False) if char == "!" else (_OPEN, "", 0, False)
        if char == ":":
            raise self.wrong()
        self._words.at = self._at
        found = self._words.next()
        if found is None:
            if first:
                return _END, "", 0, False
            raise PgError("42601", f'no operand in tsquery: "{self._text}"')
        self._at = self._words.at
        self._wants = False
        weights, prefix = 0, False
        modifiers = _MODIFIERS.match(self._text, self._at)
        if modifiers is not None:
            self._at = modifiers.end()
            for letter in modifiers[1].upper():
                weights |= 1 << "DCBA".index(letter) if letter != "*" else 0
            prefix = "*" in modifiers[1]
        return _VALUE, found[0], weights, prefix

    def _after(self, char: str) -> Token:
        if char in ("&", "|"):
            self._at += 1
            self._wants = True
            return _OPERATOR, "", AND if char == "&" else OR, False
        if char == "<" and (found := _DISTANCE.match(self._text, self._at)) is not None:
            self._at = found.end()
            self._wants = True
            return _OPERATOR, self._distance(found[1]), PHRASE, False
        if char == "<" and (digits := _DISTANCE_BEGUN.match(self._text, self._at)) is not None:
            self._distance(digits[1])
        if char == ")" and self._depth:
            self._at += 1
            self._depth -= 1
            return _CLOSE, "", 0, False
        if char or self._depth:
            raise self.wrong()
        return _END, "", 0, False

    def _distance(self, digits: str | None) -> str:
        if digits is not None and (len(digits) > 40 or int(digits) > MAX_DISTANCE):
            raise bad_distance()
        return digits or "1"


def too_large() -> PgError:
    """54000"""
    return PgError("54000", "tsquery is too large")


def bad_distance() -> PgError:
    """22023"""
    return PgError(
        "22023",
        f"distance in phrase operator must be an integer value between zero and {MAX_DISTANCE} inclusive",
    )


_OR = re.compile(r"or(?![-_0-9a-z])(?s:.)[ \t\n\v\f\r]*[^ \t\n\v\f\r]", re.IGNORECASE | re.ASCII)


class _Web:
    """Tokens of the form that websearch_to_tsquery reads; nothing in it is wrong."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = Words(text, query=True, web=True)
        self._at = 0
        self._wants = self._first = True
        self._ended = False

    def wrong(self) -> PgError:
        """42601"""
        return PgError("42601", f'syntax error in tsquery: "{self._text}"')

    def next(self) -> Token:
        """The next token; an operand with weights -1 has no lexemes."""
        text = self._text
        skipped = SPACES + OPERATORS if self._wants else SPACES
        while self._at < len(text) and text[self._at] in skipped:
            self._first = self._first and text[self._at] in SPACES
            self._at += 1
        char = text[self._at : self._at + 1]
        if not self._wants:
            if not char:
                return _END, "", 0, False
            self._wants, self._first = True, False
            if _OR.match(text, self._at):
                self._at += 2
                return _OPERATOR, "", OR, False
            return _OPERATOR, "", AND, False
        return self._operand(char)

    def _operand(self, char: str) -> Token:
        if char == "-":
            self._at += 1
            self._first = False
            return _OPERATOR, "", NOT, False
        if not char:
            if self._first or self._ended:
                return _END, "", 0, False
            self._ended = True
            return _VALUE, "", -1, False
        self._wants = False
        if char == '"':
            end = self._text.find('"', self._at + 1)
            end = len(self._text) if end < 0 else end
            start, self._at = self._at + 1, end + 1
            return _VALUE, self._text[start:end], 0, False
        self._words.at = self._at
        found = self._words.next()
        assert found is not None
        self._at = self._words.at
        return _VALUE, found[0], 0, False


def parsed(text: str, push: Push, web: bool = False) -> TsQuery:
    """The query of a text whose operands `push` turns into lexemes; PgError 42601, 22023, 54000, 54001, XX000."""
    scannable(len(text))
    builder = Builder(text)
    reader = _Web(text) if web else _Standard(text)
    pending: list[list[Operator]] = [[]]
    while True:
        kind, value, weights, prefix = reader.next()
        if kind == _VALUE:
            if weights < 0:
                builder.stop()
            else:
                push(builder, value, weights, prefix)
        elif kind == _OPERATOR:
            _settle(builder, pending[-1], weights)
            if len(pending[-1]) == _MAX_PENDING:
                raise PgError("XX000", "tsquery stack too small")
            pending[-1].append(Operator(weights, int(value or 0)))
        elif kind == _OPEN:
            if len(pending) > _MAX_NESTED:
                raise PgError("54001", "stack depth limit exceeded")
            pending.append([])
        else:
            _settle(builder, pending.pop(), OR)
            if kind == _END:
                return finished(builder)


def _settle(builder: Builder, waiting: list[Operator], kind: int) -> None:
    """The operators that bind at least as strongly as the one that comes have all their operands."""
    priority = _PRIORITY[kind]
    while waiting:
        before = _PRIORITY[waiting[-1].kind]
        if priority > before or (kind == NOT and priority >= before):
            return
        builder.items.append(waiting.pop())


def finished(builder: Builder) -> TsQuery:
    """The query without operands that have no lexemes."""
    if not builder.has_stops:
        return TsQuery(tuple(builder.items))  # type: ignore[arg-type]
    return without_stops(builder.items)


_Part: TypeAlias = tuple[list[Item] | None, int, int]
"""Items, and by how much phrases on the left and on the right of them become longer."""


def without_stops(items: list[Item | None]) -> TsQuery:
    """Operators go with the operands that go; phrases keep the distances of what is left (chapter 12.3.2)."""
    parts: list[_Part] = []
    for item in items:
        if item is None:
            parts.append((None, 0, 0))
        elif isinstance(item, Operand):
            parts.append(([item], 0, 0))
        elif item.kind == NOT:
            if (kept := parts[-1][0]) is not None:
                kept.append(item)
        else:
            right = parts.pop()
            parts.append(_joined(item, parts.pop(), right))
    kept = parts[0][0] if parts else None
    return TsQuery(tuple(kept or ()))


def _joined(operator: Operator, left: _Part, right: _Part) -> _Part:
    (before, left_left, left_right), (behind, right_left, right_right) = left, right
    is_phrase = operator.kind == PHRASE
    distance = operator.distance
    if before is None and behind is None:
        wide = left_left + distance + right_left if is_phrase else max(left_left, right_left)
        return None, wide, wide
    if before is None:
        return behind, left_left + distance + right_left if is_phrase else right_left, right_right
    if behind is None:
        return before, left_left, left_right + distance + right_right if is_phrase else left_right
    before.extend(behind)
    if not is_phrase:
        before.append(operator)
        return before, 0, 0
    wide = (distance + left_right + right_left + 0x8000) % 0x10000 - 0x8000
    before.append(Operator(PHRASE, wide))
    return before, left_left, right_right


def tsquery_in(text: str, typmod: int, env: Env) -> TsQuery:
    """Lexemes as they are written, with `! & | <-> <N> ( )`, weights and `*`."""
    return parsed(text, as_is)


def sizes(items: tuple[Item, ...]) -> list[int]:
    """How many items end with each: it and its operands."""
    made: list[int] = []
    for place, item in enumerate(items):
        size = 1
        if isinstance(item, Operator):
            size += made[place - 1]
            if item.kind != NOT:
                size += made[place - size]
        made.append(size)
    return made


def _operand_text(item: Operand) -> str:
    shown = quoted(item.word)
    if item.weights or item.prefix:
        letters = "".join(
            letter for bit, letter in ((8, "A"), (4, "B"), (2, "C"), (1, "D")) if item.weights & bit
        )
        shown += f":{'*' if item.prefix else ''}{letters}"
    return shown


def _sign(item: Operator) -> str:
    if item.kind == PHRASE:
        return " <-> " if item.distance == 1 else f" <{item.distance}> "
    return " & " if item.kind == AND else " | "


def query_text(items: tuple[Item, ...]) -> str:
    """With parentheses where they are needed."""
    if not items:
        return ""
    lengths = sizes(items)
    pieces: list[str] = []
    waiting: list[str | tuple[int, int, bool]] = [(len(items) - 1, -1, False)]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            pieces.append(each)
            continue
        place, outer, behind_phrase = each
        item = items[place]
        if isinstance(item, Operand):
            pieces.append(_operand_text(item))
            continue
        priority = _PRIORITY[item.kind]
        is_phrase = item.kind == PHRASE
        if priority < outer or (is_phrase and behind_phrase):
            pieces.append("( ")
            waiting.append(" )")
        if item.kind == NOT:
            pieces.append("!")
            waiting.append((place - 1, priority, False))
        else:
            left = place - 1 - lengths[place - 1]
            waiting += [(place - 1, priority, is_phrase), _sign(item), (left, priority, False)]
    return "".join(pieces)


def tsquery_out(value: TsQuery, env: Env) -> str:
    """As `query_text`."""
    return query_text(value.items)


def tsquery_send(value: TsQuery, env: Env) -> bytes:
    """The number of items, then each, an operator before its operands, the right one first."""
    pieces = [struct.pack("!I", len(value.items))]
    for item in reversed(value.items):
        if isinstance(item, Operand):
            pieces.append(struct.pack("!BBB", 1, item.weights, item.prefix) + item.word.encode() + b"\0")
        elif item.kind == PHRASE:
            pieces.append(struct.pack("!BBh", 2, PHRASE, item.distance))
        else:
            pieces.append(struct.pack("!BB", 2, item.kind))
    return b"".join(pieces)


def _received_operand(message: Message, size: int) -> Operand:
    weights, prefix = message.number(1), message.number(1)
    word = message.string()
    if weights > 15:
        raise PgError("XX000", "invalid tsquery: invalid weight bitmap")
    if len(word.encode()) > MAX_WORD + 1:
        raise PgError("XX000", "invalid tsquery: operand too long")
    if size > MAX_BYTES:
        raise PgError("XX000", "invalid tsquery: total operand length exceeded")
    return Operand(word, weights, prefix != 0)


def tsquery_recv(data: bytes, typmod: int, env: Env) -> TsQuery:
    """The form that `tsquery_send` makes, but not that of a query without items; PgError XX000."""
    message = Message(data)
    count = message.number(4)
    if count > ((1 << 30) - 1) // 12:
        raise PgError("XX000", "invalid size of tsquery")
    items: list[Item] = []
    size = 0
    for number in range(count):
        kind = message.number(1)
        if kind == 1:
            operand = _received_operand(message, size)
            size += len(operand.word.encode()) + 1
            items.append(operand)
            continue
        if kind != 2:
            shown = kind - 256 if kind > 127 else kind
            raise PgError("XX000", f"unrecognized tsquery node type: {shown}")
        operator = message.number(1)
        if not NOT <= operator <= PHRASE:
            shown = operator - 256 if operator > 127 else operator
            raise PgError("XX000", f"invalid tsquery: unrecognized operator type {shown}")
        if number == count - 1:
            raise PgError("XX000", "invalid pointer to right operand")
        distance = (message.number(2) + 0x8000) % 0x10000 - 0x8000 if operator == PHRASE else 0
        items.append(Operator(operator, distance))
    message.done()
    _well_formed(items)
    return TsQuery(tuple(reversed(items)))


def _well_formed(items: list[Item]) -> None:
    """Every operator has its operands, and nothing is left; PgError XX000."""
    wanted = 1
    for _number, item in enumerate(items):
        if wanted == 0:
            raise PgError("XX000", "malformed tsquery: extra nodes")
        wanted += -1 if isinstance(item, Operand) else 0 if item.kind == NOT else 1
    if wanted:
        raise PgError("XX000", "malformed tsquery: operand not found")


_CRC = [0] * 256


def _fill() -> None:
    for number in range(256):
        value = number
        for _ in range(8):
            value = value >> 1 ^ 0xEDB88320 if value & 1 else value >> 1
        _CRC[number] = value


_fill()


def checksum(word: str) -> int:
    """By which PostgreSQL orders operands: CRC-32's table, but shifted the other way; signed."""
    crc = 0xFFFFFFFF
    for byte in word.encode():
        crc = _CRC[crc >> 24 ^ byte] ^ crc << 8 & 0xFFFFFFFF
    crc ^= 0xFFFFFFFF
    return crc - (1 << 32) if crc >> 31 else crc


def tsquery_key(value: TsQuery) -> Any:
    """PostgreSQL orders by size and then by the tree, operators first; weights and prefixes do not count."""
    items = value.items
    size = sum(len(item.word.encode()) + 1 if isinstance(item, Operand) else 0 for item in items)
    return len(items), size, tuple(tree_key(items))


def tree_key(items: tuple[Item, ...]) -> list[tuple[Any, ...]]:
    """The order of a tree's nodes, from the root on."""
    made: list[tuple[Any, ...]] = []
    open_nodes: list[list[int]] = []
    for item in reversed(items):
        if isinstance(item, Operator):
            made.append((-2, -item.kind))
            open_nodes.append([1 if item.kind == NOT else 2, item.distance if item.kind == PHRASE else -1])
            continue
        made.append((-1, -checksum(item.word), item.word))
        while open_nodes:
            open_nodes[-1][0] -= 1
            if open_nodes[-1][0]:
                break
            kind = open_nodes.pop()[1]
            made.append((-kind,))
    return made


def _pack(value: TsQuery) -> Any:
    return tsquery_send(value, Env())


def _unpack(held: Any) -> TsQuery:
    return tsquery_recv(held, -1, Env()) if len(held) > 4 else TsQuery(())


TSQUERY = Io(tsquery_in, tsquery_out, tsquery_recv, tsquery_send, None, tsquery_key, _pack, _unpack)
