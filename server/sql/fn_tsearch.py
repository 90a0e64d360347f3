"""Text search from text: documents, queries, ranks and headlines (PostgreSQL, chapters 9.13 and 12).

There is one configuration, so functions without one and with one do the same.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from server.errors import PgError
from server.sql.fn_json import Piece, pieces
from server.sql.functions import define, sql
from server.sql.sizes import scannable, text_joined
from server.sql.text_search.config import (
    CONFIGURATION,
    DICTIONARY,
    PARSER,
    PARSER_NAME,
    VectorBuilder,
    lexeme,
    normalizing,
    phrase,
    plain,
    vector_of,
)
from server.sql.text_search.effort import Effort
from server.sql.text_search.headline import Headline, pairs_of
from server.sql.text_search.match import matches
from server.sql.text_search.rank import DEFAULT_WEIGHTS, Weights, rank, rank_of_covers
from server.sql.text_search.states import IGNORED, TYPES
from server.sql.text_search.tokens import tokens
from server.sql.type_array import Array
from server.sql.type_json import Jsonb, quote, render
from server.sql.type_tsquery import PHRASE, TsQuery, parsed
from server.sql.type_tsvector import TsVector


def _both(oids: tuple[int, int], shape: str, impl: Callable[..., Any]) -> None:
    """A function of two forms: without a configuration, stable; with one, immutable."""
    name, _, rest = shape.partition("(")
    define(f"{oids[0]} {name}({rest} s", impl)
    define(f"{oids[1]} {name}(regconfig,{rest}", _configured(impl))


def _configured(impl: Callable[..., Any]) -> Callable[..., Any]:
    def run(configuration: int, *args: Any) -> Any:
        if configuration != CONFIGURATION:
            raise _no_such("configuration", configuration)
        return impl(*args)

    return run


def _no_such(kind: str, oid: int) -> PgError:
    return PgError("XX000", f"cache lookup failed for text search {kind} {oid}")


define("3759 get_current_ts_config() regconfig s", lambda: CONFIGURATION)


# --- documents and queries ---

_both((3749, 3745), "to_tsvector(text) tsvector", vector_of)


def to_tsquery(text: str) -> TsQuery:
    """The lexemes of each operand, connected as a phrase."""
    return parsed(text, normalizing(PHRASE))


def websearch_to_tsquery(text: str) -> TsQuery:
    """As search engines read it: quotes, or, and a minus."""
    return parsed(text, normalizing(PHRASE), web=True)


_both((3750, 3746), "to_tsquery(text) tsquery", to_tsquery)
_both((3751, 3747), "plainto_tsquery(text) tsquery", plain)
_both((5001, 5006), "phraseto_tsquery(text) tsquery", phrase)
_both((5009, 5007), "websearch_to_tsquery(text) tsquery", websearch_to_tsquery)

define("3760 ts_match_tt(text,text) bool s", lambda text, query: matches(vector_of(text), plain(query)))
define("3761 ts_match_tq(text,tsquery) bool s", lambda text, query: matches(vector_of(text), query))


# --- JSON documents ---

_KINDS = ("string", "numeric", "boolean", "key")
_HINT = 'Possible values are: "string", "numeric", "boolean", "key", and "all".'
_STRINGS = frozenset(("string",))


def _wanted(flags: Jsonb) -> frozenset[str]:
    """Which values count; PgError 22023."""
    given = flags.value if isinstance(flags.value, list) else [flags.value]
    if isinstance(flags.value, dict):
        raise PgError("22023", "wrong flag type, only arrays and scalars are allowed")
    found: set[str] = set()
    for each in given:
        if not isinstance(each, str):
            raise PgError("22023", "flag array element is not a string", hint=_HINT)
        name = each.lower() if each.isascii() else each
        if name != "all" and name not in _KINDS:
            raise PgError("22023", f'wrong flag in flag array: "{each}"', hint=_HINT)
        found.update(_KINDS if name == "all" else (name,))
    return frozenset(found)


def _jsonb_texts(value: Any, wanted: frozenset[str]) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if "key" in wanted:
                yield key
            yield from _jsonb_texts(item, wanted)
    elif isinstance(value, list):
        for item in value:
            yield from _jsonb_texts(item, wanted)
    elif isinstance(value, str):
        if "string" in wanted:
            yield value
    elif isinstance(value, bool):
        if "boolean" in wanted:
            yield "true" if value else "false"
    elif isinstance(value, Decimal) and "numeric" in wanted:
        yield render(value)


def _json_texts(piece: Piece, wanted: frozenset[str]) -> Iterator[str]:
    if piece.kind == "object":
        for key, item in piece.items:
            if "key" in wanted:
                yield key
            yield from _json_texts(item, wanted)
    elif piece.kind == "array":
        for item in piece.items:
            yield from _json_texts(item, wanted)
    elif piece.kind == "string":
        if "string" in wanted:
            yield str(piece.value)
    elif ("numeric" if piece.kind == "number" else piece.kind) in wanted:
        yield piece.text


def _of_parts(texts: Iterator[str]) -> TsVector:
    builder = VectorBuilder()
    for text in texts:
        builder.part(text)
    return builder.finish()


def jsonb_document(value: Jsonb, flags: Jsonb) -> TsVector:
    """The values of the kinds named; 22023, 54000."""
    return _of_parts(_jsonb_texts(value.value, _wanted(flags)))


def json_document(text: str, flags: Jsonb) -> TsVector:
    """As `jsonb_document`, in the order of the text."""
    return _of_parts(_json_texts(pieces(text), _wanted(flags)))


_both((4213, 4214), "jsonb_to_tsvector(jsonb,jsonb) tsvector", jsonb_document)
_both((4215, 4216), "json_to_tsvector(json,jsonb) tsvector", json_document)
_both(
    (4209, 4211), "to_tsvector(jsonb) tsvector", lambda value: _of_parts(_jsonb_texts(value.value, _STRINGS))
)
_both((4210, 4212), "to_tsvector(json) tsvector", lambda text: _of_parts(_json_texts(pieces(text), _STRINGS)))


# --- ranks ---


def _weights(given: Array) -> Weights:
    """Of D, C, B, A; a negative one is the default. PgError 2202E, 22004, 22023."""
    if len(given.dims) != 1:
        raise PgError("2202E", "array of weight must be one-dimensional")
    if len(given.elements) < len(DEFAULT_WEIGHTS):
        raise PgError("2202E", "array of weight is too short")
    if None in given.elements:
        raise PgError("22004", "array of weight must not contain nulls")
    made = [each if each >= 0 else default for each, default in zip(given.elements, DEFAULT_WEIGHTS)]
    if any(each > 1.0 for each in made):
        raise PgError("22023", "weight out of range")
    return made


def _ranks(oids: tuple[int, int, int, int], name: str, impl: Callable[..., float]) -> None:
    """With weights and method, with either, with none."""
    rest = "tsvector,tsquery"
    define(
        f"{oids[0]} {name}(_float4,{rest},int4) float4",
        lambda weights, vector, query, method: impl(_weights(weights), vector, query, method),
    )
    define(
        f"{oids[1]} {name}(_float4,{rest}) float4",
        lambda weights, vector, query: impl(_weights(weights), vector, query, 0),
    )
    define(
        f"{oids[2]} {name}({rest},int4) float4",
        lambda vector, query, method: impl(DEFAULT_WEIGHTS, vector, query, method),
    )
    define(
        f"{oids[3]} {name}({rest}) float4",
        lambda vector, query: impl(DEFAULT_WEIGHTS, vector, query, 0),
    )


_ranks((3703, 3704, 3705, 3706), "ts_rank", rank)
_ranks((3707, 3708, 3709, 3710), "ts_rank_cd", rank_of_covers)


# --- headlines ---


def ts_headline(text: str, query: TsQuery, options: str = "") -> str:
    """The parts of a text that match; 22023, 42601, 54000."""
    scannable(len(text))
    return text_joined([Headline(query, pairs_of(options)).of(text)])


def _jsonb_headlines(value: Any, headline: Headline) -> Any:
    if isinstance(value, dict):
        return {key: _jsonb_headlines(item, headline) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonb_headlines(item, headline) for item in value]
    return headline.of(value) if isinstance(value, str) else value


def jsonb_headline(value: Jsonb, query: TsQuery, options: str = "") -> Jsonb:
    """Every string is replaced by its headline."""
    return Jsonb(_jsonb_headlines(value.value, Headline(query, pairs_of(options))))


def _json_headlines(piece: Piece, headline: Headline) -> str:
    if piece.kind == "object":
        items = (f"{quote(key)}:{_json_headlines(item, headline)}" for key, item in piece.items)
        return "{" + ",".join(items) + "}"
    if piece.kind == "array":
        return "[" + ",".join(_json_headlines(item, headline) for item in piece.items) + "]"
    return quote(headline.of(str(piece.value))) if piece.kind == "string" else piece.text


def json_headline(text: str, query: TsQuery, options: str = "") -> str:
    """As `jsonb_headline`; spaces between values go."""
    return text_joined([_json_headlines(pieces(text), Headline(query, pairs_of(options)))])


for _oids, _kind, _impl in (
    ((3755, 3754, 3744, 3743), "text", ts_headline),
    ((4204, 4203, 4202, 4201), "jsonb", jsonb_headline),
    ((4208, 4207, 4206, 4205), "json", json_headline),
):
    _both((_oids[0], _oids[2]), f"ts_headline({_kind},tsquery) {_kind}", _impl)
    _both((_oids[1], _oids[3]), f"ts_headline({_kind},tsquery,text) {_kind}", _impl)


# --- the parser and the dictionary ---


def _parser(name: str) -> None:
    from server.catalog.names import split_name

    named = split_name(name)
    if named not in ((PARSER_NAME,), ("pg_catalog", PARSER_NAME)):
        raise PgError("42704", f'text search parser "{".".join(named)}" does not exist')


def _parser_number(oid: int) -> None:
    if oid != PARSER:
        raise _no_such("parser", oid)


_TOKENS, _KNOWN = "tokid int4,token text", "tokid int4,alias text,description text"


@sql("3716 ts_parse(parser_name:text,txt:text) record s set", out=_TOKENS)
def parse_named(name: str, text: str) -> Iterator[tuple[int, str]]:
    """The tokens of a text; 42704, 54000."""
    _parser(name)
    scannable(len(text))
    return tokens(text, Effort())


@sql("3715 ts_parse(parser_oid:oid,txt:text) record set", out=_TOKENS)
def parse_numbered(oid: int, text: str) -> Iterator[tuple[int, str]]:
    """As `parse_named`; XX000."""
    _parser_number(oid)
    scannable(len(text))
    return tokens(text, Effort())


def _types() -> Iterator[tuple[int, str, str]]:
    return ((number, alias, text) for number, (alias, text) in enumerate(TYPES, 1))


@sql("3714 ts_token_type(parser_name:text) record s set", out=_KNOWN)
def types_named(name: str) -> Iterator[tuple[int, str, str]]:
    """The parser's token types; 42704."""
    _parser(name)
    return _types()


