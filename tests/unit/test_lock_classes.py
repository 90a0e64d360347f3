"""The request that COMMIT sends, per kind of statement (dsql-reference §5.2)."""

import pytest

from journal.record import LockClass
from server.catalog import store
from server.sql.access import TableAccess
from tests.sessions import Client, run

SETUP = (
    "CREATE TABLE t (a int PRIMARY KEY, u int UNIQUE, b int, c int)",
    "CREATE INDEX ASYNC i ON t (b)",
    "INSERT INTO t VALUES (1, 1, 1, 1), (2, NULL, 2, 2)",
)
E, N, K, B = (LockClass.EXCLUSIVE, LockClass.NON_KEY, LockClass.KEY_SHARE, LockClass.BLIND)
CASES = {
    "INSERT INTO t VALUES (3, 3, 3, 3)": {"row": [E], "u": [E], "i": [B]},
    "INSERT INTO t VALUES (3, NULL, 3, 3)": {"row": [E], "u": [B], "i": [B]},
    "UPDATE t SET c = 9 WHERE a = 1": {"row": [N]},
    "UPDATE t SET b = 9 WHERE a = 1": {"row": [N], "i": [B, B]},
    "UPDATE t SET u = 9 WHERE a = 1": {"row": [E], "u": [E, E]},
    "UPDATE t SET u = u WHERE a = 1": {"row": [N]},
    "UPDATE t SET u = NULL WHERE a = 1": {"row": [E], "u": [B, E]},
    "UPDATE t SET a = 9 WHERE a = 1": {"row": [E, E], "u": [E], "i": [B, B]},
    "DELETE FROM t WHERE a = 1": {"row": [E], "u": [E], "i": [B]},
    "DELETE FROM t WHERE a = 2": {"row": [E], "u": [B], "i": [B]},
    "SELECT * FROM t WHERE a = 1 FOR UPDATE": {"lock": [E]},
    "SELECT * FROM t WHERE a = 1 FOR KEY SHARE": {"lock": [K]},
    "SELECT * FROM t WHERE a = 1": {},
    "SELECT * FROM t WHERE a = 1 FOR UPDATE; UPDATE t SET c = 9 WHERE a = 1": {"row": [E]},
    "SELECT * FROM t WHERE a = 1 FOR KEY SHARE; UPDATE t SET c = 9 WHERE a = 1": {"row": [N]},
    "UPDATE t SET c = 9 WHERE a = 1; SELECT * FROM t WHERE a = 1 FOR UPDATE": {"row": [E]},
    "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING": {},
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET c = 9": {"row": [N]},
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET c = 9 WHERE false": {"lock": [E]},
}


@pytest.mark.parametrize("statements", CASES)
def test_classes(tmp_path, statements):
    async def work(node):
        client = Client(node)
        for statement in SETUP:
            answers = await client.query(statement)
            if isinstance(answers[0], tuple):
                await client.query(f"CALL sys.wait_for_job('{answers[0][0]}')")
        await client.query("BEGIN")
        for statement in statements.split("; "):
            assert "ERROR" not in str(await client.query(statement))
        txn = client.session.txn
        (table,) = txn.catalog.tables.values()
        reach = TableAccess(table, txn.cluster)
        places = {reach.lo: "row"}
        for index in reach.indexes:
            places[index.lo] = "i" if index.index.name == "i" else "u"
        request = txn.request(rebase=True)
        found: dict[str, list[int]] = {}
        for write in request.writes:
            found.setdefault(places[write.key[:8]], []).append(write.lock)
        for lock in request.locks:
            assert lock.key[:8] == reach.lo
            found.setdefault("lock", []).append(lock.lock)
        assert {place: sorted(locks) for place, locks in found.items()} == CASES[statements]
        assert request.checks == [store.table_key(1, table.oid)]
        assert txn.request(rebase=False).checks == [store.version_key(1)]
        assert request.guards == []

    run(tmp_path, work)
