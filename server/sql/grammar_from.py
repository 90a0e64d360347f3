"""The FROM clause, ORDER BY and windows (gram.y: table_ref, joined_table, sort_clause)."""

from dataclasses import replace

from server.sql.ast import (
    Alias,
    ColumnDef,
    Expr,
    FromItem,
    FuncCall,
    JoinExpr,
    Query,
    RangeFunction,
    RangeSubselect,
    RangeVar,
    SortBy,
    WindowDef,
)
from server.sql.grammar_base import COLUMN_NAMES, FUNCTION_NAMES
from server.sql.grammar_expr import Expressions
from server.sql.special_calls import SPECIAL, VALUE_FUNCTIONS

_JOINS = frozenset({"join", "cross", "natural", "inner", "left", "right", "full"})
_FRAMES = ("range", "rows", "groups")
_QUERY_GOES_ON = frozenset({"union", "intersect", "except", "order", "limit", "offset", "fetch", "for"})


class FromClause(Expressions):
    """`table_ref`, `order_by`, `window_specification`."""

    # --- table references

    def table_ref(self) -> FromItem:
        """table_ref with all joins that follow."""
        return self._joins(self._table_primary())

    def _joins(self, left: FromItem) -> FromItem:
        while self.kind in _JOINS:
            at = self.at
            if self.accept("cross"):
                self.expect("join")
                left = JoinExpr("cross", left, self._table_primary(), at=at)
                continue
            natural = self.accept("natural")
            kind = self.accept_any(("inner", "left", "right", "full")) or "inner"
            if kind in ("left", "right", "full") and self.kinds[self.index - 1] == kind:
                self.accept("outer")
            self.expect("join")
            if natural:
                left = JoinExpr(kind, left, self._table_primary(), natural=True, at=at)
            else:
                left = self._qualified(kind, left, self.table_ref(), at)
        return left

    def _qualified(self, kind: str, left: FromItem, right: FromItem, at: int) -> JoinExpr:
        if self.accept("using"):
            columns = self.name_list_in_parens()
            alias = self.column_name() if self.accept("as") else None
            return JoinExpr(kind, left, right, using=columns, using_alias=alias, at=at)
        self.expect("on")
        return JoinExpr(kind, left, right, on=self.expression(), at=at)

    def _table_primary(self) -> FromItem:
        at, kind = self.at, self.kind
        if kind == "(":
            return self._parenthesised_table(at)
        if kind == "lateral":
            self.index += 1
            if self.kind == "(":
                return RangeSubselect(self.query_in_parens(), True, self.alias(), at)
            return self._table_function(True, at)
        if kind == "only" or not self._is_function():
            return self._relation()
        return self._table_function(False, at)

    def _parenthesised_table(self, at: int) -> FromItem:
        """A query or a join in parentheses."""
        contents = self._table_contents()
        if not isinstance(contents, JoinExpr):
            return RangeSubselect(contents, False, self.alias(), at)
        alias = self.alias()
        return replace(contents, alias=alias) if alias else contents

    def _table_contents(self) -> Query | JoinExpr:
        at = self.at
        self.expect("(")
        first: FromItem
        if self.kind == "(":
            inside = self.at
            contents = self._table_contents()
            if not isinstance(contents, JoinExpr):
                if self.kind == ")" or self.kind in _QUERY_GOES_ON:
                    query = self.query_from(contents)
                    self.expect(")")
                    return query
                first = RangeSubselect(contents, False, self.alias(), inside)
            else:
                if self.accept(")"):
                    return contents
                alias = self.alias()
                if alias and self.kind not in _JOINS:
                    raise self.fail()
                first = replace(contents, alias=alias) if alias else contents
        elif self.starts_query():
            query = self.query()
            self.expect(")")
            return query
        else:
            first = self._table_primary()
        joined = self._joins(first)
        if not isinstance(joined, JoinExpr) or (joined is first and self.kind != ")"):
            raise self.fail()
        self.expect(")")
        return replace(joined, at=joined.at if joined.at >= 0 else at)

    def _is_function(self) -> bool:
        """True when a call stands here and not a table's name."""
        kinds = self.kinds
        index = self.index
        kind = kinds[index]
        if kind == "rows" and kinds[index + 1] == "from":
            return True
        if kind not in COLUMN_NAMES:
            return True
        while kinds[index + 1] == ".":
            index += 2
        return kinds[index + 1] == "(" or kind in VALUE_FUNCTIONS

    def relation_expr(self) -> RangeVar:
        """relation_expr: a table, perhaps with ONLY or `*`."""
        at = self.at
        if self.accept("only"):
            if self.accept("("):
                names = self.qualified_name()
                self.expect(")")
            else:
                names = self.qualified_name()
            return RangeVar(names, only=True, at=at)
        names = self.qualified_name()
        self.accept("*")
        return RangeVar(names, at=at)

    def _relation(self) -> FromItem:
        relation = self.relation_expr()
        alias = self.alias()
        sampled = self.accept("tablesample")
        if sampled:
            self._sample()
        if alias or sampled:
            relation = replace(relation, alias=alias, sampled=sampled)
        return relation

    def _sample(self) -> None:
        self.function_path()
        self.in_parens(self.expression)
        if self.accept("repeatable"):
            self.expect("(")
            self.expression()
            self.expect(")")

    def function_path(self) -> tuple[str, ...]:
        """func_name."""
        if self.peek() in (".", "["):
            if self.kind in FUNCTION_NAMES and self.kind not in COLUMN_NAMES:
                raise self.fail(self.index + 1)
            return self.dotted_name()
        if self.kind in COLUMN_NAMES and self.kind not in FUNCTION_NAMES:
            raise self.fail(self.index + 1)
        return (self.function_name(),)

    # --- functions in FROM

    def _table_function(self, lateral: bool, at: int) -> FromItem:
        if self.kind == "xmltable" and self.peek() == "(":
            table = self.xml_table(self.at)
            return RangeFunction(((table, ()),), False, lateral, self.alias(), at=at)
        functions: list[tuple[Expr, tuple[ColumnDef, ...]]] = []
        if self.kind == "rows" and self.peek() == "from":
            self.index += 2
            functions += self.in_parens(self._rows_from_item)
        else:
            functions.append((self._windowless(), ()))
        ordinality = self.accept("with_la")
        if ordinality:
            self.expect("ordinality")
        alias, columns = self._function_alias()
        return RangeFunction(tuple(functions), ordinality, lateral, alias, columns, at)

    def _rows_from_item(self) -> tuple[Expr, tuple[ColumnDef, ...]]:
        call = self._windowless()
        return call, self.in_parens(self._column_definition) if self.accept("as") else ()

    def _windowless(self) -> Expr:
        """func_expr_windowless."""
        at, kind = self.at, self.kind
        if kind in VALUE_FUNCTIONS and (self.peek() != "(" or kind not in FUNCTION_NAMES):
            return self.value_function()
        if kind in SPECIAL and self.peek() == SPECIAL[kind]:
            return self.special_call(kind)
        if self.accept("cast"):
            return self.cast(at)
        if kind not in COLUMN_NAMES and kind not in FUNCTION_NAMES:
            raise self.fail()
        call: FuncCall = self.call(self.function_path(), at)
        return call

    def alias(self) -> Alias | None:
        """opt_alias_clause."""
        if self.accept("as") or self.kind in COLUMN_NAMES:
            name = self.column_name()
        else:
            return None
        return Alias(name, self.name_list_in_parens() if self.kind == "(" else ())

    def _function_alias(self) -> tuple[Alias | None, tuple[ColumnDef, ...]]:
        """func_alias_clause: an alias with names, or with a column definition list."""
        named = self.accept("as")
        if named and self.kind == "(":
            return None, self.in_parens(self._column_definition)
        if not named and self.kind not in COLUMN_NAMES:
            return None, ()
        name = self.column_name()
        if self.kind != "(":
            return Alias(name), ()
        if self.peek(2) in (",", ")"):
            return Alias(name, self.name_list_in_parens()), ()
        return Alias(name), self.in_parens(self._column_definition)

    def _column_definition(self) -> ColumnDef:
        """TableFuncElement."""
        at = self.at
        name = self.column_name()
        type_ = self.type_name()
        collation = self.any_name() if self.accept("collate") else None
        return ColumnDef(name, type_, collation=collation, at=at)

    # --- ORDER BY

    def order_by(self) -> tuple[SortBy, ...]:
        """opt_sort_clause."""
        if not self.accept("order"):
            return ()
        self.expect("by")
        self.constants_only += 1
        items = self.comma_list(self._sort_by)
        self.constants_only -= 1
        return items

    def _sort_by(self) -> SortBy:
        at = self.at
        expr = self.expression()
        using, descending = None, False
        if self.accept("using"):
            using, schema = self.operator_name()
            using = f"{schema}.{using}" if schema else using
        elif not self.accept("asc"):
            descending = self.accept("desc")
        return SortBy(expr, descending, self.nulls_order(), using, at)

    def nulls_order(self) -> bool | None:
        """opt_nulls_order: True for FIRST."""
        if not self.accept("nulls_la"):
            return None
        return self.expect_any(("first", "last")) == "first"

    # --- windows

    def window_definition(self) -> WindowDef:
        """window_definition in the WINDOW clause."""
        name = self.column_name()
        self.expect("as")
        if self.kind != "(":
            raise self.fail()
        return replace(self.window_specification(), name=name)

    def window_specification(self) -> WindowDef:
        at = self.at
        self.expect("(")
        base = None
        if self.kind in COLUMN_NAMES and self.kind not in ("partition", *_FRAMES):
            base = self.column_name()
        partition: tuple[Expr, ...] = ()
        if self.accept("partition"):
            self.expect("by")
            partition = self.comma_list(self.expression)
        window = WindowDef(base=base, partition_by=partition, order_by=self.order_by(), at=at)
        mode = self.accept_any(_FRAMES)
        if mode:
            window = self._frame(window, mode)
        self.expect(")")
        return window

    def _frame(self, window: WindowDef, mode: str) -> WindowDef:
        between = self.accept("between")
        start_at = self.at
        start = self._bound()
        end: tuple[str, Expr | None] = ("current row", None)
        end_at = start_at
        if between:
            self.expect("and")
            end_at = self.at
            end = self._bound()
        if start[0] == "unbounded following":
            raise self.refuse("frame start cannot be UNBOUNDED FOLLOWING", start_at, "42P20")
        if between:
            self._check_frame(start[0], end[0], end_at)
        elif start[0] == "following":
            raise self.refuse(
                "frame starting from following row cannot end with current row", start_at, "42P20"
            )
        return replace(window, frame_mode=mode, start=start, end=end, exclude=self._exclusion())

    def _check_frame(self, start: str, end: str, at: int) -> None:
        if end == "unbounded preceding":
            raise self.refuse("frame end cannot be UNBOUNDED PRECEDING", at, "42P20")
        if start == "current row" and end == "preceding":
            raise self.refuse("frame starting from current row cannot have preceding rows", at, "42P20")
        if start == "following" and end in ("preceding", "current row"):
            raise self.refuse("frame starting from following row cannot have preceding rows", at, "42P20")

    def _bound(self) -> tuple[str, Expr | None]:
        if self.kind == "unbounded" and self.peek() in ("preceding", "following"):
            self.index += 2
            return f"unbounded {self.kinds[self.index - 1]}", None
        if self.accept("current", "row"):
            return "current row", None
        offset = self.expression()
        return self.expect_any(("preceding", "following")), offset

    def _exclusion(self) -> str | None:
        if not self.accept("exclude"):
            return None
        if self.accept("current"):
            self.expect("row")
            return "current row"
        if self.accept("no"):
            self.expect("others")
            return None
        return self.expect_any(("group", "ties"))
