"""Expressions become Python source, compiled once (DESIGN §11): NULL is None, three-valued logic is exact.

Generated code reads `r` (the row), `c` (the Context) and the locals that `Function.finish` takes from it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from server.errors import PgError
from server.sql import tree
from server.sql.codegen_unit import Code, Unit, finish_nested, fresh, literal
from server.sql.context import Context
from server.sql.plan_walk import is_statement_constant, rewrite_up
from server.sql.tree import Expr
from server.sql.type_record import record_class
from server.sql.types import JSONB, Type, is_row

Layout: TypeAlias = Mapping[tuple[int, int], int]
"""(relation, column) -> position in the row."""
Sources: TypeAlias = Mapping[tuple[int, int], str]
"""(relation, column) -> the Python expression that reads it."""
Compiled: TypeAlias = Callable[[Sequence[Any], Context], Any]

MAX_DEPTH = 24
"""Nesting beyond which a subexpression becomes a function of its own: Python's parser has a limit."""


class Outer(Protocol):
    """How an expression reaches beyond its own row."""

    def variable(self, var: tree.Var) -> str:
        """Source for a column of an outer query's row."""

    def sublink(self, link: tree.SubLink, emitter: "Emitter") -> Code:
        """Source for a subquery's value."""


class Emitter:
    """Source for expressions over given column sources, inside one Unit."""

    def __init__(
        self,
        unit: Unit,
        sources: Sources,
        outer: Outer | None = None,
        not_null: frozenset[tuple[int, int]] = frozenset(),
        signature: str = "r, c",
        looped: bool = False,
    ) -> None:
        self.unit = unit
        self.sources = sources
        self.outer = outer
        self.not_null = not_null
        self.signature = signature
        self.looped = looped
        """The code runs per row: constant expressions are worth remembering."""
        self.depth = 0
        self.case_args: list[Code] = []
        self.elements: list[str] = []

    # --- values ---

    def value(self, expr: Expr) -> Code:
        """Source of the expression's value; None is NULL."""
        if self.depth >= MAX_DEPTH and not self.case_args and not self.elements:
            return self._split(expr)
        if self.looped and type(expr) in _WORTH and is_statement_constant(expr):
            return self._once(expr)
        self.depth += 1
        try:
            code: Code = getattr(self, _METHODS[type(expr)])(expr)
            return code
        finally:
            self.depth -= 1

    def _split(self, expr: Expr) -> Code:
        inner = Emitter(self.unit, self.sources, self.outer, self.not_null, self.signature, self.looped)
        unit = self.unit
        code = inner.value(expr)
        made = finish_nested(unit, self.signature, f"return {code.src}")
        return Code(f"{unit.bind(made)}({self.signature})", code.nullable)

    def _once(self, expr: Expr) -> Code:
        unit = Unit()
        code = Emitter(unit, {}, None).value(expr)
        key = fresh()
        made = unit.finish("c", [f"v = c.memo[{key}] = {code.src}", "return v"])
        return Code(f"(m[{key}] if {key} in m else {self.unit.bind(made)}(c))", code.nullable)

    def _const(self, expr: tree.Const) -> Code:
        src = literal(expr.value)
        if src is None:
            src = self.unit.bind(expr.value)
        return Code(src, expr.value is None, True, True)

    def _param(self, expr: tree.Param) -> Code:
        return Code(f"p[{expr.index}]", True, True, True)

    def _var(self, expr: tree.Var) -> Code:
        key = (expr.rel, expr.column)
        src = self.sources.get(key)
        if src is not None:
            return Code(src, key not in self.not_null, True, True)
        if self.outer is None:
            raise AssertionError(f"no source for column {expr.column} of relation {expr.rel}")
        return Code(self.outer.variable(expr), True, True, True)

    def _invoke(self, function: Any, args: Sequence[str], arg_types: tuple[Any, ...]) -> str:
        lead = function.lead
        if function.needs_types:
            lead.append(self.unit.bind(arg_types))
        src = f"{self.unit.bind(function.impl)}({', '.join([*lead, *args])})"
        return f"X.sleep(c, {src})" if function.sleeps else src

    def _apply(self, function: Any, args: Sequence[str], arg_types: tuple[Any, ...]) -> str:
        if function.source is not None:
            text: str = function.source.format(*args)
            return text if text.startswith("(") else f"({text})"
        return self._invoke(function, args, arg_types)

    def _call(self, expr: tree.Call) -> Code:
        function = expr.function
        kinds = tuple(arg.type for arg in expr.args)
        codes = [self.value(arg) for arg in expr.args]
        if not function.strict:
            return Code(self._invoke(function, [code.src for code in codes], kinds))
        if any(code.src == "None" for code in codes) and all(code.safe for code in codes):
            return Code("None", True, True, True)
        tests, names = self._guards(codes, function.source is not None)
        src = self._apply(function, names, kinds)
        result = function.name not in _NEVER_NULL
        if not tests:
            return Code(src, result)
        return Code(f"({src} if {tests} else None)")

    def _guards(self, codes: Sequence[Code], repeated: bool) -> tuple[str, list[str]]:
        """The test that no operand is NULL ('' when none can be) and the operands' sources after it.

        All operands are evaluated before the test, unless they can't raise, as in PostgreSQL.
        """
        tests, names = [], []
        all_safe = all(code.safe for code in codes[1:])
        for code in codes:
            if code.atom:
                names.append(code.src)
                if code.nullable:
                    tests.append(f"({code.src} is not None)")
            elif code.nullable or repeated:
                name = self.unit.temp()
                names.append(name)
                tests.append(f"(({name} := {code.src}) is not None)")
            else:
                names.append(code.src)
        return (" and " if all_safe else " & ").join(tests), names

    def _strict(self, arg: Expr, form: str) -> Code:
        """`form` with {0} for a value that is not NULL."""
        code = self.value(arg)
        if code.src == "None":
            return code
        tests, (name,) = self._guards([code], form.count("{0}") > 1)
        src = form.format(name)
        return Code(f"({src} if {tests} else None)") if tests else Code(src, False)

    def _coerce_io(self, expr: tree.CoerceIO) -> Code:
        out, into = self.unit.bind(expr.arg.type.output), self.unit.bind(expr.type.input)
        return self._strict(expr.arg, f"{into}({out}({{0}}, e), {expr.typmod}, e)")

    def _relabel(self, expr: tree.Relabel) -> Code:
        return self.value(expr.arg)

    def _cast_call(self, expr: tree.CastCall) -> Code:
        return self._strict(expr.arg, f"{self.unit.bind(expr.func)}({{0}}, e)")

    def _cast_array(self, expr: tree.CastArray) -> Code:
        name = f"x{self.unit.temp()}"
        self.elements.append(name)
        code = self.value(expr.element)
        self.elements.pop()
        return self._strict(expr.arg, f"X.map_array({{0}}, lambda {name}: {_braces(code.src)})")

    def _element_ref(self, expr: tree.ElementRef) -> Code:
        return Code(self.elements[-1], True, True, True)

    def _apply_typmod(self, expr: tree.ApplyTypmod) -> Code:
        kind = self.unit.bind(expr.type)
        return self._strict(expr.arg, f"X.apply_typmod({kind}, {expr.typmod}, {{0}}, {expr.explicit})")

    def _bool_expr(self, expr: tree.BoolExpr) -> Code:
        if expr.op == "not":
            return self._strict(expr.args[0], "(not {0})")
        codes = [self.value(arg) for arg in expr.args]
        if not any(code.nullable for code in codes):
            return Code("(" + f" {expr.op} ".join(code.src for code in codes) + ")", False)
        ending = "False" if expr.op == "and" else "True"
        other = "True" if expr.op == "and" else "False"
        stops, nulls = [], []
        for code in codes:
            if code.atom:
                name, test = code.src, code.src
            else:
                name = self.unit.temp()
                test = f"({name} := {code.src})"
            stops.append(f"{test} is {ending}")
            if code.nullable:
                nulls.append(f"{name} is None")
        return Code(f"({ending} if {' or '.join(stops)} else None if {' or '.join(nulls)} else {other})")

    def _null_test(self, expr: tree.NullTest) -> Code:
        if expr.row:
            return Code(f"X.row_is_{'not_' if expr.negated else ''}null({self.value(expr.arg).src})", False)
        code = self.value(expr.arg)
        if not code.nullable and code.safe:
            return Code(repr(expr.negated), False, True, True)
        if not code.nullable:
            return Code(f"({code.src}, {expr.negated})[1]", False)
        return Code(f"({code.src} is {'not ' if expr.negated else ''}None)", False, safe=code.safe)

    def _boolean_test(self, expr: tree.BooleanTest) -> Code:
        wanted = {"true": "True", "false": "False", "unknown": "None"}[expr.value.lower()]
        return Code(f"({self.value(expr.arg).src} is {'not ' if expr.negated else ''}{wanted})", False)

    def _distinct_test(self, expr: tree.DistinctTest) -> Code:
        left, right = self._atomic(expr.left), self._atomic(expr.right)
        first, second = left.name, right.name
        equal = self._apply(expr.equal, [first, second], (expr.left.type, expr.right.type))
        both_null = f"{left.null} and {right.null}"
        same = f"(({both_null}) or not ({left.null} or {right.null}) and {equal})"
        src = f"({'bool' if expr.negated else 'not '}{same})"
        return Code(self._after([*left.setup, *right.setup], src), False)

    def _case(self, expr: tree.Case) -> Code:
        if len(expr.whens) > MAX_DEPTH and not self.case_args and not self.elements:
            return self._long_case(expr)
        setup = []
        if expr.arg is not None:
            held = self._atomic(expr.arg)
            setup = held.setup
            self.case_args.append(Code(held.name, held.nullable, True, True))
        parts = []
        for condition, result in expr.whens:
            test = self.true(condition)
            parts.append(f"{self.value(result).src} if {test} else ")
        if expr.arg is not None:
            self.case_args.pop()
        default = self.value(expr.default).src if expr.default is not None else "None"
        src = "(" + "".join(parts) + default + ")"
        return Code(self._after(setup, src))

    def _long_case(self, expr: tree.Case) -> Code:
        """A function with one `if` per WHEN."""
        lines = []
        if expr.arg is not None:
            lines.append(f"a = {self.value(expr.arg).src}")
            self.case_args.append(Code("a", True, True, True))
        for condition, result in expr.whens:
            lines += [f"if {self.true(condition)}:", f"    return {self.value(result).src}"]
        if expr.arg is not None:
            self.case_args.pop()
        lines.append(f"return {self.value(expr.default).src if expr.default is not None else 'None'}")
        made = finish_nested(self.unit, self.signature, "\n".join(lines))
        return Code(f"{self.unit.bind(made)}({self.signature})")

    def _case_arg(self, expr: tree.CaseArg) -> Code:
        return self.case_args[-1]

    def _atomic(self, expr: Expr) -> "_Held":
        code = self.value(expr)
        if code.atom:
            return _Held(code.src, code.nullable, [])
        name = self.unit.temp()
        return _Held(name, code.nullable, [f"({name} := {code.src})"])

    def _after(self, setup: Sequence[str], src: str) -> str:
        """`src`, evaluated after the assignments of `setup`."""
        return f"({', '.join([*setup, src])})[-1]" if setup else src

    def _coalesce(self, expr: tree.Coalesce) -> Code:
        src = ""
        for arg in expr.args[:-1]:
            held = self._atomic(arg)
            if not held.nullable:
                first = held.setup[0] if held.setup else held.name
                return Code(f"({src}{first})", False, not src and not held.setup, not src and not held.setup)
            test = held.setup[0] if held.setup else held.name
            src += f"{held.name} if {test} is not None else "
        last = self.value(expr.args[-1])
        return Code(f"({src}{last.src})", last.nullable)

    def _min_max(self, expr: tree.MinMax) -> Code:
        values = ", ".join(self.value(arg).src for arg in expr.args)
        key = self.unit.bind(expr.type.sort_key)
        return Code(f"X.{'greatest' if expr.op == 'greatest' else 'least'}(({values},), {key})")

    def _null_if(self, expr: tree.NullIf) -> Code:
        left, compare, right = (
            self._atomic(expr.left),
            self._atomic(expr.compare_left),
            self._atomic(expr.right),
        )
        kinds = (expr.compare_left.type, expr.right.type)
        equal = self._apply(expr.equal, [compare.name, right.name], kinds)
        src = f"(None if not ({compare.null} or {right.null}) and {equal} else {left.name})"
        return Code(self._after([*left.setup, *compare.setup, *right.setup], src))

    def _array_expr(self, expr: tree.ArrayExpr) -> Code:
        items = ", ".join(self.value(item).src for item in expr.items)
        return Code(f"X.{'nest_arrays' if expr.nested else 'make_array'}([{items}])", False)

    def _row_expr(self, expr: tree.RowExpr) -> Code:
        items = "".join(self.value(item).src + ", " for item in expr.items)
        kinds = self.unit.bind(record_class(tuple(item.type for item in expr.items), tuple(expr.names)))
        return Code(f"{kinds}(({items}))", False)

    def _row_compare(self, expr: tree.RowCompare) -> Code:
        setup, pairs = [], []
        for left, right, equal, less in zip(expr.left, expr.right, expr.equal, expr.less):
            a, b = self._atomic(left), self._atomic(right)
            setup += [*a.setup, *b.setup]
            kinds = (left.type, right.type)
            pairs.append(
                f"({a.name}, {b.name}, lambda a, b: {self._apply(equal, ['a', 'b'], kinds)}, "
                f"lambda a, b: {self._apply(less, ['a', 'b'], kinds)})"
            )
        return Code(self._after(setup, f"X.row_compare({expr.op!r}, ({', '.join(pairs)},))"))

    def _subscript(self, expr: tree.Subscript) -> Code:
        parts = [
            self.value(part).src if part is not None else "X.ABSENT" for part in (expr.lower, expr.upper)
        ]
        if expr.is_slice:
            form = f"X.array_slice({{0}}, {_braces(parts[0])}, {_braces(parts[1])})"
            return Code(self._strict(expr.arg, form).src)
        indexes, arg = [expr.lower if expr.lower is not None else expr.upper], expr.arg
        while type(arg) is tree.Subscript and not arg.is_slice and arg.type is arg.arg.type:
            indexes.append(arg.lower if arg.lower is not None else arg.upper)
            arg = arg.arg
        listed = "".join(self.value(index).src + ", " for index in reversed(indexes) if index is not None)
        element = "jsonb_element" if expr.arg.type is JSONB else "array_element"
        return Code(self._strict(arg, f"X.{element}({{0}}, ({_braces(listed)}))").src)

    def _field_select(self, expr: tree.FieldSelect) -> Code:
        return Code(self._strict(expr.arg, f"{{0}}[{expr.index}]").src)

    def _array_op(self, expr: tree.ArrayOp) -> Code:
        function = expr.function
        left, right = self._atomic(expr.left), self._atomic(expr.right)
        element = expr.right.type.element or expr.right.type
        name = f"x{self.unit.temp()}"
        strict = function.strict
        test = self._apply(function, [left.name, name], (expr.left.type, element))
        searched = f"{left.name}, {right.name}, lambda {name}: {test}"
        if strict and _is_membership(expr, element):
            convert, key = self.unit.bind(expr.left.type.sort_key), self.unit.bind(fresh())
            src = f"X.array_member(c, {key}, {convert}, {not expr.all}, {searched})"
        else:
            src = f"X.array_{'all' if expr.all else 'any'}({searched}, {strict})"
        return Code(self._after([*left.setup, *right.setup], src))

    def _sublink(self, expr: tree.SubLink) -> Code:
        if self.outer is None:
            raise AssertionError("a subquery needs a planner")
        return self.outer.sublink(expr, self)

    # --- conditions ---

    def true(self, expr: Expr) -> str:
        """Source that is truthy exactly when the expression is TRUE."""
        if self.depth < MAX_DEPTH:
            self.depth += 1
            try:
                if type(expr) is tree.BoolExpr:
                    if expr.op == "not":
                        return self.false(expr.args[0])
                    return "(" + f" {expr.op} ".join(self.true(arg) for arg in expr.args) + ")"
                if type(expr) is tree.Call:
                    return self._condition(expr, "{0}")
            finally:
                self.depth -= 1
        return self.value(expr).src

    def false(self, expr: Expr) -> str:
        """Source that is truthy exactly when the expression is FALSE."""
        if self.depth < MAX_DEPTH:
            self.depth += 1
            try:
                if type(expr) is tree.BoolExpr:
                    if expr.op == "not":
                        return self.true(expr.args[0])
                    other = "or" if expr.op == "and" else "and"
                    return "(" + f" {other} ".join(self.false(arg) for arg in expr.args) + ")"
                if type(expr) is tree.Call:
                    return self._condition(expr, "not {0}")
            finally:
                self.depth -= 1
        return f"({self.value(expr).src} is False)"

    def _condition(self, expr: tree.Call, form: str) -> str:
        function = expr.function
        plain = function.strict and function.source is not None
        if not plain or (self.looped and is_statement_constant(expr)):
            src = self.value(expr).src
            return src if form == "{0}" else f"({src} is False)"
        codes = [self.value(arg) for arg in expr.args]
        tests, names = self._guards(codes, True)
        src = form.format(self._apply(function, names, tuple(arg.type for arg in expr.args)))
        if not tests:
            return f"({src})"
        return f"({tests} and {src})" if " & " not in tests else f"(({tests}) and {src})"


