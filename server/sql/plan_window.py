"""Window functions: their arguments, partitions, orders and frames, compiled."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from server.sql import tree
from server.sql.codegen import compile_expr, compile_projection
from server.sql.exec_node import Mapped, Node
from server.sql.exec_sort import group_key
from server.sql.exec_window import Frame, WindowAgg, WindowJob
from server.sql.plan_walk import rewrite, walk
from server.sql.tree import Expr

if TYPE_CHECKING:
    from server.sql.plan import Planner, Scope


def plan_windows(
    planner: "Planner", windows: Sequence[tree.Window], exprs: Sequence[Expr], node: Node, outer: "Scope"
) -> tuple[Node, list[Expr]]:
    """`node` with one column per window call, and `exprs` that read those."""
    calls: list[tree.WindowCall] = []
    for expr in exprs:
        for found in walk(expr, queries=False):
            if type(found) is tree.WindowCall and found not in calls:
                calls.append(found)
    rel = planner.new_rel()
    for number in sorted({call.window for call in calls}):
        own = [call for call in calls if call.window == number]
        node = _one_window(
            planner, windows[number], own, [calls.index(call) for call in own], rel, node, outer
        )

    def change(found: Any) -> Any:
        if type(found) is tree.WindowCall:
            return tree.Var(found.type, rel, calls.index(found), found.typmod)
        return None

    return node, [rewrite(expr, change) for expr in exprs]


def _one_window(
    planner: "Planner",
    window: tree.Window,
    calls: Sequence[tree.WindowCall],
    places: Sequence[int],
    rel: int,
    node: Node,
    outer: "Scope",
) -> Node:
    width = node.width
    keys = [*window.partition_by, *(key.expr for key in window.order_by)]
    layout = dict(node.layout)
    columns: list[Expr] = list(keys)
    jobs = []
    for call, _ in zip(calls, places):
        first = width + len(columns)
        columns += call.args
        flag = None
        if call.filter is not None:
            flag = width + len(columns)
            columns.append(call.filter)
        jobs.append(
            WindowJob(call.function, first, len(call.args), flag, tuple(arg.type for arg in call.args))
        )
    if columns:
        unit = compile_projection(columns, node.layout, outer)

        def widen(rows: Any, c: Any) -> Any:
            return [row + more for row, more in zip(rows, unit(rows, c))]

        node = Mapped(node, widen, layout, width + len(columns), "Result", node.rows)
    split = len(window.partition_by)
    partition = [(width + i, expr.type.sort_key) for i, expr in enumerate(window.partition_by)]
    order = [
        (width + split + i, key.descending, key.nulls_first, key.expr.type.sort_key)
        for i, key in enumerate(window.order_by)
    ]
    peers = group_key([(spec[0], spec[3]) for spec in order])
    result = {**layout, **{(rel, place): width + i for i, place in enumerate(places)}}
    return WindowAgg(node, width, partition, order, peers, _frame(window, outer), jobs, result)


def _frame(window: tree.Window, outer: "Scope") -> Frame:
    def offset(bound: tuple[str, Expr | None]) -> Callable[..., Any] | None:
        return compile_expr(bound[1], {}, outer) if bound[1] is not None else None

    range_key = window.order_by[0].expr.type if window.order_by else None
    return Frame(
        window.frame_mode.lower(),
        window.start[0].lower(),
        offset(window.start),
        window.end[0].lower(),
        offset(window.end),
        (window.exclude or "").lower(),
        bool(window.order_by),
        range_key,
        bool(window.order_by) and window.order_by[0].descending,
    )
