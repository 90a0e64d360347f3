"""INSERT, UPDATE and DELETE: the rows are found first, then written (PostgreSQL, chapter 6).

A statement does not see what it writes, so finding and writing may be separated; a statement that finds more
rows than a transaction may write fails while it collects them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from journal.record import LockClass
from server.catalog.descriptor import Catalog, Table
from server.errors import PgError
from server.sql import expecting, tree, types
from server.sql.bind_scalar import bind_check, bind_generated, bind_scalar, generated_places
from server.sql.codegen import Layout, fresh
from server.sql.context import Context
from server.sql.env import Env
from server.sql.exec_node import BATCH, Node, Rows, batches
from server.sql.exec_source import Shared, Spool
from server.sql.foreign_writer import ReferringWriter, has_foreign_keys
from server.sql.parse import parse_expression
from server.sql.plan import Plan, Planner, Scope, compile_expressions, plan_query, prepare
from server.sql.plan_relation import plan_ctes
from server.sql.plan_scan import KEY_COLUMN, ROW_COLUMN
from server.sql.plan_walk import variables
from server.sql.row_writer import Check, Generated, RowWriter
from server.sql.tree import Delete, Expr, Insert, Statement, Update
from server.sql.turns import with_turns

Point = Callable[[Context], Rows]
Values = Callable[[Sequence[Any], Context], tuple[Any, ...]]


class Modification:
    """The plan of a statement that modifies. `ctx.affected` counts what it did; rows are those of RETURNING."""

    __slots__ = ("_node", "_spools", "_turns", "columns", "point")
    locks = False
    """Rows are written, not only locked."""

    def __init__(
        self,
        node: ModifyNode,
        columns: tuple[tree.OutputColumn, ...],
        point: Point | None,
        spools: Sequence[Spool],
        turns: bool,
    ) -> None:
        self._node = node
        self._turns = turns
        self._spools = spools
        self.columns = columns
        self.point = point

    def run(self, ctx: Context) -> Iterator[Rows]:
        """Batches of RETURNING rows, empty ones as heartbeats. Raises PgError."""
        return with_turns(self._run, ctx) if self._turns else self._run(ctx)

    def _run(self, ctx: Context) -> Iterator[Rows]:
        for spool in self._spools:
            for _batch in spool.run(ctx):
                yield []
        yield from self._node.run(ctx)
        ctx.affected = ctx.memo[self._node.key]
        if ctx.txn.checks is not None:
            yield from ctx.txn.checks.settle(ctx)

    @property
    def root(self) -> Node:
        """The topmost operator."""
        return self._node


def plan_modification(statement: Statement, catalog: Catalog) -> Modification:
    """Plan a bound INSERT, UPDATE or DELETE."""
    assert not isinstance(statement, tree.Query)
    planner = Planner(catalog)
    node = modify_node(planner, statement, planner.top)
    columns = tuple(target.column for target in statement.returning)
    turns = planner.needs_turns
    point = None if planner.modifying or statement.ctes or turns else node.point()
    if point is not None and has_foreign_keys(node.table):
        point = _settling(point) if _settles_at_once(node) else None
    return Modification(node, columns, point, tuple(planner.modifying), turns)


def _settles_at_once(node: ModifyNode) -> bool:
    """Whether foreign keys ask for no more than some rows by their keys: nobody refers to what changes."""
    return not node.table.referenced_by or (isinstance(node, InsertNode) and node.only_inserts)


def _settling(point: Point) -> Point:
    """The statement, then the checks of its foreign keys."""

    def settled(ctx: Context) -> Rows:
        rows = point(ctx)
        if ctx.txn.checks is not None:
            for _heartbeat in ctx.txn.checks.settle(ctx):
                pass
        return rows

    return settled


def modifying_cte(planner: Planner, cte: tree.Cte, outer: Scope) -> Callable[[], Node]:
    """A data-modifying CTE: run once, to its end, whether somebody reads it or not (PostgreSQL, 7.8.4)."""
    assert not isinstance(cte.query, tree.Query)
    spool = Spool(modify_node(planner, cte.query, outer), fresh())
    planner.modifying.append(spool)
    return lambda: Shared(spool)


def modify_node(planner: Planner, statement: Insert | Update | Delete, outer: Scope) -> ModifyNode:
    """The operator that does the statement's work."""
    ctes = [replace(cte, query=prepare(cte.query)) for cte in statement.ctes]
    planner.read(*(cte.query for cte in ctes))
    plan_ctes(planner, ctes, outer)
    if isinstance(statement, Insert):
        return InsertNode(planner, statement)
    if isinstance(statement, Update):
        return UpdateNode(planner, statement)
    return DeleteNode(planner, statement)