class _Held(NamedTuple):
    """A value under a name, and the assignments that put it there."""

    name: str
    nullable: bool
    setup: list[str]

    @property
    def null(self) -> str:
        """Source of the test that it is NULL."""
        return f"({self.name} is None)" if self.nullable else "False"


def _braces(src: str) -> str:
    return src.replace("{", "{{").replace("}", "}}")


_METHODS = {
    tree.Const: "_const",
    tree.Param: "_param",
    tree.Var: "_var",
    tree.Call: "_call",
    tree.CoerceIO: "_coerce_io",
    tree.Relabel: "_relabel",
    tree.CastCall: "_cast_call",
    tree.CastArray: "_cast_array",
    tree.ElementRef: "_element_ref",
    tree.ApplyTypmod: "_apply_typmod",
    tree.BoolExpr: "_bool_expr",
    tree.NullTest: "_null_test",
    tree.BooleanTest: "_boolean_test",
    tree.DistinctTest: "_distinct_test",
    tree.Case: "_case",
    tree.CaseArg: "_case_arg",
    tree.Coalesce: "_coalesce",
    tree.MinMax: "_min_max",
    tree.NullIf: "_null_if",
    tree.ArrayExpr: "_array_expr",
    tree.RowExpr: "_row_expr",
    tree.RowCompare: "_row_compare",
    tree.Subscript: "_subscript",
    tree.FieldSelect: "_field_select",
    tree.ArrayOp: "_array_op",
    tree.SubLink: "_sublink",
}


