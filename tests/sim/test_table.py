"""The search for switched-off rules: it finds, it goes on where it was broken off, and it says what is missing."""

import pytest

from tests.sim import table
from tests.sim.mutants import MUTANTS
from tests.sim.profiles import PROFILES, SOUGHT
from tests.sim.table import BEGIN, END, PAGE, ROOT, Search

NAME = "lock-record"
OLD = "| `floor` | ...\n| `gone` | ..."


@pytest.fixture
def root(tmp_path):
    page = tmp_path / PAGE
    page.parent.mkdir()
    page.write_text(f"before\n{BEGIN}{OLD}\n{END}after\n")
    return tmp_path


def search(root, said, seeds=40):
    return Search(seeds, 600, said.append, [NAME], root)


def test_rules_are_sought_in_runs_that_exist():
    assert set(SOUGHT) <= set(MUTANTS)
    assert set(SOUGHT.values()) <= set(PROFILES)


def test_a_rule_is_found_and_its_row_stands_in_the_page(root):
    said = []
    assert search(root, said).run(1)
    text = (root / PAGE).read_text()
    assert text.startswith(f"before\n{BEGIN}| switch |")
    assert "| `floor` | ...\n" in text
    assert "gone" not in text
    assert text.endswith(f"{END}after\n")
    assert f"| `{NAME}` | locks alone are appended too | `locks_alone`: J3 | any | " in text
    assert said[-1] == "mutants: 1 rules, 0 not shown"


def test_what_was_tried_is_not_tried_again(root, monkeypatch):
    assert search(root, []).run(1)
    monkeypatch.setattr(table, "ProcessPoolExecutor", NoWork)
    assert search(root, []).run(1)


def test_a_search_goes_on_where_it_ended(root):
    first = search(root, [])
    first._take_in(NAME, range(10), (None, ""), 1.0)
    again = search(root, [])
    assert again.run(1)
    assert again.state[NAME]["seed"] >= 10


def test_a_rule_that_is_not_noticed_is_said(root, monkeypatch):
    monkeypatch.setattr(table, "noticed", lambda name: "")
    said = []
    assert not search(root, said).run(1)
    assert f"{NAME}: not shown" in said


def test_a_rule_that_was_not_looked_for_long_enough_is_said(root):
    broken_off = Search(40, 1, [].append, [NAME], root)
    broken_off._take_in(NAME, range(10), (None, ""), 1.0)
    assert not broken_off.run(1)
    assert "none in 10" in (root / PAGE).read_text()


def test_the_page_has_every_rule():
    """`make mutants` was run since the last rule came."""
    text = (ROOT / PAGE).read_text()
    assert [name for name in MUTANTS if f"| `{name}` |" not in text] == []


class NoWork:
    """A pool that takes none."""

    def __init__(self, processes, context):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass
