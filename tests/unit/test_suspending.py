"""What a suspended session consists of: every part matters, and what cannot be moved stays (DESIGN §10, P2)."""

import copy
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pygwire import messages as pg

from journal.broken import Broken
from server.errors import PgError
from server.pgwire.connection import Connection
from server.runtime.node import Node
from server.session import suspending
from server.session.session import SqlSession
from server.sql.limits import Limits
from tests import moving, sessions
from tests.nodes import Clock
from tests.property.test_suspension import SETUP
from tests.sessions import extended


def prepared(name: str, text: str, *oids: int) -> list[pg.PGMessage]:
    return [pg.Parse(name, text, list(oids)), pg.Sync()]


def run_again(name: str, *values: bytes, portal: str = "") -> list[pg.PGMessage]:
    return [
        pg.Bind(portal, name, [], list(values), []),
        pg.Describe("P", portal),
        pg.Execute(portal),
        pg.Sync(),
    ]


SCRIPTS: dict[str, list[moving.Step]] = {
    "buffer": [
        ("a", "begin"),
        ("a", "update t set v = 'mine' where k = 1"),
        ("a", "delete from t where k = 2"),
        ("a", "select k, v from t order by k"),
        ("a", "commit"),
        ("b", "select k, v from t order by k"),
    ],
    "conflict": [
        ("a", "begin"),
        ("a", "update t set v = 'mine' where k = 1"),
        ("b", "update t set v = 'theirs' where k = 1"),
        ("a", "commit"),
        ("a", "select v from t where k = 1"),
    ],
    "snapshot": [
        ("a", "begin"),
        ("b", "update t set v = 'new'"),
        ("a", "select k, v from t order by k"),
        ("a", "commit"),
    ],
    "locks": [
        ("a", "begin"),
        ("a", "select * from t where k = 1 for update"),
        ("b", "update t set v = 'theirs' where k = 1"),
        ("a", "commit"),
    ],
    "clock": [
        ("a", "begin; insert into t values (4, 'd', now())"),
        ("a", "select at = now(), statement_timestamp() > now() from t where k = 4"),
        ("a", "commit"),
    ],
    "read only": [("a", "begin read only"), ("a", "insert into t values (4)"), ("a", "rollback")],
    "rows": [
        ("a", "begin"),
        ("a", "insert into t select g from generate_series(11, 15) g"),
        ("a", "insert into t select g from generate_series(21, 25) g"),
        ("a", "commit"),
    ],
    "ddl, then dml": [
        ("a", "begin"),
        ("a", "create table u (k int primary key)"),
        ("a", "select * from u"),
        ("a", "insert into t values (4)"),
        ("a", "rollback"),
        ("a", "begin"),
        ("a", "insert into t values (4)"),
        ("a", "create table u (k int primary key)"),
        ("a", "rollback"),
        ("a", "begin"),
        ("a", "update t set v = 'none' where k = 99"),
        ("a", "create table u (k int primary key)"),
        ("a", "rollback"),
    ],
    "used": [
        ("a", "begin"),
        ("a", "update t set v = 'mine' where k = 1"),
        ("b", "alter table t add column w int"),
        ("a", "commit"),
        ("a", "select * from t where k = 1"),
        ("a", "begin"),
        ("a", "select k from t where k = 1"),
        ("b", "alter table t rename column w to x"),
        ("a", "commit"),
    ],
    "roles": [
        ("c:bob", "begin"),
        ("c:bob", "update t set v = 'mine' where k = 1"),
        ("b", "alter role bob with nologin"),
        ("c:bob", "commit"),
    ],
    "failed": [("a", "begin"), ("a", "select 1/0"), ("a", "select 1"), ("a", "commit"), ("a", "select 1")],
    "settings": [
        ("a", "set datestyle = 'German'"),
        ("a", "begin"),
        ("a", "set datestyle = 'SQL'"),
        ("a", "set local timezone = 'Asia/Tokyo'"),
        ("a", "select '2024-01-01 00:00+00'::timestamptz"),
        ("a", "rollback"),
        ("a", "select '2024-01-01 00:00+00'::timestamptz"),
        ("a", "begin"),
        ("a", "set local timezone = 'Asia/Tokyo'"),
        ("a", "set intervalstyle = 'iso_8601'"),
        ("a", "commit"),
        ("a", "select '2024-01-01 00:00+00'::timestamptz, '1 day'::interval"),
        ("a", "reset all"),
        ("a", "show application_name"),
    ],
    "met": [
        ("a", "select count(*) from t"),
        ("b", "alter table t add column w int"),
        ("a", "select * from t"),
    ],
    "prepared": [
        ("a", prepared("s", "  select k, v from t where k = $1")),
        ("a", "select name, parameter_types, result_types from pg_prepared_statements"),
        ("a", run_again("s", b"1")),
        ("a", prepared("e", "")),
        ("a", run_again("e")),
        ("a", prepared("i", "insert into t values ($1, 'p')", 20)),
        ("a", [pg.Describe("S", "i"), pg.Describe("S", "s"), pg.Sync()]),
        ("a", run_again("i", b"4")),
        ("a", prepared("z", "show timezone")),
        ("a", run_again("z")),
        ("a", prepared("r", "select t, array[t.k] from t where k = 1")),
        ("a", [pg.Describe("S", "r"), pg.Sync()]),
        ("a", run_again("r")),
        ("a", prepared("all", "select * from t order by k")),
        ("a", "begin"),
        ("a", "select 1/0"),
        ("a", run_again("s", b"1")),
        ("a", "rollback"),
        ("b", "alter table t add column w int"),
        ("a", run_again("all")),
        ("a", run_again("all")),
        ("a", "deallocate all"),
        ("a", run_again("s", b"1")),
    ],
    "place": [
        ("a", prepared("s", "  /* before */ select v from t where k = 1")),
        ("b", "alter table t rename column v to w"),
        ("a", run_again("s")),
        ("a", run_again("s")),
    ],
    "portals": [
        ("a", "begin"),
        ("a", prepared("s", "select k, v from t order by k")),
        ("a", [pg.Bind("p", "s", [], [], [1]), pg.Execute("p"), pg.Sync()]),
        ("a", [pg.Describe("P", "p"), pg.Execute("p"), pg.Sync()]),
        (
            "a",
            [*prepared("i", "insert into t values (4)")[:1], pg.Bind("i", "i"), pg.Execute("i"), pg.Sync()],
        ),
        ("a", [pg.Execute("i"), pg.Sync()]),
        ("a", "commit"),
    ],
    "row limits": [
        ("a", "begin"),
        (
            "a",
            [
                *prepared("o", "select k from t where k = 1")[:1],
                pg.Bind("o", "o"),
                pg.Execute("o", 1),
                pg.Sync(),
            ],
        ),
        ("a", [pg.Execute("o", 1), pg.Sync()]),
        (
            "a",
            [*prepared("w", "insert into t values (4), (5) returning k")[:1], pg.Bind("w", "w"), pg.Sync()],
        ),
        ("a", [pg.Execute("w", 2), pg.Sync()]),
        ("a", [pg.Execute("w", 2), pg.Sync()]),
        ("a", [pg.Execute("w", 2), pg.Sync()]),
        (
            "a",
            [
                *prepared("e", "select 1 / (3 - k) from t")[:1],
                pg.Bind("e", "e"),
                pg.Execute("e", 2),
                pg.Sync(),
            ],
        ),
        ("a", [pg.Execute("e"), pg.Sync()]),
    ],
    "who": [
        ("c:bob", "select current_user, current_database(), pg_backend_pid()"),
        ("c:bob", "select current_user, current_database(), pg_backend_pid()"),
    ],
    "last query": [("a", "select 7"), ("b", "select pid, query from pg_stat_activity where query like '%7'")],
}
"""By what they show. In plain sessions and in moved ones each must give the same answers."""

