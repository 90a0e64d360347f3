"""to_char and to_number of numbers (PostgreSQL: formatting.c; chapter 9.8)."""

import re
from collections.abc import Callable
from decimal import Decimal

from server.errors import PgError
from server.sql.fn_numeric import divide
from server.sql.fn_numeric_math import power
from server.sql.functions import define, sql
from server.sql.numeric import EXACT, parse, render, rounded_to
from server.sql.sizes import scannable, template_fits

_TOKEN = re.compile(
    r'"((?:[^"\\]|\\.)*)"?|(EEEE|FM|MI|PL|PR|RN|SG|SP|TH|[,.09BDGLSV])|(.)', re.IGNORECASE | re.DOTALL
)
_ROMAN = (
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
)


class _Format:
    """A template's nodes and what they say together (NUMDesc_prepare)."""

    def __init__(self, template: str) -> None:
        self.nodes: list[tuple[str, str]] = []
        """(keyword in capitals or "", its text)"""
        self.flags: set[str] = set()
        self.pre = self.post = self.multi = 0
        self.zero_start = self.zero_end = self.before_sign = 0
        self.sign_place = ""
        for literal, keyword, other in _TOKEN.findall(template):
            if keyword:
                self.nodes.append((keyword.upper(), keyword))
                self._prepare(keyword.upper())
            else:
                self.nodes.append(("", re.sub(r"\\(.)", r"\1", literal) if literal else other))
        if self.zero_start:
            self.zero_start -= 1

    def has(self, *flags: str) -> bool:
        """Any of them."""
        return not self.flags.isdisjoint(flags)

    def _prepare(self, key: str) -> None:
        if "EEEE" in self.flags and key != "EEEE":
            raise PgError("42601", '"EEEE" must be the last pattern used')
        if key in ("9", "0"):
            self._digit(key)
        elif key in ("D", "."):
            self._refuse_twice("decimal", "multiple decimal points")
            self._refuse_with("V", 'cannot use "V" and decimal point together')
            self.flags.add("decimal")
        elif key == "S":
            self._sign()
        elif key in ("MI", "PL", "SG", "PR"):
            if "S" in self.flags:
                names = {"PR": '"PR" and "S"/"PL"/"MI"/"SG"'}.get(key, f'"S" and "{key}"')
                raise PgError("42601", f"cannot use {names} together")
            self.flags |= {"SG": {"minus", "plus"}, "MI": {"minus"}, "PL": {"plus"}, "PR": {"bracket"}}[key]
        elif key == "V":
            self._refuse_with("decimal", 'cannot use "V" and decimal point together')
            self.flags.add("V")
        elif key == "EEEE":
            self._refuse_twice("EEEE", 'cannot use "EEEE" twice')
            if self.has("FM", "S", "bracket", "minus", "plus", "RN", "V"):
                detail = '"EEEE" may only be used together with digit and decimal point patterns.'
                raise PgError("42601", '"EEEE" is incompatible with other formats', detail=detail)
            self.flags.add("EEEE")
        elif key in ("FM", "RN"):
            self.flags.add(key)

    def _refuse_twice(self, flag: str, message: str) -> None:
        if flag in self.flags:
            raise PgError("42601", message)

    _refuse_with = _refuse_twice

    def _digit(self, key: str) -> None:
        if "bracket" in self.flags:
            raise PgError("42601", f'"{key}" must be ahead of "PR"')
        if key == "9" and "V" in self.flags:
            self.multi += 1
            return
        decimal = "decimal" in self.flags
        if key == "0" and not decimal and "zero" not in self.flags:
            self.flags.add("zero")
            self.zero_start = self.pre + 1
        if decimal:
            self.post += 1
        else:
            self.pre += 1
        if key == "0":
            self.zero_end = self.pre + self.post

    def _sign(self) -> None:
        self._refuse_twice("S", 'cannot use "S" twice')
        if self.has("minus", "plus", "bracket"):
            raise PgError("42601", 'cannot use "S" and "PL"/"MI"/"SG"/"PR" together')
        self.flags.add("S")
        if "decimal" in self.flags:
            self.sign_place = "post"
        else:
            self.sign_place, self.before_sign = "pre", self.pre


