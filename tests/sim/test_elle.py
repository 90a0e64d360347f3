"""One history per anomaly, and those that snapshot isolation allows."""

import pytest

from tests.sim.elle import Append, Read, Txn, check


def r(key, *elements):
    return Read(key, elements)


def a(key, element):
    return Append(key, element)


def history(*txns):
    """(name, outcome or "", ops ...): all at once, so that real time says nothing."""
    return [
        Txn(name, ops, 0, 100, outcome or "ok") for name, outcome, *rest in txns for ops in (tuple(rest),)
    ]


HISTORIES = {
    "G0": history(
        ("T1", "", a("x", 1), a("y", 1)),
        ("T2", "", a("x", 2), a("y", 2)),
        ("R", "", r("x", 1, 2), r("y", 2, 1)),
    ),
    "G1a": history(("T1", "fail", a("x", 1)), ("T2", "", r("x", 1))),
    "G1b": history(("T1", "", a("x", 1), a("x", 2)), ("T2", "", r("x", 1)), ("R", "", r("x", 1, 2))),
    "G1c": history(("T1", "", a("x", 1), r("y", 1)), ("T2", "", a("y", 1), r("x", 1))),
    "G-single": history(
        ("T1", "", r("x"), a("x", 1)),
        ("T2", "", r("x"), a("x", 2)),
        ("R", "", r("x", 1, 2)),
    ),
    "G-nonadjacent": history(
        ("T1", "", a("x", 1)),
        ("T2", "", a("y", 1)),
        ("T3", "", r("x", 1), r("y")),
        ("T4", "", r("x"), r("y", 1)),
    ),
    "duplicate": history(("T1", "", a("x", 1)), ("R", "", r("x", 1, 1))),
    "order": history(
        ("T1", "", a("x", 1)), ("T2", "", a("x", 2)), ("R", "", r("x", 1, 2)), ("S", "", r("x", 2, 1))
    ),
    "internal": history(("T1", "", a("x", 1), r("x"))),
}


@pytest.mark.parametrize("kind", sorted(HISTORIES))
def test_an_anomaly_is_found(kind):
    assert check(HISTORIES[kind])[0].kind == kind


def test_read_skew_is_one_rw():
    """T reads x before W and y after it."""
    skew = history(("W", "", a("x", 1), a("y", 1)), ("T", "", r("x"), r("y", 1)), ("R", "", r("x", 1)))
    assert check(skew)[0].kind == "G-single"


def test_an_element_that_nobody_appended_or_two_did():
    assert check(history(("T", "", r("x", 1))))[0].kind == "G1a"
    assert check(history(("T", "", a("x", 1)), ("U", "", a("x", 1))))[0].kind == "duplicate"


def test_write_skew_is_allowed():
    """G2-item: two rw in a row."""
    skew = history(
        ("T1", "", r("x"), r("y"), a("x", 1)),
        ("T2", "", r("x"), r("y"), a("y", 1)),
        ("R", "", r("x", 1), r("y", 1)),
    )
    assert check(skew) == []


def test_who_is_not_known_to_have_ended_may_have_happened_or_not():
    assert check(history(("T1", "info", a("x", 1)), ("T2", "", r("x", 1)))) == []
    assert check(history(("T1", "info", a("x", 1)), ("T2", "", r("x")))) == []


def test_serial_histories_pass():
    txns = [Txn(f"T{n}", (r("x", *range(n)), a("x", n)), 10 * n, 10 * n + 5) for n in range(50)]
    assert check(txns) == []


@pytest.mark.parametrize(
    ("txns", "kind"),
    [
        (
            [Txn("W", (a("x", 1),), 0, 10), Txn("T", (r("x"),), 20, 30), Txn("R", (r("x", 1),), 20, 30)],
            "G-single",
        ),
        ([Txn("R", (r("x", 1),), 0, 10), Txn("W", (a("x", 1),), 20, 30)], "G1c"),
        (
            [
                Txn("B", (a("x", 2),), 0, 10),
                Txn("A", (a("x", 1),), 20, 30),
                Txn("R", (r("x", 1, 2),), 25, 40),
            ],
            "G0",
        ),
    ],
)
def test_what_had_ended_comes_before_what_began_later(txns, kind):
    """A stale read; a read of the future; a write below an acknowledged one."""
    assert check(txns)[0].kind == f"{kind}-realtime"
    assert check(txns, real_time=False) == []
    assert check([txn._replace(ended=100) for txn in txns]) == []
