"""The metrics of journals' owners, in a region's node and in an adjudicator alike."""

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from server.runtime.metrics_families import labelled
from server.runtime.region.owning import Owning

JOURNAL = ["journal"]
COUNTERS: tuple[tuple[str, str, Callable[[Owning], float]], ...] = (
    ("journal_claims", "Claims by this process.", lambda each: each.work.claims),
    ("journal_takeovers", "Those after another process had owned it.", lambda each: each.work.takeovers),
    ("journal_appended_bytes", "Bytes appended by this process.", lambda each: each.appended_bytes),
    ("journal_committed", "Transactions decided by this process.", lambda each: each.work.committed),
    (
        "journal_ranges_handed_over",
        "Ranges given to a journal of the region that writes them.",
        lambda each: each.handed_over,
    ),
    ("journal_refused", "Its answers that say no, also for another try.", lambda each: each.work.refused),
)


def owners(by_journal: Mapping[int, Owning]) -> Iterator[Metric]:
    """What the owners in this process do."""
    numbers, monotonic = sorted(by_journal), time.monotonic_ns()

    def per_journal(value: Callable[[Owning], float]) -> dict[str, float]:
        return {str(journal): float(value(by_journal[journal])) for journal in numbers}

    owned = per_journal(lambda each: each.is_owner)
    yield labelled(GaugeMetricFamily, "journal_owned", "1 if its owner is here.", JOURNAL, owned)
    for name, text, value in COUNTERS:
        yield labelled(CounterMetricFamily, name, text, JOURNAL, per_journal(value))
    yield labelled(
        GaugeMetricFamily,
        "journal_append_seconds",
        "From handing a record to the carrier until it was durable, the upper quartile of recent ones.",
        JOURNAL,
        per_journal(lambda each: each.append_times.p75(monotonic) / 1e9),
    )
    yield labelled(
        GaugeMetricFamily,
        "journal_lead_seconds",
        "How far its owner here dates commits ahead.",
        JOURNAL,
        per_journal(lambda each: each.lead / 1e9 if each.is_owner else 0.0),
    )
    busy = {
        (str(journal), section): seconds
        for journal in numbers
        for section, seconds in _busy(by_journal[journal]).items()
    }
    yield labelled(
        CounterMetricFamily,
        "journal_busy_seconds",
        "Seconds of each serial section of its owner here: claims, the core, records in flight.",
        ["journal", "section"],
        busy,
    )


def _busy(owning: Owning) -> dict[str, float]:
    work = owning.work
    return {"claim": work.claim_s, "adjudicate": work.adjudicate_s, "append": work.append_s}
