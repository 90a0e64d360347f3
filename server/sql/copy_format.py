"""COPY's options, and its text and CSV formats: bytes to fields and back (PostgreSQL, COPY, File Formats)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from server.errors import PgError
from server.sql.env import Env
from server.sql.types import Type

Fields = list[str | None]

_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_TO_ESCAPE = {
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


@dataclass(slots=True)
class Options:
    """The options of one COPY, checked; the defaults are those of its format."""

    binary: bool = False
    csv: bool = False
    delimiter: str = "\t"
    null: str = "\\N"
    header: bool = False
    match: bool = False
    """HEADER MATCH: the names must be those of the columns."""
    quote: str = '"'
    escape: str = '"'
    force_quote: tuple[str, ...] | None = ()
    """None: every column (`*`)."""
    force_not_null: tuple[str, ...] = ()
    force_null: tuple[str, ...] = ()


def read_options(given: Sequence[tuple[str, object]], is_from: bool) -> Options:
    """Options as ProcessCopyOptions reads them; raises PgError 42601, 22023, 0A000."""
    found: dict[str, object] = {}
    for name, value in given:
        if name in found:
            raise PgError("42601", "conflicting or redundant options")
        found[name] = value
    options = Options()
    form = str(found.pop("format", "text")).lower()
    if form not in ("text", "csv", "binary"):
        raise PgError("22023", f'COPY format "{form}" not recognized')
    if form == "binary":
        options.binary = True
        for name in ("delimiter", "null"):
            if name in found:
                raise PgError("42601", f"cannot specify {name.upper()} in BINARY mode")
    if form == "csv":
        options.csv, options.delimiter, options.null = True, ",", ""
    if "delimiter" in found:
        options.delimiter = str(found.pop("delimiter"))
    if "null" in found:
        options.null = str(found.pop("null"))
    if "header" in found:
        _header(options, found.pop("header"), is_from)
        if options.binary and options.header:
            raise PgError("0A000", "cannot specify HEADER in BINARY mode")
    if "quote" in found:
        options.quote = options.escape = _csv_only(options, "quote", found.pop("quote"))
    if "escape" in found:
        options.escape = _csv_only(options, "escape", found.pop("escape"))
    if "force_quote" in found:
        value = found.pop("force_quote")
        options.force_quote = None if value == "*" else tuple(value)  # type: ignore[arg-type]
        if not options.csv or is_from:
            raise PgError("0A000", "COPY force quote " + _when(options, "TO"))
    for name in ("force_not_null", "force_null"):
        if name in found:
            setattr(options, name, tuple(found.pop(name)))  # type: ignore[arg-type]
            if not options.csv or not is_from:
                raise PgError("0A000", f"COPY {name.replace('_', ' ')} " + _when(options, "FROM"))
    if "encoding" in found:
        encoding = str(found.pop("encoding"))
        if encoding.lower().replace("-", "") not in ("utf8", "unicode"):
            raise PgError("22023", 'argument to option "encoding" must be a valid encoding name')
    found.pop("freeze", None)
    if found:
        raise PgError("42601", f'option "{next(iter(found))}" not recognized')
    _check(options)
    return options


def _when(options: Options, direction: str) -> str:
    return f"only available using COPY {direction}" if options.csv else "available only in CSV mode"


def _csv_only(options: Options, name: str, value: object) -> str:
    if not options.csv:
        raise PgError("0A000", f"COPY {name} available only in CSV mode")
    text = str(value)
    if len(text.encode()) != 1:
        raise PgError("0A000", f"COPY {name} must be a single one-byte character")
    return text


def _header(options: Options, value: object, is_from: bool) -> None:
    word = "true" if value is None or value is True else str(value).lower()
    if word in ("true", "on", "1"):
        options.header = True
    elif word in ("false", "off", "0"):
        options.header = False
    elif word == "match":
        if not is_from:
            raise PgError("0A000", 'cannot use "match" with HEADER in COPY TO')
        options.header = options.match = True
    else:
        raise PgError("42601", 'header requires a Boolean value or "match"')


def _check(options: Options) -> None:
    delimiter, null = options.delimiter, options.null
    if len(delimiter.encode()) != 1:
        raise PgError("0A000", "COPY delimiter must be a single one-byte character")
    if delimiter in "\r\n":
        raise PgError("22023", "COPY delimiter cannot be newline or carriage return")
    if "\r" in null or "\n" in null:
        raise PgError("22023", "COPY null representation cannot use newline or carriage return")
    if not options.csv and delimiter in "\\.abcdefghijklmnopqrstuvwxyz0123456789":
        raise PgError("22023", f'COPY delimiter cannot be "{delimiter}"')
    if options.csv and delimiter == options.quote:
        raise PgError("22023", "COPY delimiter and quote must be different")
    if delimiter in null:
        raise PgError("22023", "COPY delimiter character must not appear in the NULL specification")
    if options.csv and options.quote and options.quote in null:
        raise PgError("22023", "CSV quote character must not appear in the NULL specification")


# --- reading ---


MAX_LINE = 10 << 20
"""Bytes of one line: more than any row that may be stored takes, with each of its bytes escaped."""


class _Chunks:
    """Collects chunks cut anywhere until a line is whole."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes, last: bool) -> bytes:
        """Everything up to the last line's end, or all of it; raises PgError 54000 for an endless line."""
        cut = len(data) if last else data.rfind(b"\n") + 1
        if not cut and not last:
            self._hold(data)
            return b""
        whole = b"".join((*self._held, data[:cut])) if self._held else data[:cut]
        self._held, self._size = [], 0
        self._hold(data[cut:])
        return whole

    def put_back(self, text: str) -> None:
        """Lines that turned out to go on."""
        self._held.insert(0, text.encode())
        self._size += len(self._held[0])

    def _hold(self, data: bytes) -> None:
        if data:
            self._held.append(data)
            self._size += len(data)
            if self._size > MAX_LINE:
                raise PgError("54000", "maximum row size exceeded")


