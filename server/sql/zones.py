"""Time zones: names, POSIX rules, fixed offsets; which offset holds when (PostgreSQL, appendix B)."""

import re
import struct
import zoneinfo
from datetime import UTC as PY_UTC
from datetime import datetime, timedelta, tzinfo
from functools import cache, lru_cache
from io import BytesIO

US = 1_000_000
DAY_US = 86_400 * US
_EPOCH = datetime(2000, 1, 1)
_FIRST = (datetime(2, 1, 1) - _EPOCH) // timedelta(microseconds=1)
_LAST = (datetime(9998, 12, 31) - _EPOCH) // timedelta(microseconds=1)
_CYCLE = 146_097 * DAY_US
"""The Gregorian calendar, weekdays included, repeats after 400 years."""
_ZERO = timedelta(0)


def _within_python(us: int) -> int:
    """The same moment of the calendar in a year that datetime knows."""
    if us > _LAST:
        return us - ((us - _LAST) // _CYCLE + 1) * _CYCLE
    return max(us, _FIRST)


class Zone:
    """A time zone. Offsets are seconds east of Greenwich; moments are µs since 2000-01-01."""

    __slots__ = ("abbreviation", "fixed", "name", "rules")

    def __init__(self, name: str, fixed: int | None, abbreviation: str, rules: tzinfo | None = None) -> None:
        self.name = name
        self.fixed = fixed
        """The offset, when it never changes."""
        self.abbreviation = abbreviation
        self.rules = rules

    def at(self, us: int) -> tuple[int, bool, str]:
        """(offset, daylight saving time, abbreviation) at the UTC moment `us`."""
        if self.rules is None:
            return self.fixed or 0, False, self.abbreviation
        moment = (_EPOCH + timedelta(microseconds=_within_python(us))).replace(tzinfo=PY_UTC)
        local = moment.astimezone(self.rules)
        return _seconds(local.utcoffset()), bool(local.dst()), local.tzname() or ""

    def local(self, us: int) -> int:
        """The offset for local time `us`: in a gap the one before it, in an overlap the one after it."""
        if self.rules is None:
            return self.fixed or 0
        moment = _EPOCH + timedelta(microseconds=_within_python(us))
        first = _seconds(moment.replace(tzinfo=self.rules).utcoffset())
        second = _seconds(moment.replace(tzinfo=self.rules, fold=1).utcoffset())
        return first if first <= second else second

    def offset_of_abbreviation(self, us: int, abbreviation: str) -> tuple[int, bool] | None:
        """The offset that `abbreviation` has in this zone at UTC moment `us`, or at a time near it."""
        for years in (0, -1, 1, -5, 5, -20, 20, -50, 50):
            for months in (0, 6):
                offset, dst, found = self.at(us + years * 365 * DAY_US + months * 182 * DAY_US)
                if found.upper() == abbreviation.upper():
                    return offset, dst
        return None


def _seconds(offset: timedelta | None) -> int:
    delta = offset or _ZERO
    return delta.days * 86_400 + delta.seconds


def fixed_zone(seconds_east: int) -> Zone:
    """The zone that SET TIME ZONE with a number or interval makes: named in POSIX form, such as <-08>+08."""
    magnitude = abs(seconds_east)
    hours, minutes, seconds = magnitude // 3600, magnitude // 60 % 60, magnitude % 60
    text = (
        f"{hours:02d}"
        + (f":{minutes:02d}" if minutes or seconds else "")
        + (f":{seconds:02d}" if seconds else "")
    )
    east, west = ("+", "-") if seconds_east >= 0 else ("-", "+")
    return Zone(f"<{east}{text}>{west}{text}", seconds_east, f"{east}{text}")


UTC = Zone("UTC", 0, "UTC")
GMT = Zone("GMT", 0, "GMT")


@cache
def _names() -> dict[str, str]:
    return {name.lower(): name for name in zoneinfo.available_timezones()}


_NAME = r"(?:<[^<>]*>|[^0-9,+<>-]+)"
_OFFSET = r"[+-]?[0-9]{1,3}(?::[0-9]{1,2}(?::[0-9]{1,2})?)?"
_POSIX = re.compile(
    f"(?P<std>{_NAME}|)(?P<offset>{_OFFSET})(?:(?P<dst>{_NAME})(?P<dst_offset>{_OFFSET})?)?(?P<rule>,.*)?"
)
_US_RULE = ",M3.2.0,M11.1.0"


def _python_name(name: str, stand_in: str) -> str:
    """zoneinfo takes only names of three or more letters; PostgreSQL takes what stands before the offset."""
    return name if re.fullmatch(r"[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>", name) else stand_in


def _posix(text: str) -> Zone | None:
    """A zone spelled as POSIX's TZ variable; west is positive there."""
    found = _POSIX.fullmatch(text.upper())
    if found is None or (found["rule"] and not found["dst"]):
        return None
    std, offset, dst = found["std"].strip("<>"), found["offset"], found["dst"]
    parts = [int(part) for part in offset.lstrip("+-").split(":")] + [0, 0]
    west = parts[0] * 3600 + parts[1] * 60 + parts[2]
    if parts[0] > 167 or parts[1] > 59 or parts[2] > 59:
        return None
    if offset.startswith("-"):
        west = -west
    if not dst:
        return Zone(text.upper(), -west, std)
    rules = (
        _python_name(found["std"], "<STD>")
        + offset
        + _python_name(dst, "<DST>")
        + (found["dst_offset"] or "")
    )
    rules += found["rule"] or _US_RULE
    head = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
    body = struct.pack(">lbB4s", -west, 0, 0, b"STD\0")
    try:
        info = zoneinfo.ZoneInfo.from_file(BytesIO((head + body) * 2 + b"\n" + rules.encode() + b"\n"))
    except ValueError:
        return None
    return Zone(text.upper(), None, std, info)


@lru_cache(maxsize=1024)
def find_zone(name: str) -> Zone | None:
    """The zone of that name (any case) or POSIX text; None: there is none."""
    lowered = name.lower()
    if lowered in ("utc", "gmt"):
        return UTC if lowered == "utc" else GMT
    known = _names().get(lowered)
    if known is None:
        return _posix(name)
    return Zone(known, None, "", zoneinfo.ZoneInfo(known))
