"""Where names are looked up: relations of FROM, outer queries, WITH (PostgreSQL, chapter 7.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from server.catalog.acl import LETTERS
from server.catalog.descriptor import SYSTEM_SCHEMAS, Catalog, Table
from server.catalog.privileges import require_usage, usable_path
from server.errors import PgError
from server.sql import ast, tree
from server.sql.env import Env
from server.sql.tree_walk import children
from server.sql.types import OID, UNKNOWN, Type

TABLEOID = -6
"""The attnum of the system column."""


@dataclass(slots=True)
class NsColumn:
    """A column that a FROM item shows; `expr` is what a reference to it becomes."""

    name: str
    expr: tree.Expr
    table_oid: int = 0
    attnum: int = 0
    starred: bool = True
    """`*` stands for it too."""


@dataclass(slots=True)
class NsItem:
    """An entry of FROM: a relation, or a join with an alias of its own."""

    name: str
    columns: list[NsColumn]
    rel: int = -1
    """The relation's id; -1 for a join."""
    table: Table | None = None
    relation_oid: int = 0
    from_cte: str | None = None
    has_alias: bool = False
    unnamed: bool = False
    rel_visible: bool = True
    columns_visible: bool = True
    lateral_only: bool = False
    lateral_ok: bool = True
    is_join: bool = False
    scalar_function: bool = False
    """A function in FROM whose result is one scalar: the item's name means that column."""


@dataclass(slots=True)
class CteEntry:
    """A WITH item while its scope is open."""

    id: int
    name: str
    columns: tuple[tree.OutputColumn, ...] | None
    """None while it is being bound itself and nothing is known yet."""
    recursive: bool = False
    self_references: int = 0
    binding: bool = False
    returns_nothing: bool = False
    uses: int = 0
    fields: list[list[tree.OutputColumn] | None] = field(default_factory=list)
    """Per column what the rows in it consist of."""
    starred: int | None = None
    """How many columns `*` stands for inside the recursive term; SEARCH and CYCLE add others."""


@dataclass(slots=True)
class Accessing:
    """A `tree.Access` while its statement is bound."""

    table: int
    privileges: str
    selected: set[int] = field(default_factory=set)
    inserted: set[int] = field(default_factory=set)
    updated: set[int] = field(default_factory=set)

    def finished(self) -> tree.Access:
        columns = (frozenset(self.selected), frozenset(self.inserted), frozenset(self.updated))
        return tree.Access(self.table, self.privileges, *columns)


@dataclass(slots=True)
class State:
    """What belongs to the whole statement."""

    catalog: Catalog
    env: Env
    param_types: list[Type]
    """Of the client's parameters; UNKNOWN until a use decides."""
    most_params: int
    """The highest number that a parameter may have: 0 where there are none."""
    lifted: Sequence[tuple[str, str]]
    lifted_types: list[Type]
    bind_query: Callable[..., tree.Query]
    next_rel: int = 0
    next_cte: int = 0
    owners: dict[int, Scope] = field(default_factory=dict)
    """Relation id to the scope that has it in FROM."""
    places: dict[int, tuple[int, tree.Expr]] = field(default_factory=dict)
    """id of a bound expression to where it stands; the expression is kept so that the id stays its own."""
    aggregate_owners: dict[int, Scope] = field(default_factory=dict)
    """id of an aggregate or GROUPING call to the query that owns it."""
    origins: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """(relation, column) to (table oid, attnum) of the stored column behind it."""
    sublink_names: dict[int, str] = field(default_factory=dict)
    """id of a parsed scalar subquery to the name that it gives to an output column."""
    record_columns: dict[tuple[int, int], list[tree.OutputColumn]] = field(default_factory=dict)
    """The fields of columns that hold rows: (relation, column) to them."""
    privileges: dict[tuple[int, str], None] = field(default_factory=dict)
    accesses: dict[int, Accessing] = field(default_factory=dict)
    """By relation id; EXCLUDED's is its table's."""
    cte_rels: dict[int, range] = field(default_factory=dict)
    """By WITH item: the ids of relations in it."""
    observes: bool = False
    """A relation in it shows what the node does at the moment."""
    settles: bool = False
    """It calls a function that `settles`."""

    def new_rel(self, scope: Scope) -> int:
        """A fresh relation id owned by `scope`."""
        rel = self.next_rel
        self.next_rel = rel + 1
        self.owners[rel] = scope
        return rel

    def need(self, oid: int, privilege: str, rel: int) -> None:
        """Note a privilege that the statement needs on its relation `rel`."""
        self.privileges[(oid, privilege)] = None
        letter = LETTERS[privilege]
        access = self.accesses.setdefault(rel, Accessing(oid, letter))
        if letter not in access.privileges:
            access.privileges += letter

    def reads(self, expr: tree.Expr) -> None:
        """Note that the statement reads a column, or all that a merged column is made of."""
        if not isinstance(expr, tree.Var):
            for part in children(expr):
                self.reads(part)
            return
        access = self.accesses.get(expr.rel)
        if access is not None:
            self.need(access.table, "SELECT", expr.rel)
            access.selected.add(expr.column + 1)


