"""INSERT, UPDATE, DELETE (gram.y: InsertStmt, UpdateStmt, DeleteStmt)."""

from server.sql.ast import (
    Alias,
    DeleteStmt,
    Expr,
    FieldSelect,
    IndexElem,
    InsertStmt,
    Literal,
    Names,
    OnConflict,
    Query,
    RangeVar,
    ResTarget,
    SetClause,
    Statement,
    Subscript,
    Unsupported,
    UpdateStmt,
    WithClause,
)
from server.sql.grammar_base import COLUMN_NAMES
from server.sql.grammar_select import Queries
from server.sql.special_calls import SPECIAL, VALUE_FUNCTIONS


class DataChanges(Queries):
    """`preparable_statement`: every statement that may stand in WITH or after EXPLAIN."""

    def preparable_statement(self) -> Statement:
        """PreparableStmt."""
        kind = self.kind
        if kind not in ("with", "with_la"):
            return self._plain(kind, None)
        with_ = self.with_clause()
        if self.kind in ("insert", "update", "delete", "merge"):
            return self._plain(self.kind, with_)
        return self.query_after(with_)

    def _plain(self, kind: str, with_: WithClause | None) -> Statement:
        if kind == "insert":
            return self.insert(with_)
        if kind == "update":
            return self.update(with_)
        if kind == "delete":
            return self.delete(with_)
        if kind == "merge":
            return self.merge()
        return self.select_statement()

    def merge(self) -> Unsupported:
        """MERGE INTO: refused by DSQL (dsql-reference §1.2)."""
        at = self.at
        self.expect("merge", "into")
        self.relation_with_alias()
        self.expect("using")
        self.skip_statement()
        return Unsupported("Merge", at=at)

    def skip_statement(self) -> None:
        """To the end of this statement, or to the parenthesis that closes around it."""
        depth = 0
        while self.kind not in ("", ";") or (depth and self.kind == ";"):
            if self.kind == "(":
                depth += 1
            elif self.kind == ")":
                if depth == 0:
                    return
                depth -= 1
            self.index += 1

    # --- INSERT

    def insert(self, with_: WithClause | None) -> InsertStmt:
        at = self.at
        self.expect("insert", "into")
        where = self.at
        names = self.qualified_name()
        alias = Alias(self.column_name()) if self.accept("as") else None
        relation = RangeVar(names, alias, at=where)
        columns: tuple[ResTarget, ...] = ()
        source: Query | None = None
        overriding = None
        if self.accept("default"):
            self.expect("values")
        else:
            if self.kind == "(" and not self.starts_query():
                columns = self.in_parens(self._insert_column) if self.peek() != "(" else self._no_query()
            if self.accept("overriding"):
                overriding = self.expect_any(("system", "user"))
                self.expect("value")
            source = self.select_statement()
        conflict = self._on_conflict() if self.kind == "on" else None
        return InsertStmt(relation, columns, source, overriding, conflict, self.returning(), with_, at)

    def _no_query(self) -> tuple[ResTarget, ...]:
        """Two parentheses can only begin a query: the first token after them that begins none is wrong."""
        while self.accept("("):
            pass
        raise self.fail()

    def _insert_column(self) -> ResTarget:
        at = self.at
        name = self.column_name()
        return ResTarget(None, name, at, self._indirection())

    def _indirection(self) -> str | None:
        """opt_indirection after a target column: its first field, empty for a subscript."""
        column = Literal("null", "")
        expr = self.subscripts(column)
        first = None
        while isinstance(expr, FieldSelect | Subscript):
            first = expr.name if isinstance(expr, FieldSelect) else ""
            expr = expr.arg
        return first

    def _on_conflict(self) -> OnConflict:
        at = self.at
        self.expect("on", "conflict")
        target: tuple[IndexElem, ...] = ()
        target_where: Expr | None = None
        constraint = None
        if self.kind == "(":
            target = self.in_parens(self.index_element)
            target_where = self.where()
        elif self.accept("on"):
            self.expect("constraint")
            constraint = self.column_name()
        self.expect("do")
        if self.accept("nothing"):
            return OnConflict("nothing", target, target_where, constraint, at=at)
        self.expect("update", "set")
        sets = self.comma_list(self._set_clause)
        return OnConflict("update", target, target_where, constraint, sets, self.where(), at)

    def where(self) -> Expr | None:
        """where_clause."""
        return self.expression() if self.accept("where") else None

    def index_element(self) -> IndexElem:
        """index_elem: a column, a call, or an expression in parentheses, with its options."""
        at, kind = self.at, self.kind
        name: str | None = None
        expr: Expr | None = None
        if kind == "(":
            self.index += 1
            expr = self.expression()
            self.expect(")")
        elif self._is_plain_column(kind):
            name = self.column_name()
        else:
            expr = self._windowless()
        return self._index_options(name, expr, at)

    def _is_plain_column(self, kind: str) -> bool:
        if kind not in COLUMN_NAMES or self.peek() in ("(", "."):
            return False
        return kind not in VALUE_FUNCTIONS and self.peek() != SPECIAL.get(kind)

    def _index_options(self, name: str | None, expr: Expr | None, at: int) -> IndexElem:
        collation = self.any_name() if self.accept("collate") else None
        opclass: Names | None = None
        if self.kind in COLUMN_NAMES:
            opclass = self.any_name()
            if self.kind == "(":
                self.storage_parameters()
        direction = self.accept_any(("asc", "desc"))
        descending = None if direction is None else direction == "desc"
        return IndexElem(name, expr, collation, opclass, descending, self.nulls_order(), at)

    def storage_parameters(self) -> tuple[tuple[str, object], ...]:
        """reloptions."""
        raise NotImplementedError

    # --- UPDATE, DELETE

    def update(self, with_: WithClause | None) -> UpdateStmt:
        at = self.at
        self.index += 1
        relation = self.relation_with_alias()
        self.expect("set")
        sets = self.comma_list(self._set_clause)
        from_ = self.comma_list(self.table_ref) if self.accept("from") else ()
        where, cursor = self._where_or_current()
        return UpdateStmt(relation, sets, from_, where, cursor, self.returning(), with_, at)

    def _set_clause(self) -> SetClause:
        at = self.at
        if self.accept("("):
            targets = self.comma_list(self._insert_column)
            self.expect(")", "=")
            return self._assignment(targets, True, at)
        targets = (self._insert_column(),)
        self.expect("=")
        return self._assignment(targets, False, at)

    def _assignment(self, targets: tuple[ResTarget, ...], multiple: bool, at: int) -> SetClause:
        return SetClause(
            tuple(target.name or "" for target in targets),
            self.expression(),
            multiple,
            at,
            tuple(target.at for target in targets),
            tuple(target.indirection for target in targets),
        )

    def _where_or_current(self) -> tuple[Expr | None, str | None]:
        if not self.accept("where"):
            return None, None
        if self.kind == "current" and self.peek() == "of":
            self.index += 2
            return None, self.column_name()
        return self.expression(), None

    def delete(self, with_: WithClause | None) -> DeleteStmt:
        at = self.at
        self.expect("delete", "from")
        relation = self.relation_with_alias()
        using = self.comma_list(self.table_ref) if self.accept("using") else ()
        where, cursor = self._where_or_current()
        return DeleteStmt(relation, using, where, cursor, self.returning(), with_, at)
