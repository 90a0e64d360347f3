"""Function calls, their clauses, and the forms with a syntax of their own (gram.y: func_expr)."""

from dataclasses import replace

from server.sql.ast import (
    Alias,
    BoolExpr,
    Coalesce,
    ColumnRef,
    Expr,
    FuncCall,
    JsonCall,
    JsonFormat,
    JsonItem,
    Literal,
    MinMax,
    Names,
    NullIf,
    Op,
    RangeSubselect,
    ResTarget,
    SelectStmt,
    SortBy,
    SqlValueFunction,
    SubLink,
    TypeCast,
    TypeName,
    WindowDef,
)
from server.sql.grammar_base import COLUMN_NAMES, FUNCTION_NAMES
from server.sql.grammar_xml import XmlCalls
from server.sql.lexer import IDENT, SCONST
from server.sql.special_calls import EXTRACT_FIELDS, WITH_PRECISION, XML_CALLS

_TRIM = {"both": "btrim", "leading": "ltrim", "trailing": "rtrim"}
_FORMS = ("nfc", "nfd", "nfkc", "nfkd")
_JSON_CALLS = frozenset({"json_object", "json_array", "json_objectagg", "json_arrayagg"})
_INT4 = TypeName(("pg_catalog", "int4"))


def _system(name: str, *args: Expr, at: int) -> FuncCall:
    return FuncCall(("pg_catalog", name), args, at=at)


