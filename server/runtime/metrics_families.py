"""The metrics of each part of a node, as functions that read its counters (server.runtime.metrics)."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from server.catalog.descriptor import Catalog
from server.pgwire.connection import Counters
from server.runtime.busy import SIZES, Busy
from server.runtime.clocks.interval import Clock, NoTime
from server.runtime.desk import NodeDesk
from server.runtime.net.traffic import Count, Flow, Traffic
from server.runtime.net.transport import PeerStatus, Transport
from server.runtime.node import Node
from server.testing.conflicts import ConflictLog
from server.testing.desk import Desk

CATALOG = "(catalog)"
DROPPED = "(dropped)"
OTHERS = "(others)"
HOT_KEYS = 10
JOB_STATES = ("submitted", "processing", "completed", "failed")
_BYTES = {"bytes_in", "bytes_out"}
_GAUGES = {"open"}


def counter(name: str, text: str, value: float) -> Metric:
    """A counter without labels."""
    return CounterMetricFamily(f"opendsql_{name}", text, value=value)


def gauge(name: str, text: str, value: float) -> Metric:
    """A gauge without labels."""
    return GaugeMetricFamily(f"opendsql_{name}", text, value=value)


def labelled(kind: type[Any], name: str, text: str, labels: list[str], values: Mapping[Any, float]) -> Metric:
    """A family of `kind` with a series per key of `values`: a string, or a tuple of them."""
    family: Any = kind(f"opendsql_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric([key] if isinstance(key, str) else list(key), value)
    found: Metric = family
    return found


def build(version: str, start_s: float) -> Iterator[Metric]:
    """Which build it is, and how long it took to serve."""
    yield InfoMetricFamily("opendsql_build", "The build that runs.", value={"version": version})
    yield gauge("start_seconds", "From opening the data directory to serving.", start_s)


def pipeline(node: Node) -> Iterator[Metric]:
    """The commit pipeline: work, outcomes, groups, lag."""
    committer, busy = node.committer, node.committer.busy
    yield labelled(
        CounterMetricFamily,
        "busy_seconds",
        "Seconds of work of each serial section; divided by the interval, the share that is used up.",
        ["section"],
        _sections(busy, node.claim_s),
    )
    yield counter("transactions_begun", "Transactions begun.", node.begun)
    yield gauge("transactions_open", "Transactions that are open.", node.open_transactions)
    yield counter("commits", "Transactions committed with writes or locks.", committer.commits)
    yield counter("conflicts", "Commits refused (OC000, OC001).", committer.conflicts)
    yield counter("refused_too_old", "Commits refused because they began too long ago.", busy.too_old)
    yield labelled(
        CounterMetricFamily,
        "table_conflicts",
        "Commits refused, by the table of the key at fault.",
        ["cluster", "table"],
        conflicts_by_table(busy.conflicts_by_index, {each: node.catalog(each) for each in node.clusters()}),
    )
    yield group_sizes(busy)
    yield counter("journal_appended_bytes", "Bytes appended to the journal.", committer.appended_bytes)
    journal, applied = node.journal, node.versions.applied_position
    yield gauge(
        "journal_undurable_records",
        "Records appended and not durable.",
        journal.tail.position - journal.durable,
    )
    yield gauge("apply_lag_records", "Durable records that are not applied.", journal.durable - applied)
    yield gauge("start_ts_seconds", "The time that a transaction would begin at.", node.start_ts() / 1e9)


def _sections(busy: Busy, claim_s: float) -> dict[str, float]:
    return {
        # The loop's thread works when it computes, and when a flush on it waits for the disk.
        "event_loop": time.thread_time() + busy.blocked_s,
        "adjudicator": busy.decide_s,
        "journal_flush": busy.flush_s,
        "apply": busy.apply_s,
        "claim": claim_s,
    }


def conflicts_by_table(
    counts: dict[bytes, int], catalogs: dict[int, Catalog]
) -> dict[tuple[str, str], float]:
    """By (cluster, schema-qualified table); every table that there is, with 0 if nothing happened."""
    found: Counter[tuple[str, str]] = Counter()
    for cluster, catalog in catalogs.items():
        found[str(cluster), CATALOG] += 0
        for table in catalog.tables.values():
            found[str(cluster), _qualified(catalog, table.oid)] += 0
    for prefix, count in counts.items():
        cluster, oid = int.from_bytes(prefix[:4], "big"), int.from_bytes(prefix[4:], "big")
        known = catalogs.get(cluster)
        if not prefix:
            found["", OTHERS] += count
        elif oid < 16:
            found[str(cluster), CATALOG] += count
        elif known is None:
            found[str(cluster), DROPPED] += count
        else:
            found[str(cluster), _qualified(known, known.index_tables.get(oid, oid))] += count
    return dict(found)


def contention(desk: Desk, catalogs: Iterable[int]) -> Iterator[Metric]:
    """The keys on which commits are lost most, of all sessions of the node and of these clusters."""
    log = _log_of(desk)
    found: Counter[tuple[str, str, str]] = Counter()
    for cluster in catalogs:
        for each in log.hot_keys(cluster)[:HOT_KEYS]:
            place = each.place
            found[str(cluster), f"{place.schema}.{place.table}", place.key or ""] += each.conflicts
    yield labelled(
        GaugeMetricFamily,
        "hot_key_conflicts",
        "Commits lost on a key, of those that are lost most; one may leave and come back.",
        ["cluster", "table", "key"],
        dict(found.most_common(HOT_KEYS)),
    )


def _log_of(desk: Desk) -> ConflictLog:
    assert isinstance(desk, NodeDesk)  # metrics are the main process's
    return desk.conflicts


def lost_by_table(desk: Desk, catalogs: Mapping[int, Catalog]) -> Metric:
    """As sessions were told; every table that there is, with 0 if nothing happened."""
    found = {
        (str(cluster), _qualified(catalog, table.oid)): 0.0
        for cluster, catalog in catalogs.items()
        for table in catalog.tables.values()
    }
    for (cluster, table), count in _log_of(desk).by_table().items():
        found[str(cluster), table or OTHERS] = count
    return labelled(
        CounterMetricFamily,
        "table_conflicts",
        "Commits refused, by the table of the key at fault.",
        ["cluster", "table"],
        found,
    )


def _qualified(catalog: Catalog, oid: int) -> str:
    table = catalog.tables.get(oid)
    return f"{catalog.schemas[table.schema_oid].name}.{table.name}" if table is not None else DROPPED


def group_sizes(busy: Busy) -> Metric:
    """Commits per group: what they share a flush with."""
    bounds = [str(float(1 << size)) for size in range(SIZES - 1)] + ["+Inf"]
    sums, total = [], 0
    for count in busy.group_sizes:
        total += count
        sums.append(float(total))
    family = HistogramMetricFamily("opendsql_group_commits", "Commits that shared one record and its flush.")
    family.add_metric([], list(zip(bounds, sums)), sum_value=busy.group_commits)
    return family


def upkeep(node: Node) -> Iterator[Metric]:
    """Space, snapshots, jobs, sessions."""
    space = node.versions.space()
    free = {"journal": node.journal.space(), "storage_map": space.map_bytes, "disk": space.disk_bytes}
    yield labelled(GaugeMetricFamily, "free_bytes", "Room that is left.", ["where"], free)
    committer, snapshots = node.committer, node.snapshots
    yield gauge("out_of_space", "1 while new writes are refused for want of space.", committer.is_full)
    yield gauge("apply_waits_for_space", "1 while applying waits for space.", committer.is_waiting_for_space)
    yield counter("snapshots_cut", "Snapshots cut by this process.", snapshots.cut)
    yield gauge("snapshot_failing", "1 if the last try to cut a snapshot failed.", bool(snapshots.last_error))
    yield gauge("snapshot_position", "The record that the newest snapshot reaches.", snapshots.last_position)
    jobs = Counter(dict.fromkeys(JOB_STATES, 0))
    jobs.update(job.status for cluster in node.clusters() for job in node.jobs.jobs(cluster))
    yield labelled(GaugeMetricFamily, "jobs", "Asynchronous jobs.", ["state"], dict(jobs))
    yield gauge("sessions", "Sessions of all processes of the node.", len(node.sessions))


def connections(counters: Counters) -> Iterator[Metric]:
    """What the listener counts, in this process; errors that never happened are 0."""
    names = [field.name for field in fields(counters)]
    events = {name: getattr(counters, name) for name in names if name not in _BYTES | _GAUGES}
    yield labelled(
        CounterMetricFamily, "connection_events", "What happened on clients' connections.", ["event"], events
    )
    yield gauge("connections_open", "Clients that are connected.", counters.open)
    flow = {"in": counters.bytes_in, "out": counters.bytes_out}
    yield labelled(
        CounterMetricFamily, "connection_bytes", "Bytes of clients, in clear.", ["direction"], flow
    )


def transport(source: Transport) -> Iterator[Metric]:
    """What passes between nodes."""
    traffic = source.traffic
    for direction, counts in (("sent", traffic.sent), ("received", traffic.received)):
        labels = ["source", "target", "message"]
        messages, size = _flows(counts)
        text = f"Messages {direction} between nodes, by region."
        yield labelled(CounterMetricFamily, f"net_{direction}_messages", text, labels, messages)
        text = f"Bytes of messages {direction}, before encryption."
        yield labelled(CounterMetricFamily, f"net_{direction}_bytes", text, labels, size)
    lost = {loss.value: float(count) for loss, count in traffic.lost.items()}
    yield labelled(CounterMetricFamily, "net_lost_messages", "Messages that did not leave.", ["reason"], lost)
    yield labelled(
        CounterMetricFamily,
        "net_connection_events",
        "What became of connections.",
        ["event"],
        _events(traffic),
    )
    peers = source.status()
    up = {peer.node: float(peer.is_connected) for peer in peers}
    yield labelled(GaugeMetricFamily, "net_peer_connected", "1 if a message could leave.", ["peer"], up)
    yield labelled(GaugeMetricFamily, "net_peer_rtt_seconds", "Of the last ping.", ["peer"], _rtts(peers))
    waiting = {peer.node: float(peer.waiting_bytes) for peer in peers}
    yield labelled(GaugeMetricFamily, "net_peer_waiting_bytes", "Not yet sent.", ["peer"], waiting)


def _flows(counts: dict[Flow, Count]) -> tuple[dict[Any, float], dict[Any, float]]:
    return (
        {tuple(flow): float(count.messages) for flow, count in counts.items()},
        {tuple(flow): float(count.size) for flow, count in counts.items()},
    )


def _events(traffic: Traffic) -> dict[str, float]:
    names = ("connected", "renewed", "broken_off", "silent", "refused", "other_version", "unknown")
    return {name: float(getattr(traffic, name)) for name in names}


def _rtts(peers: list[PeerStatus]) -> dict[str, float]:
    return {peer.node: peer.rtt_s for peer in peers if peer.rtt_s is not None}


def clock(source: Clock) -> Iterator[Metric]:
    """How well the time is known."""
    try:
        earliest, latest = source.now()
    except NoTime:
        yield gauge("clock_known", "1 if the time is known well enough to hand out times.", 0)
        return
    yield gauge("clock_known", "1 if the time is known well enough to hand out times.", 1)
    yield gauge("clock_bound_seconds", "How far the clock may be off.", (latest - earliest) / 2e9)
