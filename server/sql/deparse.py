"""Bound expressions as SQL text, as pg_get_expr prints them (PostgreSQL's ruleutils.c)."""

from __future__ import annotations

import re

from server.catalog.descriptor import Table
from server.catalog.system_casts import CAST_FUNCTIONS
from server.sql import json_construct, tree
from server.sql.env import Env
from server.sql.keywords import quote_ident
from server.sql.types import BOOL, INT4, NUMERIC, UNKNOWN, Type, format_type, is_row

_VALUE_FUNCTIONS = frozenset(
    {
        "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
        "current_user", "session_user", "current_schema",
    }
)  # fmt: skip
_CASTS = (tree.Relabel, tree.CastCall, tree.CoerceIO, tree.ApplyTypmod, tree.CastArray)
_TESTS = (tree.NullTest, tree.BooleanTest, tree.DistinctTest, tree.ArrayOp, tree.RowCompare)
_OWN_BRACKETS = (
    tree.BoolExpr, tree.Subscript, tree.ArrayExpr, tree.RowExpr, tree.Coalesce, tree.MinMax,
    tree.NullIf, tree.Case,
)  # fmt: skip
_INDENT = 4
_LINE = "\0"
"""A line break that takes the blanks before it away; no constant contains it."""
_BEFORE_LINE = re.compile(" *\0")


def deparse(expr: tree.Expr, table: Table | None, pretty: bool = False, env: Env | None = None) -> str:
    """The expression's text; columns are those of `table`.

    `pretty` leaves out the brackets that precedence makes unnecessary, as psql's \\d shows it.
    """
    return _BEFORE_LINE.sub("\n", _Printer(table, pretty, env or Env()).expr(expr, False))


def null_words(test: tree.NullTest) -> str:
    """What stands behind its argument: IS NULL of a row would ask for its fields."""
    if is_row(test.arg.type) and not test.row:
        return f"IS {'' if test.negated else 'NOT '}DISTINCT FROM NULL"
    return f"IS {'NOT ' if test.negated else ''}NULL"


def deparse_lasting(expr: tree.Expr, table: Table | None) -> str:
    """As `deparse`, without the casts of whole arrays that nobody wrote: read back they would become their items'."""
    printer = _Printer(table, False, Env())
    printer.hides_array_casts = True
    return _BEFORE_LINE.sub("\n", printer.expr(expr, False))


def quote_literal(text: str) -> str:
    """A string constant (simple_quote_literal under standard_conforming_strings)."""
    return "'" + text.replace("'", "''") + "'"


