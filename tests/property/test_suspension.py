"""Random exchanges of two sessions, with and without moving them at every boundary: the same bytes (P2)."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pygwire import messages as pg

from tests import moving

SETUP = [
    "create table t (k int primary key, v text, at timestamptz)",
    "create table wide (a int, b jsonb)",
    "create role bob with login",
    "grant all on t to bob",
    "insert into t values (1, 'a', '2024-01-01'), (2, 'b', null), (3, null, null)",
]
QUERIES = st.sampled_from(
    [
        "begin",
        "begin",
        "start transaction read only",
        "commit",
        "commit",
        "rollback",
        "insert into t values (4, 'd', now())",
        "insert into t values (1, 'again')",
        "update t set v = v || 'x' where k = 1",
        "update t set k = k + 10 where k = 2",
        "delete from t where k = 3",
        "select k, v from t order by k",
        "select count(*), max(k) from t where at = now()",
        "select statement_timestamp() >= now(), statement_timestamp() = now()",
        "select * from t where k = 1 for update",
        "select t from t where k = 1",
        "insert into wide select k, to_jsonb(v) from t",
        "select * from wide order by a",
        "set local timezone = 'Europe/Berlin'",
        "set timezone = 'Asia/Tokyo'",
        "set datestyle = 'German'",
        "set local intervalstyle = 'iso_8601'",
        "set application_name = 'x'",
        "reset all",
        "show timezone",
        "select '2024-01-01 00:00+00'::timestamptz, '1 day'::interval, current_setting('application_name')",
        "show transaction_read_only",
        "select name, parameter_types, result_types from pg_prepared_statements order by name",
        "select 1/0",
        "selec",
        "",
        "begin; insert into t values (5); commit; select 1",
        "insert into t values (6); select 1/0",
        "copy t from stdin\n7\tg\t\\N\n",
        "copy t from stdin\nseven\n",
        "copy (select k, v from t order by k) to stdout",
        "alter table t add column w int",
        "alter table wide rename column b to c",
        "create table u (k int primary key)",
        "drop table u",
        "select * from u",
        "grant select on wide to bob",
        "revoke all on t from bob",
        "deallocate all",
        "explain select * from t where k = 1",
    ]
)
TEXTS = st.sampled_from(
    [
        "select k, v from t where k = $1",
        "  /* before */ select v from t where k = $1 and nothing",
        "insert into t values ($1, 'p', now())",
        "update t set v = $1 where k = 2",
        "select t, array(select t from t) from t order by k",
        "select 'now'::timestamptz = now()",
        "select $1::regclass",
        "select * from wide",
        "begin",
        "commit",
        "rollback",
        "show timezone",
        "set local timezone = 'Asia/Tokyo'",
        "",
    ]
)
NAMES = st.sampled_from(["", "s"])
MESSAGES = st.one_of(
    st.builds(lambda name, text: pg.Parse(name, text, []), NAMES, TEXTS),
    st.builds(lambda name, text: pg.Parse(name, text, [23]), NAMES, TEXTS),
    st.builds(
        lambda portal, name, values, form: pg.Bind(portal, name, [], values, [form]),
        NAMES,
        NAMES,
        st.sampled_from([[], [b"1"], [b"t"], [None]]),
        st.sampled_from([0, 0, 1]),
    ),
    st.builds(pg.Describe, st.sampled_from("SP"), NAMES),
    st.builds(lambda name, rows: pg.Execute(name, rows), NAMES, st.sampled_from([0, 0, 1])),
    st.builds(pg.Close, st.sampled_from("SP"), NAMES),
    st.just(pg.Flush()),
)
WHOLE = st.builds(
    lambda name, text, values: [
        pg.Parse(name, text, []),
        pg.Bind(name, name, [], values, []),
        pg.Execute(name, 0),
        pg.Sync(),
    ],
    NAMES,
    TEXTS,
    st.sampled_from([[], [b"1"], [b"t"]]),
)
AGAIN = st.builds(
    lambda name, values: [pg.Bind(name, name, [], values, []), pg.Execute(name, 0), pg.Sync()],
    NAMES,
    st.sampled_from([[], [b"1"], [b"2"], [b"t"]]),
)
PARTS = st.builds(
    lambda messages, end: [*messages, *end],
    st.lists(MESSAGES, max_size=5),
    st.sampled_from([[pg.Sync()], [pg.Sync()], [pg.Sync()], []]),
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["a", "a", "b", "c:bob"]), QUERIES | QUERIES | WHOLE | AGAIN | PARTS),
    max_size=25,
)


@pytest.mark.slow
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_a_moved_session_answers_as_one_that_stays(steps: list[moving.Step]) -> None:
    with TemporaryDirectory() as directory:
        data = Path(directory)
        plain = moving.play(data / "plain", steps, moving=False, setup=SETUP)
        moved = moving.play(data / "moved", steps, moving=True, setup=SETUP)
    for step, before, after in zip(steps, plain, moved, strict=True):
        assert after == before, step
