"""CREATE TABLE (gram.y: CreateStmt, CreateAsStmt)."""

from dataclasses import replace

from server.sql.ast import (
    ColumnDef,
    Constraint,
    CreateStmt,
    CreateTableAsStmt,
    LikeClause,
    Names,
    RangeVar,
    Statement,
    TypeName,
)
from server.sql.grammar_base import COLUMN_NAMES
from server.sql.grammar_constraint import Constraints, Options

_CONSTRAINT_STARTS = frozenset({"constraint", "check", "unique", "primary", "foreign"})
_LIKE_OPTIONS = (
    "comments",
    "compression",
    "constraints",
    "defaults",
    "identity",
    "generated",
    "indexes",
    "statistics",
    "storage",
    "all",
)

Element = ColumnDef | Constraint | LikeClause


class Tables(Constraints):
    """`create_table`: from the word TABLE on."""

    elements_only = False
    """Inside CREATE SCHEMA, where CREATE TABLE AS is not allowed."""

    def persistence(self) -> str | None:
        """OptTemp."""
        if self.kind in ("local", "global"):
            self.index += 1
            self.expect_any(("temp", "temporary"))
            return "temp"
        word = self.accept_any(("temp", "temporary", "unlogged"))
        return "temp" if word == "temporary" else word

    def create_table(self, at: int, persistence: str | None) -> Statement:
        """CREATE ... TABLE; the words before TABLE have been read."""
        self.expect("table")
        if_not_exists = self.if_not_exists()
        where = self.at
        names = self.qualified_name()
        relation = RangeVar(names, at=where)
        if self.kind == "(" and (self.elements_only or not self._is_column_list()):
            elements = self._elements()
            inherits = self.in_parens(self.qualified_name) if self.accept("inherits") else ()
            return self._tail(
                CreateStmt(relation, elements, if_not_exists, persistence, inherits=inherits, at=at)
            )
        if self.accept("of"):
            of_type = self.any_name()
            typed = self._typed_elements()
            return self._tail(CreateStmt(relation, typed, if_not_exists, persistence, of_type=of_type, at=at))
        if self.accept("partition"):
            self.expect("of")
            parent = self.qualified_name()
            typed = self._typed_elements()
            self._partition_bound()
            return self._tail(
                CreateStmt(relation, typed, if_not_exists, persistence, partition_of=parent, at=at)
            )
        return self.create_table_as(names, at)

    def _is_column_list(self) -> bool:
        """`(a, b)` before AS: a list of names, not of columns with types."""
        return self.peek() in COLUMN_NAMES and self.peek(2) in (",", ")")

    def create_table_as(self, names: Names, at: int) -> CreateTableAsStmt:
        """CreateAsStmt, after the table's name."""
        if self.elements_only:
            raise self.fail()
        if self.kind == "(":
            self.name_list_in_parens()
        self._table_options()
        self.expect("as")
        if self.kind == "execute":
            self.index += 1
            self.column_name()
            if self.kind == "(":
                self.in_parens(self.expression)
            query: Statement | None = None
        else:
            query = self.select_statement()
        if self.accept("with"):
            self.accept("no")
            self.expect("data")
        return CreateTableAsStmt(names, query, at)

    # --- elements

    def _elements(self) -> tuple[Element, ...]:
        self.expect("(")
        if self.accept(")"):
            return ()
        elements = self.comma_list(self._element)
        self.expect(")")
        return elements

    def starts_constraint(self) -> bool:
        """True before a table constraint; EXCLUDE is a column's name as well."""
        kind = self.kind
        return kind in _CONSTRAINT_STARTS or (kind == "exclude" and self.peek() in ("(", "using"))

    def _element(self) -> Element:
        if self.starts_constraint():
            return self.table_constraint()
        if self.kind == "like":
            return self._like()
        return self.column_definition()

    def _like(self) -> LikeClause:
        at = self.at
        self.index += 1
        where = self.at
        relation = RangeVar(self.qualified_name(), at=where)
        options: list[tuple[bool, str]] = []
        while word := self.accept_any(("including", "excluding")):
            options.append((word == "including", self.expect_any(_LIKE_OPTIONS)))
        return LikeClause(relation, tuple(options), at)

    def _typed_elements(self) -> tuple[Element, ...]:
        """OptTypedTableElementList: columns of a typed table or partition, without types."""
        return self.in_parens(self._typed_element) if self.kind == "(" else ()

    def _typed_element(self) -> Element:
        if self.starts_constraint():
            return self.table_constraint()
        at = self.at
        name = self.column_name()
        if self.accept("with"):
            self.expect("options")
        constraints, collation = self.column_qualifiers()
        return ColumnDef(name, TypeName(()), constraints, collation, at=at)

    # --- what follows the elements

    def _tail(self, statement: CreateStmt) -> CreateStmt:
        """PARTITION BY, USING, WITH, ON COMMIT, TABLESPACE."""
        partition = self._partition_by() if self.kind == "partition" else None
        method, options, on_commit, tablespace = self._table_options()
        return replace(
            statement,
            partition_by=partition,
            access_method=method,
            options=options,
            on_commit=on_commit,
            tablespace=tablespace,
        )

    def _table_options(self) -> tuple[str | None, Options, str | None, str | None]:
        method = self.column_name() if self.accept("using") else None
        options: Options = ()
        if self.kind == "with":
            self.index += 1
            options = self.storage_parameters()
        elif self.accept("without"):
            self.expect("oids")
        on_commit = None
        if self.accept("on"):
            self.expect("commit")
            if self.accept("drop"):
                on_commit = "drop"
            else:
                on_commit = f"{self.expect_any(('delete', 'preserve'))} rows"
                self.expect("rows")
        tablespace = self.column_name() if self.accept("tablespace") else None
        return method, options, on_commit, tablespace

    def _partition_by(self) -> str:
        self.expect("partition", "by")
        strategy = self.column_name()
        self.in_parens(self._partition_element)
        if strategy.lower() not in ("list", "range", "hash"):
            raise self.refuse(f'unrecognized partitioning strategy "{strategy}"', -1, "22023")
        return strategy

    def _partition_element(self) -> None:
        if self.kind == "(":
            self.index += 1
            self.expression()
            self.expect(")")
        elif self._is_plain_column(self.kind):
            self.column_name()
        else:
            self._windowless()
        if self.accept("collate"):
            self.any_name()
        if self.kind in COLUMN_NAMES:
            self.any_name()

    def _partition_bound(self) -> None:
        """PartitionBoundSpec."""
        if self.accept("default"):
            return
        self.expect("for", "values")
        if self.accept("with"):
            for name, at in self.in_parens(self._hash_bound):
                if name not in ("modulus", "remainder"):
                    raise self.refuse(f'unrecognized hash partition bound specification "{name}"', at)
        elif self.accept("in"):
            self.in_parens(self.expression)
        else:
            self.expect("from")
            self.in_parens(self.expression)
            self.expect("to")
            self.in_parens(self.expression)

    def _hash_bound(self) -> tuple[str, int]:
        at = self.at
        name = self.non_reserved()
        self.integer()
        return name, at
