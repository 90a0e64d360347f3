"""The window functions of PostgreSQL (chapter 9.22)."""

from collections.abc import Callable
from typing import Any

from server.errors import PgError
from server.sql.functions import WindowFunction, WindowPartition, parse_signature, register_window

Impl = Callable[[WindowPartition], list[Any]]


def _define(signature: str, impl: Impl) -> None:
    facts = parse_signature(signature)
    register_window(WindowFunction(facts.oid, facts.name, facts.args, facts.result, impl))


def _row_number(partition: WindowPartition) -> list[Any]:
    return list(range(1, partition.size + 1))


def _rank(partition: WindowPartition) -> list[Any]:
    return [partition.peer_start(i) + 1 for i in range(partition.size)]


def _dense_rank(partition: WindowPartition) -> list[Any]:
    ranks: list[Any] = []
    rank = 0
    for i in range(partition.size):
        rank += partition.peer_start(i) == i
        ranks.append(rank)
    return ranks


def _percent_rank(partition: WindowPartition) -> list[Any]:
    if partition.size <= 1:
        return [0.0] * partition.size
    return [partition.peer_start(i) / (partition.size - 1) for i in range(partition.size)]


def _cume_dist(partition: WindowPartition) -> list[Any]:
    return [partition.peer_end(i) / partition.size for i in range(partition.size)]


def _ntile(partition: WindowPartition) -> list[Any]:
    """Buckets as equal as possible, the larger ones first; the argument is that of the first row."""
    if not partition.size:
        return []
    (buckets,) = partition.args(0)
    if buckets is None:
        return [None] * partition.size
    if buckets <= 0:
        raise PgError("22014", "argument of ntile must be greater than zero")
    small, larger = divmod(partition.size, buckets)
    border = larger * (small + 1)
    return [
        i // (small + 1) + 1 if i < border else larger + (i - border) // small + 1
        for i in range(partition.size)
    ]


def _shifted(direction: int) -> Impl:
    """lag (-1) and lead (1): the value so many rows away, counted in the partition."""

    def run(partition: WindowPartition) -> list[Any]:
        values: list[Any] = []
        for i in range(partition.size):
            _value, *rest = partition.args(i)
            offset = rest[0] if rest else 1
            if offset is None:
                values.append(None)
                continue
            at = i + direction * offset
            if 0 <= at < partition.size:
                values.append(partition.args(at)[0])
            else:
                values.append(rest[1] if len(rest) > 1 else None)
        return values

    return run


def _first_value(partition: WindowPartition) -> list[Any]:
    frames = (partition.frame(i) for i in range(partition.size))
    return [partition.args(frame[0])[0] if len(frame) else None for frame in frames]


def _last_value(partition: WindowPartition) -> list[Any]:
    frames = (partition.frame(i) for i in range(partition.size))
    return [partition.args(frame[-1])[0] if len(frame) else None for frame in frames]


def _nth_value(partition: WindowPartition) -> list[Any]:
    values: list[Any] = []
    for i in range(partition.size):
        nth = partition.args(i)[1]
        if nth is None:
            values.append(None)
            continue
        if nth <= 0:
            raise PgError("22016", "argument of nth_value must be greater than zero")
        frame = partition.frame(i)
        values.append(partition.args(frame[nth - 1])[0] if nth <= len(frame) else None)
    return values


_define("3100 row_number() int8", _row_number)
_define("3101 rank() int8", _rank)
_define("3102 dense_rank() int8", _dense_rank)
_define("3103 percent_rank() float8", _percent_rank)
_define("3104 cume_dist() float8", _cume_dist)
_define("3105 ntile(int4) int4", _ntile)
_define("3106 lag(anyelement) anyelement", _shifted(-1))
_define("3107 lag(anyelement,int4) anyelement", _shifted(-1))
_define("3108 lag(anycompatible,int4,anycompatible) anycompatible", _shifted(-1))
_define("3109 lead(anyelement) anyelement", _shifted(1))
_define("3110 lead(anyelement,int4) anyelement", _shifted(1))
_define("3111 lead(anycompatible,int4,anycompatible) anycompatible", _shifted(1))
_define("3112 first_value(anyelement) anyelement", _first_value)
_define("3113 last_value(anyelement) anyelement", _last_value)
_define("3114 nth_value(anyelement,int4) anyelement", _nth_value)