class _Printer:
    def __init__(self, table: Table | None, pretty: bool, env: Env) -> None:
        self.table = table
        self.pretty = pretty
        self.env = env
        self.level = 0
        self.hides_array_casts = False

    def expr(self, node: tree.Expr, implicit: bool, parent: tree.Expr | None = None) -> str:
        """One node; `implicit`: implicit casts are shown. In brackets where pretty needs them."""
        text = self._node(node, implicit)
        if self.pretty and parent is not None and not _simple(node, parent):
            return f"({text})"
        return text

    def _wrapped(self, text: str) -> str:
        return text if self.pretty else f"({text})"

    def _list(self, nodes: tuple[tree.Expr, ...]) -> str:
        return ", ".join(self.expr(node, True) for node in nodes)

    def _node(self, node: tree.Expr, implicit: bool) -> str:
        match node:
            case tree.Const():
                return self.const(node)
            case tree.Var():
                return self._column(node)
            case tree.Call():
                return self._call(node)
            case tree.Relabel() | tree.CastCall() | tree.CoerceIO() | tree.ApplyTypmod() | tree.CastArray():
                return self._cast(node, implicit)
            case tree.BoolExpr():
                return self._bool(node)
            case tree.Case():
                return self._case(node)
            case tree.Coalesce(args=args):
                return f"COALESCE({self._list(args)})"
            case tree.MinMax(op=op, args=args):
                return f"{op.upper()}({self._list(args)})"
            case tree.NullIf(left=left, right=right):
                return f"NULLIF({self._list((left, right))})"
            case tree.ArrayExpr(items=items, type=kind):
                return f"ARRAY[{self._list(items)}]" + ("" if items else f"::{format_type(kind.oid, -1)}")
            case tree.RowExpr(items=items):
                return f"ROW({self._list(items)})"
            case tree.Subscript():
                return self._subscript(node)
        return self._test(node)

    def _test(self, node: tree.Expr) -> str:
        match node:
            case tree.NullTest(arg=arg):
                return self._wrapped(f"{self.expr(arg, True, node)} {null_words(node)}")
            case tree.BooleanTest(arg=arg, value=value, negated=negated):
                shown = f"{self.expr(arg, False, node)} IS {'NOT ' if negated else ''}{value.upper()}"
                return self._wrapped(shown)
            case tree.DistinctTest(left=left, right=right, negated=negated):
                shown = f"{self.expr(left, True, node)} IS DISTINCT FROM {self.expr(right, True, node)}"
                return self._wrapped(f"NOT {self._wrapped(shown)}") if negated else self._wrapped(shown)
            case tree.ArrayOp(left=left, right=right, operator=operator):
                word = "ALL" if node.all else "ANY"
                shown = f"{self.expr(left, True, node)} {operator} {word} ({self.expr(right, True, node)})"
                return self._wrapped(shown)
            case tree.RowCompare(left=lefts, right=rights, op=op):
                return f"(ROW({self._list(lefts)}) {op} ROW({self._list(rights)}))"
            case tree.FieldSelect(arg=arg, index=index):
                return f"({self.expr(arg, True)}).f{index + 1}"
        raise TypeError(f"no text for {type(node).__name__}: it cannot stand in a stored expression")

    # --- constants and columns

    def const(self, node: tree.Const, label: bool = True) -> str:
        """A constant with its type where the text alone would be read otherwise (get_const_expr)."""
        kind = node.type
        if node.value is None:
            return "NULL" + (f"::{format_type(kind.oid, node.typmod)}" if label else "")
        if kind is BOOL:
            return "true" if node.value else "false"
        text = kind.output(node.value, self.env)
        plain = text[:1].isdigit() and (kind is INT4 or (kind is NUMERIC and any(c in text for c in "eE.")))
        shown = text if plain else quote_literal(text)
        labelled = not plain or (kind is NUMERIC and node.typmod >= 0)
        if not label or kind is UNKNOWN or not labelled:
            return shown
        return f"{shown}::{format_type(kind.oid, node.typmod)}"

    def _column(self, node: tree.Var) -> str:
        if node.column == -1:
            return f"{quote_ident(node.name if self.table is None else self.table.name)}.*"
        if self.table is not None and 0 <= node.column < len(self.table.columns):
            return quote_ident(self.table.columns[node.column].name)
        return quote_ident(node.name)

    # --- calls

    def _call(self, node: tree.Call) -> str:
        if node.operator is not None:
            if len(node.args) == 1:
                return self._wrapped(f"{node.operator} {self.expr(node.args[0], True, node)}")
            left, right = (self.expr(arg, True, node) for arg in node.args)
            return self._wrapped(f"{left} {node.operator} {right}")
        name = node.function.name
        if not node.args and name in _VALUE_FUNCTIONS:
            return name.upper()
        if name == "timezone" and len(node.args) == 2:
            zone, value = (self.expr(arg, False, node) for arg in node.args)
            return f"({value} AT TIME ZONE {zone})"
        if name == "extract" and len(node.args) == 2 and isinstance(node.args[0], tree.Const):
            return f"EXTRACT({node.args[0].value} FROM {self.expr(node.args[1], False)})"
        if node.function in json_construct.CLAUSES:
            return json_construct.as_sql(node.function, [self.expr(arg, True) for arg in node.args])
        return f"{quote_ident(name)}({self._list(node.args)})"

    def _cast(self, node: tree.Expr, implicit: bool) -> str:
        """A cast: hidden when it is implicit and nobody asked for it (get_coercion_expr)."""
        assert isinstance(node, _CASTS)
        arg = node.arg
        explicit = getattr(node, "explicit", True)
        hidden = self.hides_array_casts and isinstance(arg, tree.ArrayExpr)
        if not explicit and (hidden or not implicit):
            return self.expr(arg, False, node)
        typmod = node.typmod
        if isinstance(node, tree.ApplyTypmod):
            if isinstance(arg, tree.Call) and not arg.args and arg.function.name in _VALUE_FUNCTIONS:
                return f"{arg.function.name.upper()}({typmod})"
            if isinstance(arg, _CASTS) and arg.type is node.type:
                arg = arg.arg
        target = format_type(node.type.oid, typmod)
        if isinstance(arg, tree.Const) and arg.type is node.type and arg.typmod == -1:
            return f"{self.const(arg, label=False)}::{target}"
        return f"{self._wrapped(self.expr(arg, False, node))}::{target}"

    def _bool(self, node: tree.BoolExpr) -> str:
        if node.op == "not":
            return self._wrapped(f"NOT {self.expr(node.args[0], False, node)}")
        return self._wrapped(f" {node.op.upper()} ".join(self.expr(arg, False, node) for arg in node.args))

    def _case(self, node: tree.Case) -> str:
        """On lines of their own, as ruleutils prints them even when not pretty."""
        outer = _LINE + " " * self.level
        self.level += _INDENT
        inner = _LINE + " " * self.level
        shown = f"{outer}CASE"
        if node.arg is not None:
            shown += f" {self.expr(node.arg, True)}"
        for condition, result in node.whens:
            if node.arg is not None and isinstance(condition, tree.Call) and len(condition.args) == 2:
                condition = condition.args[1]
            shown += f"{inner}WHEN {self.expr(condition, False)} THEN {self.expr(result, True)}"
        default = self.expr(node.default, True) if node.default is not None else _null(node.type)
        shown += f"{inner}ELSE {default}"
        self.level -= _INDENT
        return f"{shown}{outer}END"

    def _subscript(self, node: tree.Subscript) -> str:
        inner = self.expr(node.arg, True)
        if not isinstance(node.arg, (tree.Var, tree.Subscript)):
            inner = f"({inner})"
        upper = self.expr(node.upper, False) if node.upper is not None else ""
        lower = self.expr(node.lower, False) if node.lower is not None else ""
        return f"{inner}[{lower}:{upper}]" if node.is_slice else f"{inner}[{upper}]"


