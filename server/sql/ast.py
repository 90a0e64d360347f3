"""The raw parse tree: plain, typed, immutable; names follow PostgreSQL's parse nodes.

The names matter: DSQL's refusals carry them (`unsupported statement: Truncate`, dsql-reference §0).
Every `at` is the 0-based offset, in characters, of the construct's first token; -1 where there is none.
Names are already folded to lower case unless they were quoted. Nothing here knows of catalogs or types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Names: TypeAlias = tuple[str, ...]
"""A possibly qualified name, outermost qualifier first."""


# --- expressions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: kind is integer, float (a numeric literal that is no int8), string, bool, null, or bits."""

    kind: str
    text: str
    at: int = -1


@dataclass(frozen=True, slots=True)
class ParamRef:
    """`$n`; `lifted` when the scanner put it in place of a literal (DESIGN §11)."""

    number: int
    at: int = -1
    lifted: bool = False


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """`a`, `t.a`, `s.t.a`; with `star` the last part is `*`."""

    names: Names
    star: bool = False
    at: int = -1


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as written: `pg_catalog.int4`, `numeric(10,2)`, `interval day to second(3)`, `text[]`."""

    names: Names
    """Canonical internal names for the keyword forms: `integer` -> (pg_catalog, int4)."""
    modifiers: tuple[Expr, ...] = ()
    array_bounds: tuple[int, ...] = ()
    """One entry per dimension, -1 where none was given."""
    setof: bool = False
    interval_fields: str | None = None
    """`year to month`, `day`, ... for interval types."""
    at: int = -1


@dataclass(frozen=True, slots=True)
class Op:
    """An operator: binary, or prefix when `left` is None. `schema` comes from OPERATOR(schema.op).

    LIKE, ILIKE, SIMILAR TO arrive as the operators `~~`, `~~*`, `!~~`, `!~~*`; `negated` forms as `!~~`.
    """

    name: str
    left: Expr | None
    right: Expr
    schema: str | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class BoolExpr:
    """`and`, `or` (flattened), `not`."""

    op: str
    args: tuple[Expr, ...]
    at: int = -1


@dataclass(frozen=True, slots=True)
class NullTest:
    arg: Expr
    negated: bool
    at: int = -1


@dataclass(frozen=True, slots=True)
class BooleanTest:
    """IS [NOT] TRUE, FALSE, UNKNOWN; `value` is one of those words."""

    arg: Expr
    value: str
    negated: bool
    at: int = -1


@dataclass(frozen=True, slots=True)
class DistinctTest:
    """IS [NOT] DISTINCT FROM."""

    left: Expr
    right: Expr
    negated: bool
    at: int = -1


@dataclass(frozen=True, slots=True)
class Between:
    arg: Expr
    low: Expr
    high: Expr
    symmetric: bool
    negated: bool
    at: int = -1


@dataclass(frozen=True, slots=True)
class InList:
    """`x [NOT] IN (a, b, ...)`; a subquery gives a SubLink."""

    arg: Expr
    items: tuple[Expr, ...]
    negated: bool
    at: int = -1


@dataclass(frozen=True, slots=True)
class SubLink:
    """A subquery in an expression.

    kind: exists, scalar, array (`ARRAY(SELECT ...)`), any, all. For any and all, `test` is the left side and
    `operator` the operator; `x IN (SELECT ...)` is kind any with operator `=`, NOT IN is inside
    a BoolExpr not.
    """

    kind: str
    query: Query
    test: Expr | None = None
    operator: str | None = None
    operator_schema: str | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class ArrayOp:
    """`x op ANY (array)` or `x op ALL (array)`."""

    left: Expr
    operator: str
    schema: str | None
    right: Expr
    all: bool
    at: int = -1


@dataclass(frozen=True, slots=True)
class SortBy:
    expr: Expr
    descending: bool = False
    nulls_first: bool | None = None
    """None: the default for the direction."""
    using: str | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class WindowDef:
    """A window: `name` when defined in WINDOW, `base` when it copies a named one.

    `OVER w` alone has `base` and nothing else.
    """

    name: str | None = None
    base: str | None = None
    partition_by: tuple[Expr, ...] = ()
    order_by: tuple[SortBy, ...] = ()
    frame_mode: str | None = None
    """rows, range, groups; None: no frame clause."""
    start: tuple[str, Expr | None] = ("unbounded preceding", None)
    """(unbounded preceding | preceding | current row | following | unbounded following, offset)."""
    end: tuple[str, Expr | None] = ("current row", None)
    exclude: str | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class FuncCall:
    """A function call, also of aggregates and windows.

    The special forms become calls of the functions that PostgreSQL maps them to: EXTRACT -> extract,
    SUBSTRING(x FROM a FOR b) -> substring, POSITION -> position(haystack, needle), TRIM -> btrim/ltrim/rtrim,
    OVERLAY -> overlay, AT TIME ZONE -> timezone(zone, x), SIMILAR TO -> similar_to_escape and `~`,
    LIKE ... ESCAPE -> like_escape, NORMALIZE, COLLATION FOR; schema pg_catalog then.
    """

    names: Names
    args: tuple[Expr, ...] = ()
    arg_names: tuple[str | None, ...] = ()
    """Parallel to args when any argument is named, else empty."""
    star: bool = False
    distinct: bool = False
    variadic: bool = False
    order_by: tuple[SortBy, ...] = ()
    within_group: bool = False
    filter: Expr | None = None
    over: WindowDef | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class SqlValueFunction:
    """CURRENT_DATE, CURRENT_TIME[(p)], CURRENT_TIMESTAMP[(p)], LOCALTIME[(p)], LOCALTIMESTAMP[(p)],
    CURRENT_USER, USER, SESSION_USER, SYSTEM_USER, CURRENT_ROLE, CURRENT_CATALOG, CURRENT_SCHEMA: `name` in
    lower case."""

    name: str
    precision: int | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class TypeCast:
    """`CAST(x AS t)`, `x::t`, `t 'literal'`."""

    arg: Expr
    type: TypeName
    at: int = -1


@dataclass(frozen=True, slots=True)
class Collate:
    arg: Expr
    names: Names
    at: int = -1


@dataclass(frozen=True, slots=True)
class CaseExpr:
    arg: Expr | None
    whens: tuple[tuple[Expr, Expr], ...]
    default: Expr | None
    at: int = -1


@dataclass(frozen=True, slots=True)
class Coalesce:
    args: tuple[Expr, ...]
    at: int = -1


@dataclass(frozen=True, slots=True)
class MinMax:
    """GREATEST and LEAST."""

    op: str
    args: tuple[Expr, ...]
    at: int = -1


@dataclass(frozen=True, slots=True)
class NullIf:
    left: Expr
    right: Expr
    at: int = -1


@dataclass(frozen=True, slots=True)
class ArrayExpr:
    """`ARRAY[...]`; nested ones are ArrayExpr elements."""

    items: tuple[Expr, ...]
    at: int = -1


@dataclass(frozen=True, slots=True)
class RowExpr:
    """`ROW(...)`, or `(a, b)` when not `explicit`."""

    items: tuple[Expr, ...]
    explicit: bool
    at: int = -1


@dataclass(frozen=True, slots=True)
class IsJson:
    """`x IS JSON kind [WITH UNIQUE KEYS]`; kind: value, array, object, scalar."""

    arg: Expr
    kind: str
    unique: bool
    at: int = -1


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """FORMAT JSON, perhaps with an ENCODING."""

    encoding: str | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class JsonItem:
    """A value, in objects with its key, of a JSON constructor; `format_json`: it is JSON already."""

    key: Expr | None
    value: Expr
    format_json: JsonFormat | None = None


@dataclass(frozen=True, slots=True)
class JsonCall:
    """JSON_OBJECT, JSON_ARRAY, JSON_OBJECTAGG, JSON_ARRAYAGG. `absent`: NULL values are left out."""

    name: str
    items: tuple[JsonItem, ...]
    absent: bool
    unique: bool = False
    returning: TypeName | None = None
    returning_format: JsonFormat | None = None
    call: FuncCall | None = None
    """ORDER BY, FILTER and OVER of the aggregates."""
    at: int = -1


@dataclass(frozen=True, slots=True)
class Subscript:
    """`x[i]`, or the slice `x[a:b]` when `is_slice`."""

    arg: Expr
    lower: Expr | None
    upper: Expr | None
    """The index itself when it is no slice."""
    is_slice: bool
    at: int = -1


@dataclass(frozen=True, slots=True)
class FieldSelect:
    """`(x).field`; with `star`, `(x).*`."""

    arg: Expr
    name: str
    star: bool = False
    at: int = -1


@dataclass(frozen=True, slots=True)
class Grouping:
    """GROUPING(...)."""

    args: tuple[Expr, ...]
    at: int = -1


@dataclass(frozen=True, slots=True)
class DefaultMarker:
    """DEFAULT as an expression in VALUES or SET."""

    at: int = -1


Expr: TypeAlias = (
    Literal | ParamRef | ColumnRef | Op | BoolExpr | NullTest | BooleanTest | DistinctTest | Between | InList
    | SubLink | ArrayOp | FuncCall | SqlValueFunction | TypeCast | Collate | CaseExpr | Coalesce | MinMax
    | NullIf | ArrayExpr | RowExpr | Subscript | FieldSelect | Grouping | DefaultMarker | IsJson
    | JsonCall
)  # fmt: skip


# --- FROM --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alias:
    name: str
    columns: Names = ()


@dataclass(frozen=True, slots=True)
class ColumnDef:
    """A column in CREATE TABLE, ADD COLUMN, or a function's column definition list."""

    name: str
    type: TypeName
    constraints: tuple[Constraint, ...] = ()
    collation: Names | None = None
    storage: str | None = None
    compression: str | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class RangeVar:
    """A table, view or CTE by name; `only` for ONLY t."""

    names: Names
    alias: Alias | None = None
    only: bool = False
    sampled: bool = False
    """TABLESAMPLE was given (refused by DSQL)."""
    at: int = -1


