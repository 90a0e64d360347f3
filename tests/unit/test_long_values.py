"""Values that are longer than a column, but compress: how much of one is read in Python (server.sql.sizes)."""

import pytest

from server.errors import PgError
from server.sql.env import Env
from server.sql.sizes import MAX_LENGTH, MAX_SCANNED, MAX_VALUES
from server.sql.type_json import jsonb_in
from server.sql.type_text import bytea_in

ENV = Env()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"' + "x" * (2 * MAX_SCANNED) + '"', "x" * (2 * MAX_SCANNED)),
        ("[" + " " * (2 * MAX_SCANNED) + "]", []),
        ('"' + "x" * (2 * MAX_SCANNED) + '\\u0041"', "x" * (2 * MAX_SCANNED) + "A"),
    ],
    ids=["string", "spaces", "escape"],
)
def test_what_is_long_is_no_work_by_itself(text, value):
    assert jsonb_in(text, -1, ENV).value == value


def test_many_values_are_those_of_a_column_of_the_largest_size():
    densest = "[" + "1," * (MAX_VALUES - 2) + "1]"
    assert len(densest) <= MAX_SCANNED
    assert len(jsonb_in(densest, -1, ENV).value) == MAX_VALUES - 1
    spread = "[" + "1  ," * (MAX_VALUES - 2) + "1]"
    assert len(spread) > MAX_SCANNED
    assert len(jsonb_in(spread, -1, ENV).value) == MAX_VALUES - 1


@pytest.mark.parametrize(
    "text",
    [
        "[" + "1  ," * (MAX_VALUES + 1) + "1]",
        "[" * (MAX_VALUES // 2) + "  " * MAX_VALUES + '{"a":' * (MAX_VALUES // 2),
        '"' + "\\n " * (MAX_VALUES + 1) + '"',
        '"' + "x" * MAX_LENGTH + '"',
    ],
    ids=["values", "nested", "escapes", "long"],
)
def test_more_is_refused_before_it_is_read(text):
    with pytest.raises(PgError, match="requested length too large") as refused:
        jsonb_in(text, -1, ENV)
    assert refused.value.sqlstate == "54000"


def test_a_bytea_is_measured_by_its_escapes():
    assert bytea_in("\\000" * MAX_VALUES, -1, ENV) == bytes(MAX_VALUES)
    assert bytea_in("x" * (2 * MAX_SCANNED) + "\\\\", -1, ENV) == b"x" * (2 * MAX_SCANNED) + b"\\"
    with pytest.raises(PgError, match="requested length too large"):
        bytea_in("\\000" * (MAX_VALUES + 1), -1, ENV)
