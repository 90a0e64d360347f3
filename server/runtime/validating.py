"""VALIDATE CONSTRAINT: whether the rows that a constraint found when it was added fulfil it (dsql-reference §6).

What is to be shown: when the job makes it valid, no row breaks the constraint, though others write while the job reads,
in pieces, and a piece may be as of another time than the one before. Let T be the commit that added the constraint.

1. Every commit above T was built with the constraint: T wrote the table's descriptor (of a foreign key the parent's
   too), so whoever began before T and wrote one of these tables fails with OC001. No such commit makes a row break it
   that did not before: what is written is checked, unless it is about a foreign key's columns and they stay as they
   are; the parent is locked KEY SHARE, and who deletes a parent looks for children in a snapshot of above T, which has
   all rows of before T. So if no row breaks it as of one time above T, none does at any later time.
2. A pass that reads the whole table as of one time shows just that. What was superseded is kept for a while only, so a
   long pass has to go on as of a later time. Then a row that breaks it may have moved from before the job's place to
   behind it (an UPDATE of the primary key that leaves the foreign key alone). But then it was written above the time at
   which the pass began, and another pass looks at those rows only, which passes by the others without decoding them;
   and so on, until one pass is as of one time.
3. Whoever is not written above a pass's beginning stood at its key all the while, and was read by it.

After a restart the job begins anew without harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from server.catalog.descriptor import Catalog, Check, ForeignKey, Oid, Table
from server.session.transaction import Transaction
from server.sql.access import Row, access
from server.sql.bind_scalar import bind_check
from server.sql.context import Context
from server.sql.env import Env
from server.sql.foreign_keys import Link, link_of
from server.sql.plan import compile_expressions

Breaks = Callable[[Row, Context], bool]


def find_constraint(table: Table, oid: Oid) -> Check | ForeignKey | None:
    """A table's check or foreign key."""
    constraints: Sequence[Check | ForeignKey] = (*table.checks, *table.foreign_keys)
    return next((each for each in constraints if each.oid == oid), None)


class Validator:
    """One constraint of one state of the catalog, compiled."""

    __slots__ = ("_breaks", "_catalog", "_env", "_reach", "error")

    def __init__(self, catalog: Catalog, table: Table, constraint: Check | ForeignKey) -> None:
        self._catalog = catalog
        self._env = Env()
        self._reach = access(table, catalog.cluster)
        if isinstance(constraint, Check):
            self._breaks = _breaks_check(catalog, table, constraint, self._env)
            self.error = (
                f'check constraint "{constraint.name}" of relation "{table.name}" is violated by some row'
            )
        else:
            self._breaks = _breaks_foreign_key(link_of(table, constraint, catalog))
            self.error = f'insert or update on table "{table.name}" violates foreign key constraint "{constraint.name}"'

    def broken(self, txn: Transaction, rows: Iterable[bytes]) -> Iterator[bool]:
        """Whether each of these rows, as the transaction read them, breaks it. Raises PgError of its expression."""
        ctx = Context(txn, env=self._env, catalog=self._catalog)
        for raw in rows:
            yield self._breaks(self._reach.unpack(raw), ctx)


def _breaks_check(catalog: Catalog, table: Table, check: Check, env: Env) -> Breaks:
    layout = {(0, place): place for place in range(len(table.columns))}
    values: Callable[[Row, Context], tuple[Any, ...]] = compile_expressions(
        [bind_check(check, table, env, catalog)], layout, catalog
    )
    return lambda row, ctx: values(row, ctx)[0] is False


def _breaks_foreign_key(link: Link) -> Breaks:
    def breaks(row: Row, ctx: Context) -> bool:
        if not link.refers(row):
            return False
        return not link.is_whole(row) or link.parent_of(ctx, link.wanted(row, ctx)) is None

    return breaks


def validated(table: Table, oid: Oid) -> Table:
    """The table with this constraint valid."""
    replace = msgspec.structs.replace
    checks = tuple(replace(each, validated=True) if each.oid == oid else each for each in table.checks)
    keys = tuple(replace(each, validated=True) if each.oid == oid else each for each in table.foreign_keys)
    return replace(table, checks=checks, foreign_keys=keys)
