"""DSQL's limits as the command line lowers them, and how fast connections may come (dsql-reference §4)."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from server.runtime.rate import Rate
from server.sql.limits import Limits, with_limits


def test_what_is_given_counts_and_the_rest_is_dsqls() -> None:
    found = with_limits(Limits(), ("transaction_rows=10", "transaction_age_s=0.5", "transaction_rows=20"))
    assert (found.transaction_rows, found.transaction_age_s, found.tables) == (20, 0.5, 1_000)


def test_the_documentation_names_each_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    table = page.partition("\n## Limits\n")[2].partition("\n## ")[0]
    told: dict[str, float] = {}
    for names, defaults in re.findall(r"^\| (`.+?) \| (\d[^|]*) \|", table, re.MULTILINE):
        found = re.findall(r"\d+", defaults)
        told.update(zip(re.findall(r"`(\w+)`", names), map(float, found)))
    assert told == {each.name: each.default for each in fields(Limits)}


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("tables", "'tables' is not NAME=VALUE"),
        ("chairs=1", "there is no limit 'chairs'"),
        ("tables=many", "tables needs a whole number, not 'many'"),
        ("tables=1.5", "tables needs a whole number"),
        ("tables=-1", "not negative"),
        ("connection_age_s=x", "connection_age_s needs a number"),
        ("connection_age_s=inf", "not negative"),
        ("connection_age_s=nan", "not negative"),
        ("transaction_bytes=10485761", "transaction_bytes can be at most 10485760"),
        ("row_bytes=1000", "row_bytes can't be less than column_bytes"),
    ],
)
def test_what_makes_no_sense(setting: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        with_limits(Limits(), (setting,))


def test_some_come_at_once_and_then_as_many_as_the_rate_allows() -> None:
    rate = Rate(2.0, 3)
    assert [rate.take(10.0) for _number in range(4)] == [True, True, True, False]
    assert [rate.take(10.4), rate.take(10.5), rate.take(10.5), rate.take(11.0)] == [False, True, False, True]


def test_no_more_than_the_burst_is_saved() -> None:
    rate = Rate(2.0, 3)
    rate.take(0.0)
    assert [rate.take(1e6) for _number in range(4)] == [True, True, True, False]