@dataclass(frozen=True, slots=True)
class RangeSubselect:
    query: Query
    lateral: bool = False
    alias: Alias | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class RangeFunction:
    """A function in FROM; several for ROWS FROM."""

    functions: tuple[tuple[Expr, tuple[ColumnDef, ...]], ...]
    ordinality: bool = False
    lateral: bool = False
    alias: Alias | None = None
    columns: tuple[ColumnDef, ...] = ()
    at: int = -1


@dataclass(frozen=True, slots=True)
class JoinExpr:
    """kind: inner, left, right, full, cross."""

    kind: str
    left: FromItem
    right: FromItem
    natural: bool = False
    using: Names | None = None
    using_alias: str | None = None
    on: Expr | None = None
    alias: Alias | None = None
    at: int = -1


FromItem: TypeAlias = RangeVar | RangeSubselect | RangeFunction | JoinExpr


# --- queries -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ResTarget:
    """A select-list entry, or in INSERT a target column (`name`)."""

    expr: Expr | None
    name: str | None = None
    at: int = -1
    indirection: str | None = None
    """The field of the target column that was named; empty: an element of it."""
    """INSERT only: a field or an element of the column was named."""


@dataclass(frozen=True, slots=True)
class SearchClause:
    """`SEARCH DEPTH|BREADTH FIRST BY columns SET sequence`."""

    depth_first: bool
    columns: Names
    sequence: str
    at: int = -1


