"""Where a regular expression matches, and its captures (PostgreSQL: regexec.c, cfindloop and cdissect)."""

from server.sql import regex_chars as chars
from server.sql.regex_parse import INFINITY, Constraint, Group, Look, Piece, Reference, Set
from server.sql.regex_re2 import Effort, Program
from server.sql.regex_tree import INEXACT, SHORTER, Builder, Node

Span = tuple[int, int]
_NOWHERE: Span = (-1, -1)


class LookTest:
    """One look-around constraint, compiled."""

    __slots__ = ("ahead", "behind", "negative", "node", "width")

    def __init__(self, look: Look) -> None:
        self.ahead = look.ahead
        self.negative = look.negative
        self.node = Builder(False).alternatives(look.inner)
        self.behind = Program(f"(?s:.*)(?:{self.node.source.text})")
        self.width = _width([Piece(Group(0, look.inner))])


def _width(pieces: list[Piece]) -> int | None:
    """The most characters that the pieces match; None: without bound."""
    total = 0
    for piece in pieces:
        atom = piece.atom
        if isinstance(atom, Constraint | Look):
            continue
        if isinstance(atom, Reference) or piece.high == INFINITY:
            return None
        if isinstance(atom, Set):
            total += piece.high
            continue
        widths = [_width(branch) for branch in atom.inner.branches]
        if None in widths:
            return None
        total += piece.high * max(width or 0 for width in widths)
    return total


class Matcher:
    """One pattern's tree against one text (UTF-8); offsets are bytes."""

    __slots__ = ("data", "effort", "fold", "looks", "spans", "tree")

    def __init__(
        self, tree: Node, groups: int, fold: bool, data: bytes, effort: Effort, looks: dict[int, LookTest]
    ) -> None:
        self.tree = tree
        self.fold = fold
        self.data = data
        self.effort = effort
        self.spans = [_NOWHERE] * (groups + 1)
        self.looks = looks
        """By the identity of their constraints; filled as they are needed."""

    def find(self, start: int) -> list[Span] | None:
        """The match at or after `start` that PostgreSQL finds: [0] all of it, then the captures."""
        data, tree = self.data, self.tree
        shorter = bool(tree.flags & SHORTER)
        while start <= len(data):
            self.effort.step(len(data) - start)
            begin, end = tree.program.search(data, start)
            if begin < 0:
                return None
            if shorter:
                end = self._shortest(tree, begin, begin, len(data))
            while end >= 0:
                if self._dissects(begin, end):
                    self.spans[0] = (begin, end)
                    return self.spans
                if shorter:
                    end = self._shortest(tree, begin, end + 1, len(data)) if end < len(data) else -1
                else:
                    end = self._longest(tree, begin, end - 1) if end > begin else -1
            start = begin + 1
            while start < len(data) and data[start] & 0xC0 == 0x80:
                start += 1
        return None

    def _dissects(self, begin: int, end: int) -> bool:
        if self.tree.op == "=":
            return True
        self.spans = [_NOWHERE] * len(self.spans)
        return self._dissect(self.tree, begin, end)

    def _longest(self, node: Node, begin: int, limit: int) -> int:
        self.effort.step(limit - begin)
        return node.program.longest(self.data, begin, limit)

    def _shortest(self, node: Node, begin: int, low: int, high: int) -> int:
        self.effort.step(low - begin)
        return node.program.shortest(self.data, begin, low, high, self.effort)

    def _dissect(self, node: Node, begin: int, end: int) -> bool:
        """Can the range, which fits the node's language, be divided among its parts? Sets the captures."""
        op = node.op
        if op == "=":
            return True
        if op == "(":
            if not self._dissect(node.children[0], begin, end):
                return False
            self.spans[node.number] = (begin, end)
            return True
        if op == ".":
            return self._concatenation(node, begin, end)
        if op == "|":
            saved = self.spans[:]
            for child in node.children:
                if child.program.whole(self.data, begin, end) and self._dissect(child, begin, end):
                    return True
                self.spans = saved[:]
            return False
        if op == "b":
            return self._reference(node, begin, end)
        if op == "c":
            return begin == end and self._holds(node, begin)
        return _Iteration(self, node, begin, end).run()

    def _concatenation(self, node: Node, begin: int, end: int) -> bool:
        """ccondissect, crevcondissect: the left part as long (short) as it can be."""
        left, right = node.children
        shorter = bool(left.flags & SHORTER)
        middle = self._shortest(left, begin, begin, end) if shorter else self._longest(left, begin, end)
        while middle >= 0:
            self.effort.step(end - middle)
            if right.program.whole(self.data, middle, end):
                saved = self.spans[:]
                if self._dissect(left, begin, middle) and self._dissect(right, middle, end):
                    return True
                self.spans = saved
            if shorter:
                middle = self._shortest(left, begin, middle + 1, end) if middle < end else -1
            else:
                middle = self._longest(left, begin, middle - 1) if middle > begin else -1
        return False

    def _reference(self, node: Node, begin: int, end: int) -> bool:
        """cbrdissect"""
        first, last = self.spans[node.number]
        if first < 0:
            return False
        text = self.data[first:last]
        if not text:
            return begin == end
        if begin == end:
            return node.low == 0
        count, rest = divmod(end - begin, len(text))
        if rest or count < node.low or (node.high != INFINITY and count > node.high):
            return False
        found, wanted = self.data[begin:end], text * count
        return found == wanted or (self.fold and found.lower() == wanted.lower())

    def _holds(self, node: Node, at: int) -> bool:
        constraint = node.constraint
        if isinstance(constraint, Constraint):
            before = at > 0 and chars.contains(chars.WORD, self.data[at - 1])
            after = at < len(self.data) and chars.contains(chars.WORD, self.data[at])
            return after and not before if constraint.kind == "m" else before and not after
        if constraint is None:
            return True
        test = self.looks.get(id(constraint))
        if test is None:
            test = self.looks[id(constraint)] = LookTest(constraint)
        return (self._ahead(test, at) if test.ahead else self._behind(test, at)) != test.negative

    def _ahead(self, test: LookTest, at: int) -> bool:
        node = test.node
        end = self._longest(node, at, len(self.data))
        while end >= 0:
            if self._dissect(node, at, end):
                return True
            end = self._longest(node, at, end - 1) if end > at else -1
        return False

    def _behind(self, test: LookTest, at: int) -> bool:
        first = 0 if test.width is None else max(0, at - 4 * test.width)
        while first < at and self.data[first] & 0xC0 == 0x80:
            first += 1
        self.effort.step(at - first)
        if not test.behind.whole(self.data, first, at):
            return False
        if not test.node.flags & INEXACT:
            return True
        for begin in range(at, first - 1, -1):
            self.effort.step(at - begin)
            if test.node.program.whole(self.data, begin, at) and self._dissect(test.node, begin, at):
                return True
        return False


