"""to_date and to_timestamp with templates (PostgreSQL: formatting.c; chapter 9.8)."""

import re
from typing import Any

from server.errors import PgError
from server.sql.datetime_calendar import (
    END_DATE,
    EPOCH_JULIAN,
    MIN_DATE,
    US_DAY,
    US_HOUR,
    US_MINUTE,
    US_SECOND,
    days_of,
    month_days,
)
from server.sql.fn_datetime import in_range
from server.sql.fn_datetime_parts import iso_week_start
from server.sql.fn_interval import moment_of
from server.sql.fn_to_char_time import DAYS, MONTHS, ROMAN, Node, nodes
from server.sql.functions import sql
from server.sql.sizes import scannable

_LENGTHS = {
    "YYYY": 4,
    "IYYY": 4,
    "YYY": 3,
    "IYY": 3,
    "YY": 2,
    "IY": 2,
    "Y": 1,
    "I": 1,
    "MM": 2,
    "DD": 2,
    "DDD": 3,
    "HH": 2,
    "HH12": 2,
    "HH24": 2,
    "MI": 2,
    "SS": 2,
    "SSSS": 5,
    "SSSSS": 5,
    "MS": 3,
    "US": 6,
    "J": 10,
    "WW": 2,
    "IW": 2,
    "W": 1,
    "Q": 1,
    "CC": 2,
    "D": 1,
    "ID": 1,
    "IDDD": 3,
    "TZH": 2,
    "TZM": 2,
    "FF1": 1,
    "FF2": 2,
    "FF3": 3,
    "FF4": 4,
    "FF5": 5,
    "FF6": 6,
}
_SEPARATOR = re.compile(r"[^A-Za-z0-9\"\\]")
_ALLOWED = "The given value did not match any of the allowed values for this field."


def _is_separator(char: str) -> bool:
    return char.isascii() and _SEPARATOR.match(char) is not None


