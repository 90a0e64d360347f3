"""Fields into a moment: DecodeDateTime and DecodeTimeOnly of PostgreSQL (appendix B.1)."""

import re

from server.sql.datetime_calendar import EPOCH_JULIAN as J2000
from server.sql.datetime_calendar import (
    US_DAY,
    US_SECOND,
    date_of,
    days_of,
    is_valid_julian,
    month_days,
)
from server.sql.datetime_fields import DateTimeError, Kind, special, split, word
from server.sql.datetime_parts import (
    Moment,
    decode_clock,
    decode_zone,
    fraction,
    fraction_us,
    integer,
    time_overflows,
)
from server.sql.env import Env
from server.sql.zone_abbreviations import ABBREVIATIONS
from server.sql.zones import Zone, find_zone

YEAR, MONTH, DAY, DOY, TIME, TZ = 1, 2, 4, 8, 16, 32
AMPM, ERA, DOW, DST, MOVING = 64, 128, 256, 512, 1024
"""MOVING: the zone was an abbreviation of daylight saving time, or of a zone that changed its offset."""
DATE = YEAR | MONTH | DAY


class _Decoder:
    """State while fields are read, shared by both kinds of text."""

    def __init__(self, fields: list[tuple[str, Kind]], env: Env) -> None:
        self.fields = fields
        self.env = env
        self.moment = Moment()
        self.seen = 0
        self.unit = ""
        """The unit that the next field has: julian or time."""
        self.text_month = self.julian = self.two_digits = self.bc = self.now = False
        self.meridian = ""
        self.day_of_year = 0
        self.zone: Zone | None = None
        self.abbreviation: tuple[str, Zone] | None = None

    def take(self, mask: int) -> None:
        """Note what a field gave; twice is an error."""
        if mask & self.seen:
            raise DateTimeError
        self.seen |= mask

    def local_today(self) -> int:
        """Today in the session's zone, days since 2000-01-01."""
        return self.local_now() // US_DAY

    def local_now(self) -> int:
        """The transaction's start on the session's clock, µs."""
        return self.env.now + self.env.zone.at(self.env.now)[0] * US_SECOND

    def set_days(self, days: int) -> None:
        self.moment.year, self.moment.month, self.moment.day = date_of(days)

    def set_time(self, us: int) -> None:
        moment = self.moment
        rest, moment.us = divmod(us, US_SECOND)
        rest, moment.second = divmod(rest, 60)
        moment.hour, moment.minute = divmod(rest, 60)

    def drop_time_unit(self) -> None:
        """A `t` may stand before this field, no other unit."""
        if self.unit:
            if self.unit != "time":
                raise DateTimeError
            self.unit = ""

    def named_zone(self, name: str, reason: str) -> int:
        self.zone = find_zone(name)
        if self.zone is None:
            raise DateTimeError(reason, name)
        return TZ

    def date_field(self, text: str) -> int:
        """DecodeDate: a date whose parts are joined by punctuation; a text month counts only inside it."""
        outer, self.text_month = self.text_month, False
        given = self._date_parts_read(text)
        self.text_month = outer
        return given

    def _date_parts_read(self, text: str) -> int:
        before, given, parts = self.seen, 0, self._date_parts(text)
        numbers = []
        for part in parts:
            if not part[:1].isalpha():
                numbers.append(part)
                continue
            meaning, value = special(part)
            if meaning == "ignore":
                continue
            if meaning != "month" or (before | given) & MONTH:
                raise DateTimeError
            self.moment.month, self.text_month = int(value), True
            given |= MONTH
        for part in numbers:
            if not part:
                raise DateTimeError
            mask = self.number(part, before | given)
            if mask & (before | given):
                raise DateTimeError
            given |= mask
        if (before | given) & ~(DOY | TZ) != DATE:
            raise DateTimeError
        return given

    @staticmethod
    def _date_parts(text: str) -> list[str]:
        parts: list[str] = []
        at = 0
        while at < len(text):
            while at < len(text) and not text[at].isalnum():
                at += 1
            if at == len(text):
                raise DateTimeError
            start = at
            same = str.isdigit if text[at].isdigit() else str.isalpha
            while at < len(text) and same(text[at]):
                at += 1
            parts.append(text[start:at])
            at += 1
        return parts

    def number_field(self, text: str, seen: int) -> int:
        """DecodeNumberField: digits run together, as 20200131 or 101500.25."""
        moment = self.moment
        digits, point, part = text.partition(".")
        if point:
            leading = re.match(r"\d*", part)
            moment.us = round(float("0." + (leading[0] if leading and leading[0] else "0")) * 1_000_000)
        elif seen & DATE != DATE and len(text) >= 6:
            moment.day, moment.month = _atoi(digits[-2:]), _atoi(digits[-4:-2])
            moment.year = _atoi(digits[:-4])
            if len(text) == 6:
                self.two_digits = True
            return DATE
        if not seen & TIME and len(digits) in (4, 6):
            moment.hour, moment.minute = _atoi(digits[:2]), _atoi(digits[2:4])
            moment.second = _atoi(digits[4:])
            return TIME
        raise DateTimeError

    def number(self, text: str, seen: int) -> int:
        """DecodeNumber: one number, whose meaning follows from what is known and from DateStyle."""
        value, rest = integer(text)
        if rest == text:
            raise DateTimeError
        if rest[:1] == ".":
            if len(text) - len(rest) > 2:
                return self.number_field(text, seen | DATE)
            self.moment.us = fraction_us(rest)
        elif rest:
            raise DateTimeError
        if len(text) == 3 and seen & DATE == YEAR and 1 <= value <= 366:
            self.day_of_year = value
            return DOY | MONTH | DAY
        if seen & DATE == DATE:
            return self.number_field(text, seen)
        mask = self._which(len(text), seen & DATE)
        if seen & DATE == YEAR | MONTH and self.text_month and len(text) >= 3 and self.two_digits:
            self.moment.day, self.moment.year = self.moment.year, value
            self.two_digits = False
        elif mask == YEAR:
            self.moment.year = value
            self.two_digits = len(text) <= 2
        elif mask == MONTH:
            self.moment.month = value
        else:
            self.moment.day = value
        return mask

    def _which(self, length: int, known: int) -> int:
        order = self.env.dateorder
        if known == 0:
            if length >= 3 or order == "YMD":
                return YEAR
            return DAY if order == "DMY" else MONTH
        if known in (YEAR, DAY):
            return MONTH
        if known == MONTH:
            return YEAR if self.text_month and (length >= 3 or order == "YMD") else DAY
        if known == MONTH | DAY:
            return YEAR
        if known != YEAR | MONTH:
            raise DateTimeError
        return DAY

    def labelled(self, text: str) -> int:
        """A number after j (a Julian day) or t (a time)."""
        unit, self.unit = self.unit, ""
        value, rest = integer(text)
        if rest and rest[0] != ".":
            raise DateTimeError
        if unit == "time":
            mask = self.number_field(text, self.seen | DATE)
            if mask != TIME:
                raise DateTimeError
            return mask
        if unit != "julian":
            raise DateTimeError
        self.set_days(value - J2000)
        self.julian = True
        if not rest:
            return DATE
        self.set_time(int(fraction(rest) * US_DAY))
        return DATE | TIME

    def word_field(self, text: str) -> int:
        """A word that both kinds of text allow."""
        meaning, value = word(text)
        if meaning == "ignore":
            return 0
        if meaning == "zone":
            return self._abbreviation(text, str(value))
        if meaning == "unknown":
            return self.named_zone(text, "format")
        if meaning == "dst modifier":
            self.moment.west -= int(value)
            return DST
        if meaning == "ampm":
            self.meridian = str(value)
            return AMPM
        if meaning == "era":
            self.bc = value == "bc"
            return ERA
        if meaning in ("units", "isotime"):
            if self.unit or (meaning == "isotime" and not self.may_start_time()):
                raise DateTimeError
            self.unit = str(value)
            return 0
        return self.other_word(meaning, value)

    def may_start_time(self) -> bool:
        return self.seen & DATE == DATE

    def other_word(self, meaning: str, value: int | str) -> int:
        raise NotImplementedError

    def _abbreviation(self, text: str, key: str) -> int:
        entry = ABBREVIATIONS[key]
        if isinstance(entry, str):
            zone = find_zone(entry)
            if zone is None:
                raise DateTimeError("zone", entry)
            self.abbreviation = (text, zone)
            return TZ | MOVING
        self.moment.west = -entry[0]
        return TZ | MOVING if entry[1] else TZ

    def clock_field(self, text: str) -> int:
        moment = self.moment
        moment.hour, moment.minute, moment.second, moment.us = decode_clock(text)
        return TIME

    def attached_zone(self, text: str, seen: int) -> int:
        """A run-together time with a zone behind a hyphen."""
        if self.seen & TIME:
            raise DateTimeError
        head, hyphen, zone = text.partition("-")
        if not hyphen:
            raise DateTimeError
        self.moment.west = decode_zone("-" + zone)
        return self.number_field(head, seen) | TZ

    def validate(self) -> None:
        """ValidateDate, then AM and PM."""
        if self.unit:
            raise DateTimeError
        moment, seen = self.moment, self.seen
        if seen & YEAR and not self.julian:
            self._adjust_year()
        if seen & DOY:
            self.set_days(days_of(moment.year, 1, 1) + self.day_of_year - 1)
        if (seen & MONTH and not 1 <= moment.month <= 12) or (seen & DAY and not 1 <= moment.day <= 31):
            raise DateTimeError("month or day")
        if seen & DATE == DATE and moment.day > month_days(moment.year, moment.month):
            raise DateTimeError("overflow")
        if self.meridian and moment.hour > 12:
            raise DateTimeError("overflow")
        if self.meridian == "am" and moment.hour == 12:
            moment.hour = 0
        elif self.meridian == "pm" and moment.hour != 12:
            moment.hour += 12

    def _adjust_year(self) -> None:
        moment = self.moment
        if self.bc:
            if moment.year <= 0:
                raise DateTimeError("overflow")
            moment.year = 1 - moment.year
        elif self.two_digits:
            if moment.year < 100:
                moment.year += 2000 if moment.year < 70 else 1900
        elif moment.year <= 0:
            raise DateTimeError("overflow")

    def resolve(self, local_us: int) -> None:
        """The offset, now that the local time is known."""
        if self.seen & DST and (self.zone or self.abbreviation or not self.seen & TZ):
            raise DateTimeError
        moment = self.moment
        if self.abbreviation is not None:
            text, zone = self.abbreviation
            utc = local_us - zone.local(local_us) * US_SECOND
            found = zone.offset_of_abbreviation(utc, text)
            moment.west = -(found[0] if found is not None else zone.local(local_us))
        elif self.zone is not None:
            moment.west = -self.zone.local(local_us)
        elif not self.seen & TZ:
            moment.west = -self.env.zone.local(local_us)


