"""Turns for others in the middle of a call: subqueries in expressions are run by compiled Python, which can't yield.

A plan with such subqueries, or with functions that take long (`Context.breathe`), runs on a stack of its own (a
greenlet). When one of them has used its budget, that stack is left as it stands, and the plan's iterator gives an
empty batch, as every other operator that takes long does (DESIGN §11).
"""

from collections.abc import Callable, Iterator
from contextvars import copy_context
from time import monotonic

from greenlet import getcurrent, greenlet

from server.sql.context import Context
from server.sql.exec_node import Rows

SLICE_S = 0.001
"""Seconds that a plan may take before it gives a turn, if it is inside a subquery then."""


def with_turns(run: Callable[[Context], Iterator[Rows]], ctx: Context) -> Iterator[Rows]:
    """The batches of `run(ctx)`, and an empty one whenever a subquery in an expression took its time."""
    if ctx.turn is not None:
        return run(ctx)
    return _driven(run, ctx)


def _driven(run: Callable[[Context], Iterator[Rows]], ctx: Context) -> Iterator[Rows]:
    driver = getcurrent()
    until = 0.0

    def work() -> None:
        for batch in run(ctx):
            driver.switch(batch)

    def turn() -> None:
        if monotonic() > until:
            driver.switch([])

    inside = greenlet(work)
    inside.gr_context = copy_context()
    ctx.turn = turn
    try:
        while True:
            until = monotonic() + SLICE_S
            driver = inside.parent = getcurrent()  # a portal's next rows may be asked for from another stack
            batch = inside.switch()
            if inside.dead:
                return
            yield batch
    finally:
        ctx.turn = None
        if not inside.dead:
            inside.parent = getcurrent()
            inside.throw()
