"""FROM: relations, joins, subqueries, functions, and what each makes visible (PostgreSQL, chapter 7.2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from server.catalog.descriptor import Table
from server.sql import ast, refusals, tree
from server.sql.bind_expr import resolve_type, transform_as
from server.sql.bind_join import join
from server.sql.bind_target import figure_name
from server.sql.coerce import settle_unknown
from server.sql.fn_json_record import for_row
from server.sql.scope import CteEntry, NsColumn, NsItem, Scope, error, find_cte, find_item, open_relation
from server.sql.tree_walk import children, walk
from server.sql.types import BY_OID, INT8, RECORD, RowType, Type, is_row

Piece = tuple[tree.Join | int, list[NsItem]]
"""A FROM item's join tree and what it shows."""


def transform_from(scope: Scope, items: Sequence[ast.FromItem]) -> tree.Join | int | None:
    """The FROM list: a comma is a join without condition."""
    whole: tree.Join | int | None = None
    for item in items:
        piece, namespace = from_item(scope, item)
        refuse_duplicates(scope.namespace, namespace, item.at)
        lateral_state(namespace, True, True)
        scope.namespace += namespace
        whole = piece if whole is None else tree.Join("inner", whole, piece, None)
    lateral_state(scope.namespace, False, True)
    return whole


def lateral_state(items: Sequence[NsItem], only: bool, allowed: bool) -> None:
    """Whether the items are visible to LATERAL items only."""
    for item in items:
        item.lateral_only, item.lateral_ok = only, allowed


def refuse_duplicates(left: Sequence[NsItem], right: Sequence[NsItem], at: int) -> None:
    """42712 when two items go by one name."""
    for new in right:
        if not new.rel_visible or new.unnamed:
            continue
        for old in left:
            if not old.rel_visible or old.unnamed or old.name != new.name:
                continue
            both_tables = new.relation_oid and old.relation_oid and not new.has_alias and not old.has_alias
            if both_tables and new.relation_oid != old.relation_oid:
                continue
            raise error("42712", f'table name "{new.name}" specified more than once')


def from_item(scope: Scope, item: ast.FromItem) -> Piece:
    """One FROM item."""
    if isinstance(item, ast.RangeVar):
        return _single(range_var(scope, item))
    if isinstance(item, ast.RangeSubselect):
        return _single(subselect(scope, item))
    if isinstance(item, ast.RangeFunction):
        return _single(function(scope, item))
    return join(scope, item)


def _single(item: NsItem) -> Piece:
    return item.rel, [item]


# --- tables, catalog relations, CTEs -----------------------------------------------------------------------


def range_var(scope: Scope, node: ast.RangeVar) -> NsItem:
    """A name: a CTE, a table, or a catalog relation."""
    refusals.check_node(node)
    if len(node.names) == 1:
        found = find_cte(scope, node.names[0])
        if found is not None:
            return cte_reference(scope, found[1], node)
    relation = open_relation(scope, node)
    if isinstance(relation, Table):
        item = add_table(scope, relation, node.alias, node.at)
        scope.state.need(relation.oid, "SELECT", item.rel)
        return item
    return _virtual(scope, relation, node)


def add_table(scope: Scope, table: Table, alias: ast.Alias | None, at: int = -1) -> NsItem:
    """A table of the catalog in this level's FROM."""
    rel = scope.state.new_rel(scope)
    name = alias.name if alias else table.name
    scope.rels.append(tree.TableRel(rel, table, name))
    columns = []
    for index, column in enumerate(table.columns):
        if column.dropped:
            continue
        var = tree.Var(BY_OID[column.type_oid], rel, index, column.typmod, column.name)
        columns.append(NsColumn(column.name, var, table.oid, index + 1))
        scope.state.origins[(rel, index)] = (table.oid, index + 1)
    item = NsItem(name, columns, rel, table, table.oid, has_alias=alias is not None)
    scope.items.append(item)
    return rename_columns(item, alias, "table")


def _virtual(scope: Scope, relation: object, node: ast.RangeVar) -> NsItem:
    rel = scope.state.new_rel(scope)
    columns: tuple[tree.OutputColumn, ...] = relation.columns  # type: ignore[attr-defined]
    oid: int = relation.oid  # type: ignore[attr-defined]
    name = node.alias.name if node.alias else node.names[-1]
    scope.state.observes |= relation.scope == "node"  # type: ignore[attr-defined]
    scope.rels.append(
        tree.VirtualRel(rel, node.names[-1], oid, columns, relation.rows, name)  # type: ignore[attr-defined]
    )
    return _show(scope, rel, name, columns, node.alias, "table", oid)


