"""A listener on a free port with its loop in a thread, so that blocking clients can be tested against it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from server.runtime.listener import Limits, Listener
from server.runtime.tls import Renewal, ServerTls
from tests.canned import CannedNode

T = TypeVar("T")


class RunningListener:
    """A context manager; `node` and `listener` are to be touched with `call` only."""

    def __init__(
        self,
        node: CannedNode | None = None,
        limits: Limits | None = None,
        tls: ServerTls | Renewal | None = None,
        tls_required: bool = False,
    ) -> None:
        self.node = node or CannedNode()
        self._options = {"limits": limits, "tls": tls, "tls_required": tls_required}
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "RunningListener":
        self._thread.start()
        self.listener: Listener = self.call(lambda: Listener(self.node, **self._options))  # type: ignore[arg-type]
        self.port = self.run(self.listener.start("127.0.0.1", 0))
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self.listener.shutdown(0.0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it in the listener's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def call(self, function: Callable[[], T]) -> T:
        """Call it in the listener's loop."""

        async def called() -> T:
            return function()

        return self.run(called())

    def dsn(self, **options: object) -> str:
        """A libpq connection string; TLS off unless said otherwise."""
        settings = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "admin",
            "dbname": "postgres",
            "sslmode": "disable",
            "gssencmode": "disable",
            **options,
        }
        return " ".join(f"{name}={value}" for name, value in settings.items())
