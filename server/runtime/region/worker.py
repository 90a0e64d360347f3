"""A query processor of a region in a process of its own: reads the region's replica, commits through the node.

    BEGIN     reason told by the node? ──▶ 57P03
              complete (a word of the shared page) and the clock's early edge have reached the late edge?
                ├─yes─▶ start_ts, rows and catalog of one moment, from one LMDB snapshot
                └─no──▶ look again; after `PATIENCE_S` 57P03, never a stale answer
    read      the same snapshot; where the region has storage nodes, these, as of start_ts (server.runtime.reading)
    COMMIT    Submit ──▶ node: owners, here or in the other region

The rules are those of `server.runtime.region.node.RegionNode`. Storage may hold commits whose time has not come
(`lead`), of the catalog too: the catalog in force is that of start_ts, whatever the newest one is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from journal.record import Timestamp
from server.catalog import clusters, store
from server.catalog.descriptor import Catalog
from server.errors import PgError
from server.runtime.clocks import choice
from server.runtime.clocks.choice import ClockChoice
from server.runtime.clocks.interval import NoTime
from server.runtime.frames import Configure, Serving, ToWorker
from server.runtime.page import SharedPage, decode_catalog_versions
from server.runtime.reading.region import RegionReads
from server.runtime.region.config import NodeConfig
from server.runtime.region.edges import Edges
from server.runtime.worker import Link, WorkerNode
from server.session import remote
from server.session.regional import KINDS
from server.session.work import Wait

PATIENCE_S = 4.0
"""How long a statement waits until its time is complete."""
LOOK_S = 0.001
"""Between two looks at the page, while somebody waits."""


class Regional(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker is told of its region, as `Configure.regional`."""

    here: clusters.Here
    clock: ClockChoice
    reason: str
    """Why no transaction may begin at the moment; empty: it may."""
    node: NodeConfig | None = None
    """Of the node, if its region has storage nodes: rows are read from these."""


def encode(regional: Regional) -> bytes:
    """As `RegionWorkerNode` reads it."""
    return msgspec.json.encode(regional, enc_hook=str)


def decode(data: bytes) -> Regional:
    """What the node has encoded."""
    return msgspec.json.decode(data, type=Regional, dec_hook=_path)


def edges_of(data: bytes, lost: Callable[[NoTime], None]) -> Edges:
    """The clock of a worker. Raises OSError, ValueError."""
    regional = decode(data)
    return Edges(choice.make(regional.clock), regional.here.region, lost)


def _path(kind: type, value: Any) -> Path:
    assert kind is Path
    return Path(value)


class RegionWorkerNode(WorkerNode):
    """See the module's text; a `server.session.regional.RegionHost`."""

    def __init__(
        self,
        config: Configure,
        page: SharedPage,
        link: Link,
        edges: Edges,
        broken: Callable[[BaseException], None],
    ) -> None:
        """`broken`: what the connections to storage nodes tell. Raises OSError, ValueError for bad certificates."""
        regional = decode(config.regional)
        self._edges = edges
        self._waiting: list[tuple[Timestamp, Wait[None]]] = []
        self.reason = regional.reason
        """Why the node lets no transaction begin; empty: it does."""
        super().__init__(config, page, link)
        self.here = regional.here
        self.kinds = KINDS
        self.remote: RegionReads | None = None
        if regional.node is not None:
            self.remote = RegionReads(regional.node, edges.earliest, config.limits.transaction_age_s, broken)
            self.reads, self.kinds = self.remote.versions, remote.KINDS

    async def start(self) -> None:
        """Returns when the time is known and storage nodes can be asked, if there are any."""
        await self._edges.start()
        if self.remote is not None:
            await self.remote.start()

    async def stop(self) -> None:
        """Look at the clock no more, and end the connections to storage nodes."""
        await self._edges.stop()
        if self.remote is not None:
            await self.remote.stop()

    def fresh(self) -> Wait[None] | None:
        """None, or what a transaction has to wait for before it begins. Raises PgError 57P03."""
        reason = self.refusal()
        if reason is not None:
            self.refused += 1
            raise PgError("57P03", reason)
        wanted = self._edges.latest()
        if self._passed() >= wanted:
            return None
        self.waited += 1
        wait: Wait[None] = Wait()
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(LOOK_S, self._look)
        self._waiting.append((wanted, wait))
        loop.call_later(PATIENCE_S, self._give_up, wait)
        return wait

    def told(self, message: ToWorker) -> bool:
        """As `WorkerNode.told`, and whether transactions may begin."""
        if isinstance(message, Serving):
            self.reason = message.reason
            return True
        return super().told(message)

    def refusal(self) -> str | None:
        """Why nothing may be answered here, or None: it may."""
        return self.reason or self._edges.refusal()

    def reached(self, ts: Timestamp) -> None:
        """What one process of the node knows to have passed has passed, whatever this one's clock allows for."""
        self._start_ts = max(self._start_ts, ts)

    def catalog(self, cluster: int) -> Catalog:
        """The catalog in force at `start_ts`. PgError FATAL 57P01 when the cluster was dropped by then."""
        passed = self._passed()  # before the snapshot, which then holds everything up to there
        if not self._is_newest or self._page.position != self._position:
            self._refresh()
        self._start_ts = max(self._start_ts, passed)
        return self._in_force(cluster)

    # --- how

    def _passed(self) -> Timestamp:
        """Everything up to it is applied, and it has passed on every clock (AR §2 H3)."""
        return min(self._page.complete, self._edges.earliest())

    def _refresh(self) -> None:
        self._position = self._page.position
        _applied_ts, _applied, extra = self.versions.refresh()
        self._is_newest = True
        if extra != self._extra:
            self._extra = extra
            self._catalog_versions = decode_catalog_versions(extra)

    def _in_force(self, cluster: int) -> Catalog:
        version = self._catalog_versions.get(cluster, 0)
        known = self._catalogs.get(cluster)
        if known is not None and known.version == version:
            return known
        if version > self._start_ts:
            version = store.version_at(self.versions, cluster, self._start_ts) or 0
            if known is not None and known.version == version:
                return known
        found = store.load(self.versions, cluster, self._start_ts, version, known)
        if found is None:
            self._catalogs.pop(cluster, None)
            raise clusters.gone()
        self._catalogs[cluster] = found
        return found

    def _look(self) -> None:
        passed = self._passed()
        ready = [wait for ts, wait in self._waiting if ts <= passed]
        self._waiting = [each for each in self._waiting if each[0] > passed]
        if self._waiting:
            asyncio.get_running_loop().call_later(LOOK_S, self._look)
        for wait in ready:
            if not wait.done:
                wait.finish(None)

    def _give_up(self, wait: Wait[None]) -> None:
        if not wait.done:
            self._waiting = [each for each in self._waiting if each[1] is not wait]
            self.refused += 1
            behind_s = (self._edges.latest() - self._page.complete) / 1e9
            reason = self.reason or f"region {self.here.region} is {behind_s:.1f} s behind"
            wait.fail(PgError("57P03", reason))
