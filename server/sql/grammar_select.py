"""Queries: SELECT, VALUES, TABLE, set operations, WITH (gram.y: SelectStmt; manual, SELECT)."""

from dataclasses import replace

from server.errors import PgError
from server.sql.ast import (
    Alias,
    ColumnRef,
    CommonTableExpr,
    CycleClause,
    Expr,
    GroupingSet,
    Literal,
    LockingClause,
    Names,
    Query,
    RangeVar,
    ResTarget,
    SearchClause,
    SelectStmt,
    SetOperation,
    SortBy,
    Statement,
    TypeCast,
    TypeName,
    ValuesStmt,
    WithClause,
)
from server.sql.grammar_base import COLUMN_NAMES
from server.sql.grammar_expr import INFIX_WORDS
from server.sql.grammar_from import FromClause
from server.sql.keywords import AS_LABEL, KEYWORDS
from server.sql.lexer import END, FCONST, ICONST, IDENT

BARE_LABELS = (KEYWORDS - AS_LABEL) | {IDENT}
"""BareColLabel: what names an output column without AS."""
_AFTER_TARGET = frozenset(
    {",", ")", ";", END}
    | {
        "from",
        "into",
        "where",
        "group",
        "having",
        "window",
        "union",
        "intersect",
        "except",
        "order",
        "limit",
        "offset",
        "fetch",
        "for",
        "on",
        "returning",
        "with",
    }
)
_SET_LEVELS = {"union": 1, "except": 1, "intersect": 2}
_QUERY_TAIL = ("order", "limit", "offset", "fetch", "for")