LIMITS = Limits(transaction_rows=8)


def answers(data: Path, name: str, moving_: bool) -> list[bytes]:
    # Other processes know of a session no more than its name, so that `last query` stays on one host.
    return moving.play(
        data, SCRIPTS[name], moving=moving_, setup=SETUP, limits=LIMITS, elsewhere=name != "last query"
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[bytes]]:
    """The answers to a script of sessions that are not moved."""
    known: dict[str, list[bytes]] = {}

    def find(name: str) -> list[bytes]:
        if name not in known:
            known[name] = answers(tmp_path_factory.mktemp("plain"), name, False)
        return known[name]

    return find


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_moved_session_answers_as_one_that_stays(name, plain, tmp_path):
    moved = answers(tmp_path, name, True)
    for step, before, after in zip(SCRIPTS[name], plain(name), moved, strict=True):
        assert after == before, step


def blank(kind: type[msgspec.Struct], field: str, value: Any) -> Callable[[Any], Any]:
    """A decoder that has forgotten one field of every `kind`."""
    decode = suspending._decode

    def forget(item: Any) -> Any:
        if isinstance(item, msgspec.Struct):
            fields = {name: forget(getattr(item, name)) for name in item.__struct_fields__}
            if isinstance(item, kind):
                fields[field] = copy.deepcopy(value)
            return type(item)(**fields)
        if isinstance(item, dict):
            return {key: forget(each) for key, each in item.items()}
        if isinstance(item, list | tuple):
            return type(item)(map(forget, item))
        return item

    return lambda data: forget(decode(data))


