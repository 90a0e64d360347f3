"""The escapes of E'' and U&'' strings (manual 4.1.2.2 and 4.1.2.3)."""

import re

from server.errors import PgError

_SIMPLE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))|''|[^\\']+", re.DOTALL
)
_MAX_CODE_POINT = 0x10FFFF


def _bad_unicode(position: int) -> PgError:
    return PgError(
        "22025",
        "invalid Unicode escape",
        hint=r"Unicode escapes must be \uXXXX or \UXXXXXXXX.",
        position=position + 1,
    )


class _Utf16:
    """Joins surrogate pairs; `position` in messages is the 0-based offset of the escape."""

    def __init__(self) -> None:
        self.first = 0

    def add(self, code: int, position: int, text: str) -> str:
        if self.first:
            if not 0xDC00 <= code <= 0xDFFF:
                raise self.broken(position, text)
            code = 0x10000 + ((self.first & 0x3FF) << 10) + (code & 0x3FF)
            self.first = 0
            return chr(code)
        if code == 0 or code > _MAX_CODE_POINT:
            raise PgError("42601", f'invalid Unicode escape value at or near "{text}"', position=position + 1)
        if 0xDC00 <= code <= 0xDFFF:
            raise self.broken(position, text)
        if 0xD800 <= code <= 0xDBFF:
            self.first = code
            return ""
        return chr(code)

    def end(self, position: int, text: str) -> None:
        if self.first:
            raise self.broken(position, text)

    @staticmethod
    def broken(position: int, text: str) -> PgError:
        return PgError("42601", f'invalid Unicode surrogate pair at or near "{text}"', position=position + 1)


def backslashes(sql: str, start: int, end: int) -> str:
    """The contents of the E'' string whose body is sql[start:end].

    Raises PgError 22025 for a malformed \\u, 42601 for a bad code point, 22021 for bytes that are not UTF-8.
    """
    body = sql[start:end]
    if "\\" not in body:
        return body.replace("''", "'")
    out = bytearray()
    pair = _Utf16()
    for match in _ESCAPE.finditer(body):
        at = start + match.start()
        octal, hexadecimal, short, long, other = match.groups()
        if short or long:
            out += pair.add(int(short or long, 16), at, match.group()).encode()
            continue
        pair.end(at, match.group())
        if octal:
            out.append(int(octal, 8) & 0xFF)
        elif hexadecimal:
            out.append(int(hexadecimal, 16))
        elif other is None:
            out += (match.group() if match.group() != "''" else "'").encode()
        elif other in "uU":
            raise _bad_unicode(at)
        else:
            out += _SIMPLE.get(other, other).encode()
    pair.end(end, sql[end : end + 1])
    return _decoded(out)


def _decoded(data: bytearray) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        shown = " ".join(f"0x{byte:02x}" for byte in data[error.start : max(error.end, error.start + 1)])
        raise PgError("22021", f'invalid byte sequence for encoding "UTF8": {shown}') from None
    if "\0" in text:
        raise PgError("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return text


def unicode_escapes(text: str, escape: str, offset: int) -> str:
    """The contents of a U& string or identifier; `offset` is where its body starts in the query string."""
    if escape not in text:
        return text
    mark = re.escape(escape)
    pattern = re.compile(
        rf"{mark}(?:({mark})|([0-9a-fA-F]{{4}})|\+([0-9a-fA-F]{{6}}))?|[^{mark}]+", re.DOTALL
    )
    out: list[str] = []
    pair = _Utf16()
    for match in pattern.finditer(text):
        at = offset + match.start()
        doubled, short, long = match.groups()
        if short or long:
            out.append(pair.add(int(short or long, 16), at, match.group()))
            continue
        pair.end(at, match.group())
        if doubled:
            out.append(escape)
        elif match.group() == escape:
            hint = r"Unicode escapes must be \XXXX or \+XXXXXX."
            raise PgError("42601", "invalid Unicode escape", hint=hint, position=at + 1)
        else:
            out.append(match.group())
    pair.end(offset + len(text), "'")
    return "".join(out)
