"""The bound tree: names resolved, types and functions chosen (PostgreSQL, chapter 10). What the planner reads.

A relation of FROM has an `id` that is unique in the whole statement, so a `Var` that names a relation of an
outer query is simply one whose id the inner query does not define.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from server.catalog.descriptor import Catalog, Table

if TYPE_CHECKING:
    from server.sql.functions import Aggregate, Function, WindowFunction
    from server.sql.types import Type


# --- expressions; each has `type` and `typmod` ---------------------------------------------------------


_EXACT = frozenset({bool, int, str, bytes, type(None)})
"""Python forms of values that are equal only where they are the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A value. Two are equal where they are the same in all that can be seen of them (equal() and datumIsEqual of
    PostgreSQL): values that are merely `=`, as 1.0 and 1.00, 0 and -0 or one month and 30 days, are two constants.
    """

    type: Type
    value: object
    """In the type's Python form; None is NULL."""
    typmod: int = -1

    def __eq__(self, other: object) -> bool:
        return type(other) is Const and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        value = self.value
        return self.type, self.typmod, type(value).__name__, value if type(value) in _EXACT else repr(value)


@dataclass(frozen=True, slots=True)
class Param:
    """A client's `$n` (index n - 1) or a lifted literal (after the client's)."""

    type: Type
    index: int
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class Var:
    """Column `column` (0-based: attnum - 1 for tables) of relation `rel`; column -1 is the whole row.

    Hidden columns of a table: -2 is its encoded key (bytes), for DML and locking only.
    """

    type: Type
    rel: int
    column: int
    typmod: int = -1
    name: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator call; arguments already have the function's argument types.

    `variadic`: the last argument is already the array of the variadic parameters.
    """

    type: Type
    function: Function
    args: tuple[Expr, ...]
    typmod: int = -1
    at: int = -1
    operator: str | None = None
    """The operator's name when it was written as one (for deparsing and for the planner)."""


@dataclass(frozen=True, slots=True)
class CoerceIO:
    """Through text: the source type's output, the target type's input."""

    type: Type
    arg: Expr
    typmod: int = -1
    explicit: bool = True


@dataclass(frozen=True, slots=True)
class Relabel:
    """Binary-coercible: the same value under another type."""

    type: Type
    arg: Expr
    typmod: int = -1
    explicit: bool = True


@dataclass(frozen=True, slots=True)
class CastCall:
    """A cast with a function of `server.sql.casts`: `func(value, env)`, strict."""

    type: Type
    func: Callable[[Any, Any], Any]
    arg: Expr
    typmod: int = -1
    explicit: bool = True


@dataclass(frozen=True, slots=True)
class CastArray:
    """Element by element; `element` casts the Var-like placeholder `ElementRef`."""

    type: Type
    arg: Expr
    element: Expr
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class ElementRef:
    """The element at hand inside CastArray."""

    type: Type
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class ApplyTypmod:
    """Length coercion: `types.apply_typmod(type, typmod, value, explicit)`."""

    type: Type
    arg: Expr
    typmod: int
    explicit: bool