class _DateTime(_Decoder):
    """DecodeDateTime."""

    def run(self) -> Moment:
        for text, kind in self.fields:
            self.take(self._field(text, kind))
        moment = self.moment
        if moment.special:
            if self.unit:
                raise DateTimeError
            return moment
        self.validate()
        if self.seen & DATE != DATE:
            raise DateTimeError
        if not self.now and is_valid_julian(moment.year, moment.month):
            self.resolve(moment.local_us)
        return moment

    def _field(self, text: str, kind: Kind) -> int:
        if kind is Kind.DATE:
            return self._date(text)
        if kind is Kind.TIME:
            self.drop_time_unit()
            mask = self.clock_field(text)
            if time_overflows(self.moment):
                raise DateTimeError("overflow")
            return mask
        if kind is Kind.TZ:
            self.moment.west = decode_zone(text)
            return TZ
        if kind is not Kind.NUMBER:
            return self.word_field(text)
        if self.unit:
            return self.labelled(text)
        head, point, _ = text.partition(".")
        if point and not self.seen & DATE:
            return self.date_field(text)
        if (point and len(head) > 2) or (len(text) >= 6 and (not self.seen & DATE or not self.seen & TIME)):
            return self.number_field(text, self.seen)
        return self.number(text, self.seen)

    def _date(self, text: str) -> int:
        if self.unit == "julian":
            value, rest = integer(text)
            self.set_days(value - J2000)
            self.julian, self.unit = True, ""
            self.moment.west = decode_zone(rest)
            return DATE | TIME | TZ
        if self.unit or self.seen & (MONTH | DAY) == MONTH | DAY:
            if text[0].isdigit() or self.unit:
                self.drop_time_unit()
                return self.attached_zone(text, self.seen)
            return self.named_zone(text, "zone")
        return self.date_field(text)

    def other_word(self, meaning: str, value: int | str) -> int:
        moment = self.moment
        if meaning == "dow":
            return DOW
        if meaning == "month":
            mask = MONTH
            if self.seen & MONTH and not self.text_month and not self.seen & DAY and 1 <= moment.month <= 31:
                moment.day, mask = moment.month, DAY
            self.text_month, moment.month = True, int(value)
            return mask
        if value in ("epoch", "infinity", "+infinity", "-infinity"):
            moment.special = "infinity" if value == "+infinity" else str(value)
            return DATE | TIME | TZ
        if value == "now":
            local = self.local_now()
            self.set_days(local // US_DAY)
            self.set_time(local % US_DAY)
            moment.west, self.now = -self.env.zone.at(self.env.now)[0], True
            return DATE | TIME | TZ
        if value == "allballs":
            moment.west = 0
            return TIME | TZ
        self.set_days(self.local_today() + {"yesterday": -1, "today": 0, "tomorrow": 1}[str(value)])
        return DATE


class _TimeOnly(_Decoder):
    """DecodeTimeOnly."""

    def run(self) -> Moment:
        for position, (text, kind) in enumerate(self.fields):
            self.take(self._field(text, kind, position))
        self.validate()
        moment = self.moment
        if time_overflows(moment):
            raise DateTimeError("overflow")
        if not self.seen & TIME:
            raise DateTimeError
        if self.zone is not None and self.zone.fixed is not None:
            moment.west = -self.zone.fixed
            return moment
        needs_date = self.abbreviation is not None or self.zone is not None or not self.seen & TZ
        if needs_date and not self.now:
            self.resolve(self._date_and_time())
        elif self.seen & DST and not self.seen & TZ:
            raise DateTimeError
        return moment

    def _date_and_time(self) -> int:
        moment = self.moment
        if self.seen & DATE == 0 and self.zone is None:
            return self.local_today() * US_DAY + moment.time_us
        if self.seen & DATE != DATE:
            raise DateTimeError
        return moment.local_us

    def may_start_time(self) -> bool:
        return True

    def _field(self, text: str, kind: Kind, position: int) -> int:
        if kind is Kind.DATE:
            return self._date(text, position)
        if kind is Kind.TIME:
            return self.clock_field(text)
        if kind is Kind.TZ:
            self.moment.west = decode_zone(text)
            return TZ
        if kind is not Kind.NUMBER:
            return self.word_field(text)
        if self.unit:
            return self.labelled(text)
        head, point, _ = text.partition(".")
        if point:
            if position == 0 and len(self.fields) >= 2 and self.fields[-1][1] is Kind.DATE:
                return self.date_field(text)
            if len(head) <= 2:
                raise DateTimeError
            return self.number_field(text, self.seen | DATE)
        if len(text) > 4:
            return self.number_field(text, self.seen | DATE)
        return self.number(text, self.seen | DATE)

    def _date(self, text: str, position: int) -> int:
        fields = self.fields
        if position == 0 and len(fields) >= 2 and (fields[-1][1] is Kind.DATE or fields[1][1] is Kind.TIME):
            return self.date_field(text)
        if text[0].isdigit():
            return self.attached_zone(text, self.seen | DATE)
        return self.named_zone(text, "zone")

    def other_word(self, meaning: str, value: int | str) -> int:
        if value == "now":
            self.set_time(self.local_now() % US_DAY)
            self.moment.west = -self.env.zone.at(self.env.now)[0]
            return TIME
        if value == "allballs":
            return TIME | TZ
        raise DateTimeError


def decode_datetime(text: str, env: Env) -> Moment:
    """The date, time and zone in a text; without a zone the session's. DateTimeError."""
    return _DateTime(split(text), env).run()


def decode_time(text: str, env: Env) -> Moment:
    """The time of day in a text, and its zone. DateTimeError."""
    return _TimeOnly(split(text), env).run()


def _atoi(text: str) -> int:
    value, _ = integer(text)
    return value
