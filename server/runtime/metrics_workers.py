"""The metrics of a node's further processes and of its router, as functions that read what these told.

Processes come and go: what belongs to one of them carries its number, and the sums hold what those counted that ended.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from server.runtime.backend import Backend
from server.runtime.metrics_families import counter, gauge, labelled
from server.runtime.reporting import total
from server.runtime.router.router import Router

STATES = ("starting", "serving", "draining", "ending")


def workers(backend: Backend, processes: list[dict[str, object]]) -> Iterator[Metric]:
    """Each process, and all together. `processes`: as `Endpoint.processes` says."""
    states = Counter(dict.fromkeys(STATES, 0))
    states.update(str(each["state"]) for each in processes)
    yield labelled(GaugeMetricFamily, "workers", "Processes that serve clients.", ["state"], states)
    family = SummaryMetricFamily(
        "opendsql_worker_start_seconds", "From the start of such a process until it served."
    )
    family.add_metric([], backend.starts, backend.start_s)
    yield family
    for name, text, key, kind in (
        ("worker_busy_seconds", "Seconds of work of its event loop.", "busy_s", CounterMetricFamily),
        ("worker_busy_share", "The same, per second of its last interval.", "busy", GaugeMetricFamily),
        ("worker_sessions", "Sessions that are there.", "sessions", GaugeMetricFamily),
        ("worker_transactions_open", "Transactions open there.", "transactions", GaugeMetricFamily),
    ):
        values = {str(each["index"]): float(str(each[key])) for each in processes}
        yield labelled(kind, name, text, ["worker"], values)
    versions = Counter(str(each["version"]) for each in processes if each["version"])
    yield labelled(GaugeMetricFamily, "worker_builds", "Processes by build.", ["version"], versions)
    yield from _sums(backend)


def _sums(backend: Backend) -> Iterator[Metric]:
    found = total(backend)
    yield counter("workers_transactions_begun", "Transactions begun in them.", found.begun)
    yield counter(
        "workers_begins_waited", "Transactions whose time was not complete when they began.", found.waited
    )
    yield counter("workers_begins_refused", "Statements that got 57P03 there.", found.refused)


def router(source: Router) -> Iterator[Metric]:
    """Sessions and their places, and what happened to them and to query processors."""
    yield labelled(
        CounterMetricFamily,
        "router_events",
        "What happened to sessions and query processors.",
        ["event"],
        {name: float(count) for name, count in asdict(source.counts).items()},
    )
    yield labelled(
        GaugeMetricFamily,
        "router_sessions",
        "Sessions at a query processor, at none, and those that want one.",
        ["place"],
        source.places,
    )
    yield gauge("router_kept_bytes", "States of sessions that are kept.", source.kept_bytes)
