"""Whether a tsquery holds, and where (PostgreSQL, chapters 12.3.2 and 9.13): phrases look at positions.

What a query is asked about tells of an operand whether it is there and at which positions; the rest is the same for a
tsvector, for the words of a headline and for parts of a document that is ranked.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from server.sql.text_search.effort import Effort
from server.sql.type_tsquery import AND, NOT, OR, PHRASE, Item, Operand, TsQuery
from server.sql.type_tsvector import Entry, TsVector, position, weight


class Found(NamedTuple):
    """Where a part of a query matches: the last positions of the matches, ascending."""

    places: Sequence[int]
    inverted: bool = False
    """It matches everywhere else."""
    width: int = 0
    """By how many positions a match reaches to the left."""


NOWHERE = Found(())
"""It does not match."""
UNCERTAIN = Found((), False, -1)
"""It may match: a lexeme is there, but its positions are not known."""


class Source(Protocol):
    """What a query is asked about."""

    def has(self, place: int, operand: Operand) -> bool:
        """Whether the operand, the item at `place`, is there at all."""

    def where(self, place: int, operand: Operand) -> Found:
        """At which positions; NOWHERE, UNCERTAIN."""


_LEFT, _RIGHT, _BOTH = 1, 2, 4


def _merged(left: Found, right: Found, emit: int, left_by: int, right_by: int, effort: Effort) -> list[int]:
    """Positions, moved, that are only on the left, only on the right, or on both sides."""
    effort.spend(1 + len(left.places) + len(right.places))
    lefts = {place + left_by for place in left.places}
    rights = {place + right_by for place in right.places}
    kept: set[int] = set()
    if emit & _LEFT:
        kept |= lefts - rights
    if emit & _RIGHT:
        kept |= rights - lefts
    if emit & _BOTH:
        kept |= lefts & rights
    return sorted(place for place in kept if place > 0)


def _not(found: Found) -> Found:
    if found is UNCERTAIN:
        return UNCERTAIN
    if found is NOWHERE:
        return Found((), True)
    if found.places:
        return Found(found.places, not found.inverted, found.width)
    return NOWHERE


def _certain(places: list[int], width: int) -> Found:
    return Found(places, False, width) if places else NOWHERE


def _together(left: Found, right: Found, phrase: int | None, effort: Effort) -> Found:
    """`left & right`, or with a distance one behind the other."""
    if left is NOWHERE or right is NOWHERE:
        return NOWHERE
    if left is UNCERTAIN or right is UNCERTAIN:
        return UNCERTAIN
    if phrase is not None:
        left_by, right_by = phrase + right.width, 0
        width = phrase + left.width + right.width
    else:
        width = max(left.width, right.width)
        left_by, right_by = width - left.width, width - right.width
    if left.inverted and right.inverted:
        return Found(_merged(left, right, _LEFT | _RIGHT | _BOTH, left_by, right_by, effort), True, width)
    emit = _RIGHT if left.inverted else _LEFT if right.inverted else _BOTH
    return _certain(_merged(left, right, emit, left_by, right_by, effort), width)


def either(left: Found, right: Found, effort: Effort) -> Found:
    """`left | right` below a phrase."""
    if left is NOWHERE and right is NOWHERE:
        return NOWHERE
    if left is UNCERTAIN or right is UNCERTAIN:
        return UNCERTAIN
    width = max(left.width, right.width)
    left_by, right_by = width - left.width, width - right.width
    if left.inverted and right.inverted:
        return Found(_merged(left, right, _BOTH, left_by, right_by, effort), True, width)
    if left.inverted or right.inverted:
        emit = _LEFT if left.inverted else _RIGHT
        return Found(_merged(left, right, emit, left_by, right_by, effort), True, width)
    return _certain(_merged(left, right, _LEFT | _RIGHT | _BOTH, left_by, right_by, effort), width)


def phrase_parts(items: tuple[Item, ...]) -> list[int]:
    """For each item 0: no phrase is above it; 1: it is a phrase, the outermost; 2: it is within one."""
    made = [0] * len(items)
    above = [0]
    for place in range(len(items) - 1, -1, -1):
        item, outer = items[place], above.pop()
        made[place] = 2 if outer else int(not isinstance(item, Operand) and item.kind == PHRASE)
        if not isinstance(item, Operand):
            above += [made[place]] * (1 if item.kind == NOT else 2)
    return made


def _combined(item: Item, results: list[Found], effort: Effort) -> Found:
    assert not isinstance(item, Operand)
    right = results.pop()
    if item.kind == NOT:
        return _not(right)
    left = results.pop()
    if item.kind == OR:
        return either(left, right, effort)
    return _together(left, right, item.distance if item.kind == PHRASE else None, effort)


def holds(items: tuple[Item, ...], source: Source, effort: Effort) -> bool:
    """Whether the query holds; an uncertain phrase does not, and no query does not."""
    if not items:
        return False
    effort.spend(len(items))
    truths: list[bool] = []
    results: list[Found] = []
    for place, (item, part) in enumerate(zip(items, phrase_parts(items))):
        if part:
            if isinstance(item, Operand):
                results.append(source.where(place, item))
            else:
                results.append(_combined(item, results, effort))
            if part == 1:
                found = results.pop()
                truths.append(found is not NOWHERE and found is not UNCERTAIN)
        elif isinstance(item, Operand):
            truths.append(source.has(place, item))
        elif item.kind == NOT:
            truths[-1] = not truths[-1]
        else:
            right = truths.pop()
            truths[-1] = (truths[-1] and right) if item.kind == AND else (truths[-1] or right)
    return truths[0]


class _Locations(NamedTuple):
    holds: bool
    found: list[Found]


def locations(items: tuple[Item, ...], source: Source, effort: Effort) -> list[Found]:
    """Per operand or phrase that must match (ORs multiplied out) where it does; NOTs tell nothing."""
    stack: list[_Locations] = []
    results: list[Found] = []
    for place, (item, part) in enumerate(zip(items, phrase_parts(items))):
        if part or isinstance(item, Operand):
            if isinstance(item, Operand):
                results.append(source.where(place, item))
            else:
                results.append(_combined(item, results, effort))
            if part != 2:
                found = results.pop()
                is_certain = found is not NOWHERE and found is not UNCERTAIN
                stack.append(_Locations(is_certain, [found] if is_certain and not found.inverted else []))
            continue
        right = stack.pop()
        if item.kind == NOT:
            stack.append(_Locations(not right.holds, []))
            continue
        left = stack.pop()
        if item.kind == AND:
            both = left.holds and right.holds
            stack.append(_Locations(both, left.found + right.found if both else []))
        else:
            stack.append(
                _Locations(left.holds or right.holds, _alternatives(left.found, right.found, effort))
            )
    return stack[0].found if stack and stack[0].holds else []


def _alternatives(lefts: list[Found], rights: list[Found], effort: Effort) -> list[Found]:
    if not lefts or not rights:
        return lefts or rights
    made = []
    for left in lefts:
        for right in rights:
            places = _merged(left, right, _LEFT | _RIGHT | _BOTH, 0, 0, effort)
            made.append(Found(places, False, max(left.width, right.width)))
    return made


def word_of(entry: Entry) -> str:
    """The lexeme."""
    return entry[0]


def entries_of(vector: TsVector, operand: Operand) -> Sequence[Entry]:
    """The lexemes that the operand names: one, or all with the prefix."""
    entries = vector.entries
    start = bisect_left(entries, operand.word, key=word_of)
    if not operand.prefix:
        return (
            entries[start : start + 1] if start < len(entries) and entries[start][0] == operand.word else ()
        )
    above: Callable[[Entry], bool] = lambda entry: not entry[0].startswith(operand.word)  # noqa: E731
    end = bisect_left(entries, True, start, key=above)
    return entries[start:end]


class VectorSource:
    """A tsvector."""

    __slots__ = ("_effort", "_has", "_vector", "_where")

    def __init__(self, vector: TsVector, effort: Effort) -> None:
        self._vector = vector
        self._effort = effort
        self._has: dict[Operand, bool] = {}
        self._where: dict[Operand, Found] = {}

    def has(self, place: int, operand: Operand) -> bool:
        """Lexemes without positions match whatever the weights."""
        known = self._has.get(operand)
        if known is None:
            known = self._has[operand] = self._looked_up(operand)
        return known

    def _looked_up(self, operand: Operand) -> bool:
        for _, positions in entries_of(self._vector, operand):
            self._effort.spend(1)
            if (
                not positions
                or not operand.weights
                or any(operand.weights >> weight(p) & 1 for p in positions)
            ):
                return True
        return False

    def where(self, place: int, operand: Operand) -> Found:
        """Positions of the right weights."""
        known = self._where.get(operand)
        if known is None:
            known = self._where[operand] = self._located(operand)
        return known

    def _located(self, operand: Operand) -> Found:
        places: set[int] = set()
        for _, positions in entries_of(self._vector, operand):
            self._effort.spend(1 + len(positions))
            if not positions:
                return UNCERTAIN
            places |= {
                position(p) for p in positions if not operand.weights or operand.weights >> weight(p) & 1
            }
        return Found(sorted(places)) if places else NOWHERE


def matches(vector: TsVector, query: TsQuery) -> bool:
    """vector @@ query; PgError 54000."""
    effort = Effort()
    return holds(query.items, VectorSource(vector, effort), effort)
