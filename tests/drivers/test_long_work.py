"""No statement stops the node: monsters beside another session's point selects, in a real server process."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.serving_process import ServeProcess

pytestmark = pytest.mark.slow

REFUSED = {
    "regex": ("select repeat('a', 1000000) ~ '(?=(?:a+)+c)a'", "2201B"),
    "replace": (
        "select regexp_replace(repeat('a', 1000000), '(a)', repeat('\\1', 2000), 'g')",
        "54000 2201B",
    ),
    "like": ("select repeat('a', 1000000) like '%' || repeat('a_', 1000) || 'b%'", "54000"),
    "repeat": ("select length(repeat('a', 60000000))", "54000"),
    "concatenation": (
        f"select length({'||'.join('a' for _ in range(20))}) from (select repeat('a', 1000000) a) t",
        "54000",
    ),
    "format": ("select length(format(repeat('%1$s', 100000), repeat('x', 1000)))", "54000"),
    "template": ("select to_char(1.5, repeat('9', 1000000))", "54000"),
    "array": ("select array_fill(1, array[8000000])", "54000"),
    "array_agg": ("select array_agg(x) from generate_series(1, 10000000) x", "54000"),
    "string_agg": ("select string_agg(repeat('x', 1000), '') from generate_series(1, 300000)", "54000"),
    "power": ("select 10.5 ^ 200000.5", "22003"),
    "gcd": ("select gcd(repeat('9', 100000)::numeric, repeat('7', 99999)::numeric)", "54000"),
    "json": ("select (repeat('[', 100000) || repeat(']', 100000))::jsonb", "54001"),
    "integer": ("select repeat('9', 1000000)::int8", "22003"),
    "parentheses": (f"select {'(' * 10000}1{')' * 10000}", "54001"),
    "signs": (f"select {'- ' * 10000}1", "54001"),
    "calls": (f"select {'abs(' * 10000}1{')' * 10000}", "54001"),
    "coalesce": (f"select coalesce({','.join(['null'] * 10000)})", "54001"),
    "parameter": (f"select ${'9' * 10000}", "42P02"),
    "targets": (f"select {','.join(['1'] * 1665)}", "54011"),
    "sort": ("select x from generate_series(1, 100000000) x order by -x", "54000"),
    "distinct": ("select distinct x from generate_series(1, 100000000) x", "54000"),
    "window": ("select sum(x) over () from generate_series(1, 100000000) x", "54000"),
    "hash join": (
        "select count(*) from generate_series(1, 3) a(x) join generate_series(1, 100000000) b(x) on a.x = b.x",
        "54000",
    ),
}
ENDLESS = {
    "nested loop": (
        "select 1 from generate_series(1, 100000) a(x) join generate_series(1, 100000) b(y) on a.x + b.y < 0"
    ),
    "cross join": (
        "select 1 from generate_series(1, 100000) a(x), generate_series(1, 100000) b(y) where x * y < 0"
    ),
    "one group": "select count(*), sum(x), max(x) from generate_series(1, 100000000) x",
    "recursion": (
        "with recursive t(n) as (select 1 union all select n + 1 from t where n < 1000000000)"
        " select count(*) from t where n < 0"
    ),
    "recursion without rows": (
        "with recursive t(n) as (select 1 union all select 1 - n from t) select n from t where n < 0"
    ),
    "correlated": (
        "select (select count(*) from generate_series(1, 1000) b where b < a) from generate_series(1, 1000000) a"
        " where (select count(*) from generate_series(1, 1000) b where b < a) < 0"
    ),
    "offset": "select x from generate_series(1, 1000000000) x offset 999999999",
    "filter": "select x from generate_series(1, 1000000000) x where x < 0",
    "function": "select count(*) from generate_series('2000-01-01'::timestamp, '2200-01-01', '1 second')",
    "regex rows": "select count(*) from generate_series(1, 100000000) x where x::text ~ '(1|2)+(3|4)x'",
    "dear rows": "select count(*) from generate_series(1, 100000) x where factorial(20000 + x % 9) > x",
    "window frames": (
        "select sum(x) over (order by x rows between 1 preceding and unbounded following)"
        " from generate_series(1, 100000) x"
    ),
    "window frames without a row": (
        "select sum(x) over (order by x rows between unbounded preceding and unbounded following"
        " exclude current row) from generate_series(1, 100000) x"
    ),
    "sleep": "select pg_sleep(1000)",
}


class Pings:
    """Point selects on a connection of their own until it is left; counts the answers."""

    def __init__(self, dsn: str) -> None:
        self.answers = 0
        self._enough = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(dsn,), daemon=True)

    def _run(self, dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not self._stop.is_set():
                connection.execute("select v from point where k = 1").fetchone()
                self.answers += 1
                if self.answers >= 20:
                    self._enough.set()

    def __enter__(self) -> "Pings":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def wait(self) -> bool:
        """True once 20 point selects were answered; the limit is only there against hanging."""
        return self._enough.wait(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ServeProcess(tmp_path_factory.mktemp("long") / "data") as process:
        with psycopg.connect(process.dsn(), autocommit=True) as connection:
            connection.execute("create table point (k int primary key, v int)")
            connection.execute("insert into point values (1, 1)")
        yield process.dsn()


@pytest.mark.parametrize("name", REFUSED)
def test_monsters_are_refused(server: str, name: str) -> None:
    statement, expected = REFUSED[name]
    with psycopg.connect(server, autocommit=True) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
        assert caught.value.sqlstate in expected.split(), str(caught.value)
        assert connection.execute("select v from point where k = 1").fetchone() == (1,)


@pytest.mark.parametrize("name", ENDLESS)
def test_others_go_on_beside_endless_statements_and_a_cancel_ends_them(server: str, name: str) -> None:
    outcome: list[str | None] = []
    with psycopg.connect(server, autocommit=True) as connection:

        def run() -> None:
            try:
                connection.execute(ENDLESS[name])
                outcome.append(None)
            except psycopg.Error as error:
                outcome.append(error.sqlstate)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        with Pings(server) as pings:
            assert pings.wait()
        assert not outcome
        connection.cancel()
        thread.join(60)
        assert outcome == ["57014"]
        assert connection.execute("select v from point where k = 1").fetchone() == (1,)
