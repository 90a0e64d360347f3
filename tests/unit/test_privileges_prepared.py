"""Prepared statements and portals ask for privileges when they run, not when they are made."""

import time

import pytest
from pygwire import messages as pg

from tests.sessions import Client, run

OC001 = "ERROR 40001 schema has been updated by another transaction (OC001)"
DENIED = "ERROR 42501 permission denied for table t"
SETUP = (
    "CREATE ROLE ann WITH LOGIN",
    "CREATE ROLE bob WITH LOGIN",
    "CREATE SCHEMA s",
    "CREATE TABLE s.t (id int PRIMARY KEY, v int)",
    "INSERT INTO s.t VALUES (1, 1), (2, 2)",
    "GRANT USAGE ON SCHEMA s TO ann, bob",
    "GRANT SELECT ON s.t TO ann, bob",
)


async def ready(node) -> tuple[Client, Client]:
    admin = Client(node)
    for statement in SETUP:
        assert not str((await admin.query(statement))[-1]).startswith("ERROR")
    return admin, Client(node, "ann")


def executed(*, max_rows: int = 0) -> list[pg.PGMessage]:
    return [pg.Bind(statement="q"), pg.Execute(max_rows=max_rows), pg.Sync()]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("REVOKE SELECT ON s.t FROM ann", DENIED),
        ("REVOKE USAGE ON SCHEMA s FROM ann", "ERROR 42501 permission denied for schema s"),
    ],
)
def test_what_is_taken_away_counts_at_the_next_execution(tmp_path, change, error):
    async def work(node):
        admin, ann = await ready(node)
        assert (await ann.send(pg.Parse(statement="q", query="SELECT v FROM s.t"), pg.Sync())) == []
        assert (await ann.send(*executed()))[-1] == "SELECT 2"
        assert await admin.query(change) == ["REVOKE"]
        answers = [await ann.send(*executed()) for _ in range(2)]
        assert answers[-1] == [error]
        assert answers[0] in ([OC001], [error])
        assert await ann.query("SELECT v FROM s.t") == [error]
        assert (await Client(node, "bob").query("SELECT v FROM s.t"))[-1] == "SELECT 2"

    run(tmp_path, work)


def test_a_plan_of_one_role_is_not_anothers(tmp_path):
    """Plans are kept by text: each role's are its own."""

    async def work(node):
        admin, _ann = await ready(node)
        await admin.query("REVOKE SELECT ON s.t FROM bob")
        await admin.query("GRANT SELECT (id) ON s.t TO bob")
        ann, bob = Client(node, "ann"), Client(node, "bob")
        for text in ("SELECT v FROM s.t WHERE id = 1", "SELECT v FROM s.t WHERE id = 2"):
            assert (await admin.query(text))[-1] == "SELECT 1"
            assert (await ann.query(text))[-1] == "SELECT 1"
            assert await bob.query(text) == [DENIED]
            assert (await bob.query(text.replace("SELECT v", "SELECT id")))[-1] == "SELECT 1"

    run(tmp_path, work)


def test_a_portal_that_has_begun_goes_on(tmp_path):
    """As a cursor does: its snapshot had the privilege. The transaction's COMMIT learns of the change."""

    async def work(node):
        admin, ann = await ready(node)
        await ann.query("BEGIN")
        opened = await ann.send(
            pg.Parse(query="SELECT v FROM s.t"),
            pg.Bind(portal="p"),
            pg.Execute(portal="p", max_rows=1),
            pg.Sync(),
        )
        assert opened == [("1",), "s"]
        await admin.query("REVOKE SELECT ON s.t FROM ann")
        assert await ann.send(pg.Execute(portal="p"), pg.Sync()) == [("2",), "SELECT 1"]
        assert await ann.query("COMMIT") == [OC001]

    run(tmp_path, work)


def test_a_role_that_is_dropped_has_no_privileges(tmp_path):
    async def work(node):
        admin, ann = await ready(node)
        assert (await ann.query("SELECT v FROM s.t"))[-1] == "SELECT 2"
        await admin.query("REVOKE ALL ON s.t FROM ann")
        await admin.query("REVOKE ALL ON SCHEMA s FROM ann")
        assert await admin.query("DROP ROLE ann") == ["DROP ROLE"]
        answers = [await ann.query("SELECT v FROM s.t") for _ in range(2)]
        assert answers[-1] == ['ERROR 42704 role "ann" does not exist']

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ("REVOKE SELECT ON s.t FROM bob", "SELECT 2"),
        ("REVOKE SELECT ON s.t FROM ann", DENIED),
        ("REVOKE USAGE ON SCHEMA s FROM ann", "ERROR 42501 permission denied for schema s"),
    ],
)
def test_who_reads_the_past_needs_the_privileges_of_now(tmp_path, change, answer):
    async def work(node):
        admin, _ann = await ready(node)
        moment = (await admin.rows("SELECT now()"))[0][0]
        assert await admin.query(change) == ["REVOKE"]
        ann = Client(node, "ann")
        await ann.query("BEGIN READ ONLY")
        await ann.query(f"SELECT opendsql.as_of('{moment}')")
        assert (await ann.query("SELECT v FROM s.t"))[-1] == answer

    run(tmp_path, work, clock=time.time_ns)
