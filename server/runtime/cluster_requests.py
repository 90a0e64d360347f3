"""What operators ask of a server's clusters: as CALL opendsql.new_cluster and drop_cluster (DESIGN §8)."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any, TypeVar

from server.catalog.clusters import every
from server.catalog.descriptor import DEFAULT_CLUSTER
from server.runtime.requests import ClusterRequest, DropCluster, NewCluster
from server.runtime.waiting import outcome
from server.session import clusters
from server.session.host import Host
from server.session.work import Wait

T = TypeVar("T")


async def answer(host: Host, request: ClusterRequest) -> list[Any]:
    """The lines of the answer. Raises PgError."""
    if isinstance(request, NewCluster):
        return [{"id": await _done(clusters.create(host))}]
    if isinstance(request, DropCluster):
        await _done(clusters.drop(host, request.id))
        return [{"dropped": request.id}]
    return [
        {
            "id": cluster_id,
            "state": "deleting" if each.is_deleting else "active",
            "default": each.number == DEFAULT_CLUSTER,
            "created": datetime.fromtimestamp(each.created // 10**9, UTC).isoformat(),
        }
        for cluster_id, each in sorted(
            every(host.versions, host.start_ts()), key=lambda found: found[1].number
        )
    ]


async def _done(work: Generator[Wait[Any], None, T]) -> T:
    try:
        while True:
            await _over(next(work))
    except StopIteration as end:
        result: T = end.value
        return result


async def _over(wait: Wait[Any]) -> None:
    """Done, whatever came of it: the work itself looks."""
    over: Wait[None] = Wait()
    if wait.done:
        return
    wait.callback = lambda: over.finish(None)
    await outcome(over)
