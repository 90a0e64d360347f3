"""Clusters of a server come and go: asked for by CALL and by operators alike (DESIGN §8)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from journal.record import Write
from server.catalog import clusters
from server.errors import PgError
from server.session.transaction import Transaction
from server.session.work import Wait

if TYPE_CHECKING:
    from server.session.host import Host

TRIES = 20
"""Of a change, when others were first."""


def create(host: Host) -> Generator[Wait[Any], None, dict[str, str]]:
    """A fresh cluster; its ids by region. Raises PgError."""
    ids = clusters.make_ids(host.here, os.urandom)
    limit = host.limits.clusters
    yield from _change(host, lambda ts: clusters.creation(host.versions, ts, ids, time.time_ns(), limit))
    return ids


def drop(host: Host, cluster_id: str) -> Generator[Wait[Any], None, None]:
    """The cluster is gone for its clients; its rows are removed in the background. Raises PgError."""
    yield from _change(host, lambda ts: clusters.deletion(host.versions, ts, cluster_id, host.here.region))


def _change(host: Host, writes_at: Callable[[int], list[Write]]) -> Generator[Wait[Any], None, None]:
    """Commit what is to be written at a time; at a later one when others were first. Raises PgError."""
    for attempt in range(TRIES):
        host.catalog(host.default_cluster)  # in a worker: of the newest snapshot
        ts = host.start_ts()
        if (yield from _commit(host, ts, writes_at(ts), attempt)):
            yield from _until_seen(host)
            return


def _until_seen(host: Host) -> Generator[Wait[Any], None, None]:
    """From here on whoever comes to this region meets the change; one that is cut off meets nobody."""
    try:
        wait = host.fresh()
    except PgError:
        return
    if wait is not None:
        yield wait


def _commit(host: Host, ts: int, writes: list[Write], attempt: int) -> Generator[Wait[Any], None, bool]:
    """Whether it was not too late for the changes of others."""
    txn = Transaction(host.reads, host.catalog(host.default_cluster), ts, host.limits)
    txn.writes.update((write.key, write) for write in writes)
    wait = host.submit(txn, txn.check_size())
    yield wait
    try:
        wait.value()
    except PgError as error:
        if error.sqlstate != "40001" or attempt == TRIES - 1:
            raise
        return False
    return True