class _Writer:
    """One number written into a template (NUM_processor, NUM_numpart_to_char)."""

    def __init__(self, form: _Format, number: str, sign: str, spaces: int) -> None:
        self.form = form
        self.number = number
        self.sign = sign
        self.spaces = spaces
        self.made: list[str] = []
        self.at = self.current = 0
        self.written = False
        """A digit was the last thing written."""
        self.bracket = "bracket" in form.flags
        self.sign_place = form.sign_place
        if form.has("plus", "minus"):
            self.sign_done = "minus" in form.flags
        else:
            if sign != "-" and self.bracket and "FM" in form.flags:
                self.bracket = False
            self.sign_done = sign == "+" and "FM" in form.flags and "S" not in form.flags
            if self.sign_place == "pre" and form.pre == form.before_sign:
                self.sign_place = "post"
        self.count = form.post + form.pre - 1
        self.last = self._last_relevant() if form.has("FM") and form.has("decimal") else None
        if not self.sign_done and not spaces:
            self.count += 1

    def _last_relevant(self) -> int | None:
        point = self.number.find(".")
        if point < 0:
            return None
        last = max(point, len(self.number.rstrip("0")) - 1)
        if self.form.zero_end > self.spaces:
            last = max(last, min(len(self.number) - 1, self.form.zero_end - self.spaces))
        return last

    def _leading_zero(self) -> bool:
        """IS_PREDEC_SPACE"""
        return (
            "zero" not in self.form.flags and self.at == 0 and self.number[:1] == "0" and self.form.post != 0
        )

    def _ends_at_point(self) -> bool:
        return self.last is not None and self.number[self.last] == "."

    def _write_sign(self) -> None:
        form = self.form
        begins = self.current >= self.spaces or ("zero" in form.flags and form.zero_start == self.current)
        if self.sign_done or not begins or (self._leading_zero() and not self._ends_at_point()):
            return
        if "S" in form.flags:
            if self.sign_place == "pre":
                self.made.append(self.sign)
                self.sign_done = True
            return
        if self.bracket:
            self.made.append(" " if self.sign == "+" else "<")
        elif self.sign == "-":
            self.made.append("-")
        elif "FM" not in form.flags:
            self.made.append(" ")
        self.sign_done = True

    def digit(self, key: str) -> None:
        """A place for a digit or the decimal point."""
        self.written = False
        self._write_sign()
        form, fill = self.form, "FM" in self.form.flags
        zero = "zero" in form.flags
        if self.current < self.spaces and (form.zero_start > self.current or not zero):
            if not fill:
                self.made.append(" ")
        elif zero and self.current < self.spaces:
            self.made.append("0")
            self.written = True
        else:
            self._character(key, fill)
            if self.at < len(self.number):
                self.at += 1
        end = self.count + (1 if self.spaces else 0) + (1 if "decimal" in form.flags else 0)
        if self.last is not None and self.last == self.at:
            end = self.current
        if self.current + 1 == end:
            if self.sign_done and self.bracket:
                self.made.append(" " if self.sign == "+" else ">")
            elif "S" in form.flags and self.sign_place == "post":
                self.made.append(self.sign)
        self.current += 1

    def _character(self, key: str, fill: bool) -> None:
        char = self.number[self.at : self.at + 1]
        if char == ".":
            if not self._ends_at_point() or fill:
                self.made.append(".")
        elif self.last is not None and self.at > self.last and key != "0":
            return
        elif self._leading_zero():
            if not fill:
                self.made.append(" ")
            elif self._ends_at_point():
                self.made.append("0")
        else:
            self.made.append(char)
            self.written = True

    def other(self, key: str, text: str) -> None:
        """Anything that is no digit."""
        fill = "FM" in self.form.flags
        if key in (",", "G"):
            if self.written:
                self.made.append(",")
            elif not fill:
                self.made.append(" ")
        elif key == "L":
            self.made.append(" ")
        elif key == "TH":
            if self.number[:1] != "#" and self.sign != "-" and not self.form.has("decimal", "RN"):
                ending = ordinal(self.number)
                self.made.append(ending.upper() if text == "TH" else ending)
        elif key in ("MI", "PL"):
            mark = "-" if key == "MI" else "+"
            if self.sign == mark:
                self.made.append(mark)
            elif not fill:
                self.made.append(" ")
        elif key == "SG":
            self.made.append(self.sign)
        elif not key:
            self.made.append(text)

    def run(self) -> str:
        """The filled template."""
        for key, text in self.form.nodes:
            if key in ("9", "0", ".", "D"):
                self.digit(key)
            else:
                self.other(key, text)
        return "".join(self.made)


def ordinal(number: str) -> str:
    """st, nd, rd, th"""
    if number[-2:-1] == "1":
        return "th"
    return {"1": "st", "2": "nd", "3": "rd"}.get(number[-1:], "th")


