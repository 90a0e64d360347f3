"""How well a document matches a query: ts_rank and ts_rank_cd (PostgreSQL, chapter 12.3.3).

PostgreSQL computes most of it in single precision, so every step is rounded as there.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from typing import NamedTuple

from server.errors import PgError
from server.sql.text_search.effort import Effort
from server.sql.text_search.match import NOWHERE, Found, entries_of, holds
from server.sql.type_float import to_single
from server.sql.type_tsquery import AND, PHRASE, Operand, TsQuery
from server.sql.type_tsvector import TsVector, position, weight

DEFAULT_WEIGHTS = tuple(map(to_single, (0.1, 0.2, 0.4, 1.0)))
"""Of D, C, B, A."""
LOG_LENGTH, LENGTH, DISTANCE, UNIQUE, LOG_UNIQUE, OF_ITSELF = 1, 2, 4, 8, 16, 32
"""What the rank is divided by."""
_NO_PLACE = 16383
"""Where a lexeme without positions is taken to be, in documents of which both words must be there."""
_FAR = 16384
_SUM_OF_SQUARES = 1.64493406685
_CLOSE_TO_NOTHING = to_single(1e-20)

Weights = Sequence[float]


def _closeness(distance: int) -> float:
    """A weight for two words that stand so far apart."""
    if distance > 100:
        return to_single(1e-30)
    return to_single(1.0 / (1.005 + 0.05 * math.exp(distance / 1.5 - 2)))


def _length(vector: TsVector) -> int:
    """The number of words, as far as positions tell."""
    return sum(len(positions) or 1 for _, positions in vector.entries)


def _operands(query: TsQuery) -> list[Operand]:
    """One operand per word, in order; of equal ones the last of the text.

    That is what PostgreSQL's sort leaves, as long as there are fewer than seven. It tells where of two with the same
    word only one is a prefix.
    """
    found: dict[str, Operand] = {}
    for item in reversed(query.items):
        if isinstance(item, Operand):
            found.setdefault(item.word, item)
    return [found[word] for word in sorted(found)]


def _rank_or(weights: Weights, vector: TsVector, query: TsQuery, effort: Effort) -> float:
    operands = _operands(query)
    total = 0.0
    for operand in operands:
        for _, positions in entries_of(vector, operand):
            effort.spend(1 + len(positions))
            total = to_single(total + _occurrences(weights, positions or (0,)) / _SUM_OF_SQUARES)
    return to_single(total / len(operands)) if operands else total


def _occurrences(weights: Weights, positions: Sequence[int]) -> float:
    """The best one counts fully, the others by the square of their number."""
    total, best, best_at = 0.0, -1.0, 0
    for number, each in enumerate(positions):
        worth = weights[weight(each)]
        total = to_single(total + to_single(worth / ((number + 1) * (number + 1))))
        if worth > best:
            best, best_at = worth, number
    share = to_single(best / ((best_at + 1) * (best_at + 1)))
    return to_single(to_single(best + total) - share)


def _rank_and(weights: Weights, vector: TsVector, query: TsQuery, effort: Effort) -> float:
    operands = _operands(query)
    if len(operands) < 2:
        return _rank_or(weights, vector, query, effort)
    total = -1.0
    known: list[tuple[Sequence[int], bool]] = []
    for operand in operands:
        last: tuple[Sequence[int], bool] | None = None
        for _, positions in entries_of(vector, operand):
            last = (positions or (_NO_PLACE,), not positions)
            for others in known:
                effort.spend(len(last[0]) * len(others[0]) * 2)
                total = _pairs(weights, last, others, total)
        if last is not None:
            known.append(last)
    return total


def _pairs(
    weights: Weights, ones: tuple[Sequence[int], bool], others: tuple[Sequence[int], bool], total: float
) -> float:
    is_unknown = ones[1] or others[1]
    for one in ones[0]:
        for other in others[0]:
            distance = abs(position(one) - position(other))
            if not distance and not is_unknown:
                continue
            product = to_single(weights[weight(one)] * weights[weight(other)])
            close = to_single(product * _closeness(distance or _FAR))
            worth = to_single(math.sqrt(close))
            total = worth if total < 0 else to_single(1.0 - (1.0 - total) * (1.0 - worth))
    return total


def rank(weights: Weights, vector: TsVector, query: TsQuery, method: int) -> float:
    """ts_rank; PgError 54000."""
    if not vector.entries or not query.items:
        return 0.0
    effort = Effort()
    root = query.items[-1]
    is_and = not isinstance(root, Operand) and root.kind in (AND, PHRASE)
    made = (_rank_and if is_and else _rank_or)(weights, vector, query, effort)
    if made < 0:
        made = _CLOSE_TO_NOTHING
    length, unique = _length(vector), len(vector.entries)
    if method & LOG_LENGTH:
        made = to_single(made / (math.log(length + 1) / math.log(2.0)))
    if method & LENGTH:
        made = to_single(made / length)
    if method & UNIQUE:
        made = to_single(made / unique)
    if method & LOG_UNIQUE:
        made = to_single(made / (math.log(unique + 1) / math.log(2.0)))
    if method & OF_ITSELF:
        made = to_single(made / to_single(made + 1))
    return made


class _Part(NamedTuple):
    """One place of the document where words of the query stand."""

    place: int
    """Its position, with the weight."""
    items: tuple[int, ...]
    """Which of the query's items are there."""


