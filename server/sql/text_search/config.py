"""The one text search configuration, `simple` (dsql-reference §3): texts to lexemes (PostgreSQL, chapter 12.6.2)."""

from server.sql.sizes import scannable
from server.sql.text_search.effort import Effort
from server.sql.text_search.states import IGNORED
from server.sql.text_search.tokens import tokens
from server.sql.type_tsquery import AND, PHRASE, Builder, Operator, Push, TsQuery, finished
from server.sql.type_tsvector import MAX_POSITION, MAX_POSITIONS, MAX_WORD, TsVector, made

CONFIGURATION, DICTIONARY, PARSER, TEMPLATE = 3748, 3765, 3722, 3727
"""oids of `simple`, its dictionary, the parser `default`, and the dictionary's template."""
NAME, PARSER_NAME = "simple", "default"


def lexeme(word: str) -> str:
    """What the dictionary makes of a word: it is folded as the C locale does it."""
    return word.lower() if word.isascii() else word.encode().lower().decode()


def fits(word: str) -> bool:
    """Longer words are ignored, and take no position."""
    return len(word) <= MAX_WORD and (word.isascii() or len(word.encode()) <= MAX_WORD)


def lexemes(text: str, effort: Effort) -> list[str]:
    """The lexemes of a text, one per position; PgError 54000."""
    scannable(len(text))
    return [lexeme(word) for kind, word in tokens(text, effort) if kind not in IGNORED and fits(word)]


class VectorBuilder:
    """A tsvector of several texts."""

    __slots__ = ("_effort", "_found", "_position")

    def __init__(self) -> None:
        self._found: dict[str, list[int]] = {}
        self._position = 0
        self._effort = Effort()

    def add(self, text: str) -> int:
        """The lexemes of a text behind those before; how many they are."""
        found = lexemes(text, self._effort)
        for each in found:
            self._position += 1
            places = self._found.setdefault(each, [])
            if len(places) < MAX_POSITIONS - 1 and (not places or places[-1] != MAX_POSITION):
                places.append(min(self._position, MAX_POSITION))
        return len(found)

    def part(self, text: str) -> None:
        """A text that no phrase connects with the ones around it."""
        if self.add(text):
            self._position += 1

    def finish(self) -> TsVector:
        """The value; PgError 54000."""
        return made(tuple((word, tuple(self._found[word])) for word in sorted(self._found)))


def vector_of(text: str) -> TsVector:
    """to_tsvector"""
    builder = VectorBuilder()
    builder.add(text)
    return builder.finish()


def normalizing(kind: int) -> Push:
    """Puts the lexemes of an operand's text into a query, connected by the operator."""
    effort = Effort()

    def push(builder: Builder, text: str, weights: int, prefix: bool) -> None:
        found = lexemes(text, effort)
        if not found:
            builder.stop()
        for number, each in enumerate(found):
            builder.operand(each, weights, prefix)
            if number:
                builder.items.append(Operator(kind, 1 if kind == PHRASE else 0))

    return push


def whole(text: str, kind: int) -> TsQuery:
    """The query that wants all lexemes of a text: plainto_tsquery (AND), phraseto_tsquery (PHRASE)."""
    builder = Builder(text)
    if text:
        normalizing(kind)(builder, text, 0, False)
    return finished(builder)


def plain(text: str) -> TsQuery:
    """plainto_tsquery"""
    return whole(text, AND)


def phrase(text: str) -> TsQuery:
    """phraseto_tsquery"""
    return whole(text, PHRASE)
