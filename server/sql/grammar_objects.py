"""CREATE INDEX, SCHEMA and roles; DROP; COMMENT (gram.y: IndexStmt, DropStmt, CommentStmt, ...)."""

from server.sql.ast import (
    AlterOwnerStmt,
    CommentStmt,
    CreateSchemaStmt,
    DropStmt,
    IndexStmt,
    Names,
    RenameStmt,
    RoleStmt,
    Statement,
    Unsupported,
)
from server.sql.grammar_alter import AlterTables
from server.sql.grammar_base import COLUMN_NAMES
from server.sql.grammar_constraint import Options
from server.sql.lexer import IDENT

ROLE_WORDS = ("role", "user", "group")
_FLAGS = {
    word: (word.removeprefix("no") if word != "nologin" else "login", not word.startswith("no"))
    for word in [
        "superuser",
        "nosuperuser",
        "createrole",
        "nocreaterole",
        "replication",
        "noreplication",
        "createdb",
        "nocreatedb",
        "login",
        "nologin",
        "bypassrls",
        "nobypassrls",
        "noinherit",
    ]
}
_PATH_KINDS = frozenset({"table", "sequence", "view", "index"})
"""Objects whose names may be qualified."""
_TYPE_KINDS = frozenset({"type", "domain"})
_COMMENT_NAMES = frozenset(
    {
        "schema",
        "role",
        "database",
        "extension",
        "tablespace",
        "language",
        "server",
        "publication",
        "subscription",
    }
)


