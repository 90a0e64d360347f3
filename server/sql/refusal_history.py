"""What DSQL refused until it supported it (dsql-reference §11): of use with `--surface`, before the rules of today."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server.sql import ast
from server.sql.refusal import ASSUMED, DOCUMENTED, IDENTITIES, OBSERVED, Refusal
from server.sql.refusal_objects import ROUTINES, STATISTICS
from server.sql.refusal_tables import (
    DEFAULTS,
    EXPRESSION_KEYS,
    FOREIGN_KEYS,
    NOT_VALID,
    PARTIAL_INDEXES,
    STORAGE,
    USING_INDEX,
)

NUMERIC_KEYS = "2026-02-03"
LOCKS = "2026-08-24"
"""FOR UPDATE of any rows."""
KEY_SHARE = "2026-08-25"
NUMERIC_1000 = "2026-08-25"
"""numeric with more than 38 digits, 37 of them after the point."""
TYPES = {"json": "2026-05-04", "jsonb": "2026-06-08"}
"""Columns of these types, which were there in queries before."""

LOCK_WITHOUT_KEY = Refusal(
    "locking clause such as FOR UPDATE can be applied only on tables with equality predicates on the key",
    DOCUMENTED, "§5.2 UG", until=LOCKS,
)  # fmt: skip
LOCK_OF_SEVERAL = Refusal(
    "locking clause such as FOR UPDATE can be applied on a single table", DOCUMENTED, "§5.2 UG", until=LOCKS
)

_ALTER = "unsupported ALTER TABLE {} statement"
_NAMES = {
    "set default": "ALTER COLUMN ... SET DEFAULT",
    "drop default": "ALTER COLUMN ... SET DEFAULT",
    "drop not null": "ALTER COLUMN ... DROP NOT NULL",
    "drop expression": "ALTER COLUMN ... DROP EXPRESSION",
    "add identity": "ALTER COLUMN ... ADD IDENTITY",
    "set identity": "ALTER COLUMN ... SET",
    "drop identity": "ALTER COLUMN ... DROP IDENTITY",
    "set storage": "ALTER COLUMN ... SET STORAGE",
}
"""Actions as PostgreSQL names them (alter_table_type_to_string), where that is not the action in upper case."""


def _subcommand(command: ast.AlterCmd) -> str:
    return _NAMES.get(command.action, command.action.upper())


def _actions(until: str, source: str, *actions: str, evidence: str = ASSUMED) -> Refusal:
    return Refusal(_ALTER, evidence, source, ast.AlterCmd, actions, shown=_subcommand, until=until)


def _added(until: str, source: str, when: Callable[[ast.Constraint], bool]) -> Refusal:
    def is_meant(command: ast.AlterCmd) -> bool:
        return command.constraint is not None and when(command.constraint)

    return Refusal(
        _ALTER, ASSUMED, source, ast.AlterCmd, ("add constraint",), is_meant, _subcommand, until=until
    )


def _statements(until: str, source: str, *nodes: str) -> list[Refusal]:
    return [
        Refusal(f"unsupported statement: {node}", ASSUMED, source, ast.Unsupported, (node,), until=until)
        for node in nodes
    ]


def _clause(until: str, text: str, source: str, of: type, when: Callable[[Any], bool]) -> Refusal:
    return Refusal(text, ASSUMED, source, of, when=when, until=until)


HISTORY: tuple[Refusal, ...] = (
    *_statements(IDENTITIES, "§1.7 RN", "CreateSeq", "AlterSeq"),
    Refusal(
        "unsupported statement: CreateSeq", ASSUMED, "§1.7 RN", ast.Unsupported, ("SequenceType",),
        until=IDENTITIES,
    ),
    Refusal(
        "unsupported object in DROP statement", ASSUMED, "§1.7 RN", ast.DropStmt, ("sequence",), until=IDENTITIES
    ),
    _actions(IDENTITIES, "§1.4 UG", "set identity", "drop identity"),
    Refusal(
        "IDENTITY constraint not supported", ASSUMED, "§1.7 RN", ast.Constraint, ("identity",), until=IDENTITIES
    ),
    _added(USING_INDEX, "§1.4 UG", lambda constraint: constraint.using_index is not None),
    Refusal(
        "unsupported statement: AlterDefaultPrivileges", ASSUMED, "§1.8 RN", ast.AlterDefaultPrivilegesStmt,
        until=ROUTINES,
    ),
    Refusal(
        "unsupported statement: AlterFunction", ASSUMED, "§1.6 RN", ast.Unsupported, ("AlterFunction",),
        lambda node: node.what == "routine", until=ROUTINES,
    ),
    _clause(
        ROUTINES, "schema elements not supported for CREATE SCHEMA", "§1.6 RN", ast.CreateSchemaStmt,
        lambda node: bool(node.elements),
    ),
    Refusal(
        "unsupported object in RENAME statement", ASSUMED, "§1.8 RN", ast.RenameStmt, ("role",), until=ROUTINES
    ),
    _actions(STORAGE, "§1.4 RN", "set storage"),
    _clause(
        STORAGE, "STORAGE clause not supported", "§1.3 RN", ast.ColumnDef, lambda node: node.storage is not None
    ),
    _actions(
        DEFAULTS, "§1.4 RN", "set default", "drop default", "drop not null", "drop expression", "add identity",
        "drop constraint",
    ),
    Refusal(
        "unsupported ALTER TABLE VALIDATE CONSTRAINT statement", ASSUMED, "§1.4 RN", ast.AlterTableStmt,
        when=lambda node: node.asynchronous, until=NOT_VALID,
    ),
    _actions(NOT_VALID, "§1.4 app repos", "drop column", evidence=OBSERVED),
    _added(NOT_VALID, "§1.4 RN", lambda constraint: constraint.not_valid and constraint.kind == "check"),
    _clause(
        EXPRESSION_KEYS, "expressions not supported for index keys", "§1.5 RN", ast.IndexElem,
        lambda node: node.name is None,
    ),
    Refusal(
        "locking clauses other than FOR UPDATE are not supported", ASSUMED, "§1.1 RN", ast.LockingClause,
        ("share", "no key update", "key share"), until=KEY_SHARE,
    ),
    _added(
        FOREIGN_KEYS, "§1.4 RN", lambda constraint: constraint.not_valid and constraint.kind == "foreign key"
    ),
    _actions(FOREIGN_KEYS, "§1.4 UG", "alter constraint"),
    Refusal(
        "FOREIGN KEY constraint not supported", OBSERVED, "§1.3 app repos", ast.Constraint, ("foreign key",),
        until=FOREIGN_KEYS,
    ),
    *_statements(STATISTICS, "§1.6 RN", "CreateStats", "AlterStats"),
    Refusal(
        "WHERE not supported for CREATE INDEX", OBSERVED, "§1.5 app repos", ast.IndexStmt,
        when=lambda node: node.where is not None, until=PARTIAL_INDEXES,
    ),
    LOCK_WITHOUT_KEY,
    LOCK_OF_SEVERAL,
)  # fmt: skip
