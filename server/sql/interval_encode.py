"""Intervals as text in the four styles of IntervalStyle (EncodeInterval; PostgreSQL, chapter 8.5.5)."""

from server.sql.datetime_calendar import US_HOUR, US_MINUTE, US_SECOND
from server.sql.env import Env
from server.sql.interval import Interval


def seconds_text(second: int, us: int, pad: bool) -> str:
    """Seconds without sign, with as many decimals as needed."""
    whole = f"{abs(second):02d}" if pad else str(abs(second))
    return whole if not us else f"{whole}.{abs(us):06d}".rstrip("0")


def _parts(value: Interval) -> tuple[int, int, int, int, int, int, int]:
    """(years, months, days, hours, minutes, seconds, µs), all of a group with its sign."""
    sign = -1 if value.months < 0 else 1
    years, months = divmod(abs(value.months), 12)
    clock = -1 if value.us < 0 else 1
    hours, rest = divmod(abs(value.us), US_HOUR)
    minutes, rest = divmod(rest, US_MINUTE)
    seconds, us = divmod(rest, US_SECOND)
    return (
        sign * years, sign * months, value.days,
        clock * hours, clock * minutes, clock * seconds, clock * us,
    )  # fmt: skip


def _postgres(value: Interval) -> str:
    if not value.months and not value.days:
        sign = "-" if value.us < 0 else ""
        return sign + _clock(value.us)
    words: list[str] = []
    before = False
    years, months, days, *_ = _parts(value)
    for number, unit in ((years, "year"), (months, "mon"), (days, "day")):
        if number:
            plus = "+" if before and number > 0 else ""
            words.append(f"{plus}{number} {unit}{'' if number == 1 else 's'}")
            before = number < 0
    if value.us:
        words.append(("-" if value.us < 0 else "+" if before else "") + _clock(value.us))
    return " ".join(words)


def _clock(us: int) -> str:
    minutes, rest = divmod(abs(us), US_MINUTE)
    hours, minutes = divmod(minutes, 60)
    second, us = divmod(rest, US_SECOND)
    return f"{hours:02d}:{minutes:02d}:{seconds_text(second, us, True)}"


def _verbose(value: Interval) -> str:
    *parts, second, us = _parts(value)
    out = "@"
    zero, before = True, False
    for number, unit in zip(parts, ("year", "mon", "day", "hour", "min")):
        if not number:
            continue
        if zero:
            before, number = number < 0, abs(number)
        elif before:
            number = -number
        out += f" {number} {unit}{'' if number == 1 else 's'}"
        zero = False
    if second or us:
        out += " "
        if second < 0 or us < 0:
            if zero:
                before = True
            elif not before:
                out += "-"
        elif before:
            out += "-"
        out += seconds_text(second, us, False) + (" secs" if abs(second) != 1 or us else " sec")
        zero = False
    return out + (" 0" if zero else "") + (" ago" if before else "")


def _sql(value: Interval) -> str:
    parts = _parts(value)
    years, months, days, hours, minutes, seconds, us = parts
    negative, positive = any(part < 0 for part in parts), any(part > 0 for part in parts)
    if not negative and not positive:
        return "0"
    clock = f"{abs(hours)}:{abs(minutes):02d}:{seconds_text(seconds, us, True)}"
    if (negative and positive) or (value.months and (value.days or value.us)):
        year, day, time = ("-" if part < 0 else "+" for part in value)
        return f"{year}{abs(years)}-{abs(months)} {day}{abs(days)} {time}{clock}"
    sign = "-" if negative else ""
    if value.months:
        return f"{sign}{abs(years)}-{abs(months)}"
    return f"{sign}{abs(days)} {clock}" if days else sign + clock


def _iso(value: Interval) -> str:
    years, months, days, hours, minutes, seconds, us = _parts(value)
    if value == Interval(0, 0, 0) and not any(value):
        return "PT0S"
    out = "P"
    for number, unit in ((years, "Y"), (months, "M"), (days, "D")):
        out += f"{number}{unit}" if number else ""
    if value.us:
        out += "T" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
        if seconds or us:
            out += ("-" if value.us < 0 else "") + seconds_text(seconds, us, False) + "S"
    return out


_STYLES = {"postgres": _postgres, "postgres_verbose": _verbose, "sql_standard": _sql, "iso_8601": _iso}


def interval_out(value: Interval, env: Env) -> str:
    """As IntervalStyle says."""
    return _STYLES[env.intervalstyle](value)
