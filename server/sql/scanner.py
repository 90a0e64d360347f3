"""Lifts the literals out of a statement: statements that differ in nothing else share a plan (DESIGN §11)."""

import re
from dataclasses import dataclass

MARKERS = {"i": "\0i", "I": "\0I", "n": "\0n", "s": "\0s"}
"""Kind of a literal -> what stands for it in the key: int4, int8, numeric, string."""

_NAME = r"A-Za-z0-9_$\x80-\U0010ffff"
_EXPONENT = rf"(?:[eE][+-]?[0-9]+)?(?![{_NAME}.])"
_LITERAL = re.compile(
    r"""(['".0-9](?:"""
    rf"(?<=')(?<![{_NAME}&]')[^']*(?:''[^']*)*'"
    r'|(?<=")[^"]*(?:""[^"]*)*"'
    rf"|(?<=[0-9])(?<![{_NAME}.&][0-9])[0-9]*(?:\.[0-9]*)?{_EXPONENT}"
    rf"|(?<=\.)(?<![{_NAME}.&]\.)[0-9]+{_EXPONENT}"
    r"))"
)
"""A number, a plain string, or a quoted name (which stays); nothing that touches a name or another number.

The first character is one set, which `re` searches for faster than for alternatives.
"""
_WORDS = frozenset({"select", "insert", "update", "delete", "values"})
_START = re.compile(r"\s*(?:select|insert|update|delete|with|values)\b", re.IGNORECASE)
_OUTSIDE = re.compile(
    r"""[-/$'";\\\0](?:(?<=['";\\\0])|(?<=-)-|(?<=/)\*|(?<=\$)(?:(?![0-9])|[0-9]+[A-Za-z_\x80-\U0010ffff]))"""
)
"""What the text between the literals may not hold: a string, a comment, a dollar quote, a semicolon."""
_INT4_MAX, _INT8_MAX = 2**31 - 1, 2**63 - 1


@dataclass(slots=True)
class Lifted:
    """A statement split into what makes its plan and what makes its values."""

    sql: str
    """The original text."""
    key: str
    """The text with each literal replaced by the marker of its kind."""
    literals: list[tuple[str, str]]
    """(kind, contents) in order: i int4, I int8, n numeric, s string (without quotes, '' undone)."""


def lift(sql: str) -> Lifted | None:
    """The statement with its literals lifted out; None for one that the scanner leaves to the lexer.

    Left alone: statements that are no query or change, several statements, comments, E'', U&'', B'', X'', N''
    and dollar-quoted strings, strings continued on another line, and numbers that are not plain decimal.
    """
    if sql[:6].lower() not in _WORDS and _START.match(sql) is None:
        return None
    parts = _LITERAL.split(sql)
    parts[-1] = parts[-1].rstrip("; \t\r\n")
    literals: list[tuple[str, str]] = []
    for index in range(1, len(parts), 2):
        part = parts[index]
        first = part[0]
        if first == "'":
            if parts[index + 1].isspace() or not parts[index + 1]:
                following = parts[index + 2][0] if index + 2 < len(parts) else ""
                if following == "'":
                    return None
            text = part[1:-1]
            literals.append(("s", text.replace("''", "'") if "''" in text else text))
            parts[index] = "\0s"
        elif first == '"':
            parts[index] = part if _plain_name(part) else "\0"
        else:
            kind = _number_kind(part)
            literals.append((kind, part))
            parts[index] = MARKERS[kind]
    if _OUTSIDE.search("".join(parts[::2])) or "\0" in parts[1::2]:
        return None
    return Lifted(sql, "".join(parts), literals)


def _plain_name(quoted: str) -> bool:
    """No empty name, and no NUL that could pass for a marker."""
    return len(quoted) > 2 and "\0" not in quoted


def _number_kind(text: str) -> str:
    if not text.isdigit():
        return "n"
    if len(text) < 10:
        return "i"
    value = int(text) if len(text) < 400 else _INT8_MAX + 1
    return "i" if value <= _INT4_MAX else "I" if value <= _INT8_MAX else "n"