class TextReader:
    """Splits the text format into rows; feed it chunks cut anywhere."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._chunks = _Chunks()
        self.plain = False
        """The lines last given hold nothing but fields and delimiters: splitting is all that `fields` does."""
        self.ended = False
        r"""The line `\.` was seen: what follows is ignored."""

    def feed(self, data: bytes, last: bool = False) -> list[str]:
        """Whole lines without their ends; raises PgError 22021."""
        if self.ended:
            return []
        whole = self._chunks.feed(data, last)
        if not whole:
            return []
        text = decode(whole)
        lines = text.split("\n")
        if lines[-1] == "" and not (last and len(lines) > 1 and _open(lines[-2])):
            lines.pop()
        if "\r" in text:
            lines = [line[:-1] if line.endswith("\r") else line for line in lines]
        self.plain = "\\" not in text
        if not self.plain:
            lines = self._joined(lines)
            if lines and not last and _open(lines[-1]):
                self._chunks.put_back(lines.pop() + "\n")
            if "\\." in lines:
                lines = lines[: lines.index("\\.")]
                self.ended = True
        return lines

    def _joined(self, lines: list[str]) -> list[str]:
        """A backslash before the line's end makes the newline data."""
        joined: list[str] = []
        for line in lines:
            if joined and _open(joined[-1]):
                joined[-1] += "\n" + line
            else:
                joined.append(line)
        return joined

    def fields(self, line: str) -> Fields:
        """The fields of one line; None is NULL."""
        options = self._options
        parts = line.split(options.delimiter)
        null = options.null
        if "\\" not in line:
            return [None if part == null else part for part in parts]
        return [None if part == null else _unescape(part) for part in _rejoin(parts, options.delimiter)]


