"""Cycles in a history of list-append transactions, in the manner of Elle: from what clients saw, and nothing else.

Elements are unique, so whoever reads a list knows in what order its elements were appended, and by whom:

    ww   T1 appended an element, T2 the next one          T2 overwrote what T1 left
    wr   T2 read a list whose last element is T1's        T2 saw T1
    rw   T1 read a list, T2 appended the next element     T1 did not see T2
    rt   T1 had ended before T2 began (real time, and so also the order within a session)

Under strong snapshot isolation the first two and the last say commit(T1) <= start(T2), rw says start(T1) <
commit(T2). So a cycle contradicts itself unless two rw follow each other somewhere in it (write skew, G2-item,
which is allowed). Named after their edges (Adya; Cerone and others for the non-adjacent kind):

    G0          ww only                                   G1c   ww and wr
    G-single    one rw (a lost update, a read skew)       G-nonadjacent   several rw, no two in a row (long fork)
    with "realtime" behind the name where rt is needed

Not cycles: G1a (read of what was aborted), G1b (read of what its writer went on to change), `duplicate` (an element
twice), `order` (two reads of a list of which neither begins with the other), `internal` (a transaction that does not
read what it appended itself).
"""

from itertools import pairwise
from typing import NamedTuple


class Read(NamedTuple):
    key: str
    elements: tuple


class Append(NamedTuple):
    key: str
    element: object


class Txn(NamedTuple):
    """One transaction as its client knows it."""

    name: str
    ops: tuple
    began: int
    ended: int
    outcome: str = "ok"
    """`ok`, `fail` (it did not happen), `info` (nobody knows)."""


class Anomaly(NamedTuple):
    kind: str
    txns: tuple
    """Names; of a cycle in its order."""


def check(txns, real_time=True):
    """All anomalies of the first kind that is found, none when the history is snapshot isolated.

    `real_time`: also against the order in which transactions ended and began.
    """
    happened = [txn for txn in txns if txn.outcome != "fail"]
    writers, anomalies = _writers(txns)
    anomalies = anomalies or _reads(txns, writers)
    if anomalies:
        return anomalies
    orders, anomalies = _orders(happened)
    if anomalies:
        return anomalies
    edges = _edges(happened, writers, orders)
    found = _cycle(edges)
    if found is None and real_time:
        found = _cycle({name: {**out} for name, out in _with_time(edges, happened).items()})
    return [found] if found is not None else []


def _writers(txns):
    """(key, element) -> its transaction."""
    writers, anomalies = {}, []
    for txn in txns:
        for op in txn.ops:
            if isinstance(op, Append):
                if (op.key, op.element) in writers:
                    anomalies.append(Anomaly("duplicate", (writers[op.key, op.element].name, txn.name)))
                writers[op.key, op.element] = txn
    return writers, anomalies


def _reads(txns, writers):
    """What is wrong with single reads."""
    anomalies = []
    for txn in txns:
        if txn.outcome == "fail":
            continue
        mine = {}
        for op in txn.ops:
            if isinstance(op, Append):
                mine.setdefault(op.key, []).append(op.element)
                continue
            if len(set(op.elements)) != len(op.elements):
                anomalies.append(Anomaly("duplicate", (txn.name,)))
            own = mine.get(op.key, [])
            if own and list(op.elements[-len(own) :]) != own:
                anomalies.append(Anomaly("internal", (txn.name,)))
            anomalies += _sources(txn, op, writers, own)
    return anomalies


def _sources(txn, read, writers, own):
    """Reads of what never was, was aborted, or was not final."""
    for element in read.elements:
        writer = writers.get((read.key, element))
        if writer is None or writer.outcome == "fail":
            yield Anomaly("G1a", (txn.name, writer.name if writer is not None else "nobody"))
    others = read.elements[: len(read.elements) - len(own)]
    if others and (writer := writers.get((read.key, others[-1]))) is not None and writer is not txn:
        final = [op.element for op in writer.ops if isinstance(op, Append) and op.key == read.key][-1]
        if final != others[-1]:
            yield Anomaly("G1b", (txn.name, writer.name))


