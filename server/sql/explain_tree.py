"""EXPLAIN's tree of a plan, in DSQL's look, as text and as JSON (dsql-reference §1.9)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from server.sql.context import Context
from server.sql.exec_node import Lines, Mapped, Node, Part, Rows, Single
from server.sql.exec_scan import Fused
from server.sql.exec_source import Forget, Rename


@dataclass(frozen=True, slots=True)
class Options:
    """What EXPLAIN is asked to show."""

    verbose: bool = False
    costs: bool = True
    analyze: bool = False
    timing: bool = True


@dataclass(slots=True)
class Meter:
    """What one operator did: rows and runs; seconds until its first row and until its end, all runs together."""

    rows: int = 0
    loops: int = 0
    first: float = 0.0
    total: float = 0.0


def measure(node: Node) -> dict[int, Meter]:
    """Have every operator below `node` count; the meters by the operator's id. The plan must not be shared."""
    meters: dict[int, Meter] = {}
    _attach(node, meters)
    return meters


def _attach(node: Node, meters: dict[int, Meter]) -> None:
    for child in _children(node):
        _attach(child, meters)
    if isinstance(node, Fused):
        return
    if isinstance(node, Rename):
        node.run = node.source.run  # type: ignore[method-assign]
        return
    meter = meters[id(node)] = Meter()
    node.run = _metered(node.run, meter)  # type: ignore[assignment,method-assign]


def _children(node: Node) -> Sequence[Node]:
    return (node.source,) if isinstance(node, Rename | Forget) else node.inputs()


def _metered(run: Callable[[Context], Iterator[Rows]], meter: Meter) -> Callable[[Context], Iterator[Rows]]:
    def metered(c: Context) -> Iterator[Rows]:
        meter.loops += 1
        spent = 0.0
        first = None
        batches = run(c)
        try:
            while True:
                begun = perf_counter()
                batch = next(batches, None)
                spent += perf_counter() - begun
                if first is None and (batch or batch is None):
                    first = spent
                    meter.first += first
                if batch is None:
                    break
                meter.rows += len(batch)
                yield batch
        finally:  # whoever reads may have enough before the end
            meter.total += spent

    return metered


# --- the tree ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Shown:
    """One operator as it is shown."""

    head: str
    details: Lines
    node: Node
    meter: Meter | None
    below: list["Shown"] = field(default_factory=list)


def shown(node: Node, options: Options, meters: dict[int, Meter]) -> Shown:
    """The tree as it is shown: projections are not operators of their own, filters belong to what they filter."""
    outermost, filters = node, list[str]()
    while True:
        if isinstance(node, Rename | Forget) or (isinstance(node, Mapped) and node.label == "Result"):
            node = node.source
        elif isinstance(node, Mapped) and node.label == "Filter":
            filters += node.details
            node = node.source
        else:
            break
    head, *details = node.details_of(options.verbose)
    if isinstance(node, Single):
        filters = [text.replace("Filter: ", "One-Time Filter: ", 1) for text in filters]
    measured = outermost
    while isinstance(measured, Rename):
        measured = measured.source
    found = Shown(str(head), [*filters, *details], outermost, meters.get(id(measured)))
    found.below = [shown(child, options, meters) for child in node.inputs()]
    return found


# --- text --------------------------------------------------------------------------------------------------


def text_lines(tree: Shown, options: Options, width: int) -> list[str]:
    """One line per operator and property; `width`: bytes of the result's rows."""
    lines: list[str] = []
    _text(tree, 0, options, lines, width)
    return lines


def _text(tree: Shown, depth: int, options: Options, lines: list[str], width: int) -> None:
    node = tree.node
    head = tree.head
    if options.costs:
        head += f"  (cost=0.00..{node.cost:.2f} rows={max(round(node.rows), 0)} width={width})"
    indent = "" if depth == 0 else " " * (6 * depth - 4) + "->  "
    lines.append(indent + head + _actual(tree.meter, options, options.timing))
    at = 2 if depth == 0 else 6 * depth + 2
    for detail in tree.details:
        _detail(detail, at, tree, options, lines, width)
    for child in tree.below:
        _text(child, depth + 1, options, lines, 8 * child.node.width)


def _detail(
    detail: "str | Part", at: int, tree: Shown, options: Options, lines: list[str], width: int
) -> None:
    if isinstance(detail, str):
        lines.append(" " * at + detail)
        return
    head = f"{' ' * at}-> {detail.head}"
    if options.costs:
        head += f" (cost=0.00..{tree.node.cost:.2f} rows={max(round(detail.rows), 0)} width={width})"
    lines.append(head + _actual(tree.meter if detail.passes else None, options, False))
    for each in detail.details:
        _detail(each, at + 4, tree, options, lines, width)


def _actual(meter: Meter | None, options: Options, timing: bool) -> str:
    if meter is None or not options.analyze:
        return ""
    if not meter.loops:
        return " (never executed)"
    loops = meter.loops
    time = f"time={_ms(meter.first / loops):.3f}..{_ms(meter.total / loops):.3f} " if timing else ""
    return f" (actual {time}rows={round(meter.rows / loops)} loops={loops})"


def _ms(seconds: float) -> float:
    return seconds * 1000.0


# --- JSON --------------------------------------------------------------------------------------------------


def as_json(tree: Shown, options: Options, width: int) -> dict[str, Any]:
    """The tree as an object of PostgreSQL's EXPLAIN (FORMAT JSON)."""
    node, meter = tree.node, tree.meter
    made = _names(tree.head)
    if options.costs:
        made |= {
            "Startup Cost": 0.0, "Total Cost": round(node.cost, 2), "Plan Rows": max(round(node.rows), 0),
            "Plan Width": width,
        }  # fmt: skip
    if meter is not None and options.analyze:
        loops = meter.loops or 1
        if options.timing:
            made["Actual Startup Time"] = round(_ms(meter.first / loops), 3)
            made["Actual Total Time"] = round(_ms(meter.total / loops), 3)
        made |= {"Actual Rows": round(meter.rows / loops), "Actual Loops": meter.loops}
    below = [_part_json(part) for part in tree.details if isinstance(part, Part)]
    made |= _properties(tree.details)
    below += [as_json(child, options, 8 * child.node.width) for child in tree.below]
    return made | ({"Plans": below} if below else {})


def _part_json(part: Part) -> dict[str, Any]:
    made = _names(part.head) | _properties(part.details)
    below = [_part_json(each) for each in part.details if isinstance(each, Part)]
    return made | ({"Plans": below} if below else {})


def _names(head: str) -> dict[str, Any]:
    """`Index Scan Backward using i on t a` in parts."""
    before, _, relation = head.partition(" on ")
    kind, _, index = before.partition(" using ")
    made: dict[str, Any] = {"Node Type": kind.removesuffix(" Backward")}
    if index:
        made["Scan Direction"] = "Backward" if kind.endswith(" Backward") else "Forward"
        made["Index Name"] = index
    if relation:
        name, _, alias = relation.partition(" ")
        made |= {"Relation Name": name, "Alias": alias or name}
    return made


_LISTS = frozenset({"Output", "Projections", "Sort Key", "Group Key"})


def _properties(details: Lines) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for detail in details:
        if isinstance(detail, str):
            name, _, value = detail.partition(": ")
            made[name] = value.split(", ") if name in _LISTS else value
    return made