def decode(data: bytes) -> str:
    """UTF-8 text of COPY data; raises PgError 22021."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        shown = " ".join(f"0x{byte:02x}" for byte in data[error.start : error.end])
        raise PgError("22021", f'invalid byte sequence for encoding "UTF8": {shown}') from None
    if "\0" in text:
        raise PgError("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return text


def _open(line: str) -> bool:
    """Whether the line ends in an odd number of backslashes."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _rejoin(parts: list[str], delimiter: str) -> list[str]:
    """Parts that were split at an escaped delimiter become one again."""
    joined: list[str] = []
    for part in parts:
        if joined and _open(joined[-1]):
            joined[-1] += delimiter + part
        else:
            joined.append(part)
    return joined


def _unescape(part: str) -> str:
    if "\\" not in part:
        return part
    out: list[str] = []
    raw = bytearray()
    place, size = 0, len(part)
    while place < size:
        char = part[place]
        if char != "\\" or place + 1 == size:
            _flush(raw, out)
            out.append(char)
            place += 1
            continue
        char = part[place + 1]
        place += 2
        digits = ""
        if char in "01234567":
            digits = char
            while place < size and len(digits) < 3 and part[place] in "01234567":
                digits += part[place]
                place += 1
            raw.append(int(digits, 8) & 0xFF)
        elif char == "x" and place < size and part[place] in "0123456789abcdefABCDEF":
            while place < size and len(digits) < 2 and part[place] in "0123456789abcdefABCDEF":
                digits += part[place]
                place += 1
            raw.append(int(digits, 16))
        else:
            _flush(raw, out)
            out.append(_ESCAPES.get(char, char))
    _flush(raw, out)
    return "".join(out)


def _flush(raw: bytearray, out: list[str]) -> None:
    if raw:
        out.append(decode(bytes(raw)))
        raw.clear()


