"""Runs of seeds: many, one for reading, or with a rule switched off until that is noticed."""

from journal.broken import Broken
from tests.sim.chance import Chance
from tests.sim.checkers import TrueAborts, Violation, WriteSkew
from tests.sim.cluster import Cluster
from tests.sim.mutants import switched_off
from tests.sim.profiles import PROFILES, SOUGHT, of_seed


def run(seed, profile=None, **options):
    """One seed: the cluster after its run, and the violation or None; `profile` None: the seed says which."""
    chosen = PROFILES[profile or of_seed(seed)]
    cluster = Cluster(seed, faults=chosen.faults(Chance(seed).fork()), kinds=chosen.kinds, **options)
    try:
        cluster.run()
    except (Violation, Broken) as violation:
        return cluster, violation
    return cluster, None


def explore(seeds, profile=None):
    """Violations as (seed, text), results counted by name, and write skews seen."""
    found, counts, skews = [], {}, 0
    for seed in seeds:
        cluster, violation = run(seed, profile)
        if violation is not None:
            found.append((seed, str(violation)))
        for name, count in cluster.counts.items():
            counts[name] = counts.get(name, 0) + count
        false = cluster.observers.checker(TrueAborts).false_aborts
        counts["false CONFLICT"] = counts.get("false CONFLICT", 0) + false
        skews += cluster.observers.checker(WriteSkew).seen
    return found, counts, skews


def replay(seed, profile=None):
    """The violation's text, the lines of its transactions, and the trace."""
    cluster, violation = run(seed, profile, keeps_timeline=True)
    lines = [f"{profile or of_seed(seed)} {cluster.world.faults}"]
    if violation is not None:
        for txid in getattr(violation, "txids", ()):
            lines += [f"--- transaction {txid.hex()}"]
            lines += [line for line in cluster.world.timeline if repr(txid)[2:-1] in line]
    return str(violation) if violation is not None else "", lines, cluster.world.trace()


def search(name, seeds):
    """The first of `seeds` in which it is noticed that rule `name` is off, and as what; (None, "") if none."""
    with switched_off(name):
        for seed in seeds:
            _cluster, violation = run(seed, SOUGHT.get(name))
            if violation is not None:
                return seed, str(violation).split(":")[0]
    return None, ""