def _show(
    scope: Scope,
    rel: int,
    name: str,
    columns: Sequence[tree.OutputColumn],
    alias: ast.Alias | None,
    kind: str,
    oid: int = 0,
) -> NsItem:
    """The namespace entry of a relation whose columns are known."""
    shown = []
    for index, column in enumerate(columns):
        var = tree.Var(column.type, rel, index, column.typmod, column.name)
        shown.append(NsColumn(column.name, var, column.table_oid, column.attnum))
        if column.table_oid:
            scope.state.origins[(rel, index)] = (column.table_oid, column.attnum)
    item = NsItem(name, shown, rel, relation_oid=oid, has_alias=alias is not None)
    scope.items.append(item)
    rename_columns(item, alias, kind)
    if alias is not None and alias.columns:
        scope.rels[-1] = _renamed(scope.rels[-1], [column.name for column in item.columns])
    return item


def _renamed(rel: tree.Rel, names: Sequence[str]) -> tree.Rel:
    """The relation under the column names of its alias: the fields of its whole row are called by them."""
    if isinstance(rel, tree.TableRel):
        return rel
    if not isinstance(rel, tree.QueryRel):
        columns = tuple(replace(column, name=name) for column, name in zip(rel.columns, names))
        return replace(rel, columns=columns)
    left = iter(names)
    targets = tuple(
        target if target.hidden else replace(target, column=replace(target.column, name=next(left)))
        for target in rel.query.targets
    )
    return replace(rel, query=replace(rel.query, targets=targets))


def rename_columns(item: NsItem, alias: ast.Alias | None, kind: str) -> NsItem:
    """`t(a, b)`: the first columns get these names; raises 42P10 when there are too many."""
    if alias is None or not alias.columns:
        return item
    if len(alias.columns) > len(item.columns):
        available, given = len(item.columns), len(alias.columns)
        raise error(
            "42P10", f'{kind} "{alias.name}" has {available} columns available but {given} columns specified'
        )
    for column, name in zip(item.columns, alias.columns):
        column.name = name
        if isinstance(column.expr, tree.Var):
            column.expr = replace(column.expr, name=name)
    return item


def cte_reference(scope: Scope, entry: CteEntry, node: ast.RangeVar) -> NsItem:
    """A WITH item in FROM."""
    if entry.returns_nothing:
        raise error("0A000", f'WITH query "{entry.name}" does not have a RETURNING clause', node.at)
    if entry.binding:
        entry.self_references += 1
        scope.self_reference = True
        if entry.columns is None:
            message = (
                f'recursive reference to query "{entry.name}" must not appear within its non-recursive term'
            )
            raise error("42P19", message, node.at)
    else:
        entry.uses += 1
    rel = scope.state.new_rel(scope)
    name = node.alias.name if node.alias else entry.name
    columns = entry.columns or ()
    scope.rels.append(tree.CteRel(rel, entry.id, columns, name))
    item = _show(scope, rel, name, columns, node.alias, "table")
    item.from_cte = entry.name
    for index, fields in enumerate(entry.fields):
        if fields is not None:
            scope.state.record_columns[(rel, index)] = fields
    if entry.binding:
        for column in item.columns[entry.starred :]:
            column.starred = False
    return item


# --- subqueries and functions ------------------------------------------------------------------------------


def subselect(scope: Scope, node: ast.RangeSubselect) -> NsItem:
    """A subquery in FROM; it sees the items before it only when it is LATERAL."""
    before_kind, before_lateral = scope.kind, scope.lateral_active
    scope.kind, scope.lateral_active = "FROM SUBSELECT", node.lateral
    query = scope.state.bind_query(scope, node.query)
    scope.kind, scope.lateral_active = before_kind, before_lateral
    name = node.alias.name if node.alias else "unnamed_subquery"
    return add_query(scope, query, name, node.alias, node.lateral)


def add_query(
    scope: Scope, query: tree.Query, name: str, alias: ast.Alias | None, lateral: bool = False
) -> NsItem:
    """A bound query in this level's FROM."""
    rel = scope.state.new_rel(scope)
    scope.rels.append(tree.QueryRel(rel, query, lateral, name))
    shown = [target for target in query.targets if not target.hidden]
    for index, target in enumerate(shown):
        fields = _fields(scope, target.expr)
        if fields is not None:
            scope.state.record_columns[(rel, index)] = fields
    item = _show(scope, rel, name, query.columns, alias, "table")
    item.unnamed = alias is None
    return item


def _fields(scope: Scope, expr: tree.Expr) -> list[tree.OutputColumn] | None:
    from server.sql.bind_column import row_columns

    return row_columns(scope, expr) if is_row(expr.type) else None