class Calls(XmlCalls):
    """`call` reads the parentheses, `call_clauses` what follows, `special_call` the keyword forms."""

    in_substring = False
    argument_at = order_at = -1
    """Where the last call named an argument, and where its ORDER BY stood."""
    plain_arguments = True
    """The last call had neither ALL nor DISTINCT."""

    def call(self, names: Names, at: int) -> FuncCall:
        """func_application from its parenthesis on."""
        self.expect("(")
        if self.accept(")"):
            return FuncCall(names, at=at)
        if self.accept("*"):
            self.expect(")")
            return FuncCall(names, star=True, at=at)
        distinct = self.accept("distinct")
        everything = not distinct and self.accept("all")
        plain = not (distinct or everything)
        args: list[Expr] = []
        labels: list[str | None] = []
        variadic = False
        while True:
            variadic = plain and self.accept("variadic")
            label, value = self._argument()
            args.append(value)
            labels.append(label)
            if variadic or not self.accept(","):
                break
        self.order_at, self.plain_arguments = self.at, plain
        order = self.order_by()
        self.expect(")")
        arg_names = tuple(labels) if any(labels) else ()
        return FuncCall(names, tuple(args), arg_names, False, distinct, variadic, order, at=at)

    def _argument(self) -> tuple[str | None, Expr]:
        """func_arg_expr: an expression, perhaps `name => expression`."""
        label = None
        at = self.at
        if self.kinds[self.index + 1] in ("=>", ":=") and self.kind in FUNCTION_NAMES:
            label = self.function_name()
            self.index += 1
        value = self.expression()
        if label is not None:
            self.argument_at = at
        return label, value

    def call_clauses(self, call: FuncCall) -> FuncCall:
        """WITHIN GROUP, FILTER, OVER."""
        if self.kind == "within":
            at = self.at
            self.index += 1
            self.expect("group", "(")
            if self.kind != "order":
                raise self.fail()
            order = self.order_by()
            self.expect(")")
            call = self._within_group(call, order, at)
        if self.accept("filter"):
            self.expect("(", "where")
            call = replace(call, filter=self.expression())
            self.expect(")")
        if self.kind == "over":
            call = replace(call, over=self._over())
        return call

    def _within_group(self, call: FuncCall, order: tuple[SortBy, ...], at: int) -> FuncCall:
        if call.order_by:
            raise self.refuse("cannot use multiple ORDER BY clauses with WITHIN GROUP", at)
        if call.distinct:
            raise self.refuse("cannot use DISTINCT with WITHIN GROUP", at)
        if call.variadic:
            raise self.refuse("cannot use VARIADIC with WITHIN GROUP", at)
        return replace(call, order_by=order, within_group=True)

    def _over(self) -> WindowDef:
        self.index += 1
        at = self.at
        if self.kind == "(":
            return self.window_specification()
        if self.kind not in COLUMN_NAMES:
            raise self.fail()
        return WindowDef(base=self.column_name(), at=at)

    # --- keyword forms

    def value_function(self) -> Expr:
        """CURRENT_DATE and its kind."""
        at, name = self.at, self.kind
        self.index += 1
        precision = None
        if name in WITH_PRECISION and self.accept("("):
            precision = self.integer()
            self.expect(")")
        return SqlValueFunction(name, precision, at)

    def cast(self, at: int) -> Expr:
        """CAST(x AS t), after the word."""
        self.expect("(")
        value = self.expression()
        self.expect("as")
        type_ = self.type_name()
        self.expect(")")
        return TypeCast(value, type_, at)

    def special_call(self, kind: str) -> Expr:
        """A call whose arguments have a syntax of their own."""
        at = self.at
        self.index += 1
        if kind == "collation":
            return self._collation_for(at)
        self.expect("(")
        if kind in _JSON_CALLS and not self._is_plain_json_object(kind):
            return self._json_call(kind, at)
        value = self.xml_call(kind, at) if kind in XML_CALLS else self._special(kind, at)
        self.expect(")")
        return value

    def _special(self, kind: str, at: int) -> Expr:
        if kind == "coalesce":
            return Coalesce(self.comma_list(self.expression), at)
        if kind in ("greatest", "least"):
            return MinMax(kind, self.comma_list(self.expression), at)
        if kind == "nullif":
            left = self.expression()
            self.expect(",")
            return NullIf(left, self.expression(), at)
        if kind == "extract":
            return self._extract(at)
        if kind == "position":
            needle = self.restricted_expression()
            self.expect("in")
            return _system("position", self.restricted_expression(), needle, at=at)
        if kind == "trim":
            return self._trim(at)
        if kind == "normalize":
            return self._normalize(at)
        if kind == "json_object":
            label, first = self._argument()
            return self._plain_arguments(("pg_catalog", "json_object"), label, first, at)
        if kind == "treat":
            return self._treat(at)
        return self._overlay(at) if kind == "overlay" else self._substring(at)

    def _collation_for(self, at: int) -> Expr:
        self.expect("for", "(")
        value = self.expression()
        self.expect(")")
        return _system("pg_collation_for", value, at=at)

    def _extract(self, at: int) -> Expr:
        where = self.at
        kind = self.kind
        if kind not in EXTRACT_FIELDS and kind not in (IDENT, SCONST):
            raise self.fail()
        self.index += 1
        field = Literal("string", self.values[self.index - 1], where)
        self.expect("from")
        return _system("extract", field, self.expression(), at=at)

    def _trim(self, at: int) -> Expr:
        name = _TRIM[self.accept_any(tuple(_TRIM)) or "both"]
        if self.accept("from"):
            return _system(name, *self.comma_list(self.expression), at=at)
        first = self.expression()
        if self.accept("from"):
            return _system(name, *self.comma_list(self.expression), first, at=at)
        rest = self.comma_list(self.expression) if self.accept(",") else ()
        return _system(name, first, *rest, at=at)

    def _normalize(self, at: int) -> Expr:
        value = self.expression()
        if not self.accept(","):
            return _system("normalize", value, at=at)
        where = self.at
        form = self.expect_any(_FORMS)
        return _system("normalize", value, Literal("string", form.upper(), where), at=at)

    def _treat(self, at: int) -> Expr:
        value = self.expression()
        self.expect("as")
        type_ = self.type_name()
        return _system(type_.names[-1], value, at=at)

    def _overlay(self, at: int) -> Expr:
        if self.kind == ")":
            return FuncCall(("overlay",), at=at)
        label, first = self._argument()
        if label is not None or self.kind in (",", ")"):
            return self._plain_arguments(("overlay",), label, first, at)
        self.expect("placing")
        args = [first, self.expression()]
        self.expect("from")
        args.append(self.expression())
        if self.accept("for"):
            args.append(self.expression())
        return _system("overlay", *args, at=at)

    def _plain_arguments(self, names: Names, label: str | None, first: Expr, at: int) -> Expr:
        """An ordinary argument list: then it is a call of any function of that name."""
        arguments = [(label, first)]
        while self.accept(","):
            arguments.append(self._argument())
        labels = tuple(label for label, _ in arguments)
        return FuncCall(names, tuple(v for _, v in arguments), labels if any(labels) else (), at=at)

    def _substring(self, at: int) -> Expr:
        if self.kind == ")":
            return FuncCall(("substring",), at=at)
        outer, self.in_substring = self.in_substring, True
        label, first = self._argument()
        self.in_substring = outer
        if label is not None or self.kind in (",", ")"):
            return self._plain_arguments(("substring",), label, first, at)
        if self.accept("similar"):
            pattern = self.expression()
            self.expect("escape")
            return _system("substring", first, pattern, self.expression(), at=at)
        if self.accept("from"):
            start = self.expression()
            if self.accept("for"):
                return _system("substring", first, start, self.expression(), at=at)
            return _system("substring", first, start, at=at)
        self.expect("for")
        length = self.expression()
        if self.accept("from"):
            return _system("substring", first, self.expression(), length, at=at)
        return _system("substring", first, Literal("integer", "1"), TypeCast(length, _INT4), at=at)

    # --- SQL/JSON

    def _is_plain_json_object(self, kind: str) -> bool:
        """Whether it is a call of the function json_object(text[]) or json_object(text[], text[])."""
        if kind != "json_object" or self.kind in (")", "returning", "null", "absent"):
            return False
        before, lifted = self.index, len(self.lifted)
        self._argument()
        plain = self.kind in (",", ")")
        self.index = before
        del self.lifted[lifted:]
        return plain

    def _json_call(self, kind: str, at: int) -> Expr:
        keyed = kind.startswith("json_object")
        absent = not keyed
        items: tuple[JsonItem, ...] = ()
        if kind == "json_array" and self.kind in ("select", "values", "with", "table"):
            return self._json_array_of_query(at)
        if self.kind not in (")", "returning"):
            item = self._json_pair if keyed else self._json_value
            items = (item(),) if kind.endswith("agg") else self.comma_list(item)
        order = self.order_by() if kind == "json_arrayagg" else ()
        if self.kind in ("null", "absent") and self.peek() == "on":
            absent = self.kind == "absent"
            self.index += 2
            self.expect("null")
        unique = keyed and self.unique_keys()
        returning, format_ = self._json_returning()
        self.expect(")")
        call = None
        if kind.endswith("agg"):
            call = self.call_clauses(FuncCall((kind,), order_by=order, at=at))
        return JsonCall(kind, items, absent, unique, returning, format_, call, at)

    def _json_array_of_query(self, at: int) -> Expr:
        """JSON_ARRAY(SELECT ...) aggregates the rows of the query."""
        query = self.query()
        format_json = self._format_json()
        returning, format_ = self._json_returning()
        self.expect(")")
        value = JsonItem(None, ColumnRef(("q", "a")), format_json)
        rows = FuncCall(("json_arrayagg",))
        call = JsonCall("json_arrayagg", (value,), True, False, returning, format_, rows)
        source = RangeSubselect(query, alias=Alias("q", ("a",)))
        return SubLink("scalar", SelectStmt((ResTarget(call, "json_array"),), from_=(source,)), at=at)

    def _json_pair(self) -> JsonItem:
        key = self.expression()
        if not self.accept(":"):
            if isinstance(key, Op | BoolExpr | TypeCast):
                raise self.fail()
            self.expect("value")
        return self._json_value(key)

    def _json_value(self, key: Expr | None = None) -> JsonItem:
        value = self.expression()
        return JsonItem(key, value, self._format_json())

    def _format_json(self) -> JsonFormat | None:
        at = self.at
        if not self.accept("format_la"):
            return None
        self.expect("json")
        return JsonFormat(self.column_name() if self.accept("encoding") else None, at)

    def _json_returning(self) -> tuple[TypeName | None, JsonFormat | None]:
        if not self.accept("returning"):
            return None, None
        return self.type_name(), self._format_json()

    def unique_keys(self) -> bool:
        """json_key_uniqueness_constraint_opt."""
        word = self.accept_any(("with", "without"))
        if word is None:
            return False
        self.expect("unique")
        self.accept("keys")
        return word == "with"
