"""How a session comes to a plan: from the caches, else by parser, binder and planner, long texts beside the loop.

A text of some hundred kilobytes takes seconds to parse, bind and plan. That is done in a thread, which only reads;
what the session owns and shares (its catalog, the plan cache) changes on the loop, before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from server.catalog.descriptor import Catalog
from server.errors import PgError
from server.session import preparing, rebase
from server.session.environment import SessionEnv
from server.session.prepared import Prepared
from server.session.preparing import Plans
from server.session.transaction import Transaction
from server.session.work import Slice, Wait
from server.sql import ast, scanner
from server.sql.parse import parse

if TYPE_CHECKING:
    from server.session.session import SqlSession

T = TypeVar("T")
Steps = Generator[Slice | Wait[Any], None, T]

LONG_TEXT = 4 << 10
"""Characters of a statement above which nothing is made of it on the loop: that would take 10 ms and more."""
LONG_SHAPE = 64 << 10
"""Characters above which not even its literals are lifted on the loop."""


def aside(session: SqlSession, size: int, step: Callable[[], T]) -> Steps[T]:
    """The result of `step`, which only reads, for a text of `size` characters; a long one leaves the loop free.

    PgError 57014 when the statement is cancelled meanwhile.
    """
    if size <= LONG_TEXT:
        return step()
    wait = session.node.compute(step)
    try:
        return (yield from session.wait_for(wait))
    finally:
        wait.abandon()


def find(plans: Plans, sql: str, catalog: Catalog) -> tuple[Prepared, Sequence[tuple[str, str]]] | None:
    """The plan of this very text, or of its shape and then the literals that it has there."""
    prepared = plans.get(sql)
    if prepared is not None:
        # A text that was prepared may have parameters: a simple query has none, so it is to fail where it is bound.
        return (prepared, ()) if prepared.catalog is catalog and not prepared.param_types else None
    lifted = scanner.lift(sql)
    if lifted is None:
        return None
    prepared = plans.get(lifted.key)
    if prepared is not None and prepared.deciding:
        prepared = plans.get(preparing.decided_key(lifted, prepared))
    if prepared is None or prepared.catalog is not catalog:
        return None
    return prepared, lifted.literals


def cached(plans: Plans, sql: str, catalog: Catalog, env: SessionEnv) -> tuple[Prepared, list[Any]] | None:
    """What `find` finds, with the literals' values; None where one can't be read."""
    found = find(plans, sql, catalog)
    if found is None:
        return None
    prepared, literals = found
    try:
        return prepared, preparing.literal_values(prepared, literals, env)
    except PgError:
        return None


def parsed_query(sql: str) -> tuple[list[ast.ParsedStatement], scanner.Lifted | None]:
    """The statements of a simple query; a single one also with its literals lifted out. Raises PgError 42601."""
    statements = parse(sql)
    return statements, scanner.lift(sql) if len(statements) == 1 else None


def prepare_query(
    session: SqlSession,
    parsed: ast.ParsedStatement,
    catalog: Catalog,
    text: str | None,
    lifted: scanner.Lifted | None,
) -> Steps[tuple[Prepared, list[Any]]]:
    """The plan of one statement of a simple query. `text`, `lifted`: it is the only one of it. Raises PgError."""
    env = session.env

    def made() -> tuple[str | None, Prepared, list[Any]]:
        if lifted is not None:
            prepared = preparing.prepare_lifted(lifted, catalog, env)
            if prepared is not None:
                remember_as: str | None = lifted.key
                try:
                    return remember_as, prepared, preparing.literal_values(prepared, lifted.literals, env)
                except PgError:
                    pass  # bound from its own text the statement fails with the literal's position
        return text, preparing.prepare(parsed, catalog, env), []

    key, prepared, params = yield from aside(session, len(parsed.text), made)
    if key is not None and session.txn is not None and _is_for_others(session, session.txn):
        preparing.remember(session.plans, key, prepared, lifted)
    return prepared, params


def parse_one(session: SqlSession, sql: str, oids: Sequence[int], key: str) -> Steps[Prepared]:
    """The prepared statement of a Parse message, remembered under `key`. Raises PgError."""
    statements = yield from aside(session, len(sql), lambda: parse(sql))
    if len(statements) > 1:
        raise PgError("42601", "cannot insert multiple commands into a prepared statement")
    if not statements:
        return Prepared(None, session.catalog_in_force())
    parsed = statements[0]
    session.refuse_aborted(parsed.statement)
    txn = session.txn or session.begin(implicit=True)
    catalog, env = txn.catalog, session.env
    if preparing.is_bound(parsed.statement):
        yield from meet(session, catalog, parsed)
    prepared = yield from aside(session, len(sql), lambda: preparing.prepare(parsed, catalog, env, oids))
    if _is_for_others(session, txn):
        preparing.remember(session.plans, key, prepared)
    return prepared


def _is_for_others(session: SqlSession, txn: Transaction) -> bool:
    """Whether a plan made in the transaction may be of use to another one: its catalog is not the transaction's own."""
    return not txn.ddl and not (txn.is_past and txn.catalog is not session.catalog)


def remember_transaction(session: SqlSession, parsed: ast.ParsedStatement, text: str) -> None:
    """BEGIN, COMMIT and their like, a simple query by themselves, are not parsed at every transaction."""
    catalog = session.catalog
    if catalog is session.catalog_in_force():
        preparing.remember(session.plans, text, Prepared(parsed, catalog))


def prepare_again(session: SqlSession, prepared: Prepared, catalog: Catalog) -> Steps[Prepared]:
    """The catalog moved since the statement was prepared: OC001 by the rule, else bind and plan again."""
    parsed = prepared.parsed
    assert parsed is not None
    session.meet(catalog, parsed, prepared.used)
    oids = [each.oid for each in prepared.param_types[: len(prepared.param_types) - prepared.lifted]]
    env = session.env
    fresh = yield from aside(session, len(parsed.text), lambda: preparing.prepare(parsed, catalog, env, oids))
    if [(c.name, c.type) for c in fresh.columns] != [(c.name, c.type) for c in prepared.columns]:
        message, routine = "cached plan must not change result type", {"R": "RevalidateCachedQuery"}
        # Drivers know by the routine that they may prepare again.
        raise PgError("0A000", message, fields=routine)
    return fresh


def meet(session: SqlSession, catalog: Catalog, parsed: ast.ParsedStatement) -> Steps[None]:
    """As `rebase.meet`: what the statement meant in the older catalog is found beside the loop."""
    old, env = session.catalog, session.env
    if old is catalog or (session.txn is not None and session.txn.is_past):
        return
    used = yield from aside(session, len(parsed.text), lambda: rebase.tables_in(old, parsed, env))
    session.meet(catalog, parsed, used)