def _null(kind: Type) -> str:
    return f"NULL::{format_type(kind.oid, -1)}"


def _simple(node: tree.Expr, parent: tree.Expr) -> bool:
    """No brackets are needed inside `parent` (isSimpleNode)."""
    if isinstance(node, _CASTS):
        return _is_function(node) or _simple(node.arg, node)
    if isinstance(node, tree.ArrayOp):
        return False
    is_operator = isinstance(node, tree.Call) and node.operator is not None
    if not is_operator and not isinstance(node, (tree.BoolExpr, *_TESTS)):
        return True
    if isinstance(node, tree.BoolExpr) and isinstance(parent, tree.BoolExpr):
        return parent.op == "or" if node.op == "or" else parent.op in ("and", "or")
    if is_operator and isinstance(parent, tree.Call) and parent.operator is not None:
        assert isinstance(node, tree.Call)
        return _binds_tighter(node, parent)
    if isinstance(parent, tree.Call) and parent.operator is None:
        return parent.function.name != "timezone"
    return isinstance(parent, _OWN_BRACKETS)


def _is_function(cast: tree.Expr) -> bool:
    """Whether PostgreSQL does the cast by calling a function."""
    if isinstance(cast, tree.Relabel):
        return (cast.arg.type.oid, cast.type.oid) in CAST_FUNCTIONS
    return isinstance(cast, tree.CastCall | tree.ApplyTypmod)


def _binds_tighter(node: tree.Call, parent: tree.Call) -> bool:
    """Among + - * / % precedence decides, and the left operand of equals; everything else gets brackets."""
    ranks = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2}
    inner, outer = ranks.get(node.operator or "", 0), ranks.get(parent.operator or "", 0)
    if not inner or not outer or len(node.args) != 2 or len(parent.args) != 2:
        return False
    return inner > outer or (inner == outer and parent.args[0] is node)