PARTS: Sequence[tuple[type[msgspec.Struct], str, Any, str]] = [
    (suspending._State, "user", "admin", "who"),
    (suspending._State, "database", "elsewhere", "who"),
    (suspending._State, "process_id", 999, "who"),
    (suspending._State, "status", b"I", "failed"),
    (suspending._State, "query_text", "", "last query"),
    (suspending._State, "now", 0, "clock"),
    (suspending._State, "met_at", 0, "met"),
    (suspending._State, "statements", {}, "prepared"),
    (suspending._State, "portals", [], "portals"),
    (suspending._State, "transaction", None, "buffer"),
    (suspending.Saved, "values", {}, "settings"),
    (suspending.Saved, "before", {}, "settings"),
    (suspending.Saved, "local", {}, "settings"),
    (suspending._Transaction, "start_ts", 1 << 62, "snapshot"),
    (suspending._Transaction, "read_only", False, "read only"),
    (suspending._Transaction, "ddl", False, "ddl, then dml"),
    (suspending._Transaction, "dml", False, "ddl, then dml"),
    (suspending._Transaction, "writes", [], "buffer"),
    (suspending._Transaction, "locks", {}, "locks"),
    (suspending._Transaction, "row_keys", set(), "rows"),
    (suspending._Transaction, "used", set(), "used"),
    (suspending._Transaction, "roles", set(), "roles"),
    (suspending._Statement, "text", "select 1", "prepared"),
    (suspending._Statement, "start", 0, "place"),
    (suspending._Statement, "is_planned", False, "prepared"),
    (suspending._Statement, "columns", (), "prepared"),
    (suspending._Statement, "param_types", (), "prepared"),
    (suspending._Statement, "tag", "", "portals"),
    (suspending._Statement, "tables", (), "prepared"),
    (suspending._Portal, "formats", (0, 0), "portals"),
    (suspending._Portal, "is_done", False, "portals"),
    (suspending._Column, "name", "x", "prepared"),
    (suspending._Column, "kind", suspending._Kind(16), "prepared"),
    (suspending._Column, "typmod", 9, "prepared"),
    (suspending._Column, "table_oid", 0, "prepared"),
    (suspending._Column, "attnum", 0, "prepared"),
]


@pytest.mark.parametrize(("kind", "field", "value", "script"), PARTS, ids=lambda part: str(part)[:40])
def test_every_part_of_the_state_matters(kind, field, value, script, plain, tmp_path, monkeypatch):
    monkeypatch.setattr(suspending, "_decode", blank(kind, field, value))
    try:
        moved = answers(tmp_path, script, True)
    except (AssertionError, KeyError, AttributeError):
        return  # a defect where the plain session has an answer
    assert moved != plain(script)