def _orders(txns):
    """key -> its elements in order, by the longest read."""
    orders, anomalies, reader = {}, [], {}
    reads = [(op, txn) for txn in txns for op in txn.ops if isinstance(op, Read)]
    for op, txn in reads:
        if len(op.elements) >= len(orders.get(op.key, ())):
            orders[op.key], reader[op.key] = op.elements, txn.name
    for op, txn in reads:
        if orders[op.key][: len(op.elements)] != op.elements:
            anomalies.append(Anomaly("order", (txn.name, reader[op.key])))
    return orders, anomalies


def _edges(txns, writers, orders):
    """name -> {name: kind}; where there are several, one that is not rw."""
    edges = {txn.name: {} for txn in txns}

    def edge(source, target, kind):
        if source.name != target.name and source.name in edges and target.name in edges:
            before = edges[source.name].get(target.name, "rw")
            edges[source.name][target.name] = kind if before == "rw" else before

    for key, elements in orders.items():
        chain = [writers[key, element] for element in elements]
        for first, second in pairwise(chain):
            edge(first, second, "ww")
    for txn in txns:
        for op in txn.ops:
            if isinstance(op, Read):
                elements = orders[op.key]
                seen = [element for element in op.elements if writers[op.key, element] is not txn]
                if seen:
                    edge(writers[op.key, seen[-1]], txn, "wr")
                following = elements[len(op.elements) : len(op.elements) + 1]
                if following:
                    edge(txn, writers[op.key, following[0]], "rw")
    return edges


def _with_time(edges, txns):
    """The same and real time: one point after each end, which leads to what began later; linear in size."""
    edges = {name: dict(out) for name, out in edges.items()}
    ended = sorted((txn for txn in txns if txn.outcome == "ok"), key=lambda txn: (txn.ended, txn.name))
    points = [f"@{number}" for number in range(len(ended))]
    for number, txn in enumerate(ended):
        edges[points[number]] = {}
        edges[txn.name].setdefault(points[number], "rt")
        if number:
            edges[points[number - 1]][points[number]] = "rt"
    latest = 0
    for txn in sorted(txns, key=lambda txn: (txn.began, txn.name)):
        while latest < len(ended) and ended[latest].ended < txn.began:
            latest += 1
        if latest:
            edges[points[latest - 1]][txn.name] = "rt"
    return edges


def _cycle(edges):
    """A cycle in which no two rw follow each other; None: there is none.

    Looked for among pairs (transaction, whether the edge that led there is rw): from one that came by rw no rw
    goes on. A cycle of pairs is one of the transactions that is forbidden.
    """
    graph = {}
    for name, out in edges.items():
        for came_by_rw in (False, True):
            steps = [
                (other, kind == "rw") for other, kind in out.items() if not (came_by_rw and kind == "rw")
            ]
            graph[name, came_by_rw] = steps
    state, path = {}, []
    for root in graph:
        if root in state:
            continue
        state[root] = "open"
        path = [(root, iter(graph[root]))]
        while path:
            node, steps = path[-1]
            following = next(steps, None)
            if following is None:
                state[node] = "done"
                path.pop()
            elif following not in state:
                state[following] = "open"
                path.append((following, iter(graph[following])))
            elif state[following] == "open":
                nodes = [each for each, _steps in path]
                return _named(edges, [each[0] for each in nodes[nodes.index(following) :]])
    return None


def _named(edges, cycle):
    kinds = [edges[first][second] for first, second in zip(cycle, [*cycle[1:], cycle[0]], strict=True)]
    count = kinds.count("rw")
    if count:
        kind = "G-single" if count == 1 else "G-nonadjacent"
    else:
        kind = "G1c" if "wr" in kinds else "G0"
    if "rt" in kinds:
        kind += "-realtime"
    return Anomaly(kind, tuple(name for name in cycle if not name.startswith("@")))
