"""Random documents, jsonpaths and templates of datetimes, most of which mean something (PostgreSQL, 9.16.2)."""

import json
from random import Random

VARIABLES = (
    '{"v": 1, "w": "a", "o": {"a": [1, {"b": 2}], "b": {"c": 1}}}',
    '{"v": [1, 2], "w": "2", "o": {"a": {"b": null}}}',
    "null",
    "[1]",
)
_STRINGS = (
    *(
        '"a"',
        '"abc"',
        '""',
        '"1.5"',
        '"-3"',
        '"1e400"',
        '"nan"',
        '"x y"',
        '"2020-02-29"',
        '"12:34:56"',
        '"inf"',
    ),
    *(
        '"12:34:56+01"',
        '"2021-01-02 03:04:05"',
        '"2021-01-02T03:04:05.678+02:30"',
        '"2020-13-01"',
        '"A\\nB"',
        '"é"',
    ),
)
_NUMBERS = (
    *(
        "0",
        "1",
        "-1",
        "2.50",
        "1e3",
        "12345678901234567890.123",
        "0.1",
        "-7",
        "3",
        "1e-400",
        "2147483648",
        "100",
    ),
)
_LITERALS = (
    *("1", "-2", "2.50", '"a"', '"2020-02-29"', "$v", "$w", "$o", "null", "true", "0", "3", '"12:34:56+01"'),
    *("$nope", '$"q r"', "1e-3", '"a\\"b"'),
)
_ACCESSORS = (
    *(".a", ".b", ".c", ".bb", '."a b"', ".*", ".**", ".**{1}", ".**{0 to 1}", ".**{1 to last}", ".**{last}"),
    *(
        ".**{2 to 1}",
        "[*]",
        "[*]",
        "[0]",
        "[last]",
        "[1 to 3,0]",
        "[1 to last]",
        "[last-1]",
        "[0.9]",
        '["a"]',
    ),
    *(
        ".type()",
        ".size()",
        ".double()",
        ".ceiling()",
        ".floor()",
        ".abs()",
        ".keyvalue()",
        ".keyvalue().value",
    ),
    *(".keyvalue().id", ".datetime()", ".datetime()", '.datetime("YYYY-MM-DD")', '.datetime("HH24:MI:SS")'),
    *(".datetime().type()", ".size", ".null"),
)
_COMPARISONS = (" == ", " != ", "<>", " < ", "> ", " <= ", ">=")
_PATTERNS = ('"^a"', '"a.b"', '"^B"', '"[0-9]+"', '"."')
_FLAGS = ("", ' flag "i"', ' flag "s"', ' flag "im"', ' flag "q"', ' flag "smiq"')
_WORDS = (
    *(
        "$",
        "@",
        ".",
        "[",
        "]",
        "(",
        ")",
        "*",
        "**",
        "?",
        '"a"',
        '"b\\u0041"',
        "a",
        "b.c",
        "last",
        "to",
        "1",
        "0x1F",
    ),
    *(
        "1.5",
        ".5",
        "1e2",
        "00",
        "1a",
        "1ab",
        "1_0",
        "+",
        "-",
        "/",
        "%",
        "==",
        "!=",
        "<>",
        "<",
        ">=",
        "&&",
        "||",
        "!",
    ),
    *(
        "is",
        "unknown",
        "exists",
        "starts",
        "with",
        "like_regex",
        "flag",
        '"x"',
        '"qs"',
        "type",
        "()",
        "size",
        "$x",
    ),
    *(
        ".size()",
        "datetime",
        '("YYYY")',
        '$"y z"',
        "strict",
        "lax",
        "null",
        "NULL",
        "TO",
        "Is",
        " ",
        "  ",
        "\n",
    ),
    *(
        "/* c */",
        "{",
        "}",
        "{1}",
        "{1 to last}",
        ",",
        "\\u0061",
        "\\x41",
        "\\n",
        "\\",
        '"\\ud83d\\ude00"',
        "é",
        "#",
    ),
    *("'", "&", "|", "=", "^", "~", "?(@ > 1)", "(@ == 1)", "@.a", "exists(@.b)", "!(@ > 1)", ".double()"),
)


