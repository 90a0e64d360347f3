"""`make bench`: one table of throughput, latency, CPU per transaction, and the ratio to PostgreSQL."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench import loads, servers
from tests.bench.loads import Cell, Reading, median
from tests.bench.servers import Target

LONG_QUERY = "SELECT count(*) FROM bench_bulk a, generate_series(1, 20) g WHERE a.amount + g > 0"
FLOORS = {
    "select prepared c=8": 0.7,
    "select simple c=8": 0.6,
    "insert prepared c=32": 0.7,
    "simple-update prepared c=32": 0.5,
    "COPY in": 0.3,
    "count(*)": 0.1,
    "sum, group by": 0.1,
}
"""The landing floors, as ratios; `make bench` marks what lies below."""


def cells(insert_script: Path, clients: list[int]) -> list[Cell]:
    """Every line that pgbench measures."""
    scripts = {
        "select": ("-b", "select-only"),
        "simple-update": ("-b", "simple-update"),
        "tpcb-like": ("-b", "tpcb-like"),
        "insert": ("-f", str(insert_script)),
    }
    made = [
        Cell(title, arguments, mode, count)
        for title, arguments in scripts.items()
        for mode in ("prepared", "simple")
        for count in clients
    ]
    made.append(Cell("select", scripts["select"], "prepared", 8, tls=True))
    return made


def measure(arguments: argparse.Namespace, base: Path, out: Callable[[str], None]) -> None:
    found = servers.find_pgbench()
    if found is None:
        out("pgbench or PostgreSQL is not installed: nothing to compare with")
        return
    pgbench, bindir = found
    script = base / "insert.sql"
    script.write_text(loads.INSERT_SCRIPT)
    targets = [servers.start_opendsql(base, arguments.workers), servers.start_postgres(base, bindir)]
    try:
        for target in targets:
            loads.load(target, arguments.scale)
        out(HEAD)
        for cell in cells(script, arguments.clients):
            if arguments.only in cell.name:
                out(line(cell, *rounds(arguments, pgbench, targets, cell, base)))
        if arguments.only in "bulk":
            bulk(arguments, targets, out)
    finally:
        for target in targets:
            target.stop()


def rounds(
    arguments: argparse.Namespace, pgbench: Path, targets: list[Target], cell: Cell, base: Path
) -> tuple[list[Reading], list[Reading]]:
    """The two servers in turn, so that a drift of the machine meets both."""
    readings: tuple[list[Reading], list[Reading]] = ([], [])
    for _ in range(arguments.rounds):
        for target, kept in zip(targets, readings):
            kept.append(loads.run_pgbench(pgbench, target, cell, arguments.seconds, base))
    return readings


HEAD = "".join(
    (
        f"{'':32} {'OpenDSQL':>10} {'PostgreSQL':>10} {'ratio':>6} ",
        f"{'mean ms':>15} {'p99 ms':>15} {'CPU us/txn':>13}  floor",
    )
)


def line(cell: Cell, ours: list[Reading], theirs: list[Reading]) -> str:
    ratio = median([a.tps / b.tps for a, b in zip(ours, theirs)])
    floor = FLOORS.get(cell.name)

    def pair(field: str, digits: int) -> str:
        a = median([getattr(reading, field) for reading in ours])
        b = median([getattr(reading, field) for reading in theirs])
        return f"{a:.{digits}f}/{b:.{digits}f}"

    tps = (median([reading.tps for reading in ours]), median([reading.tps for reading in theirs]))
    return (
        f"{cell.name:32} {tps[0]:>10.0f} {tps[1]:>10.0f} {ratio:>6.2f} {pair('mean_ms', 2):>15} "
        f"{pair('p99_ms', 2):>15} {pair('cpu_us', 0):>13}{verdict(ratio, floor)}"
    )


def verdict(ratio: float, floor: float | None) -> str:
    if floor is None:
        return ""
    return f"  {floor}" + ("" if ratio >= floor else "  BELOW")


def bulk(arguments: argparse.Namespace, targets: list[Target], out: Callable[[str], None]) -> None:
    """What pgbench does not do: COPY, scans, and point selects beside a long query."""
    rows = arguments.rows

    def row(name: str, values: list[float], higher_is_better: bool = True) -> None:
        ratio = values[0] / values[1] if higher_is_better else values[1] / values[0]
        out(
            f"{name:32} {values[0]:>10.3g} {values[1]:>10.3g} {ratio:>6.2f}{verdict(ratio, FLOORS.get(name))}"
        )

    row("COPY in", [loads.bulk_copy(target, rows) for target in targets])
    row("count(*)", [loads.scan(target, "SELECT count(*) FROM bench_bulk", rows) for target in targets])
    query = "SELECT part, sum(amount) FROM bench_bulk GROUP BY part"
    row("sum, group by", [loads.scan(target, query, rows) for target in targets])
    row("sum", [loads.scan(target, "SELECT sum(amount) FROM bench_bulk", rows) for target in targets])
    beside = [loads.select_beside(target, LONG_QUERY, arguments.beside) for target in targets]
    row("point select p99 ms, long query", beside, higher_is_better=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--scale", type=int, default=10)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--beside", type=float, default=10.0)
    parser.add_argument("--clients", type=lambda text: [int(n) for n in text.split(",")], default=[1, 8, 32])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument(
        "--only", default="", help="lines whose name contains this; `bulk` for COPY and scans"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="opendsql-bench-") as base:
        measure(arguments, Path(base), lambda text: print(text, flush=True))  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
