"""kill -9 of a real server at random moments under concurrent load: nothing lost, nothing half applied."""

import asyncio
import os
import random
import shutil
from pathlib import Path

import pytest

from journal.lmdb_log import LmdbLog
from server.runtime.operations import audit_journal
from server.runtime.stores import lock_directory, snapshot_positions
from tests.crash import load
from tests.serving_process import ServeProcess

pytestmark = pytest.mark.slow

SEED = os.environ.get("OPENDSQL_SEED", "1")
ROUNDS = 30
OPTIONS = ("--snapshot-bytes", "65536")


def kill_under_load(
    server: ServeProcess, choose: random.Random, numbers: list[int], ledger: load.Ledger
) -> None:
    """Let the clients run, and kill the server a moment after it has acknowledged some number of commits."""
    remaining = choose.randrange(1, 120)
    moment = choose.random() * 0.005

    def told() -> None:
        nonlocal remaining
        remaining -= 1
        if remaining == 0:
            asyncio.get_running_loop().call_later(moment, server.process.kill)

    asyncio.run(load.run(server.dsn(), choose, numbers, ledger, told))


def audit(data: Path) -> None:
    """The log alone proves order, atomicity and snapshot isolation."""
    with lock_directory(data):
        journal = LmdbLog.open(data / "journal")
        result, damage = audit_journal(journal)
        journal.close()
    assert damage is None
    assert result.findings == []


def test_kill_at_random_moments(tmp_path):
    data = tmp_path / "data"
    ledger = load.Ledger()
    numbers = [0] * load.CLIENTS
    trimmed = 0
    for number in range(ROUNDS):
        choose = random.Random(f"{SEED}:{number}")
        with ServeProcess(data, *OPTIONS) as server:
            if number == 0:
                asyncio.run(load.create(server.dsn()))
            asyncio.run(load.check(server.dsn(), ledger))
            kill_under_load(server, choose, numbers, ledger)
        audit(data)
        positions = snapshot_positions(data / "snapshots")
        trimmed += len(positions) == 2
        if choose.random() < 0.25:
            shutil.rmtree(data / "storage")
    with ServeProcess(data, *OPTIONS) as server:
        asyncio.run(load.check(server.dsn(), ledger))
        assert server.stop() == 0
    audit(data)
    assert len(ledger.committed) > ROUNDS
    assert trimmed, "the load never made the server cut snapshots"
