"""Operands: columns, constants, parentheses, subqueries, CASE, arrays, rows (gram.y: c_expr)."""

from dataclasses import dataclass

from server.sql.ast import (
    ArrayExpr,
    CaseExpr,
    ColumnRef,
    Expr,
    FieldSelect,
    FuncCall,
    Grouping,
    Literal,
    Names,
    ParamRef,
    Query,
    RowExpr,
    SubLink,
    Subscript,
    TypeCast,
    TypeName,
)
from server.sql.grammar_base import COLUMN_NAMES, FUNCTION_NAMES, NotLiftable
from server.sql.grammar_calls import Calls
from server.sql.grammar_types import TYPE_KEYWORDS
from server.sql.lexer import BCONST, FCONST, ICONST, PARAM, SCONST, XCONST
from server.sql.special_calls import SPECIAL, VALUE_FUNCTIONS

_INT8_MAX = str(2**63 - 1)
_CONSTANTS = frozenset({ICONST, FCONST, SCONST})
_AFTER_TYPE = {
    "double": ("precision",),
    "national": ("character", "char"),
    "float": ("(", SCONST),
    "interval": ("(", SCONST),
    **dict.fromkeys(("decimal", "dec", "numeric"), ("(", SCONST)),
    **dict.fromkeys(("bit", "character", "char", "varchar", "nchar"), ("(", "varying", SCONST)),
    **dict.fromkeys(("time", "timestamp"), ("(", "with_la", "without_la", SCONST)),
}
"""What must follow a type's keyword for it to begin a typed constant and not to be a column's name."""
MAX_PARAMETER = 65535


@dataclass(slots=True)
class Rows:
    """What stood between parentheses: expressions, not a query."""

    items: tuple[Expr, ...]


def is_integer(text: str) -> bool:
    """True for digits that fit int8 (an integer constant; else it is numeric)."""
    return text.isdigit() and (
        len(text) < 19 or (len(text.lstrip("0")) <= 19 and int(text) <= int(_INT8_MAX))
    )


