"""ts_headline: the parts of a document that show why it matches (PostgreSQL, chapter 12.3.4)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from server.errors import PgError
from server.sql.env import Env
from server.sql.text_search.config import fits, lexeme
from server.sql.text_search.effort import Effort
from server.sql.text_search.match import NOWHERE, Found, holds, locations
from server.sql.text_search.states import IGNORED, NUMBER_OF
from server.sql.text_search.tokens import tokens
from server.sql.type_scalar import int_input
from server.sql.type_tsquery import Operand, TsQuery
from server.sql.type_tsvector import MAX_POSITION

_TAG = NUMBER_OF["tag"]
_COMPOUND = frozenset(NUMBER_OF[alias] for alias in ("url", "numhword", "asciihword", "hword"))
"""Tokens whose parts follow."""
_NO_WORDS = _COMPOUND | {NUMBER_OF["blank"], _TAG}
_NO_ENDS = _NO_WORDS | IGNORED | {NUMBER_OF[alias] for alias in ("sfloat", "version", "float", "int", "uint")}
_MAX_OPTION = 32767
_LAST = (1 << 31) - 2
_WORD_STEPS = 2
"""What a token costs beside its reading."""


@dataclass(slots=True)
class Options:
    """How much is shown, and how."""

    max_words: int = 35
    min_words: int = 15
    short_word: int = 3
    max_fragments: int = 0
    everything: bool = False
    start: str = "<b>"
    stop: str = "</b>"
    delimiter: str = " ... "


_NUMBERS = {
    "maxwords": "max_words", "minwords": "min_words", "shortword": "short_word", "maxfragments": "max_fragments",
}  # fmt: skip
_STRINGS = {"startsel": "start", "stopsel": "stop", "fragmentdelimiter": "delimiter"}
_TRUE = frozenset(("1", "on", "true", "t", "y", "yes"))
_int4 = int_input("integer", 1 << 31)


Pairs = list[tuple[str, str]]
"""Names and values of options, in order."""


def options_of(pairs: Pairs) -> Options:
    """What they mean; PgError 22023, 22P02, 22003."""
    made = Options()
    env = Env()
    for name, value in pairs:
        key = name.lower()
        if key in _NUMBERS:
            setattr(made, _NUMBERS[key], _int4(value, -1, env))
        elif key in _STRINGS:
            setattr(made, _STRINGS[key], value)
        elif key == "highlightall":
            made.everything = value.lower() in _TRUE
        else:
            raise PgError("22023", f'unrecognized headline parameter: "{name}"')
    return made


def check(options: Options) -> None:
    """PgError 22023 where the numbers don't go together, or a text is too long."""
    if not options.everything:
        if options.min_words >= options.max_words:
            raise PgError("22023", "MinWords should be less than MaxWords")
        if options.min_words <= 0:
            raise PgError("22023", "MinWords should be positive")
        if options.short_word < 0:
            raise PgError("22023", "ShortWord should be >= 0")
        if options.max_fragments < 0:
            raise PgError("22023", "MaxFragments should be >= 0")


def check_texts(options: Options) -> None:
    """PgError 22023 where one is too long."""
    for name, text in (
        ("StartSel", options.start), ("StopSel", options.stop), ("FragmentDelimiter", options.delimiter),
    ):  # fmt: skip
        if len(text.encode()) > _MAX_OPTION:
            raise PgError("22023", f'value for "{name}" is too long')


_KEY = re.compile(r'[ \t\n\v\f\r,]*(?:"((?:[^"]|"")*)"|([^ \t\n\v\f\r,"][^ \t\n\v\f\r=]*))[ \t\n\v\f\r]*=')
_VALUE = re.compile(
    r"""[ \t\n\v\f\r]*(?:E?'((?:[^'\\]|''|\\\\|\\(?!\\))*)'|"((?:[^"]|"")*)"|([^ \t\n\v\f\r'"][^ \t\n\v\f\r,]*))"""
)
_WHOLE = re.compile(r"[ \t\n\v\f\r,]*")
_INTEGER = re.compile(r"[-+]?[0-9]+")


