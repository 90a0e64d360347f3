"""Asks PostgreSQL and our types the same question and lays the answers side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from server.errors import PgError
from server.sql import types
from server.sql.casts import find_cast
from server.sql.env import Env

PROBE = """
create or replace function pg_temp.probe_type(expression text, send text) returns text[]
language plpgsql as $$
declare result text[]; state text; message text; more text; hint text;
begin
  execute format(
    'select array[%L, format(''%%s'', v), encode(%s(v), ''hex'')] from (select %s as v) s',
    'ok', send, expression) into result;
  return result;
exception when others then
  get stacked diagnostics state = returned_sqlstate, message = message_text, more = pg_exception_detail,
    hint = pg_exception_hint;
  return array[state, message, more, hint];
end $$
"""

Answer = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A text read as a type, perhaps with a typmod, perhaps cast on to a second type."""

    type: str
    text: str
    target: str | None = None


def ask_postgres(connection: "psycopg.Connection[object]", questions: Sequence[Question]) -> list[Answer]:
    """What PostgreSQL says: (ok, text, hex of the binary form) or (SQLSTATE, message, detail, hint)."""
    connection.execute(PROBE)
    expressions, sends = [], []
    for question in questions:
        literal = psycopg.sql.Literal(question.text).as_string(connection)
        cast = f"cast({literal} as {question.type})"
        expressions.append(f"cast({cast} as {question.target})" if question.target else cast)
        found, _ = lookup(question.target or question.type)
        sends.append(_send(found))
    query = (
        "select pg_temp.probe_type(e, s) from unnest(%s::text[], %s::text[])"
        " with ordinality u(e, s, n) order by n"
    )
    return [tuple(row[0]) for row in connection.execute(query, (expressions, sends)).fetchall()]  # type: ignore[index]


def _send(found: types.Type) -> str:
    special = {"date": "date_send", "time": "time_send", "timestamp": "timestamp_send", "json": "json_send"}
    under = {
        "timestamptz", "timetz", "interval", "numeric", "jsonb", "jsonpath", "uuid", "bool", "inet", "cidr", "macaddr",
        "macaddr8",
    }  # fmt: skip
    if found.category == "A" and found.name.startswith("_"):
        return "array_send"
    if found.kind in "rm":
        return "range_send" if found.kind == "r" else "multirange_send"
    if found.name in special:
        return special[found.name]
    return found.name + ("_send" if found.name in under - {"bool"} else "send")


def lookup(name: str) -> tuple[types.Type, int]:
    """A type with modifiers as these tests write it: varchar(3), numeric(5,2)[], interval."""
    is_array = name.endswith("[]")
    base, _, rest = name.removesuffix("[]").partition("(")
    modifiers = rest.rstrip(")").split(",") if rest else []
    fields = None
    if base.startswith("interval "):
        base, fields = "interval", base.removeprefix("interval ")
    found, typmod = types.lookup_type_name((base.strip('"'),), modifiers, fields)
    if is_array:
        array = types.array_of(found)
        assert array is not None
        found = array
    return found, typmod


def ask_ours(env: Env, question: Question) -> Answer:
    """What our types say, in the same form."""
    try:
        found, typmod = lookup(question.type)
        value = found.input(question.text, typmod if found.name == "interval" else -1, env)
        value = types.apply_typmod(found, typmod, value, True)
        if question.target:
            target, typmod = lookup(question.target)
            cast = find_cast(found, target, "e")
            if cast is None:
                message = f"cannot cast type {found.display} to {target.display}"
                return "42846", message, "", ""
            if cast.func is not None:
                value = cast.func(value, env)
            if value is None:
                return "ok", "", None
            value = types.apply_typmod(target, typmod, value, True)
            found = target
        text = types.text_encoder(found, env)(value)
        assert text.decode() == found.output(value, env)
        binary = types.binary_encoder(found, env)(value)
        again = types.binary_decoder(found, -1, env)(binary)
        assert types.binary_encoder(found, env)(again) == binary
        return "ok", text.decode(), binary.hex()
    except PgError as error:
        return error.sqlstate, error.message, error.detail or "", error.hint or ""


def differences(
    connection: "psycopg.Connection[object]", env: Env, questions: Sequence[Question]
) -> list[tuple[Question, Answer, Answer]]:
    """(question, PostgreSQL's answer, ours) where they differ."""
    theirs = ask_postgres(connection, questions)
    pairs = [(question, answer, ask_ours(env, question)) for question, answer in zip(questions, theirs)]
    return [(question, answer, ours) for question, answer, ours in pairs if answer != ours]
