"""From a statement's text to a `Prepared`, and the caches between them (DESIGN §11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from server.catalog.descriptor import Catalog
from server.errors import PgError
from server.session.environment import SessionEnv
from server.session.prepared import Executable, Prepared
from server.sql import ast, ast_walk, scanner, tree, types
from server.sql.bind import MOST_PARAMS, bind
from server.sql.deciding import deciding
from server.sql.dml import plan_modification
from server.sql.env import Env, WatchedEnv
from server.sql.parse import NotLiftable, parse_lifted
from server.sql.plan import plan_query
from server.sql.plan_walk import rewrite
from server.sql.tree import Bound, Query
from server.sql.types import Type

if TYPE_CHECKING:
    from server.session.session import SqlSession

CACHE_SIZE = 2048
"""Texts per kind of session; the oldest goes."""

OPTIMIZABLE = (
    ast.SelectStmt,
    ast.ValuesStmt,
    ast.SetOperation,
    ast.InsertStmt,
    ast.UpdateStmt,
    ast.DeleteStmt,
)

Plans = dict[str, Prepared]


def remember(plans: Plans, key: str, prepared: Prepared, lifted: scanner.Lifted | None = None) -> None:
    """Put into a bounded cache, unless the plan holds a value that the next execution must not get.

    A plan that holds for some literals is found by these, and tells which they are under `key` itself.
    """
    if prepared.is_of_the_moment:
        return
    if prepared.deciding and lifted is not None:
        _put(plans, decided_key(lifted, prepared), prepared)
    _put(plans, key, prepared)


def decided_key(lifted: scanner.Lifted, prepared: Prepared) -> str:
    """The shape with the literals that decide in their places; no shape and no text has a NUL before a `=`."""
    return lifted.key + "".join(f"\0={lifted.literals[number][1]}" for number in prepared.deciding)


def _put(plans: Plans, key: str, prepared: Prepared) -> None:
    if len(plans) >= CACHE_SIZE:
        del plans[next(iter(plans))]
    plans[key] = prepared


def plan_bound(bound: Bound) -> Executable:
    """The plan of a bound statement."""
    statement = bound.statement
    if isinstance(statement, Query):
        return plan_query(statement, bound.catalog)
    return plan_modification(statement, bound.catalog)


def prepare(
    parsed: ast.ParsedStatement,
    catalog: Catalog,
    env: SessionEnv,
    oids: Sequence[int] = (),
    literals: Sequence[tuple[str, str]] = (),
) -> Prepared:
    """Bind and plan one parsed statement; a utility statement is only described. Raises PgError."""
    if isinstance(parsed.statement, OPTIMIZABLE):
        return prepare_statement(parsed, catalog, env, oids, literals)
    from server.session.utility import columns_of

    columns = columns_of(parsed.statement, env)
    if not is_bound(parsed.statement):
        return Prepared(parsed, catalog, columns=columns)
    bound = bind(explained(parsed).statement, catalog, env, _declared(oids, parsed.parameters))
    return Prepared(
        parsed,
        catalog,
        columns=columns,
        param_types=bound.param_types,
        tables=bound.tables,
        accesses=bound.accesses,
    )


def is_bound(statement: ast.Statement) -> bool:
    """Whether names and parameters of the statement get their meaning when it is prepared."""
    query = statement.query if isinstance(statement, ast.ExplainStmt) else statement
    return isinstance(query, OPTIMIZABLE)


def explained(parsed: ast.ParsedStatement) -> ast.ParsedStatement:
    """The statement that EXPLAIN is about."""
    assert isinstance(parsed.statement, ast.ExplainStmt)
    return replace(parsed, statement=parsed.statement.query)


def prepare_statement(
    parsed: ast.ParsedStatement,
    catalog: Catalog,
    env: SessionEnv,
    oids: Sequence[int] = (),
    literals: Sequence[tuple[str, str]] = (),
    constants: Sequence[Any] | None = None,
    most_params: int = MOST_PARAMS,
) -> Prepared:
    """Bind and plan SELECT, VALUES, INSERT, UPDATE, DELETE. Raises PgError, `NotLiftable`.

    `constants`: the parameters' values, which then are part of the plan. `most_params`: as for `bind`.
    """
    declared = _declared(oids, parsed.parameters) if most_params else ()
    bound = bind(parsed.statement, catalog, env, declared, literals, most_params)
    decided: tuple[int, ...] = ()
    if constants is not None:
        bound = _with_constants(bound, dict(enumerate(constants)))
    elif literals:
        bound, decided = _with_deciding(bound, literals, env)
    return Prepared(
        parsed,
        catalog,
        plan=plan_bound(bound),
        columns=bound.columns,
        param_types=bound.param_types,
        lifted=len(literals),
        tag=bound.tag,
        tables=bound.tables,
        accesses=bound.accesses,
        modifies=modifies(bound),
        is_of_the_moment=bound.is_of_the_moment,
        observes=bound.observes,
        settles=bound.settles,
        deciding=decided,
    )


def _with_deciding(
    bound: Bound, literals: Sequence[tuple[str, str]], env: SessionEnv
) -> tuple[Bound, tuple[int, ...]]:
    """The statement with those lifted literals in their places that decide which index serves it, and which these are.

    Raises `NotLiftable` where one can't be read: bound from its own text the statement fails with its position.
    """
    first = len(bound.param_types) - len(literals)
    places = sorted(deciding(bound.statement, first, bound.catalog.cluster))
    if not places:
        return bound, ()
    watched = WatchedEnv(env)
    try:
        values = {
            place: _literal_value(literals[place - first], bound.param_types[place], watched)
            for place in places
        }
    except PgError:
        raise NotLiftable from None
    if watched.is_of_the_moment:
        bound = replace(bound, is_of_the_moment=True)
    return _with_constants(bound, values), tuple(place - first for place in places)


def _with_constants(bound: Bound, values: Mapping[int, Any]) -> Bound:
    """The statement with the values of these parameters in their places."""

    def change(node: Any) -> Any:
        known = isinstance(node, tree.Param) and node.index in values
        return tree.Const(node.type, values[node.index]) if known else None

    return replace(bound, statement=rewrite(bound.statement, change))


def modifies(bound: Bound) -> bool:
    """Whether the statement writes, itself or in WITH."""
    statement = bound.statement
    return not isinstance(statement, Query) or any(not isinstance(cte.query, Query) for cte in statement.ctes)


def _declared(oids: Sequence[int], count: int) -> list[Type | None]:
    """The parameter types that the client declared; 0 and 705 (unknown) leave the choice to the binder."""
    declared: list[Type | None] = []
    for number, oid in enumerate(oids, 1):
        if oid in (0, 705):
            declared.append(None)
            continue
        found = types.BY_OID.get(oid)
        if found is None:
            raise PgError("42704", f"type with OID {oid} does not exist")
        if found.kind == "p":
            raise PgError("42P18", f"could not determine data type of parameter ${number}")
        declared.append(found)
    declared.extend([None] * (count - len(declared)))
    return declared


def check_privileges(session: SqlSession, prepared: Prepared) -> None:
    """PgError 42501 unless the session's user may run it: asked once of a plan, which is of one user and one catalog.

    Of the past it is asked every time, since what counts is who has the user's name now, and may what.
    """
    node, txn, catalog = session.node, session.txn, session.env.catalog
    if txn is not None and txn.is_past:
        now = node.catalog(session.cluster)
        node.check_privileges(now, session.user, prepared.accesses, then=catalog)
        return
    if not prepared.is_allowed or prepared.catalog is not catalog:
        node.check_privileges(catalog, session.user, prepared.accesses)
        prepared.is_allowed = prepared.catalog is catalog


def locking_command(prepared: Prepared) -> str:
    """The command tag of a SELECT that locks rows, as PostgreSQL names it where it is refused; else empty."""
    assert prepared.parsed is not None
    statement = prepared.parsed.statement
    if prepared.modifies:
        return ""
    if isinstance(statement, ast.SelectStmt) and statement.locking:
        return f"SELECT FOR {statement.locking[0].strength.upper()}"
    below = ast_walk.walk(statement)
    return "SELECT" if any(isinstance(node, ast.SelectStmt) and node.locking for node in below) else ""


def refuse_parameters(parsed: ast.ParsedStatement, catalog: Catalog, env: SessionEnv) -> None:
    """A simple query has no parameters: 42P02 at the first one, unless another error comes before it."""
    bind(parsed.statement, catalog, env, (), most_params=0)


def literal_values(prepared: Prepared, literals: Sequence[tuple[str, str]], env: SessionEnv) -> list[Any]:
    """Values of the lifted literals of a text whose shape is `prepared`'s; raises PgError as the literal would."""
    first = len(prepared.param_types) - prepared.lifted
    values: list[Any] = []
    for literal, wanted in zip(literals, prepared.param_types[first:]):
        values.append(_literal_value(literal, wanted, env))
    return values


def _literal_value(literal: tuple[str, str], wanted: Type, env: Env) -> Any:
    kind, text = literal
    return int(text) if kind == "i" or kind == "I" else wanted.input(text, -1, env)


def prepare_lifted(lifted: scanner.Lifted, catalog: Catalog, env: SessionEnv) -> Prepared | None:
    """The plan of a text with its literals lifted out; None when the grammar or the binder needs one of them."""
    try:
        parsed = parse_lifted(lifted)
        return prepare_statement(parsed, catalog, env, (), lifted.literals)
    except NotLiftable:
        return None
