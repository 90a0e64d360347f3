"""ALTER TABLE and its actions (gram.y: AlterTableStmt, alter_table_cmd; dsql-reference §1.4)."""

from server.sql.ast import (
    AlterCmd,
    AlterObjectSchemaStmt,
    AlterTableStmt,
    RangeVar,
    RenameStmt,
    Statement,
    Unsupported,
)
from server.sql.grammar_base import COLUMN_NAMES
from server.sql.grammar_session import Sessions
from server.sql.lexer import ICONST

_WORD_ACTIONS = ("trigger", "rule")


class AlterTables(Sessions):
    """`alter_table`: from the word after ALTER on."""

    def alter_table(self, at: int, kind: str) -> Statement:
        """ALTER TABLE or INDEX; the word has been read. Raises PgError 42601."""
        if self.accept("all"):
            self.expect("in", "tablespace")
            self.skip_statement()
            return Unsupported("AlterTableMoveAll", at=at)
        asynchronous = kind == "table" and self._is_async()
        if asynchronous:
            self.index += 1
        if_exists = self.if_exists()
        where = self.at
        relation = self.relation_expr() if kind == "table" else RangeVar(self.qualified_name(), at=where)
        if self.accept("rename"):
            return self._rename(kind, relation, if_exists, at)
        if self.kind == "set" and self.peek() == "schema" and kind == "table":
            self.index += 2
            return AlterObjectSchemaStmt(kind, relation.names, self.column_name(), if_exists, at)
        if asynchronous:
            # one job for one constraint: the statement answers with one row
            commands: tuple[AlterCmd, ...] = (self._command(),)
        elif self.kind in ("attach", "detach"):
            commands = (self._partition(kind),)
        else:
            commands = self.comma_list(self._command)
        return AlterTableStmt(relation, commands, if_exists, asynchronous, kind, at)

    def _is_async(self) -> bool:
        """ALTER TABLE ASYNC t VALIDATE ...; a table may be named async all the same."""
        if not self.is_word("async"):
            return False
        index = self.index + 1
        kinds = self.kinds
        if kinds[index : index + 2] == ["if", "exists"]:
            index += 2
        if kinds[index] not in COLUMN_NAMES:
            return False
        while kinds[index + 1] == ".":
            index += 2
        return kinds[index + 1] == "validate"

    def _rename(self, kind: str, relation: RangeVar, if_exists: bool, at: int) -> RenameStmt:
        what = kind
        sub_name = None
        if self.accept("constraint") if kind == "table" else False:
            what, sub_name = "constraint", self.column_name()
        elif self.kind != "to" and kind == "table":
            self.accept("column")
            what, sub_name = "column", self.column_name()
        self.expect("to")
        return RenameStmt(what, relation.names, self.column_name(), sub_name, if_exists, at)

    def _partition(self, kind: str) -> AlterCmd:
        at = self.at
        word = self.expect_any(("attach", "detach") if kind == "table" else ("attach",))
        self.expect("partition")
        names = self.qualified_name()
        if word == "attach":
            if kind == "table":
                self._partition_bound()
            return AlterCmd("attach partition", value=names, at=at)
        self.accept_any(("concurrently", "finalize"))
        return AlterCmd("detach partition", value=names, at=at)

    def _command(self) -> AlterCmd:
        """alter_table_cmd."""
        at = self.at
        word = self.expect_any(
            (
                "add",
                "alter",
                "drop",
                "validate",
                "set",
                "reset",
                "enable",
                "disable",
                "force",
                "no",
                "owner",
                "cluster",
                "inherit",
                "of",
                "not",
                "replica",
                "options",
            )
        )
        if word == "add":
            return self._add(at)
        if word == "alter":
            return self._alter(at)
        if word == "drop":
            return self._drop(at)
        if word == "validate":
            self.expect("constraint")
            return AlterCmd("validate constraint", self.column_name(), at=at)
        if word in ("enable", "disable"):
            return self._switch(word, at)
        if word == "set":
            return self._set(at)
        return self._other(word, at)

    def _other(self, word: str, at: int) -> AlterCmd:
        if word == "owner":
            self.expect("to")
            return AlterCmd("owner", self.role(), at=at)
        if word == "reset":
            return AlterCmd("reset", value=self.storage_parameters(), at=at)
        if word == "force" or (word == "no" and self.accept("force")):
            self.expect("row", "level", "security")
            return AlterCmd(f"{'no ' if word == 'no' else ''}force row security", at=at)
        if word == "cluster":
            self.expect("on")
            return AlterCmd("cluster on", self.column_name(), at=at)
        if word == "no":
            self.expect("inherit")
            return AlterCmd("no inherit", value=self.qualified_name(), at=at)
        if word == "inherit":
            return AlterCmd("inherit", value=self.qualified_name(), at=at)
        if word == "replica":
            return self._replica_identity(at)
        if word == "options":
            self._alter_generic_options()
            return AlterCmd("options", at=at)
        if word == "not":
            self.expect("of")
            return AlterCmd("not of", at=at)
        return AlterCmd("of", value=self.any_name(), at=at)

    def _replica_identity(self, at: int) -> AlterCmd:
        self.expect("identity")
        word = self.expect_any(("nothing", "full", "default", "using"))
        if word != "using":
            return AlterCmd("replica identity", word, at=at)
        self.expect("index")
        return AlterCmd("replica identity", self.column_name(), at=at)

    def _alter_generic_options(self) -> None:
        self.in_parens(self._alter_generic_option)

    def _alter_generic_option(self) -> None:
        if self.kind == "drop" and self.peek() not in (",", ")") and self.peek() != "SCONST":
            self.index += 1
            self.label()
            return
        if self.kind in ("set", "add") and self.peek() != "SCONST":
            self.index += 1
        self._generic_option()

    # --- ADD, DROP

    def _add(self, at: int) -> AlterCmd:
        if self.starts_constraint():
            return AlterCmd("add constraint", constraint=self.table_constraint(), at=at)
        self.accept("column")
        if_not_exists = self.if_not_exists()
        column = self.column_definition()
        return AlterCmd("add column", column.name, column, if_not_exists=if_not_exists, at=at)

    def _drop(self, at: int) -> AlterCmd:
        action = "drop constraint" if self.accept("constraint") else "drop column"
        if action == "drop column":
            self.accept("column")
        if_exists = self.if_exists()
        name = self.column_name()
        return AlterCmd(action, name, if_exists=if_exists, cascade=self.cascade(), at=at)

    # --- ALTER COLUMN

    def _alter(self, at: int) -> AlterCmd:
        if self.accept("constraint"):
            name = self.column_name()
            attributes = self.constraint_attributes("ALTER CONSTRAINT statement")
            return AlterCmd("alter constraint", name, constraint=attributes, at=at)
        self.accept("column")
        if self.kind == ICONST:
            where = self.at
            number = self.integer()
            self.expect("set", "statistics")
            target = self.signed_integer()
            if not 0 < number <= 32767:
                raise self.refuse("column number must be in range from 1 to 32767", where, "22023")
            return AlterCmd("set statistics", value=(number, target), at=at)
        name = self.column_name()
        word = self.expect_any(("set", "drop", "add", "type", "reset", "restart", "options"))
        if word == "set":
            return self._alter_set(name, at)
        if word == "drop":
            return self._alter_drop(name, at)
        if word == "add":
            self.expect("generated")
            always = self._generated_when()
            self.expect("as", "identity")
            return AlterCmd("add identity", name, value=(always, self.sequence_options()), at=at)
        if word == "type":
            return self._set_type(name, at)
        if word == "reset":
            return AlterCmd("reset options", name, value=self.storage_parameters(), at=at)
        if word == "options":
            self._alter_generic_options()
            return AlterCmd("options", name, at=at)
        self.index -= 1
        return self._identity_options(name, at)

    def _generated_when(self) -> bool:
        """generated_when: True for ALWAYS."""
        if self.accept("always"):
            return True
        self.expect("by", "default")
        return False

    def _alter_set(self, name: str, at: int) -> AlterCmd:
        kind = self.kind
        if self.accept("default"):
            start = self.index
            expr = self.expression()
            return AlterCmd("set default", name, expr=expr, expr_text=self.slice(start), at=at)
        if self.accept("not"):
            self.expect("null")
            return AlterCmd("set not null", name, at=at)
        if self.accept("statistics"):
            return AlterCmd("set statistics", name, value=self.signed_integer(), at=at)
        if self.accept("data"):
            self.expect("type")
            return self._set_type(name, at)
        if kind in ("storage", "compression"):
            return AlterCmd(f"set {kind}", name, value=self._method(kind), at=at)
        if kind == "(":
            return AlterCmd("set options", name, value=self.storage_parameters(), at=at)
        self.index -= 1
        return self._identity_options(name, at)

    def _identity_options(self, name: str, at: int) -> AlterCmd:
        """alter_identity_column_option_list."""
        options: list[tuple[str, object]] = []
        while self.kind in ("set", "restart"):
            if self.kind == "restart":
                options.append(self.sequence_option())
                continue
            self.index += 1
            if self.accept("generated"):
                options.append(("generated always", self._generated_when()))
                continue
            where = self.at
            option = self.sequence_option()
            if option[0] in ("as", "restart", "owned by"):
                shown = option[0].replace(" ", "_")
                raise self.refuse(f'sequence option "{shown}" not supported here', where)
            options.append(option)
        return AlterCmd("set identity", name, value=tuple(options), at=at)

    def _alter_drop(self, name: str, at: int) -> AlterCmd:
        word = self.expect_any(("default", "not", "expression", "identity"))
        if word == "not":
            self.expect("null")
            return AlterCmd("drop not null", name, at=at)
        if word == "default":
            return AlterCmd("drop default", name, at=at)
        if_exists = self.accept("if")
        if if_exists:
            self.expect("exists")
        return AlterCmd(f"drop {word}", name, if_exists=if_exists, at=at)

    def _set_type(self, name: str, at: int) -> AlterCmd:
        type_ = self.type_name()
        collation = self.any_name() if self.accept("collate") else None
        start = self.index + 1
        expr = self.expression() if self.accept("using") else None
        text = self.slice(start) if expr is not None else None
        return AlterCmd("set type", name, expr=expr, expr_text=text, value=(type_, collation), at=at)

    # --- ENABLE, DISABLE, SET

    def _switch(self, word: str, at: int) -> AlterCmd:
        """ENABLE and DISABLE of triggers, rules, row security."""
        if self.accept("row"):
            self.expect("level", "security")
            return AlterCmd(f"{word} row security", at=at)
        mode = self.accept_any(("always", "replica")) if word == "enable" else None
        what = self.expect_any(_WORD_ACTIONS)
        action = " ".join(part for part in (word, mode, what) if part)
        if mode is None and what == "trigger" and (target := self.accept_any(("all", "user"))):
            return AlterCmd(f"{action} {target}", at=at)
        return AlterCmd(action, self.column_name(), at=at)

    def _set(self, at: int) -> AlterCmd:
        if self.kind == "(":
            return AlterCmd("set", value=self.storage_parameters(), at=at)
        word = self.expect_any(("without", "logged", "unlogged", "access", "tablespace"))
        if word == "without":
            return AlterCmd(f"set without {self.expect_any(('oids', 'cluster'))}", at=at)
        if word == "access":
            self.expect("method")
            return AlterCmd("set access method", self.column_name(), at=at)
        if word == "tablespace":
            return AlterCmd("set tablespace", self.column_name(), at=at)
        return AlterCmd(f"set {word}", at=at)
