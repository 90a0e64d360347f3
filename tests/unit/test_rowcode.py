"""Rows keep their values, and rows from before ADD COLUMN are shorter."""

import zlib
from decimal import Decimal

import msgspec
import pytest

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


def test_a_reader_decodes_the_first_columns_only():
    read = rowcode.reader(2)(rowcode.pack([1, "a", None, [1, 2, 3]]))
    assert (read.c0, read.c1) == (1, "a")
    assert not hasattr(read, "c2")


def test_columns_added_after_the_row_was_written_are_null():
    read = rowcode.reader(4)(rowcode.pack([1, None]))
    assert (read.c0, read.c1, read.c2, read.c3) == (1, None, None, None)


def test_a_reader_raises_for_bytes_that_are_no_row():
    with pytest.raises(msgspec.DecodeError):
        rowcode.reader(1)(b"\x91")


TEXT = "é" * 5000


def test_long_texts_may_be_stored_compressed():
    stored = [1, TEXT, "short", b"x" * 9000, "z" * 9999]
    rowcode.shrink(stored, 9999, [True] * 5)
    packed = rowcode.pack(stored)
    assert len(packed) < 20_000
    assert [rowcode.size(column) < 100 for column in stored] == [True, True, True, False, False]
    assert rowcode.unpack(packed) == [1, TEXT, "short", b"x" * 9000, "z" * 9999]
    assert rowcode.reader(2)(packed).c1 == TEXT
    assert rowcode.pack(rowcode.unpack_stored(packed)) == packed


def test_what_may_not_or_would_not_shrink_stays():
    stored = [TEXT, "".join(map(chr, range(0x20000, 0x21000)))]
    dense = stored[1][:2]
    rowcode.shrink(stored, 100, [False, False])
    assert stored[0] is TEXT
    few = [dense]
    rowcode.shrink(few, 1)
    assert few == [dense]


@pytest.mark.parametrize("code, data", [(2, b""), (1, b"nothing"), (1, zlib.compress(b"\xff"))])
def test_another_kind_of_column_is_no_row(code, data):
    with pytest.raises(msgspec.DecodeError):
        rowcode.unpack(rowcode.pack([msgspec.msgpack.Ext(code, data)]))
