"""Whether conditions that hold prove that a partial index's predicate holds (predtest.c of PostgreSQL).

All expressions are canonical (server.sql.index_parts). Parameters are no constants: what they will be is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from server.sql import tree
from server.sql.index_parts import canonical, comparison, strip_relabels
from server.sql.tree import Expr
from server.sql.volatility import is_immutable

_MOST_ELEMENTS = 100
"""Elements of an array up to which `= ANY` is taken apart (MAX_SAOP_ARRAY_SIZE)."""
FLIPPED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_PROOFS = {
    ("<", "<"): ">=", ("<", "<="): ">=", ("<", "<>"): ">=",
    ("<=", "<"): ">", ("<=", "<="): ">=", ("<=", "<>"): ">",
    ("=", "<"): ">", ("=", "<="): ">=", ("=", "="): "=", ("=", ">="): "<=", ("=", ">"): "<", ("=", "<>"): "<>",
    (">=", ">="): "<=", (">=", ">"): "<", (">=", "<>"): "<",
    (">", ">="): "<=", (">", ">"): "<=", (">", "<>"): "<=",
    ("<>", "<>"): "=",
}  # fmt: skip
"""(known, wanted): `x known c` proves `x wanted d` where `d test c` (BT_implic_table)."""
_SAME_SIDES = {
    "<": ("<", "<=", "<>"), "<=": ("<=",), "=": ("=", "<=", ">="), ">=": (">=",), ">": (">", ">=", "<>"),
    "<>": ("<>",),
}  # fmt: skip
"""By operator: those that hold of the same two values too (BT_implies_table)."""
_Parts: TypeAlias = tuple[str, Sequence[Expr]]


def implies(clauses: Sequence[Expr], predicate: Expr) -> bool:
    """Whether all of `clauses` being true proves that `predicate` is true."""
    if not clauses:
        return isinstance(predicate, tree.Const) and predicate.value is True
    return _implies(("and", clauses), predicate)


def _parts(expr: Expr) -> _Parts:
    """The expression as an AND or OR of others; as an atom it has one part."""
    if isinstance(expr, tree.BoolExpr) and expr.op in ("and", "or"):
        return expr.op, expr.args
    if isinstance(expr, tree.ArrayOp):
        elements = _elements(expr)
        made = [comparison(expr.operator, expr.left, element) for element in elements or ()]
        whole = [call for call in made if call is not None]
        if elements is not None and len(whole) == len(made):
            return ("and" if expr.all else "or"), whole
    return "atom", (expr,)


def _elements(expr: tree.ArrayOp) -> Sequence[Expr] | None:
    array, kind = expr.right, expr.right.type.element
    if isinstance(array, tree.ArrayExpr) and not array.nested:
        found: Sequence[Expr] = array.items
    elif isinstance(array, tree.Const) and array.value is not None and kind is not None:
        found = [tree.Const(kind, value) for value in array.value.elements]  # type: ignore[attr-defined]
    else:
        return None
    return found if len(found) <= _MOST_ELEMENTS else None


def _implies(clause: _Parts, predicate: Expr) -> bool:
    """predicate_implied_by_recurse."""
    word, wanted = _parts(predicate)
    if word == "and":
        return all(_implies(clause, part) for part in wanted)
    kind, known = clause
    if kind == "and":
        if word == "or" and any(_implies(clause, part) for part in wanted):
            return True
        return any(_implies(_parts(part), predicate) for part in known)
    if kind == "or":
        return all(_implies(_parts(part), predicate) for part in known)
    if word == "or":
        return any(_implies(clause, part) for part in wanted)
    return _atom_implies(known[0], wanted[0])


def _atom_implies(clause: Expr, predicate: Expr) -> bool:
    """predicate_implied_by_simple_clause."""
    if clause == predicate:
        return True
    if isinstance(predicate, tree.Const):
        return predicate.value is True
    if isinstance(predicate, tree.NullTest) and predicate.negated and not predicate.row:
        return _is_strict(clause, predicate.arg, True)
    known, wanted = _comparison(clause), _comparison(predicate)
    if known is None or wanted is None or not is_immutable(predicate):
        return False
    return any(_proves(known, each) for each in (wanted, _flipped(wanted)))


def _comparison(expr: Expr) -> tree.Call | None:
    is_one = isinstance(expr, tree.Call) and expr.operator in FLIPPED and len(expr.args) == 2
    return expr if is_one and isinstance(expr, tree.Call) else None


def _flipped(call: tree.Call) -> tree.Call:
    """The same comparison, read from its other side. Its function is not: only the operator and the sides count."""
    left, right = call.args
    return tree.Call(call.type, call.function, (right, left), operator=FLIPPED[call.operator or ""])


def _proves(known: tree.Call, wanted: tree.Call) -> bool:
    """operator_predicate_proof, for `x known ...` and `x wanted ...`; `x` may stand on either side of `known`."""
    for each in (known, _flipped(known)):
        (left, right), (same, other) = each.args, wanted.args
        if strip_relabels(left) != strip_relabels(same):
            continue
        if strip_relabels(right) == strip_relabels(other):
            return wanted.operator in _SAME_SIDES[each.operator or ""]
        if isinstance(right, tree.Const) and isinstance(other, tree.Const):
            test = _PROOFS.get((each.operator or "", wanted.operator or ""))
            return test is not None and is_immutable(known) and _holds(test, other, right)
    return False


def _holds(op: str, left: tree.Const, right: tree.Const) -> bool:
    """Whether `left op right` between constants."""
    if left.value is None or right.value is None:
        return False
    call = comparison(op, left, right)
    result = canonical(call, 0) if call is not None else None
    return isinstance(result, tree.Const) and result.value is True


def _is_strict(clause: Expr, part: Expr, whole: bool) -> bool:
    """Whether `clause` is NULL where `part` is, so that it is true only where `part` is not (clause_is_strict_for).

    `whole`: it also counts that the clause is false there, as of AND.
    """
    if clause == part or strip_relabels(clause) == strip_relabels(part):
        return True
    if isinstance(clause, tree.Call):
        return clause.function.strict and any(_is_strict(arg, part, False) for arg in clause.args)
    if isinstance(clause, tree.CastCall | tree.CoerceIO | tree.Relabel | tree.ApplyTypmod | tree.CastArray):
        return _is_strict(clause.arg, part, False)
    if isinstance(clause, tree.ArrayOp) and clause.function.strict and _is_strict(clause.left, part, False):
        elements = _elements(clause)
        return (whole and not clause.all) or bool(elements)
    return False
