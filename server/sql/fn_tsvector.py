"""Functions and operators of tsvector (PostgreSQL, chapter 9.13)."""

from collections.abc import Iterator

from server.errors import PgError
from server.sql.fn_compare import three_way
from server.sql.functions import define, sql
from server.sql.text_search.match import matches
from server.sql.type_array import Array
from server.sql.type_tsquery import TsQuery
from server.sql.type_tsvector import (
    MAX_POSITION,
    MAX_POSITIONS,
    WEIGHTS,
    Entry,
    TsVector,
    limited,
    made,
    position,
    tsvector_key,
    weight,
)

# PostgreSQL's number is C's memcmp's, of which only the sign means something.
define("3622 tsvector_cmp(tsvector,tsvector) int4", three_way(tsvector_key))


define("3711 length(tsvector) int4", lambda value: len(value.entries))


@sql("3623 strip(tsvector) tsvector")
def strip(value: TsVector) -> TsVector:
    """Without positions."""
    return TsVector(tuple((word, ()) for word, _ in value.entries))


def _weight(letter: str, shown: str) -> int:
    found = WEIGHTS.find(letter.upper()) if letter else -1
    if found < 0:
        raise PgError("XX000", f"unrecognized weight: {shown}")
    return found


def _signed(letter: str) -> int:
    code = ord(letter) if letter else 0
    return code - 256 if code > 127 else code


def _weighed(positions: tuple[int, ...], kind: int) -> tuple[int, ...]:
    return tuple(position(each) | kind << 14 for each in positions)


@sql("3624 setweight(tsvector,char) tsvector")
def setweight(value: TsVector, letter: str) -> TsVector:
    """Every position with that weight; XX000."""
    kind = _weight(letter, str(_signed(letter)))
    return TsVector(tuple((word, _weighed(positions, kind)) for word, positions in value.entries))


@sql("3320 setweight(tsvector,char,_text) tsvector")
def setweight_of(value: TsVector, letter: str, words: Array) -> TsVector:
    """The positions of some lexemes; XX000."""
    kind = _weight(letter, letter)
    wanted = set(words.elements)
    return TsVector(
        tuple(
            (word, _weighed(positions, kind) if word in wanted else positions)
            for word, positions in value.entries
        )
    )


@sql("3625 tsvector_concat(tsvector,tsvector) tsvector")
def concat(left: TsVector, right: TsVector) -> TsVector:
    """The right one's positions come behind the left one's; 54000."""
    last = max((position(p) for _, positions in left.entries for p in positions), default=0)
    found: dict[str, tuple[int, ...]] = dict(left.entries)
    for word, positions in right.entries:
        found[word] = _behind(found.get(word, ()), positions, last)
    return made(tuple((word, found[word]) for word in sorted(found)))


def _behind(before: tuple[int, ...], positions: tuple[int, ...], last: int) -> tuple[int, ...]:
    kept = list(before)
    for each in positions:
        if len(kept) >= MAX_POSITIONS or (kept and position(kept[-1]) == MAX_POSITION):
            break
        kept.append(limited(position(each) + last) | weight(each) << 14)
    return tuple(kept)


@sql("3321 ts_delete(tsvector,text) tsvector")
def delete(value: TsVector, word: str) -> TsVector:
    """Without a lexeme."""
    return TsVector(tuple(entry for entry in value.entries if entry[0] != word))


@sql("3323 ts_delete(tsvector,_text) tsvector")
def delete_all(value: TsVector, words: Array) -> TsVector:
    """Without any of the lexemes."""
    unwanted = set(words.elements)
    return TsVector(tuple(entry for entry in value.entries if entry[0] not in unwanted))


@sql("3319 ts_filter(tsvector,_char) tsvector")
def filtered(value: TsVector, letters: Array) -> TsVector:
    """Only positions of these weights, and lexemes that have one; 22004, 22023."""
    wanted = set()
    for letter in letters.elements:
        if letter is None:
            raise PgError("22004", "weight array may not contain nulls")
        if not letter or letter.upper() not in WEIGHTS:
            raise PgError("22023", f'unrecognized weight: "{letter}"')
        wanted.add(WEIGHTS.index(letter.upper()))
    kept: list[Entry] = []
    for word, positions in value.entries:
        fitting = tuple(each for each in positions if weight(each) in wanted)
        if fitting:
            kept.append((word, fitting))
    return TsVector(tuple(kept))


@sql("3327 array_to_tsvector(_text) tsvector")
def from_array(words: Array) -> TsVector:
    """Lexemes without positions; 22004, 2200F, 54000."""
    for word in words.elements:
        if word is None:
            raise PgError("22004", "lexeme array may not contain nulls")
        if not word:
            raise PgError("2200F", "lexeme array may not contain empty strings")
    return made(tuple((word, ()) for word in sorted(set(words.elements))))


@sql("3326 tsvector_to_array(tsvector) _text")
def to_array(value: TsVector) -> Array:
    """The lexemes."""
    return Array([word for word, _ in value.entries])


@sql(
    "3322 unnest(tsvector:tsvector) record set",
    out="lexeme text,positions _int2,weights _text",
)
def unnest(value: TsVector) -> Iterator[tuple[str, Array | None, Array | None]]:
    """A row for each lexeme."""
    for word, positions in value.entries:
        if positions:
            letters = Array([WEIGHTS[weight(each)] for each in positions])
            yield word, Array([position(each) for each in positions]), letters
        else:
            yield word, None, None


define("3634 ts_match_vq(tsvector,tsquery) bool", matches)


@sql("3635 ts_match_qv(tsquery,tsvector) bool")
def match_reversed(query: TsQuery, value: TsVector) -> bool:
    """query @@ vector"""
    return matches(value, query)
