"""Statements that are refused whole, known by their first words; server/sql/refusals.py has the texts."""

from itertools import pairwise

from server.sql.ast import GrantStmt, Statement, TypeName, Unsupported
from server.sql.grammar_grant import Grants
from server.sql.grammar_objects import ROLE_WORDS
from server.sql.refusal_tables import cache_is_bad

STATEMENTS = {
    "truncate": "Truncate",
    "listen": "Listen",
    "notify": "Notify",
    "unlisten": "Unlisten",
    "lock": "Lock",
    "do": "Do",
    "declare": "DeclareCursor",
    "fetch": "Fetch",
    "move": "Fetch",
    "close": "ClosePortal",
    "prepare": "Prepare",
    "execute": "Execute",
    "vacuum": "Vacuum",
    "discard": "Discard",
    "reindex": "Reindex",
    "cluster": "Cluster",
    "checkpoint": "CheckPoint",
    "security": "SecLabel",
    "import": "ImportForeignSchema",
    "load": "Load",
    "refresh": "RefreshMatView",
    "reassign": "ReassignOwned",
}
"""First word -> PostgreSQL's node."""
_ALONE = frozenset({"vacuum", "cluster", "checkpoint"})
"""Statements that may be one word."""
_CREATE = {
    "view": "View",
    "recursive": "View",
    "function": "CreateFunction",
    "procedure": "CreateProcedure",
    "trigger": "CreateTrig",
    "constraint": "CreateTrig",
    "event": "CreateEventTrig",
    "domain": "CreateDomain",
    "extension": "CreateExtension",
    "database": "Createdb",
    "tablespace": "CreateTableSpace",
    "server": "CreateForeignServer",
    "policy": "CreatePolicy",
    "rule": "Rule",
    "aggregate": "Define",
    "collation": "Define",
    "text": "Define",
    "operator": "Define",
    "cast": "CreateCast",
    "conversion": "CreateConversion",
    "default": "CreateConversion",
    "language": "CreatePLang",
    "trusted": "CreatePLang",
    "procedural": "CreatePLang",
    "transform": "CreateTransform",
    "publication": "CreatePublication",
    "subscription": "CreateSubscription",
    "statistics": "CreateStats",
    "access": "CreateAm",
    "materialized": "CreateTableAs",
    "user": "CreateUserMapping",
}
_ALTER = {
    "system": "AlterSystem",
    "sequence": "AlterSeq",
    "view": "AlterView",
    "materialized": "AlterTable",
    "foreign": "AlterTable",
    "domain": "AlterDomain",
    "type": "AlterType",
    "function": "AlterFunction",
    "routine": "AlterFunction",
    "procedure": "AlterProcedure",
    "database": "AlterDatabase",
    "extension": "AlterExtension",
    "policy": "AlterPolicy",
    "statistics": "AlterStats",
    "text": "AlterTSConfiguration",
    "operator": "AlterOperator",
    "publication": "AlterPublication",
    "subscription": "AlterSubscription",
    "server": "AlterForeignServer",
    "tablespace": "AlterTableSpaceOptions",
    "trigger": "Rename",
    "rule": "Rename",
    "aggregate": "Rename",
    "collation": "AlterCollation",
    "conversion": "Rename",
    "language": "Rename",
    "event": "AlterEventTrig",
    "large": "AlterOwner",
    "procedural": "Rename",
    "user": "AlterUserMapping",
}


_ABOUT = ("AlterFunction", "AlterTSConfiguration", "Rename")
"""Nodes of ALTER for which the kind of object counts."""
_SMALL = {
    "int": "integer",
    "int4": "integer",
    "integer": "integer",
    "int2": "smallint",
    "smallint": "smallint",
}
"""Types of sequences that PostgreSQL has beside bigint, as they are shown."""

_SCHEMA_ELEMENTS = frozenset(
    {
        "constraint", "global", "index", "local", "or", "recursive", "sequence", "table", "temp", "temporary",
        "trigger", "unique", "unlogged", "view",
    }
)  # fmt: skip
"""What may follow CREATE inside CREATE SCHEMA (schema_stmt)."""