def pairs_of(text: str) -> Pairs:
    """The names and values of a list of options; PgError 42601."""
    made = []
    at = _WHOLE.match(text).end()  # type: ignore[union-attr]
    while at < len(text):
        key = _KEY.match(text, at)
        value = _VALUE.match(text, key.end()) if key is not None else None
        if key is None or value is None:
            raise PgError("42601", f'invalid parameter list format: "{text}"')
        name = key[1].replace('""', '"') if key[1] is not None else key[2]
        made.append((name, _value(value)))
        at = _WHOLE.match(text, value.end()).end()  # type: ignore[union-attr]
    return made


def _value(found: "re.Match[str]") -> str:
    if found[1] is not None:
        return found[1].replace("''", "'").replace("\\\\", "\\")
    if found[2] is not None:
        return found[2].replace('""', '"')
    if _INTEGER.fullmatch(found[3]) and len(found[3]) < 12 and -(1 << 31) <= int(found[3]) < 1 << 31:
        return str(int(found[3]))
    return found[3]


@dataclass(slots=True)
class _Word:
    """A token of the document. Where several operands match it, it stands there once for each."""

    text: str
    kind: int
    place: int = 0
    item: int = -1
    """Which of the query's items it is."""
    repeated: bool = False
    shown: bool = False
    selected: bool = False
    replaced: bool = False
    skipped: bool = False


class _Slice:
    """Some of the words as what a query is asked about."""

    __slots__ = ("_places",)

    def __init__(self, words: Sequence[_Word], start: int, end: int) -> None:
        self._places: dict[int, list[int]] = {}
        for number in range(start, end + 1):
            word = words[number]
            if word.item >= 0:
                known = self._places.setdefault(word.item, [])
                if not known or known[-1] < word.place:
                    known.append(word.place)

    def has(self, place: int, operand: Operand) -> bool:
        """Whether the item is among them."""
        return place in self._places

    def where(self, place: int, operand: Operand) -> Found:
        """At which positions."""
        known = self._places.get(place)
        return Found(known) if known else NOWHERE


@dataclass(slots=True)
class _Cover:
    """A part of the document that holds words of the query."""

    start: int
    end: int
    words: int
    interesting: int
    is_out: bool = False
    """It has been shown, or overlaps with one that was."""


