"""psql's backslash commands: PostgreSQL's text, but for the differences that are named here."""

import pytest

from tests.catalog_sample import Both
from tests.catalog_sample import both as both

pytestmark = pytest.mark.slow

SAME = [
    r"\d",
    r"\dt",
    r"\dv",
    r"\dm",
    r"\ds",
    r"\dE",
    r"\d app.nopk",
    r"\d app.made",
    r"\d app.*",
    r"\d nope",
    r"\dp",
    r"\z",
    r"\dp t",
    r"\dd",
    r"\ddp",
    r"\dD",
    r"\drds",
    r"\dy",
    r"\dRp",
    r"\dRs",
    r"\dX",
    r"\des",
    r"\dew",
    r"\deu",
    r"\det",
    r"\dP",
    r"\dO",
    r"\dT nope",
    r"\df nope",
    r"\dn app",
    r"\dn+ app",
    r"\sf lower(text)",
    r"\dt app.*",
    r"\dt *.nopk",
    r"\di app.*",
]
"""Byte for byte the same."""

BTREE = {"btree_table": "heap", "btree_index": "btree"}
"""The names of DSQL's access methods (dsql-reference §1.5) against PostgreSQL's."""
SAME_BUT_METHODS = [r"\d t_c_idx", r'\d "W idx"', r"\d t_a_b_key"]


def _renamed(lines: list[str]) -> list[str]:
    for ours, theirs in BTREE.items():
        lines = [line.replace(ours, theirs) for line in lines]
    return lines


@pytest.mark.parametrize("command", SAME)
def test_the_text_is_the_same(both: Both, command: str) -> None:
    assert both.psql(both.ours, command) == both.psql(both.theirs, command)


def _without_description(lines: list[str]) -> list[list[str]]:
    return [[field.strip() for field in line.split("|")[:-1]] for line in lines if "|" in line]


@pytest.mark.parametrize("command", [r"\dF simple", r"\dFd simple", r"\dFp default", r"\dFt simple"])
def test_what_text_search_has_is_listed(both: Both, command: str) -> None:
    """The configuration simple and its parts, but for their descriptions."""
    ours = _without_description(both.psql(both.ours, command))
    assert ours == _without_description(both.psql(both.theirs, command))
    assert len(ours) == 2


@pytest.mark.parametrize("command", SAME_BUT_METHODS)
def test_the_text_is_the_same_but_for_access_methods(both: Both, command: str) -> None:
    assert _renamed(both.psql(both.ours, command)) == both.psql(both.theirs, command)


def _without_includes(lines: list[str]) -> list[str]:
    return [line.split(" INCLUDE")[0] if "PRIMARY KEY" in line else line for line in lines]


@pytest.mark.parametrize("command", [r"\d t", r"\d+ t", r'\d "Weird-T"', r'\d+ "Weird-T"', r"\d+ app.nopk"])
def test_tables_differ_in_access_methods_and_what_the_primary_key_holds(both: Both, command: str) -> None:
    ours = both.psql(both.ours, command)
    assert _without_includes(_renamed(ours)) == both.psql(both.theirs, command)


def test_the_primary_key_shows_the_columns_that_it_includes(both: Both) -> None:
    shown = both.psql(both.ours, r"\d t_pkey")
    assert [line.split("|")[2].strip() for line in shown[3:8]] == ["yes", "no", "no", "no", "no"]
    assert shown[8] == 'primary key, btree_index, for table "public.t"'


def test_tables_have_no_sizes_of_their_own(both: Both) -> None:
    shown = both.psql(both.ours, r"\dt+ t")
    assert [cell.strip() for cell in shown[3].split("|")] == [
        "public", "t", "table", "admin", "permanent", "btree_table", "", "the t",
    ]  # fmt: skip


def test_there_is_one_database_and_it_is_admins(both: Both) -> None:
    shown = both.psql(both.ours, r"\l")
    assert shown[-2] == "(1 row)"
    assert [cell.strip() for cell in shown[3].split("|")][:5] == ["postgres", "admin", "UTF8", "libc", "C"]


def test_roles_show_their_comments(both: Both) -> None:
    shown = [both.psql(dsn, r"\du+ reader") for dsn in (both.ours, both.theirs)]
    assert [line.rsplit("|")[-1].strip() for line in shown[0]] == [
        line.rsplit("|")[-1].strip() for line in shown[1]
    ]
    assert shown[0][3].endswith("who reads")


def test_indexes_show_their_comments(both: Both) -> None:
    assert both.psql(both.ours, r"\di+ t_c_idx")[3].rsplit("|")[-1].strip() == "an index"


def test_roles_show_what_they_may(both: Both) -> None:
    shown = both.psql(both.ours, r"\du")
    assert [tuple(cell.strip() for cell in line.split("|")) for line in shown[3:5]] == [
        ("admin", "Create role"),
        ("reader", ""),
    ]


@pytest.mark.parametrize(
    "command",
    [
        r"\l+",
        r"\dn",
        r"\dn+",
        r"\di",
        r"\di+",
        r"\du+",
        r"\dg",
        r"\conninfo",
        r"\db",
        r"\db+",
        r"\dx",
        r"\dT",
        r"\dT+ int*",
        r"\df",
        r"\df+ lower",
        r"\dC",
        r"\dC+",
        r"\do",
        r"\da",
        r"\dL",
        r"\dA",
        r"\dA+",
        r"\dAc",
        r"\dAf",
        r"\dAo",
        r"\dAp",
        r"\dc",
        r"\dS",
        r"\dtS+",
        r"\dvS",
        r"\d pg_class",
        r"\d+ pg_tables",
        r"\dconfig",
        r"\dl",
        r"\dO+",
        r"\drg",
        r"\dRp+",
    ],
)
def test_every_command_is_answered(both: Both, command: str) -> None:
    shown = both.psql(both.ours, command)
    assert not any("ERROR" in line or "FATAL" in line for line in shown), shown
