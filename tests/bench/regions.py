"""`make bench-regions`: what COMMIT and reads take in two regions against their distance, and how soon they recover.

Everything runs on one machine (`opendsql cluster --rtt`): eight processes share its cores, so absolute figures say
more about the machine than about the protocol; the multiple of the round trip says something about that.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from tests.regions.cluster import EAST, HANG_S, REGIONS, WEST, RegionCluster

ROUND_TRIPS_MS = (0, 15, 60, 100)
RECOVERY_MS = 15
RECOVERY_SILENCE = ("--silence", "1")
"""The default: the tests' clusters are more patient."""
FOLLOW_RTT_MS = 60
TABLES = {"keys owned here": "{here}", "keys owned there": "{there}", "keys of both owners": "{here} {there}"}
ALONE = "keys here, unread there"
"""The other region has no session: COMMIT allows for no reads there."""
SETTLE_S = 1.0
FOLLOWED = "bench_followed"
FOLLOW_S = 60.0
OWNERS = {EAST: "bench_east", WEST: "bench_west"}
ROWS = 1000
HEAD = (
    f"{'rtt ms':>6}  {'from':10}{'what':25}{'p50 ms':>9}{'p99 ms':>9}{'p50/rtt':>9}{'p99/rtt':>9}"
    f"{'repeated':>10}{'waited':>8}"
)

Out = Callable[[str], None]


def percentile(times: list[float], share: float) -> float:
    """Of seconds, in milliseconds."""
    ordered = sorted(times)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def line(rtt_ms: int, region: str, what: str, times: list[float], repeated: int, waited: int) -> str:
    """One row of the table."""
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    multiples = (f"{each / rtt_ms:.2f}" if rtt_ms else "" for each in (p50, p99))
    shown = "".join(f"{each:>9}" for each in multiples)
    return f"{rtt_ms:>6}  {region:10}{what:25}{p50:>9.1f}{p99:>9.1f}{shown}{repeated:>10}{waited:>8}"


async def commit(connection: asyncpg.Connection, tables: list[str], number: int) -> float:
    """How long COMMIT took of a transaction that wrote one row of each table."""
    while True:
        try:
            await connection.execute("begin")
            for table in tables:
                await connection.execute(f"update {table} set n = n + 1 where id = $1", number % ROWS)
            begun = time.perf_counter()
            await connection.execute("commit")
            return time.perf_counter() - begun
        except (asyncpg.SerializationError, asyncpg.CannotConnectNowError):
            if connection.is_in_transaction():
                await connection.execute("rollback")


async def read(connection: asyncpg.Connection, tables: list[str], number: int) -> float:
    """How long a statement took that reads one row."""
    while True:
        begun = time.perf_counter()
        try:
            await connection.fetchrow(f"select n from {tables[0]} where id = $1", number % ROWS)
            return time.perf_counter() - begun
        except asyncpg.CannotConnectNowError:
            continue


async def create(cluster: RegionCluster) -> None:
    """A table for each owner."""
    connection = await asyncpg.connect(cluster.dsn(EAST))
    for table in OWNERS.values():
        await connection.execute(f"create table {table} (id int primary key, n int not null)")
        await connection.execute(f"insert into {table} select g, 0 from generate_series(0, {ROWS - 1}) g")
    await connection.close()


async def latencies(cluster: RegionCluster, rtt_ms: int, count: int, out: Out) -> None:
    """From either region: COMMIT for each kind of keys, then reads; once without, else with sessions in both."""
    connection = await asyncpg.connect(cluster.dsn(EAST))
    await rows(cluster, connection, EAST, ALONE, commit, [OWNERS[EAST]], rtt_ms, count, out)
    await connection.close()
    for region in REGIONS:
        connection = await asyncpg.connect(cluster.dsn(region))
        other = next(each for each in REGIONS if each != region)
        reader = await asyncpg.connect(cluster.dsn(other))
        await asyncio.sleep(SETTLE_S)
        names = {"here": OWNERS[region], "there": OWNERS[other]}
        kinds: list[tuple[str, Callable[..., Awaitable[float]], list[str]]] = [
            (f"COMMIT, {title}", commit, tables.format(**names).split()) for title, tables in TABLES.items()
        ]
        kinds.append(("read", read, [names["there"]]))
        for what, work, tables in kinds:
            title = what.removeprefix("COMMIT, ")
            await rows(cluster, connection, region, title, work, tables, rtt_ms, count, out)
        await connection.close()
        await reader.close()


