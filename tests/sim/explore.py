"""Runs of seeds: many, one for reading, or until a mutant is found."""

from journal.broken import Broken
from tests.sim.checkers import TrueAborts, Violation, WriteSkew
from tests.sim.cluster import Cluster
from tests.sim.mutants import switched_off


def run(seed, **options):
    """One seed: the cluster after its run, and the violation or None."""
    cluster = Cluster(seed, **options)
    try:
        cluster.run()
    except (Violation, Broken) as violation:
        return cluster, violation
    return cluster, None


def explore(seeds):
    """Violations as (seed, text), results counted by name, and write skews seen."""
    found, counts, skews = [], {}, 0
    for seed in seeds:
        cluster, violation = run(seed)
        if violation is not None:
            found.append((seed, str(violation)))
        for name, count in cluster.counts.items():
            counts[name] = counts.get(name, 0) + count
        false = cluster.observers.checker(TrueAborts).false_aborts
        counts["false CONFLICT"] = counts.get("false CONFLICT", 0) + false
        skews += cluster.observers.checker(WriteSkew).seen
    return found, counts, skews


def replay(seed):
    """The violation's text, the lines of its transactions, and the trace."""
    cluster, violation = run(seed, keeps_timeline=True)
    lines = [f"{cluster.world.faults}"]
    if violation is not None:
        for txid in getattr(violation, "txids", ()):
            lines += [f"--- transaction {txid.hex()}"]
            lines += [line for line in cluster.world.timeline if repr(txid)[2:-1] in line]
    return str(violation) if violation is not None else "", lines, cluster.world.trace()


def search(name, limit):
    """The first seed that finds the mutant `name`, and as what; None when no seed below `limit` does."""
    with switched_off(name):
        for seed in range(limit):
            _cluster, violation = run(seed)
            if violation is not None:
                return seed, str(violation).split(":")[0]
    return None, ""