class _Iteration:
    """citerdissect and creviterdissect: where the rounds of an iteration end."""

    def __init__(self, matcher: Matcher, node: Node, begin: int, end: int) -> None:
        self.matcher = matcher
        self.child = node.children[0]
        self.none_needed = node.low == 0
        self.least = max(node.low, 1)
        most = matcher.data[begin:end]
        self.most = sum(1 for byte in most if byte & 0xC0 != 0x80) if len(most) < 256 else len(most)
        if node.high != INFINITY:
            self.most = min(self.most, node.high)
        self.most = max(self.most, self.least)
        self.end = end
        self.ends = [begin]
        self.saved: list[list[Span]] = []

    def run(self) -> bool:
        """True: divided, and the last round's captures are set."""
        none_do = self.none_needed and self.ends[0] == self.end
        if self.child.flags & SHORTER:
            return none_do or self._shorter()
        return self._longer() or none_do

    def _needed(self, at: int) -> bool:
        """Are empty rounds from `at` on needed to come to the least number? (len(ends) is the next round)"""
        rounds = len(self.ends)
        return rounds < self.least and self.least - rounds >= self.end - at

    def _verified(self) -> bool:
        """Dissect every round; on failure `ends` is cut behind the round that failed."""
        matcher = self.matcher
        before = matcher.spans[:]
        for index in range(1, len(self.ends)):
            for number in self.child.captures:
                matcher.spans[number] = _NOWHERE
            if not matcher._dissect(self.child, self.ends[index - 1], self.ends[index]):
                matcher.spans = before
                del self.ends[index + 1 :]
                return False
        return True

    def _longer(self) -> bool:
        ends, matcher = self.ends, self.matcher
        limit = self.end
        while True:
            found = matcher._longest(self.child, ends[-1], limit) if limit >= ends[-1] else -1
            if found >= 0:
                ends.append(found)
                if found != self.end:
                    empty = found == ends[-2] and not self._empty_allowed()
                    if not empty and len(ends) <= self.most:
                        limit = self.end
                        continue
                    if not empty:
                        ends.pop()
                elif len(ends) - 1 >= self.least and self._verified():
                    return True
            next_limit = self._shorten()
            if next_limit is None:
                return False
            limit = next_limit

    def _empty_allowed(self) -> bool:
        rounds = len(self.ends) - 1
        return rounds < self.least and self.least - rounds >= self.end - self.ends[-1]

    def _shorten(self) -> int | None:
        """Drop the last round, and say how far it may reach now; None: no possibility is left."""
        ends = self.ends
        while len(ends) > 1:
            last = ends.pop()
            start = ends[-1]
            if last > start and (last - 1 > start or self._needed(start)):
                return last - 1
        return None

    def _shorter(self) -> bool:
        ends, matcher = self.ends, self.matcher
        limit = ends[0]
        while True:
            rounds = len(ends)
            if limit == ends[-1] and limit != self.end and not self._needed(limit):
                limit += 1
            if rounds >= self.most:
                limit = self.end
            found = matcher._shortest(self.child, ends[-1], limit, self.end) if limit <= self.end else -1
            if found >= 0:
                ends.append(found)
                if found != self.end:
                    if rounds < self.most:
                        limit = found
                        continue
                    ends.pop()
                elif rounds >= self.least and self._verified():
                    return True
            while len(ends) > 1:
                last = ends.pop()
                if last < self.end:
                    limit = last + 1
                    break
            else:
                return False
