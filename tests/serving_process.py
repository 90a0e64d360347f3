"""A real `opendsql serve` in a process of its own, on a free port, for tests that kill, stop or starve it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = "from opendsql import main; main()"


class ServeProcess:
    """A context manager; kills what still runs at its end. `patch` is Python that runs before the server."""

    def __init__(
        self, data: Path, *options: str, patch: str = "", environment: Mapping[str, str] | None = None
    ):
        self.data = data
        self._command = [sys.executable, "-c", f"{patch}\n{PROGRAM}", "serve", "--port", "0"]
        self._command += ["--data", str(data), *options]
        self._environment = {**os.environ, **(environment or {})}
        self._stderr = data.parent / f"{data.name}.stderr"
        self.port = 0

    def __enter__(self) -> "ServeProcess":
        self.start()
        line = self.process.stdout.readline()
        if not line.startswith("ready postgresql://admin@127.0.0.1:"):
            self.kill()
            raise AssertionError(f"exit code {self.process.returncode}: {self.stderr}")
        self.port = int(line.rsplit(":", 1)[1].split("/")[0])
        return self

    def start(self) -> None:
        """Start it without waiting for the ready line."""
        with open(self._stderr, "wb") as stderr:
            self.process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=self._environment,
            )

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self, timeout: float = 10.0) -> int:
        """SIGTERM; the exit code. DESIGN §12: it is gone within 10 s."""
        self.process.terminate()
        return self.process.wait(timeout)

    def ended(self) -> tuple[int, str]:
        """The exit code and stderr, once it has ended by itself."""
        code = self.process.wait(60)
        return code, self._stderr.read_text()

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    def dsn(self, role: str = "admin") -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/postgres?sslmode=disable"


def opendsql(
    *arguments: object, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run an operator's command to its end."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(environment or {})},
    )
