"""Text search gives PostgreSQL's answers to texts, documents and queries that nobody thought of."""

import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import server.sql.builtins  # noqa: F401  (fills the tables)
from server.catalog.names import INPUTS, OUTPUTS
from server.errors import PgError
from server.runtime.node import Node
from server.sql.functions import FUNCTIONS, Function
from server.sql.text_search.effort import Effort
from server.sql.text_search.states import NUMBER_OF, TYPES
from server.sql.text_search.tokens import tokens
from server.sql.type_tsvector import tsvector_in
from server.sql.types import BY_NAME
from tests import function_cases
from tests.function_cases import Call, ours, theirs
from tests.postgres import Postgres
from tests.sessions import Client, run

EVIDENCE_16 = 16
TEXTS = 2_000
CALLS = 12
MODULES = tuple(f"server.sql.{name}" for name in ("fn_ts", "ts_"))

PIECES = [
    *(
        "a",
        "foo",
        "Bar",
        "x1",
        "1",
        "23",
        "12.5",
        "1e5",
        "E10",
        "+3",
        "-4.5",
        "1.2.3",
        "-1.2.3",
        "0x1F",
        "1a-2b",
    ),
    *("-", "--", "_", ".", "..", "/", "//", "./", "../", "~", "~/", "/usr", "_x", "A-B", "a-1", "é-x"),
    *(
        "http://",
        "ftp://",
        "www.",
        "example.com",
        ".com",
        ":8080",
        "?q=1",
        "@",
        "me@",
        "&",
        "&amp;",
        "&#38;",
        "&#x1F;",
    ),
    *(
        "<",
        "<b>",
        "</b>",
        "<br/>",
        '<a href="x">',
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "<style ",
        "</style>",
    ),
    *(
        "<?xml",
        "<!DOCTYPE ",
        "'",
        '"',
        "\\",
        " ",
        "\n",
        "\t",
        "+",
        "e",
        "#",
        "=",
        ";",
        ":",
        "(",
        ")",
        "%",
        ",",
        "!",
    ),
    *("é", "日本", "ß", "€", "ю", "\u00a0", "\u0301", "𝄞", "?", "`", "|", "{", "\x01", "\x7f"),
]
WORDS = ["a", "b", "ab", "abc", "foo", "bar", "'", "\\", "a b", "é", "x1", "日本", "1", "'a", "-", "ж"]
DOCUMENTS = [
    *(
        "foo bar",
        "a",
        "",
        "  ",
        "a & b | c",
        "a:* <-> b:A",
        "foo or bar -baz",
        '"foo bar" or -ab',
        "or",
        "a or",
        "-",
    ),
    *(
        "--a",
        "É b",
        "<b>foo</b> bar ab abc a b a",
        "a-b-c foo-1",
        "'x",
        "\\a",
        "a <16384> b",
        "a <16385> b",
        "!!!a",
        "(",
    ),
    *(
        "((a))",
        "a b a b foo abc ab",
        '" "',
        "a OR b or or c",
        '"a',
        "foo:bar",
        "| a",
        "a<->b",
        "or-x a",
        "a orx b",
        "a or -",
    ),
    "The Quick-Brown fox's 12.5 http://www.example.com/a/b?c=d x@y.com",
]
JSONS = [
    '{"a":"foo bar","b":[1,true,null,"a b"],"cc":{"foo":"x1 -2.5"}}', '"foo"', "[]", "{}", '[1.50,"é",false]', "null",
    '{"b": "z", "a" : "y", "b":"w"}', "12", '[["a"],{"k":"a"}]',
]  # fmt: skip
FLAGS = [
    '["string"]',
    '"all"',
    '["key"]',
    '["numeric","boolean"]',
    '["STRING"]',
    '["x"]',
    "[1]",
    "{}",
    "[]",
    "1",
]
OPTIONS = [
    *(
        "",
        "MaxWords=5,MinWords=2",
        "StartSel=[, StopSel=]",
        "MaxFragments=2, MaxWords=4,MinWords=1",
        "ShortWord=0",
    ),
    *(
        "HighlightAll=true",
        "HighlightAll=1,MinWords=50",
        "MinWords=10,MaxWords=5",
        "x=1",
        "MinWords",
        "MaxWords=abc",
    ),
    *(
        "StartSel='<<''x', StopSel=\"a\"\"b\"",
        "StartSel=010",
        "MinWords=0",
        "ShortWord=-1",
        "MaxFragments=-1",
        "=",
    ),
    *(
        '"MaxWords" = 7 , minwords=3,',
        "MaxWords=7,MinWords=3,MaxFragments=3,ShortWord=2",
        "StartSel=E'a',StopSel='\\\\'",
    ),
    'MaxFragments=1,FragmentDelimiter="|",MaxWords=3,MinWords=1,ShortWord=1',
]


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> "Iterator[psycopg.Connection[Any]]":
    if postgres.version != EVIDENCE_16:
        pytest.skip("these answers are PostgreSQL 16's")
    with postgres.connect() as made:
        made.execute("SET default_text_search_config = 'simple'")
        made.execute("SET statement_timeout = '20s'")
        yield made


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of configurations and dictionaries, which need no catalog."""
    monkeypatch.setattr(function_cases.ENV, "reg_input", lambda kind, text: INPUTS[kind](None, text))
    monkeypatch.setattr(function_cases.ENV, "reg_output", lambda kind, oid: OUTPUTS[kind](None, oid))


def random_text(draw: random.Random) -> str:
    if draw.random() < 0.2:
        return "".join(chr(draw.randrange(1, 128)) for _ in range(draw.randrange(1, 20)))
    return "".join(draw.choice(PIECES) for _ in range(draw.choice([1, 2, 3, 4, 5, 6, 8, 12])))


def test_texts_fall_into_the_same_tokens(connection: "psycopg.Connection[Any]") -> None:
    draw = random.Random(1)
    texts = [random_text(draw) for _ in range(TEXTS)]
    texts += [
        "<a '" + "".join(draw.choice("\\\\\\'\"x> ") for _ in range(draw.randrange(9))) for _ in range(300)
    ]
    query = (
        "SELECT (SELECT json_agg(json_build_array(tokid, token)) FROM ts_parse('default', t))"
        " FROM unnest(%s::text[]) WITH ORDINALITY u (t, n) ORDER BY n"
    )
    rows = connection.execute(query, (texts,)).fetchall()
    wrong = []
    for text, (found,) in zip(texts, rows, strict=True):
        expected = [(kind, word) for kind, word in found or []]
        mine = list(tokens(text, Effort()))
        if mine != expected:
            wrong.append((text, mine, expected))
    assert wrong == []


def test_token_types(connection: "psycopg.Connection[Any]") -> None:
    rows = connection.execute("SELECT tokid, alias, description FROM ts_token_type('default')").fetchall()
    assert rows == [(number, *each) for number, each in enumerate(TYPES, 1)]


def quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def random_vector(draw: random.Random) -> str:
    if draw.random() < 0.05:
        return "".join(draw.choice("ab'\\:,1234ABCD* \t!&|()<->") for _ in range(draw.randrange(1, 12)))
    made = []
    for _ in range(draw.choice([0, 1, 2, 3, 5, 8])):
        places = []
        for _ in range(draw.choice([0, 1, 1, 2, 3])):
            place = (
                draw.choice([20, 100, 16382, 16383, 99999]) if draw.random() < 0.1 else draw.randrange(1, 14)
            )
            places.append(f"{place}{draw.choice(['', '', 'A', 'B', 'C', 'D', 'a', '*'])}")
        made.append(quoted(draw.choice(WORDS)) + (":" + ",".join(places) if places else ""))
    return " ".join(made)


def random_query(draw: random.Random, depth: int = 0) -> str:
    kind = draw.random()
    if depth == 0 and kind < 0.04:
        return "".join(draw.choice("ab'\\:ABD*  !&|()<->12") for _ in range(draw.randrange(1, 12)))
    if depth > 3 or kind < 0.35:
        modifier = draw.choice([":*", ":A", ":BC", ":*D", ":d", ":ab*"]) if draw.random() < 0.3 else ""
        return quoted(draw.choice(WORDS)) + modifier
    if kind < 0.5:
        inner = random_query(draw, depth + 1)
        return f"!({inner})" if draw.random() < 0.5 else f"! {random_query(draw, 9)}"
    left, right = random_query(draw, depth + 1), random_query(draw, depth + 1)
    left = f"({left})" if draw.random() < 0.5 else left
    right = f"( {right} )" if draw.random() < 0.5 else right
    return f"{left} {draw.choice(['&', '|', '&', '<->', '<->', '<2>', '<0>', '<10>'])} {right}"


def random_document(draw: random.Random) -> str:
    if draw.random() < 0.4:
        return draw.choice(DOCUMENTS)
    pieces = [
        *WORDS,
        *DOCUMENTS,
        " ",
        " ",
        " ",
        ", ",
        ". ",
        " - ",
        " & ",
        " | ",
        " or ",
        " OR ",
        '"',
        "-",
        "&amp;",
    ]
    return "".join(draw.choice(pieces) for _ in range(draw.choice([1, 2, 4, 8, 16])))


def one_of(*texts: str) -> Callable[[random.Random], str]:
    return lambda draw: draw.choice(texts)


BY_TYPE: dict[str, Callable[[random.Random], str]] = {
    "tsvector": random_vector,
    "tsquery": random_query,
    "text": random_document,
    "regconfig": one_of("simple", "pg_catalog.simple"),
    "regdictionary": one_of("simple"),
    "oid": one_of("3722", "1"),
    "int4": one_of("0", "1", "2", "4", "8", "16", "32", "63", "-1", "16384", "16385"),
    "char": one_of("A", "b", "C", "d", "x", ""),
    "_char": one_of("{A}", "{a,B}", "{c,d}", "{x}", "{}", "{A,NULL}"),
    "_text": one_of("{}", "{a}", "{a,foo}", "{NULL,b}", '{""}', "{b,a,a,é}", "{{a,b},{ab,foo}}"),
    "_float4": one_of(
        *("{0.1,0.2,0.4,1}", "{1,1,1,1}", "{0.5,0.1,-1,0.3}", "{0,0,0,0}", "{0.1,0.2}", "{2,1,1,1}", "{}"),
        *("{{0.1,0.2,0.4,1}}", "{0.1,0.2,0.4,NULL}", "{0.3,0.2,0.4,0.9,5}"),
    ),
    "json": one_of(*JSONS),
    "jsonb": one_of(*JSONS),
}
BY_PLACE: dict[tuple[str, str, int], Callable[[random.Random], str]] = {
    ("ts_headline", "text", 2): one_of(*OPTIONS),
    ("ts_headline", "text", 3): one_of(*OPTIONS),
    ("ts_parse", "text", 0): one_of("default", "pg_catalog.default", "x", "a b"),
    ("ts_token_type", "text", 0): one_of("default", "Default", '"Default"'),
    ("ts_delete", "text", 1): one_of(*WORDS),
    ("to_tsquery", "text", 0): random_query,
    ("jsonb_to_tsvector", "jsonb", 1): one_of(*FLAGS),
    ("json_to_tsvector", "jsonb", 1): one_of(*FLAGS),
    ("jsonb_to_tsvector", "jsonb", 2): one_of(*FLAGS),
    ("json_to_tsvector", "jsonb", 2): one_of(*FLAGS),
}


def call_of(entry: Function, draw: random.Random) -> Call:
    texts: list[str | None] = []
    for place, kind in enumerate(entry.args):
        known = BY_PLACE.get((entry.name, kind.name, place), BY_TYPE[kind.name])
        texts.append(None if draw.random() < 0.01 else known(draw))
    return Call(entry, entry.args, tuple(texts))


def _is_known_to_differ(call: Call) -> bool:
    """PostgreSQL keeps one of two operands of the same word by a sort that is not stable."""
    query = next((text for kind, text in zip(call.types, call.texts) if kind.name == "tsquery"), None) or ""
    return call.entry.name == "ts_rank" and "*" in query


ENTRIES = [
    entry
    for entries in FUNCTIONS.values()
    for entry in entries
    if entry.impl.__module__.startswith(MODULES) and entry.name != "tsvector_cmp"
]


@pytest.mark.parametrize("seed", range(2))
def test_functions_of_random_arguments(connection: "psycopg.Connection[Any]", seed: int) -> None:
    draw = random.Random(seed)
    wrong = []
    for entry in ENTRIES:
        for _ in range(CALLS):
            call = call_of(entry, draw)
            if _is_known_to_differ(call):
                continue
            mine, real = ours(call), theirs(connection, call)
            if mine != real:
                wrong.append((call.sql, mine, real))
    assert wrong == []


def test_prefixes_are_ranked(connection: "psycopg.Connection[Any]") -> None:
    draw = random.Random(3)
    entries = [entry for entry in ENTRIES if entry.name == "ts_rank"]
    for entry in entries:
        for _ in range(20):
            call = call_of(entry, draw)
            words = draw.sample(["a", "ab", "foo", "b", "x"], 3)
            query = f"{words[0]}:* {draw.choice('&|')} {words[1]} & {words[2]}:*"
            texts = tuple(
                query if kind.name == "tsquery" else text for kind, text in zip(call.types, call.texts)
            )
            asked = Call(entry, call.types, texts)
            assert ours(asked) == theirs(connection, asked), asked.sql


def test_catalogs_are_those_of_simple(connection: "psycopg.Connection[Any]", tmp_path: Path) -> None:
    queries = [
        "SELECT oid, cfgname, cfgnamespace::regnamespace, cfgparser FROM pg_ts_config WHERE cfgname = 'simple'",
        "SELECT * FROM pg_ts_config_map WHERE mapcfg = 3748 ORDER BY maptokentype",
        "SELECT oid, dictname, dicttemplate, dictinitoption FROM pg_ts_dict WHERE dictname = 'simple'",
        "SELECT oid, prsname, prsstart, prstoken, prsend, prsheadline, prslextype FROM pg_ts_parser",
        "SELECT oid, tmplname, tmplinit, tmpllexize FROM pg_ts_template WHERE tmplname = 'simple'",
    ]

    async def work(node: Node) -> None:
        client = Client(node)
        for query in queries:
            rows = [
                tuple(None if value is None else str(value) for value in row)
                for row in connection.execute(query).fetchall()
            ]
            assert (await client.query(query))[:-1] == rows, query

    run(tmp_path, work)


QUERY, VECTOR = "tsquery", "tsvector"
MESSAGES = [
    (QUERY, b"\0\0\0\0"),
    (QUERY, b"\0\0\0\1\1\0\0a\0"),
    (QUERY, b"\0\0\0\1\1\0\0a\0x"),
    (QUERY, b"\0\0\0\1\2\1"),
    (QUERY, b"\0\0\0\2\2\1\1\0\0a\0"),
    (QUERY, b"\0\0\0\2\1\0\0a\0\1\0\0a\0"),
    (QUERY, b"\0\0\0\3\2\4\0\2\1\0\0b\0\1\x0f\1a\0"),
    (QUERY, b"\0\0\0\1\1\x1f\0a\0"),
    (QUERY, b"\0\0\0\1\3"),
    (QUERY, b"\0\0\0\2\2\7\1\0\0a\0"),
    (QUERY, b"\xff\xff\xff\xff"),
    (QUERY, b"\0\0\0\1\1\0\0a"),
    (VECTOR, b"\0\0\0\0"),
    (VECTOR, b"\0\0\0\1a\0\0\0"),
    (VECTOR, b"\0\0\0\2b\0\0\0a\0\0\1\x40\1"),
    (VECTOR, b"\0\0\0\1a\0\0\2\0\2\0\1"),
    (VECTOR, b"\0\0\0\2a\0\0\0a\0\0\0"),
    (VECTOR, b"\xff\xff\xff\xff"),
    (VECTOR, b"\0\0\0\1" + b"a" * 2048 + b"\0\0\0"),
    (VECTOR, b"\0\0\0\1a\0\2\0"),
    (VECTOR, b"\0\0\0\1a\0\0\0x"),
    (VECTOR, b"\0\0\0\1\xff\0\0\0"),
]


def _received(connection: "psycopg.Connection[Any]", name: str, data: bytes) -> Any:
    connection.execute(f"CREATE TEMP TABLE received (v {name})")
    try:
        with connection.cursor().copy("COPY received FROM STDIN (FORMAT binary)") as copy:
            head = b"PGCOPY\n\xff\r\n\0" + struct.pack("!iihi", 0, 0, 1, len(data))
            copy.write(head + data + struct.pack("!h", -1))
        return connection.execute("SELECT v::text FROM received").fetchall()
    except psycopg.Error as error:
        return error.diag.sqlstate, error.diag.message_primary
    finally:
        connection.execute("DROP TABLE received")


@pytest.mark.parametrize(("name", "data"), MESSAGES)
def test_binary_forms_are_read_as_postgresql_does(
    connection: "psycopg.Connection[Any]", name: str, data: bytes
) -> None:
    kind = BY_NAME[name]
    mine: Any
    try:
        mine = [(kind.output(kind.receive(data, -1, function_cases.ENV), function_cases.ENV),)]
    except PgError as error:
        mine = error.sqlstate, error.message
    assert mine == _received(connection, name, data)


@pytest.mark.parametrize("name", [QUERY, VECTOR])
def test_values_survive_storage(name: str) -> None:
    kind = BY_NAME[name]
    assert kind.pack is not None and kind.unpack is not None
    draw = random.Random(5)
    for text in ("", *(BY_TYPE[name](draw) for _ in range(100))):
        try:
            value = kind.input(text, -1, function_cases.ENV)
        except PgError:
            continue
        assert kind.unpack(kind.pack(value)) == value


def test_tables_are_searched(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        client = Client(node)
        await client.query("CREATE TABLE t (id int PRIMARY KEY, body text)")
        await client.query("INSERT INTO t VALUES (1, 'foo bar'), (2, 'baz'), (3, 'bar foo foo')")
        ranked = (
            "SELECT id, ts_rank(to_tsvector('simple', body), q) > 0.07 FROM t, to_tsquery('simple', 'foo') q"
            " WHERE to_tsvector('simple', body) @@ q ORDER BY 2 DESC"
        )
        assert await client.query(ranked) == [("3", "t"), ("1", "f"), "SELECT 2"]
        assert await client.query("SELECT id FROM t WHERE body @@ 'bar' ORDER BY id") == [
            ("1",),
            ("3",),
            "SELECT 2",
        ]
        rows = await client.query("SELECT ts_parse('default', 'a 1')")
        assert rows == [("(1,a)",), ('(12," ")',), ("(22,1)",), "SELECT 3"]
        shown = ["ERROR 0A000 datatype tsvector[] not supported"]
        assert await client.query("ALTER TABLE t ADD COLUMN v tsvector[]") == shown

    run(tmp_path, work)


@pytest.mark.parametrize(
    "text",
    ["<!-- " * 100_000, "a.1" * 300_000, "a-1-" * 200_000, "<a " * 300_000, "x/" * 300_000, "1." * 300_000],
)
def test_a_text_never_takes_long(text: str) -> None:
    effort = Effort()
    try:
        assert sum(len(word) for _, word in tokens(text, effort)) > 0
    except PgError as error:
        assert error.sqlstate == "54000"


def test_the_parser_gives_up_on_a_text_that_takes_many_steps() -> None:
    with pytest.raises(PgError) as told:
        list(tokens("<!-- " * 10_000, Effort()))
    assert told.value.sqlstate == "54000"


def test_usual_texts_need_few_steps() -> None:
    text = "The quick brown fox, which (as we know) jumps over the lazy dog; 12 times! " * 1_000
    found = list(tokens(text, Effort(steps=len(text) // 2)))
    assert sum(kind == NUMBER_OF["asciiword"] for kind, _ in found) == 14_000


@pytest.mark.parametrize("text", ["w1 23 ", "é日 ж ", "naïve 4 "])
def test_words_of_every_kind_need_few_steps(text: str) -> None:
    assert list(tokens(text * 1_000, Effort(steps=len(text) * 1_000)))


def test_a_query_has_a_largest_size() -> None:
    with pytest.raises(PgError) as told:
        BY_NAME["tsquery"].input("&".join("a" * 200_000), -1, function_cases.ENV)
    assert (told.value.sqlstate, told.value.message) == ("54000", "tsquery is too large")


def test_a_lexeme_has_at_most_256_positions() -> None:
    value = tsvector_in("a:" + ",".join(map(str, range(1, 400))), -1, function_cases.ENV)
    assert len(value.entries[0][1]) == 256