def _is_membership(expr: tree.ArrayOp, element: Type) -> bool:
    """= ANY or <> ALL by the type's own equality: that of its values, or of their sort keys."""
    kind = expr.left.type
    if expr.operator != ("<>" if expr.all else "="):
        return False
    return (kind is element and not is_row(kind)) or (kind.name in _INTEGERS and element.name in _INTEGERS)


_INTEGERS = frozenset({"int2", "int4", "int8"})
_WORTH = {tree.Call, tree.CoerceIO, tree.CastCall, tree.ArrayExpr, tree.CastArray, tree.ApplyTypmod}

_NEVER_NULL = frozenset(
    {
        "int4eq",
        "int4ne",
        "int4lt",
        "int4le",
        "int4gt",
        "int4ge",
        "int8eq",
        "int8lt",
        "texteq",
        "int4pl",
        "int4mi",
        "int4mul",
        "int8pl",
        "int8mi",
        "int8mul",
        "textcat",
        "length",
        "lower",
        "upper",
    }
)
"""Strict functions that are known to give a value for values."""


# --- the callable forms ---------------------------------------------------------------------------------


def row_sources(layout: Layout, name: str = "r") -> dict[tuple[int, int], str]:
    """Sources that read the columns of a row called `name`."""
    return {key: f"{name}[{position}]" for key, position in layout.items()}


