"""The lint of the cores finds what it should, and nothing else."""

import ast

import pytest

from tests.purity import CALLS, IMPORTS, findings

ORDERED = [
    "for x in {1, 2}: f(x)",
    "[x for x in set(y)]",
    "for x in set(a) | b: f(x)",
    "for x in a.keys() - b: f(x)",
    "for x in b.union(a): f(x)",
    "x = set(a)\nfor y in x: f(y)",
    "x = set(a)\ny = x\nz = list(y)",
    "x: set[int] = f()\nprint_(*x)",
    "def f(x: frozenset[int]): return tuple(x)",
    "def g() -> set[int]: ...\nfor x in g(): f(x)",
    "class A:\n  x: set[int]\n  def f(self): return [y for y in self.x]",
    "self.x = {1}\nself.x.pop()",
    "x = {1}\n','.join(x)",
    "x = {1}\ny.extend(x)",
    "x = {1}\ndict.fromkeys(x)",
    "x = {1}\nmin(x, key=f)",
    "x = {1}\nnext(iter(x))",
    "x = {1}\ny = (f(z) for z in x)",
    "x = {1} if a else b\nfor y in x: f(y)",
]
FINE = [
    "for x in sorted({1, 2}): f(x)",
    "x = {1}\nany(f(y) for y in x)",
    "x = {1}\nmin(x)",
    "x = {1}\nlen(x)",
    "x = {1}\ny in x",
    "x = {1}\n{f(y) for y in x}",
    "x = [1]\nfor y in x: f(y)",
    "x = {1: 2}\nfor y in x: f(y)",
    "x = [1]\nx.pop()",
    "for x in a - b: f(x)",
]


@pytest.mark.parametrize("source", ORDERED)
def test_the_order_of_a_set_is_found(source):
    assert [each.split(": ")[1] for each in findings(ast.parse(source))] == ["order of a set"]


@pytest.mark.parametrize("source", FINE)
def test_what_does_not_depend_on_order_is_not_found(source):
    assert findings(ast.parse(source)) == []


@pytest.mark.parametrize("module", sorted(IMPORTS))
def test_an_import_is_found(module):
    for source in (
        f"import {module}",
        f"from {module} import x",
        f"from {module}.y import x",
        f"def f():\n  import {module}",
    ):
        assert len(findings(ast.parse(source))) == 1


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_call_is_found(name):
    assert findings(ast.parse(f"x = {name}(y)")) == [f"1: {name}()"]


@pytest.mark.parametrize("source", ["async def f(): ...", "def f():\n  global x"])
def test_a_coroutine_and_a_global_are_found(source):
    assert len(findings(ast.parse(source))) == 1
