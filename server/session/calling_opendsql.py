"""CALL opendsql.inject(...), remove_injection(id), remove_injections(): faults on demand; new_cluster() and
drop_cluster(id): clusters that cost milliseconds (docs/testing.md)."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from server.catalog import procedures
from server.errors import PgError
from server.session import clusters
from server.session.work import Slice, Wait
from server.sql import ast
from server.sql.bind import bind_scalar
from server.sql.codegen import compile_expr
from server.sql.context import Context
from server.sql.tree import OutputColumn
from server.sql.types import Type
from server.testing.desk import Inject, Remove, Request
from server.testing.injections import Injection

if TYPE_CHECKING:
    from server.session.session import SqlSession
    from server.session.transaction import Transaction

Row = tuple[Any, ...]


def is_one(names: ast.Names) -> bool:
    """Whether it is the name of a procedure of schema opendsql."""
    return len(names) == 2 and names[0] == "opendsql" and names[1] in procedures.OURS


def columns_of(names: ast.Names) -> tuple[OutputColumn, ...]:
    """What CALL returns."""
    return (OutputColumn(*procedures.OURS[names[1]].result),)


def call(session: SqlSession, function: ast.FuncCall) -> Generator[Slice | Wait[object], None, list[Row]]:
    """Run it: one row. Raises PgError."""
    name = function.names[1]
    if session.user != "admin":
        raise PgError("42501", f"permission denied for procedure {name}")
    given = _arguments(session, function)
    if name == "new_cluster":
        ids = yield from clusters.create(session.node)
        return [(ids[session.node.here.region],)]
    if name == "drop_cluster":
        if given["cluster_id"] is None:
            raise PgError("22004", "cluster_id must not be null")
        yield from clusters.drop(session.node, given["cluster_id"])
        return [(True,)]
    answer = yield from session.wait_for(session.node.desk.ask(_request(session, name, given)))
    return [(bool(answer) if name == "remove_injection" else answer or 0,)]


def _request(session: SqlSession, name: str, given: dict[str, Any]) -> Request:
    if name != "inject":
        return Remove(session.cluster, given.get("id"))
    values = procedures.DEFAULTS | given
    if values["kind"] is None:
        raise PgError("22004", "kind must not be null")
    for required in ("nth", "ms", "jitter_ms"):
        if values[required] is None:
            raise PgError("22004", f"{required} must not be null")
    if values.get("probability") is not None and "times" not in given:
        values["times"] = None
    return Inject(
        Injection(
            values["kind"],
            session.cluster,
            values["nth"],
            values["times"],
            values.get("probability"),
            values.get("seed"),
            values.get("pid"),
            values.get("role"),
            values.get("table_name"),
            values["ms"],
            values["jitter_ms"],
        )
    )


def _arguments(session: SqlSession, function: ast.FuncCall) -> dict[str, Any]:
    """The values of those that are given, by parameter."""
    name = function.names[1]
    procedure = procedures.OURS[name]
    if _is_decorated(function) or len(function.args) > len(procedure.parameters):
        raise _unknown(name)
    txn = session.txn or session.begin(implicit=True)
    given: dict[str, Any] = {}
    names = list(procedure.parameters)
    called = function.arg_names or (None,) * len(function.args)
    for place, (argument, called_by) in enumerate(zip(function.args, called)):
        parameter = called_by if called_by is not None else names[place]
        if parameter not in procedure.parameters:
            raise _unknown(name)
        if parameter in given:
            raise PgError("42601", f'argument name "{parameter}" used more than once')
        if called_by is None and any(called[:place]):
            raise PgError("42601", "positional argument cannot follow named argument")
        given[parameter] = value_of(session, txn, argument, procedure.parameters[parameter])
    if not given.keys() >= set(names[: procedure.needed]):
        raise _unknown(name)
    return given


def value_of(session: SqlSession, txn: Transaction, argument: ast.Expr, kind: Type) -> Any:
    """The value of a procedure's argument. Raises PgError."""
    if isinstance(argument, ast.SubLink):
        raise PgError("0A000", "cannot use subquery in CALL argument")
    bound = bind_scalar(argument, None, session.env, txn.catalog, (kind, -1), "call")
    return compile_expr(bound, {})((), Context(txn, (), session.env, txn.catalog))


def _is_decorated(function: ast.FuncCall) -> bool:
    return bool(function.star or function.distinct or function.order_by or function.filter or function.over)


def _unknown(name: str) -> PgError:
    takes = ", ".join(f"{key} {kind.display}" for key, kind in procedures.OURS[name].parameters.items())
    return PgError(
        "42883", f"procedure opendsql.{name} does not take these arguments", hint=f"It takes ({takes})."
    )
