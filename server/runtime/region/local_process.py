"""One process of `opendsql cluster`: started with its configuration, and again when it ends."""

import asyncio
import logging
import signal
import sys
import time
import urllib.parse
from pathlib import Path

import msgspec

from server.runtime.process import environment
from server.runtime.region import bound
from server.runtime.region.config import NodeConfig, encode

log = logging.getLogger("opendsql.cluster")

STOP_S = 9.0
RESTART_S = 0.3
RESTART_MOST_S = 5.0


class NodeProcess:
    """One node: started, and started again while it is wanted."""

    def __init__(self, config: NodeConfig, directory: Path) -> None:
        self.config = config
        self.directory = directory
        self.process: asyncio.subprocess.Process | None = None
        self.endpoint = ""
        self.is_wanted = True
        self.starts = 0
        self.ready = asyncio.Event()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def start(self) -> None:
        """Keep it running from now on."""
        self.is_wanted = True
        self._wake.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep())

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()

    async def stop(self) -> None:
        """SIGTERM, and -9 if that takes too long."""
        self.is_wanted = False
        process = self.process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        rest = RESTART_S
        while True:
            while not self.is_wanted:
                self._wake.clear()
                await self._wake.wait()
            began = time.monotonic()
            await self._run()
            self.ready.clear()
            if self.is_wanted:
                rest = RESTART_S if time.monotonic() - began > 10 else min(2 * rest, RESTART_MOST_S)
                await asyncio.sleep(rest)

    async def _run(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / "node.json"
        path.write_bytes(encode(self.config))
        path.chmod(0o600)
        self.starts += 1
        with (self.directory / "node.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *bound.command(
                    *(sys.executable, "-P", "-m", "server.runtime.region.node_process", str(path))
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                env=environment(),
                start_new_session=True,
            )
        self.process = process
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                text = line.decode().strip()
                if text.startswith("ready "):
                    self._is_ready_at(text.removeprefix("ready "))
            code = await process.wait()
        except asyncio.CancelledError:
            if process.returncode is None:
                process.kill()
            raise
        if self.is_wanted:
            log.error("node ended node=%s code=%d", self.config.node, code)

    def _is_ready_at(self, endpoint: str) -> None:
        """Clients were told that address, if there is one: it stays the same when the process is started again."""
        self.endpoint = endpoint
        port = urllib.parse.urlsplit(endpoint).port
        if port is not None:
            self.config = msgspec.structs.replace(self.config, port=port)
        self.ready.set()