class Queries(FromClause):
    """`select_statement` is SelectStmt, `query` select_no_parens."""

    # --- whole queries

    def select_statement(self) -> Query:
        """SelectStmt: a query, perhaps in parentheses. Raises PgError 42601."""
        if self.kind != "(":
            return self.query()
        inner = self.query_in_parens()
        return self.query_from(inner)

    def query_in_parens(self) -> Query:
        """select_with_parens."""
        self.expect("(")
        query = self.select_statement()
        self.expect(")")
        return query

    def query(self) -> Query:
        """select_no_parens (or one in parentheses with options)."""
        with_ = self.with_clause() if self.kind in ("with", "with_la") else None
        return self.query_after(with_)

    def query_after(self, with_: WithClause | None) -> Query:
        """The query that follows its WITH clause."""
        return self._with_options(self._set_operation(self._set_operand(), 0), with_)

    def query_from(self, left: Query) -> Query:
        return self._with_options(self._set_operation(left, 0), None)

    def _set_operand(self) -> Query:
        kind = self.kind
        if kind == "select":
            return self._select()
        if kind == "values":
            return self._values()
        if kind == "(":
            return self.query_in_parens()
        if kind == "table":
            return self._table()
        raise self.fail()

    def _set_operation(self, left: Query, floor: int) -> Query:
        while (level := _SET_LEVELS.get(self.kind, 0)) > floor:
            at, op = self.at, self.kind
            self.index += 1
            everything = self.accept("all")
            if not everything:
                self.accept("distinct")
            right = self._set_operation(self._set_operand(), level)
            left = SetOperation(op, everything, left, right, at=at)
        return left

    def _with_options(self, query: Query, with_: WithClause | None) -> Query:
        """ORDER BY, LIMIT, OFFSET, FETCH, FOR; none may come twice (gram.y: insertSelectOptions)."""
        if with_ is None and self.kind not in _QUERY_TAIL:
            return query
        order_at = self.at
        order = self.order_by()
        locking = self._locking()
        limit, offset, ties = self._limits()
        if not locking:
            locking = self._locking()
        return self._attach(query, with_, (order, order_at), locking, (limit, offset, ties))

    def _attach(
        self,
        query: Query,
        with_: WithClause | None,
        order: tuple[tuple[SortBy, ...], int],
        locking: tuple[LockingClause, ...],
        limits: "tuple[_Limit | None, _Limit | None, bool]",
    ) -> Query:
        limit, offset, ties = limits
        if order[0] and query.order_by:
            raise self.refuse("multiple ORDER BY clauses not allowed", order[0][0].at)
        if offset and query.offset:
            raise self.refuse("multiple OFFSET clauses not allowed", offset[1])
        if limit and (query.limit or query.with_ties):
            raise self.refuse("multiple LIMIT clauses not allowed", limit[1])
        if ties:
            if not order[0] and not query.order_by:
                raise self.refuse("WITH TIES cannot be specified without ORDER BY clause", -1)
            if any(clause.wait == "skip locked" for clause in (*query.locking, *locking)):
                raise self.refuse("SKIP LOCKED and WITH TIES options cannot be used together", -1)
        if with_ and query.with_:
            raise self.refuse("multiple WITH clauses not allowed", with_.at)
        return replace(
            query,
            with_=with_ or query.with_,
            order_by=order[0] or query.order_by,
            limit=limit[0] if limit else query.limit,
            with_ties=ties or query.with_ties,
            offset=offset[0] if offset else query.offset,
            locking=query.locking + locking,
        )

    # --- simple selects

    def _select(self) -> SelectStmt:
        at = self.at
        self.index += 1
        distinct = self._distinct()
        targets: tuple[ResTarget, ...] = ()
        if distinct is not False or self.kind not in _AFTER_TARGET:
            targets = self.comma_list(self.target)
        into = self._into() if self.accept("into") else None
        from_ = self.comma_list(self.table_ref) if self.accept("from") else ()
        where = self.expression() if self.accept("where") else None
        group_distinct, groups = self._group_by() if self.accept("group") else (False, ())
        having = self.expression() if self.accept("having") else None
        windows = self.comma_list(self.window_definition) if self.accept("window") else ()
        return SelectStmt(
            targets, distinct, into, from_, where, groups, group_distinct, having, windows, at=at
        )

    def _distinct(self) -> bool | tuple[Expr, ...]:
        if self.accept("distinct"):
            if not self.accept("on"):
                return True
            self.constants_only += 1
            items = self.in_parens(self.expression)
            self.constants_only -= 1
            return items
        self.accept("all")
        return False

    def target(self) -> ResTarget:
        """target_el."""
        at = self.at
        if self.accept("*"):
            return ResTarget(ColumnRef(("*",), True, at), None, at)
        start, lifted = self.index, len(self.lifted)
        try:
            expr = self.expression()
        except PgError as error:
            expr = self._labelled_by_operator(start, lifted, error)
        name = None
        if self.accept("as"):
            name = self.label()
        elif self.kinds[self.index] in BARE_LABELS:
            name = self.values[self.index]
            self.index += 1
        return ResTarget(expr, name, at)

    def _labelled_by_operator(self, start: int, lifted: int, error: PgError) -> Expr:
        """An operator's word with nothing to operate on names the column: `SELECT a AND FROM t`."""
        label = self.index - 1
        if self.kind not in _AFTER_TARGET or self.kinds[label] not in INFIX_WORDS or label <= start:
            raise error
        outer = self.label_at
        try:
            self.index, self.label_at = start, label
            del self.lifted[lifted:]
            expr = self.expression()
        except PgError:
            raise error from None
        finally:
            found, self.label_at = self.index, outer
            self.index = label + (found != label)
        if found != label:
            raise error
        return expr

    def _into(self) -> Names:
        """OptTempTableName."""
        if self.kind in ("local", "global") and self.peek() in ("temp", "temporary"):
            self.index += 2
        elif self.kind in ("temp", "temporary", "unlogged") and (
            self.peek() == "table" or self.peek() in COLUMN_NAMES
        ):
            self.index += 1
        self.accept("table")
        return self.qualified_name()

    def _values(self) -> ValuesStmt:
        at = self.at
        self.index += 1
        return ValuesStmt(self.comma_list(self._row_of_values), at=at)

    def _row_of_values(self) -> tuple[Expr, ...]:
        return self.in_parens(self.expression)

    def _table(self) -> SelectStmt:
        at = self.at
        self.index += 1
        star = ResTarget(ColumnRef(("*",), True))
        return SelectStmt((star,), from_=(self.relation_expr(),), at=at)

    # --- GROUP BY

    def _group_by(self) -> tuple[bool, tuple[Expr | GroupingSet, ...]]:
        self.expect("by")
        distinct = self.accept("distinct")
        if not distinct:
            self.accept("all")
        self.constants_only += 1
        items = self.comma_list(self._group_item)
        self.constants_only -= 1
        return distinct, items

    def _group_item(self) -> Expr | GroupingSet:
        at, kind = self.at, self.kind
        if kind == "(" and self.peek() == ")":
            self.index += 2
            return GroupingSet("empty", at=at)
        if kind in ("cube", "rollup") and self.peek() == "(":
            self.index += 1
            return GroupingSet(kind, self.in_parens(self.expression), at)
        if kind == "grouping" and self.peek() == "sets":
            self.index += 2
            return GroupingSet("sets", self.in_parens(self._group_item), at)
        return self.expression()

    # --- LIMIT, OFFSET, FETCH

    def _limits(self) -> "tuple[_Limit | None, _Limit | None, bool]":
        limit = offset = None
        ties = False
        if self.kind == "offset":
            offset = self._offset()
        if self.kind in ("limit", "fetch"):
            limit, ties = self._limit() if self.kind == "limit" else self._fetch()
            if offset is None and self.kind == "offset":
                offset = self._offset()
        return limit, offset, ties

    def _limit(self) -> "tuple[_Limit, bool]":
        at = self.at
        self.index += 1
        start = self.index
        value = None if self.accept("all") else self.expression()
        if self.accept(","):
            self.expression()
            hint = "Use separate LIMIT and OFFSET clauses."
            raise PgError("42601", "LIMIT #,# syntax is not supported", hint=hint, position=at + 1)
        return (value, self.starts[start]), False

    def _fetch(self) -> "tuple[_Limit, bool]":
        at = self.at
        self.index += 1
        self.expect_any(("first", "next"))
        value: Expr = Literal("integer", "1")
        start = self.index
        if self.kind not in ("row", "rows"):
            value = self._count()
        self.expect_any(("row", "rows"))
        ties = self.kind == "with"
        if ties:
            self.expect("with", "ties")
        else:
            self.expect("only")
        return (value, self.starts[start] if value.at >= 0 else at), ties

    def _count(self) -> Expr:
        """select_fetch_first_value."""
        if self.kind in ("+", "-"):
            if self.peek() not in (ICONST, FCONST):
                self.index += 1
                raise self.fail()
            return self.expression(floor=12)
        return self.primary()

    def _offset(self) -> "_Limit":
        self.index += 1
        start, lifted = self.index, len(self.lifted)
        value = self.expression()
        if self.kind in ("row", "rows"):
            end = self.index
            self.index = start
            del self.lifted[lifted:]
            value = self._count_up_to(end)
            self.index += 1
        return value, self.starts[start]

    def _count_up_to(self, end: int) -> Expr:
        """The count before ROW or ROWS, which is less than an expression."""
        try:
            value = self._count()
        except PgError:
            raise self.fail(end) from None
        if self.index != end:
            raise self.fail(end)
        return value

    # --- FOR UPDATE

    def _locking(self) -> tuple[LockingClause, ...]:
        clauses: list[LockingClause] = []
        if self.kind == "for" and self.peek() == "read":
            self.index += 2
            self.expect("only")
            return ()
        while self.kind == "for":
            at = self.at
            self.index += 1
            strength = self._strength()
            tables = self.comma_list(self.qualified_name) if self.accept("of") else ()
            wait = None
            if self.accept("nowait"):
                wait = "nowait"
            elif self.accept("skip"):
                self.expect("locked")
                wait = "skip locked"
            clauses.append(LockingClause(strength, tables, wait, at))
        return tuple(clauses)

    def _strength(self) -> str:
        if self.accept("no"):
            self.expect("key", "update")
            return "no key update"
        if self.accept("key"):
            self.expect("share")
            return "key share"
        return self.expect_any(("update", "share"))

    # --- WITH

    def with_clause(self) -> WithClause:
        """with_clause."""
        at = self.at
        self.index += 1
        recursive = self.kind == "recursive" and self.peek() not in ("as", "(")
        if recursive:
            self.index += 1
        ctes = self.comma_list(self._cte)
        return WithClause(ctes, recursive, at)

    def _cte(self) -> CommonTableExpr:
        at = self.at
        name = self.column_name()
        columns = self.name_list_in_parens() if self.kind == "(" else ()
        self.expect("as")
        materialized = None
        if self.accept("materialized"):
            materialized = True
        elif self.accept("not"):
            self.expect("materialized")
            materialized = False
        self.expect("(")
        query = self.preparable_statement()
        self.expect(")")
        search = self._search() if self.kind == "search" else None
        cycle = self._cycle() if self.kind == "cycle" else None
        return CommonTableExpr(name, columns, query, materialized, search, cycle, at)

    def preparable_statement(self) -> Statement:
        """PreparableStmt."""
        raise NotImplementedError

    def _search(self) -> SearchClause:
        """opt_search_clause."""
        at = self.at
        self.expect("search")
        depth_first = self.kind == "depth"
        self.expect_any(("depth", "breadth"))
        self.expect("first", "by")
        columns = self.comma_list(self.column_name)
        self.expect("set")
        return SearchClause(depth_first, columns, self.column_name(), at)

    def _cycle(self) -> CycleClause:
        """opt_cycle_clause; without TO the mark is a boolean."""
        at = self.at
        self.expect("cycle")
        columns = self.comma_list(self.column_name)
        self.expect("set")
        mark = self.column_name()
        value: Expr = Literal("bool", "true")
        default: Expr = Literal("bool", "false")
        if self.accept("to"):
            value = self._cycle_mark()
            self.expect("default")
            default = self._cycle_mark()
        self.expect("using")
        return CycleClause(columns, mark, value, default, self.column_name(), at)

    def _cycle_mark(self) -> Expr:
        """AexprConst."""
        at = self.at
        if self.kind in COLUMN_NAMES and self.peek() not in (".", "(") and self.kind == IDENT:
            name = self.column_name()
            literal_at = self.at
            return TypeCast(Literal("string", self.string(), literal_at), TypeName((name,), at=at), at)
        self.constants_only += 1
        value = self.primary()
        self.constants_only -= 1
        if not isinstance(value, Literal | TypeCast):
            raise self.fail()
        return value

    def returning(self) -> tuple[ResTarget, ...]:
        """returning_clause."""
        return self.comma_list(self.target) if self.accept("returning") else ()

    def relation_with_alias(self) -> RangeVar:
        """relation_expr_opt_alias; SET is an alias only after AS."""
        relation = self.relation_expr()
        if self.accept("as") or (self.kind in COLUMN_NAMES and self.kind != "set"):
            return replace(relation, alias=Alias(self.column_name()))
        return relation


_Limit = tuple[Expr | None, int]
