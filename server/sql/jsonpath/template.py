"""Datetime templates in the standard mode, which jsonpath's .datetime() reads by (PostgreSQL: formatting.c).

Unlike to_timestamp's it takes no separators but `-./,':; `, wants each of them in the text, and nothing behind it.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from server.errors import PgError
from server.sql.fn_to_char_time import DAYS, KEYWORD, MONTHS, ROMAN
from server.sql.sizes import scannable, template_fits
from server.sql.type_io import SPACES

_WORD = re.compile(rf"(FM|fm|TM|tm)?(?:({KEYWORD})(TH|th|SP|sp)?)?")
_QUOTED = re.compile(r'"((?:\\.|[^"])*)(?:"|$)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NUMBER = re.compile(rf"[{SPACES}]*[+-]?[0-9]+")
_THOUSANDS = re.compile(rf"[{SPACES}]*([+-]?[0-9]+),[{SPACES}]*([+-][0-9]{{1,2}}|[0-9]{{1,3}})")

_ISO_WEEK = frozenset(("IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I"))
_GREGORIAN = frozenset(
    ("DDD", "DD", "D", "MM", "MONTH", "MON", "RM", "WW", "W", "Y,YYY", "YYYY", "YYY", "YY", "Y")
)
_HALVES = frozenset(("AM", "PM", "A.M.", "P.M."))
_ERAS = frozenset(("AD", "BC", "A.D.", "B.C."))
_FRACTIONS = frozenset(("FF1", "FF2", "FF3", "FF4", "FF5", "FF6"))
_CLOCK = frozenset(("HH", "HH12", "HH24", "MI", "SS", "MS", "US", "SSSS", "SSSSS")) | _HALVES | _FRACTIONS
_ZONE = frozenset(("TZH", "TZM"))
_ONLY_PRINTED = frozenset(("TZ", "OF"))
_NO_DIGITS = _HALVES | _ERAS | _FRACTIONS | {"DAY", "DY", "MONTH", "MON", "RM", "FX", "TZH"} | _ONLY_PRINTED

_FIELDS = {
    "HH": ("hour", 2), "HH12": ("hour", 2), "HH24": ("hour", 2), "MI": ("minute", 2), "SS": ("second", 2),
    "MS": ("ms", 3), "US": ("us", 6), "SSSS": ("day_second", 4), "SSSSS": ("day_second", 5), "TZM": ("zone_minute", 2),
    "MM": ("month", 2), "DDD": ("year_day", 3), "IDDD": ("year_day", 3), "DD": ("day", 2), "D": ("weekday", 1),
    "ID": ("weekday", 1), "WW": ("week", 2), "IW": ("week", 2), "Q": ("", 1), "CC": ("century", 2),
    "YYYY": ("year", 4), "IYYY": ("year", 4), "YYY": ("year", 3), "IYY": ("year", 3), "YY": ("year", 2),
    "IY": ("year", 2), "Y": ("year", 1), "I": ("year", 1), "W": ("month_week", 1), "J": ("julian", 1),
} | {f"FF{digits}": ("us", digits) for digits in range(1, 7)}  # fmt: skip
"""Where a number goes ('': nowhere), and how many characters it has where a digit may follow."""
_SHORT_MONTHS = tuple(name[:3] for name in MONTHS)
_SHORT_DAYS = tuple(name[:3] for name in DAYS)
_WORDS: dict[str, tuple[tuple[str, ...], str, Callable[[int], int]]] = {
    **dict.fromkeys(("AM", "PM"), (("am", "pm"), "pm", lambda at: at)),
    **dict.fromkeys(("A.M.", "P.M."), (("a.m.", "p.m."), "pm", lambda at: at)),
    **dict.fromkeys(("AD", "BC"), (("ad", "bc"), "bc", lambda at: at)),
    **dict.fromkeys(("A.D.", "B.C."), (("a.d.", "b.c."), "bc", lambda at: at)),
    "MONTH": (MONTHS, "month", lambda at: at + 1),
    "MON": (_SHORT_MONTHS, "month", lambda at: at + 1),
    "RM": (ROMAN[::-1], "month", lambda at: 12 - at),
    "DAY": (DAYS, "weekday", lambda at: at),
    "DY": (_SHORT_DAYS, "weekday", lambda at: at),
}
"""The words that stand for a field, its name, and its value for the word at a place."""


class Piece(NamedTuple):
    """A keyword as it is written, or a character that has to stand in the text."""

    key: str
    fill: bool
    ordinal: bool
    char: str
    quoted: bool

    @property
    def field(self) -> str:
        """The keyword in upper case."""
        return self.key.upper()


class Template(NamedTuple):
    """A template, and what its keywords are about."""

    pieces: tuple[Piece, ...]
    dated: bool
    timed: bool
    zoned: bool


def format_error(message: str, detail: str | None = None, hint: str | None = None) -> PgError:
    """22007"""
    return PgError("22007", message, detail=detail, hint=hint)


@lru_cache(maxsize=256)
def template(text: str) -> Template:
    """The template of that text. Raises PgError 22007 for other separators; 54000."""
    template_fits(text)
    pieces: list[Piece] = []
    at = 0
    while at < len(text):
        word = _WORD.match(text, at)
        assert word is not None
        at = word.end()
        if word[2]:
            pieces.append(
                Piece(word[2], (word[1] or "").upper() == "FM", (word[3] or "").upper() == "TH", "", False)
            )
        elif text[at : at + 1] == '"':
            quoted = _QUOTED.match(text, at)
            assert quoted is not None
            at = quoted.end()
            pieces += [Piece("", False, False, char, True) for char in _ESCAPED.sub(r"\1", quoted[1])]
        elif at < len(text):
            if text[at] not in "-./,':; ":
                raise format_error(f'invalid datetime format separator: "{text[at]}"')
            pieces.append(Piece("", False, False, text[at], False))
            at += 1
    fields = {piece.field for piece in pieces if piece.key}  # a week alone dates nothing, as in PostgreSQL
    rest = fields - _CLOCK - _ZONE - _ONLY_PRINTED - {"FX", "IW"}
    return Template(tuple(pieces), bool(rest), bool(fields & _CLOCK), bool(fields & _ZONE))


class Fields(dict[str, int]):
    """What was read, by name; 0 where nothing was."""

    def __missing__(self, name: str) -> int:
        return 0

    def put(self, name: str, value: int, key: str) -> None:
        """PgError 22007 when the keyword's field is set to something else."""
        if self[name] not in (0, value):
            raise format_error(
                f'conflicting values for "{key}" field in formatting string',
                "This value contradicts a previous setting for the same field type.",
            )
        self[name] = value


