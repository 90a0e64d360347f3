"""EXPLAIN's lines of a table scan: what the query processor does, what storage does (dsql-reference §1.9)."""

from collections.abc import Sequence

from server.catalog.descriptor import Catalog
from server.sql import tree
from server.sql.exec_node import Lines, Part
from server.sql.explain import condition_lines, expr_text
from server.sql.plan_path import Path
from server.sql.tree import Expr

_PUSHED = frozenset({"=", "<>", "<", "<=", ">", ">="})


def scan_lines(
    path: Path, rel: tree.TableRel, catalog: Catalog, needed: set[int], exprs: Sequence[Expr], verbose: bool
) -> Lines:
    """The scan, its conditions, then its parts: one for the table or index, one for looking up rows."""
    table = rel.table.name
    schema = catalog.schemas.get(rel.table.schema_oid)
    qualified = f"{schema.name}.{table}" if verbose and schema is not None else table
    index = path.index.index if path.index is not None else rel.table.primary_key
    backward = " Backward" if path.reverse else ""
    shown = f"{qualified} {rel.alias}" if rel.alias != table else qualified
    if index is None:
        head, store = f"Full Scan (btree-table) on {shown}", shown
    else:
        kind = "Index Scan" if path.index is not None and not path.index_only else "Index Only Scan"
        head, store = f"{kind}{backward} using {index.name} on {shown}", index.name
    sargs = [sarg.source for sarg in [*path.equal, path.lower, path.upper] if sarg is not None]
    conditions = condition_lines("Index Cond", sargs)
    pushed = [expr for expr in path.residual if _is_pushed(expr)]
    kept = [expr for expr in path.residual if not _is_pushed(expr)]
    lines: list[str | Part] = [head, *condition_lines("Filter", kept), *conditions]
    output = [expr for expr in exprs if not (isinstance(expr, tree.Var) and expr.column < 0)]
    if verbose and output:
        lines.insert(1, "Output: " + ", ".join(expr_text(expr) for expr in output))
    names = [rel.table.columns[column].name for column in sorted(needed) if column >= 0]
    projections = ["Projections: " + ", ".join(names)] if names else []
    filters = condition_lines("Filters", pushed)
    read = path.rows / 0.33 ** min(len(path.residual), 3)
    tree_scan = Part(f"B-Tree Scan on {store}", conditions, read, not path.residual)
    passed = path.rows / 0.33 ** min(len(kept), 3)
    if head.startswith("Index Scan"):
        looked_up = Part(f"B-Tree Lookup on {shown}", (), read, not path.residual)
        storage = Part(f"Storage Scan on {store}", [tree_scan], read, not path.residual)
        lookup = Part(f"Storage Lookup on {shown}", [*projections, *filters, looked_up], passed, not kept)
        return [*lines, storage, lookup]
    return [*lines, Part(f"Storage Scan on {store}", [*projections, *filters, tree_scan], passed, not kept)]


def _is_pushed(expr: Expr) -> bool:
    """Whether DSQL's storage evaluates such a condition: comparisons of a column with a value, and their logic."""
    if isinstance(expr, tree.BoolExpr):
        return all(_is_pushed(arg) for arg in expr.args)
    if isinstance(expr, tree.NullTest):
        return isinstance(expr.arg, tree.Var)
    if not isinstance(expr, tree.Call):
        return isinstance(expr, tree.Var)
    values = sum(isinstance(arg, tree.Const | tree.Param) for arg in expr.args)
    columns = sum(isinstance(arg, tree.Var | tree.Relabel) for arg in expr.args)
    return expr.operator in _PUSHED and columns >= 1 and values + columns == 2
