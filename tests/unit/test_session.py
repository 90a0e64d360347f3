"""Sessions: implicit transactions, portals, clocks, cancels, settings and OC001, over the real protocol."""

import asyncio

from pygwire import messages as pg

from server.session import planning
from server.session.work import Wait
from server.sql.limits import Limits
from server.sql.scanner import lift
from tests.sessions import Client, extended, run

OC001 = "ERROR 40001 schema has been updated by another transaction (OC001)"
OC000 = "ERROR 40001 change conflicts with another transaction (OC000)"
ABORTED = "ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block"


def test_a_row_limit_does_not_keep_what_was_modified(tmp_path):
    """INSERT ... RETURNING does all of its work at the first Execute (PORTAL_ONE_RETURNING)."""

    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        insert = "INSERT INTO t VALUES (1), (2), (3) RETURNING a"
        assert await client.extended(insert, max_rows=2) == [("1",), ("2",), "s"]
        assert await client.rows("SELECT a FROM t") == [("1",), ("2",), ("3",)]
        again = extended("INSERT INTO t VALUES (4), (5) RETURNING a", max_rows=1)
        assert await client.send(*again, pg.Execute(), pg.Sync()) == [("4",), "s", ("5",), "INSERT 0 1"]

    run(tmp_path, work)


def test_a_portal_read_in_parts_does_not_see_later_writes(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("INSERT INTO t SELECT i, 0 FROM generate_series(1, 1000) i")
        await client.query("BEGIN")
        opened = extended("SELECT b FROM t ORDER BY a", max_rows=1, portal="p")
        assert await client.send(*opened, pg.Sync()) == [("0",), "s"]
        await client.query("UPDATE t SET b = 1")
        await client.query("INSERT INTO t VALUES (0, 1), (2000, 1)")
        rest = await client.send(pg.Execute(portal="p"), pg.Sync())
        assert rest == [("0",)] * 999 + ["SELECT 999"]
        assert (await client.rows("SELECT sum(b) FROM t")) == [("1002",)]
        await client.query("COMMIT")

    run(tmp_path, work)


def test_what_a_partly_read_portal_locked_is_locked(tmp_path):
    async def work(node):
        client, other = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        await client.query("INSERT INTO t VALUES (1, 1)")
        await client.query("BEGIN")
        await client.send(*extended("SELECT b FROM t FOR UPDATE", max_rows=1, portal="p"), pg.Sync())
        await other.query("UPDATE t SET b = 2")
        assert await client.query("COMMIT") == [OC000]

    run(tmp_path, work)


def test_statements_before_one_sync_are_one_transaction(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        first, second = extended("INSERT INTO t VALUES (1)"), extended("INSERT INTO t VALUES (1)")
        third = extended("INSERT INTO t VALUES (3)")
        duplicate = 'ERROR 23505 duplicate key value violates unique constraint "t_pkey"'
        assert await client.send(*first, *second, *third, pg.Sync()) == ["INSERT 0 1", duplicate]
        assert await client.rows("SELECT * FROM t") == []
        assert await client.send(*first, *third, pg.Sync()) == ["INSERT 0 1", "INSERT 0 1"]
        assert len(await client.rows("SELECT * FROM t")) == 2
        assert client.status == "I"

    run(tmp_path, work)


def test_the_last_completion_is_taken_back_when_the_commit_fails(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b text)")
        await client.query("INSERT INTO t VALUES (1, '')")
        update = "UPDATE t SET b = b || 'x'"
        too_large = "ERROR 54000 transaction size limit 0mb exceeded"
        node.limits.transaction_bytes = 10
        assert await client.query(update) == [too_large]
        assert await client.query(f"{update}; SHOW timezone") == ["UPDATE 1", ("UTC",), too_large]
        assert await client.query(f"EXPLAIN (ANALYZE, COSTS OFF) {update}") != []
        suspended = extended("SELECT generate_series(1, 3)", max_rows=1)
        answers = await client.send(*extended(update), *suspended, pg.Sync())
        assert answers == ["UPDATE 1", ("1",), "s", too_large]

    run(tmp_path, work, Limits())


def test_copy_in_the_middle_of_a_pipeline(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        insert, copy = extended("INSERT INTO t VALUES (1)"), extended("COPY t FROM STDIN")
        data = pg.CopyData(data=b"2\n3\n")
        both = await client.send(*insert, *copy, data, pg.CopyDone(), pg.Sync())
        assert both == ["INSERT 0 1", "G", "COPY 2"]
        failing = await client.send(*copy, pg.CopyData(data=b"4\n1\n"), pg.CopyDone(), pg.Sync())
        assert failing[-1] == 'ERROR 23505 duplicate key value violates unique constraint "t_pkey"'
        assert await client.rows("SELECT a FROM t") == [("1",), ("2",), ("3",)]
        several = await client.copy("INSERT INTO t VALUES (9); COPY t FROM STDIN; SELECT 1/0", b"10\n")
        assert several == ["INSERT 0 1", "COPY 1", "ERROR 22012 division by zero"]
        assert len(await client.rows("SELECT a FROM t")) == 3

    run(tmp_path, work)


def test_a_finished_portal_cannot_run_again(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        twice = [*extended("INSERT INTO t VALUES (1)"), pg.Execute(), pg.Sync()]
        assert await client.send(*twice) == ["INSERT 0 1", 'ERROR 55000 portal "" cannot be run']
        assert await client.send(*extended("SELECT 1"), pg.Execute(), pg.Sync()) == [
            ("1",),
            "SELECT 1",
            "SELECT 0",
        ]

    run(tmp_path, work)


def test_a_simple_query_drops_the_unnamed_statement(tmp_path):
    async def work(node):
        client = Client(node)
        await client.send(pg.Parse(query="SELECT 1"), pg.Sync())
        await client.query("SELECT 2")
        missing = "ERROR 26000 unnamed prepared statement does not exist"
        assert await client.send(pg.Bind(), pg.Execute(), pg.Sync()) == [missing]

    run(tmp_path, work)


# --- clocks and sleeping ---


def test_each_statement_has_its_own_time(tmp_path):
    async def work(node):
        client = Client(node)
        alike = "SELECT now() = statement_timestamp()"
        assert await client.rows(alike) == [("t",)]
        await client.query("BEGIN")
        assert await client.rows(alike) == [("f",)]
        assert await client.rows("SELECT statement_timestamp() > now()") == [("t",)]
        await client.query("COMMIT")
        assert await client.rows(alike) == [("t",)]

    run(tmp_path, work)


def test_sleeping_holds_nobody_up_and_can_be_cancelled(tmp_path):
    async def work(node):
        client, other = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b text)")
        await client.query("INSERT INTO t VALUES (1, 'x')")
        await client.query("BEGIN")
        for sleeping in (
            "SELECT pg_sleep(1e9)",
            "SELECT pg_sleep(1e9) FROM t WHERE a = 1",
            "INSERT INTO t VALUES (2, pg_sleep(1e9)::text)",
            "COPY (SELECT pg_sleep(1e9)) TO STDOUT",
            "EXPLAIN ANALYZE SELECT pg_sleep(1e9)",
        ):
            await client.query("ROLLBACK")
            client.begin(pg.Query(query_string=sleeping))
            while client.connection.waiting is None or not hasattr(client.connection.waiting, "done"):
                client.connection.turn()
            assert await other.rows("SELECT 1") == [("1",)]
            node.cancel(client.session.process_id, client.session.secret)
            answers = await client.finish()
            assert answers[-1] == "ERROR 57014 canceling statement due to user request", sleeping
            assert "E" not in client.status
        assert await client.extended("SELECT pg_sleep(0.001)", max_rows=1) == [("",), "s"]
        assert await client.rows("SELECT pg_sleep(0)") == [("",)]
        await client.query("SELECT pg_sleep(0.001) FROM t WHERE a = 1")
        assert client.session.txn is None

    run(tmp_path, work)


def test_waiting_for_a_job_can_be_cancelled(tmp_path):
    async def work(node):
        client = Client(node)
        await node.jobs.stop()
        await client.query("CREATE TABLE t (a int PRIMARY KEY, b int)")
        ((job,), _tag) = await client.query("CREATE INDEX ASYNC ON t (b)")
        client.begin(pg.Query(query_string=f"CALL sys.wait_for_job('{job}')"))
        client.session.cancel()
        assert await client.finish() == ["ERROR 57014 canceling statement due to user request"]
        assert await client.rows("SELECT 1") == [("1",)]

    run(tmp_path, work)


# --- OC001 ---


def test_a_copy_meets_a_changed_table(tmp_path):
    async def work(node):
        client, other = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        await client.query("CREATE TABLE u (a int PRIMARY KEY)")
        await other.query("ALTER TABLE t ADD COLUMN b int")
        assert await client.copy("COPY t FROM STDIN", b"1\t1\n") == [OC001]
        assert (await client.copy("COPY t FROM STDIN", b"1\t1\n"))[-1] == "COPY 1"
        await other.query("ALTER TABLE t ADD COLUMN c int")
        assert (await client.copy("COPY u FROM STDIN", b"1\n"))[-1] == "COPY 1"
        await other.query("ALTER TABLE t ADD COLUMN d int")
        assert await client.query("COPY t TO STDOUT") == [OC001]

    run(tmp_path, work)


def test_a_membership_taken_away_is_a_changed_privilege(tmp_path):
    async def work(node):
        admin = Client(node)
        for statement in (
            "CREATE TABLE t (a int PRIMARY KEY)",
            "CREATE ROLE readers",
            "CREATE ROLE bob WITH LOGIN",
            "GRANT SELECT, INSERT ON t TO readers",
            "GRANT readers TO bob",
        ):
            assert "ERROR" not in str(await admin.query(statement))
        bob, eve = Client(node, "bob"), Client(node, "bob")
        assert await bob.query("SELECT * FROM t") == ["SELECT 0"]
        assert await eve.query("BEGIN") == ["BEGIN"]
        assert await eve.query("INSERT INTO t VALUES (1)") == ["INSERT 0 1"]
        await admin.query("REVOKE readers FROM bob")
        assert await bob.query("SELECT * FROM t") == [OC001]
        assert await bob.query("SELECT * FROM t") == ["ERROR 42501 permission denied for table t"]
        assert await eve.query("COMMIT") == [OC001]

    run(tmp_path, work)


def test_statements_after_ddl_that_was_rolled_back(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        await client.send(pg.Parse(statement="s", query="SELECT * FROM t"), pg.Sync())
        await client.query("BEGIN")
        await client.query("ALTER TABLE t ADD COLUMN b int")
        assert await client.query("SELECT b FROM t") == ["SELECT 0"]
        await client.query("ROLLBACK")
        assert await client.query("SELECT b FROM t") == ['ERROR 42703 column "b" does not exist']
        assert await client.send(pg.Bind(statement="s"), pg.Execute(), pg.Sync()) == ["SELECT 0"]
        await client.query("BEGIN")
        await client.query("ALTER TABLE t ADD COLUMN b int")
        await client.query("COMMIT")
        assert await client.query("SELECT b FROM t") == ["SELECT 0"]
        changed = "ERROR 0A000 cached plan must not change result type"
        assert await client.send(pg.Bind(statement="s"), pg.Execute(), pg.Sync()) == [changed]

    run(tmp_path, work)


def test_a_table_created_again_is_another_one(tmp_path):
    async def work(node):
        client, other = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        await client.query("INSERT INTO t VALUES (1)")
        await client.send(pg.Parse(statement="s", query="SELECT a FROM t"), pg.Sync())
        await other.query("DROP TABLE t")
        await other.query("CREATE TABLE t (a int PRIMARY KEY)")
        run_it = (pg.Bind(statement="s"), pg.Execute(), pg.Sync())
        assert await client.send(*run_it) == [OC001]
        assert await client.send(*run_it) == ["SELECT 0"]

    run(tmp_path, work)


def test_what_needs_a_privilege(tmp_path):
    async def work(node):
        admin = Client(node)
        for statement in (
            "CREATE SCHEMA s",
            "CREATE TABLE s.t (a int PRIMARY KEY)",
            "CREATE TABLE u (a int PRIMARY KEY)",
            "CREATE ROLE group1",
            "CREATE ROLE bob WITH LOGIN",
            "CREATE ROLE eve WITH LOGIN NOINHERIT",
            "GRANT SELECT ON s.t TO group1",
            "GRANT SELECT ON s.t TO bob",
            "GRANT group1 TO eve",
        ):
            assert "ERROR" not in str(await admin.query(statement)), statement
        bob, eve = Client(node, "bob"), Client(node, "eve")
        assert await bob.query("EXPLAIN SELECT * FROM u") == ["ERROR 42501 permission denied for table u"]
        no_usage = "ERROR 42501 permission denied for schema s"
        assert await bob.query("SELECT * FROM s.t") == [no_usage]
        await admin.query("GRANT USAGE ON SCHEMA s TO public")
        assert await Client(node, "bob").query("SELECT * FROM s.t") == ["SELECT 0"]
        assert await Client(node, "eve").query("SELECT * FROM s.t") == [
            "ERROR 42501 permission denied for table t"
        ]
        await admin.query("REVOKE ALL ON s.t FROM bob")
        await admin.query("REVOKE USAGE ON SCHEMA s FROM public")
        await admin.query("GRANT USAGE ON SCHEMA s TO bob")
        depends = 'ERROR 2BP01 role "bob" cannot be dropped because some objects depend on it'
        assert await admin.query("DROP ROLE bob") == [depends]
        await admin.query("REVOKE USAGE ON SCHEMA s FROM bob")
        assert await admin.query("DROP ROLE bob") == ["DROP ROLE"]
        gone = 'ERROR 42704 role "bob" does not exist'
        assert await bob.query("CREATE TABLE s.x (a int)") == [OC001]
        assert await bob.query("CREATE TABLE s.x (a int)") == [gone]
        assert await eve.query("CREATE TABLE s.x (a int)") == [OC001]
        assert await eve.query("CREATE TABLE s.x (a int)") == [no_usage]

    run(tmp_path, work)


# --- settings ---


def test_settings_are_undone_with_their_transaction(tmp_path):
    async def work(node):
        client = Client(node)
        zone = "SELECT '2020-01-01 00:00Z'::timestamptz"
        await client.query("SET TimeZone = 'Asia/Tokyo'; SELECT 1/0")
        assert await client.rows("SHOW TimeZone") == [("UTC",)]
        assert client.parameters["TimeZone"] == "UTC"
        await client.query("BEGIN")
        await client.query("SET LOCAL TimeZone = 'Asia/Tokyo'")
        assert await client.rows(zone) == [("2020-01-01 09:00:00+09",)]
        await client.query("COMMIT")
        assert await client.rows(zone) == [("2020-01-01 00:00:00+00",)]
        await client.query("SET TimeZone = 'Asia/Tokyo'")
        await client.query("BEGIN")
        await client.query("SET LOCAL TimeZone = 'Europe/Berlin'")
        await client.query("RESET ALL")
        await client.query("COMMIT")
        assert await client.rows(zone) == [("2020-01-01 00:00:00+00",)]

    run(tmp_path, work)


def test_set_config_sets(tmp_path):
    async def work(node):
        client = Client(node)
        zone = "SELECT '2020-01-01 00:00Z'::timestamptz"
        assert await client.rows("SELECT set_config('TimeZone', 'Asia/Tokyo', false)") == [("Asia/Tokyo",)]
        assert client.parameters["TimeZone"] == "Asia/Tokyo"
        assert await client.rows(zone) == [("2020-01-01 09:00:00+09",)]
        await client.query("SELECT set_config('TimeZone', 'UTC', true)")
        assert await client.rows(zone) == [("2020-01-01 09:00:00+09",)]
        await client.query("BEGIN")
        await client.query("SELECT set_config('TimeZone', 'UTC', true)")
        assert await client.rows(zone) == [("2020-01-01 00:00:00+00",)]
        await client.query("ROLLBACK")
        assert await client.rows(zone) == [("2020-01-01 09:00:00+09",)]

    run(tmp_path, work)


def test_set_local_outside_a_block_is_checked_and_has_no_effect(tmp_path):
    async def work(node):
        client = Client(node)
        warning = "WARNING 25P01 SET LOCAL can only be used in transaction blocks"
        assert await client.query("SET LOCAL TimeZone = 'Asia/Tokyo'") == [warning, "SET"]
        assert await client.rows("SHOW TimeZone") == [("UTC",)]
        refused = 'ERROR 0A000 setting configuration parameter "work_mem" not supported'
        assert (await client.query("SET LOCAL work_mem = '1MB'"))[-1] == refused

    run(tmp_path, work)


def test_sessions_share_plans_and_nothing_of_each_other(tmp_path):
    async def work(node):
        first, second = Client(node), Client(node)
        await first.query("CREATE TABLE t (a timestamptz)")
        insert = "INSERT INTO t VALUES ($1)"
        await first.extended(insert, "now")
        await asyncio.sleep(0.001)
        await second.extended(insert, "now")
        literal = "SELECT /* not lifted */ 'now'::timestamptz = now()"
        assert await first.rows(literal) == [("t",)]
        assert await second.rows(literal) == [("t",)]
        parsed = "SELECT 'now'::timestamptz = now()"
        assert (await first.extended(parsed))[0] == (await second.extended(parsed))[0] == ("t",)
        assert await first.rows("SELECT count(DISTINCT a) FROM t") == [("2",)]
        await second.extended("INSERT INTO t SELECT unnest($1::timestamptz[])", "{now}")
        await asyncio.sleep(0.001)
        await first.extended("INSERT INTO t SELECT unnest($1::timestamptz[])", "{now}")
        assert await first.rows("SELECT count(DISTINCT a) FROM t") == [("4",)]
        with_user = "SELECT current_user"
        await first.query("CREATE ROLE bob WITH LOGIN")
        assert await first.rows(with_user) == [("admin",)]
        assert await Client(node, "bob").rows(with_user) == [("bob",)]

    run(tmp_path, work)


def test_a_plan_is_kept_unless_the_binder_froze_a_moment_in_it(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a timestamptz, today text)")
        plans = client.session.plans
        await client.query("INSERT INTO t VALUES (now())")
        frozen = [
            "SELECT date 'today'",
            "SELECT a FROM t WHERE a < E'\\x6eow'",
            "SELECT a FROM t WHERE a = ANY (E'{2024-01-01,today}')",
            "SELECT a FROM t WHERE a::date = E' YESTERDAY '",
            "SELECT a::timetz = E'12:00' FROM t",
        ]
        kept = [
            "SELECT E'today', today FROM t",
            "SELECT a FROM t WHERE a < E'2024-01-01' AND today = E'now'",
            "SELECT a FROM t WHERE a < now() AND a < /* now */ current_date",
            "SELECT E'now'::text::timestamptz",
        ]
        for text in frozen + kept:
            await client.rows(text)
            assert (text in plans) == (text in kept), text
            await client.send(pg.Parse(query=text + " LIMIT 1"), pg.Sync())
            assert (text + " LIMIT 1" in plans) == (text in kept), text
        lifted = "SELECT 'now'::timestamptz = now(), 'now' = now(), a < 'now' FROM t"
        assert await client.rows(lifted) == [("t", "t", "t")]
        assert lift(lifted).key in plans
        await asyncio.sleep(0.001)
        assert await client.rows(lifted) == [("t", "t", "t")]

    run(tmp_path, work)


def test_a_prepared_text_with_parameters_is_no_simple_query(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        sql = "SELECT a FROM t WHERE a = $1"
        assert await client.send(pg.Parse(statement="s", query=sql), pg.Sync()) == []
        assert await client.query(sql) == ["ERROR 42P02 there is no parameter $1"]
        assert await client.extended(sql, "1") == ["SELECT 0"]

    run(tmp_path, work)


def test_a_transaction_statement_is_parsed_once(tmp_path, monkeypatch):
    """Also in another session; not across a change of the catalog, and never in a failed transaction."""

    async def work(node):
        client, other = Client(node), Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        await client.query("SELECT * FROM t")
        await other.query("SELECT * FROM t")
        parsed = []
        original = planning.parse
        monkeypatch.setattr(planning, "parse", lambda sql: parsed.append(sql) or original(sql))
        for each in (client, other, client):
            assert await each.query("BEGIN") == ["BEGIN"]
            assert each.status == "T"
            assert await each.query("COMMIT") == ["COMMIT"]
            assert each.status == "I"
        assert parsed == ["BEGIN", "COMMIT"]
        await client.query("BEGIN")
        await client.query("SELECT 1/0")
        assert await client.query("BEGIN") == [ABORTED]
        assert await client.query("COMMIT") == ["ROLLBACK"]
        await other.query("ALTER TABLE t ADD COLUMN b int")
        assert await client.query("BEGIN") == ["BEGIN"]
        assert await client.query("SELECT * FROM t") == [OC001]
        assert await client.query("ROLLBACK") == ["ROLLBACK"]

    run(tmp_path, work)


READS = (
    "SELECT count(*) FROM {}",
    "COPY (SELECT count(*) FROM {}) TO STDOUT",
    "EXPLAIN ANALYZE SELECT count(*) FROM {}",
)
"""The ways to run a plan."""


def test_what_runs_is_asked_for_by_every_statement_that_shows_it(tmp_path):
    async def work(node):
        client, other = Client(node), Client(node)
        assert await client.query("COPY (SELECT count(*) FROM opendsql.transactions) TO STDOUT") == [
            "H", b"1\n", "c", "COPY 1",
        ]  # fmt: skip
        await other.query("BEGIN")
        await other.query("SELECT 1")
        (line, *_) = await client.rows(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT pid FROM opendsql.transactions"
        )
        assert "(actual rows=2 loops=1)" in line[0]

    run(tmp_path, work)


def test_asking_what_runs_can_be_cancelled(tmp_path):
    async def work(node):
        client = Client(node)
        node.desk.elsewhere = Wait  # no other process ever answers
        for reads in READS:
            client.begin(pg.Query(query_string=reads.format("opendsql.transactions")))
            while not isinstance(client.connection.waiting, Wait):
                client.connection.turn()
            node.cancel(client.session.process_id, client.session.secret)
            assert (await client.finish())[-1] == "ERROR 57014 canceling statement due to user request"
        node.desk.elsewhere = None
        assert await client.rows(READS[0].format("opendsql.transactions")) == [("1",)]

    run(tmp_path, work)


def test_an_injection_meets_every_statement_that_reads(tmp_path):
    async def work(node):
        client = Client(node)
        await client.query("CREATE TABLE t (a int PRIMARY KEY)")
        await client.query("CALL opendsql.inject('age_limit', times => NULL, table_name => 't')")
        for number, reads in enumerate(READS, 1):
            assert (await client.query(reads.format("t")))[-1].startswith("ERROR 54000 transaction age limit")
            assert await client.rows("SELECT matched FROM opendsql.injections") == [(str(number),)]
        await client.query("CALL opendsql.remove_injections()")
        assert await client.rows(READS[0].format("t")) == [("0",)]

    run(tmp_path, work)
