"""Metrics: every part is there from the start, with the node's id, exact, in a text that Prometheus reads."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.catalog.descriptor import FIRST_USER_OID
from server.errors import PgError
from server.pgwire.connection import Counters
from server.runtime import metrics_families as families
from server.runtime import metrics_workers
from server.runtime.busy import INDEXES, Busy
from server.runtime.clocks.interval import IntervalClock, NoTime, Reading
from server.runtime.clocks.sources import ConstantClock
from server.runtime.metrics import MAX_CONNECTIONS, MAX_HEAD, Exposition, MetricsServer
from server.runtime.net.faults import Cut
from server.runtime.node import Node
from server.runtime.router.counts import Counts
from server.runtime.router.pool import ProcessorPool
from server.runtime.router.router import Router
from server.runtime.router.settings import Settings
from tests.networks import Note, Party, between, inject
from tests.nodes import run, submit, until, write

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def series(*parts: Any, node: str = "n1") -> Series:
    """By name and labels (without the node's); asserts that every one carries the node."""
    found: Series = {}
    for family in text_string_to_metric_families(Exposition(node, parts).text().decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("node") == node, sample.name
            found[sample.name, tuple(sorted(labels.items()))] = sample.value
    return found


def value(found: Series, name: str, **labels: str) -> float:
    return found[f"opendsql_{name}", tuple(sorted(labels.items()))]


def test_a_node_reports_everything_before_anything_happens(tmp_path):
    async def work(node: Node) -> None:
        found = series(
            lambda: families.pipeline(node),
            lambda: families.upkeep(node),
            lambda: families.connections(Counters()),
            lambda: families.build("1.2.3", 0.5),
        )
        for name in ("conflicts_total", "refused_too_old_total", "apply_lag_records", "out_of_space"):
            assert value(found, name) == 0
        for section in ("event_loop", "adjudicator", "journal_flush", "apply", "claim"):
            assert value(found, "busy_seconds_total", section=section) > 0
        for event in ("internal_errors", "protocol_violations", "failed_logins", "refused"):
            assert value(found, "connection_events_total", event=event) == 0
        for state in ("submitted", "processing", "completed", "failed"):
            assert value(found, "jobs", state=state) == 0
        assert value(found, "table_conflicts_total", cluster="1", table="(catalog)") == 0
        assert value(found, "build_info", version="1.2.3") == 1
        assert value(found, "start_seconds") == 0.5
        assert found["process_open_fds", ()] > 0

    run(tmp_path, work)


def test_commits_groups_and_conflicts_are_exact(tmp_path):
    async def work(node: Node) -> None:
        def read() -> Series:
            return series(lambda: families.pipeline(node))

        before = read()
        start = node.start_ts()
        waits = [submit(node, {f"k{number}": b"1"}) for number in range(5)]
        await until(lambda: all(wait.done for wait in waits))
        for name in ("k1", "k2"):
            with pytest.raises(PgError):
                await write(node, {name: b"2"}, start)
        after = read()
        assert value(after, "commits_total") - value(before, "commits_total") == 5
        assert value(after, "conflicts_total") == 2
        assert value(after, "table_conflicts_total", cluster="1", table="(dropped)") == 2
        assert value(after, "group_commits_count") - value(before, "group_commits_count") == 1
        assert value(after, "group_commits_sum") - value(before, "group_commits_sum") == 5
        for bound, more in (("4.0", 0), ("8.0", 1), ("+Inf", 1)):
            grown = value(after, "group_commits_bucket", le=bound) - value(
                before, "group_commits_bucket", le=bound
            )
            assert grown == more
        assert value(after, "journal_appended_bytes_total") > value(before, "journal_appended_bytes_total")
        for section in ("adjudicator", "journal_flush", "apply"):
            name = "busy_seconds_total"
            assert value(after, name, section=section) > value(before, name, section=section)

    run(tmp_path, work)


def test_conflicts_have_the_names_of_tables():
    catalog = SimpleNamespace(
        tables={FIRST_USER_OID: SimpleNamespace(oid=FIRST_USER_OID, name="account", schema_oid=7)},
        schemas={7: SimpleNamespace(name="bank")},
        index_tables={FIRST_USER_OID + 1: FIRST_USER_OID},
    )

    def prefix(cluster: int, oid: int) -> bytes:
        return cluster.to_bytes(4, "big") + oid.to_bytes(4, "big")

    counts = {
        prefix(1, FIRST_USER_OID): 3,
        prefix(1, FIRST_USER_OID + 1): 4,
        prefix(1, FIRST_USER_OID + 9): 5,
        prefix(1, 2): 6,
        prefix(2, FIRST_USER_OID): 7,
        b"": 8,
    }
    assert families.conflicts_by_table(counts, {1: catalog}) == {  # type: ignore[dict-item]
        ("1", "bank.account"): 7,
        ("1", "(dropped)"): 5,
        ("1", "(catalog)"): 6,
        ("2", "(dropped)"): 7,
        ("", "(others)"): 8,
    }


def test_what_is_counted_by_key_is_bounded():
    busy = Busy()
    for number in range(INDEXES + 3):
        busy.conflicted(number.to_bytes(8, "big") + b"key")
    busy.conflicted((0).to_bytes(8, "big") + b"other key")
    busy.conflicted(b"")
    assert len(busy.conflicts_by_index) == INDEXES + 1
    assert busy.conflicts_by_index[b""] == 3
    assert busy.conflicts_by_index[bytes(8)] == 2
    assert busy.too_old == 1


def test_sizes_of_groups():
    busy = Busy()
    for commits in (0, 1, 2, 3, 4, 5, 1024, 1025, 5000):
        busy.applied(0.0, commits)
    assert busy.group_sizes == [1, 1, 2, 1, 0, 0, 0, 0, 0, 0, 1, 2]
    assert busy.group_commits == 1 + 2 + 3 + 4 + 5 + 1024 + 1025 + 5000
    assert families.group_sizes(busy).samples[-2].value == 8


def test_the_network_and_the_clock():
    async def work(a: Party, c: Party) -> None:
        def read() -> Series:
            return series(lambda: families.transport(a.transport))

        found = read()
        for reason in ("unreachable", "overflow", "too_large", "cut"):
            assert value(found, "net_lost_messages_total", reason=reason) == 0
        for event in ("broken_off", "refused", "silent", "unknown", "renewed"):
            assert value(found, "net_connection_events_total", event=event) == 0
        assert value(found, "net_peer_connected", peer="c") == 1
        a.transport.post("c", Note(1))
        a.transport.post("c", Note(2))
        labels = {"source": "east", "target": "west", "message": "note"}
        assert value(read(), "net_sent_messages_total", **labels) == 2
        await until(lambda: len(c.heard) == 2)
        there = series(lambda: families.transport(c.transport))
        assert value(there, "net_received_messages_total", **labels) == 2
        sent = value(read(), "net_sent_bytes_total", **labels)
        assert value(there, "net_received_bytes_total", **labels) == sent
        inject(Cut("east", "west"), a)
        a.transport.post("c", Note(3))
        assert value(read(), "net_lost_messages_total", reason="cut") >= 1

    between(lambda: [Party("east", "a"), Party("west", "c")], work)
    known = series(lambda: families.clock(ConstantClock(5_000_000)))
    assert (value(known, "clock_known"), value(known, "clock_bound_seconds")) == (1, 0.005)

    class Lost:
        def now(self) -> Any:
            raise NoTime("unplugged")

    unknown = series(lambda: families.clock(Lost()))
    assert value(unknown, "clock_known") == 0
    assert ("opendsql_clock_bound_seconds", ()) not in unknown


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def serving(work: Any) -> None:
    async def main() -> None:
        server = MetricsServer(Exposition("n1", [lambda: families.connections(Counters(accepted=7))]))
        port = await server.start("127.0.0.1", 0)
        try:
            await work(port, server)
        finally:
            await server.stop()

    asyncio.run(main())


def test_a_scrape():
    async def work(port: int, _server: MetricsServer) -> None:
        head, _, body = (await ask(port, b"GET /metrics?a=b HTTP/1.1\r\nHost: n1\r\n\r\n")).partition(
            b"\r\n\r\n"
        )
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=")
        assert b"Content-Length: %d\r\n" % len(body) in head + b"\r\n"
        assert b'opendsql_connection_events_total{event="accepted",node="n1"} 7.0\n' in body
        head, _, body = (await ask(port, b"HEAD /metrics HTTP/1.1\r\n\r\n")).partition(b"\r\n\r\n")
        assert (head[:15], body) == (b"HTTP/1.1 200 OK", b"")

    serving(work)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"405"),
        (b"\r\n\r\n", b"405"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * (2 * MAX_HEAD) + b"\r\n\r\n", b"431"),
    ],
)
def test_other_requests(request_, status):
    async def work(port: int, _server: MetricsServer) -> None:
        assert (await ask(port, request_)).split(b" ")[1] == status

    serving(work)


