"""Everything that is refused as a feature, in one table (dsql-reference §0, §1, §5.4, §5.5).

`check` looks at a statement before anything else is done with it; the binder asks `check_node` about the clauses of
queries; refusals without a shape are raised by name where the rest is known. `TABLE` is all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from server.sql import ast, dates, refusal_history, refusal_objects, refusal_tables
from server.sql.dates import PREVIEW
from server.sql.refusal import ASSUMED, OBSERVED, OURS, Refusal, not_here

IDENTITY_TYPE = refusal_tables.IDENTITY_TYPE
IDENTITY = refusal_tables.IDENTITY
KEY_TYPE = refusal_tables.KEY_TYPE
SYNC_INDEX = refusal_tables.SYNC_INDEX
SETTING = Refusal('setting configuration parameter "{}" not supported', OBSERVED, "§8.3 UG, GOLD")
SYSTEM_ENTITY = Refusal("feature not supported on system entity", ASSUMED, "§1.8 S1")
FUNCTION = Refusal("function {} not supported", OBSERVED, "§3 ISS golang-migrate#1289")
DATATYPE = Refusal("datatype {} not supported", OBSERVED, "§2.3 GOLD")
QUERY_TYPE = not_here("type {}", "§2.2 GOLD")
LACKING = not_here("{}", "§2.2 PGREST, §3 GRAM")
"""Of functions and operators of types that are not here."""
MULTIPLE_DDL = Refusal("multiple ddl statements not supported in a transaction", OBSERVED, "§5.4 GOLD")
DML_AFTER_DDL = Refusal("ddl and dml are not supported in the same transaction", OBSERVED, "§5.4 GOLD")
DDL_AFTER_DML = Refusal("ddl and dml are not supported in the same transaction", ASSUMED, "§5.4 INF")
DROP_KEY_COLUMN = Refusal(
    "cannot drop primary key column {}", OBSERVED, "§1.4 GOLD", since=refusal_tables.NOT_VALID
)
DROP_KEY = Refusal(
    "unsupported ALTER TABLE DROP CONSTRAINT statement", ASSUMED, "§1.4 INF", since=refusal_tables.DEFAULTS
)
"""Of a primary key, in whose order the rows lie."""
EXPLAIN_FORMAT = not_here("EXPLAIN (FORMAT {})", "§1.8 UG")

BY_NAME = (
    IDENTITY_TYPE, IDENTITY, KEY_TYPE, SYNC_INDEX, SETTING, SYSTEM_ENTITY, FUNCTION, DATATYPE, QUERY_TYPE, LACKING,
    MULTIPLE_DDL, DML_AFTER_DDL, DDL_AFTER_DML, DROP_KEY_COLUMN, DROP_KEY, EXPLAIN_FORMAT,
)  # fmt: skip
"""Refusals that need more than the parse tree."""

TABLE: tuple[Refusal, ...] = (
    *refusal_tables.QUERIES, *refusal_tables.CREATE_TABLE, *refusal_tables.ALTER_TABLE, *refusal_tables.INDEXES,
    *refusal_objects.OBJECTS, *refusal_objects.SESSION, *BY_NAME,
)  # fmt: skip
"""All refusals. Of two that fit a node the first counts."""


# --- asking ---

_KIND: dict[type, str] = {
    ast.Unsupported: "node",
    ast.AlterCmd: "action",
    ast.RoleStmt: "action",
    ast.LockingClause: "strength",
    **dict.fromkeys(
        (
            ast.AlterTableStmt, ast.CommentStmt, ast.Constraint, ast.DropStmt, ast.GrantStmt, ast.RenameStmt,
            ast.TransactionStmt, ast.VariableSetStmt,
        ),
        "kind",
    ),
}  # fmt: skip
"""The attribute that `kinds` means."""


def table(day: str | None) -> tuple[Refusal, ...]:
    """The refusals of that day; None: of the newest there is. Of two that fit a node the first counts."""
    if day is None:
        return TABLE
    earlier = [each for each in refusal_history.HISTORY if each.until is not None and each.until > day]
    return (*earlier, *(each for each in TABLE if each.evidence == OURS or (each.since or PREVIEW) <= day))


def _indexed(refusals: tuple[Refusal, ...]) -> dict[type, tuple[Refusal, ...]]:
    found: dict[type, list[Refusal]] = {}
    for refusal in refusals:
        if refusal.of is not None:
            found.setdefault(refusal.of, []).append(refusal)
    return {of: tuple(refusals) for of, refusals in found.items()}


_BY_NODE = _indexed(TABLE)


def as_of(day: str | None) -> None:
    """Refuse from now on, in the whole process, what DSQL refused on that day (`--surface`); None: what it does now."""
    global _BY_NODE
    dates.set_day(day)
    _BY_NODE = _indexed(table(day))


def check_lock(has_whole_key: bool, tables: int) -> None:
    """PgError where FOR UPDATE was for one row of one table, given by its key."""
    if dates.is_later(refusal_history.LOCKS):
        if tables > 1:
            raise refusal_history.LOCK_OF_SEVERAL.error()
        if not has_whole_key:
            raise refusal_history.LOCK_WITHOUT_KEY.error()


def numeric_digits() -> tuple[int, int]:
    """How many digits numeric(p, s) may have, and how many after the point."""
    return (38, 37) if dates.is_later(refusal_history.NUMERIC_1000) else (1000, 1000)


def has_type(name: str) -> bool:
    """Whether columns may be of this type, of those that came later."""
    return not dates.is_later(refusal_history.TYPES.get(name, PREVIEW))


def has_key_type(name: str) -> bool:
    """Likewise for keys."""
    return name != "numeric" or not dates.is_later(refusal_history.NUMERIC_KEYS)


Shown = Callable[[str], str | None]


def _all_on(_name: str) -> str | None:
    return "on"


def kind_of(node: object) -> str | None:
    """What `kinds` is compared with."""
    attribute = _KIND.get(type(node))
    return getattr(node, attribute) if attribute is not None else None


def find(node: object, setting: Shown = _all_on) -> Refusal | None:
    """The refusal of this very node; `setting` shows the value of one."""
    refusals = _BY_NODE.get(type(node))
    if refusals is None:
        return None
    kind = kind_of(node)
    for refusal in refusals:
        if refusal.kinds and kind not in refusal.kinds:
            continue
        if refusal.when(node) and (refusal.unless is None or setting(refusal.unless) != "off"):
            return refusal
    return None


def check_node(node: object, setting: Shown = _all_on) -> None:
    """PgError when the node, without those below it, is refused."""
    refusal = find(node, setting)
    if refusal is not None:
        raise refusal.error(refusal.shown(node))


def check(statement: object, setting: Shown) -> None:
    """PgError when a statement that is not planned is refused, whole or in a part. Queries in it are not looked at."""
    check_node(statement, setting)
    for part in _parts(statement):
        check(part, setting)


def _parts(node: object) -> Iterator[object]:
    """The parts of definitions, in the order in which they stand."""
    if isinstance(node, ast.CreateStmt | ast.CreateSchemaStmt):
        yield from node.elements
    elif isinstance(node, ast.ColumnDef):
        yield from node.constraints
    elif isinstance(node, ast.AlterTableStmt):
        yield from node.commands
    elif isinstance(node, ast.AlterCmd):
        yield from (part for part in (node.column, node.constraint) if part is not None)
    elif isinstance(node, ast.IndexStmt):
        yield from node.keys
    elif isinstance(node, ast.ExplainStmt) and isinstance(node.query, ast.CreateTableAsStmt):
        yield node.query
