"""ts_rewrite: parts of a query replaced by other queries (PostgreSQL, chapter 12.4.2.1).

As there, a query is first brought into one form: operands of `&` and `|` that follow one another make one node, whose
children are sorted. So its operands may stand in another order afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key

from server.errors import PgError
from server.sql.text_search.effort import Effort
from server.sql.type_tsquery import AND, NOT, OR, Item, Operand, TsQuery, checksum

MAX_DEPTH = 400
"""Queries that nest deeper are refused: nodes are looked at by functions that call themselves."""
_OPERANDS = (AND, OR)


class _Node:
    """An operand, or an operator with its children, the right one first."""

    __slots__ = ("children", "is_new", "item", "words")

    def __init__(self, item: Item, children: list[_Node]) -> None:
        self.item = item
        self.children = children
        self.is_new = False
        """It came from the replacement, so nothing in it is replaced again."""
        self.words: int = 0
        """A bit for each word below, as far as their checksums differ in five bits."""
        if isinstance(item, Operand):
            self.words = 1 << (checksum(item.word) & 31)
        for child in children:
            self.words |= child.words

    def is_of(self, kind: int) -> bool:
        """An operator of that kind."""
        return not isinstance(self.item, Operand) and self.item.kind == kind


def _tree(query: TsQuery) -> _Node:
    """As it stands."""
    nodes: list[_Node] = []
    depths: list[int] = []
    for item in query.items:
        count = 0 if isinstance(item, Operand) else 1 if item.kind == NOT else 2
        nodes.append(_Node(item, [nodes.pop() for _ in range(count)]))
        depths.append(_deeper([depths.pop() for _ in range(count)]))
    return nodes[0]


def _flat_tree(query: TsQuery) -> _Node:
    """With operands of the same & or | as children of one node, from left to right."""
    nodes: list[_Node] = []
    depths: list[int] = []
    for item in query.items:
        if isinstance(item, Operand) or item.kind not in _OPERANDS:
            count = 0 if isinstance(item, Operand) else 1 if item.kind == NOT else 2
            nodes.append(_Node(item, [nodes.pop() for _ in range(count)]))
            depths.append(_deeper([depths.pop() for _ in range(count)]))
            continue
        right, left = nodes.pop(), nodes.pop()
        right_depth, left_depth = depths.pop(), depths.pop()
        made = left
        if not left.is_of(item.kind):
            made, left_depth = _Node(item, [left]), _deeper([left_depth])
        if right.is_of(item.kind):
            made.children += right.children
        else:
            made.children.append(right)
            right_depth = _deeper([right_depth])
        made.words |= right.words
        nodes.append(made)
        depths.append(max(left_depth, right_depth))
    return nodes[0]


def _deeper(depths: list[int]) -> int:
    depth = 1 + max(depths, default=0)
    if depth > MAX_DEPTH:
        raise PgError("54001", "stack depth limit exceeded")
    return depth


class _Rewriting:
    """One call, with the work that it may do."""

    def __init__(self) -> None:
        self._effort = Effort()

    def sort(self, node: _Node) -> None:
        """The children of & and | in their order, no more in the text's; of equal ones the last is first."""
        for child in node.children:
            self.sort(child)
        if not isinstance(node.item, Operand) and node.item.kind in _OPERANDS:
            node.children.reverse()
        self.sort_children(node)

    def sort_children(self, node: _Node) -> None:
        """Of this node alone."""
        if not isinstance(node.item, Operand) and node.item.kind in _OPERANDS:
            node.children.sort(key=cmp_to_key(self.compare))

    def compare(self, left: _Node, right: _Node) -> int:
        """-1, 0 or 1: operators first, then the greater checksum."""
        self._effort.spend(1)
        one, other = left.item, right.item
        if isinstance(one, Operand) or isinstance(other, Operand):
            if not isinstance(one, Operand) or not isinstance(other, Operand):
                return 1 if isinstance(one, Operand) else -1
            first, second = (-checksum(one.word), one.word), (-checksum(other.word), other.word)
            return (first > second) - (first < second)
        if one.kind != other.kind:
            return -1 if one.kind > other.kind else 1
        if len(left.children) != len(right.children):
            return -1 if len(left.children) > len(right.children) else 1
        for mine, theirs in zip(left.children, right.children):
            found = self.compare(mine, theirs)
            if found:
                return found
        return (one.distance < other.distance) - (one.distance > other.distance)

    def _equal(self, left: _Node, right: _Node) -> bool:
        return left.words == right.words and self.compare(left, right) == 0

    def replaced(self, node: _Node, old: _Node, new: _Node | None) -> _Node | None:
        """The tree with `new` for every `old`; None: nothing is left of it."""
        found = self._replaced_here(node, old, new)
        if found is None or found.is_new or isinstance(found.item, Operand):
            return found
        children = [self.replaced(child, old, new) for child in found.children]
        found.children = [child for child in children if child is not None]
        if not found.children:
            return None
        return found.children[0] if len(found.children) == 1 and found.item.kind != NOT else found

    def _replaced_here(self, node: _Node, old: _Node, new: _Node | None) -> _Node | None:
        self._effort.spend(1)
        if node.words & old.words != old.words or node.is_new:
            return node
        if isinstance(node.item, Operand) or isinstance(old.item, Operand):
            is_same = (
                isinstance(node.item, Operand) and isinstance(old.item, Operand) and self._equal(node, old)
            )
            return self._copy(new) if is_same else node
        if node.item.kind != old.item.kind:
            return node
        if len(node.children) == len(old.children):
            return self._copy(new) if self._equal(node, old) else node
        if len(node.children) > len(old.children):
            self._replace_some(node, old, new)
        return node

    def _replace_some(self, node: _Node, old: _Node, new: _Node | None) -> None:
        """Where all children of `old` are among the node's, these are replaced; both are sorted."""
        kept: list[_Node] = []
        wanted = iter(old.children)
        sought = next(wanted, None)
        for child in node.children:
            order = self.compare(child, sought) if sought is not None else -1
            if order > 0:
                return
            if order == 0:
                sought = next(wanted, None)
            else:
                kept.append(child)
        if sought is not None:
            return
        copy = self._copy(new)
        node.children = kept if copy is None else [*kept, copy]
        self.sort_children(node)

    def _copy(self, new: _Node | None) -> _Node | None:
        if new is None:
            return None
        made = _copied(new, self._effort)
        made.is_new = True
        return made


def _copied(node: _Node, effort: Effort) -> _Node:
    effort.spend(1)
    return _Node(node.item, [_copied(child, effort) for child in node.children])


def _items(node: _Node) -> Iterable[Item]:
    """In the order of a query; more than two children hang to the left."""
    if isinstance(node.item, Operand):
        return [node.item]
    first, *others = node.children
    if node.item.kind == NOT:
        return [*_items(first), node.item]
    made: list[Item] = []
    for other in (*others[1:], *others[:1]):
        made += _items(other)
    made += _items(first)
    return made + [node.item] * len(others)


def rewritten(query: TsQuery, old: TsQuery, new: TsQuery) -> TsQuery:
    """ts_rewrite(query, target, substitute); PgError 54000, 54001."""
    if not query.items or not old.items:
        return query
    work = _Rewriting()
    trees = [_flat_tree(query), _flat_tree(old)]
    for each in trees:
        work.sort(each)
    found = work.replaced(trees[0], trees[1], _tree(new) if new.items else None)
    return TsQuery(tuple(_items(found))) if found is not None else TsQuery(())