# --- one session, looked at ---


def scenario(tmp_path: Path, work: Callable[[Node, moving.Moving], Awaitable[None]], **options: Any) -> None:
    """`work` with a client that moves between the node and another host."""

    async def main(node: Node) -> None:
        client = moving.Moving(node)
        client.hosts = (node, moving.Elsewhere(node))
        await client.query("create table t (k int primary key, v int)")
        await client.query("insert into t values (1, 1), (2, 2)")
        await work(node, client)

    sessions.run(tmp_path, main, **options)


STAYS: dict[str, tuple[Sequence[pg.PGMessage], Sequence[pg.PGMessage]]] = {
    "no Sync yet": ([pg.Parse(query="select 1"), pg.Flush()], [pg.Sync()]),
    "an implicit transaction": (extended("insert into t values (5)"), [pg.Sync()]),
    "a portal with rows": (
        [pg.Query(query_string="begin"), *extended("select * from t", max_rows=1), pg.Sync()],
        [pg.Execute(), pg.Sync()],
    ),
    "a portal that locks": (
        [pg.Query(query_string="begin"), *extended("select * from t for update", max_rows=1), pg.Sync()],
        [pg.Query(query_string="rollback")],
    ),
    "a portal that has not run": (
        [pg.Query(query_string="begin"), *extended("select * from t")[:2], pg.Sync()],
        [pg.Execute(), pg.Sync()],
    ),
    "COPY": ([pg.Query(query_string="copy t from stdin")], [pg.CopyDone()]),
    "the moment of 'now'": (
        [pg.Parse("s", "select 'now'::timestamptz"), pg.Sync()],
        [pg.Close("S", "s"), pg.Sync()],
    ),
    "skipping to Sync": ([pg.Parse(query="selec")], [pg.Sync()]),
}


@pytest.mark.parametrize("name", STAYS)
def test_who_is_more_than_its_state_stays(name, tmp_path):
    async def work(node: Node, client: moving.Moving) -> None:
        assert suspending.may_suspend(client.connection)
        before, after = STAYS[name]
        await client.send(*before)
        assert not suspending.may_suspend(client.connection)
        if client.connection.is_at_rest:
            with pytest.raises(Broken):
                suspending.suspend(client.session)
        await client.send(*after)
        assert suspending.may_suspend(client.connection)

    scenario(tmp_path, work)


def test_a_part_of_a_message_keeps_the_connection(tmp_path):
    async def work(node: Node, client: moving.Moving) -> None:
        wire = pg.Query(query_string="select 1").to_wire()
        client.connection.receive(wire[:7])
        assert not suspending.may_suspend(client.connection)
        client.connection.receive(wire[7:])
        client.connection.output()
        assert suspending.may_suspend(client.connection)

    scenario(tmp_path, work)


def test_a_running_statement_keeps_the_session(tmp_path):
    async def work(node: Node, client: moving.Moving) -> None:
        client.begin(pg.Query(query_string="select pg_sleep(0.01)"))
        assert not suspending.may_suspend(client.connection)
        assert not suspending.is_movable(client.session)
        await client.finish()
        assert suspending.may_suspend(client.connection)

    scenario(tmp_path, work)


def test_the_age_goes_on_while_it_is_suspended(tmp_path):
    async def work(node: Node, client: moving.Moving) -> None:
        client.kept_s = 100.0
        await client.query("begin")
        client.boundary()
        client.boundary()
        assert 200 <= client.session.txn.age_s < 250
        assert (await client.query("select k from t where k = 1"))[-1] == "SELECT 1"
        client.boundary()
        error = "ERROR 54000 transaction age limit of 300s exceeded"
        assert (await client.query("select k from t where k = 1"))[-1] == error

    scenario(tmp_path, work)