class Objects(AlterTables):
    """Definitions of objects other than tables."""

    # --- indexes

    def create_index(self, at: int, unique: bool) -> IndexStmt:
        """IndexStmt, from the word INDEX on; ASYNC is DSQL's (dsql-reference §1.5)."""
        self.expect("index")
        asynchronous = self.accept_word("async")
        concurrently = self.accept("concurrently")
        if_not_exists = self.if_not_exists()
        name: Names | None = None
        if if_not_exists or self.kind != "on":
            name = (self.column_name(),)
        self.expect("on")
        relation = self.relation_expr()
        method = self.column_name() if self.accept("using") else None
        keys = self.in_parens(self.index_element)
        including = self._index_include()
        nulls_not_distinct = self._nulls_not_distinct()
        options = self.storage_parameters() if self.accept("with") else ()
        tablespace = self.column_name() if self.accept("tablespace") else None
        start = self.index + 1
        where = self.where()
        return IndexStmt(
            name,
            relation,
            keys,
            unique,
            asynchronous,
            concurrently,
            if_not_exists,
            method,
            including,
            nulls_not_distinct,
            where,
            self.slice(start) if where is not None else None,
            options,
            tablespace,
            at,
        )

    def _index_include(self) -> Names:
        """opt_include: index elements by the grammar, of which DefineIndex allows plain columns."""
        if not self.accept("include"):
            return ()
        names: list[str] = []
        for element in self.in_parens(self.index_element):
            if element.name is None:
                self.defer(self.refuse("expressions are not supported in included columns", -1, "0A000"))
                continue
            given = {
                "a collation": element.collation,
                "an operator class": element.opclass,
                "ASC/DESC options": element.descending,
                "NULLS FIRST/LAST options": element.nulls_first,
            }
            for what, value in given.items():
                if value is not None:
                    self.defer(self.refuse(f"including column does not support {what}", -1, "42P17"))
            names.append(element.name)
        return tuple(names)

    # --- schemas

    def create_schema(self, at: int) -> CreateSchemaStmt:
        """CreateSchemaStmt, after the word SCHEMA."""
        if_not_exists = self.if_not_exists()
        name = authorization = None
        if self.kind != "authorization":
            name = self.column_name()
        if self.accept("authorization"):
            authorization = self.role()
        elements: list[Statement] = []
        where = self.at
        while self.kind in ("create", "grant"):
            elements.append(self.schema_element())
        if if_not_exists and elements:
            raise self.refuse("CREATE SCHEMA IF NOT EXISTS cannot include schema elements", where, "0A000")
        return CreateSchemaStmt(name, authorization, if_not_exists, tuple(elements), at)

    def schema_element(self) -> Statement:
        """schema_stmt."""
        raise NotImplementedError

    # --- roles

    def create_role(self, word: str, at: int) -> RoleStmt:
        """CREATE ROLE, USER, GROUP, after the word: users log in unless they are said not to."""
        name = self.role_id()
        self._optional_with()
        options, places = self._role_options(True)
        if word == "user" and all(option != "login" for option, _value in options):
            options = (*options, ("login", True))
        return RoleStmt("create", (name,), options, at=at, places=places)

    def _optional_with(self) -> None:
        self.accept_any(("with", "with_la"))

    def _role_options(self, create: bool) -> tuple[Options, tuple[int, ...]]:
        """The options, and where they are."""
        options: list[tuple[str, object]] = []
        places: list[int] = []
        while self.kind not in ("", ";") and self.kind not in ("create", "grant"):
            places.append(self.at)
            options.append(self._role_option(create))
        return tuple(options), tuple(places)

    def _role_option(self, create: bool) -> tuple[str, object]:
        at = self.at
        kind = self.kind
        if kind == IDENT:
            word = self.values[self.index]
            self.index += 1
            if word not in _FLAGS:
                raise self.refuse(f'unrecognized role option "{word}"', at)
            return _FLAGS[word]
        words = ("password", "encrypted", "unencrypted", "inherit", "connection", "valid", "user")
        kind = self.expect_any(words + (("sysid", "admin", "role", "in") if create else ()))
        if kind == "password":
            return "password", None if self.accept("null") else self.string()
        if kind in ("encrypted", "unencrypted"):
            self.expect("password")
            text = self.string()
            if kind == "unencrypted":
                hint = "Remove UNENCRYPTED to store the password in encrypted form instead."
                error = self.refuse("UNENCRYPTED PASSWORD is no longer supported", at, "0A000")
                error.hint = hint
                raise error
            return "password", text
        if kind == "inherit":
            return "inherit", True
        if kind == "connection":
            self.expect("limit")
            return "connection limit", self.signed_integer()
        if kind == "valid":
            self.expect("until")
            return "valid until", self.string()
        if kind == "sysid":
            return "sysid", self.integer()
        if kind == "in":
            self.expect_any(("role", "group"))
            return "in role", self.comma_list(self.role)
        return ("role" if kind == "user" else kind), self.comma_list(self.role)

    def alter_role(self, word: str, at: int) -> Statement:
        """ALTER ROLE, USER, GROUP, after the word."""
        if word != "group" and self.accept("all"):
            return self._alter_role_settings((), at)
        start = self.index
        name = self.role()
        if self.kind == "rename":
            self.index = start
            name = self.role_id()
            self.expect("rename", "to")
            return RenameStmt("role", (name,), self.role_id(), at=at)
        if word == "group":
            action = self.expect_any(("add", "drop"))
            self.expect("user")
            return RoleStmt("alter", (name,), ((f"{action} user", self.comma_list(self.role)),), at=at)
        if self.kind in ("set", "reset", "in"):
            return self._alter_role_settings((name,), at)
        self._optional_with()
        options, places = self._role_options(False)
        return RoleStmt("alter", (name,), options, at=at, places=places)

    def _alter_role_settings(self, names: Names, at: int) -> RoleStmt:
        """ALTER ROLE ... [IN DATABASE d] SET or RESET; no name is ALL."""
        options: list[tuple[str, object]] = []
        if self.accept("in"):
            self.expect("database")
            options.append(("in database", self.column_name()))
        where = self.at
        if self.accept("set"):
            options.append(("set", self.set_rest(False, where)))
        else:
            self.expect("reset")
            options.append(("reset", self.reset_rest(where)))
        return RoleStmt("alter", names, tuple(options), at=at)

    # --- DROP

    def drop(self) -> Statement:
        """DropStmt and its kin."""
        at = self.at
        self.index += 1
        kind = self.kind
        if kind in ROLE_WORDS and not (kind == "user" and self.peek() == "mapping"):
            self.index += 1
            if_exists = self.if_exists()
            return RoleStmt("drop", self.comma_list(self.role), if_exists=if_exists, at=at)
        if kind in _PATH_KINDS:
            self.index += 1
            concurrently = kind == "index" and self.accept("concurrently")
            if_exists = self.if_exists()
            names = self.comma_list(self.any_name)
            return DropStmt(kind, names, if_exists, self.cascade(), concurrently, at)
        if kind == "schema":
            self.index += 1
            if_exists = self.if_exists()
            schemas = self.comma_list(self._single_name)
            return DropStmt(kind, schemas, if_exists, self.cascade(), at=at)
        if kind in _TYPE_KINDS:
            self.index += 1
            if_exists = self.if_exists()
            types = tuple(type_.names for type_ in self.comma_list(self.type_name))
            return DropStmt(kind, types, if_exists, self.cascade(), at=at)
        if kind == "trigger":
            return self._drop_trigger(at)
        return self._drop_other(kind, at)

    def _single_name(self) -> Names:
        return (self.column_name(),)

    def _drop_trigger(self, at: int) -> DropStmt:
        self.index += 1
        if_exists = self.if_exists()
        name = self.column_name()
        self.expect("on")
        table = self.any_name()
        return DropStmt("trigger", ((*table, name),), if_exists, self.cascade(), at=at)

    def _drop_other(self, kind: str, at: int) -> Unsupported:
        whole = {
            "database": "Dropdb",
            "owned": "DropOwned",
            "tablespace": "DropTableSpace",
            "subscription": "DropSubscription",
            "user": "DropUserMapping",
        }
        kinds = (
            *whole,
            "materialized",
            "foreign",
            "event",
            "extension",
            "access",
            "procedural",
            "language",
            "publication",
            "server",
            "collation",
            "conversion",
            "statistics",
            "text",
            "policy",
            "rule",
            "cast",
            "transform",
            "function",
            "procedure",
            "routine",
            "aggregate",
            "operator",
        )
        self.expect_any(kinds)
        if self.kind in ("", ";"):
            raise self.fail()
        self.skip_statement()
        if kind in whole:
            return Unsupported(whole[kind], at=at)
        return Unsupported("Drop", kind, at)

    # --- COMMENT

    def comment(self) -> Statement:
        """CommentStmt."""
        at = self.at
        self.index += 1
        self.expect("on")
        kind = self.kind
        sub_name = None
        if kind in _PATH_KINDS or kind == "column":
            self.index += 1
            names = self.any_name()
            if kind == "column":
                names, sub_name = names[:-1], names[-1]
        elif kind in _COMMENT_NAMES:
            self.index += 1
            names = (self.column_name(),)
        elif kind == "constraint":
            self.index += 1
            sub_name = self.column_name()
            self.expect("on")
            kind = "domain constraint" if self.kind == "domain" and self.peek() in COLUMN_NAMES else kind
            self.index += kind == "domain constraint"
            names = self.any_name()
        else:
            return self._comment_other(at)
        self.expect("is")
        text = None if self.accept("null") else self.string()
        return CommentStmt(kind, names, sub_name, text, at)

    def _comment_other(self, at: int) -> Unsupported:
        kind = self.expect_any(
            (
                "materialized",
                "foreign",
                "function",
                "procedure",
                "routine",
                "aggregate",
                "operator",
                "type",
                "domain",
                "collation",
                "conversion",
                "statistics",
                "text",
                "access",
                "event",
                "procedural",
                "policy",
                "rule",
                "trigger",
                "cast",
                "transform",
                "large",
            )
        )
        self.skip_statement()
        return Unsupported("Comment", kind, at)

    # --- ALTER SCHEMA

    def alter_schema(self, at: int) -> Statement:
        """ALTER SCHEMA, after the word."""
        name = self.column_name()
        if self.accept("rename"):
            self.expect("to")
            return RenameStmt("schema", (name,), self.column_name(), at=at)
        self.expect("owner", "to")
        return AlterOwnerStmt("schema", (name,), self.role(), at)