def function(scope: Scope, node: ast.RangeFunction) -> NsItem:
    """Functions in FROM: each column list side by side, then the ordinality."""
    calls, widths, columns = [], [], []
    single_scalar = False
    first_name = "unnamed"
    before_lateral, scope.lateral_active = scope.lateral_active, True
    for index, (call, definitions) in enumerate(_expanded(node)):
        expr = settle_unknown(scope, transform_as(scope, call, "FROM FUNCTION"))
        _refuse_nested_sets(scope, expr)
        name = figure_name(scope, call)
        first_name = name if index == 0 else first_name
        definitions = definitions or (node.columns if len(node.functions) == 1 else ())
        outputs = _function_columns(scope, expr, name, definitions, call.at)
        alone = len(_expanded(node)) == 1
        single_scalar = alone and (outputs is None or (len(outputs) == 1 and not is_row(expr.type)))
        if outputs is None:
            shown = node.alias.name if node.alias and single_scalar else name
            outputs = [tree.OutputColumn(shown, expr.type, expr.typmod)]
        if definitions and isinstance(expr, (tree.Call, tree.SetReturning)):
            fields = [(column.name, column.type, column.typmod) for column in outputs]
            expr = replace(expr, function=for_row(expr.function, fields))
        calls.append(expr)
        widths.append(len(outputs))
        columns += outputs
    scope.lateral_active = before_lateral
    if node.ordinality:
        if node.columns:
            raise error(
                "42601",
                "WITH ORDINALITY cannot be used with a column definition list",
                node.columns[0].at,
                hint="Put the column definition list inside ROWS FROM().",
            )
        columns.append(tree.OutputColumn("ordinality", INT8))
    rel = scope.state.new_rel(scope)
    name = node.alias.name if node.alias else first_name
    lateral = node.lateral or any(_outer_var(scope, call) for call in calls)
    scope.rels.append(
        tree.FunctionRel(rel, tuple(calls), tuple(widths), node.ordinality, lateral, tuple(columns), name)
    )
    item = _show(scope, rel, name, columns, node.alias, "table")
    item.scalar_function = single_scalar and not node.ordinality
    return item


def _expanded(node: ast.RangeFunction) -> list[tuple[ast.Expr, tuple[ast.ColumnDef, ...]]]:
    """unnest of several arrays is ROWS FROM (unnest(a), unnest(b)) (PostgreSQL, 9.19)."""
    made: list[tuple[ast.Expr, tuple[ast.ColumnDef, ...]]] = []
    for call, definitions in node.functions:
        if (
            isinstance(call, ast.FuncCall)
            and call.names in (("unnest",), ("pg_catalog", "unnest"))
            and len(call.args) > 1
            and not call.arg_names
        ):
            made += [(replace(call, args=(arg,)), ()) for arg in call.args]
        else:
            made.append((call, definitions))
    return made


def _refuse_nested_sets(scope: Scope, expr: tree.Expr) -> None:
    for child in children(expr):
        for part in walk(child):
            if isinstance(part, tree.SetReturning):
                raise error(
                    "0A000", "set-returning functions must appear at top level of FROM", scope.where(part)
                )


def _outer_var(scope: Scope, expr: tree.Expr) -> bool:
    return any(
        isinstance(part, tree.Var) and scope.state.owners.get(part.rel) is scope for part in walk(expr)
    )


def _function_columns(
    scope: Scope, expr: tree.Expr, name: str, definitions: Sequence[ast.ColumnDef], at: int
) -> list[tree.OutputColumn] | None:
    """The columns of a composite result, from the function or the definition list; None for a scalar."""
    function = getattr(expr, "function", None)
    known: Sequence[tuple[str, Type]] = getattr(function, "out_columns", ()) or ()
    if definitions:
        if expr.type is not RECORD or known:
            if known:
                message = "a column definition list is redundant for a function with OUT parameters"
            elif isinstance(expr.type, RowType):
                message = (
                    "a column definition list is redundant for a function returning a named composite type"
                )
            else:
                message = 'a column definition list is only allowed for functions returning "record"'
            raise error("42601", message, definitions[0].at)
        return [tree.OutputColumn(column.name, *resolve_type(scope, column.type)) for column in definitions]
    if known:
        return [tree.OutputColumn(column, kind) for column, kind in known]
    if isinstance(expr.type, RowType):
        return [tree.OutputColumn(*field) for field in expr.type.fields]
    if expr.type is RECORD:
        raise error("42601", 'a column definition list is required for functions returning "record"', at)
    return None


# --- locking -----------------------------------------------------------------------------------------------


def named_items(scope: Scope, names: Sequence[ast.Names], at: int, strength: str) -> list[NsItem]:
    """The FROM items that FOR UPDATE OF names; raises 42P01."""
    found = []
    for name in names:
        if len(name) > 1:
            raise error("42601", f"{strength} must specify unqualified relation names", at)
        hit = find_item(scope, None, name[0], at)
        if hit is None or hit[0] is not scope:
            raise error("42P01", f'relation "{name[0]}" in {strength} clause not found in FROM clause', at)
        found.append(hit[1])
    return found
