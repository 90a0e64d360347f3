"""What to say when a column or FROM item is not found: PostgreSQL's hints (parse_relation.c's rules)."""

from __future__ import annotations

from server.errors import PgError
from server.sql.scope import NsItem, Scope, error, find_item, relation_oid

MAX_DISTANCE = 3
"""Names that differ in more characters are not offered."""


def levenshtein(left: str, right: str) -> int:
    """Edit distance with unit costs."""
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (a != b)))
        previous = current
    return previous[-1]


class _Search:
    """The best candidates so far."""

    def __init__(self) -> None:
        self.distance = MAX_DISTANCE + 1
        self.best: list[tuple[NsItem, str]] = []
        self.exact: list[NsItem] = []

    def offer(self, item: NsItem, actual: str, wanted: str, penalty: int) -> None:
        if penalty > self.distance:
            return
        distance = levenshtein(actual, wanted)
        if distance > len(wanted) // 2:
            return
        distance += penalty
        if distance < self.distance:
            self.distance = distance
            self.best = [(item, actual)]
        elif distance == self.distance:
            if len(self.best) == 2:
                self.best = []
            elif self.best or distance <= MAX_DISTANCE:
                self.best.append((item, actual))


def _search(scope: Scope, relation: str | None, column: str) -> _Search:
    search = _Search()
    for level in scope.chain():
        for item in level.items:
            penalty = 0 if relation is None else min(levenshtein(relation, item.name), MAX_DISTANCE + 1)
            for candidate in item.columns:
                if candidate.name == column and penalty == 0:
                    search.exact.append(item)
                search.offer(item, candidate.name, column, penalty)
    return search


def _visible_if_lateral(scope: Scope, item: NsItem) -> bool:
    """It would be reachable if this subquery were marked LATERAL."""
    if scope.lateral_active:
        return False
    return any(
        item is entry and entry.lateral_only and entry.lateral_ok
        for level in scope.chain()
        for entry in level.namespace
    )


def _visible_if_qualified(scope: Scope, item: NsItem) -> bool:
    return any(
        item is entry and entry.rel_visible and not (entry.lateral_only and not level.lateral_active)
        for level in scope.chain()
        for entry in level.namespace
    )


def missing_column(scope: Scope, relation: str | None, column: str, at: int) -> PgError:
    """42703 with the hint that PostgreSQL 16 gives."""
    message = (
        f"column {relation}.{column} does not exist" if relation else f'column "{column}" does not exist'
    )
    search = _search(scope, relation, column)
    if len(search.exact) > 1:
        unreachable = "tables that cannot be referenced from this part of the query"
        detail = f'There are columns named "{column}", but they are in {unreachable}.'
        return error("42703", message, at, detail, None if relation else "Try using a table-qualified name.")
    if search.exact:
        item = search.exact[0]
        detail = (
            f'There is a column named "{column}" in table "{item.name}", '
            "but it cannot be referenced from this part of the query."
        )
        hint = None
        if _visible_if_lateral(scope, item):
            hint = "To reference that column, you must mark this subquery with LATERAL."
        elif not relation and _visible_if_qualified(scope, item):
            hint = "To reference that column, you must use a table-qualified name."
        return error("42703", message, at, detail, hint)
    offers = [f'the column "{item.name}.{name}"' for item, name in search.best]
    hint = f"Perhaps you meant to reference {' or '.join(offers)}." if offers else None
    return error("42703", message, at, hint=hint)


def missing_item(scope: Scope, schema: str | None, name: str, at: int) -> PgError:
    """42P01 for a qualified reference whose table is not in FROM."""
    found = _same_relation(scope, schema, name)
    message = f'invalid reference to FROM-clause entry for table "{name}"'
    if found is not None and found.has_alias and found.name != name:
        visible = find_item(scope, None, found.name, at)
        if visible is not None and visible[1] is found:
            return error(
                "42P01", message, at, hint=f'Perhaps you meant to reference the table alias "{found.name}".'
            )
    if found is not None:
        unreachable = "but it cannot be referenced from this part of the query."
        detail = f'There is an entry for table "{found.name}", {unreachable}'
        hint = None
        if _visible_if_lateral(scope, found):
            hint = "To reference that table, you must mark this subquery with LATERAL."
        return error("42P01", message, at, detail, hint)
    return error("42P01", f'missing FROM-clause entry for table "{name}"', at)


def _same_relation(scope: Scope, schema: str | None, name: str) -> NsItem | None:
    """An entry of that name, or of the table of that name under an alias, visible or not."""
    oid = relation_oid(scope, (name,) if schema is None else (schema, name))
    for level in scope.chain():
        for item in level.items:
            if oid and item.relation_oid == oid:
                return item
            if not item.unnamed and item.name == name:
                return item
    return None