class Reader:
    """One text, read by one template."""

    def __init__(self, text: str, pieces: tuple[Piece, ...]) -> None:
        scannable(len(text))
        self.text = text
        self.pieces = pieces
        self.at = 0
        self.fields = Fields()
        self.iso_week: bool | None = None

    def run(self) -> Fields:
        """All fields. Raises PgError 22007, 22008, 0A000."""
        for index, piece in enumerate(self.pieces):
            if self.at >= len(self.text):
                raise format_error("input string is too short for datetime format")
            if piece.key:
                self._keyword(piece, index)
            elif self.text[self.at] == piece.char:
                self.at += 1
            else:
                kind = "character" if piece.quoted else "separator"
                raise format_error(f'unmatched format {kind} "{piece.char}"')
        if self.text[self.at :].strip(SPACES):
            raise format_error("trailing characters remain in input string after datetime format")
        self.fields["iso_week"] = int(bool(self.iso_week))
        return self.fields

    def _keyword(self, piece: Piece, index: int) -> None:
        key = piece.field
        self._keep_convention(key)
        if key in _WORDS:
            self._word(piece, *_WORDS[key])
        elif key in _ONLY_PRINTED:
            raise PgError("0A000", f'formatting field "{piece.key}" is only supported in to_char')
        elif key == "TZH":
            self._zone_hour(piece, index)
        elif key == "Y,YYY":
            self._thousands(piece)
        elif key != "FX":
            self._number(piece, index)

    def _keep_convention(self, key: str) -> None:
        if key in _ISO_WEEK or key in _GREGORIAN:
            is_week = key in _ISO_WEEK
            if self.iso_week not in (None, is_week):
                raise format_error(
                    "invalid combination of date conventions",
                    hint="Do not mix Gregorian and ISO week date conventions in a formatting template.",
                )
            self.iso_week = is_week

    def _word(self, piece: Piece, words: tuple[str, ...], name: str, value: Callable[[int], int]) -> None:
        rest = self.text[self.at : self.at + 10].lower()
        place = next((at for at, word in enumerate(words) if rest.startswith(word.lower())), None)
        if place is None:
            shown = re.split(f"[{SPACES}]", self.text[self.at :], maxsplit=1)[0]
            raise format_error(
                f'invalid value "{shown}" for "{piece.key}"',
                "The given value did not match any of the allowed values for this field.",
            )
        self.at += len(words[place])
        self.fields.put(name, value(place), piece.key)
        if name == "weekday":
            self.fields[name] += 1
        elif name == "pm":
            self.fields["half_day"] = 1

    def _zone_hour(self, piece: Piece, index: int) -> None:
        sign = self.text[self.at]
        self.fields["zone_sign"] = -1 if sign == "-" else 1
        self.at += sign in "+- "
        self._integer(piece, index, "zone_hour", 2)

    def _thousands(self, piece: Piece) -> None:
        found = _THOUSANDS.match(self.text, self.at)
        if found is None:
            raise format_error('invalid input string for "Y,YYY"')
        self.at = found.end()
        self.fields.put("year", int(found[1]) * 1000 + int(found[2]), piece.key)
        self.fields["year_digits"] = 4
        self._skip_ordinal(piece)

    def _number(self, piece: Piece, index: int) -> None:
        key = piece.field
        name, size = _FIELDS[key]
        if key == "TZM":
            self.fields["zone_sign"] = self.fields["zone_sign"] or 1
        width = self._integer(piece, index, name, size)
        if name == "year":
            if size < 4 and width < 4:
                self.fields[name] = _near_2020(self.fields[name])
            self.fields["year_digits"] = size
        elif name in ("ms", "us"):
            self.fields[name] *= 10 ** max((3 if name == "ms" else 6) - width, 0)
            if key in _FRACTIONS:
                self.fields["precision"] = size
        elif key in ("HH", "HH12"):
            self.fields["half_day"] = 1
        elif key == "ID":
            self.fields[name] = self.fields[name] + 1 if self.fields[name] < 7 else 1
        if key != "TZM":
            self._skip_ordinal(piece)

    def _skip_ordinal(self, piece: Piece) -> None:
        if piece.ordinal:
            self.at = min(self.at + 2, len(self.text))

    def _integer(self, piece: Piece, index: int, name: str, size: int) -> int:
        """Reads a number into a field; the characters that it took."""
        text, start = self.text, self.at
        at = start
        while text[at : at + 1] and text[at] in SPACES:
            at += 1
        copy = text[at : at + size].encode()[:size].decode(errors="ignore")
        if piece.fill or self._is_free(index):
            found = _NUMBER.match(text, start)
            self.at = found.end() if found is not None else start
            value = int(found[0]) if found is not None else 0
        else:
            value = self._fixed(piece, at, copy, size)
        if self.at == start:
            raise format_error(f'invalid value "{copy}" for "{piece.key}"', "Value must be an integer.")
        if not -(1 << 31) <= value < 1 << 31:
            raise PgError(
                "22008",
                f'value for "{piece.key}" in source string is out of range',
                detail="Value must be in the range -2147483648 to 2147483647.",
            )
        if name:
            self.fields.put(name, value, piece.key)
        return self.at - start

    def _fixed(self, piece: Piece, at: int, copy: str, size: int) -> int:
        hint = 'If your source string is not fixed-width, try using the "FM" modifier.'
        left = min(size, len(self.text[at : at + size].encode()))
        if left < size:
            raise format_error(
                f'source string too short for "{piece.key}" formatting field',
                f"Field requires {size} characters, but only {left} remain.",
                hint,
            )
        found = _NUMBER.match(copy)
        used = found.end() if found is not None else 0
        if 0 < used < size:
            raise format_error(
                f'invalid value "{copy}" for "{piece.key}"',
                f"Field requires {size} characters, but only {used} could be parsed.",
                hint,
            )
        self.at = at + used
        return int(found[0]) if found is not None else 0

    def _is_free(self, index: int) -> bool:
        """Nothing that could be a digit follows."""
        if self.pieces[index].ordinal or index + 1 == len(self.pieces):
            return True
        following = self.pieces[index + 1]
        return following.field in _NO_DIGITS if following.key else following.char not in "0123456789"


def _near_2020(year: int) -> int:
    """A year of fewer than four digits is the one nearest to 2020."""
    for limit, base in ((70, 2000), (100, 1900), (520, 2000), (1000, 1000)):
        if year < limit:
            return year + base
    return year
