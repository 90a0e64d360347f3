"""Rows keep their values, and rows from before ADD COLUMN are shorter."""

from decimal import Decimal

from storage import rowcode


def test_a_row_gives_back_its_columns():
    row = [True, None, 5, -(2**63), 2**63 - 1, 1.5, "é", b"\0\xff", [1, -2, 3]]
    assert rowcode.unpack(rowcode.pack(row)) == row


def test_the_format_on_disk():
    assert rowcode.pack([1, "a", None, b"x"]).hex() == "9401a161c0c40178"


def test_no_row_is_empty_bytes():
    assert rowcode.pack([]) == b"\x90"


def test_a_numeric_keeps_its_scale():
    for text in ("1.50", "0.000", "-12", "NaN", "Infinity", "-Infinity", "1" * 1000, "0." + "0" * 200 + "1"):
        assert rowcode.numeric_to_column(Decimal(text)) == text
        assert str(rowcode.numeric_from_column(text)) == str(Decimal(text))
    assert rowcode.numeric_to_column(Decimal("1E+3")) == "1000"
