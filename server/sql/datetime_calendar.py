"""The calendar: days, months and years of any date, and the limits of PostgreSQL's types (chapter 8.5)."""

from datetime import date

US_SECOND = 1_000_000
US_MINUTE = 60 * US_SECOND
US_HOUR = 3600 * US_SECOND
US_DAY = 86_400 * US_SECOND
EPOCH_JULIAN = 2_451_545
"""The Julian day of 2000-01-01."""
UNIX_EPOCH_DAYS = -10_957
DATE_INFINITY, DATE_MINUS_INFINITY = 2**31 - 1, -(2**31)
INFINITY, MINUS_INFINITY = 2**63 - 1, -(2**63)
MIN_DATE, END_DATE = -EPOCH_JULIAN, 2_147_483_494 - EPOCH_JULIAN
MIN_TIMESTAMP, END_TIMESTAMP = -211_813_488_000_000_000, 9_223_371_331_200_000_000
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ORDINAL = 730_120
_from_ordinal = date.fromordinal


def month_days(year: int, month: int) -> int:
    """Days of a month; year 0 is 1 BC."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if leap and month == 2 else _MONTH_DAYS[month - 1]


def days_of(year: int, month: int, day: int) -> int:
    """Days since 2000-01-01 in the proleptic Gregorian calendar; day may lie outside the month."""
    shifted = year - (month < 3)
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 730_425


def date_of(days: int) -> tuple[int, int, int]:
    """(year, month, day) of days since 2000-01-01; year 0 is 1 BC."""
    if -_ORDINAL < days < 2_921_940:
        found = _from_ordinal(days + _ORDINAL)
        return found.year, found.month, found.day
    era, day_of_era = divmod(days + 730_425, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return year_of_era + era * 400 + (month < 3), month, day


def weekday(days: int) -> int:
    """0 is Sunday."""
    return (days + 6) % 7


def is_valid_julian(year: int, month: int) -> bool:
    """Within what Julian day numbers cover (IS_VALID_JULIAN)."""
    low = year > -4713 or (year == -4713 and month >= 11)
    return low and (year < 5_874_898 or (year == 5_874_898 and month < 6))
