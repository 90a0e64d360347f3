"""How many transactions per second each kind of process allows: sums of what `costs` measured, without queues.

    query processor   Q / (statements + coordinate p + m (2 reads + p + 1))
    adjudicator       M / (its part of deciding + M x what every commit of the stream costs each owner)
    crossbar          1 / (decode + merge + route s)        however many there are: each reads everything
    shard             N / (rows x apply + reads (read + 2 m))

p owners and s shards of a transaction, m a message on one end. What is once per record, such as closed times that are
told to everybody, is not per transaction: the busier an owner is, the more commits share a record.
"""

from tests.bench.scaling.costs import Costs
from tests.bench.scaling.model import Sizes

ROWS = 2
"""That a transaction writes."""
SECOND = 10**6
"""In microseconds."""


def limits(costs: Costs, sizes: Sizes, cross: float, reads: int) -> dict[str, float]:
    """Transactions per second, by kind; the least is the first bottleneck."""
    is_cross = cross if sizes.owners > 1 else 0.0
    owners = 1 + is_cross
    return {
        "query processor": sizes.queries * SECOND / _query(costs, owners, reads),
        "adjudicator": _adjudicators(costs, sizes, is_cross),
        "crossbar": SECOND / _crossbar(costs, owners),
        "shard": sizes.shards * SECOND / _shard(costs, reads),
    }


def _query(costs: Costs, owners: float, reads: int) -> float:
    return costs.statements + costs.coordinate * owners + costs.message * (2 * reads + owners + 1)


def _adjudicators(costs: Costs, sizes: Sizes, cross: float) -> float:
    m = costs.message
    alone = costs.decide + costs.encode + 2 * m
    decider, voter = costs.gather + costs.encode + 4 * m, costs.vote + 3 * m
    # Of two owners with as many keys each the one of the lower number decides: the first owner always does.
    both = 2 * max(decider, voter)
    foreign = 1 - 1 / sizes.owners
    stream = costs.merge + foreign * (costs.decode + costs.learn)
    return SECOND / (((1 - cross) * alone + cross * both) / sizes.owners + stream)


def _crossbar(costs: Costs, owners: float) -> float:
    return costs.decode + costs.merge + costs.route * owners


def _shard(costs: Costs, reads: int) -> float:
    return ROWS * costs.apply + reads * (costs.read + 2 * costs.message)