@dataclass(slots=True)
class Headline:
    """One document on its way to its headline."""

    query: TsQuery
    given: Pairs
    effort: Effort = field(default_factory=Effort)
    options: Options = field(default_factory=Options)
    place: int = 0
    """The position of the last lexeme; it goes on from one value of a JSON document to the next."""
    words: list[_Word] = field(default_factory=list)

    def of(self, text: str) -> str:
        """The headline of a text; PgError 54000, 22023."""
        self.words = []
        self._read(text)
        self.options = options_of(self.given)
        check(self.options)
        found = locations(self.query.items, _Slice(self.words, 0, len(self.words) - 1), self.effort)
        if self.options.max_fragments == 0:
            self._mark(*self._best(found))
        else:
            self._mark_fragments(found)
        check_texts(self.options)
        return self._text()

    def _read(self, text: str) -> None:
        """The tokens, and which operands they match."""
        exact: dict[str, list[int]] = {}
        prefixes = []
        for number in range(len(self.query.items) - 1, -1, -1):
            item = self.query.items[number]
            if isinstance(item, Operand):
                if item.prefix:
                    prefixes.append((item.word, number))
                else:
                    exact.setdefault(item.word, []).append(number)
        for kind, word in tokens(text, self.effort):
            if not fits(word):
                continue
            made = _Word(word, kind)
            self.words.append(made)
            self.effort.spend(_WORD_STEPS)
            if kind in IGNORED:
                continue
            self.place += 1
            made.place = min(self.place, MAX_POSITION)
            lexed = lexeme(word)
            items = exact.get(lexed, ())
            if prefixes:
                self.effort.spend(len(prefixes))
                extra = [number for prefix, number in prefixes if lexed.startswith(prefix)]
                items = sorted([*items, *extra], reverse=True)
            for number in items:
                if made.item < 0:
                    made.item = number
                else:
                    self.effort.spend(1)
                    self.words.append(_Word(word, kind, made.place, number, True))

    def _covers(self, found: list[Found]) -> "list[tuple[int, int]]":
        """First and last word of the shortest parts that satisfy the query, from left to right."""
        made = []
        after = 0
        starts = [number for number, word in enumerate(self.words) if word.item >= 0]
        while found:
            span = self._span(found, after)
            if span is None:
                break
            first, last = span
            within = [n for n in starts if first <= self.words[n].place <= last]
            self.effort.spend(len(starts))
            after = first + 1
            if within:
                part = _Slice(self.words, within[0], within[-1])
                self.effort.spend(within[-1] - within[0] + 1)
                if holds(self.query.items, part, self.effort):
                    made.append((within[0], within[-1]))
        return made

    def _span(self, found: list[Found], after: int) -> tuple[int, int] | None:
        """The shortest range of positions from `after` on that holds a match of each."""
        last = -1
        for each in found:
            self.effort.spend(len(each.places))
            following = next((place for place in each.places if place >= after), None)
            if following is None:
                return None
            last = max(last, following)
        first = _LAST
        for each in found:
            before = next((p - each.width for p in reversed(each.places) if p - each.width <= last), -1)
            first = min(first, before)
        return max(first, after), last

    def _interesting(self, number: int) -> bool:
        return self.words[number].item >= 0 and not self.words[number].repeated

    def _bad_end(self, number: int) -> bool:
        """A headline should not end here."""
        word = self.words[number]
        is_short = len(word.text.encode()) <= self.options.short_word
        return (word.kind in _NO_ENDS or is_short) and not self._interesting(number)

    def _counts(self, number: int) -> int:
        """1 for a word."""
        return int(self.words[number].kind not in _NO_WORDS)

    def _best(self, found: list[Found]) -> tuple[int, int]:
        """The first and last word of the best headline."""
        if self.options.everything:
            return 0, len(self.words) - 1
        best: tuple[bool, int, bool] | None = None
        span = (0, -1)
        for first, last in self._covers(found):
            start, end, interesting = self._fitted(first, last)
            offered = (start <= first and end >= last, interesting, not self._bad_end(end))
            if best is None or offered[:2] > best[:2] or (offered[:2] == best[:2] and offered[2] > best[2]):
                best, span = offered, (start, end)
        return span if best is not None else self._beginning()

    def _beginning(self) -> tuple[int, int]:
        """As many words as must be shown, from the start."""
        count, end = 0, -1
        while end + 1 < len(self.words) and count < self.options.min_words:
            end += 1
            count += self._counts(end)
        return 0, end

    def _fitted(self, first: int, last: int) -> tuple[int, int, int]:
        """A cover made as long as it may be, or shorter: first and last word, number of interesting ones."""
        most, least = self.options.max_words, self.options.min_words
        count = interesting = 0
        start = end = at = first
        while at <= last and count < most:
            count += self._counts(at)
            interesting += self._interesting(at)
            end = at
            at += 1
        self.effort.spend(at - first + 1)
        if count < most:
            return self._stretched(first, last, end, (count, interesting))
        at = min(at, last)
        while count > least and self._bad_end(at):
            self.effort.spend(1)
            count -= self._counts(at)
            interesting -= self._interesting(at)
            end = at - 1
            at -= 1
        return start, end, interesting

    def _stretched(self, first: int, last: int, end: int, counted: tuple[int, int]) -> tuple[int, int, int]:
        """Longer to the right up to a good end, and to the left if that is not enough."""
        most, least = self.options.max_words, self.options.min_words
        count, interesting = counted
        start, at = first, end
        while at < len(self.words) and count < most:
            self.effort.spend(1)
            if at > last:
                count += self._counts(at)
                interesting += self._interesting(at)
            end = at
            if not self._bad_end(at) and count >= least:
                break
            at += 1
        if count < least:
            at = first - 1
            while at >= 0:
                self.effort.spend(1)
                count += self._counts(at)
                interesting += self._interesting(at)
                if count >= most or (not self._bad_end(at) and count >= least):
                    break
                at -= 1
            start = max(at, 0)
        return start, end, interesting

    def _mark(self, start: int, end: int) -> None:
        """The words from `start` to `end` are shown."""
        for word in self.words[start : end + 1]:
            word.selected = word.selected or word.item >= 0
            if word.kind == _TAG and not self.options.everything:
                word.replaced = True
            elif word.kind in _COMPOUND:
                word.skipped = True
            word.shown = not word.repeated

    def _mark_fragments(self, found: list[Found]) -> None:
        """The best covers are shown, each with what stands around it."""
        covers = []
        for first, last in self._covers(found):
            while first <= last:
                made = self._fragment(first, last)
                covers.append(made)
                first = made.end + 1
        shown = 0
        while shown < self.options.max_fragments:
            self.effort.spend(len(covers))
            offered = [cover for cover in covers if not cover.is_out]
            chosen = max(offered, key=lambda cover: (cover.interesting, -cover.words), default=None)
            if chosen is None:
                break
            shown += 1
            chosen.is_out = True
            self._widen(chosen)
            self._mark(chosen.start, chosen.end)
            for cover in covers:
                if cover.start <= chosen.end and cover.end >= chosen.start:
                    cover.is_out = True
        if not shown:
            self._mark(*self._beginning())

    def _fragment(self, first: int, last: int) -> _Cover:
        """The first part of a cover that is short enough; both its ends are words of the query."""
        while first < last and not self._interesting(first):
            first += 1
        count = interesting = 0
        at, end = first, last
        while at <= last and count < self.options.max_words:
            count += self._counts(at)
            interesting += self._interesting(at)
            at += 1
        self.effort.spend(at - first + 1)
        if last > at:
            while at >= first:
                end = at
                if self._interesting(at):
                    break
                count -= self._counts(at)
                at -= 1
        return _Cover(first, end, count, interesting)

    def _widen(self, cover: _Cover) -> None:
        """To both sides, up to good ends, where nothing is shown yet."""
        most = self.options.max_words
        if cover.words >= most:
            return
        count, words = cover.words, self.words
        stretch, limit = 0, (most - count) // 2
        at, marker = cover.start - 1, cover.start
        while at >= 0 and stretch < limit and not words[at].shown:
            stretch += self._counts(at)
            marker = at
            at -= 1
        count += stretch
        while marker < cover.start and self._bad_end(marker):
            count -= self._counts(marker)
            marker += 1
        self.effort.spend(2 * (cover.start - at))
        cover.start = marker
        at, marker = cover.end + 1, cover.end
        while at < len(words) and count < most and not words[at].shown:
            count += self._counts(at)
            marker = at
            at += 1
        while marker > cover.end and self._bad_end(marker):
            count -= self._counts(marker)
            marker -= 1
        self.effort.spend(2 * (at - cover.end))
        cover.end, cover.words = marker, count

    def _text(self) -> str:
        """What is shown, with the words of the query marked."""
        options = self.options
        pieces = []
        fragments, within = 0, False
        for word in self.words:
            if word.repeated:
                continue
            if not word.shown:
                within = False
                continue
            if not within:
                within = True
                fragments += 1
                if fragments > 1:
                    pieces.append(options.delimiter)
            if word.replaced:
                pieces.append(" ")
            elif not word.skipped:
                pieces.append(options.start + word.text + options.stop if word.selected else word.text)
        return "".join(pieces)