async def rows(
    cluster: RegionCluster,
    connection: asyncpg.Connection,
    region: str,
    title: str,
    work: Callable[..., Awaitable[float]],
    tables: list[str],
    rtt_ms: int,
    count: int,
    out: Out,
) -> None:
    """One row of the table, measured."""
    await work(connection, tables, 0)
    before = cluster.region(region)
    times = [await work(connection, tables, number) for number in range(count)]
    after = cluster.region(region)
    counts = [after[name] - before[name] for name in ("repeated", "waited")]
    out(line(rtt_ms, region, title, times, *counts))


async def following(cluster: RegionCluster, out: Out) -> None:
    """COMMIT from a region on keys of the other one, until they have come to the first, and after."""
    connection = await asyncpg.connect(cluster.dsn(WEST))
    await connection.execute(f"create table {FOLLOWED} (id int primary key, n int not null)")
    await connection.execute(f"insert into {FOLLOWED} select g, 0 from generate_series(0, {ROWS - 1}) g")
    begun = time.perf_counter()
    took: list[tuple[float, float]] = []
    handed_over = came = 0.0
    while time.perf_counter() - begun < FOLLOW_S and not (came and len(took) > 100 + came):
        took.append((time.perf_counter() - begun, await commit(connection, [FOLLOWED], len(took))))
        if not came and len(took) % 10 == 0 and cluster.region(EAST)["ranges_handed_over"]:
            handed_over, came = took[-1][0], float(len(took))
    await connection.close()
    if not came:
        out(f"not within {FOLLOW_S:.0f} s")
        return
    near = 2 * SETTLE_S
    before = percentile([each for at, each in took if at < handed_over - near], 0.5)
    after = percentile([each for at, each in took if at > handed_over + near], 0.5)
    slowest = 1000 * max(each for at, each in took if abs(at - handed_over) <= near)
    out(
        f"after {handed_over:.0f} s: p50 {before:.1f} ms before, {after:.1f} ms afterwards, "
        f"{slowest:.1f} ms the slowest within {near:.0f} s of it"
    )


async def recovery(cluster: RegionCluster, lost: str, action: str) -> float:
    """Seconds from losing a region until a COMMIT that began after it is acknowledged by the other one."""
    other = next(each for each in REGIONS if each != lost)
    connection = await asyncpg.connect(cluster.dsn(other))
    await commit(connection, list(OWNERS.values()), 1)
    begun = time.perf_counter()
    await asyncio.to_thread(cluster.change, action, lost)
    async with asyncio.timeout(2 * HANG_S):
        while True:
            try:
                await commit(connection, list(OWNERS.values()), 2)
                break
            except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
                connection.terminate()
                connection = await asyncpg.connect(cluster.dsn(other))
    took = time.perf_counter() - begun
    connection.terminate()
    await asyncio.to_thread(cluster.change, "heal", lost)
    await asyncio.to_thread(cluster.until_whole)
    return took


def measure(arguments: argparse.Namespace, base: Path, out: Out) -> None:
    out(HEAD)
    for rtt_ms in arguments.rtt:
        with RegionCluster(base / f"rtt{rtt_ms}", "--rtt", str(rtt_ms)) as cluster:
            asyncio.run(create(cluster))
            cluster.move(WEST, OWNERS[WEST])
            asyncio.run(latencies(cluster, rtt_ms, arguments.count, out))
    out("")
    out(f"A table that the other region writes goes there ({FOLLOW_RTT_MS} ms)")
    with RegionCluster(base / "follow", "--rtt", str(FOLLOW_RTT_MS), follows_writers=True) as cluster:
        asyncio.run(following(cluster, out))
    out("")
    out(f"A region is lost at {RECOVERY_MS} ms: seconds until the other one commits over both owners' keys")
    with RegionCluster(base / "recovery", "--rtt", str(RECOVERY_MS), *RECOVERY_SILENCE) as cluster:
        asyncio.run(create(cluster))
        cluster.move(WEST, OWNERS[WEST])
        for action in ("cut", "kill"):
            for lost in REGIONS:
                times = [asyncio.run(recovery(cluster, lost, action)) for _ in range(arguments.rounds)]
                out(f"{action:6}{lost:12}" + "".join(f"{each:>7.2f}" for each in sorted(times)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-regions", description=__doc__)
    parser.add_argument("--rtt", type=int, nargs="*", default=ROUND_TRIPS_MS, help="milliseconds")
    parser.add_argument("--count", type=int, default=100, help="commits and reads per line")
    parser.add_argument("--rounds", type=int, default=3, help="losses of each kind")
    arguments = parser.parse_args()

    def out(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    if shutil.which("etcd") is None:
        out("etcd is not installed (Debian: etcd-server): nothing to measure")
        return 0
    with tempfile.TemporaryDirectory(prefix="opendsql-bench-") as base:
        measure(arguments, Path(base), out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
