"""What is refused of views, types, roles, sessions and transactions (dsql-reference §1.6-§1.8, §5.4, §5.5)."""

from __future__ import annotations

from collections.abc import Callable

from server.sql import ast
from server.sql.refusal import (
    ASSUMED,
    DOCUMENTED,
    IDENTITIES,
    OBSERVED,
    OURS,
    Refusal,
    about,
    not_here,
    whole,
)

ROUTINES = "2026-04-24"
STATISTICS = "2026-08-27"


# --- shapes ---


def _isolation(node: ast.TransactionStmt | ast.VariableSetStmt) -> str:
    """The level that is asked for, in upper case; empty when none is."""
    return str(dict(node.options).get("isolation", "")).upper()


def _asks_for(*levels: str) -> Callable[[ast.TransactionStmt | ast.VariableSetStmt], bool]:
    return lambda node: _isolation(node) in levels


def _is_public(statement: ast.GrantStmt) -> bool:
    return any(names[-1] == "public" for names in statement.objects)


def _role_option(statement: ast.RoleStmt, names: tuple[str, ...]) -> str:
    """The first option among these, in upper case; empty when there is none."""
    return next((name.upper() for name, _value in statement.options if name.lower() in names), "")


_ROLE_REFUSED = (
    "password", "superuser", "createdb", "createrole", "replication", "bypassrls", "connection limit",
    "valid until",
)  # fmt: skip
_ROLE_SETTINGS = ("in database", "set")
_ROLE_LATER = ("sysid",)


# --- other objects ---

_NO_DROP = "unsupported object in DROP statement"
_NO_RENAME = "unsupported object in RENAME statement"
_CACHE = (
    "CREATE SEQUENCE is not supported without an explicit cache size. "
    "please define CACHE greater than or equal to 65536 or equal to 1"
)