def _writer(
    table: Table, catalog: Catalog, checks: Sequence[Check], generated: Generated | None
) -> RowWriter:
    schema = catalog.schema_of(table)
    if has_foreign_keys(table):
        return ReferringWriter(table, catalog, schema, checks, generated)
    return RowWriter(table, catalog.cluster, schema, checks, generated)


class ModifyNode(Node):
    """What the three have in common: the writer, RETURNING, and the count."""

    def __init__(
        self, planner: Planner, statement: Insert | Update | Delete, others: Sequence[tree.Var]
    ) -> None:
        self.table = statement.table
        self.key = fresh()
        """Where the number of affected rows is kept in Context.memo."""
        checks = () if isinstance(statement, Delete) else statement.checks
        generated = () if isinstance(statement, Delete) else statement.generated
        width = len(self.table.columns)
        own = {(statement.rel, place): place for place in range(width)}
        self.writer = _writer(
            self.table,
            planner.catalog,
            [
                (name, _single(compile_expressions([check], own, planner.catalog, planner)))
                for name, check in checks
            ],
            _generated(generated, own, planner.catalog, planner),
        )
        layout = {**own, (statement.rel, -1): width}
        layout.update({(var.rel, var.column): width + 1 + place for place, var in enumerate(others)})
        returning = [target.expr for target in statement.returning]
        self._returning: Values | None = None
        if returning:
            self._returning = compile_expressions(returning, layout, planner.catalog, planner)
        self._live = [place for place, column in enumerate(self.table.columns) if not column.dropped]
        self._whole = types.row_type(self.table).made
        rel = planner.new_rel()
        self.layout = {(rel, place): place for place in range(len(returning))}
        self.width = len(returning)
        self.rows = 1.0

    def point(self) -> Point | None:
        """The statement in one call, where it touches one row by its key; else None."""
        return None

    def _result(self, ctx: Context, row: Sequence[Any], others: Sequence[Any], results: Rows) -> None:
        if self._returning is not None:
            whole = self._whole(row[place] for place in self._live)
            results.append(self._returning((*row, whole, *others), ctx))

    def _found(self, ctx: Context, plan: Plan) -> Iterator[list[Any] | None]:
        """The plan's rows, one by one, as a whole after None heartbeats; bounded by the row limit."""
        rows: list[Any] = []
        limit = ctx.txn.limits.transaction_rows
        for batch in plan.run(ctx):
            rows.extend(batch)
            if len(rows) > 16 * limit:
                raise PgError("54000", "transaction row limit exceeded")
            yield None
        is_remote = ctx.txn.is_remote
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            if is_remote:
                ctx.txn.expect(list(self._looked_up(ctx, part)))
            yield from part
            if len(part) == BATCH:
                ctx.tick()
                yield None

    def _looked_up(self, ctx: Context, rows: Sequence[Any]) -> Iterable[bytes]:
        """Keys that the change of these rows looks up."""
        return ()

    def _filled(self, ctx: Context, row: Sequence[Any]) -> Sequence[Any]:
        """A row ahead of its turn, with its generated columns; where they fail, that is told when its turn comes."""
        if self.writer.generated is None:
            return row
        made = list(row)
        with suppress(PgError):
            self.writer.fill(ctx, made)
        return made

    def inputs(self) -> Sequence[Node]:
        return ()


def _generated(
    columns: Sequence[tuple[int, Expr]], layout: Layout, catalog: Catalog, planner: Planner | None = None
) -> Generated | None:
    """Generated columns, compiled over a row of the table."""
    if not columns:
        return None
    exprs = [expr for _place, expr in columns]
    return tuple(place for place, _expr in columns), compile_expressions(exprs, layout, catalog, planner)


def _single(values: Values) -> Callable[[Sequence[Any], Context], Any]:
    return lambda row, ctx: values(row, ctx)[0]


def _others(statement: Update | Delete) -> list[tree.Var]:
    """Columns of the FROM or USING relations that RETURNING reads."""
    found: dict[tuple[int, int], tree.Var] = {}
    ids = {rel.id for rel in statement.query.rels} - {statement.rel}
    for target in statement.returning:
        for var in variables(target.expr):
            if var.rel in ids:
                found[var.rel, var.column] = var
    return list(found.values())


