"""The conflict matrix of dsql-reference §5.2 in full: every pair of row operations, both orders of COMMIT, and the
first one rolled back."""

import itertools

import pytest

from tests.sessions import Client, run

EXCLUSIVE, NON_KEY, KEY_SHARE, NOTHING = "exclusive", "non-key", "key share", "nothing"
CONFLICTS = {
    EXCLUSIVE: {EXCLUSIVE, NON_KEY, KEY_SHARE},
    NON_KEY: {EXCLUSIVE, NON_KEY},
    KEY_SHARE: {EXCLUSIVE},
    NOTHING: set(),
}
"""The reference's table; NOTHING is a read, which is never adjudicated."""
OBSERVED, DOCUMENTED, ASSUMED = "observed", "documented", "assumed"
SETUP = (
    "CREATE TABLE t (id int PRIMARY KEY, k int UNIQUE, v int)",
    "CREATE TABLE child (id int, t int REFERENCES t, PRIMARY KEY (t, id))",
    "CREATE TABLE late (id int, t int REFERENCES t DEFERRABLE INITIALLY DEFERRED, PRIMARY KEY (t, id))",
    "CREATE TABLE by_k (id int, k int REFERENCES t (k), PRIMARY KEY (k, id))",
    "INSERT INTO t VALUES (0, 0, 0)",
)
OPERATIONS = {
    "delete": (EXCLUSIVE, OBSERVED, "DELETE FROM t WHERE id = {n}"),
    "delete returning": (EXCLUSIVE, DOCUMENTED, "DELETE FROM t WHERE id = {n} RETURNING *"),
    "delete with": (EXCLUSIVE, ASSUMED, "WITH d AS (DELETE FROM t WHERE id = {n} RETURNING id) SELECT * FROM d"),
    "delete, insert": (EXCLUSIVE, DOCUMENTED, "DELETE FROM t WHERE id = {n}; INSERT INTO t VALUES ({n}, {n}, 1)"),
    "update key": (EXCLUSIVE, DOCUMENTED, "UPDATE t SET k = {m} WHERE id = {n}"),
    "update primary key": (EXCLUSIVE, DOCUMENTED, "UPDATE t SET id = {m} WHERE id = {n} RETURNING id"),
    "upsert key": (
        EXCLUSIVE, ASSUMED, "INSERT INTO t VALUES ({n}, {n}, 0) ON CONFLICT (id) DO UPDATE SET k = {m}",
    ),
    "for update": (EXCLUSIVE, OBSERVED, "SELECT v FROM t WHERE id = {n} FOR UPDATE"),
    "upsert where false": (
        EXCLUSIVE, ASSUMED,
        "INSERT INTO t VALUES ({n}, {n}, 0) ON CONFLICT (id) DO UPDATE SET v = 1 WHERE t.v = 99",
    ),
    "update": (NON_KEY, OBSERVED, "UPDATE t SET v = v + 1 WHERE id = {n}"),
    "update returning": (
        NON_KEY, DOCUMENTED, "UPDATE t SET v = o.v FROM t AS o WHERE t.id = {n} AND o.id = 0 RETURNING t.*",
    ),
    "upsert": (NON_KEY, ASSUMED, "INSERT INTO t VALUES ({n}, {n}, 0) ON CONFLICT (id) DO UPDATE SET v = 9"),
    "upsert select": (
        NON_KEY, ASSUMED,
        "INSERT INTO t SELECT id, k, v FROM t WHERE id = {n} ON CONFLICT (k) DO UPDATE SET v = 9 RETURNING v",
    ),
    "for key share": (KEY_SHARE, OBSERVED, "SELECT v FROM t WHERE id = {n} FOR KEY SHARE"),
    "child insert": (KEY_SHARE, OBSERVED, "INSERT INTO child VALUES ({m}, {n})"),
    "child insert returning": (KEY_SHARE, DOCUMENTED, "INSERT INTO child VALUES ({m}, {n}) RETURNING id"),
    "child insert select": (KEY_SHARE, DOCUMENTED, "INSERT INTO child SELECT {m}, id FROM t WHERE id = {n}"),
    "child upsert": (KEY_SHARE, ASSUMED, "INSERT INTO child VALUES ({m}, {n}) ON CONFLICT DO NOTHING"),
    "child update": (
        KEY_SHARE, DOCUMENTED, "INSERT INTO child VALUES ({m}, 0); UPDATE child SET t = {n} WHERE t = 0 AND id = {m}",
    ),
    "child insert deferred": (KEY_SHARE, DOCUMENTED, "INSERT INTO late VALUES ({m}, {n})"),
    "child insert by unique key": (KEY_SHARE, DOCUMENTED, "INSERT INTO by_k VALUES ({m}, {n})"),
    "select": (NOTHING, OBSERVED, "SELECT * FROM t WHERE id = {n}"),
    "insert nothing": (NOTHING, ASSUMED, "INSERT INTO t VALUES ({n}, {n}, 0) ON CONFLICT DO NOTHING"),
}  # fmt: skip
"""Name -> its class, how that is known, and statements on the row {n}, which exists; {m} is a number of its own."""
INSERTS = {
    "insert": "INSERT INTO t VALUES ({n}, {m}, 0)",
    "insert returning": "INSERT INTO t VALUES ({n}, {m}, 0) RETURNING *",
    "insert select": "INSERT INTO t SELECT {n}, {m}, v FROM t WHERE id = 0",
    "insert nothing": "INSERT INTO t VALUES ({n}, {m}, 0) ON CONFLICT DO NOTHING",
    "upsert": "INSERT INTO t VALUES ({n}, {m}, 0) ON CONFLICT (id) DO UPDATE SET v = 1",
    "insert with": "WITH i AS (INSERT INTO t VALUES ({n}, {m}, 0) RETURNING id) SELECT * FROM i",
    "insert unique key": "INSERT INTO t VALUES ({m}, -{n}, 0)",
}
"""Of the row {n}, which does not exist; the last one of its unique key."""
OC000 = "40001"
_numbers = itertools.count(1_000_000)


