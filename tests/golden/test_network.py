"""Random texts and values of the types of networks give PostgreSQL's answers, right and wrong."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

import server.sql.builtins  # noqa: F401  (fills the tables)
from server.errors import PgError
from server.sql import types
from server.sql.env import Env
from server.sql.functions import FUNCTION_BY_OID, OPERATOR_BY_OID, Function
from server.sql.types import BY_NAME
from tests.function_cases import Call, ours
from tests.network_inputs import TYPES, Networks
from tests.postgres import Postgres
from tests.type_probe import Question, differences

TEXTS, CALLS = 1000, 40
_FIELD = psycopg.pq.DiagnosticField

PROBE = """
CREATE OR REPLACE FUNCTION pg_temp.probe_value(expression text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE result text; state text; message text;
BEGIN
  EXECUTE format('SELECT format(''%%s'', v) FROM (SELECT %s AS v) s', expression) INTO result;
  RETURN array[result];
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS state = returned_sqlstate, message = message_text;
  RETURN array[state, message];
END $$
"""


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> "Iterator[psycopg.Connection[Any]]":
    if postgres.version < 16:
        pytest.skip("these answers are PostgreSQL 16's")
    with postgres.connect() as made:
        made.execute(PROBE)
        yield made


@pytest.mark.parametrize("name", TYPES)
def test_random_texts(connection: "psycopg.Connection[Any]", name: str) -> None:
    draw = Networks(7)
    questions = [Question(name, text) for text in {draw.text_of(name): None for _ in range(TEXTS)}]
    assert differences(connection, Env(), questions) == []


def _entries() -> list[Function]:
    kinds = {BY_NAME[name] for name in TYPES}
    return [entry for entry in FUNCTION_BY_OID.values() if kinds & set(entry.args)]


def _asked(connection: "psycopg.Connection[Any]", calls: Sequence[Call]) -> list[list[str]]:
    query = "SELECT pg_temp.probe_value(e) FROM unnest(%s::text[]) WITH ORDINALITY u (e, n) ORDER BY n"
    return [row[0] for row in connection.execute(query, ([call.sql for call in calls],)).fetchall()]


def test_functions_and_operators_of_random_values(connection: "psycopg.Connection[Any]") -> None:
    draw = Networks(8)
    operators = {operator.function.oid: operator for operator in OPERATOR_BY_OID.values()}
    wrong = []
    for entry in _entries():
        names = [kind.name for kind in entry.args]
        calls = [
            Call(entry, entry.args, draw.arguments(names), operators.get(entry.oid)) for _ in range(CALLS)
        ]
        for call, theirs in zip(calls, _asked(connection, calls)):
            answer = ours(call)
            mine = [answer[0][0]] if isinstance(answer, list) else list(answer)
            if mine != theirs:
                wrong.append((call.sql, mine, theirs))
    assert not wrong


@pytest.mark.parametrize("name", TYPES)
def test_random_values_sort_as_in_postgresql(connection: "psycopg.Connection[Any]", name: str) -> None:
    draw = Networks(9)
    texts = [draw.value_of(name) for _ in range(300)]
    query = f"SELECT dense_rank() OVER (ORDER BY v::{name}) FROM unnest(%s::text[]) WITH ORDINALITY u (v, n) ORDER BY n"
    ranks = [row[0] for row in connection.execute(query, (texts,)).fetchall()]
    values = [BY_NAME[name].input(text, -1, Env()) for text in texts]
    places = {value: place for place, value in enumerate(sorted(set(values)), 1)}
    assert [places[value] for value in values] == ranks


BINARY = [
    b"", b"\x02", b"\x02\x20\x00", b"\x02\x20\x00\x04\x0a\x00\x00", b"\x02\x20\x00\x04\x0a\x00\x00\x01",
    b"\x02\x20\x00\x04\x0a\x00\x00\x01\x00", b"\x04\x20\x00\x04\x0a\x00\x00\x01", b"\x02\x21\x00\x04\x0a\x00\x00\x01",
    b"\x02\x08\x01\x04\x0a\x00\x00\x01", b"\x02\x08\x01\x04\x0a\x00\x00\x00", b"\x02\x08\x07\x05\x0a\x00\x00\x00\x00",
    b"\x03\x80\x00\x10" + bytes(16), b"\x03\x81\x00\x10" + bytes(16), b"\x03\x40\x00\x04" + bytes(4),
    b"\x03\x40\x00\x10" + b"\xff" * 16, b"\x02\x08\x01\x04\x0a\x00\x00\x00\x00", bytes(6), bytes(8), bytes(7), bytes(9),
]  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("data", BINARY, ids=bytes.hex)
def test_binary_forms(connection: "psycopg.Connection[Any]", name: str, data: bytes) -> None:
    kind = BY_NAME[name]
    query = f"SELECT format('%s', $1::{name})".encode()
    theirs = connection.pgconn.exec_params(query, [data], [kind.oid], [1])
    try:
        ours = kind.output(types.binary_decoder(kind, -1, Env())(data), Env())
    except PgError as error:
        told = [theirs.error_field(field) or b"" for field in (_FIELD.SQLSTATE, _FIELD.MESSAGE_DETAIL)]
        assert [error.sqlstate.encode(), (error.detail or "").encode()] == told
        # Bind adds which parameter it was
        assert (theirs.error_field(_FIELD.MESSAGE_PRIMARY) or b"").decode().startswith(error.message)
        return
    assert theirs.get_value(0, 0) == ours.encode()