class InsertNode(ModifyNode):
    """INSERT, with ON CONFLICT."""

    def __init__(self, planner: Planner, statement: Insert) -> None:
        super().__init__(planner, statement, ())
        self._values: Values | None = None
        self._plan: Plan | None = None
        if statement.source is None:
            self._values = compile_expressions(statement.values, {}, planner.catalog, planner)
        else:
            self._plan = plan_query(_source_query(statement), planner.catalog, planner=planner)
        self._action = statement.on_conflict
        if self._action is not None:
            self._compile_action(planner, statement, self._action)

    @property
    def only_inserts(self) -> bool:
        """Whether it changes no row that was there before."""
        return self._action is None

    def _compile_action(self, planner: Planner, statement: Insert, action: tree.ConflictAction) -> None:
        width = len(self.table.columns)
        layout = {(statement.rel, place): place for place in range(width)}
        layout[statement.rel, -1] = width
        layout.update({(action.excluded_rel, place): width + 1 + place for place in range(width)})
        layout[action.excluded_rel, -1] = 2 * width + 1
        catalog = planner.catalog
        self._sets = compile_expressions([expr for _place, expr in action.sets], layout, catalog, planner)
        self._set_places = [place for place, _expr in action.sets]
        self._where: Callable[[Sequence[Any], Context], Any] | None = None
        if action.where is not None:
            self._where = _single(compile_expressions([action.where], layout, catalog, planner))

    def point(self) -> Point | None:
        values = self._values
        if values is None:
            return None

        if self._action is None and self._returning is None and self.writer.generated is None:
            write = self.writer.insert

            def insert_only(ctx: Context) -> Rows:
                write(ctx, values((), ctx))
                ctx.affected = 1
                return []

            return insert_only

        def insert(ctx: Context) -> Rows:
            results: Rows = []
            ctx.affected = self._insert(ctx, list(values((), ctx)), results)
            return results

        return insert

    def run(self, c: Context) -> Iterator[Rows]:
        results: Rows = []
        count = 0
        if self._values is not None:
            count = self._insert(c, list(self._values((), c)), results)
        else:
            assert self._plan is not None
            for row in self._found(c, self._plan):
                if row is None:
                    yield []
                else:
                    count += self._insert(c, list(row), results)
        c.memo[self.key] = count
        yield from batches(results)

    def _looked_up(self, ctx: Context, rows: Sequence[Any]) -> Iterable[bytes]:
        return expecting.of_inserted(self.writer.access, [self._filled(ctx, row) for row in rows])

    def _insert(self, ctx: Context, row: list[Any], results: Rows) -> int:
        action = self._action
        if action is not None:
            writer = self.writer
            writer.validate(ctx, row)
            taken = writer.conflicting_key(ctx, row, action.arbiters)
            if taken is not None:
                return self._on_conflict(ctx, action, taken, row, results)
        self.writer.insert(ctx, row, is_valid=action is not None)
        self._result(ctx, row, (), results)
        return 1

    def _on_conflict(
        self, ctx: Context, action: tree.ConflictAction, key: bytes, row: list[Any], results: Rows
    ) -> int:
        if not action.update:
            return 0
        if key in ctx.txn.fresh:
            raise PgError(
                "21000",
                "ON CONFLICT DO UPDATE command cannot affect row a second time",
                hint="Ensure that no rows proposed for insertion within the same command "
                "have duplicate constrained values.",
            )
        raw = ctx.txn.current(key)
        old = self.writer.access.unpack(raw)
        live = self._live
        whole, excluded = self._whole(old[place] for place in live), self._whole(row[place] for place in live)
        both = (*old, whole, *row, excluded)
        if self._where is not None and self._where(both, ctx) is not True:
            ctx.txn.lock(key, int(LockClass.EXCLUSIVE))
            return 0
        new = list(old)
        for place, value in zip(self._set_places, self._sets(both, ctx)):
            new[place] = value
        self.writer.update(ctx, key, old, new, self._set_places)
        self._result(ctx, new, (), results)
        return 1

    def inputs(self) -> Sequence[Node]:
        return (self._plan.node,) if self._plan is not None else ()

    def describe(self) -> list[str]:
        return [f"Insert on {self.table.name}"]


def _source_query(statement: Insert) -> tree.Query:
    """The rows to insert, as a query over the source."""
    source = statement.source
    assert source is not None
    rel: tree.Rel
    if isinstance(source, tree.Query):
        rel = tree.QueryRel(statement.source_rel, source, False, "*SELECT*")
    else:
        rel = source
    targets = tuple(
        tree.Target(expr, tree.OutputColumn(f"column{place}", expr.type))
        for place, expr in enumerate(statement.values, 1)
    )
    return tree.Query(targets=targets, rels=(rel,), from_=statement.source_rel)


