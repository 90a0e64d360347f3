"""Regular expressions, LIKE and functions of long values: bounded in work and size (DESIGN §11)."""

from decimal import Decimal, localcontext

import pytest

from server.errors import PgError
from server.sql.fn_array import array_cat
from server.sql.fn_format import format_
from server.sql.fn_like import like
from server.sql.fn_numeric import factorial, gcd
from server.sql.fn_numeric_math import ln, sqrt
from server.sql.fn_regex import matches, regexp_match, regexp_replace_flags
from server.sql.fn_text import initcap, repeat, replace
from server.sql.lexer import lex
from server.sql.regex import MAX_SUBJECT
from server.sql.sizes import MAX_ELEMENTS, MAX_LENGTH
from server.sql.type_array import Array
from server.sql.types import BY_NAME

LONG = "a" * 100_000


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)+$", "(a|aa)+$", "(?:(?:a*)*)*b", "a*a*a*a*a*a*b"])
def test_patterns_that_make_backtracking_explode_are_matched(pattern: str) -> None:
    assert not matches(LONG + "c", pattern)


@pytest.mark.parametrize("pattern", ["(a?){255}a{255}b", "(a|b)*a(a|b){200}c", "(?=(?:a+)+c)a", "(?<=a+c)a"])
def test_what_takes_too_long_is_refused(pattern: str) -> None:
    with pytest.raises(PgError, match="too complex") as caught:
        matches(LONG * 10, pattern)
    assert caught.value.sqlstate == "2201B"


@pytest.mark.parametrize(
    "pattern", ["(" * 5000 + ")" * 5000, "((a{255}){255}){255}", "(a)" * 3000, "a" * 10_001]
)
def test_patterns_that_are_too_large_are_refused(pattern: str) -> None:
    with pytest.raises(PgError, match="regular expression is too complex"):
        matches("a", pattern)


def test_long_texts_are_refused() -> None:
    with pytest.raises(PgError) as caught:
        matches("a" * (MAX_SUBJECT + 1), "(a|b)c")
    assert caught.value.sqlstate == "54000"


def test_the_longest_match_wins_over_the_first_alternative() -> None:
    found = regexp_match("xfoobar", "foo|foobar")
    assert found is not None and found.elements == ["foobar"]


def test_replacing_does_not_grow_without_bound() -> None:
    with pytest.raises(PgError) as caught:
        regexp_replace_flags("a" * 10_000, "(a)", "\\1" * 2000, "g")
    assert caught.value.sqlstate in ("54000", "2201B")


def test_like_takes_underscores_around_literals_by_searching() -> None:
    assert not like("a" * 1_000_000, "%" + "_" * 5000 + "b%")
    assert like("a" * 1_000_000 + "b" + "c" * 9, "%_____b%_________")
    with pytest.raises(PgError, match="too complex"):
        like("a" * 1_000_000, "%" + "a_" * 1000 + "b%")


def test_texts_and_arrays_end_at_their_limits() -> None:
    assert len(repeat("a", MAX_LENGTH)) == MAX_LENGTH
    half = Array([1] * (MAX_ELEMENTS // 2 + 1))
    text = BY_NAME["text"]
    for make in (
        lambda: repeat("a", MAX_LENGTH + 1),
        lambda: replace("a" * 100_000, "a", "b" * 1000),
        lambda: format_(None, (text, text), "%1$s" * 1000, "x" * 100_000),
        lambda: array_cat(half, half),
    ):
        with pytest.raises(PgError) as caught:
            make()
        assert caught.value.sqlstate == "54000"


def test_initcap_has_digits_within_words() -> None:
    assert initcap("hello wORLD 1st ab2cD éa_b it's") == "Hello World 1st Ab2cd éA_B It'S"


def test_roots_are_rounded_exactly() -> None:
    for low in (10**20 + 7, 999_999_999_999_999_999_999):
        value = Decimal(low * low + low).scaleb(-30)
        root = sqrt(value)
        half = Decimal((0, (5,), root.as_tuple().exponent - 1))
        with localcontext(prec=200):
            assert (root - half) ** 2 <= value <= (root + half) ** 2


def test_long_numbers() -> None:
    assert factorial(20) == 2432902008176640000
    assert str(factorial(3000))[:10] == "4149359603"
    near = Decimal("0." + "9" * 16_000)
    assert ln(near) == 0
    with pytest.raises(PgError) as caught:
        gcd(Decimal("9" * 20_000), Decimal("7" * 20_000))
    assert caught.value.sqlstate == "54000"


def test_long_numbers_and_runs_of_signs_are_lexed() -> None:
    assert lex("select " + "9" * 10_000).kinds
    assert len(lex("select " + "+" * 5_000 + "1").kinds) >= 5_002
