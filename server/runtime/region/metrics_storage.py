"""The metrics of a storage node, as functions that read its counters (server.runtime.metrics)."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from journal.record import Timestamp
from server.runtime.metrics_families import labelled
from server.runtime.storage_node.replica import ShardReplica


def replicas(found: Sequence[ShardReplica], now: Timestamp) -> Iterator[Metric]:
    """How far each replica is, and what became of reads; `shard` is the first key of its range, in hex."""

    def per_shard(kind: type, name: str, text: str, values: list[float]) -> Metric:
        return labelled(kind, name, text, ["shard"], dict(zip((each.lo.hex() for each in found), values)))

    gauge, counter = GaugeMetricFamily, CounterMetricFamily
    lags = [(now - each.complete) / 1e9 if each.complete else 0.0 for each in found]
    serving = [float(each.serving.is_set()) for each in found]
    yield per_shard(gauge, "shard_serving", "1 if the replica has caught up since it began.", serving)
    yield per_shard(
        gauge, "shard_complete_lag_seconds", "How far it is behind the clock; negative: ahead.", lags
    )
    yield per_shard(
        gauge,
        "shard_waits_for_space",
        "1 while applying waits for space.",
        [float(each.is_out_of_space) for each in found],
    )
    waiting = [float(each.reads.waiting) for each in found]
    answered = [float(each.reads.answered) for each in found]
    refused = [float(each.reads.refused) for each in found]
    yield per_shard(gauge, "shard_reads_waiting", "Reads that wait until it is complete.", waiting)
    yield per_shard(counter, "shard_reads_answered", "Reads answered with rows.", answered)
    yield per_shard(counter, "shard_reads_refused", "Reads refused: too old, too new, too late.", refused)
    fed = [float(each.fed) for each in found]
    loaded = [float(each.loaded) for each in found]
    yield per_shard(counter, "shard_fed", "Answers of the region's crossbar that were applied.", fed)
    yield per_shard(counter, "shard_snapshots_loaded", "Snapshots from which it began anew.", loaded)