def test_it_keeps_its_id_and_secret_and_is_counted_once(tmp_path):
    async def work(node: Node, client: moving.Moving) -> None:
        await client.query("begin")
        elsewhere = client.hosts[1]
        who = client.session.process_id, client.session.secret, client.session.session_id
        assert (node.open_transactions, elsewhere.open_transactions) == (1, 0)
        client.boundary()
        session = client.session
        assert (session.process_id, session.secret, session.session_id) == who
        assert (node.open_transactions, elsewhere.open_transactions) == (0, 1)
        assert not node.sessions and list(elsewhere.sessions) == [who[0]]
        client.boundary()
        assert (node.open_transactions, elsewhere.open_transactions) == (1, 0)

    scenario(tmp_path, work, limits=Limits(connections=1))


def test_start_up_options_are_what_reset_restores(tmp_path):
    async def main(node: Node) -> None:
        client = moving.Moving(node, datestyle="German")
        client.hosts = (node,)
        client.boundary()
        await client.query("set datestyle = 'SQL'")
        client.boundary()
        await client.query("reset datestyle")
        assert await client.rows("show datestyle") == [("German, DMY",)]

    sessions.run(tmp_path, main)


def test_a_state_that_is_too_large_stays(tmp_path, monkeypatch):
    async def work(node: Node, client: moving.Moving) -> None:
        size = len(suspending.suspend(client.session))
        monkeypatch.setattr(suspending, "STATE_LIMIT", size)
        assert len(suspending.suspend(client.session)) == size
        monkeypatch.setattr(suspending, "STATE_LIMIT", size - 1)
        with pytest.raises(suspending.TooLarge):
            suspending.suspend(client.session)
        assert (await client.query("select 1"))[-1] == "SELECT 1"

    scenario(tmp_path, work)


def test_a_state_of_another_version_is_refused(tmp_path):
    async def work(node: Node, client: moving.Moving) -> None:
        state = bytearray(suspending.suspend(client.session))
        state[1] += 1
        with pytest.raises(suspending.UnknownVersion):
            suspending.resume(node, bytes(state), [])

    scenario(tmp_path, work)


def test_a_catalog_whose_rows_are_trimmed_counts_as_changed(tmp_path):
    """An hour of idling, and DDL meanwhile: what was changed gives OC001 once, what was not goes on."""
    clock = Clock()

    async def work(node: Node, client: moving.Moving) -> None:
        for table in ("kept", "altered"):
            await client.query(f"create table {table} (k int primary key)")
        await client.query("select * from kept")
        state = suspending.suspend(client.session)
        other = sessions.Client(node)
        await other.query("alter table altered add column w int")
        for _ in range(20):
            clock.now += 3600 * 10**9
            await other.query("update t set v = v + 1")
            await other.query("alter table t rename column v to w")
            await other.query("alter table t rename column w to v")
        first = suspending.resume(node, state, [])
        newest = node.catalog(first.cluster)
        assert sum(table.version < 0 for table in first.catalog.tables.values()) == 2
        assert all(table.version > 0 for table in newest.tables.values())
        assert await answer(first, "select * from kept") == b"C"
        second = suspending.resume(node, state, [])
        assert await answer(second, "select * from altered") == b"E40001"
        assert await answer(second, "select * from altered") == b"C"

    scenario(tmp_path, work, clock=clock)


def test_a_past_whose_catalog_is_gone_is_not_taken_for_the_present(tmp_path):
    clock = Clock()

    async def work(node: Node, client: moving.Moving) -> None:
        moment = (await client.rows("select now()"))[0][0]
        await client.query("begin read only")
        assert await client.query(f"select opendsql.as_of('{moment}')") != []
        assert client.session.txn is not None and client.session.txn.is_past
        state = suspending.suspend(client.session)
        other = sessions.Client(node)
        await other.query("alter table t add column w int")
        open_before, known = node.open_transactions, len(node.sessions)
        node.versions.trim_before(node.start_ts())
        with pytest.raises(PgError, match="snapshot too old") as raised:
            suspending.resume(node, state, [])
        assert raised.value.sqlstate == "72000"
        assert (node.open_transactions, len(node.sessions)) == (open_before, known)

    scenario(tmp_path, work, clock=clock)