def compile_expr(expr: Expr, layout: Layout, outer: Outer | None = None) -> Compiled:
    """(row, ctx) -> the expression's value over a row of `layout`."""
    if type(expr) is tree.Const:
        constant = expr.value
        return lambda r, c: constant
    if type(expr) is tree.Var and (expr.rel, expr.column) in layout:
        position = layout[expr.rel, expr.column]
        return lambda r, c: r[position]
    unit = Unit()
    code = Emitter(unit, row_sources(layout), outer).value(expr)
    return unit.finish("r, c", [f"return {code.src}"])


def compile_row(
    exprs: Sequence[Expr], layout: Layout, outer: Outer | None = None
) -> Callable[..., tuple[Any, ...]]:
    """(row, ctx) -> the tuple of the expressions' values."""
    unit = Unit()
    emitter = Emitter(unit, row_sources(layout), outer)
    return unit.finish("r, c", [f"return {tuple_source(emitter, exprs)}"])


def compile_filter(expr: Expr, layout: Layout, outer: Outer | None = None) -> Callable[..., list[Any]]:
    """(rows, ctx) -> the rows for which the condition is TRUE."""
    unit = Unit()
    test = Emitter(unit, row_sources(layout), outer, looped=True).true(expr)
    lines = ["out = []", "for r in rows:", f"    if {test}:", "        out.append(r)", "return out"]
    return unit.finish("rows, c", lines)


