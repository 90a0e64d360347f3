"""WITH ... SEARCH and CYCLE: a recursive query with the columns that they ask for (PostgreSQL, 7.8.2.1-2).

As in PostgreSQL (rewriteSearchCycle.c) both terms of the UNION are wrapped: the first one starts the sequence, the
mark and the path, the recursive one continues those of the row it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from server.sql import ast
from server.sql.ast_walk import references
from server.sql.scope import error

_LEFT, _RIGHT = "*TLOCRN*", "*TROCRN*"
_CLAUSE = "with a SEARCH or CYCLE clause, the"


def added_columns(cte: ast.CommonTableExpr) -> tuple[str, ...]:
    """The columns that the clauses add, in their order."""
    search = (cte.search.sequence,) if cte.search is not None else ()
    return (*search, *((cte.cycle.mark, cte.cycle.path) if cte.cycle is not None else ()))


def check_columns(cte: ast.CommonTableExpr, names: Sequence[str]) -> None:
    """The columns that the clauses read; raises 42601, 42701."""
    for clause, what in ((cte.search, "search"), (cte.cycle, "cycle")):
        for place, name in enumerate(clause.columns if clause is not None else ()):
            assert clause is not None
            if name not in names:
                message = f'{what} column "{name}" not in WITH query column list'
                raise error("42601", message, clause.at)
            if name in clause.columns[:place]:
                raise error("42701", f'{what} column "{name}" specified more than once', clause.at)


def check_names(cte: ast.CommonTableExpr, names: Sequence[str]) -> None:
    """The names of the columns that the clauses add; raises 42601."""
    search, cycle = cte.search, cte.cycle
    if search is not None and search.sequence in names:
        _used(f'search sequence column name "{search.sequence}"', search.at)
    if cycle is None:
        return
    if cycle.mark in names:
        _used(f'cycle mark column name "{cycle.mark}"', cycle.at)
    if cycle.path in names:
        _used(f'cycle path column name "{cycle.path}"', cycle.at)
    if cycle.mark == cycle.path:
        message = "cycle mark column name and cycle path column name are the same"
        raise error("42601", message, cycle.at)
    for what, name in (("mark", cycle.mark), ("path", cycle.path)):
        if search is not None and search.sequence == name:
            message = f"search sequence column name and cycle {what} column name are the same"
            raise error("42601", message, search.at)


def _used(what: str, at: int) -> None:
    raise error("42601", f"{what} already used in WITH query column list", at)


def first_term(cte: ast.CommonTableExpr, left: ast.Query, names: Sequence[str]) -> ast.SelectStmt:
    """The non-recursive term with the columns that begin."""
    made: list[ast.ResTarget] = _targets(_LEFT, names)
    if cte.search is not None:
        row = _row(_LEFT, cte.search.columns)
        depth = ast.TypeCast(ast.Literal("integer", "0"), ast.TypeName(("pg_catalog", "int8")))
        first = ast.ArrayExpr((row,)) if cte.search.depth_first else _with_depth(depth, row)
        made.append(ast.ResTarget(first, cte.search.sequence))
    if cte.cycle is not None:
        never = ast.Literal("bool", "false")
        mark = ast.CaseExpr(None, ((never, cte.cycle.value),), cte.cycle.default)
        made.append(ast.ResTarget(mark, cte.cycle.mark))
        made.append(ast.ResTarget(ast.ArrayExpr((_row(_LEFT, cte.cycle.columns),)), cte.cycle.path))
    return ast.SelectStmt(tuple(made), from_=(_subselect(left, _LEFT, names),))


def recursive_term(cte: ast.CommonTableExpr, right: ast.Query, names: Sequence[str]) -> ast.SelectStmt:
    """The recursive term with the columns that go on; rows that close a cycle are not followed.

    Raises 42601, 0A000.
    """
    if not isinstance(right, ast.SelectStmt):
        raise error("42601", f"{_CLAUSE} right side of the UNION must be a SELECT")
    source = next((found for item in right.from_ for found in _top_level(item, cte.name)), None)
    if source is None:
        message = f'{_CLAUSE} recursive reference to WITH query "{cte.name}" must be at the top level of its'
        raise error("0A000", f"{message} right-hand SELECT")
    added = added_columns(cte)
    known_as = source.alias.name if source.alias is not None else cte.name
    inner = replace(right, targets=(*right.targets, *_targets(known_as, added)))
    made: list[ast.ResTarget] = _targets(_RIGHT, names)
    where: ast.Expr | None = None
    if cte.search is not None:
        row = _row(_RIGHT, cte.search.columns)
        sequence = ast.ColumnRef((_RIGHT, cte.search.sequence))
        if cte.search.depth_first:
            following: ast.Expr = ast.Op("||", sequence, row)
        else:
            depth = ast.Op("+", ast.FieldSelect(sequence, "f1"), ast.Literal("integer", "1"))
            following = _with_depth(depth, row)
        made.append(ast.ResTarget(following, cte.search.sequence))
    if cte.cycle is not None:
        row, path = _row(_RIGHT, cte.cycle.columns), ast.ColumnRef((_RIGHT, cte.cycle.path))
        seen = ast.ArrayOp(row, "=", None, path, False)
        mark = ast.CaseExpr(None, ((seen, cte.cycle.value),), cte.cycle.default)
        made.append(ast.ResTarget(mark, cte.cycle.mark))
        made.append(ast.ResTarget(ast.Op("||", path, row), cte.cycle.path))
        where = ast.Op("<>", ast.ColumnRef((_RIGHT, cte.cycle.mark)), cte.cycle.value)
    return ast.SelectStmt(tuple(made), from_=(_subselect(inner, _RIGHT, (*names, *added)),), where=where)


def _targets(relation: str, names: Sequence[str]) -> list[ast.ResTarget]:
    return [ast.ResTarget(ast.ColumnRef((relation, name)), name) for name in names]


def _row(relation: str, names: Sequence[str]) -> ast.RowExpr:
    return ast.RowExpr(tuple(ast.ColumnRef((relation, name)) for name in names), True)


def _with_depth(depth: ast.Expr, row: ast.RowExpr) -> ast.RowExpr:
    return ast.RowExpr((depth, *row.items), True)


def _subselect(query: ast.Query, name: str, columns: Sequence[str]) -> ast.RangeSubselect:
    return ast.RangeSubselect(query, alias=ast.Alias(name, tuple(columns)))


def _top_level(item: ast.FromItem, name: str) -> list[ast.RangeVar]:
    """The references to the WITH item in a join tree, not in its subqueries."""
    if isinstance(item, ast.JoinExpr):
        return [*_top_level(item.left, name), *_top_level(item.right, name)]
    return list(references(item, name)) if isinstance(item, ast.RangeVar) else []