@dataclass(frozen=True, slots=True)
class BoolExpr:
    """and, or, not (three-valued)."""

    type: Type
    op: str
    args: tuple[Expr, ...]
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class NullTest:
    """IS [NOT] NULL; for a row value `row` is True (all fields null / none null), or it is IS DISTINCT FROM NULL."""

    type: Type
    arg: Expr
    negated: bool
    row: bool = False
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class BooleanTest:
    """IS [NOT] TRUE/FALSE/UNKNOWN."""

    type: Type
    arg: Expr
    value: str
    negated: bool
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class DistinctTest:
    """IS [NOT] DISTINCT FROM, by the equality function."""

    type: Type
    equal: Function
    left: Expr
    right: Expr
    negated: bool
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class Case:
    """CASE; with `arg`, each condition compares `CaseArg` with its value."""

    type: Type
    arg: Expr | None
    whens: tuple[tuple[Expr, Expr], ...]
    default: Expr | None
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class CaseArg:
    type: Type
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class Coalesce:
    type: Type
    args: tuple[Expr, ...]
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class MinMax:
    """greatest, least: nulls are ignored; order is the type's."""

    type: Type
    op: str
    args: tuple[Expr, ...]
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class NullIf:
    type: Type
    equal: Function
    left: Expr
    right: Expr
    compare_left: Expr
    """`left`, coerced for the comparison."""
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class ArrayExpr:
    """ARRAY[...]; `nested` when the items are themselves arrays."""

    type: Type
    items: tuple[Expr, ...]
    nested: bool = False
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class RowExpr:
    type: Type
    items: tuple[Expr, ...]
    names: tuple[str, ...] = ()
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class RowCompare:
    """(a, b) < (c, d) and the like; `op` is one of = <> < <= > >=; per column (equal, less) functions."""

    type: Type
    op: str
    left: tuple[Expr, ...]
    right: tuple[Expr, ...]
    equal: tuple[Function, ...]
    less: tuple[Function, ...]
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class Subscript:
    type: Type
    arg: Expr
    lower: Expr | None
    upper: Expr | None
    is_slice: bool
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class FieldSelect:
    """Field `index` of a row value."""

    type: Type
    arg: Expr
    index: int
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class ArrayOp:
    """left op ANY/ALL (array); `function` takes (left, element)."""

    type: Type
    function: Function
    left: Expr
    right: Expr
    all: bool
    operator: str = "="
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class SubLink:
    """kind: exists, scalar, array, any, all.

    any/all: `compare` is a boolean expression over `tests` and the subquery's columns, which it names as
    `Var(rel=output_rel, column=i)`; NULL handling is PostgreSQL's. `equalities` lists, when every comparison is a
    plain `=` joined by AND, the pairs (outer expression, column, equality function), for hashing.
    """

    type: Type
    kind: str
    query: Query
    compare: Expr | None = None
    output_rel: int = -1
    equalities: tuple[tuple[Expr, int, Function], ...] = ()
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class SortKey:
    """An ordering: expression (or, in a query's ORDER BY and DISTINCT ON, an index into its targets)."""

    expr: Expr
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """An aggregate of the query that owns it; arguments have the aggregate's argument types."""

    type: Type
    aggregate: Aggregate
    args: tuple[Expr, ...]
    distinct: bool = False
    order_by: tuple[SortKey, ...] = ()
    direct_args: tuple[Expr, ...] = ()
    filter: Expr | None = None
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class GroupingCall:
    """GROUPING(...): indexes into the query's group_by."""

    type: Type
    keys: tuple[int, ...]
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class WindowCall:
    """A window function or an aggregate over window `window` (index into Query.windows)."""

    type: Type
    function: WindowFunction | Aggregate
    args: tuple[Expr, ...]
    window: int
    filter: Expr | None = None
    typmod: int = -1


@dataclass(frozen=True, slots=True)
class SetReturning:
    """A set-returning function in a select list: the planner makes a ProjectSet of it."""

    type: Type
    function: Function
    args: tuple[Expr, ...]
    typmod: int = -1


Expr: TypeAlias = (
    Const | Param | Var | Call | CoerceIO | Relabel | CastCall | CastArray | ElementRef | ApplyTypmod | BoolExpr
    | NullTest | BooleanTest | DistinctTest | Case | CaseArg | Coalesce | MinMax | NullIf | ArrayExpr | RowExpr
    | RowCompare | Subscript | FieldSelect | ArrayOp | SubLink | AggregateCall | GroupingCall | WindowCall
    | SetReturning
)  # fmt: skip


# --- relations of FROM ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TableRel:
    id: int
    table: Table
    alias: str


@dataclass(frozen=True, slots=True)
class VirtualRel:
    """A catalog relation computed from the catalog: `rows(env)` gives tuples of Python values in column order."""

    id: int
    name: str
    oid: int
    columns: tuple[OutputColumn, ...]
    rows: Callable[[Any], Sequence[tuple[Any, ...]]]
    alias: str


