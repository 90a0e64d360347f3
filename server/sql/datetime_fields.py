"""A date or time text cut into fields, and the words that fields may be (PostgreSQL, appendix B)."""

import re
from enum import Enum

from server.errors import PgError
from server.sql.zone_abbreviations import ABBREVIATIONS

MAX_FIELDS = 25
TOKEN_LENGTH = 10
"""Words are compared by so many characters."""


class Kind(Enum):
    """What a field looks like."""

    NUMBER = 0
    STRING = 1
    DATE = 2
    TIME = 3
    TZ = 4
    SPECIAL = 5


class DateTimeError(Exception):
    """Why a text is no date or time; becomes a PgError where the type and the whole text are known."""

    def __init__(self, reason: str = "format", zone: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.zone = zone


def parse_error(error: DateTimeError, name: str, text: str) -> PgError:
    """The error that DateTimeParseError raises."""
    if error.reason == "overflow":
        return PgError("22008", f'date/time field value out of range: "{text}"')
    if error.reason == "month or day":
        hint = 'Perhaps you need a different "datestyle" setting.'
        return PgError("22008", f'date/time field value out of range: "{text}"', hint=hint)
    if error.reason == "interval":
        return PgError("22015", f'interval field value out of range: "{text}"')
    if error.reason == "displacement":
        return PgError("22009", f'time zone displacement out of range: "{text}"')
    if error.reason == "zone":
        return PgError("22023", f'time zone "{error.zone}" not recognized')
    return PgError("22007", f'invalid input syntax for type {name}: "{text}"')


_MONTH_NAMES = {
    "jan": 1, "january": 1, "feb": 2, "february": 2, "mar": 3, "march": 3, "apr": 4, "april": 4, "may": 5,
    "jun": 6, "june": 6, "jul": 7, "july": 7, "aug": 8, "august": 8, "sep": 9, "sept": 9, "september": 9,
    "oct": 10, "october": 10, "nov": 11, "november": 11, "dec": 12, "december": 12,
}  # fmt: skip
_DAY_NAMES = {
    "sun": 0, "sunday": 0, "mon": 1, "monday": 1, "tue": 2, "tues": 2, "tuesday": 2, "wed": 3, "weds": 3,
    "wednesday": 3, "thu": 4, "thur": 4, "thurs": 4, "thursday": 4, "fri": 5, "friday": 5, "sat": 6,
    "saturday": 6,
}  # fmt: skip
_UNIT_WORDS = {
    "d": "day", "dow": "dow", "doy": "doy", "h": "hour", "isodow": "isodow", "isoyear": "isoyear",
    "j": "julian", "jd": "julian", "julian": "julian",
    "m": "month", "mm": "minute", "s": "second", "y": "year",
}  # fmt: skip
_RESERVED = (
    "-infinity",
    "+infinity",
    "infinity",
    "epoch",
    "now",
    "today",
    "tomorrow",
    "yesterday",
    "allballs",
)

Meaning = tuple[str, int | str]
WORDS: dict[str, Meaning] = {
    **{word: ("month", number) for word, number in _MONTH_NAMES.items()},
    **{word: ("dow", number) for word, number in _DAY_NAMES.items()},
    **{word: ("units", unit) for word, unit in _UNIT_WORDS.items()},
    **{word: ("reserved", word) for word in _RESERVED},
    "ad": ("era", "ad"), "bc": ("era", "bc"), "am": ("ampm", "am"), "pm": ("ampm", "pm"),
    "at": ("ignore", 0), "on": ("ignore", 0), "dst": ("dst modifier", 3600), "t": ("isotime", "time"),
}  # fmt: skip


def word(text: str) -> Meaning:
    """What a word means; time zone abbreviations come first, with the entry's key."""
    key = text[:TOKEN_LENGTH]
    if key in ABBREVIATIONS:
        return "zone", key
    return WORDS.get(key, ("unknown", 0))


def special(text: str) -> Meaning:
    """What a word means when it can't be a time zone."""
    return WORDS.get(text[:TOKEN_LENGTH], ("unknown", 0))


_TOKENS = re.compile(
    r"(?P<time>\d+:[\d:.]*)"
    r"|(?P<three>\d+(?P<delim>[-/.])\d+(?P=delim)[\d]*(?:(?P=delim)[\d]*)*)"
    r"|(?P<two>\d+[-/]\d+)"
    r"|(?P<decimal>\d+\.\d+)"
    r"|(?P<text_month>\d+(?P<between>[-/.])(?:[A-Za-z0-9]|(?P=between))*)"
    r"|(?P<number>\d+|\.\d*)"
    r"|(?P<alpha>[A-Za-z]+)"
    r"|(?P<tz>[+-][ \t\n\r\v\f]*\d[\d:.-]*)"
    r"|(?P<special>[+-][ \t\n\r\v\f]*[A-Za-z]+)"
    r"|(?P<sign>[+-])"
    r"|(?P<skip>[ \t\n\r\v\f!-/:-@\[-`{-~])",
    re.ASCII,
)
_REST = re.compile(r"[-+/_.:A-Za-z0-9]+")
_KINDS = {
    "time": Kind.TIME, "three": Kind.DATE, "two": Kind.DATE, "decimal": Kind.NUMBER, "text_month": Kind.DATE,
    "number": Kind.NUMBER, "alpha": Kind.STRING, "tz": Kind.TZ, "special": Kind.SPECIAL,
}  # fmt: skip


def split(text: str, limit: int = 153) -> list[tuple[str, Kind]]:
    """The fields of the text in lower case (ParseDateTime); DateTimeError for what can be no field."""
    fields: list[tuple[str, Kind]] = []
    at, used, end = 0, 0, len(text)
    while at < end:
        found = _TOKENS.match(text, at)
        if found is None or found.lastgroup == "sign":
            raise DateTimeError
        at = found.end()
        name = _group(found)
        if name == "skip":
            continue
        field, kind = found[0].lower(), _KINDS[name]
        if kind in (Kind.TZ, Kind.SPECIAL):
            field = "".join(field.split())
        elif kind is Kind.STRING and at < end and _goes_on(field, text[at]):
            rest = _REST.match(text, at)
            if rest is not None:
                field, kind, at = field + rest[0].lower(), Kind.DATE, rest.end()
        used += len(field) + 1
        if len(fields) >= MAX_FIELDS or used > limit:
            raise DateTimeError
        fields.append((field, kind))
    return fields


def _group(found: "re.Match[str]") -> str:
    return next(name for name, value in found.groupdict().items() if value is not None)


def _goes_on(field: str, following: str) -> bool:
    """Text that is joined to what follows: a date with a text month, or a time zone's name."""
    if following in "-/.":
        return True
    return (following == "+" or following.isdigit()) and field[:TOKEN_LENGTH] not in WORDS
