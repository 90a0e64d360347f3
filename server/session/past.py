"""opendsql.as_of(timestamptz): a transaction that reads as of a moment that has passed (docs/testing.md).

    BEGIN READ ONLY
    SELECT opendsql.as_of('2026-11-29 10:00:00+00')      start_ts, and with it rows and catalog, are those of then
    SELECT ... ; COMMIT                                  as ever

Rule. A transaction is a snapshot, so all that changes is its start_ts. The catalog is a part of the snapshot: tables
that were dropped since are there, columns that came since are not. As with PostgreSQL's SET TRANSACTION SNAPSHOT it
comes before any query, so that no transaction has seen two moments; and it needs READ ONLY, because what was read in
the past can't be adjudicated: too much of who wrote since is forgotten.

A timestamptz says microseconds, a commit_ts nanoseconds: what committed within the microsecond is seen. A time after
the newest commit is as good as the time of that: `Function.settles` has let everything that was decided become
visible, and what is decided later gets a later time. So equal moments show equal rows, whenever they are asked for.

How far back: versions stay for `Limits.history_s` longer than a transaction needs them, so that one which begins at
the far end of the history can still read everything throughout its life. A replica that was made again from a
snapshot knows nothing older than that (`Versions.horizon`).

OC001 says that what a transaction relied on is not so any more. One that reads the past relies on nothing of the
present: it neither gets OC001, nor counts as the session's look at the newer catalog, so that the next transaction
gets what it would have got.

Privileges are needed twice, those of then and those of now, by the role that has the session's name now: a role that
was renamed keeps its rights, one that was made anew under an old name has none of the old one's (42501). A table that
was dropped since has no privileges of now, and what had been revoked before isn't known any more; so it is read by
admin, and by who has its owner's rights (of the owner of then), by the memberships both of then and of now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from server.catalog import store
from server.catalog.descriptor import Catalog
from server.errors import PgError
from server.session.reader import SnapshotGone
from server.session.transaction import Batch, Items, Transaction, Versions
from server.sql import types
from server.sql.fn_datetime import UNIX_EPOCH
from server.sql.functions import sql
from storage.mvcc import TooOld

if TYPE_CHECKING:
    from server.session.host import Host
    from server.session.session import SqlSession

T = TypeVar("T")

NAME = "opendsql.as_of"
_LAST_NS = 999
"""Of a microsecond."""
_NEVER = 1 << 62


@sql("13801 as_of(timestamptz) timestamptz v called", env=True, schema="opendsql", settles=True)
def as_of(env: Any, moment: int | None) -> int:
    """The transaction's snapshot becomes that of `moment` (µs since 2000), which is returned.

    25P01, 25001, 22004, 22023, 72000.
    """
    session = env.session
    txn = session.txn
    _check_use(session, txn)
    if moment is None:
        raise PgError("22004", "the time must not be null")
    _check_time(session, txn, moment)
    _rewind(session, txn, min(_ns(moment) + _LAST_NS, _NEVER))
    return moment


def _check_use(session: SqlSession, txn: Transaction | None) -> None:
    if txn is None or txn.implicit or session.status != b"T":
        raise PgError("25P01", f"{NAME} can only be used in transaction blocks")
    if not txn.read_only:
        raise PgError(
            "25001", f"{NAME} can only be used in read-only transactions", hint="Begin with BEGIN READ ONLY."
        )
    if txn.queries > 1 or txn.used or txn.is_past:
        raise PgError("25001", f"{NAME} must be called before any query")


def _check_time(session: SqlSession, txn: Transaction, moment: int) -> None:
    now = txn.now // 1000 + UNIX_EPOCH
    if moment > now:
        raise PgError(
            "22023",
            f"cannot read as of {_shown(session, moment)}, which is in the future",
            detail=f"The transaction began at {_shown(session, now)}.",
        )
    node = session.node
    earliest = max(node.versions.horizon, time.time_ns() - node.limits.history_ns)
    if _ns(moment) + _LAST_NS < earliest:
        first = -(-earliest // 1000) + UNIX_EPOCH
        raise PgError(
            "72000",
            "snapshot too old",
            detail=f"The earliest time that can be read is {_shown(session, first)}.",
        )


def _rewind(session: SqlSession, txn: Transaction, ts: int) -> None:
    node, cluster = session.node, session.cluster
    node.catalog(cluster)
    ts = min(ts, node.start_ts())
    catalog = catalog_at(node, cluster, ts)
    if catalog is None:
        raise PgError("72000", "snapshot too old", detail="The cluster did not exist then.")
    txn.start_ts, txn.catalog, txn.is_past = ts, catalog, True
    txn.versions = PastVersions(txn.versions)
    session.env.catalog = catalog
    kept = {name: each for name, each in session.portals.items() if each.done or each.rows is not None}
    # What was bound before means tables of the present: an Execute of it finds no portal.
    session.portals.clear()
    session.portals.update(kept)


def catalog_at(host: Host, cluster: int, ts: int) -> Catalog | None:
    """A cluster's catalog as of `ts`: the host's own object if that is it. None: it had none, or too long ago."""
    newest, versions = host.catalog(cluster), host.versions
    try:
        version = store.version_at(versions, cluster, ts)
        if version is None or version == store.version_at(versions, cluster, host.start_ts()):
            return newest if version is not None else None
        return store.load(versions, cluster, ts, version, newest)
    except TooOld:
        return None


def catalog_of(host: Host, cluster: int, ts: int, is_past: bool) -> Catalog:
    """That of a transaction which is taken up again. PgError 72000 where that of the past is gone.

    That of the present does for one that began lately; in the past it would show other tables, by other rights.
    """
    catalog = catalog_at(host, cluster, ts)
    if catalog is None and is_past:
        raise PgError("72000", "snapshot too old")
    return catalog or host.catalog(cluster)


class PastVersions:
    """A transaction's versions; what is gone is told as PostgreSQL tells it, 72000."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self.is_remote = versions.is_remote

    def get(self, key: bytes, ts: int) -> bytes | None:
        return _told(self._versions.get, key, ts)

    def get_many(self, keys: Sequence[bytes], ts: int) -> list[bytes | None]:
        return _told(self._versions.get_many, keys, ts)

    def expect(self, keys: Sequence[bytes], ts: int) -> None:
        """As of remote versions."""
        versions: Any = self._versions
        _told(versions.expect, keys, ts)

    def scan(self, lo: bytes, hi: bytes, ts: int, limit: int = 256, reverse: bool = False) -> Batch:
        return _told(self._versions.scan, lo, hi, ts, limit, reverse)

    def scan_items(
        self, lo: bytes, hi: bytes, ts: int, limit: int = 256, reverse: bool = False, *pushed: bytes
    ) -> Items:
        return _told(self._versions.scan_items, lo, hi, ts, limit, reverse, *pushed)

    def count(self, lo: bytes, hi: bytes, ts: int, limit: int = 4096) -> tuple[int, bytes | None]:
        return _told(self._versions.count, lo, hi, ts, limit)


def _told(read: Callable[..., T], *arguments: Any) -> T:
    try:
        return read(*arguments)
    except (TooOld, SnapshotGone) as error:
        raise PgError("72000", "snapshot too old") from error


def _ns(moment: int) -> int:
    """Nanoseconds since 1970; beyond all times for an infinite one."""
    return (moment - UNIX_EPOCH) * 1000


def _shown(session: SqlSession, moment: int) -> str:
    return str(types.TIMESTAMPTZ.output(moment, session.env))