@dataclass(frozen=True, slots=True)
class QueryRel:
    """A subquery in FROM."""

    id: int
    query: Query
    lateral: bool
    alias: str


@dataclass(frozen=True, slots=True)
class ValuesRel:
    id: int
    rows: tuple[tuple[Expr, ...], ...]
    columns: tuple[OutputColumn, ...]
    alias: str


@dataclass(frozen=True, slots=True)
class FunctionRel:
    """Functions in FROM, their columns side by side (ROWS FROM), then the ordinality column."""

    id: int
    calls: tuple[Expr, ...]
    """Call or SetReturning, or any scalar expression (one row)."""
    widths: tuple[int, ...]
    """How many columns each call gives; a composite result is spread."""
    ordinality: bool
    lateral: bool
    columns: tuple[OutputColumn, ...]
    alias: str


@dataclass(frozen=True, slots=True)
class CteRel:
    """A reference to CTE `cte` (index into the `ctes` of the query that defines it, by its unique id)."""

    id: int
    cte: int
    columns: tuple[OutputColumn, ...]
    alias: str


Rel: TypeAlias = TableRel | VirtualRel | QueryRel | ValuesRel | FunctionRel | CteRel


@dataclass(frozen=True, slots=True)
class Join:
    """kind: inner, left, right, full (cross is inner without condition). Sides are Join or a Rel's id."""

    kind: str
    left: Join | int
    right: Join | int
    condition: Expr | None


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column as the client sees it."""

    name: str
    type: Type
    typmod: int = -1
    table_oid: int = 0
    attnum: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    expr: Expr
    column: OutputColumn
    hidden: bool = False
    """Only there for ORDER BY or DISTINCT ON; not returned."""


@dataclass(frozen=True, slots=True)
class Window:
    partition_by: tuple[Expr, ...]
    order_by: tuple[SortKey, ...]
    frame_mode: str = "range"
    start: tuple[str, Expr | None] = ("unbounded preceding", None)
    end: tuple[str, Expr | None] = ("current row", None)
    exclude: str | None = None


@dataclass(frozen=True, slots=True)
class Cte:
    id: int
    """Unique in the statement; CteRel.cte names it."""
    name: str
    query: Statement
    """A Query, or for data-modifying CTEs Insert, Update, Delete with `returning`."""
    recursive: bool = False
    """`query` is then a Query with set_op whose right side names the CTE itself."""
    materialized: bool | None = None
    uses: int = 0


@dataclass(frozen=True, slots=True)
class SetOp:
    """A set operation over queries; its output columns are the owner Query's targets, `Var(rel=output_rel)`."""

    op: str
    all: bool
    left: Query
    right: Query
    output_rel: int