class Refused(Grants):
    """The dispatch of CREATE and ALTER, and whole-statement refusals."""

    def refused(self) -> Unsupported:
        """A statement refused by its first word; the rest is skipped."""
        at, word = self.at, self.kind
        self.index += 1
        if word == "security":
            self.expect("label")
        if word == "import":
            self.expect("foreign")
        return self._refuse(STATEMENTS[word], at, alone=word in _ALONE)

    def _refuse(self, node: str, at: int, what: str = "", alone: bool = False) -> Unsupported:
        if not alone and self.kind in ("", ";"):
            raise self.fail()
        self.skip_statement()
        return Unsupported(node, what, at)

    # --- CREATE

    def create(self) -> Statement:
        """Every CREATE."""
        at = self.at
        self.index += 1
        if self.kind == "unique" or self.kind == "index":
            return self.create_index(at, self.accept("unique"))
        if self.accept("or"):
            self.expect("replace")
            return self._create_refused(at)
        persistence = self.persistence()
        if self.kind == "table":
            return self.create_table(at, persistence)
        if persistence is not None:
            if self.kind not in ("view", "recursive", "sequence"):
                raise self.fail()
            return self._create_refused(at, "temp" if persistence == "temp" else "")
        if self.accept("schema"):
            return self.create_schema(at)
        if self.kind in ROLE_WORDS and not (self.kind == "user" and self.peek() == "mapping"):
            self.index += 1
            return self.create_role(self.kinds[self.index - 1], at)
        return self._create_refused(at)

    def _create_refused(self, at: int, what: str = "") -> Unsupported:
        kind = self.kind
        after = self.peek()
        if self.accept("sequence"):
            return self._create_sequence(at, what)
        if self.accept("type"):
            self.any_name()
            node, what = "Define", "type"
            if self.accept("as"):
                what = ""
                node = {"enum": "CreateEnum", "range": "CreateRange", "(": "CompositeType"}.get(self.kind, "")
                if not node:
                    raise self.fail()
            return self._refuse(node, at, what, alone=True)
        if self.accept("foreign"):
            word = self.expect_any(("table", "data"))
            return self._refuse("CreateForeignTable" if word == "table" else "CreateFdw", at)
        if kind == "operator" and after in ("class", "family"):
            return self._refuse("CreateOpClass" if after == "class" else "CreateOpFamily", at)
        node = _CREATE[self.expect_any(tuple(_CREATE))]
        if node in ("CreateFunction", "CreateProcedure"):
            language = self._skip_routine()
            what = language if node == "CreateFunction" else ""
        elif node == "Define":
            what = kind
        return self._refuse(node, at, what, alone=self.index > 0 and self.kinds[self.index - 1] == "end")

    def _create_sequence(self, at: int, what: str) -> Unsupported:
        """CreateSeqStmt, after SEQUENCE; told apart: temp, a CACHE that DSQL does not take (dsql-reference §1.7)."""
        self.if_not_exists()
        self.qualified_name()
        options: list[tuple[str, object]] = []
        while self.kind not in ("", ";", "create", "grant"):
            options.append(self.sequence_option())
        given = dict(options)
        if what or cache_is_bad(tuple(options)):
            return Unsupported("CreateSeq", what or "cache", at)
        of = given.get("as")
        if isinstance(of, TypeName) and (name := _SMALL.get(of.names[-1])) is not None:
            return Unsupported("SequenceType", name, at)
        return Unsupported("CreateSeq", at=at)

    def _skip_routine(self) -> str:
        """Over BEGIN ATOMIC ... END, whose statements have semicolons of their own; returns the LANGUAGE.

        Without one a body in SQL means sql, and a body in quotes leaves it open.
        """
        language = ""
        depth = 0
        while self.kind not in ("", ";"):
            depth += (self.kind == "(") - (self.kind == ")")
            if self.kind == "language" and self.peek() not in ("", ";"):
                self.index += 1
                language = str(self.values[self.index] or self.kind)
            if depth == 0 and self.kind in ("return", "begin"):
                language = language or "sql"
            if self.kind == "begin" and self.peek() == "atomic":
                depth = 0
                while self.kind:
                    depth += self.kind in ("begin", "case")
                    depth -= self.kind == "end"
                    self.index += 1
                    if depth == 0:
                        return language
                raise self.fail()
            self.index += 1
        self.index -= 1
        return language

    def schema_element(self) -> Statement:
        start = self.index
        if self.kind != "create":
            statement = self.grant_statement()
            if isinstance(statement, GrantStmt) and statement.kind == "role":
                raise self.fail(self.kinds.index("to", start))
            return statement
        if self.peek() not in _SCHEMA_ELEMENTS:
            raise self.fail(start + 1)
        self.elements_only = True
        statement = self.create()
        self.elements_only = False
        return statement

    # --- ALTER

    def alter(self) -> Statement:
        """Every ALTER."""
        at = self.at
        self.index += 1
        if self.kind in ("table", "index"):
            self.index += 1
            return self.alter_table(at, self.kinds[self.index - 1])
        if self.accept("schema"):
            return self.alter_schema(at)
        if self.kind in ROLE_WORDS and not (self.kind == "user" and self.peek() == "mapping"):
            self.index += 1
            return self.alter_role(self.kinds[self.index - 1], at)
        if self.accept("default"):
            return self.alter_default_privileges(at)
        kind = self.expect_any(tuple(_ALTER))
        node = _ALTER[kind]
        start = self.index
        refused = self._refuse(node, at, kind if node in _ABOUT else "")
        words = self.kinds[start : self.index]
        if ("rename", "to") in pairwise(words):
            return Unsupported("Rename", kind, at)
        return refused

    def explainable(self) -> Statement:
        """ExplainableStmt: also what DSQL refuses anyway."""
        if self.kind in ("execute", "declare", "refresh"):
            return self.refused()
        if self.kind == "create":
            return self._explained_create()
        return super().explainable()

    def _explained_create(self) -> Statement:
        """CREATE TABLE AS or CREATE MATERIALIZED VIEW."""
        at = self.at
        self.index += 1
        if self.kind == "materialized":
            return self._create_refused(at)
        self.persistence()
        self.expect("table")
        self.if_not_exists()
        return self.create_table_as(self.qualified_name(), at)

    def prepare(self) -> Statement:
        """PREPARE TRANSACTION, or PREPARE of a statement."""
        return self.transaction() if self.peek() == "transaction" else self.refused()