class Primaries(Calls):
    """`primary` is c_expr."""

    in_substring = False

    def primary(self, restricted: bool = False) -> Expr:
        """c_expr. Raises PgError 42601."""
        index = self.index
        kind = self.kinds[index]
        if kind in _CONSTANTS:
            return self.constant(kind)
        if kind in COLUMN_NAMES or kind in FUNCTION_NAMES:
            return self._named(kind, restricted)
        at = self.starts[index]
        if kind == "(":
            return self._parenthesised(restricted)
        if kind == PARAM:
            self.index = index + 1
            return self.subscripts(self._parameter(at))
        if kind in VALUE_FUNCTIONS:
            return self.value_function()
        self.index = index + 1
        if kind in ("true", "false"):
            return Literal("bool", kind, at)
        if kind == "null":
            return Literal("null", "", at)
        if kind in (BCONST, XCONST):
            return self._bits(kind, at)
        if kind == "case":
            return self._case(at)
        if kind == "array":
            return self._array(at)
        if kind == "cast":
            return self.cast(at)
        self.index = index
        raise self.fail()

    # --- constants

    def constant(self, kind: str) -> Expr:
        """A number or string; a parameter when literals are lifted."""
        index = self.index
        self.index = index + 1
        at = self.starts[index]
        if self.lift_from >= 0:
            if self.constants_only:
                raise NotLiftable
            self.lifted.append(index)
            return ParamRef(self.lift_from + len(self.lifted), at, True)
        text = self.values[index]
        if kind == SCONST:
            return Literal("string", text, at)
        if kind == ICONST:
            return Literal("integer", text, at)
        if is_integer(text):
            return Literal("integer", text, at)
        if text[1:2].isalpha() and text[1] in "xXoObB":
            value = str(int(text, 0))
            return Literal("integer" if is_integer(value) else "float", value, at)
        return Literal("float", text, at)

    def _parameter(self, at: int) -> Expr:
        digits = self.values[self.index - 1].lstrip("0") or "0"
        number = int(digits) if len(digits) < 19 else (1 << 63) - 1  # as C's atol ends
        if number > 2**31 - 1:
            number = (number & 0xFFFFFFFF) - (1 << 32 if number & 0x80000000 else 0)
        if not 0 < number <= MAX_PARAMETER:
            self.defer(self.refuse(f"there is no parameter ${number}", at, "42P02"))
        self.highest_parameter = max(self.highest_parameter, number)
        return ParamRef(number, at)

    def _bits(self, kind: str, at: int) -> Expr:
        text = self.values[self.index - 1]
        return Literal("bits", ("b" if kind == BCONST else "x") + text, at)

    # --- names

    def _named(self, kind: str, restricted: bool) -> Expr:
        """A column, a call, a typed constant, or a form that begins with a word."""
        index = self.index
        after = self.kinds[index + 1]
        if kind in TYPE_KEYWORDS:
            expected = _AFTER_TYPE.get(kind, (SCONST,))
            if after in expected:
                return self._typed_constant(self.keyword_type(constant=True))
        elif kind in VALUE_FUNCTIONS and after not in ("(", SCONST):
            return self.value_function()
        elif kind in SPECIAL and after == SPECIAL[kind]:
            return self.special_call(kind)
        elif kind == "exists" and after == "(":
            self.index = index + 1
            return SubLink("exists", self.query_in_parens(), at=self.starts[index])
        elif kind == "row" and after == "(":
            return self._row()
        elif kind == "grouping" and after == "(":
            self.index = index + 1
            return Grouping(self.in_parens(self.expression), self.starts[index])
        if kind == "double" and after == "precision":
            return self._typed_constant(self.keyword_type(constant=True))
        return self._column_or_call(kind)

    def _column_or_call(self, kind: str) -> Expr:
        index = self.index
        kinds = self.kinds
        at = self.starts[index]
        names = [self.values[index]]
        self.index = index = index + 1
        if kind not in COLUMN_NAMES and kinds[index] not in ("(", SCONST):
            raise self.fail()
        star = False
        while kinds[index] == ".":
            self.index = index + 1
            if kinds[index + 1] == "*":
                star = True
                self.index = index + 2
                if kinds[self.index] in (".", "["):
                    return self._after_star()
                break
            names.append(self.label())
            index = self.index
        following = kinds[self.index]
        if not star and (len(names) > 1 or kind in FUNCTION_NAMES):
            if following == "(":
                return self._call(tuple(names), at)
            if following == SCONST:
                return self._typed_constant(TypeName(tuple(names), at=at))
        if star:
            names.append("*")
        column = ColumnRef(tuple(names), star, at)
        return self.subscripts(column) if following == "[" else column

    def _after_star(self) -> Expr:
        """`*` must come last: PostgreSQL reads all that may follow a name, then says so."""
        while self.kind in (".", "["):
            if self.accept("."):
                if not self.accept("*"):
                    self.label()
            else:
                self.subscript(Literal("null", ""))
        raise self.tokens.near(self.index, 'improper use of "*"')

    def _call(self, names: Names, at: int) -> Expr:
        call = self.call(names, at)
        if self.kinds[self.index] != SCONST or not call.args or not self.plain_arguments or call.variadic:
            return self.call_clauses(call)
        return self._constant_with_modifiers(call)

    def _constant_with_modifiers(self, call: FuncCall) -> Expr:
        """`name(args) 'literal'`: the call was a type with modifiers."""
        if self.lift_from >= 0:
            raise NotLiftable
        if call.arg_names:
            raise self.refuse("type modifier cannot have parameter name", self.argument_at)
        if call.order_by:
            raise self.refuse("type modifier cannot have ORDER BY", self.order_at)
        return self._typed_constant(TypeName(call.names, call.args, at=call.at))

    def _typed_constant(self, type_: TypeName) -> Expr:
        """`type 'literal'`, and the fields after interval."""
        if self.kind != SCONST:
            raise self.fail()
        at = self.at
        self.index += 1
        text = Literal("string", self.values[self.index - 1], at)
        if self.lift_from >= 0:
            raise NotLiftable
        if type_.names == ("pg_catalog", "interval") and not type_.modifiers:
            fields, precision = self.interval_fields()
            type_ = TypeName(type_.names, precision, interval_fields=fields, at=type_.at)
        return TypeCast(text, type_, type_.at)

    # --- parentheses

    def starts_query(self) -> bool:
        """True when the parentheses here, skipped, lead to a query."""
        index = self.index
        kinds = self.kinds
        while kinds[index] == "(":
            index += 1
        kind = kinds[index]
        if kind == "values":
            return kinds[index + 1] == "("
        return kind in ("select", "with", "with_la", "table")

    def paren_contents(self, single: bool = False) -> Query | Rows:
        """`( query )`, or `( expression, ... )`; just one expression when `single`."""
        if self.kind != "(":
            raise self.fail()
        if not self.starts_query():
            self.index += 1
            return self._rest_of_rows(self.expression(), single)
        self.index += 1
        if self.kind != "(":
            query = self.query()
            self.expect(")")
            return query
        at = self.at
        contents = self.paren_contents()
        if not isinstance(contents, Rows):
            if self.accept(")"):
                return contents
            if self.kind in ("union", "intersect", "except", "order", "limit", "offset", "fetch", "for"):
                query = self.query_from(contents)
                self.expect(")")
                return query
        first = self._parenthesised_value(contents, at)
        return self._rest_of_rows(self.expression_from(first), single)

    def _rest_of_rows(self, first: Expr, single: bool) -> Rows:
        items = [first]
        while not single and self.accept(","):
            items.append(self.expression())
        self.expect(")")
        return Rows(tuple(items))

    def _parenthesised(self, restricted: bool) -> Expr:
        at = self.at
        return self._parenthesised_value(self.paren_contents(), at, restricted)

    def _parenthesised_value(self, contents: Query | Rows, at: int, restricted: bool = False) -> Expr:
        if not isinstance(contents, Rows):
            return self.subscripts(SubLink("scalar", contents, at=at), fields=True)
        if len(contents.items) == 1:
            return self.subscripts(contents.items[0], fields=True)
        row = RowExpr(contents.items, False, at)
        return self._overlaps(row) if not restricted and self.kind == "overlaps" else row

    def _row(self) -> Expr:
        at = self.at
        self.index += 1
        self.expect("(")
        items = () if self.kind == ")" else self.comma_list(self.expression)
        self.expect(")")
        row = RowExpr(items, True, at)
        return self._overlaps(row) if self.kind == "overlaps" else row

    def _overlaps(self, left: RowExpr) -> Expr:
        """`row OVERLAPS row`: a call with the four ends."""
        at = self.at
        self.index += 1
        after = self.at
        explicit = self.accept("row")
        if explicit and self.kind == "(" and self.peek() == ")":
            self.index += 2
            right: tuple[Expr, ...] = ()
        else:
            if self.kind == "(" and self.starts_query() and self.peek() != "(":
                raise self.fail(self.index + 1)
            contents = self.paren_contents()
            if not isinstance(contents, Rows) or (not explicit and len(contents.items) < 2):
                raise self.fail(self.index - 1)
            right = contents.items
        for items, side, where in ((left.items, "left", left.at), (right, "right", after)):
            if len(items) != 2:
                raise self.refuse(f"wrong number of parameters on {side} side of OVERLAPS expression", where)
        return FuncCall(("pg_catalog", "overlaps"), (*left.items, *right), at=at)

    # --- subscripts and fields

    def subscripts(self, value: Expr, fields: bool = True) -> Expr:
        """opt_indirection: `[...]`, `.field`, `.*`."""
        while True:
            kind = self.kinds[self.index]
            if kind == "[":
                value = self.subscript(value)
            elif kind == "." and fields:
                at = self.at
                self.index += 1
                if self.accept("*"):
                    if self.kind in (".", "["):
                        return self._after_star()
                    return FieldSelect(value, "*", True, at)
                value = FieldSelect(value, self.label(), at=at)
            else:
                return value

    def subscript(self, value: Expr) -> Expr:
        at = self.at
        self.index += 1
        lower = None if self.kind == ":" else self.expression()
        if self.accept(":"):
            upper = None if self.kind == "]" else self.expression()
            self.expect("]")
            return Subscript(value, lower, upper, True, at)
        self.expect("]")
        return Subscript(value, None, lower, False, at)

    # --- CASE, ARRAY

    def _case(self, at: int) -> Expr:
        arg = None if self.kind == "when" else self.expression()
        whens = []
        if self.kind != "when":
            raise self.fail()
        while self.accept("when"):
            condition = self.expression()
            self.expect("then")
            whens.append((condition, self.expression()))
        default = self.expression() if self.accept("else") else None
        self.expect("end")
        return CaseExpr(arg, tuple(whens), default, at)

    def _array(self, at: int) -> Expr:
        if self.kind == "(":
            return SubLink("array", self.query_in_parens(), at=at)
        return self._array_items(at)

    def _array_items(self, at: int) -> Expr:
        """array_expr: all elements are arrays, or none is."""
        self.expect("[")
        items: tuple[Expr, ...] = ()
        if self.kind == "[":
            items = self.comma_list(lambda: self._array_items(self.at))
        elif self.kind != "]":
            items = self.comma_list(self.expression)
        self.expect("]")
        return ArrayExpr(items, at)
