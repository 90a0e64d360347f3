"""What is refused of queries, DML, CREATE and ALTER TABLE and CREATE INDEX (dsql-reference §1.1-§1.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server.sql import ast
from server.sql.refusal import ASSUMED, DOCUMENTED, IDENTITIES, OBSERVED, Refusal, not_here, whole

USING_INDEX = "2026-04-20"
STORAGE = "2026-05-01"
DEFAULTS = "2026-07-06"
NOT_VALID = "2026-08-03"
EXPRESSION_KEYS = "2026-08-13"
FOREIGN_KEYS = "2026-08-26"
PARTIAL_INDEXES = "2026-09-15"


# --- shapes ---


def cache_is_bad(options: Any) -> bool:
    """No CACHE, or neither 1 nor at least 65536 (dsql-reference §1.7)."""
    for name, value in options:
        if name == "cache":
            return not (str(value) == "1" or (str(value).isdigit() and int(value) >= 65536))
    return True


def _is_constrained(command: ast.AlterCmd) -> bool:
    assert command.column is not None
    return any(constraint.kind != "null" for constraint in command.column.constraints)


def _validates_now(statement: ast.AlterTableStmt) -> bool:
    """VALIDATE CONSTRAINT reads the whole table: only ALTER TABLE ASYNC has it."""
    return not statement.asynchronous and any(
        command.action == "validate constraint" for command in statement.commands
    )


def _added(command: ast.AlterCmd) -> ast.Constraint:
    assert command.constraint is not None
    return command.constraint


_COLUMN_ACTIONS = {
    "set type": "SET DATA TYPE",
    "set options": "SET",
    "reset options": "RESET",
    "options": "OPTIONS",
    "set not null": "SET NOT NULL",
    "set statistics": "SET STATISTICS",
    "set compression": "SET COMPRESSION",
}


def subcommand(command: ast.AlterCmd) -> str:
    """An action of ALTER TABLE as PostgreSQL names it (alter_table_type_to_string)."""
    action = command.action
    if action in _COLUMN_ACTIONS and (action != "options" or command.name is not None):
        return f"ALTER COLUMN ... {_COLUMN_ACTIONS[action]}"
    return action.upper()


def _clauses(evidence: str, source: str, clauses: dict[str, str]) -> list[Refusal]:
    """One refusal per clause of CREATE TABLE: the node's attribute -> what the text calls it."""
    return [
        Refusal(f"{shown} clause not supported", evidence, source, ast.CreateStmt, when=_has(attribute))
        for attribute, shown in clauses.items()
    ]


def _has(attribute: str) -> Callable[[object], bool]:
    return lambda node: bool(getattr(node, attribute))


# --- queries and DML ---

QUERIES = [
    Refusal("TABLESAMPLE clause not supported", OBSERVED, "§1.1 GOLD", ast.RangeVar, when=lambda n: n.sampled),
    Refusal(
        "unsupported statement: CreateTableAs", ASSUMED, "§1.1 INF", ast.SelectStmt,
        when=lambda node: node.into is not None,
    ),
    Refusal(
        "locking clauses other than FOR UPDATE/FOR KEY SHARE are not supported", OBSERVED, "§1.1 GOLD",
        ast.LockingClause, ("share", "no key update"),
    ),
    *whole(OBSERVED, "§1.2 GOLD", "Merge", text="unsupported statement type: MERGE"),
    *whole(OBSERVED, "§1.2 GOLD", "Truncate"),
    Refusal(
        "COPY {} a file or program is not supported", ASSUMED, "§1.2 LINT", ast.CopyStmt,
        when=lambda node: node.filename is not None or node.program,
        shown=lambda node: "from" if node.from_ else "to",
        hint="Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone.",
    ),
    *(
        Refusal(
            "WHERE CURRENT OF is not supported", ASSUMED, "§1.2 GRAM", of,
            when=lambda node: node.current_of is not None,
        )
        for of in (ast.UpdateStmt, ast.DeleteStmt)
    ),
]  # fmt: skip

# --- CREATE TABLE ---

