"""Operators and their precedence (gram.y: a_expr, b_expr; manual, table 4.2)."""

from dataclasses import replace

from server.sql.ast import (
    ArrayOp,
    Between,
    BooleanTest,
    BoolExpr,
    Collate,
    DefaultMarker,
    DistinctTest,
    Expr,
    FuncCall,
    InList,
    IsJson,
    Literal,
    NullTest,
    Op,
    ParamRef,
    SubLink,
    TypeCast,
)
from server.sql.grammar_base import NotLiftable
from server.sql.grammar_primary import Primaries, Rows
from server.sql.lexer import OP

_OR, _AND, _NOT, _IS, _COMPARE, _LIKE, _OPERATOR, _ADD, _MULTIPLY, _POWER, _AT, _COLLATE, _SIGN, _CAST = (
    range(1, 15)
)

_INFIX = {
    "or": _OR,
    "and": _AND,
    **dict.fromkeys(("is", "isnull", "notnull"), _IS),
    **dict.fromkeys(("<", ">", "=", "<=", ">=", "<>"), _COMPARE),
    **dict.fromkeys(("between", "in", "like", "ilike", "similar", "not_la"), _LIKE),
    OP: _OPERATOR,
    "operator": _OPERATOR,
    "+": _ADD,
    "-": _ADD,
    "*": _MULTIPLY,
    "/": _MULTIPLY,
    "%": _MULTIPLY,
    "^": _POWER,
    "at": _AT,
    "collate": _COLLATE,
    "::": _CAST,
}
_RESTRICTED = frozenset(_INFIX) - {
    "or",
    "and",
    "isnull",
    "notnull",
    "in",
    "like",
    "ilike",
    "similar",
    "between",
    "not_la",
    "at",
    "collate",
}
INFIX_WORDS = frozenset(word for word in _INFIX if word.isalpha() and word != OP) | {"not_la"}
SYMBOLS = frozenset({"+", "-", "*", "/", "%", "^", "<", ">", "=", "<=", ">=", "<>", OP})
"""all_Op."""
_NON_ASSOCIATIVE = frozenset({_IS, _COMPARE, _LIKE})
_TESTS = frozenset({"true", "false", "unknown"})
_FORMS = ("nfc", "nfd", "nfkc", "nfkd")
_LIKE_OPERATORS = {"like": "~~", "ilike": "~~*"}
_INT4_LOWEST, _INT8_LOWEST = str(2**31), str(2**63)


def _call(name: str, *args: Expr, at: int) -> FuncCall:
    return FuncCall(("pg_catalog", name), args, at=at)


