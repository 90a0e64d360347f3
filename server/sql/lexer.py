"""PostgreSQL's lexical structure (manual 4.1; scan.l): text to tokens, with its errors.

`lex` takes the pieces of sqlglot's tokenizer where they are what PostgreSQL sees and reads the rest again
with the rules below: operators (longest run, trailing + and - given back), numbers, E'' B'' X'' U&'' strings,
strings continued on the next line, dollar quotes, parameters. `lex_exact` uses the rules alone; both agree.
"""

import re
from dataclasses import dataclass, field

from server.errors import PgError
from server.sql import dialect
from server.sql.escapes import backslashes, unicode_escapes
from server.sql.keywords import KEYWORDS

IDENT = "IDENT"
ICONST = "ICONST"
FCONST = "FCONST"
SCONST = "SCONST"
BCONST = "BCONST"
XCONST = "XCONST"
PARAM = "PARAM"
OP = "OP"
END = ""

NAME_BYTES = 63
"""An identifier's length, in bytes (manual 4.1.1)."""
INT4_MAX = 2**31 - 1

_LETTER = "A-Za-z_\x80-\U0010ffff"
_DIGITS = "[0-9](?:_?[0-9])*"
_BLANK = re.compile(r"(?:[ \t\n\r\f\v]+|--[^\n\r]*)+")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_WORD = re.compile(f"[{_LETTER}][{_LETTER}0-9$]*")
_NUMBER = re.compile(
    r"0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+"
    rf"|(?:{_DIGITS}(?:\.(?!\.)(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?"
)
_BAD_BASE = re.compile(r"0([xXoObB])_?")
_BAD_EXPONENT = re.compile(r"[eE][+-]")
_JUNK = re.compile(f"[{_LETTER}]")
_PARAM = re.compile(r"\$([0-9]+)")
_DOLLAR_TAG = re.compile(rf"\$(?:[{_LETTER}][{_LETTER}0-9]*)?\$")
_OPERATOR = re.compile(r"[~!@#^&|`?+\-*/%<>=]{1,256}")
"""Bounded, because signs at its end are given back and looked at again."""
_OPERATOR_MARK = re.compile(r"[~!@#^&|`?%]")
_PLAIN_BODY = re.compile(r"[^']*(?:''[^']*)*'")
_ESCAPED_BODY = re.compile(r"[^'\\]*(?:(?:''|\\.)[^'\\]*)*'", re.DOTALL)
_BIT_BODY = re.compile(r"[^']*'")
_QUOTED_BODY = re.compile(r'[^"]*(?:""[^"]*)*"')
_CONTINUED = re.compile(r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]++|--[^\n\r]*+[\n\r])*+'")
"""Nothing is given back: behind a string and a line's end there is often much blank space, and no string."""

_LONG = 32 << 10
"""Characters of a text that is read by our rules alone; that takes as long."""

_SELF = frozenset(",()[].;:+-*/%^<>=")
_DIRECT = frozenset(",()[];")
_OPERATOR_CHARS = frozenset("~!@#^&|`?+-*/%<>=")
_OPERATOR_TOKENS = {"=>": "=>", ">=": ">=", "<=": "<=", "<>": "<>", "!=": "<>"}
_STRICT_AFTER_NUMBER = re.compile(f"[{_LETTER}0-9.]")
_DIGIT = frozenset("0123456789")

_LOOKAHEAD = {
    **{("not", word): "not_la" for word in ("between", "in", "like", "ilike", "similar")},
    **{("nulls", word): "nulls_la" for word in ("first", "last")},
    **{("with", word): "with_la" for word in ("time", "ordinality")},
    ("without", "time"): "without_la",
    ("format", "json"): "format_la",
}
"""Words that mean something else before another word (PostgreSQL's base_yylex)."""
_SECOND = frozenset(second for _, second in _LOOKAHEAD)

_PADDING = [END] * 3
"""The grammar looks up to three tokens past the end."""
_UNICODE_STRING = "USCONST"
_UNICODE_NAME = "UIDENT"


