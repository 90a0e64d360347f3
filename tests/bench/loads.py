"""What is measured: pgbench's scripts, and bulk work that pgbench does not do."""

import contextlib
import os
import re
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.servers import Target

TRANSACTION_ROWS = 3_000
INSERT_SCRIPT = (
    "\\set id random(1, 9000000000000000000)\n"
    "INSERT INTO bench_insert VALUES "
    "(:id, 'eighty bytes of text, as the rows of a small table often have, more or less');\n"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One run of one cell."""

    tps: float
    mean_ms: float
    p99_ms: float
    cpu_us: float
    """Server CPU time per transaction."""
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of the table: a pgbench script in one mode with some clients."""

    title: str
    arguments: tuple[str, ...]
    mode: str
    clients: int
    tls: bool = False

    @property
    def name(self) -> str:
        return f"{self.title} {self.mode} c={self.clients}" + (" TLS" if self.tls else "")


def load(target: Target, scale: int) -> None:
    """pgbench's four tables, in DSQL's form: transactions of at most 3,000 rows, no fillfactor, no vacuum."""
    accounts = 100_000 * scale
    with target.connect() as connection:
        for statement in (
            "CREATE TABLE pgbench_branches (bid int NOT NULL PRIMARY KEY, bbalance int, filler char(88))",
            "CREATE TABLE pgbench_tellers (tid int NOT NULL PRIMARY KEY, bid int, tbalance int, filler char(84))",
            "CREATE TABLE pgbench_accounts (aid int NOT NULL PRIMARY KEY, bid int, abalance int, filler char(84))",
            "CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))",
            "CREATE TABLE bench_insert (id bigint NOT NULL PRIMARY KEY, note text)",
            "CREATE TABLE bench_bulk (id int NOT NULL PRIMARY KEY, part int, amount int, note text)",
        ):
            connection.execute(statement)
        copy_in(target, "pgbench_branches", (f"{bid}\t0\t\n" for bid in range(1, scale + 1)))
        copy_in(
            target, "pgbench_tellers", (f"{t}\t{(t - 1) // 10 + 1}\t0\t\n" for t in range(1, 10 * scale + 1))
        )
        rows = (f"{aid}\t{(aid - 1) // 100_000 + 1}\t0\t\n" for aid in range(1, accounts + 1))
        copy_in(target, "pgbench_accounts", rows)


def copy_in(target: Target, table: str, rows: Iterable[str]) -> int:
    """COPY rows in, one statement per 3,000 of them; returns how many."""
    count = 0
    batch: list[str] = []
    with target.connect() as connection:

        def send() -> None:
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                copy.write("".join(batch))
            batch.clear()

        for row in rows:
            batch.append(row)
            count += 1
            if len(batch) == TRANSACTION_ROWS:
                send()
        if batch:
            send()
    return count


def run_pgbench(pgbench: Path, target: Target, cell: Cell, seconds: float, directory: Path) -> Reading:
    """One timed run of an unmodified pgbench."""
    with tempfile.TemporaryDirectory(dir=directory) as logs:
        command = [
            str(pgbench), "-n", *cell.arguments, "-M", cell.mode, "-c", str(cell.clients), "-j", "1",
            "-T", str(max(1, round(seconds))), "--max-tries=100", "-l", "--sampling-rate=0.1", "--log-prefix=t",
        ]  # fmt: skip
        environment = {
            **os.environ,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(target.port),
            "PGUSER": target.user,
            "PGDATABASE": "postgres",
            "PGSSLMODE": "require" if cell.tls else "disable",
        }
        before = target.cpu_s()
        done = subprocess.run(
            command,
            cwd=logs,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds * 4 + 60,
            check=False,
        )
        cpu = target.cpu_s() - before
        if done.returncode != 0:
            raise RuntimeError(f"{target.name}, {cell.name}: {done.stderr.strip()}")
        latencies = _latencies(Path(logs))
    tps = _number(r"tps = ([0-9.]+)", done.stdout)
    count = int(_number(r"number of transactions actually processed: (\d+)", done.stdout))
    mean = _number(r"latency average = ([0-9.]+) ms", done.stdout)
    failed = int(_number(r"number of failed transactions: (\d+)", done.stdout, 0))
    return Reading(tps, mean, quantile(latencies, 0.99), cpu / max(count, 1) * 1e6, failed)


def _number(pattern: str, text: str, default: float | None = None) -> float:
    found = re.search(pattern, text)
    if found is None:
        if default is None:
            raise RuntimeError(f"pgbench did not say {pattern}: {text}")
        return default
    return float(found[1])


def _latencies(directory: Path) -> list[float]:
    """Milliseconds of the sampled transactions."""
    found = []
    for path in directory.glob("t.*"):
        for line in path.read_text().splitlines():
            fields = line.split()
            if fields[2].isdigit():
                found.append(int(fields[2]) / 1000)
    return found


def quantile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def bulk_copy(target: Target, rows: int) -> float:
    """Rows per second into a table with a primary key, COPY statements of 3,000 rows each."""
    lines = [f"{n}\t{n % 100}\t{n % 1000}\tsome text for row {n}\n" for n in range(rows)]
    begun = time.perf_counter()
    copy_in(target, "bench_bulk", lines)
    return rows / (time.perf_counter() - begun)


def scan(target: Target, query: str, rows: int) -> float:
    """Rows per second of one query over `rows` rows: the best of three."""
    best = float("inf")
    with target.connect() as connection:
        for _ in range(3):
            begun = time.perf_counter()
            connection.execute(query).fetchall()
            best = min(best, time.perf_counter() - begun)
    return rows / best


def select_beside(target: Target, query: str, seconds: float) -> float:
    """99th percentile, in ms, of point selects on one connection while `query` runs on another."""
    stop = threading.Event()

    running: list[psycopg.Connection[Any]] = []

    def run() -> None:
        with target.connect() as connection:
            running.append(connection)
            while not stop.is_set():
                with contextlib.suppress(psycopg.errors.QueryCanceled):
                    connection.execute(query)

    thread = threading.Thread(target=run, daemon=True)
    latencies: list[float] = []
    with target.connect() as connection:
        connection.execute("SELECT abalance FROM pgbench_accounts WHERE aid = 1").fetchall()
        thread.start()
        until = time.perf_counter() + seconds
        number = 0
        while time.perf_counter() < until:
            number = number % 1000 + 1
            begun = time.perf_counter()
            connection.execute("SELECT abalance FROM pgbench_accounts WHERE aid = %s", (number,)).fetchall()
            latencies.append((time.perf_counter() - begun) * 1000)
    stop.set()
    for connection in running:
        connection.cancel()
    thread.join(60)
    return quantile(latencies, 0.99)


def median(values: list[float]) -> float:
    return statistics.median(values) if values else 0.0
