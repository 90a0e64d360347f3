"""Functions and operators of tsquery (PostgreSQL, chapter 9.13)."""

from server.sql.fn_compare import three_way
from server.sql.functions import define, sql
from server.sql.text_search.rewrite import rewritten
from server.sql.type_tsquery import (
    AND,
    MAX_DISTANCE,
    MAX_ITEMS,
    NOT,
    OR,
    PHRASE,
    Item,
    Operand,
    Operator,
    TsQuery,
    bad_distance,
    query_text,
    too_large,
    tsquery_key,
)

define("3668 tsquery_cmp(tsquery,tsquery) int4", three_way(tsquery_key))


def _connected(left: TsQuery, right: TsQuery, operator: Operator) -> TsQuery:
    """What is empty adds nothing; 54000."""
    if not left.items or not right.items:
        return left if left.items else right
    if len(left.items) + len(right.items) >= MAX_ITEMS:
        raise too_large()
    return TsQuery((*left.items, *right.items, operator))


define(
    "3669 tsquery_and(tsquery,tsquery) tsquery", lambda left, right: _connected(left, right, Operator(AND))
)
define("3670 tsquery_or(tsquery,tsquery) tsquery", lambda left, right: _connected(left, right, Operator(OR)))


@sql("3671 tsquery_not(tsquery) tsquery")
def negated(value: TsQuery) -> TsQuery:
    """!! query"""
    return TsQuery((*value.items, Operator(NOT))) if value.items else value


@sql("5003 tsquery_phrase(tsquery,tsquery) tsquery")
@sql("5004 tsquery_phrase(tsquery,tsquery,int4) tsquery")
def phrased(left: TsQuery, right: TsQuery, distance: int = 1) -> TsQuery:
    """left <-> right; 22023."""
    if not 0 <= distance <= MAX_DISTANCE:
        raise bad_distance()
    return _connected(left, right, Operator(PHRASE, distance))


def _words(query: TsQuery) -> set[str]:
    return {item.word for item in query.items if isinstance(item, Operand)}


define("3691 tsq_mcontains(tsquery,tsquery) bool", lambda left, right: _words(left) >= _words(right))
define("3692 tsq_mcontained(tsquery,tsquery) bool", lambda left, right: _words(left) <= _words(right))
define("3672 numnode(tsquery) int4", lambda value: len(value.items))


@sql("3673 querytree(tsquery) text")
def querytree(value: TsQuery) -> str:
    """What an index could look for: no NOT, and no OR with one; T if nothing is left."""
    if not value.items:
        return ""
    parts: list[list[Item] | None] = []
    for item in value.items:
        if isinstance(item, Operand):
            parts.append([item])
        elif item.kind == NOT:
            parts[-1] = None
        else:
            right = parts.pop()
            parts[-1] = _without_nots(item, parts[-1], right)
    kept = parts[0]
    return "T" if kept is None else query_text(tuple(kept))


def _without_nots(operator: Operator, left: list[Item] | None, right: list[Item] | None) -> list[Item] | None:
    if left is not None and right is not None:
        left += right
        left.append(operator)
        return left
    return None if operator.kind == OR else left or right


define("3684 ts_rewrite(tsquery,tsquery,tsquery) tsquery", rewritten)