@dataclass(slots=True)
class Tokens:
    """Parallel lists; the last token is END at the end of the text.

    A kind is a keyword in lower case, an operator or bracket as written, or one of the constants above (OP:
    an operator without a token of its own). A value is a name folded and cut, a string's contents, a number.
    """

    sql: str
    kinds: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    unicode: bool = False
    """A U& token is among them that still needs its escapes read."""

    def near(self, index: int, message: str = "syntax error", sqlstate: str = "42601") -> PgError:
        """The message with the token as PostgreSQL cites it, and its position."""
        start, end = self.starts[index], self.ends[index]
        where = f'near "{self.sql[start:end]}"' if start < len(self.sql) else "end of input"
        at = f"{message} at or {where}" if start < len(self.sql) else f"{message} at {where}"
        return PgError(sqlstate, at, position=start + 1)


def fold(word: str) -> str:
    """An unquoted identifier's name: ASCII letters in lower case (PostgreSQL folds no others in UTF-8)."""
    if word.isascii():
        return word.lower()
    return "".join(c.lower() if c.isascii() else c for c in word)


def cut(name: str) -> str:
    """The name cut to 63 bytes, never inside a character."""
    if len(name) * 4 <= NAME_BYTES or len(data := name.encode()) <= NAME_BYTES:
        return name
    return data[:NAME_BYTES].decode(errors="ignore")


def _unterminated(sql: str, start: int, what: str) -> PgError:
    return PgError("42601", f'{what} at or near "{sql[start:]}"', position=start + 1)


def lex(sql: str) -> Tokens:
    """All tokens of a query string. Raises PgError 42601 (22025, 22021 for escapes) as scan.l does."""
    # sqlglot ends a nested comment that PostgreSQL calls unterminated, and differs on what a letter is.
    # Its tokenizer is compiled and lets no other thread in before it is done, which long texts are read without.
    pieces = dialect.split(sql) if len(sql) < _LONG and sql.isascii() and "/*" not in sql else None
    if pieces is None:
        return lex_exact(sql)
    out = Tokens(sql)
    kinds, values, starts, ends = out.kinds, out.values, out.starts, out.ends
    word_type, string_type = dialect.WORD, dialect.STRING
    length = len(sql)
    position = 0
    for piece in pieces:
        start = piece.start
        if start < position:
            if piece.end >= position:
                return _finish(out, position)
            continue
        kind = piece.token_type
        end = piece.end + 1
        if kind is word_type:
            following = sql[end] if end < length else " "
            if following in "'&" and end - start == 1:
                position = _read(out, start)
                continue
            word = sql[start:end].lower()
            _put_word(out, word, start, end)
            position = end
        elif (first := sql[start]) in _DIRECT:
            kinds.append(first)
            values.append(first)
            starts.append(start)
            ends.append(end)
            position = end
        elif kind is string_type:
            if end < length and sql[end] not in ",) ;":
                position = _read(out, start)
            else:
                position = _put(out, SCONST, piece.text, start, end)
                if end < length and sql[end] == " " and _CONTINUED.match(sql, end):
                    _drop(out)
                    position = _read(out, start)
        else:
            position = _read(out, start)
            if position < end:
                return _finish(out, position)
    return _finish(out, length)


def lex_exact(sql: str) -> Tokens:
    """`lex` by PostgreSQL's rules alone."""
    return _finish(Tokens(sql), 0)


def _finish(out: Tokens, position: int) -> Tokens:
    """Read on from `position` to the end, add the END token, read U& escapes."""
    length = len(out.sql)
    while (position := _skip(out.sql, position)) < length:
        position = _read(out, position)
    _put(out, END, "", length, length)
    out.kinds += _PADDING
    return _unicode_tokens(out) if out.unicode else out


def _skip(sql: str, position: int) -> int:
    """The next position that is neither white space nor comment."""
    while True:
        blank = _BLANK.match(sql, position)
        if blank:
            position = blank.end()
        if not sql.startswith("/*", position):
            return position
        start, depth = position, 0
        while True:
            edge = _COMMENT_EDGE.search(sql, position)
            if edge is None:
                raise _unterminated(sql, start, "unterminated /* comment")
            position = edge.end()
            depth += 1 if edge.group() == "/*" else -1
            if depth == 0:
                break


def _put(out: Tokens, kind: str, value: str, start: int, end: int) -> int:
    out.kinds.append(kind)
    out.values.append(value)
    out.starts.append(start)
    out.ends.append(end)
    return end