class Scope:
    """One query level: what PostgreSQL calls ParseState."""

    __slots__ = (
        "aggregates", "ctes", "future_ctes", "grouping", "has_set_returning", "items", "kind",
        "lateral_active", "namespace", "parent", "rels", "resolve_unknowns", "self_reference", "state",
        "window_defs",
    )  # fmt: skip

    def __init__(self, state: State, parent: Scope | None = None, kind: str = "SELECT") -> None:
        self.state = state
        self.parent = parent
        self.kind = kind
        """What is being bound (PostgreSQL's ParseExprKind, by its name in messages)."""
        self.namespace: list[NsItem] = []
        """What is visible now."""
        self.items: list[NsItem] = []
        """Every relation of this level, visible or not, for hints."""
        self.rels: list[tree.Rel] = []
        self.ctes: dict[str, CteEntry] = {}
        self.future_ctes: set[str] = set()
        self.lateral_active = False
        self.resolve_unknowns = True
        self.has_set_returning = False
        self.aggregates: list[tree.AggregateCall] = []
        self.grouping: list[tuple[tree.GroupingCall, tuple[tree.Expr, ...], int]] = []
        self.window_defs: list[ast.WindowDef] = []
        self.self_reference = False
        """FROM names the recursive WITH item that this query is the recursive term of."""

    def chain(self) -> Iterable[Scope]:
        """This scope and the outer ones."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def place(self, expr: tree.Expr, at: int) -> tree.Expr:
        """Remember where a bound expression stands."""
        if at >= 0:
            self.state.places.setdefault(id(expr), (at, expr))
        return expr

    def where(self, expr: tree.Expr) -> int:
        """Where an expression starts (0-based; PostgreSQL's exprLocation), -1: unknown."""
        place = self.state.places.get(id(expr))
        at = place[0] if place else -1
        if isinstance(expr, tree.Call) and expr.operator is not None:
            return _leftmost([at, *(self.where(arg) for arg in expr.args)])
        if isinstance(
            expr,
            (
                tree.CoerceIO,
                tree.Relabel,
                tree.CastCall,
                tree.CastArray,
                tree.ApplyTypmod,
                tree.NullTest,
                tree.BooleanTest,
            ),
        ):
            return _leftmost([at, self.where(expr.arg)])
        if isinstance(expr, tree.BoolExpr) and expr.op != "not":
            return _leftmost([at, *(self.where(arg) for arg in expr.args)])
        if isinstance(expr, (tree.DistinctTest, tree.ArrayOp)):
            return _leftmost([at, self.where(expr.left)])
        return at


def _leftmost(places: list[int]) -> int:
    known = [at for at in places if at >= 0]
    return min(known) if known else -1


def error(
    sqlstate: str, message: str, at: int = -1, detail: str | None = None, hint: str | None = None
) -> PgError:
    """An error at a 0-based offset of the text."""
    return PgError(sqlstate, message, position=at + 1 if at >= 0 else None, detail=detail, hint=hint)


# --- columns -------------------------------------------------------------------------------------------


def column_var(scope: Scope, item: NsItem, column: NsColumn, at: int) -> tree.Expr:
    """A fresh reference to a column, remembered with its place."""
    expr = column.expr
    if isinstance(expr, tree.Var):
        expr = tree.Var(expr.type, expr.rel, expr.column, expr.typmod, expr.name)
    scope.state.reads(expr)
    if item.table is not None and isinstance(expr, tree.Const):
        scope.state.need(item.table.oid, "SELECT", item.rel)
        scope.state.accesses[item.rel].selected.add(TABLEOID)
    return scope.place(expr, at)


def find_column(scope: Scope, name: str, at: int) -> tree.Expr | None:
    """An unqualified column name; raises 42702 when two items of the same level have it."""
    for level in scope.chain():
        found: tree.Expr | None = None
        for item in level.namespace:
            if not item.columns_visible or (item.lateral_only and not level.lateral_active):
                continue
            column = column_of(item, name, at)
            if column is None:
                continue
            if found is not None:
                raise error("42702", f'column reference "{name}" is ambiguous', at)
            check_lateral(level, item, at)
            found = column_var(scope, item, column, at)
        if found is not None:
            return found
    return None


def column_of(item: NsItem, name: str, at: int) -> NsColumn | None:
    """The item's column of that name; raises 42702 when it has two."""
    found = None
    for column in item.columns:
        if column.name == name:
            if found is not None:
                raise error("42702", f'column reference "{name}" is ambiguous', at)
            found = column
    if found is None and name == "tableoid" and item.relation_oid:
        return NsColumn(name, tree.Const(OID, item.relation_oid))
    return found


def check_lateral(level: Scope, item: NsItem, at: int) -> None:
    """42P10 when the item is there only for LATERAL and its join does not allow the reference."""
    if item.lateral_only and not item.lateral_ok:
        raise error(
            "42P10",
            f'invalid reference to FROM-clause entry for table "{item.name}"',
            at,
            detail="The combining JOIN type must be INNER or LEFT for a LATERAL reference.",
        )


def _being_made(scope: Scope, schema: str, name: str) -> int:
    """The oid of a table that CREATE TABLE binds a CHECK of, and that the catalog does not have yet; 0: none."""
    made_in = scope.state.catalog.schema_names.get(schema)
    tables = (item.table for item in scope.namespace if item.table is not None)
    return next((each.oid for each in tables if (each.schema_oid, each.name) == (made_in, name)), 0)


def find_item(scope: Scope, schema: str | None, name: str, at: int) -> tuple[Scope, NsItem] | None:
    """A FROM item by its (qualified) name, in this level or an outer one."""
    relation = 0
    if schema is not None:
        relation = relation_oid(scope, (schema, name)) or _being_made(scope, schema, name)
        if relation == 0:
            return None
    for level in scope.chain():
        found: NsItem | None = None
        for item in level.namespace:
            if not item.rel_visible or (item.lateral_only and not level.lateral_active):
                continue
            if schema is not None and (item.relation_oid != relation or item.has_alias):
                continue
            if schema is None and (item.unnamed or item.name != name):
                continue
            if found is not None:
                raise error("42P09", f'table reference "{name}" is ambiguous', at)
            check_lateral(level, item, at)
            found = item
        if found is not None:
            return level, found
    return None


# --- relations -----------------------------------------------------------------------------------------


def search_path(env: Env) -> tuple[str, ...]:
    """The schemas of unqualified names, pg_catalog first unless it is named (manual, 5.9.3)."""
    path: tuple[str, ...] = getattr(env, "search_path", ("public",))
    return path if "pg_catalog" in path else ("pg_catalog", *path)


def find_relation(scope: Scope, names: ast.Names) -> Table | object | None:
    """A table, or a catalog relation, by name; None when there is none.

    Every name in pg_catalog starts with pg_: others are looked up there only when they are qualified.
    """
    state = scope.state
    schemas = names[-2:-1] or usable_path(state.catalog, _user(state.env), search_path(state.env))
    for schema in schemas:
        if schema in SYSTEM_SCHEMAS and (
            len(names) > 1 or schema != "pg_catalog" or names[-1].startswith("pg_")
        ):
            virtual = _system_relation(schema, names[-1])
            if virtual is not None:
                return virtual
        schema_oid = state.catalog.schema_names.get(schema)
        if schema_oid is not None:
            oid = state.catalog.relation_names.get((schema_oid, names[-1]))
            if oid is not None:
                return state.catalog.tables.get(oid, oid)
    return None


def _user(env: Env) -> str:
    """Who runs the statement; admin where an expression is bound for nobody."""
    user: str = getattr(env, "user", "admin")
    return user


def _system_relation(schema: str, name: str) -> object | None:
    """Imported at the first use: the catalog's views use the binder for defaults and checks."""
    from server.catalog.system import find_relation as find

    found: object | None = find(schema, name)
    return found


def relation_oid(scope: Scope, names: ast.Names) -> int:
    """The oid of a relation by name, 0: none."""
    found = find_relation(scope, names)
    if found is None:
        return 0
    return found if isinstance(found, int) else int(found.oid)  # type: ignore[attr-defined]


def open_relation(scope: Scope, relation: ast.RangeVar) -> object:
    """The table or catalog relation that a FROM item or a DML target names; raises 42P01, 0A000, 42809."""
    names = relation.names
    if len(names) == 3 and names[0] != getattr(scope.state.env, "database", "postgres"):
        dotted = ".".join(names)
        raise error("0A000", f'cross-database references are not implemented: "{dotted}"', relation.at)
    if len(names) > 3:
        raise error(
            "42601", f"improper qualified name (too many dotted names): {'.'.join(names)}", relation.at
        )
    if len(names) > 1:
        require_usage(scope.state.catalog, _user(scope.state.env), names[-2], relation.at)
    found = find_relation(scope, names)
    if found is None:
        raise missing_relation(scope, relation)
    if isinstance(found, int):
        raise error(
            "42809",
            f'cannot open relation "{names[-1]}"',
            relation.at,
            detail="This operation is not supported for indexes.",
        )
    return found


def missing_relation(scope: Scope, relation: ast.RangeVar) -> PgError:
    """42P01, with a hint when a WITH item of that name comes later."""
    name = ".".join(relation.names[-2:])
    message = f'relation "{name}" does not exist'
    if len(relation.names) == 1 and any(relation.names[0] in level.future_ctes for level in scope.chain()):
        return error(
            "42P01",
            message,
            relation.at,
            detail=f'There is a WITH item named "{name}", '
            "but it cannot be referenced from this part of the query.",
            hint="Use WITH RECURSIVE, or re-order the WITH items to remove forward references.",
        )
    return error("42P01", message, relation.at)


def find_cte(scope: Scope, name: str) -> tuple[Scope, CteEntry] | None:
    """A WITH item by name, innermost first."""
    for level in scope.chain():
        entry = level.ctes.get(name)
        if entry is not None:
            return level, entry
    return None


def is_unknown(expr: tree.Expr) -> bool:
    """Its type is still open: an untyped literal or parameter."""
    return expr.type is UNKNOWN