async def answer(session: SqlSession, sql: str) -> bytes:
    """C, or E and SQLSTATE."""
    session.out.clear()
    try:
        for wanted in session.query(sql) or ():
            assert wanted is not None
    except PgError as error:
        session.failed(error)
        return b"E" + error.sqlstate.encode()
    return b"C"


def test_long_texts_are_parsed_beside_the_loop(tmp_path):
    async def work(node: Node, client: moving.Moving) -> None:
        assert suspending.long_texts(client.session) is None
        await client.send(*prepared("short", "select 1"))
        await client.send(*prepared("long", f"select 1 {' ' * 5000} + 1"))
        client.boundary()
        step = suspending.long_texts(client.session)
        step()
        held = client.session.statements
        assert held["long"]._parsed is not None and held["short"]._parsed is None
        assert (await client.send(*run_again("long")))[0] == ("2",)

    scenario(tmp_path, work)


ALL_ROWS = [
    pg.Query(query_string="begin"),
    *extended("select k from t where k <= $1::int", "1", max_rows=1),
    pg.Sync(),
]


def test_a_row_limit_that_is_the_number_of_rows_holds_nothing(tmp_path):
    async def work(node: Node, client: moving.Moving) -> None:
        assert (await client.send(*ALL_ROWS))[-2:] == [("1",), "s"]
        assert suspending.may_suspend(client.connection)
        client.boundary()
        assert client.moves == 1
        assert await client.send(pg.Execute(), pg.Sync()) == ["SELECT 0"]

    scenario(tmp_path, work)


def test_an_error_that_was_met_too_early_is_told_when_it_is_due(tmp_path):
    async def work(node: Node, client: moving.Moving) -> None:
        failing = "select 1 / (300 - g) from generate_series(1, 400) g"
        await client.send(pg.Query(query_string="begin"), *extended(failing, max_rows=256), pg.Sync())
        suspending.may_suspend(client.connection)
        suspending.may_suspend(client.connection)
        assert (await client.send(pg.Execute(), pg.Sync()))[-1] == "ERROR 22012 division by zero"
        assert client.status == "E"

    scenario(tmp_path, work)


def test_a_base_is_the_session_without_its_transaction(tmp_path):
    """What a router resumes when the process has died: 40001 at the next statement, settings as after a rollback."""

    async def work(node: Node, client: moving.Moving) -> None:
        await client.query("set timezone = 'Asia/Tokyo'")
        known = suspending.Known(client.session)
        await client.query("begin")
        await client.query("insert into t values (3, 3)")
        assert known.is_true_of(client.session)
        await client.query("set local timezone = 'Europe/Berlin'")
        assert known.is_true_of(client.session)
        await client.send(*prepared("s", "select k from t order by k"))
        assert not known.is_true_of(client.session)
        base = suspending.base(client.session)
        client.close()
        for first, then, status in (
            ("select 1", "ERROR 40001", "E"),
            ("commit", "ERROR 40001", "I"),
            ("rollback", "ROLLBACK", "I"),
        ):
            left = resumed(node, client, base)
            assert (await left.query(first))[-1].startswith(then)
            assert left.status == status
            if status == "E":
                assert (await left.query("select 1"))[-1].startswith("ERROR 25P02")
                assert (await left.query("commit"))[-1] == "ROLLBACK"
            assert await left.rows("show timezone") == [("Asia/Tokyo",)]
            assert [row for row in await left.send(*run_again("s")) if isinstance(row, tuple)] == [
                ("1",),
                ("2",),
            ]
            left.close()
        left = resumed(node, client, base)
        assert not suspending.may_suspend(left.connection)
        assert (await left.send(*prepared("x", "commit")))[-1].startswith("ERROR 40001")
        assert left.status == "I" and suspending.may_suspend(left.connection)
        left.close()
        assert node.open_transactions == 0

    scenario(tmp_path, work)


def resumed(node: Node, before: sessions.Client, base: bytes) -> sessions.Client:
    """A client whose session is what `base` says, its transaction lost."""
    made = sessions.Client(node)
    made.connection.close()
    made.connection = Connection.resumed(
        before.connection._environment, lambda out: suspending.resume(node, base, out, is_bereft=True)
    )
    return made
