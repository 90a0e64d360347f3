"""A process of `opendsql journal --format cdc`, and what a consumer makes of its records."""

import json
import queue
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from tests.serving_process import PROGRAM, ROOT

LIMIT_S = 60.0
Key = tuple[Any, ...]


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class ChangeReader:
    """A context manager; kills what still runs at its end."""

    def __init__(self, data: Path, *options: object) -> None:
        command = [
            sys.executable,
            "-c",
            PROGRAM,
            "journal",
            "--data",
            str(data),
            "--format",
            "cdc",
            "--follow",
        ]
        self.process = subprocess.Popen(
            [*command, "--positions", *map(str, options)],
            cwd=ROOT,
            # A run of the tests in the background may have been started with SIGINT ignored, which is inherited.
            preexec_fn=_interruptible,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None and self.process.stderr is not None
        self._records: queue.Queue[str] = queue.Queue()
        self._said: queue.Queue[str] = queue.Queue()
        streams = (self.process.stdout, self._records), (self.process.stderr, self._said)
        self._threads = [threading.Thread(target=_read, args=each) for each in streams]
        for each in self._threads:
            each.start()

    def __enter__(self) -> "ChangeReader":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for each in self._threads:
            each.join()

    def record(self) -> dict[str, Any]:
        """The next record."""
        found: dict[str, Any] = json.loads(self._records.get(timeout=LIMIT_S))
        return found

    def until(self, table: str) -> list[dict[str, Any]]:
        """All records before the next one of `table`."""
        found = []
        while (record := self.record())["type"] == "fragment" or record["source"]["table"] != table:
            found.append(record)
        return found

    def position(self) -> int:
        """The next position that it says."""
        return int(self._said.get(timeout=LIMIT_S).removeprefix("position "))

    def positions(self) -> list[int]:
        """All that it has said."""
        found = []
        while not self._said.empty():
            found.append(self.position())
        return found

    def interrupt(self) -> int:
        """SIGINT; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LIMIT_S)


def _read(stream: IO[str], lines: "queue.Queue[str]") -> None:
    with stream:
        for line in stream:
            lines.put(line)


class Replayed:
    """Tables as the records make them, by their primary keys; records of one transaction change a row once."""

    def __init__(self, keys: dict[str, tuple[str, ...]]) -> None:
        self._keys = keys
        self.rows: dict[str, dict[Key, dict[str, Any]]] = {table: {} for table in keys}
        self.newest = 0
        self._seen: set[tuple[str, str, Key]] = set()

    def apply(self, record: dict[str, Any]) -> None:
        """The next record."""
        source = record["source"]
        table = self.rows[source["table"]]
        image = record["before"] if record["op"] == "d" else record["after"]
        key = tuple(image[name] for name in self._keys[source["table"]])
        once = source["txId"], source["table"], key
        assert once not in self._seen, "one record per row and transaction"
        self._seen.add(once)
        assert source["ts_ns"] >= self.newest, "in order of time"
        self.newest = source["ts_ns"]
        assert (key in table) == (record["op"] != "c"), record
        if record["op"] == "d":
            assert (set(image), record["after"]) == (set(self._keys[source["table"]]), None)
            del table[key]
        else:
            assert record["before"] is None
            table[key] = image


def as_json(value: Any) -> Any:
    """A value that psycopg read, as records have it."""
    return str(value) if isinstance(value, Decimal) else value