OBJECTS = [
    *about("View", "TEMPORARY or TEMP view not supported for CREATE VIEW", ASSUMED, "§1.6 UG", "temp"),
    *about("View", "CREATE VIEW", OURS, "§1.6 UG:create-view", ""),
    *about("AlterView", "ALTER VIEW", OURS, "§1.6 UG:create-view", ""),
    *whole(OBSERVED, "§1.6 GOLD", "CreateTableAs"),
    Refusal(
        "CREATE INDEX not supported for CREATE SCHEMA", ASSUMED, "§1.6 GRAM", ast.CreateSchemaStmt,
        when=lambda node: any(isinstance(element, ast.IndexStmt) for element in node.elements), since=ROUTINES,
    ),
    *about("CreateSeq", _CACHE, OBSERVED, "§1.7 GOLD", "cache", since=IDENTITIES),
    *about("CreateSeq", "TEMPORARY or TEMP sequence not supported for CREATE SEQUENCE", ASSUMED, "§1.7", "temp"),
    Refusal(
        "datatype {} not supported, sequence type must be bigint", ASSUMED, "§1.7 UG:create-sequence",
        ast.Unsupported, ("SequenceType",), shown=lambda node: node.what, since=IDENTITIES,
    ),
    *about("CreateSeq", "CREATE SEQUENCE", OURS, "§1.7 RN", "", since=IDENTITIES),
    *about("AlterSeq", "ALTER SEQUENCE", OURS, "§1.7 RN", "", since=IDENTITIES),
    *about("CreateDomain", "CREATE DOMAIN", OURS, "§1.6 GOLD", ""),
    *about("AlterDomain", "ALTER DOMAIN", OURS, "§1.6 GRAM", ""),
    *about("CreateFunction", "CREATE FUNCTION", OURS, "§1.6 UG:create-function", "sql"),
    Refusal(
        "CREATE FUNCTION with language {} not supported", OBSERVED, "§1.6 GOLD", ast.Unsupported,
        ("CreateFunction",), lambda node: bool(node.what), lambda node: node.what,
    ),
    Refusal(
        "no language specified", OBSERVED, "§1.6 GOLD", ast.Unsupported, ("CreateFunction",),
        sqlstate="42P13",
    ),
    *about("AlterFunction", "ALTER {}", OURS, "§1.6 RN", "function", "routine", since=ROUTINES),
    Refusal(
        "PROCEDURE is not supported", DOCUMENTED, "§1.6 UG, AGT", ast.Unsupported, ("CreateProcedure",)
    ),
    Refusal("PROCEDURE is not supported", ASSUMED, "§1.6 UG", ast.Unsupported, ("AlterProcedure",)),
    *whole(OBSERVED, "§1.6 app repo", "Do"),
    *whole(OBSERVED, "§1.6 GOLD", "CreateTrig", text="CREATE TRIGGER not supported"),
    *whole(OBSERVED, "§1.6 GOLD", "CreateEnum", text="CREATE TYPE not supported"),
    *whole(OBSERVED, "§1.6 GOLD", "AlterType", text="ALTER TYPE not supported"),
    *whole(OBSERVED, "§1.6 GOLD", "CompositeType", "CreateRange"),
    *about("Define", "unsupported statement: Define", OBSERVED, "§1.6 PGREST", "text"),
    *about(
        "Define", "unsupported statement: Define", ASSUMED, "§1.6 INF",
        "type", "aggregate", "operator", "collation",
    ),
    *about(
        "AlterTSConfiguration", "unsupported statement: AlterTSConfiguration", OBSERVED, "§1.6 PGREST", "text"
    ),
    *whole(
        OBSERVED, "§1.6 GOLD", "CreateExtension", "Createdb", "CreateTableSpace", "CreateForeignTable",
        "Listen", "Notify", "Unlisten",
    ),
    *whole(OBSERVED, "§1.6 PGREST", "CreatePolicy"),
    *about("CreateStats", "CREATE STATISTICS", OURS, "§1.6 RN", "", since=STATISTICS),
    *about("AlterStats", "ALTER STATISTICS", OURS, "§1.6 RN", "", since=STATISTICS),
    *whole(
        ASSUMED, "§1.6 INF", "CreateForeignServer", "CreateFdw", "CreateUserMapping", "CreateOpClass",
        "CreateOpFamily", "CreateCast", "CreateConversion", "CreateEventTrig", "Rule", "CreatePLang",
        "CreateTransform", "CreatePublication", "CreateSubscription", "CreateAm", "SecLabel", "Load",
        "RefreshMatView", "AlterTable", "AlterTableMoveAll", "AlterDatabase", "AlterExtension", "AlterPolicy",
        "AlterOperator", "AlterPublication", "AlterSubscription", "AlterForeignServer", "AlterUserMapping",
        "AlterTableSpaceOptions", "AlterCollation", "AlterEventTrig", "AlterOwner", "Dropdb",
        "DropTableSpace", "DropSubscription", "DropUserMapping",
    ),
    *(
        not_here(f"DROP {kind.upper()}", source, since, of=ast.DropStmt, kinds=(kind,))
        for kind, source, since in (
            ("view", "§1.6 UG:create-view", None),
            ("sequence", "§1.7 RN", IDENTITIES),
            ("domain", "§1.6 GOLD", None),
        )
    ),
    Refusal(_NO_DROP, OBSERVED, "§1.6 GOLD", ast.DropStmt, ("type",)),
    Refusal(_NO_DROP, ASSUMED, "§1.6 LINT", ast.DropStmt, ("trigger",), lambda node: not node.if_exists),
    *about("Drop", "DROP {}", OURS, "§1.6 UG", "function", "routine"),
    *about("Drop", "DROP {}", OURS, "§1.6 RN", "statistics", since=STATISTICS),
    Refusal(_NO_DROP, ASSUMED, "§0", ast.Unsupported, ("Drop",)),
    Refusal(_NO_RENAME, OBSERVED, "§1.6 GOLD", ast.Unsupported, ("Rename",), lambda node: node.what == "type"),
    *about("Rename", "ALTER {} RENAME", OURS, "§1.6 UG", "view", "sequence", "domain", "function", "routine"),
    Refusal(_NO_RENAME, ASSUMED, "§0", ast.Unsupported, ("Rename",)),
    *(
        not_here(f"COMMENT ON {kind.upper()}", "§1.6 GRAM", of=ast.CommentStmt, kinds=(kind,))
        for kind in ("sequence", "view")
    ),
    Refusal(
        "unsupported object in COMMENT statement", ASSUMED, "§1.6 GRAM", ast.CommentStmt,
        ("domain constraint", "database", "extension", "tablespace", "language", "server", "publication",
         "subscription"),
    ),
    *about("Comment", "COMMENT ON {}", OURS, "§1.6 GRAM", "function", "routine"),
    Refusal("unsupported object in COMMENT statement", ASSUMED, "§1.6 GRAM", ast.Unsupported, ("Comment",)),
]  # fmt: skip

# --- roles, session, utility ---


_NO_GRANT = "unsupported object type in GRANT"

