"""Texts of DEFAULT, GENERATED and CHECK in descriptors (server/catalog/stored.py)."""

import msgspec
import pytest

from server.catalog import stored
from server.catalog.descriptor import Check
from server.sql.bind_scalar import bind_check
from server.sql.env import Env
from server.sql.parse import parse_expression
from server.sql.types import BOOL
from server.sql.zones import find_zone
from tests.binding import CATALOG, T

_ZONE = find_zone("Asia/Tokyo")
assert _ZONE is not None
TOKYO = Env(_ZONE, datestyle="SQL", dateorder="DMY")


def kept(text: str) -> str | None:
    return stored.bind_to_store(TOKYO, CATALOG, parse_expression(text), T, (BOOL, -1), "check")[1]


@pytest.mark.parametrize(
    "text", ["t.a > 0", "e IN ('x', 'y')", "d > now()", "d::date > CURRENT_DATE", "c > 1e3"]
)
def test_what_no_setting_gave_its_meaning_is_kept_as_written(text: str) -> None:
    assert kept(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t.d > '02/03/2024'", "(d > '2024-03-01 15:00:00+00'::timestamp with time zone)"),
        ("d::date <> '02/03/2024'", "((d)::date <> '2024-03-02'::date)"),
        (
            "d > '02/03/2024' OR e IN ('x', 'y')",
            "((d > '2024-03-01 15:00:00+00'::timestamp with time zone) OR "
            "((e)::text = ANY (ARRAY['x'::character varying, 'y'::character varying])))",
        ),
    ],
)
def test_literals_are_kept_as_the_statement_read_them(text: str, expected: str) -> None:
    assert kept(text) == expected


def test_a_renamed_table_is_not_named_by_its_checks() -> None:
    table = msgspec.structs.replace(T, checks=(Check(1, "x", "t.a > 0"), Check(2, "y", "e IN ('x', 'y')")))
    made = stored.renamed(Env(), CATALOG, table, "other")
    assert [check.expression for check in made.checks] == ["(a > 0)", "e IN ('x', 'y')"]
    assert made.name == "other"
    for check in made.checks:
        bind_check(check, made, Env(), CATALOG)


def test_a_table_renamed_while_its_checks_named_it_can_get_its_name_back() -> None:
    table = msgspec.structs.replace(T, name="other", checks=(Check(1, "x", "t.a > 0"),))
    made = stored.renamed(Env(), CATALOG, table, "t")
    bind_check(made.checks[0], made, Env(), CATALOG)
