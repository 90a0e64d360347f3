"""The metrics of a region's node, as functions that read its counters (server.runtime.metrics).

Every series that can't exist yet is 0: a journal that was not measured, a lead that was not needed.
"""

import time
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from server.runtime import metrics_families
from server.runtime.metrics_families import counter, gauge, labelled
from server.runtime.region.edges import Edges
from server.runtime.region.metrics_owners import owners
from server.runtime.region.node import RegionNode
from server.runtime.region.tails import Tails


def process(sections: Mapping[str, float] | None = None) -> Iterator[Metric]:
    """What this process does altogether, and in these sections of it; owners' are `journal_busy_seconds`."""
    yield labelled(
        CounterMetricFamily,
        "busy_seconds",
        "Seconds of work of each serial section; divided by the interval, the share that is used up.",
        ["section"],
        {"event_loop": time.thread_time(), **(sections or {})},
    )


def commits(node: RegionNode) -> Iterator[Metric]:
    """What became of COMMITs of this node, and of its statements."""
    coordinating = node.coordinating
    yield from process({"apply": node.following.apply_s})
    yield counter("transactions_begun", "Transactions begun in the node's own process.", node.begun)
    yield gauge("transactions_open", "Transactions that are open there.", node.open_transactions)
    yield counter("commits", "Transactions committed with writes or locks.", coordinating.commits)
    yield counter("conflicts", "Commits refused (OC000, OC001).", coordinating.conflicts)
    yield counter("commits_unknown", "Commits of which nobody could say what became.", coordinating.unknown)
    yield counter(
        "commits_repeated", "Attempts beyond the first of their transaction.", coordinating.repeated
    )
    yield gauge("commits_pending", "Commits under way.", len(coordinating))
    yield counter("begins_waited", "Transactions whose time was not complete when they began.", node.waited)
    yield counter("begins_refused", "Statements that got 57P03.", node.refused)
    yield gauge("sessions", "Sessions of all processes of the node.", len(node.sessions))
    yield gauge("serving", "1 if transactions may begin here.", node.refusal() is None)


def journals(node: RegionNode) -> Iterator[Metric]:
    """Owners, leads, lags and room, per journal."""
    numbers = sorted(node.owners)
    now = time.time_ns()

    def per_journal(kind: type, name: str, text: str, values: list[float]) -> Metric:
        return labelled(kind, name, text, ["journal"], dict(zip(map(str, numbers), values)))

    yield from owners(node.owners)
    deliveries = node.deliveries.p75(now)
    yield per_journal(
        GaugeMetricFamily,
        "journal_delivery_seconds",
        "From a record's being durable at the owner until it counts here, the upper quartile of recent ones.",
        [deliveries.get(journal, 0) / 1e9 for journal in numbers],
    )
    yield from tails(node.tails, numbers)
    yield per_journal(
        GaugeMetricFamily,
        "journal_closed_ahead_seconds",
        "How far its closed time is ahead of the clock; negative: reads wait.",
        [(node.following.crossbar.closed(journal) - now) / 1e9 for journal in numbers],
    )
    yield from _room(node, numbers)


def tails(found: Tails, numbers: list[int]) -> Iterator[Metric]:
    """How the journals are read."""
    read = {str(journal): float(found.position(journal)) for journal in numbers}
    yield labelled(GaugeMetricFamily, "journal_position", "The last record that was read.", ["journal"], read)
    silent = {str(journal): float(journal in found.unreachable) for journal in numbers}
    yield labelled(
        GaugeMetricFamily, "journal_unreachable", "1 while it cannot be read.", ["journal"], silent
    )


def _room(node: RegionNode, numbers: list[int]) -> Iterator[Metric]:
    keeping = node.keeping
    rooms = [(journal, keeping.rooms.get(journal)) for journal in numbers]
    for name, text in (
        ("used", "Bytes in use."),
        ("size", "Bytes of the file."),
        ("quota", "Bytes at most."),
    ):
        values = {
            str(journal): float(getattr(room, "in_use" if name == "used" else name))
            if room is not None
            else 0.0
            for journal, room in rooms
        }
        yield labelled(GaugeMetricFamily, f"journal_{name}_bytes", text, ["journal"], values)
    full = {str(journal): float(journal in keeping.admission.full) for journal in numbers}
    yield labelled(
        GaugeMetricFamily, "journal_full", "1 while it takes no new transactions (53100).", ["journal"], full
    )
    kept = {str(journal): float(keeping.first.get(journal, 0)) for journal in numbers}
    yield labelled(GaugeMetricFamily, "journal_first", "The oldest record that is kept.", ["journal"], kept)


def storage(node: RegionNode) -> Iterator[Metric]:
    """The replica and its snapshots."""
    following, keeping, space = node.following, node.keeping, node.versions.space()
    lag = time.time_ns() - following.complete
    yield gauge("complete_lag_seconds", "How far storage is behind the clock; negative: ahead.", lag / 1e9)
    free = {"storage_map": space.map_bytes, "disk": space.disk_bytes}
    yield labelled(GaugeMetricFamily, "free_bytes", "Room that is left.", ["where"], free)
    yield gauge("apply_waits_for_space", "1 while applying waits for space.", following.is_out_of_space)
    yield counter("commits_without_room", "Commits refused with 53100.", keeping.admission.refused)
    yield counter("journal_relieved", "Times that etcd's members gave space back.", keeping.relieved)
    yield counter("snapshots_cut", "Snapshots cut by this process.", keeping.cut)
    yield gauge("snapshot_failing", "1 if the last try to cut a snapshot failed.", bool(keeping.last_error))
    yield counter("journal_trimmed_records", "Records that this process let go.", keeping.trimmed)
    yield from _feeding(node)


def _feeding(node: RegionNode) -> Iterator[Metric]:
    """What the region's storage nodes got."""
    feeding = node.feeding if node.is_feeding else None
    behind, lost = (feeding.behind_answers, feeding.lost) if feeding is not None else (0, 0)
    yield counter("feed_behind_answers", "Answers to replicas for which old records were read again.", behind)
    yield counter("feed_lost", "Replicas that were told to begin anew, from a snapshot.", lost)


def contention(node: RegionNode) -> Iterator[Metric]:
    """Where commits of this node's sessions were lost, whoever decided on them."""
    catalogs = {each: node.catalog(each) for each in node.clusters()}
    yield metrics_families.lost_by_table(node.desk, catalogs)
    yield from metrics_families.contention(node.desk, catalogs)


def clock(edges: Edges) -> Iterator[Metric]:
    """How well the time is known; transactions wait for about twice the bound."""
    is_known = edges.refusal() is None
    yield gauge("clock_known", "1 if the time is known well enough to hand out times.", is_known)
    yield gauge(
        "clock_bound_seconds", "How far the clock may be off, when it was last known.", edges.bound_ns / 1e9
    )


def membership(node: RegionNode) -> Iterator[Metric]:
    """Which regions are in service, as this node knows."""
    value = node.membership.value
    yield gauge("regions_epoch", "Changes of the set of regions in service.", value.epoch if value else 0)
    active = {region: float(node.membership.is_active(region)) for region in node.place.regions}
    yield labelled(GaugeMetricFamily, "region_active", "1 if the region is in service.", ["region"], active)
    moves = node.leasing.assigning.moves
    yield counter("journal_moves", "Journals given to another process of the region than had them.", moves)