def _roman(value: Decimal, form: _Format) -> str:
    if not value.is_finite():
        raise PgError("0A000", f"cannot convert {'NaN' if value.is_nan() else 'infinity'} to integer")
    number = int(rounded_to(value, 0))
    if not -(1 << 31) <= number < 1 << 31:
        raise PgError("22003", "integer out of range")
    if not 1 <= number <= 3999:
        return "#" * 15
    text = ""
    for size, letters in _ROMAN:
        text += letters * (number // size)
        number %= size
    if any(node == ("RN", "rn") for node in form.nodes):
        text = text.lower()
    return text if "FM" in form.flags else text.rjust(15)


def scientific(value: Decimal, digits: int) -> str:
    """1.50e+03, as numeric_out_sci."""
    if not value:
        return f"{0:.{digits}f}e+00"
    exponent = value.adjusted()
    mantissa = rounded_to(value.scaleb(-exponent, context=EXACT), digits)
    if abs(mantissa) >= 10:
        exponent += 1
        mantissa = rounded_to(value.scaleb(-exponent, context=EXACT), digits)
    return f"{mantissa:f}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def formatted(value: Decimal, template: str, fit: Callable[[Decimal, _Format], str]) -> str:
    """The number in the template; `fit` gives its digits at the template's scale; 42601."""
    template_fits(template)
    form = _Format(template)
    if "RN" in form.flags:
        return _roman(value, form)
    if "EEEE" in form.flags:
        if not value.is_finite():
            return " " + "#" * form.pre + "." + "#" * (form.post + 4)
        text = scientific(value, form.post)
        return text if text.startswith("-") else " " + text
    if "V" in form.flags:
        value = EXACT.multiply(value, Decimal(10) ** form.multi)
        form.pre += form.multi
    text = fit(value, form)
    sign = "-" if text.startswith("-") else "+"
    number = text.lstrip("-")
    before = number.partition(".")[0]
    spaces = max(form.pre - len(before), 0)
    if len(before) > form.pre:
        number = "#" * form.pre + "." + "#" * form.post
    return _Writer(form, number, sign, spaces).run()


def _exact(value: Decimal, form: _Format) -> str:
    return render(rounded_to(value, form.post)) if value.is_finite() else render(value)


def _floating(digits: int) -> Callable[[Decimal, _Format], str]:
    """float4 and float8 have only so many digits worth printing."""

    def fit(value: Decimal, form: _Format) -> str:
        if not value.is_finite():
            return render(value)
        before = len(f"{abs(value):.0f}")
        if before >= digits:
            form.post = 0
        elif before + form.post > digits:
            form.post = digits - before
        return f"{float(value):.{form.post}f}"

    return fit


@sql("1772 to_char(numeric,text) text s")
def numeric_to_char(value: Decimal, template: str) -> str:
    """42601"""
    return formatted(value, template, _exact) if template else ""


@sql("""
    1773 to_char(int4,text) text s
    1774 to_char(int8,text) text s
    """)
def integer_to_char(value: int, template: str) -> str:
    """42601"""
    return formatted(Decimal(value), template, _exact) if template else ""


def _float_to_char(digits: int) -> Callable[[float, str], str]:
    fit = _floating(digits)

    def run(value: float, template: str) -> str:
        if "RN" in template.upper() and not -4000 < value < 4000:
            value = 0.0
        return formatted(Decimal(value), template, fit) if template else ""

    return run


define("1776 to_char(float8,text) text s", _float_to_char(15))
define("1775 to_char(float4,text) text s", _float_to_char(6))


@sql("1777 to_number(text,text) numeric s")
def to_number(text: str, template: str) -> Decimal | None:
    """The number that a text of that template holds; 42601, 22P02."""
    if not template:
        return None
    template_fits(template)
    scannable(len(text))
    form = _Format(template)
    if "EEEE" in form.flags:
        raise PgError("0A000", '"EEEE" not supported for input')
    if "RN" in form.flags:
        raise PgError("0A000", '"RN" not supported for input')
    negative = "-" in text or ("bracket" in form.flags and "<" in text)
    digits, point, at = "", False, 0
    text = re.sub(r"[ <>+-]", "", text)
    for key, literal in form.nodes:
        if key in ("9", "0"):
            if text[at : at + 1].isdigit() or (
                text[at : at + 1] == "." and point is False and "decimal" not in form.flags
            ):
                digits += text[at]
                at += 1
        elif key in (".", "D"):
            if text[at : at + 1] == ".":
                digits, point, at = digits + ".", True, at + 1
        elif key in (",", "G"):
            at += text[at : at + 1] == ","
        elif key == "L":
            at += not text[at : at + 1].isdigit()
        elif not key:
            at += len(literal)
    if not digits.strip("."):
        raise PgError("22P02", 'invalid input syntax for type numeric: " "')
    value = parse(("-" if negative else "") + digits)
    if "V" in form.flags:
        return divide(value, power(Decimal(10), Decimal(form.multi)))
    return rounded_to(value, form.post)