class Expressions(Primaries):
    """`expression` (a_expr) and `restricted_expression` (b_expr)."""

    def expression(self, floor: int = 0) -> Expr:
        """a_expr, of operators that bind tighter than `floor`. Raises PgError 42601."""
        return self.expression_from(self._operand(False), floor)

    def restricted_expression(self) -> Expr:
        """b_expr: an expression without AND, OR, NOT, IN, LIKE, BETWEEN, IS NULL, COLLATE, AT TIME ZONE."""
        return self._climb(self._operand(True), 0, True)

    def expression_from(self, left: Expr, floor: int = 0) -> Expr:
        return self._climb(left, floor, False)

    def _climb(self, left: Expr, floor: int, restricted: bool) -> Expr:
        kinds = self.kinds
        binary = 0
        while True:
            kind = kinds[self.index]
            level = _INFIX.get(kind, 0)
            if level <= floor or (restricted and kind not in _RESTRICTED):
                return left
            if level == binary and level in _NON_ASSOCIATIVE:
                raise self.fail()
            if self.index == self.label_at:
                if floor:
                    raise self.fail()
                return left
            if kind in SYMBOLS or kind == "operator":
                left, binary = self._symbol(left, level, restricted)
            elif kind == "::":
                at = self.at
                self.index += 1
                left, binary = TypeCast(left, self.type_name(), at), 0
            elif kind == "and" or kind == "or":
                left, binary = self._logical(left, kind, level), 0
            else:
                before = self.index
                left, binary = self._keyword(left, kind, restricted)
                if self.index == before:
                    return left

    def _right(self, level: int, restricted: bool = False) -> Expr:
        """The right operand of an operator of this level."""
        return self._climb(self._operand(restricted), level, restricted)

    # --- prefix operators

    def _operand(self, restricted: bool) -> Expr:
        kind = self.kinds[self.index]
        at = self.starts[self.index]
        if kind == "-" or kind == "+":
            self.index += 1
            operand = self._right(_SIGN, restricted)
            return self._negated(operand, at) if kind == "-" else Op("+", None, operand, at=at)
        if kind == OP or (kind == "operator" and self.peek() == "("):
            name, schema = self.operator_name()
            return Op(name, None, self._right(_OPERATOR, restricted), schema, at)
        if not restricted:
            if kind == "not" or kind == "not_la":
                self.index += 1
                return BoolExpr("not", (self._right(_NOT),), at)
            if kind == "default":
                self.index += 1
                return DefaultMarker(at)
            if kind == "unique":
                self.index += 1
                if self.accept("nulls"):
                    self.accept("not")
                    self.expect("distinct")
                self.query_in_parens()
                raise self.refuse("UNIQUE predicate is not yet implemented", at, "0A000")
        return self.primary(restricted)

    def _negated(self, operand: Expr, at: int) -> Expr:
        """A minus before a constant belongs to the constant (gram.y: doNegate)."""
        if isinstance(operand, Literal) and operand.kind in ("integer", "float"):
            text = operand.text[1:] if operand.text.startswith("-") else "-" + operand.text
            kind = operand.kind
            if kind == "float" and operand.text == _INT8_LOWEST:
                kind = "integer"
            return Literal(kind, text, at)
        if isinstance(operand, ParamRef) and operand.lifted:
            text = self.values[self.lifted[operand.number - self.lift_from - 1]]
            if text in (_INT4_LOWEST, _INT8_LOWEST):
                raise NotLiftable
        return Op("-", None, operand, at=at)

    # --- infix operators

    def operator_name(self) -> tuple[str, str | None]:
        """qual_all_Op: an operator's name and schema."""
        if not self.accept("operator"):
            self.expect_any(SYMBOLS)
            return self.values[self.index - 1], None
        self.expect("(")
        name = self.any_operator()
        self.expect(")")
        return name

    def any_operator(self) -> tuple[str, str | None]:
        """any_operator: an operator's name, qualified with dots."""
        schema = []
        while self.kind not in SYMBOLS:
            schema.append(self.column_name())
            self.expect(".")
        self.index += 1
        return self.values[self.index - 1], ".".join(schema) or None

    def _symbol(self, left: Expr, level: int, restricted: bool) -> tuple[Expr, int]:
        at = self.at
        name, schema = self.operator_name()
        if not restricted and self.kind in ("any", "some", "all"):
            return self._quantified(left, name, schema, at), 0
        return Op(name, left, self._right(level, restricted), schema, at), level

    def _quantified(self, left: Expr, name: str, schema: str | None, at: int) -> Expr:
        """`op ANY (...)`, `op ALL (...)`."""
        everyone = self.expect_any(("any", "some", "all")) == "all"
        contents = self.paren_contents(single=True)
        if isinstance(contents, Rows):
            return ArrayOp(left, name, schema, contents.items[0], everyone, at)
        return SubLink("all" if everyone else "any", contents, left, name, schema, at)

    def _logical(self, left: Expr, word: str, level: int) -> Expr:
        at = self.at
        self.index += 1
        right = self._right(level)
        if isinstance(left, BoolExpr) and left.op == word:
            return replace(left, args=(*left.args, right))
        return BoolExpr(word, (left, right), at)

    def _keyword(self, left: Expr, kind: str, restricted: bool) -> tuple[Expr, int]:
        """An operator spelled as a word; the level when its last part is an operand, else 0."""
        at = self.at
        if kind == "is":
            return self._is(left, at, restricted)
        if kind == "similar" and self.in_substring and self.peek() != "to":
            return left, 0
        self.index += 1
        if kind == "isnull" or kind == "notnull":
            return NullTest(left, kind == "notnull", at), 0
        if kind == "at":
            self.expect("time", "zone")
            zone = self._right(_AT)
            return _call("timezone", zone, left, at=at), _AT
        if kind == "collate":
            return Collate(left, self.any_name(), at), 0
        negated = kind == "not_la"
        if negated:
            kind = self.kind
            self.index += 1
        if kind == "in":
            return self._in(left, negated, at), 0
        if kind == "between":
            return self._between(left, negated, at), _LIKE
        return self._matches(left, kind, negated, at)

    def _in(self, left: Expr, negated: bool, at: int) -> Expr:
        contents = self.paren_contents()
        if isinstance(contents, Rows):
            return InList(left, contents.items, negated, at)
        link = SubLink("any", contents, left, "=", at=at)
        return BoolExpr("not", (link,), at) if negated else link

    def _between(self, left: Expr, negated: bool, at: int) -> Expr:
        symmetric = self.accept("symmetric")
        if not symmetric:
            self.accept("asymmetric")
        low = self.restricted_expression()
        self.expect("and")
        return Between(left, low, self._right(_LIKE), symmetric, negated, at)

    def _matches(self, left: Expr, kind: str, negated: bool, at: int) -> tuple[Expr, int]:
        """LIKE, ILIKE, SIMILAR TO."""
        bang = "!" if negated else ""
        if kind == "similar":
            self.expect("to")
            pattern = self._right(_LIKE)
            args = (pattern, self._right(_LIKE)) if self.accept("escape") else (pattern,)
            return Op(bang + "~", left, _call("similar_to_escape", *args, at=at), at=at), _LIKE
        name = bang + _LIKE_OPERATORS[kind]
        if self.kind in ("any", "some", "all"):
            return self._quantified(left, name, None, at), 0
        right = self._right(_LIKE)
        if self.accept("escape"):
            right = _call("like_escape", right, self._right(_LIKE), at=at)
        return Op(name, left, right, at=at), _LIKE

    # --- IS

    def _is(self, left: Expr, at: int, restricted: bool) -> tuple[Expr, int]:
        self.index += 1
        negated = self.accept("not")
        if self.accept("distinct"):
            self.expect("from")
            return DistinctTest(left, self._right(_IS, restricted), negated, at), _IS
        if self.accept("document"):
            self.defer(self.refuse("unsupported XML feature", at, "0A000"))
            return _call("xml_is_document", left, at=at), 0
        if restricted:
            raise self.fail()
        if self.accept("null"):
            return NullTest(left, negated, at), 0
        test = self.accept_any(_TESTS)
        if test:
            return BooleanTest(left, test, negated, at), 0
        if self.accept("json"):
            return self._is_json(left, negated, at), 0
        form = self.accept_any(_FORMS)
        self.expect("normalized")
        args = (left, Literal("string", form.upper(), at)) if form else (left,)
        call = _call("is_normalized", *args, at=at)
        return (BoolExpr("not", (call,), at) if negated else call), 0

    def _is_json(self, left: Expr, negated: bool, at: int) -> Expr:
        """IS JSON [VALUE|ARRAY|OBJECT|SCALAR] [WITH UNIQUE KEYS]."""
        kind = self.accept_any(("value", "array", "object", "scalar")) or "value"
        call = IsJson(left, kind, self.unique_keys(), at)
        return BoolExpr("not", (call,), at) if negated else call