IDENTITY_CACHE = (
    "identity column is not supported without an explicit cache size. "
    "please define CACHE greater than or equal to 65536 or equal to 1"
)
IDENTITY_TYPE = Refusal(
    "datatype {} not supported, identity column type must be bigint", OBSERVED, "§1.7 GOLD", since=IDENTITIES
)
IDENTITY = not_here("identity columns", "§1.3 GOLD", IDENTITIES)

CREATE_TABLE = [
    Refusal(
        "TEMPORARY or TEMP table not supported for CREATE TABLE", OBSERVED, "§1.3 GOLD", ast.CreateStmt,
        when=lambda node: node.persistence == "temp",
    ),
    Refusal(
        "UNLOGGED table not supported for CREATE TABLE", OBSERVED, "§1.3 GOLD", ast.CreateStmt,
        when=lambda node: node.persistence == "unlogged",
    ),
    Refusal("unsupported statement: CreateTableAs", OBSERVED, "§1.3 GOLD", ast.CreateTableAsStmt),
    *_clauses(OBSERVED, "§1.3 PGREST", {"partition_by": "PARTITION BY"}),
    *_clauses(
        ASSUMED, "§1.3 LINT",
        {
            "partition_of": "PARTITION OF", "inherits": "INHERITS", "of_type": "OF", "access_method": "USING",
            "options": "WITH", "on_commit": "ON COMMIT", "tablespace": "TABLESPACE",
        },
    ),
    Refusal(
        "COLLATE clause not supported", OBSERVED, "§1.3 LINT", ast.ColumnDef,
        when=lambda node: node.collation is not None,
    ),
    Refusal(
        "COMPRESSION clause not supported", ASSUMED, "§1.4 LINT", ast.ColumnDef,
        when=lambda node: node.compression is not None,
    ),
    Refusal(
        "DEFERRABLE not supported for {} constraint", ASSUMED, "§1.3 UG:create-table", ast.Constraint,
        ("primary key", "unique"), lambda node: node.deferrable or node.initially_deferred,
        lambda node: node.kind.upper(),
    ),
    Refusal(
        "WITH clause not supported", ASSUMED, "§1.3 LINT", ast.Constraint, ("primary key", "unique"),
        lambda node: bool(node.options),
    ),
    Refusal(
        "TABLESPACE clause not supported", ASSUMED, "§1.3 LINT", ast.Constraint, ("primary key", "unique"),
        lambda node: node.tablespace is not None,
    ),
    Refusal(
        "NO INHERIT not supported", ASSUMED, "§1.3 LINT", ast.Constraint, when=lambda node: node.no_inherit
    ),
    Refusal(
        "EXCLUDE constraint not supported for CREATE TABLE", ASSUMED, "§1.3 UG", ast.Constraint, ("exclude",)
    ),
    Refusal(
        IDENTITY_CACHE, OBSERVED, "§1.7 GOLD", ast.Constraint, ("identity",),
        lambda node: cache_is_bad(node.options), since=IDENTITIES,
    ),
]  # fmt: skip

# --- ALTER TABLE ---