def compile_projection(
    exprs: Sequence[Expr], layout: Layout, outer: Outer | None = None
) -> Callable[..., list[tuple[Any, ...]]]:
    """(rows, ctx) -> one tuple of the expressions' values per row."""
    unit = Unit()
    emitter = Emitter(unit, row_sources(layout), outer, looped=True)
    lines = ["out = []", "for r in rows:", f"    out.append({tuple_source(emitter, exprs)})", "return out"]
    return unit.finish("rows, c", lines)


def tuple_source(emitter: Emitter, exprs: Sequence[Expr]) -> str:
    """Source of the tuple of the expressions' values."""
    return "(" + "".join(emitter.value(expr).src + ", " for expr in exprs) + ")"


def fold(expr: Expr) -> Expr:
    """Immutable calls over constants are computed once, unless that raises: then each execution does."""

    def change(node: Any) -> Any:
        if type(node) is not tree.Call or node.function.volatility != "i" or node.function.needs_env:
            return node
        if node.function.needs_context:
            return node
        if any(type(arg) is not tree.Const for arg in node.args):
            return node
        try:
            value = compile_expr(node, {})((), Context(None))  # type: ignore[arg-type]
        except PgError:
            return node
        return tree.Const(node.type, value, node.typmod)

    folded: Expr = rewrite_up(expr, change)
    return folded


__all__ = [
    "Code",
    "Compiled",
    "Emitter",
    "Layout",
    "Outer",
    "Unit",
    "compile_expr",
    "compile_filter",
    "compile_projection",
    "compile_row",
    "finish_nested",
    "fold",
    "fresh",
    "row_sources",
    "tuple_source",
]
