"""Columns, constraints and option lists (gram.y: columnDef, ColConstraintElem, ConstraintElem)."""

from dataclasses import replace

from server.sql.ast import ColumnDef, Constraint, Expr, Names, RangeVar
from server.sql.grammar_dml import DataChanges
from server.sql.grammar_expr import SYMBOLS
from server.sql.keywords import RESERVED
from server.sql.lexer import FCONST, ICONST, SCONST

Options = tuple[tuple[str, object], ...]


class Constraints(DataChanges):
    """`column_definition`, `table_constraint`, `storage_parameters`, `definition`, `sequence_options`."""

    # --- option lists

    def definition(self) -> Options:
        """definition: `(name [= value], ...)`."""
        return self.in_parens(self._definition_element)

    def _definition_element(self) -> tuple[str, object]:
        name = self.label()
        return name, self.definition_value() if self.accept("=") else None

    def storage_parameters(self) -> Options:
        """reloptions: names may have a namespace."""
        return self.in_parens(self._storage_parameter)

    def _storage_parameter(self) -> tuple[str, object]:
        name = self.label()
        if self.accept("."):
            name = f"{name}.{self.label()}"
        return name, self.definition_value() if self.accept("=") else None

    def definition_value(self) -> str:
        """def_arg, as text."""
        kind = self.kind
        start = self.index
        if kind == SCONST or kind in SYMBOLS - {"+", "-"} or kind in RESERVED or kind == "none":
            self.index += 1
            return self.values[start]
        if kind in ("+", "-") and self.peek() not in (ICONST, FCONST):
            self.index += 1
            return kind
        if kind in ("+", "-", ICONST, FCONST):
            return self.number()
        if kind == "operator":
            return self.operator_name()[0]
        self.function_type()
        return self.slice(start).lower()

    def function_type(self) -> None:
        """func_type: a type, or the type of a column."""
        self.type_name()
        if self.accept("%"):
            self.expect("type")

    def sequence_options(self) -> Options:
        """OptParenthesizedSeqOptList."""
        if not self.accept("("):
            return ()
        options = [self.sequence_option()]
        while self.kind != ")":
            options.append(self.sequence_option())
        self.index += 1
        return tuple(options)

    def sequence_option(self) -> tuple[str, object]:
        """SeqOptElem."""
        if self.accept("as"):
            return "as", self.simple_type()
        word = self.expect_any(
            (
                "cache",
                "cycle",
                "no",
                "increment",
                "maxvalue",
                "minvalue",
                "owned",
                "sequence",
                "start",
                "restart",
            )
        )
        if word == "cycle":
            return "cycle", True
        if word == "no":
            word = self.expect_any(("cycle", "maxvalue", "minvalue"))
            return word, False if word == "cycle" else None
        if word == "increment":
            self.accept("by")
        elif word == "owned":
            self.expect("by")
            return "owned by", self.any_name()
        elif word == "sequence":
            self.expect("name")
            return "sequence name", self.any_name()
        elif word in ("start", "restart") and not self.accept("with") and word == "restart":
            has_value = self.kind in ("+", "-", ICONST, FCONST)
            return "restart", self.number() if has_value else None
        return word, self.number()

    # --- columns

    def column_definition(self) -> ColumnDef:
        """columnDef."""
        at = self.at
        name = self.column_name()
        type_ = self.type_name()
        storage = self._method("storage")
        compression = self._method("compression")
        if self.accept("options"):
            self.generic_options()
        constraints, collation = self.column_qualifiers()
        return ColumnDef(name, type_, constraints, collation, storage, compression, at)

    def _method(self, word: str) -> str | None:
        """STORAGE or COMPRESSION and its value."""
        if not self.accept(word):
            return None
        return "default" if self.accept("default") else self.column_name().lower()

    def generic_options(self) -> None:
        """create_generic_options, which only foreign tables have."""
        self.in_parens(self._generic_option)

    def _generic_option(self) -> None:
        self.label()
        self.string()

    def column_qualifiers(self) -> tuple[tuple[Constraint, ...], Names | None]:
        """ColQualList: the constraints, their attributes folded in, and the collation."""
        found: list[Constraint] = []
        collation: Names | None = None
        repeated = -1
        while True:
            at = self.at
            if self.accept("collate"):
                if collation is not None:
                    repeated = at if repeated < 0 else repeated
                collation = self.any_name()
            elif self.kind in ("deferrable", "initially") or (
                self.kind == "not" and self.peek() == "deferrable"
            ):
                self._column_attribute(found)
            else:
                constraint = self._column_constraint()
                if constraint is None:
                    if repeated >= 0:
                        raise self.refuse("multiple COLLATE clauses not allowed", repeated)
                    return tuple(found), collation
                found.append(constraint)

    def _column_attribute(self, found: list[Constraint]) -> None:
        """An attribute after a column's constraint belongs to that constraint (parse_utilcmd.c)."""
        at = self.at
        if self.accept("initially"):
            deferred = self.expect_any(("deferred", "immediate")) == "deferred"
            word = f"INITIALLY {'DEFERRED' if deferred else 'IMMEDIATE'}"
            deferrable = True if deferred else None
        else:
            negated = self.accept("not")
            self.expect("deferrable")
            word, deferred, deferrable = "NOT DEFERRABLE" if negated else "DEFERRABLE", False, not negated
        if not found or found[-1].kind not in ("primary key", "unique", "foreign key"):
            self.defer(self.refuse(f"misplaced {word} clause", at))
            return
        last = found[-1]
        if deferrable is None or (deferred and last.deferrable is False):
            deferrable = last.deferrable
        deferred = deferred or last.initially_deferred
        if deferred and deferrable is False:
            self.defer(self.refuse("constraint declared INITIALLY DEFERRED must be DEFERRABLE", at))
            return
        found[-1] = replace(last, deferrable=deferrable, initially_deferred=deferred)

    def _column_constraint(self) -> Constraint | None:
        at = self.at
        name = None
        if self.accept("constraint"):
            name = self.column_name()
        start = self.index
        constraint = self._column_element(name, at)
        if constraint is None and (name is not None or self.index > start):
            raise self.fail()
        return constraint

    def _column_element(self, name: str | None, at: int) -> Constraint | None:
        """ColConstraintElem."""
        kind = self.accept_any(
            ("not", "null", "unique", "primary", "check", "default", "generated", "references")
        )
        if kind is None:
            return None
        if kind == "not":
            self.expect("null")
            return Constraint("not null", name, at=at)
        if kind == "null":
            return Constraint("null", name, at=at)
        if kind == "check":
            expr, text = self._checked()
            return Constraint("check", name, expr, text, no_inherit=self._no_inherit(), at=at)
        if kind == "default":
            start = self.index
            default = self.restricted_expression()
            return Constraint("default", name, default, self.slice(start), at=at)
        if kind == "generated":
            return self._generated(name, at)
        if kind == "references":
            return self._references(Constraint("foreign key", name, at=at))
        nulls = self._nulls_not_distinct() if kind == "unique" else False
        if kind == "primary":
            self.expect("key")
        options = self.definition() if self.accept("with") else ()
        kind = "unique" if kind == "unique" else "primary key"
        return Constraint(
            kind, name, nulls_not_distinct=nulls, options=options, tablespace=self._index_tablespace(), at=at
        )

    def _checked(self) -> tuple[Expr, str]:
        """`(a_expr)` and its text."""
        self.expect("(")
        start = self.index
        expr = self.expression()
        text = self.slice(start)
        self.expect(")")
        return expr, text

    def _no_inherit(self) -> bool:
        if self.kind == "no":
            self.expect("no", "inherit")
            return True
        return False

    def _nulls_not_distinct(self) -> bool:
        """opt_unique_null_treatment: True for NULLS NOT DISTINCT."""
        if not self.accept("nulls"):
            return False
        negated = self.accept("not")
        self.expect("distinct")
        return negated

    def _index_tablespace(self) -> str | None:
        """OptConsTableSpace."""
        if self.kind != "using":
            return None
        self.expect("using", "index", "tablespace")
        return self.column_name()

    def _generated(self, name: str | None, at: int) -> Constraint:
        where = self.at
        always = self.accept("always")
        if not always:
            self.expect("by", "default")
        self.expect("as")
        if self.accept("identity"):
            return Constraint("identity", name, always=always, options=self.sequence_options(), at=at)
        expr, text = self._checked()
        self.expect("stored")
        if not always:
            raise self.refuse("for a generated column, GENERATED ALWAYS must be specified", where)
        return Constraint("generated", name, expr, text, always=True, at=at)

    # --- foreign keys

    def _references(self, constraint: Constraint) -> Constraint:
        """What follows REFERENCES."""
        at = self.at
        relation = RangeVar(self.qualified_name(), at=at)
        columns = self.name_list_in_parens() if self.kind == "(" else ()
        match = None
        if self.accept("match"):
            where = self.starts[self.index - 1]
            match = self.expect_any(("full", "partial", "simple"))
            if match == "partial":
                raise self.refuse("MATCH PARTIAL not yet implemented", where, "0A000")
        actions: dict[str, tuple[str, Names]] = {}
        while self.kind == "on" and len(actions) < 2:
            self.index += 1
            event = self.expect_any(tuple({"update", "delete"} - set(actions)))
            actions[event] = self._key_action(event)
        return replace(
            constraint,
            references=relation,
            ref_columns=columns,
            match=match,
            on_delete=actions.get("delete"),
            on_update=actions.get("update"),
        )

    def _key_action(self, event: str) -> tuple[str, Names]:
        at = self.starts[self.index - 2]
        word = self.expect_any(("no", "restrict", "cascade", "set"))
        if word == "no":
            self.expect("action")
            return "no action", ()
        if word != "set":
            return word, ()
        word = f"set {self.expect_any(('null', 'default'))}"
        columns = self.name_list_in_parens() if self.kind == "(" else ()
        if columns and event == "update":
            text = f"a column list with {word.upper()} is only supported for ON DELETE actions"
            raise self.refuse(text, at, "0A000")
        return word, columns

    # --- table constraints

    def table_constraint(self) -> Constraint:
        """TableConstraint."""
        at = self.at
        name = self.column_name() if self.accept("constraint") else None
        kind = self.expect_any(("check", "unique", "primary", "exclude", "foreign"))
        if kind == "check":
            expr, text = self._checked()
            return self._attributes(Constraint("check", name, expr, text, at=at))
        if kind == "foreign":
            self.expect("key")
            columns = self.name_list_in_parens()
            self.expect("references")
            return self._attributes(self._references(Constraint("foreign key", name, columns=columns, at=at)))
        if kind == "exclude":
            return self._attributes(self._exclusion_constraint(name, at))
        nulls = False
        if kind == "primary":
            self.expect("key")
        elif self.kind == "nulls":
            nulls = self._nulls_not_distinct()
        kind = "unique" if kind == "unique" else "primary key"
        constraint = Constraint(kind, name, nulls_not_distinct=nulls, at=at)
        if self.accept("using"):
            if nulls or self.kinds[self.index - 2] == "distinct":
                raise self.fail(self.index - 1)
            self.expect("index")
            return self._attributes(replace(constraint, using_index=self.column_name()))
        columns = self.name_list_in_parens()
        return self._attributes(self._index_parts(replace(constraint, columns=columns)))

    def _index_parts(self, constraint: Constraint) -> Constraint:
        """INCLUDE, WITH, USING INDEX TABLESPACE."""
        including = self.include()
        options = self.definition() if self.accept("with") else ()
        return replace(constraint, including=including, options=options, tablespace=self._index_tablespace())

    def include(self) -> Names:
        """opt_c_include."""
        return self.name_list_in_parens() if self.accept("include") else ()

    def _exclusion_constraint(self, name: str | None, at: int) -> Constraint:
        if self.accept("using"):
            self.column_name()
        self.in_parens(self._exclusion_element)
        constraint = self._index_parts(Constraint("exclude", name, at=at))
        if self.accept("where"):
            self._checked()
        return constraint

    def _exclusion_element(self) -> None:
        self.index_element()
        self.expect("with")
        if self.kind == "operator" and self.peek() == "(":
            self.operator_name()
        else:
            self.any_operator()

    def constraint_attributes(self, kind: str) -> Constraint:
        """ConstraintAttributeSpec alone, as ALTER CONSTRAINT has it."""
        return self._attributes(Constraint(kind))

    def _attributes(self, constraint: Constraint) -> Constraint:
        """ConstraintAttributeSpec, checked as gram.y's processCASbits does."""
        deferrable: bool | None = None
        initially: bool | None = None
        not_valid = no_inherit = False
        while self.kind in ("not", "deferrable", "initially", "no"):
            where = self.at
            word = self.kind
            self.index += 1
            if word == "initially":
                value = self.expect_any(("immediate", "deferred")) == "deferred"
                clash = initially is (not value)
                initially = value
            elif word == "no":
                self.expect("inherit")
                no_inherit, clash = True, False
            elif word == "not" and self.accept("valid"):
                not_valid, clash = True, False
            else:
                if word == "not":
                    self.expect("deferrable")
                clash = deferrable is (word == "not")
                deferrable = word != "not"
            if deferrable is False and initially:
                raise self.refuse("constraint declared INITIALLY DEFERRED must be DEFERRABLE", where)
            if clash:
                raise self.refuse("conflicting constraint properties", where)
        marked = {"DEFERRABLE": deferrable or initially, "NOT VALID": not_valid, "NO INHERIT": no_inherit}
        self._check_attributes(constraint.kind, marked)
        return replace(
            constraint,
            deferrable=True if initially else deferrable,
            initially_deferred=bool(initially),
            not_valid=not_valid,
            no_inherit=no_inherit,
        )

    def _check_attributes(self, kind: str, marked: dict[str, bool | None]) -> None:
        allowed = {"check": ("NOT VALID", "NO INHERIT"), "foreign key": ("DEFERRABLE", "NOT VALID")}
        shown = kind if kind[0].isupper() else kind.upper()
        for word, given in marked.items():
            if given and word not in allowed.get(kind, ("DEFERRABLE",)):
                raise self.refuse(f"{shown} constraints cannot be marked {word}", -1, "0A000")
