"""The lexer: PostgreSQL's tokens, and its errors word for word."""

import pytest

from server.errors import PgError
from server.sql.keywords import COL_NAME, KEYWORDS, RESERVED, TYPE_FUNC_NAME, UNRESERVED, quote_ident
from server.sql.lexer import END, lex, lex_exact


def tokens(sql: str) -> list[tuple[str, str]]:
    found = lex(sql)
    assert found == lex_exact(sql)
    return [(kind, value) for kind, value in zip(found.kinds, found.values) if kind != END]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("a +-b", ["IDENT", "+", "-", "IDENT"]),
        ("a @-b", ["IDENT", "OP", "IDENT"]),
        ("a ->> b", ["IDENT", "OP", "IDENT"]),
        ("a != b", ["IDENT", "<>", "IDENT"]),
        ("a<--b", ["IDENT", "<"]),
        ("a*/*x*/b", ["IDENT", "*", "IDENT"]),
        ("x::int[1]", ["IDENT", "::", "int", "[", "ICONST", "]"]),
        ("not between", ["not_la", "between"]),
        ("not null", ["not", "null"]),
        ("nulls first", ["nulls_la", "first"]),
        ("with ordinality", ["with_la", "ordinality"]),
        ("1..2", ["ICONST", "..", "ICONST"]),
        ("$1", ["PARAM"]),
        ("b'01' x'f' n'a'", ["BCONST", "XCONST", "nchar", "SCONST"]),
    ],
)
def test_kinds(sql: str, expected: list[str]) -> None:
    assert [kind for kind, _ in tokens(sql)] == expected


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("'it''s'", "it's"),
        ("'a'\n  'b'", "ab"),
        ("'a' -- x\n 'b'", "ab"),
        (r"E'a\n\'\x41\101\u00e9\U0001F600\q'", "a\n'AA\u00e9\U0001f600q"),
        (r"E'\ud83d\ude00'", "\U0001f600"),
        (r"U&'\0041\+00005a\\'", "AZ\\"),
        ("U&'!0041' uescape '!'", "A"),
        ("$$it's$$", "it's"),
        ("$a$ $$ $a$", " $$ "),
        ('"a""B"', 'a"B'),
        ("ÉA", "Éa"),
        ("x" * 70, "x" * 63),
        ("é" * 40, "é" * 31),
        ("0x1F", "31"),
        ("1_000", "1000"),
        ("1_0.5_0e1_0", "10.50e10"),
        ("2147483648", "2147483648"),
    ],
)
def test_values(sql: str, value: str) -> None:
    assert [found for _, found in tokens(sql)] == [value]


@pytest.mark.parametrize(
    ("sql", "sqlstate", "message", "position"),
    [
        ("a 'b", "42601", 'unterminated quoted string at or near "\'b"', 3),
        ('a "b', "42601", 'unterminated quoted identifier at or near ""b"', 3),
        ("a /* /* */ b", "42601", 'unterminated /* comment at or near "/* /* */ b"', 3),
        ("$x$ a", "42601", 'unterminated dollar-quoted string at or near "$x$ a"', 1),
        ("b'0", "42601", 'unterminated bit string literal at or near "b\'0"', 1),
        ("x'0", "42601", 'unterminated hexadecimal string literal at or near "x\'0"', 1),
        ('""', "42601", 'zero-length delimited identifier at or near """"', 1),
        ("1a", "42601", 'trailing junk after numeric literal at or near "1a"', 1),
        ("1e+", "42601", 'trailing junk after numeric literal at or near "1e+"', 1),
        ("$1a", "42601", 'trailing junk after parameter at or near "$1a"', 1),
        ("0x", "42601", 'invalid hexadecimal integer at or near "0x"', 1),
        ("a { b", "42601", 'syntax error at or near "{"', 3),
        ("{# a #}", "42601", 'syntax error at or near "{"', 1),
        (r"E'\u00'", "22025", "invalid Unicode escape", 3),
        (r"E'\xff'", "22021", 'invalid byte sequence for encoding "UTF8": 0xff', None),
    ],
)
def test_errors(sql: str, sqlstate: str, message: str, position: int | None) -> None:
    with pytest.raises(PgError) as caught:
        lex(sql)
    assert (caught.value.sqlstate, caught.value.message, caught.value.position) == (
        sqlstate,
        message,
        position,
    )


@pytest.mark.parametrize("blank", [" " * 500, "\t\n" * 300, "--" * 400 + "\n", "-- x\n  " * 100])
@pytest.mark.parametrize("start", ["\n", "  --" + "-" * 400 + "\n"])
def test_whatever_follows_a_string_is_read_once(start: str, blank: str) -> None:
    """Blank space in which another string may stand that goes on with it: not tried in all ways to split it."""
    assert tokens(f"'a'{start}{blank}then") == [("SCONST", "a"), ("then", "then")]
    assert tokens(f"'a'{start}{blank}'b'") == [("SCONST", "ab")]


def test_keyword_classes_are_disjoint() -> None:
    assert len(RESERVED) + len(TYPE_FUNC_NAME) + len(COL_NAME) + len(UNRESERVED) == len(KEYWORDS)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a_1", "a_1"), ("A", '"A"'), ("1a", '"1a"'), ("select", '"select"'), ("int", '"int"'), ("year", "year"),
     ('a"b', '"a""b"'), ("", '""'), ("left", '"left"'), ("a\n", '"a\n"')],
)  # fmt: skip
def test_quote_ident(name: str, text: str) -> None:
    assert quote_ident(name) == text
