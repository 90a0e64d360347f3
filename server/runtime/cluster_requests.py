"""What operators ask of a server's clusters: as CALL opendsql.new_cluster and drop_cluster (DESIGN §8)."""

from __future__ import annotations

from collections.abc import Generator, Mapping
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
    region = host.here.region
    if isinstance(request, NewCluster):
        return [_named(await _done(clusters.create(host)), host.here.region)]
    if isinstance(request, DropCluster):
        await _done(clusters.drop(host, request.id))
        return [{"dropped": request.id}]
    return [
        _named(each.ids or {region: cluster_id}, region)
        | {
            "state": "deleting" if each.is_deleting else "active",
            "default": each.number == DEFAULT_CLUSTER,
            "created": datetime.fromtimestamp(each.created // 10**9, UTC).isoformat(),
        }
        for cluster_id, each in sorted(
            every(host.versions, host.start_ts(), region), key=lambda found: found[1].number
        )
    ]


def _named(ids: Mapping[str, str], region: str) -> dict[str, Any]:
    """The id here, and, of one that has several, those in the other regions."""
    own = region if region in ids else min(ids)
    peers = {each: ids[each] for each in sorted(ids) if each != own}
    return {"id": ids[own]} | ({"region": own, "peers": peers} if peers else {})


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