class CsvReader:
    """Splits CSV into rows; a quoted field may hold line ends."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._chunks = _Chunks()
        self._pending: list[str] = []
        """Lines of a record that is not whole: a quoted field goes on."""
        self._size = 0
        self.plain = False
        self.ended = False
        self.eol = ""
        """What lines end with, by the first one: its first character."""

    def feed(self, data: bytes, last: bool = False) -> list[str]:
        """Whole records; raises PgError 22021, 22P04 for a quote that never ends."""
        if self.ended:
            return []
        text = decode(self._chunks.feed(data, last))
        lines = text.split("\n")
        if lines and lines[-1] == "":
            lines.pop()
        quote = self._options.quote
        self.plain = quote not in text and not self._pending
        records: list[str] = []
        for line in lines:
            inside = bool(self._pending)
            if quote in line:
                inside = self._ends_inside(line, inside)
            if inside:
                self._keep(line)
                continue
            if self._pending:
                line = "\n".join((*self._pending, line))
                self._pending, self._size = [], 0
            record = line.removesuffix("\r")
            if not self.eol:
                self.eol = "\n" if record == line else "\r"
            if record == "\\.":
                self.ended = True
                break
            records.append(record)
        if last and self._pending:
            raise PgError("22P04", "unterminated CSV quoted field")
        return records

    def _keep(self, line: str) -> None:
        self._pending.append(line)
        self._size += len(line) + 1
        if self._size > MAX_LINE:
            raise PgError("54000", "maximum row size exceeded")

    def _ends_inside(self, line: str, inside: bool) -> bool:
        """Whether the line, which begins `inside` quotes or outside, ends inside them."""
        quote, escape = self._options.quote, self._options.escape
        if quote == escape:
            return inside != (line.count(quote) % 2 == 1)
        place = 0
        while place < len(line):
            char = line[place]
            if inside and char == escape and line[place + 1 : place + 2] in (quote, escape):
                place += 1
            elif char == quote:
                inside = not inside
            place += 1
        return inside

    def fields(self, record: str) -> Fields:
        """The fields of one record; an unquoted null string is NULL."""
        options = self._options
        if options.quote not in record:
            return [None if part == options.null else part for part in record.split(options.delimiter)]
        fields: Fields = []
        text: list[str] = []
        inside = was_quoted = False
        place, size = 0, len(record)
        while place < size:
            char = record[place]
            if inside:
                following = record[place + 1 : place + 2]
                if char == options.escape and following and following in (options.quote, options.escape):
                    text.append(following)
                    place += 1
                elif char == options.quote:
                    inside = False
                else:
                    text.append(char)
            elif char == options.delimiter:
                fields.append(self._field(text, was_quoted))
                text, was_quoted = [], False
            elif char == options.quote:
                inside = was_quoted = True
            else:
                text.append(char)
            place += 1
        fields.append(self._field(text, was_quoted))
        return fields

    def _field(self, text: list[str], was_quoted: bool) -> str | None:
        value = "".join(text)
        return None if not was_quoted and value == self._options.null else value


RowReader = Callable[[Sequence[str], Env], list[list[Any]]]


def row_reader(options: Options, width: int, columns: Sequence[tuple[int, Type, int]]) -> RowReader:
    """Straight-line code from plain lines to rows of `width` values; `columns`: (position, type, typmod) per field.

    It raises ValueError for a line with another number of fields, and whatever a type's input raises.
    """
    names: dict[str, Any] = {"NULL": options.null, "DELIMITER": options.delimiter}
    values = ["None"] * width
    for number, (place, kind, typmod) in enumerate(columns):
        field = f"f{number}"
        names[f"r{number}"] = kind.input
        read = f"r{number}({field}, {typmod}, env)"
        if kind.name in _DIGITS:
            is_short = f"len({field}) < {_DIGITS[kind.name]} and {field}.isdigit() and {field}.isascii()"
            read = f"int({field}) if {is_short} else {read}"
        elif kind.name == "text":
            read = field
        values[place] = f"None if {field} == NULL else {read}"
    fields = "".join(f"f{number}, " for number in range(len(columns)))
    source = (
        "def read(lines, env):\n out = []\n for line in lines:\n"
        f"  {fields} = line.split(DELIMITER)\n"
        f"  out.append([{', '.join(f'({value})' for value in values)}])\n return out\n"
    )
    exec(compile(source, "<copy>", "exec"), names)
    made: RowReader = names["read"]
    return made


_DIGITS = {"int2": 5, "int4": 10, "int8": 19}
"""Fewer digits than this always fit."""


# --- writing ---

Writer = Callable[[Sequence[str | None]], str]


def text_writer(options: Options) -> Writer:
    """A function from fields to a line of the text format, with its end."""
    table = {options.delimiter: "\\" + options.delimiter, **_TO_ESCAPE}
    translation = str.maketrans(table)
    null, delimiter = options.null, options.delimiter

    def write(fields: Sequence[str | None]) -> str:
        return (
            delimiter.join([null if field is None else field.translate(translation) for field in fields])
            + "\n"
        )

    return write


def csv_writer(options: Options, columns: Sequence[str], header: bool = False) -> Writer:
    """A function from fields to a CSV record, with its end; FORCE_QUOTE does not hold for the header."""
    special = (options.delimiter, options.quote, "\n", "\r")
    forced = [not header and (options.force_quote is None or name in options.force_quote) for name in columns]
    quote, escape, null, delimiter = options.quote, options.escape, options.null, options.delimiter
    single = len(columns) == 1

    def one(field: str | None, force: bool) -> str:
        if field is None:
            return null
        if force or field == null or any(mark in field for mark in special) or (single and field == "\\."):
            field = field.replace(escape, escape + escape) if escape != quote else field
            return quote + field.replace(quote, escape + quote) + quote
        return field

    def write(fields: Sequence[str | None]) -> str:
        return delimiter.join(map(one, fields, forced)) + "\n"

    return write