SESSION = [
    Refusal(
        "{} not supported for CREATE ROLE", ASSUMED, "§1.8 LINT", ast.RoleStmt, ("create",),
        lambda node: bool(_role_option(node, _ROLE_REFUSED)), lambda node: _role_option(node, _ROLE_REFUSED),
    ),
    Refusal(
        "{} not supported for ALTER ROLE", ASSUMED, "§1.8 LINT", ast.RoleStmt, ("alter",),
        lambda node: bool(_role_option(node, _ROLE_REFUSED)), lambda node: _role_option(node, _ROLE_REFUSED),
    ),
    Refusal(
        "{} not supported for ALTER ROLE", ASSUMED, "§1.8 LINT", ast.RoleStmt, ("alter",),
        lambda node: bool(_role_option(node, _ROLE_SETTINGS)), lambda node: _role_option(node, _ROLE_SETTINGS),
    ),
    not_here(
        "{} for a role", "§1.8 GRAM", of=ast.RoleStmt,
        when=lambda node: bool(_role_option(node, _ROLE_LATER)),
        shown=lambda node: _role_option(node, _ROLE_LATER),
    ),
    *about("Grant", "GRANT ON {}", OURS, "§1.8 UG", "function", "routine"),
    Refusal(_NO_GRANT, DOCUMENTED, "§1.8 UG", ast.GrantStmt, ("database",)),
    Refusal(
        _NO_GRANT, ASSUMED, "§0", ast.GrantStmt, ("language", "tablespace", "domain", "type", "procedure")
    ),
    Refusal(_NO_GRANT, ASSUMED, "§0", ast.Unsupported, ("Grant",)),
    Refusal(
        "feature not supported on system entity", OBSERVED, "§1.8 S1", ast.GrantStmt, ("schema",),
        lambda node: not node.all_in_schema and _is_public(node),
    ),
    *(
        Refusal("Unsupported isolation level: {}", evidence, source, of, kinds, _asks_for(*levels), _isolation)
        for of, kinds in ((ast.TransactionStmt, ("begin", "start")), (ast.VariableSetStmt, ("multi",)))
        for evidence, source, levels in (
            (OBSERVED, "§5.5 GOLD", ("SERIALIZABLE",)),
            (ASSUMED, "§5.5 INF", ("READ COMMITTED", "READ UNCOMMITTED")),
        )
    ),
    Refusal(
        'setting configuration parameter "{}" not supported', OBSERVED, "§5.5 GOLD", ast.VariableSetStmt,
        ("multi",), lambda node: node.name == "TRANSACTION", lambda node: node.name,
    ),
    Refusal(
        'setting configuration parameter "{}" not supported', ASSUMED, "§5.5 GOLD", ast.VariableSetStmt,
        ("multi",), lambda node: node.name == "TRANSACTION SNAPSHOT", lambda node: node.name,
    ),
    Refusal(
        "unsupported transaction statement: {}", OBSERVED, "§5.5 GOLD", ast.TransactionStmt,
        ("savepoint", "release", "rollback to"), shown=lambda node: node.kind.upper(),
    ),
    Refusal(
        "unsupported transaction statement: {}", ASSUMED, "§5.5 INF", ast.TransactionStmt,
        ("prepare", "commit prepared", "rollback prepared"), shown=lambda node: node.kind.upper(),
    ),
    Refusal(
        "{} AND CHAIN not supported", ASSUMED, "§5.5 GRAM", ast.TransactionStmt, ("commit", "rollback"),
        lambda node: bool(dict(node.options).get("chain")), lambda node: node.kind.upper(),
    ),
    *whole(OBSERVED, "§1.8 ISS sqlx#4162", "Execute"),
    *whole(ASSUMED, "§1.8 LINT", "Prepare", "Discard"),
    Refusal(
        "unsupported statement: Deallocate", ASSUMED, "§1.8 LINT", ast.DeallocateStmt,
        when=lambda node: node.name is not None,
    ),
    *whole(ASSUMED, "§1.8 INF", "DeclareCursor", "Fetch", "ClosePortal"),
    *whole(OBSERVED, "§1.8 PROXY", "Lock"),
    *whole(OBSERVED, "§1.8 GOLD", "Vacuum", text="unsupported VACUUM statement"),
    Refusal(
        "unsupported ANALYZE statement", ASSUMED, "§1.8 UG:systems-tables", ast.VacuumStmt,
        when=lambda node: len(node.relations) != 1 or bool(node.options) or any(node.columns),
    ),
    *whole(OBSERVED, "§1.8 GOLD", "AlterSystem"),
    *whole(ASSUMED, "§1.8 INF", "CheckPoint", "ReassignOwned", "DropOwned", "ImportForeignSchema"),
]  # fmt: skip