@dataclass(frozen=True, slots=True)
class CycleClause:
    """`CYCLE columns SET mark TO value DEFAULT default USING path`."""

    columns: Names
    mark: str
    value: Expr
    default: Expr
    path: str
    at: int = -1


@dataclass(frozen=True, slots=True)
class CommonTableExpr:
    name: str
    columns: Names
    query: Statement
    materialized: bool | None = None
    search: SearchClause | None = None
    cycle: CycleClause | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class WithClause:
    ctes: tuple[CommonTableExpr, ...]
    recursive: bool
    at: int = -1


@dataclass(frozen=True, slots=True)
class LockingClause:
    """strength: update, no key update, share, key share."""

    strength: str
    tables: tuple[Names, ...] = ()
    wait: str | None = None
    """nowait, skip locked, or None."""
    at: int = -1


@dataclass(frozen=True, slots=True)
class GroupingSet:
    """kind: rollup, cube, sets, empty; items may nest."""

    kind: str
    items: tuple[Expr | GroupingSet, ...] = ()
    at: int = -1


@dataclass(frozen=True, slots=True)
class SelectStmt:
    """SELECT, or TABLE t (written as SELECT * FROM t)."""

    targets: tuple[ResTarget, ...] = ()
    distinct: bool | tuple[Expr, ...] = False
    """True for DISTINCT, a tuple for DISTINCT ON (...)."""
    into: Names | None = None
    from_: tuple[FromItem, ...] = ()
    where: Expr | None = None
    group_by: tuple[Expr | GroupingSet, ...] = ()
    group_distinct: bool = False
    having: Expr | None = None
    windows: tuple[WindowDef, ...] = ()
    with_: WithClause | None = None
    order_by: tuple[SortBy, ...] = ()
    limit: Expr | None = None
    with_ties: bool = False
    offset: Expr | None = None
    locking: tuple[LockingClause, ...] = ()
    at: int = -1