def _parts(vector: TsVector, query: TsQuery, effort: Effort) -> list[_Part]:
    found: dict[tuple[int, int, str], list[int]] = {}
    for number, item in enumerate(query.items):
        if not isinstance(item, Operand):
            continue
        for word, positions in entries_of(vector, item):
            effort.spend(1 + len(positions))
            for each in positions:
                if not item.weights or item.weights >> weight(each) & 1:
                    found.setdefault((position(each), weight(each), word), []).append(number)
    return [_Part(kind << 14 | place, tuple(found[place, kind, word])) for place, kind, word in sorted(found)]


class _Seen:
    """The words of some parts of the document that follow one another."""

    def __init__(self) -> None:
        self._places: dict[int, list[int]] = {}

    def add(self, part: _Part) -> None:
        """One more part, at either end."""
        place = position(part.place)
        for number in part.items:
            known = self._places.setdefault(number, [])
            if place not in (known[0], known[-1]) if known else True:
                insort(known, place)

    def has(self, place: int, operand: Operand) -> bool:
        """Whether the item is among them."""
        return place in self._places

    def where(self, place: int, operand: Operand) -> Found:
        """At which positions."""
        known = self._places.get(place)
        return Found(known) if known else NOWHERE


class _Cover(NamedTuple):
    """The shortest run of parts from `begin` on that satisfies the query."""

    begin: int
    end: int


def _cover(parts: list[_Part], start: int, query: TsQuery, effort: Effort) -> tuple[_Cover, int] | None:
    """The next cover from part `start` on, and where to look for the one after it."""
    while True:
        end = _first_end(parts, range(start, len(parts)), query, effort)
        if end is None or position(parts[end].place) == 0:
            return None
        begin = _first_end(parts, range(end, start - 1, -1), query, effort)
        if begin is not None and position(parts[begin].place) <= position(parts[end].place):
            return _Cover(begin, end), begin + 1
        start += 1


def _first_end(parts: list[_Part], order: range, query: TsQuery, effort: Effort) -> int | None:
    """Where the query is satisfied when the parts are seen in this order."""
    seen = _Seen()
    for number in order:
        seen.add(parts[number])
        effort.spend(len(parts[number].items))
        if holds(query.items, seen, effort):
            return number
    return None


def rank_of_covers(weights: Weights, vector: TsVector, query: TsQuery, method: int) -> float:
    """ts_rank_cd: how densely the words stand; PgError 54000, 22023."""
    inverse = [_inverse(worth) for worth in weights]
    effort = Effort()
    parts = _parts(vector, query, effort)
    total, distances, before, number, start = 0.0, 0.0, 0.0, 0, 0
    while parts and (found := _cover(parts, start, query, effort)) is not None:
        (begin, end), start = found
        worths = _sum(inverse, parts[begin : end + 1])
        first, last = position(parts[begin].place), position(parts[end].place)
        noise = last - first - (end - begin)
        if noise < 0:
            noise = (end - begin) // 2
        total += (end - begin + 1) / worths / (1 + noise)
        middle = (last + first) / 2.0
        if number and middle > before:
            distances += 1.0 / (middle - before)
        before = middle
        number += 1
    return to_single(_normalized(total, vector, method, number, distances)) if parts else 0.0


def _inverse(worth: float) -> float:
    if worth > 1.0:
        raise PgError("22023", "weight out of range")
    return 1.0 / worth if worth else math.inf


def _sum(inverse: list[float], parts: list[_Part]) -> float:
    total = 0.0
    for part in parts:
        total += inverse[weight(part.place)]
    return total


def _normalized(total: float, vector: TsVector, method: int, covers: int, distances: float) -> float:
    length, unique = _length(vector), len(vector.entries)
    if method & LOG_LENGTH:
        total /= math.log(length + 1)
    if method & LENGTH:
        total /= length
    if method & DISTANCE and covers and distances > 0:
        total /= covers / distances
    if method & UNIQUE:
        total /= unique
    if method & LOG_UNIQUE:
        total /= math.log(unique + 1) / math.log(2.0)
    if method & OF_ITSELF:
        total /= total + 1
    return total