@dataclass(frozen=True, slots=True)
class RowLock:
    """FOR UPDATE (exclusive) or FOR KEY SHARE on one TableRel."""

    rel: int
    lock: int
    """A journal.record.LockClass."""


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT, VALUES or set operation. Evaluation order is SQL's: from, where, group, having, windows, targets,
    distinct, order by, offset, limit."""

    targets: tuple[Target, ...]
    rels: tuple[Rel, ...] = ()
    from_: Join | int | None = None
    """None: a single empty row. A comma list arrives as inner joins without condition."""
    where: Expr | None = None
    group_by: tuple[Expr, ...] = ()
    grouping_sets: tuple[tuple[int, ...], ...] | None = None
    """Index lists into group_by; None: one plain set of all of them."""
    grouped: bool = False
    """GROUP BY, HAVING or an aggregate is there."""
    having: Expr | None = None
    windows: tuple[Window, ...] = ()
    distinct: bool = False
    distinct_on: tuple[int, ...] = ()
    """Indexes into targets."""
    order_by: tuple[tuple[int, bool, bool], ...] = ()
    """(index into targets, descending, nulls first)."""
    limit: Expr | None = None
    with_ties: bool = False
    offset: Expr | None = None
    set_op: SetOp | None = None
    ctes: tuple[Cte, ...] = ()
    locks: tuple[RowLock, ...] = ()
    has_set_returning: bool = False

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return tuple(target.column for target in self.targets if not target.hidden)


# --- DML ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConflictAction:
    """ON CONFLICT. `arbiters`: oids of unique indexes (the table's own oid for the primary key); empty: any.

    update: `sets` and `where` see the existing row as Var(rel=Insert.rel) and the proposed one as
    Var(rel=excluded_rel)."""

    arbiters: tuple[int, ...]
    update: bool
    excluded_rel: int = -1
    sets: tuple[tuple[int, Expr], ...] = ()
    where: Expr | None = None


@dataclass(frozen=True, slots=True)
class Insert:
    """INSERT. `values` has one expression per table column (dropped ones: None Const), over Var(rel=source_rel)
    for the columns of `source`, or plain when `source` is None (one row)."""

    table: Table
    rel: int
    """The id under which RETURNING, checks and ON CONFLICT see the table's row."""
    source: Query | ValuesRel | None
    source_rel: int
    values: tuple[Expr, ...]
    checks: tuple[tuple[str, Expr], ...] = ()
    """CHECK constraints: (name, expression over Var(rel))."""
    generated: tuple[tuple[int, Expr], ...] = ()
    """Generated columns: (0-based position, expression over Var(rel))."""
    on_conflict: ConflictAction | None = None
    returning: tuple[Target, ...] = ()
    ctes: tuple[Cte, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """UPDATE. The target is a TableRel (id `rel`) joined with the FROM items in `query`, whose targets are, in
    order, the new values of `columns` (0-based attribute positions); a target row that joins several times is
    updated once, with the first (PostgreSQL, UPDATE)."""

    table: Table
    rel: int
    query: Query
    columns: tuple[int, ...]
    checks: tuple[tuple[str, Expr], ...] = ()
    generated: tuple[tuple[int, Expr], ...] = ()
    """As in `Insert`."""
    returning: tuple[Target, ...] = ()
    """Over Var(rel) for the new row and the FROM relations."""
    ctes: tuple[Cte, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE; `query` joins the target (id `rel`) with the USING items and has no targets of its own."""

    table: Table
    rel: int
    query: Query
    returning: tuple[Target, ...] = ()
    ctes: tuple[Cte, ...] = ()


Statement: TypeAlias = Query | Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class Access:
    """What a statement does to one relation of it (PostgreSQL's RTEPermissionInfo)."""

    table: int
    """Its oid."""
    privileges: str
    """Letters as in access lists: a INSERT, r SELECT, w UPDATE, d DELETE."""
    selected: frozenset[int] = frozenset()
    """attnums of the columns that are read; 0: the whole row; below 0: a system column."""
    inserted: frozenset[int] = frozenset()
    updated: frozenset[int] = frozenset()


Accesses: TypeAlias = tuple[Access, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """What the binder gives: the statement and what it depends on."""

    statement: Statement
    param_types: tuple[Type, ...]
    """Of the client's parameters and then of the lifted literals."""
    columns: tuple[OutputColumn, ...]
    """Empty when nothing is returned."""
    tag: str
    """SELECT, INSERT, UPDATE, DELETE."""
    catalog: Catalog
    tables: tuple[tuple[int, str], ...] = field(default=())
    """(table oid, privilege) pairs: SELECT, INSERT, UPDATE, DELETE."""
    accesses: tuple[Access, ...] = ()
    """What the user needs privileges for, in the order of the relations."""
    is_of_the_moment: bool = False
    """A constant in it was made of the transaction's start ('now', 'today'): it holds for this binding alone."""
    observes: bool = False
    """A relation in it shows what the node does at the moment: it is asked before the statement begins."""
    settles: bool = False
    """It calls a function that `settles`: it begins once everything that was decided before is visible."""
