"""The binder: a parsed query or change to the bound tree (DESIGN §5; PostgreSQL, chapters 7 and 10)."""

from __future__ import annotations

from collections.abc import Sequence

import server.sql.bind_aggregate
import server.sql.bind_call
import server.sql.bind_column
import server.sql.bind_json
import server.sql.bind_operator
import server.sql.bind_sublink  # noqa: F401  (they register what binds their parse nodes)
from server.catalog.descriptor import Catalog
from server.errors import PgError
from server.sql import ast, tree
from server.sql.bind_dml import bind_dml
from server.sql.bind_expr import LIFTED_TYPES
from server.sql.bind_query import bind_query
from server.sql.bind_scalar import bind_scalar
from server.sql.env import Env, WatchedEnv
from server.sql.grammar_base import NotLiftable
from server.sql.scope import Scope, State
from server.sql.types import TEXT, UNKNOWN, Type

__all__ = ["NotLiftable", "bind", "bind_scalar"]

MOST_PARAMS = 65_535
TAGS: dict[type, str] = {tree.Insert: "INSERT", tree.Update: "UPDATE", tree.Delete: "DELETE"}


def bind(
    stmt: ast.Statement,
    catalog: Catalog,
    env: Env,
    param_types: Sequence[Type | None],
    lifted: Sequence[tuple[str, str]] = (),
    most_params: int = MOST_PARAMS,
) -> tree.Bound:
    """Analyse a statement against a catalog.

    `param_types` are the client's types of `$1`, `$2`, ...; None (or unknown): to be inferred. `lifted` are
    the literals that the scanner took out, in order: their `ParamRef`s are numbered after len(param_types).
    An untyped lifted literal takes the type that context gives it, text when nothing does; `NotLiftable` is
    raised where a constant is needed, and for every error: bound again from its own text, the statement gives
    PostgreSQL's answer with its position. `most_params` is 0 where there may be no parameter. Raises PgError:
    42P01, 42703, 42702, 42883, 42804, 42P18, 54001 ...
    """
    try:
        return _bind(stmt, catalog, env, param_types, lifted, most_params)
    except PgError:
        if lifted:
            raise NotLiftable from None
        raise
    except RecursionError:
        raise PgError("54001", "stack depth limit exceeded") from None


def _bind(
    stmt: ast.Statement,
    catalog: Catalog,
    env: Env,
    param_types: Sequence[Type | None],
    lifted: Sequence[tuple[str, str]],
    most_params: int,
) -> tree.Bound:
    types = [kind if kind is not None else UNKNOWN for kind in param_types]
    lifted_types = [LIFTED_TYPES[kind] for kind, _ in lifted]
    watched = WatchedEnv(env)
    state = State(catalog, watched, types, most_params, lifted, lifted_types, bind_query)
    scope = Scope(state)
    made: tree.Statement
    if isinstance(stmt, (ast.SelectStmt, ast.ValuesStmt, ast.SetOperation)):
        made = bind_query(None, stmt, scope)
        columns = made.columns
    else:
        changed = bind_dml(scope, stmt)
        columns = tuple(target.column for target in changed.returning)
        made = changed
    return tree.Bound(
        statement=made,
        param_types=(
            *_client_types(state),
            *(TEXT if kind is UNKNOWN else kind for kind in state.lifted_types),
        ),
        columns=columns,
        tag=TAGS.get(type(made), "SELECT"),
        catalog=catalog,
        tables=tuple(state.privileges),
        accesses=_accesses(state),
        is_of_the_moment=watched.is_of_the_moment,
        observes=state.observes,
        settles=state.settles,
    )


def _accesses(state: State) -> tuple[tree.Access, ...]:
    """One per relation; EXCLUDED has that of its table."""
    distinct = {id(access): access for access in state.accesses.values()}
    return tuple(access.finished() for access in distinct.values())


def _client_types(state: State) -> tuple[Type, ...]:
    """Every parameter has a type by now; raises 42P18."""
    for index, kind in enumerate(state.param_types):
        if kind is UNKNOWN:
            raise PgError("42P18", f"could not determine data type of parameter ${index + 1}")
    return tuple(state.param_types)
