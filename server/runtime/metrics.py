"""`--metrics HOST:PORT`: what a node counts, in Prometheus' text format.

Nothing is measured for it: values are read when somebody asks, on the loop's thread, from counters that are kept
anyway. Every series carries the label `node`. What never happened is 0, not absent. GET /metrics and nothing
else; whoever may reach the address may read it.

    busy seconds / interval    the share of a serial section that is used up: 1 is its end
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

log = logging.getLogger("opendsql.metrics")

MAX_HEAD = 8 << 10
MAX_CONNECTIONS = 16
REQUEST_S = 5.0

Families = Callable[[], Iterable[Metric]]
"""The metrics of one part of a node, without the label `node`."""


class _Labelled(Collector):
    """All parts; adds the node's id to each sample."""

    def __init__(self, node: str, parts: Iterable[Families]) -> None:
        self._node = node
        self._parts = tuple(parts)

    def collect(self) -> Iterator[Metric]:
        for part in self._parts:
            for metric in part():
                metric.samples = [
                    sample._replace(labels={"node": self._node, **sample.labels}) for sample in metric.samples
                ]
                yield metric

    def describe(self) -> list[Metric]:
        """Nothing to check for doubles beforehand: that would read every counter at start."""
        return []


class Exposition:
    """The text of a node's metrics."""

    def __init__(self, node: str, parts: Iterable[Families]) -> None:
        """`node` tells one node's series from another's, also after it was started again."""
        process = ProcessCollector(registry=None)
        self._registry = CollectorRegistry()
        self._registry.register(_Labelled(node, [*parts, process.collect]))

    def text(self) -> bytes:
        """Everything as it is now."""
        return generate_latest(self._registry)


class MetricsServer:
    """Answers scrapes, one request per connection."""

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen (port 0: any free one); returns the port. Raises OSError, naming the address."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD)
        except OSError as error:
            error.filename = f"{host}:{port}"  # which of the ports it is
            raise
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Cut everybody off."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) > MAX_CONNECTIONS:
                writer.write(_response("503 Service Unavailable", b"too many connections\n"))
            else:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_S)
                writer.write(self._answer(head))
            await asyncio.wait_for(writer.drain(), REQUEST_S)
        except asyncio.LimitOverrunError:
            writer.write(_response("431 Request Header Fields Too Large", b""))
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            log.debug("a scrape ended early")
        finally:
            self._tasks.discard(task)
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.split(b" ", 1)[0].split(b"?", 1)[0]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", b"GET /metrics\n")
        if path != b"/metrics":
            return _response("404 Not Found", b"GET /metrics\n")
        text = self._exposition.text()
        return _response("200 OK", text, CONTENT_TYPE_LATEST, has_body=method == b"GET")


def _response(
    status: str, body: bytes, kind: str = "text/plain; charset=utf-8", has_body: bool = True
) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (body if has_body else b"")