def _drop(out: Tokens) -> None:
    for column in (out.kinds, out.values, out.starts, out.ends):
        column.pop()


def _put_word(out: Tokens, word: str, start: int, end: int) -> None:
    """A folded word: a keyword, perhaps one that changes the word before it, or a name."""
    kinds = out.kinds
    if word in KEYWORDS:
        if word in _SECOND and kinds:
            kinds[-1] = _LOOKAHEAD.get((kinds[-1], word), kinds[-1])
        kinds.append(word)
    else:
        kinds.append(IDENT)
        if end - start > 15:
            word = cut(word)
    out.values.append(word)
    out.starts.append(start)
    out.ends.append(end)


def _read(out: Tokens, start: int) -> int:
    """Read the one token that starts here by PostgreSQL's rules; its end."""
    sql = out.sql
    first = sql[start]
    if first == "'":
        return _string(out, start, start + 1)
    if first in _DIGIT or (first == "." and sql[start + 1 : start + 2] in _DIGIT):
        return _number(out, start)
    if first in _OPERATOR_CHARS:
        return _operator(out, start)
    if first == '"':
        return _quoted(out, start, start + 1, IDENT)
    if first == "$":
        return _dollar(out, start)
    if first == ":" or first == ".":
        for text in ("::", ":=", ".."):
            if sql.startswith(text, start):
                return _put(out, text, text, start, start + 2)
    if first in _SELF:
        return _put(out, first, first, start, start + 1)
    return _prefixed(out, start)


def _prefixed(out: Tokens, start: int) -> int:
    """A word, a string with a letter before it, or a character that is no token."""
    sql = out.sql
    first = sql[start]
    lower = first.lower()
    if sql.startswith("'", start + 1):
        if lower == "e":
            return _string(out, start, start + 2, escapes=True)
        if lower == "b":
            return _string(out, start, start + 2, BCONST)
        if lower == "x":
            return _string(out, start, start + 2, XCONST)
        if lower == "n":
            _put_word(out, "nchar", start, start + 1)
            return start + 1
    if lower == "u" and sql.startswith("&", start + 1):
        quote = sql[start + 2 : start + 3]
        if quote == "'":
            return _string(out, start, start + 3, _UNICODE_STRING)
        if quote == '"':
            return _quoted(out, start, start + 3, _UNICODE_NAME)
    match = _WORD.match(sql, start)
    if match is None:
        _put(out, first, first, start, start + 1)
        raise out.near(len(out.kinds) - 1)
    _put_word(out, fold(match.group()), start, match.end())
    return match.end()


def _string(out: Tokens, start: int, body: int, kind: str = SCONST, escapes: bool = False) -> int:
    """A string constant with everything that continues it on later lines."""
    sql = out.sql
    pattern = _ESCAPED_BODY if escapes else _BIT_BODY if kind in (BCONST, XCONST) else _PLAIN_BODY
    parts = []
    while True:
        match = pattern.match(sql, body)
        if match is None:
            what = {BCONST: "bit string literal", XCONST: "hexadecimal string literal"}.get(
                kind, "quoted string"
            )
            raise _unterminated(sql, start, f"unterminated {what}")
        parts.append(
            backslashes(sql, body, match.end() - 1) if escapes else match.group()[:-1].replace("''", "'")
        )
        more = _CONTINUED.match(sql, match.end())
        if more is None:
            break
        body = more.end()
    out.unicode |= kind == _UNICODE_STRING
    return _put(out, kind, "".join(parts), start, match.end())


def _quoted(out: Tokens, start: int, body: int, kind: str) -> int:
    sql = out.sql
    match = _QUOTED_BODY.match(sql, body)
    if match is None:
        raise _unterminated(sql, start, "unterminated quoted identifier")
    end = match.end()
    name = match.group()[:-1].replace('""', '"')
    if not name:
        raise PgError(
            "42601", f'zero-length delimited identifier at or near "{sql[start:end]}"', position=start + 1
        )
    out.unicode |= kind == _UNICODE_NAME
    return _put(out, kind, cut(name) if kind == IDENT else name, start, end)