@dataclass(frozen=True, slots=True)
class ValuesStmt:
    rows: tuple[tuple[Expr, ...], ...]
    with_: WithClause | None = None
    order_by: tuple[SortBy, ...] = ()
    limit: Expr | None = None
    with_ties: bool = False
    offset: Expr | None = None
    locking: tuple[LockingClause, ...] = ()
    at: int = -1


@dataclass(frozen=True, slots=True)
class SetOperation:
    """op: union, intersect, except."""

    op: str
    all: bool
    left: Query
    right: Query
    with_: WithClause | None = None
    order_by: tuple[SortBy, ...] = ()
    limit: Expr | None = None
    with_ties: bool = False
    offset: Expr | None = None
    locking: tuple[LockingClause, ...] = ()
    at: int = -1


Query: TypeAlias = SelectStmt | ValuesStmt | SetOperation


# --- DML ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetClause:
    """`columns = expr`; several columns for `(a, b) = (...)` or `= (SELECT ...)`."""

    columns: Names
    expr: Expr
    multiple: bool = False
    at: int = -1
    places: tuple[int, ...] = ()
    """Where each column stands."""
    indirection: tuple[str | None, ...] = ()
    """Per column the field of it that was named; empty: an element of it."""


@dataclass(frozen=True, slots=True)
class IndexElem:
    """A key of an index or of an inference clause: a column name or an expression."""

    name: str | None
    expr: Expr | None = None
    collation: Names | None = None
    opclass: Names | None = None
    descending: bool | None = None
    nulls_first: bool | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class OnConflict:
    """action: nothing or update."""

    action: str
    target: tuple[IndexElem, ...] = ()
    target_where: Expr | None = None
    constraint: str | None = None
    sets: tuple[SetClause, ...] = ()
    where: Expr | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class InsertStmt:
    relation: RangeVar
    columns: tuple[ResTarget, ...]
    source: Query | None
    """None: DEFAULT VALUES."""
    overriding: str | None = None
    """system or user."""
    on_conflict: OnConflict | None = None
    returning: tuple[ResTarget, ...] = ()
    with_: WithClause | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class UpdateStmt:
    relation: RangeVar
    sets: tuple[SetClause, ...]
    from_: tuple[FromItem, ...] = ()
    where: Expr | None = None
    current_of: str | None = None
    returning: tuple[ResTarget, ...] = ()
    with_: WithClause | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class DeleteStmt:
    relation: RangeVar
    using: tuple[FromItem, ...] = ()
    where: Expr | None = None
    current_of: str | None = None
    returning: tuple[ResTarget, ...] = ()
    with_: WithClause | None = None
    at: int = -1


# --- DDL ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constraint:
    """kind: null, not null, default, check, primary key, unique, foreign key, identity, generated,
    exclude."""

    kind: str
    name: str | None = None
    expr: Expr | None = None
    expr_text: str | None = None
    """The source text of `expr`, as written."""
    columns: Names = ()
    including: Names = ()
    nulls_not_distinct: bool = False
    using_index: str | None = None
    deferrable: bool | None = None
    initially_deferred: bool = False
    not_valid: bool = False
    no_inherit: bool = False
    references: RangeVar | None = None
    ref_columns: Names = ()
    match: str | None = None
    on_delete: tuple[str, Names] | None = None
    on_update: tuple[str, Names] | None = None
    always: bool = False
    """GENERATED ALWAYS (identity)."""
    options: tuple[tuple[str, object], ...] = ()
    """Sequence options of an identity column, storage parameters of an index: (name, value)."""
    tablespace: str | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class LikeClause:
    relation: RangeVar
    options: tuple[tuple[bool, str], ...] = ()
    """(including?, what) in order."""
    at: int = -1


