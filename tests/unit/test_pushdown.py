"""What storage does with rows on behalf of a reader: conditions as SQL has them, columns, counts, bounds."""

import math
from typing import Any

import pytest

from storage import rowcode
from storage.pushdown import (
    COUNT,
    DEEPEST,
    MOST_TESTS,
    Among,
    BadRequest,
    Both,
    Compare,
    Either,
    Null,
    Pushed,
    StoredPushdown,
    Test,
    check,
    encode,
    measure,
)


def passing(test: Test, *rows: list[Any], **options: Any) -> list[int]:
    """Places of the rows that pass."""
    stored = [(b"%d" % place, 5, rowcode.pack(row)) for place, row in enumerate(rows)]
    return [int(key) for key, _ts, _value in StoredPushdown().run(encode(Pushed(test, **options)), stored)]


def test_comparisons_are_of_the_stored_values_and_never_true_for_null() -> None:
    rows: tuple[list[Any], ...] = ([1], [2], [3], [None], [])
    for op, expected in (
        ("=", [1]), ("<>", [0, 2]), ("<", [0]), ("<=", [0, 1]), (">", [2]), (">=", [1, 2]),
    ):  # fmt: skip
        assert passing(Compare(0, op, 2), *rows) == expected
    assert passing(Among(0, (1, 3)), *rows) == [0, 2]
    assert passing(Null(0, True), *rows) == [3, 4]
    assert passing(Null(0, False), *rows) == [0, 1, 2]


def test_floats_are_ordered_as_in_postgresql() -> None:
    rows: tuple[list[Any], ...] = ([math.nan], [math.inf], [-0.0], [0.0], [-1.5])
    assert passing(Compare(0, "=", math.nan), *rows) == [0]
    assert passing(Compare(0, ">", math.inf), *rows) == [0]
    assert passing(Compare(0, "<", math.nan), *rows) == [1, 2, 3, 4]
    assert passing(Compare(0, "=", 0.0), *rows) == [2, 3]
    assert passing(Among(0, (math.nan, -0.0)), *rows) == [0, 2, 3]


def test_texts_are_ordered_by_their_bytes() -> None:
    rows: tuple[list[Any], ...] = (["Z"], ["a"], ["é"], ["\U0001f600"], ["\uffff"])
    assert passing(Compare(0, ">", "a"), *rows) == [2, 3, 4]
    assert passing(Compare(0, ">", "\uffff"), *rows) == [3]


def test_conditions_are_joined() -> None:
    rows: tuple[list[Any], ...] = ([1, "x"], [1, "y"], [2, "x"], [None, "x"])
    one, x = Compare(0, "=", 1), Compare(1, "=", "x")
    assert passing(Both((one, x)), *rows) == [0]
    assert passing(Either((one, x)), *rows) == [0, 1, 2, 3]
    assert passing(Either(()), *rows) == []
    assert passing(Both(()), *rows) == [0, 1, 2, 3]


def test_columns_that_nobody_needs_are_null() -> None:
    stored = [(b"k", 5, rowcode.pack([1, "long", 3.0, b"b"])), (b"l", 6, rowcode.pack([2]))]
    found = list(StoredPushdown().run(encode(Pushed(None, (0, 2))), stored))
    assert [(key, ts, rowcode.unpack(value)) for key, ts, value in found] == [
        (b"k", 5, [1, None, 3.0]),
        (b"l", 6, [2]),
    ]
    assert [value for _key, _ts, value in StoredPushdown().run(encode(Pushed(None, ())), stored)] == [
        rowcode.pack([])
    ] * 2


def test_what_is_compressed_travels_so() -> None:
    """Its conditions are decided by the text, and what goes along is no longer than it was."""
    columns: list[object] = [1, "x" * 100_000, 2]
    rowcode.shrink(columns, 1000)
    stored = [(b"k", 5, rowcode.pack(columns))]
    for test, count in ((Compare(1, "=", "x" * 100_000), 1), (Compare(1, "<", "x"), 0)):
        found = list(StoredPushdown().run(encode(Pushed(test, (0, 1))), stored))
        assert [rowcode.unpack(value) for _key, _ts, value in found] == [[1, "x" * 100_000]] * count
        assert all(len(value) < 1000 for _key, _ts, value in found)


def test_rows_are_counted() -> None:
    stored = [(b"k", 5, rowcode.pack([1])), (b"l", 6, rowcode.pack([2])), (b"m", 7, rowcode.pack([3]))]
    assert list(StoredPushdown().run(COUNT, stored)) == [(b"k", 0, b"3")]
    over = encode(Pushed(Compare(0, ">", 1), None, True))
    assert list(StoredPushdown().run(over, stored)) == [(b"l", 0, b"2")]
    assert list(StoredPushdown().run(COUNT, [])) == []


def deep(depth: int) -> Test:
    return Both((deep(depth - 1),)) if depth else Null(0, True)


def test_a_condition_has_the_size_that_is_bounded() -> None:
    wide = Both((Among(0, tuple(range(MOST_TESTS - 3))), Null(0, True), Either(())))
    assert measure(wide) == (MOST_TESTS, 2)
    check(encode(Pushed(wide)))
    with pytest.raises(BadRequest):
        check(encode(Pushed(Both((wide,)))))
    assert measure(deep(DEEPEST - 1)) == (DEEPEST, DEEPEST)
    check(encode(Pushed(deep(DEEPEST))))
    with pytest.raises(BadRequest):
        check(encode(Pushed(deep(DEEPEST + 1))))


@pytest.mark.parametrize(
    "pushed",
    [
        b"",
        b"\xc1",
        encode(Pushed(Compare(-1, "=", 1))),
        encode(Pushed(Compare(0, "~", 1))),
        encode(Pushed(Compare(0, "=", [1]))),
        encode(Pushed(Compare(0, "=", None))),
        encode(Pushed(Among(0, tuple(range(MOST_TESTS + 1))))),
        encode(Pushed(deep(17))),
        b"\x93" + b"\x92\xa1a\x91" * 500 + b"\x93\xa1n\x00\xc3" + b"\xc0\xc2",
        encode(Pushed(None, (-1,))),
        b"\x93" + b"\x92\xa1a\x91" * 5000 + b"\xc0\xc0\xc2",
    ],
    ids=[
        "nothing",
        "noise",
        "column",
        "operator",
        "array",
        "null",
        "many",
        "deep",
        "deeper",
        "columns",
        "bottomless",
    ],
)
def test_what_no_reader_sends_is_refused(pushed: bytes) -> None:
    with pytest.raises(BadRequest):
        check(pushed)
