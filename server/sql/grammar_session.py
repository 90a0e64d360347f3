"""Transactions, settings, EXPLAIN, COPY, CALL, ANALYZE (gram.y: TransactionStmt, CopyStmt, ...)."""

from server.sql.ast import (
    CallStmt,
    ConstraintsSetStmt,
    CopyStmt,
    DeallocateStmt,
    ExplainStmt,
    Expr,
    Names,
    RangeVar,
    Statement,
    TransactionStmt,
    Unsupported,
    VacuumStmt,
    VariableSetStmt,
    VariableShowStmt,
)
from server.sql.grammar_base import COLUMN_NAMES, NON_RESERVED
from server.sql.grammar_constraint import Options
from server.sql.grammar_table import Tables
from server.sql.lexer import FCONST, ICONST, IDENT, SCONST

_ANALYZE = ("analyze", "analyse")
_GENERIC = ("=", "to", ".", "from")
_ISOLATION = {"read": ("committed", "uncommitted"), "repeatable": ("read",), "serializable": ()}
_MODES = ("isolation", "read", "deferrable", "not")
_COPY_STRINGS = ("delimiter", "null", "quote", "escape")


class Sessions(Tables):
    """Statements about the session rather than about data."""

    # --- transactions

    def transaction(self) -> TransactionStmt:
        """BEGIN, START, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE, PREPARE TRANSACTION."""
        at = self.at
        word = self.kind
        self.index += 1
        if word in ("begin", "start"):
            if word == "start":
                self.expect("transaction")
            else:
                self.accept_any(("work", "transaction"))
            options = self.transaction_modes() if self.kind in _MODES else ()
            return TransactionStmt(word, options, at=at)
        if word == "savepoint":
            return TransactionStmt("savepoint", name=self.column_name(), at=at)
        if word == "release":
            return TransactionStmt("release", name=self._savepoint_name(), at=at)
        if word == "prepare":
            self.expect("transaction")
            return TransactionStmt("prepare", name=self.string(), at=at)
        return self._end(word, at)

    def _savepoint_name(self) -> str:
        """SAVEPOINT is optional, and a name as well."""
        if self.kind == "savepoint" and self.peek() in COLUMN_NAMES:
            self.index += 1
        return self.column_name()

    def _end(self, word: str, at: int) -> TransactionStmt:
        kind = "rollback" if word in ("rollback", "abort") else "commit"
        if word in ("commit", "rollback") and self.accept("prepared"):
            return TransactionStmt(f"{kind} prepared", name=self.string(), at=at)
        self.accept_any(("work", "transaction"))
        if word == "rollback" and self.accept("to"):
            return TransactionStmt("rollback to", name=self._savepoint_name(), at=at)
        options: Options = ()
        if self.accept("and"):
            chain = not self.accept("no")
            self.expect("chain")
            options = (("chain", chain),)
        return TransactionStmt(kind, options, at=at)

    def transaction_modes(self) -> Options:
        """transaction_mode_list: with or without commas."""
        modes = [self._transaction_mode()]
        while self.kind in _MODES or self.kind == ",":
            self.accept(",")
            modes.append(self._transaction_mode())
        return tuple(modes)

    def _transaction_mode(self) -> tuple[str, object]:
        word = self.expect_any(_MODES)
        if word == "isolation":
            self.expect("level")
            level = self.expect_any(tuple(_ISOLATION))
            if _ISOLATION[level]:
                level = f"{level} {self.expect_any(_ISOLATION[level])}"
            return "isolation", level
        if word == "read":
            return "read only", self.expect_any(("only", "write")) == "only"
        if word == "not":
            self.expect("deferrable")
        return "deferrable", word == "deferrable"

    # --- SET, RESET, SHOW

    def set_statement(self) -> Statement:
        """VariableSetStmt, ConstraintsSetStmt."""
        at = self.at
        self.index += 1
        local = False
        if self.kind in ("local", "session") and self.peek() not in _GENERIC:
            if self.kind == "local":
                local = True
                self.index += 1
            elif self.peek() not in ("authorization", "characteristics"):
                self.index += 1
        elif self.kind == "constraints" and self.peek() not in _GENERIC:
            return self._set_constraints(at)
        return self.set_rest(local, at)

    def set_rest(self, local: bool, at: int) -> VariableSetStmt:
        """set_rest."""
        kind, after = self.kind, self.peek()
        if after in _GENERIC:
            return self._set_generic(local, at)
        if kind == "transaction" and after != "snapshot":
            self.index += 1
            return VariableSetStmt("multi", "TRANSACTION", (), local, self.transaction_modes(), at)
        if kind == "session" and after == "characteristics":
            self.index += 2
            self.expect("as", "transaction")
            modes = self.transaction_modes()
            return VariableSetStmt("multi", "SESSION CHARACTERISTICS", (), local, modes, at)
        return self._set_special(kind, local, at)

    def _set_special(self, kind: str, local: bool, at: int) -> VariableSetStmt:
        if kind == "time":
            self.expect("time", "zone")
            return self._time_zone(local, at)
        if kind == "schema":
            self.index += 1
            return VariableSetStmt("value", "search_path", (self.string(),), local, at=at)
        if kind == "names":
            self.index += 1
            if self.kind == SCONST:
                return VariableSetStmt("value", "client_encoding", (self.string(),), local, at=at)
            self.accept("default")
            return VariableSetStmt("default", "client_encoding", (), local, at=at)
        if kind == "role":
            self.index += 1
            return VariableSetStmt("value", "role", (self._word_or_string(),), local, at=at)
        if kind == "session":
            self.expect("session", "authorization")
            if self.accept("default"):
                return VariableSetStmt("default", "session_authorization", (), local, at=at)
            return VariableSetStmt("value", "session_authorization", (self._word_or_string(),), local, at=at)
        if kind == "catalog":
            self.index += 1
            where = self.at
            self.string()
            raise self.refuse("current database cannot be changed", where, "0A000")
        if kind == "xml":
            self.expect("xml", "option")
            return VariableSetStmt(
                "value", "xmloption", (self.expect_any(("document", "content")),), local, at=at
            )
        if kind == "transaction":
            self.expect("transaction", "snapshot")
            return VariableSetStmt("multi", "TRANSACTION SNAPSHOT", (self.string(),), local, at=at)
        return self._set_generic(local, at)

    def _set_generic(self, local: bool, at: int) -> VariableSetStmt:
        name = self.setting_name()
        if self.accept("from"):
            self.expect("current")
            return VariableSetStmt("current", name, (), local, at=at)
        self.expect_any(("=", "to"))
        if self.accept("default"):
            return VariableSetStmt("default", name, (), local, at=at)
        return VariableSetStmt("value", name, self.comma_list(self.setting_value), local, at=at)

    def setting_name(self) -> str:
        """var_name, in lower case."""
        names = [self.column_name()]
        while self.accept("."):
            names.append(self.column_name())
        return ".".join(names).lower()

    def setting_value(self) -> str:
        """var_value: a word, a string or a number, as text."""
        if self.kind in ("+", "-", ICONST, FCONST):
            return self.number()
        if word := self.accept_any(("true", "false", "on")):
            return word
        return self._word_or_string()

    def _word_or_string(self) -> str:
        """NonReservedWord_or_Sconst."""
        return self.string() if self.kind == SCONST else self.non_reserved()

    def _time_zone(self, local: bool, at: int) -> VariableSetStmt:
        """zone_value."""
        if self.accept_any(("default", "local")):
            return VariableSetStmt("default", "timezone", (), local, at=at)
        if self.kind in (SCONST, IDENT):
            self.index += 1
            return VariableSetStmt("value", "timezone", (self.values[self.index - 1],), local, at=at)
        if self.kind == "interval":
            return VariableSetStmt("value", "timezone", (self._zone_interval(),), local, at=at)
        return VariableSetStmt("value", "timezone", (self.number(),), local, at=at)

    def _zone_interval(self) -> str:
        start = self.index
        self.index += 1
        if self.kind == "(":
            self.precision()
            self.string()
            return self.slice(start)
        self.string()
        where = self.at
        fields, _ = self.interval_fields()
        if fields not in (None, "hour", "hour to minute"):
            raise self.refuse("time zone interval must be HOUR or HOUR TO MINUTE", where)
        return self.slice(start)

    def _special_name(self) -> str | None:
        """TIME ZONE, TRANSACTION ISOLATION LEVEL, SESSION AUTHORIZATION, ALL."""
        if self.accept("all"):
            return "all"
        if self.accept("time", "zone"):
            return "timezone"
        if self.kind == "transaction" and self.peek() == "isolation":
            self.expect("transaction", "isolation", "level")
            return "transaction_isolation"
        if self.accept("session", "authorization"):
            return "session_authorization"
        return None

    def reset(self) -> VariableSetStmt:
        """VariableResetStmt."""
        at = self.at
        self.index += 1
        return self.reset_rest(at)

    def reset_rest(self, at: int) -> VariableSetStmt:
        name = self._special_name()
        if name == "all":
            return VariableSetStmt("reset all", "all", at=at)
        return VariableSetStmt("reset", name or self.setting_name(), at=at)

    def show(self) -> VariableShowStmt:
        """VariableShowStmt."""
        at = self.at
        self.index += 1
        return VariableShowStmt(self._special_name() or self.setting_name(), at)

    def _set_constraints(self, at: int) -> ConstraintsSetStmt:
        self.index += 1
        names = () if self.accept("all") else self.comma_list(self.qualified_name)
        return ConstraintsSetStmt(names, self.expect_any(("deferred", "immediate")) == "deferred", at)

    # --- EXPLAIN, ANALYZE, CALL, DEALLOCATE

    def explain(self) -> Statement:
        """ExplainStmt."""
        at = self.at
        self.index += 1
        options: Options = ()
        if self.kind == "(" and not self.starts_query():
            options = self.in_parens(self._utility_option)
        else:
            if self.accept_any(_ANALYZE):
                options = (("analyze", True),)
            if self.accept("verbose"):
                options = (*options, ("verbose", True))
        statement = self.explainable()
        return statement if isinstance(statement, Unsupported) else ExplainStmt(statement, options, at)

    def explainable(self) -> Statement:
        """ExplainableStmt."""
        return self.preparable_statement()

    def _utility_option(self) -> tuple[str, object]:
        if self.accept_any(_ANALYZE):
            name = "analyze"
        elif self.accept("format_la"):
            name = "format"
        else:
            name = self.non_reserved()
        has_value = self.kind in NON_RESERVED or self.kind in (
            "true",
            "false",
            "on",
            "+",
            "-",
            ICONST,
            FCONST,
            SCONST,
        )
        return name, self.setting_value() if has_value else True

    def analyze(self) -> VacuumStmt:
        """AnalyzeStmt."""
        at = self.at
        self.index += 1
        options: Options = ()
        if self.kind == "(":
            options = self.in_parens(self._utility_option)
        elif self.accept("verbose"):
            options = (("verbose", True),)
        relations: tuple[tuple[RangeVar, Names], ...] = ()
        if self.kind not in ("", ";"):
            relations = self.comma_list(self._analyzed)
        return VacuumStmt(
            False, tuple(relation for relation, _ in relations), options, at, tuple(c for _, c in relations)
        )

    def _analyzed(self) -> tuple[RangeVar, Names]:
        at = self.at
        relation = RangeVar(self.qualified_name(), at=at)
        return relation, self.name_list_in_parens() if self.kind == "(" else ()

    def call_statement(self) -> CallStmt:
        """CallStmt."""
        at = self.at
        self.index += 1
        where = self.at
        return CallStmt(self.call(self.function_path(), where), at)

    def deallocate(self) -> DeallocateStmt:
        """DeallocateStmt."""
        at = self.at
        self.index += 1
        if self.kind == "prepare" and (self.peek() == "all" or self.peek() in COLUMN_NAMES):
            self.index += 1
        return DeallocateStmt(None if self.accept("all") else self.column_name(), at)

    # --- COPY

    def copy(self) -> CopyStmt:
        """CopyStmt."""
        at = self.at
        self.index += 1
        relation: RangeVar | None = None
        query: Statement | None = None
        columns: Names = ()
        binary = False
        if self.accept("("):
            query = self.preparable_statement()
            self.expect(")", "to")
            source = False
        else:
            binary = self.kind == "binary"
            self.index += binary
            where = self.at
            relation = RangeVar(self.qualified_name(), at=where)
            columns = self.name_list_in_parens() if self.kind == "(" else ()
            source = self.expect_any(("from", "to")) == "from"
        program = self.accept("program")
        filename = self._copy_file()
        options: Options = (("format", "binary"),) if binary else ()
        if relation is not None and self.kind in ("using", "delimiters"):
            self.accept("using")
            self.expect("delimiters")
            options = (*options, ("delimiter", self.string()))
        self.accept_any(("with", "with_la"))
        options += self.in_parens(self._copy_generic) if self.kind == "(" else self._copy_old()
        if program and filename is None:
            raise self.refuse("STDIN/STDOUT not allowed with PROGRAM", -1)
        condition = self._copy_where(source) if relation is not None else None
        return CopyStmt(relation, columns, query, source, filename, program, options, condition, at)

    def _copy_file(self) -> str | None:
        """copy_file_name; None for STDIN and STDOUT, which mean the same."""
        return None if self.accept_any(("stdin", "stdout")) else self.string()

    def _copy_where(self, source: bool) -> Expr | None:
        at = self.at
        condition = self.where()
        if condition is not None and not source:
            raise self.refuse("WHERE clause not allowed with COPY TO", at)
        return condition

    def _copy_generic(self) -> tuple[str, object]:
        name = self.label()
        if self.accept("*"):
            return name, "*"
        if self.kind == "(":
            return name, self.in_parens(self._copy_word)
        has_value = self.kind not in (",", ")")
        return name, self.setting_value() if has_value else True

    def _copy_word(self) -> str:
        if word := self.accept_any(("true", "false", "on")):
            return word
        return self._word_or_string()

    def _copy_old(self) -> Options:
        """copy_opt_list: the options without parentheses."""
        options: list[tuple[str, object]] = []
        while True:
            kind = self.accept_any(("binary", "freeze", "csv", "header", "encoding", "force", *_COPY_STRINGS))
            if kind is None:
                return tuple(options)
            if kind in ("binary", "csv"):
                options.append(("format", kind))
            elif kind in ("freeze", "header"):
                options.append((kind, True))
            elif kind == "force":
                options.append(self._copy_force())
            else:
                if kind != "encoding":
                    self.accept("as")
                options.append((kind, self.string()))

    def _copy_force(self) -> tuple[str, object]:
        kind = self.expect_any(("quote", "not", "null"))
        if kind == "quote" and self.accept("*"):
            return "force_quote", "*"
        if kind == "not":
            self.expect("null")
            kind = "not_null"
        return f"force_{kind}", self.comma_list(self.column_name)