def test_too_many_scrapes_at_once():
    async def work(port: int, server: MetricsServer) -> None:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]
        await until(lambda: len(server._tasks) == MAX_CONNECTIONS)
        assert (await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503")
        for _reader, writer in idle:
            writer.close()
            await writer.wait_closed()
        await until(lambda: not server._tasks)
        assert (await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")

    serving(work)


def test_a_clock_that_only_widens_is_reported_as_it_is():
    clock = IntervalClock(10**9)
    clock.add(Reading(0, 10**18, 10**6, 0))

    class Held:
        def now(self) -> Any:
            return clock.now(0)

    assert value(series(lambda: families.clock(Held())), "clock_bound_seconds") == 0.001


def test_what_a_router_and_its_processes_count_is_there_before_there_are_any(tmp_path):
    async def work(node: Node) -> None:
        pool = ProcessorPool(node, tmp_path, 1, lambda _pid, _secret: None)
        router = Router(node, pool, Settings())
        found = series(
            lambda: metrics_workers.workers(pool, pool.status()), lambda: metrics_workers.router(router)
        )
        for event in Counts.__slots__:
            assert value(found, "router_events_total", event=event) == 0
        for state in metrics_workers.STATES:
            assert value(found, "workers", state=state) == 0
        for name in ("worker_start_seconds_count", "worker_start_seconds_sum", "router_kept_bytes"):
            assert value(found, name) == 0
        assert value(found, "workers_begins_refused_total") == 0
        for place in ("here", "away", "waiting"):
            assert value(found, "router_sessions", place=place) == 0

    run(tmp_path, work)