@dataclass(frozen=True, slots=True)
class CreateStmt:
    """CREATE TABLE."""

    relation: RangeVar
    elements: tuple[ColumnDef | Constraint | LikeClause, ...]
    if_not_exists: bool = False
    persistence: str | None = None
    """temp, unlogged or None."""
    partition_by: str | None = None
    partition_of: Names | None = None
    inherits: tuple[Names, ...] = ()
    of_type: Names | None = None
    access_method: str | None = None
    options: tuple[tuple[str, object], ...] = ()
    on_commit: str | None = None
    tablespace: str | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class CreateTableAsStmt:
    """CREATE TABLE AS, CREATE MATERIALIZED VIEW, SELECT INTO."""

    names: Names
    query: Statement | None
    at: int = -1


@dataclass(frozen=True, slots=True)
class IndexStmt:
    """CREATE INDEX."""

    name: Names | None
    relation: RangeVar
    keys: tuple[IndexElem, ...]
    unique: bool = False
    asynchronous: bool = False
    concurrently: bool = False
    if_not_exists: bool = False
    access_method: str | None = None
    including: Names = ()
    nulls_not_distinct: bool = False
    where: Expr | None = None
    where_text: str | None = None
    options: tuple[tuple[str, object], ...] = ()
    tablespace: str | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class AlterCmd:
    """One action of ALTER TABLE.

    action: add column, drop column, add constraint, drop constraint, validate constraint, alter constraint,
    set default, drop default, set not null, drop not null, set type, set statistics, set storage,
    set compression, drop expression, add identity, set identity, drop identity, owner, enable row security,
    and so on: PostgreSQL's words in lower case.
    """

    action: str
    name: str | None = None
    column: ColumnDef | None = None
    constraint: Constraint | None = None
    expr: Expr | None = None
    expr_text: str | None = None
    value: object = None
    if_exists: bool = False
    if_not_exists: bool = False
    cascade: bool = False
    at: int = -1


@dataclass(frozen=True, slots=True)
class AlterTableStmt:
    relation: RangeVar
    commands: tuple[AlterCmd, ...]
    if_exists: bool = False
    asynchronous: bool = False
    kind: str = "table"
    """table, index, view, sequence."""
    at: int = -1


@dataclass(frozen=True, slots=True)
class RenameStmt:
    """kind: table, column, constraint, index, schema, role, view, sequence, function, ..."""

    kind: str
    names: Names
    new_name: str
    sub_name: str | None = None
    """The column or constraint that is renamed."""
    if_exists: bool = False
    at: int = -1


@dataclass(frozen=True, slots=True)
class AlterObjectSchemaStmt:
    kind: str
    names: Names
    schema: str
    if_exists: bool = False
    at: int = -1


@dataclass(frozen=True, slots=True)
class AlterOwnerStmt:
    kind: str
    names: Names
    owner: str
    at: int = -1


@dataclass(frozen=True, slots=True)
class DropStmt:
    """kind: table, index, schema, view, sequence, function, domain, type, extension, ..."""

    kind: str
    objects: tuple[Names, ...]
    if_exists: bool = False
    cascade: bool = False
    concurrently: bool = False
    at: int = -1


@dataclass(frozen=True, slots=True)
class CreateSchemaStmt:
    name: str | None
    authorization: str | None = None
    if_not_exists: bool = False
    elements: tuple[Statement, ...] = ()
    at: int = -1


@dataclass(frozen=True, slots=True)
class CommentStmt:
    kind: str
    names: Names
    sub_name: str | None
    comment: str | None
    at: int = -1


@dataclass(frozen=True, slots=True)
class RoleStmt:
    """CREATE, ALTER, DROP ROLE/USER/GROUP: action create, alter, drop."""

    action: str
    names: Names
    options: tuple[tuple[str, object], ...] = ()
    if_exists: bool = False
    at: int = -1
    places: tuple[int, ...] = ()
    """Where the options are."""


@dataclass(frozen=True, slots=True)
class IamGrantStmt:
    """AWS IAM GRANT role TO 'arn', AWS IAM REVOKE role FROM 'arn' (dsql-reference §1.8)."""

    grant: bool
    role: str
    arn: str
    at: int = -1


@dataclass(frozen=True, slots=True)
class GrantStmt:
    """GRANT and REVOKE of privileges or (kind role) of roles."""

    grant: bool
    privileges: tuple[tuple[str, Names], ...]
    """(privilege, columns); empty: ALL."""
    kind: str
    objects: tuple[Names, ...]
    grantees: Names
    all_in_schema: bool = False
    grant_option: bool = False
    """WITH GRANT OPTION; of REVOKE: GRANT OPTION FOR."""
    cascade: bool = False
    at: int = -1
    options: tuple[tuple[str, bool, int], ...] = ()
    """Of a role (admin, inherit, set), and where they are; of REVOKE: the one that is taken away alone."""
    granted_by: str | None = None


