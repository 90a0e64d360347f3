"""A statement that runs long never stops the others, and ends when it is cancelled (DESIGN §11)."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.server import Server

pytestmark = pytest.mark.slow

SELECTS = 50
HANG_S = 60.0

LONG = {
    "series": "SELECT count(*) FROM generate_series(1, 1000000000)",
    "cross join": "SELECT count(*) FROM rows a, rows b, rows c, rows d",
    "nested loop": "SELECT count(*) FROM rows a JOIN rows b ON a.v < b.v JOIN rows c ON b.v <> c.v AND a.v > c.v",
    "sort": "SELECT x FROM generate_series(1, 100000000) x ORDER BY -x LIMIT 1",
    "group": "SELECT x % 7, count(*) FROM generate_series(1, 1000000000) x GROUP BY 1",
    "distinct": "SELECT DISTINCT x % 3 FROM generate_series(1, 1000000000) x",
    "window": "SELECT max(r) FROM (SELECT rank() OVER (ORDER BY a.v) r FROM rows a, rows b, rows c) q",
    "correlated": "SELECT count(*) FROM rows a, rows b WHERE (SELECT count(*) FROM rows c WHERE c.v > a.v + b.v) > 1",
    "subquery": "SELECT (SELECT count(*) FROM rows a, rows b, rows c, rows d)",
    "subquery in a condition": "SELECT 1 FROM rows WHERE v > (SELECT avg(x) FROM generate_series(1, 1000000000) x)",
    "subquery of an array": "SELECT ARRAY(SELECT 1 FROM rows a, rows b, rows c WHERE a.v < -b.v - c.v)",
    "one dear subquery per row": "SELECT (SELECT count(*) FROM rows b, rows c WHERE b.v + c.v > a.v) FROM rows a",
    "filter that finds nothing": "SELECT * FROM rows a, rows b, rows c WHERE a.v + b.v + c.v = -1",
    "recursion": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "rows to the client": "SELECT a.v, b.v, c.v FROM rows a, rows b, rows c",
    "insert": "INSERT INTO sink SELECT a.v FROM rows a, rows b, rows c WHERE a.v + b.v + c.v = -1",
    "regular expression": "SELECT count(*) FROM generate_series(1, 1000000000) x WHERE x::text ~ '^([0-4]|[6-9])+$'",
    "text": "SELECT count(*) FROM generate_series(1, 100000000) x WHERE repeat('ab', 5000) LIKE '%a%b%c%'",
    "sleep": "SELECT pg_sleep(100000)",
}


@pytest.fixture(scope="module")
def filled(server: Server) -> Iterator[Server]:
    with server.connect() as connection:
        connection.execute("CREATE TABLE points (id int PRIMARY KEY, v text)")
        connection.execute("INSERT INTO points SELECT n, 'v' || n FROM generate_series(1, 100) n")
        connection.execute("CREATE TABLE sink (v int)")
        connection.execute("CREATE TABLE rows (id int PRIMARY KEY, v int)")
        connection.execute("INSERT INTO rows SELECT n, n FROM generate_series(1, 1500) n")
    yield server


@pytest.mark.parametrize("name", LONG)
def test_others_are_served_meanwhile(filled: Server, name: str) -> None:
    long, other = filled.connect(), filled.connect()
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(long.execute(LONG[name]).fetchone())
        except psycopg.Error as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for number in range(SELECTS):
            found = other.execute("SELECT v FROM points WHERE id = %s", (number + 1,)).fetchone()
            assert found == (f"v{number + 1}",)
        assert not outcome, outcome
        long.cancel()
        thread.join(HANG_S)
        assert not thread.is_alive(), "the cancel was not heard"
        assert isinstance(outcome[0], errors.QueryCanceled), outcome
        assert long.execute("SELECT 1").fetchone() == (1,)
    finally:
        other.close()
        if thread.is_alive():
            long.cancel_safe(timeout=5)
            thread.join(HANG_S)
        long.close()
