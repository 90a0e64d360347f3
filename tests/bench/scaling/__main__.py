"""`make scaling`: what each part costs on this machine, and tables in which there is more and more of one kind."""

import argparse
import sys
from typing import NamedTuple

from tests.bench.scaling import arithmetic, costs
from tests.bench.scaling.costs import Costs
from tests.bench.scaling.model import Sizes, World

NUMBERS = (1, 2, 4, 8)


class Table(NamedTuple):
    """One kind in several numbers, beside plenty of the others."""

    title: str
    kind: str
    sizes: Sizes
    cross: float
    reads: int


TABLES = [
    Table("query processors, keys of one owner", "queries", Sizes(1, 4, 4, 1), 0.0, 2),
    Table("adjudicators with a journal each, keys of one owner", "owners", Sizes(48, 1, 8, 1), 0.0, 1),
    Table("adjudicators with a journal each, keys of two owners", "owners", Sizes(48, 1, 8, 1), 1.0, 1),
    Table("shards, eight reads per transaction", "shards", Sizes(32, 4, 1, 1), 0.0, 8),
    Table("crossbars", "crossbars", Sizes(96, 8, 8, 1), 0.0, 0),
]


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scaling", description=__doc__)
    parser.add_argument("--ms", type=int, default=400, help="virtual milliseconds of each run")
    parser.add_argument(
        "--warm", type=int, default=400, help="virtual milliseconds before it, which do not count"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--costs", help="of an earlier run instead of measured ones: comma-separated, in order"
    )
    arguments = parser.parse_args()
    found = Costs(*map(float, arguments.costs.split(","))) if arguments.costs else costs.measure()
    show_costs(found)
    for table in TABLES:
        show(found, table, arguments)
    return 0


def show_costs(found: Costs) -> None:
    """As docs/scaling.md has them."""
    for name, value in found._asdict().items():
        sys.stdout.write(f"{name:12} {value:8.1f} us\n")


def show(found: Costs, table: Table, arguments: argparse.Namespace) -> None:
    """One table."""
    sys.stdout.write(
        f"\n{table.title}\n{'':4}{'per s':>9}{'computed':>10}{'p50 ms':>8}{'p99 ms':>8}  busiest\n"
    )
    for number in NUMBERS:
        sizes = table.sizes._replace(**{table.kind: number})
        world = World(
            found, sizes, cross=table.cross, reads=table.reads, seed=arguments.seed, warm_ms=arguments.warm
        )
        run = world.run(arguments.ms)
        computed = min(arithmetic.limits(found, sizes, table.cross, table.reads).values())
        shares = ", ".join(
            f"{kind} {share:.2f}" for kind, share in sorted(run.busy.items(), key=lambda each: -each[1])[:3]
        )
        sys.stdout.write(
            f"{number:4}{run.per_s:9.0f}{computed:10.0f}{run.p50_ms:8.1f}{run.p99_ms:8.1f}  {shares}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