class _Reader:
    """One text read by one template (DCH_from_char)."""

    def __init__(self, text: str, template: str) -> None:
        scannable(len(text))
        self.text = text
        self.at = 0
        self.nodes = [
            Node("", False, "", char) if not node.key else node
            for node in nodes(template)
            for char in (node.text if not node.key else " ")
        ]
        self.fixed = any(node.key.upper() == "FX" for node in self.nodes)
        self.fields: dict[str, int] = {}
        self.skipped = 0

    def set(self, field: str, value: int, key: str) -> None:
        """22007 when the template names the field twice with different values."""
        if self.fields.get(field, value) != value:
            detail = "This value contradicts a previous setting for the same field type."
            message = f'conflicting values for "{key}" field in formatting string'
            raise PgError("22007", message, detail=detail)
        self.fields[field] = value

    def run(self) -> dict[str, int]:
        """The fields found."""
        for index, node in enumerate(self.nodes):
            if self.at >= len(self.text):
                break
            if not node.key:
                self._literal(node.text)
                continue
            if node.key.upper() == "FX":
                continue
            if not self.fixed:
                self._skip_spaces()
            self._field(node, index)
        return self.fields

    def _skip_spaces(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
            self.skipped += 1

    def _literal(self, char: str) -> None:
        if not self.fixed and _is_separator(char):
            self._skip_spaces()
            here = self.text[self.at : self.at + 1]
            if here and _is_separator(here) and not (here in "+-" and self._zone_follows()):
                self.at += 1
                self._skip_spaces()
            return
        self.at += 1

    def _zone_follows(self) -> bool:
        return (
            any(node.key.upper() == "TZH" for node in self.nodes) and "TZH" not in self.fields and self.at > 8
        )

    def _next_is_free(self, index: int) -> bool:
        """is_next_separator: nothing that could be a digit follows."""
        if index + 1 >= len(self.nodes):
            return True
        following = self.nodes[index + 1]
        if following.key:
            return following.key.upper() not in _LENGTHS
        return not following.text.isdigit()

    def _integer(self, node: Node, index: int) -> tuple[int, int]:
        """(value, number of characters)"""
        key = node.key
        length = _LENGTHS[key.upper()]
        rest = self.text[self.at :]
        if node.fill or self._next_is_free(index):
            found = re.match(r"[+-]?\d+", rest)
        else:
            cut = rest[:length]
            if len(cut) < length:
                detail = f"Field requires {length} characters, but only {len(cut)} remain."
                hint = 'If your source string is not fixed-width, try using the "FM" modifier.'
                message = f'source string too short for "{key}" formatting field'
                raise PgError("22007", message, detail=detail, hint=hint)
            found = re.match(r"[+-]?\d+", cut)
            if found is not None and found.end() < length:
                detail = f"Field requires {length} characters, but only {found.end()} could be parsed."
                hint = 'If your source string is not fixed-width, try using the "FM" modifier.'
                raise PgError("22007", f'invalid value "{cut}" for "{key}"', detail=detail, hint=hint)
        if found is None:
            raise PgError(
                "22007", f'invalid value "{rest[:length]}" for "{key}"', detail="Value must be an integer."
            )
        value = int(found[0])
        if not -(1 << 31) <= value < 1 << 31:
            detail = "Value must be in the range -2147483648 to 2147483647."
            raise PgError("22008", f'value for "{key}" in source string is out of range', detail=detail)
        self.at += found.end()
        if node.ending.upper() == "TH":
            self.at += 2
        return value, found.end()

    def _word(self, key: str, choices: "tuple[str, ...] | list[str]") -> int:
        rest = self.text[self.at :].lower()
        for index, choice in enumerate(choices):
            if rest.startswith(choice.lower()):
                self.at += len(choice)
                return index
        shown = re.match(r"[^\s]*", self.text[self.at :])
        raise PgError("22007", f'invalid value "{shown[0] if shown else ""}" for "{key}"', detail=_ALLOWED)

    def _field(self, node: Node, index: int) -> None:
        key, upper = node.key, node.key.upper()
        plain = upper.replace(".", "")
        if plain in ("AM", "PM", "AD", "BC"):
            pair = ["am", "pm"] if plain in ("AM", "PM") else ["ad", "bc"]
            pair = [f"{word[0]}.{word[1]}." for word in pair] if "." in key else pair
            self.set("pm" if plain in ("AM", "PM") else "bc", self._word(key, pair), key)
        elif upper in ("MONTH", "MON"):
            names = MONTHS if upper == "MONTH" else tuple(name[:3] for name in MONTHS)
            self.set("MM", self._word(key, names) + 1, key)
        elif upper in ("DAY", "DY"):
            names = DAYS if upper == "DAY" else tuple(name[:3] for name in DAYS)
            self.set("D", self._word(key, names) + 1, key)
        elif upper == "RM":
            order = sorted(range(12), key=lambda at: -len(ROMAN[at]))
            self.set("MM", order[self._word(key, [ROMAN[at] for at in order])] + 1, key)
        elif upper in ("TZ", "OF"):
            raise PgError("0A000", f'formatting field "{key}" is only supported in to_char')
        elif upper == "Y,YYY":
            found = re.match(r"(\d+),(\d{3})", self.text[self.at :])
            if found is None:
                raise PgError("22007", 'invalid input string for "Y,YYY"')
            self.at += found.end()
            self.set("YYYY", int(found[1]) * 1000 + int(found[2]), key)
        else:
            self._number(node, upper, index)

    def _number(self, node: Node, upper: str, index: int) -> None:
        if upper == "TZH":
            sign = self.text[self.at : self.at + 1]
            self.at += sign in ("+", "-")
            self.set("zone sign", -1 if sign == "-" else 1, node.key)
        value, width = self._integer(node, index)
        if upper in ("YYY", "YY", "Y", "IYY", "IY", "I"):
            value = _full_year(value, width)
            upper = "IYYY" if upper[0] == "I" else "YYYY"
        elif upper in ("HH", "HH12"):
            self.fields["clock"] = 12
            upper = "HH24"
        elif upper in ("MS", "US") or upper.startswith("FF"):
            value = value * 10 ** max(6 - width, 0)
            if upper == "MS" and width > 3:
                self.fields["overflow"] = 1
            upper = "US"
        elif upper == "SSSSS":
            upper = "SSSS"
        self.set(upper, value, node.key)


def _full_year(value: int, width: int) -> int:
    """A year of fewer than four digits is the one nearest to 2020."""
    if width >= 4:
        return value
    for limit, base in ((70, 2000), (100, 1900), (520, 2000), (1000, 1000)):
        if value < limit:
            return value + base
    return value


def _clock(fields: dict[str, int], text: str) -> int:
    """µs of the day."""
    if "SSSS" in fields:
        seconds = fields["SSSS"]
        hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    else:
        hour, minute, second = fields.get("HH24", 0), fields.get("MI", 0), fields.get("SS", 0)
    if "pm" in fields or "clock" in fields:
        if "HH24" in fields and not 1 <= hour <= 12:
            hint = "Use the 24-hour clock, or give an hour between 1 and 12."
            raise PgError("22007", f'hour "{hour}" is invalid for the 12-hour clock', hint=hint)
        hour = hour % 12 + (12 if fields.get("pm") else 0)
    us = fields.get("US", 0)
    if (
        not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60 and 0 <= us < US_SECOND)
        or "overflow" in fields
    ):
        raise _out_of_range(text)
    return hour * US_HOUR + minute * US_MINUTE + second * US_SECOND + us