class ChangeNode(ModifyNode):
    """UPDATE and DELETE: the rows of a query over the target, each changed once (PostgreSQL, UPDATE)."""

    def __init__(self, planner: Planner, statement: Update | Delete) -> None:
        others = _others(statement)
        super().__init__(planner, statement, others)
        self._plan = plan_query(statement.query, planner.catalog, (*_row(statement), *others), planner)
        self._at = len(statement.query.columns)
        """Where the key stands in a found row: behind the query's own targets, before the stored row and the others."""

    def _change(self, ctx: Context, row: Sequence[Any], results: Rows) -> None:
        raise NotImplementedError

    def point(self) -> Point | None:
        find = self._plan.point
        if find is None:
            return None

        def change(ctx: Context) -> Rows:
            results: Rows = []
            rows = find(ctx)
            for row in rows:
                self._change(ctx, row, results)
            ctx.affected = len(rows)
            return results

        return change

    def run(self, c: Context) -> Iterator[Rows]:
        results: Rows = []
        seen: set[bytes] = set()
        for row in self._found(c, self._plan):
            if row is None:
                yield []
            elif row[self._at] not in seen:
                seen.add(row[self._at])
                self._change(c, row, results)
        c.memo[self.key] = len(seen)
        yield from batches(results)

    def inputs(self) -> Sequence[Node]:
        return (self._plan.node,)


def _row(statement: Update | Delete) -> tuple[Expr, Expr]:
    """The target's key and its whole stored row."""
    return (
        tree.Var(types.BYTEA, statement.rel, KEY_COLUMN),
        tree.Var(types.RECORD, statement.rel, ROW_COLUMN),
    )


class UpdateNode(ChangeNode):
    """UPDATE, with FROM."""

    def __init__(self, planner: Planner, statement: Update) -> None:
        super().__init__(planner, statement)
        self._columns = statement.columns

    def _looked_up(self, ctx: Context, rows: Sequence[Any]) -> Iterable[bytes]:
        pairs = []
        for row in rows:
            old = row[self._at + 1]
            new = dict(enumerate(old)) | dict(zip(self._columns, row))
            pairs.append((old, self._filled(ctx, list(new.values()))))
        return expecting.of_updated(self.writer.access, pairs)

    def _change(self, ctx: Context, row: Sequence[Any], results: Rows) -> None:
        at = self._at
        key, old = row[at], row[at + 1]
        new = list(old)
        for place, value in zip(self._columns, row):
            new[place] = value
        self.writer.update(ctx, key, old, new, self._columns)
        self._result(ctx, new, row[at + 2 :], results)

    def describe(self) -> list[str]:
        return [f"Update on {self.table.name}"]


class DeleteNode(ChangeNode):
    """DELETE, with USING."""

    def _change(self, ctx: Context, row: Sequence[Any], results: Rows) -> None:
        at = self._at
        self.writer.delete(ctx, row[at], row[at + 1])
        self._result(ctx, row[at + 1], row[at + 2 :], results)

    def describe(self) -> list[str]:
        return [f"Delete on {self.table.name}"]


# --- for COPY ---


def table_writer(table: Table, catalog: Catalog, env: Env) -> RowWriter:
    """The writer of a table outside a planned statement."""
    layout = {(0, place): place for place in range(len(table.columns))}
    checks = []
    for check in sorted(table.checks, key=lambda check: check.name):
        bound = bind_check(check, table, env, catalog)
        checks.append((check.name, _single(compile_expressions([bound], layout, catalog))))
    columns = [(place, bind_generated(table, place, env, catalog)) for place in generated_places(table)]
    return _writer(table, catalog, checks, _generated(columns, layout, catalog))


class ColumnDefaults:
    """Fills the columns that COPY does not name with their defaults."""

    def __init__(self, table: Table, catalog: Catalog, env: Env, given: Sequence[int]) -> None:
        self._places: list[int] = []
        exprs: list[Expr] = []
        for place, column in enumerate(table.columns):
            if column.default is None or column.generated or column.dropped or place in given:
                continue
            target = (types.BY_OID[column.type_oid], column.typmod)
            parsed = parse_expression(column.default)
            exprs.append(bind_scalar(parsed, None, env, catalog, target, f"default:{column.name}"))
            self._places.append(place)
        self._values = compile_expressions(exprs, {}, catalog) if exprs else None

    @property
    def is_empty(self) -> bool:
        return self._values is None

    def fill(self, row: list[Any], ctx: Context) -> None:
        """Set the defaults in a row."""
        if self._values is not None:
            for place, value in zip(self._places, self._values((), ctx)):
                row[place] = value