ALTER_TABLE = [
    Refusal(
        "unsupported ALTER TABLE VALIDATE CONSTRAINT statement", OBSERVED, "§1.4 GOLD", ast.AlterTableStmt,
        when=_validates_now,
    ),
    Refusal(
        "unsupported ALTER INDEX statement", ASSUMED, "§1.5 LINT", ast.AlterTableStmt, ("index",),
    ),
    Refusal(
        "ALTER TABLE ADD COLUMN with constraint not supported", OBSERVED, "§1.4 GOLD", ast.AlterCmd,
        ("add column",), _is_constrained,
    ),
    Refusal(
        "unsupported ALTER TABLE ADD CONSTRAINT statement", OBSERVED, "§1.4 GOLD", ast.AlterCmd,
        ("add constraint",),
        lambda node: not _added(node).not_valid and _added(node).using_index is None,
    ),
    Refusal(
        "unsupported ALTER TABLE ADD CONSTRAINT statement", ASSUMED, "§1.4 LINT", ast.AlterCmd,
        ("add constraint",),
        lambda node: _added(node).using_index is not None and _added(node).kind == "primary key",
    ),
    Refusal(
        IDENTITY_CACHE, DOCUMENTED, "§1.4 UG", ast.AlterCmd, ("add identity",),
        lambda node: cache_is_bad(node.value[1]), since=DEFAULTS,
    ),
    not_here(
        "ALTER TABLE ALTER COLUMN ... ADD GENERATED AS IDENTITY", "§1.4 UG", DEFAULTS, of=ast.AlterCmd,
        kinds=("add identity",),
    ),
    *(
        Refusal(
            "unsupported ALTER TABLE {} statement", evidence, source, ast.AlterCmd, actions, shown=subcommand
        )
        for evidence, source, actions in (
            (OBSERVED, "§1.4 GOLD", ("set type",)),
            (OBSERVED, "§1.4 AGT", ("set statistics",)),
            (ASSUMED, "§1.4 PGREST", ("enable row security",)),
            (ASSUMED, "§1.4 S1", ("set not null",)),
            (ASSUMED, "§1.4 LINT", ("set compression", "set options", "reset options", "options")),
            (
                ASSUMED,
                "§1.4 LINT",
                (
                    "disable row security", "force row security", "no force row security",
                    "replica identity", "inherit", "no inherit", "of", "not of", "attach partition",
                    "detach partition", "set", "reset", "cluster on", "set without cluster", "set without oids",
                    "set logged", "set unlogged", "set access method", "set tablespace", "enable rule",
                    "enable always rule", "enable replica rule", "disable rule", "enable trigger",
                    "enable always trigger", "enable replica trigger", "disable trigger",
                ),
            ),
        )
    ),
]  # fmt: skip

# --- indexes ---

KEY_TYPE = Refusal("datatype {} is not supported in a key", OBSERVED, "§1.5 AGT")

SYNC_INDEX = Refusal("unsupported mode. please use CREATE INDEX ASYNC.", ASSUMED, "§1.5 UG:accessing")
"""Of a table that has rows, where a setting allows it of empty ones."""

INDEXES = [
    Refusal(
        "CONCURRENTLY not supported for CREATE INDEX", OBSERVED, "§1.5 AGT", ast.IndexStmt,
        when=lambda node: node.concurrently,
    ),
    Refusal(
        "unsupported mode. please use CREATE INDEX ASYNC.", OBSERVED, "§1.5 GOLD", ast.IndexStmt,
        when=lambda node: not node.asynchronous, unless="disable_sync_create_index",
    ),
    Refusal(
        "USING not supported for CREATE INDEX", OBSERVED, "§1.5 PGREST", ast.IndexStmt,
        when=lambda node: node.access_method is not None,
    ),
    Refusal(
        "WITH clause not supported for CREATE INDEX", ASSUMED, "§1.5 UG:create-index", ast.IndexStmt,
        when=lambda node: bool(node.options),
    ),
    Refusal(
        "TABLESPACE clause not supported for CREATE INDEX", ASSUMED, "§1.5 UG:create-index", ast.IndexStmt,
        when=lambda node: node.tablespace is not None,
    ),
    Refusal(
        "COLLATE clause not supported", ASSUMED, "§1.5 UG:create-index", ast.IndexElem,
        when=lambda node: node.collation is not None,
    ),
    Refusal(
        "opclass not supported for index keys", OBSERVED, "§1.5 AGT", ast.IndexElem,
        when=lambda node: node.opclass is not None,
    ),
    Refusal(
        "specifying sort order not supported for index keys", OBSERVED, "§1.5 AGT", ast.IndexElem,
        when=lambda node: node.descending is not None,
    ),
    Refusal(
        "CONCURRENTLY not supported for DROP INDEX", ASSUMED, "§1.5 UG", ast.DropStmt, ("index",),
        lambda node: node.concurrently,
    ),
    *whole(ASSUMED, "§1.5 INF", "Reindex", "Cluster"),
]  # fmt: skip