def _out_of_range(text: str) -> PgError:
    return PgError("22008", f'date/time field value out of range: "{text}"')


def _year(fields: dict[str, int]) -> int:
    """The calendar year; 0 is 1 BC."""
    year = fields.get("YYYY", fields.get("IYYY", 0))
    if "CC" in fields:
        century = fields["CC"]
        year = (century - 1) * 100 + (year % 100 or 100) if year else (century - 1) * 100 + 1
    if fields.get("bc"):
        return 1 - year if year > 0 else year
    if year < 0:
        return year + 1
    return year


def _days(fields: dict[str, int], text: str) -> int:
    """Days since 2000-01-01; 22008."""
    if "J" in fields:
        return fields["J"] - EPOCH_JULIAN
    year = _year(fields)
    has_year = "YYYY" in fields or "CC" in fields
    if "IW" in fields:
        weekday = (fields["ID"] - 1) if "ID" in fields else (fields["D"] + 5) % 7 if "D" in fields else 0
        return iso_week_start(year, fields["IW"]) + weekday
    if "IDDD" in fields:
        return iso_week_start(year, 1) + fields["IDDD"] - 1
    month, day = fields.get("MM", 1), fields.get("DD", 1)
    if "DDD" in fields or "WW" in fields:
        if not has_year:
            raise PgError("22007", "cannot calculate day of year without year information")
        day_of_year = fields.get("DDD", (fields.get("WW", 1) - 1) * 7 + 1)
        if not 1 <= day_of_year <= 366:
            raise _out_of_range(text)
        return days_of(year, 1, 1) + day_of_year - 1
    if "W" in fields:
        day = (fields["W"] - 1) * 7 + 1
    if not (1 <= month <= 12 and 1 <= day <= month_days(year, month)):
        raise _out_of_range(text)
    days = days_of(year, month, day)
    if not MIN_DATE <= days < END_DATE:
        raise PgError("22008", f'date out of range: "{text}"')
    return days


@sql("1780 to_date(text,text) date s")
def to_date(text: str, template: str) -> int | None:
    """The date that a text of that template holds; 22007, 22008."""
    fields = _Reader(text, template).run()
    _clock(fields, text)
    return _days(fields, text)


@sql("1778 to_timestamp(text,text) timestamptz s", env=True)
def to_timestamp(env: Any, text: str, template: str) -> int | None:
    """The time that a text of that template holds, in the session's zone unless it has one; 22007, 22008."""
    fields = _Reader(text, template).run()
    local = _days(fields, text) * US_DAY + _clock(fields, text)
    if "TZH" in fields:
        east = fields.get("zone sign", 1) * (fields["TZH"] * 3600 + fields.get("TZM", 0) * 60)
        return in_range(local - east * US_SECOND)
    return in_range(moment_of(env, local))