def document(draw: Random, depth: int) -> str:
    """JSON, nested at most that deep."""
    kind = draw.randrange(10)
    if depth <= 0 or kind < 5:
        return draw.choice((*_NUMBERS, *_STRINGS, "true", "false", "null"))
    if kind < 8:
        return "[" + ",".join(document(draw, depth - 1) for _ in range(draw.randrange(5))) + "]"
    keys = draw.sample(("a", "b", "c", "bb", "a b", "é"), draw.randrange(4))
    return "{" + ",".join(f'"{key}":{document(draw, depth - 1)}' for key in keys) + "}"


class Paths:
    """Makes jsonpaths."""

    def __init__(self, draw: Random) -> None:
        self.draw = draw

    def path(self, depth: int) -> str:
        """A path that PostgreSQL takes."""
        draw = self.draw
        make = draw.choice((self.expression, self.expression, self.predicate))
        return draw.choice(("", "", "strict ", "lax ")) + make(depth, False, False)

    def spoilt(self, depth: int) -> str:
        """A path in which something is wrong, as a rule."""
        draw = self.draw
        if draw.random() < 0.5:
            words = (draw.choice(_WORDS) for _ in range(draw.randrange(1, 7)))
            return draw.choice(("", "$.", "$")) + "".join(words)
        text = self.path(depth)
        for _ in range(draw.randrange(1, 3)):
            at = draw.randrange(len(text) + 1)
            text = text[:at] + draw.choice(_WORDS) + text[at + draw.choice((0, 0, 1, 2)) :]
        return text

    def expression(self, depth: int, filtered: bool, subscripted: bool) -> str:
        """An expression; `filtered`: @ may stand in it, `subscripted`: last may."""
        draw = self.draw
        kind = draw.randrange(14) if depth > 0 else 0
        inside = depth - 1, filtered, subscripted
        if kind < 6 or kind > 11:
            heads = ["$", "$", "$", *["@"] * 6 * filtered, *["last"] * 3 * subscripted]
            head = draw.choice(_LITERALS) if draw.random() < 0.3 else draw.choice(heads)
            return head + self.accessors(*inside)
        if kind < 9:
            op = draw.choice((" + ", "-", "*", " / ", "%"))
            text = self.expression(*inside) + op + self.expression(*inside)
            return text if draw.random() < 0.3 else f"({text})" + self.accessors(*inside)
        if kind == 9:
            return draw.choice("+-") + self.expression(*inside)
        if kind == 10:
            return f"({self.expression(*inside)})" + self.accessors(*inside)
        ending = draw.choice((".type()", "?(@ == true)", "[0]", ".a"))
        return f"({self.predicate(*inside)}){ending}" + self.accessors(*inside)

    def accessors(self, depth: int, filtered: bool, subscripted: bool) -> str:
        """Some steps."""
        draw = self.draw
        text = ""
        while draw.random() < 0.55:
            text += draw.choice(_ACCESSORS)
            if draw.random() < 0.3 and depth > 0:
                text += f"?({self.predicate(depth - 1, True, subscripted)})"
            if draw.random() < 0.1 and depth > 0:
                text += "[" + self.expression(depth - 1, filtered, True)
                text += (
                    " to " + self.expression(depth - 1, filtered, True) + "]" if draw.random() < 0.5 else "]"
                )
        return text

    def predicate(self, depth: int, filtered: bool, subscripted: bool) -> str:
        """A predicate."""
        draw = self.draw
        kind = draw.randrange(10) if depth > 0 else 0
        inside = depth - 1, filtered, subscripted
        if kind < 4:
            return self.expression(*inside) + draw.choice(_COMPARISONS) + self.expression(*inside)
        if kind == 4:
            return self.predicate(*inside) + draw.choice((" && ", "||")) + f"({self.predicate(*inside)})"
        if kind == 5:
            return f"!({self.predicate(*inside)})"
        if kind == 6:
            return f"({self.predicate(*inside)}) is unknown"
        if kind == 7:
            return self.expression(*inside) + " starts with " + draw.choice(('"a"', "$w", '"2"'))
        if kind == 8:
            return self.expression(*inside) + " like_regex " + draw.choice(_PATTERNS) + draw.choice(_FLAGS)
        return f"exists ({self.expression(*inside)})"