def _number(out: Tokens, start: int) -> int:
    sql = out.sql
    match = _NUMBER.match(sql, start)
    assert match is not None
    end = match.end()
    bad = _BAD_BASE.match(sql, start)
    if bad and end == start + 1:
        base = {"x": "hexadecimal", "o": "octal", "b": "binary"}[bad.group(1).lower()]
        raise _junk(sql, start, bad.end(), f"invalid {base} integer")
    if (exponent := _BAD_EXPONENT.match(sql, end)) and not _is_based(match.group()):
        raise _junk(sql, start, exponent.end(), "trailing junk after numeric literal")
    if _JUNK.match(sql, end):
        raise _junk(sql, start, end + 1, "trailing junk after numeric literal")
    text = match.group().replace("_", "")
    if text.isdigit():
        short = text.lstrip("0") or "0"
        if len(short) < 10 or (len(short) == 10 and int(short) <= INT4_MAX):
            return _put(out, ICONST, short, start, end)
    elif _is_based(text) and int(text, 0) <= INT4_MAX:
        return _put(out, ICONST, str(int(text, 0)), start, end)
    return _put(out, FCONST, text, start, end)


def _is_based(text: str) -> bool:
    return text[1:2] in tuple("xXoObB")


def _junk(sql: str, start: int, end: int, what: str) -> PgError:
    return PgError("42601", f'{what} at or near "{sql[start:end]}"', position=start + 1)


def _operator(out: Tokens, start: int) -> int:
    """The longest run of operator characters, up to a comment, less trailing signs (manual 4.1.3)."""
    sql = out.sql
    match = _OPERATOR.match(sql, start)
    assert match is not None
    text = match.group()
    if len(text) > 1:
        for mark in ("/*", "--"):
            at = text.find(mark)
            if at >= 0:
                text = text[:at]
        if text[-1] in "+-" and not _OPERATOR_MARK.search(text):
            text = text.rstrip("+-") or text[0]
    end = start + len(text)
    if len(text) == 1 and text in _SELF:
        return _put(out, text, text, start, end)
    if text in _OPERATOR_TOKENS:
        kind = _OPERATOR_TOKENS[text]
        return _put(out, kind, kind, start, end)
    if len(text) > NAME_BYTES:
        raise _junk(sql, start, end, "operator too long")
    return _put(out, OP, text, start, end)


def _dollar(out: Tokens, start: int) -> int:
    """`$1`, or a dollar-quoted string."""
    sql = out.sql
    match = _PARAM.match(sql, start)
    if match:
        end = match.end()
        if _JUNK.match(sql, end):
            raise _junk(sql, start, end + 1, "trailing junk after parameter")
        return _put(out, PARAM, match.group(1), start, end)
    tag = _DOLLAR_TAG.match(sql, start)
    if tag is None:
        _put(out, "$", "$", start, start + 1)
        raise out.near(len(out.kinds) - 1)
    close = sql.find(tag.group(), tag.end())
    if close < 0:
        raise _unterminated(sql, start, "unterminated dollar-quoted string")
    return _put(out, SCONST, sql[tag.end() : close], start, close + len(tag.group()))


def _unicode_tokens(out: Tokens) -> Tokens:
    """Read the escapes of U&'' and U&"", with the escape character of a UESCAPE that follows."""
    kinds, values = out.kinds, out.values
    index = 0
    while index < len(kinds):
        kind = kinds[index]
        if kind in (_UNICODE_STRING, _UNICODE_NAME):
            escape = "\\"
            offset = out.starts[index] + 3
            if kinds[index + 1] == "uescape":
                if kinds[index + 2] != SCONST:
                    raise out.near(index + 2, "UESCAPE must be followed by a simple string literal")
                escape = values[index + 2]
                if len(escape) != 1 or escape in "+'\" \t\n\r\f\v" or re.match("[0-9a-fA-F]", escape):
                    raise out.near(index + 2, "invalid Unicode escape character")
                out.ends[index] = out.ends[index + 2]
                for column in (out.kinds, out.values, out.starts, out.ends):
                    del column[index + 1 : index + 3]
            values[index] = unicode_escapes(values[index], escape, offset)
            if kind == _UNICODE_NAME:
                values[index] = cut(values[index])
            kinds[index] = SCONST if kind == _UNICODE_STRING else IDENT
        index += 1
    return out