@sql("3713 ts_token_type(parser_oid:oid) record set", out=_KNOWN)
def types_numbered(oid: int) -> Iterator[tuple[int, str, str]]:
    """As `types_named`; XX000."""
    _parser_number(oid)
    return _types()


_DEBUG = "alias text,description text,token text,dictionaries _regdictionary,dictionary regdictionary,lexemes _text"


@sql("6184 ts_debug(document:text) record s set", out=_DEBUG)
def debug(text: str) -> Iterator[tuple[Any, ...]]:
    """The tokens, and what the dictionary makes of each."""
    scannable(len(text))
    for kind, word in tokens(text, Effort()):
        alias, description = TYPES[kind - 1]
        if kind in IGNORED:
            yield alias, description, word, Array([]), None, None
        else:
            yield alias, description, word, Array([DICTIONARY]), DICTIONARY, Array([lexeme(word)])


@sql("6183 ts_debug(config:regconfig,document:text) record s set", out=_DEBUG)
def debug_configured(configuration: int, text: str) -> Iterator[tuple[Any, ...]]:
    """As `debug`; of a configuration that is not there it knows nothing."""
    return debug(text) if configuration == CONFIGURATION else iter(())


@sql("3723 ts_lexize(regdictionary,text) _text")
def ts_lexize(dictionary: int, word: str) -> Array:
    """What a dictionary makes of a word; XX000."""
    if dictionary != DICTIONARY:
        raise _no_such("dictionary", dictionary)
    return Array([lexeme(word)] if word else [])