_TEMPLATES = (
    *(
        "YYYY-MM-DD",
        "YYYYMMDD",
        "HH24:MI:SS",
        "HH:MI AM",
        "YYYY-MM-DD HH24:MI:SS.FF3",
        "DD Mon YYYY",
        "HH24:MI:SSTZH",
    ),
    *(
        'YYYY-MM-DD"T"HH24:MI:SS.USTZH:TZM',
        "Day, DD Month YYYY",
        "IYYY-IW-ID",
        "IYYY IDDD",
        "YYYY DDD",
        "J",
        "SSSS",
    ),
    *(
        "CC YY-MM-DD",
        "YYYY WW",
        "YYYY-MM W",
        "YYYY MM DD BC",
        "Y,YYY-MM-DD",
        "MS",
        "FMDD/FMMM/FMYYYY",
        "YY-MM-DD",
    ),
    *("RM YYYY", "DDth MM YYYY", "HH12:MI:SS P.M.", "SSSSS.FF6"),
)
_KEYS = [
    *(
        "A.D.",
        "A.M.",
        "AD",
        "AM",
        "B.C.",
        "BC",
        "CC",
        "DAY",
        "DDD",
        "DD",
        "DY",
        "Day",
        "Dy",
        "D",
        "FF1",
        "FF3",
        "FF6",
    ),
    *(
        "FX",
        "HH24",
        "HH12",
        "HH",
        "IDDD",
        "ID",
        "IW",
        "IYYY",
        "IYY",
        "IY",
        "I",
        "J",
        "MI",
        "MM",
        "MONTH",
        "MON",
        "MS",
    ),
    *(
        "Month",
        "Mon",
        "OF",
        "P.M.",
        "PM",
        "Q",
        "RM",
        "SSSSS",
        "SSSS",
        "SS",
        "TZH",
        "TZM",
        "TZ",
        "US",
        "WW",
        "W",
    ),
    *("Y,YYY", "YYYY", "YYY", "YY", "Y", "FM", "TM", "TH", "th"),
]
_SEPARATORS = ("-", "/", " ", ":", ".", ";", "'", ",", "", "", '"T"', '"ab"', "@")
_FIGURES = (
    "+05",
    " 3",
    "-11",
    "02",
    "-16",
    "30",
    "2024",
    "02",
    "29",
    "12",
    "59",
    "1",
    "7",
    "123456",
    "060",
    "3,001",
)
_NAMES = ("pm", "A.M.", "bc", "A.D.", "Monday", "wed", "March", "feb", "XI", "T", "ab", "nd")


def template(draw: Random) -> str:
    """A template of datetimes."""
    if draw.random() < 0.2:
        keys = (draw.choice(_KEYS) + draw.choice(_SEPARATORS) for _ in range(draw.randrange(1, 5)))
        return "".join(keys)
    text = draw.choice(_TEMPLATES)
    if draw.random() < 0.25:
        at = draw.randrange(len(text) + 1)
        text = text[:at] + draw.choice((*_KEYS, *_SEPARATORS)) + text[at + draw.choice((0, 0, 1)) :]
    return text


def moment(draw: Random, by: str) -> str:
    """A text that may fit the template."""
    at = [draw.randrange(1, 3000), *map(draw.randrange, (1, 1, 0, 0, 0), (13, 30, 24, 60, 60))]
    parts = {
        "YYYY": f"{at[0]:04d}", "MM": f"{at[1]:02d}", "DD": f"{at[2]:02d}", "HH24": f"{at[3]:02d}",
        "HH": f"{at[3] % 12 + 1:02d}", "MI": f"{at[4]:02d}", "SS": f"{at[5]:02d}",
    }  # fmt: skip
    text, rest = "", by
    while rest:
        key = next(
            (key for key in sorted((*_KEYS, "HH12"), key=len, reverse=True) if rest.startswith(key)), rest[0]
        )
        rest = rest[len(key) :]
        if key in parts:
            text += parts[key]
        elif len(key) > 1 or key.isalpha():
            text += draw.choice((*_FIGURES, *_FIGURES, *_NAMES))
        else:
            text += key.replace('"', "")
    if draw.random() < 0.2 and text:
        at_ = draw.randrange(len(text))
        text = text[:at_] + draw.choice(("", " ", "1", "-", "0", "z")) + text[at_ + 1 :]
    return text


def datetime_path(draw: Random) -> tuple[str, str]:
    """A document that is a string, and a path that reads it by a template."""
    by = template(draw)
    ending = draw.choice(("", "", ".type()", ' < "2020-02-29 01:00:00".datetime()'))
    return json.dumps(moment(draw, by)), f"$.datetime({json.dumps(by)}){ending}"