class Pair:
    """Two sessions, and rows that nobody has used."""

    def __init__(self, node):
        self.first, self.second, self.other = Client(node), Client(node), Client(node)

    async def prepare(self):
        for statement in SETUP:
            await self._say(self.other, statement)

    async def _say(self, client, statement):
        answers = await client.query(statement)
        assert not any(str(each).startswith("ERROR") for each in answers), (statement, answers)

    async def _commit(self, client):
        """Whether COMMIT was refused; it is for no other reason than a conflict."""
        answers = await client.query("COMMIT")
        errors = [each for each in answers if str(each).startswith("ERROR")]
        assert all(OC000 in each and "OC000" in each for each in errors), answers
        return bool(errors)

    async def race(self, first, second, how, exists=True):
        """Whether the later one was refused. `how`: which one commits first, or that the first one rolls back."""
        n = next(_numbers)
        if exists:
            await self._say(self.other, f"INSERT INTO t VALUES ({n}, {n}, 0)")
        clients = ((self.first, first), (self.second, second))
        for client, _statements in clients:
            await self._say(client, "BEGIN")
        for client, statements in clients:
            m = next(_numbers)
            for statement in statements.split("; "):
                await self._say(client, statement.format(n=n, m=m))
        if how == "rolled back":
            await self._say(self.first, "ROLLBACK")
            return await self._commit(self.second)
        early, late = (self.first, self.second) if how == "in order" else (self.second, self.first)
        assert not await self._commit(early)
        return await self._commit(late)


WAYS = ("in order", "in reverse", "rolled back")


def _wrong(tmp_path, first, others, exists=True):
    """Pairs that did not end as expected; `others`: name -> (statements, whether they conflict with `first`)."""

    async def work(node):
        pair = Pair(node)
        await pair.prepare()
        found = []
        for name, (statements, conflicts) in others.items():
            for how in WAYS:
                refused = await pair.race(first, statements, how, exists)
                if refused != (conflicts and how != "rolled back"):
                    found.append((name, how, refused))
        return found

    return run(tmp_path, work)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_on_a_row(tmp_path, name):
    kind, _evidence, first = OPERATIONS[name]
    others = {
        other: (statements, other_kind in CONFLICTS[kind])
        for other, (other_kind, _known, statements) in OPERATIONS.items()
    }
    assert _wrong(tmp_path, first, others) == []


@pytest.mark.parametrize("name", INSERTS)
def test_inserts_of_one_key(tmp_path, name):
    others = {
        other: (statements, (other == "insert unique key") == (name == "insert unique key"))
        for other, statements in INSERTS.items()
    }
    assert _wrong(tmp_path, INSERTS[name], others, exists=False) == []


def test_the_table_is_symmetric_and_says_how_it_is_known():
    assert all((a in CONFLICTS[b]) == (b in CONFLICTS[a]) for a in CONFLICTS for b in CONFLICTS)
    assert {evidence for _kind, evidence, _statements in OPERATIONS.values()} == {
        OBSERVED,
        DOCUMENTED,
        ASSUMED,
    }
