"""What every process that commits has towards its clients: a listener, perhaps workers, and how they end with it."""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from server.pgwire.connection import Admit, Connection, Counters
from server.pgwire.sigv4 import Trust
from server.runtime import tls
from server.runtime.backend import Backend, Front
from server.runtime.gate import CatalogGate
from server.runtime.listener import Listener, limits_of
from server.runtime.reporting import counted, total
from server.runtime.router.relay import Relay
from server.runtime.router.router import Router
from server.runtime.service import Service
from server.session.session import SqlSession
from server.sql.limits import Limits

if TYPE_CHECKING:
    from server.runtime.metrics import Families

STOP_GRACE_S = 5.0


class Facing(Protocol):
    """How clients reach the process and prove who they are."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int:
        """0: any free one."""

    @property
    def auth(self) -> str: ...

    @property
    def tls_required(self) -> bool: ...

    @property
    def tls_names(self) -> Sequence[str]: ...

    @property
    def admin_verifier(self) -> str | None: ...

    @property
    def trust(self) -> Trust | None: ...


class Endpoint(Service):
    """See `server.runtime.listener.Node`."""

    gate: CatalogGate

    def __init__(self, log: logging.Logger, limits: Limits) -> None:
        super().__init__(log)
        self.limits = limits
        self.counters = Counters()
        self.mock_secret = os.urandom(32)
        self.backend: Backend | None = None
        self.router: Router | None = None
        """This process accepts all connections; the backend's processes serve sessions."""
        self.listener: Listener | None = None
        self.port = 0
        self.admit: Admit = lambda user, options: None
        """See `server.pgwire.connection.Environment`."""

    def open_session(
        self, user: str, database: str, options: Mapping[str, str], out: list[bytes]
    ) -> SqlSession:
        """A session of an authenticated client."""
        raise NotImplementedError

    def cancel(self, process_id: int, secret: bytes) -> None:
        """A cancel request for a session that is not one of the listener's."""
        if self.backend is not None:
            self.backend.cancel(process_id, secret)

    def cancel_here(self, process_id: int, secret: bytes) -> None:
        """A cancel request for a session of this process's listener, which came to a worker."""
        if self.listener is not None:
            self.listener.cancel(process_id, secret)

    def broken(self, error: BaseException) -> None:
        """As `Service.broken`, and every client is cut off."""
        super().broken(error)
        if self.listener is not None:
            self.listener.stopping = True
            self.listener.abort()
        if self.backend is not None:
            self.backend.abort()

    async def listen(self, facing: Facing, data: Path) -> None:
        """Accept clients, here and, without a router, in the backend's processes. Raises OSError for a taken port."""
        shares_port = self.backend is not None and self.router is None
        now = datetime.datetime.now(datetime.UTC)
        names = tls.names_of(facing.host, facing.tls_names)
        self.listener = Listener(
            self,
            limits=limits_of(self.limits),
            tls=tls.Renewal(data / "tls", names, now),
            tls_required=facing.tls_required,
            counters=self.counters,
            mock_secret=self.mock_secret,
            connect=Connection if self.router is None else partial(Relay, self.router),
            admit=self.admit,
        )
        if shares_port:
            await require_free(facing.host, facing.port)
        self.port = await self.listener.start(facing.host, facing.port, reuse_port=shares_port)
        if self.backend is not None:
            await self.backend.start(
                Front(
                    facing.host,
                    self.port,
                    facing.auth,
                    facing.tls_required,
                    tuple(facing.tls_names),
                    facing.admin_verifier,
                    self.mock_secret,
                    facing.trust,
                )
            )

    def processes(self) -> list[dict[str, Any]]:
        """For `opendsql status`: those that serve clients beside this one."""
        found = self.backend.status() if self.backend is not None else []
        if self.router is None:
            return found
        routed = self.router.status()
        return [{**each, **routed[each["index"]]} for each in found if each["index"] in routed]

    def routed(self) -> dict[str, int]:
        """For `opendsql status`: what the router counts, and where sessions are."""
        return {} if self.router is None else {**self.router.places, **asdict(self.router.counts)}

    def connections(self) -> Counters:
        """What is counted of clients' connections, by all processes."""
        if self.backend is None:
            return self.counters
        others = total(self.backend).connections
        if self.router is not None:
            # Every client is connected to this process.
            others = replace(others, accepted=0, open=0, bytes_in=0, bytes_out=0)
        return counted(self.counters, others)

    async def publish(self, node: str, parts: Sequence[Families], host: str, port: int) -> None:
        """As `Service.publish`, with what is counted of clients and processes."""
        # Imported here: who does not ask for metrics does not wait for their library.
        from server.runtime import metrics_families, metrics_workers

        own: list[Families] = [lambda: metrics_families.connections(self.connections())]
        backend, router = self.backend, self.router
        if backend is not None:
            own.append(lambda: metrics_workers.workers(backend, self.processes()))
        if router is not None:
            own.append(lambda: metrics_workers.router(router))
        await super().publish(node, [*parts, *own], host, port)

    async def leave(self) -> None:
        """No new connections; running statements get their grace; operators and Prometheus are cut off."""
        if self.router is not None:
            self.router.is_stopping = True
        if self.listener is not None and self.failure is None:
            ends = [self.listener.shutdown(STOP_GRACE_S)]
            if self.backend is not None:
                ends.append(self.backend.stop(STOP_GRACE_S))
            await asyncio.gather(*ends)
        await super().leave()


async def require_free(host: str, port: int) -> None:
    """OSError when somebody listens there: a port that is shared by processes could be taken twice."""
    if port:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
        server.close()
        await server.wait_closed()
