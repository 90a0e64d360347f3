"""Sets of characters in regular expressions: classes, ranges, cases (PostgreSQL: regc_locale.c, locale C)."""

import re
from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]
"""Closed ranges of code points, ascending, neither touching nor overlapping."""

_LAST = 0x10FFFF


def ranges(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """The union of closed ranges in any order."""
    made: list[tuple[int, int]] = []
    for low, high in sorted(pairs):
        if made and low <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], high))
        else:
            made.append((low, high))
    return tuple(made)


def spelled(text: str) -> Ranges:
    """`a-z` ranges and single characters, without separators."""
    pairs: list[tuple[int, int]] = []
    at = 0
    while at < len(text):
        if text[at + 1 : at + 2] == "-" and at + 2 < len(text):
            pairs.append((ord(text[at]), ord(text[at + 2])))
            at += 3
        else:
            pairs.append((ord(text[at]), ord(text[at])))
            at += 1
    return ranges(pairs)


def complement(members: Ranges) -> Ranges:
    """Every other character."""
    made: list[tuple[int, int]] = []
    at = 0
    for low, high in members:
        if low > at:
            made.append((at, low - 1))
        at = high + 1
    if at <= _LAST:
        made.append((at, _LAST))
    return tuple(made)


def both_cases(members: Ranges) -> Ranges:
    """With the other case of every ASCII letter in it (locale C knows no others)."""
    more = list(members)
    for low, high in members:
        for first, shift in ((65, 32), (97, -32)):
            start, end = max(low, first), min(high, first + 25)
            if start <= end:
                more.append((start + shift, end + shift))
    return ranges(more)


def within(members: Ranges, others: Ranges) -> bool:
    """Is every member one of the others, and is there one?"""
    return bool(members) and all(any(a <= low and high <= b for a, b in others) for low, high in members)


def contains(members: Ranges, char: int) -> bool:
    """Is this code point a member?"""
    return any(low <= char <= high for low, high in members)


def source(members: Ranges) -> str:
    """The set in RE2's syntax."""
    if not members:
        return r"[^\x00-\x{10FFFF}]"
    if members == EVERYTHING:
        return "(?s:.)"
    if len(members) == 1 and members[0][0] == members[0][1]:
        return rf"\x{{{members[0][0]:x}}}"
    body = "".join(
        rf"\x{{{low:x}}}" if low == high else rf"\x{{{low:x}}}-\x{{{high:x}}}" for low, high in members
    )
    return f"[{body}]"


def python_source(members: Ranges) -> str:
    """The set in the syntax of Python's `re`."""
    if members == EVERYTHING:
        return r"[\s\S]"
    if len(members) == 1 and members[0][0] == members[0][1]:
        return re.escape(chr(members[0][0]))
    return "[" + "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in members) + "]"


EVERYTHING: Ranges = ((0, _LAST),)
NEWLINE: Ranges = ((10, 10),)
WORD = spelled("0-9A-Za-z_")
CLASSES = {
    "alnum": spelled("0-9A-Za-z"),
    "alpha": spelled("A-Za-z"),
    "ascii": spelled("\x00-\x7f"),
    "blank": spelled(" \t"),
    "cntrl": spelled("\x00-\x1f\x7f"),
    "digit": spelled("0-9"),
    "graph": spelled("!-~"),
    "lower": spelled("a-z"),
    "print": spelled(" -~"),
    "punct": spelled("!-/:-@[-`{-~"),
    "space": spelled("\t-\r "),
    "upper": spelled("A-Z"),
    "word": WORD,
    "xdigit": spelled("0-9A-Fa-f"),
}
SHORTHANDS = {"d": CLASSES["digit"], "s": CLASSES["space"], "w": WORD}
COLLATING = {
    name: char
    for names, char in (
        ("NUL", "\0"),
        ("SOH", "\1"),
        ("STX", "\2"),
        ("ETX", "\3"),
        ("EOT", "\4"),
        ("ENQ", "\5"),
        ("ACK", "\6"),
        ("BEL alert", "\7"),
        ("BS backspace", "\b"),
        ("HT tab", "\t"),
        ("LF newline", "\n"),
        ("VT vertical-tab", "\v"),
        ("FF form-feed", "\f"),
        ("CR carriage-return", "\r"),
        ("ESC", "\x1b"),
        ("DEL", "\x7f"),
        ("space", " "),
        ("exclamation-mark", "!"),
        ("quotation-mark", '"'),
        ("number-sign", "#"),
        ("dollar-sign", "$"),
        ("percent-sign", "%"),
        ("ampersand", "&"),
        ("apostrophe", "'"),
        ("left-parenthesis", "("),
        ("right-parenthesis", ")"),
        ("asterisk", "*"),
        ("plus-sign", "+"),
        ("comma", ","),
        ("hyphen hyphen-minus", "-"),
        ("period full-stop", "."),
        ("slash solidus", "/"),
        ("zero", "0"),
        ("one", "1"),
        ("two", "2"),
        ("three", "3"),
        ("four", "4"),
        ("five", "5"),
        ("six", "6"),
        ("seven", "7"),
        ("eight", "8"),
        ("nine", "9"),
        ("colon", ":"),
        ("semicolon", ";"),
        ("less-than-sign", "<"),
        ("equals-sign", "="),
        ("greater-than-sign", ">"),
        ("question-mark", "?"),
        ("commercial-at", "@"),
        ("left-square-bracket", "["),
        ("backslash reverse-solidus", "\\"),
        ("right-square-bracket", "]"),
        ("circumflex circumflex-accent", "^"),
        ("underscore low-line", "_"),
        ("grave-accent", "`"),
        ("left-brace left-curly-bracket", "{"),
        ("vertical-line", "|"),
        ("right-brace right-curly-bracket", "}"),
        ("tilde", "~"),
    )
    for name in names.split()
}
"""Names between [. and .] (regc_locale.c: cnames)."""