@dataclass(frozen=True, slots=True)
class AlterDefaultPrivilegesStmt:
    """ALTER DEFAULT PRIVILEGES; the action names no objects, and its kind is what they will be."""

    roles: Names
    """None: the current one."""
    schemas: Names
    action: GrantStmt
    at: int = -1
    repeated_at: int = -1
    """Where FOR ROLE or IN SCHEMA comes once more."""


# --- utility -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TransactionStmt:
    """kind: begin, start, commit, rollback, savepoint, release, rollback to, prepare,
    commit prepared, rollback prepared.

    options: isolation (lower case words), read only (bool), deferrable (bool), chain (bool)."""

    kind: str
    options: tuple[tuple[str, object], ...] = ()
    name: str | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class VariableSetStmt:
    """SET, RESET: kind value, default, reset, reset all, multi (TRANSACTION, SESSION CHARACTERISTICS)."""

    kind: str
    name: str
    """In lower case; `TRANSACTION` and `SESSION CHARACTERISTICS` for multi."""
    args: tuple[str, ...] = ()
    """The values as text; numbers as written."""
    local: bool = False
    options: tuple[tuple[str, object], ...] = ()
    at: int = -1


@dataclass(frozen=True, slots=True)
class VariableShowStmt:
    name: str
    """In lower case; `all` for SHOW ALL."""
    at: int = -1


@dataclass(frozen=True, slots=True)
class ConstraintsSetStmt:
    names: tuple[Names, ...]
    """Empty: ALL."""
    deferred: bool
    at: int = -1


@dataclass(frozen=True, slots=True)
class ExplainStmt:
    query: Statement
    options: tuple[tuple[str, object], ...] = ()
    at: int = -1


@dataclass(frozen=True, slots=True)
class CopyStmt:
    relation: RangeVar | None
    columns: Names
    query: Statement | None
    from_: bool
    filename: str | None
    """None: STDIN or STDOUT."""
    program: bool
    options: tuple[tuple[str, object], ...] = ()
    """Names in lower case: format, delimiter, null, header, quote, escape, force_quote, force_not_null,
    force_null, encoding."""
    where: Expr | None = None
    at: int = -1


@dataclass(frozen=True, slots=True)
class CallStmt:
    function: FuncCall
    at: int = -1


@dataclass(frozen=True, slots=True)
class VacuumStmt:
    """ANALYZE, or VACUUM when `vacuum`."""

    vacuum: bool
    relations: tuple[RangeVar, ...]
    options: tuple[tuple[str, object], ...] = ()
    at: int = -1
    columns: tuple[Names, ...] = ()
    """Parallel to relations; empty: all columns."""


@dataclass(frozen=True, slots=True)
class DeallocateStmt:
    name: str | None
    """None: ALL."""
    at: int = -1


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A statement that is refused whole, parsed as far as server/sql/refusals.py needs to say so.

    `node` is PostgreSQL's parse node without Stmt, where there is one."""

    node: str
    what: str = ""
    """What tells refusals of one node apart: the kind of object, the language of a function; empty: nothing does."""
    at: int = -1


Statement: TypeAlias = (
    SelectStmt | ValuesStmt | SetOperation | InsertStmt | UpdateStmt | DeleteStmt | CreateStmt
    | CreateTableAsStmt | IndexStmt | AlterTableStmt | RenameStmt | AlterObjectSchemaStmt | AlterOwnerStmt
    | AlterDefaultPrivilegesStmt
    | DropStmt | CreateSchemaStmt | CommentStmt | RoleStmt | GrantStmt | IamGrantStmt | TransactionStmt
    | VariableSetStmt | VariableShowStmt | ConstraintsSetStmt | ExplainStmt | CopyStmt | CallStmt
    | VacuumStmt | DeallocateStmt | Unsupported
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """One statement of a query string."""

    statement: Statement
    text: str
    """Its own text, without the semicolon; `at` offsets count from the start of the whole query string."""
    start: int = 0
    parameters: int = 0
    """The highest `$n` it names."""
    comments: tuple[str, ...] = field(default=())
